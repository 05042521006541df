//! What is typed: Promtail's flags with one dash and with two, looks at a configuration, the simple use.

use std::process::Output;

use crate::agent::recorder::Recorder;
use crate::agent::{Ground, Server, job};

const STAGES: &str = "  - regex: {expression: 'level=(?P<level>\\w+)'}\n  - labels: {level: }\n";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_dry_run_prints_what_would_be_sent_and_an_inspection_what_stages_change() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.configure_logs(&[&recorder.url()], "*.log", STAGES);
    ground.append("app.log", "one level=warn\n");
    for flags in [["-config.file=promtail.yaml", "-dry-run"], ["--config.file=promtail.yaml", "--dry-run=true"]] {
        let agent = ground.agent_with(&flags);
        agent.wait_for_out("one level=warn");
        let out = agent.out();
        assert!(out.contains("level=\"warn\"") && out.contains("job=\"test\""), "{out}");
        agent.terminate();
    }
    let agent = ground.agent_with(&["-config.file", "promtail.yaml", "-inspect", "-dry-run"]);
    agent.wait_for_out("one level=warn");
    let out = agent.out();
    assert!(out.contains("regex") && out.contains("extracted level") && out.contains("+ \"warn\""), "{out}");
    agent.terminate();
    assert_eq!((recorder.push_count(), ground.path("positions.yaml").exists()), (0, false));
}

#[test]
fn a_configuration_is_checked_and_mistakes_have_a_caret() {
    let ground = Ground::new();
    ground.configure_logs(&["http://127.0.0.1:1/loki/api/v1/push"], "*.log", STAGES);
    let checked = ground.run(&["-config.file=promtail.yaml", "-check-syntax"]);
    assert!(checked.status.success() && printed(&checked).starts_with("ok: 1 job, 1 server"), "{}", said(&checked));
    let text = std::fs::read_to_string(ground.path("promtail.yaml")).unwrap();
    for (from, to, expected) in [
        ("job_name", "job_nam", "did you mean `job_name`"),
        ("labels: {level: }", "lables: {level: }", "did you mean `labels`"),
        ("(?P<level>", "(?P<level", "expression"),
        ("batchwait: 50ms", "batchwait: soon", "soon"),
        ("- regex:", "- geoip: {}\n  - regex:", "geoip"),
        ("static_configs", "kubernetes_sd_configs", "kubernetes"),
        ("__path__", "__paht__", "the job \"logs\": a target has no __path__"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        ground.write("wrong.yaml", &text.replacen(from, to, 1));
        for flags in [&["--config", "wrong.yaml", "--check-syntax"][..], &["-config.file", "wrong.yaml"]] {
            let output = ground.run(flags);
            let complaint = said(&output);
            assert_eq!(output.status.code(), Some(1), "{complaint}");
            assert!(complaint.contains(expected) && complaint.contains("wrong.yaml:"), "{complaint}");
            assert!(complaint.contains('^'), "{complaint}");
        }
    }
    let none = ground.run(&["--config", "none.yaml"]);
    assert!(!none.status.success() && said(&none).contains("none.yaml"), "{}", said(&none));
    assert!(!ground.run(&["-no.such-flag", "-config.file=promtail.yaml"]).status.success());
}

#[test]
fn variables_are_put_in_and_the_whole_is_printed_without_secrets() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.append("app.log", "one\n");
    let clients =
        "- {url: '${URL}', batchwait: 20ms, bearer_token: '${TOKEN}', external_labels: {dc: '${DC:-west}'}}\n";
    ground.configure_clients(clients, &job("*.log", ""));
    let mut command =
        ground.command(&["-config.file=promtail.yaml", "-config.expand-env=true", "-print-config-stderr"]);
    command.env("URL", recorder.url()).env("TOKEN", "hush");
    let agent = crate::agent::Agent::start(command);
    recorder.expect(&["one"]);
    let push = recorder.pushes().remove(0);
    assert_eq!(push.headers["authorization"], "Bearer hush");
    assert!(push.lines[0].labels.contains("dc=\"west\""), "{:?}", push.lines);
    let log = agent.terminate();
    assert!(log.contains("batchwait: \"20ms\"") && !log.contains("hush"), "{log}");
}

#[test]
fn flags_of_promtail_win_over_the_file() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.configure_logs(&["http://127.0.0.1:1/loki/api/v1/push"], "*.log", "");
    ground.append("app.log", "one\n");
    let agent = ground.agent_with(&[
        "-config.file=promtail.yaml",
        &format!("-client.url={}", recorder.url()),
        "-client.external-labels=dc=east,rack=2",
        "-client.batch-wait=20ms",
        "-positions.file=other.yaml",
        "-log.level=debug",
    ]);
    recorder.expect(&["one"]);
    let labels = &recorder.lines()[0].labels;
    assert!(labels.contains("dc=\"east\"") && labels.contains("rack=\"2\""), "{labels}");
    agent.terminate();
    assert!(ground.path("other.yaml").exists() && !ground.path("positions.yaml").exists());
}

#[test]
fn the_simple_use_needs_an_address_a_token_and_files_and_amounts_to_a_configuration() {
    let (ground, server) = (Ground::new(), Server::start());
    ground.append(
        "shop.log",
        "2026-01-02 10:00:00 ERROR failed\njava.lang.IllegalStateException: no\n\tat shop.Cart.pay(Cart.java:7)\n\
         2026-01-02 10:00:01 INFO went on\n2026-01-02 10:00:02 INFO last\n",
    );
    let (to, token, pattern) = (server.base(), server.add_token("shop"), ground.log("*.log"));
    let positions = format!("-positions.file={}", ground.path("positions.yaml").display());
    let flags = [
        "--to",
        &to,
        "--token",
        &token,
        "--label",
        "job=shop",
        "--multiline",
        "java",
        &positions,
        pattern.to_str().expect("UTF-8"),
    ];
    let joined =
        "2026-01-02 10:00:00 ERROR failed\njava.lang.IllegalStateException: no\n\tat shop.Cart.pay(Cart.java:7)";
    let expected = [joined, "2026-01-02 10:00:01 INFO went on", "2026-01-02 10:00:02 INFO last"];
    let agent = ground.agent_with(&flags);
    server.expect("{job=\"shop\"}", &expected);
    agent.terminate();

    let shown = ground.run(&[&flags[..], &["--print-config"]].concat());
    assert!(shown.status.success(), "{}", said(&shown));
    let text = printed(&shown).replace("job: shop", "job: again").replace("positions.yaml", "more.yaml");
    ground.write("shown.yaml", &text);
    let agent = ground.agent_with(&["--config", "shown.yaml"]);
    server.expect("{job=\"again\"}", &expected);
    agent.terminate();
    let again = ground.run(&["--config", "shown.yaml", "--print-config"]);
    ground.write("whole.yaml", &printed(&again));
    assert_eq!(printed(&ground.run(&["--config", "whole.yaml", "--print-config"])), printed(&again));

    // a token that is wrong is said, and one that is made later ends the waiting
    let agent = ground.agent_with(&["--to", &to, "--token", "lc_none", &positions, "--label", "job=x", flags[9]]);
    ground.append("shop.log", "2026-01-02 10:00:03 INFO one more\n");
    agent.wait_for_log("401");
    agent.terminate();
}
