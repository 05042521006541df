//! `| unpack`: takes apart what Promtail's `pack` stage put together: labels and, under `_entry`, the line.

use crate::logql::stage::json_scan::{self, Kind, Malformed, Stop, fields};
use crate::logql::stage::labels::{EXTRACTED_SUFFIX, LineError, LineLabels};
use crate::logql::stage::names;

/// The key that holds the line.
const ENTRY_KEY: &str = "_entry";

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpacked {
    /// The line stays as it is.
    Same,
    /// The line was written anew.
    Changed,
    /// A filter drops it.
    Dropped,
}

/// Writes the packed line to `out`. Labels are set only where there is one; values that are no strings are left out.
pub(crate) fn run(line: &str, out: &mut String, labels: &mut LineLabels<'_>) -> Unpacked {
    if line.is_empty() || labels.hints.is_done(labels.changes) {
        return Unpacked::Same;
    }
    if !line.starts_with('{') {
        labels.set_parser_error(LineError::Json, "expecting json object(6), but it is not");
        return Unpacked::Same;
    }
    let mut packed: Vec<(String, String)> = Vec::new();
    let mut entry = None;
    let result = fields(line, &mut |key, value| {
        if value.kind != Kind::String {
            return Ok(());
        }
        if key == ENTRY_KEY {
            entry = Some(json_scan::unescape(value.text).ok_or(Malformed::Escape)?);
            return Ok(());
        }
        let mut name = key.to_owned();
        if labels.is_taken(&name) {
            name.push_str(EXTRACTED_SUFFIX);
        }
        if labels.hints.wants(&name) && !labels.is_seen(&name) {
            let mut clean = String::new();
            names::push_clean(&mut clean, &name);
            let mut text = String::new();
            json_scan::push_string(value.text, &mut text);
            packed.push((clean, text));
        }
        Ok(())
    });
    if let Err(Stop::Malformed(malformed)) = result {
        labels.set_parser_error(LineError::Json, malformed.text());
        return Unpacked::Same;
    }
    let Some(entry) = entry else { return Unpacked::Same };
    out.clear();
    out.push_str(&entry);
    let hints = labels.hints;
    for (name, value) in &packed {
        labels.set(name, value);
        if !hints.lets_pass(name, labels) {
            return Unpacked::Dropped;
        }
    }
    Unpacked::Changed
}
