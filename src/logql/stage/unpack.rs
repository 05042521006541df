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
    labels.changes.pending.clear();
    let mut has_entry = false;
    let result = fields(line, &mut |key, value| {
        if value.kind != Kind::String {
            return Ok(());
        }
        if key == ENTRY_KEY {
            out.clear();
            json_scan::unescape_into(value.text, out).ok_or(Malformed::Escape)?;
            has_entry = true;
            return Ok(());
        }
        let mut name = std::mem::take(&mut labels.changes.name);
        name.clear();
        name.push_str(key);
        if labels.is_taken(&name) {
            name.push_str(EXTRACTED_SUFFIX);
        }
        if labels.hints.wants(&name) && !labels.is_seen(&name) {
            let changes = &mut *labels.changes;
            // it may have to begin with `_`, so it is put together apart from what is kept already
            let mut clean = std::mem::take(&mut changes.clean_name);
            clean.clear();
            names::push_clean(&mut clean, &name);
            let pair = (changes.keep_text(&clean), changes.keep(|text| json_scan::push_string(value.text, text)));
            changes.pending.push(pair);
            changes.clean_name = clean;
        }
        labels.changes.name = name;
        Ok(())
    });
    if let Err(Stop::Malformed(malformed)) = result {
        labels.set_parser_error(LineError::Json, malformed.text());
        return Unpacked::Same;
    }
    if !has_entry {
        return Unpacked::Same;
    }
    let (hints, mut name) = (labels.hints, std::mem::take(&mut labels.changes.name));
    let mut passes = true;
    for index in 0..labels.changes.pending.len() {
        let (name_span, value) = labels.changes.pending[index];
        name.clear();
        name.push_str(labels.changes.text(name_span));
        labels.set_kept(&name, value);
        passes = hints.lets_pass(&name, labels);
        if !passes {
            break;
        }
    }
    labels.changes.name = name;
    if passes { Unpacked::Changed } else { Unpacked::Dropped }
}
