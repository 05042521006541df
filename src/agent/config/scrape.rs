//! `scrape_configs`: where lines come from, with which labels, and through which stages they go.

use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::agent::config::http::{Authorization, BasicAuth, Http, Tls, check_credentials};
use crate::agent::config::pipeline::StageConfig;
use crate::agent::config::server::Server;
use crate::agent::config::units::{Address, ByteSize, Duration, Hidden, labels, or_default};
use crate::agent::config::{Check, checked, checked_list};
use crate::agent::files::archive::{Decompression, Format};
use crate::agent::files::charset::EncodingName;
use crate::agent::relabel::Rule;
use crate::model::Labels;

/// One entry of `scrape_configs`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Scrape {
    #[serde(deserialize_with = "or_default")]
    pub(crate) job_name: String,
    #[serde(skip_serializing, deserialize_with = "or_default")]
    pub(crate) pipeline_stages: Vec<StageConfig>,
    #[serde(deserialize_with = "checked", skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<Journal>,
    #[serde(deserialize_with = "checked", skip_serializing_if = "Option::is_none")]
    pub(crate) syslog: Option<Syslog>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) loki_push_api: Option<PushApi>,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(crate) relabel_configs: Vec<Rule>,
    #[serde(with = "decompression", skip_serializing_if = "Option::is_none")]
    pub(crate) decompression: Option<Decompression>,
    #[serde(skip_serializing, deserialize_with = "or_default")]
    pub(crate) encoding: EncodingName,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub(crate) static_configs: Vec<TargetGroup>,
    #[serde(deserialize_with = "checked_list", skip_serializing_if = "Vec::is_empty")]
    pub(crate) file_sd_configs: Vec<FileDiscovery>,
    #[serde(deserialize_with = "checked_list", skip_serializing_if = "Vec::is_empty")]
    pub(crate) docker_sd_configs: Vec<DockerDiscovery>,
}

impl Scrape {
    /// What it reads, by the key that says so.
    pub(crate) fn kind(&self) -> &'static str {
        let kinds = [
            ("journal", self.journal.is_some()),
            ("syslog", self.syslog.is_some()),
            ("loki_push_api", self.loki_push_api.is_some()),
            ("docker", !self.docker_sd_configs.is_empty()),
        ];
        kinds.into_iter().find(|(_, is_given)| *is_given).map_or("files", |(kind, _)| kind)
    }

    /// As it is called where all are listed.
    pub(crate) fn kind_and_name(&self) -> String {
        if self.job_name.is_empty() { self.kind().to_owned() } else { format!("{} ({})", self.job_name, self.kind()) }
    }
}

impl Check for Scrape {
    fn check(&self) -> Result<(), String> {
        let kinds = [
            ("journal", self.journal.is_some()),
            ("syslog", self.syslog.is_some()),
            ("loki_push_api", self.loki_push_api.is_some()),
            ("static_configs", !self.static_configs.is_empty()),
            ("file_sd_configs", !self.file_sd_configs.is_empty()),
            ("docker_sd_configs", !self.docker_sd_configs.is_empty()),
        ];
        let kinds: Vec<&str> = kinds.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
        let name = &self.job_name;
        if kinds.is_empty() {
            return Err(format!(
                "the job {name:?} reads nothing: give it static_configs, file_sd_configs, docker_sd_configs, journal, \
                 syslog or loki_push_api"
            ));
        }
        let files = ["static_configs", "file_sd_configs"];
        if kinds.len() > 1 && kinds.iter().any(|kind| !files.contains(kind)) {
            return Err(format!("the job {name:?} has {}: give each a job of its own", kinds.join(" and ")));
        }
        Ok(())
    }
}

/// Files by their paths: an entry of `static_configs`, and of the files that `file_sd_configs` names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TargetGroup {
    #[serde(deserialize_with = "or_default")]
    pub(crate) targets: Vec<String>,
    /// With `__path__` and `__path_exclude__` among them.
    #[serde(with = "labels")]
    pub(crate) labels: Labels,
}

/// Files that list target groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FileDiscovery {
    /// Ends with .json, .yml or .yaml; the last part may be a pattern.
    pub(crate) files: Vec<String>,
    pub(crate) refresh_interval: Duration,
}

impl Default for FileDiscovery {
    fn default() -> FileDiscovery {
        FileDiscovery { files: Vec::new(), refresh_interval: Duration::from_secs(300) }
    }
}

impl Check for FileDiscovery {
    fn check(&self) -> Result<(), String> {
        if self.files.is_empty() {
            return Err("file_sd_configs names no files: add them under files".into());
        }
        for file in &self.files {
            let ending = [".json", ".yml", ".yaml"];
            if !ending.iter().any(|ending| file.ends_with(ending)) {
                return Err(format!("{file:?} does not end with .json, .yml or .yaml: so target files do"));
            }
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            if folder.contains(['*', '?', '[']) {
                return Err(format!("{file:?} has a pattern in its folder: only the last part may be one"));
            }
        }
        Ok(())
    }
}

/// Containers of a Docker daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct DockerDiscovery {
    /// `unix:///var/run/docker.sock`, `tcp://…` or `http(s)://…`
    pub(crate) host: String,
    /// What stands in `__address__` for a container without ports.
    pub(crate) port: u16,
    pub(crate) host_networking_host: String,
    pub(crate) match_first_network: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) filters: Vec<DockerFilter>,
    pub(crate) refresh_interval: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) basic_auth: Option<BasicAuth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization: Option<Authorization>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bearer_token: Option<Hidden>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bearer_token_file: Option<PathBuf>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tls_config: Tls,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proxy_url: Option<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_proxy: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) proxy_from_environment: bool,
    pub(crate) follow_redirects: bool,
    pub(crate) enable_http2: bool,
}

impl Default for DockerDiscovery {
    fn default() -> DockerDiscovery {
        DockerDiscovery {
            host: String::new(),
            port: 80,
            host_networking_host: "localhost".to_owned(),
            match_first_network: true,
            filters: Vec::new(),
            refresh_interval: Duration::from_secs(60),
            basic_auth: None,
            authorization: None,
            bearer_token: None,
            bearer_token_file: None,
            tls_config: Tls::default(),
            proxy_url: None,
            no_proxy: None,
            proxy_from_environment: false,
            follow_redirects: true,
            enable_http2: true,
        }
    }
}

impl DockerDiscovery {
    /// What its connection is made of.
    pub(crate) fn http(&self) -> Http {
        Http {
            basic_auth: self.basic_auth.clone(),
            authorization: self.authorization.clone(),
            bearer_token: self.bearer_token.clone(),
            bearer_token_file: self.bearer_token_file.clone(),
            tls_config: self.tls_config.clone(),
            proxy_url: self.proxy_url.clone(),
            no_proxy: self.no_proxy.clone(),
            proxy_from_environment: self.proxy_from_environment,
            follow_redirects: self.follow_redirects,
            enable_http2: self.enable_http2,
            headers: std::collections::BTreeMap::new(),
        }
    }
}

impl Check for DockerDiscovery {
    fn check(&self) -> Result<(), String> {
        let schemes = ["unix://", "tcp://", "http://", "https://"];
        if self.host.is_empty() {
            return Err("docker_sd_configs has no host: on this machine it is unix:///var/run/docker.sock".into());
        }
        if !schemes.iter().any(|scheme| self.host.starts_with(scheme)) {
            let host = &self.host;
            return Err(format!(
                "{host:?} is no address of a Docker daemon: it begins with unix://, tcp://, http:// or https://"
            ));
        }
        check_credentials(&self.http())
    }
}

/// Which containers, in Docker's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DockerFilter {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

/// The journal of systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Journal {
    /// How far back a first reading goes.
    pub(crate) max_age: Duration,
    /// The whole entry as JSON instead of its message.
    #[serde(deserialize_with = "or_default")]
    pub(crate) json: bool,
    #[serde(with = "labels")]
    pub(crate) labels: Labels,
    /// The folder of the journal, where it is not the usual one.
    #[serde(deserialize_with = "or_default")]
    pub(crate) path: String,
    /// `FIELD=value` with spaces between, all of which must hold.
    #[serde(deserialize_with = "or_default")]
    pub(crate) matches: String,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal {
            max_age: Duration::from_secs(7 * 3600),
            json: false,
            labels: Labels::default(),
            path: String::new(),
            matches: String::new(),
        }
    }
}

impl Check for Journal {
    fn check(&self) -> Result<(), String> {
        match self.matches.split_whitespace().find(|part| !part.contains('=') && *part != "+") {
            Some(part) => Err(format!("{part:?} under matches is no FIELD=value, as in _SYSTEMD_UNIT=ssh.service")),
            None => Ok(()),
        }
    }
}

/// A listener for syslog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Syslog {
    pub(crate) listen_address: String,
    pub(crate) listen_protocol: SyslogProtocol,
    pub(crate) idle_timeout: Duration,
    #[serde(deserialize_with = "or_default")]
    pub(crate) label_structured_data: bool,
    #[serde(with = "labels")]
    pub(crate) labels: Labels,
    #[serde(deserialize_with = "or_default")]
    pub(crate) use_incoming_timestamp: bool,
    #[serde(deserialize_with = "or_default")]
    pub(crate) use_rfc5424_message: bool,
    pub(crate) max_message_length: ByteSize,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tls_config: Tls,
    pub(crate) syslog_format: SyslogFormat,
}

impl Default for Syslog {
    fn default() -> Syslog {
        Syslog {
            listen_address: String::new(),
            listen_protocol: SyslogProtocol::Tcp,
            idle_timeout: Duration::from_secs(120),
            label_structured_data: false,
            labels: Labels::default(),
            use_incoming_timestamp: false,
            use_rfc5424_message: false,
            max_message_length: ByteSize(8192),
            tls_config: Tls::default(),
            syslog_format: SyslogFormat::Rfc5424,
        }
    }
}

impl Check for Syslog {
    fn check(&self) -> Result<(), String> {
        if self.listen_address.is_empty() {
            return Err("syslog has no listen_address: give host and port, as in 0.0.0.0:1514".into());
        }
        check_listen(&self.listen_address)?;
        check_listener_tls(&self.tls_config, self.listen_protocol)
    }
}

fn check_listener_tls(tls: &Tls, protocol: SyslogProtocol) -> Result<(), String> {
    if *tls == Tls::default() {
        return Ok(());
    }
    if protocol == SyslogProtocol::Udp {
        return Err("syslog over udp knows no TLS: set listen_protocol to tcp, or leave tls_config out".into());
    }
    if (tls.cert_file.is_none() && tls.cert.is_none()) || (tls.key_file.is_none() && tls.key.is_none()) {
        return Err("a syslog listener with TLS needs cert_file and key_file under tls_config".into());
    }
    if tls.server_name.is_some() || tls.insecure_skip_verify {
        return Err(
            "server_name and insecure_skip_verify are of clients and mean nothing to a listener: leave them out; \
                    without ca_file no sender has to show a certificate"
                .into(),
        );
    }
    Ok(())
}

fn check_listen(address: &str) -> Result<(), String> {
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(_) => Ok(()),
        None => Err(format!("{address:?} is no address to listen on: give host and port, as in 0.0.0.0:1514")),
    }
}

/// How syslog comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SyslogProtocol {
    Tcp,
    Udp,
}

/// How syslog is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SyslogFormat {
    Rfc5424,
    Rfc3164,
}

/// A listener for what others push.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PushApi {
    #[serde(deserialize_with = "checked")]
    pub(crate) server: Server,
    #[serde(with = "labels")]
    pub(crate) labels: Labels,
    #[serde(deserialize_with = "or_default")]
    pub(crate) use_incoming_timestamp: bool,
}

/// `decompression` as it is written: none where it is not enabled.
mod decompression {
    use crate::agent::config::scrape::*;

    #[derive(Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Written {
        #[serde(deserialize_with = "or_default")]
        enabled: bool,
        #[serde(deserialize_with = "or_default")]
        initial_delay: Duration,
        format: Option<Format>,
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Decompression>, D::Error> {
        let written = Option::<Written>::deserialize(deserializer)?.unwrap_or_default();
        match written.format {
            _ if !written.enabled => Ok(None),
            Some(format) => Ok(Some(Decompression { initial_delay: written.initial_delay.0, format })),
            None => Err(D::Error::custom("decompression is enabled and has no format: give gz, bz2 or z")),
        }
    }

    pub(crate) fn serialize<S: Serializer>(given: &Option<Decompression>, out: S) -> Result<S::Ok, S::Error> {
        let written = given.as_ref().map(|given| Written {
            enabled: true,
            initial_delay: Duration(given.initial_delay),
            format: Some(given.format),
        });
        written.serialize(out)
    }
}
