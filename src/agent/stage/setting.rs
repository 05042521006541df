//! What the settings of stages are made of.
//!
//! Promises: a value of these types is right; what is wrong is refused while it is read, so that the message shows its
//! line.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use regex::Regex;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::agent::config::units::is_label_name;
use crate::agent::entry::Extracted;
use crate::logql::template::{Dialect, Template};
use crate::model::re2;

/// A text that is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Err(D::Error::custom("a name is needed here; leave the key out where there is none"));
        }
        Ok(Name(text))
    }
}

/// One name or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names(pub(crate) Vec<Name>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Names;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a name or a list of names")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Names, E> {
                if text.is_empty() {
                    return Err(E::custom("a name is needed here; leave the key out where there is none"));
                }
                Ok(Names(vec![Name(text.to_owned())]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The name of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelName(String);

impl LabelName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LabelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LabelName, D::Error> {
        let name = String::deserialize(deserializer)?;
        if !is_label_name(&name) {
            let message =
                format!("`{name}` cannot be the name of a label; use letters, digits and `_`, as in `app_name`");
            return Err(D::Error::custom(message));
        }
        Ok(LabelName(name))
    }
}

/// A text that may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MaybeText(pub(crate) Option<String>);

impl<'de> Deserialize<'de> for MaybeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MaybeText, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(MaybeText(text.filter(|text| !text.is_empty())))
    }
}

/// Pairs in the order in which they are written, at least one.
#[derive(Clone, Debug)]
pub(crate) struct Mapping<K, V>(pub(crate) Vec<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Mapping<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mapping<K, V>, D::Error> {
        struct Pairs<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Pairs<K, V> {
            type Value = Mapping<K, V>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("names, each with a value or none")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Mapping<K, V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                if pairs.is_empty() {
                    return Err(A::Error::custom("at least one name is needed here"));
                }
                Ok(Mapping(pairs))
            }
        }
        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

/// A regular expression as Go reads it.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// The groups that have names, by their numbers.
    pub(crate) groups: Vec<(usize, String)>,
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("a regular expression is needed here".to_owned());
        }
        let regex = re2::compile(text).map_err(|error| error.to_string())?;
        let names = re2::group_names(text).map_err(|error| error.to_string())?;
        let groups = names.into_iter().enumerate().filter_map(|(index, name)| Some((index, name?)));
        Ok(Pattern { regex, groups: groups.collect() })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        Pattern::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A template of Go's, with the functions that pipelines have.
#[derive(Clone, Debug)]
pub(crate) struct TemplateText(pub(crate) Arc<Template>);

impl TemplateText {
    fn parse(text: &str) -> Result<TemplateText, String> {
        Ok(TemplateText(Arc::new(Template::parse("pipeline_template", text, Dialect::Pipeline)?)))
    }
}

impl<'de> Deserialize<'de> for TemplateText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TemplateText, D::Error> {
        TemplateText::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The text that a stage reads: the line, or what was taken out under a name. `buffer` keeps the latter.
pub(crate) fn text_of<'t>(
    source: Option<&Name>,
    line: &'t str,
    extracted: &Extracted,
    buffer: &'t mut String,
) -> Option<&'t str> {
    let Some(source) = source else { return Some(line) };
    let text = extracted.text(source.as_str())?;
    buffer.clear();
    buffer.push_str(&text);
    Some(buffer)
}
