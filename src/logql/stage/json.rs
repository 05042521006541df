//! `| json`: every field of an object becomes a label, nested ones under the names of all keys joined by `_`.
//!
//! Arrays and nulls are left out. Of fields with one name the first counts; a name that the line has already as a
//! stream label or in its metadata gets `_extracted`. Text that is no JSON leaves `JSONParserErr`, and the labels that
//! came before the fault stay.

use crate::logql::stage::json_scan::{self, Kind, Stop, Value, fields};
use crate::logql::stage::labels::{LineError, LineLabels};
use crate::logql::stage::names;

/// Objects nested deeper are left out: a name made of more keys helps nobody, and a hostile line must not cost more
/// time than its length.
const DEPTH_MAX: usize = 64;

/// Whether the line goes on.
pub(crate) fn parse(line: &str, labels: &mut LineLabels<'_>) -> bool {
    if labels.hints.is_done(labels.changes) {
        return true;
    }
    let mut name = std::mem::take(&mut labels.changes.name);
    name.clear();
    let mut walk = Walk { labels, name, depth: 0 };
    let result = walk.object(line);
    let Walk { labels, name, .. } = walk;
    labels.changes.name = name;
    match result {
        Ok(()) | Err(Stop::Enough) => true,
        Err(Stop::Drop) => false,
        Err(Stop::Malformed(malformed)) => {
            labels.set_parser_error(LineError::Json, malformed.text());
            true
        }
    }
}

struct Walk<'w, 'l> {
    labels: &'w mut LineLabels<'l>,
    /// The clean names of the keys that lead to the present object, joined by `_`.
    name: String,
    depth: usize,
}

impl Walk<'_, '_> {
    fn object(&mut self, text: &str) -> Result<(), Stop> {
        fields(text, &mut |key, value| self.field(key, value))
    }

    fn field(&mut self, key: &str, value: Value<'_>) -> Result<(), Stop> {
        let outer = self.name.len();
        match value.kind {
            Kind::Object if self.depth < DEPTH_MAX => {
                self.push_key(key);
                let result = if self.labels.hints.wants_prefix(&self.name) {
                    self.depth += 1;
                    let result = self.object(value.text);
                    self.depth -= 1;
                    result
                } else {
                    Ok(())
                };
                self.name.truncate(outer);
                return result;
            }
            Kind::Object | Kind::Array | Kind::Null => {}
            Kind::String | Kind::Number | Kind::Boolean => {
                self.push_key(key);
                let passes = self.name.is_empty() || self.take(value);
                self.name.truncate(outer);
                if !passes && !self.labels.hints.has_all(self.labels.changes) {
                    return Err(Stop::Drop);
                }
            }
        }
        if self.labels.hints.has_all(self.labels.changes) { Err(Stop::Enough) } else { Ok(()) }
    }

    fn push_key(&mut self, key: &str) {
        let outer = self.name.len();
        if outer > 0 {
            self.name.push('_');
        }
        if !names::push_clean(&mut self.name, key) {
            self.name.truncate(outer);
        }
    }

    /// Sets the label; whether the line may still pass.
    fn take(&mut self, value: Value<'_>) -> bool {
        self.labels.take_parsed(&mut self.name, |out| match value.kind {
            Kind::String => json_scan::push_string(value.text, out),
            Kind::Number | Kind::Boolean | Kind::Null | Kind::Object | Kind::Array => out.push_str(value.text),
        })
    }
}
