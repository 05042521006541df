//! Deleting log lines over HTTP: who may, what is refused, and that it lasts.

use logcafe::db::{Db, users};
use logcafe::model::Timestamp;
use logcafe::server::db_path;
use reqwest::Method;
use serde_json::Value;

use crate::harness::{Client, ProcessServer, Reply, TestServer, encode, now_nanos, wait_until};

const PATH: &str = "/loki/api/v1/delete";

fn hour_ago() -> String {
    (now_nanos() / 1_000_000_000 - 3600).to_string()
}

fn send(client: &Client, method: Method, parameters: &[(&str, &str)]) -> Reply {
    client.send(client.request(method, &format!("{PATH}?{}", encode(parameters))))
}

fn delete(client: &Client, parameters: &[(&str, &str)]) -> Reply {
    send(client, Method::POST, parameters)
}

/// The server, as somebody with a password.
fn person(client: &Client, db: &Db, name: &str, role: users::Role) -> Client {
    const PASSWORD: &str = "a long password";
    users::add(db, name, PASSWORD, role, Timestamp::from_secs(1)).expect("a new user");
    client.with_basic(name, PASSWORD)
}

fn requests(client: &Client) -> Vec<Value> {
    client.get(PATH).expect(200).json().as_array().expect("a list").clone()
}

#[test]
fn what_a_query_shows_is_gone_and_the_request_is_remembered() {
    let server = TestServer::start();
    let client = &person(&server, &server.db, "ann", users::Role::Admin);
    client.push_json(&[("app", "shop")], &["ok 1", "password=hunter2", "ok 2"]).expect(204);
    client.push_json(&[("app", "bank")], &["password=hunter2"]).expect(204);
    delete(client, &[("query", r#"{app="shop"} |= "hunter2""#), ("start", &hour_ago())]).expect(204);
    wait_until("the request is through", || requests(client)[0]["status"] == "processed");
    let mut left = client.query_range(r#"{app="shop"}"#);
    left.sort();
    assert_eq!(left, ["ok 1", "ok 2"]);
    assert_eq!(client.query_range(r#"{app="bank"}"#), ["password=hunter2"]);
    let request = &requests(client)[0];
    assert_eq!(request["query"], r#"{app="shop"} |= "hunter2""#);
    assert_eq!((&request["deleted_lines"], &request["requested_by"]), (&Value::from(1), &Value::from("ann")));
    assert_eq!(request["request_id"], "00000001");
    assert!(request["start_time"].as_f64() < request["end_time"].as_f64() && request["created_at"].is_number());
    delete(client, &[("query", r#"{app="shop"}"#), ("start", "0")]).expect(204);
    wait_until("the request is through", || requests(client)[1]["status"] == "processed");
    let series = client.get_with("/loki/api/v1/series", &[("match[]", r#"{app=~".+"}"#)]).expect(200).json();
    assert_eq!(series["data"].to_string(), r#"[{"app":"bank","service_name":"bank"}]"#, "nothing is left of the other");
    send(client, Method::DELETE, &[("request_id", "00000001")]).expect(400);
}

#[test]
fn only_admins_with_their_password_may() {
    let server = TestServer::start();
    let reader = person(&server, &server.db, "bob", users::Role::Reader);
    for method in [Method::POST, Method::PUT, Method::GET, Method::DELETE] {
        let status = |client: &Client| send(client, method.clone(), &[("query", "{a=\"b\"}"), ("start", "1")]).status;
        assert_eq!((status(&reader), status(&server.anonymous())), (403, 401), "{method}");
        assert_eq!(status(&server), 403, "{method} with a token");
    }
}

#[test]
fn slips_are_refused_in_lokis_words() {
    let server = TestServer::start();
    let client = &person(&server, &server.db, "ann", users::Role::Admin);
    let future = (now_nanos() / 1_000_000_000 + 3600).to_string();
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("start", "1")], "query not set"),
        (&[("query", "{a=\"b\"}")], "start time not set"),
        (&[("query", "{a=\"b\"}"), ("start", "x")], "invalid start time: require unix seconds or RFC3339 format"),
        (&[("query", "{a=\"b\"}"), ("start", "1"), ("end", &future)], "deletes in the future are not allowed"),
        (
            &[("query", "{a=\"b\"}"), ("start", "5"), ("end", "5")],
            "start time can't be greater than or equal to end time",
        ),
        (
            &[("query", "{a=\"b\"}"), ("start", "1"), ("max_interval", "5d")],
            "invalid max_interval: valid time units are 's', 'm', 'h'",
        ),
        (&[("query", "count_over_time({a=\"b\"}[1m])"), ("start", "1")], "only log queries can be deleted"),
        (&[("query", "{a=\"b\"} |~ \"(\""), ("start", "1")], "parse error"),
        (&[("query", "{a="), ("start", "1")], "parse error at line 1, col 4"),
    ];
    for (parameters, text) in cases {
        let reply = delete(client, parameters).expect(400);
        assert!(reply.body.contains(text), "{parameters:?}: {}", reply.body);
    }
    assert!(requests(client).is_empty());
    for (id, status) in [("", 400), ("xyz", 404), ("0000ffff", 404)] {
        send(client, Method::DELETE, &[("request_id", id)]).expect(status);
    }
}

#[test]
fn a_request_that_was_answered_is_carried_out_although_the_server_is_killed() {
    let folder = tempfile::TempDir::new().expect("a temp folder");
    let server = ProcessServer::start(folder.path(), &[]);
    for n in 0..20 {
        let lines: Vec<String> = (0..200).map(|line| format!("secret {n} {line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        server.client.push_json(&[("app", &format!("shop-{}", n % 3))], &lines).expect(204);
    }
    server.client.push_json(&[("app", "shop-0")], &["stays"]).expect(204);
    let db = Db::open(&db_path(&folder.path().join("data"))).expect("the database opens beside the server");
    let admin = person(&server.client, &db, "ann", users::Role::Admin);
    delete(&admin, &[("query", r#"{app=~"shop-.*"} |= "secret""#), ("start", &hour_ago())]).expect(204);
    server.kill();
    let server = ProcessServer::start(folder.path(), &[]);
    let admin = Client::new(server.client.base.clone()).with_authorization(admin.authorization.as_deref().unwrap());
    wait_until("the request is through", || requests(&admin)[0]["status"] == "processed");
    assert_eq!(server.client.query_range(r#"{app=~"shop-.*"}"#), ["stays"]);
    let own = server.client.query_range(r#"{job="logcafe"} |= "secret""#);
    assert!(own.is_empty(), "what is to be forgotten is not in our own log: {own:?}");
}
