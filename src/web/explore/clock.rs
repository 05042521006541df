//! Tells what the fields of the span would be read as, while they are typed.

use askama::Template;
use axum::extract::Query;
use axum::response::Html;
use http::HeaderMap;

use crate::web::Error;
use crate::web::explore::browser_zone;
use crate::web::explore::span;
use crate::web::explore::state::{Params, State};
use crate::web::explore::whole_seconds;
use crate::web::language::Language;
use crate::web::page::{Page, now, render};

/// What was read.
#[derive(Debug)]
struct Reading {
    say: Language,
    /// None where the two times are no range.
    text: Option<String>,
    /// Whether it is the time around one timestamp.
    is_around: bool,
    /// Whether it is read on from one time.
    is_onward: bool,
    faults: Vec<String>,
}

#[derive(Debug, Template)]
#[template(path = "_explore_reading.html")]
struct ReadingPage {
    reading: Reading,
}

/// Answers with the reading of `from`, `to` and `zone`.
pub(in crate::web::explore) async fn show(
    Query(params): Query<Params>,
    headers: HeaderMap,
    page: Page,
) -> Result<Html<String>, Error> {
    let now = whole_seconds(now());
    let say = page.say;
    let (state, faults) = State::read(&params, browser_zone(&headers).as_deref(), say, now);
    let (plain, _) = State::read(&Params { typed: None, ..params }, browser_zone(&headers).as_deref(), say, now);
    let mut faults: Vec<String> = faults.iter().map(|fault| fault.told(say)).collect();
    let range = state.range(now);
    if range.is_none() {
        faults.push(say.ends_before_it_begins().to_owned());
    }
    let text = range.map(|range| span::reading(range, &state.zone, say));
    let is_around = (state.from, state.to) != (plain.from, plain.to);
    let is_onward = state.direction != plain.direction;
    render(&ReadingPage { reading: Reading { say, text, is_around, is_onward, faults } })
}
