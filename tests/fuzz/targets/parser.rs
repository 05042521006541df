//! Queries: no text makes a parser fail in another way than with an error that has a place; what is read prints as
//! what reads the same; and whatever stages come of it take any line.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logcafe::logql::ast::{Expr, LogExpr};
use logcafe::logql::{ParseError, highlight, parse, parse_lenient};
use logcafe_fuzz::{check_lines, check_printing};

const LINES: &str =
    "level=error a=1 b=\"two words\" took=5ms\n{\"a\":{\"b\":[1,2]},\"level\":\"x\"}\n10.0.0.1 - GET /a\n";

fuzz_target!(|text: &str| {
    let mut end = 0;
    for piece in highlight(text) {
        assert_eq!(piece.span.start, end);
        end = piece.span.end;
    }
    assert_eq!(end, text.len());
    let strict = parse(text);
    let lenient = parse_lenient(text);
    let parsers: [fn(&str) -> Result<Expr, ParseError>; 2] = [parse, parse_lenient];
    for (result, parser) in [&strict, &lenient].into_iter().zip(parsers) {
        match result {
            Ok(expr) => check_printing(expr, parser),
            Err(error) => {
                assert!(text.get(error.span()).is_some(), "{error} at {:?}", error.span());
                assert!(!error.to_string().is_empty());
            }
        }
    }
    if let Ok(Expr::Log(LogExpr { stages, .. })) = &strict {
        check_lines(stages, &[], LINES);
    }
});
