//! People: who may sign in, and as what.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::db::users::{self, Role, User};
use crate::db::{Db, PASSWORD_CHARS_MIN};
use crate::web::auth::SignedIn;
use crate::web::page::{Page, When, now, render};
use crate::web::{Context, Error};

pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/admin/users", get(list).post(add))
        .route("/admin/users/role", post(set_role))
        .route("/admin/users/password", post(set_password))
        .route("/admin/users/remove", post(remove))
}

#[derive(Template)]
#[template(path = "admin/users.html")]
struct UsersPage {
    page: Page,
    people: Vec<Person>,
    /// What was just done, by its word in the address, and to whom.
    done: Done,
    problem: String,
    /// What was typed into the form for a new person.
    typed: NewUser,
    password_chars_min: usize,
}

struct Person {
    user: User,
    since: When,
    is_viewer: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Done {
    done: String,
    name: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct NewUser {
    username: String,
    password: String,
    role: String,
}

async fn list(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Query(done): Query<Done>,
) -> Result<Response, Error> {
    answer(&context, &viewer, page, Ok(done), NewUser::default()).await
}

/// The list, with what was done or what could not be.
async fn answer(
    context: &Context,
    viewer: &SignedIn,
    page: Page,
    outcome: Result<Done, Error>,
    typed: NewUser,
) -> Result<Response, Error> {
    let (status, done, problem) = match outcome {
        Ok(done) => (StatusCode::OK, done, String::new()),
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, Done::default(), error.for_the_form(page.say)?),
    };
    let person = |user: User| {
        let is_viewer = user.id == viewer.user.id;
        Person { since: When::new(user.created_at, now()), is_viewer, user }
    };
    let people = context.ask(users::list).await?.into_iter().map(person).collect();
    let shown = UsersPage { page, people, done, problem, typed, password_chars_min: PASSWORD_CHARS_MIN };
    Ok((status, render(&shown)?).into_response())
}

/// Makes a change, and leads to the list that says so.
async fn change(
    context: &Context,
    viewer: &SignedIn,
    page: Page,
    (word, name): (&str, &str),
    change: impl FnOnce(&Db) -> Result<(), crate::db::Error> + Send + 'static,
) -> Result<Response, Error> {
    match context.ask(change).await {
        Ok(()) => {
            let name = crate::web::next::escape(name);
            Ok(Redirect::to(&format!("/admin/users?done={word}&name={name}")).into_response())
        }
        Err(error) => answer(context, viewer, page, Err(error), NewUser::default()).await,
    }
}

async fn add(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Form(form): Form<NewUser>,
) -> Result<Response, Error> {
    let new = form.clone();
    let role = Role::parse(&form.role).unwrap_or(Role::Reader);
    match context.ask(move |db| users::add(db, new.username.trim(), &new.password, role, now())).await {
        Ok(user) => {
            let name = crate::web::next::escape(&user.name);
            Ok(Redirect::to(&format!("/admin/users?done=added&name={name}")).into_response())
        }
        Err(error) => answer(&context, &viewer, page, Err(error), form).await,
    }
}

#[derive(Deserialize)]
struct NewRole {
    username: String,
    role: String,
}

async fn set_role(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Form(form): Form<NewRole>,
) -> Result<Response, Error> {
    let role = Role::parse(&form.role).ok_or_else(|| Error::bad_request("a role is admin or reader"))?;
    let name = form.username.clone();
    change(&context, &viewer, page, ("role", &form.username), move |db| users::set_role(db, &name, role)).await
}

#[derive(Deserialize)]
struct NewPassword {
    username: String,
    password: String,
}

async fn set_password(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Form(form): Form<NewPassword>,
) -> Result<Response, Error> {
    let name = form.username.clone();
    // Whoever sets their own password here stays signed in here; everywhere else it ends their sessions.
    let keep = viewer.id;
    let set = move |db: &Db| users::set_password(db, &name, &form.password, Some(keep));
    change(&context, &viewer, page, ("password", &form.username), set).await
}

#[derive(Deserialize)]
struct Someone {
    username: String,
}

async fn remove(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Form(form): Form<Someone>,
) -> Result<Response, Error> {
    let name = form.username.clone();
    change(&context, &viewer, page, ("removed", &form.username), move |db| users::remove(db, &name)).await
}
