//! Loki's push: a body in, nothing but a status out.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;

use crate::api::{self, Context};
use crate::ingest::{self, Intake, PushRequest, Room, Shape};

/// What a client that is refused for lack of room waits, in seconds.
const BUSY_RETRY_S: u64 = 1;

/// The same for a full disk, where somebody has to do something first.
const DISK_FULL_RETRY_S: u64 = 60;

/// Memory that is laid out for a body before it comes: most of them fit, and nobody gets more by announcing more.
const RECEIVE_BYTES: usize = 1 << 20;

/// How much of a body that is refused is read all the same.
const DISCARD_BYTES_MAX: usize = 64 << 20;

/// Routes that take entries; the credentials of a push token are enough.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/api/prom/push", post(push_old))
        .route("/otlp/v1/logs", post(push_otlp))
        // where SDKs go that are given nothing but the server's address
        .route("/v1/logs", post(push_otlp))
}

async fn push(State(context): State<Context>, headers: HeaderMap, body: Body) -> Result<StatusCode, api::Error> {
    take(context, headers, body, Shape::Current).await
}

/// The path of clients from before Loki 1.0.
async fn push_old(State(context): State<Context>, headers: HeaderMap, body: Body) -> Result<StatusCode, api::Error> {
    take(context, headers, body, Shape::Old).await
}

/// OpenTelemetry wants errors as a protobuf message, `google.rpc.Status`, whatever was sent; and its clients try again
/// after a 503, not after a 500.
async fn push_otlp(State(context): State<Context>, headers: HeaderMap, body: Body) -> Response {
    let error = match take(context, headers, body, Shape::Otlp).await {
        Ok(status) => return status.into_response(),
        Err(error) => error,
    };
    let message = error.message().as_bytes().to_vec();
    let mut response = error.into_response();
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    *response.body_mut() = Body::from(ingest::otlp_status(&message));
    response
}

async fn take(context: Context, headers: HeaderMap, body: Body, shape: Shape) -> Result<StatusCode, api::Error> {
    let intake = context.intake;
    let mut room = intake.room();
    let body = receive(&intake, &mut room, &headers, body).await?;
    let header = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let request =
        PushRequest { content_type: header(CONTENT_TYPE), content_encoding: header(CONTENT_ENCODING), body, shape };
    api::blocking(move || intake.push(&request, room)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// The whole body, counted while it comes in.
async fn receive(intake: &Intake, room: &mut Room, headers: &HeaderMap, body: Body) -> Result<Bytes, api::Error> {
    let bytes_max = intake.limits().body_bytes_max;
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(bytes) = announced.filter(|bytes| *bytes > bytes_max) {
        discard(body).await;
        return Err(ingest::Error::TooLarge { bytes, bytes_max }.into());
    }
    let first_guess = announced.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(0).min(RECEIVE_BYTES);
    let mut received = BytesMut::with_capacity(first_guess);
    let mut body = body;
    while let Some(frame) = body.frame().await {
        // nothing is wrong with the push itself: an agent on a slow line shall send it again, and not drop it
        let frame = frame.map_err(|error| {
            let text = format!("the body broke off: {error}");
            api::Error::retry_after(StatusCode::SERVICE_UNAVAILABLE, BUSY_RETRY_S, text)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        let bytes = received.len() as u64 + data.len() as u64;
        let counted = match bytes > bytes_max {
            true => Err(ingest::Error::TooLarge { bytes, bytes_max }),
            false => room.grow(data.len()),
        };
        if let Err(error) = counted {
            discard(body).await;
            return Err(error.into());
        }
        received.extend_from_slice(&data);
    }
    Ok(received.freeze())
}

/// Reads on for a while: a client that still sends when the connection closes never sees the answer.
async fn discard(mut body: Body) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARD_BYTES_MAX {
            return;
        }
    }
}

impl From<ingest::Error> for api::Error {
    /// Agents drop what gets a 4xx and send again what gets 429 or 5xx.
    fn from(error: ingest::Error) -> api::Error {
        use ingest::Error;
        let text = error.to_string();
        match error {
            Error::ContentType(_)
            | Error::ContentEncoding(_)
            | Error::OtlpContentType(_)
            | Error::OtlpContentEncoding(_)
            | Error::Malformed(_)
            | Error::Labels(_)
            | Error::TooManyDays { .. }
            | Error::Rejected { .. } => api::Error::bad_request(text),
            Error::TooLarge { .. } => api::Error::new(StatusCode::PAYLOAD_TOO_LARGE, text),
            Error::NoStreams => api::Error::new(StatusCode::UNPROCESSABLE_ENTITY, text),
            Error::RateLimited { .. } | Error::Busy { .. } | Error::StoreBusy => {
                api::Error::retry_after(StatusCode::TOO_MANY_REQUESTS, BUSY_RETRY_S, text)
            }
            Error::DiskFull { .. } | Error::Unwritable { .. } => {
                api::Error::retry_after(StatusCode::SERVICE_UNAVAILABLE, DISK_FULL_RETRY_S, text)
            }
            Error::Closed => api::Error::retry_after(StatusCode::SERVICE_UNAVAILABLE, BUSY_RETRY_S, text),
            Error::Store(_) => api::Error::internal(&error),
        }
    }
}
