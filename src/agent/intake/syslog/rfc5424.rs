//! The header of RFC 5424: a version, a time, four names, structured data.
//!
//! Promises: structured data that keeps no rule is left where it stands, in the text.

use std::borrow::Cow;

use crate::agent::intake::syslog::message::{Header, Param};
use crate::model::Timestamp;

/// Reads what follows the priority; `None` where it is not of this form.
pub(crate) fn parse(rest: &str) -> Option<(Header<'_>, &str)> {
    let (version, rest) = rest.split_once(' ')?;
    let is_version = !version.is_empty() && version.len() <= 3 && version.bytes().all(|byte| byte.is_ascii_digit());
    if !is_version || version.starts_with('0') {
        return None;
    }
    let (time, mut rest) = token(rest);
    let timestamp = match time {
        "-" => None,
        time => Some(timestamp(time)?),
    };
    let mut names = [None; 4];
    for name in &mut names {
        let (found, after) = token(rest);
        *name = Some(found).filter(|found| *found != "-" && !found.is_empty());
        rest = after;
    }
    let [hostname, app_name, proc_id, msg_id] = names;
    let (structured, text) = structured(rest);
    Some((Header { timestamp, hostname, app_name, proc_id, msg_id, structured }, text))
}

/// A time as RFC 3339 has it.
pub(crate) fn timestamp(text: &str) -> Option<Timestamp> {
    // a date alone or one with a zone's name is none
    if text.len() < "2003-10-11T22:14:15Z".len() || text.as_bytes()[10] | 0x20 != b't' {
        return None;
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

fn token(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

/// The structured data, and the text behind it.
fn structured(text: &str) -> (Vec<Param<'_>>, &str) {
    if let Some(rest) = text.strip_prefix('-') {
        match rest.strip_prefix(' ') {
            Some(rest) => return (Vec::new(), rest),
            None if rest.is_empty() => return (Vec::new(), rest),
            None => return (Vec::new(), text),
        }
    }
    let mut params = Vec::new();
    let mut rest = text;
    while rest.starts_with('[') {
        match element(rest, &mut params) {
            Some(after) => rest = after,
            None => return (Vec::new(), text),
        }
    }
    (params, rest.strip_prefix(' ').unwrap_or(rest))
}

/// Reads `[id name="value" …]`; what follows it.
fn element<'a>(text: &'a str, params: &mut Vec<Param<'a>>) -> Option<&'a str> {
    let text = text.strip_prefix('[')?;
    let (id, mut rest) = text.split_at(text.find([' ', ']', '=', '"'])?);
    if id.is_empty() {
        return None;
    }
    loop {
        rest = rest.trim_start_matches(' ');
        if let Some(after) = rest.strip_prefix(']') {
            return Some(after);
        }
        let (name, after) = rest.split_once("=\"")?;
        if name.is_empty() || name.contains([' ', ']', '"']) {
            return None;
        }
        let end = value_end(after)?;
        params.push(Param { id, name, value: unescape(&after[..end]) });
        rest = &after[end + 1..];
    }
}

/// Where the quote is that ends a value.
fn value_end(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

/// A backslash before a quote, a bracket or a backslash is none of the text; before others it is.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(next @ ('"' | ']' | '\\')) if letter == '\\' => {
                plain.push(*next);
                letters.next();
            }
            Some(_) | None => plain.push(letter),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::syslog::rfc5424::*;

    /// Time, host, app, process, message id, structured data, text; `-` where there is none.
    #[track_caller]
    fn check(rest: &str, expected: [&str; 7]) {
        let (header, text) = parse(rest).unwrap();
        let or_dash = |name: Option<&str>| name.unwrap_or("-").to_owned();
        let time = header.timestamp.map(|time| jiff::Timestamp::from_nanosecond(time.nanos().into()).unwrap());
        let structured = header.structured.iter().map(|param| format!("{}.{}={}", param.id, param.name, param.value));
        let found = [
            time.map_or("-".to_owned(), |time| time.to_string()),
            or_dash(header.hostname),
            or_dash(header.app_name),
            or_dash(header.proc_id),
            or_dash(header.msg_id),
            structured.collect::<Vec<_>>().join(" "),
            text.to_owned(),
        ];
        assert_eq!(found, expected, "{rest}");
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        check(
            "1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 'su root' failed for lonvick on /dev/pts/8",
            [
                "2003-10-11T22:14:15.003Z",
                "mymachine.example.com",
                "su",
                "-",
                "ID47",
                "",
                "'su root' failed for lonvick on /dev/pts/8",
            ],
        );
        check(
            "1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
            [
                "2003-08-24T12:14:15.000003Z",
                "192.0.2.1",
                "myproc",
                "8710",
                "-",
                "",
                "%% It's time to make the do-nuts.",
            ],
        );
        check(
            "1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" \
             eventSource=\"Application\" eventID=\"1011\"] An application event log entry...",
            [
                "2003-10-11T22:14:15.003Z",
                "mymachine.example.com",
                "evntslog",
                "-",
                "ID47",
                "exampleSDID@32473.iut=3 exampleSDID@32473.eventSource=Application exampleSDID@32473.eventID=1011",
                "An application event log entry...",
            ],
        );
        check(
            "1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [a@1 iut=\"3\"][b@1 class=\"high\"]",
            [
                "2003-10-11T22:14:15.003Z",
                "mymachine.example.com",
                "evntslog",
                "-",
                "ID47",
                "a@1.iut=3 b@1.class=high",
                "",
            ],
        );
    }

    #[test]
    fn nothing_need_be_known() {
        check("1 - - - - - -", ["-", "-", "-", "-", "-", "", ""]);
        check("1 - - - - - - x", ["-", "-", "-", "-", "-", "", "x"]);
        check("1 - - - - - -  two spaces ", ["-", "-", "-", "-", "-", "", " two spaces "]);
        // without structured data, as some write it
        check("1 - h a p m text here", ["-", "h", "a", "p", "m", "", "text here"]);
        check("1 - h a p m -text", ["-", "h", "a", "p", "m", "", "-text"]);
        check("1 - h", ["-", "h", "-", "-", "-", "", ""]);
    }

    #[test]
    fn values_have_escapes_and_odd_data_stays_text() {
        check(r#"1 - - - - - [i a="q\"u\]o\\t\n" b=""] x"#, ["-", "-", "-", "-", "-", r#"i.a=q"u]o\t\n i.b="#, "x"]);
        check("1 - - - - - [i][j] x", ["-", "-", "-", "-", "-", "", "x"]);
        let odd = r#"[action:"Accept"; flags:"409600"] x"#;
        check(&format!("1 - - - - - {odd}"), ["-", "-", "-", "-", "-", "", odd]);
        check("1 - - - - - [i a=\"never ends", ["-", "-", "-", "-", "-", "", "[i a=\"never ends"]);
    }

    #[test]
    fn what_is_of_another_form_is_left_alone() {
        for rest in
            ["", "1", "29: *Mar  1 18:48:50: %SYS", "1 Oct 11 22:14:15 h a: x", "0 - - - - - -", "1 2003-10-11 x"]
        {
            assert_eq!(parse(rest), None, "{rest}");
        }
    }
}
