//! How the pages are to be on this device: the look and the language.
//!
//! Promises: whoever is not signed in may choose as well; what was chosen lies in a cookie and nowhere else.

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use http::HeaderMap;
use serde::Deserialize;

use crate::web::cookie::{self, Transport};
use crate::web::language::Language;
use crate::web::page::Theme;
use crate::web::{Context, next};

/// Routes that need no session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/preferences/theme", post(set_theme)).route("/preferences/language", post(set_language))
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
