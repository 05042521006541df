//! Errors as people meet them: a page that says what happened and leads out, or a notice where htmx asked.
//!
//! Promises: people never read internals: they get a number under which our log has the cause. Every refusal of the
//! routes below (a form from another site, a path that is not there, a body too long) wears the same dress.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use tower_http::csrf::ProtectionError;

use crate::web::language::Language;
use crate::web::page::{Page, is_fragment};
use crate::{db, query};

/// Why there is no page.
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    problem: Problem,
}

/// What the person reads below the heading.
#[derive(Debug)]
enum Problem {
    /// As it is; empty for what the status says by itself.
    Words(String),
    State(db::Error),
    Query(query::Error),
}

impl Problem {
    fn text(&self, say: Language) -> String {
        match self {
            Problem::Words(words) => words.clone(),
            Problem::State(error) => say.state_problem(error),
            Problem::Query(error) => say.query_problem(error),
        }
    }
}

impl Error {
    /// `message` goes to the person as it is.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Error {
        Error { status, problem: Problem::Words(message.into()) }
    }

    /// 400: what was asked is wrong in itself.
    pub fn bad_request(message: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn not_found() -> Error {
        Error::new(StatusCode::NOT_FOUND, "")
    }

    /// 403: signed in, but this is for others.
    pub fn forbidden() -> Error {
        Error::new(StatusCode::FORBIDDEN, "")
    }

    /// 500: the person gets a number, our log gets the whole chain of causes under that number.
    pub fn internal(source: &(dyn std::error::Error + 'static)) -> Error {
        let id = format!("{:08x}", rand::random::<u32>());
        let causes: Vec<String> =
            std::iter::successors(Some(source), |error| error.source()).map(ToString::to_string).collect();
        tracing::error!(error_id = id, error = causes.join(": "), "a page failed");
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, id)
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What the person can do something about, to be shown in the form it came from; other errors come back.
    pub(in crate::web) fn for_the_form(self, say: Language) -> Result<String, Error> {
        match self.status {
            StatusCode::UNPROCESSABLE_ENTITY => Ok(self.problem.text(say)),
            _ => Err(self),
        }
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Error {
        if error.is_for_the_asker() {
            return Error { status: StatusCode::UNPROCESSABLE_ENTITY, problem: Problem::State(error) };
        }
        Error::internal(&error)
    }
}

impl From<query::Error> for Error {
    fn from(error: query::Error) -> Error {
        let status = match &error {
            query::Error::Invalid(_)
            | query::Error::Limit(_)
            | query::Error::Cancelled
            | query::Error::Evaluation(_) => StatusCode::BAD_REQUEST,
            query::Error::Crowded { .. } | query::Error::AnswersWait { .. } | query::Error::TailLimit(_) => {
                StatusCode::TOO_MANY_REQUESTS
            }
            query::Error::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            query::Error::Store(source) => return Error::internal(source),
        };
        Error { status, problem: Problem::Query(error) }
    }
}

impl From<askama::Error> for Error {
    fn from(error: askama::Error) -> Error {
        Error::internal(&error)
    }
}

/// What a failed response carries for [`dress`].
#[derive(Clone, Debug)]
struct Failure {
    problem: Arc<Problem>,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Failure { problem: Arc::new(self.problem) });
        response
    }
}

#[derive(Template)]
#[template(path = "error.html", blocks = ["notice"])]
struct ErrorPage {
    page: Page,
    status: u16,
    message: String,
    /// Whether a form of another site was refused.
    foreign_form: bool,
}

/// Gives failed responses that have no page of their own one.
pub(in crate::web) async fn dress(request: Request, next: Next) -> Response {
    let fragment = is_fragment(request.headers());
    let page = Page::outside(request.headers());
    let response = next.run(request).await;
    let status = response.status();
    let has_page = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !(status.is_client_error() || status.is_server_error()) || has_page {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let message = match parts.extensions.remove::<Failure>() {
        Some(failure) => failure.problem.text(page.say),
        None => short_text(body).await,
    };
    let foreign_form = parts.extensions.get::<ProtectionError>().is_some();
    let error = ErrorPage { page, status: status.as_u16(), message, foreign_form };
    let rendered = if fragment { error.as_notice().render() } else { error.render() };
    let Ok(html) = rendered else { return status.into_response() };
    let mut dressed = (status, Html(html)).into_response();
    for name in ["hx-redirect", "allow"] {
        if let Some(value) = parts.headers.get(name) {
            dressed.headers_mut().insert(name, value.clone());
        }
    }
    let retry_after = parts.headers.get(RETRY_AFTER).cloned();
    dressed.headers_mut().extend(retry_after.map(|value: HeaderValue| (RETRY_AFTER, value)));
    dressed
}

/// What the routes below say by themselves, such as which field of a form is missing.
async fn short_text(body: Body) -> String {
    const TEXT_BYTES_MAX: usize = 1000;
    let bytes = axum::body::to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
