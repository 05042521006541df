//! Puts questions to a server and reads the answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::values::Span;
use crate::model::harmless::harmless;
use crate::model::{Direction, Timestamp};

/// A span of time: `start` included, `end` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) timestamp: Timestamp,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) text: String,
}

/// One series of a metric answer; the values as the server wrote them.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) points: Vec<(Timestamp, String)>,
}

#[derive(Debug)]
pub(crate) enum Answer {
    /// By time over all streams, in the direction that was asked for.
    Streams(Vec<Line>),
    Series(Vec<Series>),
}

#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

#[derive(Deserialize)]
struct WireAnswer<'a> {
    #[serde(borrow)]
    data: WireData<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireData<'a> {
    result_type: String,
    #[serde(borrow)]
    result: &'a RawValue,
}

/// The server refused; the text says why, and what can be done.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
}

/// There was no answer.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach {base}: {why}; is `logcafe serve` running there? --addr names another server")]
pub(crate) struct Unreachable {
    base: String,
    why: String,
}

impl Refusal {
    /// Whether the same request may be answered later.
    pub(crate) fn is_passing(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS
    }
}

/// Lines of one stream, as they come.
#[derive(Deserialize)]
pub(crate) struct WireStream {
    stream: BTreeMap<String, String>,
    values: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct WireSeries {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

impl Client {
    pub(crate) fn new(base: &str, token: Option<String>) -> anyhow::Result<Client> {
        // an error means that a provider is installed already
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().build().context("cannot prepare requests")?;
        // `serve --listen` takes an address without a scheme, so it is written here too
        let scheme = if base.contains("://") { "" } else { "http://" };
        Ok(Client { http, base: format!("{scheme}{}", base.trim_end_matches('/')), token })
    }

    pub(crate) async fn query_range(
        &self,
        query: &str,
        range: Range,
        direction: Direction,
        limit: usize,
        step: Option<Span>,
    ) -> anyhow::Result<Answer> {
        let direction_name = match direction {
            Direction::Forward => "forward",
            Direction::Backward => "backward",
        };
        let mut parameters = vec![
            ("query", query.to_owned()),
            ("start", range.start.nanos().to_string()),
            ("end", range.end.nanos().to_string()),
            ("limit", limit.to_string()),
            ("direction", direction_name.to_owned()),
        ];
        if let Some(step) = step {
            parameters.push(("step", step.0.as_secs_f64().to_string()));
        }
        let request = self.get("/loki/api/v1/query_range", &parameters);
        let response = self.send(request, query, StatusCode::OK).await?;
        let body = response.text().await.map_err(reqwest::Error::without_url).context("the answer broke off")?;
        read_answer(&body, direction).with_context(|| format!("{} did not answer as Loki does", self.base))
    }

    /// A request with our credentials.
    pub(crate) fn get(&self, path: &str, parameters: &[(&str, String)]) -> RequestBuilder {
        let request = self.http.get(format!("{}{path}?{}", self.base, encode(parameters)));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request about a query; what is not answered with the wanted status is an error.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        query: &str,
        wanted: StatusCode,
    ) -> anyhow::Result<Response> {
        let unreachable = |error| Unreachable { base: self.base.clone(), why: reason(&error) };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if status == wanted {
            return Ok(response);
        }
        let body = response.text().await.map_err(reqwest::Error::without_url).context("the answer broke off")?;
        Err(Refusal { status, text: refusal(status, &body, query) }.into())
    }
}

fn encode(parameters: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        let _ = write!(text, "{}{name}=", if text.is_empty() { "" } else { "&" });
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(char::from(byte)),
                _ => {
                    let _ = write!(text, "%{byte:02X}");
                }
            }
        }
    }
    text
}

/// Why there was no answer, in the words of the system alone: the innermost cause, without what a library calls it.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let said = match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        _ => cause.to_string(),
    };
    harmless(&said)
}

/// What the server says, and what can be done about it.
fn refusal(status: StatusCode, body: &str, query: &str) -> String {
    let said = harmless(body.trim());
    match status {
        StatusCode::UNAUTHORIZED => format!(
            "{said}\nMake a token with `logcafe token add NAME --scope read`; pass it with --token or LOGCAFE_TOKEN"
        ),
        StatusCode::BAD_REQUEST => match place(&said) {
            Some((line, column)) => format!("{said}\n{}", with_caret(query, line, column)),
            None => said,
        },
        _ if said.is_empty() => format!("the server answered {status}"),
        _ => said,
    }
}

/// Line and column (from 1) in a message such as `parse error at line 1, col 14: …`.
fn place(message: &str) -> Option<(usize, usize)> {
    let (_, rest) = message.split_once("at line ")?;
    let (line, rest) = rest.split_once(", col ")?;
    let column: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((line.parse().ok()?, column.parse().ok()?))
}

fn with_caret(query: &str, line: usize, column: usize) -> String {
    let text = query.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let before: String = text.chars().take(column.saturating_sub(1)).collect();
    // wide characters take two columns on a terminal
    let width: usize = before.chars().map(|c| if ('\u{1100}'..='\u{ffdc}').contains(&c) { 2 } else { 1 }).sum();
    format!("  {text}\n  {}^", " ".repeat(width))
}

fn read_answer(body: &str, direction: Direction) -> anyhow::Result<Answer> {
    let answer: WireAnswer<'_> = serde_json::from_str(body)?;
    match answer.data.result_type.as_str() {
        "streams" => {
            let streams = serde_json::from_str(answer.data.result.get())?;
            Ok(Answer::Streams(lines_of(streams, direction)?))
        }
        "matrix" => {
            let series: Vec<WireSeries> = serde_json::from_str(answer.data.result.get())?;
            let point = |(secs, value): (f64, String)| {
                // the wire has seconds with a fraction of milliseconds
                (Timestamp::from_nanos((secs * 1e3).round() as i64 * 1_000_000), value)
            };
            let series = series
                .into_iter()
                .map(|series| Series { labels: series.metric, points: series.values.into_iter().map(point).collect() });
            Ok(Answer::Series(series.collect()))
        }
        other => bail!("a result of type {other:?}"),
    }
}

/// The lines of all streams, by time.
pub(crate) fn lines_of(streams: Vec<WireStream>, direction: Direction) -> anyhow::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for stream in streams {
        for (time, text) in stream.values {
            let timestamp = Timestamp::from_nanos(time.parse().context("a timestamp is no number")?);
            lines.push(Line { timestamp, labels: stream.stream.clone(), text });
        }
    }
    // stable: within a stream, equal times stay in the server's order
    match direction {
        Direction::Forward => lines.sort_by_key(|line| line.timestamp),
        Direction::Backward => lines.sort_by_key(|line| std::cmp::Reverse(line.timestamp)),
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use crate::cli::query::client::{Answer, read_answer, refusal};
    use crate::model::Direction;

    #[test]
    fn an_error_in_the_query_is_shown_at_its_place() {
        let text = refusal(StatusCode::BAD_REQUEST, "parse error at line 1, col 7: syntax error\n", "{가=\"a\"x}");
        assert_eq!(text, "parse error at line 1, col 7: syntax error\n  {가=\"a\"x}\n         ^");
    }

    #[test]
    fn the_words_of_a_server_cannot_paint_the_terminal() {
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, "no\x1b]0;x\x07\u{202e}\n", ""), "no\\u{1b}]0;x\\u{7}\\u{202e}");
    }

    #[test]
    fn lines_of_all_streams_come_in_order_of_time() {
        let body = r#"{"status":"success","data":{"resultType":"streams","result":[
            {"stream":{"app":"a"},"values":[["3","c"],["1","a"]]},{"stream":{"app":"b"},"values":[["2","b"]]}],"stats":{}}}"#;
        let Answer::Streams(lines) = read_answer(body, Direction::Backward).unwrap() else { panic!("streams") };
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["c", "b", "a"]);
    }
}
