//! What can be written at the caret of the LogQL box: words of the language, and names and values as lines have them.
//!
//! Promises: an answer in a fraction of a second, of what is known by then; the query may be unfinished.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Query, State as Shared};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::logql::ast::{LogExpr, Stage};
use crate::logql::complete::{self, Place, STAGES, Wanted};
use crate::logql::gotext::quote::quote;
use crate::model::{Matcher, TimeRange};
use crate::query::{Engine, Ticket};
use crate::web::auth::SignedIn;
use crate::web::explore::browser_zone;
use crate::web::explore::builder::{Origin, Parser};
use crate::web::explore::literal;
use crate::web::explore::state::{Params, State};
use crate::web::language::Language;
use crate::web::page::{Page, now};
use crate::web::{Context, Error, blocking};

/// Who types does not wait longer.
const TIME_MAX: Duration = Duration::from_millis(400);
/// Choices at once; more letters bring the others.
const CHOICES_MAX: usize = 30;
/// The newest lines whose fields are known.
const LINES_LOOKED_AT: usize = 200;
const FIELDS_MAX: usize = 300;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Caret {
    /// The place in the query, in UTF-16 units as scripts count.
    at: Option<usize>,
}

/// Choices, and the part of the query (in UTF-16 units) that each takes the place of.
#[derive(Debug, Serialize)]
pub(crate) struct Choices {
    from: usize,
    to: usize,
    choices: Vec<Choice>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Choice {
    text: String,
    insert: String,
    /// What it is, or does, in the language of the page.
    about: &'static str,
}

pub(crate) async fn show(
    Shared(context): Shared<Context>,
    Query(params): Query<Params>,
    Query(caret): Query<Caret>,
    headers: HeaderMap,
    user: SignedIn,
    page: Page,
) -> Result<Json<Choices>, Error> {
    let now = now();
    // as it was typed: the state's own query has lost the blanks at its ends
    let query = params.query.clone().unwrap_or_default();
    let (state, _) = State::read(&params, browser_zone(&headers).as_deref(), page.say, now);
    let engine = context.engine.clone();
    let found = blocking(move || {
        let at = caret.at.map_or(query.len(), |at| bytes_of(&query, at));
        let place = complete::place(&query, at);
        let ticket = Ticket::until(Instant::now() + TIME_MAX).for_user(&user.user.name);
        let known = Known { engine: &engine, range: state.range(now), ticket, say: page.say };
        let choices = fitting(known.choices(&query, &place), &place.typed);
        let units = |at: usize| query[..at].encode_utf16().count();
        Choices { from: units(place.span.start), to: units(place.span.end), choices }
    });
    Ok(Json(found.await?))
}

/// The byte at which the UTF-16 unit `at` lies.
fn bytes_of(text: &str, at: usize) -> usize {
    let mut units = 0;
    let reached = text.char_indices().find(|(_, c)| {
        let here = units >= at;
        units += c.len_utf16();
        here
    });
    reached.map_or(text.len(), |(index, _)| index)
}

/// Those that go on as was typed, before those that only hold it.
fn fitting(choices: Vec<Choice>, typed: &str) -> Vec<Choice> {
    let typed = typed.to_lowercase();
    let rank = |choice: &Choice| choice.text.to_lowercase().find(&typed).map(|at| at > 0);
    let mut ranked: Vec<(bool, Choice)> =
        choices.into_iter().filter_map(|choice| rank(&choice).map(|rank| (rank, choice))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.truncate(CHOICES_MAX);
    ranked.into_iter().map(|(_, choice)| choice).collect()
}

/// Where a field that a condition asks for comes from.
pub(crate) fn origin(engine: &Engine, expr: &LogExpr, name: &str, range: Option<TimeRange>, user: &str) -> Origin {
    let Some(range) = range else { return Origin::Parsed(None) };
    let ticket = engine.ticket().for_user(user);
    if engine.label_names(&[], range, &ticket).is_ok_and(|names| names.iter().any(|known| known == name)) {
        return Origin::Stream;
    }
    let all = LogExpr { selector: expr.selector.clone(), stages: Vec::new() };
    let fields = engine.detected_fields(&all, range, LINES_LOOKED_AT, FIELDS_MAX, &ticket).unwrap_or_default();
    match fields.iter().find(|field| field.name == name) {
        Some(field) if field.parsers.is_empty() => Origin::Structured,
        Some(field) => Origin::Parsed(parser(&field.parsers).filter(|_| !parses(expr))),
        None => Origin::Parsed(None),
    }
}

fn parser(names: &[&'static str]) -> Option<Parser> {
    match names.first() {
        Some(&"json") => Some(Parser::Json),
        Some(&"logfmt") => Some(Parser::Logfmt),
        _ => None,
    }
}

/// Whether the fields of lines are there already.
fn parses(expr: &LogExpr) -> bool {
    let all = |stage: &Stage| match stage {
        Stage::Json(extractions) | Stage::Logfmt { extractions, .. } => extractions.is_empty(),
        Stage::Unpack => true,
        _ => false,
    };
    expr.stages.iter().any(all)
}

struct Known<'a> {
    engine: &'a Engine,
    range: Option<TimeRange>,
    ticket: Ticket,
    say: Language,
}

impl Known<'_> {
    fn choices(&self, query: &str, place: &Place) -> Vec<Choice> {
        let say = self.say;
        let rest = query[place.span.end..].trim_start();
        match &place.wanted {
            Wanted::Expression => self.expressions(query.trim().is_empty() || !place.typed.is_empty()),
            Wanted::Label { others } => {
                let end = if rest.starts_with(['=', '!']) { "" } else { "=\"" };
                self.label_names(others)
                    .into_iter()
                    .map(|name| choice(&name, &format!("{name}{end}"), say.kind_label()))
                    .collect()
            }
            Wanted::Match => signs(say, &["=", "!=", "=~", "!~"], "\""),
            Wanted::Value { name, others, pattern } => {
                let end = if rest.is_empty() { "}" } else { "" };
                let written = |value: &str| if *pattern { quote(&literal::quote(value)) } else { quote(value) };
                let values = self.label_values(name, others).into_iter();
                values.map(|value| choice(&value, &format!("{}{end}", written(&value)), say.kind_value())).collect()
            }
            Wanted::Onward { counted } => onward(say, *counted, rest),
            Wanted::Stage { log } => {
                let mut choices: Vec<Choice> = STAGES.iter().map(|name| stage(name, say)).collect();
                choices.extend(self.fields(log).into_iter().map(|(name, parser)| {
                    let before = parser.map(|parser| format!("{parser} | ")).unwrap_or_default();
                    choice(&name, &format!("{before}{name}"), parser.unwrap_or(say.kind_field()))
                }));
                choices
            }
            Wanted::Field { log } => {
                let mut choices: Vec<Choice> =
                    self.fields(log).into_iter().map(|(name, _)| choice(&name, &name, say.kind_field())).collect();
                choices.extend(
                    complete::conversions()
                        .filter(|_| unwraps(query, place))
                        .map(|name| choice(name, &format!("{name}("), say.kind_function())),
                );
                choices
            }
            Wanted::Compare => signs(say, &["=", "!=", ">", ">=", "<", "<=", "=~", "!~"], ""),
            Wanted::FieldValue { name, log } => {
                let before = query[..place.span.start].trim_end();
                let bare = [">", "<", ">=", "<=", "=="].iter().any(|sign| before.ends_with(sign));
                let values = self.field_values(name, log).into_iter().filter(|value| !bare || is_number(value));
                let written = |value: &str| if bare { value.to_owned() } else { quote(value) };
                values.map(|value| choice(&value, &written(&value), say.kind_value())).collect()
            }
            Wanted::Length => lengths(say),
            Wanted::Unknown => Vec::new(),
        }
    }

    /// Functions, and selectors by the names of their first labels.
    fn expressions(&self, with_labels: bool) -> Vec<Choice> {
        let functions = complete::range_functions().chain(complete::vector_functions());
        let mut choices: Vec<Choice> = Vec::new();
        if with_labels {
            let names = self.label_names(&[]).into_iter();
            choices.extend(names.map(|name| choice(&name, &format!("{{{name}=\""), self.say.kind_label())));
        }
        choices.extend(functions.map(|name| choice(name, &format!("{name}("), self.say.kind_function())));
        choices
    }

    fn label_names(&self, others: &[Matcher]) -> Vec<String> {
        let Some(range) = self.range else { return Vec::new() };
        let mut names = self.engine.label_names(others, range, &self.ticket).unwrap_or_default();
        names.retain(|name| others.iter().all(|matcher| matcher.name() != name));
        names
    }

    fn label_values(&self, name: &str, others: &[Matcher]) -> Vec<String> {
        let Some(range) = self.range else { return Vec::new() };
        self.engine.label_values(name, others, range, &self.ticket).unwrap_or_default()
    }

    /// Names of labels and fields; with the parser that the query lacks for it.
    fn fields(&self, log: &LogExpr) -> Vec<(String, Option<&'static str>)> {
        let Some(range) = self.range else { return Vec::new() };
        let parses = parses(log);
        let found =
            self.engine.detected_fields(log, range, LINES_LOOKED_AT, FIELDS_MAX, &self.ticket).unwrap_or_default();
        let mut fields: Vec<_> =
            found.into_iter().map(|field| (field.name, field.parsers.first().copied().filter(|_| !parses))).collect();
        let labels = self.engine.label_names(&log.selector, range, &self.ticket).unwrap_or_default();
        let fresh: Vec<_> = labels.into_iter().filter(|name| fields.iter().all(|(known, _)| known != name)).collect();
        fields.extend(fresh.into_iter().map(|name| (name, None)));
        fields
    }

    fn field_values(&self, name: &str, log: &LogExpr) -> Vec<String> {
        let Some(range) = self.range else { return Vec::new() };
        let found = self.engine.detected_values(name, log, range, LINES_LOOKED_AT, FIELDS_MAX, &self.ticket);
        match found.unwrap_or_default() {
            values if values.is_empty() => self.label_values(name, &log.selector),
            values => values,
        }
    }
}

fn choice(text: &str, insert: &str, about: &'static str) -> Choice {
    Choice { text: text.to_owned(), insert: insert.to_owned(), about }
}

fn unwraps(query: &str, place: &Place) -> bool {
    query[..place.span.start].trim_end().ends_with("unwrap")
}

/// Whether a text can stand behind `>`: a number, a time or a size.
fn is_number(text: &str) -> bool {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    digits && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

fn stage(name: &'static str, say: Language) -> Choice {
    let (insert, about) = match name {
        "json" => ("json", say.about_json()),
        "logfmt" => ("logfmt", say.about_logfmt()),
        "pattern" => ("pattern \"", say.about_pattern()),
        "regexp" => ("regexp `", say.about_regexp()),
        "unpack" => ("unpack", say.about_unpack()),
        "line_format" => ("line_format \"", say.about_line_format()),
        "label_format" => ("label_format ", say.about_label_format()),
        "drop" => ("drop ", say.about_drop()),
        "keep" => ("keep ", say.about_keep()),
        "decolorize" => ("decolorize", say.about_decolorize()),
        "unwrap" => ("unwrap ", say.about_unwrap()),
        other => (other, say.kind_stage()),
    };
    choice(name, insert, about)
}

fn signs(say: Language, signs: &[&'static str], end: &str) -> Vec<Choice> {
    let about = |sign: &str| match sign {
        "=" => say.about_is(),
        "!=" => say.about_is_not(),
        ">" => say.about_more(),
        ">=" => say.about_at_least(),
        "<" => say.about_less(),
        "<=" => say.about_at_most(),
        "=~" => say.about_matches(),
        _ => say.about_matches_not(),
    };
    signs.iter().map(|sign| choice(sign, &format!("{sign}{end}"), about(sign))).collect()
}

fn onward(say: Language, counted: bool, rest: &str) -> Vec<Choice> {
    let mut choices = Vec::new();
    if counted && !rest.starts_with('[') {
        choices.extend(lengths(say));
    }
    choices.extend([
        choice("|=", "|= \"", say.about_contains()),
        choice("!=", "!= \"", say.about_excludes()),
        choice("|~", "|~ \"", say.about_matches()),
        choice("!~", "!~ \"", say.about_matches_not()),
        choice("|", "| ", say.about_stage()),
    ]);
    choices
}

fn lengths(say: Language) -> Vec<Choice> {
    ["1m", "5m", "15m", "1h", "1d"].iter().map(|text| choice(text, &format!("[{text}]"), say.kind_range())).collect()
}

#[cfg(test)]
mod tests {
    use crate::web::explore::complete::{Choice, bytes_of, choice, fitting};

    #[test]
    fn places_are_counted_as_scripts_do() {
        assert_eq!(bytes_of("a한😀b", 0), 0);
        assert_eq!(bytes_of("a한😀b", 2), 4);
        assert_eq!(bytes_of("a한😀b", 4), 8);
        assert_eq!(bytes_of("a", 9), 1);
    }

    #[test]
    fn what_goes_on_as_typed_comes_first() {
        let choices = ["count_over_time", "rate", "rate_counter", "bytes_rate"].map(|text| choice(text, text, ""));
        let texts = |found: Vec<Choice>| found.into_iter().map(|choice| choice.text).collect::<Vec<_>>();
        assert_eq!(texts(fitting(choices.to_vec(), "RATE")), ["rate", "rate_counter", "bytes_rate"]);
        assert_eq!(texts(fitting(choices.to_vec(), "")).len(), 4);
        assert!(fitting(choices.to_vec(), "xyz").is_empty());
    }
}
