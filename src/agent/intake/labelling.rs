//! From what is known of a received line to its labels: the job's `relabel_configs`, run line by line.
//!
//! Promises: the same facts give the same labels at the cost of a look-up; what no rule reads is not even collected;
//! memory is bounded however many values there are. A line whose labels all went away keeps its job's name.

use std::sync::{Mutex, PoisonError};

use crate::agent::entry::TENANT;
use crate::agent::relabel::{self, Rule};
use crate::agent::stage::generations::Generations;
use crate::model::Labels;

/// Sets of facts that are remembered at least: at some 500 bytes each, half a megabyte.
const KNOWN_MAX: usize = 1024;

/// What is known of a line: names and values.
pub(crate) type Facts = Vec<(String, String)>;

/// The rules of a job.
#[derive(Debug)]
pub(crate) struct Labelling {
    rules: Vec<Rule>,
    /// Labels of all lines.
    fixed: Labels,
    /// Of lines without any label, which no server takes.
    last_resort: Labels,
    known: Mutex<Generations<Facts, Option<Labels>>>,
}

impl Labelling {
    pub(crate) fn new(rules: &[Rule], fixed: &Labels, job_name: &str, kind: &str) -> Labelling {
        let name = if job_name.is_empty() { kind } else { job_name };
        Labelling {
            rules: rules.to_vec(),
            fixed: fixed.clone(),
            last_resort: Labels::from([("job", name)]),
            known: Mutex::new(Generations::new(KNOWN_MAX)),
        }
    }

    /// Whether a fact of this name makes a difference.
    pub(crate) fn reads(&self, name: &str) -> bool {
        relabel::is_read(&self.rules, name)
    }

    /// The labels of a line, `None` where a rule drops it. Give those facts alone that are read.
    pub(crate) fn label(&self, facts: Facts) -> Option<Labels> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // `get` takes its key away only from those that are there
        if let Some(labels) = known.get(facts.clone()) {
            return labels.clone();
        }
        let labels = self.apply(&facts);
        known.insert(facts, labels.clone());
        labels
    }

    fn apply(&self, facts: &Facts) -> Option<Labels> {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let all = Labels::from_pairs(facts.iter().cloned().chain(self.fixed.iter().map(own)));
        let labels = relabel::apply(&self.rules, &all)?;
        let sent = relabel::public(&labels);
        let sent = if sent.is_empty() { self.last_resort.clone() } else { sent };
        match labels.get(TENANT) {
            Some(tenant) if !tenant.is_empty() => {
                Some(Labels::from_pairs(sent.iter().map(own).chain([(TENANT.to_owned(), tenant.to_owned())])))
            }
            Some(_) | None => Some(sent),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::intake::labelling::*;

    fn labelling(rules: &str, fixed: &Labels) -> Labelling {
        let rules: Vec<Rule> = serde_saphyr::from_str(rules).unwrap_or_else(|error| panic!("{error}"));
        Labelling::new(&rules, fixed, "net", "syslog")
    }

    fn facts(pairs: &[(&str, &str)]) -> Facts {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn rules_see_facts_and_labels_and_facts_are_not_sent() {
        let rules =
            "[{source_labels: [__host], target_label: host}, {source_labels: [__host], regex: bad, action: drop},
                      {source_labels: [__host], regex: 't-(.*)', target_label: __tenant_id__}]";
        let labelling = labelling(rules, &Labels::from([("job", "x"), ("__mine", "y")]));
        for _ in 0..2 {
            let labels = labelling.label(facts(&[("__host", "a")])).unwrap();
            assert_eq!(labels, Labels::from([("host", "a"), ("job", "x")]));
            assert_eq!(labelling.label(facts(&[("__host", "bad")])), None);
            let labels = labelling.label(facts(&[("__host", "t-1")])).unwrap();
            assert_eq!(labels, Labels::from([("__tenant_id__", "1"), ("host", "t-1"), ("job", "x")]));
        }
    }

    #[test]
    fn a_line_without_labels_has_its_job() {
        let labels = labelling("[{action: labeldrop, regex: job}]", &Labels::from([("job", "x")])).label(facts(&[]));
        assert_eq!(labels, Some(Labels::from([("job", "net")])));
        assert_eq!(
            Labelling::new(&[], &Labels::default(), "", "journal").label(facts(&[])).unwrap().get("job"),
            Some("journal")
        );
    }

    #[test]
    fn facts_are_read_by_name_and_by_pattern() {
        let labelling = labelling(
            "[{source_labels: [__a], target_label: a}, {action: labelmap, regex: '__b_(.+)'},
              {source_labels: [x], target_label: __c, action: keepequal}, {action: labeldrop, regex: '__d'}]",
            &Labels::default(),
        );
        let read = ["__a", "__b_x", "__c", "x"].map(|name| labelling.reads(name));
        assert_eq!(read, [true; 4]);
        assert_eq!(["__b_", "__d", "a"].map(|name| labelling.reads(name)), [false; 3]);
    }

    #[test]
    fn memory_does_not_grow_with_values() {
        let labelling = labelling("[{source_labels: [__a], target_label: a}]", &Labels::default());
        for number in 0..5000 {
            let labels = labelling.label(facts(&[("__a", &number.to_string())])).unwrap();
            assert_eq!(labels.get("a"), Some(number.to_string().as_str()));
        }
    }
}
