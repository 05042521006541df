//! A set of labels: sorted by name, each name once. Cheap to clone and to share.
//!
//! The same type carries stream labels, structured metadata and the labels of a series.

use std::fmt;
use std::sync::{Arc, LazyLock};

use xxhash_rust::xxh3::Xxh3Default;

static EMPTY: LazyLock<Arc<[(String, String)]>> = LazyLock::new(|| Arc::from([]));

/// Name and value pairs, sorted by name, every name at most once.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[(String, String)]>);

impl Labels {
    /// Sorts the pairs; where a name comes more than once, the last one given wins.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Labels {
        let mut pairs: Vec<(String, String)> = pairs.into_iter().collect();
        if pairs.is_empty() {
            return Labels::default();
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(&mut kept.1, &mut later.1);
            }
            same
        });
        Labels(pairs.into())
    }

    /// The value under `name`. A missing label is not the same as an empty one here.
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(key, _)| key.as_str().cmp(name)).ok()?;
        Some(&self.0[index].1)
    }

    /// The pairs, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The place of a name. Sets are small, so this looks at one name after the other.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known == name)
    }

    /// The pair at a place; panics behind the last.
    pub fn at(&self, index: usize) -> (&str, &str) {
        let (name, value) = &self.0[index];
        (name, value)
    }

    /// Whether both are one and the same set in memory: a quick yes before a comparison.
    pub fn is_same(&self, other: &Labels) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A 64-bit hash of names and values. Equal sets have equal hashes, on every machine and in every version.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = Xxh3Default::new();
        for (name, value) in self.iter() {
            // 0xff never occurs in UTF-8, so no two sets run together
            hasher.update(name.as_bytes());
            hasher.update(&[0xff]);
            hasher.update(value.as_bytes());
            hasher.update(&[0xff]);
        }
        hasher.digest()
    }
}

impl Default for Labels {
    fn default() -> Labels {
        Labels(EMPTY.clone())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(pairs: [(&str, &str); N]) -> Labels {
        Labels::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Labels {
        Labels::from_pairs(pairs)
    }
}

/// The text form of a label set: `{app="web", host="a"}`, values quoted as in Prometheus and Loki.
impl fmt::Display for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            write!(out, "{name}=\"")?;
            for c in value.chars() {
                match c {
                    '"' => out.write_str("\\\"")?,
                    '\\' => out.write_str("\\\\")?,
                    '\n' => out.write_str("\\n")?,
                    '\r' => out.write_str("\\r")?,
                    '\t' => out.write_str("\\t")?,
                    c => write!(out, "{c}")?,
                }
            }
            out.write_str("\"")?;
        }
        out.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;

    #[test]
    fn pairs_are_sorted_and_the_last_of_a_name_wins() {
        let labels = Labels::from([("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(labels.to_string(), r#"{a="2", b="3"}"#);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
    }

    #[test]
    fn the_fingerprint_tells_names_from_values() {
        let one = Labels::from([("a", "bc")]);
        let other = Labels::from([("ab", "c")]);
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.fingerprint(), Labels::from([("a", "bc")]).fingerprint());
    }

    #[test]
    fn quotes_and_newlines_in_values_are_escaped() {
        assert_eq!(Labels::from([("a", "x\"y\n\\")]).to_string(), r#"{a="x\"y\n\\"}"#);
    }
}
