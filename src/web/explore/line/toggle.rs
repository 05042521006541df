//! A condition on one value of a line, that a tap adds to the query and the next tap takes away again. Pure.

use crate::logql::ast::{LabelFilter, LogExpr, Stage};
use crate::model::MatchOp;
use crate::web::explore::builder::{self, Origin, Parser, Want};

/// The query after a tap, and whether the condition stands in the query before it.
#[derive(Debug, PartialEq)]
pub(crate) struct Toggle {
    pub(crate) expr: LogExpr,
    pub(crate) is_on: bool,
}

/// The query with the condition where it has none, else without it.
pub(crate) fn toggle(expr: &LogExpr, origin: Origin, name: &str, value: &str, want: Want) -> Toggle {
    let op = match want {
        Want::With => MatchOp::Equal,
        Want::Without => MatchOp::NotEqual,
    };
    let mut edited = expr.clone();
    if origin == Origin::Stream {
        edited.selector.retain(|matcher| (matcher.name(), matcher.op(), matcher.value()) != (name, op, value));
    } else {
        let is_it = |stage: &Stage| {
            matches!(stage, Stage::Label(LabelFilter::Text { name: other, op: sign, value: text })
                if other == name && *sign == op && text == value)
        };
        if let Some(index) = edited.stages.iter().position(is_it) {
            edited.stages.remove(index);
            // the parser that came with the condition goes with it
            if index == edited.stages.len() && index > 0 && is_whole_parser(&edited.stages[index - 1]) {
                edited.stages.pop();
            }
        }
    }
    if edited != *expr {
        return Toggle { expr: edited, is_on: true };
    }
    Toggle { expr: builder::with_value(expr, origin, name, value, want), is_on: false }
}

fn is_whole_parser(stage: &Stage) -> bool {
    [Parser::Json, Parser::Logfmt].iter().any(|parser| parser.stage() == *stage)
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Expr, LogExpr};
    use crate::web::explore::builder::{self, Origin, Parser, Want};
    use crate::web::explore::line::toggle::toggle;

    fn expr(query: &str) -> LogExpr {
        match crate::logql::parse_lenient(query) {
            Ok(Expr::Log(expr)) => expr,
            other => panic!("{query} is no log query: {other:?}"),
        }
    }

    #[test]
    fn the_second_tap_undoes_the_first() {
        let parsed = Origin::Parsed(Some(Parser::Json));
        for (query, origin, want, expected) in [
            (r#"{app="web"}"#, parsed, Want::With, r#"{app="web"} | json | status="500""#),
            (r#"{app="web"}"#, Origin::Stream, Want::Without, r#"{app="web", status!="500"}"#),
            (r#"{app="web"} |= "x""#, Origin::Structured, Want::With, r#"{app="web"} |= "x" | status="500""#),
        ] {
            let first = toggle(&expr(query), origin, "status", "500", want);
            assert_eq!((builder::text(&first.expr).as_str(), first.is_on), (expected, false));
            let origin = if origin == parsed { Origin::Parsed(None) } else { origin };
            let second = toggle(&first.expr, origin, "status", "500", want);
            assert_eq!((builder::text(&second.expr).as_str(), second.is_on), (query, true));
        }
    }

    #[test]
    fn a_parser_that_others_need_stays() {
        let query = expr(r#"{app="web"} | json | status="500" | took>5s"#);
        let off = toggle(&query, Origin::Parsed(None), "status", "500", Want::With);
        assert_eq!(builder::text(&off.expr), r#"{app="web"} | json | took>5s"#);
    }

    #[test]
    fn wanting_and_not_wanting_take_each_others_place() {
        let with = expr(r#"{app="web"} | trace="7""#);
        let without = toggle(&with, Origin::Structured, "trace", "7", Want::Without);
        assert_eq!((builder::text(&without.expr).as_str(), without.is_on), (r#"{app="web"} | trace!="7""#, false));
    }
}
