//! All routes on one address.

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::ACCEPT;

use crate::{api, web};

/// The routes of machines and of people; every request is counted.
pub(crate) fn router(api: api::Context, web: web::Context) -> Router {
    let metrics = api.metrics.clone();
    api::router(api)
        .merge(web::router(web))
        .layer(from_fn(tell_machines_plainly))
        .layer(from_fn_with_state(metrics, api::track))
}

/// What is not there is told on a page, except to those who do not ask for pages.
async fn tell_machines_plainly(request: Request, next: Next) -> Response {
    let is_nowhere = request.extensions().get::<MatchedPath>().is_none();
    let mut accepted = request.headers().get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let wants_page = accepted.any(|types| types.contains("text/html"));
    match is_nowhere && !wants_page {
        true => api::not_found().await.into_response(),
        false => next.run(request).await,
    }
}
