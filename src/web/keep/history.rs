//! What a person asked in Explore: remembered, searched, saved from, forgotten. Nobody else sees it, admins included.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use http::HeaderMap;
use serde::Deserialize;

use crate::db::Db;
use crate::db::history::{self, AGE_DAYS_MAX, Memory, PER_PERSON_MAX};
use crate::web::auth::SignedIn;
use crate::web::explore::state::State as View;
use crate::web::explore::view::Asked;
use crate::web::keep::{Reader, Tab, explore_url, holds_words, question_of};
use crate::web::page::{Page, When, now, render};
use crate::web::{Context, Error, next};

/// Entries of the page, until all are asked for.
const SHOWN_MAX: usize = 100;

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/saved/history", get(list))
        .route("/saved/history/clear", post(clear))
        .route("/saved/history/switch", post(switch))
        .route("/saved/history/{id}/forget", post(forget))
}

/// Remembers a view that a person asked for by hand: not a further page, not one that a script or the way back asks
/// for, not a link to one line, and not the bare start. A view that cannot be remembered is shown all the same.
pub(in crate::web) async fn note(context: &Context, viewer: &SignedIn, view: &View, headers: &HeaderMap) {
    let has = |name: &str| headers.contains_key(name);
    let by_hand = !has("hx-history-restore-request") && !has("sec-purpose") && !has("purpose");
    if !by_hand || view.cursor.is_some() || view.line.is_some() || view.query.trim().is_empty() {
        return;
    }
    let (user_id, question) = (viewer.user.id, question_of(view));
    let note = move |db: &Db| match Asked::read(&question.query) {
        // what cannot be run would only be found again to fail again
        Asked::Nothing(_) => Ok(()),
        Asked::Lines(_) | Asked::Numbers(_) => history::note(db, user_id, &question, now()),
    };
    // the cause of a failure is in our log
    context.ask(note).await.ok();
}

#[derive(Template)]
#[template(path = "saved_history.html")]
struct HistoryPage {
    page: Page,
    items: Vec<Item>,
    wanted: Wanted,
    is_cut: bool,
    is_on: bool,
}

struct Item {
    asked: history::Asked,
    when: When,
    range: String,
    url: String,
    /// The form that saves it.
    star: String,
}

impl Item {
    fn new(asked: history::Asked, reader: &Reader) -> Item {
        let question = &asked.question;
        let url = explore_url(&question.query, &question.from, &question.to, &question.more);
        Item {
            when: When::new(asked.asked_at, now()),
            range: reader.range_words(&question.from, &question.to),
            star: url.replacen("/explore?", "/saved/new?", 1),
            url,
            asked,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    find: String,
    all: String,
    done: String,
}

async fn list(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Error> {
    let user_id = viewer.user.id;
    let found = context.ask(move |db| Ok((history::list(db, user_id, now())?, history::memory(db, user_id)?)));
    let (found, memory) = found.await?;
    let fits = |asked: &history::Asked| holds_words(&wanted.find, [asked.question.query.as_str()]);
    let mut items: Vec<Item> = found.into_iter().filter(fits).map(|asked| Item::new(asked, &reader)).collect();
    let is_cut = wanted.all != "1" && items.len() > SHOWN_MAX;
    if is_cut {
        items.truncate(SHOWN_MAX);
    }
    render(&HistoryPage { page, items, wanted, is_cut, is_on: memory == Memory::On })
}

async fn forget(State(context): State<Context>, viewer: SignedIn, Path(id): Path<i64>) -> Result<Redirect, Error> {
    let user_id = viewer.user.id;
    context.ask(move |db| history::forget(db, user_id, id)).await?;
    Ok(Redirect::to("/saved/history"))
}

async fn clear(State(context): State<Context>, viewer: SignedIn) -> Result<Redirect, Error> {
    let user_id = viewer.user.id;
    context.ask(move |db| history::clear(db, user_id)).await?;
    Ok(Redirect::to("/saved/history?done=cleared"))
}

#[derive(Deserialize)]
struct Switch {
    /// `1` for on.
    on: String,
    #[serde(default)]
    next: String,
}

async fn switch(
    State(context): State<Context>,
    viewer: SignedIn,
    Form(switch): Form<Switch>,
) -> Result<Redirect, Error> {
    let user_id = viewer.user.id;
    let memory = if switch.on == "1" { Memory::On } else { Memory::Off };
    context.ask(move |db| history::set_memory(db, user_id, memory)).await?;
    Ok(Redirect::to(next::checked(&switch.next).unwrap_or("/saved/history")))
}
