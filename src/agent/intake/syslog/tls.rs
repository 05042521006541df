//! TLS of a listener: its certificate, and whose certificates senders must show.
//!
//! Promises: what cannot be used is an error at the start that names the key. With `ca_file` a sender without a
//! certificate of that authority is turned away.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::agent::config::http::{Tls, TlsVersion};
use crate::agent::config::units::Hidden;

/// What connections are accepted with.
pub(crate) fn acceptor(config: &Tls) -> anyhow::Result<TlsAcceptor> {
    let cert = text("cert_file", config.cert.as_deref(), config.cert_file.as_deref())?
        .context("tls_config has no cert_file")?;
    let key = text("key_file", config.key.as_ref().map(Hidden::reveal), config.key_file.as_deref())?
        .context("tls_config has no key_file")?;
    let certs = certificates("cert", &cert)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| anyhow!("the key of tls_config cannot be read: {error}; it is PEM, without a password"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions(config)?)?;
    let builder = match text("ca_file", config.ca.as_deref(), config.ca_file.as_deref())? {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            for root in certificates("ca", &ca)? {
                roots.add(root).map_err(|error| anyhow!("a certificate of tls_config.ca cannot be used: {error}"))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.context("tls_config.ca cannot be used")?)
        }
    };
    let config = builder
        .with_single_cert(certs, key)
        .map_err(|error| anyhow!("cert and key of tls_config cannot be used: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn versions(config: &Tls) -> anyhow::Result<Vec<&'static rustls::SupportedProtocolVersion>> {
    let all = [(TlsVersion::Tls12, &rustls::version::TLS12), (TlsVersion::Tls13, &rustls::version::TLS13)];
    let is_allowed = |version: TlsVersion| {
        config.min_version.is_none_or(|least| version >= least) && config.max_version.is_none_or(|most| version <= most)
    };
    let allowed: Vec<_> = all.into_iter().filter(|(version, _)| is_allowed(*version)).map(|(_, known)| known).collect();
    if allowed.is_empty() {
        bail!("tls_config allows no version of TLS: min_version is over max_version");
    }
    Ok(allowed)
}

fn certificates(key: &str, text: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let found = found.map_err(|error| anyhow!("the certificates of tls_config.{key} cannot be read: {error}"))?;
    if found.is_empty() {
        bail!("tls_config.{key} has no certificate: it is PEM, with lines of BEGIN CERTIFICATE");
    }
    Ok(found)
}

/// What the configuration has itself, or the file that it names.
fn text(key: &str, own: Option<&str>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    match (own, file) {
        (Some(own), _) => Ok(Some(own.to_owned())),
        (None, Some(path)) => {
            let read = std::fs::read_to_string(path);
            read.map(Some).with_context(|| format!("tls_config.{key}: cannot read {}", path.display()))
        }
        (None, None) => Ok(None),
    }
}
