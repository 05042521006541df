//! Structured metadata: names made fit for queries, and the sets that are shared between entries.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use crate::ingest::level::{self, DETECTED_LEVEL, Level};
use crate::model::Labels;

/// Pairs as they were sent.
pub(crate) type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// Different sets remembered per push: beyond that they are ids, which do not come again.
const SETS_MAX: usize = 1024;

/// How the level of an entry comes about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LevelSource {
    /// It is not added.
    Left,
    /// The stream's labels say it.
    Stream(String),
    /// The entry says it.
    Entry,
}

/// The sets of a stream's entries that bring no metadata: nothing but a level. Kept with the stream from push to push:
/// the store knows them again, and processors do not wait for each other to count the uses of one that all share.
#[derive(Debug, Default)]
pub(crate) struct BareSets([OnceLock<Labels>; level::COUNT]);

impl BareSets {
    /// The set of an entry with this line.
    #[inline]
    pub(crate) fn set(&self, source: &LevelSource, line: &str) -> Labels {
        let (place, level) = match source {
            LevelSource::Left => return Labels::default(),
            // a stream that says it says the same for every entry
            LevelSource::Stream(level) => (0, level.as_str()),
            LevelSource::Entry => {
                let level = level::detect(line);
                (level as usize, level.name())
            }
        };
        self.0[place].get_or_init(|| Labels::from([(DETECTED_LEVEL, level)])).clone()
    }
}

/// Builds the sets of one push.
#[derive(Debug, Default)]
pub(crate) struct Sets<'a> {
    known: HashMap<(Pairs<'a>, Option<String>), Labels>,
    /// Most entries that bring metadata bring that of the one before.
    last: Option<((Pairs<'a>, Option<String>), Labels)>,
}

impl<'a> Sets<'a> {
    /// The set of an entry that brings `pairs`, with its level; `Err` holds the text of a name that cannot be kept.
    pub(crate) fn set(&mut self, pairs: Pairs<'a>, source: &LevelSource, line: &str) -> Result<Labels, String> {
        let mut cleaned = Pairs::with_capacity(pairs.len());
        for (name, value) in pairs {
            if !value.is_empty() {
                cleaned.push((clean(name)?, value));
            }
        }
        let level = match source {
            LevelSource::Left => None,
            LevelSource::Stream(_) | LevelSource::Entry => Some(level_of(&cleaned, source, line)),
        };
        Ok(self.shared((cleaned, level)))
    }

    fn shared(&mut self, key: (Pairs<'a>, Option<String>)) -> Labels {
        if let Some((last, labels)) = &self.last
            && *last == key
        {
            return labels.clone();
        }
        let labels = match self.known.get(&key) {
            Some(labels) => labels.clone(),
            None => {
                let labels = build(&key);
                if self.known.len() < SETS_MAX {
                    self.known.insert(key.clone(), labels.clone());
                }
                labels
            }
        };
        self.last = Some((key, labels.clone()));
        labels
    }
}

fn build((pairs, level): &(Pairs<'_>, Option<String>)) -> Labels {
    let given = pairs.iter().map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned()));
    let level = level.iter().map(|level| (DETECTED_LEVEL.to_owned(), level.clone()));
    Labels::from_pairs(given.chain(level))
}

/// The level: given as such, said by the stream's labels, by the metadata, by OpenTelemetry's number, by the line.
fn level_of(pairs: &Pairs<'_>, source: &LevelSource, line: &str) -> String {
    let get = |wanted: &str| pairs.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| &**value);
    if let Some(given) = get(DETECTED_LEVEL) {
        return level::normal(given).to_owned();
    }
    if let LevelSource::Stream(level) = source {
        return level.clone();
    }
    if let Some(stated) = level::stated(get) {
        return stated.to_owned();
    }
    let level: Level = match get("severity_number") {
        Some(number) => level::of_severity_number(number),
        None => level::detect(line),
    };
    level.name().to_owned()
}

/// A name as label filters can say it: other characters become `_`, runs of `_` one, a digit in front gets `key_`.
/// `Err` holds Loki's text where nothing is left of the name.
pub(crate) fn clean(name: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    let fine = |name: &str| {
        let bytes = name.as_bytes();
        bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            && !bytes.windows(2).any(|two| two == b"__")
            && bytes.iter().any(u8::is_ascii_alphanumeric)
            && !bytes[0].is_ascii_digit()
    };
    if fine(&name) {
        return Ok(name);
    }
    let mut clean = String::with_capacity(name.len() + 4);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        clean.push_str("key_");
    }
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '_' };
        if c != '_' || !clean.ends_with('_') {
            clean.push(c);
        }
    }
    if clean.chars().all(|c| c == '_') {
        return Err(format!("normalization for label name {name:?} resulted in invalid name {clean:?}"));
    }
    Ok(Cow::Owned(clean))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use crate::ingest::metadata::{BareSets, LevelSource, Pairs, Sets, clean};
    use crate::model::Labels;

    fn pairs(list: &[(&'static str, &'static str)]) -> Pairs<'static> {
        list.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect()
    }

    fn check(list: &[(&'static str, &'static str)], source: &LevelSource, line: &str, wanted: &[(&str, &str)]) {
        let wanted: Labels = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(Sets::default().set(pairs(list), source, line), Ok(wanted), "{list:?} {line}");
    }

    #[test]
    fn names_become_what_loki_makes_of_them() {
        let list = [("a", "1"), ("b.c", "2"), ("d-e", "3"), ("f g", "4"), ("1h", "5"), ("empty", ""), ("x_y", "10")];
        let more = [("x.y", "11"), ("__u", "12"), ("Ünï", "13"), ("detected_level", "WARN")];
        let wanted = [("_n_", "13"), ("_u", "12"), ("a", "1"), ("b_c", "2"), ("d_e", "3"), ("detected_level", "warn")];
        let wanted_more = [("f_g", "4"), ("key_1h", "5"), ("x_y", "11")];
        check(&[&list[..], &more].concat(), &LevelSource::Entry, "error", &[&wanted[..], &wanted_more].concat());
    }

    #[test]
    fn a_name_without_letters_is_refused() {
        for name in ["-", "__", "키", ""] {
            let error = clean(Cow::Borrowed(name)).unwrap_err();
            assert!(
                error.starts_with(&format!("normalization for label name {name:?} resulted in invalid")),
                "{error}"
            );
        }
        let error = clean(Cow::Borrowed("-")).unwrap_err();
        assert_eq!(error, "normalization for label name \"-\" resulted in invalid name \"_\"");
    }

    #[test]
    fn the_level_comes_from_the_first_that_says_it() {
        let stream = LevelSource::Stream("notice".to_owned());
        let entry = LevelSource::Entry;
        let bare = |source| BareSets::default().set(source, "an error").to_string();
        assert_eq!(bare(&entry), r#"{detected_level="error"}"#);
        assert_eq!(bare(&stream), r#"{detected_level="notice"}"#);
        assert_eq!(bare(&LevelSource::Left), "{}");
        check(&[("a", "b")], &LevelSource::Left, "an error", &[("a", "b")]);
        check(&[("detected_level", "custom")], &stream, "error", &[("detected_level", "custom")]);
        check(&[("level", "ERROR")], &stream, "x", &[("detected_level", "notice"), ("level", "ERROR")]);
        check(&[("level", "ERROR")], &entry, "info", &[("detected_level", "error"), ("level", "ERROR")]);
        check(&[("lvl", "W")], &entry, "level=info", &[("detected_level", "W"), ("lvl", "W")]);
        check(&[("log.level", "error")], &entry, "x", &[("detected_level", "unknown"), ("log_level", "error")]);
        let number = [("severity_number", "17")];
        check(&number, &entry, "x", &[("detected_level", "error"), number[0]]);
    }

    #[test]
    fn equal_sets_are_one() {
        let mut sets = Sets::default();
        let mut set = |list| sets.set(pairs(list), &LevelSource::Entry, "x").unwrap();
        let (one, other, again) = (set(&[("a", "1")]), set(&[("a", "2")]), set(&[("a", "1")]));
        let place = |labels: &Labels| labels.iter().next().map(|(name, _)| name.as_ptr());
        assert_eq!(place(&one), place(&again));
        assert_ne!(place(&one), place(&other));
        let bare = BareSets::default();
        let bare = |line| bare.set(&LevelSource::Entry, line);
        assert_eq!(place(&bare("an error")), place(&bare("ERR 5")));
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(name in ".{0,20}|[a-zA-Z0-9_.-]{0,20}") {
            if let Ok(clean_name) = clean(Cow::Borrowed(&name)) {
                prop_assert_eq!(clean(clean_name.clone()), Ok(clean_name.clone()));
                prop_assert!(crate::ingest::labels::is_name(&clean_name));
            }
        }
    }
}
