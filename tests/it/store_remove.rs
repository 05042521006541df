//! Removal through the store's face: what is removed is gone, everything else is still there, and the disk forgets it.

use std::ops::ControlFlow;
use std::path::Path;

use logcafe::model::{Direction, Matcher, TimeRange, Timestamp};
use logcafe::store::{Row, Selection, Store};
use tempfile::TempDir;

use crate::harness::wait_until;
use crate::store::{Line, append, find, labels, line, open, sample, selection, sorted};

fn filled(dir: &TempDir, lines: &[Line], head_bytes_max: u64) -> Store {
    let store = open(dir, head_bytes_max);
    for batch in lines.chunks(100) {
        append(&store, batch);
    }
    store
}

fn without(lines: &[Line], goes: impl Fn(&Line) -> bool) -> Vec<Line> {
    sorted(&lines.iter().filter(|line| !goes(line)).cloned().collect::<Vec<_>>())
}

/// A copy of the files as they are: what a machine would find after its power failed.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("it can be listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            std::fs::create_dir_all(&target).expect("a folder");
            copy_files(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

#[test]
fn removed_lines_are_gone_at_once_after_a_crash_and_after_a_clean_start() {
    for head_bytes_max in [64 << 20, 20_000] {
        let (dir, copy) = (TempDir::new().expect("a temp folder"), TempDir::new().expect("another"));
        let lines = sample(3000, 1);
        let store = filled(&dir, &lines, head_bytes_max);
        let (start, end) =
            (1_795_132_800_000_000_000 + 40_000_000_000_000, 1_795_132_800_000_000_000 + 160_000_000_000_000);
        let selected = Selection {
            matchers: vec![Matcher::equal("app", "app-3")],
            range: TimeRange::new(Timestamp::from_nanos(start), Timestamp::from_nanos(end)),
            ..selection(&["timeout"])
        };
        let goes = |line: &Line| {
            let in_range = (start..end).contains(&line.1);
            line.0 == "app-3" && in_range && line.2.contains("timeout") && line.3 == "error"
        };
        let removed = store
            .remove(&selected, &mut |row| row.metadata.get("detected_level") == Some("error"))
            .expect("it is removed");
        let gone = sorted(&lines).len() - without(&lines, goes).len();
        assert!(gone > 5, "the test removes something: {gone}");
        assert_eq!((removed.entry_count, removed.unreadable_count), (gone as u64, 0));
        assert_eq!(find(&store, &selection(&[])), without(&lines, goes));
        assert_eq!(store.usage().entry_count as usize, without(&lines, goes).len());

        copy_files(dir.path(), copy.path());
        assert_eq!(find(&open(&copy, head_bytes_max), &selection(&[])), without(&lines, goes), "after a crash");
        drop(store);
        let store = open(&dir, head_bytes_max);
        assert_eq!(find(&store, &selection(&[])), without(&lines, goes), "after a clean start");
        assert_eq!(
            lines.chunks(100).map(|batch| append(&store, batch)).sum::<u64>(),
            gone as u64,
            "they may come again"
        );
        assert_eq!(find(&store, &selection(&[])), sorted(&lines));
    }
}

#[test]
fn lines_that_stay_keep_their_order_among_those_of_equal_time() {
    let dir = TempDir::new().expect("a temp folder");
    let lines: Vec<Line> = (0..2000).map(|n| line("a", 5 + n / 700, &format!("{n:05} {}", "x".repeat(200)))).collect();
    let store = filled(&dir, &lines, 20_000);
    let seen = |store: &Store| {
        let mut texts = Vec::new();
        for chunk in store.select(&selection(&[])).expect("it can be selected").chunks {
            let visited = chunk.visit(Direction::Forward, &mut |row| {
                texts.push((row.timestamp, chunk.sequence, row.line.to_owned()));
                ControlFlow::Continue(())
            });
            visited.expect("the chunk can be read");
        }
        texts.sort_by_key(|(time, sequence, _)| (*time, *sequence));
        texts.into_iter().map(|(_, _, text)| text).collect::<Vec<_>>()
    };
    let goes = |text: &str| text.as_bytes()[4].is_multiple_of(3);
    store.remove(&selection(&[]), &mut |row| goes(row.line)).expect("it is removed");
    let kept: Vec<&String> = lines.iter().map(|line| &line.2).filter(|text| !goes(text)).collect();
    assert_eq!(seen(&store).iter().collect::<Vec<_>>(), kept);
}

#[test]
fn a_reader_that_began_before_reads_on_and_the_bytes_go_when_it_is_through() {
    let dir = TempDir::new().expect("a temp folder");
    let mut state = 7u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{state:016x}")
    };
    let lines: Vec<Line> =
        (0..4000).map(|n| line("a", n, &(0..16).map(|_| noise()).collect::<Vec<_>>().join(" "))).collect();
    let store = filled(&dir, &lines, 64 << 20);
    let settled = Selection { range: TimeRange::new(Timestamp::MIN, Timestamp::MIN), ..selection(&[]) };
    store.remove(&settled, &mut |_| true).expect("nothing is removed, and all is sealed");
    let full = store.usage().disk_bytes;
    let snapshot = store.select(&selection(&[])).expect("it can be selected");
    let removed = store.remove(&selection(&[]), &mut |row| row.timestamp.nanos() != 17).expect("it is removed");
    assert_eq!(removed.entry_count, 3999);
    let mut count = 0;
    for chunk in &snapshot.chunks {
        let visited = chunk.visit(Direction::Forward, &mut |_| {
            count += 1;
            ControlFlow::Continue(())
        });
        visited.expect("what was there at that moment is still there");
    }
    assert_eq!(count, 4000);
    drop(snapshot);
    wait_until("the bytes are erased", || store.usage().disk_bytes < full / 4);
    assert_eq!(find(&store, &selection(&[])), [lines[17].clone()]);
    drop(store);
    assert_eq!(find(&open(&dir, 64 << 20), &selection(&[])), [lines[17].clone()]);
}

#[test]
fn words_of_removed_lines_leave_the_index_too() {
    fn holds(dir: &Path, needle: &[u8]) -> bool {
        std::fs::read_dir(dir).expect("it can be listed").any(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                return holds(&path, needle);
            }
            // files of the index come and go
            std::fs::read(&path).is_ok_and(|bytes| memchr::memmem::find(&bytes, needle).is_some())
        })
    }
    let dir = TempDir::new().expect("a temp folder");
    let store = filled(&dir, &[line("a", 1, "password is qzvwxkjhgf"), line("a", 2, "all is well")], 64 << 20);
    let settled = Selection { range: TimeRange::new(Timestamp::MIN, Timestamp::MIN), ..selection(&[]) };
    store.remove(&settled, &mut |_| true).expect("nothing is removed, and all is sealed");
    assert!(holds(dir.path(), b"qzvwxkjhgf"), "the test looks at the right place");
    store.remove(&selection(&["qzvwxkjhgf"]), &mut |_| true).expect("it is removed");
    wait_until("the word is gone", || !holds(dir.path(), b"qzvwxkjhgf"));
    assert_eq!(find(&store, &selection(&[])), [line("a", 2, "all is well")]);
}

#[test]
fn a_stream_without_entries_is_listed_no_more() {
    let dir = TempDir::new().expect("a temp folder");
    let store = filled(&dir, &[line("a", 1, "x"), line("b", 1, "x"), line("b", 9, "y")], 64 << 20);
    let only = |app: &str| Selection { matchers: vec![Matcher::equal("app", app)], ..selection(&[]) };
    let streams = |store: &Store, start| {
        let range = TimeRange::new(Timestamp::from_nanos(start), Timestamp::MAX);
        store.streams(&[], range).expect("they can be listed")
    };
    store.remove(&only("a"), &mut |_| true).expect("it is removed");
    assert_eq!(streams(&store, 0), [labels("b")]);
    store.remove(&only("b"), &mut |row| row.line == "y").expect("it is removed");
    assert!(streams(&store, 5).is_empty(), "its span ends earlier now");
    drop(store);
    let store = open(&dir, 64 << 20);
    assert_eq!(streams(&store, 0), [labels("b")]);
    assert!(streams(&store, 5).is_empty());
}

#[test]
fn pushes_and_queries_go_on_during_removals() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sample(4000, 3);
    let goes = |text: &str| text.contains("timeout");
    let store = open(&dir, 30_000);
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| {
            for batch in lines.chunks(40) {
                append(&store, batch);
            }
        });
        while !pushing.is_finished() {
            store.remove(&selection(&["timeout"]), &mut |row: &Row<'_>| goes(row.line)).expect("it is removed");
            let kept = find(&store, &selection(&["placed"]));
            assert!(kept.windows(2).all(|pair| pair[0] != pair[1]), "no line is there twice");
        }
    });
    store.remove(&selection(&[]), &mut |row: &Row<'_>| goes(row.line)).expect("it is removed");
    assert_eq!(find(&store, &selection(&[])), without(&lines, |line| goes(&line.2)));
}
