//! Server-sent events as they go over the wire (WHATWG HTML §9.2). Pure.

use bytes::Bytes;
use serde_json::Value;

use crate::model::Timestamp;

/// How long a client that goes by itself waits before it comes back.
const RETRY_MS: u64 = 2000;

/// What opens a stream: proxies that hold small answers back have something to pass on.
pub(crate) fn opening() -> Bytes {
    Bytes::from(format!("retry: {RETRY_MS}\n: live\n\n"))
}

/// One event. JSON has no line break in it, so its data is one line.
pub(crate) fn event(name: &str, id: Option<Timestamp>, data: &Value) -> Bytes {
    let id = id.map(|at| format!("id: {}\n", at.nanos())).unwrap_or_default();
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}

/// A sign of life: a comment for what stands between, and an event that a page can hear.
pub(crate) fn ping(id: Timestamp) -> Bytes {
    Bytes::from(format!(": ping\nevent: tick\nid: {}\ndata: 1\n\n", id.nanos()))
}

/// Reads an event's id.
pub(crate) fn parse_id(text: &str) -> Option<Timestamp> {
    text.trim().parse().ok().map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::model::Timestamp;
    use crate::web::explore::live::event::{event, parse_id, ping};

    #[test]
    fn no_text_ends_an_event_early() {
        let hostile = "a\nb\r\nc\revent: ended\u{2028}\n\ndata: x";
        let sent = event("news", Some(Timestamp::from_nanos(7)), &json!({ "rows": [hostile] }));
        let text = String::from_utf8(sent.to_vec()).expect("text");
        assert_eq!(text.matches(['\n', '\r']).count(), 4, "{text}");
        assert!(text.starts_with("event: news\nid: 7\ndata: {") && text.ends_with("}\n\n"), "{text}");
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let at = Timestamp::from_nanos(1_795_358_760_123_456_789);
        let text = String::from_utf8(ping(at).to_vec()).expect("text");
        let id = text.lines().find_map(|line| line.strip_prefix("id:")).expect("an id");
        assert_eq!(parse_id(id), Some(at));
        assert_eq!(parse_id("soon"), None);
    }
}
