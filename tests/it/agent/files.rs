//! Files as they are found on machines: growing, rotated, copied, linked, compressed, in odd encodings.

use crate::agent::recorder::Recorder;
use crate::agent::{Ground, Server};

#[test]
fn a_file_is_read_and_the_server_has_each_line_once_in_order() {
    let (ground, server) = (Ground::new(), Server::start());
    ground.append("app.log", "one\ntwo\n");
    let clients = server.client_yaml();
    let job = crate::agent::job("*.log", "");
    ground.write(
        "promtail.yaml",
        &format!("server: {{disable: true}}\npositions: {{filename: FOLDER/positions.yaml}}\nclients:\n{clients}{job}"),
    );
    let agent = ground.agent();
    server.expect("{job=\"test\"}", &["one", "two"]);
    ground.append("app.log", "three\n");
    server.expect("{job=\"test\"}", &["one", "two", "three"]);
    agent.terminate();
    assert!(ground.positions().contains("app.log: \"14\""), "{}", ground.positions());
}

#[test]
fn what_was_answered_for_is_not_sent_again_by_the_next_run() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.append("app.log", "one\ntwo\n");
    ground.configure_logs(&[&recorder.url()], "*.log", "");
    let agent = ground.agent();
    recorder.expect(&["one", "two"]);
    agent.terminate();
    ground.append("app.log", "three\n");
    let agent = ground.agent();
    recorder.expect(&["one", "two", "three"]);
    agent.terminate();
    assert!(recorder.lines()[0].labels.contains("filename="), "{:?}", recorder.lines()[0]);
}
