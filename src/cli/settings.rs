//! What can be set for a server: one list for the flags, the environment and `logcafe.toml`.
//!
//! A key of the file is the flag without its dashes; the variable is `LOGCAFE_` and the flag in capitals.
//! What comes first wins: flag, environment, file, default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use crate::cli::values::{ByteSize, Span};
use crate::{api, ingest, query, server, store};

/// The file that is read when it is there and no other is named.
const FILE_DEFAULT: &str = "logcafe.toml";

/// Every setting, as far as one place gives it.
#[derive(Clone, Debug, Default, clap::Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Address and port to listen on [default: 127.0.0.1:3100]
    #[arg(long, env = "LOGCAFE_LISTEN", value_name = "HOST:PORT")]
    pub(crate) listen: Option<String>,

    /// Folder that holds everything that is kept [default: ./data]
    #[arg(long, env = "LOGCAFE_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,

    /// Drop logs that are older, as in 30d [default: keep all]
    #[arg(long, env = "LOGCAFE_RETENTION_AGE", value_name = "SPAN")]
    pub(crate) retention_age: Option<Span>,

    /// Drop the oldest logs when all take more disk than this, as in 50GB [default: no bound]
    #[arg(long, env = "LOGCAFE_RETENTION_SIZE", value_name = "BYTES")]
    pub(crate) retention_size: Option<ByteSize>,

    /// Disk space kept free: below it the oldest logs go, then pushes are refused [default: 1GB]
    #[arg(long, env = "LOGCAFE_DISK_FREE", value_name = "BYTES")]
    pub(crate) disk_free: Option<ByteSize>,

    /// Lines held in memory before they are sealed into blocks [default: 64MiB]
    #[arg(long, env = "LOGCAFE_HEAD_MEMORY", value_name = "BYTES")]
    pub(crate) head_memory: Option<ByteSize>,

    /// Time after which a query is given up [default: 1m]
    #[arg(long, env = "LOGCAFE_QUERY_TIMEOUT", value_name = "SPAN")]
    pub(crate) query_timeout: Option<Span>,

    /// Lines that one query may ask for [default: 5000]
    #[arg(long, env = "LOGCAFE_QUERY_LINES", value_name = "COUNT")]
    pub(crate) query_lines: Option<usize>,

    /// Memory that one query may use for what it gathers [default: 256MiB]
    #[arg(long, env = "LOGCAFE_QUERY_MEMORY", value_name = "BYTES")]
    pub(crate) query_memory: Option<ByteSize>,

    /// Queries that run at the same time; more wait in line [default: 4]
    #[arg(long, env = "LOGCAFE_QUERY_CONCURRENCY", value_name = "COUNT")]
    pub(crate) query_concurrency: Option<usize>,

    /// Take pushes without credentials: only where nobody else can reach the address
    #[arg(long, env = "LOGCAFE_ANONYMOUS_PUSH", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true")]
    pub(crate) anonymous_push: Option<bool>,

    /// Address under which people reach the pages, where a proxy stands before them, as in https://logs.example.com
    #[arg(long, env = "LOGCAFE_PUBLIC_URL", value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// What to log of its own doings, as in info or warn,logcafe::store=debug [default: info]
    #[arg(long, env = "LOGCAFE_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,

    /// How its own logs look on standard error [default: text]
    #[arg(long, env = "LOGCAFE_LOG_FORMAT", value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

/// How our own logs look on standard error.
#[derive(Clone, Copy, Debug, Deserialize, clap::ValueEnum)]
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
            anonymous_push: self.anonymous_push.or(other.anonymous_push),
            public_url: self.public_url.or(other.public_url),
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

    /// The checked whole, with the defaults of each area where nothing was said.
    pub(crate) fn into_config(self) -> anyhow::Result<server::Config> {
        let data = self.data.unwrap_or_else(|| PathBuf::from("./data"));
        let defaults = query::Limits::default();
        let query = query::Limits {
            query_timeout: self.query_timeout.map_or(defaults.query_timeout, |span| span.0),
            entries_max: self.query_lines.unwrap_or(defaults.entries_max),
            memory_bytes_max: match self.query_memory {
                Some(size) => usize::try_from(size.0).context("query-memory is more than this machine can address")?,
                None => defaults.memory_bytes_max,
            },
            concurrent_max: self.query_concurrency.unwrap_or(defaults.concurrent_max),
        };
        let store = store::Config {
            dir: data.join("logs"),
            retention: store::Retention {
                age_max: self.retention_age.map(|span| span.0),
                disk_bytes_max: self.retention_size.map(|size| size.0),
                disk_free_bytes_min: self.disk_free.map_or(1_000_000_000, |size| size.0),
            },
            head_bytes_max: self.head_memory.map_or(64 << 20, |size| size.0),
        };
        Ok(server::Config {
            listen: self.listen.unwrap_or_else(|| "127.0.0.1:3100".to_owned()),
            data,
            store,
            ingest: ingest::Limits::default(),
            query,
            access: api::Access { anonymous_push: self.anonymous_push.unwrap_or(false) },
            public_url: self.public_url.as_deref().map(parse_public_url).transpose()?,
            stop_grace: Duration::from_secs(3),
        })
    }
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
    use crate::cli::settings::{Settings, parse_file};

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let message = parse_file("listen = \"127.0.0.1:1\"\nretention-agee = \"30d\"\n").unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("retention-agee"), "{message}");
    }

    #[test]
    fn a_flag_wins_over_the_file() {
        let file = parse_file("listen = \"a:1\"\nquery-timeout = \"5s\"").unwrap();
        let flags = Settings { listen: Some("b:2".into()), ..Settings::default() };
        let config = flags.or(file).into_config().unwrap();
        assert_eq!((config.listen.as_str(), config.query.query_timeout.as_secs()), ("b:2", 5));
    }
}
