//! Short links: `/s/<code>` leads to a view of Explore, by way of the login where that is needed.
//!
//! A range that moves with the clock is fixed where nothing else is said: what one sends is what one sees, also tomorrow.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;

use crate::db::short_links::{self, ShortLink, UNUSED_DAYS_MAX};
use crate::web::auth::SignedIn;
use crate::web::explore::moment::Moment;
use crate::web::explore::state::{self, Params, State as View};
use crate::web::keep::{Reader, Seen, Tab, span_words};
use crate::web::page::{Page, When, now, render};
use crate::web::{Context, Error, origin};

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/s", post(make))
        .route("/s/{code}", get(follow))
        .route("/saved/links", get(list))
        .route("/saved/links/{id}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "saved_links.html", blocks = ["made"])]
struct LinksPage {
    page: Page,
    items: Vec<Item>,
    made: Option<Made>,
    is_deleted: bool,
}

/// A link that was just made, and what it shows.
struct Made {
    url: String,
    code: String,
    range: String,
    moves: bool,
    /// For the form that makes the other kind, where there are two.
    other: Option<Vec<(&'static str, String)>>,
}

struct Item {
    link: ShortLink,
    url: String,
    query: String,
    range: String,
    made: When,
    mine: bool,
}

/// A view as a form sends it, and whether its range is to go on moving.
#[derive(Deserialize)]
struct Wish {
    #[serde(flatten)]
    params: Params,
    #[serde(flatten)]
    seen: Seen,
    moving: Option<String>,
    /// An address of Explore instead of its parameters one by one.
    of: Option<String>,
}

impl Wish {
    fn params(self) -> Params {
        let address = self.of.filter(|of| of.starts_with("/explore?")).and_then(|of| of.parse::<Uri>().ok());
        let read = address.and_then(|address| Query::<Params>::try_from_uri(&address).ok());
        read.map_or(self.params, |Query(params)| params)
    }
}

fn moves(view: &View) -> bool {
    matches!((view.from, view.to), (Moment::FromNow(_), _) | (_, Moment::FromNow(_)))
}

async fn make(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    headers: HeaderMap,
    Form(wish): Form<Wish>,
) -> Result<Response, Error> {
    let moving = wish.moving.as_deref() == Some("1");
    let seen = wish.seen.clone();
    let asked = reader.state(&wish.params()).kept();
    let view = if moving { asked.clone() } else { reader.fixed(&asked, &seen) };
    let (params, maker) = (view.params(), viewer.user.clone());
    let link = context.ask(move |db| short_links::make(db, &maker, &params, now())).await?;
    let made = Made {
        url: format!("{}/s/{}", origin(&context, &headers), link.code),
        code: link.code,
        range: span_words(view.from, view.to, &view.zone, page.say),
        moves: moves(&view),
        other: moves(&asked).then(|| [asked.pairs(), vec![("seen", seen.seen)]].concat()),
    };
    if page.fragment {
        let shown = LinksPage { page, items: Vec::new(), made: Some(made), is_deleted: false };
        return Ok((StatusCode::CREATED, render(&shown.as_made())?).into_response());
    }
    let shown = LinksPage {
        items: items(&context, &viewer, &reader, &headers).await?,
        page,
        made: Some(made),
        is_deleted: false,
    };
    Ok((StatusCode::CREATED, render(&shown)?).into_response())
}

async fn follow(State(context): State<Context>, page: Page, Path(code): Path<String>) -> Result<Redirect, Error> {
    match context.ask(move |db| short_links::follow(db, &code, now())).await? {
        Some(params) => Ok(Redirect::to(&format!("/explore?{params}"))),
        None => Err(Error::new(StatusCode::NOT_FOUND, page.say.link_gone())),
    }
}

#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    done: String,
}

async fn list(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    headers: HeaderMap,
    Query(shown): Query<Shown>,
) -> Result<Html<String>, Error> {
    let items = items(&context, &viewer, &reader, &headers).await?;
    render(&LinksPage { page, items, made: None, is_deleted: shown.done == "deleted" })
}

async fn items(context: &Context, viewer: &SignedIn, reader: &Reader, headers: &HeaderMap) -> Result<Vec<Item>, Error> {
    let user = viewer.user.clone();
    let found = context.ask(move |db| short_links::list(db, &user, now())).await?;
    let origin = origin(context, headers);
    let item = |link: ShortLink| Item {
        url: format!("{origin}/s/{}", link.code),
        query: state::value_of(&link.params, "query"),
        range: reader.range_words(&state::value_of(&link.params, "from"), &state::value_of(&link.params, "to")),
        made: When::new(link.created_at, now()),
        mine: link.maker == viewer.user.name,
        link,
    };
    Ok(found.into_iter().map(item).collect())
}

async fn delete(State(context): State<Context>, viewer: SignedIn, Path(id): Path<i64>) -> Result<Redirect, Error> {
    let user = viewer.user.clone();
    context.ask(move |db| short_links::delete(db, &user, id)).await?;
    Ok(Redirect::to("/saved/links?done=deleted"))
}
