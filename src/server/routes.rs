//! All routes on one address, and what holds for each of them.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::api;

/// A body that brings nothing for so long is given up.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The routes of machines and of people. From the outside in: count, catch panics, refuse what other sites send in a
/// visitor's name, compress, bound the time of bodies.
pub(crate) fn router(api: api::Context) -> Router {
    let metrics = api.metrics.clone();
    api::router(api)
        .fallback(api::not_found)
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE_MAX))
        .layer(CompressionLayer::new())
        .layer(CsrfLayer::new())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(metrics, api::track))
}

/// A panic is a fault of ours: its text is for our log.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands over a box")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let text = text.unwrap_or_else(|| "a panic without a text".to_owned());
    api::Error::internal(&std::io::Error::other(text)).into_response()
}
