//! What the link of a snapshot shows, to anyone who has it and until it ends.
//!
//! Promises: no session is looked at and no name of a viewer is on the page; no script runs on it; neither search engines
//! nor the sites that its text names learn of the link; a link that leads nowhere does not say why.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};
use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::snapshots::{self, Opened};
use crate::db::{Address, Db};
use crate::logql::ast::LogExpr;
use crate::model::Timestamp;
use crate::web::auth::From;
use crate::web::explore::ansi::Painted;
use crate::web::explore::chips;
use crate::web::explore::histogram::{HEIGHT, WIDTH};
use crate::web::explore::level::Level;
use crate::web::explore::moment::{Moment, zoned};
use crate::web::explore::text::{self, Marker, Piece};
use crate::web::explore::view::Asked;
use crate::web::explore::zone::Zone;
use crate::web::keep::frozen::{Frozen, FrozenLine};
use crate::web::keep::{grouped, span_words};
use crate::web::language::Language;
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking};

/// Rows of one page.
const PAGE_ROWS: usize = 500;
/// Pages that are unpacked at a time, whoever asks: each holds the whole snapshot for a moment.
const UNPACKING_MAX: usize = 2;
/// Bytes of a line that are shown before it is opened.
const HEAD_BYTES_MAX: usize = 2000;

static UNPACKING: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(UNPACKING_MAX)));

/// Nothing but our style sheets: no script, no form, no frame, no picture from elsewhere.
const HEADERS: [(HeaderName, &str); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow, noarchive"),
];

/// Routes that need no session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/snapshot/{secret}", get(show))
}

#[derive(Template)]
#[template(path = "snapshot.html")]
struct SnapshotPage {
    page: Page,
    shown: Option<Shown>,
    /// Why there is nothing to see.
    problem: String,
}

struct Shown {
    frozen: Frozen,
    rows: Vec<Row>,
    range: String,
    made: String,
    ends: String,
    summary: String,
    levels: Vec<(Level, String)>,
    page: usize,
    page_count: usize,
    marks: Vec<String>,
}

struct Row {
    level: Level,
    day: Option<String>,
    time: String,
    time_full: String,
    source: String,
    head: Vec<Piece>,
    rest: Vec<Piece>,
    labels: Vec<(String, Vec<Piece>)>,
    cells: Vec<(String, Vec<Piece>)>,
}

#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    page: String,
}

async fn show(
    State(context): State<Context>,
    From(address): From,
    page: Page,
    Path(secret): Path<String>,
    Query(place): Query<Place>,
) -> Result<Response, Error> {
    // the page of a snapshot is nobody's, also for whoever is signed in
    let page = Page { viewer: None, ..page };
    let (say, number) = (page.say, place.page.parse().unwrap_or(1));
    let found = match context.snapshots {
        true => {
            let turn = UNPACKING.clone().acquire_owned().await.map_err(|error| Error::internal(&error))?;
            let db = context.db.clone();
            // the turn goes with the work, which goes on when nobody waits for it any more
            blocking(move || turned(&turn, &db, &secret, &address, number, say)).await??
        }
        false => Found::Nothing,
    };
    match found {
        Found::Shown(shown) => {
            answer(StatusCode::OK, &SnapshotPage { page, shown: Some(*shown), problem: String::new() })
        }
        Found::Nothing => {
            let problem = page.say.snapshot_gone_why().to_owned();
            answer(StatusCode::NOT_FOUND, &SnapshotPage { page, shown: None, problem })
        }
        Found::Slowed { retry_after } => {
            let seconds = retry_after.as_secs().max(1);
            let problem = page.say.snapshot_slowed(seconds);
            let mut slowed = answer(StatusCode::TOO_MANY_REQUESTS, &SnapshotPage { page, shown: None, problem })?;
            slowed.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            Ok(slowed)
        }
    }
}

/// What there is to show behind a link.
enum Found {
    Shown(Box<Shown>),
    Nothing,
    Slowed { retry_after: Duration },
}

/// Reads a snapshot and unpacks it. Blocks, and holds the whole of it meanwhile: hence the turn.
fn turned(
    _turn: &OwnedSemaphorePermit,
    db: &Db,
    secret: &str,
    address: &Address,
    number: usize,
    say: Language,
) -> Result<Found, Error> {
    Ok(match snapshots::open(db, secret, address, now())? {
        Opened::Found { content, expires_at } => {
            let frozen = Frozen::unpack(&content).map_err(|error| Error::internal(&error))?;
            Found::Shown(Box::new(view(frozen, expires_at, number, say)))
        }
        Opened::Nothing => Found::Nothing,
        Opened::Slowed { retry_after } => Found::Slowed { retry_after },
    })
}

fn answer(status: StatusCode, page: &SnapshotPage) -> Result<Response, Error> {
    let html: Html<String> = render(page)?;
    let mut response = (status, html).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn view(frozen: Frozen, expires_at: Timestamp, number: usize, say: Language) -> Shown {
    let zone = Zone::pick(Some(&frozen.zone), None).0.zone;
    let clock = |timestamp: Timestamp| zoned(timestamp, &zone).strftime("%Y-%m-%d %H:%M").to_string();
    let at = |nanos: i64| clock(Timestamp::from_nanos(nanos));
    let page_count = frozen.lines.len().div_ceil(PAGE_ROWS).max(1);
    let page = number.clamp(1, page_count);
    let all = LogExpr { selector: Vec::new(), stages: Vec::new() };
    let asked = Asked::read(&frozen.query);
    let marker = Marker::of(asked.lines().unwrap_or(&all));
    let mut last_day = String::new();
    let lines = frozen.lines.iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS);
    let rows = lines.map(|line| row(line, &frozen.columns, &zone, &marker, &mut last_day)).collect();
    let level = |(name, count): &(String, u64)| (Level::named(name), grouped(*count));
    Shown {
        rows,
        range: {
            let span = (Timestamp::from_nanos(frozen.from_nanos), Timestamp::from_nanos(frozen.to_nanos));
            let shown_in = Zone { zone: zone.clone(), name: frozen.zone.clone(), chosen: true, local: None };
            span_words(Moment::At(span.0), Moment::At(span.1), &shown_in, say)
        },
        made: say.snapshot_by(&frozen.maker, &at(frozen.made_at_nanos)),
        ends: say.snapshot_until(&clock(expires_at)),
        summary: summary(&frozen, say),
        levels: frozen.levels.iter().map(level).collect(),
        page,
        page_count,
        marks: asked.lines().map_or_else(|| vec![frozen.query.clone()], |expr| chips::conditions(expr, say)),
        // what is not on this page is not held any longer
        frozen: Frozen { lines: Vec::new(), ..frozen },
    }
}

fn summary(frozen: &Frozen, say: Language) -> String {
    let shown = frozen.lines.len() as u64;
    let mut text = match (frozen.is_cut, frozen.total.filter(|total| *total > shown)) {
        (false, _) => say.snapshot_complete(&grouped(shown)),
        (true, Some(total)) => say.snapshot_cut(&grouped(shown), &grouped(total)),
        (true, None) => say.snapshot_cut_unknown(&grouped(shown)),
    };
    if frozen.shortened_count > 0 {
        text.push(' ');
        text.push_str(&say.snapshot_shortened(frozen.shortened_count));
    }
    text
}

fn row(line: &FrozenLine, columns: &[String], zone: &TimeZone, marker: &Marker, last_day: &mut String) -> Row {
    let time = zoned(Timestamp::from_nanos(line.nanos), zone);
    let day = time.strftime("%Y-%m-%d").to_string();
    let is_new = day != *last_day;
    last_day.clone_from(&day);
    let painted = Painted::of(&line.text);
    let (head, end) = (text::head(&painted.plain, HEAD_BYTES_MAX).len(), painted.plain.len());
    let named = |(name, value): (&String, &String)| (name.clone(), text::revealed(value));
    Row {
        level: Level::named(&line.level),
        day: is_new.then_some(day),
        time: time.strftime("%H:%M:%S%.3f").to_string(),
        time_full: time.strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string(),
        source: line.source.clone(),
        head: marker.pieces_of(&painted, 0..head),
        rest: if head < end { marker.pieces_of(&painted, head..end) } else { Vec::new() },
        labels: line.labels.iter().map(|(name, value)| named((name, value))).collect(),
        cells: columns.iter().zip(&line.cells).map(named).collect(),
    }
}

#[cfg(test)]
mod tests {
    use crate::web::keep::public::*;

    #[test]
    fn what_was_asked_is_said_in_the_language_of_the_reader() {
        let query = r#"{app="shop"} |= "slow" != "ping""#.to_owned();
        let marks = |say| {
            let frozen = Frozen { query: query.clone(), ..Frozen::default() };
            view(frozen, Timestamp::from_secs(5), 1, say).marks
        };
        let (english, korean) = (marks(Language::English), marks(Language::Korean));
        assert!(english.contains(&"app = shop".to_owned()) && english.contains(&"“slow”".to_owned()), "{english:?}");
        assert_eq!(english.len(), korean.len());
        assert_ne!(english, korean);
    }

    #[test]
    fn a_snapshot_says_what_it_lacks() {
        let line = FrozenLine { text: "x".to_owned(), ..FrozenLine::default() };
        let whole = Frozen { lines: vec![line.clone(); 3], ..Frozen::default() };
        assert_eq!(summary(&whole, Language::English), "All 3 lines of the span are here.");
        let cut = Frozen { is_cut: true, total: Some(12_345), shortened_count: 2, ..whole.clone() };
        assert_eq!(
            summary(&cut, Language::English),
            "3 of 12,345 lines are here; the others were left out when this was made. 2 long lines were shortened."
        );
        let shown =
            view(Frozen { lines: vec![line; PAGE_ROWS + 1], ..whole }, Timestamp::from_secs(5), 9, Language::Korean);
        assert_eq!((shown.page, shown.page_count, shown.rows.len()), (2, 2, 1));
    }
}
