//! An entry of the journal, as `journalctl --output=json` writes it.
//!
//! Promises: of an entry that is too long, or broken off, the fields before the break are read; an entry that is read
//! twice has the same time twice, and two entries of one microsecond have two.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::Timestamp;

const CURSOR: &str = "__CURSOR";
const TIME: &str = "__REALTIME_TIMESTAMP";
const MESSAGE: &str = "MESSAGE";
const PRIORITY: &str = "PRIORITY";
/// What names of labels begin with; the name of the field follows in small letters.
const LABEL: &str = "__journal_";
/// What priorities are called, as Promtail has it.
const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warning", "notice", "info", "debug"];

/// An entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) cursor: Option<String>,
    /// In microseconds.
    time: Option<i64>,
    /// Without those that say where the entry is: their names begin with `__`.
    fields: BTreeMap<String, Field>,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Text(String),
    Several(Vec<String>),
    /// Too large for journalctl.
    LeftOut,
}

impl Entry {
    /// Reads an entry; `None` where there is none.
    pub(crate) fn parse(line: &[u8]) -> Option<Entry> {
        let mut entry = Entry::default();
        let mut json = serde_json::Deserializer::from_slice(line);
        // an error ends it; what was read before is there
        let _ = Fill(&mut entry).deserialize(&mut json);
        entry.cursor.is_some().then_some(entry)
    }

    /// The time in nanoseconds. The journal counts microseconds, and has several entries in one: the number that each
    /// has in its journal makes up the rest. It counts on by one, so order stays, and it is the same at each reading.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        let cursor = self.cursor.as_deref().unwrap_or_default();
        let number = cursor.split(';').find_map(|part| u64::from_str_radix(part.strip_prefix("i=")?, 16).ok());
        let below = number.unwrap_or_else(|| xxh3_64(cursor.as_bytes())) % 1000;
        let nanos = self.time?.checked_mul(1000)?;
        Some(Timestamp::from_nanos(nanos).plus_nanos(below.cast_signed()))
    }

    /// The message, where it has one.
    pub(crate) fn message(&self) -> Option<&str> {
        self.fields.get(MESSAGE)?.text()
    }

    /// All fields as JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(&self.fields).expect("names are text, so it is JSON")
    }

    /// The labels that rules may read: name and value. Of a field with several values the last one counts.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (String, &str)> {
        let keyword = self.fields.get(PRIORITY).and_then(Field::text).map(|priority| {
            let keyword = priority.parse().ok().and_then(|number: usize| PRIORITIES.get(number).copied());
            (format!("{LABEL}priority_keyword"), keyword.unwrap_or(priority))
        });
        let fields = self.fields.iter().filter_map(|(name, field)| Some((label(name), field.text()?)));
        keyword.into_iter().chain(fields)
    }
}

fn label(field: &str) -> String {
    format!("{LABEL}{}", field.to_ascii_lowercase())
}

impl Field {
    fn text(&self) -> Option<&str> {
        match self {
            Field::Text(text) => Some(text),
            Field::Several(texts) => texts.last().map(String::as_str),
            Field::LeftOut => None,
        }
    }
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Field::Text(text) => serializer.serialize_str(text),
            Field::Several(texts) => serializer.collect_seq(texts),
            Field::LeftOut => serializer.serialize_unit(),
        }
    }
}

/// Puts fields into an entry one by one.
struct Fill<'a>(&'a mut Entry);

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an entry of the journal")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, field)) = map.next_entry::<String, Field>()? {
            match name.as_str() {
                CURSOR => self.0.cursor = field.text().map(str::to_owned),
                TIME => self.0.time = field.text().and_then(|text| text.parse().ok()),
                name if name.starts_with("__") => {}
                _ => {
                    self.0.fields.insert(name, field);
                }
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Field, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text, bytes, several of them, or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Text(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Field, E> {
        Ok(Field::LeftOut)
    }

    /// Numbers are the bytes of one value that is no text, anything else are values.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Field, A::Error> {
        let mut bytes = Vec::new();
        let mut texts = Vec::new();
        while let Some(part) = seq.next_element::<Part>()? {
            match part {
                Part::Byte(byte) => bytes.push(byte),
                Part::Text(text) => texts.push(text),
                Part::LeftOut => {}
            }
        }
        Ok(if texts.is_empty() { Field::Text(lossy(bytes)) } else { Field::Several(texts) })
    }
}

/// One of several.
enum Part {
    Byte(u8),
    Text(String),
    LeftOut,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Part, D::Error> {
        deserializer.deserialize_any(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = Part;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a byte, text or bytes")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Part, E> {
        u8::try_from(number).map(Part::Byte).map_err(E::custom)
    }

    fn visit_str<E>(self, text: &str) -> Result<Part, E> {
        Ok(Part::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::LeftOut)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Part::Text(lossy(bytes)))
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::journal::record::*;

    const FIRST: &str = r#"{"__CURSOR":"s=a1;i=12f;b=b1;m=5;t=64489;x=c7","__REALTIME_TIMESTAMP":"1700000000123456","__MONOTONIC_TIMESTAMP":"5","_BOOT_ID":"b1","PRIORITY":"3","_SYSTEMD_UNIT":"ssh.service","MESSAGE":"hello"}"#;

    fn entry(text: &str) -> Entry {
        Entry::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_entry_has_a_message_a_time_and_labels() {
        let entry = entry(FIRST);
        assert_eq!(entry.message(), Some("hello"));
        // 0x12f = 303
        assert_eq!(entry.timestamp(), Some(Timestamp::from_nanos(1_700_000_000_123_456_303)));
        let facts: Vec<(String, &str)> = entry.facts().collect();
        let facts: Vec<(&str, &str)> = facts.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let expected = [
            ("__journal_priority_keyword", "error"),
            ("__journal_message", "hello"),
            ("__journal_priority", "3"),
            ("__journal__boot_id", "b1"),
            ("__journal__systemd_unit", "ssh.service"),
        ];
        assert_eq!(facts, expected);
        let json = r#"{"MESSAGE":"hello","PRIORITY":"3","_BOOT_ID":"b1","_SYSTEMD_UNIT":"ssh.service"}"#;
        assert_eq!(entry.json(), json);
    }

    #[test]
    fn bytes_several_values_and_what_is_left_out_are_read() {
        let with = |fields: &str| entry(&format!("{{\"__CURSOR\":\"c\",{fields}}}"));
        assert_eq!(with(r#""MESSAGE":[104,105,255]"#).message(), Some("hi\u{fffd}"));
        assert_eq!(with(r#""MESSAGE":null"#).message(), None);
        assert_eq!(with(r#""MESSAGE":["a",[98,10],null]"#).message(), Some("b\n"));
        assert_eq!(with(r#""A":["a",[98]],"B":null,"C":[]"#).json(), r#"{"A":["a","b"],"B":null,"C":""}"#);
        assert_eq!(with(r#""PRIORITY":"9""#).facts().next().unwrap().1, "9");
        assert_eq!(with(r#""MESSAGE":"a\u0001\n\ud83d\ude00""#).message(), Some("a\u{1}\n😀"));
    }

    #[test]
    fn two_entries_of_one_microsecond_are_two() {
        let at = |cursor: &str| {
            entry(&format!(r#"{{"__CURSOR":"{cursor}","__REALTIME_TIMESTAMP":"1700000000000001"}}"#))
                .timestamp()
                .unwrap()
        };
        assert_eq!(at("s=a;i=1000;b=x").nanos() + 1, at("s=a;i=1001;b=x").nanos());
        assert_eq!(at("odd"), at("odd"));
        assert_ne!(at("odd"), at("even"));
        assert_eq!(entry(r#"{"__CURSOR":"c"}"#).timestamp(), None);
    }

    #[test]
    fn what_is_broken_off_has_what_came_before() {
        let cut = entry(&FIRST[..FIRST.len() - 8]);
        assert_eq!((cut.message(), cut.fields.len()), (None, 3));
        for text in ["", "-- No entries --", "{}", "{\"MESSAGE\":\"x\"}", "[1]", "nonsense"] {
            assert_eq!(Entry::parse(text.as_bytes()), None, "{text}");
        }
    }
}
