//! Saved queries: open, rename, pin, share, delete; and the form that keeps a view of Explore under a name.
//!
//! `POST /saved` takes the parameters of Explore's address, a `name`, and `shared=1` for the team. With `next` it goes
//! back there; where htmx asks, it answers with the block `keep`: the form with what is wrong, or that it is done.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::db::saved_queries::{self, Pin, SavedQuery, Sharing, View};
use crate::model::Direction;
use crate::web::auth::SignedIn;
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, next};

/// Lines that a view without a limit of its own shows.
const LIMIT_DEFAULT: u32 = 100;

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/saved", get(list).post(keep))
        .route("/saved/{id}", get(open))
        .route("/saved/{id}/rename", post(rename))
        .route("/saved/{id}/pin", post(pin))
        .route("/saved/{id}/share", post(share))
        .route("/saved/{id}/delete", post(delete))
}

#[derive(Template)]
#[template(path = "saved.html", blocks = ["keep"])]
struct SavedPage {
    page: Page,
    items: Vec<Item>,
    /// What was just done, by its word in the address.
    done: String,
    /// What could not be done to one of the items.
    problem: String,
    draft: Option<Draft>,
}

struct Item {
    saved: SavedQuery,
    url: String,
    mine: bool,
}

impl Item {
    fn new(saved: SavedQuery, viewer: &SignedIn) -> Item {
        Item { url: explore_url(&saved.view), mine: saved.owner_id == viewer.user.id, saved }
    }

    /// The length of a range that ends now.
    fn last(&self) -> Option<&str> {
        self.saved.view.from.strip_prefix("now-").filter(|_| self.saved.view.to == "now")
    }

    fn is_shared(&self) -> bool {
        self.saved.sharing == Sharing::Team
    }
}

/// A view that is to be kept, as it came from the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Draft {
    name: String,
    query: String,
    from: String,
    to: String,
    limit: String,
    direction: String,
    shared: String,
    next: String,
    /// What is wrong with it; never from the form.
    #[serde(skip)]
    problem: String,
    /// Where it can be opened, once it is kept.
    #[serde(skip)]
    kept_as: String,
}

impl Draft {
    fn view(&self) -> View {
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        View {
            query: self.query.clone(),
            from: or(&self.from, "now-1h"),
            to: or(&self.to, "now"),
            limit: self.limit.parse().ok().filter(|limit| *limit > 0).unwrap_or(LIMIT_DEFAULT),
            direction: if self.direction == "forward" { Direction::Forward } else { Direction::Backward },
            more: String::new(),
        }
    }

    fn sharing(&self) -> Sharing {
        if self.shared == "1" { Sharing::Team } else { Sharing::Private }
    }
}

/// The address of a view in Explore.
fn explore_url(view: &View) -> String {
    let direction = match view.direction {
        Direction::Forward => "forward",
        Direction::Backward => "backward",
    };
    let (query, from, to) = (next::escape(&view.query), next::escape(&view.from), next::escape(&view.to));
    format!("/explore?query={query}&from={from}&to={to}&limit={}&direction={direction}", view.limit)
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
    Query(shown): Query<Shown>,
) -> Result<Html<String>, Error> {
    let items = items(&context, &viewer).await?;
    render(&SavedPage { page, items, done: shown.done, problem: String::new(), draft: None })
}

async fn items(context: &Context, viewer: &SignedIn) -> Result<Vec<Item>, Error> {
    let user_id = viewer.user.id;
    let found = context.ask(move |db| saved_queries::list(db, user_id)).await?;
    Ok(found.into_iter().map(|saved| Item::new(saved, viewer)).collect())
}

async fn keep(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Form(mut draft): Form<Draft>,
) -> Result<Response, Error> {
    let (user_id, wanted) = (viewer.user.id, draft.clone());
    let create = move |db: &_| {
        saved_queries::create(
            db,
            user_id,
            &saved_queries::Title { name: wanted.name.clone(), ..saved_queries::Title::default() },
            &wanted.view(),
            wanted.sharing(),
            now(),
        )
    };
    match context.ask(create).await {
        Ok(saved) if page.fragment => {
            draft.kept_as = explore_url(&saved.view);
            draft.name = saved.name;
            fragment(StatusCode::OK, page, draft)
        }
        Ok(_) => Ok(Redirect::to(next::checked(&draft.next).unwrap_or("/saved?done=kept")).into_response()),
        Err(error) => {
            draft.problem = error.for_the_form(page.say)?;
            if page.fragment {
                return fragment(StatusCode::UNPROCESSABLE_ENTITY, page, draft);
            }
            let items = items(&context, &viewer).await?;
            let shown = SavedPage { page, items, done: String::new(), problem: String::new(), draft: Some(draft) };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&shown)?).into_response())
        }
    }
}

fn fragment(status: StatusCode, page: Page, draft: Draft) -> Result<Response, Error> {
    let shown = SavedPage { page, items: Vec::new(), done: String::new(), problem: String::new(), draft: Some(draft) };
    Ok((status, render(&shown.as_keep())?).into_response())
}

/// A short address for a saved query, to be sent to someone.
async fn open(State(context): State<Context>, viewer: SignedIn, Path(id): Path<i64>) -> Result<Redirect, Error> {
    let user_id = viewer.user.id;
    let saved = context.ask(move |db| saved_queries::find(db, user_id, id)).await?.ok_or_else(Error::not_found)?;
    Ok(Redirect::to(&explore_url(&saved.view)))
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn rename(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Path(id): Path<i64>,
    Form(Name { name }): Form<Name>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let outcome = context
        .ask(move |db| {
            saved_queries::retitle(
                db,
                user_id,
                id,
                &saved_queries::Title { name: name.clone(), ..saved_queries::Title::default() },
            )
        })
        .await;
    answer(&context, &viewer, page, outcome, "renamed").await
}

#[derive(Deserialize)]
struct Switch {
    /// `1` for on.
    on: String,
}

async fn pin(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Path(id): Path<i64>,
    Form(Switch { on }): Form<Switch>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let (pin, word) = if on == "1" { (Pin::OnTop, "pinned") } else { (Pin::InLine, "unpinned") };
    let outcome = context.ask(move |db| saved_queries::set_pin(db, user_id, id, pin)).await;
    answer(&context, &viewer, page, outcome, word).await
}

async fn share(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Path(id): Path<i64>,
    Form(Switch { on }): Form<Switch>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let (sharing, word) = if on == "1" { (Sharing::Team, "shared") } else { (Sharing::Private, "unshared") };
    let outcome = context.ask(move |db| saved_queries::set_sharing(db, user_id, id, sharing)).await;
    answer(&context, &viewer, page, outcome, word).await
}

async fn delete(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let outcome = context.ask(move |db| saved_queries::delete(db, user_id, id)).await;
    answer(&context, &viewer, page, outcome, "deleted").await
}

/// Back to the list, with what was done or what could not be.
async fn answer(
    context: &Context,
    viewer: &SignedIn,
    page: Page,
    outcome: Result<(), Error>,
    done: &str,
) -> Result<Response, Error> {
    match outcome {
        Ok(()) => Ok(Redirect::to(&format!("/saved?done={done}")).into_response()),
        Err(error) => {
            let problem = error.for_the_form(page.say)?;
            let items = items(context, viewer).await?;
            let shown = SavedPage { page, items, done: String::new(), problem, draft: None };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&shown)?).into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::web::saved::*;

    #[test]
    fn a_view_becomes_the_address_that_shows_it() {
        let draft = Draft { query: r#"{job="a b"} |= "x&y""#.to_owned(), limit: "0".to_owned(), ..Draft::default() };
        assert_eq!(
            explore_url(&draft.view()),
            "/explore?query=%7Bjob%3D%22a%20b%22%7D%20%7C%3D%20%22x%26y%22&from=now-1h&to=now&limit=100\
             &direction=backward"
        );
    }
}
