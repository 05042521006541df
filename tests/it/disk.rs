//! A disk that is full, read-only or broken, a clock that jumps, and panics: pushes are refused with the reason and queries
//! go on; when it is over, pushes are taken again without a restart, and nothing that was acknowledged is lost.

use std::path::Path;
use std::process::Command;

use crate::failpoints::{Scene, found, lines};
use crate::harness::{Client, ProcessServer, Reply, logcafe, now_nanos, wait_until};

fn push_one(client: &Client) -> Reply {
    client.push_json(&[("app", "one")], &["a line"])
}

#[test]
fn pushes_are_refused_with_the_reason_while_the_log_cannot_be_written() {
    for (fault, reason) in [
        ("wal.write enospc", "the disk is full (No space left on device"),
        ("wal.sync enospc", "the disk is full (No space left on device"),
        ("wal.write erofs", "the log data cannot be written (Read-only file system"),
        ("wal.write eacces", "the log data cannot be written (Permission denied"),
        ("wal.sync eio", "the log data cannot be written (Input/output error"),
    ] {
        let mut scene = Scene::new();
        let server = scene.start();
        for _ in 0..5 {
            assert_eq!(scene.push(&server).0, Some(204));
        }
        // a new segment cannot be begun either
        scene.faults(&format!("{fault}\nwal.create {}", fault.rsplit(' ').next().expect("a fault")));
        for _ in 0..3 {
            let refused = push_one(&server).expect(503);
            assert!(refused.body.contains(reason) && refused.body.contains("nothing was stored"), "{}", refused.body);
            assert_eq!(refused.header("retry-after"), "60");
        }
        scene.check(&server, fault);
        scene.faults("");
        for _ in 0..5 {
            assert_eq!(scene.push(&server).0, Some(204), "{fault}");
        }
        assert!(lines(&server, "{app=\"one\"}").is_empty(), "what was refused is not there");
        server.kill();
        let server = scene.start();
        scene.check(&server, fault);
        assert!(lines(&server, "{app=\"one\"}").is_empty(), "nor after a start");
    }
}

#[test]
fn blocks_that_cannot_be_written_wait_in_memory_until_they_can() {
    for point in ["blocks.write", "skip.write", "streams.write", "index.prepare", "index.commit"] {
        let mut scene = Scene::new();
        let server = scene.start();
        scene.faults(&format!("{point} enospc"));
        // as much as fits into memory is taken
        for _ in 0..20 {
            assert_eq!(scene.push(&server).0, Some(204), "{point}");
        }
        scene.check(&server, point);
        scene.faults("");
        scene.fill(&server);
        scene.check(&server, point);
        server.kill();
        scene.check(&scene.start(), point);
    }
}

/// A small file system of its own, where this machine lets us have one; otherwise the failpoints above are what shows it.
fn in_a_small_disk(scene: &Scene) -> Option<Command> {
    let script = r#"mkdir -p data && mount -t tmpfs -o size=1536k tmpfs data && exec "$0" "$@""#;
    let may = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let namespaces: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];
    let folder = scene.folder.path();
    let probe = |namespace: &&&[&str]| {
        let mut command = Command::new("unshare");
        may(command.args(**namespace).args(["sh", "-c", script, "true"]).current_dir(folder))
    };
    let namespace = namespaces.iter().find(probe)?;
    let mut command = Command::new("unshare");
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(*namespace).args(["sh", "-c", script, env!("CARGO_BIN_EXE_logcafe")]);
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--head-memory",
        "100kB",
        "--anonymous-push",
        "--disk-free",
        "0B",
    ]);
    Some(command)
}

#[test]
fn a_disk_that_is_really_full_refuses_pushes_and_answers_queries() {
    let mut scene = Scene::new();
    let Some(command) = in_a_small_disk(&scene) else {
        eprintln!("no file system can be mounted here: only the failpoints show a full disk");
        return;
    };
    let server = ProcessServer::spawn_without_credentials(command, scene.folder.path());
    // the file system is seen by the server alone, and by who looks through its eyes
    let folder = scene.folder.path().strip_prefix("/").expect("a whole path");
    let filler = Path::new("/proc").join(server.pid().to_string()).join("root").join(folder).join("data/filler");
    std::fs::write(&filler, vec![7; 700 << 10]).expect("there is room for it");
    let refused = (0..2000).find_map(|_| match scene.push(&server).0 {
        Some(204) => None,
        status => Some(status),
    });
    let status = refused.flatten().expect("the disk is full at some time, and the server lives");
    assert!([429, 503].contains(&status), "{status}");
    for _ in 0..5 {
        let refused = server.push_json(&[("app", "more")], &[&"x".repeat(100_000)]);
        assert!([429, 503].contains(&refused.status), "{}", refused.body);
    }
    server.get("/ready").expect(200);
    std::fs::remove_file(&filler).expect("it can be removed");
    wait_until("pushes are taken again", || push_one(&server).status == 204);
    assert_eq!(scene.push(&server).0, Some(204));
}

#[test]
fn a_clock_that_jumps_drops_nothing_that_comes_back_with_it() {
    let mut scene = Scene::new();
    let server = scene.start();
    scene.fill(&server);
    server.terminate();
    let days = || std::fs::read_dir(scene.logs().join("days")).expect("it can be listed").count();
    let keep = ["--retention-age", "10d"];
    for shift in ["-864000", "-86400000", "172800"] {
        scene.faults(&format!("clock {shift}"));
        let server = ProcessServer::spawn(scene.command(&keep), scene.folder.path());
        scene.check(&server, shift);
        assert_eq!(push_one(&server).status, 204);
        scene.faults("");
        scene.check(&server, "set right");
        server.terminate();
        assert_eq!(days(), 2, "{shift}");
    }
    // far ahead, the oldest day goes, and the newest stays whatever the clock says
    scene.faults("clock 864000000");
    let server = ProcessServer::spawn(scene.command(&keep), scene.folder.path());
    wait_until("the oldest day is dropped", || days() == 1);
    scene.faults("");
    assert_eq!(lines(&server, "{age=\"old\"}").len(), 0);
    assert!(!lines(&server, "{age=\"now\"}").is_empty());
}

#[test]
fn a_panic_reaches_a_client_as_an_answer() {
    let mut scene = Scene::new();
    let server = scene.start();
    scene.fill(&server);
    let before = found(&server).len();
    scene.faults("chunk.visit panic");
    let (start, end) = ((now_nanos() - 3_600_000_000_000).to_string(), (now_nanos() + 60_000_000_000).to_string());
    for query in ["{age=\"now\"}", "count_over_time({age=\"now\"}[1m])", "sum(rate({age=\"now\"} |= \"line\" [5m]))"] {
        let parameters = [("query", query), ("start", &*start), ("end", &*end)];
        let reply = server.get_with("/loki/api/v1/query_range", &parameters).expect(500);
        assert!(
            reply.body.starts_with("internal error ") && reply.body.contains("log has the cause"),
            "{}",
            reply.body
        );
    }
    server.get_with("/loki/api/v1/index/volume", &[("query", "{age=\"now\"}"), ("start", &start)]).expect(500);
    server.get_with("/loki/api/v1/patterns", &[("query", "{age=\"now\"}"), ("start", &start)]).expect(500);
    scene.faults("append.logged panic");
    push_one(&server).expect(500);
    scene.faults("chunk.visit eio");
    let parameters = [("query", "{age=\"now\"}"), ("start", &*start), ("end", &*end)];
    let answer = server.get_with("/loki/api/v1/query_range", &parameters).expect(200).json();
    assert!(answer["warnings"][0].as_str().is_some_and(|told| told.contains("Input/output error")), "{answer}");
    scene.faults("");
    assert_eq!(found(&server).len(), before, "and the next request is answered as ever");
    assert_eq!(push_one(&server).status, 204);
}

#[test]
fn a_damaged_database_is_named_at_the_start_and_made_anew() {
    let scene = Scene::new();
    scene.start().terminate();
    let path = scene.folder.path().join("data/logcafe.db");
    crate::damage::flip(&path, 2);
    let ended = ProcessServer::try_spawn(scene.command(&[]), scene.folder.path());
    assert_eq!(ended.err().and_then(|status| status.code()), Some(1), "a server does not run on it");
    let (code, said) = crate::damage::run_check(&scene, &[]);
    assert!(code == 1 && said.contains("logcafe.db: file is not a database"), "{code} {said}");
    let (code, said) = crate::damage::run_check(&scene, &["--repair"]);
    assert!(code == 0 && said.contains("logcafe.db.damaged-1") && said.contains("no account is left"), "{code} {said}");
    assert_eq!(crate::damage::run_check(&scene, &[]).0, 0);
    scene.start().terminate();
    std::fs::remove_file(&path).expect("it can be removed");
    scene.start().get("/ready").expect(200);
}

#[test]
fn a_check_beside_a_server_says_what_to_do() {
    let scene = Scene::new();
    let server = scene.start();
    for arguments in [&[][..], &["--repair"]] {
        let (code, said) = crate::damage::run_check(&scene, arguments);
        assert!(code == 2 && said.contains("stop it first") && said.contains("in use"), "{code} {said}");
    }
    server.terminate();
    let output = logcafe(scene.folder.path()).args(["check", "--data", "nowhere"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}
