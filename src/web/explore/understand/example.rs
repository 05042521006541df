//! An example of a pattern: the newest line that it finds.

use askama::Template;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;

use crate::query::CancelOnDrop;
use crate::web::auth::SignedIn;
use crate::web::explore::state::{Params, State};
use crate::web::explore::text::{self, Marker, Piece};
use crate::web::explore::view::Asked;
use crate::web::explore::{browser_zone, search, whole_seconds};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking};

/// Bytes of the line that are shown.
const TEXT_BYTES_MAX: usize = 2000;

#[derive(Debug, Template)]
#[template(path = "_explore_example.html")]
struct Example {
    page: Page,
    /// None where there is no such line any more.
    pieces: Option<Vec<Piece>>,
    failure: Option<String>,
}

/// Shows the line below its pattern; without scripts, the lines of the pattern.
pub(crate) async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let now = whole_seconds(now());
    let (state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now);
    if !page.fragment {
        return Ok(Redirect::to(&state.url()).into_response());
    }
    let ticket = context.engine.ticket().for_user(&user.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let (engine, say) = (context.engine.clone(), page.say);
    let found = blocking(move || {
        let asked = Asked::read(&state.query);
        let (Some(expr), Some(range)) = (asked.lines(), state.range(now)) else { return Ok(None) };
        let found = search::newest(&engine, expr, range, &ticket).map_err(|error| search::told(&error, say))?;
        Ok(found.map(|line| Marker::default().pieces(text::head(&line.line, TEXT_BYTES_MAX))))
    });
    let (pieces, failure) = match found.await? {
        Ok(pieces) => (pieces, None),
        Err(failure) => (None, Some(failure)),
    };
    Ok(render(&Example { page, pieces, failure })?.into_response())
}
