//! Containers of a Docker engine, of which the test tells the story.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::routing::get;
use futures_util::StreamExt as _;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;

use crate::agent::{Ground, Server};

/// An engine with one container. It ends when it is dropped.
struct Engine {
    log: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Engine {
    fn start(socket: &Path) -> Engine {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(async { UnixListener::bind(socket) }).expect("a socket");
        let containers =
            r#"[{"Id": "c0ffee", "Names": ["/shop"], "State": "running", "Created": 0, "Labels": {"tier": "web"}}]"#;
        let about = r#"{"Config": {"Tty": true}, "HostConfig": {"LogConfig": {"Type": "json-file"}}}"#;
        let app = Router::new()
            .route("/containers/json", get(async move || containers))
            .route("/networks", get(async || "[]"))
            .route(
                "/events",
                get(async || Body::from_stream(futures_util::stream::pending::<std::io::Result<Bytes>>())),
            )
            .route("/containers/c0ffee/json", get(async move || about))
            .route("/containers/c0ffee/logs", get(logs))
            .with_state(Arc::clone(&log));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Engine { log, _runtime: runtime }
    }

    fn write(&self, text: &str) {
        let line = format!("{:.9} {text}\r\n", jiff::Timestamp::now());
        self.log.lock().expect("nobody panics with it").push(line);
    }
}

/// What there is from the time that is asked for; then it stays open, as of a container that says no more.
async fn logs(State(log): State<Arc<Mutex<Vec<String>>>>, Query(query): Query<HashMap<String, String>>) -> Body {
    let since = query.get("since").and_then(|since| since.split('.').next()?.parse::<i64>().ok()).unwrap_or(0);
    let is_wanted = |line: &&String| line[..30].parse::<jiff::Timestamp>().expect("a time").as_second() >= since;
    let text: String = log.lock().expect("nobody panics with it").iter().filter(is_wanted).cloned().collect();
    let first = futures_util::stream::iter([std::io::Result::Ok(Bytes::from(text))]);
    Body::from_stream(first.chain(futures_util::stream::pending()))
}

#[test]
fn what_containers_write_arrives_once_whenever_the_agent_is_killed() {
    let (ground, server) = (Ground::new(), Server::start());
    let socket = ground.path("docker.sock");
    let engine = Engine::start(&socket);
    let rules = "[{source_labels: [__meta_docker_container_name], regex: '/(.*)', target_label: container}, \
                 {source_labels: [__meta_docker_container_label_tier], target_label: tier}]";
    let jobs = format!(
        "scrape_configs:\n- job_name: docker\n  docker_sd_configs: [{{host: 'unix://{}'}}]\n  relabel_configs: {rules}\n  \
         pipeline_stages: [{{regex: {{expression: '(?P<word>\\w+)$'}}}}, {{labels: {{word: }}}}]\n",
        socket.display()
    );
    ground.configure_clients(&server.client_yaml(), &jobs);
    engine.write("the first");
    engine.write("the second");
    let agent = ground.agent();
    let query = r#"{container="shop", tier="web"}"#;
    server.expect(query, &["the first", "the second"]);
    agent.kill();
    engine.write("the third");
    let agent = ground.agent();
    server.expect(query, &["the first", "the second", "the third"]);
    server.expect(r#"{container="shop", word="third"}"#, &["the third"]);
    agent.terminate();
    engine.write("the fourth");
    let agent = ground.agent();
    server.expect(query, &["the first", "the second", "the third", "the fourth"]);
    agent.terminate();
}
