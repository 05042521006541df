//! `relabel_configs`: what becomes of the labels of a target before lines are read from it, as in Prometheus.
//!
//! Promises: a rule that is wrong is refused when the configuration is read; labels that begin with `__` are seen by the
//! rules alone and never sent.

use std::fmt;

use md5::{Digest as _, Md5};
use regex::Regex;
use serde::de::{Error as _, IntoDeserializer as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::agent::config::units::{LabelName, is_label_name};
use crate::model::{Labels, re2};

/// What a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    #[default]
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Rule {
    source_labels: Vec<LabelName>,
    separator: String,
    regex: Anchored,
    #[serde(skip_serializing_if = "Option::is_none")]
    modulus: Option<u64>,
    target_label: String,
    replacement: String,
    action: Action,
}

/// A rule as it is written; what is left out is told from what is given.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    source_labels: Option<Vec<LabelName>>,
    separator: Option<String>,
    regex: Option<Anchored>,
    modulus: Option<u64>,
    target_label: Option<String>,
    replacement: Option<String>,
    #[serde(deserialize_with = "action")]
    action: Action,
}

/// Names of actions are taken however they are capitalised.
fn action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(name) => Action::deserialize(name.to_lowercase().into_deserializer()),
        None => Ok(Action::Replace),
    }
}

/// A pattern that must match the whole text.
#[derive(Clone)]
struct Anchored {
    text: String,
    compiled: Regex,
}

impl Anchored {
    fn new(text: String) -> Result<Anchored, re2::Error> {
        Ok(Anchored { compiled: re2::compile_anchored(&text)?, text })
    }
}

impl PartialEq for Anchored {
    fn eq(&self, other: &Anchored) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Anchored {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, out)
    }
}

impl Serialize for Anchored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Anchored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Anchored, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        Anchored::new(text).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rule, D::Error> {
        let written = Written::deserialize(deserializer)?;
        written.check().map_err(D::Error::custom)?;
        let regex = match written.regex {
            Some(regex) => regex,
            None => Anchored::new("(.*)".to_owned()).map_err(D::Error::custom)?,
        };
        Ok(Rule {
            source_labels: written.source_labels.unwrap_or_default(),
            separator: written.separator.unwrap_or_else(|| ";".to_owned()),
            regex,
            modulus: written.modulus,
            target_label: written.target_label.unwrap_or_default(),
            replacement: written.replacement.unwrap_or_else(|| "$1".to_owned()),
            action: written.action,
        })
    }
}

impl Written {
    fn check(&self) -> Result<(), String> {
        let target = self.target_label.as_deref().unwrap_or_default();
        let action = action_name(self.action);
        match self.action {
            Action::Replace if target.is_empty() => {
                Err("this rule has no target_label: say which label it writes, or give it an action".into())
            }
            Action::Replace if !is_label_template(target) => Err(not_a_label(target)),
            Action::HashMod if self.modulus.unwrap_or_default() == 0 => {
                Err("hashmod has no modulus: say into how many parts targets fall".into())
            }
            Action::KeepEqual | Action::DropEqual | Action::HashMod | Action::Lowercase | Action::Uppercase
                if target.is_empty() =>
            {
                Err(format!("{action} has no target_label: name a label"))
            }
            Action::KeepEqual | Action::DropEqual | Action::HashMod | Action::Lowercase | Action::Uppercase
                if !is_label_name(target) =>
            {
                Err(not_a_label(target))
            }
            Action::LabelMap => match self.replacement.as_deref() {
                Some(replacement) if !is_label_template(replacement) => Err(not_a_label(replacement)),
                Some(_) | None => Ok(()),
            },
            Action::LabelDrop | Action::LabelKeep if self.has_more_than_regex() => {
                Err(format!("{action} looks at the names of labels, with regex alone: leave the other keys out"))
            }
            Action::KeepEqual | Action::DropEqual
                if self.regex.is_some() || self.separator.is_some() || self.replacement.is_some() =>
            {
                Err(format!("{action} compares source_labels with target_label: leave the other keys out"))
            }
            Action::Replace
            | Action::Keep
            | Action::Drop
            | Action::KeepEqual
            | Action::DropEqual
            | Action::HashMod
            | Action::LabelDrop
            | Action::LabelKeep
            | Action::Lowercase
            | Action::Uppercase => Ok(()),
        }
    }

    fn has_more_than_regex(&self) -> bool {
        self.source_labels.is_some()
            || self.target_label.is_some()
            || self.modulus.is_some()
            || self.separator.is_some()
            || self.replacement.is_some()
    }
}

fn not_a_label(name: &str) -> String {
    format!("{name:?} cannot be the name of a label: it has letters, digits and _, and no digit first")
}

fn action_name(action: Action) -> &'static str {
    match action {
        Action::Replace => "replace",
        Action::Keep => "keep",
        Action::Drop => "drop",
        Action::KeepEqual => "keepequal",
        Action::DropEqual => "dropequal",
        Action::HashMod => "hashmod",
        Action::LabelMap => "labelmap",
        Action::LabelDrop => "labeldrop",
        Action::LabelKeep => "labelkeep",
        Action::Lowercase => "lowercase",
        Action::Uppercase => "uppercase",
    }
}

/// Whether a text is the name of a label once groups such as `$1` and `${name}` are put in.
fn is_label_template(text: &str) -> bool {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        plain.push_str(before);
        let group = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}'),
            None => {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                Some(after.split_at(end))
            }
        };
        match group {
            Some((name, after)) if !name.is_empty() => rest = after,
            Some(_) | None => return false,
        }
        plain.push('_');
    }
    plain.push_str(rest);
    is_label_name(&plain)
}

/// The labels of a target after all rules; `None` where a rule drops it. Those that begin with `__` are among them still.
pub(crate) fn apply(rules: &[Rule], labels: &Labels) -> Option<Labels> {
    if rules.is_empty() {
        return Some(labels.clone());
    }
    let mut work = Work(labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
    for rule in rules {
        if !rule.apply(&mut work) {
            return None;
        }
    }
    Some(Labels::from_pairs(work.0))
}

/// Whether a label of this name makes a difference to what becomes of the others.
pub(crate) fn is_read(rules: &[Rule], name: &str) -> bool {
    rules.iter().any(|rule| match rule.action {
        Action::LabelMap => rule.regex.compiled.is_match(name),
        Action::KeepEqual | Action::DropEqual if rule.target_label == name => true,
        Action::Replace
        | Action::Keep
        | Action::Drop
        | Action::KeepEqual
        | Action::DropEqual
        | Action::HashMod
        | Action::LabelDrop
        | Action::LabelKeep
        | Action::Lowercase
        | Action::Uppercase => rule.source_labels.iter().any(|label| label.0 == name),
    })
}

/// The labels that are sent: without those for rules, and without those that have no text.
pub(crate) fn public(labels: &Labels) -> Labels {
    let kept = labels.iter().filter(|(name, value)| !name.starts_with("__") && !value.is_empty());
    Labels::from_pairs(kept.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// Labels while rules change them.
struct Work(Vec<(String, String)>);

impl Work {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A label without text is none.
    fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.0.push((name.to_owned(), value));
        }
    }
}

impl Rule {
    /// Changes labels; `false` where the target is dropped.
    fn apply(&self, labels: &mut Work) -> bool {
        let values: Vec<&str> = self.source_labels.iter().map(|name| labels.get(&name.0)).collect();
        let value = values.join(&self.separator);
        let regex = &self.regex.compiled;
        match self.action {
            Action::Drop => return !regex.is_match(&value),
            Action::Keep => return regex.is_match(&value),
            Action::DropEqual => return labels.get(&self.target_label) != value,
            Action::KeepEqual => return labels.get(&self.target_label) == value,
            Action::Replace => self.replace(&value, labels),
            Action::Lowercase => labels.set(&self.target_label, value.to_lowercase()),
            Action::Uppercase => labels.set(&self.target_label, value.to_uppercase()),
            Action::HashMod => {
                let part = hash(&value) % self.modulus.unwrap_or(1).max(1);
                labels.set(&self.target_label, part.to_string());
            }
            Action::LabelMap => {
                let mut mapped = Vec::new();
                for (name, value) in &labels.0 {
                    if let Some(found) = regex.captures(name) {
                        let mut target = String::new();
                        found.expand(&self.replacement, &mut target);
                        mapped.push((target, value.clone()));
                    }
                }
                mapped.into_iter().for_each(|(name, value)| labels.set(&name, value));
            }
            Action::LabelDrop => labels.0.retain(|(name, _)| !regex.is_match(name)),
            Action::LabelKeep => labels.0.retain(|(name, _)| regex.is_match(name)),
        }
        true
    }

    fn replace(&self, value: &str, labels: &mut Work) {
        let Some(found) = self.regex.compiled.captures(value) else { return };
        let (mut target, mut replaced) = (String::new(), String::new());
        found.expand(&self.target_label, &mut target);
        if is_label_name(&target) {
            found.expand(&self.replacement, &mut replaced);
            labels.set(&target, replaced);
        }
    }
}

/// The number that Prometheus has for a text: the last eight bytes of its MD5.
fn hash(text: &str) -> u64 {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().skip(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use crate::agent::relabel::*;

    fn labels(text: &str) -> Labels {
        let pairs = text.split_whitespace().map(|pair| pair.split_once('=').unwrap());
        Labels::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// `after` is `None` where the target is dropped.
    #[track_caller]
    fn check(rules: &str, before: &str, after: Option<&str>) {
        let rules: Vec<Rule> = serde_saphyr::from_str(rules).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(apply(&rules, &labels(before)), after.map(labels));
    }

    #[track_caller]
    fn check_refused(rule: &str, part: &str) {
        let error = serde_saphyr::from_str::<Rule>(rule).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }

    #[test]
    fn replace_writes_what_groups_hold() {
        check("[{source_labels: [a], target_label: b}]", "a=x", Some("a=x b=x"));
        check("[{source_labels: [a, c], target_label: b}]", "a=x", Some("a=x b=x;"));
        check("[{source_labels: [a, c], separator: '', target_label: b}]", "a=x c=y", Some("a=x b=xy c=y"));
        let rule = "[{source_labels: [a], regex: '/(.*)-(?P<n>\\d+)', target_label: b, replacement: '${n}:$1'}]";
        check(rule, "a=/web-12", Some("a=/web-12 b=12:web"));
        check(rule, "a=web-12", Some("a=web-12"));
        check("[{target_label: b, replacement: fixed}]", "a=x", Some("a=x b=fixed"));
        check("[{source_labels: [none], target_label: a}]", "a=x", Some(""));
        check("[{source_labels: [a], regex: (.+), target_label: 'p_$1', replacement: y}]", "a=x", Some("a=x p_x=y"));
        check("[{source_labels: [a], regex: (.+), target_label: 'p_${1}', replacement: y}]", "a=-", Some("a=-"));
    }

    #[test]
    fn keep_and_drop_look_at_the_whole_value() {
        check("[{source_labels: [a], regex: x|y, action: keep}]", "a=x", Some("a=x"));
        check("[{source_labels: [a], regex: x|y, action: keep}]", "a=xy", None);
        check("[{source_labels: [a], regex: x.*, action: Drop}]", "a=xy", None);
        check("[{source_labels: [a], regex: '', action: drop}]", "b=1", None);
        check("[{source_labels: [a], target_label: b, action: keepequal}]", "a=x b=x", Some("a=x b=x"));
        check("[{source_labels: [a], target_label: b, action: dropequal}]", "a=x b=x", None);
        check("[{source_labels: [a], target_label: b, action: dropequal}]", "a=x b=y", Some("a=x b=y"));
    }

    #[test]
    fn names_of_labels_are_mapped_kept_and_dropped() {
        let meta = "__meta_label_app=shop __meta_label_env=prod job=x";
        check(
            "[{action: labelmap, regex: __meta_label_(.+)}]",
            meta,
            Some("__meta_label_app=shop __meta_label_env=prod app=shop env=prod job=x"),
        );
        check("[{action: labeldrop, regex: __meta_.*}]", meta, Some("job=x"));
        check("[{action: labelkeep, regex: job}]", meta, Some("job=x"));
        assert_eq!(public(&labels(meta)), labels("job=x"));
    }

    #[test]
    fn values_are_hashed_and_capitalised() {
        // md5("foo") = acbd18db4cc2f85cedef654fccc4a4d8
        check("[{source_labels: [a], modulus: 1000, target_label: h, action: hashmod}]", "a=foo", Some("a=foo h=696"));
        check("[{source_labels: [a], target_label: a, action: uppercase}]", "a=foo", Some("a=FOO"));
        check("[{source_labels: [a], target_label: b, action: lowercase}]", "a=Foo", Some("a=Foo b=foo"));
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused() {
        check_refused("{source_labels: [a]}", "no target_label");
        check_refused("{target_label: a-b}", "cannot be the name of a label");
        check_refused("{target_label: '${1'}", "cannot be the name of a label");
        check_refused("{action: hashmod, target_label: a}", "no modulus");
        check_refused("{action: lowercase, source_labels: [a]}", "no target_label");
        check_refused("{action: labeldrop, regex: a, target_label: b}", "with regex alone");
        check_refused("{action: labelmap, regex: a, replacement: ''}", "cannot be the name");
        check_refused("{action: keepequal, source_labels: [a], target_label: b, regex: c}", "compares");
        check_refused("{action: explode}", "unknown variant");
        check_refused("{regex: '(a', target_label: b}", "missing closing )");
        check_refused("{source_labels: [a-b], target_label: b}", "cannot be the name of a label");
    }
}
