//! HTTP for machines: Loki's paths and shapes, so that its clients work unchanged.
//!
//! Promises: no answer without credentials, unless the operator opened that door; errors are plain text, as Loki's.
//! Never: the store itself (it writes through `ingest`, reads through `query`), HTML.

pub mod error;
pub mod status;

use std::sync::Arc;

use axum::Router;

pub use error::Error;

use crate::query::Engine;

/// What every handler of this area may use.
#[derive(Clone, Debug)]
pub struct Context {
    pub engine: Arc<Engine>,
}

/// Every route for machines.
pub fn router(context: Context) -> Router {
    Router::new().merge(status::routes()).with_state(context)
}

/// Runs `work`, which blocks, off the async threads.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal(&error))
}
