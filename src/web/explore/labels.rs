//! All labels and all their values on one page, for more of them than the sheet of Explore holds.

use askama::Template;
use axum::extract::{Query, State as Shared};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use serde::Deserialize;

use crate::web::auth::SignedIn;
use crate::web::explore::state::{Params, State};
use crate::web::explore::text::Piece;
use crate::web::explore::view::{self, Asked, FacetView};
use crate::web::explore::{browser_zone, facets, search};
use crate::web::page::{Page, now, render};
use crate::web::{Context, Error, blocking};

/// Values of one label that are listed; others are typed.
const CHOICES_MAX: usize = 500;

#[derive(Debug, Template)]
#[template(path = "explore_labels.html")]
struct LabelsPage {
    page: Page,
    state: State,
    facets: Vec<FacetView>,
    /// What names and values are looked through for.
    find: String,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Find {
    find: Option<String>,
}

pub(crate) async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(Find { find }): Query<Find>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Response, Error> {
    let now = now();
    let (state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now);
    let engine = context.engine.clone();
    let found = blocking(move || {
        let asked = Asked::read(&state.query);
        let streams = search::streams(&engine, state.range(now), &user.user.name);
        let find = find.unwrap_or_default().trim().to_owned();
        let facets = asked.lines().map(|expr| facets::matching(facets::facets(&streams, &expr.selector), &find));
        let views =
            asked.lines().zip(facets).map(|(expr, facets)| view::facet_views(&state, expr, facets, CHOICES_MAX));
        (views.unwrap_or_default(), state, find)
    });
    let (facets, state, find) = found.await?;
    Ok(render(&LabelsPage { page, state, facets, find })?.into_response())
}
