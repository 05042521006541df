//! Saved queries and the admin's pages, through forms.

use logcafe::db::users::Role;

use crate::browser::{Browser, PASSWORD};
use crate::harness::TestServer;

const VIEW: [(&str, &str); 5] =
    [("query", r#"{job="x"} |= "<b>""#), ("from", "now-6h"), ("to", "now"), ("limit", "50"), ("direction", "forward")];

fn keep(browser: &Browser, name: &str, more: &[(&str, &str)]) -> crate::harness::Reply {
    let mut form = VIEW.to_vec();
    form.push(("name", name));
    form.extend_from_slice(more);
    browser.post("/saved", &form)
}

#[test]
fn a_view_is_kept_opened_renamed_pinned_and_deleted() {
    let server = TestServer::start();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    assert!(ann.get("/saved").expect(200).body.contains("Nothing here yet"));
    assert_eq!(keep(&ann, "Errors", &[]).expect(303).header("location"), "/saved?done=kept");
    let opened = ann.get("/saved/1").expect(303).header("location").to_owned();
    assert_eq!(
        opened,
        "/explore?query=%7Bjob%3D%22x%22%7D+%7C%3D+%22%3Cb%3E%22&from=now-6h&to=now&limit=50&direction=forward&saved=1"
    );
    let page = ann.get("/saved").expect(200).body;
    assert!(page.contains("Errors") && page.contains("&#60;b&#62;") && !page.contains("\"<b>\""), "escaped");

    let taken = keep(&ann, "Errors", &[]).expect(422).body;
    assert!(taken.contains("already") && taken.contains("value=\"now-6h\""), "the form keeps the view");
    ann.post("/saved/1/change", &[("name", "Late errors")]).expect(303);
    ann.post("/saved/1/pin", &[("on", "1")]).expect(303);
    let page = ann.get("/saved").body;
    assert!(page.contains("Late errors") && page.contains("Pinned"));
    assert!(ann.post("/saved/1/change", &[("name", " ")]).expect(422).body.contains("takes 1 to 80 characters"));
    ann.post("/saved/1/delete", &[]).expect(303);
    assert!(ann.get("/saved").body.contains("Nothing here yet"));
}

#[test]
fn a_shared_view_is_seen_by_others_and_changed_by_none_of_them() {
    let server = TestServer::start();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    let bob = Browser::signed_in(&server, "bob", Role::Admin);
    keep(&ann, "Mine", &[]).expect(303);
    bob.get("/saved/1").expect(404);
    ann.post("/saved/1/share", &[("on", "1")]).expect(303);
    bob.get("/saved/1").expect(303);
    assert!(bob.get("/saved").body.contains("from ann"));
    bob.post("/saved/1/delete", &[]).expect(422);
    bob.post("/saved/1/change", &[("name", "Bob's")]).expect(422);
    ann.post("/saved/1/share", &[("on", "0")]).expect(303);
    bob.get("/saved/1").expect(404);
}

#[test]
fn saving_leads_back_to_where_it_was_asked_for_and_htmx_gets_a_piece() {
    let server = TestServer::start();
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    assert_eq!(keep(&ann, "a", &[("next", "/explore?query=x")]).expect(303).header("location"), "/explore?query=x");
    assert_eq!(keep(&ann, "b", &[("next", "//evil.example")]).expect(303).header("location"), "/saved?done=kept");
    let htmx = [("sec-fetch-site", "same-origin"), ("hx-request", "true"), ("hx-request-type", "partial")];
    let piece = ann.post_with("/saved", &[("name", "c"), ("query", "{}")], &htmx).expect(200).body;
    assert!(piece.contains("id=\"keep\"") && !piece.contains("<html"), "{piece}");
    let piece = ann.post_with("/saved", &[("name", "c"), ("query", "{}")], &htmx).expect(422).body;
    assert!(piece.contains("already") && piece.contains("id=\"keep\"") && !piece.contains("<html"), "{piece}");
}

#[test]
fn readers_do_not_reach_the_admins_pages() {
    let server = TestServer::start();
    let bob = Browser::signed_in(&server, "bob", Role::Reader);
    for path in ["/admin/users", "/admin/tokens", "/admin/system"] {
        assert!(bob.get(path).expect(403).body.contains("for admins"), "{path}");
        assert_eq!(Browser::new(&server).get(path).expect(303).header("location").split('?').next(), Some("/login"));
    }
    let new = [("username", "eve"), ("password", PASSWORD), ("role", "admin")];
    bob.post("/admin/users", &new).expect(403);
    bob.post("/admin/users/role", &[("username", "bob"), ("role", "admin")]).expect(403);
    bob.post("/admin/users/remove", &[("username", "bob")]).expect(403);
    bob.post("/admin/users/password", &new).expect(403);
    bob.post("/admin/tokens", &[("name", "t"), ("scope", "push")]).expect(403);
    assert!(!bob.get("/saved").body.contains("/admin/"), "nor are they shown the way");
}

#[test]
fn an_admin_lets_people_in_and_out() {
    let server = TestServer::start();
    let ann = Browser::signed_in(&server, "ann", Role::Admin);
    let add = |name: &str, password: &str| {
        ann.post("/admin/users", &[("username", name), ("password", password), ("role", "reader")])
    };
    assert_eq!(
        add("홍길동", PASSWORD).expect(303).header("location"),
        "/admin/users?done=added&name=%ED%99%8D%EA%B8%B8%EB%8F%99"
    );
    assert!(add("bob", "short").expect(422).body.contains("value=\"bob\""), "what was typed stays, but the password");
    assert!(add("a:b", PASSWORD).expect(422).body.contains("a user name takes"));
    let guest = Browser::new(&server);
    guest.sign_in("홍길동", PASSWORD).expect(303);

    ann.post("/admin/users/password", &[("username", "홍길동"), ("password", "another password")]).expect(303);
    guest.get("/account").expect(303);
    guest.sign_in("홍길동", "another password").expect(303);
    guest.get("/admin/users").expect(403);
    ann.post("/admin/users/role", &[("username", "홍길동"), ("role", "admin")]).expect(303);
    guest.get("/admin/users").expect(200);
    ann.post("/admin/users/role", &[("username", "홍길동"), ("role", "reader")]).expect(303);
    guest.get("/admin/users").expect(403);
    ann.post("/admin/users/remove", &[("username", "홍길동")]).expect(303);
    guest.get("/account").expect(303);

    let last = ann.post("/admin/users/remove", &[("username", "ann")]).expect(422);
    assert!(last.body.contains("last admin"));
    ann.post("/admin/users/role", &[("username", "ann"), ("role", "reader")]).expect(422);
    ann.get("/admin/users").expect(200);
}

#[test]
fn a_tokens_secret_is_shown_once_and_works_until_it_is_revoked() {
    let server = TestServer::start();
    let ann = Browser::signed_in(&server, "ann", Role::Admin);
    let page = ann.post("/admin/tokens", &[("name", "web-1"), ("scope", "push")]).expect(201).body;
    let secret = page.split("id=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).expect("the secret");
    assert!(secret.starts_with("lc_") && page.contains(&format!("bearer_token: {secret}")));
    assert!(!ann.get("/admin/tokens").expect(200).body.contains(secret));
    let machine = server.with_token(secret);
    machine.push_json(&[("job", "x")], &["hello"]).expect(204);
    assert!(ann.get("/admin/tokens").body.contains(">used "), "the list says that it was used");
    ann.post("/admin/tokens", &[("name", "web-1"), ("scope", "push")]).expect(422);
    ann.post("/admin/tokens/revoke", &[("name", "web-1")]).expect(303);
    machine.push_json(&[("job", "x")], &["hello"]).expect(401);
    ann.get("/admin/system").expect(200);
}
