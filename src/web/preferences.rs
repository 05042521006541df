//! How the pages are to be on this device: the look, the language, how lines are read.
//!
//! Promises: whoever is not signed in may choose as well; what was chosen lies in a cookie and nowhere else.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use http::HeaderMap;
use serde::Deserialize;

use crate::web::cookie::{self, Transport};
use crate::web::explore::reading::{Clock, Size};
use crate::web::language::Language;
use crate::web::page::Theme;
use crate::web::{Context, next};

/// Routes that need no session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/preferences/theme", post(set_theme))
        .route("/preferences/language", post(set_language))
        .route("/preferences/reading", post(set_reading))
}

#[derive(Deserialize)]
struct Look {
    theme: String,
    #[serde(default)]
    next: String,
}

async fn set_theme(State(context): State<Context>, headers: HeaderMap, Form(look): Form<Look>) -> Response {
    let transport = Transport::of(&headers, context.public_url.as_ref());
    let next = next::checked(&look.next).unwrap_or("/account");
    (cookie::set_theme(Theme::parse(&look.theme), transport), Redirect::to(next)).into_response()
}

#[derive(Deserialize)]
struct Speech {
    /// A code, or nothing for the browser's language.
    language: String,
    #[serde(default)]
    next: String,
}

async fn set_language(State(context): State<Context>, headers: HeaderMap, Form(speech): Form<Speech>) -> Response {
    let transport = Transport::of(&headers, context.public_url.as_ref());
    let next = next::checked(&speech.next).unwrap_or("/account");
    (cookie::set_language(Language::parse(&speech.language), transport), Redirect::to(next)).into_response()
}

#[derive(Deserialize)]
struct Habit {
    /// The size of the text of lines.
    size: Option<String>,
    /// How their times are told.
    clock: Option<String>,
    #[serde(default)]
    next: String,
}

async fn set_reading(State(context): State<Context>, headers: HeaderMap, Form(habit): Form<Habit>) -> Response {
    let transport = Transport::of(&headers, context.public_url.as_ref());
    let next = next::checked(&habit.next).unwrap_or("/explore");
    let mut response = Redirect::to(next).into_response();
    let size = habit.size.as_deref().and_then(Size::parse);
    let clock = habit.clock.as_deref().and_then(Clock::parse);
    let cookies = [
        size.map(|size| cookie::set_reading(cookie::TEXT_SIZE, size.name(), size == Size::default(), transport)),
        clock.map(|clock| cookie::set_reading(cookie::CLOCK, clock.name(), clock == Clock::default(), transport)),
    ];
    for (name, value) in cookies.into_iter().flatten().flatten() {
        response.headers_mut().append(name, value);
    }
    response
}
