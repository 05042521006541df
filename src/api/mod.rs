//! HTTP for machines: Loki's paths and shapes, so that its clients work unchanged.
//!
//! Promises: no answer without credentials, unless the operator opened that door; errors are plain text, as Loki's.
//! Never: the store itself (it writes through `ingest`, reads through `query`), HTML.

mod auth;
mod delete;
mod error;
mod fields;
mod format;
mod labels;
mod legacy;
mod metrics;
mod operation;
mod outgoing;
mod params;
mod patterns;
mod push;
mod query;
mod stats;
mod status;
mod tail;
mod types;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::{StatusCode, Uri};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::{RequestBodyDeadlineLayer, RequestBodyTimeoutLayer};

pub use auth::Access;
pub use delete::{Wake, parse as parse_deletion};
pub use error::Error;
pub use metrics::{Metrics, track};
pub use tail::{Pace, Tails};

use crate::db::{Db, Proxies};
use crate::ingest::Intake;
use crate::query::Engine;

/// A body that brings nothing for so long is given up.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A body that is not whole after so long is given up, however it trickles: 16 MiB at one megabit per second.
const BODY_TIME_MAX: Duration = Duration::from_secs(150);

/// What every handler of this area may use.
#[derive(Clone, Debug)]
pub struct Context {
    pub intake: Arc<Intake>,
    pub engine: Arc<Engine>,
    pub db: Db,
    pub metrics: Arc<Metrics>,
    pub access: Access,
    pub proxies: Proxies,
    /// Where people reach this server, if that is not where it listens: behind a proxy.
    pub public_url: Option<Uri>,
    pub tails: Tails,
    pub deletions: Wake,
}

/// Every route for machines. From the outside in: catch panics, refuse what other sites send in a visitor's name,
/// compress, bound the time that a body takes.
pub fn router(context: Context) -> Router {
    let reading = status::routes().merge(query::routes()).merge(labels::routes()).merge(stats::routes());
    let reading = reading
        .merge(fields::routes())
        .merge(format::routes())
        .merge(legacy::routes())
        .merge(operation::routes())
        .merge(patterns::routes())
        .route_layer(from_fn_with_state(context.clone(), auth::require_read));
    let pushing = push::routes().route_layer(from_fn_with_state(context.clone(), auth::require_push));
    let governing = delete::routes().merge(operation::admin_routes());
    let governing = governing.route_layer(from_fn_with_state(context.clone(), auth::require_admin));
    let tailing = tail::routes(&context);
    let mut routes = status::open_routes().merge(reading).merge(pushing).merge(governing).merge(tailing);
    for folder in ["/loki/{*path}", "/api/{*path}", "/otlp/{*path}", "/prometheus/{*path}"] {
        routes = routes.route(folder, any(not_found));
    }
    routes
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
        .layer(RequestBodyDeadlineLayer::new(BODY_TIME_MAX))
        .layer(CompressionLayer::new())
        .layer(CsrfLayer::new())
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(context)
}

/// For paths that nobody serves, in Go's words: clients tell a missing feature from a missing server by them.
pub async fn not_found() -> Error {
    Error::new(StatusCode::NOT_FOUND, "404 page not found")
}

/// A panic is a fault of ours: its text is for our log.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands over a box")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let text = text.unwrap_or_else(|| "a panic without a text".to_owned());
    Error::internal(&std::io::Error::other(text)).into_response()
}

/// Runs `work`, which blocks, off the async threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(&error))
}
