//! One's own account: the password, and the browsers that are signed in.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::db::history::{self, Memory};
use crate::db::logins::{self, Login};
use crate::db::sessions::{self, Session};
use crate::db::{PASSWORD_CHARS_MIN, users};
use crate::web::auth::{From, SignedIn};
use crate::web::page::{Page, When, now, render};
use crate::web::{Context, Error};

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/account", get(show))
        .route("/account/password", post(change_password))
        .route("/account/sessions/end", post(end_others))
        .route("/account/sessions/{id}/end", post(end_one))
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    page: Page,
    viewer: SignedIn,
    sessions: Vec<Device>,
    done: String,
    problem: Problem,
    password_chars_min: usize,
    remembers: bool,
}

struct Device {
    id: i64,
    name: String,
    since: When,
    seen: When,
    this_one: bool,
}

impl Device {
    fn new(session: Session, viewer: &SignedIn) -> Device {
        let now = now();
        Device {
            id: session.id,
            name: session.device,
            since: When::new(session.created_at, now),
            seen: When::new(session.seen_at, now),
            this_one: session.id == viewer.id,
        }
    }
}

enum Problem {
    None,
    WrongPassword,
    Slowed { seconds: u64 },
    Text(String),
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    done: String,
}

async fn show(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Query(shown): Query<Shown>,
) -> Result<Response, Error> {
    answer(&context, viewer, page, shown.done, Problem::None).await
}

async fn answer(
    context: &Context,
    viewer: SignedIn,
    page: Page,
    done: String,
    problem: Problem,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let found = context.ask(move |db| Ok((sessions::list(db, user_id, now())?, history::memory(db, user_id)?)));
    let (found, memory) = found.await?;
    let sessions = found.into_iter().map(|session| Device::new(session, &viewer)).collect();
    let status = match problem {
        Problem::None => StatusCode::OK,
        Problem::WrongPassword | Problem::Text(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Problem::Slowed { .. } => StatusCode::TOO_MANY_REQUESTS,
    };
    let shown = AccountPage {
        page,
        viewer,
        sessions,
        done,
        problem,
        password_chars_min: PASSWORD_CHARS_MIN,
        remembers: memory == Memory::On,
    };
    Ok((status, render(&shown)?).into_response())
}

#[derive(Deserialize)]
struct Passwords {
    current: String,
    new: String,
}

async fn change_password(
    State(context): State<Context>,
    viewer: SignedIn,
    From(address): From,
    page: Page,
    Form(passwords): Form<Passwords>,
) -> Result<Response, Error> {
    let name = viewer.user.name.clone();
    let current = passwords.current;
    let login = context.ask(move |db| logins::attempt(db, &name, &current, &address, now())).await?;
    let problem = match login {
        Login::Wrong => Problem::WrongPassword,
        Login::Slowed { retry_after } => Problem::Slowed { seconds: retry_after.as_secs().max(1) },
        Login::Welcome(_) => {
            let (name, keep) = (viewer.user.name.clone(), viewer.id);
            match context.ask(move |db| users::set_password(db, &name, &passwords.new, Some(keep))).await {
                Ok(()) => return Ok(Redirect::to("/account?done=password").into_response()),
                Err(error) => Problem::Text(error.for_the_form(page.say)?),
            }
        }
    };
    answer(&context, viewer, page, String::new(), problem).await
}

async fn end_one(
    State(context): State<Context>,
    viewer: SignedIn,
    Path(session_id): Path<i64>,
) -> Result<Redirect, Error> {
    let user_id = viewer.user.id;
    context.ask(move |db| sessions::revoke(db, user_id, session_id)).await?;
    Ok(Redirect::to("/account?done=ended"))
}

async fn end_others(State(context): State<Context>, viewer: SignedIn) -> Result<Redirect, Error> {
    let (user_id, keep) = (viewer.user.id, viewer.id);
    context.ask(move |db| sessions::revoke_all(db, user_id, Some(keep))).await?;
    Ok(Redirect::to("/account?done=ended"))
}
