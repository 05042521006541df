//! Loki's push in JSON: today's shape and the one of `/api/prom/push`.
//!
//! As lenient as Loki: unknown keys and text behind the value are passed over, label values may be numbers.
//! As strict as Loki: times are text of plain digits, lines and metadata values are text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::ingest::metadata::Pairs;
use crate::ingest::{Error, Room, assemble, labels};
use crate::model::Timestamp;

/// A stream as it was sent.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stream<'a> {
    pub(crate) labels: labels::Pairs,
    pub(crate) entries: Vec<Entry<'a>>,
}

/// An entry as it was sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry<'a> {
    pub(crate) timestamp: Timestamp,
    pub(crate) line: Cow<'a, str>,
    pub(crate) metadata: Pairs<'a>,
}

/// Reads `{"streams": [{"stream": {…}, "values": [["<ns>", "line", {…}], …]}]}`.
pub(crate) fn decode<'a>(text: &'a str, room: &mut Room) -> Result<Vec<Stream<'a>>, Error> {
    let mut memory = Memory { room, full: None };
    let mut reader = serde_json::Deserializer::from_str(text);
    let streams = reader.deserialize_map(BodyVisitor(&mut memory));
    match (streams, memory.full) {
        (_, Some(full)) => Err(full),
        (Ok(streams), None) => Ok(streams),
        (Err(error), None) => Err(Error::Malformed(error.to_string())),
    }
}

/// Counts what entries take while they are made of text.
struct Memory<'r> {
    room: &'r mut Room,
    full: Option<Error>,
}

impl Memory<'_> {
    fn count<E: serde::de::Error>(&mut self, pair_count: usize) -> Result<(), E> {
        // twice: as it was sent, and as it is stored
        let counted = (0..2).try_for_each(|_| assemble::entry_room(self.room, pair_count));
        counted.map_err(|error| {
            self.full = Some(error);
            E::custom("no room")
        })
    }
}

/// Text, borrowed where it holds no escape.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow, deserialize_with = "borrowed")] Cow<'a, str>);

fn borrowed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    struct TextVisitor;
    impl<'de> Visitor<'de> for TextVisitor {
        type Value = Cow<'de, str>;
        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a string")
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
            Ok(Cow::Borrowed(text))
        }
        fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
    }
    deserializer.deserialize_str(TextVisitor)
}

/// What an inner visitor makes, or the default where `null` stands.
struct OrNull<V>(Shape, V);

/// What a visitor wants to see.
enum Shape {
    List,
    Object,
}

impl<'de, V: Visitor<'de, Value: Default>> DeserializeSeed<'de> for OrNull<V> {
    type Value = V::Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, V: Visitor<'de, Value: Default>> Visitor<'de> for OrNull<V> {
    type Value = V::Value;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.1.expecting(out)
    }
    fn visit_none<E>(self) -> Result<V::Value, E> {
        Ok(V::Value::default())
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        match self.0 {
            Shape::List => deserializer.deserialize_seq(self.1),
            Shape::Object => deserializer.deserialize_map(self.1),
        }
    }
}

struct BodyVisitor<'m, 'r>(&'m mut Memory<'r>);

impl<'de> Visitor<'de> for BodyVisitor<'_, '_> {
    type Value = Vec<Stream<'de>>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with \"streams\"")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut streams = Vec::new();
        while let Some(Text(key)) = map.next_key()? {
            if key.eq_ignore_ascii_case("streams") {
                streams = map.next_value_seed(OrNull(Shape::List, StreamsVisitor(self.0)))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(streams)
    }
}

struct StreamsVisitor<'m, 'r>(&'m mut Memory<'r>);

impl<'de> Visitor<'de> for StreamsVisitor<'_, '_> {
    type Value = Vec<Stream<'de>>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array of streams")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut streams = Vec::new();
        while let Some(stream) = list.next_element_seed(StreamVisitor(self.0))? {
            streams.push(stream);
        }
        Ok(streams)
    }
}

struct StreamVisitor<'m, 'r>(&'m mut Memory<'r>);

impl<'de> DeserializeSeed<'de> for StreamVisitor<'_, '_> {
    type Value = Stream<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Stream<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for StreamVisitor<'_, '_> {
    type Value = Stream<'de>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a stream, {\"stream\": {…}, \"values\": […]}")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Stream<'de>, A::Error> {
        self.0.count(0)?;
        let mut stream = Stream::default();
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "stream" => stream.labels = map.next_value_seed(OrNull(Shape::Object, LabelsVisitor(self.0)))?,
                "values" => stream.entries = map.next_value_seed(OrNull(Shape::List, EntriesVisitor(self.0)))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(stream)
    }
}

struct LabelsVisitor<'m, 'r>(&'m mut Memory<'r>);

impl<'de> Visitor<'de> for LabelsVisitor<'_, '_> {
    type Value = labels::Pairs;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of labels")
    }
    /// Of a name that comes twice the last value counts, and values that are no text count as they are written.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<labels::Pairs, A::Error> {
        let mut pairs = std::collections::BTreeMap::new();
        while let Some(Text(name)) = map.next_key()? {
            self.0.count(1)?;
            let raw: &RawValue = map.next_value()?;
            let value = match serde_json::from_str::<String>(raw.get()) {
                Ok(text) => text,
                Err(error) if raw.get().starts_with('"') => return Err(A::Error::custom(error)),
                Err(_) => raw.get().to_owned(),
            };
            pairs.insert(name.into_owned(), value);
        }
        Ok(pairs.into_iter().collect())
    }
}

struct EntriesVisitor<'m, 'r>(&'m mut Memory<'r>);

impl<'de> Visitor<'de> for EntriesVisitor<'_, '_> {
    type Value = Vec<Entry<'de>>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array of entries")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element_seed(OrNull(Shape::List, EntryVisitor(self.0)))? {
            entries.extend(entry);
        }
        Ok(entries)
    }
}

struct EntryVisitor<'m, 'r>(&'m mut Memory<'r>);

impl<'de> Visitor<'de> for EntryVisitor<'_, '_> {
    type Value = Option<Entry<'de>>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an entry, [\"<nanoseconds>\", \"line\", {…}]")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        self.0.count(0)?;
        let Some(Text(time)) = list.next_element()? else {
            return Err(A::Error::custom("an entry without a timestamp"));
        };
        let timestamp = nanos(&time).ok_or_else(|| {
            A::Error::custom(format_args!("{time:?} is no timestamp: expected nanoseconds since 1970 as plain digits"))
        })?;
        let line = list.next_element::<Text<'de>>()?.map_or(Cow::Borrowed(""), |text| text.0);
        let metadata = list.next_element_seed(MetadataVisitor(self.0))?.unwrap_or_default();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Some(Entry { timestamp, line, metadata }))
    }
}

/// Plain digits, without a sign in front (but for times before 1970) and without leading zeros.
fn nanos(text: &str) -> Option<Timestamp> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if plain { text.parse().ok().map(Timestamp::from_nanos) } else { None }
}

struct MetadataVisitor<'m, 'r>(&'m mut Memory<'r>);

impl<'de> DeserializeSeed<'de> for MetadataVisitor<'_, '_> {
    type Value = Pairs<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Pairs<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetadataVisitor<'_, '_> {
    type Value = Pairs<'de>;
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object of structured metadata, text to text")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some((Text(name), Text(value))) = map.next_entry()? {
            self.0.count(1)?;
            pairs.push((name, value));
        }
        Ok(pairs)
    }
}

/// A stream in the shape of `/api/prom/push`.
#[derive(Debug)]
pub(crate) struct OldStream<'a> {
    /// The label set as text.
    pub(crate) labels: Cow<'a, str>,
    pub(crate) entries: Vec<Entry<'a>>,
}

/// Reads `{"streams": [{"labels": "{…}", "entries": [{"ts": "<RFC 3339>", "line": "…"}]}]}`.
pub(crate) fn decode_old<'a>(text: &'a str, room: &mut Room) -> Result<Vec<OldStream<'a>>, Error> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow, default)]
        streams: Option<Vec<BodyStream<'a>>>,
    }
    #[derive(Deserialize)]
    struct BodyStream<'a> {
        #[serde(borrow, default)]
        labels: Option<Text<'a>>,
        #[serde(borrow, default)]
        entries: Option<Vec<BodyEntry<'a>>>,
    }
    #[derive(Deserialize)]
    struct BodyEntry<'a> {
        #[serde(borrow)]
        ts: Text<'a>,
        #[serde(borrow)]
        line: Text<'a>,
    }
    // every entry has a brace: few bodies have many more of them, and this is the way of old clients only
    let braces = memchr::memchr_iter(b'{', text.as_bytes()).count();
    room.grow(braces.saturating_mul(size_of::<Entry<'_>>() + size_of::<BodyEntry<'_>>()))?;

    let body = Body::deserialize(&mut serde_json::Deserializer::from_str(text));
    let body = body.map_err(|error| Error::Malformed(error.to_string()))?;
    let entry = |entry: BodyEntry<'a>| {
        let time: jiff::Timestamp = entry.ts.0.parse().map_err(|error: jiff::Error| {
            Error::Malformed(format!("{:?} is no timestamp in RFC 3339: {error}", entry.ts.0))
        })?;
        let nanos =
            i64::try_from(time.as_nanosecond()).unwrap_or(if time.as_second() < 0 { i64::MIN } else { i64::MAX });
        Ok(Entry { timestamp: Timestamp::from_nanos(nanos), line: entry.line.0, metadata: Pairs::new() })
    };
    let stream = |stream: BodyStream<'a>| {
        let entries: Result<_, Error> = stream.entries.into_iter().flatten().map(entry).collect();
        Ok(OldStream { labels: stream.labels.map_or(Cow::Borrowed(""), |text| text.0), entries: entries? })
    };
    body.streams.into_iter().flatten().map(stream).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::ingest::Error;
    use crate::ingest::json::{decode, decode_old};
    use crate::ingest::room::Space;

    /// What was read, in short: `name=value … | ns line name=value …`.
    fn read(text: &str) -> Result<Vec<String>, Error> {
        let streams = decode(text, &mut Space::new(1 << 20).room())?;
        let mut rows = Vec::new();
        for stream in streams {
            let mut row: Vec<String> = stream.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            for entry in stream.entries {
                row.push(format!("| {} {}", entry.timestamp.nanos(), entry.line));
                row.extend(entry.metadata.iter().map(|(name, value)| format!("{name}={value}")));
            }
            rows.push(row.join(" "));
        }
        Ok(rows)
    }

    fn check(text: &str, wanted: &[&str]) {
        assert_eq!(read(text).unwrap(), wanted, "{text}");
    }

    #[test]
    fn pushes_are_read_as_leniently_as_loki_does() {
        check(r#"{"streams":[]}"#, &[]);
        check(r#"{"Streams":null}"#, &[]);
        check(
            r#"{"x":1,"streams":[{"stream":{"a":"b","a":"c"},"more":[1],"values":[["5","l",{"k":"v"},"?"],null,["-7"]]}]} trailing"#,
            &["a=c | 5 l k=v | -7 "],
        );
        check(
            r#"{"streams":[{"values":[["1","\ud83d\ude00 \n"]],"stream":{"n":5,"z":null,"t":true,"q":"\""}},{},{"stream":null,"values":null}]}"#,
            &["n=5 q=\" t=true z=null | 1 😀 \n", "", ""],
        );
    }

    #[test]
    fn pushes_are_read_as_strictly_as_loki_does() {
        let with_values = |values: &str| format!(r#"{{"streams":[{{"stream":{{"a":"b"}},"values":{values}}}]}}"#);
        let times = ["17", "\"abc\"", "\"\"", "\"1.5e18\"", "\"+17\"", "\"017\"", "\"99999999999999999999\"", "null"];
        let mut bad: Vec<String> = times.iter().map(|time| with_values(&format!("[[{time},\"x\"]]"))).collect();
        let entries =
            ["5", "null", r#"{"a":1}"#, r#""x","no""#, r#""x",{"k":null}"#, r#""x",["k"]"#, r#""lone \ud800 end""#];
        bad.extend(entries.iter().map(|rest| with_values(&format!("[[\"17\",{rest}]]"))));
        bad.extend(["{}", "5", "[[]]"].map(with_values));
        let bodies = ["", "{", "\"x\"", "5", r#"{"streams":{}}"#, r#"{"streams":[null]}"#, r#"{"streams":[5]}"#];
        bad.extend(bodies.map(str::to_owned));
        bad.push(r#"{"streams":[{"stream":[],"values":[]}]}"#.to_owned());
        bad.push(r#"{"streams":[{"stream":{}},]}"#.to_owned());
        for text in bad {
            assert!(matches!(read(&text), Err(Error::Malformed(_))), "{text}: {:?}", read(&text));
        }
    }

    #[test]
    fn text_without_escapes_is_not_copied() {
        let text = r#"{"streams":[{"stream":{},"values":[["1","plain"]]}]}"#;
        let streams = decode(text, &mut Space::new(1 << 20).room()).unwrap();
        assert!(matches!(streams[0].entries[0].line, std::borrow::Cow::Borrowed("plain")));
    }

    #[test]
    fn many_tiny_entries_do_not_fill_the_memory() {
        let text = format!(r#"{{"streams":[{{"values":[{}["1"]]}}]}}"#, "[\"1\"],".repeat(100_000));
        assert!(matches!(read(&text), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn the_old_shape_is_read_too() {
        let text = r#"{"streams":[{"labels":"{a=\"b\"}","entries":[{"ts":"2026-11-18T00:00:01.5Z","line":"x"}]},{}]}"#;
        let streams = decode_old(text, &mut Space::new(1 << 20).room()).unwrap();
        assert_eq!(
            (&*streams[0].labels, streams[0].entries[0].timestamp.nanos()),
            ("{a=\"b\"}", 1_794_960_001_500_000_000)
        );
        assert_eq!((&*streams[1].labels, streams[1].entries.len()), ("", 0));
        let bad = r#"{"streams":[{"labels":"{}","entries":[{"ts":"yesterday","line":"x"}]}]}"#;
        assert!(matches!(decode_old(bad, &mut Space::new(1 << 20).room()), Err(Error::Malformed(_))));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in r#"(\{"streams":\[\{"(stream|values)":)?[{}\[\]",:0-9a-z \\\\]{0,60}"#) {
            let _ = read(&text);
        }
    }
}
