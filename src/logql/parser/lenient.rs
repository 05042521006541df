//! What people type into a search box.
//!
//! Everything that Loki takes is taken with the same meaning, and also:
//!
//! - nothing, or only blanks: every line;
//! - `{}`, alone or within a metric query: all streams;
//! - no selector at all: all streams, so `|= "x" | json` is `{} |= "x" | json`;
//! - words: every line that has all of them, in any order and these capitals. `timeout` is `{} |= "timeout"`, and
//!   `{app="a"} timeout "two words"` is `{app="a"} |= "timeout" |= "two words"`.
//!
//! A word is anything between blanks, or a quoted text with blanks in it. Words stand behind the selector, before,
//! between and behind line filters, but not behind the first other stage. Line filters and stages begin at a word that
//! starts with `|`, or with `!=`, `!~` or `!>` before a quoted text. A number alone is a word (`404`), not arithmetic, and
//! there are no comments between words (`#7`). A text that begins like LogQL (with `{`, or with a function and its
//! bracket) is LogQL: what is wrong with it is said, not searched for.

use crate::logql::ast::{Expr, LineFilter, LineOp, LineTest, LogExpr, MetricExpr, Stage};
use crate::logql::error::ParseError;
use crate::logql::parser::patterns;
use crate::logql::parser::stages::UnwrapNext;
use crate::logql::parser::{EmptySelector, Parser, check_length, parse_with};
use crate::logql::token::Kind;

/// Reads a query or words to search for, as the pages take them. See the module for the rules.
pub fn parse_lenient(text: &str) -> Result<Expr, ParseError> {
    check_length(text)?;
    patterns::check(&[text])?;
    if text.trim().is_empty() {
        return Ok(Expr::Log(LogExpr { selector: Vec::new(), stages: Vec::new() }));
    }
    let mut parser = Parser::new(text, EmptySelector::Allowed);
    match parser.cursor.peek() {
        Kind::OpenBrace => {
            // words may follow, but a query that has none gets the errors of a query
            let strict = parse_with(text, EmptySelector::Allowed);
            strict.or_else(|error| parser.search().map_err(|found| furthest(error, found)))
        }
        Kind::RangeOp(_) | Kind::VectorOp(_) | Kind::VectorOf | Kind::LabelReplace | Kind::Variants => {
            parse_with(text, EmptySelector::Allowed)
        }
        _ => match parse_with(text, EmptySelector::Allowed) {
            Ok(Expr::Metric(MetricExpr::Literal(_))) | Err(_) => parser.search(),
            Ok(expr) => Ok(expr),
        },
    }
}

/// The error that is further on in the text tells more.
fn furthest(strict: ParseError, lenient: ParseError) -> ParseError {
    if lenient.span().start > strict.span().start { lenient } else { strict }
}

impl Parser<'_> {
    /// A selector or none, then words and stages.
    fn search(&mut self) -> Result<Expr, ParseError> {
        let selector = if self.cursor.peek() == Kind::OpenBrace { self.selector()? } else { Vec::new() };
        let mut stages = Vec::new();
        loop {
            let rest = self.cursor.untaken();
            let blank = rest.len() - rest.trim_start().len();
            let rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(Expr::Log(LogExpr { selector, stages }));
            }
            // words may look like comments or like literals that cannot be read: forget what was read ahead
            self.cursor.skip(blank);
            if begins_line_filter(rest) {
                self.line_filter(&mut stages)?;
            } else if rest.starts_with('|') {
                break;
            } else if rest.starts_with(['"', '`']) {
                let word = self.cursor.quoted()?;
                stages.push(contains(word));
            } else {
                let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
                self.cursor.skip(length);
                stages.push(contains(rest[..length].to_owned()));
            }
        }
        let next = self.stages(&mut stages)?;
        if next == UnwrapNext::Yes || self.cursor.peek() != Kind::End {
            return Err(self.cursor.unexpected(&[]));
        }
        match self.cursor.lexer_error() {
            Some(error) => Err(error),
            None => Ok(Expr::Log(LogExpr { selector, stages })),
        }
    }
}

/// Whether a text begins with a line filter. What could be a word too is one only before a quoted text.
fn begins_line_filter(text: &str) -> bool {
    let operand = |sign: &str| text.strip_prefix(sign).map(str::trim_start);
    ["|=", "|~", "|>"].iter().any(|sign| text.starts_with(sign))
        || ["!=", "!~", "!>"].iter().any(|sign| operand(sign).is_some_and(|text| text.starts_with(['"', '`'])))
}

fn contains(text: String) -> Stage {
    Stage::Line(LineFilter { op: LineOp::Contains, alternatives: vec![LineTest::Text(text)] })
}

#[cfg(test)]
mod tests {
    use crate::logql::{parse, parse_lenient};

    fn check(text: &str, expected: &str) {
        match parse_lenient(text) {
            Ok(expr) => assert_eq!(expr.to_string(), expected, "{text}"),
            Err(error) => panic!("{text}: {error}"),
        }
    }

    #[test]
    fn words_are_looked_for_in_every_line() {
        check("", "{}");
        check(" \n", "{}");
        check("timeout", r#"{} |= "timeout""#);
        check("404", r#"{} |= "404""#);
        check("10.0.0.1:8080", r#"{} |= "10.0.0.1:8080""#);
        check("connection \"was refused\"", r#"{} |= "connection" |= "was refused""#);
        check("it's #7 (again) a|b", r##"{} |= "it's" |= "#7" |= "(again)" |= "a|b""##);
        check("안녕 세상", r#"{} |= "안녕" |= "세상""#);
        check("a != b", r#"{} |= "a" |= "!=" |= "b""#);
        check("C:\\temp // x", r#"{} |= "C:\\temp" |= "//" |= "x""#);
        check("rate limit", r#"{} |= "rate" |= "limit""#);
        check("5m -1 1e", r#"{} |= "5m" |= "-1" |= "1e""#);
        check("a=\"b c\"", r#"{} |= "a=\"b" |= "c\"""#);
    }

    #[test]
    fn words_and_stages_go_together() {
        check("{app=\"a\"} timeout \"two words\"", r#"{app="a"} |= "timeout" |= "two words""#);
        check("{app=\"a\"} timeout != \"x\" more", r#"{app="a"} |= "timeout" != "x" |= "more""#);
        check("timeout | json | status >= 500", r#"{} |= "timeout" | json | status>=500"#);
        check("|= \"x\" | json", r#"{} |= "x" | json"#);
        check("!= \"x\"", r#"{} != "x""#);
        check("{} | json", "{} | json");
        check("{app=~\".*\"}", r#"{app=~".*"}"#);
    }

    #[test]
    fn queries_stay_queries() {
        for text in [r#"{app="a"} |= "x" | json"#, r#"sum(rate({app="a"}[5m]))"#, "vector(1.000000)", r#"rate({}[5m])"#]
        {
            check(text, text);
        }
        for text in ["{app=\"a\"", "rate({app=\"a\"}[5m]", "{app=\"a\"} | nosuch", "sum({app=\"a\"})"] {
            let strict = parse(text).expect_err("the text is broken").to_string();
            assert_eq!(parse_lenient(text).expect_err("the text is broken").to_string(), strict);
        }
        let error = parse_lenient("timeout \"two wor").expect_err("the quote is open");
        assert_eq!(
            (error.to_string().as_str(), error.span()),
            ("parse error at line 1, col 9: literal not terminated", 8..16)
        );
    }
}
