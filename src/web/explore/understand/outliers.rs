//! Values that more of the lines have than in a range before. Pure.

use std::collections::HashMap;

use crate::logql::ast::LogExpr;
use crate::query::{FieldOrigin, FieldProfile, Profile};
use crate::web::explore::builder::{self, LEVEL_LABEL, Want};
use crate::web::explore::state::State;
use crate::web::explore::text::{self, Piece};
use crate::web::explore::understand::compare::{RATIO_MIN, SIGNIFICANCE_MIN, SOURCES, VALUE_BYTES_MAX, significance};
use crate::web::explore::understand::fields::origin_of;
use crate::web::explore::understand::{lines_of, percent};

/// Values of one field that are told, and of all.
const VALUES_OF_FIELD: usize = 2;
const VALUES_MAX: usize = 12;

/// A value that more of the lines have than before.
#[derive(Debug)]
pub(crate) struct ValueChange {
    pub(crate) name: String,
    pub(crate) value: Vec<Piece>,
    pub(crate) now: String,
    pub(crate) before: String,
    pub(crate) href: String,
}

/// Values that clearly more of the lines have than before.
pub(crate) fn value_changes(state: &State, expr: &LogExpr, now: &Profile, before: &Profile) -> Vec<ValueChange> {
    struct Found<'a> {
        field: &'a FieldProfile,
        value: &'a str,
        counts: (u64, u64),
        /// Whether there may have been fewer before.
        is_most: bool,
        significance: f64,
    }
    let then: HashMap<(FieldOrigin, &str), &FieldProfile> =
        before.fields.iter().map(|field| ((field.origin, field.name.as_str()), field)).collect();
    let (lines_now, lines_before) = (now.line_count.max(1) as f64, before.line_count.max(1) as f64);
    let mut found: Vec<Found<'_>> = Vec::new();
    for field in &now.fields {
        // what is different in each line is not what lines have in common
        let is_id = field.value_count * 2 > field.line_count;
        if is_id || field.name == LEVEL_LABEL || SOURCES.contains(&field.name.as_str()) {
            continue;
        }
        let past_field = then.get(&(field.origin, field.name.as_str()));
        // where not all fields were told apart, nobody knows whether this one was there
        if past_field.is_none() && before.is_cut {
            continue;
        }
        let known: HashMap<&str, u64> =
            past_field.iter().flat_map(|field| &field.top).map(|(value, count)| (value.as_str(), *count)).collect();
        let unlisted = past_field.map_or(0, |field| unlisted_max(field));
        for (value, count) in &field.top {
            let listed = known.get(value.as_str()).copied();
            let (past, is_most) = (listed.unwrap_or(unlisted), listed.is_none() && unlisted > 0);
            let (share, share_before) = (*count as f64 / lines_now, past as f64 / lines_before);
            let significance = significance((*count, lines_now), (past, lines_before));
            if significance >= SIGNIFICANCE_MIN && share >= share_before * RATIO_MIN {
                found.push(Found { field, value, counts: (*count, past), is_most, significance });
            }
        }
    }
    found.sort_by(|a, b| b.significance.total_cmp(&a.significance));
    let mut told: Vec<Found<'_>> = Vec::new();
    for one in found {
        let of_field = told.iter().filter(|other| other.field.name == one.field.name).count();
        // two names for one thing are told once
        let is_known = told.iter().any(|other| other.counts == one.counts);
        if told.len() < VALUES_MAX && of_field < VALUES_OF_FIELD && !is_known {
            told.push(one);
        }
    }
    let view = |one: Found<'_>| {
        let only = builder::with_value(expr, origin_of(one.field.origin), &one.field.name, one.value, Want::With);
        ValueChange {
            name: one.field.name.clone(),
            value: text::revealed(text::head(one.value, VALUE_BYTES_MAX)),
            now: percent(one.counts.0 as f64 / lines_now),
            before: format!("{}{}", if one.is_most { "≤ " } else { "" }, percent(one.counts.1 as f64 / lines_before)),
            href: lines_of(state, &only).url(),
        }
    };
    told.into_iter().map(view).collect()
}

/// How many lines may have a value that is not among the listed ones: as many as have the rarest of those.
fn unlisted_max(field: &FieldProfile) -> u64 {
    if field.value_count <= field.top.len() as u64 {
        return 0;
    }
    field.top.iter().map(|(_, count)| *count).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::query::{Coverage, FieldOrigin, FieldProfile, Profile, Stats};
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::understand::outliers::value_changes;
    use crate::web::explore::view::Asked;
    use crate::web::language::Language;

    fn state() -> State {
        let params = Params { show: Some("compare".to_owned()), ..Params::default() };
        State::read(&params, None, Language::English, Timestamp::from_secs(1_795_358_760)).0
    }

    #[test]
    fn a_value_is_new_only_where_it_surely_was_not_there() {
        let field = |name: &str, value_count, top: &[(&str, u64)]| FieldProfile {
            name: name.to_owned(),
            origin: FieldOrigin::Json,
            line_count: 1000,
            value_count,
            is_estimated: false,
            top: top.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect(),
            numbers: None,
        };
        let profile = |fields, is_cut| Profile {
            fields,
            line_count: 1000,
            coverage: Coverage { read: 1000, all: 1000 },
            is_cut,
            stats: Stats::default(),
            warnings: Vec::new(),
        };
        let now = || profile(vec![field("path", 300, &[("/a", 90), ("/b", 80)])], false);
        let asked = Asked::read("{}");
        let told = |before: Profile| -> Vec<String> {
            let found = value_changes(&state(), asked.lines().expect("lines"), &now(), &before);
            found.iter().map(|it| it.before.clone()).collect()
        };
        // one of the three hundred values that are not listed may be this one, as often as the rarest of those that are
        assert!(told(profile(vec![field("path", 302, &[("/a", 90), ("/c", 75)])], false)).is_empty());
        assert_eq!(told(profile(vec![field("path", 302, &[("/a", 90), ("/c", 10)])], false)), ["≤ 1 %"]);
        assert_eq!(told(profile(vec![field("path", 2, &[("/a", 90), ("/c", 10)])], false)), ["0 %"]);
        // fields beyond those that are told apart may be any
        assert!(told(profile(Vec::new(), true)).is_empty());
        assert_eq!(told(profile(Vec::new(), false)).len(), 2);
    }

    #[test]
    fn values_that_stand_out_are_told_once() {
        let field = |name: &str, top: &[(&str, u64)]| FieldProfile {
            name: name.to_owned(),
            origin: FieldOrigin::Json,
            line_count: 1000,
            value_count: top.len() as u64,
            is_estimated: false,
            top: top.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect(),
            numbers: None,
        };
        let profile = |fields| Profile {
            fields,
            line_count: 1000,
            coverage: Coverage { read: 1000, all: 1000 },
            is_cut: false,
            stats: Stats::default(),
            warnings: Vec::new(),
        };
        let now = profile(vec![
            field("status", &[("500", 300), ("200", 700)]),
            field("code", &[("E500", 300), ("OK", 700)]),
            field("host", &[("a", 1000)]),
        ]);
        let before = profile(vec![
            field("status", &[("500", 10), ("200", 990)]),
            field("code", &[("E500", 10), ("OK", 990)]),
            field("host", &[("b", 1000)]),
        ]);
        let asked = Asked::read("{}");
        let found = value_changes(&state(), asked.lines().expect("lines"), &now, &before);
        let told: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.now.as_str(), it.before.as_str())).collect();
        assert_eq!(told, [("status", "30 %", "1 %")]);
        assert!(found[0].href.contains("%7C+json+%7C+status%3D%22500%22"));
    }
}
