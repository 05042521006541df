//! The way in and out: setup, login, sessions, and what stands guard over them.

use std::time::SystemTime;

use logcafe::db::setup;
use logcafe::db::users::Role;
use logcafe::model::Timestamp;

use crate::browser::{Browser, PASSWORD, add_user};
use crate::harness::TestServer;

fn now() -> Timestamp {
    SystemTime::now().into()
}

#[test]
fn the_setup_code_makes_the_first_admin_and_signs_them_in() {
    let server = TestServer::start();
    let browser = Browser::new(&server);
    let login = browser.get("/login").expect(200);
    assert!(login.body.contains("href=\"/setup\""), "the login leads to the setup");
    let code = setup::new_code(&server.db, now()).unwrap().unwrap();
    let page = browser.get(&format!("/setup?code={}", code.reveal())).expect(200);
    assert!(page.body.contains(&format!("value=\"{}\"", code.reveal())), "the code is filled in");

    let form = |code: &str, password: &str| {
        browser.post("/setup", &[("code", code), ("username", "ann"), ("password", password)])
    };
    assert!(form("wrong", PASSWORD).expect(422).body.contains("setup code"));
    assert!(form(code.reveal(), "short").expect(422).body.contains("at least 10 characters"));
    assert_eq!(form(code.reveal(), PASSWORD).expect(303).header("location"), "/");
    assert!(browser.get("/account").expect(200).body.contains("ann"));

    let late = Browser::new(&server);
    assert_eq!(late.get("/setup").expect(303).header("location"), "/login");
    let again = [("code", code.reveal()), ("username", "eve"), ("password", PASSWORD)];
    late.post("/setup", &again).expect(422);
}

#[test]
fn the_login_leads_back_to_the_page_that_was_asked_for() {
    let server = TestServer::start();
    add_user(&server, "ann", Role::Reader);
    let browser = Browser::new(&server);
    let wanted = "/saved?done=kept&x=%7B%7D";
    let to_login = browser.get(wanted).expect(303).header("location").to_owned();
    assert_eq!(to_login, "/login?next=%2Fsaved%3Fdone%3Dkept%26x%3D%257B%257D");
    assert!(browser.get(&to_login).expect(200).body.contains("value=\"/saved?done=kept&#38;x=%7B%7D\""));
    let form = [("username", "ann "), ("password", PASSWORD), ("next", wanted)];
    assert_eq!(browser.post("/login", &form).expect(303).header("location"), wanted);
    assert_eq!(browser.get("/login?next=/saved").expect(303).header("location"), "/saved", "already signed in");
}

#[test]
fn the_login_never_leads_to_another_site() {
    let server = TestServer::start();
    add_user(&server, "ann", Role::Reader);
    for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example"] {
        let browser = Browser::new(&server);
        let form = [("username", "ann"), ("password", PASSWORD), ("next", elsewhere)];
        assert_eq!(browser.post("/login", &form).expect(303).header("location"), "/", "{elsewhere:?}");
    }
}

#[test]
fn a_wrong_password_is_refused_and_guessing_is_slowed() {
    let server = TestServer::start();
    add_user(&server, "ann", Role::Reader);
    let browser = Browser::new(&server);
    let wrong = browser.sign_in("ann", "wrong guess").expect(401);
    assert!(wrong.body.contains("do not go together") && wrong.body.contains("value=\"ann\""));
    assert_eq!(wrong.header("set-cookie"), "");
    let unknown = browser.sign_in("nobody", "wrong guess").expect(401);
    assert!(unknown.body.contains("do not go together"), "a name that does not exist reads the same");
    let slowed = (0..10).map(|_| browser.sign_in("ann", "wrong guess")).find(|reply| reply.status == 429);
    let slowed = slowed.expect("guessing is slowed");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert!(slowed.body.contains("Too many tries"));
    browser.sign_in("ann", PASSWORD).expect(429);
}

#[test]
fn the_cookie_is_closed_to_scripts_and_bound_to_the_host_under_tls() {
    let server = TestServer::start();
    add_user(&server, "ann", Role::Reader);
    let plain = Browser::new(&server).sign_in("ann", PASSWORD).expect(303);
    let cookie = plain.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("logcafe=") && cookie.contains("; HttpOnly; SameSite=Lax; Path=/; Max-Age="),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"));

    let mut browser = Browser::new(&server);
    browser.sign_in("ann", PASSWORD).expect(303);
    browser.get("/account").expect(200);
    browser.extra.push(("x-forwarded-proto", "https"));
    assert_eq!(browser.get("/account").status, 303, "under TLS a cookie that plain HTTP may have planted is not taken");
    let cookie = browser.sign_in("ann", PASSWORD).expect(303).header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-logcafe=") && cookie.contains("; Secure"), "{cookie}");
    browser.get("/account").expect(200);
    browser.extra.clear();
    assert_eq!(browser.get("/account").status, 200, "also where the proxy does not say that there is TLS");
}

#[test]
fn a_form_from_another_site_is_refused() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, "ann", Role::Admin);
    let form = [("name", "stolen"), ("scope", "push")];
    let foreign = [
        &[("sec-fetch-site", "cross-site")][..],
        &[("sec-fetch-site", "same-site")],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
    ];
    for headers in foreign {
        let refused = browser.post_with("/admin/tokens", &form, headers).expect(403);
        assert!(refused.body.contains("came from another site"), "{headers:?}");
    }
    assert!(!browser.get("/admin/tokens").body.contains("stolen"));
    browser.post("/admin/tokens", &form).expect(201);
}

#[test]
fn every_answer_tells_the_browser_what_to_refuse() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, "ann", Role::Reader);
    for path in ["/login", "/saved", "/account", "/admin/users", "/no/such/page", "/"] {
        let reply = browser.get(path);
        let policy = reply.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(reply.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(reply.header("cache-control"), "private, no-store", "{path}");
        for inline in ["style=", "onclick=", "<script>", "<style", "javascript:"] {
            assert!(!reply.body.contains(inline), "{path} holds {inline}");
        }
    }
}

#[test]
fn signing_out_ends_the_session_and_not_only_the_cookie() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, "ann", Role::Reader);
    let copy = Browser::new(&server);
    let cookie = browser.get("/account").expect(200);
    assert_eq!(cookie.header("set-cookie"), "");
    let secret = browser.cookie("logcafe").unwrap();
    copy.set_cookie("logcafe", &secret);
    copy.get("/account").expect(200);
    assert_eq!(browser.post("/logout", &[]).expect(303).header("location"), "/login?bye=1");
    browser.get("/account").expect(303);
    copy.get("/account").expect(303);
    assert!(browser.get("/login?bye=1").expect(200).body.contains("signed out"));
}

#[test]
fn a_session_that_is_ended_elsewhere_is_over() {
    let server = TestServer::start();
    let desk = Browser::signed_in(&server, "ann", Role::Reader);
    let mut phone = Browser::new(&server);
    phone
        .extra
        .push(("user-agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1"));
    phone.sign_in("ann", PASSWORD).expect(303);
    let account = desk.get("/account").expect(200).body;
    assert!(account.contains("Safari, iPhone"));
    let end = account.split("action=\"").find_map(|part| {
        let path = part.split('"').next()?;
        (path.starts_with("/account/sessions/") && path.ends_with("/end") && path != "/account/sessions/end")
            .then_some(path)
    });
    let end = end.expect("a button for the phone's session");

    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    bob.post(end, &[]).expect(303);
    phone.get("/account").expect(200);

    desk.post(end, &[]).expect(303);
    phone.get("/account").expect(303);
    desk.get("/account").expect(200);
}

#[test]
fn a_new_password_signs_the_other_devices_out() {
    let server = TestServer::start();
    let desk = Browser::signed_in(&server, "ann", Role::Reader);
    let phone = Browser::new(&server);
    phone.sign_in("ann", PASSWORD).expect(303);
    let change = |current: &str, new: &str| desk.post("/account/password", &[("current", current), ("new", new)]);
    assert!(change("not the password", "another password").expect(422).body.contains("not your current password"));
    assert!(change(PASSWORD, "short").expect(422).body.contains("at least 10 characters"));
    phone.get("/account").expect(200);
    assert_eq!(change(PASSWORD, "another password").expect(303).header("location"), "/account?done=password");
    desk.get("/account").expect(200);
    phone.get("/account").expect(303);
    phone.sign_in("ann", PASSWORD).expect(401);
    phone.sign_in("ann", "another password").expect(303);
}

#[test]
fn htmx_is_led_to_the_login_as_a_whole_page() {
    let server = TestServer::start();
    let browser = Browser::new(&server);
    let asked =
        [("hx-request", "true"), ("hx-request-type", "partial"), ("hx-current-url", "http://127.0.0.1:1/saved?x=1")];
    let reply = browser.get_with("/saved", &asked).expect(401);
    assert_eq!(reply.header("hx-redirect"), "/login?next=%2Fsaved%3Fx%3D1");
    assert!(reply.body.contains("You are signed out") && !reply.body.contains("<html"), "a notice: {}", reply.body);
}

#[test]
fn errors_are_pages_with_a_way_out() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, "ann", Role::Reader);
    let missing = browser.get("/no/such/page").expect(404);
    assert!(missing.body.contains("There is no such page") && missing.body.contains("href=\"/explore\""));
    browser.get("/saved/9999").expect(404);
    let method = browser.get("/logout").expect(405);
    assert!(method.body.contains("another kind of request"));
    let long = "x".repeat(100_000);
    assert!(browser.post("/saved", &[("query", &long)]).expect(413).body.contains("more than a form may hold"));
    assert!(browser.post("/account/password", &[]).expect(422).body.contains("missing field"));
}

#[test]
fn the_look_is_kept_on_the_device() {
    let server = TestServer::start();
    let browser = Browser::signed_in(&server, "ann", Role::Reader);
    assert!(browser.get("/account").body.contains("data-theme=\"system\""));
    let chosen = browser.post("/preferences/theme", &[("theme", "dark"), ("next", "/saved?x=1")]).expect(303);
    assert_eq!(chosen.header("location"), "/saved?x=1");
    assert!(browser.get("/account").body.contains("data-theme=\"dark\""));
    browser.post("/preferences/theme", &[("theme", "<script>"), ("next", "//evil.example")]).expect(303);
    assert!(browser.get("/account").body.contains("data-theme=\"system\""));
}

#[test]
fn assets_are_kept_forever_and_come_compressed() {
    let server = TestServer::start();
    let browser = Browser::new(&server);
    let page = browser.get("/login").expect(200).body;
    let urls: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert!(urls.len() >= 3, "{urls:?}");
    for url in urls {
        let reply = browser.get_with(url, &[("accept-encoding", "br")]).expect(200);
        // pictures are compressed in themselves
        let encoding = if url.ends_with(".png") { "" } else { "br" };
        assert_eq!(reply.header("content-encoding"), encoding, "{url}");
        assert_eq!(reply.header("cache-control"), "public, max-age=31536000, immutable", "{url}");
        let etag = reply.header("etag").to_owned();
        browser.get_with(url, &[("accept-encoding", "br"), ("if-none-match", &etag)]).expect(304);
    }
    browser.get("/assets/app.css").expect(404);
}
