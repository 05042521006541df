//! HTML for people: sign in, home, Explore, saved queries, accounts.
//!
//! Promises: every page works by plain GET and POST without a script, and its address holds its state; nothing but
//! the way in is answered without a session; no form of another site is taken; what comes from a log is only text.
//! Never: the store (it reads through `query`), SQL, JSON for machines.

mod account;
mod admin;
mod assets;
mod auth;
mod cookie;
mod device;
mod error;
mod explore;
mod headers;
mod home;
mod install;
mod keep;
pub(crate) mod language;
mod login;
mod next;
pub(crate) mod page;
mod phone;
mod preferences;
mod setup;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use http::header::HOST;
use http::{HeaderMap, Uri};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::RequestBodyDeadlineLayer;

pub use error::Error;
pub(crate) use explore::spoken::Edge;

use crate::db::{self, Db, Proxies};
use crate::model::Timestamp;
use crate::query::Engine;
use crate::web::cookie::Transport;

/// The longest form that is taken: a long query has room in it.
const FORM_BYTES_MAX: usize = 64 << 10;
/// The longest that a form may take to come in, however it trickles.
const FORM_TIME_MAX: Duration = Duration::from_secs(30);
/// Strong enough to come close to the best, quick enough for pages that are made for each request.
const COMPRESSION_LEVEL: i32 = 5;

/// What every handler of this area may use.
#[derive(Clone, Debug)]
pub struct Context {
    pub engine: Arc<Engine>,
    pub db: Db,
    /// Where people reach this server, if that is not where it listens: behind a proxy that ends TLS.
    pub public_url: Option<Uri>,
    pub proxies: Proxies,
    /// Ends what goes on for as long as a page is open.
    pub stopping: CancellationToken,
    /// Whether frozen results may be shown to whoever has their link.
    pub snapshots: bool,
}

impl Context {
    /// Asks the database, off the async threads.
    pub(in crate::web) async fn ask<T, Q>(&self, question: Q) -> Result<T, Error>
    where
        T: Send + 'static,
        Q: FnOnce(&Db) -> Result<T, db::Error> + Send + 'static,
    {
        let db = self.db.clone();
        Ok(blocking(move || question(&db)).await??)
    }
}

/// Runs `work`, which blocks, off the async threads.
pub(in crate::web) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(&error))
}

/// Every route for people, by who may take it.
pub fn router(context: Context) -> Router {
    let anyone = Router::new()
        .merge(assets::routes())
        .merge(install::routes())
        .merge(login::routes())
        .merge(setup::routes())
        .merge(phone::open_routes())
        .merge(preferences::routes())
        .merge(explore::live_routes())
        .merge(keep::open_routes());
    let signed_in = Router::new()
        .merge(home::routes())
        .merge(account::routes())
        .merge(explore::routes())
        .merge(phone::routes())
        .merge(keep::routes())
        .route_layer(from_fn_with_state(context.clone(), auth::require_session));
    let admins = Router::new()
        .merge(admin::routes())
        .route_layer(from_fn(auth::require_admin))
        .route_layer(from_fn_with_state(context.clone(), auth::require_session));
    let level = tower_http::CompressionLevel::Precise(COMPRESSION_LEVEL);
    anyone
        .merge(signed_in)
        .merge(admins)
        .fallback(async || Error::not_found())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(RequestBodyDeadlineLayer::new(FORM_TIME_MAX))
        .layer(csrf(&context))
        .layer(CatchPanicLayer::new())
        .layer(from_fn(error::dress))
        .layer(from_fn(headers::protect))
        .layer(CompressionLayer::new().quality(level))
        .with_state(context)
}

/// Where people and machines reach this server, as far as this request tells: without a slash at its end.
pub(in crate::web) fn origin(context: &Context, headers: &HeaderMap) -> String {
    if let Some(url) = &context.public_url {
        return url.to_string().trim_end_matches('/').to_owned();
    }
    let scheme = match Transport::of(headers, None) {
        Transport::Tls => "https",
        Transport::Plain => "http",
    };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost:3100");
    format!("{scheme}://{host}")
}

/// Refuses forms that another site sends. Behind a proxy that changes `Host`, the public address is ours as well.
fn csrf(context: &Context) -> CsrfLayer {
    let origin = context.public_url.as_ref().and_then(|url| Some(format!("{}://{}", url.scheme()?, url.authority()?)));
    let plain = CsrfLayer::new();
    match origin {
        Some(origin) => plain.clone().add_trusted_origin(origin).unwrap_or(plain),
        None => plain,
    }
}
/// Reads a time as the fields of Explore do: `yesterday 17:30`, `3시간 전`, an epoch, a line's timestamp.
pub(crate) fn spoken_time(text: &str, edge: Edge, now: Timestamp, zone: &jiff::tz::TimeZone) -> Option<Timestamp> {
    explore::spoken::read(text, edge, now, zone).map(|read| read.moment.resolve(now))
}
