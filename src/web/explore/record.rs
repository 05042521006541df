//! A line that is a record, in JSON or logfmt: what it says, and the fields beside that. Pure.
//!
//! Promises: fields are named as LogQL's parsers name them, so that they can be asked for; numbers keep their digits; a
//! line that is hostile or huge costs no more than reading it once, and is then no record.

use std::fmt;
use std::ops::Range;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::web::explore::ansi::Painted;
use crate::web::explore::text;

/// Larger lines are shown as they are.
const RECORD_BYTES_MAX: usize = 64 << 10;
const FIELDS_MAX: usize = 200;
/// Objects in objects that are taken apart; deeper ones stay JSON.
const DEPTH_MAX: usize = 3;
/// Steps of indentation, so that a line of brackets does not become a page of spaces.
const INDENT_MAX: usize = 16;
/// Bytes of a JSON text that is laid out.
const PRETTY_BYTES_MAX: usize = 256 << 10;
/// Brackets before its JSON that a line is tried from.
const STARTS_MAX: usize = 8;

/// Fields that hold what a record says, the likelier first.
const MESSAGES: [&str; 14] = [
    "msg",
    "message",
    "log",
    "event",
    "text",
    "body",
    "_msg",
    "_m",
    "_mt",
    "_message",
    "short_message",
    "textPayload",
    "jsonPayload_message",
    "MESSAGE",
];
/// Fields that a row shows already.
const SHOWN: [&str; 19] = [
    "level",
    "lvl",
    "severity",
    "levelname",
    "log_level",
    "loglevel",
    "_l",
    "ts",
    "time",
    "timestamp",
    "_timestamp",
    "t",
    "_t",
    "datetime",
    "date",
    "asctime",
    "LEVEL",
    "Level",
    "Timestamp",
];

/// A record taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) message: Option<String>,
    /// Names and values, in order, without the message and without what a row shows already.
    pub(crate) fields: Vec<(String, String)>,
    /// A field of many lines, as the stack of an error.
    pub(crate) stack: Option<String>,
}

impl Record {
    /// Reads a line that is one JSON object, or pairs of logfmt and nothing else with a message among them.
    pub(crate) fn read(line: &str) -> Option<Record> {
        let (mut fields, is_json) = Record::fields(line)?;
        let is_message = |value: &str| !value.trim().is_empty() && !value.starts_with(['{', '[']);
        let place = MESSAGES
            .iter()
            .find_map(|wanted| fields.iter().position(|(name, value)| name == wanted && is_message(value)));
        if place.is_none() && !is_json {
            return None;
        }
        let message = place.map(|place| fields.remove(place).1);
        let is_shown = |name: &str, value: &str| SHOWN.contains(&name) && value.len() < 40;
        fields.retain(|(name, value)| !value.is_empty() && !is_shown(name, value));
        let stack = fields.iter().position(|(_, value)| value.trim_end().contains('\n'));
        let stack = stack.map(|place| fields.remove(place).1);
        Some(Record { message, fields, stack })
    }

    /// All names and values of a line that is a record, and whether it is JSON.
    pub(crate) fn fields(line: &str) -> Option<(Vec<(String, String)>, bool)> {
        let line = line.trim();
        if line.len() > RECORD_BYTES_MAX {
            return None;
        }
        if line.starts_with('{') {
            let mut fields = Vec::new();
            flatten(line, "", 0, &mut fields)?;
            return (!fields.is_empty()).then_some((fields, true));
        }
        logfmt(line).map(|fields| (fields, false))
    }
}

/// The members of an object as they stand, also those of the same name.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members<'a>, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

fn flatten(json: &str, prefix: &str, depth: usize, fields: &mut Vec<(String, String)>) -> Option<()> {
    let Members(members) = serde_json::from_str(json).ok()?;
    for (key, value) in members {
        if fields.len() >= FIELDS_MAX {
            break;
        }
        let name = if prefix.is_empty() { label_name(&key) } else { format!("{prefix}_{}", label_name(&key)) };
        let value = value.get();
        match value.as_bytes().first() {
            Some(b'{') if depth < DEPTH_MAX && value.len() > 2 => flatten(value, &name, depth + 1, fields)?,
            Some(b'"') => fields.push((name, serde_json::from_str(value).ok()?)),
            Some(b'n') => {}
            _ => fields.push((name, value.to_owned())),
        }
    }
    Some(())
}

/// A key as LogQL's `json` names its label.
fn label_name(key: &str) -> String {
    let mut name: String = key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Pairs and nothing else.
fn logfmt(line: &str) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    let mut rest = line;
    while !rest.is_empty() && fields.len() < FIELDS_MAX {
        let (key, after) = rest.split_once('=')?;
        let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '@')
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.@/".contains(&byte));
        if !is_key {
            return None;
        }
        let (value, length) = if after.starts_with('"') { quoted(after)? } else { bare(after) };
        fields.push((label_name(key), value));
        rest = &after[length..];
        if !rest.is_empty() && !rest.starts_with(' ') {
            return None;
        }
        rest = rest.trim_start_matches(' ');
    }
    (fields.len() > 1).then_some(fields)
}

fn bare(text: &str) -> (String, usize) {
    let length = text.find(' ').unwrap_or(text.len());
    (text[..length].to_owned(), length)
}

/// The text between quotes, and how long it is with them.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut is_escaped = false;
    let end = text.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })?;
    let inner = &text[1..end];
    if !inner.contains('\\') {
        return Some((inner.to_owned(), end + 1));
    }
    let mut value = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            value.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => value.push('\n'),
            Some('t') => value.push('\t'),
            Some(escaped @ ('"' | '\\')) => value.push(escaped),
            // an escape that is none of these stays as it stands
            other => value.extend(std::iter::once('\\').chain(other)),
        }
    }
    Some((value, end + 1))
}

/// A line that is or ends in a JSON object or list: laid out over many lines, its names in the class `jk`. Nothing of
/// it is changed but the space between its parts; what a service writes before its JSON, such as a time, stays.
pub(crate) fn pretty(line: &str) -> Option<Painted> {
    let line = line.trim();
    if line.len() > PRETTY_BYTES_MAX || !line.ends_with(['}', ']']) {
        return None;
    }
    let is_json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
    let mut starts = line.match_indices(['{', '[']).map(|(at, _)| at).take(STARTS_MAX);
    let (before, mut rest) = line.split_at(starts.find(|start| is_json(&line[*start..]))?);
    let mut out = Layout { text: before.trim_end().to_owned(), ..Layout::default() };
    if !before.is_empty() {
        out.line();
    }
    while let Some(first) = rest.bytes().next() {
        let length = if first == b'"' {
            quoted(rest)?.1
        } else {
            rest.find(|c: char| "{}[],:\" \t\r\n".contains(c)).unwrap_or(rest.len()).max(1)
        };
        let (token, after) = rest.split_at(length);
        rest = after.trim_start();
        out.token(token, rest);
        if out.text.len() > PRETTY_BYTES_MAX {
            return None;
        }
    }
    Some(Painted { plain: out.text, paints: out.keys, escapes: Vec::new() })
}

#[derive(Default)]
struct Layout {
    text: String,
    keys: Vec<(Range<usize>, String)>,
    depth: usize,
}

impl Layout {
    fn token(&mut self, token: &str, rest: &str) {
        match token {
            "{" | "[" => {
                self.text.push_str(token);
                self.depth += 1;
                if !rest.starts_with(['}', ']']) {
                    self.line();
                }
            }
            "}" | "]" => {
                self.depth = self.depth.saturating_sub(1);
                if !self.text.ends_with(['{', '[']) {
                    self.line();
                }
                self.text.push_str(token);
            }
            "," => {
                self.text.push(',');
                self.line();
            }
            ":" => self.text.push_str(": "),
            value if rest.starts_with(':') => {
                let start = self.text.len();
                self.text.push_str(value);
                self.keys.push((start..self.text.len(), "jk".to_owned()));
            }
            value => self.text.push_str(value),
        }
    }

    fn line(&mut self) {
        self.text.push('\n');
        for _ in 0..self.depth.min(INDENT_MAX) {
            self.text.push_str("  ");
        }
    }
}

/// The value of a field of a line that is a record.
pub(crate) fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| text::head(value, RECORD_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::web::explore::record::{INDENT_MAX, Record, pretty};

    fn check(line: &str, message: &str, fields: &str) {
        let record = Record::read(line).unwrap_or_else(|| panic!("{line:?} is no record"));
        let found: Vec<String> = record.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!((record.message.as_deref().unwrap_or(""), found.join(" ").as_str()), (message, fields), "{line:?}");
    }

    #[test]
    fn a_record_is_its_message_and_its_other_fields() {
        check(
            r#"{"level":"error","ts":1.7e9,"msg":"declined","orderId":4001,"amount":4.50,"user":{"id":1,"plan":"gold"}}"#,
            "declined",
            "orderId=4001 amount=4.50 user_id=1 user_plan=gold",
        );
        check(
            r#" {"@timestamp":"2026","message":"x \"y\"","tags":["a", 1],"e":null,"o":{}} "#,
            "x \"y\"",
            "tags=[\"a\", 1] o={}",
        );
        check(r#"{"event":{"id":7},"text":"한"}"#, "한", "event_id=7");
        check(r#"{"a":1,"a":2}"#, "", "a=1 a=2");
        check(
            "level=info ts=2026 caller=roast.go:40 msg=\"batch \\\"7\\\" done\" temp=190C e=",
            "batch \"7\" done",
            "caller=roast.go:40 temp=190C",
        );
    }

    #[test]
    fn a_field_of_many_lines_is_the_stack() {
        let record = Record::read(r#"{"msg":"boom","stack":"Error: x\n    at f (/a.js:1:2)","n":1}"#).unwrap();
        assert_eq!(record.stack.as_deref(), Some("Error: x\n    at f (/a.js:1:2)"));
        assert_eq!(record.fields, [("n".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn escapes_between_quotes_are_undone_each_by_itself() {
        let record = Record::read(r#"level=info msg="open C:\\new\\table \"x\"\n\tend \d" b=1"#).unwrap();
        assert_eq!(record.message.as_deref(), Some("open C:\\new\\table \"x\"\n\tend \\d"));
    }

    #[test]
    fn what_is_no_record_stays_a_line() {
        for line in [
            "",
            "x",
            "{",
            "{}",
            "{\"a\":1} x",
            "[1]",
            "GET /a?b=c",
            "a=1 b=2",
            "a=1 msg=x y",
            "user=a said msg=b",
            "=x msg=y",
        ] {
            assert_eq!(Record::read(line), None, "{line:?}");
        }
        assert_eq!(Record::read(&format!("{{\"msg\":\"{}\"}}", "x".repeat(70_000))), None);
    }

    #[test]
    fn json_is_laid_out_and_not_changed() {
        let painted = pretty(r#"{"a":{"b":[1,2.50,{}],"c\"":"x, {y}"},"d":[]}"#).unwrap();
        let expected = "{\n  \"a\": {\n    \"b\": [\n      1,\n      2.50,\n      {}\n    ],\n    \"c\\\"\": \"x, {y}\"\n  },\n  \"d\": []\n}";
        assert_eq!(painted.plain, expected);
        let keys: Vec<&str> = painted.paints.iter().map(|(range, _)| &painted.plain[range.clone()]).collect();
        assert_eq!(keys, ["\"a\"", "\"b\"", "\"c\\\"\"", "\"d\""]);
        for text in ["{\"a\":}", "plain", "{x}", "{\"a\":1} and more", "12", "\"text\"", "[a] b]", ""] {
            assert!(pretty(text).is_none(), "{text}");
        }
        let painted = pretty("12:00 INFO [a] {\"b\":{ }, \"한\":\"{\\\"},:\"}\n").unwrap();
        assert_eq!(painted.plain, "12:00 INFO [a]\n{\n  \"b\": {},\n  \"한\": \"{\\\"},:\"\n}");
        assert_eq!(&painted.plain[painted.paints[1].0.clone()], "\"한\"");
    }

    #[test]
    fn a_line_of_brackets_does_not_grow_without_end() {
        let deep = format!("{}{}", "[1,".repeat(3000), "1") + &"]".repeat(3000);
        let painted = pretty(&deep);
        assert!(painted.is_none_or(|painted| painted.plain.len() < deep.len() * (INDENT_MAX * 2 + 4)));
        let nested = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        assert!(Record::read(&nested).is_some_and(|record| record.fields.len() == 1));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_harm(line in "[{}\\[\\]\",:=\\\\ a-c1\n]{0,60}") {
            let _ = Record::read(&line);
            if let Some(painted) = pretty(&line) {
                let dense = |text: &str| text.split_whitespace().collect::<String>();
                prop_assert_eq!(dense(&painted.plain), dense(&line));
                if let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) {
                    prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&painted.plain).unwrap(), value);
                }
            }
        }
    }
}
