//! What is wrong with a query, shown at its place in the text: in plain words, with what was likely meant.
//!
//! Promises: every error of the parser has a title; its own text, which is Loki's, stays as small print. Pure.

use std::ops::Range;

use crate::logql::ParseError;
use crate::logql::complete::{self, STAGES, Wanted};
use crate::logql::{Class, Piece, highlight};
use crate::model::near::nearest;
use crate::web::language::Language;

/// The query cut at the place of the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) before: String,
    /// Empty where something is missing.
    pub(crate) wrong: String,
    pub(crate) after: String,
    /// As the parser words it.
    pub(crate) message: String,
    /// The query as it was likely meant.
    pub(crate) meant: Option<Meant>,
    problem: Problem,
}

/// One word for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meant {
    pub(crate) word: String,
    pub(crate) query: String,
}

/// Kinds of faults that a person can mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    /// A word that is none of the language.
    Word,
    OpenText,
    OpenSelector,
    OpenBracket,
    OpenRange,
    Range,
    SingleQuotes,
    Escape,
    NeedsQuotes,
    NeedsMatch,
    QuotedName,
    BareText,
    NeedsStage,
    NeedsValue,
    NeedsRange,
    NeedsExpression,
    Ends,
    NeedsUnwrap,
    NoUnwrap,
    NeedsNumber,
    NoNumber,
    NoGrouping,
    NeedsNumbers,
    Pattern,
    Captures,
    TooDeep,
    TooLong,
    Variants,
    Unexpected,
}

impl Fault {
    pub(crate) fn of(query: &str, error: &ParseError) -> Fault {
        let span = error.span();
        let (start, end) = (floor(query, span.start), floor(query, span.end.max(span.start)));
        let meant = misspelt(query, start);
        let message = error.to_string();
        let problem = if meant.is_some() { Problem::Word } else { problem(query, start, &message, error.hint()) };
        // a misspelt word is the place, wherever the parser gave up
        let (start, end) = meant.as_ref().map_or((start, end), |(place, _)| (place.start, place.end));
        Fault {
            before: query[..start].to_owned(),
            wrong: query[start..end].to_owned(),
            after: query[end..].to_owned(),
            message,
            meant: meant.map(|(place, word)| Meant { query: replaced(query, place, word), word: word.to_owned() }),
            problem,
        }
    }

    /// What is wrong.
    pub(crate) fn title(&self, say: Language) -> String {
        match self.problem {
            Problem::Word => say.fault_word(&self.wrong),
            Problem::OpenText => say.fault_open_text().to_owned(),
            Problem::OpenSelector => say.fault_open_selector().to_owned(),
            Problem::OpenBracket => say.fault_open_bracket().to_owned(),
            Problem::OpenRange => say.fault_open_range().to_owned(),
            Problem::Range => say.fault_range().to_owned(),
            Problem::SingleQuotes => say.fault_single_quotes().to_owned(),
            Problem::Escape => say.fault_escape().to_owned(),
            Problem::NeedsQuotes => say.fault_needs_quotes().to_owned(),
            Problem::NeedsMatch => say.fault_needs_match().to_owned(),
            Problem::QuotedName => say.fault_quoted_name().to_owned(),
            Problem::BareText => say.fault_bare_text().to_owned(),
            Problem::NeedsStage => say.fault_needs_stage().to_owned(),
            Problem::NeedsValue => say.fault_needs_value().to_owned(),
            Problem::NeedsRange => say.fault_needs_range().to_owned(),
            Problem::NeedsExpression => say.fault_needs_expression().to_owned(),
            Problem::Ends => say.fault_ends().to_owned(),
            Problem::NeedsUnwrap => say.fault_needs_unwrap().to_owned(),
            Problem::NoUnwrap => say.fault_no_unwrap().to_owned(),
            Problem::NeedsNumber => say.fault_needs_number().to_owned(),
            Problem::NoNumber => say.fault_no_number().to_owned(),
            Problem::NoGrouping => say.fault_no_grouping().to_owned(),
            Problem::NeedsNumbers => say.fault_needs_numbers().to_owned(),
            Problem::Pattern => say.fault_pattern().to_owned(),
            Problem::Captures => say.fault_captures().to_owned(),
            Problem::TooDeep => say.fault_too_deep().to_owned(),
            Problem::TooLong => say.fault_too_long().to_owned(),
            Problem::Variants => say.fault_variants().to_owned(),
            Problem::Unexpected if self.wrong.is_empty() => say.fault_ends().to_owned(),
            Problem::Unexpected => say.fault_unexpected(&self.wrong),
        }
    }

    /// What to try, where that is plain.
    pub(crate) fn advice(&self, say: Language) -> Option<&'static str> {
        Some(match self.problem {
            Problem::OpenText => say.advice_open_text(),
            Problem::OpenSelector => say.advice_open_selector(),
            Problem::OpenBracket => say.advice_open_bracket(),
            Problem::OpenRange | Problem::Range | Problem::NeedsRange => say.advice_range(),
            Problem::SingleQuotes | Problem::NeedsQuotes => say.advice_quotes(),
            Problem::Escape => say.advice_escape(),
            Problem::NeedsMatch => say.advice_match(),
            Problem::QuotedName => say.advice_quoted_name(),
            Problem::BareText => say.advice_bare_text(),
            Problem::NeedsStage => say.advice_stage(),
            Problem::NeedsValue => say.advice_value(),
            Problem::NeedsExpression | Problem::NeedsNumbers => say.advice_numbers(),
            Problem::NeedsUnwrap => say.advice_unwrap(),
            Problem::NoUnwrap => say.advice_no_unwrap(),
            Problem::NeedsNumber => say.advice_number(),
            Problem::NoGrouping => say.advice_no_grouping(),
            Problem::Pattern => say.advice_pattern(),
            Problem::Captures => say.advice_captures(),
            Problem::Word
            | Problem::Ends
            | Problem::NoNumber
            | Problem::TooDeep
            | Problem::TooLong
            | Problem::Variants
            | Problem::Unexpected => return None,
        })
    }
}

/// A query of words that looks like a misspelt function, as it was likely meant.
pub(crate) fn meant_call(query: &str) -> Option<Meant> {
    let words = words(query);
    let (_, first) = words.first()?;
    let is_call =
        first.start == query.len() - query.trim_start().len() && query[first.end..].trim_start().starts_with('(');
    let word = nearest(&query[first.clone()], functions()).filter(|_| is_call && query.contains('{'))?;
    Some(Meant { word: word.to_owned(), query: replaced(query, first.clone(), word) })
}

/// The query with one of its pieces written anew.
fn replaced(query: &str, place: Range<usize>, word: &str) -> String {
    format!("{}{word}{}", &query[..place.start], &query[place.end..])
}

fn floor(query: &str, at: usize) -> usize {
    let mut at = at.min(query.len());
    while !query.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn functions() -> impl Iterator<Item = &'static str> {
    complete::range_functions().chain(complete::vector_functions())
}

/// The words of a query, each with what stands before it.
fn words(query: &str) -> Vec<(String, Range<usize>)> {
    let mut before = String::new();
    let mut words = Vec::new();
    for Piece { span, class } in highlight(query) {
        match class {
            Class::Blank | Class::Comment => continue,
            Class::Label | Class::Keyword => words.push((before.clone(), span.clone())),
            _ => {}
        }
        before = query[span].to_owned();
    }
    words
}

/// The word at the error or right before it, if it stands where a stage or a function does and is nearly one.
fn misspelt(query: &str, at: usize) -> Option<(Range<usize>, &'static str)> {
    let words = words(query);
    let here = words.iter().find(|(_, span)| span.contains(&at));
    let before = words.iter().rev().find(|(_, span)| span.end <= at);
    [here, before].into_iter().flatten().find_map(|(sign, span)| {
        let word = &query[span.clone()];
        let meant = if sign == "|" {
            nearest(word, STAGES)
        } else if query[span.end..].trim_start().starts_with('(') {
            nearest(word, functions())
        } else {
            None
        };
        meant.map(|meant| (span.clone(), meant))
    })
}

fn problem(query: &str, at: usize, message: &str, hint: Option<&str>) -> Problem {
    let has = |text: &str| message.contains(text);
    let rest = &query[at..];
    let by_message = [
        ("literal not terminated", Problem::OpenText),
        ("invalid char literal", Problem::SingleQuotes),
        ("invalid char escape", Problem::Escape),
        ("missing closing ']'", Problem::OpenRange),
        ("in duration", Problem::Range),
        ("not a valid duration", Problem::Range),
        ("without unwrap", Problem::NeedsUnwrap),
        ("with unwrap", Problem::NoUnwrap),
        ("parameter required", Problem::NeedsNumber),
        ("invalid parameter", Problem::NeedsNumber),
        ("not supported for operation", Problem::NoNumber),
        ("unsupported parameter", Problem::NoNumber),
        ("grouping not allowed", Problem::NoGrouping),
        ("doesn't allow grouping", Problem::NoGrouping),
        ("unexpected type for", Problem::NeedsNumbers),
        ("unexpected literal for", Problem::NeedsNumbers),
        ("invalid regexp parser", Problem::Captures),
        ("invalid pattern parser", Problem::Captures),
        ("error parsing regexp", Problem::Pattern),
        ("invalid regex", Problem::Pattern),
        ("nested too deep", Problem::TooDeep),
        ("input size too long", Problem::TooLong),
        ("multi variant", Problem::Variants),
    ];
    if let Some((_, problem)) = by_message.iter().find(|(text, _)| has(text)) {
        let single = *problem == Problem::OpenText && rest.starts_with('\'');
        return if single { Problem::SingleQuotes } else { *problem };
    }
    let by_hint = [
        ("close the selector", Problem::OpenSelector),
        ("close the bracket", Problem::OpenBracket),
        ("put the text in", Problem::NeedsQuotes),
        ("a label is followed by", Problem::NeedsMatch),
        ("write names of labels without", Problem::QuotedName),
        ("write |= before", Problem::BareText),
    ];
    let hinted = hint.and_then(|hint| by_hint.iter().find(|(text, _)| hint.starts_with(text)));
    let at_end = rest.trim().is_empty();
    match (at_end, hinted) {
        (_, Some((_, problem))) if *problem != Problem::NeedsQuotes || !at_end => *problem,
        (true, _) => missing(query),
        (false, _) => match complete::place(query, at).wanted {
            Wanted::Onward { counted: true } if rest.starts_with(')') => Problem::NeedsRange,
            // a bracket around lines that no function has counted
            Wanted::Onward { counted: false } if rest.starts_with(')') && !query[..at].trim_end().ends_with(')') => {
                Problem::NeedsNumbers
            }
            Wanted::Stage { .. } => Problem::NeedsStage,
            _ => Problem::Unexpected,
        },
    }
}

/// What is missing at the end of a query.
fn missing(query: &str) -> Problem {
    match complete::place(query, query.len()).wanted {
        Wanted::Stage { .. } => Problem::NeedsStage,
        Wanted::Value { .. } | Wanted::FieldValue { .. } | Wanted::Unknown => Problem::NeedsValue,
        Wanted::Compare | Wanted::Match => Problem::NeedsMatch,
        Wanted::Onward { counted: true } | Wanted::Length => Problem::NeedsRange,
        Wanted::Expression => Problem::NeedsExpression,
        Wanted::Label { .. } => Problem::OpenSelector,
        Wanted::Onward { counted: false } | Wanted::Field { .. } => Problem::Ends,
    }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::fault::{Fault, Meant, meant_call};
    use crate::web::language::Language;

    fn fault(query: &str) -> Fault {
        Fault::of(query, &crate::logql::parse_lenient(query).unwrap_err())
    }

    fn check(query: &str, before: &str, wrong: &str, after: &str) {
        let fault = fault(query);
        assert_eq!((fault.before.as_str(), fault.wrong.as_str(), fault.after.as_str()), (before, wrong, after));
    }

    #[test]
    fn the_place_of_an_error_is_cut_out() {
        check("{app=\"한글\"} |= 5", "{app=\"한글\"} |= ", "5", "");
        check("{app=\"a\"} | status >", "{app=\"a\"} | status >", "", "");
        check("{app=\"a\"} | jsno", "{app=\"a\"} | ", "jsno", "");
    }

    #[test]
    fn what_was_likely_meant_is_offered() {
        let check = |query: &str, word: &str, mended: &str| {
            let fault = fault(query);
            assert_eq!(fault.meant, Some(Meant { word: word.to_owned(), query: mended.to_owned() }), "{query}");
            assert!(fault.title(Language::English).contains(&fault.wrong));
        };
        check("{app=\"a\"} | jsno", "json", "{app=\"a\"} | json");
        check("{app=\"a\"} | lable_format a=b | json", "label_format", "{app=\"a\"} | label_format a=b | json");
        check("sum(raet({app=\"a\"}[5m]))", "rate", "sum(rate({app=\"a\"}[5m]))");
        assert_eq!(fault("{app=\"a\"} | status >").meant, None);
        assert_eq!(meant_call("raet({app=\"a\"}[5m])").unwrap().query, "rate({app=\"a\"}[5m])");
        assert_eq!(meant_call("raet limit"), None);
        assert_eq!(meant_call("a (b {c"), None);
    }

    #[test]
    fn every_fault_is_said_plainly() {
        let check = |query: &str, title: &str| {
            let fault = fault(query);
            assert_eq!(fault.title(Language::English), title, "{query}: {}", fault.message);
            assert_ne!(fault.title(Language::Korean), title);
        };
        check("{app=\"we", "A text has no closing quote");
        check("{app=\"we\"", "The selector has no closing }");
        check("{app", "A name needs a comparison after it");
        check("{app=web}", "The text here needs quotes");
        check("{app='web'}", "Texts stand in double quotes");
        check("{app=\"a\"} |=", "A text or value is missing");
        check("{app=\"a\"} |", "A stage is missing after |");
        check("{app=\"a\"} | status >", "A text or value is missing");
        check("rate({app=\"a\"}", "A span of time is missing");
        check("rate({app=\"a\"})", "A span of time is missing");
        check("rate({app=\"a\"}[5)", "The span of time has no closing ]");
        check("rate({app=\"a\"}[5x])", "This is not a span of time");
        check("rate({app=\"a\"}[5m]", "A bracket is not closed");
        check("sum_over_time({app=\"a\"}[5m])", "This function needs a field to take as a number");
        check("count_over_time({app=\"a\"} | unwrap x [5m])", "This function counts lines, not values of a field");
        check("topk(rate({app=\"a\"}[5m]))", "This function needs a number first");
        check("rate({app=\"a\"}[5m]) by (app)", "This function cannot group");
        check("sum({app=\"a\"}) / 2", "Only numbers can be calculated with, not lines");
        check("rate({app=\"a\"}[5m]))", "This cannot stand here: )");
        check("{app=~\"(\"}", "This is not a valid regular expression");
        check("{app=\"a\"} | regexp \"x\"", "The pattern names nothing to take out");
    }
}
