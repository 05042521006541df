//! Home: what one looks at first. All services at a glance, and one's own panels of saved queries.
//!
//! Promises: the page is there after a moment, whatever is asked of the logs: what takes longer is fetched by itself, or
//! waited for where there is no script. Every person arranges their own page. Nothing is changed by looking at it.

mod arrange;
mod cards;
mod counts;
mod figure;
mod options;
mod panes;
mod services;
mod span;

use std::time::{Duration, Instant};

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State as Shared};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::{StreamExt, TryStreamExt, stream};
use http::HeaderMap;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::db::panels::{self, Draft, Kind, Panel, Source, Width};
use crate::model::Timestamp;
use crate::query::{CancelOnDrop, Engine, Error as QueryError, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::browser_zone;
use crate::web::explore::chips;
use crate::web::explore::search::told;
use crate::web::explore::text::Piece;
use crate::web::explore::view::Asked;
use crate::web::explore::zone::Zone;
use crate::web::home::cards::{Clock, LastView, Services};
use crate::web::home::options::{By, Options, Params};
use crate::web::home::panes::{Content, Picture};
use crate::web::home::services::Key;
use crate::web::home::span::Span;
use crate::web::language::Language;
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking, origin};

/// A page waits no longer for what can also be fetched by itself.
const PATIENCE: Duration = Duration::from_millis(700);
/// Panels that are filled at a time: fewer than queries of one person may wait for their turn, beside the services.
const FILLING_MAX: usize = 8;
/// The starter's panel in the address of its content: it is in no table.
const STARTER_ID: i64 = 0;

/// Routes that need a session.
pub(in crate::web) fn routes() -> Router<Context> {
    Router::new()
        .route("/", get(show))
        .route("/services/last", get(last))
        .route("/services/pin", post(pin))
        .route("/panels/{id}", get(pane))
        .merge(arrange::routes())
}

#[derive(Debug, Template)]
#[template(path = "home.html")]
struct HomePage {
    page: Page,
    panes: Vec<Pane>,
    services: Glance,
    /// Where agents push to, for whoever has none yet.
    push_url: String,
}

impl HomePage {
    /// Whether to say how to send lines.
    fn is_unfed(&self) -> bool {
        matches!(&self.services, Glance::Unfed)
    }
}

/// The services by themselves.
#[derive(Debug, Template)]
#[template(path = "home_services.html")]
struct ServicesPage {
    page: Page,
    services: Glance,
}

/// A panel by itself.
#[derive(Debug, Template)]
#[template(path = "home_pane.html")]
struct PanePage {
    page: Page,
    pane: Pane,
}

/// The services, or why they are not there.
#[derive(Debug)]
enum Glance {
    There(Box<Services>),
    /// Nobody pushed anything yet: only our own lines are there.
    Unfed,
    /// They are not counted yet; the addresses are where they will be.
    Late {
        url: String,
        waiting_url: String,
        as_of: Clock,
    },
    Failed(String),
    /// This person does not want them here.
    Absent,
}

/// A panel, as shown.
#[derive(Debug)]
struct Pane {
    id: i64,
    kind: Kind,
    width: Width,
    title: String,
    /// Empty where there is no view of it.
    href: String,
    span: String,
    as_of: Clock,
    content: Content,
}

#[derive(Debug, Template)]
#[template(path = "home_last.html")]
struct LastPage {
    last: LastView,
}

/// Who looks, and when.
#[derive(Clone, Debug)]
struct Look {
    say: Language,
    zone: TimeZone,
    now: Timestamp,
    user: String,
    /// When a page is sent, whatever is there.
    until: Instant,
    /// Whether someone waits until all is there.
    waits: bool,
}

impl Look {
    fn new(engine: &Engine, user: &SignedIn, say: Language, headers: &HeaderMap, patience: Option<Duration>) -> Look {
        Look {
            say,
            zone: Zone::pick(None, browser_zone(headers).as_deref()).0.zone,
            now: now(),
            user: user.user.name.clone(),
            until: Instant::now() + patience.unwrap_or(engine.limits().query_timeout),
            waits: false,
        }
    }

    fn ticket(&self) -> Ticket {
        Ticket::until(self.until).for_user(&self.user)
    }
}

async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let options = Options::read(&params);
    let patience = (params.wait != "1" && !page.fragment).then_some(PATIENCE);
    let mut look = Look::new(&context.engine, &user, page.say, &headers, patience);
    look.waits = params.wait == "1";
    let push_url = format!("{}/loki/api/v1/push", origin(&context, &headers));
    let user_id = user.user.id;
    let (arrangement, pins) =
        context.ask(move |db| Ok((panels::arrangement(db, user_id)?, panels::pins(db, user_id)?))).await?;
    let pins: Vec<Key> = pins.into_iter().map(|(name, value)| Key { name, value }).collect();
    let shown = match arrangement.source {
        Source::Nobody => starters(page.say),
        Source::Own | Source::Offered => arrangement.panels,
    };
    let has_services = page.fragment || shown.iter().any(|panel| panel.draft.kind == Kind::Services);
    let ticket = look.ticket();
    let _cancel = CancelOnDrop::new(&ticket);
    let counting = {
        let (engine, look) = (context.engine.clone(), look.clone());
        tokio::task::spawn_blocking(move || {
            if has_services { glance(&engine, options, &pins, &look, &ticket) } else { Glance::Absent }
        })
    };
    // htmx asks for the services only: panels are fetched one by one
    let panes = if page.fragment { Vec::new() } else { panes(&context, shown, &look).await? };
    let services = counting.await.map_err(|error| Error::internal(&error))?;
    if page.fragment {
        return Ok(render(&ServicesPage { page, services })?.into_response());
    }
    Ok(render(&HomePage { page, panes, services, push_url })?.into_response())
}

/// What whoever has arranged nothing begins with.
fn starter(say: Language) -> Vec<Draft> {
    let draft = |kind, title: &str, query: &str| Draft {
        kind,
        title: title.to_owned(),
        query: query.to_owned(),
        saved_id: None,
        span: Span::Hour.name().to_owned(),
        width: Width::Full,
    };
    vec![
        draft(
            Kind::Count,
            say.home_starter_errors(),
            r#"{} | detected_level=~"(?i)critical|fatal|emergency|emerg|alert|crit|panic|error""#,
        ),
        draft(Kind::Services, "", ""),
    ]
}

/// The same as panels, which are in no table yet.
fn starters(say: Language) -> Vec<Panel> {
    starter(say).into_iter().map(|draft| Panel { id: STARTER_ID, draft }).collect()
}

/// What a query asks for, condition by condition; one that is no list of conditions stands as it is written.
fn in_words(query: &str, say: Language) -> String {
    let asked = Asked::read(query);
    let words = asked.lines().map(|expr| chips::conditions(expr, say).join(" · "));
    match words {
        Some(words) if words.is_empty() => say.home_all_lines().to_owned(),
        Some(words) => words,
        None => query.to_owned(),
    }
}

/// Whether it is a panel of the starter that nobody gave a name of their own: it is called in the reader's language.
fn is_starter(draft: &Draft) -> bool {
    let is_same =
        |begun: Draft| !begun.title.is_empty() && (&begun.title, &begun.query) == (&draft.title, &draft.query);
    Language::ALL.into_iter().flat_map(starter).any(is_same)
}

/// Fills all panels, several at a time.
async fn panes(context: &Context, shown: Vec<Panel>, look: &Look) -> Result<Vec<Pane>, Error> {
    let fill = |panel| {
        let (engine, look, ticket) = (context.engine.clone(), look.clone(), look.ticket());
        let cancel = CancelOnDrop::new(&ticket);
        async move {
            let pane = blocking(move || filled(&engine, panel, &look, &ticket)).await;
            drop(cancel);
            pane
        }
    };
    stream::iter(shown.into_iter().map(fill)).buffered(FILLING_MAX).try_collect().await
}

fn filled(engine: &Engine, panel: Panel, look: &Look, ticket: &Ticket) -> Pane {
    let Panel { id, draft } = panel;
    let content = panes::content(engine, &draft, look.now, look.say, ticket);
    let span = Span::parse(&draft.span).unwrap_or_default();
    let title = match (draft.title.is_empty(), draft.query.trim().is_empty()) {
        (false, _) if is_starter(&draft) => look.say.home_starter_errors().to_owned(),
        (false, _) => draft.title,
        (true, false) => in_words(&draft.query, look.say),
        (true, true) => look.say.home_all_lines().to_owned(),
    };
    Pane {
        id,
        kind: draft.kind,
        width: draft.width,
        title,
        href: cards::explore_url(&draft.query, span),
        span: span.label(look.say),
        as_of: Clock::at(look.now, &look.zone),
        content,
    }
}

/// One panel, for whoever fetches it by itself.
async fn pane(
    Shared(context): Shared<Context>,
    Path(id): Path<i64>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Html<String>, Error> {
    let look = Look::new(&context.engine, &user, page.say, &headers, None);
    let user_id = user.user.id;
    let panel = match id {
        STARTER_ID => starters(page.say).into_iter().next(),
        id => context.ask(move |db| panels::find(db, user_id, id)).await?,
    };
    let panel = panel.ok_or_else(Error::not_found)?;
    let mut panes = panes(&context, vec![panel], &look).await?;
    render(&PanePage { page, pane: panes.remove(0) })
}

fn glance(engine: &Engine, options: Options, pins: &[Key], look: &Look, ticket: &Ticket) -> Glance {
    let overview = match services::overview(engine, &options, look.now, ticket) {
        Ok(overview) => overview,
        Err(QueryError::TimedOut | QueryError::Cancelled | QueryError::Crowded { .. }) => {
            let as_of = Clock::at(look.now, &look.zone);
            return Glance::Late { url: options.url(), waiting_url: options.waiting_url(), as_of };
        }
        Err(error) => return Glance::Failed(told(&error, look.say)),
    };
    if !overview.is_fed {
        return Glance::Unfed;
    }
    let group_count = overview.groups.len();
    let mut groups = services::picked(overview.groups, &options, |key| pins.contains(key));
    let found_count = groups.len();
    // of all that were found, shown or not
    let line_count = groups.iter().map(|group| group.counts.line_count()).sum();
    let error_count = groups.iter().map(|group| group.counts.error_count()).sum();
    if !options.all {
        groups.truncate(cards::CARDS_MAX);
    }
    let until = if look.waits { look.until } else { look.until.min(Instant::now() + services::LAST_LINES_TIME_MAX) };
    services::find_last_lines(engine, &options.by, &overview.grid, &mut groups, &look.user, until);
    let more = (groups.len() < found_count).then(|| (options.with_all().url(), look.say.home_all(found_count)));
    let services = Services {
        cards: cards::cards(&groups, &options, pins, look.now, look.say),
        any: group_count > 0,
        many: group_count > 1,
        totals: cards::totals(&options.by, found_count, line_count, error_count, look.say),
        has_errors: error_count > 0,
        more,
        labels: overview.labels,
        as_of: Clock::at(look.now, &look.zone),
        options,
    };
    Glance::There(Box::new(services))
}

#[derive(Deserialize)]
struct LastParams {
    name: String,
    value: String,
    /// What the cards are grouped by.
    #[serde(default)]
    by: String,
    #[serde(default)]
    range: String,
}

/// The last line of one service, for cards that came without.
async fn last(
    Shared(context): Shared<Context>,
    Query(params): Query<LastParams>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Html<String>, Error> {
    let By::Label(name) = By::parse(&params.name) else { return Err(Error::not_found()) };
    let (key, by) = (Key { name, value: params.value }, By::parse(&params.by));
    let look = Look::new(&context.engine, &user, page.say, &headers, None);
    let span = Span::parse(&params.range).unwrap_or_default();
    let ticket = look.ticket();
    let _cancel = CancelOnDrop::new(&ticket);
    let engine = context.engine.clone();
    let found = blocking(move || {
        let last = services::last_line(&engine, &key, &by, &span.grid(look.now), &ticket)?;
        Ok::<_, QueryError>(last.map(|last| cards::last_view(&last, &Default::default(), span, look.now, look.say)))
    });
    let last = found.await??.ok_or_else(Error::not_found)?;
    render(&LastPage { last })
}

#[derive(Deserialize)]
struct Pin {
    /// `name=value`
    pin: String,
    #[serde(default)]
    next: String,
}

/// Pins a service, or lets go of it.
async fn pin(
    Shared(context): Shared<Context>,
    user: SignedIn,
    axum::extract::Form(form): axum::extract::Form<Pin>,
) -> Result<Response, Error> {
    let user_id = user.user.id;
    if let Some((name, value)) = form.pin.split_once('=')
        && let By::Label(name) = By::parse(name)
    {
        let value = value.to_owned();
        context.ask(move |db| panels::toggle_pin(db, user_id, &name, &value)).await?;
    }
    Ok(axum::response::Redirect::to(crate::web::next::checked(&form.next).unwrap_or("/")).into_response())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use crate::web::home::*;

    #[test]
    fn what_is_late_again_is_not_asked_for_at_once() {
        let late = |asks: &[(&'static str, &'static str)]| {
            let headers: HeaderMap =
                asks.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let as_of = Clock::at(Timestamp::from_secs(0), &TimeZone::UTC);
            let services =
                Glance::Late { url: "/".to_owned(), waiting_url: "/?wait=1".to_owned(), as_of: as_of.clone() };
            let (page, kind, width) = (Page::outside(&headers), Kind::Count, Width::Half);
            let (title, href, span) = (String::new(), String::new(), String::new());
            let pane = Pane { id: 1, kind, width, title, href, span, as_of, content: Content::Late };
            let services = ServicesPage { page: page.clone(), services }.render().unwrap();
            services + &PanePage { page, pane }.render().unwrap()
        };
        let whole = late(&[]);
        assert!(whole.contains("\"refresh, load\"") && whole.contains("\"refresh, intersect once\""), "{whole}");
        let piece = late(&[("hx-request-type", "partial")]);
        assert!(piece.contains("\"refresh, load delay:10s\"") && !piece.contains("intersect"), "{piece}");
    }
}
