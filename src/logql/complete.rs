//! What may stand at a place in a query that is being written.
//!
//! Promises: the text need not be whole or sound; what stands behind the place matters only for how much of it is
//! replaced. Pure. Never: says which labels or values there are, for that is asked of the lines.

use std::ops::Range;

use crate::logql::ast::{Conversion, Expr, LogExpr, RangeOp, VectorOp};
use crate::logql::highlight::{Class, highlight};
use crate::logql::parser::parse_lenient;
use crate::logql::token::WORDS;
use crate::model::Matcher;

/// Words that begin a stage, after `|`.
pub const STAGES: [&str; 11] = [
    "json",
    "logfmt",
    "pattern",
    "regexp",
    "unpack",
    "line_format",
    "label_format",
    "drop",
    "keep",
    "decolorize",
    "unwrap",
];

/// A place in a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub wanted: Wanted,
    /// What of it is written already.
    pub typed: String,
    /// The bytes that a choice takes the place of.
    pub span: Range<usize>,
}

/// What a place is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// The begin of an expression: a function, a selector, or words to search for.
    Expression,
    /// The name of a label, in a selector with these other conditions.
    Label { others: Vec<Matcher> },
    /// How a label of a selector is compared.
    Match,
    /// The value of a label. `pattern` for one that is read as a regular expression.
    Value { name: String, others: Vec<Matcher>, pattern: bool },
    /// What goes on behind a whole selector, filter or stage. `counted` within a function that needs a range.
    Onward { counted: bool },
    /// A stage, or a field to compare.
    Stage { log: LogExpr },
    /// The name of a label or field of the lines of `log`.
    Field { log: LogExpr },
    /// How a field is compared.
    Compare,
    /// The value of a field of the lines of `log`.
    FieldValue { name: String, log: LogExpr },
    /// A length of time, in brackets.
    Length,
    /// Nothing that can be known, such as the text of a filter.
    Unknown,
}

/// Names of functions over the lines of a range.
pub fn range_functions() -> impl Iterator<Item = &'static str> {
    RangeOp::ALL.iter().map(|op| op.name())
}

/// Names of functions over series.
pub fn vector_functions() -> impl Iterator<Item = &'static str> {
    VectorOp::ALL.iter().map(|op| op.name()).chain(["label_replace", "vector"])
}

/// Names of functions that turn a field's text into a number, in `unwrap`.
pub fn conversions() -> impl Iterator<Item = &'static str> {
    Conversion::ALL.iter().map(|op| op.name())
}

/// Words of the language that are no functions.
pub fn words() -> impl Iterator<Item = &'static str> {
    WORDS.iter().map(|(word, _)| *word)
}

/// What may stand at the byte `at`.
pub fn place(text: &str, at: usize) -> Place {
    let at = floor(text, at);
    let mut tokens = tokens(&text[..at]);
    let open = tokens.last().cloned().filter(|token| token.end == at && token.is_open_text(text));
    let word = tokens.last().cloned().filter(|token| token.end == at && token.is_word());
    let begun = open.as_ref().or(word.as_ref());
    if tokens.last().is_some_and(|token| token.class == Class::Comment && token.end == at) {
        return Place { wanted: Wanted::Unknown, typed: String::new(), span: at..at };
    }
    if let Some(token) = begun {
        let span = token.start..replaced_end(text, at, open.is_some());
        let typed = text[token.start..at].trim_start_matches(['"', '`']).to_owned();
        tokens.pop();
        return Place { wanted: wanted(text, &tokens, token.start, open.is_some()), typed, span };
    }
    if tokens.last().is_some_and(|token| token.is_open_range(text)) {
        let start = tokens.last().map_or(at, |token| token.start);
        let typed = text[start + 1..at].to_owned();
        let rest = text[at..].strip_prefix(']').map_or(0, |_| 1);
        return Place { wanted: Wanted::Length, typed, span: start..at + rest };
    }
    Place { wanted: wanted(text, &tokens, at, false), typed: String::new(), span: at..at }
}

/// A piece of the query that is no blank.
#[derive(Clone, Debug)]
struct Token {
    start: usize,
    end: usize,
    class: Class,
}

impl Token {
    fn of<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start..self.end]
    }

    fn is_word(&self) -> bool {
        matches!(self.class, Class::Label | Class::Keyword | Class::Number)
    }

    fn is_open_text(&self, text: &str) -> bool {
        self.class == Class::Error && self.of(text).starts_with(['"', '`'])
    }

    fn is_open_range(&self, text: &str) -> bool {
        self.class == Class::Error && self.of(text).starts_with('[')
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let seen = highlight(text).into_iter().filter(|piece| piece.class != Class::Blank);
    seen.map(|piece| Token { start: piece.span.start, end: piece.span.end, class: piece.class }).collect()
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The rest of the word goes with it; of a text up to its closing quote, unless that is plainly another text's.
fn replaced_end(text: &str, at: usize, quoted: bool) -> usize {
    let rest = &text[at..];
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || (quoted && matches!(c, '-' | '.' | '/' | ':' | ' '));
    let length = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
    match (quoted, rest[length..].chars().next()) {
        (true, Some('"' | '`')) => at + length + 1,
        (true, _) => at,
        (false, _) => at + length,
    }
}

/// What may follow `tokens`; the next one begins at `at`.
fn wanted(text: &str, tokens: &[Token], at: usize, quoted: bool) -> Wanted {
    let is = |token: &Token, sign: &str| token.of(text) == sign;
    let opened = tokens.iter().rposition(|token| is(token, "{"));
    let closed = tokens.iter().rposition(|token| is(token, "}"));
    if let Some(opened) = opened.filter(|opened| closed.is_none_or(|closed| closed < *opened)) {
        return in_selector(text, tokens, opened, at);
    }
    let log_start = opened.map_or(0, |index| tokens[index].start);
    let behind = &tokens[closed.map_or(0, |index| index + 1)..];
    let log_ended = behind.iter().any(|token| is(token, ")") || token.of(text).starts_with('['));
    let pipe = behind.iter().rposition(|token| is(token, "|")).filter(|_| !log_ended);
    let Some(last) = tokens.last() else { return if quoted { Wanted::Unknown } else { Wanted::Expression } };
    if let Some(grouping) = grouping(text, tokens) {
        return Wanted::Field { log: log_around(text, grouping) };
    }
    if let Some(pipe) = pipe {
        let log = log_before(text, log_start, behind[pipe].start);
        return in_stage(text, &behind[pipe + 1..], log, is_counted(text, tokens));
    }
    let is_filter = ["|=", "|~", "|>", "!=", "!~", "!>"].iter().any(|sign| is(last, sign));
    match last.class {
        Class::Operator if is_filter => Wanted::Unknown,
        Class::Operator => Wanted::Expression,
        Class::Bracket if is(last, "(") || is(last, ",") => Wanted::Expression,
        Class::Bracket | Class::Text | Class::Number if !quoted => {
            Wanted::Onward { counted: is_counted(text, tokens) && !log_ended }
        }
        _ if quoted => Wanted::Unknown,
        _ => Wanted::Onward { counted: false },
    }
}

/// Between the braces that open at the token `opened`.
fn in_selector(text: &str, tokens: &[Token], opened: usize, at: usize) -> Wanted {
    let inner = &tokens[opened + 1..];
    let others = matchers_around(text, inner, at);
    let Some(last) = inner.last() else { return Wanted::Label { others } };
    match (last.class, inner) {
        (Class::Bracket, _) => Wanted::Label { others },
        (Class::Label | Class::Keyword, _) => Wanted::Match,
        (Class::Operator, [.., name, _]) => {
            let pattern = last.of(text).ends_with('~');
            Wanted::Value { name: name.of(text).to_owned(), others, pattern }
        }
        _ => Wanted::Unknown,
    }
}

/// The whole conditions of a selector besides the one at `at`: those before it, and those behind it up to the brace.
fn matchers_around(text: &str, before: &[Token], at: usize) -> Vec<Matcher> {
    let whole = before.iter().rposition(|token| token.of(text) == ",").map_or(0, |index| index + 1);
    let mut parts: Vec<String> = Vec::new();
    let head = before[..whole.saturating_sub(1)].iter().map(|token| token.of(text)).collect::<String>();
    parts.push(head);
    if let Some((_, tail)) = text[at..].split_once(',') {
        parts.push(tail.split('}').next().unwrap_or("").to_owned());
    }
    parts.retain(|part| !part.trim().is_empty());
    parts.iter().filter_map(|part| selector_of(&format!("{{{part}}}"))).flatten().collect()
}

fn selector_of(text: &str) -> Option<Vec<Matcher>> {
    match parse_lenient(text) {
        Ok(Expr::Log(log)) => Some(log.selector),
        Ok(Expr::Metric(_)) | Err(_) => None,
    }
}

/// Behind the `|` of a stage.
fn in_stage(text: &str, stage: &[Token], log: LogExpr, counted: bool) -> Wanted {
    let Some(last) = stage.last() else { return Wanted::Stage { log } };
    let joined = |token: &Token| matches!(token.of(text), "and" | "or" | "(" | ",");
    let named = ["drop", "keep", "unwrap", "label_format"].contains(&stage[0].of(text));
    let extracting = ["json", "logfmt"].contains(&stage[0].of(text));
    match last.class {
        Class::Operator if last.of(text) == "|" => Wanted::Stage { log },
        Class::Operator => match stage {
            [.., name, _] if name.class == Class::Label && !named && !extracting => {
                Wanted::FieldValue { name: name.of(text).to_owned(), log }
            }
            _ if stage[0].of(text) == "label_format" => Wanted::Field { log },
            _ => Wanted::Unknown,
        },
        Class::Keyword | Class::Bracket if joined(last) => Wanted::Field { log },
        Class::Keyword if named => Wanted::Field { log },
        Class::Keyword if ["line_format", "pattern", "regexp"].contains(&last.of(text)) => Wanted::Unknown,
        Class::Label if named || extracting => Wanted::Onward { counted },
        Class::Label => Wanted::Compare,
        _ => Wanted::Onward { counted },
    }
}

/// Where a `by (`, `without (`, `on (` … is open at the end of the tokens.
fn grouping(text: &str, tokens: &[Token]) -> Option<usize> {
    let open = tokens.iter().rposition(|token| token.of(text) == "(")?;
    let within = &tokens[open + 1..];
    let names = within.iter().all(|token| token.is_word() || token.of(text) == ",");
    let before = tokens[..open].last()?;
    let words = ["by", "without", "on", "ignoring", "group_left", "group_right"];
    (names && words.contains(&before.of(text).to_lowercase().as_str())).then_some(before.start)
}

/// Whether the place is in the brackets of a function that counts over a range.
fn is_counted(text: &str, tokens: &[Token]) -> bool {
    let mut functions: Vec<bool> = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.of(text) {
            "(" => {
                let before = index.checked_sub(1).map_or("", |index| tokens[index].of(text));
                functions.push(range_functions().any(|name| name.eq_ignore_ascii_case(before)));
            }
            ")" => drop(functions.pop()),
            _ => {}
        }
    }
    functions.contains(&true)
}

/// The lines that the query is about up to `end`; all of them where that cannot be read.
fn log_before(text: &str, start: usize, end: usize) -> LogExpr {
    let all = LogExpr { selector: Vec::new(), stages: Vec::new() };
    match parse_lenient(text[start..end].trim_end()) {
        Ok(Expr::Log(log)) => log,
        Ok(Expr::Metric(_)) | Err(_) => all,
    }
}

/// The lines whose series a grouping at `at` puts together: those of the query's first selector and its stages.
fn log_around(text: &str, at: usize) -> LogExpr {
    let start = text[at..].find('{').map(|found| at + found).or_else(|| text[..at].rfind('{')).unwrap_or(0);
    let end = tokens(&text[start..]).iter().find(|token| token.of(&text[start..]).starts_with('[')).map(|t| t.start);
    log_before(text, start, start + end.unwrap_or(text.len() - start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;
    use proptest::prop_assert;

    use crate::logql::complete::{Wanted, place};

    /// `^` is the place.
    fn check(marked: &str, expected: &str) {
        let at = marked.find('^').unwrap();
        let text = marked.replacen('^', "", 1);
        let place = place(&text, at);
        let log = |log: &crate::logql::ast::LogExpr| crate::logql::ast::Expr::Log(log.clone()).to_string();
        let others =
            |others: &[crate::model::Matcher]| others.iter().map(|m| m.name().to_owned()).collect::<Vec<_>>().join(",");
        let wanted = match &place.wanted {
            Wanted::Label { others: o } => format!("label [{}]", others(o)),
            Wanted::Value { name, others: o, pattern } => format!("value of {name} [{}] {pattern}", others(o)),
            Wanted::Stage { log: l } => format!("stage of {}", log(l)),
            Wanted::Field { log: l } => format!("field of {}", log(l)),
            Wanted::FieldValue { name, log: l } => format!("value of {name} of {}", log(l)),
            other => format!("{other:?}"),
        };
        assert_eq!(format!("{wanted} “{}” for “{}”", place.typed, &text[place.span.clone()]), expected, "{marked}");
    }

    #[test]
    fn the_begin_is_for_functions_and_selectors() {
        check("^", "Expression “” for “”");
        check("ra^", "Expression “ra” for “ra”");
        check("sum by (app) (^", "Expression “” for “”");
        check("sum(ra^te({app=\"a\"}[5m]))", "Expression “ra” for “rate”");
        check("rate({app=\"a\"}[5m]) / ^", "Expression “” for “”");
    }

    #[test]
    fn labels_and_their_values_know_the_other_conditions() {
        check("{^", "label [] “” for “”");
        check("{ap^", "label [] “ap” for “ap”");
        check("{app=\"web\", ho^}", "label [app] “ho” for “ho”");
        check("{ho^, app=\"web\"}", "label [app] “ho” for “ho”");
        check("{app^ ", "label [] “app” for “app”");
        check("{app ^", "Match “” for “”");
        check("{app=^", "value of app [] false “” for “”");
        check("{app=\"we^", "value of app [] false “we” for “\"we”");
        check("{app=\"we^b\"}", "value of app [] false “we” for “\"web\"”");
        check("{env=\"prod\", app=~\"we^, host=\"b\"}", "value of app [env,host] true “we” for “\"we”");
        check("{app=\"한^", "value of app [] false “한” for “\"한”");
    }

    #[test]
    fn behind_a_selector_come_filters_and_stages() {
        check("{app=\"a\"} ^", "Onward { counted: false } “” for “”");
        check("{app=\"a\"} | ^", "stage of {app=\"a\"} “” for “”");
        check("{app=\"a\"} |= \"x\" | js^", "stage of {app=\"a\"} |= \"x\" “js” for “js”");
        check("{app=\"a\"} |= \"x^", "Unknown “x” for “\"x”");
        check("{app=\"a\"} | json | ^", "stage of {app=\"a\"} | json “” for “”");
        check("{app=\"a\"} | json | status ^", "Compare “” for “”");
        check("{app=\"a\"} | json | status = \"5^", "value of status of {app=\"a\"} | json “5” for “\"5”");
        check("{app=\"a\"} | json | status > 5 and le^", "field of {app=\"a\"} | json “le” for “le”");
        check("{app=\"a\"} | json | drop a, ^", "field of {app=\"a\"} | json “” for “”");
        check("{app=\"a\"} | json | unwrap to^", "field of {app=\"a\"} | json “to” for “to”");
        check("{app=\"a\"} | json ^", "Onward { counted: false } “” for “”");
    }

    #[test]
    fn numbers_know_their_lines() {
        check("rate({app=\"a\"} ^", "Onward { counted: true } “” for “”");
        check("rate({app=\"a\"} [^", "Length “” for “[”");
        check("rate({app=\"a\"} [5^])", "Length “5” for “[5]”");
        check("sum by (^) (rate({app=\"a\"} | json [5m]))", "field of {app=\"a\"} | json “” for “”");
        check("sum by (app, ho^", "field of {} “ho” for “ho”");
        check("sum(rate({app=\"a\"}[5m])) by (^", "field of {app=\"a\"} “” for “”");
        check("rate({app=\"a\"}[5m]) ^", "Onward { counted: false } “” for “”");
    }

    proptest! {
        #[test]
        fn any_text_has_its_places(text in "[ {}()|=!~<>,.\"`'#a-z0-9\\[\\]\\\\\n*/+-]{0,40}|\\PC{0,20}", at in 0_usize..60) {
            let place = place(&text, at);
            prop_assert!(text.get(place.span.clone()).is_some());
        }
    }
}
