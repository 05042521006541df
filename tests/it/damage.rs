//! Damaged and missing files: the server starts, keeps every line that is not in the damaged bytes, and names what it lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failpoints::{Scene, answer, found};
use crate::harness::{Client, ProcessServer, wait_until};

/// A folder that was stopped cleanly: two days with several blocks each, and pushes in the write-ahead log alone.
fn filled() -> Scene {
    let mut scene = Scene::new();
    let server = scene.start();
    scene.fill(&server);
    server.terminate();
    assert_eq!(days(&scene).len(), 2);
    scene
}

/// The folders of the days, oldest first.
fn days(scene: &Scene) -> Vec<PathBuf> {
    below(&scene.logs().join("days"))
}

fn below(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).expect("it can be listed").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("the file can be read");
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).expect("the file can be written");
}

fn warnings(client: &Client, query: &str) -> Vec<String> {
    let answer = answer(client, query);
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    warnings.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Waits until all days that were put aside are back.
fn settled(scene: &Scene) {
    wait_until("the days are back", || days(scene).iter().all(|day| !day.to_string_lossy().contains(".damaged")));
}

/// Starts a server and waits until it has all lines but those that may be lost, none of them twice.
#[track_caller]
fn check(scene: &Scene, may_lose: usize, about: &str) -> (ProcessServer, usize) {
    let server = scene.start();
    settled(scene);
    let there = found(&server);
    assert!(there.values().all(|count| *count == 1), "{about}: lines are there twice");
    let missing = scene.acknowledged().iter().filter(|line| !there.contains_key(*line)).count();
    assert!(missing <= may_lose, "{about}: {missing} lines are lost");
    assert_eq!(there.len() + missing, scene.acknowledged().len(), "{about}: lines that nobody pushed");
    (server, missing)
}

#[test]
fn an_index_is_made_again_whatever_byte_or_file_of_it_is_damaged() {
    let scene = filled();
    let index = days(&scene)[0].join("index");
    let kinds: BTreeSet<String> = below(&index).iter().filter_map(|path| Some(extension(path)?.to_owned())).collect();
    assert!(kinds.len() >= 7, "{kinds:?}");
    for kind in kinds.iter().map(String::as_str).filter(|kind| *kind != "lock") {
        for place in ["begin", "middle", "end", "missing"] {
            // files come and go with each commit
            let path =
                below(&index).into_iter().find(|path| extension(path) == Some(kind)).expect("a file of the kind");
            let len = std::fs::metadata(&path).expect("it is there").len() as usize;
            match place {
                "begin" => flip(&path, 0),
                "middle" => flip(&path, len / 2),
                "end" => flip(&path, len - 1),
                _ => std::fs::remove_file(&path).expect("it can be removed"),
            }
            check(&scene, 0, &format!("{place} of {kind}")).0.terminate();
        }
    }
}

#[test]
fn what_is_missing_while_a_day_comes_back_is_told_with_each_answer() {
    let scene = filled();
    std::fs::remove_file(days(&scene)[0].join("index/meta.json")).expect("it can be removed");
    scene.faults("aside.block eio");
    let server = scene.start();
    let told = warnings(&server, "{age=\"old\"}");
    assert!(told[0].contains(".damaged-1 is damaged: it was put aside, and its entries are"), "{told:?}");
    assert!(warnings(&server, "{age=\"now\"} |= \"line\"").len() <= 1);
    scene.faults("");
    settled(&scene);
    assert!(warnings(&server, "{age=\"old\"}").is_empty());
    scene.check(&server, "after the disk came back");
}

/// Stands in the middle of a panic of the thread that tends the store, and of one that makes a block.
#[test]
fn a_panic_in_the_background_is_survived() {
    for fault in ["keeper.round panic", "seal.columns panic"] {
        let mut scene = Scene::new();
        let server = scene.start();
        scene.faults(fault);
        for _ in 0..20 {
            assert_eq!(scene.push(&server).0, Some(204), "{fault}");
        }
        scene.faults("");
        for _ in 0..20 {
            assert_eq!(scene.push(&server).0, Some(204), "{fault}");
        }
        scene.check(&server, fault);
        server.terminate();
        scene.check(&scene.start(), fault);
    }
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}
