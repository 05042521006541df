//! A client that follows new lines, and reads only when it is told to.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::harness::{Client, encode};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What comes from a server that is followed.
#[derive(Debug)]
pub(crate) enum Heard {
    Frame(Value),
    /// The server closed: code and reason.
    Closed(u16, String),
}

/// An open tail. Pings are answered when something is read.
#[derive(Debug)]
pub(crate) struct Tail {
    socket: WebSocket<TcpStream>,
}

impl Client {
    /// Follows a query, with these parameters beside it.
    #[track_caller]
    pub(crate) fn tail(&self, query: &str, parameters: &[(&str, &str)]) -> Tail {
        self.tail_with(query, parameters, &[]).expect("the connection is upgraded")
    }

    /// The same with some more headers; the status where it is refused.
    pub(crate) fn tail_with(
        &self,
        query: &str,
        parameters: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Result<Tail, u16> {
        let mut all = vec![("query", query)];
        all.extend_from_slice(parameters);
        let address = self.base.strip_prefix("http://").expect("plain HTTP");
        let url = format!("ws://{address}/loki/api/v1/tail?{}", encode(&all));
        let mut request = url.into_client_request().expect("a request");
        let authorization = self.authorization.as_deref().map(|value| ("authorization", value));
        for (name, value) in authorization.iter().chain(headers) {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(Tail { socket }),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
                Err(response.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Tail {
    /// The next frame, or the end.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Heard {
        loop {
            match self.socket.read().expect("something comes") {
                Message::Text(text) => return Heard::Frame(serde_json::from_str(&text).expect("JSON")),
                Message::Close(frame) => {
                    // the answer to it goes out with the next flush
                    let _ = self.socket.flush();
                    let frame = frame.expect("a reason");
                    return Heard::Closed(frame.code.into(), frame.reason.to_string());
                }
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    #[track_caller]
    pub(crate) fn frame(&mut self) -> Value {
        match self.next() {
            Heard::Frame(frame) => frame,
            Heard::Closed(code, reason) => panic!("closed with {code}: {reason}"),
        }
    }

    /// The lines of frames, in the order in which they come, until there are `count` of them.
    #[track_caller]
    pub(crate) fn lines(&mut self, count: usize) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.len() < count {
            lines.extend(lines_of_frame(&self.frame()));
        }
        lines
    }

    /// Closes, and waits for the server to do the same: whether it did.
    pub(crate) fn close(mut self) -> bool {
        self.socket.close(None).expect("sent");
        loop {
            match self.socket.read() {
                Ok(_) => {}
                Err(error) => return matches!(error, tungstenite::Error::ConnectionClosed),
            }
        }
    }

    /// Waits until the server closes: code and reason.
    #[track_caller]
    pub(crate) fn end(&mut self) -> (u16, String) {
        loop {
            if let Heard::Closed(code, reason) = self.next() {
                return (code, reason);
            }
        }
    }
}

/// The lines of a frame, by time.
pub(crate) fn lines_of_frame(frame: &Value) -> Vec<String> {
    crate::harness::lines_of(&serde_json::json!({"data": {"result": frame["streams"]}}))
}
