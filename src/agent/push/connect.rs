//! From what the configuration says of a server to how it is spoken to: TLS, proxies, credentials.
//!
//! Promises: what cannot be used (a certificate, a file) is known before the first line is read; a redirect is never
//! followed, as a push that is led elsewhere would lose its body.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::tls::Version;
use reqwest::{Certificate, ClientBuilder, Identity, NoProxy, Proxy};

use crate::agent::config::client::Client;
use crate::agent::config::http::{Authorization, BasicAuth, Tls, TlsVersion};
use crate::agent::config::units::Hidden;
use crate::agent::push::client::Settings;
use crate::agent::push::credentials::{Credentials, Secret};
use crate::agent::push::fanout::Filling;
use crate::agent::push::status::ServerStatus;

/// What is sent to a server, and how.
///
/// # Errors
///
/// In words: what of the configuration cannot be used.
pub(crate) fn server(config: &Client) -> Result<(Filling, Settings), String> {
    let address = config.url.as_ref().ok_or("a client has no url")?;
    let mut url = address.url().clone();
    let credentials = credentials(config, &url)?;
    // they go into a header; an address is in logs and errors
    let _ = (url.set_username(""), url.set_password(None));
    let filling = Filling {
        bytes_max: usize::try_from(config.batchsize.0).unwrap_or(usize::MAX),
        wait: config.batchwait.0,
        external: config.external_labels.clone(),
    };
    let name = config.name.clone().unwrap_or_else(|| address.shown());
    let host = url.host_str().unwrap_or_default();
    let settings = Settings {
        host: url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        status: ServerStatus::new(&name, &address.shown()),
        name,
        url,
        http: connection(config)?.build().map_err(|error| format!("cannot make connections: {error}"))?,
        headers: headers(config),
        credentials,
        tenant: Some(config.tenant_id.clone()).filter(|tenant| !tenant.is_empty()),
        backoff: (config.backoff_config.min_period.0, config.backoff_config.max_period.0),
        drops_rate_limited: config.drop_rate_limited_batches,
    };
    Ok((filling, settings))
}

/// A client that gives up a request after some time.
pub(crate) fn http(timeout: Duration) -> ClientBuilder {
    // the first one stays; another one is as good
    let _ = rustls::crypto::ring::default_provider().install_default();
    let agent = concat!("logcafe-agent/", env!("CARGO_PKG_VERSION"));
    let redirect = reqwest::redirect::Policy::none();
    reqwest::Client::builder().user_agent(agent).timeout(timeout).redirect(redirect).pool_max_idle_per_host(1)
}

fn connection(config: &Client) -> Result<ClientBuilder, String> {
    let mut builder = tls(http(config.timeout.0), &config.tls_config)?;
    if !config.proxy_from_environment {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = &config.proxy_url {
        let proxy = Proxy::all(proxy.url().as_str()).map_err(|error| format!("proxy_url cannot be used: {error}"))?;
        builder = builder.proxy(proxy.no_proxy(config.no_proxy.as_deref().and_then(NoProxy::from_string)));
    }
    Ok(builder)
}

fn tls(mut builder: ClientBuilder, config: &Tls) -> Result<ClientBuilder, String> {
    let version = |version: TlsVersion| match version {
        TlsVersion::Tls12 => Version::TLS_1_2,
        TlsVersion::Tls13 => Version::TLS_1_3,
    };
    if let Some(name) = &config.server_name {
        return Err(format!("tls_config.server_name: {name}: only the name in the url can be checked; use it there"));
    }
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

fn credentials(config: &Client, url: &reqwest::Url) -> Result<Credentials, String> {
    let secret = |text: &Option<Hidden>, file: &Option<std::path::PathBuf>| match (text, file) {
        (_, Some(path)) => Secret::File(path.clone()),
        (text, None) => Secret::Text(text.as_ref().map_or("", Hidden::reveal).to_owned()),
    };
    let bearer = |token| Credentials::Token { kind: "Bearer".to_owned(), token };
    if let Some(BasicAuth { username, username_file, password, password_file }) = &config.basic_auth {
        let username = match username_file {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| format!("basic_auth.username_file: cannot read {}: {error}", path.display()))?,
            None => username.clone(),
        };
        let username = username.trim().to_owned();
        return Ok(Credentials::Basic { username, password: secret(password, password_file) });
    }
    if let Some(Authorization { kind, credentials, credentials_file }) = &config.authorization {
        return Ok(Credentials::Token { kind: kind.clone(), token: secret(credentials, credentials_file) });
    }
    if let Some(token) = &config.bearer_token {
        return Ok(bearer(Secret::Text(token.reveal().to_owned())));
    }
    if let Some(path) = &config.bearer_token_file {
        return Ok(bearer(Secret::File(path.clone())));
    }
    Ok(match (url.username(), url.password()) {
        ("", None) => Credentials::None,
        (username, password) => Credentials::Basic {
            username: percent_decoded(username),
            password: Secret::Text(percent_decoded(password.unwrap_or(""))),
        },
    })
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
mod tests {
    use crate::agent::Config;
    use crate::agent::config::problem::Problem;
    use crate::agent::push::connect::*;

    fn client(text: &str) -> Client {
        let text =
            format!("clients: [{{{text}}}]\nscrape_configs: [{{static_configs: [{{labels: {{__path__: /x}}}}]}}]\n");
        let config = Config::parse("test", &text, crate::agent::config::Variables::Keep);
        config.map_err(|problem: Problem| problem.to_string()).unwrap().clients.remove(0)
    }

    #[test]
    fn credentials_in_the_address_go_into_the_header_and_nowhere_else() {
        let (_, settings) = server(&client("url: 'http://ann:p%40ss@logs:3100/loki/api/v1/push'")).unwrap();
        assert_eq!(settings.url.as_str(), "http://logs:3100/loki/api/v1/push");
        assert!(!settings.name.contains("p%40ss"), "{}", settings.name);
        let expected = Credentials::Basic { username: "ann".to_owned(), password: Secret::Text("p@ss".to_owned()) };
        assert_eq!(settings.credentials, expected);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let refused =
            |text: &str| server(&client(&format!("url: 'https://logs/push', {text}"))).map(|_| ()).unwrap_err();
        assert!(refused("tls_config: {ca_file: /none/ca.pem}").contains("ca_file: cannot read /none/ca.pem"));
        assert!(refused("tls_config: {server_name: other}").contains("server_name"));
    }
}
