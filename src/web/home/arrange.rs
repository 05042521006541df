//! Arranging one's home: panels are added, changed, moved and removed by plain forms.
//!
//! Promises: a person changes only their own home; the first change makes what they saw their own.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State as Shared};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::db::panels::{self, Draft, Kind, Panel, Source, Width};
use crate::db::saved_queries::{self, SavedQuery};
use crate::db::{self, Db};
use crate::web::auth::SignedIn;
use crate::web::explore::view::Asked;
use crate::web::home::span::Span;
use crate::web::home::{starter, starters};
use crate::web::language::Language;
use crate::web::page::{Page, render};
use crate::web::{Context, Error, next};

/// Routes that need a session.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/arrange", get(show).post(begin))
        .route("/panels", post(add))
        .route("/panels/{id}", post(change))
        .route("/panels/{id}/move", post(place))
        .route("/panels/{id}/remove", post(remove))
        .route("/arrange/offer", post(offer))
}

#[derive(Debug, Template)]
#[template(path = "home_arrange.html")]
struct ArrangePage {
    page: Page,
    panels: Vec<Panel>,
    /// Whether the panels are this person's own yet.
    is_own: bool,
    /// What was just done, by its word in the address.
    done: String,
    problem: String,
    saved: Vec<SavedQuery>,
    /// The panel that is to be added.
    new: Fields,
    /// Whether its form is open.
    is_adding: bool,
    /// Whether new people are offered an arrangement; only admins are told.
    is_offered: bool,
}

impl ArrangePage {
    fn kinds(&self) -> impl Iterator<Item = (Kind, &'static str)> {
        let say = self.page.say;
        let has_services = self.panels.iter().any(|panel| panel.draft.kind == Kind::Services);
        let offered = Kind::ALL.into_iter().filter(move |kind| *kind != Kind::Services || !has_services);
        offered.map(move |kind| (kind, kind_text(kind, say)))
    }

    fn kind_of(&self, panel: &Panel) -> &'static str {
        kind_text(panel.draft.kind, self.page.say)
    }

    fn title_of<'p>(&self, panel: &'p Panel) -> &'p str {
        match (panel.draft.kind, panel.draft.title.is_empty(), panel.draft.query.is_empty()) {
            (Kind::Services, ..) => self.page.say.home_services(),
            (_, false, _) => &panel.draft.title,
            (_, true, false) => &panel.draft.query,
            (_, true, true) => self.page.say.home_all_lines(),
        }
    }

    fn span_of(&self, panel: &Panel) -> String {
        let span = Span::parse(&panel.draft.span).unwrap_or_default();
        self.page.say.home_last_span(&span.label(self.page.say))
    }

    fn spans(&self) -> impl Iterator<Item = (&'static str, String)> {
        let say = self.page.say;
        Span::ALL.into_iter().map(move |span| (span.name(), span.label(say)))
    }
}

fn kind_text(kind: Kind, say: Language) -> &'static str {
    match kind {
        Kind::Services => say.home_services(),
        Kind::Count => say.home_kind_count(),
        Kind::Graph => say.home_kind_graph(),
        Kind::Table => say.home_kind_table(),
        Kind::Lines => say.home_kind_lines(),
    }
}

/// A panel, as its form has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    title: String,
    /// A saved query by its id; empty for `query`.
    saved: String,
    query: String,
    kind: String,
    span: String,
    width: String,
    /// Where to go afterwards.
    next: String,
}

impl Fields {
    fn draft(&self) -> Draft {
        Draft {
            kind: Kind::parse(&self.kind).unwrap_or(Kind::Count),
            title: self.title.trim().to_owned(),
            query: self.query.trim().to_owned(),
            saved_id: None,
            span: Span::parse(&self.span).unwrap_or_default().name().to_owned(),
            width: Width::parse(&self.width),
        }
    }

    /// The draft, with the name and query of the saved query that it is of.
    fn draft_of(&self, db: &Db, user_id: i64) -> Result<Draft, db::Error> {
        let mut draft = self.draft();
        if let Ok(id) = self.saved.parse() {
            let saved = saved_queries::find(db, user_id, id)?.ok_or(db::Error::SavedUnknown)?;
            draft.saved_id = Some(id);
            draft.query = saved.view.query;
            if draft.title.is_empty() {
                draft.title = saved.name;
            }
        }
        Ok(draft)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    done: String,
    /// A saved query to make a panel of.
    saved: String,
    /// A view of Explore to make a panel of.
    query: Option<String>,
    from: String,
    to: String,
    title: String,
}

async fn show(
    Shared(context): Shared<Context>,
    Query(wanted): Query<Wanted>,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let is_adding = !wanted.saved.is_empty() || wanted.query.is_some();
    let mut new = Fields { saved: wanted.saved, title: wanted.title, ..Fields::default() };
    let mut range = (wanted.from, wanted.to);
    let mut asked = wanted.query.unwrap_or_default();
    if let Ok(id) = new.saved.parse() {
        let user_id = user.user.id;
        if let Some(saved) = context.ask(move |db| saved_queries::find(db, user_id, id)).await? {
            new.title = saved.name;
            asked = saved.view.query;
            range = (saved.view.from, saved.view.to);
        }
    } else {
        new.query.clone_from(&asked);
    }
    let kind = if matches!(Asked::read(&asked), Asked::Numbers(_)) { Kind::Graph } else { Kind::Count };
    new.kind = kind.name().to_owned();
    new.span = Span::of_view(&range.0, &range.1).unwrap_or_default().name().to_owned();
    if is_adding {
        new.next = "/".to_owned();
    }
    shown(&context, &user, page, Shown { new, is_adding, done: wanted.done, problem: String::new() }).await
}

/// What of the page depends on what was done.
struct Shown {
    new: Fields,
    is_adding: bool,
    done: String,
    problem: String,
}

async fn shown(context: &Context, user: &SignedIn, page: Page, shown: Shown) -> Result<Response, Error> {
    let user_id = user.user.id;
    let asked = move |db: &Db| {
        Ok((panels::arrangement(db, user_id)?, saved_queries::list(db, user_id)?, panels::is_offered(db)?))
    };
    let (arrangement, saved, is_offered) = context.ask(asked).await?;
    let is_own = arrangement.source == Source::Own;
    let status = if shown.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let Shown { new, is_adding, done, problem } = shown;
    let panels = match arrangement.source {
        Source::Nobody => starters(page.say),
        Source::Own | Source::Offered => arrangement.panels,
    };
    let page = ArrangePage { page, panels, is_own, done, problem, saved, new, is_adding, is_offered };
    Ok((status, render(&page)?).into_response())
}

/// Makes what this person sees their own, to be changed.
async fn begin(Shared(context): Shared<Context>, user: SignedIn, page: Page) -> Result<Redirect, Error> {
    let (user_id, begun) = (user.user.id, starter(page.say));
    context.ask(move |db| panels::adopt(db, user_id, &begun)).await?;
    Ok(Redirect::to("/arrange"))
}

async fn add(
    Shared(context): Shared<Context>,
    user: SignedIn,
    page: Page,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let (user_id, begun, wanted) = (user.user.id, starter(page.say), fields.clone());
    let adding = move |db: &Db| {
        let draft = wanted.draft_of(db, user_id)?;
        panels::adopt(db, user_id, &begun)?;
        panels::add(db, user_id, &draft)
    };
    match context.ask(adding).await {
        Ok(id) => {
            let next = next::checked(&fields.next).unwrap_or("/arrange?done=added");
            Ok(Redirect::to(&format!("{next}#panel-{id}")).into_response())
        }
        Err(error) => {
            let problem = error.for_the_form(page.say)?;
            shown(&context, &user, page, Shown { new: fields, is_adding: true, done: String::new(), problem }).await
        }
    }
}

async fn change(
    Shared(context): Shared<Context>,
    user: SignedIn,
    page: Page,
    Path(id): Path<i64>,
    Form(fields): Form<Fields>,
) -> Result<Response, Error> {
    let user_id = user.user.id;
    let changing = move |db: &Db| {
        let known = panels::find(db, user_id, id)?.ok_or(db::Error::PanelUnknown)?.draft;
        let mut draft = fields.draft();
        if known.kind == Kind::Services {
            draft.kind = Kind::Services;
        }
        // a panel of a saved query goes on with it until its query is written anew
        draft.saved_id = known.saved_id.filter(|_| same_text(&draft.query, &known.query));
        panels::change(db, user_id, id, &draft)
    };
    let outcome = context.ask(changing).await;
    answer(&context, &user, page, outcome, &format!("/arrange?done=changed#panel-{id}")).await
}

/// Whether a text area gave back what was put into it.
fn same_text(a: &str, b: &str) -> bool {
    a.replace("\r\n", "\n").trim() == b.replace("\r\n", "\n").trim()
}

#[derive(Deserialize)]
struct Place {
    /// `up`, `down`, or a place counted from 0.
    to: String,
}

async fn place(
    Shared(context): Shared<Context>,
    user: SignedIn,
    page: Page,
    Path(id): Path<i64>,
    Form(Place { to }): Form<Place>,
) -> Result<Response, Error> {
    let user_id = user.user.id;
    let moving = move |db: &Db| {
        let at = panels::place_of(db, user_id, id)?;
        let index = match to.as_str() {
            "up" => at.saturating_sub(1),
            "down" => at + 1,
            place => place.parse().unwrap_or(at),
        };
        panels::place(db, user_id, id, index)
    };
    let outcome = context.ask(moving).await;
    answer(&context, &user, page, outcome, &format!("/arrange#panel-{id}")).await
}

async fn remove(
    Shared(context): Shared<Context>,
    user: SignedIn,
    page: Page,
    Path(id): Path<i64>,
) -> Result<Response, Error> {
    let user_id = user.user.id;
    let outcome = context.ask(move |db| panels::remove(db, user_id, id)).await;
    answer(&context, &user, page, outcome, "/arrange?done=removed").await
}

#[derive(Deserialize)]
struct Switch {
    /// `1` for on.
    on: String,
}

/// Offers this admin's home to new people, or offers nothing any longer.
async fn offer(
    Shared(context): Shared<Context>,
    user: SignedIn,
    Form(Switch { on }): Form<Switch>,
) -> Result<Response, Error> {
    if !user.user.is_admin() {
        return Err(Error::forbidden());
    }
    let user_id = user.user.id;
    let (change, done) = if on == "1" { (true, "offered") } else { (false, "withdrawn") };
    context.ask(move |db| if change { panels::offer(db, user_id) } else { panels::withdraw(db) }).await?;
    Ok(Redirect::to(&format!("/arrange?done={done}")).into_response())
}

/// On to `next`, or back to the page with what could not be done.
async fn answer(
    context: &Context,
    user: &SignedIn,
    page: Page,
    outcome: Result<(), Error>,
    next: &str,
) -> Result<Response, Error> {
    match outcome {
        Ok(()) => Ok(Redirect::to(next).into_response()),
        Err(error) => {
            let problem = error.for_the_form(page.say)?;
            let new = Fields::default();
            shown(context, user, page, Shown { new, is_adding: false, done: String::new(), problem }).await
        }
    }
}
