//! The page of one line: its whole text, its labels and fields, each with the views for and without its value.

use askama::Template;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::logql::ast::LogExpr;
use crate::model::{Labels, MatchOp, Matcher, Timestamp};
use crate::query::{self, CancelOnDrop, Engine, LogLine};
use crate::web::auth::SignedIn;
use crate::web::explore::builder::{self, Origin, Parser, Want};
use crate::web::explore::level::Level;
use crate::web::explore::moment::{Moment, zoned};
use crate::web::explore::rows::{self, LineKey};
use crate::web::explore::state::{Params, State};
use crate::web::explore::text::{self, Marker, Piece};
use crate::web::explore::view::Asked;
use crate::web::explore::{browser_zone, search};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking};

/// Bytes of a line that its page shows; the rest is behind the link to the raw text.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// How much before and after a line its surroundings reach.
const AROUND_NS: i64 = 60_000_000_000;

/// Which line, and whether as bare text.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    line: String,
    raw: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "explore_line.html", blocks = ["line"])]
struct LinePage {
    page: Page,
    line: LineView,
}

/// One line with everything known of it.
#[derive(Debug)]
struct LineView {
    level: Level,
    source: String,
    time: String,
    time_utc: String,
    time_machine: String,
    nanos: i64,
    text: Vec<Piece>,
    size: String,
    is_cut: bool,
    groups: Vec<Group>,
    back: String,
    here: String,
    raw: String,
    around: String,
}

/// Labels of one origin.
#[derive(Debug)]
struct Group {
    title: &'static str,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    value: Vec<Piece>,
    with: String,
    without: String,
}

/// Shows the line, or answers its bare text.
pub(crate) async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let (state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now());
    // the `line` of this address is the page's own
    let state = State { line: None, ..state };
    let Some(key) = LineKey::parse(&wanted.line) else { return Err(Error::not_found()) };
    let ticket = context.engine.ticket().for_user(&user.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let engine = context.engine.clone();
    let found = blocking(move || {
        let asked = Asked::read(&state.query);
        let Some(expr) = asked.lines() else { return Ok(None) };
        let found = find(&engine, expr, key, &ticket)?;
        Ok::<_, query::Error>(found.map(|(line, parser)| (view(&state, expr, &line, parser), line)))
    });
    let Some((view, line)) = found.await?? else {
        return Err(Error::new(StatusCode::NOT_FOUND, "This line is not there any more, or the query leaves it out."));
    };
    if wanted.raw.is_some() {
        return Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], line.line).into_response());
    }
    let page = LinePage { page, line: view };
    if page.page.fragment { Ok(render(&page.as_line())?.into_response()) } else { Ok(render(&page)?.into_response()) }
}

/// The line, with the fields of the parser that it looks to be made for where the query has none.
fn find(
    engine: &Engine,
    expr: &LogExpr,
    key: LineKey,
    ticket: &query::Ticket,
) -> Result<Option<(LogLine, Option<Parser>)>, query::Error> {
    let Some(mut line) = search::line(engine, expr, key, ticket)? else { return Ok(None) };
    let parser = builder::parser_for(expr, &line.line);
    if let Some(parser) = parser {
        let mut parsing = expr.clone();
        parsing.stages.push(parser.stage());
        // a line that only looks like it has no fields, and is shown all the same
        if let Ok(Some(parsed)) = search::line(engine, &parsing, key, ticket) {
            line.parsed = parsed.parsed;
        }
    }
    Ok(Some((line, parser)))
}

fn view(state: &State, expr: &LogExpr, line: &LogLine, parser: Option<Parser>) -> LineView {
    let key = LineKey::of(line);
    let zone = &state.zone.zone;
    let local = zoned(line.timestamp, zone);
    let here = format!("/explore/line?{}&line={key}", state.params());
    let shown = text::head(&line.line, TEXT_BYTES_MAX);
    let group = |title, set: &Labels, origin| Group { title, fields: fields(state, expr, set, origin) };
    let groups = [
        group("Labels", &line.stream, Origin::Stream),
        group("Metadata", &line.structured, Origin::Structured),
        group("Fields", &line.parsed, Origin::Parsed(parser)),
    ];
    LineView {
        level: rows::level_of(line),
        source: rows::source_of(&line.stream).to_owned(),
        time: format!("{} {} ({})", local.strftime("%Y-%m-%d %H:%M:%S%.3f"), state.zone.name, local.strftime("UTC%:z")),
        time_utc: Moment::At(line.timestamp).to_string(),
        time_machine: Moment::At(line.timestamp).to_string(),
        nanos: line.timestamp.nanos(),
        text: Marker::of(expr).pieces(shown),
        size: rows::size(line.line.len()),
        is_cut: shown.len() < line.line.len(),
        groups: groups.into_iter().filter(|group| !group.fields.is_empty()).collect(),
        back: state.url(),
        raw: format!("{here}&raw=1"),
        here,
        around: around(state, &line.stream, line.timestamp),
    }
}

fn fields(state: &State, expr: &LogExpr, set: &Labels, origin: Origin) -> Vec<Field> {
    let href = |name: &str, value: &str, want| {
        state.with_query(builder::text(&builder::with_value(expr, origin, name, value, want))).url()
    };
    let field = |(name, value): (&str, &str)| Field {
        name: name.to_owned(),
        value: text::revealed(text::head(value, TEXT_BYTES_MAX)),
        with: href(name, value, Want::With),
        without: href(name, value, Want::Without),
    };
    set.iter().filter(|(name, _)| !name.starts_with("__error")).map(field).collect()
}

/// Every line of the same stream shortly before and after, whatever the query filters.
fn around(state: &State, stream: &Labels, timestamp: Timestamp) -> String {
    let matcher = |(name, value): (&str, &str)| Matcher::new(MatchOp::Equal, name, value).ok();
    let expr = LogExpr { selector: stream.iter().filter_map(matcher).collect(), stages: Vec::new() };
    let (from, to) = (timestamp.plus_nanos(-AROUND_NS), timestamp.plus_nanos(AROUND_NS));
    state.with_span(Moment::At(from), Moment::At(to)).with_query(builder::text(&expr)).url()
}
