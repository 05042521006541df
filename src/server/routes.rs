//! All routes on one address.

use axum::Router;
use axum::middleware::from_fn_with_state;

use crate::{api, web};

/// The routes of machines and of people; every request is counted. What is not there is told by the pages, except
/// below the folders of machines.
pub(crate) fn router(api: api::Context, web: web::Context) -> Router {
    let metrics = api.metrics.clone();
    api::router(api).merge(web::router(web)).layer(from_fn_with_state(metrics, api::track))
}
