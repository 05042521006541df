//! The conditions of a query as chips: each with the query that lacks it, and the one that asks for its opposite.
//!
//! Promises: every condition and stage of the query is in a chip, in the search box or among the levels; what has no
//! words of its own stands there as it is written. Pure.

use crate::logql::ast::{Comparison, LabelFilter, LineFilter, LineOp, LineTest, LogExpr, Stage};
use crate::model::{MatchOp, Matcher};
use crate::web::explore::{builder, literal};
use crate::web::language::Language;

/// A condition of the query in words, and the queries that a tap makes of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chip {
    pub(crate) text: String,
    pub(crate) without: LogExpr,
    /// With the opposite of this condition, where that is a single one too.
    pub(crate) flipped: Option<LogExpr>,
    /// Whether it leaves lines out.
    pub(crate) negative: bool,
}

/// Every condition but those of the search box and of the levels, which have places of their own.
pub(crate) fn chips(expr: &LogExpr, say: Language) -> Vec<Chip> {
    let search = builder::search_index(expr);
    let selector = expr.selector.iter().enumerate().map(|(index, matcher)| {
        let mut without = expr.clone();
        without.selector.remove(index);
        let flipped = flipped_matcher(matcher).map(|matcher| {
            let mut flipped = expr.clone();
            flipped.selector[index] = matcher;
            flipped
        });
        let negative = matches!(matcher.op(), MatchOp::NotEqual | MatchOp::NotRegex);
        Chip { text: compare_words(matcher.name(), matcher.op(), matcher.value(), say), without, flipped, negative }
    });
    let stages = expr.stages.iter().enumerate();
    let shown = stages.filter(|(index, stage)| Some(*index) != search && builder::shown_levels(stage).is_none());
    let stage = |(index, stage): (usize, &Stage)| {
        let mut without = expr.clone();
        without.stages.remove(index);
        let flipped = flipped_stage(stage).map(|stage| {
            let mut flipped = expr.clone();
            flipped.stages[index] = stage;
            flipped
        });
        Chip { text: stage_words(stage, say), without, flipped, negative: is_negative(stage) }
    };
    selector.chain(shown.map(stage)).collect()
}

/// The query in words, condition by condition.
pub(in crate::web) fn conditions(expr: &LogExpr, say: Language) -> Vec<String> {
    let mut words: Vec<String> = chips(expr, say).into_iter().map(|chip| chip.text).collect();
    let search = builder::search(expr);
    if !search.text.is_empty() {
        words.push(format!("“{}”", search.text));
    }
    let levels: Vec<&str> = builder::levels(expr).iter().map(|level| level.said(say)).collect();
    if !levels.is_empty() {
        words.push(levels.join(", "));
    }
    words
}

fn flipped_matcher(matcher: &Matcher) -> Option<Matcher> {
    Matcher::new(opposite(matcher.op()), matcher.name(), matcher.value()).ok()
}

fn opposite(op: MatchOp) -> MatchOp {
    match op {
        MatchOp::Equal => MatchOp::NotEqual,
        MatchOp::NotEqual => MatchOp::Equal,
        MatchOp::Regex => MatchOp::NotRegex,
        MatchOp::NotRegex => MatchOp::Regex,
    }
}

fn flipped_stage(stage: &Stage) -> Option<Stage> {
    match stage {
        Stage::Line(LineFilter { op, alternatives }) if alternatives.len() == 1 => {
            let op = match op {
                LineOp::Contains => LineOp::NotContains,
                LineOp::NotContains => LineOp::Contains,
                LineOp::Matches => LineOp::NotMatches,
                LineOp::NotMatches => LineOp::Matches,
                LineOp::Pattern => LineOp::NotPattern,
                LineOp::NotPattern => LineOp::Pattern,
            };
            Some(Stage::Line(LineFilter { op, alternatives: alternatives.clone() }))
        }
        Stage::Label(filter) => flipped_filter(filter).map(Stage::Label),
        _ => None,
    }
}

/// Not for sizes and times written with a sign that has no equal opposite, nor for conditions of several parts.
fn flipped_filter(filter: &LabelFilter) -> Option<LabelFilter> {
    let mut flipped = filter.clone();
    match &mut flipped {
        LabelFilter::Text { op, .. } => *op = opposite(*op),
        LabelFilter::Number { op, .. } | LabelFilter::Duration { op, .. } | LabelFilter::Bytes { op, .. } => {
            *op = match op {
                Comparison::Equal => Comparison::NotEqual,
                Comparison::NotEqual => Comparison::Equal,
                Comparison::Greater => Comparison::LessOrEqual,
                Comparison::LessOrEqual => Comparison::Greater,
                Comparison::Less => Comparison::GreaterOrEqual,
                Comparison::GreaterOrEqual => Comparison::Less,
            }
        }
        LabelFilter::Ip { negated, .. } => *negated = !*negated,
        LabelFilter::And(..) | LabelFilter::Or(..) => return None,
    }
    Some(flipped)
}

fn is_negative(stage: &Stage) -> bool {
    match stage {
        Stage::Line(LineFilter { op, .. }) => {
            matches!(op, LineOp::NotContains | LineOp::NotMatches | LineOp::NotPattern)
        }
        Stage::Label(LabelFilter::Text { op, .. }) => matches!(op, MatchOp::NotEqual | MatchOp::NotRegex),
        Stage::Label(LabelFilter::Ip { negated, .. }) => *negated,
        Stage::Label(
            LabelFilter::Number { op, .. } | LabelFilter::Duration { op, .. } | LabelFilter::Bytes { op, .. },
        ) => *op == Comparison::NotEqual,
        _ => false,
    }
}

fn compare_words(name: &str, op: MatchOp, value: &str, say: Language) -> String {
    let joined = |values: Vec<String>| values.into_iter().reduce(|one, other| say.says_or(&one, &other));
    let values = match op {
        MatchOp::Equal | MatchOp::NotEqual => Some(value.to_owned()),
        MatchOp::Regex | MatchOp::NotRegex => literal::split(value).and_then(joined),
    };
    match (op, values) {
        (MatchOp::Equal | MatchOp::NotEqual, Some(value)) if value.is_empty() => match op {
            MatchOp::Equal => say.says_missing(name),
            _ => say.says_present(name),
        },
        (MatchOp::Equal | MatchOp::Regex, Some(values)) => format!("{name} = {values}"),
        (MatchOp::NotEqual | MatchOp::NotRegex, Some(values)) => format!("{name} ≠ {values}"),
        (op, None) => format!("{name} {} {value}", op.sign()),
    }
}

fn stage_words(stage: &Stage, say: Language) -> String {
    match stage {
        Stage::Label(LabelFilter::Text { name, op, value }) => compare_words(name, *op, value, say),
        Stage::Label(filter) => filter.to_string(),
        Stage::Line(LineFilter { op, alternatives }) => match (op, alternatives.as_slice()) {
            (LineOp::Contains, [LineTest::Text(text)]) => format!("“{text}”"),
            (LineOp::NotContains, [LineTest::Text(text)]) => say.chip_excludes(text),
            _ => stage.to_string(),
        },
        _ => stage.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Expr, LogExpr};
    use crate::web::explore::builder::text;
    use crate::web::explore::chips::chips;
    use crate::web::language::Language;

    fn expr(query: &str) -> LogExpr {
        match crate::logql::parse_lenient(query) {
            Ok(Expr::Log(expr)) => expr,
            other => panic!("{query} is no log query: {other:?}"),
        }
    }

    #[test]
    fn every_other_condition_is_a_chip_that_takes_itself_away() {
        let query = r#"{app="web", host!~"a|b"} |= "x" != "y" |~ "z+" | detected_level="error" | json | status=500"#;
        let chips = chips(&expr(query), Language::English);
        let words: Vec<&str> = chips.iter().map(|chip| chip.text.as_str()).collect();
        assert_eq!(words, ["app = web", "host ≠ a or b", "not “y”", "|~ \"z+\"", "| json", "status==500"]);
        for chip in &chips {
            assert_eq!(expr(&text(&chip.without)), chip.without);
        }
        assert_eq!(
            text(&chips[4].without),
            r#"{app="web", host!~"a|b"} |= "x" != "y" |~ "z+" | detected_level="error" | status==500"#
        );
    }

    #[test]
    fn a_condition_flips_to_its_opposite_and_back() {
        let check = |query: &str, expected: &str| {
            let flipped = chips(&expr(query), Language::English).pop().unwrap().flipped.map(|expr| text(&expr));
            assert_eq!(flipped.as_deref(), Some(expected));
            let back = chips(&expr(expected), Language::English).pop();
            // what flips into the search box flips back there
            if let Some(back) = back.and_then(|chip| chip.flipped) {
                assert_eq!(text(&back), text(&expr(query)));
            }
        };
        check(r#"{app="web"}"#, r#"{app!="web"}"#);
        check(r#"{app=~"a|b"}"#, r#"{app!~"a|b"}"#);
        check(r#"{} |= "x" != "y""#, r#"{} |= "x" |= "y""#);
        check(r#"{} |= "x" |~ "y+""#, r#"{} |= "x" !~ "y+""#);
        check(r#"{} | json | status>=500"#, "{} | json | status<500");
        check(r#"{} | addr=ip("10.0.0.0/8")"#, r#"{} | addr!=ip("10.0.0.0/8")"#);
        let none = |query: &str| assert_eq!(chips(&expr(query), Language::English).pop().unwrap().flipped, None);
        none("{} | json");
        none(r#"{} |= "x" or "y""#);
        none(r#"{} | a="b" or c="d""#);
    }

    #[test]
    fn chips_speak_the_language_of_the_reader() {
        let chips = chips(&expr(r#"{app=~"a|b"} != "y" | trace="""#), Language::Korean);
        let words: Vec<&str> = chips.iter().map(|chip| chip.text.as_str()).collect();
        assert_eq!(words, ["app = a 또는 b", "“y” 제외", "trace 없음"]);
    }
}
