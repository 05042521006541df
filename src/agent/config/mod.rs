//! Promtail's configuration, whole: what its keys mean here, and an error with line and caret for what they cannot mean.
//!
//! Promises: what was read can be followed as it is; a key that is unknown, or that Promtail has and the agent does not,
//! is an error at its line.

pub(crate) mod client;
mod expand;
pub(crate) mod http;
pub(crate) mod pipeline;
mod places;
mod print;
pub(crate) mod problem;
pub(crate) mod scrape;
pub(crate) mod server;
#[cfg(test)]
mod tests;
pub(crate) mod units;
mod unsupported;

use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::agent::Mode;
use crate::agent::config::client::Client;
use crate::agent::config::places::Places;
pub(crate) use crate::agent::config::print::{Secrets, quoted};
use crate::agent::config::problem::Problem;
use crate::agent::config::scrape::Scrape;
use crate::agent::config::server::Server;
use crate::agent::config::units::{ByteSize, Duration, Ignored, or_default};

/// The whole configuration.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(deserialize_with = "or_default")]
    pub(crate) global: Global,
    #[serde(deserialize_with = "checked")]
    pub(crate) server: Server,
    #[serde(deserialize_with = "or_default")]
    pub(crate) positions: Positions,
    #[serde(deserialize_with = "or_default")]
    pub(crate) spool: Spool,
    /// The old way to name one server; it is among `clients` once the configuration was read.
    #[serde(skip_serializing, deserialize_with = "checked")]
    client: Option<Client>,
    #[serde(deserialize_with = "checked_list")]
    pub(crate) clients: Vec<Client>,
    #[serde(deserialize_with = "checked_list")]
    pub(crate) scrape_configs: Vec<Scrape>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) target_config: TargetConfig,
    #[serde(deserialize_with = "checked")]
    pub(crate) limits_config: Limits,
    #[serde(skip_serializing)]
    pub(crate) options: Ignored,
    #[serde(skip_serializing)]
    pub(crate) tracing: Ignored,
    #[serde(skip_serializing)]
    pub(crate) wal: Ignored,
    /// What only the text knows of it.
    #[serde(skip)]
    written: print::Written,
    #[serde(skip)]
    places: Places,
}

/// What holds for all jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Global {
    #[serde(deserialize_with = "or_default")]
    pub(crate) file_watch_config: FileWatch,
}

/// How often files are looked at that tell nothing by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileWatch {
    pub(crate) min_poll_frequency: Duration,
    pub(crate) max_poll_frequency: Duration,
    /// Ours: files are looked at whatever the system tells of them, for folders of which it tells too little.
    #[serde(deserialize_with = "or_default")]
    pub(crate) always_poll: bool,
}

impl Default for FileWatch {
    fn default() -> FileWatch {
        let each = Duration::from_millis(250);
        FileWatch { min_poll_frequency: each, max_poll_frequency: each, always_poll: false }
    }
}

/// Where it is remembered how far files were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Positions {
    pub(crate) filename: PathBuf,
    pub(crate) sync_period: Duration,
    #[serde(deserialize_with = "or_default")]
    pub(crate) ignore_invalid_yaml: bool,
}

impl Default for Positions {
    fn default() -> Positions {
        let filename = PathBuf::from("/var/log/positions.yaml");
        Positions { filename, sync_period: Duration::from_secs(10), ignore_invalid_yaml: false }
    }
}

/// Where what cannot be read again is kept until it was sent: a key of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Spool {
    /// Beside the positions where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) directory: Option<PathBuf>,
    pub(crate) size_max: ByteSize,
}

impl Default for Spool {
    fn default() -> Spool {
        Spool { directory: None, size_max: ByteSize(1 << 30) }
    }
}

impl Spool {
    /// The folder it is in.
    pub(crate) fn folder(&self, positions: &Path) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| {
            let mut name = positions.as_os_str().to_owned();
            name.push(".spool");
            PathBuf::from(name)
        })
    }
}

/// How targets are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TargetConfig {
    pub(crate) sync_period: Duration,
    /// Whether standard input is read, and nothing else.
    #[serde(deserialize_with = "or_default")]
    pub(crate) stdin: bool,
}

impl Default for TargetConfig {
    fn default() -> TargetConfig {
        TargetConfig { sync_period: Duration::from_secs(10), stdin: false }
    }
}

/// Bounds of the whole agent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    #[serde(deserialize_with = "or_default")]
    pub(crate) readline_rate_enabled: bool,
    /// Lines a second.
    pub(crate) readline_rate: f64,
    pub(crate) readline_burst: u64,
    /// Whether lines over the rate are dropped, else they wait.
    pub(crate) readline_rate_drop: bool,
    /// 0 means no bound.
    #[serde(deserialize_with = "or_default")]
    pub(crate) max_streams: u64,
    /// 0 means no bound.
    #[serde(deserialize_with = "or_default")]
    pub(crate) max_line_size: ByteSize,
    /// Whether longer lines are cut, else they are dropped.
    #[serde(deserialize_with = "or_default")]
    pub(crate) max_line_size_truncate: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            readline_rate_enabled: false,
            readline_rate: 10_000.0,
            readline_burst: 10_000,
            readline_rate_drop: true,
            max_streams: 0,
            max_line_size: ByteSize(0),
            max_line_size_truncate: false,
        }
    }
}

impl Check for Limits {
    fn check(&self) -> Result<(), String> {
        let is_possible = self.readline_rate > 0.0 && self.readline_burst > 0;
        if self.readline_rate_enabled && !is_possible {
            return Err("readline_rate and readline_burst are to be more than 0: no line would ever be read".into());
        }
        Ok(())
    }
}

/// What can be told to be wrong only when all of it is known.
pub(crate) trait Check {
    /// # Errors
    ///
    /// In words: what is wrong, and what to do.
    fn check(&self) -> Result<(), String>;
}

impl<T: Check> Check for Option<T> {
    fn check(&self) -> Result<(), String> {
        self.as_ref().map_or(Ok(()), Check::check)
    }
}

struct Checked<T>(T);

impl<'de, T: Deserialize<'de> + Check> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checked<T>, D::Error> {
        let value = T::deserialize(deserializer)?;
        value.check().map_err(D::Error::custom)?;
        Ok(Checked(value))
    }
}

/// Reads a value and holds it against its own rules, so that the error knows its line.
pub(crate) fn checked<'de, D: Deserializer<'de>, T: Deserialize<'de> + Check + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<Checked<T>>::deserialize(deserializer)?.map(|checked| checked.0).unwrap_or_default())
}

/// The same for each of a list.
pub(crate) fn checked_list<'de, D: Deserializer<'de>, T: Deserialize<'de> + Check>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list: Option<Vec<Checked<T>>> = Deserialize::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().map(|checked| checked.0).collect())
}

/// Whether `${NAME}` in the text is what the environment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variables {
    Expand,
    Keep,
}

impl Config {
    /// Reads a configuration from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or something in it cannot be followed.
    pub(crate) fn read(path: &Path, variables: Variables) -> Result<Config, Problem> {
        let source = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|error| Problem::whole(&source, format!("cannot read it: {error}")))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Problem::whole(&source, "it is no UTF-8 text: save it as UTF-8, then try again"))?;
        Config::parse(&source, &text, variables)
    }

    /// Reads a configuration from its text; `source` is how errors call it.
    ///
    /// # Errors
    ///
    /// Something in it cannot be followed.
    pub(crate) fn parse(source: &str, text: &str, variables: Variables) -> Result<Config, Problem> {
        let variable = |name: &str| std::env::var(name).ok();
        let expanded = match variables {
            Variables::Expand => expand::expand(source, text, &variable)?,
            Variables::Keep => text.to_owned(),
        };
        let parsed: Result<Config, _> = serde_saphyr::from_str(&expanded);
        let mut config = parsed.map_err(|error| Problem::of(&error, source, text, &expanded))?;
        config.clients.splice(0..0, config.client.take());
        config.written = print::Written::of(&expanded);
        config.places = Places::of(source, text, &expanded);
        Ok(config)
    }

    /// Whether there is something to read and someone to send to.
    ///
    /// # Errors
    ///
    /// In words: what is missing.
    pub(crate) fn check(&self, mode: Mode) -> Result<(), String> {
        if self.clients.is_empty() && mode == Mode::Run {
            return Err("there is no server to push to: name one under `clients:`, as in `- url: \
                        https://logs.example.com/loki/api/v1/push`"
                .into());
        }
        if self.scrape_configs.is_empty() && !self.target_config.stdin {
            return Err("there is nothing to read: add jobs under `scrape_configs:`".into());
        }
        Ok(())
    }

    /// What is wrong with an entry of `static_configs`, at its line; the job and the entry are counted from 0.
    pub(crate) fn problem_of_target(&self, job: usize, entry: usize, message: String) -> Problem {
        self.places.problem(job, entry, message)
    }

    /// What was set and does nothing here; said once when the agent starts.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let mut add = |is_set: bool, key: &str, why: &str| {
            if is_set {
                remarks.push(format!("{key} is set and does nothing here: {why}"));
            }
        };
        add(self.options.0, "options", "no lag of streams is measured");
        add(self.tracing.0, "tracing", "the agent sends no traces of itself");
        add(self.wal.0, "wal", "positions and the spool see to it that no line is lost");
        add(self.server.profiling_enabled.0, "server.profiling_enabled", "the agent has no profiles");
        for client in &self.clients {
            let name = client.url.as_ref().map(units::Address::shown).unwrap_or_default();
            let retries = "a batch is tried until the server takes it";
            add(client.backoff_config.max_retries.0, &format!("backoff_config.max_retries of {name}"), retries);
            let lag = "no lag of streams is measured";
            add(client.stream_lag_labels.0, &format!("stream_lag_labels of {name}"), lag);
        }
        remarks
    }

    /// The configuration as YAML, with all that was left out.
    pub(crate) fn to_yaml(&self, secrets: Secrets) -> String {
        print::print(self, secrets)
    }
}
