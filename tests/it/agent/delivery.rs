//! Servers that are away, slow, full, or say no: what becomes of the lines, and what is sent along with them.

use crate::agent::recorder::{Answer, Recorder, nobody};
use crate::agent::{Ground, Server, job, wait_for};

#[test]
fn a_server_that_is_busy_broken_or_silent_costs_time_and_no_line() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let backoff = "backoff_config: {min_period: 10ms, max_period: 60ms}";
    let client = format!("- {{url: '{}', batchwait: 20ms, timeout: 300ms, {backoff}}}\n", recorder.url());
    ground.configure_clients(&client, &job("*.log", ""));
    let refusals = [
        Answer::Status(500),
        Answer::Busy(1),
        Answer::Status(429),
        Answer::Close,
        Answer::Silence,
        Answer::TakeAndClose,
        Answer::Status(503),
        Answer::Status(401),
        Answer::Status(404),
        Answer::Status(301),
    ];
    recorder.answer_next(&refusals);
    ground.append("app.log", "one\n");
    let agent = ground.agent();
    agent.wait_for_log("the server does not take lines; they wait");
    ground.append("app.log", "two\n");
    recorder.wait_for("two", |recorder| recorder.texts().contains(&"two".to_owned()));
    let texts: Vec<String> = recorder.lines_once().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["one", "two"], "the same, to the time, when it comes again");
    assert!(recorder.push_count() > refusals.len());
    let log = agent.terminate();
    assert!(log.contains("the server takes lines again"), "{log}");
}

#[test]
fn what_a_server_will_never_take_is_given_up_and_said() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.configure_logs(&[&recorder.url()], "*.log", "");
    recorder.answer_next(&[Answer::Status(400)]);
    ground.append("app.log", "bad\n");
    let agent = ground.agent();
    agent.wait_for_log("will never take these lines");
    ground.append("app.log", "good\n");
    recorder.expect(&["good"]);
    let log = agent.terminate();
    assert!(log.contains("as it was told") && !log.contains("bad"), "{log}");
}

#[test]
fn a_line_that_names_a_tenant_that_cannot_be_is_given_up_and_keeps_nobody_waiting() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let stages = "  - json: {expressions: {whose: whose}}\n  - tenant: {source: whose}\n";
    ground.configure(&[&recorder.url()], &job("*.log", stages));
    let good = r#"{"whose":"ann"}"#;
    ground.append("app.log", format!("{}\n{good}\n", r#"{"whose":"a\nb"}"#));
    let agent = ground.agent();
    recorder.expect(&[good]);
    let log = agent.terminate();
    assert!(log.contains("the tenant cannot be a header"), "{log}");
}

#[test]
fn what_is_too_large_for_a_server_goes_in_parts_in_order() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.configure_logs(&[&recorder.url()], "*.log", "");
    recorder.answer(Answer::AtMost(7));
    let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
    ground.append("app.log", lines.join("\n") + "\n");
    let agent = ground.agent();
    recorder.wait_for("all lines", |recorder| recorder.texts().len() >= lines.len());
    assert_eq!(recorder.texts(), lines);
    agent.terminate();
}

#[test]
fn of_two_servers_one_is_away_and_gets_its_lines_when_it_is_back() {
    let (ground, here) = (Ground::new(), Recorder::start());
    let away = nobody();
    ground.configure_logs(&[&here.url(), &format!("http://{away}/loki/api/v1/push")], "*.log", "");
    ground.append("app.log", "one\n");
    let agent = ground.agent();
    here.expect(&["one"]);
    agent.wait_for_log("the server does not take lines");
    ground.append("app.log", "two\n");
    here.expect(&["one", "two"]);
    agent.kill();
    assert!(!ground.positions().contains("\"8\""), "not answered for by both: {}", ground.positions());
    // the next run sends again what one of them lacks
    ground.append("app.log", "three\n");
    let agent = ground.agent();
    here.wait_for("three", |here| here.texts().contains(&"three".to_owned()));
    let back = Recorder::start_at(away);
    back.wait_for("all", |back| back.texts().len() >= 3);
    assert_eq!(back.texts(), ["one", "two", "three"]);
    let texts: Vec<String> = here.lines_once().into_iter().map(|line| line.text).collect();
    assert_eq!(texts, ["one", "two", "three"], "what came twice has the same time");
    assert_eq!(here.lines_once(), back.lines(), "both have the same");
    agent.terminate();
    assert!(ground.positions().contains("\"14\""), "{}", ground.positions());
}

#[test]
fn labels_headers_tenants_and_credentials_go_along() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.write("token", "from a file\n");
    let url = recorder.url();
    let with_password = url.replace("http://", "http://ann:p%40ss@");
    ground.configure_clients(
        &format!(
            "- url: {url}\n  batchwait: 20ms\n  external_labels: {{dc: west, job: mine}}\n  headers: {{X-One: two}}\n  \
             tenant_id: cafe\n  basic_auth: {{username: basic, password: secret}}\n\
             - {{url: '{url}?2', batchwait: 20ms, bearer_token: text, tenant_id: 7}}\n\
             - {{url: '{url}?3', batchwait: 20ms, bearer_token_file: token}}\n\
             - {{url: '{with_password}?4', batchwait: 20ms}}\n"
        ),
        &job(
            "*.log",
            "  - match:\n      selector: '{job=\"test\"} |= \"alone\"'\n      stages: [tenant: {value: own}]\n",
        ),
    );
    ground.append("app.log", "one\n");
    let agent = ground.agent();
    recorder.wait_for("four pushes", |recorder| recorder.texts().len() == 4);
    let pushes = recorder.pushes();
    let of = |end: &str| pushes.iter().find(|push| push.path.ends_with(end)).expect("a push");
    let header = |end: &str, name: &str| of(end).headers.get(name).cloned().unwrap_or_default();
    assert_eq!(header("push", "x-one"), "two");
    assert_eq!(header("push", "x-scope-orgid"), "cafe");
    assert_eq!(header("push", "authorization"), "Basic YmFzaWM6c2VjcmV0");
    assert_eq!(header("push", "content-type"), "application/x-protobuf");
    assert_eq!((header("2", "authorization"), header("2", "x-scope-orgid")), ("Bearer text".into(), "7".into()));
    assert_eq!((header("3", "authorization"), header("3", "x-scope-orgid")), ("Bearer from a file".into(), "".into()));
    assert_eq!(header("4", "authorization"), "Basic YW5uOnBAc3M=");
    let labels = &of("push").lines[0].labels;
    // as with Promtail, what the target says itself holds
    assert!(labels.contains("dc=\"west\"") && labels.contains("job=\"test\""), "{labels}");
    assert!(!of("2").lines[0].labels.contains("dc="));
    ground.append("app.log", "alone\n");
    recorder.wait_for("the line of its own tenant", |recorder| recorder.texts().len() == 8);
    let own = recorder.pushes().into_iter().filter(|push| push.lines[0].text == "alone");
    assert!(own.map(|push| push.headers["x-scope-orgid"].clone()).all(|tenant| tenant == "own"));
    let log = agent.terminate();
    assert!(!log.contains("p%40ss") && !log.contains("secret"), "{log}");
}

#[test]
fn a_killed_agent_sends_what_was_not_answered_for_with_the_same_times() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.configure_logs(&[&recorder.url()], "*.log", "  - static_labels: {by: stage}\n");
    recorder.answer(Answer::TakeAndClose);
    let lines: Vec<String> = (0..3000).map(|number| format!("line {number}")).collect();
    ground.append("app.log", lines.join("\n") + "\n");
    for run in 1..=3 {
        let agent = ground.agent();
        recorder.wait_for("the lines of a run", |recorder| recorder.texts().len() >= run * lines.len());
        agent.kill();
    }
    recorder.answer(Answer::Status(204));
    let agent = ground.agent();
    wait_for("positions", || ground.positions().contains("\"28890\""), || ground.positions());
    let once = recorder.lines_once();
    assert_eq!(once.iter().map(|line| line.text.clone()).collect::<Vec<_>>(), lines);
    assert!(once.windows(2).all(|pair| pair[0].nanos < pair[1].nanos), "times are unique, and in order");
    agent.terminate();
}

#[test]
fn a_real_server_is_away_at_the_start_restarted_and_killed() {
    let (ground, mut server) = (Ground::new(), Server::start());
    ground.configure_clients(&server.client_yaml(), &job("*.log", ""));
    server.kill();
    ground.append("app.log", "one\n");
    let agent = ground.agent();
    agent.wait_for_log("the server does not take lines");
    server.restart();
    server.expect("{job=\"test\"}", &["one"]);
    server.stop();
    ground.append("app.log", "two\n");
    server.restart();
    server.expect("{job=\"test\"}", &["one", "two"]);
    server.kill();
    ground.append("app.log", "three\n");
    server.restart();
    server.expect("{job=\"test\"}", &["one", "two", "three"]);
    agent.terminate();
}

#[test]
fn a_batch_leaves_when_it_is_full_however_long_it_may_wait() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let client = format!("- {{url: '{}', batchwait: 1h, batchsize: 1000}}\n", recorder.url());
    ground.configure_clients(&client, &job("*.log", ""));
    let lines: Vec<String> = (0..7).map(|number| format!("{number} {}", "x".repeat(398))).collect();
    ground.append("app.log", format!("{}\n", lines.join("\n")));
    let agent = ground.agent();
    recorder.wait_for("full batches", |recorder| recorder.texts().len() >= 4);
    let pushes = recorder.pushes();
    assert!(pushes.iter().all(|push| (1..=3).contains(&push.lines.len())), "{pushes:?}");
    assert!(recorder.texts().len() < lines.len(), "the last batch is not full");
    agent.terminate();
    assert_eq!(recorder.texts(), lines, "a stop sends what is left");
}

#[test]
fn a_line_alone_waits_for_others_as_long_as_it_may_and_no_longer() {
    const WAIT: std::time::Duration = std::time::Duration::from_millis(600);
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let client = format!("- {{url: '{}', batchwait: 600ms}}\n", recorder.url());
    ground.configure_clients(&client, &job("*.log", ""));
    let agent = ground.agent();
    agent.wait_for_log("msg=reading");
    let written = std::time::Instant::now();
    ground.append("app.log", "alone\n");
    recorder.expect(&["alone"]);
    assert!(written.elapsed() >= WAIT, "{:?}", written.elapsed());
    agent.terminate();
}
