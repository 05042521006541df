//! Labels to pick from: which names and values exist in the range, given what is picked of the other labels. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::model::{Labels, Matcher};
use crate::web::explore::builder;

/// The label that Loki and logcafe make for every stream, and so the best one to begin with.
const FIRST: &str = "service_name";

/// A stream, and how many lines of the range it has where that is known.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) labels: Labels,
    pub(crate) line_count: Option<u64>,
}

/// One label and its values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facet {
    pub(crate) name: String,
    /// Picked ones first, then by how many lines have them.
    pub(crate) choices: Vec<Choice>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) line_count: Option<u64>,
    pub(crate) picked: bool,
}

/// The labels of `streams`. A value is offered when a stream has it that passes all matchers on other labels.
pub(crate) fn facets(streams: &[Stream], selector: &[Matcher]) -> Vec<Facet> {
    let mut counts: HashMap<&str, HashMap<&str, Option<u64>>> = HashMap::new();
    for stream in streams {
        let mut failed = selector.iter().filter(|matcher| !matcher.matches(&stream.labels)).map(Matcher::name);
        let first = failed.next();
        // a stream that fails on one label only still offers its value of that label
        let only = first.filter(|name| failed.all(|other| other == *name));
        for (name, value) in stream.labels.iter() {
            if first.is_none() || only == Some(name) {
                let count = counts.entry(name).or_default().entry(value).or_insert(Some(0));
                *count = count.zip(stream.line_count).map(|(sum, more)| sum + more);
            }
        }
    }
    let picked: Vec<(&str, Vec<String>)> = selector
        .iter()
        .map(|matcher| (matcher.name(), builder::picked(std::slice::from_ref(matcher), matcher.name())))
        .collect();
    for (name, values) in &picked {
        for value in values {
            counts.entry(name).or_default().entry(value).or_insert(Some(0));
        }
    }
    let mut facets: Vec<Facet> = counts.into_iter().map(|(name, values)| facet(name, values, selector)).collect();
    facets.retain(|facet| !facet.choices.is_empty());
    facets.sort_by(|a, b| (a.name != FIRST, &a.name).cmp(&(b.name != FIRST, &b.name)));
    facets
}

/// Those that have `text` in their name, whole; of others the values that have it.
pub(crate) fn matching(facets: Vec<Facet>, text: &str) -> Vec<Facet> {
    let text = text.to_lowercase();
    let narrowed = facets.into_iter().map(|mut facet| {
        if !facet.name.to_lowercase().contains(&text) {
            facet.choices.retain(|choice| choice.value.to_lowercase().contains(&text));
        }
        facet
    });
    narrowed.filter(|facet| !facet.choices.is_empty()).collect()
}

fn facet(name: &str, values: HashMap<&str, Option<u64>>, selector: &[Matcher]) -> Facet {
    let picked = builder::picked(selector, name);
    let choice = |(value, line_count): (&str, Option<u64>)| Choice {
        value: value.to_owned(),
        line_count,
        picked: picked.iter().any(|other| other == value),
    };
    let mut choices: Vec<Choice> = values.into_iter().map(choice).collect();
    choices.sort_by(|a, b| {
        let order = |choice: &Choice| (!choice.picked, Reverse(choice.line_count));
        order(a).cmp(&order(b)).then_with(|| a.value.cmp(&b.value))
    });
    Facet { name: name.to_owned(), choices }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, MatchOp, Matcher};
    use crate::web::explore::facets::{Choice, Facet, Stream, facets, matching};

    fn shown(selector: &[Matcher]) -> String {
        let stream = |app, host, line_count| Stream {
            labels: Labels::from([("app", app), ("host", host), ("service_name", app)]),
            line_count,
        };
        let streams = [stream("web", "a", Some(5)), stream("web", "b", Some(2)), stream("db", "b", Some(4))];
        let choice = |choice: &Choice| {
            format!("{}{}:{}", if choice.picked { "*" } else { "" }, choice.value, choice.line_count.unwrap_or(999))
        };
        let facet = |facet: &Facet| {
            format!("{}[{}]", facet.name, facet.choices.iter().map(choice).collect::<Vec<_>>().join(" "))
        };
        facets(&streams, selector).iter().map(facet).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn all_that_exists_is_offered_first_the_service() {
        assert_eq!(shown(&[]), "service_name[web:7 db:4] app[web:7 db:4] host[b:6 a:5]");
    }

    #[test]
    fn choices_narrow_to_what_the_others_leave() {
        let host = Matcher::equal("host", "a");
        assert_eq!(shown(&[host]), "service_name[web:5] app[web:5] host[*a:5 b:6]");
        let either = Matcher::new(MatchOp::Regex, "app", "db|web").unwrap();
        assert_eq!(
            shown(&[either, Matcher::equal("host", "b")]),
            "service_name[db:4 web:2] app[*db:4 *web:2] host[*b:6 a:5]"
        );
    }

    #[test]
    fn labels_are_found_by_their_names_and_values() {
        let stream = Stream { labels: Labels::from([("app", "web"), ("host", "webhost-1")]), line_count: None };
        let found = |text| {
            let found = matching(facets(std::slice::from_ref(&stream), &[]), text);
            found.iter().map(|facet| facet.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found(""), "app host");
        assert_eq!(found("WEB"), "app host");
        assert_eq!(found("app"), "app");
        assert_eq!(found("-1"), "host");
        assert_eq!(found("no"), "");
    }

    #[test]
    fn a_picked_value_stays_even_where_nothing_is_left_of_it() {
        let selector = [Matcher::equal("app", "db"), Matcher::equal("host", "a")];
        assert_eq!(shown(&selector), "app[*db:0 web:5] host[*a:0 b:4]");
    }
}
