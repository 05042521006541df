//! Explore: find and read lines.
//!
//! Promises: the address holds the whole view; every control is a link or a GET form; what is shown of a log line is
//! text and nothing but text. Handlers are thin: `state` reads the address, `search` asks the engine, `view` shapes
//! what the template shows.

pub(in crate::web) mod ansi;
mod axis;
pub(in crate::web) mod builder;
mod calendar;
pub(in crate::web) mod chart;
pub(in crate::web) mod chips;
mod clock;
pub(crate) mod columns;
mod complete;
mod copy;
mod drawing;
mod entries;
mod explain;
mod facets;
mod fault;
mod fold;
mod frames;
pub(in crate::web) mod histogram;
mod jump;
pub(crate) mod key;
mod korean;
mod labels;
pub(in crate::web) mod level;
mod line;
mod links;
mod literal;
mod live;
pub(in crate::web) mod look;
pub(in crate::web) mod moment;
mod paging;
mod quotes;
pub(in crate::web) mod reading;
pub(in crate::web) mod record;
pub(in crate::web) mod rows;
mod same;
mod same_lines;
pub(in crate::web) mod search;
mod span;
pub(crate) mod spoken;
pub(in crate::web) mod state;
mod suggest;
mod switches;
pub(in crate::web) mod text;
mod understand;
pub(in crate::web) mod view;
pub(in crate::web) mod zone;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::HeaderMap;
use serde::Deserialize;

use crate::logql::ast::{LineOp, LogExpr};
use crate::model::{Direction, TimeRange, Timestamp};
use crate::query::{CancelOnDrop, Engine, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::builder::{Case, Origin, Search, Want};
use crate::web::explore::chart::Chart;
use crate::web::explore::facets::Stream;
use crate::web::explore::line::permalink::{self, Missing};
use crate::web::explore::look::Show;
use crate::web::explore::reading::Reading;
use crate::web::explore::span::Link;
use crate::web::explore::state::{Params, State};
use crate::web::explore::text::Piece;
use crate::web::explore::view::{Asked, Found, LevelView, Lines, Part, Tools};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking, cookie, keep, origin};

/// Routes that need a session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/explore", get(show))
        .route("/explore/copy", get(copy::show))
        .route("/explore/labels", get(labels::show))
        .route("/explore/complete", get(complete::show))
        .route("/explore/example", get(understand::example::show))
        .route("/explore/jump", get(jump::show))
        .route("/explore/time", get(clock::show))
        .merge(line::routes())
}

/// The route of what goes on while a page is open, which looks after its session itself.
pub(in crate::web) fn live_routes() -> Router<Context> {
    Router::new().route("/explore/live", get(live::follow))
}

/// What a small form changes of the query it stands beside.
#[derive(Debug, Default, Deserialize)]
struct Edit {
    /// The search box; empty takes its filter away.
    contains: Option<String>,
    /// Given when upper and lower case are the same.
    either_case: Option<String>,
    /// A further condition: its kind, the label or field that it is about, and its text.
    filter: Option<String>,
    filter_name: Option<String>,
    filter_text: Option<String>,
    /// A label and a value to pick.
    label: Option<String>,
    value: Option<String>,
}

/// The columns that the sheet of the look sends, each as a parameter of its own.
#[derive(Debug, Default, Deserialize)]
struct PickedColumns {
    /// Given where that form was sent.
    pick: Option<String>,
    #[serde(default)]
    column: Vec<String>,
}

impl PickedColumns {
    /// The view with these columns; `None` where none were sent.
    fn applied(&self, state: &State) -> Option<State> {
        self.pick.as_ref()?;
        let names = self.column.iter().flat_map(|names| names.split([',', ' ']));
        Some(state.with_look(state.look.with_columns(names)))
    }
}

#[derive(Debug, Template)]
#[template(path = "explore.html", blocks = ["view", "rows"])]
struct ExplorePage {
    page: Page,
    state: State,
    tools: Tools,
    body: Body,
    /// What of the lines could not be read; beside numbers, the chart says it.
    damages: Vec<String>,
    /// Where agents push to, for whoever has none yet.
    push_url: String,
    /// Whether to say how to send lines.
    is_unfed: bool,
    /// Why the line of the address is not among the lines.
    missing: Option<Missing>,
    /// Until when lines were looked for, in nanoseconds: there a live view goes on.
    live_from: i64,
    /// The saved query that this view was opened from.
    opened: Option<keep::Opened>,
    /// Whether a snapshot may be made of it.
    snapshots: bool,
}

impl ExplorePage {
    /// The forms that a view is downloaded in: as the address has them, and their names.
    fn files(&self) -> [(&'static str, &'static str); 3] {
        let say = self.page.say;
        [("txt", say.export_text()), ("jsonl", say.export_json()), ("csv", say.export_csv())]
    }

    fn export_hint(&self) -> String {
        keep::export_hint(self.page.say)
    }

    /// Whether it shows lines, and so looks right with the first style sheet alone.
    /// Whether what is seen at first has styles among those that otherwise come later: charts, the strip of a live view.
    fn is_seen_late(&self) -> bool {
        matches!(self.body, Body::Numbers { .. }) || self.state.live
    }

    fn is_understood(&self) -> bool {
        self.state.show != Show::Lines && !matches!(self.body, Body::Numbers { .. })
    }

    /// Until when lines were looked for, in seconds: what is fixed of this view ends there, also after a long look.
    fn seen(&self) -> i64 {
        whole_seconds(Timestamp::from_nanos(self.live_from)).nanos() / 1_000_000_000
    }

    /// The levels to pick from.
    fn levels(&self) -> &[LevelView] {
        match &self.body {
            Body::Lines(lines) | Body::Understood(lines, _) => &lines.levels,
            Body::NoLines { levels, .. } => levels,
            Body::Numbers { .. } | Body::Failed(_) | Body::Nothing => &[],
        }
    }

    fn has_lines(&self) -> bool {
        matches!(self.body, Body::Lines(_))
    }

    /// The page of the line that the address names.
    fn line_href(&self) -> Option<String> {
        self.state.line.map(|key| line::href(&self.state, key))
    }
}

/// What stands below the tools.
#[derive(Debug)]
enum Body {
    Lines(Lines),
    /// What the lines have in common; the first part is what stands above it.
    Understood(Lines, understand::View),
    NoLines {
        suggestions: Vec<Link>,
        levels: Vec<LevelView>,
    },
    Numbers {
        chart: Chart,
        warnings: Vec<String>,
    },
    Failed(String),
    Nothing,
}

async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(edit): Query<Edit>,
    axum_extra::extract::Query(columns): axum_extra::extract::Query<PickedColumns>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let asked_at = now();
    let (live_from, now) = (asked_at.nanos(), whole_seconds(asked_at));
    let (mut state, faults) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now);
    state.reading = Reading::of(&headers);
    if let Some(state) = columns.applied(&state) {
        return Ok(Redirect::to(&state.url()).into_response());
    }
    let (engine, name) = (context.engine.clone(), user.user.name.clone());
    let (edited, state) = blocking(move || {
        let origin = |expr: &LogExpr, field: &str| complete::origin(&engine, expr, field, state.range(now), &name);
        (edit.applied(&state, origin), state)
    })
    .await?;
    if let Some(query) = edited {
        return Ok(Redirect::to(&state.with_query(query).url()).into_response());
    }
    let state = permalink::with_span_of_line(state, now);
    let ticket = context.engine.ticket().for_user(&user.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let (asked_view, opened_id) = (state.clone(), state.saved);
    let engine = context.engine.clone();
    let name = user.user.name.clone();
    if params.typed.is_some() && faults.is_empty() {
        return Ok(Redirect::to(&state.url()).into_response());
    }
    let below = page.fragment && headers.get("hx-target").is_some_and(|target| target.as_bytes().ends_with(b"#pager"));
    let part = if below { Part::Rows } else { Part::All };
    let missed = params.missed;
    let found = blocking(move || {
        let asked = Asked::read(&state.query);
        let range = state.range(now);
        let streams = if part == Part::All { search::streams(&engine, range, &name) } else { Vec::new() };
        let mut tools = view::tools(&state, &asked, &streams, &faults, now);
        tools.notes.extend(missed.and_then(|text| jump::told_missed(&text, state.say)));
        let (body, missing) = below_tools(&engine, &state, &asked, part, now, &streams, &ticket);
        let is_unfed =
            part == Part::All && !matches!(body, Body::Numbers { .. }) && !search::is_fed(&engine, &streams, &name);
        let damages = if matches!(body, Body::Numbers { .. }) { Vec::new() } else { ticket.damages() };
        (state, tools, body, damages, is_unfed, missing)
    });
    let beside = async {
        if part == Part::All {
            keep::note(&context, &user, &asked_view, &headers).await;
        }
        keep::Opened::find(&context, &user, opened_id).await
    };
    let (found, opened) = tokio::join!(found, beside);
    let (state, tools, body, damages, is_unfed, missing) = found?;
    let push_url = format!("{}/loki/api/v1/push", origin(&context, &headers));
    let snapshots = context.snapshots;
    let page =
        ExplorePage { page, state, tools, body, damages, push_url, is_unfed, live_from, opened, snapshots, missing };
    match (page.page.fragment, part) {
        (true, Part::Rows) => Ok(render(&page.as_rows())?.into_response()),
        (true, Part::All) => Ok(render(&page.as_view())?.into_response()),
        (false, _) => Ok(render(&page)?.into_response()),
    }
}

impl Edit {
    /// The query as a form changed it; `None` where no form was sent.
    fn applied(&self, state: &State, origin: impl Fn(&LogExpr, &str) -> Origin) -> Option<String> {
        let asked = Asked::read(&state.query);
        let all = LogExpr { selector: Vec::new(), stages: Vec::new() };
        let expr = asked.lines().unwrap_or(&all);
        let edited = if let Some(text) = &self.contains {
            let case = if self.either_case.is_some() { Case::Either } else { Case::Exact };
            builder::with_search(expr, &Search { text: text.trim().to_owned(), case })
        } else if let (Some(kind), Some(text)) = (&self.filter, &self.filter_text) {
            let field = self.filter_name.as_deref().map(str::trim).filter(|name| !name.is_empty());
            match (kind.as_str(), field) {
                ("is", Some(field)) => builder::with_value(expr, origin(expr, field), field, text, Want::With),
                ("is-not", Some(field)) => builder::with_value(expr, origin(expr, field), field, text, Want::Without),
                _ if text.is_empty() => expr.clone(),
                ("excludes", _) => builder::with_line_filter(expr, LineOp::NotContains, text),
                ("matches", _) => builder::with_line_filter(expr, LineOp::Matches, text),
                ("matches-not", _) => builder::with_line_filter(expr, LineOp::NotMatches, text),
                _ => builder::with_line_filter(expr, LineOp::Contains, text),
            }
        } else if let (Some(label), Some(value)) = (&self.label, &self.value) {
            builder::with_toggled_label(expr, label, value)
        } else {
            return None;
        };
        Some(builder::text(&edited))
    }
}

/// The body of a view of what lines have in common.
fn understood(
    state: &State,
    expr: &LogExpr,
    streams: &[Stream],
    range: TimeRange,
    found: Result<(Lines, understand::View), String>,
) -> Body {
    match found {
        Ok((lines, understand::View::Nothing)) => {
            let suggestions = suggest::suggestions(state, expr, range, streams);
            Body::NoLines { suggestions, levels: lines.levels }
        }
        Ok((lines, view)) => Body::Understood(lines, view),
        Err(message) => Body::Failed(message),
    }
}

/// What stands below the tools, and whether the line to open at is not in it.
fn below_tools(
    engine: &Engine,
    state: &State,
    asked: &Asked,
    part: Part,
    now: Timestamp,
    streams: &[Stream],
    ticket: &Ticket,
) -> (Body, Option<Missing>) {
    let range = state.range(now);
    if let (Some(expr), Some(range)) = (asked.lines(), range)
        && state.show != Show::Lines
    {
        return (understood(state, expr, streams, range, understand::find(engine, state, expr, range, ticket)), None);
    }
    let found = search::find(engine, state, asked, range, part, ticket);
    let missing = match &found {
        Found::Lines { page, .. } => permalink::missing(engine, state, &page.rows, ticket),
        Found::Numbers { .. } | Found::Failed(_) | Found::Nothing => None,
    };
    (body_of(state, asked, found, part, now, streams), missing)
}

fn body_of(state: &State, asked: &Asked, found: Found, part: Part, now: Timestamp, streams: &[Stream]) -> Body {
    match (found, asked.lines()) {
        (Found::Lines { page, cut, histogram }, Some(expr)) => {
            if page.rows.is_empty() && state.cursor.is_none() && !state.live {
                let suggestions = state.range(now).map(|range| suggest::suggestions(state, expr, range, streams));
                let histogram = histogram.ok().flatten();
                let levels = histogram.map(|histogram| view::level_views(state, expr, &histogram)).unwrap_or_default();
                return Body::NoLines { suggestions: suggestions.unwrap_or_default(), levels };
            }
            let total = histogram.as_ref().ok().and_then(Option::as_ref).map(|histogram| histogram.total);
            let mut lines = view::lines(state, expr, &page, cut, histogram, part, now);
            if let Some(total) = total.filter(|_| state.live) {
                lines.summary = live::total(state, total);
            }
            Body::Lines(lines)
        }
        (Found::Numbers { chart, warnings }, _) => Body::Numbers { chart, warnings },
        (Found::Failed(message), _) => Body::Failed(message),
        (Found::Lines { .. } | Found::Nothing, _) => Body::Nothing,
    }
}

/// The time zone that the page's script found the browser in.
pub(in crate::web) fn browser_zone(headers: &HeaderMap) -> Option<String> {
    cookie::find(headers, "logcafe_zone")
}

/// The end of this second: the edges of bars and pages stay on whole seconds, and no line that is there is missed.
pub(in crate::web) fn whole_seconds(now: Timestamp) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    Timestamp::from_nanos(now.nanos().div_euclid(SECOND).saturating_add(1).saturating_mul(SECOND))
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::web::explore::builder::Origin;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::{Edit, whole_seconds};
    use crate::web::language::Language;

    fn applied(query: &str, form: &str) -> Option<String> {
        let uri = format!("http://logcafe/?{form}").parse().unwrap();
        let edit = axum::extract::Query::<Edit>::try_from_uri(&uri).unwrap().0;
        let params = Params { query: Some(query.to_owned()), ..Params::default() };
        let state = State::read(&params, None, Language::English, Timestamp::from_secs(0)).0;
        edit.applied(&state, |_, _| Origin::Stream)
    }

    #[test]
    fn small_forms_write_into_the_query() {
        let query = r#"{app="web"} |= "x""#;
        let check = |form: &str, expected: &str| assert_eq!(applied(query, form).as_deref(), Some(expected), "{form}");
        check("contains=+time+out+", r#"{app="web"} |= "time out""#);
        check("contains=a.b&either_case=1", r#"{app="web"} |~ "(?i)a\\.b""#);
        check("contains=", r#"{app="web"}"#);
        check("filter=excludes&filter_text=y", r#"{app="web"} |= "x" != "y""#);
        check("filter=matches&filter_text=y%2B", r#"{app="web"} |= "x" |~ "y+""#);
        check("filter=contains&filter_text=", query);
        check("filter=is&filter_name=+host&filter_text=a", r#"{app="web", host="a"} |= "x""#);
        check("filter=is-not&filter_name=app&filter_text=db", r#"{app="web", app!="db"} |= "x""#);
        check("filter=is&filter_name=&filter_text=y", r#"{app="web"} |= "x" |= "y""#);
        check("label=host&value=a", r#"{app="web", host="a"} |= "x""#);
        assert_eq!(applied(query, ""), None);
        assert_eq!(applied("{wrong", "contains=x").as_deref(), Some("{} |= \"x\""));
    }

    #[test]
    fn now_ends_at_the_end_of_its_second() {
        assert_eq!(whole_seconds(Timestamp::from_nanos(1_500_000_000)), Timestamp::from_secs(2));
        assert_eq!(whole_seconds(Timestamp::from_secs(1)), Timestamp::from_secs(2));
    }
}
