//! `| json`: every field of an object becomes a label, nested ones under the names of all keys joined by `_`.
//!
//! Arrays and nulls are left out. Of fields with one name the first counts; a name that the line has already as a
//! stream label or in its metadata gets `_extracted`. Text that is no JSON leaves `JSONParserErr`, and the labels that
//! came before the fault stay.

use std::collections::BTreeMap;

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

/// The keys that lead to each label that `json` makes of a line, as they are written there; of equal names the first.
pub fn json_paths(line: &str) -> BTreeMap<String, Vec<String>> {
    let mut paths = BTreeMap::new();
    // what was found before a fault counts
    let _ = find_paths(line, &mut String::new(), &mut Vec::new(), &mut paths);
    paths
}

fn find_paths(
    text: &str,
    name: &mut String,
    keys: &mut Vec<String>,
    paths: &mut BTreeMap<String, Vec<String>>,
) -> Result<(), Stop> {
    fields(text, &mut |key, value| {
        let outer = name.len();
        push_key(name, key);
        keys.push(key.to_owned());
        let result = match value.kind {
            Kind::Object if keys.len() <= DEPTH_MAX => find_paths(value.text, name, keys, paths),
            Kind::Object | Kind::Array | Kind::Null => Ok(()),
            Kind::String | Kind::Number | Kind::Boolean => {
                if !name.is_empty() && !paths.contains_key(name.as_str()) {
                    paths.insert(name.clone(), keys.clone());
                }
                Ok(())
            }
        };
        keys.pop();
        name.truncate(outer);
        result
    })
}

/// Appends a key to the name made of the keys before it.
pub(crate) fn push_key(name: &mut String, key: &str) {
    let outer = name.len();
    if outer > 0 {
        name.push('_');
    }
    if !names::push_clean(name, key) {
        name.truncate(outer);
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
                push_key(&mut self.name, key);
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
                push_key(&mut self.name, key);
                let passes = self.name.is_empty() || self.take(value);
                self.name.truncate(outer);
                if !passes && !self.labels.hints.has_all(self.labels.changes) {
                    return Err(Stop::Drop);
                }
            }
        }
        if self.labels.hints.has_all(self.labels.changes) { Err(Stop::Enough) } else { Ok(()) }
    }

    /// Sets the label; whether the line may still pass.
    fn take(&mut self, value: Value<'_>) -> bool {
        self.labels.take_parsed(&mut self.name, |out| match value.kind {
            Kind::String => json_scan::push_string(value.text, out),
            Kind::Number | Kind::Boolean | Kind::Null | Kind::Object | Kind::Array => out.push_str(value.text),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::json_paths;

    #[test]
    fn paths_lead_to_the_field_in_the_line() {
        let paths = json_paths(r#"{"a":{"b c":1},"한글":"x","list":[1],"a_b_c":2}"#);
        assert_eq!(paths["a_b_c"], ["a", "b c"]);
        assert_eq!(paths["__"], ["한글"]);
        assert!(!paths.contains_key("list"));
        assert_eq!(json_paths(r#"{"lone":"\ud800","after":"x"} and more"#)["after"], ["after"]);
        assert_eq!(json_paths(r#"{"bad":"\x41","after":"x", oh"#).len(), 2);
        assert!(json_paths(&r#"{"a":"#.repeat(10_000)).is_empty());
    }
}
