//! What to try where nothing was found: names as they exist, the query with less, the range with more. Pure.

use std::collections::BTreeSet;

use crate::logql::ast::{LineOp, LogExpr};
use crate::model::near::nearest;
use crate::model::{Matcher, TimeRange};
use crate::web::explore::builder::{self, Case, Search};
use crate::web::explore::chips::chips;
use crate::web::explore::facets::Stream;
use crate::web::explore::fault;
use crate::web::explore::quotes;
use crate::web::explore::span::{Link, Span};
use crate::web::explore::state::State;

/// Conditions that are offered to be left out.
const CHIPS_MAX: usize = 4;

/// Ways on, the likeliest first.
pub(crate) fn suggestions(state: &State, expr: &LogExpr, range: TimeRange, streams: &[Stream]) -> Vec<Link> {
    let say = state.say;
    let mut links = Vec::new();
    let link = |text: String, query: String| Link { text, href: state.with_query(query).url(), current: false };
    if let Some(meant) = fault::meant_call(&state.query) {
        links.push(link(say.did_you_mean(&meant.query), meant.query));
    }
    for (index, matcher) in expr.selector.iter().enumerate() {
        if let Some(meant) = meant(matcher, streams) {
            let mut edited = expr.clone();
            edited.selector[index] = meant.clone();
            let words = format!("{} = {}", meant.name(), meant.value());
            links.push(link(say.did_you_mean(&words), builder::text(&edited)));
        }
    }
    let search = builder::search(expr);
    if let Some(unwanted) = search.text.strip_prefix('-').map(str::trim).filter(|text| !text.is_empty()) {
        let rest = builder::with_search(expr, &Search::default());
        let edited = builder::with_line_filter(&rest, LineOp::NotContains, unwanted);
        links.push(link(say.try_excluding(unwanted), builder::text(&edited)));
    }
    if !search.text.is_empty() && search.case == Case::Exact {
        let plain = quotes::all_straightened(&search.text);
        if plain != search.text {
            let edited = Search { text: plain.clone(), case: Case::Exact };
            links.push(link(say.try_plain_quotes(&plain), builder::text(&builder::with_search(expr, &edited))));
        }
        let either = Search { case: Case::Either, ..search.clone() };
        let edited = builder::with_search(expr, &either);
        links.push(link(say.try_either_case(&search.text), builder::text(&edited)));
    }
    if !builder::levels(expr).is_empty() {
        links.push(link(say.try_all_levels().to_owned(), builder::text(&builder::without_levels(expr))));
    }
    if !search.text.is_empty() {
        let edited = builder::with_search(expr, &Search::default());
        links.push(link(say.try_without(&format!("“{}”", search.text)), builder::text(&edited)));
    }
    for chip in chips(expr, say).into_iter().take(CHIPS_MAX) {
        links.push(link(say.try_without(&chip.text), builder::text(&chip.without)));
    }
    links.extend(Span::longer(state, range));
    links
}

/// The condition with a name or value that streams have, where theirs is nearly the one that was written.
fn meant(matcher: &Matcher, streams: &[Stream]) -> Option<Matcher> {
    let name = matcher.name();
    let values: BTreeSet<&str> = streams.iter().filter_map(|stream| stream.labels.get(name)).collect();
    if values.is_empty() {
        let names: BTreeSet<&str> =
            streams.iter().flat_map(|stream| stream.labels.iter()).map(|(name, _)| name).collect();
        return Matcher::new(matcher.op(), nearest(name, names)?, matcher.value()).ok();
    }
    let [value] = builder::picked(std::slice::from_ref(matcher), name).try_into().ok()?;
    let known = values.contains(value.as_str());
    (!known).then(|| nearest(&value, values))?.map(|value| Matcher::equal(name, value))
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, Timestamp};
    use crate::web::explore::facets::Stream;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::suggest::suggestions;
    use crate::web::explore::view::Asked;
    use crate::web::language::Language;

    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn check(query: &str, say: Language, expected: &[&str]) {
        let params = Params { query: Some(query.to_owned()), ..Params::default() };
        let state = State::read(&params, None, say, NOW).0;
        let asked = Asked::read(query);
        let streams =
            [Stream { labels: Labels::from([("service", "checkout"), ("host", "cafe-1")]), line_count: None }];
        let links = suggestions(&state, asked.lines().unwrap(), state.range(NOW).unwrap(), &streams);
        let texts: Vec<&str> = links.iter().map(|link| link.text.as_str()).collect();
        assert_eq!(texts[..expected.len()], *expected, "{query}");
    }

    #[test]
    fn where_nothing_was_found_there_are_ways_on() {
        check(
            r#"{host="cafe-1"} |= "ERR" != "x""#,
            Language::English,
            &["“ERR” in upper or lower case", "Without “ERR”", "Without host = cafe-1", "Without not “x”"],
        );
        check(r#"{} | detected_level="error""#, Language::English, &["All levels"]);
        check(r#"{} |= "-Http""#, Language::English, &["Lines without “Http”", "“-Http” in upper or lower case"]);
        check(r#"{host="cafe-1"} |= "ERR""#, Language::Korean, &["대소문자 구분 없이 “ERR”", "“ERR” 조건 빼기"]);
    }

    #[test]
    fn what_was_misspelt_is_offered_as_it_exists() {
        check(r#"{servcie="checkout"}"#, Language::English, &["Did you mean service = checkout?"]);
        check(r#"{service="chekcout"}"#, Language::English, &["Did you mean service = checkout?"]);
        check("raet({a=\"b\"}[5m])", Language::English, &["Did you mean rate({a=\"b\"}[5m])?"]);
        check(r#"{service="checkout"}"#, Language::English, &["Without service = checkout"]);
    }
}
