//! Data folders that earlier versions wrote, and that every later one must open.
//!
//! `tests/golden/<format>` holds a store's folder, `logs`, and what is in it, `entries`: a line of JSON for each. A folder
//! is never written again; a new format gets a folder of its own:
//!
//! ```sh
//! LOGCAFE_GOLDEN=store-2 cargo test --test it golden -- --ignored
//! ```

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use logcafe::model::Direction;
use logcafe::store::{Config, Retention, Store, WORDLESS_BYTES};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{ProcessServer, logcafe};
use crate::store::selection;
use crate::store_remove::copy_files;

/// 2026-11-20T23:59:00Z: what comes a minute later is of another day.
const START: i64 = 1_795_219_140_000_000_000;

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn open(logs: &Path) -> Store {
    let config = Config {
        dir: logs.to_owned(),
        retention: Retention::default(),
        head_bytes_max: 64 << 20,
        wordless_bytes: WORDLESS_BYTES,
    };
    Store::open(config, &logcafe::ingest::replay).expect("the store opens")
}

/// All entries, a line of JSON for each, sorted.
fn entries(store: &Store) -> String {
    let mut lines = Vec::new();
    for chunk in store.select(&selection(&[])).expect("it can be selected").chunks {
        let visited = chunk.visit(Direction::Forward, &mut |row| {
            let (stream, metadata) = (row.stream.to_string(), row.metadata.to_string());
            let entry = json!({"s": stream, "t": row.timestamp.nanos(), "m": metadata, "l": row.line});
            lines.push(entry.to_string());
            ControlFlow::Continue(())
        });
        visited.expect("every chunk can be read");
    }
    lines.sort();
    lines.join("\n")
}

#[test]
fn folders_of_every_format_open_with_all_their_entries_and_pass_the_check() {
    let folders: Vec<PathBuf> =
        std::fs::read_dir(goldens()).expect("there are some").map(|entry| entry.expect("an entry").path()).collect();
    assert!(!folders.is_empty());
    for golden in folders {
        let copy = TempDir::new().expect("a temp folder");
        let logs = copy.path().join("data/logs");
        std::fs::create_dir_all(&logs).expect("a folder");
        copy_files(&golden.join("logs"), &logs);
        let expected = std::fs::read_to_string(golden.join("entries")).expect("its entries");
        for state in ["as it was written", "opened before", "wholly sealed"] {
            let store = open(&logs);
            assert_eq!(entries(&store), expected, "{}, {state}", golden.display());
            if state == "opened before" {
                store.remove(&selection(&[]), &mut |_| false).expect("nothing is removed, and all is sealed");
            }
        }
        let checked = logcafe(copy.path()).args(["check", "--data", "data"]).output().expect("the check runs");
        assert!(checked.status.success(), "{}: {checked:?}", golden.display());
    }
}

/// Lines of every encoding, with no, few and many sets of metadata: pushes in the JSON form.
fn pushes() -> Vec<Value> {
    let mut state = 7u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 11
    };
    let level = |n: u64| ["info", "warn", "error"][(n % 7 / 3) as usize];
    let mut streams: Vec<(Value, Vec<Value>)> = Vec::new();
    let mut stream = |app: &str, count: u64, line: &mut dyn FnMut(u64) -> (String, Value)| {
        let entry = |n: u64| {
            let (line, metadata) = line(n);
            json!([(START + n as i64 * 120_000_000_000 / count as i64).to_string(), line, metadata])
        };
        streams.push((json!({"app": app, "env": "golden"}), (0..count).map(entry).collect()));
    };
    stream("json", 700, &mut |n| {
        let (a, b) = (noise(), noise());
        let line = format!(
            "{{\"ts\":\"2026-11-20T23:59:{:02}.{:03}Z\",\"level\":\"{}\",\"id\":\"{a:016x}\",\"status\":{},\"took\":{}.{},\"user\":\"{}\"}}",
            n % 60,
            b % 1000,
            level(n),
            200 + b % 4 * 100,
            b % 977,
            a % 10,
            ["ann", "bob", "김"][b as usize % 3]
        );
        (line, json!({"level": level(n)}))
    });
    stream("logfmt", 700, &mut |n| {
        let (a, b) = (noise(), noise());
        let uuid = format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{a:012x}", b >> 20, b & 0xffff, a & 0xfff, b & 0xfff);
        (format!("ts={n} level={} id={} job={uuid} n={:05} HEX={b:08X}", level(n), n * 7, b % 90_000), json!({}))
    });
    stream("java", 300, &mut |n| {
        let b = noise() % 90;
        let line = format!(
            "2026-11-20 23:59:{:02},{:03} ERROR [main-{b}] order {n} failed\njava.lang.Error: no {b}\n\tat a.b.C(C.java:{b})",
            n % 60,
            n % 1000
        );
        (line, json!({"trace": format!("{:x}", noise())}))
    });
    let mut junk = |newline: &str| {
        let words = (0..4).map(|_| format!("{:x}", noise().wrapping_mul(noise())));
        let line = words.collect::<Vec<_>>().join(newline);
        (line.chars().map(|c| if c.is_ascii_digit() { 'Z' } else { c }).collect(), json!({}))
    };
    stream("junk", 1600, &mut |_| junk(""));
    stream("torn junk", 300, &mut |_| junk("\n"));
    stream("prose", 40, &mut |n| {
        (format!("{}\n장바구니 {n}", "every line is another, ".repeat(n as usize % 9)), json!({}))
    });
    for small in 0..12 {
        stream(&format!("small-{small}"), 9, &mut |n| (format!("small {small} said {n}"), json!({})));
    }
    let body = |(stream, values): (Value, Vec<Value>)| json!({"streams": [{"stream": stream, "values": values}]});
    streams.into_iter().map(body).collect()
}

/// Writes a golden folder, once for each format.
#[test]
#[ignore = "writes into tests/golden"]
fn a_golden_folder_is_written() {
    let name = std::env::var("LOGCAFE_GOLDEN").expect("LOGCAFE_GOLDEN names the folder to write");
    let golden = goldens().join(name);
    assert!(!golden.exists(), "{} is there; a format's folder is written once", golden.display());
    let folder = TempDir::new().expect("a temp folder");
    let logs = folder.path().join("data/logs");
    // junk by itself has other encodings than among lines
    let pushes = pushes();
    let is_alone = |push: &&Value| push["streams"][0]["stream"]["app"].as_str().is_some_and(|app| app.contains("junk"));
    let (alone, others): (Vec<&Value>, Vec<&Value>) = pushes.iter().partition(is_alone);
    for round in alone.chunks(1).chain([&others[..]]) {
        let server = ProcessServer::start(folder.path(), &["--log", "off"]);
        round.iter().for_each(|push| drop(server.client.push_body(push).expect(204)));
        server.terminate();
        open(&logs).remove(&selection(&["order 7 "]), &mut |_| true).expect("some are removed, and all is sealed");
    }
    // what comes now stays in the write-ahead log
    let server = ProcessServer::start(folder.path(), &["--log", "off"]);
    server.client.push_json_at(&[("app", "late")], &[(START, "late one"), (START + 1, "late two")]).expect(204);
    server.kill();
    std::fs::create_dir_all(golden.join("logs")).expect("a folder");
    copy_files(&logs, &golden.join("logs"));
    let entries = entries(&open(&logs));
    assert!(entries.lines().count() > 2000);
    std::fs::write(golden.join("entries"), entries).expect("the entries are written");
}
