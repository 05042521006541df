//! Who may push and who may read.

use std::time::SystemTime;

use logcafe::api::Access;
use logcafe::db::tokens::{self, Scope};
use logcafe::db::users::{self, Role};
use logcafe::model::Timestamp;

use crate::harness::{Client, TestServer};

const PASSWORD: &str = "correct horse battery";

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

fn token(server: &TestServer, name: &str, scope: Scope) -> String {
    tokens::create(&server.db, name, scope, now()).expect("a new token").reveal().to_owned()
}

#[test]
fn without_credentials_only_readiness_is_told() {
    let server = TestServer::start();
    let anonymous = server.anonymous();
    anonymous.get("/ready").expect(200);
    let reply = anonymous.get("/metrics").expect(401);
    assert!(reply.header("www-authenticate").starts_with("Basic realm="), "{:?}", reply.headers);
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
}

#[test]
fn a_read_token_reads_as_bearer_and_as_a_password() {
    let server = TestServer::start();
    let token = token(&server, "grafana", Scope::Read);
    server.with_token(&token).get("/metrics").expect(200);
    server.with_basic("any name", &token).get("/metrics").expect(200);
    tokens::revoke(&server.db, "grafana").unwrap();
    server.with_token(&token).get("/metrics").expect(401);
}

#[test]
fn a_push_token_does_not_read() {
    let server = TestServer::start();
    let token = token(&server, "agent", Scope::Push);
    let reply = server.with_token(&token).get("/metrics").expect(403);
    assert!(reply.body.contains("push, not read"), "{}", reply.body);
}

#[test]
fn only_push_tokens_and_admins_push() {
    let server = TestServer::start();
    let push = |client: &Client| client.push_json(&[("app", "a")], &["x"]);
    push(&server.with_token(&token(&server, "agent", Scope::Push))).expect(204);
    push(&server.with_basic("promtail", &token(&server, "other", Scope::Push))).expect(204);
    push(&server.with_token(&token(&server, "grafana", Scope::Read))).expect(403);
    push(&server.with_token("lc_made_up")).expect(401);
    push(&server.anonymous()).expect(401);
    for (name, role, status) in [("ann", Role::Admin, 204), ("bob", Role::Reader, 403)] {
        users::add(&server.db, name, PASSWORD, role, now()).unwrap();
        push(&server.with_basic(name, PASSWORD)).expect(status);
    }
}

#[test]
fn anonymous_push_is_a_choice_of_the_operator_and_opens_nothing_else() {
    let server = TestServer::start_with(|config| config.access = Access { anonymous_push: true });
    server.anonymous().push_json(&[("app", "a")], &["x"]).expect(204);
    server.anonymous().get("/metrics").expect(401);
    // a typing error in a token would otherwise never be noticed
    server.with_token("lc_made_up").push_json(&[("app", "a")], &["x"]).expect(401);
}

#[test]
fn people_read_with_name_and_password_until_it_is_changed() {
    let server = TestServer::start();
    users::add(&server.db, "ann", PASSWORD, Role::Reader, now()).unwrap();
    server.with_basic("ann", PASSWORD).get("/metrics").expect(200);
    server.with_basic("ann", "a wrong password").get("/metrics").expect(401);
    users::set_password(&server.db, "ann", "another password", None).unwrap();
    server.with_basic("ann", PASSWORD).get("/metrics").expect(401);
}

#[test]
fn guessing_is_slowed() {
    let server = TestServer::start();
    let guess = || server.with_basic("ann", "a guess").get("/metrics");
    let slowed = (0..10).map(|_| guess()).find(|reply| reply.status != 401).expect("an end to guessing");
    assert_eq!(slowed.status, 429);
    assert!(slowed.header("retry-after").parse::<u64>().is_ok(), "{:?}", slowed.headers);
}
