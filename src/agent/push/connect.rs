//! From what the configuration says of a server to how it is spoken to: TLS, proxies, credentials.
//!
//! Promises: what cannot be used (a certificate, a file) is known before the first line is read; a redirect is
//! followed where the push goes along whole (307, 308), as another one would lose its body.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Action, Attempt};
use reqwest::tls::Version;
use reqwest::{Certificate, ClientBuilder, Identity, NoProxy, Proxy};

use crate::agent::config::client::Client;
use crate::agent::config::http::{Authorization, BasicAuth, Http, Tls, TlsVersion};
use crate::agent::config::units::Hidden;
use crate::agent::push::client::Settings;
use crate::agent::push::credentials::{Credentials, Secret};
use crate::agent::push::fanout::Filling;
use crate::agent::push::status::ServerStatus;

/// As many as Go's client follows.
const REDIRECTS_MAX: usize = 10;
/// How long a Docker engine may take to be there,
const ENGINE_CONNECT: Duration = Duration::from_secs(10);
/// and how often it is asked whether it still is, while its containers write nothing.
const ENGINE_ALIVE: Duration = Duration::from_secs(30);

/// What is sent to a server, and how.
///
/// # Errors
///
/// In words: what of the configuration cannot be used.
pub(crate) fn server(config: &Client, streams_max: u64) -> Result<(Filling, Settings), String> {
    let address = config.url.as_ref().ok_or("a client has no url")?;
    let mut url = address.url().clone();
    let credentials = credentials(&config.http(), &url);
    // they go into a header; an address is in logs and errors
    let _ = (url.set_username(""), url.set_password(None));
    let filling = Filling {
        bytes_max: usize::try_from(config.batchsize.0).unwrap_or(usize::MAX),
        wait: config.batchwait.0,
        external: config.external_labels.clone(),
        streams_max: usize::try_from(streams_max).unwrap_or(usize::MAX),
    };
    let name = config.name.clone().unwrap_or_else(|| address.shown());
    let host = url.host_str().unwrap_or_default().to_owned();
    let shown_host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut headers = headers(config);
    let real = host.trim_matches(['[', ']']).to_owned();
    let mut builder = connection(http(config.timeout.0), &config.http())?;
    if let Some(name) = config.tls_config.server_name.as_ref().filter(|_| url.scheme() == "https") {
        // the certificate is held against the name in the address, so the name goes there, and leads to the real host
        if let Ok(host) = HeaderValue::from_str(&shown_host) {
            headers.insert(http::header::HOST, host);
        }
        builder = builder.dns_resolver(Arc::new(LeadTo { host: real }));
        url.set_host(Some(name)).map_err(|_| format!("tls_config.server_name {name:?} is not the name of a host"))?;
    }
    let settings = Settings {
        host: shown_host,
        status: ServerStatus::new(&name, &address.shown()),
        name,
        url,
        http: builder.build().map_err(|error| format!("cannot make connections: {error}"))?,
        headers,
        credentials,
        tenant: Some(config.tenant_id.clone()).filter(|tenant| !tenant.is_empty()),
        backoff: (config.backoff_config.min_period.0, config.backoff_config.max_period.0),
        drops_rate_limited: config.drop_rate_limited_batches,
    };
    Ok((filling, settings))
}

/// Finds one host, whatever name is asked for.
#[derive(Debug)]
struct LeadTo {
    host: String,
}

impl Resolve for LeadTo {
    fn resolve(&self, _name: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A client that gives up a request after some time.
pub(crate) fn http(timeout: Duration) -> ClientBuilder {
    patient().timeout(timeout)
}

/// One that waits for ever for the end of an answer.
fn patient() -> ClientBuilder {
    // the first one stays; another one is as good
    let _ = rustls::crypto::ring::default_provider().install_default();
    let agent = concat!("logcafe-agent/", env!("CARGO_PKG_VERSION"));
    let redirect = reqwest::redirect::Policy::none();
    reqwest::Client::builder().user_agent(agent).redirect(redirect).pool_max_idle_per_host(1)
}

/// How a Docker engine is spoken to over the network.
///
/// # Errors
///
/// In words: what of the configuration cannot be used.
pub(crate) fn engine(config: &Http, url: &reqwest::Url) -> Result<(reqwest::Client, Credentials), String> {
    let builder = patient().connect_timeout(ENGINE_CONNECT).tcp_keepalive(ENGINE_ALIVE).http1_only();
    let client = connection(builder, config)?.build();
    Ok((client.map_err(|error| format!("cannot make connections: {error}"))?, credentials(config, url)))
}

fn connection(builder: ClientBuilder, config: &Http) -> Result<ClientBuilder, String> {
    let mut builder = tls(builder, &config.tls_config)?;
    if config.follow_redirects {
        builder = builder.redirect(reqwest::redirect::Policy::custom(follow));
    }
    if !config.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = &config.proxy_url {
        let proxy = Proxy::all(proxy.url().as_str()).map_err(|error| format!("proxy_url cannot be used: {error}"))?;
        builder = builder.proxy(proxy.no_proxy(config.no_proxy.as_deref().and_then(NoProxy::from_string)));
    }
    Ok(builder)
}

/// Goes along where the push goes along whole; who is led elsewhere in another way would come without a body.
fn follow(attempt: Attempt<'_>) -> Action {
    let is_whole = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT].contains(&attempt.status());
    if is_whole && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
}

fn tls(mut builder: ClientBuilder, config: &Tls) -> Result<ClientBuilder, String> {
    let version = |version: TlsVersion| match version {
        TlsVersion::Tls12 => Version::TLS_1_2,
        TlsVersion::Tls13 => Version::TLS_1_3,
    };
    if let Some(ca) = text("ca_file", config.ca.as_deref(), config.ca_file.as_deref())? {
        let found = Certificate::from_pem_bundle(ca.as_bytes());
        for one in found.map_err(|error| format!("the certificates of tls_config.ca cannot be read: {error}"))? {
            builder = builder.add_root_certificate(one);
        }
    }
    let key = config.key.as_ref().map(Hidden::reveal);
    let cert = text("cert_file", config.cert.as_deref(), config.cert_file.as_deref())?;
    if let (Some(cert), Some(key)) = (cert, text("key_file", key, config.key_file.as_deref())?) {
        let identity = Identity::from_pem(format!("{cert}\n{key}").as_bytes());
        let identity = identity.map_err(|error| format!("tls_config.cert and key cannot be used: {error}"))?;
        builder = builder.identity(identity);
    }
    if config.insecure_skip_verify {
        builder = builder.danger_accept_invalid_certs(true);
    }
    if let Some(least) = config.min_version {
        builder = builder.min_tls_version(version(least));
    }
    if let Some(most) = config.max_version {
        builder = builder.max_tls_version(version(most));
    }
    Ok(builder)
}

/// What the configuration has itself, or the file that it names.
fn text(key: &str, own: Option<&str>, file: Option<&Path>) -> Result<Option<String>, String> {
    match (own, file) {
        (Some(own), _) => Ok(Some(own.to_owned())),
        (None, Some(path)) => {
            let read = std::fs::read_to_string(path);
            read.map(Some).map_err(|error| format!("tls_config.{key}: cannot read {}: {error}", path.display()))
        }
        (None, None) => Ok(None),
    }
}

/// They were looked at when the configuration was read.
fn headers(config: &Client) -> HeaderMap {
    let pair = |(name, value): (&String, &String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    config.headers.iter().filter_map(pair).collect()
}

fn credentials(config: &Http, url: &reqwest::Url) -> Credentials {
    let secret = |text: &Option<Hidden>, file: &Option<std::path::PathBuf>| match (text, file) {
        (_, Some(path)) => Secret::File(path.clone()),
        (text, None) => Secret::Text(text.as_ref().map_or("", Hidden::reveal).to_owned()),
    };
    let bearer = |token| Credentials::Token { kind: "Bearer".to_owned(), token };
    if let Some(BasicAuth { username, username_file, password, password_file }) = &config.basic_auth {
        let username = match username_file {
            Some(path) => Secret::File(path.clone()),
            None => Secret::Text(username.clone()),
        };
        return Credentials::Basic { username, password: secret(password, password_file) };
    }
    if let Some(Authorization { kind, credentials, credentials_file }) = &config.authorization {
        return Credentials::Token { kind: kind.clone(), token: secret(credentials, credentials_file) };
    }
    if let Some(token) = &config.bearer_token {
        return bearer(Secret::Text(token.reveal().to_owned()));
    }
    if let Some(path) = &config.bearer_token_file {
        return bearer(Secret::File(path.clone()));
    }
    match (url.username(), url.password()) {
        ("", None) => Credentials::None,
        (username, password) => Credentials::Basic {
            username: Secret::Text(percent_decoded(username)),
            password: Secret::Text(percent_decoded(password.unwrap_or(""))),
        },
    }
}

/// A part of an address as its writer meant it.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
