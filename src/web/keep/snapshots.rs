//! Snapshots as their makers see them: making, listing, revoking. What a link shows is in `public`.

use askama::Template;
use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::db::snapshots::{self, AGES_SECS, New, Snapshot};
use crate::logql::ast::LogExpr;
use crate::model::{TimeRange, Timestamp};
use crate::query::{self, CancelOnDrop, Engine, Pages, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::state::{Params, State as View};
use crate::web::explore::view::Asked;
use crate::web::explore::{builder, search};
use crate::web::keep::frozen::{self, Frozen};
use crate::web::keep::{Reader, Seen, Tab, grouped, refused, span_words};
use crate::web::language::Language;
use crate::web::page::{Page, When, now, render};
use crate::web::{Context, Error, blocking, origin};

const TITLE_CHARS_MAX: usize = 120;

/// Routes for whoever is signed in.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/snapshots/new", get(draft))
        .route("/snapshots", post(make))
        .route("/saved/snapshots", get(list))
        .route("/saved/snapshots/{id}/revoke", post(revoke))
}

#[derive(Template)]
#[template(path = "snapshot_new.html")]
struct DraftPage {
    page: Page,
    view: View,
    wish: Wish,
    ages: Vec<(i64, &'static str)>,
    problem: String,
    /// The link, once it is made: this is the one page that shows it.
    made: Option<String>,
}

impl DraftPage {
    fn new(page: Page, view: View, wish: Wish) -> DraftPage {
        let say = page.say;
        let names = [say.age_hour(), say.age_day(), say.age_week(), say.age_month()];
        DraftPage {
            page,
            view,
            wish,
            ages: AGES_SECS.into_iter().zip(names).collect(),
            problem: String::new(),
            made: None,
        }
    }

    fn range(&self) -> String {
        span_words(self.view.from, self.view.to, &self.view.zone, self.page.say)
    }

    fn bounds(&self) -> String {
        self.page.say.snapshot_freezes(&grouped(frozen::LINES_MAX as u64), frozen::BYTES_MAX >> 20)
    }
}

/// What is to be frozen, as the form says it.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Wish {
    title: String,
    age: String,
    understood: String,
}

#[derive(Deserialize)]
struct Asking {
    #[serde(flatten)]
    params: Params,
    #[serde(flatten)]
    wish: Wish,
    #[serde(flatten)]
    seen: Seen,
}

/// The view that is frozen: what was looked at, and not what came in meanwhile.
fn fixed(reader: &Reader, params: &Params, seen: &Seen) -> View {
    View { line: None, ..reader.fixed(&reader.state(params), seen).kept() }
}

async fn draft(
    State(context): State<Context>,
    page: Page,
    reader: Reader,
    Query(params): Query<Params>,
    Query(seen): Query<Seen>,
    Query(mut wish): Query<Wish>,
) -> Result<Html<String>, Error> {
    allowed(&context, page.say)?;
    let view = fixed(&reader, &params, &seen);
    if wish.age.is_empty() {
        wish.age = AGES_SECS[1].to_string();
    }
    render(&DraftPage::new(page, view, wish))
}

fn allowed(context: &Context, say: Language) -> Result<(), Error> {
    if context.snapshots { Ok(()) } else { Err(Error::new(StatusCode::FORBIDDEN, say.snapshots_off())) }
}

async fn make(
    State(context): State<Context>,
    viewer: SignedIn,
    page: Page,
    reader: Reader,
    headers: HeaderMap,
    Form(Asking { params, wish, seen }): Form<Asking>,
) -> Result<Response, Error> {
    allowed(&context, page.say)?;
    let view = fixed(&reader, &params, &seen);
    match freeze(&context, &viewer, &view, &wish, page.say).await {
        Ok(secret) => {
            let link = format!("{}/snapshot/{secret}", origin(&context, &headers));
            let shown = DraftPage { made: Some(link), ..DraftPage::new(page, view, wish) };
            Ok((StatusCode::CREATED, render(&shown)?).into_response())
        }
        Err(error) => {
            let problem = error.for_the_form(page.say)?;
            let shown = DraftPage { problem, ..DraftPage::new(page, view, wish) };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&shown)?).into_response())
        }
    }
}

/// Freezes a view; gives the secret of its link.
async fn freeze(
    context: &Context,
    viewer: &SignedIn,
    view: &View,
    wish: &Wish,
    say: Language,
) -> Result<String, Error> {
    if wish.understood != "1" {
        return Err(refused(say.snapshot_understand_first()));
    }
    let asked = Asked::read(&view.query);
    let Some(expr) = asked.lines().cloned() else { return Err(refused(say.snapshot_lines_only())) };
    let range = view.range(now()).ok_or_else(|| refused(say.snapshot_nothing()))?;
    let ticket = context.engine.ticket().for_user(&viewer.user.name);
    let _cancel = CancelOnDrop::new(&ticket);
    let (engine, view, maker) = (context.engine.clone(), view.clone(), viewer.user.name.clone());
    let frozen = blocking(move || result(&engine, &view, &expr, range, &maker, &ticket)).await??;
    if frozen.lines.is_empty() {
        return Err(refused(say.snapshot_nothing()));
    }
    let title: String = wish.title.trim().chars().filter(|c| !c.is_control()).take(TITLE_CHARS_MAX).collect();
    let age_secs = wish.age.parse().unwrap_or(0);
    let user_id = viewer.user.id;
    let frozen = Frozen { title: title.clone(), ..frozen };
    let (line_count, query) = (u32::try_from(frozen.lines.len()).unwrap_or(u32::MAX), frozen.query.clone());
    let content = blocking(move || frozen.pack()).await?.map_err(|error| Error::internal(&error))?;
    let new = New { title, query, line_count, age_secs, content };
    let (_, secret) = context.ask(move |db| snapshots::create(db, user_id, &new, now())).await?;
    Ok(secret.reveal().to_owned())
}

/// The result of a view, as it is kept.
fn result(
    engine: &Engine,
    view: &View,
    expr: &LogExpr,
    range: TimeRange,
    maker: &str,
    ticket: &Ticket,
) -> Result<Frozen, query::Error> {
    let mut frozen = Frozen {
        query: builder::text(expr),
        from_nanos: range.start.nanos(),
        to_nanos: range.end.nanos(),
        zone: view.zone.name.clone(),
        maker: maker.to_owned(),
        made_at_nanos: now().nanos(),
        columns: view.look.columns.clone(),
        ..Frozen::default()
    };
    // no bars are no reason to freeze nothing
    if let Ok(histogram) = search::bars(engine, expr, range, ticket) {
        frozen.draw(&histogram);
    }
    let mut pages = Pages::new(expr.clone(), range, view.direction).of(frozen::LINES_MAX + 1);
    loop {
        let lines = engine.next_page(&mut pages, ticket)?;
        if lines.is_empty() || !frozen.take(&lines) {
            return Ok(frozen);
        }
    }
}

#[derive(Template)]
#[template(path = "saved_snapshots.html")]
struct SnapshotsPage {
    page: Page,
    items: Vec<Item>,
    is_revoked: bool,
    is_off: bool,
}

struct Item {
    snapshot: Snapshot,
    made: When,
    ends_in: String,
    mine: bool,
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
    let user = viewer.user.clone();
    let found = context.ask(move |db| snapshots::list(db, &user, now())).await?;
    let item = |snapshot: Snapshot| Item {
        made: When::new(snapshot.created_at, now()),
        ends_in: ends_in(snapshot.expires_at, now(), page.say),
        mine: snapshot.user_id == viewer.user.id,
        snapshot,
    };
    let items = found.into_iter().map(item).collect();
    render(&SnapshotsPage { items, page, is_revoked: shown.done == "revoked", is_off: !context.snapshots })
}

/// How long it is until then.
fn ends_in(then: Timestamp, now: Timestamp, say: Language) -> String {
    let minutes = then.nanos().saturating_sub(now.nanos()) / 60_000_000_000 + 1;
    match minutes {
        ..120 => say.span_minutes(minutes),
        120..2880 => say.span_hours(minutes / 60),
        _ => say.span_days(minutes / 1440),
    }
}

async fn revoke(State(context): State<Context>, viewer: SignedIn, Path(id): Path<i64>) -> Result<Redirect, Error> {
    let user = viewer.user.clone();
    context.ask(move |db| snapshots::revoke(db, &user, id)).await?;
    Ok(Redirect::to("/saved/snapshots?done=revoked"))
}
