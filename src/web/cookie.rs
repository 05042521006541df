//! The cookies: one for the session, one each for the look and the language.
//!
//! Promises: scripts cannot read them, other sites' forms do not send them; under TLS the session's name begins with
//! `__Host-`, so that neither plain HTTP nor a neighbour domain can plant or read it.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use http::header::{HOST, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::db::{Secret, sessions};
use crate::web::language::Language;
use crate::web::page::Theme;

pub(in crate::web) const THEME: &str = "logcafe_theme";
pub(in crate::web) const LANGUAGE: &str = "logcafe_language";
/// The size of the text of lines, and how their times are told.
pub(in crate::web) const TEXT_SIZE: &str = "logcafe_text";
pub(in crate::web) const CLOCK: &str = "logcafe_clock";
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const PREFERENCE_SECS_MAX: i64 = 400 * 86_400;

/// How the browser's request came to us, or to the proxy before us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Transport {
    Plain,
    Tls,
}

impl Transport {
    /// TLS where the browser names the public address as the form's origin, whatever the proxies say or leave out;
    /// else as the proxy says, or else as the public address has it where that is the one the browser used.
    ///
    /// A browser can only fool itself with the headers: they decide how its own cookie is named and kept.
    pub(in crate::web) fn of(headers: &HeaderMap, public_url: Option<&Uri>) -> Transport {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let public = public_url.filter(|url| url.scheme_str() == Some("https")).and_then(Uri::authority);
        let is_public = |host: &str| public.is_some_and(|public| public.as_str().eq_ignore_ascii_case(host));
        let from_public_page = text(ORIGIN).and_then(|origin| origin.strip_prefix("https://")).is_some_and(is_public);
        let tls = from_public_page
            || match text(FORWARDED_PROTO) {
                Some(protocols) => protocols.split(',').next().is_some_and(|first| first.trim() == "https"),
                None => text(HOST).is_some_and(is_public),
            };
        if tls { Transport::Tls } else { Transport::Plain }
    }

    fn session_name(self) -> &'static str {
        match self {
            Transport::Plain => sessions::COOKIE,
            Transport::Tls => sessions::COOKIE_OVER_TLS,
        }
    }
}

/// The value of a cookie.
pub(in crate::web) fn find(headers: &HeaderMap, name: &str) -> Option<String> {
    CookieJar::from_headers(headers).get(name).map(|cookie| cookie.value().to_owned())
}

/// The secrets of the sessions that the browser presents, the likelier first. A cookie that was given under TLS counts
/// on every request: no other could have planted it, and behind some proxies only forms show that there is TLS.
pub(in crate::web) fn session_secrets(headers: &HeaderMap, transport: Transport) -> Vec<String> {
    let names: &[&str] = match transport {
        Transport::Tls => &[sessions::COOKIE_OVER_TLS],
        Transport::Plain => &[sessions::COOKIE_OVER_TLS, sessions::COOKIE],
    };
    names.iter().filter_map(|name| find(headers, name)).collect()
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
    let max_age_secs = if theme == Theme::System { 0 } else { PREFERENCE_SECS_MAX };
    set(THEME, theme.as_str(), max_age_secs, transport)
}

/// Keeps the language on this device; without one, the browser's is spoken again.
pub(in crate::web) fn set_language(language: Option<Language>, transport: Transport) -> SetCookie {
    let max_age_secs = if language.is_some() { PREFERENCE_SECS_MAX } else { 0 };
    set(LANGUAGE, language.map_or("", Language::code), max_age_secs, transport)
}

/// Keeps a preference about reading on this device; by default, none.
pub(in crate::web) fn set_reading(name: &str, value: &str, is_default: bool, transport: Transport) -> SetCookie {
    set(name, value, if is_default { 0 } else { PREFERENCE_SECS_MAX }, transport)
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
    fn a_form_of_the_public_page_came_over_tls_whatever_the_proxies_say() {
        let public: Uri = "https://logs.example.org".parse().unwrap();
        let of = |pairs: &[(&'static str, &'static str)]| Transport::of(&headers(pairs), Some(&public));
        let (host, origin) = (("host", "127.0.0.1:3100"), ("origin", "https://logs.example.org"));
        assert_eq!(of(&[host, origin]), Transport::Tls);
        assert_eq!(of(&[host, origin, ("x-forwarded-proto", "http")]), Transport::Tls);
        assert_eq!(of(&[host, ("origin", "http://logs.example.org")]), Transport::Plain);
        assert_eq!(of(&[host, ("origin", "https://elsewhere.example.org")]), Transport::Plain);
        assert_eq!(Transport::of(&headers(&[origin]), None), Transport::Plain);
    }

    #[test]
    fn a_session_given_under_tls_is_found_where_tls_does_not_show() {
        let both = headers(&[("cookie", "logcafe=a; __Host-logcafe=b")]);
        assert_eq!(session_secrets(&both, Transport::Plain), ["b", "a"]);
        assert_eq!(session_secrets(&both, Transport::Tls), ["b"], "the other may be planted");
    }

    #[test]
    fn the_session_cookie_is_host_bound_and_secure_under_tls() {
        let text = |transport: Transport| clear_session(transport)[0].1.to_str().unwrap().to_owned();
        assert_eq!(text(Transport::Tls), "__Host-logcafe=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
        assert_eq!(text(Transport::Plain), "logcafe=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    }
}
