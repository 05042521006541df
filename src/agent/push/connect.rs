//! How a server is reached: TLS, a proxy, and the time that a request may take.

use std::time::Duration;

/// A client that follows no redirect, as a push that is led elsewhere would lose its body.
pub(crate) fn http(timeout: Duration) -> reqwest::ClientBuilder {
    // the first one stays; another one is as good
    let _ = rustls::crypto::ring::default_provider().install_default();
    let agent = concat!("logcafe-agent/", env!("CARGO_PKG_VERSION"));
    let redirect = reqwest::redirect::Policy::none();
    reqwest::Client::builder().user_agent(agent).timeout(timeout).redirect(redirect).pool_max_idle_per_host(1)
}
