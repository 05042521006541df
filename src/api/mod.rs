//! HTTP for machines: Loki's paths and shapes, so that its clients work unchanged.
//!
//! Promises: no answer without credentials, unless the operator opened that door; errors are plain text, as Loki's.
//! Never: the store itself (it writes through `ingest`, reads through `query`), HTML.

mod auth;
mod error;
mod metrics;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use http::StatusCode;

pub use auth::Access;
pub use error::Error;
pub use metrics::{Metrics, track};

use crate::db::Db;
use crate::query::Engine;

/// What every handler of this area may use.
#[derive(Clone, Debug)]
pub struct Context {
    pub engine: Arc<Engine>,
    pub db: Db,
    pub metrics: Arc<Metrics>,
    pub access: Access,
}

/// Every route for machines.
pub fn router(context: Context) -> Router {
    let reading = status::routes().route_layer(from_fn_with_state(context.clone(), auth::require_read));
    status::open_routes().merge(reading).with_state(context)
}

/// For paths that nobody serves, in Go's words: clients tell a missing feature from a missing server by them.
pub async fn not_found() -> Error {
    Error::new(StatusCode::NOT_FOUND, "404 page not found")
}

/// Runs `work`, which blocks, off the async threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(&error))
}
