//! Speaks to a Docker engine: over the socket on this machine, or over HTTP.
//!
//! Promises: an answer that is read on for days holds some kilobytes and not more, however much waits to be read.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::net::UnixStream;

use crate::agent::config::scrape::DockerDiscovery;
use crate::agent::push::connect;
use crate::agent::push::credentials::Credentials;

/// Lists are made in milliseconds; a machine that starts a hundred containers takes some seconds.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// As much of an answer is read ahead.
const READ_AHEAD_BYTES: usize = 32 << 10;
/// The list of some ten thousand containers.
const LIST_BYTES_MAX: usize = 64 << 20;

/// Why an engine gave no answer.
#[derive(Debug, Error)]
pub(crate) enum EngineError {
    #[error("{0}")]
    Away(String),
    #[error("it answers {status}: {message}")]
    Refused { status: u16, message: String },
}

/// One engine.
#[derive(Debug)]
pub(crate) struct Engine {
    way: Way,
    /// As people are told of it.
    pub(crate) shown: String,
}

#[derive(Debug)]
enum Way {
    Socket(PathBuf),
    Http { client: reqwest::Client, base: reqwest::Url, credentials: Credentials },
}

/// What is read of an answer, part by part.
pub(crate) enum Answer {
    Socket(Incoming),
    Http(reqwest::Response),
}

impl Engine {
    /// # Errors
    ///
    /// In words: what of the configuration cannot be used.
    pub(crate) fn new(config: &DockerDiscovery) -> Result<Engine, String> {
        if let Some(path) = config.host.strip_prefix("unix://") {
            return Ok(Engine { way: Way::Socket(PathBuf::from(path)), shown: config.host.clone() });
        }
        let has_tls = config.tls_config != crate::agent::config::http::Tls::default();
        let address = match config.host.strip_prefix("tcp://") {
            Some(rest) if has_tls => format!("https://{rest}"),
            Some(rest) => format!("http://{rest}"),
            None => config.host.clone(),
        };
        let hint = "a Docker engine is named as in unix:///var/run/docker.sock or tcp://10.0.0.5:2375";
        let mut base = reqwest::Url::parse(&address).map_err(|error| format!("host is no address: {error}; {hint}"))?;
        let (client, credentials) = connect::engine(&config.http(), &base)?;
        let _ = (base.set_username(""), base.set_password(None));
        let shown = base.to_string();
        Ok(Engine { way: Way::Http { client, base, credentials }, shown })
    }

    /// Asks for a list or an object.
    ///
    /// # Errors
    ///
    /// It is away, refuses, or does not answer in time.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, EngineError> {
        let read = async {
            let mut answer = self.open(path, query).await?;
            let bytes = answer.read_all(LIST_BYTES_MAX).await.map_err(EngineError::Away)?;
            let away = |error| EngineError::Away(format!("its answer to {path} cannot be understood: {error}"));
            serde_json::from_slice(&bytes).map_err(away)
        };
        let late = || EngineError::Away(format!("it does not answer within {} seconds", ANSWER_MAX.as_secs()));
        tokio::time::timeout(ANSWER_MAX, read).await.map_err(|_| late())?
    }

    /// Begins an answer that has no end as long as it is wanted.
    ///
    /// # Errors
    ///
    /// It is away or refuses.
    pub(crate) async fn open(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, EngineError> {
        let (status, mut answer) = match &self.way {
            Way::Socket(socket) => over_socket(socket, path, query).await?,
            Way::Http { client, base, credentials } => {
                let mut request = client.get(url(base, path, query)?);
                if let Some(header) = credentials.header().map_err(EngineError::Away)? {
                    request = request.header(http::header::AUTHORIZATION, header);
                }
                let away = |error: reqwest::Error| EngineError::Away(causes(&error.without_url()));
                let response = request.send().await.map_err(away)?;
                (response.status().as_u16(), Answer::Http(response))
            }
        };
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        let body = tokio::time::timeout(ANSWER_MAX, answer.read_all(16 << 10)).await;
        let body = body.unwrap_or(Ok(Vec::new())).unwrap_or_default();
        let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let said = said.as_ref().and_then(|said| said.get("message")?.as_str());
        let message = said.map_or_else(|| String::from_utf8_lossy(&body).trim().to_owned(), str::to_owned);
        Err(EngineError::Refused { status, message })
    }
}

impl Answer {
    /// The next part; `None` at the end.
    ///
    /// # Errors
    ///
    /// In words: the answer broke off.
    pub(crate) async fn part(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Answer::Socket(body) => loop {
                match body.frame().await {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(causes(&error)),
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            return Ok(Some(data));
                        }
                    }
                }
            },
            Answer::Http(response) => response.chunk().await.map_err(|error| causes(&error.without_url())),
        }
    }

    async fn read_all(&mut self, bytes_max: usize) -> Result<Vec<u8>, String> {
        let mut all = Vec::new();
        while let Some(part) = self.part().await? {
            if all.len() + part.len() > bytes_max {
                return Err(format!("its answer is longer than {bytes_max} bytes"));
            }
            all.extend_from_slice(&part);
        }
        Ok(all)
    }
}

fn url(base: &reqwest::Url, path: &str, query: &[(&str, &str)]) -> Result<reqwest::Url, EngineError> {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

async fn over_socket(socket: &PathBuf, path: &str, query: &[(&str, &str)]) -> Result<(u16, Answer), EngineError> {
    let stream = UnixStream::connect(socket).await.map_err(|error| EngineError::Away(unreachable_socket(&error)))?;
    let away = |error: hyper::Error| EngineError::Away(causes(&error));
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(READ_AHEAD_BYTES);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(away)?;
    // it ends with the answer, or when nobody wants that any more
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection to Docker ended: {error}");
        }
    });
    let base = reqwest::Url::parse("http://docker/").expect("it is an address");
    let url = url(&base, path, query)?;
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let request = http::Request::get(target).header(http::header::HOST, "docker").body(Empty::<Bytes>::new());
    let request = request.map_err(|error| EngineError::Away(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(away)?;
    Ok((response.status().as_u16(), Answer::Socket(response.into_body())))
}

fn unreachable_socket(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "let the agent's user open it: add the group docker to the user, or to SupplementaryGroups of the unit"
        }
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => "is Docker running there?",
        _ => "see whether Docker runs there",
    };
    format!("cannot open its socket: {error}; {hint}")
}

/// An error and what it came from: the outermost alone says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
