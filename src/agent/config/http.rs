//! How servers are spoken to over HTTP: who we say we are, TLS, proxies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::agent::config::units::{Address, Hidden, or_default};

/// A name and a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BasicAuth {
    #[serde(deserialize_with = "or_default")]
    pub(crate) username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<Hidden>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
}

/// The header `Authorization`, written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Authorization {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<Hidden>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) credentials_file: Option<PathBuf>,
}

impl Default for Authorization {
    fn default() -> Authorization {
        Authorization { kind: "Bearer".to_owned(), credentials: None, credentials_file: None }
    }
}

/// What a TLS connection is held against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Tls {
    /// Certificates and the key as text, or the files they lie in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cert: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Hidden>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cert_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key_file: Option<PathBuf>,
    /// The name that the certificate must bear, where it is not the host of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_name: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) insecure_skip_verify: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_version: Option<TlsVersion>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_version: Option<TlsVersion>,
}

/// A version of TLS that can be asked for; older ones are not spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum TlsVersion {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// How one server is spoken to: what the configurations of clients and of Docker have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    pub(crate) basic_auth: Option<BasicAuth>,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) bearer_token: Option<Hidden>,
    pub(crate) bearer_token_file: Option<PathBuf>,
    pub(crate) tls_config: Tls,
    pub(crate) proxy_url: Option<Address>,
    /// Hosts that are spoken to without the proxy.
    pub(crate) no_proxy: Option<String>,
    pub(crate) proxy_from_environment: bool,
    pub(crate) follow_redirects: bool,
    pub(crate) enable_http2: bool,
    pub(crate) headers: BTreeMap<String, String>,
}

/// Says where credentials are given twice, or half.
pub(crate) fn check_credentials(http: &Http) -> Result<(), String> {
    let given = [
        ("basic_auth", http.basic_auth.is_some()),
        ("authorization", http.authorization.is_some()),
        ("bearer_token", http.bearer_token.is_some()),
        ("bearer_token_file", http.bearer_token_file.is_some()),
    ];
    let given: Vec<&str> = given.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name).collect();
    if given.len() > 1 {
        return Err(format!("{} are given together: a server is shown one of them", given.join(" and ")));
    }
    if let Some(BasicAuth { password: Some(_), password_file: Some(_), .. }) = &http.basic_auth {
        return Err("basic_auth has a password and a password_file: give one of them".into());
    }
    if let Some(BasicAuth { username, username_file: Some(_), .. }) = &http.basic_auth
        && !username.is_empty()
    {
        return Err("basic_auth has a username and a username_file: give one of them".into());
    }
    if let Some(Authorization { credentials: Some(_), credentials_file: Some(_), .. }) = &http.authorization {
        return Err("authorization has credentials and a credentials_file: give one of them".into());
    }
    let tls = &http.tls_config;
    let twice = [
        ("ca", tls.ca.is_some() && tls.ca_file.is_some()),
        ("cert", tls.cert.is_some() && tls.cert_file.is_some()),
        ("key", tls.key.is_some() && tls.key_file.is_some()),
    ];
    if let Some((name, _)) = twice.iter().find(|(_, is_twice)| *is_twice) {
        return Err(format!("tls_config has {name} and {name}_file: give one of them"));
    }
    let has_cert = tls.cert.is_some() || tls.cert_file.is_some();
    let has_key = tls.key.is_some() || tls.key_file.is_some();
    if has_cert != has_key {
        return Err("tls_config has a certificate without a key, or a key without a certificate: give both".into());
    }
    Ok(())
}
