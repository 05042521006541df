//! The lines around one line in its file, container, host …, whatever a query filters.

use askama::Template;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::model::{Direction, TimeRange};
use crate::query::{self, CancelOnDrop, Engine, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::browser_zone;
use crate::web::explore::key::LineKey;
use crate::web::explore::line::locate::{Located, alone, everything, locate};
use crate::web::explore::line::permalink;
use crate::web::explore::line::scope::Scope;
use crate::web::explore::line::sheet::Choice;
use crate::web::explore::line::vicinity::{self, Reach, Vicinity};
use crate::web::explore::look::{Look, Same};
use crate::web::explore::moment::Moment;
use crate::web::explore::reading::Reading;
use crate::web::explore::rows;
use crate::web::explore::state::{Params, State};
use crate::web::explore::text::{Marker, Piece};
use crate::web::explore::view::{Asked, RowView};
use crate::web::explore::{builder, text, view};
use crate::web::language::Language;
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking};

/// Lines before and after that are shown at first, and that each further tap adds.
const STEP: usize = 25;
/// Lines on one side at most; Explore itself reads on from there.
const REACH_MAX: usize = 500;

/// Which line, and how far around it.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    line: String,
    by: Option<String>,
    before: Option<usize>,
    after: Option<usize>,
}

#[derive(Debug, Template)]
#[template(path = "explore_around.html")]
struct AroundPage {
    page: Page,
    state: State,
    around: AroundView,
}

/// What the page shows.
#[derive(Debug)]
struct AroundView {
    scopes: Vec<Choice>,
    /// What the scope is called on the machine: the path of the file.
    place: Vec<Piece>,
    rows: Vec<RowView>,
    earlier: Option<String>,
    later: Option<String>,
    /// What stands where there is no way on.
    first_words: &'static str,
    last_words: &'static str,
    back: String,
    /// The same lines in Explore.
    explore: String,
}

/// The lines around a line, from a view of Explore.
pub(crate) fn href(state: &State, key: LineKey, scope: Scope) -> String {
    address(state, key, scope, Reach { before: STEP, after: STEP }, permalink::ANCHOR)
}

fn address(state: &State, key: LineKey, scope: Scope, reach: Reach, anchor: &str) -> String {
    let beside = State { line: Some(key), live: false, cursor: None, ..state.clone() };
    let mut url = format!("/explore/around?{}&by={}", beside.params(), scope.name());
    for (name, count) in [("before", reach.before), ("after", reach.after)] {
        if count != STEP {
            url.push_str(&format!("&{name}={count}"));
        }
    }
    format!("{url}#{anchor}")
}

/// Shows the lines.
pub(crate) async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let (mut state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now());
    state.reading = Reading::of(&headers);
    let Some(key) = LineKey::parse(&wanted.line) else { return Err(Error::not_found()) };
    let ticket = context.engine.ticket().for_user(&user.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let engine = context.engine.clone();
    let plain = plain(&state);
    let found = blocking(move || lines_around(&engine, &state, key, &wanted, &ticket)).await??;
    match found {
        Some(around) => Ok(render(&AroundPage { page, state: plain, around })?.into_response()),
        None => Err(Error::new(StatusCode::NOT_FOUND, page.say.line_gone())),
    }
}

fn lines_around(
    engine: &Engine,
    state: &State,
    key: LineKey,
    wanted: &Wanted,
    ticket: &Ticket,
) -> Result<Option<AroundView>, query::Error> {
    let asked = Asked::read(&state.query);
    let all = everything();
    let expr = asked.lines().unwrap_or(&all);
    let Some(Located { stored, .. }) = locate(engine, Some(expr), key, ticket)? else { return Ok(None) };
    let scope = Scope::pick(wanted.by.as_deref(), &stored.stream);
    let mut lines = scope.lines(&stored.stream).unwrap_or_else(everything);
    if scope == Scope::Stream {
        lines = alone(engine, lines, &stored.stream, ticket)?;
    }
    let bounded = |count: Option<usize>| count.unwrap_or(STEP).clamp(1, REACH_MAX);
    let reach = Reach { before: bounded(wanted.before), after: bounded(wanted.after) };
    let near = vicinity::fetch(engine, &lines, TimeRange::ALL, key, reach, ticket)?;
    let further = |count: usize| (count < REACH_MAX).then(|| (count + STEP).min(REACH_MAX));
    let more = |reach: Option<Reach>, anchor: String| reach.map(|reach| address(state, key, scope, reach, &anchor));
    let choice = |known: &Scope| Choice {
        text: known.words(state.say),
        href: address(state, key, *known, Reach { before: STEP, after: STEP }, permalink::ANCHOR),
        current: *known == scope,
    };
    let words = |side: Option<_>, end, bound| if side.is_none() { end } else { bound };
    let earlier = further(reach.before).filter(|_| near.older.is_some()).map(|before| Reach { before, ..reach });
    let later = further(reach.after).filter(|_| near.newer.is_some()).map(|after| Reach { after, ..reach });
    Ok(Some(AroundView {
        scopes: Scope::of(&stored.stream).iter().map(choice).collect(),
        place: scope.value(&stored.stream).map(text::revealed).unwrap_or_default(),
        first_words: words(near.older, state.say.around_first(), state.say.around_bound()),
        last_words: words(near.newer, state.say.around_last(), state.say.around_bound()),
        earlier: more(earlier, format!("before-{}", reach.before)),
        later: more(later, format!("after-{}", reach.after)),
        back: State { line: None, ..state.clone() }.url(),
        explore: in_explore(state, &builder::text(&lines), key, &near),
        rows: row_views(state, &Marker::of(expr), &near, key),
    }))
}

/// The same lines in Explore, which reads on in both directions.
fn in_explore(state: &State, query: &str, key: LineKey, near: &Vicinity<query::LogLine>) -> String {
    const MARGIN_NS: i64 = 60_000_000_000;
    const SECOND: i64 = 1_000_000_000;
    let whole = |time: crate::model::Timestamp| crate::model::Timestamp::from_secs(time.nanos().div_euclid(SECOND));
    let view = match (near.lines.first(), near.lines.last()) {
        (Some(first), Some(last)) => state.with_span(
            Moment::At(whole(first.timestamp.plus_nanos(-MARGIN_NS))),
            Moment::At(whole(last.timestamp.plus_nanos(MARGIN_NS))),
        ),
        _ => state.clone(),
    };
    let view = State { line: Some(key), ..view.with_query(query) };
    format!("{}#{}", view.url(), permalink::ANCHOR)
}

/// A file is read as it is: no columns, and nothing put together.
fn plain(state: &State) -> State {
    state.with_look(Look { same: Same::Never, columns: Vec::new(), ..state.look.clone() })
}

/// The oldest first, as in the file. Each row can be led to by how far it is from the line.
fn row_views(state: &State, marker: &Marker, near: &Vicinity<query::LogLine>, key: LineKey) -> Vec<RowView> {
    let mut rows = rows::rows(&near.lines, Direction::Forward, &view::telling(&plain(state), marker, now()), None);
    let own = near.own.unwrap_or(near.lines.len());
    let keys: Vec<LineKey> = near.lines.iter().map(LineKey::of).collect();
    for row in &mut rows {
        let Some(index) = keys.iter().position(|key| *key == row.key) else { continue };
        let (name, distance) = if index < own { ("before", own - index) } else { ("after", index - own) };
        if distance > 0 && distance.is_multiple_of(STEP) {
            row.anchor = Some(format!("{name}-{distance}"));
        }
    }
    permalink::anchor(&mut rows, key);
    view::row_views(state, rows)
}

impl Scope {
    /// What the scope is called.
    fn words(self, say: Language) -> &'static str {
        match self {
            Scope::File => say.scope_file(),
            Scope::Container => say.scope_container(),
            Scope::Unit => say.scope_unit(),
            Scope::Stream => say.scope_stream(),
            Scope::Service => say.scope_service(),
            Scope::Host => say.scope_host(),
            Scope::All => say.scope_all(),
        }
    }
}
