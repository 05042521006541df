//! What `regexp` and `pattern` take out of a line: their patterns are checked while parsing.

use std::collections::HashSet;

use crate::model::re2;

/// Checks that a regular expression can be used and names something, each name once.
pub(super) fn check_regexp(pattern: &str) -> Result<(), String> {
    let names = re2::group_names(pattern).map_err(|error| error.to_string())?;
    let mut seen = HashSet::new();
    if let Some(name) = names.iter().flatten().find(|name| !seen.insert(*name)) {
        return Err(format!("duplicate extracted label name '{name}'"));
    }
    if seen.is_empty() {
        return Err("at least one named capture must be supplied".to_owned());
    }
    re2::compile(pattern).map(|_| ()).map_err(|error| error.to_string())
}

/// Checks that a pattern captures something by name, each name once, and never two things without text between them.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() {
        return Err(
            "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL".to_owned()
        );
    }
    let captures = captures(pattern);
    if captures.iter().all(|capture| capture.name == "_") {
        return Err("at least one capture is required".to_owned());
    }
    if let Some(pair) = captures.windows(2).find(|pair| pair[0].end == pair[1].start) {
        let pair = &pattern[pair[0].start..pair[1].end];
        return Err(format!("found consecutive capture '{pair}': invalid expression"));
    }
    let mut seen = HashSet::new();
    match captures.iter().find(|capture| capture.name != "_" && !seen.insert(capture.name)) {
        Some(capture) => Err(format!("duplicate capture name ({}): invalid expression", capture.name)),
        None => Ok(()),
    }
}

struct Capture<'a> {
    name: &'a str,
    start: usize,
    end: usize,
}

/// The `<name>` in a pattern. A `<` that begins no such thing is text.
fn captures(pattern: &str) -> Vec<Capture<'_>> {
    let mut captures = Vec::new();
    let mut from = 0;
    while let Some(start) = pattern[from..].find('<').map(|at| from + at) {
        let name_end = pattern[start + 1..].find('>').map(|at| start + 1 + at);
        let name = name_end.map_or("", |end| &pattern[start + 1..end]);
        if name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        {
            from = start + name.len() + 2;
            captures.push(Capture { name, start, end: from });
        } else {
            from = start + 1;
        }
    }
    captures
}
