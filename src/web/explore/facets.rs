//! Labels to pick from: which names and values exist in the range, given what is picked of the other labels. Pure.

use std::collections::HashMap;

use crate::model::{Labels, Matcher};
use crate::web::explore::builder;

/// The label that Loki and logcafe make for every stream, and so the best one to begin with.
const FIRST: &str = "service_name";

/// One label and its values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Facet {
    pub(crate) name: String,
    /// Picked ones first, then by how many streams have them.
    pub(crate) choices: Vec<Choice>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) stream_count: usize,
    pub(crate) picked: bool,
}

/// The labels of `streams`. A value is offered when a stream has it that passes all matchers on other labels.
pub(crate) fn facets(streams: &[Labels], selector: &[Matcher]) -> Vec<Facet> {
    let mut counts: HashMap<&str, HashMap<&str, usize>> = HashMap::new();
    for stream in streams {
        let mut failed = selector.iter().filter(|matcher| !matcher.matches(stream)).map(Matcher::name);
        let first = failed.next();
        // a stream that fails on one label only still offers its value of that label
        let only = first.filter(|name| failed.all(|other| other == *name));
        for (name, value) in stream.iter() {
            if first.is_none() || only == Some(name) {
                *counts.entry(name).or_default().entry(value).or_default() += 1;
            }
        }
    }
    for matcher in selector {
        for value in builder::picked(std::slice::from_ref(matcher), matcher.name()) {
            if let Some(known) = streams.iter().find_map(|stream| stream.iter().find(|(_, v)| **v == value)) {
                counts.entry(matcher.name()).or_default().entry(known.1).or_default();
            }
        }
    }
    let mut facets: Vec<Facet> = counts.into_iter().map(|(name, values)| facet(name, values, selector)).collect();
    facets.sort_by(|a, b| (a.name != FIRST, &a.name).cmp(&(b.name != FIRST, &b.name)));
    facets
}

fn facet(name: &str, values: HashMap<&str, usize>, selector: &[Matcher]) -> Facet {
    let picked = builder::picked(selector, name);
    let choice = |(value, stream_count): (&str, usize)| Choice {
        value: value.to_owned(),
        stream_count,
        picked: picked.iter().any(|other| other == value),
    };
    let mut choices: Vec<Choice> = values.into_iter().map(choice).collect();
    choices.sort_by(|a, b| {
        (!a.picked, std::cmp::Reverse(a.stream_count), &a.value).cmp(&(
            !b.picked,
            std::cmp::Reverse(b.stream_count),
            &b.value,
        ))
    });
    Facet { name: name.to_owned(), choices }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, MatchOp, Matcher};
    use crate::web::explore::facets::facets;

    fn shown(selector: &[Matcher]) -> String {
        let streams = [
            Labels::from([("app", "web"), ("host", "a"), ("service_name", "web")]),
            Labels::from([("app", "web"), ("host", "b"), ("service_name", "web")]),
            Labels::from([("app", "db"), ("host", "b"), ("service_name", "db")]),
        ];
        let choice = |choice: &crate::web::explore::facets::Choice| {
            format!("{}{}:{}", if choice.picked { "*" } else { "" }, choice.value, choice.stream_count)
        };
        let facet = |facet: &crate::web::explore::facets::Facet| {
            format!("{}[{}]", facet.name, facet.choices.iter().map(choice).collect::<Vec<_>>().join(" "))
        };
        facets(&streams, selector).iter().map(facet).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn all_that_exists_is_offered_first_the_service() {
        assert_eq!(shown(&[]), "service_name[web:2 db:1] app[web:2 db:1] host[b:2 a:1]");
    }

    #[test]
    fn choices_narrow_to_what_the_others_leave() {
        let host = Matcher::equal("host", "a");
        assert_eq!(shown(&[host]), "service_name[web:1] app[web:1] host[*a:1 b:2]");
        let either = Matcher::new(MatchOp::Regex, "app", "db|web").unwrap();
        assert_eq!(
            shown(&[either, Matcher::equal("host", "b")]),
            "service_name[db:1 web:1] app[*db:1 *web:1] host[*b:2 a:1]"
        );
    }

    #[test]
    fn a_picked_value_stays_even_where_nothing_is_left_of_it() {
        let selector = [Matcher::equal("app", "db"), Matcher::equal("host", "a")];
        assert_eq!(shown(&selector), "service_name[] app[*db:0 web:1] host[*a:0 b:1]".replace("service_name[] ", ""));
    }
}
