//! The cookies: one for the session, one for the look.
//!
//! Promises: scripts cannot read them, other sites' forms do not send them; under TLS the session's name begins with
//! `__Host-`, so that neither plain HTTP nor a neighbour domain can plant or read it.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use http::header::{HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Uri};

use crate::db::{Secret, sessions};
use crate::web::page::Theme;

pub(in crate::web) const THEME: &str = "logcafe_theme";
const SESSION_OVER_TLS: &str = "__Host-logcafe";
const SESSION: &str = "logcafe";
const THEME_SECS_MAX: i64 = 400 * 86_400;

/// How the browser's request came to us, or to the proxy before us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Transport {
    Plain,
    Tls,
}

impl Transport {
    /// As the proxy says, or else as the public address has it where that is the one the browser used.
    ///
    /// A browser can only fool itself with the header: it decides how its own cookie is named and kept.
    pub(in crate::web) fn of(headers: &HeaderMap, public_url: Option<&Uri>) -> Transport {
        let tls = match headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok()) {
            Some(protocols) => protocols.split(',').next().is_some_and(|first| first.trim() == "https"),
            None => public_url.is_some_and(|url| {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                url.scheme_str() == Some("https") && url.authority().map(|authority| authority.as_str()) == host
            }),
        };
        if tls { Transport::Tls } else { Transport::Plain }
    }

    fn session_name(self) -> &'static str {
        match self {
            Transport::Plain => SESSION,
            Transport::Tls => SESSION_OVER_TLS,
        }
    }
}

/// The value of a cookie.
pub(in crate::web) fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    CookieJar::from_headers(headers).get(name).map(|cookie| cookie.value().to_owned())
}

/// The secret of the session that the browser presents.
pub(in crate::web) fn session_secret(headers: &HeaderMap, transport: Transport) -> Option<String> {
    find(headers, transport.session_name())
}

/// Gives the browser its session.
pub(in crate::web) fn set_session(secret: &Secret, transport: Transport) -> SetCookie {
    let max_age_secs = sessions::AGE_DAYS_MAX * 86_400;
    set(transport.session_name(), secret.reveal(), max_age_secs, transport)
}

/// Takes the session away.
pub(in crate::web) fn clear_session(transport: Transport) -> SetCookie {
    set(transport.session_name(), "", 0, transport)
}

/// Keeps the look on this device.
pub(in crate::web) fn set_theme(theme: Theme, transport: Transport) -> SetCookie {
    let max_age_secs = if theme == Theme::System { 0 } else { THEME_SECS_MAX };
    set(THEME, theme.as_str(), max_age_secs, transport)
}

/// A header to put on the response.
pub(in crate::web) type SetCookie = [(http::HeaderName, HeaderValue); 1];

fn set(name: &str, value: &str, max_age_secs: i64, transport: Transport) -> SetCookie {
    let mut cookie = Cookie::new(name, value);
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Lax);
    cookie.set_secure(transport == Transport::Tls);
    let text = format!("{cookie}; Max-Age={max_age_secs}");
    [(SET_COOKIE, HeaderValue::from_str(&text).expect("our names and secrets are plain ASCII"))]
}

#[cfg(test)]
mod tests {
    use crate::web::cookie::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn tls_is_seen_by_the_proxy_header_or_the_public_address() {
        let public: Uri = "https://logs.example.org".parse().unwrap();
        let public = Some(&public);
        assert_eq!(Transport::of(&headers(&[]), None), Transport::Plain);
        assert_eq!(Transport::of(&headers(&[("x-forwarded-proto", "https")]), None), Transport::Tls);
        assert_eq!(Transport::of(&headers(&[("x-forwarded-proto", "http")]), public), Transport::Plain);
        assert_eq!(Transport::of(&headers(&[("host", "logs.example.org")]), public), Transport::Tls);
        assert_eq!(Transport::of(&headers(&[("host", "127.0.0.1:3100")]), public), Transport::Plain);
    }

    #[test]
    fn the_session_cookie_is_host_bound_and_secure_under_tls() {
        let text = |transport: Transport| clear_session(transport)[0].1.to_str().unwrap().to_owned();
        assert_eq!(text(Transport::Tls), "__Host-logcafe=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
        assert_eq!(text(Transport::Plain), "logcafe=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }
}
