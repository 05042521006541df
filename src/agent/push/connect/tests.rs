//! Each key of a server, held against a small one.

use std::sync::Mutex;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::agent::Config;
use crate::agent::config::problem::Problem;
use crate::agent::metrics::Metrics;
use crate::agent::outlet::{Ledger, Outgoing, Outlet, Stretch};
use crate::agent::push::client;
use crate::agent::push::connect::*;
use crate::agent::push::fanout::Fanout;
use crate::model::{Labels, Timestamp};

fn parse(text: &str) -> Result<Client, String> {
    let text = format!("clients: [{{{text}}}]\nscrape_configs: [{{static_configs: [{{labels: {{__path__: /x}}}}]}}]\n");
    let config = Config::parse("test", &text, crate::agent::config::Variables::Keep);
    config.map(|mut config| config.clients.remove(0)).map_err(|problem: Problem| problem.to_string())
}

fn client(text: &str) -> Client {
    parse(text).unwrap()
}

#[test]
fn credentials_in_the_address_go_into_the_header_and_nowhere_else() {
    let (_, settings) = server(&client("url: 'http://ann:p%40ss@logs:3100/loki/api/v1/push'"), 0).unwrap();
    assert_eq!(settings.url.as_str(), "http://logs:3100/loki/api/v1/push");
    assert_eq!(settings.host, "logs:3100");
    assert!(!settings.name.contains("p%40ss"), "{}", settings.name);
    let text = |text: &str| Secret::Text(text.to_owned());
    assert_eq!(settings.credentials, Credentials::Basic { username: text("ann"), password: text("p@ss") });
}

#[test]
fn what_cannot_be_used_is_named() {
    let refused =
        |text: &str| server(&client(&format!("url: 'https://logs/push', {text}")), 0).map(|_| ()).unwrap_err();
    assert!(refused("tls_config: {ca_file: /none/ca.pem}").contains("ca_file: cannot read /none/ca.pem"));
    assert!(refused("tls_config: {ca: nonsense, cert: a, key: b}").contains("cannot be used"));
}

#[test]
fn what_cannot_be_followed_is_refused_where_it_stands() {
    for (text, words) in [
        ("timeout: 0s", "timeout is 0"),
        ("backoff_config: {min_period: 10s, max_period: 1s}", "10s first and 1s at most"),
        ("tls_config: {server_name: x}, proxy_url: 'http://proxy:3128'", "does not go together with a proxy"),
        ("oauth2: {client_id: x}", "bearer_token_file"),
        ("headers: {'a b': x}", "cannot be sent as an HTTP header"),
    ] {
        let problem = parse(&format!("url: 'https://logs/push', {text}")).unwrap_err();
        assert!(problem.contains(words) && problem.contains("test:1:") && problem.contains('^'), "{text}: {problem}");
    }
}

#[test]
fn another_name_of_the_server_is_held_against_its_certificate_and_leads_to_its_host() {
    let text = "url: 'https://10.0.0.7:3100/push', tls_config: {server_name: logs.example.com}";
    let (_, settings) = server(&client(text), 0).unwrap();
    assert_eq!(settings.url.as_str(), "https://logs.example.com:3100/push");
    assert_eq!(
        (settings.headers["host"].to_str().unwrap(), settings.host.as_str()),
        ("10.0.0.7:3100", "10.0.0.7:3100")
    );
}

/// A request as it came, and how often there was one.
#[derive(Debug, Default)]
struct Seen(Mutex<Vec<(String, HeaderMap, String)>>);

struct Nobody;

impl Ledger for Nobody {
    fn begun(&self, _stretches: &[Stretch]) {}
    fn answered(&self, _source: u32, _place: u64) {}
}

/// Answers as its path says: `/temporary` leads to `/push`, `/moved` too but without the body, `/slow` not at all.
async fn answer(State(seen): State<Arc<Seen>>, uri: Uri, headers: HeaderMap, body: bytes::Bytes) -> Response {
    let message = snap::raw::Decoder::new().decompress_vec(&body).unwrap_or_default();
    let count = {
        let mut seen = seen.0.lock().unwrap();
        seen.push((uri.to_string(), headers, String::from_utf8_lossy(&message).into_owned()));
        seen.len()
    };
    let to_push = [("location", "/push")];
    match uri.path() {
        "/temporary" => (StatusCode::TEMPORARY_REDIRECT, to_push).into_response(),
        "/moved" if count == 1 => (StatusCode::FOUND, to_push).into_response(),
        "/slow" if count == 1 => std::future::pending().await,
        "/full" if count == 1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// What a server sees of two lines that are sent as the configuration says; `HOST` is the server.
async fn seen(text: &str) -> (Vec<(String, HeaderMap, String)>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    seen_by(listener, &host, text).await
}

async fn seen_by<L>(listener: L, host: &str, text: &str) -> (Vec<(String, HeaderMap, String)>, String)
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    let seen = Arc::<Seen>::default();
    let app = Router::new().fallback(answer).with_state(Arc::clone(&seen));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let (filling, settings) = server(&client(&text.replace("HOST", host)), 1).unwrap();
    let (mut fanout, mut exits) = Fanout::new(vec![filling], Arc::new(Nobody));
    for app in ["a", "b"] {
        let labels = Labels::from_pairs([("app".to_owned(), app.to_owned())]);
        let timestamp = Timestamp::from_secs(1);
        fanout.send(Outgoing { labels: &labels, timestamp, line: "a line", structured: &[], tenant: None });
    }
    let sealing = tokio::task::spawn_blocking(move || fanout.finish());
    let metrics = Arc::<Metrics>::default();
    let (exit, sent) = (exits.remove(0), client::run);
    tokio::time::timeout(Duration::from_secs(30), sent(settings, exit, Arc::clone(&metrics))).await.unwrap();
    sealing.await.unwrap();
    serving.abort();
    let all = std::mem::take(&mut *seen.0.lock().unwrap());
    (all, metrics.render().replace(host, "HOST"))
}

#[tokio::test]
async fn headers_tenant_labels_and_the_bound_of_streams_are_as_configured() {
    let (seen, metrics) = seen(
        "url: 'http://HOST/push', tenant_id: cafe, headers: {X-Kind: blend}, external_labels: {dc: home, app: z}, \
         authorization: {type: Key, credentials: secret}, name: here",
    )
    .await;
    let (_, headers, message) = &seen[0];
    let told = ["x-scope-orgid", "x-kind", "authorization", "content-type"].map(|name| headers[name].to_str().unwrap());
    assert_eq!(told, ["cafe", "blend", "Key secret", "application/x-protobuf"]);
    assert!(message.contains("{app=\"a\", dc=\"home\"}") && !message.contains("\"b\""), "{message}");
    let lost = "promtail_dropped_entries_total{host=\"HOST\",tenant=\"cafe\",reason=\"stream_limited\"} 1\n";
    assert!(metrics.contains(lost), "{metrics}");
}

#[tokio::test]
async fn a_redirect_is_followed_where_the_lines_go_along() {
    let paths = |seen: &[(String, HeaderMap, String)]| -> Vec<(String, bool)> {
        seen.iter().map(|(path, _, message)| (path.clone(), message.contains("a line"))).collect()
    };
    let whole = |path: &str| (path.to_owned(), true);
    let (followed, _) = seen("url: 'http://HOST/temporary'").await;
    assert_eq!(paths(&followed), [whole("/temporary"), whole("/push")]);
    // it would come without its body, so it is tried again as it was
    let (other, _) = seen("url: 'http://HOST/moved', backoff_config: {min_period: 1ms}").await;
    assert_eq!(paths(&other), [whole("/moved"), whole("/moved")]);
}

#[tokio::test]
async fn a_server_that_is_slow_or_full_is_asked_again() {
    let (slow, metrics) = seen("url: 'http://HOST/slow', timeout: 50ms, backoff_config: {min_period: 1ms}").await;
    assert_eq!(slow.len(), 2);
    assert!(metrics.contains("promtail_batch_retries_total{host=\"HOST\",tenant=\"\"} 1\n"), "{metrics}");
    // what the server asks for wins over what is configured
    let (full, _) = seen("url: 'http://HOST/full', backoff_config: {min_period: 1h, max_period: 2h}").await;
    assert_eq!(full.len(), 2);
    let (dropped, metrics) = seen("url: 'http://HOST/full', drop_rate_limited_batches: true").await;
    assert_eq!(dropped.len(), 1);
    assert!(metrics.contains("reason=\"rate_limited\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_proxy_is_asked_in_place_of_the_server() {
    let (seen, _) = seen("url: 'http://logs.invalid:3100/push', proxy_url: 'http://HOST'").await;
    assert_eq!(seen[0].0, "http://logs.invalid:3100/push");
}

/// Takes who shows a certificate of the authority; tells of each who was refused or went away.
struct TlsListener {
    listener: tokio::net::TcpListener,
    acceptor: tokio_rustls::TlsAcceptor,
    refused: tokio::sync::mpsc::UnboundedSender<()>,
}

impl axum::serve::Listener for TlsListener {
    type Io = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            match self.acceptor.accept(stream).await {
                Ok(stream) => return (stream, address),
                Err(_) => drop(self.refused.send(())),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn tls_folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls")
}

async fn tls_listener() -> (TlsListener, String, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let at = |name: &str| tls_folder().join(name);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(at("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let certificate = CertificateDer::from_pem_file(at("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(at("server.key")).unwrap();
    let builder = builder.with_client_cert_verifier(clients.build().unwrap());
    let config = builder.with_single_cert(vec![certificate], key).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (refused, refusals) = tokio::sync::mpsc::unbounded_channel();
    (TlsListener { listener, acceptor: Arc::new(config).into(), refused }, host, refusals)
}

/// A client's settings, with keys of `tls_config` besides the files.
fn tls_client(more: &str) -> String {
    let folder = tls_folder().display().to_string();
    format!(
        "url: 'https://HOST/push', backoff_config: {{min_period: 1ms, max_period: 1ms}}, tls_config: {{ca_file: \
         {folder}/ca.pem, cert_file: {folder}/client.pem, key_file: {folder}/client.key{more}}}"
    )
}

#[tokio::test]
async fn tls_shows_a_certificate_and_holds_the_servers_against_the_name_that_is_asked_for() {
    for more in ["", ", server_name: localhost", ", insecure_skip_verify: true"] {
        let (listener, host, _refusals) = tls_listener().await;
        let (seen, _) = seen_by(listener, &host, &tls_client(more)).await;
        let (path, headers, message) = &seen[0];
        assert!(path.ends_with("/push") && message.contains("a line"), "{more}: {path}");
        assert!(headers.get("host").is_none_or(|name| name.to_str().unwrap() == host), "{more}: {headers:?}");
    }
    let (listener, host, mut refusals) = tls_listener().await;
    let other = tls_client(", server_name: other.example");
    tokio::select! {
        _ = seen_by(listener, &host, &other) => panic!("it was taken for another"),
        refused = tokio::time::timeout(Duration::from_secs(30), refusals.recv()) => assert!(refused.unwrap().is_some()),
    }
}
