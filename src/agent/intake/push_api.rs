//! `loki_push_api`: what others push, as Loki takes it, into a spool.
//!
//! Promises: 204 means that the lines are in the spool; a spool without room is 429, so that the sender keeps them; a body
//! that is wrong is 400 and says why. Never: takes a part of a push.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;

use crate::agent::config::scrape::{PushApi, Scrape};
use crate::agent::config::server::Server;
use crate::agent::connections::{self, Bounds};
use crate::agent::entry::TENANT;
use crate::agent::intake::Stop;
use crate::agent::metrics::Metrics;
use crate::agent::relabel::{self, Rule};
use crate::agent::spool::{Received, Spool, SpoolError};
use crate::ingest::{self, Decoder, Limits, PushRequest, PushedStream, Shape};
use crate::model::{Labels, Timestamp};

/// The header that names a tenant.
const TENANT_HEADER: &str = "x-scope-orgid";
/// When a sender is to come back: senders wait longer by themselves.
const RETRY_S: u16 = 1;
/// How long a stop waits for pushes that are being received.
const STOP_WAIT: Duration = Duration::from_secs(3);
/// At once, as for syslog.
const CONNECTIONS_MAX: usize = 1024;

/// What all requests of a job share.
pub(crate) struct Api {
    decoder: Decoder,
    spool: Spool,
    labels: Labels,
    rules: Vec<Rule>,
    use_incoming_timestamp: bool,
    receive_timeout: Duration,
    metrics: Arc<Metrics>,
}

/// Why a push was not taken.
struct Refusal(StatusCode, String);

/// What came with a push.
struct Head {
    content_type: Option<String>,
    content_encoding: Option<String>,
    tenant: Option<String>,
}

/// Listens, so that an address that is taken is known at the start.
///
/// # Errors
///
/// It is taken, or is none.
pub(crate) fn listen(server: &Server) -> anyhow::Result<tokio::net::TcpListener> {
    let (host, port) = (server.http_listen_address.as_str(), server.http_listen_port);
    let bound = match host {
        // both kinds of addresses, where the system has both
        "" => TcpListener::bind(("::", port)).or_else(|_| TcpListener::bind(("0.0.0.0", port))),
        host => TcpListener::bind((host.trim_matches(['[', ']']), port)),
    };
    let listener = bound.with_context(|| {
        format!("cannot listen on {host}:{port} for pushes; give another http_listen_port under loki_push_api.server")
    })?;
    listener.set_nonblocking(true)?;
    Ok(tokio::net::TcpListener::from_std(listener)?)
}

impl Api {
    pub(crate) fn new(scrape: &Scrape, settings: &PushApi, spool: Spool, metrics: &Arc<Metrics>) -> Api {
        Api {
            decoder: Decoder::new(Limits::default()),
            spool,
            labels: settings.labels.clone(),
            rules: scrape.relabel_configs.clone(),
            use_incoming_timestamp: settings.use_incoming_timestamp,
            receive_timeout: settings.server.http_server_read_timeout.0,
            metrics: Arc::clone(metrics),
        }
    }

    /// What the rules make of labels that came; `None` where they drop the stream.
    fn relabelled(&self, came: &[(String, String)], tenant: Option<&str>) -> Option<Labels> {
        let own = self.labels.iter().chain(tenant.map(|tenant| (TENANT, tenant)));
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        relabel::apply(&self.rules, &came.iter().cloned().chain(own).collect())
    }

    fn time(&self, timestamp: Timestamp) -> Option<Timestamp> {
        self.use_incoming_timestamp.then_some(timestamp)
    }

    /// Puts streams into the spool, all of them or none.
    fn keep(&self, streams: &[PushedStream<'_>], tenant: Option<&str>) -> Result<(), SpoolError> {
        let labels: Vec<Option<Labels>> =
            streams.iter().map(|stream| self.relabelled(&stream.labels, tenant)).collect();
        let owned = |(name, value): &(std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            (name.clone().into_owned(), value.clone().into_owned())
        };
        let mut structured: Vec<Vec<(String, String)>> = Vec::new();
        for entry in streams.iter().flat_map(|stream| &stream.entries) {
            structured.push(entry.metadata.iter().map(owned).collect());
        }
        let mut structured = structured.iter();
        let mut received = Vec::new();
        for (stream, labels) in streams.iter().zip(&labels) {
            for (entry, structured) in stream.entries.iter().zip(structured.by_ref()) {
                match labels {
                    Some(labels) => received.push(Received {
                        timestamp: self.time(entry.timestamp),
                        labels,
                        line: &entry.line,
                        structured,
                    }),
                    None => self.metrics.dropped("relabel", entry.line.len()),
                }
            }
        }
        self.spool.append(&received)
    }

    /// Puts the lines of a text into the spool. As in Promtail, those without text are left out.
    fn keep_text(&self, text: &str, tenant: Option<&str>) -> Result<(), SpoolError> {
        let Some(labels) = self.relabelled(&[], tenant) else { return Ok(()) };
        let lines = text.split('\n').map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty());
        let received = lines.map(|line| Received { timestamp: None, labels: &labels, line, structured: &[] });
        self.spool.append(&received.collect::<Vec<_>>())
    }
}

/// Serves until it is to stop.
pub(crate) async fn run(server: Server, listener: tokio::net::TcpListener, api: Api, stop: Stop) {
    let address = listener.local_addr().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)));
    tracing::info!("listening for pushes on {address}");
    let router = router(&server.http_path_prefix, Arc::new(api));
    let stopping = CancellationToken::new();
    let bounds = Bounds::of(&server, CONNECTIONS_MAX);
    let serving = connections::serve(Arc::new(listener), router, bounds, stopping.clone());
    let mut late = stop;
    let too_late = async move {
        late.stopped().await;
        stopping.cancel();
        tokio::time::sleep(STOP_WAIT).await;
    };
    tokio::select! {
        () = serving => {}
        () = too_late => tracing::warn!("pushes that were being received when the agent stopped were not taken"),
    }
}

fn router(prefix: &str, api: Arc<Api>) -> Router {
    let routes = Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/api/prom/push", post(push_old))
        .route("/promtail/api/v1/raw", post(push_text))
        .route("/ready", get(async || "ready\n"))
        .with_state(api);
    match prefix.trim_matches('/') {
        "" => routes,
        prefix => Router::new().nest(&format!("/{prefix}"), routes),
    }
}

async fn push(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Result<StatusCode, Refusal> {
    take(api, &headers, body, Kind::Streams(Shape::Current)).await
}

async fn push_old(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Result<StatusCode, Refusal> {
    take(api, &headers, body, Kind::Streams(Shape::Old)).await
}

async fn push_text(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Result<StatusCode, Refusal> {
    take(api, &headers, body, Kind::Text).await
}

#[derive(Clone, Copy)]
enum Kind {
    Streams(Shape),
    Text,
}

async fn take(api: Arc<Api>, headers: &HeaderMap, body: Body, kind: Kind) -> Result<StatusCode, Refusal> {
    let mut room = api.decoder.room();
    let head = Head::of(headers);
    let received = tokio::time::timeout(api.receive_timeout, receive(&api, &mut room, body)).await;
    let body = received.map_err(|_| {
        Refusal(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {:?}", api.receive_timeout))
    })??;
    let kept = tokio::task::spawn_blocking(move || {
        let Head { content_type, content_encoding, tenant } = head;
        let (shape, tenant) = (if let Kind::Streams(shape) = kind { shape } else { Shape::Current }, tenant.as_deref());
        let request = PushRequest { content_type, content_encoding, body, shape };
        match kind {
            Kind::Streams(_) => api.decoder.streams(&request, &mut room, |streams| api.keep(streams, tenant)),
            Kind::Text => api.decoder.text(&request, &mut room, |text| api.keep_text(text, tenant)),
        }
    });
    let kept = kept.await.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    match kept? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(full) => Err(Refusal(StatusCode::TOO_MANY_REQUESTS, full.to_string())),
    }
}

/// The whole body, counted while it comes in.
async fn receive(api: &Api, room: &mut ingest::Room, mut body: Body) -> Result<Bytes, Refusal> {
    let bytes_max = api.decoder.limits().body_bytes_max;
    let mut received = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // the sender is to send it again
        let broken = |error| Refusal(StatusCode::SERVICE_UNAVAILABLE, format!("the body broke off: {error}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        let bytes = (received.len() + data.len()) as u64;
        if bytes > bytes_max {
            return Err(ingest::Error::TooLarge { bytes, bytes_max }.into());
        }
        room.grow(data.len())?;
        received.extend_from_slice(&data);
    }
    Ok(received.freeze())
}

impl Head {
    fn of(headers: &HeaderMap) -> Head {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Head {
            content_type: headers.get(CONTENT_TYPE).map(text),
            content_encoding: headers.get(CONTENT_ENCODING).map(text),
            tenant: headers.get(TENANT_HEADER).map(text).filter(|tenant| !tenant.is_empty()),
        }
    }
}

impl From<ingest::Error> for Refusal {
    fn from(error: ingest::Error) -> Refusal {
        let status = match &error {
            ingest::Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            ingest::Error::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::BAD_REQUEST,
        };
        Refusal(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.0, format!("{}\n", self.1)).into_response();
        if matches!(self.0, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_S));
        }
        response
    }
}

#[cfg(test)]
mod tests;
