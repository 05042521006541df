//! Values as Promtail's configuration writes them: `1m30s`, `256KB`, label sets, secrets, addresses.
//!
//! Promises: a value that is wrong is refused while it is read, so that the error knows its line; no secret is shown by
//! `Debug`, only by who asks for it by name.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::logql::gotext::duration;
use crate::logql::literal::parse_duration;
use crate::model::Labels;

/// A length of time: `500ms`, `1.5s`, `1h30m` as in Go, and `7d` as in Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Duration(pub(crate) std::time::Duration);

impl Duration {
    pub(crate) const fn from_millis(millis: u64) -> Duration {
        Duration(std::time::Duration::from_millis(millis))
    }

    pub(crate) const fn from_secs(secs: u64) -> Duration {
        Duration(std::time::Duration::from_secs(secs))
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Duration, String> {
        if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() && text != "0" {
            return Err(format!("{text} has no unit of time: write {text}s for seconds, or ms, m, h, d"));
        }
        let nanos = parse_duration(text)
            .ok_or_else(|| format!("{text:?} is not a length of time such as 500ms, 10s, 1h30m or 7d"))?;
        let nanos = u64::try_from(nanos).map_err(|_| format!("{text} is negative: a length of time is not"))?;
        Ok(Duration(std::time::Duration::from_nanos(nanos)))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&duration::format(i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// An amount of bytes: `1048576`, `256KB`, `2M`; letters count in powers of two, as Promtail counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<ByteSize, String> {
        let invalid = || format!("{text:?} is not an amount of bytes such as 262144, 256KB or 2MB");
        let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let count: u64 = text[..digits_end].parse().map_err(|_| invalid())?;
        let power = match text[digits_end..].trim().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 1,
            "m" | "mb" | "mib" => 2,
            "g" | "gb" | "gib" => 3,
            "t" | "tb" | "tib" => 4,
            _ => return Err(invalid()),
        };
        count.checked_mul(1024_u64.pow(power)).map(ByteSize).ok_or_else(invalid)
    }
}

/// Reads a value by its `FromStr`, and prints it by its `Display`.
macro_rules! as_text {
    ($($name:ty),+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.trim().parse().map_err(D::Error::custom)
            }
        }
    )+};
}

as_text!(Duration, ByteSize, Address);

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

/// A password or a token: `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(String);

impl Hidden {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("(a secret)")
    }
}

/// The address of a server: http or https, with a host.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(reqwest::Url);

impl Address {
    /// With the credentials that may stand in it.
    pub(crate) fn url(&self) -> &reqwest::Url {
        &self.0
    }

    /// As it may be shown: without credentials.
    pub(crate) fn shown(&self) -> String {
        let mut url = self.0.clone();
        // an http address has a host, so neither of them fails
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.to_string()
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let hint = "an address looks like https://logs.example.com/loki/api/v1/push";
        // the text is not repeated: a password may stand in it
        let url =
            reqwest::Url::parse(text).map_err(|error| format!("this is no address of a server: {error}; {hint}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!("this is no address of a server that speaks HTTP: {hint}"));
        }
        Ok(Address(url))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.shown())
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

/// A key that is known and does nothing here, and whether it was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ignored(pub(crate) bool);

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ignored, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Ignored(true))
    }
}

/// A key without a value means the default, as in Go.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Whether a text can be the name of a label.
pub(crate) fn is_label_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_first) && bytes.all(|byte| is_first(byte) || byte.is_ascii_digit())
}

/// The name of a label, checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct LabelName(pub(crate) String);

impl<'de> Deserialize<'de> for LabelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LabelName, D::Error> {
        let name = String::deserialize(deserializer)?;
        if !is_label_name(&name) {
            let rule = "it has letters, digits and _, and no digit first";
            return Err(D::Error::custom(format!("{name:?} cannot be the name of a label: {rule}")));
        }
        Ok(LabelName(name))
    }
}

/// Labels as a map; `__path__` and its like are among them.
pub(crate) mod labels {
    use crate::agent::config::units::*;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
        let map: Option<BTreeMap<LabelName, Option<String>>> = Deserialize::deserialize(deserializer)?;
        let pairs = map.unwrap_or_default().into_iter();
        Ok(Labels::from_pairs(pairs.map(|(name, value)| (name.0, value.unwrap_or_default()))))
    }

    pub(crate) fn serialize<S: Serializer>(labels: &Labels, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(labels.iter())
    }
}
