//! `by` and `without`: which labels of a series remain.

use crate::logql::ast::{Grouping, GroupingKind};
use crate::model::Labels;

/// The labels that are left of `labels`; nothing of it without a grouping. Empty values count as missing.
pub fn group(grouping: Option<&Grouping>, labels: &Labels) -> Labels {
    let Some(grouping) = grouping else {
        return Labels::default();
    };
    match grouping.kind {
        GroupingKind::By => only(labels, &grouping.labels),
        GroupingKind::Without => except(labels, &grouping.labels),
    }
}

/// The labels with one of these names.
pub fn only(labels: &Labels, names: &[String]) -> Labels {
    keep(labels, |name, value| !value.is_empty() && names.iter().any(|wanted| wanted == name))
}

/// The labels with none of these names.
pub fn except(labels: &Labels, names: &[String]) -> Labels {
    keep(labels, |name, value| !value.is_empty() && !names.iter().any(|unwanted| unwanted == name))
}

fn keep(labels: &Labels, wanted: impl Fn(&str, &str) -> bool) -> Labels {
    if labels.iter().all(|(name, value)| wanted(name, value)) {
        return labels.clone();
    }
    let kept = labels.iter().filter(|(name, value)| wanted(name, value));
    kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Grouping, GroupingKind};
    use crate::logql::metric::grouping::group;
    use crate::model::Labels;

    #[test]
    fn by_keeps_what_is_named_and_without_drops_it() {
        let labels = Labels::from([("a", "1"), ("b", "2"), ("empty", "")]);
        let grouping = |kind| Grouping { kind, labels: vec!["a".into(), "empty".into(), "none".into()] };
        assert_eq!(group(Some(&grouping(GroupingKind::By)), &labels), Labels::from([("a", "1")]));
        assert_eq!(group(Some(&grouping(GroupingKind::Without)), &labels), Labels::from([("b", "2")]));
        assert_eq!(group(None, &labels), Labels::default());
    }
}
