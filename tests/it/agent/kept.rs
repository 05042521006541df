//! What is received and cannot be read again: standard input and pushes, kept over kills of the agent and of the server.

use std::io::Write as _;
use std::process::Stdio;

use crate::agent::recorder::{Answer, Recorder};
use crate::agent::{Agent, Ground};
use crate::harness::Client;

/// An agent that reads standard input, with state in the folder of the ground.
fn reading_stdin(ground: &Ground, arguments: &[&str]) -> Agent {
    let mut command = ground.command(arguments);
    command.env("STATE_DIRECTORY", ground.path("state")).env_remove("LOGCAFE_TOKEN").stdin(Stdio::piped());
    Agent::start(command)
}

#[test]
fn standard_input_is_sent_to_its_end_and_the_agent_ends_when_it_was_answered_for() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    recorder.answer_next(&[Answer::Status(503), Answer::Close]);
    let mut agent = reading_stdin(&ground, &["--to", &recorder.url(), "--label", "job=pipe", "-"]);
    agent.stdin().write_all(b"one\r\n\xff two\nthree without an end").unwrap();
    let (status, log) = agent.ended();
    assert!(status.success(), "{log}");
    recorder.expect(&["one", "\u{fffd} two", "three without an end"]);
    assert_eq!(recorder.lines()[0].labels, r#"{job="pipe"}"#);
}

#[test]
fn what_was_not_answered_for_is_sent_by_the_next_run_with_the_same_flags() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    recorder.answer(Answer::Status(503));
    let arguments = ["--to", &recorder.url(), "--label", "job=pipe", "-"];
    let mut agent = reading_stdin(&ground, &arguments);
    let mut stdin = agent.stdin();
    stdin.write_all(b"one\ntwo\nthr").unwrap();
    recorder.wait_for("a push", |recorder| recorder.push_count() > 0);
    // the same flags are one agent at a time
    let (status, log) = reading_stdin(&ground, &arguments).ended();
    assert!(!status.success() && log.contains("another agent is running"), "{log}");
    let log = agent.terminate();
    assert!(log.contains("has not answered"), "{log}");
    drop(stdin);
    recorder.answer(Answer::Status(204));
    let mut agent = reading_stdin(&ground, &arguments);
    agent.stdin().write_all(b"ee\n").unwrap();
    let (status, log) = agent.ended();
    assert!(status.success(), "{log}");
    recorder.expect(&["one", "two", "thr", "ee"]);
}

#[test]
fn a_dry_run_of_standard_input_ends_with_it() {
    let ground = Ground::new();
    ground.configure(
        &["http://127.0.0.1:9/push"],
        "target_config: {stdin: true}\nscrape_configs:\n- job_name: x\n  pipeline_stages:\n  - multiline: {firstline: '^a', max_wait_time: 1h}\n  \
         static_configs:\n  - labels: {app: shop}\n",
    );
    let mut agent = reading_stdin(&ground, &["--config", "promtail.yaml", "--dry-run"]);
    agent.stdin().write_all(b"a 1\n b\na 2\n").unwrap();
    agent.wait_for_out("a 2");
    let out = agent.out();
    let (status, log) = agent.ended();
    assert!(status.success() && out.contains(r#"{app="shop"}"#), "{out}{log}");
}

#[test]
fn what_was_pushed_to_an_agent_that_is_killed_arrives_once() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    recorder.answer(Answer::Status(503));
    ground.configure(
        &[&recorder.url()],
        "scrape_configs:\n- job_name: in\n  loki_push_api:\n    server: {http_listen_address: 127.0.0.1, http_listen_port: 0}\n    \
         labels: {from: agent}\n",
    );
    let agent = ground.agent();
    let listening = "listening for pushes on ";
    agent.wait_for_log(listening);
    let log = agent.log();
    let rest = log.split_once(listening).unwrap().1;
    let address = rest.split(|letter: char| letter == '"' || letter.is_whitespace()).next().unwrap();
    let client = Client::new(format!("http://{address}"));
    for line in ["one", "two"] {
        let request = client.request(reqwest::Method::POST, "/promtail/api/v1/raw");
        assert_eq!(client.send(request.body(line)).status, 204);
    }
    agent.kill();
    recorder.answer(Answer::Status(204));
    let agent = ground.agent();
    recorder.expect(&["one", "two"]);
    agent.terminate();
    let agent = ground.agent();
    agent.wait_for_log(listening);
    agent.terminate();
    recorder.expect(&["one", "two"]);
    assert!(recorder.lines().iter().all(|line| line.labels == r#"{from="agent"}"#));
}
