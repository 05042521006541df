//! Saved queries: list, open, change, pin, share, delete; and the form that keeps a view of Explore under a name.
//!
//! Tags and not folders: a query is of a service and of a kind of trouble at once, and on a phone a folder is one more
//! step, where a tag is a tap that narrows the list.
//!
//! `POST /saved` takes the parameters of Explore's address, a `name`, `tags`, a `description`, and `shared=1` for the
//! team; with `over`, the id of a saved query, the view takes that one's place. With `next` it goes back there; where
//! htmx asks, it answers with the block `keep`: the form with what is wrong, or that it is done.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::db::saved_queries::{self, Pin, SavedQuery, Sharing, Title, View};
use crate::db::{self, Db};
use crate::model::Direction;
use crate::web::auth::SignedIn;
use crate::web::explore::state::{LIMIT_DEFAULT, Params};
use crate::web::keep::{Reader, Tab, explore_url, holds_words, view_of};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, next};

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/saved", get(list).post(keep))
        .route("/saved/new", get(draft))
        .route("/saved/{id}", get(open))
        .route("/saved/{id}/change", post(change))
        .route("/saved/{id}/pin", post(pin))
        .route("/saved/{id}/share", post(share))
        .route("/saved/{id}/delete", post(delete))
}

/// The saved query that a view of Explore was opened from.
#[derive(Clone, Debug)]
pub(in crate::web) struct Opened {
    pub(in crate::web) id: i64,
    pub(in crate::web) name: String,
    /// Whether the viewer may save over it.
    pub(in crate::web) mine: bool,
}

impl Opened {
    /// The one with this id, where the viewer may see it.
    pub(in crate::web) async fn find(context: &Context, viewer: &SignedIn, id: Option<i64>) -> Option<Opened> {
        let (id, user_id) = (id?, viewer.user.id);
        let saved = context.ask(move |db| saved_queries::find(db, user_id, id)).await.ok()??;
        Some(Opened { id, mine: saved.owner_id == user_id, name: saved.name })
    }
}

/// The address of a saved view in Explore.
pub(in crate::web) fn address(view: &View) -> String {
    let mut more = String::new();
    if view.limit as usize != LIMIT_DEFAULT {
        more.push_str(&format!("limit={}", view.limit));
    }
    if view.direction == Direction::Forward {
        more.push_str(if more.is_empty() { "direction=forward" } else { "&direction=forward" });
    }
    if !view.more.is_empty() {
        more.push_str(if more.is_empty() { "" } else { "&" });
        more.push_str(&view.more);
    }
    explore_url(&view.query, &view.from, &view.to, &more)
}

#[derive(Template)]
#[template(path = "saved.html", blocks = ["keep"])]
struct SavedPage {
    page: Page,
    items: Vec<Item>,
    /// Every tag in use, with whether it is picked, and the list that tapping it leads to.
    tags: Vec<(String, bool, String)>,
    wanted: Wanted,
    /// What was just done, in words.
    done: &'static str,
    /// What could not be done to one of the items.
    problem: String,
    draft: Option<Draft>,
}

struct Item {
    saved: SavedQuery,
    url: String,
    mine: bool,
    range: String,
    tags_typed: String,
}

impl Item {
    fn new(saved: SavedQuery, viewer: &SignedIn, reader: &Reader) -> Item {
        Item {
            url: format!("{}&saved={}", address(&saved.view), saved.id),
            mine: saved.owner_id == viewer.user.id,
            range: reader.range_words(&saved.view.from, &saved.view.to),
            tags_typed: saved.tags.join(", "),
            saved,
        }
    }

    fn is_shared(&self) -> bool {
        self.saved.sharing == Sharing::Team
    }

    fn fits(&self, wanted: &Wanted) -> bool {
        let SavedQuery { name, description, tags, view, .. } = &self.saved;
        let has_tag = wanted.tag.is_empty() || tags.iter().any(|tag| tag.to_lowercase() == wanted.tag.to_lowercase());
        let texts = [name, description, &view.query, &self.saved.owner_name];
        has_tag && holds_words(&wanted.find, texts.into_iter().chain(tags).map(String::as_str))
    }
}

/// Which of the list is wanted, and what was just done, by its word.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    find: String,
    tag: String,
    done: String,
}

/// A view that is to be kept, as it came from the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Draft {
    #[serde(flatten)]
    params: Params,
    name: String,
    description: String,
    tags: String,
    shared: String,
    /// The saved query whose place it takes.
    over: String,
    next: String,
    /// The parameters of the view, in their usual form.
    #[serde(skip)]
    pairs: Vec<(&'static str, String)>,
    #[serde(skip)]
    range: String,
    /// What is wrong with it; never from the form.
    #[serde(skip)]
    problem: String,
    /// The one that has the name already.
    #[serde(skip)]
    taken_by: Option<i64>,
    /// Where it can be opened, once it is kept.
    #[serde(skip)]
    kept_as: String,
}

impl Draft {
    fn title(&self) -> Title {
        let tags = saved_queries::parse_tags(&self.tags);
        Title { name: self.name.clone(), description: self.description.clone(), tags }
    }

    fn sharing(&self) -> Sharing {
        if self.shared == "1" { Sharing::Team } else { Sharing::Private }
    }

    /// Reads the view of the form, and writes it back in its usual form.
    fn read(&mut self, reader: &Reader) -> View {
        let state = reader.state(&self.params);
        self.pairs = state.kept().pairs();
        let view = view_of(&state);
        self.range = reader.range_words(&view.from, &view.to);
        self.params.query = Some(view.query.clone());
        view
    }

    fn query(&self) -> &str {
        self.params.query.as_deref().unwrap_or("")
    }
}

async fn list(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Error> {
    render(&shown(&context, &viewer, page, &reader, wanted).await?)
}

/// The page, with the items that are wanted.
async fn shown(
    context: &Context,
    viewer: &SignedIn,
    page: Page,
    reader: &Reader,
    wanted: Wanted,
) -> Result<SavedPage, Error> {
    let user_id = viewer.user.id;
    let found = context.ask(move |db| saved_queries::list(db, user_id)).await?;
    let mut names: Vec<&String> = found.iter().flat_map(|saved| &saved.tags).collect();
    names.sort_by_key(|tag| tag.to_lowercase());
    names.dedup_by_key(|tag| tag.to_lowercase());
    let tag = |name: &String| {
        let picked = name.to_lowercase() == wanted.tag.to_lowercase();
        let url = if picked { "/saved".to_owned() } else { format!("/saved?tag={}", next::escape(name)) };
        (name.clone(), picked, url)
    };
    let tags = names.into_iter().map(tag).collect();
    let items = found.into_iter().map(|saved| Item::new(saved, viewer, reader)).filter(|item| item.fits(&wanted));
    let done = done_words(&wanted.done, page.say);
    Ok(SavedPage { items: items.collect(), page, tags, wanted, done, problem: String::new(), draft: None })
}

fn done_words(word: &str, say: crate::web::language::Language) -> &'static str {
    match word {
        "kept" => say.done_kept(),
        "changed" => say.done_changed(),
        "replaced" => say.done_replaced(),
        "pinned" => say.done_pinned(),
        "unpinned" => say.done_unpinned(),
        "shared" => say.done_shared(),
        "unshared" => say.done_unshared(),
        "deleted" => say.done_deleted(),
        _ => "",
    }
}

/// A page with nothing but the form, for a view that is not open in Explore.
async fn draft(page: Page, reader: Reader, Query(mut draft): Query<Draft>) -> Result<Html<String>, Error> {
    draft.read(&reader);
    if draft.name.is_empty() {
        draft.name = draft.query().chars().filter(|c| !c.is_control()).take(60).collect();
    }
    render(&alone(page, draft))
}

fn alone(page: Page, draft: Draft) -> SavedPage {
    let (items, tags) = (Vec::new(), Vec::new());
    SavedPage { page, items, tags, wanted: Wanted::default(), done: "", problem: String::new(), draft: Some(draft) }
}

async fn keep(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    Form(mut draft): Form<Draft>,
) -> Result<Response, Error> {
    let (user_id, view) = (viewer.user.id, draft.read(&reader));
    let (title, sharing, over) = (draft.title(), draft.sharing(), draft.over.parse::<i64>().ok());
    let done = if over.is_some() { "replaced" } else { "kept" };
    let put = move |db: &Db| match over {
        Some(id) => {
            saved_queries::replace(db, user_id, id, &view)?;
            saved_queries::find(db, user_id, id)?.ok_or(db::Error::SavedUnknown)
        }
        None => saved_queries::create(db, user_id, &title, &view, sharing, now()),
    };
    match context.ask(put).await {
        Ok(saved) if page.fragment => {
            draft.kept_as = format!("{}&saved={}", address(&saved.view), saved.id);
            draft.name = saved.name;
            Ok(render(&alone(page, draft).as_keep())?.into_response())
        }
        Ok(_) => {
            let place = next::checked(&draft.next).map_or_else(|| format!("/saved?done={done}"), str::to_owned);
            Ok(Redirect::to(&place).into_response())
        }
        Err(error) => {
            draft.problem = error.for_the_form(page.say)?;
            let name = draft.name.clone();
            let namesake = context.ask(move |db| saved_queries::find_named(db, user_id, &name)).await?;
            draft.taken_by = namesake.map(|saved| saved.id);
            let shown = alone(page, draft);
            let html = if shown.page.fragment { render(&shown.as_keep())? } else { render(&shown)? };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, html).into_response())
        }
    }
}

/// A short address for a saved query, to be sent to someone.
async fn open(State(context): State<Context>, viewer: SignedIn, Path(id): Path<i64>) -> Result<Redirect, Error> {
    let user_id = viewer.user.id;
    let saved = context.ask(move |db| saved_queries::find(db, user_id, id)).await?.ok_or_else(Error::not_found)?;
    Ok(Redirect::to(&format!("{}&saved={id}", address(&saved.view))))
}

async fn change(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    Path(id): Path<i64>,
    Form(draft): Form<Draft>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let title = draft.title();
    let outcome = context.ask(move |db| saved_queries::retitle(db, user_id, id, &title)).await;
    answer(&context, &viewer, (page, &reader), outcome, "changed").await
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
    reader: Reader,
    Path(id): Path<i64>,
    Form(Switch { on }): Form<Switch>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let (pin, word) = if on == "1" { (Pin::OnTop, "pinned") } else { (Pin::InLine, "unpinned") };
    let outcome = context.ask(move |db| saved_queries::set_pin(db, user_id, id, pin)).await;
    answer(&context, &viewer, (page, &reader), outcome, word).await
}

async fn share(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    Path(id): Path<i64>,
    Form(Switch { on }): Form<Switch>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let (sharing, word) = if on == "1" { (Sharing::Team, "shared") } else { (Sharing::Private, "unshared") };
    let outcome = context.ask(move |db| saved_queries::set_sharing(db, user_id, id, sharing)).await;
    answer(&context, &viewer, (page, &reader), outcome, word).await
}

async fn delete(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let user_id = viewer.user.id;
    let outcome = context.ask(move |db| saved_queries::delete(db, user_id, id)).await;
    answer(&context, &viewer, (page, &reader), outcome, "deleted").await
}

/// Back to the list, with what was done or what could not be.
async fn answer(
    context: &Context,
    viewer: &SignedIn,
    (page, reader): (Page, &Reader),
    outcome: Result<(), Error>,
    done: &str,
) -> Result<Response, Error> {
    match outcome {
        Ok(()) => Ok(Redirect::to(&format!("/saved?done={done}")).into_response()),
        Err(error) => {
            let problem = error.for_the_form(page.say)?;
            let mut shown = shown(context, viewer, page, reader, Wanted::default()).await?;
            shown.problem = problem;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&shown)?).into_response())
        }
    }
}
