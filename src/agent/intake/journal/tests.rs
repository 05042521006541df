//! Tests with a program in journalctl's place.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::agent::intake::journal::child::find_program;
use crate::agent::intake::journal::{Reader, position_key};
use crate::agent::intake::rig::{Rig, scrape};
use crate::model::Labels;

/// Writes its arguments down, then does what it is told. It is a file of its own, so that it is not the same bytes that
/// another test of this process may be writing.
fn program(folder: &Path, script: &str) -> PathBuf {
    let path = folder.join("journalctl");
    let text = format!("#!/bin/sh\necho \"$@\" >> \"{}\"\n{script}\n", folder.join("arguments").display());
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn arguments(rig: &Rig) -> Vec<String> {
    let text = std::fs::read_to_string(rig.folder.path().join("arguments")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn start(rig: &Rig, program: PathBuf, job: &str) -> JoinHandle<()> {
    let scrape = scrape(&format!("job_name: logs\n{job}"));
    let settings = scrape.journal.clone().unwrap();
    let key = position_key(std::slice::from_ref(&scrape), 0);
    let mut reader = Reader::with_program(program, &scrape, &settings, key, rig.spool(), &rig.positions, &rig.metrics);
    reader.pauses = [Duration::from_millis(1), Duration::from_millis(10)];
    tokio::spawn(reader.run(rig.stop_token()))
}

/// A line of JSON within single quotes of the shell.
fn entry(number: u32, message: &str) -> String {
    format!(
        r#"{{"__CURSOR":"s=a;i={number:x};b=b","__REALTIME_TIMESTAMP":"1700000000000000","MESSAGE":"{message}","_SYSTEMD_UNIT":"u{number}"}}"#
    )
}

const RULES: &str = "relabel_configs: [{source_labels: [__journal__systemd_unit], target_label: unit},
  {source_labels: [__journal_message], regex: secret, action: drop}]";

#[tokio::test]
async fn entries_become_lines_and_the_cursor_is_remembered() {
    let rig = Rig::new(1 << 30);
    let (one, two, secret) = (entry(1, "one"), entry(2, "two"), entry(3, "secret"));
    let script =
        format!("printf '%s\\n' '{one}' '-- Reboot --' '{two}' '{secret}' '{{\"__CURSOR\":\"end\"}}'\nexec sleep 1000");
    let job =
        format!("journal: {{labels: {{job: j}}, path: /var/log/journal, matches: '_A=1 + B=2', max_age: 1h}}\n{RULES}");
    let running = start(&rig, program(rig.folder.path(), &script), &job);
    let lines = rig.wait(2).await;
    assert_eq!(lines[0].line, "one");
    assert_eq!(lines[0].labels, Labels::from([("job", "j"), ("unit", "u1")]));
    let times = lines.iter().map(|line| line.timestamp.unwrap().nanos()).collect::<Vec<_>>();
    assert_eq!(times, [1_700_000_000_000_000_001, 1_700_000_000_000_000_002]);
    rig.wait_until("the cursor", || rig.positions.text("cursor-logs").as_deref() == Some("end")).await;
    assert!(rig.has_metric("promtail_journal_target_lines_total 2"));
    assert!(rig.has_metric("promtail_journal_target_parsing_errors_total{error=\"no_message\"} 1"));
    rig.stop();
    // the sleeping program is ended
    running.await.unwrap();
    let arguments = arguments(&rig);
    assert_eq!(arguments.len(), 1);
    let expected = "--output=json --follow --no-tail --no-pager --all --directory=/var/log/journal --since=@";
    assert!(arguments[0].starts_with(expected) && arguments[0].ends_with(" -- _A=1 + B=2"), "{arguments:?}");
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_where_it_was() {
    let rig = Rig::new(1 << 30);
    let script = format!(
        "case \"$*\" in *i=1\\;b=b*) printf '%s\\n' '{}'; exec sleep 1000;; esac\nprintf '%s\\n' '{}'\necho broken >&2; exit 1",
        entry(2, "two"),
        entry(1, "one")
    );
    let running = start(&rig, program(rig.folder.path(), &script), "journal: {json: true}");
    let lines = rig.wait(2).await;
    assert_eq!(lines[0].line, r#"{"MESSAGE":"one","_SYSTEMD_UNIT":"u1"}"#);
    assert_eq!(lines[1].labels, Labels::from([("job", "logs")]));
    let arguments = arguments(&rig);
    assert!(arguments[0].contains("--since=@") && arguments[1].contains("--after-cursor=s=a;i=1;b=b"), "{arguments:?}");
    rig.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn the_cursor_of_promtail_is_gone_on_with_and_a_bad_one_forgotten() {
    let rig = Rig::new(1 << 30);
    rig.positions.set_text("cursor-logs", "nonsense");
    let script = format!(
        "case \"$*\" in *nonsense*) echo 'Failed to seek to cursor: Invalid argument' >&2; exit 1;; esac\nprintf '%s\\n' '{}'; exec sleep 1000",
        entry(1, "one")
    );
    let running = start(&rig, program(rig.folder.path(), &script), "journal: {}");
    rig.wait(1).await;
    let arguments = arguments(&rig);
    assert!(arguments[0].contains("--after-cursor=nonsense") && arguments[1].contains("--since=@"), "{arguments:?}");
    rig.stop();
    running.await.unwrap();
}

#[tokio::test]
async fn a_huge_entry_has_what_stands_in_its_beginning() {
    let rig = Rig::new(1 << 30);
    let head = entry(1, "crashed").replace('}', ",\"COREDUMP\":\"");
    let script = format!(
        "printf '%s' '{head}'; head -c 6000000 /dev/zero | tr '\\0' x; printf '\"}}\\n%s\\n' '{}'; exec sleep 1000",
        entry(2, "next")
    );
    let running = start(&rig, program(rig.folder.path(), &script), "journal: {}");
    let lines = rig.wait(2).await;
    assert_eq!([lines[0].line.as_str(), lines[1].line.as_str()], ["crashed", "next"]);
    rig.stop();
    running.await.unwrap();
}

#[test]
fn a_machine_without_journalctl_is_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), "");
    assert_eq!(find_program(Some(folder.path().into())).unwrap(), program);
}

#[test]
fn each_job_has_a_position_of_its_own() {
    let jobs = ["job_name: a\njournal: {}", "job_name: b\njournal: {}", "job_name: a\njournal: {}"].map(scrape);
    let keys = [0, 1, 2].map(|job| position_key(&jobs, job));
    assert_eq!(keys, ["cursor-a", "cursor-b", "cursor-a-2"]);
}
