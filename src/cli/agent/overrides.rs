//! Promtail's flags that say something of the configuration: they win over the file.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::BoolishValueParser;

use crate::agent::Config;
use crate::agent::config::client::Client;
use crate::agent::config::server::{LogFormat, LogLevel};
use crate::agent::config::units::{Address, ByteSize, Duration, is_label_name};
use crate::model::Labels;

/// Flags with a value that are read and do nothing: there is no gRPC, and requests to the pages are not logged.
const PASSED_OVER: [&str; 24] = [
    "server.grpc-listen-port",
    "server.grpc-listen-network",
    "server.grpc-conn-limit",
    "server.grpc-max-concurrent-streams",
    "server.grpc-max-recv-msg-size-bytes",
    "server.grpc-max-send-msg-size-bytes",
    "server.grpc.keepalive.max-connection-age",
    "server.grpc.keepalive.max-connection-age-grace",
    "server.grpc.keepalive.max-connection-idle",
    "server.grpc.keepalive.min-time-between-pings",
    "server.grpc.keepalive.time",
    "server.grpc.keepalive.timeout",
    "server.grpc.num-workers",
    "server.http-conn-limit",
    "server.http-listen-network",
    "server.http-read-header-timeout",
    "server.log-request-headers-exclude-list",
    "server.log-source-ips-header",
    "server.log-source-ips-regex",
    "server.trace-request-headers-exclude-list",
    "server.throughput.latency-cutoff",
    "server.throughput.unit",
    "server.cluster-validation.http.excluded-paths",
    "server.cluster-validation.http.excluded-user-agents",
];
/// The same for those that are said or not.
const PASSED_OVER_SWITCHES: [&str; 15] = [
    "server.cluster-validation.grpc.enabled",
    "server.cluster-validation.grpc.soft-validation",
    "server.cluster-validation.http.soft-validation",
    "server.grpc-collect-max-streams-by-conn",
    "server.grpc.keepalive.ping-without-stream-allowed",
    "server.grpc.recv-buffer-pools-enabled",
    "server.grpc.stats-tracking-enabled",
    "server.http-log-closed-connections-without-response-enabled",
    "server.log-request-at-info-level-enabled",
    "server.log-request-headers",
    "server.log-source-ips-enabled",
    "server.log-source-ips-full",
    "server.profiling_enabled",
    "server.report-grpc-codes-in-instrumentation-label-enabled",
    "server.trace-request-headers",
];
/// Flags that would make the pages safer than they are.
const REFUSED: [&str; 13] = [
    "server.http-tls-cert-path",
    "server.http-tls-key-path",
    "server.http-tls-ca-path",
    "server.http-tls-client-auth",
    "server.grpc-tls-cert-path",
    "server.grpc-tls-key-path",
    "server.grpc-tls-ca-path",
    "server.grpc-tls-client-auth",
    "server.tls-cipher-suites",
    "server.tls-min-version",
    "server.proxy-protocol-enabled",
    "server.cluster-validation.label",
    "server.cluster-validation.http.enabled",
];

/// One for each of Promtail's flags, under its name. Those of retries and of lags are read and do nothing as well.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Remember here how far each file was read
    #[arg(long, alias = "positions.file", value_name = "FILE")]
    positions: Option<PathBuf>,
    #[arg(long = "positions.sync-period", hide = true)]
    positions_sync_period: Option<Duration>,
    #[arg(long = "positions.ignore-invalid-yaml", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    positions_ignore_invalid_yaml: Option<bool>,

    #[arg(long = "client.url", hide = true)]
    client_url: Option<Address>,
    #[arg(long = "client.tenant-id", hide = true)]
    client_tenant_id: Option<String>,
    #[arg(long = "client.external-labels", hide = true, value_delimiter = ',')]
    client_external_labels: Vec<String>,
    #[arg(long = "client.batch-wait", hide = true)]
    client_batch_wait: Option<Duration>,
    #[arg(long = "client.batch-size-bytes", hide = true)]
    client_batch_size_bytes: Option<ByteSize>,
    #[arg(long = "client.timeout", hide = true)]
    client_timeout: Option<Duration>,
    #[arg(long = "client.min-backoff", hide = true)]
    client_min_backoff: Option<Duration>,
    #[arg(long = "client.max-backoff", hide = true)]
    client_max_backoff: Option<Duration>,
    #[arg(long = "client.max-retries", hide = true)]
    client_max_retries: Option<u64>,
    #[arg(long = "client.drop-rate-limited-batches", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    client_drop_rate_limited_batches: Option<bool>,
    #[arg(long = "client.stream-lag-labels", hide = true)]
    client_stream_lag_labels: Option<String>,

    #[arg(long = "server.disable", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    server_disable: Option<bool>,
    #[arg(long = "server.http-listen-address", hide = true)]
    server_http_listen_address: Option<String>,
    #[arg(long = "server.http-listen-port", hide = true)]
    server_http_listen_port: Option<u16>,
    #[arg(long = "server.path-prefix", hide = true)]
    server_path_prefix: Option<String>,
    #[arg(long = "server.enable-runtime-reload", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    server_enable_runtime_reload: Option<bool>,
    #[arg(long = "server.register-instrumentation", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    server_register_instrumentation: Option<bool>,
    #[arg(long = "server.graceful-shutdown-timeout", hide = true)]
    server_graceful_shutdown_timeout: Option<Duration>,
    #[arg(long = "server.http-read-timeout", hide = true)]
    server_http_read_timeout: Option<Duration>,
    #[arg(long = "server.http-write-timeout", hide = true)]
    server_http_write_timeout: Option<Duration>,
    #[arg(long = "server.http-idle-timeout", hide = true)]
    server_http_idle_timeout: Option<Duration>,

    #[arg(long = "server.grpc-listen-address", aliases = PASSED_OVER, hide = true)]
    passed_over: Vec<String>,
    #[arg(long = "tracing.enabled", aliases = PASSED_OVER_SWITCHES, hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    passed_over_switches: Vec<bool>,
    #[arg(long = "server.tls", aliases = REFUSED, hide = true, num_args = 0..=1,
          default_missing_value = "", value_parser = refused)]
    refused: Vec<String>,

    #[arg(long = "log.level", hide = true, value_parser = level)]
    log_level: Option<LogLevel>,
    #[arg(long = "log.format", hide = true, value_parser = format)]
    log_format: Option<LogFormat>,

    #[arg(long = "target.sync-period", hide = true)]
    target_sync_period: Option<Duration>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    stdin: Option<bool>,

    #[arg(long = "limit.readline-rate", hide = true)]
    limit_readline_rate: Option<f64>,
    #[arg(long = "limit.readline-burst", hide = true)]
    limit_readline_burst: Option<u64>,
    #[arg(long = "limit.readline-rate-enabled", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    limit_readline_rate_enabled: Option<bool>,
    #[arg(long = "limit.readline-rate-drop", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    limit_readline_rate_drop: Option<bool>,
    #[arg(long = "max-streams", hide = true)]
    max_streams: Option<u64>,
    #[arg(long = "max-line-size", hide = true)]
    max_line_size: Option<ByteSize>,
    #[arg(long = "max-line-size-truncate", hide = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    max_line_size_truncate: Option<bool>,

    #[arg(long = "file-watch.min-poll-frequency", aliases = ["file-watch.min-poll_frequency", "file-watch.min_poll_frequency"], hide = true)]
    file_watch_min: Option<Duration>,
    #[arg(long = "file-watch.max-poll-frequency", aliases = ["file-watch.max-poll_frequency", "file-watch.max_poll_frequency"], hide = true)]
    file_watch_max: Option<Duration>,

    #[arg(long = "print-config-stderr", alias = "log-config-reverse-order", hide = true, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new())]
    print_config_stderr: Option<bool>,
    #[arg(long, hide = true)]
    pub(crate) version: bool,
}

fn level(text: &str) -> Result<LogLevel, String> {
    match text {
        "debug" => Ok(LogLevel::Debug),
        "info" => Ok(LogLevel::Info),
        "warn" => Ok(LogLevel::Warn),
        "error" => Ok(LogLevel::Error),
        _ => Err("known are debug, info, warn, error".to_owned()),
    }
}

fn refused(_: &str) -> Result<String, String> {
    Err("the agent's pages have no TLS and check no clients: let a proxy on the machine do it, or leave them out with \
         -server.disable"
        .to_owned())
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text {
        "logfmt" => Ok(LogFormat::Logfmt),
        "json" => Ok(LogFormat::Json),
        _ => Err("known are logfmt, json".to_owned()),
    }
}

/// Sets a value where a flag gives one, and says whether it did.
fn set<T: Clone>(value: &mut T, flag: Option<&T>) -> bool {
    if let Some(flag) = flag {
        value.clone_from(flag);
    }
    flag.is_some()
}

impl Overrides {
    pub(crate) fn prints_config(&self) -> bool {
        self.print_config_stderr == Some(true)
    }

    pub(crate) fn positions_file(&self) -> Option<&Path> {
        self.positions.as_deref()
    }

    /// Changes a configuration; says whether anything was changed that its text did not say.
    ///
    /// # Errors
    ///
    /// An external label cannot be one.
    pub(crate) fn apply(&self, config: &mut Config) -> anyhow::Result<bool> {
        let mut changed = false;
        if let Some(path) = self.positions.as_ref().filter(|path| **path != config.positions.filename) {
            config.positions.filename.clone_from(path);
            changed = true;
        }
        changed |= set(&mut config.positions.sync_period, self.positions_sync_period.as_ref());
        changed |= set(&mut config.positions.ignore_invalid_yaml, self.positions_ignore_invalid_yaml.as_ref());
        changed |= set(&mut config.target_config.sync_period, self.target_sync_period.as_ref());
        changed |= set(&mut config.target_config.stdin, self.stdin.as_ref());
        let watch = &mut config.global.file_watch_config;
        changed |= set(&mut watch.min_poll_frequency, self.file_watch_min.as_ref());
        changed |= set(&mut watch.max_poll_frequency, self.file_watch_max.as_ref());
        let limits = &mut config.limits_config;
        changed |= set(&mut limits.readline_rate, self.limit_readline_rate.as_ref());
        changed |= set(&mut limits.readline_burst, self.limit_readline_burst.as_ref());
        changed |= set(&mut limits.readline_rate_enabled, self.limit_readline_rate_enabled.as_ref());
        changed |= set(&mut limits.readline_rate_drop, self.limit_readline_rate_drop.as_ref());
        changed |= set(&mut limits.max_streams, self.max_streams.as_ref());
        changed |= set(&mut limits.max_line_size, self.max_line_size.as_ref());
        changed |= set(&mut limits.max_line_size_truncate, self.max_line_size_truncate.as_ref());
        changed |= self.apply_server(config);
        changed |= self.apply_clients(config)?;
        Ok(changed)
    }

    fn apply_server(&self, config: &mut Config) -> bool {
        let server = &mut config.server;
        let mut changed = set(&mut server.http_listen_address, self.server_http_listen_address.as_ref());
        changed |= set(&mut server.http_listen_port, self.server_http_listen_port.as_ref());
        if changed {
            // who names a port wants the pages
            server.disable = false;
        }
        changed |= set(&mut server.disable, self.server_disable.as_ref());
        changed |= set(&mut server.http_path_prefix, self.server_path_prefix.as_ref());
        changed |= set(&mut server.enable_runtime_reload, self.server_enable_runtime_reload.as_ref());
        changed |= set(&mut server.register_instrumentation, self.server_register_instrumentation.as_ref());
        changed |= set(&mut server.graceful_shutdown_timeout, self.server_graceful_shutdown_timeout.as_ref());
        changed |= set(&mut server.http_server_read_timeout, self.server_http_read_timeout.as_ref());
        changed |= set(&mut server.http_server_write_timeout, self.server_http_write_timeout.as_ref());
        changed |= set(&mut server.http_server_idle_timeout, self.server_http_idle_timeout.as_ref());
        changed |= set(&mut server.log_level, self.log_level.as_ref());
        changed | set(&mut server.log_format, self.log_format.as_ref())
    }

    /// As in Promtail, `-client.url` adds a server, which the other flags of clients are about; labels are for all of
    /// them, where they do not say otherwise.
    fn apply_clients(&self, config: &mut Config) -> anyhow::Result<bool> {
        let mut changed = false;
        if let Some(url) = &self.client_url {
            let mut client = Client { url: Some(url.clone()), ..Client::default() };
            self.apply_client(&mut client);
            config.clients.push(client);
            changed = true;
        }
        let flags = self.external_labels().context("-client.external-labels is wrong")?;
        for client in config.clients.iter_mut().filter(|_| !flags.is_empty()) {
            let own = client.external_labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            client.external_labels = Labels::from_pairs(flags.iter().cloned().chain(own));
            changed = true;
        }
        Ok(changed)
    }

    fn apply_client(&self, client: &mut Client) {
        set(&mut client.tenant_id, self.client_tenant_id.as_ref());
        set(&mut client.batchwait, self.client_batch_wait.as_ref());
        set(&mut client.batchsize, self.client_batch_size_bytes.as_ref());
        set(&mut client.timeout, self.client_timeout.as_ref());
        set(&mut client.backoff_config.min_period, self.client_min_backoff.as_ref());
        set(&mut client.backoff_config.max_period, self.client_max_backoff.as_ref());
        set(&mut client.drop_rate_limited_batches, self.client_drop_rate_limited_batches.as_ref());
    }

    pub(crate) fn reads_stdin(&self) -> bool {
        self.stdin == Some(true)
    }

    /// Flags that were given and do nothing, with what to do; said once when the agent starts. Promtail says nothing.
    pub(crate) fn remarks(&self) -> Vec<String> {
        if self.client_url.is_some() {
            return Vec::new();
        }
        let flags = [
            ("tenant-id", "tenant_id", self.client_tenant_id.is_some()),
            ("batch-wait", "batchwait", self.client_batch_wait.is_some()),
            ("batch-size-bytes", "batchsize", self.client_batch_size_bytes.is_some()),
            ("timeout", "timeout", self.client_timeout.is_some()),
            ("min-backoff", "backoff_config.min_period", self.client_min_backoff.is_some()),
            ("max-backoff", "backoff_config.max_period", self.client_max_backoff.is_some()),
            ("drop-rate-limited-batches", "drop_rate_limited_batches", self.client_drop_rate_limited_batches.is_some()),
        ];
        let given = flags.into_iter().filter(|(_, _, is_given)| *is_given);
        let say = |(flag, key, _)| {
            format!(
                "-client.{flag} is given and does nothing here: as in Promtail it is for the server of -client.url \
                 alone; for the servers of the file set {key} under clients"
            )
        };
        given.map(say).collect()
    }

    fn external_labels(&self) -> anyhow::Result<Vec<(String, String)>> {
        self.client_external_labels.iter().map(|pair| label(pair)).collect()
    }
}

/// A label as flags have it: `name=value`.
pub(crate) fn label(pair: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = pair.split_once('=').with_context(|| format!("{pair:?} is no label: write name=value"))?;
    if !is_label_name(name) {
        anyhow::bail!("{name:?} cannot be the name of a label: it has letters, digits and _, and no digit first");
    }
    Ok((name.to_owned(), value.to_owned()))
}
