//! Tokens: which machines may push or read. A token's secret is on one page, once.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::db::tokens::{self, Scope, Token};
use crate::web::page::{Page, When, now, render};
use crate::web::{Context, Error, origin};

pub(in crate::web) fn routes() -> Router<Context> {
    Router::new().route("/admin/tokens", get(list).post(create)).route("/admin/tokens/revoke", post(revoke))
}

#[derive(Template)]
#[template(path = "admin/tokens.html")]
struct TokensPage {
    page: Page,
    tokens: Vec<Row>,
    done: String,
    problem: String,
    /// What was typed into the form for a new token.
    typed: NewToken,
    /// The new token, to be copied now or never.
    fresh: Option<Fresh>,
}

struct Row {
    token: Token,
    since: When,
    used: Option<When>,
}

struct Fresh {
    secret: String,
    scope: Scope,
    name: String,
    /// Where machines reach this server, as far as this browser's request tells.
    address: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct NewToken {
    name: String,
    scope: String,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    done: String,
}

async fn list(State(context): State<Context>, page: Page, Query(shown): Query<Shown>) -> Result<Response, Error> {
    let tokens = rows(&context).await?;
    let (problem, typed) = (String::new(), NewToken::default());
    Ok(render(&TokensPage { page, tokens, done: shown.done, problem, typed, fresh: None })?.into_response())
}

async fn rows(context: &Context) -> Result<Vec<Row>, Error> {
    let now = now();
    let row = |token: Token| Row {
        since: When::new(token.created_at, now),
        used: token.last_used_at.map(|used| When::new(used, now)),
        token,
    };
    Ok(context.ask(tokens::list).await?.into_iter().map(row).collect())
}

async fn create(
    State(context): State<Context>,
    headers: HeaderMap,
    page: Page,
    Form(form): Form<NewToken>,
) -> Result<Response, Error> {
    let scope = Scope::parse(&form.scope).ok_or_else(|| Error::bad_request("a token's scope is push or read"))?;
    let name = form.name.trim().to_owned();
    let wanted = name.clone();
    let (status, problem, typed, fresh) = match context.ask(move |db| tokens::create(db, &wanted, scope, now())).await {
        Ok(secret) => {
            let address = origin(&context, &headers);
            let fresh = Fresh { secret: secret.reveal().to_owned(), scope, name, address };
            (StatusCode::CREATED, String::new(), NewToken::default(), Some(fresh))
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.for_the_form(page.say)?, form, None),
    };
    let tokens = rows(&context).await?;
    let shown = TokensPage { page, tokens, done: String::new(), problem, typed, fresh };
    Ok((status, render(&shown)?).into_response())
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn revoke(State(context): State<Context>, page: Page, Form(form): Form<Named>) -> Result<Response, Error> {
    match context.ask(move |db| tokens::revoke(db, &form.name)).await {
        Ok(()) => Ok(Redirect::to("/admin/tokens?done=revoked").into_response()),
        Err(error) => {
            let problem = error.for_the_form(page.say)?;
            let tokens = rows(&context).await?;
            let typed = NewToken::default();
            let shown = TokensPage { page, tokens, done: String::new(), problem, typed, fresh: None };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&shown)?).into_response())
        }
    }
}
