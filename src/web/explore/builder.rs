//! Edits of a query: what a tap on a label, a level, a value or the search box makes of the expression.
//!
//! Chips and LogQL are two writings of one expression: every edit goes from tree to tree, so neither can drift from
//! the other. Pure.

use crate::logql::ast::{Expr, LabelFilter, LineFilter, LineOp, LineTest, LogExpr, Stage};
use crate::model::{MatchOp, Matcher};
use crate::web::explore::level::Level;
use crate::web::explore::literal;

/// Where the level of a line stands: found at ingest for every line, as in Loki.
pub(crate) const LEVEL_LABEL: &str = "detected_level";

/// Whether letters of the other case are hits too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    #[default]
    Exact,
    Either,
}

/// What stands in the search box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Search {
    pub(crate) text: String,
    pub(crate) case: Case,
}

/// Whether lines with a value are wanted or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    With,
    Without,
}

/// Where a name and value of a line come from, which decides how a query asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Stream,
    Structured,
    /// Made by a stage of the query, or by this parser if the query had it.
    Parsed(Option<Parser>),
}

/// A parser that takes every field of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parser {
    Json,
    Logfmt,
}

impl Parser {
    pub(crate) fn stage(self) -> Stage {
        match self {
            Parser::Json => Stage::Json(Vec::new()),
            Parser::Logfmt => Stage::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() },
        }
    }
}

/// The query as LogQL.
pub(crate) fn text(expr: &LogExpr) -> String {
    Expr::Log(expr.clone()).to_string()
}

/// What the search box shows: the first filter for a plain text.
pub(crate) fn search(expr: &LogExpr) -> Search {
    search_index(expr).and_then(|index| searched(&expr.stages[index])).unwrap_or_default()
}

/// The query with another text in the search box; an empty one takes the filter away.
pub(crate) fn with_search(expr: &LogExpr, search: &Search) -> LogExpr {
    let mut edited = expr.clone();
    let index = search_index(expr);
    let stage = (!search.text.is_empty()).then(|| match search.case {
        Case::Exact => line_stage(LineOp::Contains, search.text.clone()),
        Case::Either => line_stage(LineOp::Matches, format!("(?i){}", literal::quote(&search.text))),
    });
    match (index, stage) {
        (Some(index), Some(stage)) => edited.stages[index] = stage,
        (Some(index), None) => drop(edited.stages.remove(index)),
        // first, because a filter is cheapest before anything is parsed, and sees the line as it was stored
        (None, Some(stage)) => edited.stages.insert(0, stage),
        (None, None) => {}
    }
    edited
}

/// The query with one more line filter, behind those it has.
pub(crate) fn with_line_filter(expr: &LogExpr, op: LineOp, text: &str) -> LogExpr {
    let mut edited = expr.clone();
    let at = expr.stages.iter().take_while(|stage| matches!(stage, Stage::Line(_))).count();
    edited.stages.insert(at, line_stage(op, text.to_owned()));
    edited
}

/// The values of a label that the selector picks, where it names them.
pub(crate) fn picked(selector: &[Matcher], name: &str) -> Vec<String> {
    selector
        .iter()
        .filter(|matcher| matcher.name() == name)
        .flat_map(|matcher| matcher_values(matcher).unwrap_or_default())
        .collect()
}

/// Adds a value to those picked of a label, or takes it away.
pub(crate) fn with_toggled_label(expr: &LogExpr, name: &str, value: &str) -> LogExpr {
    let mut values = picked(&expr.selector, name);
    toggle(&mut values, value);
    let mut edited = expr.clone();
    let position =
        edited.selector.iter().position(|matcher| matcher.name() == name && matcher_values(matcher).is_some());
    edited.selector.retain(|matcher| matcher.name() != name || matcher_values(matcher).is_none());
    if let Some(matcher) = matcher_for(name, &values) {
        let at = position.unwrap_or(edited.selector.len()).min(edited.selector.len());
        edited.selector.insert(at, matcher);
    }
    edited
}

/// The levels that the query shows; none where it shows all.
pub(crate) fn levels(expr: &LogExpr) -> Vec<Level> {
    expr.stages.iter().find_map(shown_levels).unwrap_or_default()
}

/// The query for one more level, or one less.
pub(crate) fn with_toggled_level(expr: &LogExpr, level: Level) -> LogExpr {
    let mut shown = levels(expr);
    match shown.iter().position(|other| *other == level) {
        Some(index) => drop(shown.remove(index)),
        None => shown.push(level),
    }
    shown.sort();
    let mut edited = without_levels(expr);
    if let Some((op, value)) = level_condition(&shown) {
        let at = edited.stages.iter().take_while(|stage| matches!(stage, Stage::Line(_))).count();
        edited.stages.insert(at, Stage::Label(LabelFilter::Text { name: LEVEL_LABEL.to_owned(), op, value }));
    }
    edited
}

/// The query for all levels.
pub(crate) fn without_levels(expr: &LogExpr) -> LogExpr {
    let mut edited = expr.clone();
    edited.stages.retain(|stage| shown_levels(stage).is_none());
    edited
}

/// The query for lines with, or without, a value that some line has.
pub(crate) fn with_value(expr: &LogExpr, origin: Origin, name: &str, value: &str, want: Want) -> LogExpr {
    let mut edited = expr.clone();
    let op = match want {
        Want::With => MatchOp::Equal,
        Want::Without => MatchOp::NotEqual,
    };
    let overruled = |other: MatchOp, values: &[String]| match want {
        Want::With => other == MatchOp::Equal || values.len() > 1 || values.iter().any(|other| other == value),
        Want::Without => values == [value],
    };
    if origin == Origin::Stream {
        edited.selector.retain(|matcher| {
            matcher.name() != name
                || !values_of(matcher.op(), matcher.value()).is_some_and(|v| overruled(matcher.op(), &v))
        });
        edited.selector.extend(Matcher::new(op, name, value));
        return edited;
    }
    edited.stages.retain(|stage| match stage {
        Stage::Label(LabelFilter::Text { name: other, op, value }) if other == name => {
            !values_of(*op, value).is_some_and(|values| overruled(*op, &values))
        }
        _ => true,
    });
    if let Origin::Parsed(Some(parser)) = origin {
        edited.stages.push(parser.stage());
    }
    edited.stages.push(Stage::Label(LabelFilter::Text { name: name.to_owned(), op, value: value.to_owned() }));
    edited
}

/// The parser that would make fields of a line, if the query has none and the line looks like it.
pub(crate) fn parser_for(expr: &LogExpr, line: &str) -> Option<Parser> {
    let parses = |stage: &Stage| {
        matches!(
            stage,
            Stage::Json(_)
                | Stage::Logfmt { .. }
                | Stage::Regexp(_)
                | Stage::Pattern(_)
                | Stage::Unpack
                | Stage::LineFormat(_)
        )
    };
    if expr.stages.iter().any(parses) {
        return None;
    }
    let line = line.trim();
    if line.starts_with('{') && line.ends_with('}') {
        return Some(Parser::Json);
    }
    let pairs = line.split(' ').filter(|word| {
        word.split_once('=').is_some_and(|(key, value)| {
            !value.is_empty() && key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.chars().all(is_key_char)
        })
    });
    (pairs.count() >= 2).then_some(Parser::Logfmt)
}

fn is_key_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn line_stage(op: LineOp, text: String) -> Stage {
    Stage::Line(LineFilter { op, alternatives: vec![LineTest::Text(text)] })
}

/// Which stage the search box stands for.
pub(crate) fn search_index(expr: &LogExpr) -> Option<usize> {
    expr.stages.iter().position(|stage| searched(stage).is_some())
}

/// What of a stage stands in the search box. A text that would not come back from there as it is has its place among
/// the chips: the ends of what is typed are trimmed, and a box has one line.
fn searched(stage: &Stage) -> Option<Search> {
    search_of(stage).filter(|search| search.text.trim() == search.text && !search.text.contains(['\n', '\r']))
}

fn search_of(stage: &Stage) -> Option<Search> {
    let Stage::Line(LineFilter { op, alternatives }) = stage else { return None };
    let [LineTest::Text(text)] = alternatives.as_slice() else { return None };
    match op {
        LineOp::Contains => Some(Search { text: text.clone(), case: Case::Exact }),
        LineOp::Matches => {
            let text = literal::unquote(text.strip_prefix("(?i)")?)?;
            Some(Search { text, case: Case::Either })
        }
        LineOp::NotContains | LineOp::NotMatches | LineOp::Pattern | LineOp::NotPattern => None,
    }
}

fn toggle(values: &mut Vec<String>, value: &str) {
    match values.iter().position(|other| other == value) {
        Some(index) => drop(values.remove(index)),
        None => values.push(value.to_owned()),
    }
}

/// One value as `=`, several as `=~` of alternatives.
fn matcher_for(name: &str, values: &[String]) -> Option<Matcher> {
    match values {
        [] => None,
        [value] => Some(Matcher::equal(name, value)),
        values => Matcher::new(MatchOp::Regex, name, literal::alternatives(values)).ok(),
    }
}

fn matcher_values(matcher: &Matcher) -> Option<Vec<String>> {
    match matcher.op() {
        MatchOp::Equal | MatchOp::Regex => values_of(matcher.op(), matcher.value()),
        MatchOp::NotEqual | MatchOp::NotRegex => None,
    }
}

/// The values that a comparison names one by one.
fn values_of(op: MatchOp, value: &str) -> Option<Vec<String>> {
    match op {
        MatchOp::Equal | MatchOp::NotEqual => Some(vec![value.to_owned()]),
        MatchOp::Regex | MatchOp::NotRegex => literal::split(value),
    }
}

/// Letters in either case: what is stored of levels that are not known by that name is as it was sent.
const EITHER_CASE: &str = "(?i)";

/// The condition for these levels, and no other; none for all of them, or for no level.
fn level_condition(shown: &[Level]) -> Option<(MatchOp, String)> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    if shown.contains(&Level::Unknown) {
        // whatever is none of the others
        let others = Level::ALL.into_iter().filter(|level| !shown.contains(level));
        let names: Vec<String> = others.flat_map(|level| owned(level.names())).collect();
        let value = format!("{EITHER_CASE}{}", literal::alternatives(&names));
        return (!names.is_empty()).then_some((MatchOp::NotRegex, value));
    }
    let names: Vec<String> = shown.iter().flat_map(|level| owned(level.stored_names())).collect();
    match names.as_slice() {
        [] => None,
        [name] => Some((MatchOp::Equal, name.clone())),
        names => {
            let case = if shown.iter().any(|level| level.stored_names().len() > 1) { EITHER_CASE } else { "" };
            Some((MatchOp::Regex, format!("{case}{}", literal::alternatives(names))))
        }
    }
}

/// The levels that a stage picks, where it does nothing else. One that names a part of the words for a level is a
/// condition like any other: it finds fewer lines than are counted for the level.
pub(crate) fn shown_levels(stage: &Stage) -> Option<Vec<Level>> {
    let Stage::Label(LabelFilter::Text { name, op, value }) = stage else { return None };
    if name != LEVEL_LABEL {
        return None;
    }
    let text = value.strip_prefix(EITHER_CASE).unwrap_or(value);
    let words = literal::split(text)?;
    let is_named = |level: &Level| words.iter().any(|word| Level::named(word) == *level);
    let named: Vec<Level> = Level::ALL.into_iter().filter(is_named).collect();
    let shown = match op {
        MatchOp::Equal | MatchOp::Regex => named,
        MatchOp::NotRegex => Level::ALL.into_iter().filter(|level| !named.contains(level)).collect(),
        MatchOp::NotEqual => return None,
    };
    // whatever the order of the words
    let sorted = |words: &str| {
        let mut words = literal::split(words).unwrap_or_default();
        words.sort();
        words
    };
    let (wanted_op, wanted) = level_condition(&shown)?;
    let (wanted_text, wants_either) = match wanted.strip_prefix(EITHER_CASE) {
        Some(text) => (text, true),
        None => (wanted.as_str(), false),
    };
    let is_alike =
        *op == wanted_op && (!wants_either || text.len() < value.len()) && sorted(text) == sorted(wanted_text);
    is_alike.then_some(shown)
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Expr, LineOp, LogExpr};
    use crate::logql::stage::{Pipeline, Scratch};
    use crate::model::{Labels, Timestamp};
    use crate::web::explore::builder::{
        Case, Origin, Parser, Search, Want, levels, parser_for, picked, search, text, with_line_filter, with_search,
        with_toggled_label, with_toggled_level, with_value, without_levels,
    };
    use crate::web::explore::level::Level;

    fn expr(query: &str) -> LogExpr {
        match crate::logql::parse_lenient(query) {
            Ok(Expr::Log(expr)) => expr,
            other => panic!("{query} is no log query: {other:?}"),
        }
    }

    fn check(edited: &LogExpr, expected: &str) {
        assert_eq!(text(edited), expected);
        assert_eq!(text(&expr(expected)), expected, "what is written is read back");
    }

    fn exact(text: &str) -> Search {
        Search { text: text.to_owned(), case: Case::Exact }
    }

    #[test]
    fn the_search_box_writes_the_first_filter() {
        check(&with_search(&expr(r#"{app="web"} | json"#), &exact("a\"b")), r#"{app="web"} |= "a\"b" | json"#);
        check(&with_search(&expr(r#"{app="web"} |= "x" |= "y""#), &exact("z")), r#"{app="web"} |= "z" |= "y""#);
        check(&with_search(&expr(r#"{app="web"} |= "x" != "y""#), &exact("")), r#"{app="web"} != "y""#);
        let either = Search { text: "a.b".to_owned(), case: Case::Either };
        let edited = with_search(&expr(r#"{app="web"}"#), &either);
        check(&edited, r#"{app="web"} |~ "(?i)a\\.b""#);
        assert_eq!(search(&edited), either);
        assert_eq!(search(&expr(r#"{app="web"} |~ "a.*" |= "x""#)), exact("x"));
        assert_eq!(search(&expr("timeout")), exact("timeout"));
    }

    #[test]
    fn a_text_that_the_search_box_would_change_is_not_in_it() {
        for query in [r#"{app="web"} |= " x""#, r#"{app="web"} |= "a\nb""#, r#"{app="web"} |~ "(?i)x ""#] {
            assert_eq!(search(&expr(query)), Search::default(), "{query}");
            let edited = with_search(&expr(query), &exact("y"));
            check(&edited, &query.replacen("} |", "} |= \"y\" |", 1));
            check(&with_search(&edited, &exact("")), query);
        }
    }

    #[test]
    fn further_filters_stand_behind_those_there_are() {
        let edited = with_line_filter(&expr(r#"{app="web"} |= "x" | json"#), LineOp::NotContains, "y");
        check(&edited, r#"{app="web"} |= "x" != "y" | json"#);
    }

    #[test]
    fn labels_are_picked_one_by_one() {
        let one = with_toggled_label(&expr(r#"{host="a"} | json"#), "app", "web");
        check(&one, r#"{host="a", app="web"} | json"#);
        let two = with_toggled_label(&one, "app", "d.b");
        check(&two, r#"{host="a", app=~"web|d\\.b"} | json"#);
        assert_eq!(picked(&two.selector, "app"), ["web", "d.b"]);
        check(&with_toggled_label(&two, "app", "web"), r#"{host="a", app="d.b"} | json"#);
        check(&with_toggled_label(&one, "app", "web"), r#"{host="a"} | json"#);
        let pattern = expr(r#"{app=~"w.*"}"#);
        check(&with_toggled_label(&pattern, "app", "web"), r#"{app=~"w.*", app="web"}"#);
    }

    #[test]
    fn levels_are_picked_one_by_one() {
        let errors = with_toggled_level(&expr(r#"{app="web"} |= "x" | json"#), Level::Error);
        check(&errors, r#"{app="web"} |= "x" | detected_level="error" | json"#);
        let both = with_toggled_level(&errors, Level::Critical);
        let critical = "critical|fatal|emergency|emerg|alert|crit|panic";
        check(&both, &format!(r#"{{app="web"}} |= "x" | detected_level=~"(?i){critical}|error" | json"#));
        assert_eq!(levels(&both), [Level::Critical, Level::Error]);
        check(&without_levels(&both), r#"{app="web"} |= "x" | json"#);
        check(&with_toggled_level(&errors, Level::Error), r#"{app="web"} |= "x" | json"#);
    }

    /// Every word that any level has, and some that none has, in any case: each is in the lines of its own level alone.
    #[test]
    fn a_level_is_asked_for_as_it_is_counted() {
        let engine_words = ["NOTICE", "Crit", "emerg", "alert", "panic", "verbose", "informational", ""];
        let stored = Level::ALL.iter().flat_map(|level| level.stored_names()).copied().chain(engine_words);
        let words: Vec<&str> = stored.collect();
        let start = expr(r#"{app="web"}"#);
        let (stream, mut scratch) = (Labels::from([("app", "web")]), Scratch::default());
        for first in Level::ALL {
            for second in Level::ALL {
                let mut edited = with_toggled_level(&start, first);
                if second != first {
                    edited = with_toggled_level(&edited, second);
                }
                let mut shown = vec![first, second];
                shown.sort();
                shown.dedup();
                assert_eq!(levels(&edited), shown, "{}", text(&edited));
                assert_eq!(without_levels(&edited), start);
                let pipeline = Pipeline::new(&edited.stages).expect("it compiles");
                for word in &words {
                    let metadata = Labels::from([("detected_level", *word)]);
                    let found = pipeline.process(Timestamp::default(), "x", &stream, &metadata, &mut scratch);
                    assert_eq!(found.is_some(), shown.contains(&Level::named(word)), "{word} in {}", text(&edited));
                }
            }
        }
    }

    #[test]
    fn a_part_of_the_words_for_a_level_is_a_condition_like_others() {
        for query in [
            r#"{app="web"} | detected_level="critical""#,
            r#"{app="web"} | detected_level=~"critical|fatal""#,
            r#"{app="web"} | detected_level="notice""#,
            r#"{app="web"} | detected_level="unknown""#,
            r#"{app="web"} | detected_level!="debug""#,
        ] {
            assert_eq!((levels(&expr(query)), without_levels(&expr(query))), (vec![], expr(query)), "{query}");
        }
        let mixed = expr(r#"{app="web"} | detected_level=~"warn|error""#);
        assert_eq!(levels(&mixed), [Level::Error, Level::Warn]);
        let all = Level::ALL.into_iter().fold(expr(r#"{app="web"}"#), |all, level| with_toggled_level(&all, level));
        check(&all, r#"{app="web"}"#);
    }

    #[test]
    fn a_value_is_asked_for_where_it_comes_from() {
        let start = expr(r#"{app="web"}"#);
        check(&with_value(&start, Origin::Stream, "host", "a", Want::With), r#"{app="web", host="a"}"#);
        check(&with_value(&start, Origin::Stream, "app", "web", Want::Without), r#"{app!="web"}"#);
        check(&with_value(&start, Origin::Structured, "trace", "7", Want::With), r#"{app="web"} | trace="7""#);
        let parsed = with_value(&start, Origin::Parsed(Some(Parser::Json)), "status", "500", Want::With);
        check(&parsed, r#"{app="web"} | json | status="500""#);
        let flipped = with_value(&parsed, Origin::Parsed(None), "status", "500", Want::Without);
        check(&flipped, r#"{app="web"} | json | status!="500""#);
        let more = with_value(&flipped, Origin::Parsed(None), "status", "404", Want::Without);
        check(&more, r#"{app="web"} | json | status!="500" | status!="404""#);
        let either = expr(r#"{app=~"web|db"}"#);
        check(&with_value(&either, Origin::Stream, "app", "db", Want::With), r#"{app="db"}"#);
        let logfmt = with_value(&start, Origin::Parsed(Some(Parser::Logfmt)), "user", "김", Want::With);
        check(&logfmt, r#"{app="web"} | logfmt | user="김""#);
    }

    #[test]
    fn a_parser_is_offered_for_what_looks_like_it() {
        let plain = expr(r#"{app="web"}"#);
        assert_eq!(parser_for(&plain, r#" {"a":1} "#), Some(Parser::Json));
        assert_eq!(parser_for(&plain, "level=info msg=\"x y\" took=3ms"), Some(Parser::Logfmt));
        assert_eq!(parser_for(&plain, "GET /a?b=c&d=e 200"), None);
        assert_eq!(parser_for(&expr(r#"{app="web"} | json"#), r#"{"a":1}"#), None);
    }
}
