//! The first account, made with the one-time code that the server printed when it started.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::db::{PASSWORD_CHARS_MIN, setup};
use crate::web::cookie::{self, Transport};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, auth};

/// Routes that need no session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/setup", get(show).post(make_admin))
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    page: Page,
    code: String,
    username: String,
    /// What has to be changed; empty at first.
    problem: String,
    password_chars_min: usize,
}

#[derive(Deserialize)]
struct Place {
    #[serde(default)]
    code: String,
}

async fn show(State(context): State<Context>, Query(place): Query<Place>, page: Page) -> Result<Response, Error> {
    if !context.ask(setup::is_open).await? {
        return Ok(Redirect::to("/login").into_response());
    }
    let shown = SetupPage {
        page,
        code: place.code,
        username: String::new(),
        problem: String::new(),
        password_chars_min: PASSWORD_CHARS_MIN,
    };
    Ok(render(&shown)?.into_response())
}

#[derive(Deserialize)]
struct FirstAdmin {
    code: String,
    username: String,
    password: String,
}

async fn make_admin(
    State(context): State<Context>,
    headers: HeaderMap,
    page: Page,
    Form(form): Form<FirstAdmin>,
) -> Result<Response, Error> {
    let (code, username) = (form.code.clone(), form.username.trim().to_owned());
    let name = username.clone();
    match context.ask(move |db| setup::redeem(db, &code, &name, &form.password, now())).await {
        Ok(user) => {
            let secret = auth::start_session(&context, user.id, &headers).await?;
            let transport = Transport::of(&headers, context.public_url.as_ref());
            Ok((cookie::set_session(&secret, transport), Redirect::to("/")).into_response())
        }
        Err(error) => {
            let problem = error.for_the_form(page.say)?;
            let shown = SetupPage { page, code: form.code, username, problem, password_chars_min: PASSWORD_CHARS_MIN };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&shown)?).into_response())
        }
    }
}
