//! Where to go after the login: a place on this site, never another one.

/// The address of the login that leads back to `path`.
pub(in crate::web) fn login_url(path: &str) -> String {
    match checked(path) {
        Some("/") | None => "/login".to_owned(),
        Some(path) => format!("/login?next={}", escape(path)),
    }
}

/// `path`, if it is a place on this site: absolute, and nothing that a browser takes for another host.
pub(in crate::web) fn checked(path: &str) -> Option<&str> {
    // Browsers take `\` for `/`, and drop tabs and line breaks before they look.
    let local = path.starts_with('/') && !path.starts_with("//");
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let leads_in_circles = ["/login", "/logout", "/setup"].iter().any(|place| path.starts_with(place));
    (local && plain && !leads_in_circles).then_some(path)
}

/// The path and query of a whole URL that the browser names as the page it shows.
pub(in crate::web) fn path_of_url(url: &str) -> Option<String> {
    let url: http::Uri = url.parse().ok()?;
    Some(checked(url.path_and_query()?.as_str())?.to_owned())
}

/// Percent-encodes a value for a query.
pub(in crate::web) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use crate::web::next::*;

    #[test]
    fn only_places_on_this_site_are_gone_to() {
        for good in ["/", "/explore?query=%7Bjob%3D%22x%22%7D&from=now-1h", "/saved"] {
            assert_eq!(checked(good), Some(good));
        }
        let bad = [
            "",
            "explore",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "https://evil.example",
            "/a b",
            "javascript:alert(1)",
            "/\n/evil.example",
            "/explore\\..",
            "/login?next=/",
            "/logout",
            "/ümlaut",
        ];
        for bad in bad {
            assert_eq!(checked(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_login_leads_back() {
        assert_eq!(login_url("/explore?query={}&limit=5"), "/login?next=%2Fexplore%3Fquery%3D%7B%7D%26limit%3D5");
        assert_eq!(login_url("/"), "/login");
        assert_eq!(login_url("//evil.example"), "/login");
        assert_eq!(path_of_url("http://localhost:3100/saved?x=1").as_deref(), Some("/saved?x=1"));
        assert_eq!(path_of_url("http://evil.example//other.example"), None);
    }
}
