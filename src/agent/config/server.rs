//! `server`: where the agent tells how it is, and how it logs.
//!
//! The same keys stand under `loki_push_api`. What speaks of gRPC is read and does nothing: the agent has no gRPC.

use serde::{Deserialize, Serialize};

use crate::agent::config::Check;
use crate::agent::config::units::{Duration, Ignored, or_default};

/// A server for HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    #[serde(deserialize_with = "or_default")]
    pub(crate) disable: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) http_listen_address: String,
    /// 0 means a free one.
    pub(crate) http_listen_port: u16,
    /// Before each path.
    #[serde(deserialize_with = "or_default")]
    pub(crate) http_path_prefix: String,
    /// Whether there is /metrics.
    pub(crate) register_instrumentation: bool,
    pub(crate) graceful_shutdown_timeout: Duration,
    pub(crate) http_server_read_timeout: Duration,
    pub(crate) http_server_write_timeout: Duration,
    pub(crate) http_server_idle_timeout: Duration,
    pub(crate) log_level: LogLevel,
    pub(crate) log_format: LogFormat,
    /// Where people reach the pages, behind a proxy.
    #[serde(deserialize_with = "or_default")]
    pub(crate) external_url: String,
    /// Whether /ready waits until there is something to read.
    pub(crate) health_check_target: bool,
    /// Whether POST /reload reads the configuration anew.
    #[serde(deserialize_with = "or_default")]
    pub(crate) enable_runtime_reload: bool,
    #[serde(skip_serializing)]
    pub(crate) profiling_enabled: Ignored,
    #[serde(skip_serializing)]
    pub(crate) http_listen_network: Ignored,
    #[serde(skip_serializing)]
    pub(crate) http_listen_conn_limit: Ignored,
    #[serde(skip_serializing)]
    pub(crate) http_server_read_header_timeout: Ignored,
    #[serde(skip_serializing)]
    pub(crate) http_log_closed_connections_without_response_enabled: Ignored,
    #[serde(skip_serializing)]
    pub(crate) log_request_headers: Ignored,
    #[serde(skip_serializing)]
    pub(crate) log_request_at_info_level_enabled: Ignored,
    #[serde(skip_serializing)]
    pub(crate) log_request_exclude_headers_list: Ignored,
    #[serde(skip_serializing)]
    pub(crate) log_source_ips_enabled: Ignored,
    #[serde(skip_serializing)]
    pub(crate) log_source_ips_full: Ignored,
    #[serde(skip_serializing)]
    pub(crate) log_source_ips_header: Ignored,
    #[serde(skip_serializing)]
    pub(crate) log_source_ips_regex: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_listen_network: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_listen_address: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_listen_port: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_listen_conn_limit: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_max_recv_msg_size: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_max_send_msg_size: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_max_concurrent_streams: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_max_connection_idle: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_max_connection_age: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_max_connection_age_grace: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_keepalive_time: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_keepalive_timeout: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_min_time_between_pings: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_ping_without_stream_allowed: Ignored,
    #[serde(skip_serializing)]
    pub(crate) grpc_server_num_workers: Ignored,
}

impl Default for Server {
    fn default() -> Server {
        let none = Ignored::default();
        Server {
            disable: false,
            http_listen_address: String::new(),
            http_listen_port: 80,
            http_path_prefix: String::new(),
            register_instrumentation: true,
            graceful_shutdown_timeout: Duration::from_secs(30),
            http_server_read_timeout: Duration::from_secs(30),
            http_server_write_timeout: Duration::from_secs(30),
            http_server_idle_timeout: Duration::from_secs(120),
            log_level: LogLevel::Info,
            log_format: LogFormat::Logfmt,
            external_url: String::new(),
            health_check_target: true,
            enable_runtime_reload: false,
            profiling_enabled: none,
            http_listen_network: none,
            http_listen_conn_limit: none,
            http_server_read_header_timeout: none,
            http_log_closed_connections_without_response_enabled: none,
            log_request_headers: none,
            log_request_at_info_level_enabled: none,
            log_request_exclude_headers_list: none,
            log_source_ips_enabled: none,
            log_source_ips_full: none,
            log_source_ips_header: none,
            log_source_ips_regex: none,
            grpc_listen_network: none,
            grpc_listen_address: none,
            grpc_listen_port: none,
            grpc_listen_conn_limit: none,
            grpc_server_max_recv_msg_size: none,
            grpc_server_max_send_msg_size: none,
            grpc_server_max_concurrent_streams: none,
            grpc_server_max_connection_idle: none,
            grpc_server_max_connection_age: none,
            grpc_server_max_connection_age_grace: none,
            grpc_server_keepalive_time: none,
            grpc_server_keepalive_timeout: none,
            grpc_server_min_time_between_pings: none,
            grpc_server_ping_without_stream_allowed: none,
            grpc_server_num_workers: none,
        }
    }
}

impl Check for Server {
    fn check(&self) -> Result<(), String> {
        let prefix = &self.http_path_prefix;
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(format!("http_path_prefix {prefix:?} does not begin with /: write {:?}", format!("/{prefix}")));
        }
        Ok(())
    }
}

/// From which weight on the agent logs of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// How the agent's own log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Logfmt,
    Json,
}
