//! What every page needs: who is signed in, how it is to look, where it is.

use std::convert::Infallible;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::Html;
use http::header::REFERER;
use http::request::Parts;
use http::{HeaderMap, Method};

use crate::model::Timestamp;
use crate::web::auth::SignedIn;
use crate::web::language::Language;
use crate::web::{Error, cookie, next};

/// Dark or light, where the person wants other than the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Theme {
    #[default]
    System,
    Dark,
    Light,
}

impl Theme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Dark => "dark",
            Theme::Light => "light",
        }
    }

    pub(crate) fn parse(text: &str) -> Theme {
        match text {
            "dark" => Theme::Dark,
            "light" => Theme::Light,
            _ => Theme::System,
        }
    }
}

/// The part of a page's state that `base.html` shows. Handlers take it as an argument and hand it to their template
/// as the field `page`.
///
/// `base.html` leaves these blocks to pages: `title`, `head` (more scripts and styles), `bar` (in the bar on top, between
/// the navigation and the account menu), `main_class` (`column` unless said otherwise) and `main`.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Who is signed in; nobody on the pages that lead in.
    pub(crate) viewer: Option<SignedIn>,
    pub(crate) theme: Theme,
    /// The language of this page.
    pub(crate) say: Language,
    /// The path of this page, without its query.
    pub(crate) path: String,
    /// Where a form that leads back here leads: path and query; for an answer to a form, the page that the form was on.
    pub(crate) here: String,
    /// Whether htmx asks for a piece of the page: then a handler answers with the block that it swaps.
    pub(crate) fragment: bool,
}

impl Page {
    /// For pages that are not asked for by their own path, such as errors.
    pub(in crate::web) fn outside(headers: &HeaderMap) -> Page {
        let theme = cookie::find(headers, cookie::THEME).as_deref().map_or(Theme::System, Theme::parse);
        let say = Language::of(headers);
        Page { viewer: None, theme, say, path: String::new(), here: String::new(), fragment: is_fragment(headers) }
    }

    /// Whether this page belongs to the part of the site that begins with `path`.
    pub(crate) fn is_in(&self, path: &str) -> bool {
        self.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    pub(crate) fn is_for_admin(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.user.is_admin())
    }
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Page, Infallible> {
        let page = Page::outside(&parts.headers);
        let path = parts.uri.path().to_owned();
        let here = if parts.method == Method::GET {
            parts.uri.path_and_query().map(|here| here.as_str().to_owned())
        } else {
            parts.headers.get(REFERER).and_then(|url| url.to_str().ok()).and_then(next::path_of_url)
        };
        let viewer = parts.extensions.get::<SignedIn>().cloned();
        Ok(Page { viewer, path, here: here.unwrap_or_default(), ..page })
    }
}

/// Whether htmx will swap a piece of a page; going back in history wants the whole page.
pub(in crate::web) fn is_fragment(headers: &HeaderMap) -> bool {
    let has = |name: &str, value: &[u8]| headers.get(name).is_some_and(|found| found.as_bytes() == value);
    has("hx-request-type", b"partial") && !has("hx-history-restore-request", b"true")
}

/// The text of a template.
pub(in crate::web) fn render(template: &impl Template) -> Result<Html<String>, Error> {
    Ok(Html(template.render()?))
}

/// A time as pages show it: exactly, and how long ago.
#[derive(Clone, Debug)]
pub(in crate::web) struct When {
    /// RFC 3339, for the `datetime` attribute.
    pub(in crate::web) machine: String,
    /// In UTC, to the minute.
    pub(in crate::web) exact: String,
    minutes_ago: i64,
}

impl When {
    pub(in crate::web) fn new(time: Timestamp, now: Timestamp) -> When {
        let minutes = now.nanos().saturating_sub(time.nanos()) / 60_000_000_000;
        let moment = jiff::Timestamp::from_nanosecond(i128::from(time.nanos())).unwrap_or_default();
        When {
            machine: moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            exact: moment.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            minutes_ago: minutes,
        }
    }

    /// How long ago, in words.
    pub(in crate::web) fn ago(&self, say: Language) -> String {
        match self.minutes_ago {
            ..1 => say.just_now().to_owned(),
            minutes @ 1..60 => say.minutes_ago(minutes),
            minutes @ 60..1440 => say.hours_ago(minutes / 60),
            minutes => say.days_ago(minutes / 1440),
        }
    }
}

/// The time at which a request is answered.
pub(in crate::web) fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use crate::web::page::*;

    #[test]
    fn a_page_knows_its_part_of_the_site() {
        let page = Page { path: "/admin/users".to_owned(), ..Page::outside(&HeaderMap::new()) };
        assert!(page.is_in("/admin") && page.is_in("/admin/users"));
        assert!(!page.is_in("/admin/user") && !page.is_in("/saved"));
    }

    #[test]
    fn times_are_told_exactly_and_roughly() {
        let at = |secs: i64| Timestamp::from_secs(1_700_000_000 + secs);
        let when = When::new(at(0), at(90 * 60));
        assert_eq!((when.exact.as_str(), when.ago(Language::English).as_str()), ("2023-11-14 22:13 UTC", "1 h ago"));
        assert_eq!(when.machine, "2023-11-14T22:13:20Z");
        assert_eq!(When::new(at(5), at(0)).ago(Language::English), "just now", "another clock may be ahead");
        assert_eq!(When::new(at(0), at(86_400 * 3)).ago(Language::Korean), "3일 전");
    }
}
