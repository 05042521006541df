//! Signing in and out.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::db::logins::{self, Login};
use crate::db::{sessions, setup};
use crate::web::auth::{self, From};
use crate::web::cookie::{self, Transport};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, next};

/// Routes that need no session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/login", get(show).post(sign_in)).route("/logout", post(sign_out))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page: Page,
    username: String,
    next: String,
    problem: Problem,
    /// Nobody can sign in yet: the page leads to the setup.
    setup_is_open: bool,
    /// Just signed out.
    farewell: bool,
}

enum Problem {
    None,
    Wrong,
    Slowed { seconds: u64 },
}

#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    next: String,
    #[serde(default)]
    bye: String,
}

async fn show(
    State(context): State<Context>,
    Query(place): Query<Place>,
    headers: HeaderMap,
    page: Page,
) -> Result<Response, Error> {
    let next = next::checked(&place.next).unwrap_or("/").to_owned();
    if auth::find_session(&context, &headers).await?.is_some() {
        return Ok(Redirect::to(&next).into_response());
    }
    let setup_is_open = context.ask(setup::is_open).await?;
    let farewell = place.bye == "1";
    let problem = Problem::None;
    let shown = LoginPage { page, username: String::new(), next, problem, setup_is_open, farewell };
    Ok(render(&shown)?.into_response())
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn sign_in(
    State(context): State<Context>,
    From(address): From,
    headers: HeaderMap,
    page: Page,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Error> {
    let next = next::checked(&credentials.next).unwrap_or("/").to_owned();
    // Phone keyboards like to add a space after a word.
    let username = credentials.username.trim().to_owned();
    let (name, password) = (username.clone(), credentials.password);
    let login = context.ask(move |db| logins::attempt(db, &name, &password, &address, now())).await?;
    let problem = match login {
        Login::Welcome(user) => {
            let secret = auth::start_session(&context, user.id, &headers).await?;
            let transport = Transport::of(&headers, context.public_url.as_ref());
            return Ok((cookie::set_session(&secret, transport), Redirect::to(&next)).into_response());
        }
        Login::Wrong => Problem::Wrong,
        Login::Slowed { retry_after } => Problem::Slowed { seconds: retry_after.as_secs().max(1) },
    };
    let setup_is_open = context.ask(setup::is_open).await?;
    let shown = LoginPage { page, username, next, problem, setup_is_open, farewell: false };
    Ok(refusal(&shown.problem, render(&shown)?))
}

fn refusal(problem: &Problem, html: Html<String>) -> Response {
    match problem {
        Problem::None => html.into_response(),
        Problem::Wrong => (StatusCode::UNAUTHORIZED, html).into_response(),
        Problem::Slowed { seconds } => {
            (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds.to_string())], html).into_response()
        }
    }
}

async fn sign_out(State(context): State<Context>, headers: HeaderMap) -> Result<Response, Error> {
    if let Some(session) = auth::find_session(&context, &headers).await? {
        context.ask(move |db| sessions::revoke(db, session.user.id, session.id)).await?;
    }
    let transport = Transport::of(&headers, context.public_url.as_ref());
    Ok((cookie::clear_session(transport), Redirect::to("/login?bye=1")).into_response())
}
