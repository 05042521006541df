//! `| logfmt`: every pair becomes a label.
//!
//! Pairs that cannot be read are left out; with `--strict` the first of them ends the reading with `LogfmtParserErr`.
//! Empty values make labels only with `--keep-empty`. Of pairs with one key the first counts.

use std::borrow::Cow;

use crate::logql::stage::labels::{ERROR_LABEL, LineError, LineLabels};
use crate::logql::stage::logfmt_scan::Pairs;
use crate::logql::stage::names;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Logfmt {
    pub(crate) strict: bool,
    pub(crate) keep_empty: bool,
}

impl Logfmt {
    /// Whether the line goes on.
    pub(crate) fn run(self, line: &str, labels: &mut LineLabels<'_>) -> bool {
        if labels.hints.is_done(labels.changes) {
            return true;
        }
        let mut name = std::mem::take(&mut labels.changes.name);
        let passes = self.read(line, &mut name, labels);
        labels.changes.name = name;
        passes
    }

    fn read(self, line: &str, name: &mut String, labels: &mut LineLabels<'_>) -> bool {
        for pair in Pairs::new(line) {
            let (key, value) = match pair {
                Ok(pair) => pair,
                Err(error) if self.strict => {
                    labels.set_parser_error(LineError::Logfmt, &error.to_string());
                    let hints = labels.hints;
                    return hints.lets_pass(ERROR_LABEL, labels);
                }
                Err(_) => continue,
            };
            name.clear();
            if !names::push_clean(name, key) {
                continue;
            }
            let value = without_replacement(value);
            if value.is_empty() && !self.keep_empty {
                continue;
            }
            if !labels.take_parsed(name, |out| out.push_str(&value)) {
                return false;
            }
            if labels.hints.has_all(labels.changes) {
                break;
            }
        }
        true
    }
}

fn without_replacement(value: Cow<'_, str>) -> Cow<'_, str> {
    if value.is_ascii() || !value.contains('\u{fffd}') {
        return value;
    }
    Cow::Owned(value.replace('\u{fffd}', ""))
}
