//! What the address of the home page says: the range, the order, the grouping, the search. Pure.

use serde::Deserialize;

use crate::web::explore::state::escape_into;
use crate::web::home::span::Span;

/// The query part of the address as it came.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Params {
    pub(crate) range: String,
    pub(crate) sort: String,
    pub(crate) by: String,
    pub(crate) find: String,
    /// `1` for every service, however many there are.
    pub(crate) all: String,
    /// `1` for waiting until all is there.
    pub(crate) wait: String,
}

/// In which order services stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Errors,
    Volume,
    Name,
    Newest,
    Silent,
}

impl Sort {
    pub(crate) const ALL: [Sort; 5] = [Sort::Errors, Sort::Volume, Sort::Name, Sort::Newest, Sort::Silent];

    /// As addresses and forms name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Sort::Errors => "errors",
            Sort::Volume => "volume",
            Sort::Name => "name",
            Sort::Newest => "newest",
            Sort::Silent => "silent",
        }
    }

    fn parse(name: &str) -> Sort {
        Sort::ALL.into_iter().find(|sort| sort.name() == name).unwrap_or_default()
    }
}

/// What lines are counted by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    #[default]
    Service,
    Label(String),
}

impl By {
    /// As addresses and forms name it; empty for services.
    pub(crate) fn name(&self) -> &str {
        match self {
            By::Service => "",
            By::Label(name) => name,
        }
    }

    pub(crate) fn parse(name: &str) -> By {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !is_name { By::Service } else { By::Label(name.to_owned()) }
    }
}

/// How services are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) span: Span,
    pub(crate) sort: Sort,
    pub(crate) by: By,
    pub(crate) find: String,
    /// Whether all are shown, however many there are.
    pub(crate) all: bool,
}

impl Options {
    pub(crate) fn read(params: &Params) -> Options {
        Options {
            span: Span::parse(&params.range).unwrap_or_default(),
            sort: Sort::parse(&params.sort),
            by: By::parse(&params.by),
            find: params.find.trim().to_owned(),
            all: params.all == "1",
        }
    }

    /// The address of this page.
    pub(crate) fn url(&self) -> String {
        let parts = [
            ("range", self.span.name(), self.span == Span::default()),
            ("sort", self.sort.name(), self.sort == Sort::default()),
            ("by", self.by.name(), self.by == By::Service),
            ("find", &self.find, self.find.is_empty()),
            ("all", "1", !self.all),
        ];
        let mut url = "/".to_owned();
        for (name, value, _) in parts.into_iter().filter(|(_, _, is_default)| !is_default) {
            url.push(if url.len() == 1 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            escape_into(&mut url, value);
        }
        url
    }

    /// The same for whoever waits until all is there.
    pub(crate) fn waiting_url(&self) -> String {
        let url = self.url();
        format!("{url}{}wait=1", if url == "/" { '?' } else { '&' })
    }

    pub(crate) fn with_span(&self, span: Span) -> Options {
        Options { span, ..self.clone() }
    }

    pub(crate) fn with_all(&self) -> Options {
        Options { all: true, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use crate::web::home::options::{By, Options, Params, Sort};
    use crate::web::home::span::Span;

    #[test]
    fn the_address_is_read_as_it_is_written() {
        assert_eq!(Options::default().url(), "/");
        let options = Options {
            span: Span::Day,
            sort: Sort::Silent,
            by: By::Label("host".to_owned()),
            find: "결제 &".to_owned(),
            all: true,
        };
        let url = options.url();
        assert_eq!(url, "/?range=24h&sort=silent&by=host&find=%EA%B2%B0%EC%A0%9C+%26&all=1");
        let uri = format!("http://logcafe{url}").parse().unwrap();
        let params = axum::extract::Query::<Params>::try_from_uri(&uri).unwrap().0;
        assert_eq!(Options::read(&params), options);
    }

    #[test]
    fn what_cannot_be_read_is_as_by_default() {
        let wrong = Params { range: "2x".into(), sort: "up".into(), by: "a-b".into(), ..Params::default() };
        assert_eq!(Options::read(&wrong), Options::default());
    }
}
