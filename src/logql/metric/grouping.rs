//! `by` and `without`: which labels of a series remain. Empty values count as missing.

use crate::logql::ast::{Grouping, GroupingKind};
use crate::logql::metric::series::Pairs;
use crate::model::Labels;

/// Writes what is left of a set to `kept`; nothing of it without a grouping.
pub(crate) fn group(pairs: &Pairs, grouping: Option<&Grouping>, set: &[u32], kept: &mut Vec<u32>) {
    match grouping {
        None => kept.clear(),
        Some(Grouping { kind: GroupingKind::By, labels }) => only(pairs, set, labels, kept),
        Some(Grouping { kind: GroupingKind::Without, labels }) => except(pairs, set, labels, kept),
    }
}

/// Writes the pairs with one of these names.
pub(crate) fn only(pairs: &Pairs, set: &[u32], names: &[String], kept: &mut Vec<u32>) {
    keep(pairs, set, kept, |name| names.iter().any(|wanted| wanted == name));
}

/// Writes the pairs with none of these names.
pub(crate) fn except(pairs: &Pairs, set: &[u32], names: &[String], kept: &mut Vec<u32>) {
    keep(pairs, set, kept, |name| !names.iter().any(|unwanted| unwanted == name));
}

fn keep(pairs: &Pairs, set: &[u32], kept: &mut Vec<u32>, is_wanted: impl Fn(&str) -> bool) {
    kept.clear();
    kept.extend(set.iter().filter(|pair| {
        let (name, value) = pairs.get(**pair);
        !value.is_empty() && is_wanted(name)
    }));
}

/// The labels with one of these names.
pub fn only_labels(labels: &Labels, names: &[String]) -> Labels {
    let is_wanted = |name: &str, value: &str| !value.is_empty() && names.iter().any(|wanted| wanted == name);
    if labels.iter().all(|(name, value)| is_wanted(name, value)) {
        return labels.clone();
    }
    let kept = labels.iter().filter(|(name, value)| is_wanted(name, value));
    kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Grouping, GroupingKind};
    use crate::logql::metric::grouping::{group, only_labels};
    use crate::logql::metric::series::Pairs;
    use crate::model::{Labels, Memory};

    #[test]
    fn by_keeps_what_is_named_and_without_drops_it() {
        let mut pairs = Pairs::new(&Memory::unbounded());
        let set = [("a", "1"), ("b", "2"), ("empty", "")].map(|(name, value)| pairs.number(name, value).expect("room"));
        let names: Vec<String> = vec!["a".into(), "empty".into(), "none".into()];
        let check = |grouping: Option<&Grouping>, expected: Labels| {
            let mut kept = vec![7];
            group(&pairs, grouping, &set, &mut kept);
            assert_eq!(pairs.labels(&kept), expected);
        };
        let grouping = |kind| Grouping { kind, labels: names.clone() };
        check(Some(&grouping(GroupingKind::By)), Labels::from([("a", "1")]));
        check(Some(&grouping(GroupingKind::Without)), Labels::from([("b", "2")]));
        check(None, Labels::default());
        assert_eq!(only_labels(&pairs.labels(&set), &names), Labels::from([("a", "1")]));
    }
}
