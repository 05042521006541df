//! A person's browser without scripts: it keeps cookies, sends forms as browsers do, and shows redirects.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::SystemTime;

use logcafe::db::users::{self, Role};
use logcafe::model::Timestamp;

use crate::harness::{Client, Reply, TestServer, encode};

/// Good for everyone in the tests.
pub(crate) const PASSWORD: &str = "correct horse";

/// One browser with its cookies.
#[derive(Debug)]
pub(crate) struct Browser {
    client: Client,
    cookies: RefCell<BTreeMap<String, String>>,
    /// Headers that go with every request, such as those of a proxy in between.
    pub(crate) extra: Vec<(&'static str, &'static str)>,
}

/// Adds someone to the server.
pub(crate) fn add_user(server: &TestServer, name: &str, role: Role) {
    users::add(&server.db, name, PASSWORD, role, Timestamp::from(SystemTime::now())).expect("a new user");
}

impl Browser {
    pub(crate) fn new(server: &TestServer) -> Browser {
        Browser { client: server.anonymous(), cookies: RefCell::default(), extra: Vec::new() }
    }

    /// A browser in which a new user of this name and role is signed in.
    #[track_caller]
    pub(crate) fn signed_in(server: &TestServer, name: &str, role: Role) -> Browser {
        add_user(server, name, role);
        let browser = Browser::new(server);
        browser.sign_in(name, PASSWORD).expect(303);
        browser
    }

    #[track_caller]
    pub(crate) fn sign_in(&self, name: &str, password: &str) -> Reply {
        self.post("/login", &[("username", name), ("password", password)])
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(self.client.request(reqwest::Method::GET, path))
    }

    /// Sends a form from a page of this site.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_with(path, fields, &[("sec-fetch-site", "same-origin")])
    }

    /// Sends a form with these headers.
    #[track_caller]
    pub(crate) fn post_with(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
        let mut request = self.client.request(reqwest::Method::POST, path).body(encode(fields));
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request)
    }

    #[track_caller]
    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let request = self.client.request(reqwest::Method::GET, path);
        self.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    }

    /// The value of a cookie that it holds.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    #[track_caller]
    fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let mut request = request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for (name, value) in &self.extra {
            request = request.header(*name, *value);
        }
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let reply = self.client.send(request);
        for cookie in reply.headers.get_all("set-cookie") {
            let text = cookie.to_str().expect("our cookies are ASCII");
            let (name, value) = text.split(';').next().and_then(|pair| pair.split_once('=')).expect("name=value");
            if text.contains("Max-Age=0") {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }
}
