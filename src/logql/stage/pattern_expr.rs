//! What the stage `pattern` and the filters `|>` and `!>` have in common: `<name>` and the text around it.

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Literal(String),
    /// The name between `<` and `>`; `_` takes text and drops it.
    Capture(String),
}

/// Cuts a pattern into pieces. What looks nearly like a capture, as `<1a>` does, is text.
pub(crate) fn parse(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let Some(name) = capture_at_start(rest) {
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Capture(name.to_owned()));
            rest = &rest[name.len() + 2..];
        } else {
            literal.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    parts
}

fn capture_at_start(text: &str) -> Option<&str> {
    let name = text.strip_prefix('<')?;
    let name = &name[..name.find('>')?];
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (starts && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')).then_some(name)
}

/// Two captures side by side leave open where one ends. The error is Loki's text.
pub(crate) fn refuse_consecutive_captures(parts: &[Part]) -> Result<(), String> {
    for pair in parts.windows(2) {
        if let [Part::Capture(first), Part::Capture(second)] = pair {
            return Err(format!("found consecutive capture '<{first}><{second}>': invalid expression"));
        }
    }
    Ok(())
}
