//! The excerpt of a JSON object: the fields that are looked at.

use std::ops::Range;

use crate::logql::stage::excerpt::{Draft, Names};
use crate::logql::stage::json;
use crate::logql::stage::json_scan::{self, Kind, Stop, Value};
use crate::model::form::Slot;

/// Objects that are nested deeper are needed whole.
const DEPTH_MAX: usize = 16;

pub(crate) fn read(draft: &mut Draft<'_>, wanted: &Names) -> Option<()> {
    let mut walk = Walk { draft, wanted, name: String::new(), depth: 0 };
    let line: &str = &walk.draft.sample.line;
    walk.object(line)
}

struct Walk<'w, 's> {
    draft: &'w mut Draft<'s>,
    wanted: &'w Names,
    /// The clean names of the keys that lead to the present object, joined by `_`.
    name: String,
    depth: usize,
}

impl Walk<'_, '_> {
    /// An object whose fields can all be read, and each slot of which lies in one of their values.
    fn object(&mut self, text: &str) -> Option<()> {
        self.draft.push("{");
        let mut is_first = true;
        let read = json_scan::fields(text, &mut |key, value| {
            let outer = self.name.len();
            json::push_key(&mut self.name, key);
            let field = self.field(key, value, &mut is_first);
            self.name.truncate(outer);
            field.ok_or(Stop::Enough)
        });
        self.draft.push("}");
        read.ok()
    }

    fn field(&mut self, key: &str, value: Value<'_>, is_first: &mut bool) -> Option<()> {
        let place = self.draft.sample.place_of(value.text);
        let is_object = value.kind == Kind::Object && self.wanted.has_prefix(&self.name);
        let is_wanted = is_object
            || (self.wanted.has(&self.name) && matches!(value.kind, Kind::String | Kind::Number | Kind::Boolean));
        if is_wanted {
            if key.contains(['"', '\\']) || key.contains(char::is_control) {
                return None;
            }
            self.draft.push(if *is_first { "\"" } else { ",\"" });
            *is_first = false;
            self.draft.push(key);
            self.draft.push("\":");
        }
        match value.kind {
            Kind::Object if is_object => {
                self.depth += 1;
                let read = if self.depth < DEPTH_MAX { self.object(value.text) } else { None };
                self.depth -= 1;
                return read;
            }
            Kind::Object | Kind::Array => return self.skip(value.text, &place),
            Kind::String => self.draft.check(&place, |_, _| true)?,
            // it is a number by its first byte, and ends where a sign or white space comes
            Kind::Number | Kind::Boolean | Kind::Null => self.draft.check(&place, |slot, kind| match kind {
                Slot::Digits => true,
                Slot::Word | Slot::Bare => slot.start > place.start,
                Slot::Quoted | Slot::Time { .. } | Slot::Other => false,
            })?,
        }
        if is_wanted {
            let quote = if value.kind == Kind::String { "\"" } else { "" };
            self.draft.push(quote);
            self.draft.keep_value(&self.name, &place)?;
            self.draft.push(quote);
        }
        Some(())
    }

    /// An object or array that nobody looks into: it ends where its brackets say, so no slot may hold one outside strings.
    fn skip(&mut self, text: &str, place: &Range<usize>) -> Option<()> {
        let mut strings: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while let Some(offset) = memchr::memchr(b'"', text.get(at..)?.as_bytes()) {
            let start = at + offset + 1;
            let end = json_scan::string_end(text, start)?;
            strings.push(place.start + start..place.start + end);
            at = end + 1;
        }
        let is_in_string = |slot: &Range<usize>| {
            let before = strings.partition_point(|string| string.end < slot.end);
            strings.get(before).is_some_and(|string| string.start <= slot.start)
        };
        self.draft.check(place, |slot, kind| match kind {
            Slot::Digits | Slot::Word | Slot::Bare => true,
            Slot::Quoted | Slot::Time { .. } => is_in_string(slot),
            Slot::Other => false,
        })
    }
}
