//! `| pattern "<ip> - <user> [<_>] \"<method> <path> <_>\" <status>"`: what stands between literal texts becomes labels.

use memchr::memmem::Finder;

use crate::logql::stage::labels::LineLabels;
use crate::logql::stage::pattern_expr::{self, Part};

/// A literal that the line must begin with, then captures, each up to the literal behind it.
#[derive(Debug)]
pub(crate) struct PatternParser {
    prefix: String,
    captures: Vec<Capture>,
}

#[derive(Debug)]
struct Capture {
    /// `None` for `<_>`.
    name: Option<String>,
    /// `None` where the capture takes the rest of the line.
    until: Option<Finder<'static>>,
}

impl PatternParser {
    /// The error is Loki's text.
    pub(crate) fn new(pattern: &str) -> Result<PatternParser, String> {
        if pattern.is_empty() {
            let expected = "unexpected $end, expecting IDENTIFIER or LITERAL";
            return Err(format!("parse error at line 1, col 1: syntax error: {expected}"));
        }
        let parts = pattern_expr::parse(pattern);
        let mut names: Vec<&str> = Vec::new();
        for part in &parts {
            match part {
                Part::Capture(name) if name != "_" => names.push(name),
                Part::Capture(_) | Part::Literal(_) => {}
            }
        }
        if names.is_empty() {
            return Err("at least one capture is required".to_owned());
        }
        pattern_expr::refuse_consecutive_captures(&parts)?;
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(format!("duplicate capture name ({name}): invalid expression"));
            }
        }
        let mut prefix = String::new();
        let mut captures: Vec<Capture> = Vec::new();
        for part in parts {
            match (part, captures.last_mut()) {
                (Part::Literal(text), None) => prefix = text,
                (Part::Literal(text), Some(capture)) => capture.until = Some(Finder::new(&text).into_owned()),
                (Part::Capture(name), _) => {
                    captures.push(Capture { name: (name != "_").then_some(name), until: None });
                }
            }
        }
        Ok(PatternParser { prefix, captures })
    }

    /// Whether the line goes on.
    pub(crate) fn run(&self, line: &str, labels: &mut LineLabels<'_>) -> bool {
        if labels.hints.is_done(labels.changes) || line.is_empty() {
            return true;
        }
        let Some(mut rest) = line.strip_prefix(&self.prefix) else { return true };
        for capture in &self.captures {
            let found = capture.until.as_ref().and_then(|until| {
                let at = until.find(rest.as_bytes())?;
                Some((at, at + until.needle().len()))
            });
            // a literal that is missing lets the capture before it take the rest, and ends the reading
            let (end, after) = found.unwrap_or((rest.len(), rest.len()));
            if let Some(name) = &capture.name
                && !take(name, &rest[..end], labels)
            {
                return false;
            }
            if found.is_none() {
                break;
            }
            rest = &rest[after..];
        }
        true
    }
}

fn take(capture: &str, value: &str, labels: &mut LineLabels<'_>) -> bool {
    let mut name = std::mem::take(&mut labels.changes.name);
    name.clear();
    name.push_str(capture);
    let passes = labels.take_parsed(&mut name, |out| out.push_str(value));
    labels.changes.name = name;
    passes
}
