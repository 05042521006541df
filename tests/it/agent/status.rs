//! The agent's own pages and log: what is read, what is wrong, and a configuration that is read anew while lines come.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use crate::agent::recorder::{Recorder, nobody};
use crate::agent::{Agent, Ground, job, wait_for};
use crate::harness::Client;

/// A configuration with pages on a free port.
fn configure(ground: &Ground, urls: &[&str], rest: &str) {
    ground.configure(urls, rest);
    let text = std::fs::read_to_string(ground.path("promtail.yaml")).expect("it was written");
    let pages = "server: {http_listen_address: 127.0.0.1, http_listen_port: 0, enable_runtime_reload: true}";
    ground.write("promtail.yaml", &text.replace("server: {disable: true}", pages));
}

/// Where its pages are.
fn pages(agent: &Agent) -> Client {
    agent.wait_for_log("/targets");
    let log = agent.log();
    let address = log.split("url=http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    Client::new(format!("http://{address}"))
}

#[test]
fn an_engine_and_a_journal_that_do_not_answer_are_on_the_page_until_they_do() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let (bin, works) = (ground.path("bin"), ground.path("works"));
    std::fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\n[ -e {} ] || {{ echo 'no such journal' >&2; exit 1; }}\n\
         echo '{{\"__CURSOR\":\"s=a;i=8\",\"__REALTIME_TIMESTAMP\":\"1700000000000000\",\"MESSAGE\":\"eight\"}}'\nexec sleep 1000\n",
        works.display()
    );
    std::fs::write(bin.join("journalctl"), script).unwrap();
    std::fs::set_permissions(bin.join("journalctl"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = ground.path("docker.sock");
    let jobs = format!(
        "scrape_configs:\n- job_name: logs\n  journal: {{labels: {{job: journal}}}}\n- job_name: docker\n  \
         docker_sd_configs: [{{host: 'unix://{}'}}]\n",
        socket.display()
    );
    configure(&ground, &[&recorder.url()], &jobs);
    let mut command = ground.command(&["--config", "promtail.yaml"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let agent = Agent::start(command);
    let pages = pages(&agent);
    let told = || pages.get("/targets").body;
    let both = || {
        told().contains("2 things are wrong") && told().contains("no such journal") && told().contains("docker.sock")
    };
    wait_for("what is wrong with both", both, || format!("{}\n{}", told(), agent.log()));
    std::fs::write(&works, "").unwrap();
    recorder.expect(&["eight"]);
    wait_for(
        "one thing is left",
        || told().contains("One thing is wrong") && !told().contains("no such journal"),
        told,
    );
    agent.terminate();
}

#[test]
fn what_is_read_and_what_is_wrong_is_told_to_people_and_machines() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let away = format!("http://{}/push", nobody());
    configure(&ground, &[&recorder.url(), &away], &job("*.log", ""));
    let agent = ground.agent();
    let pages = pages(&agent);
    assert_eq!(pages.get("/ready").status, 500);
    ground.append("<a>.log", "one\ntwo\n");
    recorder.expect(&["one", "two"]);
    let told = || pages.get("/targets").body;
    wait_for("a server that is away", || told().contains("Takes no lines"), told);
    let page = told();
    assert!(page.contains("2 lines") && page.contains("read to its end, 8 B"), "{page}");
    assert!(!page.contains("<a>.log"), "{page}");
    assert_eq!(pages.get("/ready").body, "Ready\n");
    let metrics = pages.get("/metrics").body;
    assert!(
        metrics.contains(&format!("promtail_sent_entries_total{{host=\"{}\"}} 2\n", recorder.address())),
        "{metrics}"
    );
    assert!(pages.get("/config").body.contains("scrape_configs:"));
    let log = agent.terminate();
    let start = log.lines().find(|line| line.contains("msg=reading")).expect("a line that tells what is read");
    assert!(start.contains("logs (files)") && start.contains(&recorder.url()) && start.contains("level=info"), "{log}");
}

#[test]
fn a_configuration_is_read_anew_without_losing_a_line() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    configure(&ground, &[&recorder.url()], &job("a*.log", ""));
    ground.append("a.log", "a0\n");
    let agent = ground.agent();
    let pages = pages(&agent);
    recorder.expect(&["a0"]);
    let good = std::fs::read_to_string(ground.path("promtail.yaml")).expect("it was written");
    ground.write("promtail.yaml", &good.replace("job_name", "job_nam"));
    let reload = || pages.send(pages.request(reqwest::Method::POST, "/reload"));
    let refused = reload();
    assert!(refused.status == 500 && refused.body.contains("did you mean `job_name`"), "{refused:?}");
    ground.append("a.log", "a1\n");
    recorder.expect(&["a0", "a1"]);
    ground.append("b.log", "b0\n");
    ground.write("promtail.yaml", &good.replace("a*.log", "*.log"));
    ground.append("a.log", "a2\n");
    assert_eq!(reload().status, 200);
    ground.append("a.log", "a3\n");
    let seen = || {
        let mut texts: Vec<String> = recorder.lines_once().into_iter().map(|line| line.text).collect();
        texts.sort();
        texts
    };
    let all = ["a0", "a1", "a2", "a3", "b0"];
    wait_for("lines of before and after", || seen() == all, || format!("{:?}", seen()));
    // a signal does the same
    let pid = i32::try_from(agent.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("the process lives");
    let reloads = || pages.get("/metrics").body.contains("promtail_config_reload_success_total 2\n");
    wait_for("a second reading", reloads, || agent.log());
    ground.append("b.log", "b1\n");
    wait_for("a line behind it", || seen().len() == all.len() + 1, || format!("{:?}", seen()));
    agent.terminate();
}

#[test]
fn a_port_that_is_taken_is_an_error_at_the_start() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let taken = recorder.address().port();
    configure(&ground, &[&recorder.url()], &job("*.log", ""));
    let text = std::fs::read_to_string(ground.path("promtail.yaml")).expect("it was written");
    ground.write("promtail.yaml", &text.replace("http_listen_port: 0", &format!("http_listen_port: {taken}")));
    let output = ground.run(&["--config", "promtail.yaml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("server.http_listen_port"), "{said}");
}

#[test]
fn a_file_that_may_not_be_read_is_said_with_what_to_do() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    configure(&ground, &[&recorder.url()], &job("*.log", ""));
    ground.append("secret.log", "one\n");
    std::fs::set_permissions(ground.log("secret.log"), std::fs::Permissions::from_mode(0o000))
        .expect("it can be closed");
    let mut command = ground.command(&["--config", "promtail.yaml"]);
    if rustix::process::geteuid().is_root() {
        // root may read everything, so the agent is to be somebody else
        if ground.command(&["--version"]).uid(65_534).gid(65_534).output().is_err() {
            eprintln!("not tested: root may read every file, and nobody else may start the binary here");
            return;
        }
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(ground.folder(), open).expect("it can be opened");
        command.uid(65_534).gid(65_534);
    }
    let agent = Agent::start(command);
    agent.wait_for_log("let the agent's user read it");
    assert!(agent.log().contains("secret.log"), "{}", agent.log());
    let pages = pages(&agent);
    let told = || pages.get("/targets").body;
    wait_for("the file on the page", || told().contains("What cannot be read"), told);
    std::fs::set_permissions(ground.log("secret.log"), std::fs::Permissions::from_mode(0o644))
        .expect("it can be opened");
    recorder.expect(&["one"]);
}

#[test]
fn a_new_configuration_of_which_a_part_cannot_listen_changes_nothing() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let free = || TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address").port();
    let (old, new, taken) = (free(), free(), recorder.address().port());
    let syslog = |name: &str, port: u16| {
        format!("- job_name: {name}\n  syslog: {{listen_address: '127.0.0.1:{port}', labels: {{job: {name}}}}}\n")
    };
    let before = format!("{}{}", job("*.log", ""), syslog("old", old));
    configure(&ground, &[&recorder.url()], &before);
    let agent = ground.agent();
    let pages = pages(&agent);
    let send = |text: &str| {
        let mut stream = None;
        let mut is_there = || {
            stream = TcpStream::connect(("127.0.0.1", old)).ok();
            stream.is_some()
        };
        wait_for("the old listener", &mut is_there, || agent.log());
        let mut stream = stream.expect("it was waited for");
        stream.write_all(format!("<34>1 - h su - - - {text}\n").as_bytes()).expect("it is taken");
    };
    let seen = |count: usize| {
        let texts = || {
            let mut texts: Vec<String> = recorder.lines_once().into_iter().map(|line| line.text).collect();
            texts.sort();
            texts
        };
        wait_for("lines", || texts().len() >= count, || format!("{:?} {}", texts(), agent.log()));
        texts()
    };
    send("s0");
    ground.append("a.log", "f0\n");
    assert_eq!(seen(2), ["f0", "s0"]);
    let good = std::fs::read_to_string(ground.path("promtail.yaml")).expect("it was written");
    let push = format!(
        "- job_name: push\n  loki_push_api: {{server: {{http_listen_address: 127.0.0.1, http_listen_port: {new}}}}}\n"
    );
    let wrong = format!("{good}{push}{}", syslog("second", taken)).replace("*.log", "b*.log");
    ground.write("promtail.yaml", &wrong);
    let reload = || pages.send(pages.request(reqwest::Method::POST, "/reload"));
    for round in 1..=2 {
        let refused = reload();
        assert!(refused.status == 500 && refused.body.contains(&format!("127.0.0.1:{taken}")), "{refused:?}");
        send(&format!("s{round}"));
        ground.append("a.log", format!("f{round}\n"));
        assert_eq!(seen(2 + 2 * round).len(), 2 + 2 * round);
        assert!(TcpStream::connect(("127.0.0.1", new)).is_err(), "the part that could listen listens no more");
    }
    assert_eq!(seen(6), ["f0", "f1", "f2", "s0", "s1", "s2"]);
    // without what is wrong, it is followed
    ground.write("promtail.yaml", &format!("{good}{push}"));
    assert_eq!(reload().status, 200);
    wait_for("the new listener", || TcpStream::connect(("127.0.0.1", new)).is_ok(), || agent.log());
    agent.terminate();
}
