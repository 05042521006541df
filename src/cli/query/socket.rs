//! The connection that brings new lines: a WebSocket over whatever `query` itself speaks, TLS and proxies included.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt;
use reqwest::{StatusCode, Upgraded};
use serde::Deserialize;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::cli::query::client::{Client, Line, WireStream, lines_of};
use crate::model::harmless::harmless;
use crate::model::{Direction, Timestamp};

/// Servers send a ping every second: one that is silent for so long is gone, or we have slept.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// The code of a close frame that says that something is wrong with what was asked.
const CODE_ERROR: u16 = 1011;
/// The one that says that we may not, or not any more.
const CODE_POLICY: u16 = 1008;

/// What a frame brings.
#[derive(Debug)]
pub(crate) struct News {
    /// By time.
    pub(crate) lines: Vec<Line>,
    /// Lines that we were too slow for.
    pub(crate) dropped_count: u64,
}

/// Why a connection is over, where trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BrokenOff(String);

#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<Upgraded>,
}

#[derive(Deserialize)]
struct WireNews {
    #[serde(default)]
    streams: Vec<WireStream>,
    #[serde(default)]
    dropped_entries: Vec<WireDropped>,
    /// Where the list is only the beginning.
    dropped_count: Option<u64>,
}

#[derive(Deserialize)]
struct WireDropped {
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
}

impl Socket {
    /// Connects; lines that are stored from now on will come.
    pub(crate) async fn connect(client: &Client, query: &str, now: Timestamp) -> anyhow::Result<Socket> {
        let key = generate_key();
        // the backlog is read otherwise, so that it is whole
        let parameters = [("query", query.to_owned()), ("start", now.nanos().to_string()), ("limit", "1".to_owned())];
        let request = client.get("/loki/api/v1/tail", &parameters);
        let request = request
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", &key);
        let response = client.send(request, query, StatusCode::SWITCHING_PROTOCOLS).await?;
        let accepted = response.headers().get("sec-websocket-accept").map(|value| value.as_bytes().to_vec());
        if accepted.as_deref() != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            bail!("the server does not answer as a WebSocket does");
        }
        let upgraded = response.upgrade().await.context("the connection broke off")?;
        Ok(Socket { stream: WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await })
    }

    /// Waits for the next lines.
    pub(crate) async fn next(&mut self) -> anyhow::Result<News> {
        loop {
            let message = match tokio::time::timeout(SILENCE_MAX, self.stream.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return Err(BrokenOff(error.to_string()).into()),
                Ok(None) => return Err(BrokenOff("it was closed".to_owned()).into()),
                Err(_) => return Err(BrokenOff("the server is silent".to_owned()).into()),
            };
            match message {
                Message::Text(text) => return read_news(&text).context("the server sends what cannot be read"),
                Message::Close(frame) => {
                    let (code, reason) =
                        frame.map_or((0, String::new()), |frame| (frame.code.into(), harmless(&frame.reason)));
                    match code {
                        CODE_ERROR | CODE_POLICY => bail!("the server ended it: {reason}"),
                        _ if reason.is_empty() => return Err(BrokenOff("the server closed it".to_owned()).into()),
                        _ => return Err(BrokenOff(reason).into()),
                    }
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

fn read_news(text: &str) -> anyhow::Result<News> {
    let news: WireNews = serde_json::from_str(text)?;
    let dropped_count = news.dropped_count.unwrap_or(news.dropped_entries.len() as u64);
    Ok(News { lines: lines_of(news.streams, Direction::Forward)?, dropped_count })
}

#[cfg(test)]
mod tests {
    use crate::cli::query::socket::read_news;

    #[test]
    fn a_frame_has_lines_and_tells_what_was_dropped() {
        let news = read_news(
            r#"{"streams":[{"stream":{"a":"1"},"values":[["3","c"]]},{"stream":{"a":"2"},"values":[["2","b"]]}],
               "dropped_entries":[{"labels":{"a":"1"},"timestamp":"1"}]}"#,
        )
        .unwrap();
        assert_eq!(news.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(news.dropped_count, 1);
        assert_eq!(read_news(r#"{"streams":[],"dropped_entries":[],"dropped_count":500}"#).unwrap().dropped_count, 500);
        assert!(read_news("[]").is_err());
    }
}
