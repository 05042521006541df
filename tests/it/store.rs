//! The store through its face: what was appended is found, once, in order, before and after sealing and reopening.

use std::borrow::Cow;
use std::ops::ControlFlow;

use logcafe::model::{Batch, Direction, Entry, Labels, Matcher, StreamEntries, TimeRange, Timestamp};
use logcafe::store::{Config, Need, Retention, Selection, Store, WORDLESS_BYTES};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

/// A stream's name, a time in ns, a text and a level.
pub(crate) type Line = (String, i64, String, String);

pub(crate) fn line(app: &str, time: i64, text: &str) -> Line {
    (app.to_owned(), time, text.to_owned(), "info".to_owned())
}

pub(crate) fn labels(app: &str) -> Labels {
    Labels::from([("app", app), ("env", "test")])
}

/// Records of these tests are JSON: a list of lines.
fn encode(lines: &[Line]) -> Vec<u8> {
    serde_json::to_vec(lines).expect("lines are plain")
}

fn streams(lines: &[Line]) -> Vec<StreamEntries<'_>> {
    let mut streams: Vec<StreamEntries<'_>> = Vec::new();
    for (app, time, text, level) in lines {
        let labels = labels(app);
        let metadata = Labels::from([("detected_level", level.as_str())]);
        let entry = Entry { timestamp: Timestamp::from_nanos(*time), line: Cow::Borrowed(text.as_str()), metadata };
        match streams.iter_mut().find(|stream| stream.labels == labels) {
            Some(stream) => stream.entries.push(entry),
            None => streams.push(StreamEntries { labels, entries: vec![entry] }),
        }
    }
    streams
}

fn replay(record: &[u8], sink: &mut dyn FnMut(&[StreamEntries<'_>])) -> Result<(), String> {
    let lines: Vec<Line> = serde_json::from_slice(record).map_err(|error| error.to_string())?;
    sink(&streams(&lines));
    Ok(())
}

/// A store whose memory is small, so that blocks are sealed soon.
pub(crate) fn open(dir: &TempDir, head_bytes_max: u64) -> Store {
    let config =
        Config { dir: dir.path().to_owned(), retention: Retention::default(), head_bytes_max, wordless_bytes: 0 };
    Store::open(config, &replay).expect("the store opens")
}

/// Appends and gives how many lines were new.
pub(crate) fn append(store: &Store, lines: &[Line]) -> u64 {
    let record = Cow::Owned(encode(lines));
    store.append(&Batch { record, streams: streams(lines) }).expect("it is stored").entry_count
}

pub(crate) fn selection(needles: &[&str]) -> Selection {
    let needles = needles.iter().map(|needle| (*needle).to_owned()).collect();
    Selection { needles, ..Selection::of(Vec::new(), TimeRange::ALL, Need::Lines) }
}

/// All selected lines, sorted.
pub(crate) fn find(store: &Store, selection: &Selection) -> Vec<Line> {
    let snapshot = store.select(selection).expect("it can be selected");
    let mut lines = Vec::new();
    for chunk in &snapshot.chunks {
        let visited = chunk.visit(Direction::Forward, &mut |row| {
            let (app, level) = (row.stream.get("app"), row.metadata.get("detected_level"));
            let (app, level) = (app.unwrap_or_default().to_owned(), level.unwrap_or_default().to_owned());
            lines.push((app, row.timestamp.nanos(), row.line.to_owned(), level));
            ControlFlow::Continue(())
        });
        visited.expect("the chunk can be read");
    }
    lines.sort();
    lines
}

pub(crate) fn sorted(lines: &[Line]) -> Vec<Line> {
    let mut lines = lines.to_vec();
    lines.sort();
    lines.dedup();
    lines
}

/// Lines of several services over three days, some of them with ids; different for each seed.
pub(crate) fn sample(count: usize, seed: u64) -> Vec<Line> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let texts =
        ["request failed: timeout", "order placed", "주문이 들어왔습니다", "java.lang.Error\n\tat a.b.C(C.java:7)", ""];
    (0..count)
        .map(|_| {
            let random = next();
            let text = texts[(random >> 8) as usize % texts.len()];
            let text = match random >> 5 & 3 {
                0 => format!("{text} id={random:016x} n={} {}", random % 977, random % 3),
                1 => format!(
                    "{text} {:08x}-{:04x}-4abc-9def-{:012x}",
                    random >> 32,
                    random >> 48,
                    random & 0xffff_ffff_ffff
                ),
                2 => format!(
                    "2026-11-21T{:02}:00:01.{:09}Z {text} {}ms",
                    random % 24,
                    random % 1_000_000_000,
                    random % 977
                ),
                _ => format!("{text} order{} at {random} of {:X}", random % 100_000_000, random >> 7),
            };
            let time = 1_795_132_800_000_000_000 + (random % (3 * 86_400)) as i64 * 1_000_000_000;
            let app = format!("app-{}", random % 7);
            let level = ["info", "warn", "error"][(random >> 20) as usize % 3];
            (app, time, text, level.to_owned())
        })
        .collect()
}

#[test]
fn small_days_need_no_words_in_their_index_and_all_is_found() {
    let lines: Vec<Line> = (0..400)
        .map(|n| line("a", 1_795_132_800_000_000_000 + n, &format!("{} went {}", words(n), words(n * 7 + 3))))
        .collect();
    let mut sizes = Vec::new();
    for wordless_bytes in [0, WORDLESS_BYTES] {
        let dir = TempDir::new().expect("a temp folder");
        let retention = Retention::default();
        let config = Config { dir: dir.path().to_owned(), retention, head_bytes_max: 1 << 20, wordless_bytes };
        let store = Store::open(config, &replay).expect("the store opens");
        append(&store, &lines);
        store.remove(&selection(&[]), &mut |_| false).expect("all is sealed, and nothing removed");
        for n in [0, 7, 399] {
            let needle = words(n);
            let wanted: Vec<Line> = lines.iter().filter(|(_, _, text, _)| text.contains(&needle)).cloned().collect();
            assert_eq!(find(&store, &selection(&[&needle])), sorted(&wanted), "{needle}");
        }
        assert_eq!(find(&store, &selection(&["zebra"])), []);
        store.close().expect("it closes");
        let day = std::fs::read_dir(dir.path().join("days")).expect("it can be listed").next().expect("one day");
        let index = day.expect("it can be read").path().join("index");
        let files = std::fs::read_dir(index).expect("it can be listed");
        sizes.push(files.map(|file| file.expect("it is there").metadata().expect("it is there").len()).sum::<u64>());
    }
    assert!(sizes[1] + 1000 < sizes[0], "{sizes:?}");
}

/// A word of letters for a number.
fn words(number: i64) -> String {
    let letter = |shift: u32| {
        char::from(b'g' + (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(shift) as u8 % 20)
    };
    (1..9).map(|place| letter(7 * place)).collect()
}

#[test]
fn lines_are_found_before_and_after_sealing_and_reopening() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sample(3000, 1);
    for head_bytes_max in [64 << 20, 20_000] {
        let store = open(&dir, head_bytes_max);
        for batch in lines.chunks(100) {
            append(&store, batch);
            assert!(find(&store, &selection(&[])).len() >= batch.len());
        }
        assert_eq!(find(&store, &selection(&[])), sorted(&lines));
    }
    let store = open(&dir, 64 << 20);
    assert_eq!(find(&store, &selection(&[])), sorted(&lines));
}

#[test]
fn exact_duplicates_are_stored_once_even_when_the_first_are_sealed() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sample(2000, 2);
    let mut other_level = lines.clone();
    other_level.iter_mut().for_each(|line| line.3 = "debug".to_owned());
    let store = open(&dir, 20_000);
    for batch in lines.chunks(50) {
        append(&store, batch);
    }
    drop(store);
    let store = open(&dir, 20_000);
    assert!(store.usage().block_count > 0, "the small memory made it seal");
    assert_eq!(lines.chunks(50).map(|batch| append(&store, batch)).sum::<u64>(), 0);
    assert_eq!(append(&store, &other_level), 2000, "other metadata makes another entry");
    assert_eq!(find(&store, &selection(&[])).len(), 4000);
    assert_eq!(store.usage().entry_count, 4000, "what is sealed and what is in memory");
}

#[test]
fn matchers_and_ranges_select_and_rows_come_in_order() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sample(2000, 3);
    let store = open(&dir, 30_000);
    for batch in lines.chunks(200) {
        append(&store, batch);
    }
    let (start, end) =
        (1_795_132_800_000_000_000 + 40_000_000_000_000, 1_795_132_800_000_000_000 + 160_000_000_000_000);
    let selected = Selection {
        matchers: vec![Matcher::equal("app", "app-3")],
        range: TimeRange::new(Timestamp::from_nanos(start), Timestamp::from_nanos(end)),
        ..selection(&[])
    };
    let wanted: Vec<Line> =
        lines.iter().filter(|line| line.0 == "app-3" && start <= line.1 && line.1 < end).cloned().collect();
    assert_eq!(find(&store, &selected), sorted(&wanted));
    for (direction, sign) in [(Direction::Forward, 1), (Direction::Backward, -1)] {
        for chunk in store.select(&selected).expect("it can be selected").chunks {
            let mut last = i64::MIN;
            let visited = chunk.visit(direction, &mut |row| {
                assert!(last <= sign * row.timestamp.nanos());
                last = sign * row.timestamp.nanos();
                ControlFlow::Continue(())
            });
            visited.expect("the chunk can be read");
        }
    }
    let streams = store.streams(&selected.matchers, TimeRange::ALL).expect("streams can be listed");
    assert_eq!(streams, [labels("app-3")]);
    assert_eq!(store.streams(&[], TimeRange::ALL).expect("streams can be listed").len(), 7);
    let before = TimeRange::new(Timestamp::MIN, Timestamp::from_nanos(1_795_132_800_000_000_000));
    assert!(store.streams(&[], before).expect("streams can be listed").is_empty());
}

#[test]
fn times_from_1700_to_2262_are_kept_each_on_its_day() {
    let dir = TempDir::new().expect("a temp folder");
    let times = [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_795_132_800_000_000_000, i64::MAX - 1];
    let lines: Vec<Line> = times.iter().map(|time| line("a", *time, "x")).collect();
    let store = open(&dir, 1);
    append(&store, &lines);
    drop(store);
    assert_eq!(find(&open(&dir, 1), &selection(&[])), sorted(&lines));
}

/// Needles that lie in a line, with one byte changed now and then, and ones made up.
fn needle_of(lines: &[Line], line: usize, from: usize, len: usize, change: Option<u8>) -> String {
    let text: Vec<char> = lines[line % lines.len()].2.chars().collect();
    let from = from % (text.len() + 1);
    let mut needle: Vec<char> = text[from..text.len().min(from + len)].to_vec();
    if let (Some(change), false) = (change, needle.is_empty()) {
        let at = change as usize % needle.len();
        needle[at] = char::from(b'0' + change % 75);
    }
    needle.into_iter().collect()
}

#[test]
fn a_needle_finds_exactly_the_lines_that_hold_it() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sorted(&sample(4000, 4));
    let store = open(&dir, 60_000);
    for batch in lines.chunks(100) {
        append(&store, batch);
    }
    let usage = store.usage();
    assert!(usage.block_count > 0 && usage.head_bytes > 0, "some lines are sealed and some are not: {usage:?}");
    let cases = (0..lines.len(), 0..60usize, 1..30usize, proptest::option::weighted(0.3, any::<u8>()));
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&cases, |(at, from, len, change)| {
            let needle = needle_of(&lines, at, from, len, change);
            let expected: Vec<Line> = lines.iter().filter(|line| line.2.contains(&needle)).cloned().collect();
            prop_assert_eq!(find(&store, &selection(&[&needle])), expected, "needle {:?}", needle);
            Ok(())
        })
        .expect("pruning hides nothing");
}

#[test]
fn what_is_not_needed_is_not_read_but_counts_agree() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sorted(&sample(3000, 5));
    let store = open(&dir, 50_000);
    for batch in lines.chunks(300) {
        append(&store, batch);
    }
    let (mut counts, mut bytes) = (Vec::new(), Vec::new());
    for need in [Need::Times, Need::Lengths, Need::Lines] {
        let selected = Selection { need, ..selection(&[]) };
        let (mut count, mut sum) = (0, 0);
        for chunk in store.select(&selected).expect("it can be selected").chunks {
            let visited = chunk.visit(Direction::Backward, &mut |row| {
                count += 1;
                sum += row.line_bytes;
                ControlFlow::Continue(())
            });
            visited.expect("the chunk can be read");
        }
        counts.push(count);
        bytes.push(sum);
    }
    assert_eq!(counts, [lines.len(); 3]);
    assert_eq!(bytes[1], lines.iter().map(|line| line.2.len()).sum::<usize>());
    assert_eq!(bytes[1], bytes[2]);
}

#[test]
fn a_second_process_is_told_that_the_folder_is_in_use() {
    let dir = TempDir::new().expect("a temp folder");
    let _store = open(&dir, 1000);
    let config =
        Config { dir: dir.path().to_owned(), retention: Retention::default(), head_bytes_max: 1000, wordless_bytes: 0 };
    let error = Store::open(config, &replay).expect_err("it is open already");
    assert!(error.to_string().contains("in use by another process"), "{error}");
}

#[test]
fn old_days_go_when_the_data_takes_too_much_disk() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sample(3000, 6);
    let store = open(&dir, 20_000);
    for batch in lines.chunks(100) {
        append(&store, batch);
    }
    let before = store.usage();
    assert_eq!(before.day_count, 3);
    drop(store);
    let retention = Retention { disk_bytes_max: Some(1), ..Retention::default() };
    let config = Config { dir: dir.path().to_owned(), retention, head_bytes_max: 20_000, wordless_bytes: 0 };
    let store = Store::open(config, &replay).expect("the store opens");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while store.usage().day_count > 1 {
        assert!(std::time::Instant::now() < deadline, "the old days are still there");
        std::thread::yield_now();
    }
    let last_day = 1_795_132_800_000_000_000 + 2 * 86_400_000_000_000;
    let newest: Vec<Line> = lines.iter().filter(|line| line.1 >= last_day).cloned().collect();
    assert_eq!(find(&store, &selection(&[])), sorted(&newest));
}

#[test]
fn lines_beyond_the_age_are_not_shown() {
    let dir = TempDir::new().expect("a temp folder");
    let now = Timestamp::from(std::time::SystemTime::now()).nanos();
    let hour = 3_600_000_000_000;
    let retention = Retention { age_max: Some(std::time::Duration::from_secs(2 * 3600)), ..Retention::default() };
    let config = Config { dir: dir.path().to_owned(), retention, head_bytes_max: 1 << 20, wordless_bytes: 0 };
    let store = Store::open(config, &replay).expect("the store opens");
    append(&store, &[line("a", now - 3 * hour, "old"), line("a", now - hour, "young")]);
    assert_eq!(find(&store, &selection(&[])), [line("a", now - hour, "young")]);
}

#[test]
fn threads_that_push_late_and_equal_lines_into_one_stream_store_each_once() {
    let dir = TempDir::new().expect("a temp folder");
    let mut lines = sample(400, 7);
    lines.iter_mut().for_each(|line| line.0 = "app".to_owned());
    // so little memory that buffers are taken for sealing while others add to them
    let store = open(&dir, 1000);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, lines) = (&store, &lines);
            scope.spawn(move || {
                let (before, after) = lines.split_at(thread * lines.len() / 4);
                for batch in after.chunks(25).chain(before.chunks(25)) {
                    append(store, batch);
                }
            });
        }
    });
    assert_eq!(find(&store, &selection(&[])), sorted(&lines));
}

/// The data file of that name in the first folder of a day.
pub(crate) fn data_file(dir: &TempDir, name: &str) -> std::path::PathBuf {
    let days = std::fs::read_dir(dir.path().join("days")).expect("days can be listed");
    let mut files: Vec<_> = days.map(|day| day.expect("an entry").path().join(name)).collect();
    files.sort();
    files.remove(0)
}

fn flip_byte(path: &std::path::Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("the file can be read");
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).expect("the file can be written");
}

#[test]
fn a_damaged_block_is_named_and_hides_no_other() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sorted(&sample(3000, 8));
    let store = open(&dir, 1);
    for batch in lines.chunks(300) {
        append(&store, batch);
    }
    drop(store);
    flip_byte(&data_file(&dir, "blocks.dat"), 30);
    // the write-ahead log would heal the damage
    std::fs::remove_dir_all(dir.path().join("wal")).expect("it can be removed");
    let store = open(&dir, 1 << 20);
    let (mut read, mut errors) = (0, Vec::new());
    for chunk in store.select(&selection(&[])).expect("it can be selected").chunks {
        let visited = chunk.visit(Direction::Forward, &mut |_| {
            read += 1;
            ControlFlow::Continue(())
        });
        errors.extend(visited.err());
    }
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("blocks.dat is damaged: the block at byte 0"), "{}", errors[0]);
    assert!(read > 2000 && read < 3000, "{read} lines of other blocks");
}

#[test]
fn a_damaged_filter_hides_nothing() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sorted(&sample(3000, 9));
    let store = open(&dir, 1);
    for batch in lines.chunks(300) {
        append(&store, batch);
    }
    drop(store);
    flip_byte(&data_file(&dir, "skip.dat"), 30);
    let store = open(&dir, 1 << 20);
    let ids = lines.iter().filter_map(|line| Some((line, line.2.split("id=").nth(1)?.split(' ').next()?)));
    for (line, id) in ids.step_by(12) {
        let found = find(&store, &selection(&[&format!("={id} ")]));
        assert!(found.contains(line), "{id} is not found");
    }
}

#[test]
fn labels_that_are_lost_on_one_day_are_those_of_another_or_come_back_with_the_next_push() {
    let dir = TempDir::new().expect("a temp folder");
    let (first, second) = (1_795_132_800_000_000_000, 1_795_132_800_000_000_000 + 86_400_000_000_000);
    let lines = [line("both", first, "x"), line("both", second, "y"), line("once", first + 1, "z")];
    let store = open(&dir, 1);
    append(&store, &lines);
    drop(store);
    // the write-ahead log would name them again
    let settled = open(&dir, 1);
    settled.remove(&selection(&[]), &mut |_| false).expect("nothing is removed, and all is sealed");
    drop(settled);
    std::fs::remove_file(data_file(&dir, "streams.dat")).expect("it can be removed");
    let store = open(&dir, 1 << 20);
    let apps = |store: &Store| find(store, &selection(&[])).into_iter().map(|line| line.0).collect::<Vec<_>>();
    assert_eq!(apps(&store), ["", "both", "both"]);
    let streams = store.streams(&[], TimeRange::ALL).expect("they can be listed");
    assert_eq!(streams.iter().filter(|labels| labels.get("logcafe_recovered").is_some()).count(), 1);
    assert_eq!(append(&store, &lines), 0, "they are recognised by their labels");
    assert_eq!(find(&store, &selection(&[])), sorted(&lines));
    drop(store);
    assert_eq!(find(&open(&dir, 1 << 20), &selection(&[])).len(), 3);
}

#[test]
fn a_push_of_a_thousand_days_is_refused_whole() {
    let dir = TempDir::new().expect("a temp folder");
    let store = open(&dir, 1 << 20);
    let lines: Vec<Line> =
        (0..1000).map(|day| line("a", 1_000_000_000_000_000_000 + day * 86_400_000_000_000, "x")).collect();
    let record = Cow::Owned(encode(&lines));
    let error = store.append(&Batch { record, streams: streams(&lines) }).expect_err("it is a mistake");
    assert!(error.to_string().contains("1000 days"), "{error}");
    drop(store);
    assert!(find(&open(&dir, 1 << 20), &selection(&[])).is_empty());
}

#[test]
fn a_log_that_is_longer_than_memory_is_taken_over_whole() {
    let dir = TempDir::new().expect("a temp folder");
    let lines = sorted(&sample(4000, 11));
    let store = open(&dir, 64 << 20);
    for batch in lines.chunks(20) {
        append(&store, batch);
    }
    // as after a kill: the log is all there is
    let copy = TempDir::new().expect("a temp folder");
    std::fs::create_dir(copy.path().join("wal")).expect("it can be made");
    for file in std::fs::read_dir(dir.path().join("wal")).expect("it can be listed") {
        let file = file.expect("an entry");
        std::fs::copy(file.path(), copy.path().join("wal").join(file.file_name())).expect("it can be copied");
    }
    // so little memory that blocks are sealed and committed while the log is read
    assert_eq!(find(&open(&copy, 2000), &selection(&[])), lines);
    assert_eq!(find(&open(&copy, 2000), &selection(&[])), lines);
}
