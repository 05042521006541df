//! The listener of `server:` and its pages.
//!
//! Promises: a port that cannot be had is an error at the start that says what to set; who is slow, or comes in
//! crowds, costs a bounded number of connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;

use crate::agent::config::server::Server;
use crate::agent::connections::{self, Bounds};
use crate::agent::status::board::Board;
use crate::agent::status::targets;

/// Connections at one time: a browser, a scraper and a few who forgot to hang up.
const CONNECTIONS_MAX: usize = 64;

/// Pages without a script, a picture or a form; their look comes from here.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// Somebody wants the configuration read anew.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    answer: Option<oneshot::Sender<Result<(), String>>>,
}

impl Wish {
    pub(crate) fn answer(self, outcome: Result<(), String>) {
        if let Some(answer) = self.answer {
            // who asked may have gone
            let _ = answer.send(outcome);
        }
    }
}

/// A listener; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Pages {
    server: Server,
    listener: Arc<TcpListener>,
    serving: AbortHandle,
}

/// So long a page that was asked for before the configuration changed may take.
const RETIREMENT: Duration = Duration::from_secs(1);

impl Drop for Pages {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Pages {
    /// None where the configuration wants no pages. Those that were there before lend their listener where it is at the
    /// same address.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub(crate) async fn open(server: &Server, board: &Board, before: Option<&Pages>) -> anyhow::Result<Option<Pages>> {
        if server.disable {
            return Ok(None);
        }
        let is_at = |pages: &&Pages| {
            let (was, is) = (&pages.server, server);
            (&was.http_listen_address, was.http_listen_port) == (&is.http_listen_address, is.http_listen_port)
        };
        let listener = match before.filter(is_at) {
            Some(before) => Arc::clone(&before.listener),
            None => Arc::new(bind(&server.http_listen_address, server.http_listen_port).await?),
        };
        let address = listener.local_addr().context("cannot tell the address of the agent's page")?;
        let base = base_of(server);
        tracing::info!(url = format!("http://{}{base}/targets", named(address)), "the agent's page is here");
        let router = router(server, board, &base);
        let bounds = Bounds::of(server, CONNECTIONS_MAX);
        // dropped, they are cut
        let serving = connections::serve(Arc::clone(&listener), router, bounds, CancellationToken::new());
        let serving = tokio::spawn(serving).abort_handle();
        Ok(Some(Pages { server: server.clone(), listener, serving }))
    }

    /// Whether they are those that a configuration wants.
    pub(crate) fn is_as(&self, server: &Server) -> bool {
        self.server == *server
    }

    /// Ends when what was asked for is answered.
    pub(crate) fn retire(self) {
        tokio::spawn(async move {
            tokio::time::sleep(RETIREMENT).await;
            drop(self);
        });
    }
}

async fn bind(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    let bound = match host {
        // as in Go: both families where there are both
        "" => match TcpListener::bind(("::", port)).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(("0.0.0.0", port)).await,
        },
        host => TcpListener::bind((host.trim_start_matches('[').trim_end_matches(']'), port)).await,
    };
    bound.with_context(|| {
        let shown = if host.is_empty() { "*" } else { host };
        let why = match port {
            80 => " (80 is the default, as in Promtail)",
            _ => "",
        };
        format!(
            "the agent's page cannot listen on {shown}:{port}{why}: set server.http_listen_port to a free port such as \
             9080, or server.disable: true to have no page"
        )
    })
}

/// An address that a browser on the machine can open.
fn named(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

/// What stands before the paths in links: where people come in, which a proxy may have moved.
fn base_of(server: &Server) -> String {
    let external = reqwest::Url::parse(&server.external_url).map(|url| url.path().to_owned());
    let base = external.unwrap_or_else(|_| server.http_path_prefix.clone());
    base.trim_end_matches('/').to_owned()
}

/// What each page knows.
#[derive(Clone, Debug)]
struct Context {
    board: Board,
    base: Arc<str>,
}

fn router(server: &Server, board: &Board, base: &str) -> Router {
    let mut router = Router::new()
        .route("/", get(home))
        .route("/targets", get(show_targets))
        .route("/service-discovery", get(home))
        .route("/config", get(config))
        .route("/ready", get(ready))
        .route("/style.css", get(style))
        .route("/icon.svg", get(icon));
    if server.register_instrumentation {
        router = router.route("/metrics", get(metrics));
    }
    if server.enable_runtime_reload {
        router = router.route("/reload", post(reload));
    }
    let prefix = server.http_path_prefix.trim_end_matches('/');
    if !prefix.is_empty() {
        router = Router::new().nest(prefix, router).route(&format!("{prefix}/"), get(home));
    }
    let context = Context { board: board.clone(), base: base.into() };
    let timeout = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, server.http_server_write_timeout.0);
    router.with_state(context).layer(from_fn(with_headers)).layer(timeout)
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn home(State(context): State<Context>) -> impl IntoResponse {
    let mut headers = HeaderMap::new();
    if let Ok(to) = HeaderValue::from_str(&format!("{}/targets", context.base)) {
        headers.insert(LOCATION, to);
    }
    (StatusCode::SEE_OTHER, headers)
}

/// Which sources are asked for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Asked {
    /// The number of a job of which all are shown.
    job: Option<usize>,
}

async fn show_targets(State(context): State<Context>, Query(asked): Query<Asked>) -> Response {
    match targets::page(&context.board, &context.base, asked.job) {
        Ok(html) => ([(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => {
            tracing::error!("cannot write the page of targets: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be written; the agent's log says why.\n")
                .into_response()
        }
    }
}

async fn style() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("style.css"))
}

async fn icon() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "max-age=3600")];
    (headers, include_str!("../../../static/icon.svg"))
}

async fn config(State(context): State<Context>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], context.board.told().yaml.clone())
}

async fn ready(State(context): State<Context>) -> impl IntoResponse {
    match context.board.told().unready() {
        None => (StatusCode::OK, "Ready\n"),
        Some(why) => (StatusCode::INTERNAL_SERVER_ERROR, why),
    }
}

async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], context.board.metrics.render())
}

async fn reload(State(context): State<Context>) -> (StatusCode, String) {
    let (answer, answered) = oneshot::channel();
    let busy = |_| "the agent is reading its configuration anew already, or stops".to_owned();
    let sent = context.board.wishes.send(Wish { answer: Some(answer) }).await.map_err(|_| busy(()));
    let outcome = match sent {
        Ok(()) => answered.await.map_err(|_| busy(())).and_then(|outcome| outcome),
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(()) => (StatusCode::OK, "The configuration was read anew and is followed.\n".to_owned()),
        Err(problem) => {
            let message = format!("The configuration is as it was, as the new one cannot be followed:\n{problem}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use tower::ServiceExt as _;

    use crate::agent::files::status::Status;
    use crate::agent::status::board::Told;
    use crate::agent::status::pages::*;
    use crate::agent::{Config, config::Variables};

    fn server(text: &str) -> Server {
        let text = format!("server: {{{text}}}\n");
        Config::parse("test", &text, Variables::Keep).unwrap().server
    }

    /// Status, headers and text of an answer.
    async fn ask(router: &Router, method: &str, path: &str) -> (u16, HeaderMap, String) {
        let request = Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, headers, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn machines_are_told_whether_there_is_something_to_read() {
        let (board, _wished) = Board::new(Arc::default());
        let status = Status::default();
        let told = |is_wanted: &str| {
            let text = format!("server: {{health_check_target: {is_wanted}}}\n");
            Told::of(&Config::parse("test", &text, Variables::Keep).unwrap(), &status, "the yaml".to_owned())
        };
        let settings = server("http_path_prefix: /agent");
        let router = router(&settings, &board, &base_of(&settings));
        board.tell(told("true"));
        let (code, headers, text) = ask(&router, "GET", "/agent/ready").await;
        assert!(code == 500 && text.starts_with("Not ready"), "{code} {text}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        board.tell(told("false"));
        assert_eq!(ask(&router, "GET", "/agent/ready").await.0, 200);
        board.tell(told("true"));
        status.set(1, |_| {});
        assert_eq!(ask(&router, "GET", "/agent/ready").await.2, "Ready\n");
        assert_eq!(ask(&router, "GET", "/agent/config").await.2, "the yaml");
        assert!(ask(&router, "GET", "/agent/metrics").await.2.contains("promtail_build_info"));
        for path in ["/agent/", "/agent/service-discovery"] {
            assert_eq!(ask(&router, "GET", path).await.1["location"], "/agent/targets", "{path}");
        }
        let (code, headers, html) = ask(&router, "GET", "/agent/targets").await;
        assert!(code == 200 && html.contains("/agent/style.css"), "{html}");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert_eq!(ask(&router, "GET", "/ready").await.0, 404);
        assert_eq!(ask(&router, "POST", "/agent/reload").await.0, 404);
    }

    #[tokio::test]
    async fn what_is_switched_off_is_not_there_and_links_are_where_people_come_in() {
        let (board, _wished) = Board::new(Arc::default());
        let settings = server("register_instrumentation: false, external_url: 'https://ops.example.com/agents/a/'");
        let router = router(&settings, &board, &base_of(&settings));
        assert_eq!(ask(&router, "GET", "/metrics").await.0, 404);
        assert_eq!(ask(&router, "GET", "/").await.1["location"], "/agents/a/targets");
    }

    #[tokio::test]
    async fn who_wishes_for_a_new_configuration_hears_what_became_of_it() {
        let (board, mut wished) = Board::new(Arc::default());
        let settings = server("enable_runtime_reload: true");
        let router = router(&settings, &board, "");
        let answering = tokio::spawn(async move {
            for outcome in [Ok(()), Err("line 7 is wrong".to_owned())] {
                wished.recv().await.unwrap().answer(outcome);
            }
        });
        assert_eq!(ask(&router, "POST", "/reload").await.0, 200);
        let (code, _, text) = ask(&router, "POST", "/reload").await;
        assert!(code == 500 && text.contains("line 7 is wrong"), "{code} {text}");
        assert_eq!(ask(&router, "GET", "/reload").await.0, 405);
        answering.await.unwrap();
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error_that_says_what_to_set() {
        let (board, _wished) = Board::new(Arc::default());
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let settings = server(&format!("http_listen_address: 127.0.0.1, http_listen_port: {port}"));
        let error = Pages::open(&settings, &board, None).await.unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains("server.http_listen_port"), "{error}");
        assert!(Pages::open(&server("disable: true"), &board, None).await.unwrap().is_none());
        // who comes next at the same address takes the listener over
        let settings = server("http_listen_address: 127.0.0.1, http_listen_port: 0");
        let before = Pages::open(&settings, &board, None).await.unwrap().unwrap();
        let after = Pages::open(&settings, &board, Some(&before)).await.unwrap().unwrap();
        assert_eq!(before.listener.local_addr().unwrap(), after.listener.local_addr().unwrap());
    }
}
