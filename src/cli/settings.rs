//! What can be set for a server: one list for the flags, the environment and `logcafe.toml`.
//!
//! A key of the file is the flag without its dashes; the variable is `LOGCAFE_` and the flag in capitals.
//! What comes first wins: flag, environment, file, default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args as _;
use serde::{Deserialize, Serialize};

use crate::cli::values::{ByteSize, Span};
use crate::{api, db, ingest, query, server, store};

/// The file that is read when it is there and no other is named.
const FILE_DEFAULT: &str = "logcafe.toml";

/// Every setting, as far as one place gives it.
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Address and port to listen on [default: 127.0.0.1:3100]
    #[arg(long, env = "LOGCAFE_LISTEN", value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,

    /// Folder that holds everything that is kept [default: ./data]
    #[arg(long, env = "LOGCAFE_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Drop logs that are older, as in 30d [default: keep all]
    #[arg(long, help_heading = "Storage", env = "LOGCAFE_RETENTION_AGE", value_name = "SPAN")]
    pub(crate) retention_age: Option<Span>,

    /// Drop the oldest logs when all take more disk than this, as in 50GB [default: no bound]
    #[arg(long, help_heading = "Storage", env = "LOGCAFE_RETENTION_SIZE", value_name = "BYTES")]
    pub(crate) retention_size: Option<ByteSize>,

    /// Disk space kept free: below it the oldest logs go, then pushes are refused [default: 1GB]
    #[arg(long, help_heading = "Storage", env = "LOGCAFE_DISK_FREE", value_name = "BYTES")]
    pub(crate) disk_free: Option<ByteSize>,

    /// Lines held in memory before they are sealed into blocks [default: 40MiB]
    #[arg(long, help_heading = "Storage", env = "LOGCAFE_HEAD_MEMORY", value_name = "BYTES")]
    pub(crate) head_memory: Option<ByteSize>,

    /// Time after which a query is given up [default: 1m]
    #[arg(long, help_heading = "Queries", env = "LOGCAFE_QUERY_TIMEOUT", value_name = "SPAN")]
    pub(crate) query_timeout: Option<Span>,

    /// Lines that one query may ask for, called max_entries_limit_per_query in messages [default: 5000]
    #[arg(long, help_heading = "Queries", env = "LOGCAFE_QUERY_LINES", value_name = "COUNT")]
    pub(crate) query_lines: Option<usize>,

    /// By how much one query may raise the memory of the server, its answer included [default: 256MiB]
    #[arg(long, help_heading = "Queries", env = "LOGCAFE_QUERY_MEMORY", value_name = "BYTES")]
    pub(crate) query_memory: Option<ByteSize>,

    /// Queries that run at the same time; more wait in line [default: 4]
    #[arg(long, help_heading = "Queries", env = "LOGCAFE_QUERY_CONCURRENCY", value_name = "COUNT")]
    pub(crate) query_concurrency: Option<usize>,

    /// Memory of answers that clients have not taken yet; over it queries get 429 [default: 64MiB]
    #[arg(long, help_heading = "Queries", env = "LOGCAFE_ANSWER_MEMORY", value_name = "BYTES")]
    pub(crate) answer_memory: Option<ByteSize>,

    /// Queries that one person or token may follow at the same time, called tail requests in messages [default: 10]
    #[arg(long, help_heading = "Queries", env = "LOGCAFE_TAILS", value_name = "COUNT")]
    pub(crate) tails: Option<usize>,

    /// Size of one push as it is sent; larger ones get 413 [default: 16MiB]
    #[arg(long, help_heading = "Pushes", env = "LOGCAFE_PUSH_BODY", value_name = "BYTES")]
    pub(crate) push_body: Option<ByteSize>,

    /// Memory of all pushes that are being taken in; over it they get 429 [default: 96MiB]
    #[arg(long, help_heading = "Pushes", env = "LOGCAFE_PUSH_MEMORY", value_name = "BYTES")]
    pub(crate) push_memory: Option<ByteSize>,

    /// Lines per second that are taken, in bytes, as in 4MB; over it pushes get 429 [default: no bound]
    #[arg(long, help_heading = "Pushes", env = "LOGCAFE_PUSH_RATE", value_name = "BYTES")]
    pub(crate) push_rate: Option<ByteSize>,

    /// Refuse entries that are older, as in 1w [default: take any age]
    #[arg(long, help_heading = "Pushes", env = "LOGCAFE_PUSH_AGE", value_name = "SPAN")]
    pub(crate) push_age: Option<Span>,

    /// Length of a line; longer ones are refused [default: 256KiB]
    #[arg(long, help_heading = "Pushes", env = "LOGCAFE_LINE_SIZE", value_name = "BYTES")]
    pub(crate) line_size: Option<ByteSize>,

    /// Cut lines that are too long instead of refusing them
    #[arg(long, help_heading = "Pushes", env = "LOGCAFE_LINE_CUT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) line_cut: Option<bool>,

    /// Labels that a stream may have [default: 15]
    #[arg(long, help_heading = "Pushes", env = "LOGCAFE_STREAM_LABELS", value_name = "COUNT")]
    pub(crate) stream_labels: Option<usize>,

    /// Take pushes without credentials: only where nobody else can reach the address
    #[arg(long, help_heading = "Access", env = "LOGCAFE_ANONYMOUS_PUSH", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) anonymous_push: Option<bool>,

    /// Let people freeze results behind public links that end by themselves; false also closes those there are [default: true]
    #[arg(long, help_heading = "Access", env = "LOGCAFE_SNAPSHOTS", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) snapshots: Option<bool>,

    /// Address under which people reach the pages, where a proxy stands before them
    #[arg(long, help_heading = "Access", env = "LOGCAFE_PUBLIC_URL", value_name = "https://HOST")]
    pub(crate) public_url: Option<String>,

    /// Proxies on other machines whose X-Forwarded-For is believed, as in 10.0.0.2,172.16.0.0/12 [default: none]
    #[arg(long, help_heading = "Access", env = "LOGCAFE_TRUSTED_PROXY", value_name = "NETWORKS")]
    pub(crate) trusted_proxy: Option<String>,

    /// What to log of its own doings, as in info or warn,logcafe::store=debug [default: info]
    #[arg(long, help_heading = "Its own logs", env = "LOGCAFE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// How its own logs look on standard error [default: text]
    #[arg(long, help_heading = "Its own logs", env = "LOGCAFE_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// How our own logs look on standard error.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Settings {
    /// What these settings leave open is taken from `other`.
    fn or(self, other: Settings) -> Settings {
        Settings {
            listen: self.listen.or(other.listen),
            data: self.data.or(other.data),
            retention_age: self.retention_age.or(other.retention_age),
            retention_size: self.retention_size.or(other.retention_size),
            disk_free: self.disk_free.or(other.disk_free),
            head_memory: self.head_memory.or(other.head_memory),
            query_timeout: self.query_timeout.or(other.query_timeout),
            query_lines: self.query_lines.or(other.query_lines),
            query_memory: self.query_memory.or(other.query_memory),
            query_concurrency: self.query_concurrency.or(other.query_concurrency),
            answer_memory: self.answer_memory.or(other.answer_memory),
            tails: self.tails.or(other.tails),
            push_body: self.push_body.or(other.push_body),
            push_memory: self.push_memory.or(other.push_memory),
            push_rate: self.push_rate.or(other.push_rate),
            push_age: self.push_age.or(other.push_age),
            line_size: self.line_size.or(other.line_size),
            line_cut: self.line_cut.or(other.line_cut),
            stream_labels: self.stream_labels.or(other.stream_labels),
            anonymous_push: self.anonymous_push.or(other.anonymous_push),
            snapshots: self.snapshots.or(other.snapshots),
            public_url: self.public_url.or(other.public_url),
            trusted_proxy: self.trusted_proxy.or(other.trusted_proxy),
            log: self.log.or(other.log),
            log_format: self.log_format.or(other.log_format),
        }
    }

    /// Fills what is open from the file: the named one, else `./logcafe.toml` where that exists.
    pub(crate) fn or_file(self, named: Option<&Path>) -> anyhow::Result<Settings> {
        let path = named.unwrap_or(Path::new(FILE_DEFAULT));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => return Ok(self),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let file = parse_file(&text).with_context(|| format!("{} is wrong", path.display()))?;
        Ok(self.or(file))
    }

    /// What holds where nothing was said.
    fn defaults() -> Settings {
        let (ingest, query) = (ingest::Limits::default(), query::Limits::default());
        Settings {
            listen: Some("127.0.0.1:3100".to_owned()),
            data: Some(PathBuf::from("./data")),
            disk_free: Some(ByteSize(1_000_000_000)),
            head_memory: Some(ByteSize(40 << 20)),
            query_timeout: Some(Span(query.query_timeout)),
            query_lines: Some(query.entries_max),
            query_memory: Some(ByteSize(query.memory_bytes_max as u64)),
            query_concurrency: Some(query.concurrent_max),
            answer_memory: Some(ByteSize(query.answer_bytes_max as u64)),
            tails: Some(query.tails_of_user_max),
            push_body: Some(ByteSize(ingest.body_bytes_max)),
            push_memory: Some(ByteSize(ingest.in_flight_bytes_max)),
            line_size: Some(ByteSize(ingest.line_bytes_max as u64)),
            line_cut: Some(ingest.long_lines == ingest::LongLines::Truncate),
            stream_labels: Some(ingest.label_count_max),
            anonymous_push: Some(false),
            snapshots: Some(true),
            log: Some("info,tantivy=warn".to_owned()),
            log_format: Some(LogFormat::Text),
            // no bound, or not needed
            retention_age: None,
            retention_size: None,
            push_rate: None,
            push_age: None,
            public_url: None,
            trusted_proxy: None,
        }
    }

    /// With the defaults where nothing was said.
    pub(crate) fn or_defaults(self) -> Settings {
        self.or(Settings::defaults())
    }

    /// Switches logging on, for the whole process.
    pub(crate) fn init_logs(&self) -> anyhow::Result<server::OwnLogs> {
        let settings = self.clone().or_defaults();
        let format = match set(settings.log_format) {
            LogFormat::Text => server::Format::Text,
            LogFormat::Json => server::Format::Json,
        };
        server::init_logs(&set(settings.log), format)
    }

    /// Says which variables look like settings and are none: one that is misspelt would otherwise do nothing, silently.
    pub(crate) fn warn_of_unknown_variables() {
        let command = Settings::augment_args(clap::Command::new(""));
        let known = |name: &str| {
            // these are read by other commands
            ["LOGCAFE_CONFIG", "LOGCAFE_ADDR", "LOGCAFE_TOKEN"].contains(&name)
                || command.get_arguments().any(|argument| argument.get_env().is_some_and(|known| known == name))
        };
        // Kubernetes and Docker make these up for a service of our name
        let made_up = |name: &str| name.starts_with("LOGCAFE_SERVICE_") || name.starts_with("LOGCAFE_PORT");
        for (name, _) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("LOGCAFE_")) else { continue };
            if !known(name) && !made_up(name) {
                tracing::warn!(variable = name, "this variable is no setting; logcafe serve --help lists all");
            }
        }
    }

    /// As a `logcafe.toml` that says all of this.
    pub(crate) fn to_file(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// The checked whole, in the words of each area.
    pub(crate) fn into_config(self) -> anyhow::Result<server::Config> {
        let settings = self.or_defaults();
        let data = set(settings.data.clone());
        Ok(server::Config {
            store: settings.store(&data)?,
            ingest: settings.ingest()?,
            query: settings.query()?,
            access: api::Access { anonymous_push: set(settings.anonymous_push) },
            snapshots: set(settings.snapshots),
            public_url: settings.public_url.as_deref().map(parse_public_url).transpose()?,
            trusted_proxies: match &settings.trusted_proxy {
                Some(networks) => db::Proxies::parse(networks).context("trusted-proxy is wrong")?,
                None => db::Proxies::default(),
            },
            listen: set(settings.listen),
            tail_pace: api::Pace::default(),
            // of the five seconds that a stop may take; the rest is for what is in memory
            stop_grace: Duration::from_secs(2),
            data,
        })
    }

    fn store(&self, data: &Path) -> anyhow::Result<store::Config> {
        if let Some(ByteSize(bytes)) = self.retention_size.filter(|size| size.0 < RETENTION_BYTES_MIN) {
            bail!("retention-size is {bytes} bytes, and would drop nearly all logs; write the unit, as in 50GB");
        }
        Ok(store::Config {
            dir: data.join("logs"),
            retention: store::Retention {
                age_max: self.retention_age.map(|span| span.0),
                disk_bytes_max: self.retention_size.map(|size| size.0),
                disk_free_bytes_min: set(self.disk_free).0,
            },
            head_bytes_max: set(self.head_memory).0,
            wordless_bytes: crate::store::WORDLESS_BYTES,
        })
    }

    fn ingest(&self) -> anyhow::Result<ingest::Limits> {
        let body_bytes_max = set(self.push_body).0;
        // what is packed may unpack to twice the size
        let decoded_bytes_max = body_bytes_max.saturating_mul(2);
        // a burst of ten seconds, but room for any one push
        let rate = self.push_rate.map(|rate| ingest::Rate {
            bytes_per_second: rate.0,
            burst_bytes: rate.0.saturating_mul(10).max(decoded_bytes_max),
        });
        Ok(ingest::Limits {
            body_bytes_max,
            decoded_bytes_max,
            in_flight_bytes_max: set(self.push_memory).0,
            rate,
            age_max: self.push_age.map(|span| span.0),
            line_bytes_max: in_memory("line-size", set(self.line_size))?,
            long_lines: match set(self.line_cut) {
                true => ingest::LongLines::Truncate,
                false => ingest::LongLines::Reject,
            },
            label_count_max: set(self.stream_labels),
            ..ingest::Limits::default()
        })
    }

    fn query(&self) -> anyhow::Result<query::Limits> {
        Ok(query::Limits {
            query_timeout: set(self.query_timeout).0,
            entries_max: set(self.query_lines),
            memory_bytes_max: in_memory("query-memory", set(self.query_memory))?,
            concurrent_max: set(self.query_concurrency),
            answer_bytes_max: in_memory("answer-memory", set(self.answer_memory))?,
            tails_of_user_max: set(self.tails),
            ..query::Limits::default()
        })
    }
}

/// A bound below this was meant in another unit.
const RETENTION_BYTES_MIN: u64 = 10_000_000;

fn set<T>(value: Option<T>) -> T {
    value.expect("the defaults give a value to all that must have one")
}

fn in_memory(key: &str, size: ByteSize) -> anyhow::Result<usize> {
    usize::try_from(size.0).with_context(|| format!("{key} is more than this machine can address"))
}

fn parse_public_url(text: &str) -> anyhow::Result<http::Uri> {
    let url: Option<http::Uri> = text.parse().ok();
    url.filter(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.authority().is_some() && url.path() == "/"
    })
    .with_context(|| format!("public-url {text:?} is no address; write it as in https://logs.example.com"))
}

/// Unknown keys are errors: the text names the key and shows its line.
fn parse_file(text: &str) -> Result<Settings, toml::de::Error> {
    toml::from_str(text)
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use crate::cli::settings::{Settings, parse_file};

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let message = parse_file("listen = \"127.0.0.1:1\"\nretention-agee = \"30d\"\n").unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("retention-agee"), "{message}");
    }

    #[test]
    fn what_a_file_may_say_is_what_the_flags_say() {
        let text = Settings::default().or_defaults().to_file().unwrap();
        let keys = text.lines().filter_map(|line| Some(line.split_once(" = ")?.0));
        let mut command = Settings::augment_args(clap::Command::new("test"));
        command.build();
        for key in keys {
            let flag = command.get_arguments().find(|argument| argument.get_long() == Some(key));
            let variable = flag.and_then(|flag| flag.get_env()).map(|name| name.to_string_lossy().into_owned());
            assert_eq!(variable, Some(format!("LOGCAFE_{}", key.to_uppercase().replace('-', "_"))), "{key}");
        }
    }

    #[test]
    fn a_size_without_its_unit_drops_no_logs() {
        let refused = parse_file("retention-size = \"50\"").unwrap().into_config().unwrap_err().to_string();
        assert!(refused.contains("retention-size is 50 bytes") && refused.contains("50GB"), "{refused}");
        assert!(parse_file("retention-size = \"50GB\"").unwrap().into_config().is_ok());
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let file = parse_file("listen = \"a:1\"\nquery-timeout = \"5s\"").unwrap();
        let flags = Settings { listen: Some("b:2".into()), ..Settings::default() };
        let config = flags.or(file).into_config().unwrap();
        assert_eq!((config.listen.as_str(), config.query.query_timeout.as_secs()), ("b:2", 5));
    }
}
