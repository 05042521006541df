//! Values of a JSON object by their paths, found while it is read: the rest is checked and passed over.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::agent::entry::Extracted;
use crate::logql::gotext::json::{self, Signs};

/// Names that are looked for, and what becomes of their values.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The places in the answer that the value here goes to.
    wanted: Vec<usize>,
    inner: Vec<(String, Tree)>,
}

/// A value that was found. Its memory is used for line after line.
#[derive(Debug, Default)]
pub(crate) struct Found {
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    /// There is none, or it is `null`.
    #[default]
    Null,
    Bool(bool),
    Number(f64),
    /// A text, or a list or an object as JSON.
    Text,
    /// It could not be told what it is, so what is known of the name stays.
    Unknown,
}

impl Tree {
    /// Looks for the value under a path, to put it into a place of the answer.
    pub(crate) fn add(&mut self, path: &[&str], place: usize) {
        let Some((first, rest)) = path.split_first() else { return self.wanted.push(place) };
        let index = self.inner.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.inner.push(((*first).to_owned(), Tree::default()));
            self.inner.len() - 1
        });
        self.inner[index].1.add(rest, place);
    }

    /// Fills in what a text has. Whether it is an object, or `null`.
    pub(crate) fn walk(&self, text: &str, found: &mut [Found]) -> bool {
        found.iter_mut().for_each(|found| found.kind = Kind::Null);
        let is_object = text.trim_ascii_start().starts_with('{');
        if !is_object {
            return text.trim_ascii() == "null";
        }
        self.read(text, found) || with_whole_escapes(text).is_some_and(|text| self.read(&text, found))
    }

    fn read(&self, text: &str, found: &mut [Found]) -> bool {
        let mut reader = serde_json::Deserializer::from_str(text);
        Seed { tree: self, found }.deserialize(&mut reader).is_ok() && reader.end().is_ok()
    }

    fn put(&self, value: &Value, found: &mut [Found]) {
        for place in &self.wanted {
            found[*place].take(value);
        }
        for (name, tree) in &self.inner {
            tree.put(value.get(name).unwrap_or(&Value::Null), found);
        }
    }

    /// Forgets what was found: of names that come twice, the last one counts.
    fn forget(&self, found: &mut [Found]) {
        self.wanted.iter().for_each(|place| found[*place].kind = Kind::Null);
        self.inner.iter().for_each(|(_, tree)| tree.forget(found));
    }
}

impl Found {
    pub(crate) fn take(&mut self, value: &Value) {
        match value {
            Value::Null => self.kind = Kind::Null,
            Value::Bool(value) => self.kind = Kind::Bool(*value),
            // all numbers are floats to Promtail
            Value::Number(number) => self.kind = number.as_f64().map_or(Kind::Null, Kind::Number),
            Value::String(text) => self.take_text(text),
            Value::Array(_) | Value::Object(_) => {
                self.text.clear();
                self.kind = Kind::Text;
                push_json(value, &mut self.text);
            }
        }
    }

    pub(crate) fn skip(&mut self) {
        self.kind = Kind::Unknown;
    }

    fn take_text(&mut self, text: &str) {
        self.kind = Kind::Text;
        text.clone_into(&mut self.text);
    }

    /// Makes the value known under a name.
    pub(crate) fn put(&self, name: &str, extracted: &mut Extracted) {
        match self.kind {
            Kind::Null => extracted.set(name, Value::Null),
            Kind::Bool(value) => extracted.set(name, Value::Bool(value)),
            Kind::Number(number) => extracted.set(name, Value::from(number)),
            Kind::Text => extracted.set_text(name, &self.text),
            Kind::Unknown => {}
        }
    }
}

/// Writes a value as Go's JSON writer does: signs that HTML knows are escaped.
fn push_json(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => json::push_number(number.as_f64().unwrap_or_default(), out),
        Value::String(text) => push_text(text, out),
        Value::Array(list) => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_json(value, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (name, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_text(name, out);
                out.push(':');
                push_json(value, out);
            }
            out.push('}');
        }
    }
}

/// Writes a text in quotes.
pub(crate) fn push_text(text: &str, out: &mut String) {
    json::push_text(text, Signs::Escaped, out);
}

/// JSON with `\\ufffd` for each half of a pair of surrogates that stands alone, as Go reads it; `None` where there is none.
pub(crate) fn with_whole_escapes(text: &str) -> Option<String> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut rest) = (String::new(), 0);
    let mut at = 0;
    while let Some(next) = text.get(at..)?.find('\\') {
        at += next;
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(&text[rest..at]);
                out.push_str("\\ufffd");
                at += 6;
                rest = at;
            }
            // whatever stands behind the sign is part of the escape
            _ => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        }
    }
    out.push_str(&text[rest..]);
    (rest > 0).then_some(out)
}

/// Reads the value that a tree is about.
struct Seed<'t> {
    tree: &'t Tree,
    found: &'t mut [Found],
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.tree.wanted.is_empty() && !self.tree.inner.is_empty() {
            // both the whole and parts of it
            let value = <Value as serde::Deserialize>::deserialize(deserializer)?;
            self.tree.put(&value, self.found);
            return Ok(());
        }
        deserializer.deserialize_any(self)
    }
}

impl Seed<'_> {
    fn each(&mut self, take: impl Fn(&mut Found)) {
        for place in &self.tree.wanted {
            take(&mut self.found[*place]);
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.each(|found| found.kind = Kind::Bool(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        self.each(|found| found.kind = Kind::Number(value));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.each(|found| found.take_text(text));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        if self.tree.wanted.is_empty() {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut values = Vec::new();
        while let Some(value) = list.next_element::<Value>()? {
            values.push(value);
        }
        let value = Value::Array(values);
        self.each(|found| found.take(&value));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        if self.tree.wanted.is_empty() {
            while let Some(tree) = map.next_key_seed(Key { tree: self.tree })? {
                match tree {
                    Some(tree) => {
                        tree.forget(self.found);
                        map.next_value_seed(Seed { tree, found: self.found })?;
                    }
                    None => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            return Ok(());
        }
        let mut values = serde_json::Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            values.insert(name, value);
        }
        let value = Value::Object(values);
        self.each(|found| found.take(&value));
        Ok(())
    }
}

/// Reads the name of a field, to find what is wanted of it.
struct Key<'t> {
    tree: &'t Tree,
}

impl<'de, 't> DeserializeSeed<'de> for Key<'t> {
    type Value = Option<&'t Tree>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<&'t Tree>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'t> Visitor<'_> for Key<'t> {
    type Value = Option<&'t Tree>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<&'t Tree>, E> {
        Ok(self.tree.inner.iter().find(|(known, _)| known == name).map(|(_, tree)| tree))
    }
}
