//! Damaged and missing files: the server starts, keeps every line that is not in the damaged bytes, and names what it lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use logcafe::db::users::Role;
use logcafe::store::{Config, Retention, Store};
use serde_json::Value;

use crate::browser::Browser;
use crate::failpoints::{Scene, answer, found};
use crate::harness::{Client, ProcessServer, TestServer, logcafe, wait_until};
use crate::store_remove::copy_files;

/// A folder that was stopped cleanly: two days with several blocks each, and pushes in the write-ahead log alone.
fn filled() -> Scene {
    let mut scene = Scene::new();
    let server = scene.start();
    scene.fill(&server);
    server.terminate();
    assert_eq!(days(&scene).len(), 2);
    settle(&scene);
    scene
}

/// Brings everything into blocks, so that the write-ahead log heals nothing.
fn settle(scene: &Scene) {
    let config =
        Config { dir: scene.logs(), retention: Retention::default(), head_bytes_max: 64 << 20, wordless_bytes: 0 };
    let store = Store::open(config, &logcafe::ingest::replay).expect("the store opens");
    store.remove(&crate::store::selection(&[]), &mut |_| false).expect("nothing is removed, and all is sealed");
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

/// Runs `logcafe check`; gives its exit code and what it says.
pub(crate) fn run_check(scene: &Scene, arguments: &[&str]) -> (i32, String) {
    let mut command = logcafe(scene.folder.path());
    command.arg("check").args(arguments).env("LOGCAFE_FAULTS", scene.folder.path().join("faults"));
    let output = command.output().expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

/// A damage: its name, how it is done, what `logcafe check` says of it, and how many lines it may cost.
type Damage = (&'static str, fn(&Scene), &'static str, Costs);

#[derive(Clone, Copy, PartialEq)]
enum Costs {
    Nothing,
    /// The lines of a block.
    Some,
    /// The lines of a day.
    ADay,
}

fn in_first_day(scene: &Scene, name: &str) -> PathBuf {
    days(scene)[0].join(name)
}

fn remove(path: &Path) {
    std::fs::remove_file(path).expect("it can be removed");
}

fn cut_in_half(path: &Path) {
    let bytes = std::fs::read(path).expect("the file can be read");
    std::fs::write(path, &bytes[..bytes.len() / 2]).expect("the file can be written");
}

fn an_index_file(scene: &Scene, kind: &str) -> PathBuf {
    below(&in_first_day(scene, "index")).into_iter().find(|path| extension(path) == Some(kind)).expect("there is one")
}

const DAMAGES: [Damage; 16] = [
    ("a block's head", |scene| flip(&in_first_day(scene, "blocks.dat"), 70), "the block at byte 0", Costs::Some),
    ("a block's magic", |scene| flip(&in_first_day(scene, "blocks.dat"), 0), "the block at byte 0", Costs::Some),
    ("a block's text", |scene| flip_at_end(&in_first_day(scene, "blocks.dat")), "text does not agree", Costs::Some),
    (
        "half of the blocks",
        |scene| cut_in_half(&in_first_day(scene, "blocks.dat")),
        "the file ends at byte",
        Costs::ADay,
    ),
    ("all blocks", |scene| remove(&in_first_day(scene, "blocks.dat")), "No such file", Costs::ADay),
    ("a filter", |scene| flip(&in_first_day(scene, "skip.dat"), 9), "the filter at byte 0", Costs::Nothing),
    ("all filters", |scene| remove(&in_first_day(scene, "skip.dat")), "the filter at byte", Costs::Nothing),
    (
        "a stream's labels",
        |scene| flip(&in_first_day(scene, "streams.dat"), 30),
        "labels of 1 streams are",
        Costs::Nothing,
    ),
    ("all labels", |scene| remove(&in_first_day(scene, "streams.dat")), "labels of 3 streams are", Costs::Nothing),
    ("an index's words", |scene| flip(&an_index_file(scene, "term"), 20), "its checksum", Costs::Nothing),
    ("an index's facts", |scene| remove(&in_first_day(scene, "index/meta.json")), "it is missing", Costs::Nothing),
    ("a part of an index", |scene| remove(&an_index_file(scene, "fast")), "it is missing", Costs::Nothing),
    ("a whole index", |scene| remove_dir(&in_first_day(scene, "index")), "it is missing", Costs::Nothing),
    ("the format", |scene| flip(&scene.logs().join("FORMAT"), 3), "it says", Costs::Nothing),
    ("no format", |scene| remove(&scene.logs().join("FORMAT")), "FORMAT: it is missing", Costs::Nothing),
    ("the log's folder", |scene| remove_dir(&scene.logs().join("wal")), "wal: it is missing", Costs::Nothing),
];

fn flip_at_end(path: &Path) {
    flip(path, std::fs::metadata(path).expect("it is there").len() as usize - 1);
}

fn remove_dir(path: &Path) {
    std::fs::remove_dir_all(path).expect("it can be removed");
}

/// A copy of the first scene for each damage: filling one takes longer than all else.
fn copy_of(scene: &Scene) -> Scene {
    let copy = scene.clone_into_new_folder();
    copy_files(scene.folder.path(), copy.folder.path());
    copy
}

#[test]
fn a_check_names_each_damage_and_a_repair_makes_it_good() {
    let whole = filled();
    let (code, said) = run_check(&whole, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing is damaged"), "{said}");
    crate::failpoints::for_each(&DAMAGES, |(name, damage, words, costs)| {
        let scene = copy_of(&whole);
        damage(&scene);
        let (code, said) = run_check(&scene, &[]);
        assert!(code == 1 && said.contains(words), "{name}: {code} {said}");
        assert_eq!(run_check(&scene, &[]), (code, said), "{name}: a check changes nothing");
        let (code, said) = run_check(&scene, &["--repair"]);
        assert_eq!(code, 0, "{name}: {said}");
        let (code, said) = run_check(&scene, &[]);
        assert!(code == 0 && said.contains("nothing is damaged"), "{name}: {said}");
        let server = scene.start();
        check_cost(&scene, &server, *costs, name);
        assert!(warnings(&server, "{app=~\".+\"}").is_empty(), "{name}: answers are whole again");
    });
}

#[test]
fn a_server_starts_with_each_damage_and_has_all_other_lines() {
    let whole = filled();
    crate::failpoints::for_each(&DAMAGES, |(name, damage, _, costs)| {
        let scene = copy_of(&whole);
        damage(&scene);
        let server = scene.start();
        settled(&scene);
        let lost = check_cost(&scene, &server, *costs, name);
        let told = warnings(&server, "{app=~\".+\"}");
        assert_eq!(!told.is_empty(), lost > 0, "{name}: {told:?}");
        let mut more = scene;
        assert_eq!(more.push(&server).0, Some(204), "{name}");
        server.terminate();
        check_cost(&more, &more.start(), *costs, name);
    });
}

#[test]
fn a_repair_that_is_killed_is_begun_again() {
    let whole = filled();
    let every_kind = |scene: &Scene| {
        flip(&in_first_day(scene, "blocks.dat"), 70);
        flip_at_end(&in_first_day(scene, "blocks.dat"));
        flip(&in_first_day(scene, "skip.dat"), 9);
        flip(&in_first_day(scene, "streams.dat"), 30);
        remove(&days(scene)[1].join("index/meta.json"));
    };
    let points = [
        "lost.keep",
        "mend.streams",
        "mend.replace",
        "hole.erase",
        "index.commit",
        "aside.put",
        "aside.rename",
        "index.purge",
    ];
    crate::failpoints::for_each(&points, |point| {
        let scene = copy_of(&whole);
        every_kind(&scene);
        scene.faults(&format!("{point} kill 1"));
        assert_eq!(run_check(&scene, &["--repair"]).0, -1, "{point}: it is killed");
        scene.faults("");
        let (code, said) = run_check(&scene, &["--repair"]);
        assert_eq!(code, 0, "{point}: {said}");
        let server = scene.start();
        check_cost(&scene, &server, Costs::ADay, point);
        assert!(warnings(&server, "{app=~\".+\"}").is_empty(), "{point}");
    });
}

#[test]
fn a_damaged_log_costs_the_pushes_that_are_hit() {
    let mut scene = Scene::new();
    let server = scene.start();
    for _ in 0..10 {
        assert_eq!(scene.push(&server).0, Some(204));
    }
    server.kill();
    let segment = below(&scene.logs().join("wal")).remove(0);
    let bytes = std::fs::read(&segment).expect("it can be read");
    let marks: Vec<usize> = memchr::memmem::find_iter(&bytes, b"\xffREC").collect();
    assert!(marks.len() >= 10, "{}", marks.len());
    // a mark, a length, a checksum, a text; the segment's own mark costs nothing
    for (at, costs) in [(0, 0), (marks[3], 40), (marks[3] + 6, 40), (marks[3] + 9, 40), (marks[4] - 7, 40)] {
        let copy = copy_of(&scene);
        flip(&copy.logs().join("wal").join(segment.file_name().expect("a name")), at);
        let (code, said) = run_check(&copy, &[]);
        assert!(code == 1 && said.contains("000000000001.wal: "), "{at}: {code} {said}");
        let server = copy.start();
        let there = found(&server).len();
        // the server's own lines are pushes, too
        assert!(there == 400 || there == 400 - costs, "{at}: {there} lines are there");
        let told = || crate::failpoints::lines(&server, "{job=\"logcafe\"} |~ \"lost|damaged\"");
        wait_until("its own log names it", || !told().is_empty());
        server.terminate();
        let (code, said) = run_check(&copy, &["--repair"]);
        assert_eq!(code, 0, "{at}: {said}");
        assert_eq!(found(&copy.start()).len(), there, "{at}");
        assert!(costs == 0 || copy.logs().join("lost").exists(), "the bytes are kept");
    }
    let torn = copy_of(&scene);
    let path = torn.logs().join("wal").join(segment.file_name().expect("a name"));
    std::fs::write(&path, &bytes[..bytes.len() - 5]).expect("it can be cut");
    let (code, said) = run_check(&torn, &[]);
    assert!(code == 0 && said.contains("never acknowledged"), "{code} {said}");
    assert!(found(&torn.start()).len() >= 360);
}

#[test]
fn the_page_says_which_lines_could_not_be_read() {
    let mut logs = PathBuf::new();
    let server = TestServer::start_with(|config| {
        config.store.head_bytes_max = 1;
        logs = config.store.dir.clone();
    });
    server.push_json(&[("app", "a")], &["one line"]).expect(204);
    let ann = Browser::signed_in(&server, "ann", Role::Reader);
    wait_until("a block", || crate::harness::metric(&server, "logcafe_store_blocks") > 0);
    let page = || ann.get("/explore?query=%7Bapp%3D%22a%22%7D").expect(200).body;
    assert!(page().contains("one line") && !page().contains("could not be read"));
    flip(&below(&logs.join("days"))[0].join("blocks.dat"), 70);
    let page = page();
    assert!(page.contains("some lines could not be read") && page.contains("the block at byte 0"), "{page}");
}

/// Holds what a server has against what a damage may cost; gives how much it did.
fn check_cost(scene: &Scene, server: &Client, costs: Costs, name: &str) -> usize {
    let there = found(server);
    assert!(there.values().all(|count| *count == 1), "{name}: lines are there twice");
    let missing = scene.acknowledged().iter().filter(|line| !there.contains_key(*line)).count();
    assert_eq!(there.len() + missing, scene.acknowledged().len(), "{name}: lines that nobody pushed");
    let all = scene.acknowledged().len();
    let allowed = match costs {
        Costs::Nothing => 0..=0,
        Costs::Some => 1..=all / 3,
        Costs::ADay => 1..=all / 2,
    };
    assert!(allowed.contains(&missing), "{name}: {missing} lines of {all} are lost");
    missing
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str())
}
