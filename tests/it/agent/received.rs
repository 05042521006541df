//! What is received and not read from files: syslog and the journal.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use crate::agent::recorder::Recorder;
use crate::agent::{Agent, Ground};

#[test]
fn messages_of_both_forms_and_framings_reach_the_server() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    // free a moment ago, and of this machine alone
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let jobs = format!(
        "scrape_configs:\n- job_name: net\n  syslog: {{listen_address: '127.0.0.1:{port}', labels: {{job: net}}}}\n  \
         relabel_configs: [{{source_labels: [__syslog_message_hostname], target_label: host}}]\n"
    );
    ground.configure(&[&recorder.url()], &jobs);
    let agent = ground.agent();
    let connect = || TcpStream::connect(("127.0.0.1", port)).ok();
    let mut stream = None;
    crate::agent::wait_for(
        "a listener",
        || {
            stream = connect();
            stream.is_some()
        },
        || agent.log(),
    );
    stream.unwrap().write_all(b"<34>1 - h1 su - - - one\n34 <34>Oct 11 22:14:15 h2 cron: two x\n").unwrap();
    recorder.expect(&["one", "two x"]);
    agent.terminate();
}

#[test]
fn the_journal_is_gone_on_with_where_promtail_stopped() {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let script = "#!/bin/sh\ncase \"$*\" in *'--after-cursor=s=a;i=7'*) ;; *) echo \"no cursor: $*\" >&2; exit 1;; esac\n\
                  echo '{\"__CURSOR\":\"s=a;i=8\",\"__REALTIME_TIMESTAMP\":\"1700000000000000\",\"MESSAGE\":\"eight\"}'\n\
                  exec sleep 1000\n";
    let folder = ground.path("bin");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("journalctl"), script).unwrap();
    std::fs::set_permissions(folder.join("journalctl"), std::fs::Permissions::from_mode(0o755)).unwrap();
    ground.write("positions.yaml", "positions:\n  cursor-logs: s=a;i=7\n");
    let job = "scrape_configs:\n- job_name: logs\n  journal: {labels: {job: journal}}\n";
    ground.configure(&[&recorder.url()], job);
    let mut command = ground.command(&["--config", "promtail.yaml"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.display()));
    let agent = Agent::start(command);
    recorder.expect(&["eight"]);
    agent.terminate();
    assert!(ground.positions().contains("s=a;i=8"), "{}", ground.positions());
}
