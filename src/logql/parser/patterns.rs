//! How many regular expressions a query may have, and of what size: compiled, each takes far more memory than its text.

use crate::logql::error::ParseError;
use crate::logql::parser::check_length;
use crate::logql::parser::cursor::{Cursor, text};
use crate::logql::token::Kind;
use crate::model::re2;

/// Patterns of a query.
const PATTERNS_MAX: usize = 200;
/// Of so many patterns each may be as large as a pattern may be at all; of more, each must be small. So those of a
/// query take some 64 MiB at most.
const LARGE_MAX: usize = 16;

/// Looks at the patterns before any is compiled. What is wrong with the rest of the text is for the parser to say.
pub(super) fn check(texts: &[&str]) -> Result<(), ParseError> {
    let mut patterns = Vec::new();
    for query in texts {
        check_length(query)?;
        gather(query, &mut patterns);
    }
    let whole = 0..texts.first().map_or(0, |text| text.len());
    if patterns.len() > PATTERNS_MAX {
        let count = patterns.len();
        let message = format!("too many regular expressions: {count}, of which a query may have {PATTERNS_MAX}");
        return Err(ParseError::rule(message, whole));
    }
    if patterns.len() > LARGE_MAX && patterns.iter().any(|pattern| !re2::is_small(pattern)) {
        let message = format!(
            "regular expressions too large: where a query has more than {LARGE_MAX}, each may take {} KiB once it is \
             compiled",
            re2::SMALL_BYTES_MAX >> 10
        );
        return Err(ParseError::rule(message, whole));
    }
    Ok(())
}

/// The texts that stand where a pattern may stand.
fn gather(query: &str, patterns: &mut Vec<String>) {
    let mut cursor = Cursor::new(query);
    let mut before = Kind::End;
    // the operator that the last text followed, across `or`
    let mut is_matching = false;
    // the last text behind a comma is a pattern where it ends a `label_replace`
    let mut last_argument = None;
    let mut has_replace = false;
    loop {
        let token = cursor.take();
        let kind = token.kind;
        match kind {
            Kind::End => return,
            Kind::Text => match before {
                Kind::Matches | Kind::NotMatches | Kind::PipeMatches | Kind::Regexp => {
                    is_matching = true;
                    patterns.push(text(token));
                }
                Kind::Or if is_matching => patterns.push(text(token)),
                Kind::Comma if has_replace => last_argument = Some(text(token)),
                _ => is_matching = false,
            },
            Kind::CloseParen if before == Kind::Text => patterns.extend(last_argument.take()),
            Kind::LabelReplace => has_replace = true,
            Kind::Or => {}
            _ => is_matching = false,
        }
        before = kind;
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::{parse, parse_selectors};

    fn message(query: &str) -> Option<String> {
        parse(query).err().map(|error| error.to_string())
    }

    fn selector(pattern: &str, count: usize) -> String {
        format!("{{{}}}", (0..count).map(|at| format!("l{at}=~`{pattern}`")).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn a_query_has_so_many_patterns_and_no_more() {
        assert_eq!(message(&selector("a.+", 200)), None);
        assert!(message(&selector("a.+", 201)).expect("too many").contains("201, of which a query may have 200"));
        let stages = format!("{{a=\"b\"}} {}", "|~ `x` or `y` | regexp `(?P<a>.)` ".repeat(67));
        assert!(message(&stages).expect("too many").contains("201, of which"));
        let replaced = "label_replace(".repeat(40) + "rate({a=\"b\"}[1m])" + &", `a`, `$1`, `c`, `d.*`)".repeat(40);
        assert_eq!(message(&replaced), None);
        let many = vec!["{a=~\"x.+\"}"; 201];
        assert!(parse_selectors(&many).is_err() && parse_selectors(&many[..100]).is_ok());
    }

    #[test]
    fn many_large_patterns_are_refused_and_a_few_are_not() {
        assert_eq!(message(&selector("\\pL{20}x+", 2)), None);
        assert!(message(&selector("\\pL{200}", 17)).expect("too large").contains("more than 16"));
        assert!(message("{a=~\"\\\\pL{1000}{1000}\"}").is_some());
    }
}
