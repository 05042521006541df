//! Errors as Loki's clients read them: a status and one line of plain text.

use std::fmt;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::{db, logql, query};

/// Why a request got no answer, in the words its sender reads.
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    message: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Error {
    /// `message` goes to the client as it is.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Error {
        Error { status, message: message.into(), header: None }
    }

    /// What the client reads.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether it says that the caller may not do this.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    /// 400: the request is wrong in itself.
    pub fn bad_request(message: impl Into<String>) -> Error {
        Error::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401 that tells browsers and clients how to present credentials.
    pub fn unauthorized(message: impl Into<String>) -> Error {
        let challenge = HeaderValue::from_static("Basic realm=\"logcafe\", charset=\"UTF-8\"");
        Error { header: Some((WWW_AUTHENTICATE, challenge)), ..Error::new(StatusCode::UNAUTHORIZED, message) }
    }

    /// 403: known, but not allowed.
    pub fn forbidden(message: impl Into<String>) -> Error {
        Error::new(StatusCode::FORBIDDEN, message)
    }

    /// A refusal that passes: clients that keep what they send try again after `seconds`.
    pub fn retry_after(status: StatusCode, seconds: u64, message: impl Into<String>) -> Error {
        Error { header: Some((RETRY_AFTER, HeaderValue::from(seconds))), ..Error::new(status, message) }
    }

    /// 500: the client gets a number, our log gets the whole chain of causes under that number.
    pub fn internal(source: &(dyn std::error::Error + 'static)) -> Error {
        let id = format!("{:08x}", rand::random::<u32>());
        tracing::error!(error_id = id, error = chain(source), "a request failed");
        Error::new(StatusCode::INTERNAL_SERVER_ERROR, format!("internal error {id}; the server's log has the cause"))
    }
}

/// The message of an error and of all its causes, in one line.
fn chain(source: &(dyn std::error::Error + 'static)) -> String {
    let mut text = source.to_string();
    let mut cause = source.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.message, self.status)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
        let mut response = (self.status, headers, format!("{}\n", self.message)).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<logql::ParseError> for Error {
    fn from(error: logql::ParseError) -> Error {
        Error::bad_request(error.to_string())
    }
}

impl From<query::Error> for Error {
    /// The statuses are those of Loki's `pkg/util/server/error.go`.
    fn from(error: query::Error) -> Error {
        let client_closed = StatusCode::from_u16(499).expect("499 is a legal status");
        match error {
            query::Error::Invalid(message) | query::Error::Limit(message) => Error::bad_request(message),
            query::Error::Cancelled => Error::new(client_closed, error.to_string()),
            query::Error::TailLimit(message) => Error::new(StatusCode::TOO_MANY_REQUESTS, message),
            query::Error::Crowded { .. } | query::Error::AnswersWait { .. } => {
                Error::retry_after(StatusCode::TOO_MANY_REQUESTS, 1, error.to_string())
            }
            query::Error::TimedOut => Error::new(StatusCode::GATEWAY_TIMEOUT, error.to_string()),
            // a bad query, but Loki's clients are told so with a 500
            query::Error::Evaluation(source) => Error::new(StatusCode::INTERNAL_SERVER_ERROR, source.to_string()),
            query::Error::Store(ref source) => Error::internal(source),
        }
    }
}

impl From<db::Error> for Error {
    fn from(error: db::Error) -> Error {
        if error.is_for_the_asker() { Error::bad_request(error.to_string()) } else { Error::internal(&error) }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use crate::api::Error;

    #[test]
    fn internals_stay_in_our_log() {
        let error = Error::internal(&std::io::Error::other("cannot read /secret/place"));
        assert_eq!(error.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!error.message.contains("secret"), "{}", error.message);
    }
}
