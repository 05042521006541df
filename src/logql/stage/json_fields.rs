//! `| json first="items[0].name", level`: some fields of a JSON text, by their paths.
//!
//! Objects and arrays come as their text. A path that leads nowhere makes an empty label. The text is read for what can
//! be found, so faults outside the wanted fields go unnoticed.

use std::ops::Range;

use crate::logql::ast::Extraction;
use crate::logql::stage::json_path::{self, Segment};
use crate::logql::stage::json_scan::{self, Kind, Malformed, Value};
use crate::logql::stage::labels::{EXTRACTED_SUFFIX, LineError, LineLabels};

#[derive(Debug)]
pub(crate) struct JsonFields {
    labels: Vec<String>,
    paths: Vec<Vec<Segment>>,
}

impl JsonFields {
    /// The error is Loki's text.
    pub(crate) fn new(extractions: &[Extraction]) -> Result<JsonFields, String> {
        let path = |extraction: &Extraction| {
            json_path::parse(&extraction.expression)
                .map_err(|error| format!("cannot parse expression [{}]: {error}", extraction.expression))
        };
        Ok(JsonFields {
            labels: extractions.iter().map(|extraction| extraction.label.clone()).collect(),
            paths: extractions.iter().map(path).collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn run(&self, line: &str, labels: &mut LineLabels<'_>) {
        if line.is_empty() || labels.hints.is_done(labels.changes) {
            return;
        }
        if !line.starts_with(['"', '{', '[']) {
            labels.set_bare_parser_error(LineError::Json);
            return;
        }
        labels.changes.found.clear();
        let keys = std::mem::take(&mut labels.changes.keys);
        let mut search = Search { fields: self, labels, text: line, keys, found_count: 0, set_count: 0 };
        let result = search.scan();
        let Search { labels, keys, set_count, .. } = search;
        labels.changes.keys = keys;
        if let Err(Some(malformed)) = result {
            labels.set_parser_error(LineError::Json, malformed.text());
        }
        if set_count < self.labels.len() {
            for label in &self.labels {
                if labels.get(label).is_none() {
                    labels.set(label, "");
                }
            }
        }
    }
}

struct Search<'s, 'l> {
    fields: &'s JsonFields,
    labels: &'s mut LineLabels<'l>,
    text: &'s str,
    /// Where in the text the keys are that lead to the present place; empty for one that is not known.
    keys: Vec<Range<usize>>,
    found_count: usize,
    set_count: usize,
}

impl Search<'_, '_> {
    /// Reads keys and brackets in the order they come, and stops without a word where they make no sense.
    fn scan(&mut self) -> Result<(), Option<Malformed>> {
        let text = self.text;
        let bytes = text.as_bytes();
        self.keys.clear();
        let mut level = 0usize;
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'"' => {
                    let end = json_scan::string_end(text, at + 1).ok_or(None)?;
                    let after = json_scan::skip_space(text, end + 1).ok_or(None)?;
                    if bytes[after] != b':' {
                        at = end + 1;
                        continue;
                    }
                    if level == 0 {
                        return Err(Some(Malformed::Json));
                    }
                    json_scan::unescape(&text[at + 1..end]).ok_or(None)?;
                    self.keys.truncate(level - 1);
                    self.keys.resize(level - 1, 0..0);
                    self.keys.push(at + 1..end);
                    self.take_key(after + 1)?;
                    at = after;
                }
                b'{' => level += 1,
                b'}' => level = level.saturating_sub(1),
                b'[' => {
                    if self.wants_element(level) {
                        self.take_elements(at, level);
                    }
                    at = json_scan::block_end(text, at, b'[', b']').ok_or(None)? - 1;
                }
                _ => {}
            }
            if self.found_count == self.fields.paths.len() {
                return Ok(());
            }
            at += 1;
        }
        Ok(())
    }

    /// Sets the labels whose paths are exactly the keys that lead here.
    fn take_key(&mut self, at: usize) -> Result<(), Option<Malformed>> {
        for (index, path) in self.fields.paths.iter().enumerate() {
            if path.len() == self.keys.len() && !self.is_found(index) && self.is_led_to(path, self.keys.len()) {
                self.note_found(index);
                let value = json_scan::value(self.text, at).map_err(Some)?;
                self.set(index, value);
            }
        }
        Ok(())
    }

    fn wants_element(&self, level: usize) -> bool {
        let wants = |path: &Vec<Segment>| {
            matches!(path.get(level), Some(Segment::Index(_)))
                && self.keys.len() >= level
                && self.is_led_to(path, level)
        };
        self.fields.paths.iter().enumerate().any(|(index, path)| !self.is_found(index) && wants(path))
    }

    fn take_elements(&mut self, at: usize, level: usize) {
        let mut element = 0;
        elements(&self.text[at..], &mut |value| {
            for (index, path) in self.fields.paths.iter().enumerate() {
                let is_meant = path.get(level) == Some(&Segment::Index(element));
                if is_meant && !self.is_found(index) && self.is_led_to(path, level) {
                    self.note_found(index);
                    if let Some(value) = descend(value, &path[level + 1..]) {
                        self.set(index, value);
                    }
                }
            }
            element += 1;
        });
    }

    fn is_found(&self, index: usize) -> bool {
        self.labels.changes.found.contains(index)
    }

    fn note_found(&mut self, index: usize) {
        self.labels.changes.found.insert(index);
        self.found_count += 1;
    }

    /// Whether a path begins with the first so many of the keys that lead here.
    fn is_led_to(&self, path: &[Segment], key_count: usize) -> bool {
        let keys = &self.keys[..key_count];
        let same = |(segment, key): (&Segment, &Range<usize>)| match segment {
            Segment::Key(name) => json_scan::unescape(&self.text[key.clone()]).is_some_and(|key| key == *name),
            Segment::Index(_) => false,
        };
        path.len() >= keys.len() && path.iter().zip(keys).all(same)
    }

    fn set(&mut self, index: usize, value: Value<'_>) {
        self.set_count += 1;
        let label = &self.fields.labels[index];
        let write = |out: &mut String| match value.kind {
            Kind::Null => {}
            Kind::Object => out.push_str(value.text),
            Kind::String | Kind::Number | Kind::Boolean | Kind::Array => json_scan::push_string(value.text, out),
        };
        if self.labels.is_taken(label) {
            self.labels.set_with(&format!("{label}{EXTRACTED_SUFFIX}"), write);
        } else {
            self.labels.set_with(label, write);
        }
    }
}

/// Calls `visit` with each element of the array that the text begins with, as far as it can be read.
fn elements<'t>(text: &'t str, visit: &mut dyn FnMut(Value<'t>)) {
    let mut at = 1;
    if json_scan::skip_space(text, at).is_none_or(|at| text.as_bytes()[at] == b']') {
        return;
    }
    while let Ok(value) = json_scan::value(text, at) {
        visit(value);
        match json_scan::skip_space(text, value.end) {
            Some(comma) if text.as_bytes()[comma] == b',' => at = comma + 1,
            Some(_) | None => return,
        }
    }
}

/// The part of a value that a path leads to.
fn descend<'t>(value: Value<'t>, path: &[Segment]) -> Option<Value<'t>> {
    let mut present = value;
    for segment in path {
        let mut next = None;
        match (segment, present.kind) {
            (Segment::Key(name), Kind::Object) => {
                // where the object is malformed further on, what was found before counts
                let _ = json_scan::fields(present.text, &mut |key, value| {
                    if next.is_none() && key == name {
                        next = Some(value);
                    }
                    Ok(())
                });
            }
            (Segment::Index(wanted), Kind::Array) => {
                let mut index = 0;
                elements(present.text, &mut |value| {
                    if index == *wanted {
                        next = Some(value);
                    }
                    index += 1;
                });
            }
            (Segment::Key(_) | Segment::Index(_), _) => {}
        }
        present = next?;
    }
    Some(present)
}
