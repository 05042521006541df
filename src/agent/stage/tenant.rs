//! `tenant`: chooses the tenant that a line belongs to.

use std::time::Instant;

use serde::Deserialize;

use crate::agent::entry::{Entry, TENANT};
use crate::agent::stage::setting::Name;
use crate::agent::stage::{Flow, Stage, Surroundings};

/// Where the tenant stands: in a label, in what was taken out, or here.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Keys")]
pub(crate) enum Config {
    Label(String),
    Source(String),
    Value(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    label: Option<Name>,
    source: Option<Name>,
    value: Option<Name>,
}

impl TryFrom<Keys> for Config {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Config, &'static str> {
        let text = |name: Name| name.as_str().to_owned();
        match (keys.label, keys.source, keys.value) {
            (Some(label), None, None) => Ok(Config::Label(text(label))),
            (None, Some(source), None) => Ok(Config::Source(text(source))),
            (None, None, Some(value)) => Ok(Config::Value(text(value))),
            _ => Err("the tenant stage needs one of `label`, `source` and `value`"),
        }
    }
}

impl Config {
    pub(crate) fn build(&self, _around: &Surroundings) -> Box<dyn Stage> {
        Box::new(Tenant { from: self.clone() })
    }
}

struct Tenant {
    from: Config,
}

impl Stage for Tenant {
    fn run(&mut self, entry: &mut Entry, _now: Instant) -> Flow {
        let tenant = match &self.from {
            Config::Label(name) => entry.labels.get(name).map(str::to_owned),
            Config::Source(name) => entry.extracted.text(name).map(std::borrow::Cow::into_owned),
            Config::Value(value) => Some(value.clone()),
        };
        if let Some(tenant) = tenant.filter(|tenant| !tenant.is_empty()) {
            entry.labels.set(TENANT, Some(&tenant));
        }
        Flow::Pass
    }
}
