//! `| logfmt status, ip="client.ip"`: some pairs of a line, under names of one's own.
//!
//! A label whose key is not in the line is empty. Of pairs with one key the last counts.

use crate::logql::ast::Extraction;
use crate::logql::stage::labels::{EXTRACTED_SUFFIX, LineError, LineLabels};
use crate::logql::stage::logfmt_scan::Pairs;
use crate::logql::stage::names;

#[derive(Debug)]
pub(crate) struct LogfmtFields {
    strict: bool,
    /// Labels and the keys that they are read from.
    fields: Vec<(String, String)>,
}

impl LogfmtFields {
    /// The error is Loki's text.
    pub(crate) fn new(strict: bool, extractions: &[Extraction]) -> Result<LogfmtFields, String> {
        let mut fields = Vec::with_capacity(extractions.len());
        for Extraction { label, expression } in extractions {
            let key =
                parse_key(expression).map_err(|error| format!("cannot parse expression [{expression}]: {error}"))?;
            // of two expressions for one label the later counts
            fields.retain(|(known, _)| known != label);
            fields.push((label.clone(), key));
        }
        Ok(LogfmtFields { strict, fields })
    }

    pub(crate) fn run(&self, line: &str, labels: &mut LineLabels<'_>) {
        if labels.hints.is_done(labels.changes) {
            return;
        }
        for (label, _) in &self.fields {
            if !labels.is_taken(label) {
                labels.set(label, "");
            }
        }
        let mut name = std::mem::take(&mut labels.changes.name);
        self.read(line, &mut name, labels);
        labels.changes.name = name;
    }

    fn read(&self, line: &str, name: &mut String, labels: &mut LineLabels<'_>) {
        for pair in Pairs::new(line) {
            let (key, value) = match pair {
                Ok(pair) => pair,
                Err(error) if self.strict => {
                    labels.set_parser_error(LineError::Logfmt, &error.to_string());
                    return;
                }
                Err(_) => continue,
            };
            name.clear();
            names::push_clean(name, key);
            // a key that an earlier stage has taken is taken no more, as in Loki
            let is_label = self.fields.iter().any(|(label, _)| label == name);
            if !is_label && labels.is_seen(name) {
                continue;
            }
            let by_key = self.fields.iter().find(|(_, wanted)| wanted == name);
            // a key that has the name of a label counts for it, too
            let Some((label, _)) = by_key.or_else(|| self.fields.iter().find(|(label, _)| label == name)) else {
                continue;
            };
            let value = if value.contains('\u{fffd}') { "" } else { &value };
            if labels.is_taken(label) {
                name.clear();
                name.push_str(label);
                name.push_str(EXTRACTED_SUFFIX);
                // a label under its second name is set once, and nothing is read behind that, as in Loki
                if labels.is_seen(name) || !labels.hints.wants(name) {
                    return;
                }
                labels.set(name, value);
            } else {
                labels.set(label, value);
            }
        }
    }
}

/// A key as it is or in quotes. The error is Loki's text.
fn parse_key(expression: &str) -> Result<String, String> {
    let text = expression.trim_start_matches([' ', '\t', '\n']);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (key, rest) = match text.chars().next() {
        None => return Err("syntax error: unexpected $end, expecting STRING or KEY".to_owned()),
        Some('"') => {
            let body = &text[1..];
            let end = body.find(['"', ']']).unwrap_or(body.len());
            (&body[..end], body.get(end + 1..).unwrap_or(""))
        }
        Some(c) if is_name(c) && !c.is_ascii_digit() => {
            text.split_at(text.find(|c: char| !is_name(c)).unwrap_or(text.len()))
        }
        Some(_) => return Err("syntax error: unexpected $end, expecting STRING or KEY".to_owned()),
    };
    match rest.trim_start_matches([' ', '\t', '\n']).chars().next() {
        None => Ok(key.to_owned()),
        Some(c) if is_name(c) && !c.is_ascii_digit() => Err("syntax error: unexpected KEY".to_owned()),
        Some('"') => Err("syntax error: unexpected STRING".to_owned()),
        Some(c) => Err(format!("unexpected char {c}")),
    }
}
