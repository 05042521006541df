//! `clients`: the servers that lines are pushed to, and how.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::agent::config::Check;
use crate::agent::config::http::{Authorization, BasicAuth, Http, Tls, check_credentials};
use crate::agent::config::units::{Address, ByteSize, Duration, Hidden, Ignored, labels, or_default};
use crate::model::Labels;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Client {
    /// As it is called in metrics; else a part of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Always there once the configuration was read.
    pub(crate) url: Option<Address>,
    pub(crate) batchwait: Duration,
    /// Bytes of lines, before they are compressed.
    pub(crate) batchsize: ByteSize,
    #[serde(deserialize_with = "or_default")]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) backoff_config: Backoff,
    /// Added to each line, where it has no label of that name.
    #[serde(with = "labels")]
    pub(crate) external_labels: Labels,
    pub(crate) timeout: Duration,
    #[serde(deserialize_with = "or_default")]
    pub(crate) tenant_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) drop_rate_limited_batches: bool,
    #[serde(skip_serializing)]
    pub(crate) stream_lag_labels: Ignored,
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

impl Default for Client {
    fn default() -> Client {
        Client {
            name: None,
            url: None,
            batchwait: Duration::from_secs(1),
            batchsize: ByteSize(1 << 20),
            headers: BTreeMap::new(),
            backoff_config: Backoff::default(),
            external_labels: Labels::default(),
            timeout: Duration::from_secs(10),
            tenant_id: String::new(),
            drop_rate_limited_batches: false,
            stream_lag_labels: Ignored::default(),
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

impl Client {
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
            headers: self.headers.clone(),
        }
    }
}

impl Check for Client {
    fn check(&self) -> Result<(), String> {
        if self.url.is_none() {
            return Err(
                "this client has no url: add where it pushes to, as in https://logs.example.com/loki/api/v1/push"
                    .into(),
            );
        }
        if self.batchsize.0 == 0 {
            return Err("batchsize is 0: give the bytes of a batch, 1048576 by default".into());
        }
        if self.timeout.0.is_zero() {
            return Err("timeout is 0: give how long a server may take to answer, 10s by default".into());
        }
        let Backoff { min_period, max_period, .. } = self.backoff_config;
        if min_period > max_period || min_period.0.is_zero() {
            return Err(format!(
                "backoff_config waits {min_period} first and {max_period} at most: the first is to be more than 0 and \
                 no more than the other"
            ));
        }
        if self.tls_config.server_name.is_some() && (self.proxy_url.is_some() || self.proxy_from_environment) {
            return Err("tls_config.server_name does not go together with a proxy: leave one of them out".into());
        }
        for (name, value) in &self.headers {
            let is_name = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
            if !is_name || http::HeaderValue::from_str(value).is_err() {
                return Err(format!("{name:?} under headers cannot be sent as an HTTP header"));
            }
        }
        check_credentials(&self.http())
    }
}

/// How long to wait before what failed is tried again. It is tried for ever, so `max_retries` bounds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Backoff {
    pub(crate) min_period: Duration,
    pub(crate) max_period: Duration,
    #[serde(skip_serializing)]
    pub(crate) max_retries: Ignored,
}

impl Default for Backoff {
    fn default() -> Backoff {
        let (min_period, max_period) = (Duration::from_millis(500), Duration::from_secs(300));
        Backoff { min_period, max_period, max_retries: Ignored::default() }
    }
}
