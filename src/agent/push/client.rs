//! One server: sends its batches in order, and each until the server has answered for it.
//!
//! Promises: a server that cannot be reached, is full, slow or locked for us keeps its batch waiting and nothing is lost;
//! only what a server says it will never take (400 and its like) is given up, and said so; what is too large for it is
//! sent in halves. Nothing of what is pushed, and no credential, goes into our own log.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::agent::metrics::{Loss, Metrics};
use crate::agent::push::batch::{Refused, Request, Sealed};
use crate::agent::push::credentials::Credentials;
use crate::agent::push::fanout::Exit;
use crate::agent::push::split::halves;
use crate::agent::push::status::ServerStatus;

/// The header that names the tenant.
const TENANT: &str = "x-scope-orgid";
/// Of a refusal, as much goes into the log.
const REASON_CHARS_MAX: usize = 300;
/// What a server asks for is done up to here: beyond, its clock or ours is wrong.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// How often it is said that there are too many streams.
const SAID_AGAIN: Duration = Duration::from_secs(60);

/// A server and how it is spoken to.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// As it is called in the log: its address without credentials.
    pub(crate) name: String,
    /// As it is called in metrics: host and port.
    pub(crate) host: String,
    pub(crate) status: ServerStatus,
    pub(crate) url: reqwest::Url,
    pub(crate) http: reqwest::Client,
    pub(crate) headers: HeaderMap,
    pub(crate) credentials: Credentials,
    pub(crate) tenant: Option<String>,
    /// The first wait after a failure, and the longest.
    pub(crate) backoff: (Duration, Duration),
    /// Whether what is refused with 429 is given up; off unless the configuration says so.
    pub(crate) drops_rate_limited: bool,
}

/// Sends the batches of a lane until there are no more.
pub(crate) async fn run(settings: Settings, mut exit: Exit, metrics: Arc<Metrics>) {
    let mut client = Client { settings, metrics, failing_since: None, said: None };
    while let Some(sealed) = exit.next().await {
        let bytes = sealed.bytes();
        let Sealed { requests, reached, refused } = sealed;
        client.refused(&refused);
        for request in requests {
            client.deliver(request).await;
        }
        exit.answered(&reached, bytes);
    }
}

struct Client {
    settings: Settings,
    metrics: Arc<Metrics>,
    /// Since when the server does not take what we send.
    failing_since: Option<Instant>,
    /// When it was said that there are too many streams.
    said: Option<Instant>,
}

/// What came of an attempt.
enum Outcome {
    Taken,
    /// It will never be taken.
    Refused {
        status: StatusCode,
        reason: String,
    },
    TooLarge,
    /// It may be taken later.
    Later {
        reason: String,
        retry_after: Option<Duration>,
    },
}

impl Client {
    /// Counts lines of streams beyond the bound, and says so now and then.
    fn refused(&mut self, refused: &[Refused]) {
        let own = self.settings.tenant.clone();
        for Refused { tenant, line_count, bytes } in refused {
            let tenant = tenant.as_ref().or(own.as_ref()).map_or("", String::as_str);
            self.metrics.gave_up(&self.settings.host, tenant, Loss::Streams, *line_count, *bytes);
            self.settings.status.set(|told| told.lost_lines += *line_count as u64);
            let now = Instant::now();
            if self.said.is_none_or(|said| now >= said + SAID_AGAIN) {
                self.said = Some(now);
                tracing::warn!(
                    server = self.settings.name,
                    lines = *line_count,
                    "there are more streams than limits_config.max_streams, and lines of the others are dropped: raise \
                     it, or let fewer labels have many values"
                );
            }
        }
    }

    /// Sends a request until the server has answered for all of it.
    async fn deliver(&mut self, request: Request) {
        self.metrics.encoded(&self.settings.host, request.body.len());
        let mut pending = vec![request];
        while let Some(request) = pending.pop() {
            let mut wait = self.settings.backoff.0;
            loop {
                match self.attempt(&request).await {
                    Outcome::Taken => {
                        self.took(&request);
                        break;
                    }
                    Outcome::Refused { status, reason } => {
                        self.gave_up(&request, status, &reason);
                        break;
                    }
                    Outcome::TooLarge => {
                        match halves(&request) {
                            Some((first, second)) => pending.extend([second, first]),
                            None => self.gave_up(&request, StatusCode::PAYLOAD_TOO_LARGE, "a single line is too large"),
                        }
                        break;
                    }
                    Outcome::Later { reason, retry_after } => {
                        self.waits(&request, &reason);
                        let jittered = wait.mul_f64(0.75 + 0.5 * rand::random::<f64>()).min(self.settings.backoff.1);
                        tokio::time::sleep(retry_after.unwrap_or(jittered)).await;
                        wait = (wait * 2).min(self.settings.backoff.1);
                    }
                }
            }
        }
    }

    async fn attempt(&self, request: &Request) -> Outcome {
        let begun = Instant::now();
        let outcome = self.ask(request).await;
        let (status, words) = match &outcome {
            Ok((status, _)) => (status.as_str().to_owned(), status.to_string()),
            Err(reason) => ("-1".to_owned(), reason.clone()),
        };
        self.metrics.requested(&self.settings.host, &status, begun.elapsed());
        self.settings.status.set(|told| told.last = Some((SystemTime::now(), words)));
        match outcome {
            Ok((_, outcome)) => outcome,
            Err(reason) => Outcome::Later { reason, retry_after: None },
        }
    }

    async fn ask(&self, request: &Request) -> Result<(StatusCode, Outcome), String> {
        let settings = &self.settings;
        let mut headers = settings.headers.clone();
        if let Some(authorization) = settings.credentials.header()? {
            headers.insert(AUTHORIZATION, authorization);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("snappy"));
        if let Some(tenant) = request.tenant.as_ref().or(settings.tenant.as_ref()) {
            match HeaderValue::from_bytes(tenant.as_bytes()) {
                Ok(tenant) => headers.insert(TENANT, tenant),
                // a line may have chosen it, and is not to keep the others waiting for ever
                Err(_) => {
                    let (status, reason) = (StatusCode::BAD_REQUEST, "the tenant cannot be a header".to_owned());
                    return Ok((status, Outcome::Refused { status, reason }));
                }
            };
        }
        let sent = settings.http.post(settings.url.clone()).headers(headers).body(request.body.clone()).send().await;
        let answer = sent.map_err(|error| reason_of(&error))?;
        let status = answer.status();
        let outcome = match status {
            status if status.is_success() => Outcome::Taken,
            StatusCode::PAYLOAD_TOO_LARGE => Outcome::TooLarge,
            StatusCode::TOO_MANY_REQUESTS if settings.drops_rate_limited => {
                Outcome::Refused { status, reason: text_of(answer).await }
            }
            status if may_change(status) => {
                let retry_after = answer.headers().get(RETRY_AFTER).and_then(wait_of);
                Outcome::Later { reason: format!("{status}: {}", text_of(answer).await), retry_after }
            }
            status => Outcome::Refused { status, reason: text_of(answer).await },
        };
        Ok((status, outcome))
    }

    /// As Promtail counts, the tenant that is not said is the empty one.
    fn tenant_of<'a>(&'a self, request: &'a Request) -> &'a str {
        request.tenant.as_ref().or(self.settings.tenant.as_ref()).map_or("", String::as_str)
    }

    fn took(&mut self, request: &Request) {
        if let Some(since) = self.failing_since.take() {
            let secs = since.elapsed().as_secs();
            tracing::info!(server = self.settings.name, secs, "the server takes lines again; nothing was lost");
        }
        self.metrics.sent(&self.settings.host, request.line_count, request.body.len());
        self.settings.status.set(|told| {
            told.failing_since = None;
            told.sent_lines += request.line_count as u64;
            told.sent_bytes += request.body.len() as u64;
        });
    }

    fn gave_up(&mut self, request: &Request, status: StatusCode, reason: &str) {
        let (server, lines) = (&self.settings.name, request.line_count);
        tracing::error!(server, lines, %status, reason, "the server will never take these lines, so they are given up");
        let because = if status == StatusCode::TOO_MANY_REQUESTS { Loss::RateLimited } else { Loss::Refused };
        self.metrics.gave_up(&self.settings.host, self.tenant_of(request), because, lines, request.body.len());
        self.failing_since = None;
        self.settings.status.set(|told| {
            told.failing_since = None;
            told.lost_lines += lines as u64;
            told.failed = Some((SystemTime::now(), format!("{status}: {reason} ({lines} lines were given up)")));
        });
    }

    /// Says it once when it begins, and then counts.
    fn waits(&mut self, request: &Request, reason: &str) {
        self.metrics.retried(&self.settings.host, self.tenant_of(request));
        self.settings.status.set(|told| {
            told.failing_since.get_or_insert_with(SystemTime::now);
            told.failed = Some((SystemTime::now(), reason.to_owned()));
        });
        if self.failing_since.is_none() {
            self.failing_since = Some(Instant::now());
            tracing::warn!(
                server = self.settings.name,
                reason,
                "the server does not take lines; they wait, and are tried again"
            );
        }
    }
}

/// Refusals that a person or the passing of time ends: a server that is full, away or behind a wrong address, a token
/// that is made only now.
fn may_change(status: StatusCode) -> bool {
    const CHANGE: [StatusCode; 6] = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_server_error() || status.is_redirection() || CHANGE.contains(&status)
}

/// How long a server wants to be left alone: seconds, or until when.
fn wait_of(header: &HeaderValue) -> Option<Duration> {
    let text = header.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
            Duration::try_from(until.duration_since(jiff::Timestamp::now())).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// The first words of an answer, on one line.
async fn text_of(answer: reqwest::Response) -> String {
    let text = answer.text().await.unwrap_or_default();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(REASON_CHARS_MAX).collect()
}

/// The innermost cause, which says most; never the address, which may hold a password.
fn reason_of(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use axum::Router;
    use axum::extract::State;
    use axum::routing::post;

    use crate::agent::outlet::{Ledger, Outgoing, Outlet, Stretch};
    use crate::agent::push::client::*;
    use crate::agent::push::fanout::{Fanout, Filling};
    use crate::model::{Labels, Timestamp};

    /// A server that answers as it is told, and then takes all.
    #[derive(Default)]
    struct Server {
        answers: Mutex<VecDeque<u16>>,
        lines_max: usize,
        asked: Mutex<Vec<(u16, usize, HeaderMap)>>,
    }

    #[derive(Default)]
    struct Remembered(Mutex<u64>);

    impl Ledger for Remembered {
        fn begun(&self, _stretches: &[Stretch]) {}

        fn answered(&self, _source: u32, place: u64) {
            *self.0.lock().unwrap() = place;
        }
    }

    async fn take(
        State(server): State<Arc<Server>>,
        headers: HeaderMap,
        body: bytes::Bytes,
    ) -> (StatusCode, &'static str) {
        let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let lines = message.windows(4).filter(|window| *window == b"line").count();
        let scripted = server.answers.lock().unwrap().pop_front();
        let status = scripted.unwrap_or(if lines > server.lines_max { 413 } else { 204 });
        server.asked.lock().unwrap().push((status, lines, headers));
        (StatusCode::from_u16(status).unwrap(), "a reason\nof the server")
    }

    /// Sends five lines; statuses and counts of lines of each request, and how far it was answered for.
    async fn told(answers: &[u16], lines_max: usize) -> (Vec<(u16, usize)>, u64, HeaderMap, String) {
        let server =
            Arc::new(Server { answers: Mutex::new(answers.iter().copied().collect()), lines_max, ..Server::default() });
        let app = Router::new().route("/push", post(take)).with_state(Arc::clone(&server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/push", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        let settings = Settings {
            name: "here".to_owned(),
            host: "here".to_owned(),
            status: ServerStatus::default(),
            url: url.parse().unwrap(),
            http: crate::agent::push::connect::http(Duration::from_secs(10)).build().unwrap(),
            headers: HeaderMap::new(),
            credentials: Credentials::Token {
                kind: "Bearer".to_owned(),
                token: crate::agent::push::credentials::Secret::Text("lc_x".to_owned()),
            },
            tenant: Some("cafe".to_owned()),
            backoff: (Duration::from_millis(1), Duration::from_millis(2)),
            drops_rate_limited: false,
        };
        let (metrics, remembered) = (Arc::<Metrics>::default(), Arc::new(Remembered::default()));
        let filling =
            Filling { bytes_max: 1 << 20, wait: Duration::from_secs(1), external: Labels::default(), streams_max: 0 };
        let ledger = Arc::<Remembered>::clone(&remembered);
        let (mut fanout, mut exits) = Fanout::new(vec![filling], ledger);
        let labels = Labels::from_pairs([("app".to_owned(), "x".to_owned())]);
        for number in 0..5 {
            let (timestamp, line) = (Timestamp::from_secs(number), format!("line {number}"));
            fanout.send(Outgoing { labels: &labels, timestamp, line: &line, structured: &[], tenant: None });
        }
        fanout.reached(1, 100);
        let sealing = tokio::task::spawn_blocking(move || fanout.finish());
        run(settings, exits.remove(0), Arc::clone(&metrics)).await;
        sealing.await.unwrap();
        serving.abort();
        let asked = std::mem::take(&mut *server.asked.lock().unwrap());
        let headers = asked[0].2.clone();
        let place = *remembered.0.lock().unwrap();
        (asked.into_iter().map(|(status, lines, _)| (status, lines)).collect(), place, headers, metrics.render())
    }

    #[tokio::test]
    async fn a_batch_is_sent_until_the_server_has_taken_it() {
        let (asked, place, headers, metrics) = told(&[500, 429, 503, 401, 404], 10).await;
        assert_eq!(asked, [(500, 5), (429, 5), (503, 5), (401, 5), (404, 5), (204, 5)]);
        assert_eq!(place, 100);
        assert_eq!(
            (&headers["authorization"], &headers["x-scope-orgid"]),
            (&HeaderValue::from_static("Bearer lc_x"), &HeaderValue::from_static("cafe"))
        );
        assert!(metrics.contains("promtail_sent_entries_total{host=\"here\"} 5\n"), "{metrics}");
        assert!(metrics.contains("promtail_batch_retries_total{host=\"here\",tenant=\"cafe\"} 5\n"), "{metrics}");
    }

    #[tokio::test]
    async fn what_will_never_be_taken_is_given_up_and_counted() {
        let (asked, place, _, metrics) = told(&[400], 10).await;
        assert_eq!((asked, place), (vec![(400, 5)], 100));
        assert!(
            metrics.contains(
                "promtail_dropped_entries_total{host=\"here\",tenant=\"cafe\",reason=\"ingester_error\"} 5\n"
            ),
            "{metrics}"
        );
    }

    #[tokio::test]
    async fn what_is_too_large_is_sent_in_parts() {
        let (asked, place, _, metrics) = told(&[], 1).await;
        let taken: usize = asked.iter().filter(|(status, _)| *status == 204).map(|(_, lines)| lines).sum();
        assert_eq!((taken, place), (5, 100));
        assert!(asked.iter().filter(|(status, _)| *status == 413).all(|(_, lines)| *lines > 1));
        assert!(metrics.contains("promtail_sent_entries_total{host=\"here\"} 5\n"), "{metrics}");
        let (asked, _, _, metrics) = told(&[], 0).await;
        assert!(asked.iter().all(|(status, _)| *status == 413));
        assert!(
            metrics.contains(
                "promtail_dropped_entries_total{host=\"here\",tenant=\"cafe\",reason=\"ingester_error\"} 5\n"
            ),
            "{metrics}"
        );
    }

    #[test]
    fn a_server_says_how_long_it_wants_to_be_left_alone() {
        let wait = |text: &'static str| wait_of(&HeaderValue::from_static(text));
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("999999"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Fri, 06 Nov 2099 08:49:37 GMT"), Some(RETRY_AFTER_MAX));
        assert_eq!(wait("soon"), None);
    }
}
