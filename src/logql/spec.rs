//! Runs the cases of `tests/logql/syntax/*.test`, and holds printing and parsing against each other.
//!
//! A case is a query, on one line or several, and below it what comes of it:
//!
//! ```text
//! => text     parsed, and printed on one line
//! !! text     refused, with this error
//! ?? text     the hint that goes with the error
//! ~> text     read as a search box reads it, and printed on one line
//! ~! text     refused by the search box, with this error
//! || text     one line of what format_query makes of it
//! ```
//!
//! Cases are parted by empty lines; a line that starts with `#` and a blank is a remark.

use std::fs;
use std::path::Path;

use proptest::prelude::{ProptestConfig, proptest};
use proptest::{prop_assert, prop_assert_eq};

use crate::logql::parser::parse_any;
use crate::logql::{ParseError, ast, format_query, parse, parse_lenient};

const SIGNS: [&str; 6] = ["=>", "!!", "??", "~>", "~!", "||"];

#[test]
fn every_case_of_the_syntax_files_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logql/syntax");
    let mut case_count = 0;
    let mut failures = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for (first_line, query, expected) in cases(&text) {
            case_count += 1;
            let found = outcome(&query, &expected);
            if found != expected {
                let place = path.file_name().unwrap().to_string_lossy();
                failures.push_str(&format!(
                    "{place}:{first_line}: {query}\n  expected {expected:#?}\n  found {found:#?}\n"
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(case_count > 200, "only {case_count} cases were found");
}

/// The number of the first line, the query, and the lines of the outcome.
fn cases(text: &str) -> Vec<(usize, String, Vec<String>)> {
    let mut cases = Vec::new();
    let mut query: Vec<&str> = Vec::new();
    let mut expected: Vec<String> = Vec::new();
    for (index, line) in text.lines().chain([""]).enumerate() {
        if SIGNS.iter().any(|sign| line.starts_with(sign)) {
            expected.push(line.to_owned());
        } else if line.is_empty() && !expected.is_empty() {
            cases.push((index + 1 - query.len() - expected.len(), query.join("\n"), std::mem::take(&mut expected)));
            query.clear();
        } else if !line.is_empty() && !line.starts_with("# ") && line != "#" {
            assert!(expected.is_empty(), "line {}: an empty line is missing", index + 1);
            query.push(line);
        }
    }
    assert!(query.is_empty(), "the last case has no outcome");
    cases
}

/// What comes of a query, in the shape of the expected lines.
fn outcome(query: &str, expected: &[String]) -> Vec<String> {
    let printed = |sign: char, result: Result<ast::Expr, ParseError>| match result {
        Ok(expr) => (format!("{sign}> {expr}"), None),
        Err(error) => (format!("{}! {error}", if sign == '=' { '!' } else { sign }), error.hint().map(str::to_owned)),
    };
    let mut found = Vec::new();
    let has = |sign: &str| expected.iter().any(|line| line.starts_with(sign));
    if has("=>") || has("!!") {
        found.push(printed('=', parse(query)));
    }
    if has("~>") || has("~!") {
        found.push(printed('~', parse_lenient(query)));
    }
    let mut lines = Vec::new();
    for (line, hint) in found {
        lines.push(line);
        if has("??") {
            lines.extend(hint.map(|hint| format!("?? {hint}")));
        }
    }
    if has("||") {
        match parse(query) {
            Ok(expr) => lines.extend(format_query(&expr).lines().map(|line| format!("|| {line}"))),
            Err(error) => lines.push(format!("!! {error}")),
        }
    }
    lines
}

/// Tests run on stacks of 2 MiB, as the threads that serve queries do.
#[test]
fn the_deepest_queries_fit_the_stack_and_deeper_ones_are_refused() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let deepest = [
        nested("(", "vector(1)", ")", 160),
        nested("sum(", "vector(1)", ")", 50),
        nested("label_replace(", "vector(1)", ",\"a\",\"b\",\"c\",\"d\")", 50),
        nested("vector(1) ^ ", "vector(1)", "", 150),
        nested("vector(1) + ", "vector(1)", "", 150),
        nested("(sum((vector(1) + ", "vector(1)", ")))", 37),
        format!("rate({})", nested("(", "{a=\"b\"}[5m]", ")", 160)),
        format!("{{a=\"b\"}} | {}", nested("(", "c=5", ")", 10_000)),
        format!("{{a=\"b\"}} | {}", nested("c=5 and ", "c=5", "", 499)),
        format!("{{a=\"b\"}} | {}", nested("c=5, ", "c=5", "", 499)),
        format!("{{a=\"b\"}} {}", "|= `x` | json ".repeat(1000)),
    ];
    for query in deepest {
        let expr = parse(&query).unwrap();
        assert_eq!(parse(&expr.clone().to_string()).as_ref(), Ok(&expr));
        assert!(parse(&format_query(&expr)).is_ok());
    }
    for query in [
        nested("(", "vector(1)", ")", 30_000),
        nested("sum(", "vector(1)", ")", 20_000),
        nested("1 ^ ", "1", "", 30_000),
        nested("vector(1) + ", "vector(1)", "", 10_000),
        format!("rate({}", "(".repeat(100_000)),
        format!("{{a=\"b\"}} | {}", nested("c=5 or ", "c=5", "", 15_000)),
    ] {
        let error = parse(&query).unwrap_err().to_string();
        assert!(error.contains("too deep") || error.contains("too many"), "{error}");
        // whatever it makes of it, it must come back
        drop(parse_lenient(&query));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_as_the_same(expr in crate::logql::generate::expr()) {
        let text = expr.to_string();
        prop_assert_eq!(&parse_any(&text), &Ok(expr.clone()), "{}", text);
        let text = format_query(&expr);
        prop_assert_eq!(parse_any(&text), Ok(expr), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "[ {}()|=!~<>,.\"`'#a-z0-9\\[\\]\\\\\n*/+-]{0,40}|\\PC{0,20}") {
        for result in [parse(&text), parse_lenient(&text)] {
            if let Err(error) = result {
                let span = error.span();
                prop_assert!(span.start <= span.end && text.get(span).is_some());
            }
        }
    }

    #[test]
    fn no_words_of_the_language_make_the_parsers_panic(words in proptest::collection::vec(crate::logql::generate::word(), 0..30)) {
        let text = words.join(" ");
        if let Ok(expr) = parse(&text) {
            prop_assert_eq!(parse(&expr.to_string()), Ok(expr));
        }
    }
}
