//! `|> "<_> level=error <_>"`: literal texts in order with anything between them.

use memchr::memmem::Finder;

use crate::logql::stage::pattern_expr::{self, Part};

/// A pattern whose parts are literals and unnamed captures; it must match the whole line, and each capture at least a
/// byte of it. The empty pattern matches the empty line alone.
#[derive(Debug)]
pub(crate) struct LinePattern {
    parts: Vec<Option<Finder<'static>>>,
}

impl LinePattern {
    /// The error is Loki's text.
    pub(crate) fn parse(pattern: &str) -> Result<LinePattern, String> {
        let parts = pattern_expr::parse(pattern);
        pattern_expr::refuse_consecutive_captures(&parts)?;
        let mut compiled = Vec::with_capacity(parts.len());
        for part in &parts {
            compiled.push(match part {
                Part::Literal(text) => Some(Finder::new(text).into_owned()),
                Part::Capture(name) if name == "_" => None,
                Part::Capture(name) => return Err(format!("named captures are not allowed: found '<{name}>'")),
            });
        }
        Ok(LinePattern { parts: compiled })
    }

    pub(crate) fn matches(&self, line: &str) -> bool {
        if line.is_empty() || self.parts.is_empty() {
            return line.is_empty() && self.parts.is_empty();
        }
        let mut rest = line.as_bytes();
        for (index, part) in self.parts.iter().enumerate() {
            let Some(finder) = part else { continue };
            match finder.find(rest) {
                // before a literal that is not the first stands a capture, which must not be empty
                Some(0) if index > 0 => return false,
                Some(at) => rest = &rest[at + finder.needle().len()..],
                None => return false,
            }
        }
        let ends_open = self.parts.last().is_some_and(Option::is_none);
        ends_open != rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::line_pattern::LinePattern;

    #[track_caller]
    fn check(pattern: &str, line: &str, expected: bool) {
        let parsed = LinePattern::parse(pattern).expect("valid pattern");
        assert_eq!(parsed.matches(line), expected, "{pattern:?} on {line:?}");
    }

    #[test]
    fn literals_come_in_order_and_captures_are_not_empty() {
        check("<_> level=error <_>", "a level=error b", true);
        check("<_> level=error <_>", "level=error b", false);
        check("foo <_>", "foo bar", true);
        check("foo <_>", "foo ", false);
        check("<_> baz", "foo bar baz", true);
        check("<_> bar", "foo bar baz", false);
        check("<_>bar<_>", " bar ", true);
        check("", "", true);
        check("", "x", false);
        check("<_>", "x", true);
        check("<_>", "", false);
        check("한<_>글", "한 글", true);
    }

    #[test]
    fn named_and_consecutive_captures_are_refused() {
        let error = |pattern| LinePattern::parse(pattern).expect_err("refused");
        assert_eq!(error("<_> <a> <_>"), "named captures are not allowed: found '<a>'");
        assert_eq!(error("<_><_>"), "found consecutive capture '<_><_>': invalid expression");
    }
}
