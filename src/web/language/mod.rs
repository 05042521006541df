//! What the pages say, in each language.
//!
//! Promises: a text that lacks a language does not compile, nor does one that names a value which it is not given; a text
//! that no page says is a warning, so none is left over. Each area of the pages has its texts in a file of its own here.
//! Never: texts of machines (LogQL, names of labels, what a log says), and no text is put together from pieces whose
//! order is that of one language.
//!
//! A page says `{{ page.say.sign_out() }}`, Rust says `say.lines(count)`. To add a language, add its name to [`Language`]
//! and a column to `phrases!`; the compiler then lists what is missing.

mod account;
mod admin;
mod chart;
mod chrome;
mod date;
mod doors;
mod explain;
mod find;
mod home;
mod install;
mod keep;
mod line;
mod live;
mod problems;
mod read;
mod time;
mod understand;

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::web::cookie;

/// A language that the pages speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    English,
    Korean,
}

/// Makes a method of [`Language`] of each line: `name: "English" | "한국어";`. With values: `name(count: usize): …`, and
/// each text holds `{count}`. Where English counts, `"1 line" / "{count} lines"`: the first text where the first value
/// is 1.
macro_rules! phrases {
    ($($(#[$doc:meta])* $name:ident $(($($arg:ident: $kind:ty),+))?: $english:literal $(/ $many:literal)? | $korean:literal;)+) => {
        impl $crate::web::language::Language {
            $(phrases!(@method [$(#[$doc])*] $name [$($($arg: $kind),+)?] $english [$($many)?] $korean);)+
        }

        /// Each text by its name, for the tests.
        #[cfg(test)]
        pub(in crate::web::language) const ALL: &[(&str, &[&str], &str)] =
            &[$((stringify!($name), &[$english $(, $many)?], $korean)),+];
    };
    (@method [$(#[$doc:meta])*] $name:ident [] $english:literal [] $korean:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(self) -> &'static str {
            match self {
                Self::English => $english,
                Self::Korean => $korean,
            }
        }
    };
    (@method [$(#[$doc:meta])*] $name:ident [$($arg:ident: $kind:ty),+] $english:literal [] $korean:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(self, $($arg: $kind),+) -> String {
            match self {
                Self::English => format!($english),
                Self::Korean => format!($korean),
            }
        }
    };
    (@method [$(#[$doc:meta])*] $name:ident [$first:ident: $kind:ty $(, $arg:ident: $other:ty)*] $one:literal [$many:literal] $korean:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(self, $first: $kind $(, $arg: $other)*) -> String {
            match self {
                Self::English if $first == 1 => format!($one),
                Self::English => format!($many),
                Self::Korean => format!($korean),
            }
        }
    };
}
use phrases;

impl Language {
    pub(crate) const ALL: [Language; 2] = [Language::English, Language::Korean];

    /// As HTML, HTTP and the cookie name it (BCP 47).
    pub(crate) fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::Korean => "ko",
        }
    }

    /// What it calls itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Language::English => "English",
            Language::Korean => "한국어",
        }
    }

    /// The language of a code; a region behind it (`ko-KR`) does not matter.
    pub(crate) fn parse(code: &str) -> Option<Language> {
        let primary = code.split('-').next()?.trim();
        Language::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The one chosen on this device, else the browser's, else English.
    pub(in crate::web) fn of(headers: &HeaderMap) -> Language {
        let chosen = cookie::find(headers, cookie::LANGUAGE).as_deref().and_then(Language::parse);
        let accepted = || headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).and_then(preferred);
        chosen.or_else(accepted).unwrap_or_default()
    }
}

/// The language of ours that an `Accept-Language` header (RFC 9110 §12.5.4) likes best.
fn preferred(accepted: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for item in accepted.split(',') {
        let (code, parameter) = item.split_once(';').unwrap_or((item, ""));
        let quality = parameter.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.parse().ok()).unwrap_or(0.0);
        let Some(language) = Language::parse(code.trim()).filter(|_| quality > 0.0) else { continue };
        if best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use crate::web::language::*;

    /// The texts of every area.
    const AREAS: &[&[(&str, &[&str], &str)]] = &[
        account::ALL,
        admin::ALL,
        chart::ALL,
        chrome::ALL,
        doors::ALL,
        explain::ALL,
        find::ALL,
        home::ALL,
        install::ALL,
        keep::ALL,
        line::ALL,
        live::ALL,
        read::ALL,
        time::ALL,
        understand::ALL,
    ];

    /// Texts that are the same everywhere.
    const SAME: [&str; 0] = [];

    #[test]
    fn every_text_is_said_in_korean_with_the_same_values() {
        let values = |text: &str| {
            let mut found: Vec<String> =
                text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0.to_owned())).collect();
            found.sort();
            found.dedup();
            found
        };
        for (name, english, korean) in AREAS.iter().copied().flatten() {
            let is_hangul = korean.chars().any(|letter| ('가'..='힣').contains(&letter));
            assert!(is_hangul || SAME.contains(name), "{name}: {korean:?} is not Korean");
            let most = english.last().expect("a text");
            assert_eq!(values(most), values(korean), "{name}");
        }
    }

    #[test]
    fn the_browser_or_the_person_chooses() {
        let headers = |accepted: &'static str, cookie: &'static str| {
            HeaderMap::from_iter([
                (ACCEPT_LANGUAGE, HeaderValue::from_static(accepted)),
                (http::header::COOKIE, HeaderValue::from_static(cookie)),
            ])
        };
        let check = |accepted, cookie, expected| assert_eq!(Language::of(&headers(accepted, cookie)), expected);
        check("ko-KR,ko;q=0.9,en;q=0.8", "", Language::Korean);
        check("de, en;q=0.3, ko;q=0.7", "", Language::Korean);
        check("de, ko;q=0", "", Language::English);
        check("*", "", Language::English);
        check("ko", "logcafe_language=en", Language::English);
        check("en", "logcafe_language=ko", Language::Korean);
        check("ko", "logcafe_language=xx", Language::Korean);
    }
}
