//! `geoip`: not there, and said so where it is asked for.

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

/// Never comes about: reading it is an error.
#[derive(Clone, Debug)]
pub(crate) enum Config {}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Config, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        Err(D::Error::custom(
            "the geoip stage is not supported: it needs a database of MaxMind, which is not read here; take the stage \
             out, and look addresses up when the logs are read",
        ))
    }
}
