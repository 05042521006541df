//! One line: everything known of it, the lines around it, the link that leads back to it, and more lines like it.
//!
//! Promises: a line that is stored is shown, whether or not the query finds it; its text, copied, is exactly what was
//! stored. The page of a line is its sheet, too: a script shows the block of it over the lines.

mod alike;
mod around;
pub(crate) mod locate;
pub(crate) mod permalink;
mod scope;
mod sheet;
mod step;
mod toggle;
mod top;
mod vicinity;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::query::{self, CancelOnDrop, Engine, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::browser_zone;
use crate::web::explore::key::LineKey;
use crate::web::explore::line::locate::Located;
use crate::web::explore::line::sheet::{Sheet, Wish};
use crate::web::explore::state::{Params, State};
use crate::web::explore::text::Piece;
use crate::web::explore::view::Asked;
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking};

/// Pages of single lines.
pub(crate) fn routes() -> Router<Context> {
    Router::new().route("/explore/line", get(show)).route("/explore/around", get(around::show))
}

/// Which line, and what of it.
#[derive(Debug, Deserialize)]
struct Wanted {
    line: String,
    /// `raw` for the bare text, `json` for all that is known, `value` for the bare value of `field`.
    #[serde(rename = "as")]
    form: Option<String>,
    field: Option<String>,
    /// The next line of the view in this direction instead: `older` or `newer`.
    step: Option<String>,
    /// How the text is laid out: `json`, `long`.
    text: Option<String>,
    /// The field whose values are counted.
    top: Option<String>,
    /// Given where lines like it are counted.
    alike: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "explore_line.html", blocks = ["line"])]
struct LinePage {
    page: Page,
    line: Sheet,
}

/// What became of a request for a line.
enum Outcome {
    Sheet(Box<Sheet>),
    Text(&'static str, String),
    To(String),
    Gone,
}

/// The page of a line of a view.
pub(crate) fn href(state: &State, key: LineKey) -> String {
    let beside = State { line: Some(key), live: false, cursor: None, ..state.clone() };
    format!("/explore/line?{}", beside.params())
}

/// Shows the line, or answers its bare text.
async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let (state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now());
    let Some(key) = LineKey::parse(&wanted.line) else { return Err(Error::not_found()) };
    let ticket = context.engine.ticket().for_user(&user.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let engine = context.engine.clone();
    let say = page.say;
    let outcome = blocking(move || answer(&engine, &state, key, &wanted, &ticket)).await??;
    match outcome {
        Outcome::Gone => Err(Error::new(StatusCode::NOT_FOUND, say.line_gone())),
        Outcome::To(url) => Ok(Redirect::to(&url).into_response()),
        Outcome::Text(kind, text) => Ok(([(CONTENT_TYPE, kind)], text).into_response()),
        Outcome::Sheet(line) => {
            let page = LinePage { page, line: *line };
            let html = if page.page.fragment { render(&page.as_line())? } else { render(&page)? };
            Ok(html.into_response())
        }
    }
}

fn answer(
    engine: &Engine,
    state: &State,
    key: LineKey,
    wanted: &Wanted,
    ticket: &Ticket,
) -> Result<Outcome, query::Error> {
    let asked = Asked::read(&state.query);
    let expr = asked.lines().cloned().unwrap_or_else(locate::everything);
    let mut wish = Wish::read(wanted);
    let mut key = key;
    if let Some(direction) = wanted.step.as_deref().map(step::direction) {
        match step::step(engine, state, &expr, key, direction, now(), ticket)? {
            Some(next) => return Ok(Outcome::To(href(state, next))),
            None => wish.end = Some(direction),
        }
    }
    let Some(located) = locate::locate(engine, Some(&expr), key, ticket)? else { return Ok(Outcome::Gone) };
    key = located.key;
    let text = "text/plain; charset=utf-8";
    Ok(match wanted.form.as_deref() {
        Some("raw") => Outcome::Text(text, located.stored.line),
        Some("json") => Outcome::Text("application/json; charset=utf-8", sheet::json(&located)),
        Some("value") => match wanted.field.as_deref().and_then(|field| sheet::value(&located, field)) {
            Some(value) => Outcome::Text(text, value),
            None => Outcome::Gone,
        },
        _ => {
            let shown = Located { key, ..located };
            Outcome::Sheet(Box::new(sheet::sheet(engine, state, &expr, &shown, &wish, ticket)))
        }
    })
}
