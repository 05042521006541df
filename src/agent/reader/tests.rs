//! Tests of the reader over real files: rotation of every kind, while it runs and while it does not.

use std::fs;
use std::io::Write as _;

use crate::agent::config::pipeline::{self, StageConfig};
use crate::agent::files::Hearing;
use crate::agent::files::archive::{Decompression, Format};
use crate::agent::files::glob::Glob;
use crate::agent::files::target::Target;
use crate::agent::reader::rig::{Answers, Line, Rig, append};
use crate::agent::reader::*;
use crate::agent::stage::{Flow, Stage, Surroundings};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn files_that_match_are_read_as_they_appear_and_are_named_in_a_label() {
    for hearing in [Hearing::Asked, Hearing::Never] {
        let mut rig = Rig::new();
        rig.options.hearing = hearing;
        rig.append("a.log", "one\n");
        rig.append("debug.log", "no\n");
        let mut target = rig.target("**/*.log");
        target.exclude = Some(Glob::parse(&rig.path("debug*").to_string_lossy()).unwrap());
        rig.start(vec![target]);
        rig.expect(&["one"]);
        assert_eq!(rig.taken()[0].labels, format!("{{filename=\"{}\", job=\"test\"}}", rig.path("a.log").display()));
        fs::create_dir(rig.path("later")).unwrap();
        rig.append("later/b.log", "two\n");
        rig.expect(&["one", "two"]);
        rig.append("a.log", "three\n");
        rig.expect(&["one", "two", "three"]);
        fs::remove_file(rig.path("later/b.log")).unwrap();
        rig.wait("the removed file is left", |rig| rig.status.sources().len() == 1);
        rig.append("a.log", "last without end");
        fs::remove_file(rig.path("a.log")).unwrap();
        rig.expect(&["one", "two", "three", "last without end"]);
        rig.stop();
    }
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one_and_is_not_read_again() {
    for (pattern, handles) in [("app.log", 100), ("app.log*", 100), ("app.log*", 0)] {
        let mut rig = Rig::new();
        rig.handles = handles;
        rig.append("app.log", "1\n2\n");
        rig.start(vec![rig.target(pattern)]);
        rig.expect(&["1", "2"]);
        for round in 0..3 {
            let old = format!("app.log.{}", 9 - round);
            rig.append("app.log", format!("{round} before\n"));
            fs::rename(rig.path("app.log"), rig.path(&old)).unwrap();
            rig.append(&old, format!("{round} late\n"));
            rig.append("app.log", format!("{round} new\n"));
            rig.wait("the new one", |rig| rig.texts().contains(&format!("{round} new")));
            rig.append(&old, format!("{round} later\n"));
            rig.wait("the last of the old one", |rig| rig.texts().contains(&format!("{round} later")));
        }
        rig.settle("app.log");
        let expected: Vec<String> = ["1", "2"]
            .map(str::to_owned)
            .into_iter()
            .chain((0..3).flat_map(|round| ["before", "late", "new", "later"].map(|word| format!("{round} {word}"))))
            .collect();
        assert_eq!(rig.texts(), expected, "{pattern} {handles}");
        rig.stop();
        rig.start(vec![rig.target(pattern)]);
        rig.settle("app.log");
        assert_eq!(rig.texts().len(), expected.len(), "{pattern} {handles}");
        rig.stop();
    }
}

#[test]
fn a_file_that_is_copied_and_truncated_is_read_once() {
    for pattern in ["app.log", "app.log*"] {
        let mut rig = Rig::new();
        rig.append("app.log", "first 1\nfirst 2\n");
        rig.start(vec![rig.target(pattern)]);
        rig.expect(&["first 1", "first 2"]);
        fs::copy(rig.path("app.log"), rig.path("app.log.1")).unwrap();
        fs::write(rig.path("app.log"), "").unwrap();
        rig.append("app.log", "second 1\n");
        rig.wait("what came after", |rig| rig.texts().contains(&"second 1".to_owned()));
        // and grown past the place at once
        fs::copy(rig.path("app.log"), rig.path("app.log.2")).unwrap();
        fs::write(rig.path("app.log"), "third 1 longer than before\n").unwrap();
        rig.wait("the third", |rig| rig.texts().len() >= 4);
        rig.settle("app.log");
        assert_eq!(rig.texts(), ["first 1", "first 2", "second 1", "third 1 longer than before"], "{pattern}");
        rig.stop();
    }
}

#[test]
fn what_a_copy_has_and_was_not_read_before_the_truncation_is_read_in_the_copy() {
    for pattern in ["app.log", "app.log*"] {
        let mut rig = Rig::new();
        rig.append("app.log", "1\n2\n");
        rig.start(vec![rig.target(pattern)]);
        rig.expect(&["1", "2"]);
        // copied elsewhere first, so that all of it happens between two looks
        append(&rig.path("app.log"), "half of");
        let mut whole = fs::read(rig.path("app.log")).unwrap();
        whole.extend(b" a line\n3\nrest");
        fs::write(rig.path(".copy"), &whole).unwrap();
        fs::rename(rig.path(".copy"), rig.path("app.log.1")).unwrap();
        fs::write(rig.path("app.log"), "").unwrap();
        append(&rig.path("app.log"), "4\n");
        rig.wait("the rest of the copy", |rig| rig.texts().contains(&"rest".to_owned()));
        rig.settle("app.log");
        let mut texts = rig.texts();
        texts.sort();
        assert_eq!(texts, ["1", "2", "3", "4", "half of a line", "rest"], "{pattern}");
        rig.stop();
    }
}

#[test]
fn a_file_that_is_removed_and_made_anew_is_a_new_one() {
    let mut rig = Rig::new();
    rig.append("a.log", "same\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["same"]);
    for count in 2..6 {
        fs::remove_file(rig.path("a.log")).unwrap();
        rig.append("a.log", "same\n");
        rig.expect(&vec!["same"; count]);
    }
    rig.stop();
    // and while nobody looks, with the inode that the old one had
    fs::remove_file(rig.path("a.log")).unwrap();
    rig.append("a.log", "other\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["same", "same", "same", "same", "same", "other"]);
    rig.stop();
}

#[test]
fn a_link_that_is_turned_to_another_file_is_a_rotation() {
    let mut rig = Rig::new();
    rig.append("one.txt", "one\n");
    rig.append("two.txt", "two\n");
    std::os::unix::fs::symlink(rig.path("one.txt"), rig.path("current.log")).unwrap();
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["one"]);
    rig.append("one.txt", "last of one\n");
    std::os::unix::fs::symlink(rig.path("two.txt"), rig.path("new")).unwrap();
    fs::rename(rig.path("new"), rig.path("current.log")).unwrap();
    rig.expect(&["one", "last of one", "two"]);
    rig.append("two.txt", "more\n");
    rig.expect(&["one", "last of one", "two", "more"]);
    assert!(rig.taken().iter().all(|line| line.labels.contains("current.log")));
    rig.stop();
}

#[test]
fn two_targets_that_match_a_file_both_read_it_and_keep_their_own_places() {
    let mut rig = Rig::new();
    rig.append("a.log", "one\n");
    let targets = |rig: &Rig| {
        let mut other = rig.target("a*");
        other.labels = Labels::from([("job", "other")]);
        vec![rig.target("*.log"), other]
    };
    rig.start(targets(&rig));
    rig.expect(&["one", "one"]);
    rig.stop();
    rig.append("a.log", "two\n");
    rig.start(targets(&rig));
    rig.expect(&["one", "one", "two", "two"]);
    assert_eq!(rig.taken().iter().filter(|line| line.labels.contains("other")).count(), 2);
    rig.stop();
    // labels that are changed are no reason to read again
    let mut changed = rig.target("*.log");
    changed.labels = Labels::from([("job", "changed")]);
    rig.start(vec![changed]);
    rig.append("a.log", "three\n");
    rig.expect(&["one", "one", "two", "two", "three"]);
    rig.stop();
}

/// Runs over a file, stops, rotates it, and runs again: nothing is lost, repeated or out of order.
fn check_rotated_while_stopped(name: &str, pattern: &str, rotate: impl Fn(&Rig)) {
    let mut rig = Rig::new();
    rig.append("app.log", (0..100).map(|number| format!("line {number} of the first\n")).collect::<String>());
    rig.start(vec![rig.target(pattern)]);
    rig.wait("the first", |rig| rig.texts().len() == 100);
    rig.stop();
    rig.append("app.log", "unread 1\nunread 2\n");
    rotate(&rig);
    rig.append("app.log", "new\n");
    rig.start(vec![rig.target(pattern)]);
    rig.wait(name, |rig| rig.texts().len() >= 103);
    rig.settle("app.log");
    assert_eq!(rig.texts()[100..], ["unread 1", "unread 2", "new"], "{name}");
    let names: std::collections::HashSet<String> = rig.taken().into_iter().map(|line| line.labels).collect();
    assert_eq!(names.len(), 1, "{name}: {names:?}");
    rig.stop();
    rig.start(vec![rig.target(pattern)]);
    rig.settle("app.log");
    assert_eq!(rig.texts().len(), 103, "{name}");
    rig.stop();
}

#[test]
fn a_file_that_was_rotated_while_nobody_looked_is_found_by_what_it_is() {
    let rename = |rig: &Rig| fs::rename(rig.path("app.log"), rig.path("app.log.1")).unwrap();
    let rename_away = |rig: &Rig| fs::rename(rig.path("app.log"), rig.path("old-xyz")).unwrap();
    let copy = |rig: &Rig| {
        fs::copy(rig.path("app.log"), rig.path("app.log.1")).unwrap();
        fs::write(rig.path("app.log"), "").unwrap();
    };
    let compress = |rig: &Rig| {
        fs::write(rig.path("app.log.1.gz"), gzip(&fs::read(rig.path("app.log")).unwrap())).unwrap();
        fs::remove_file(rig.path("app.log")).unwrap();
        // older ones, and one that is torn
        fs::write(rig.path("app.log.2.gz"), gzip(b"older\n")).unwrap();
        fs::write(rig.path("app.log.3.gz"), &gzip(b"torn and longer\n")[..20]).unwrap();
    };
    check_rotated_while_stopped("renamed", "app.log", rename);
    check_rotated_while_stopped("renamed, and matched", "app.log*", rename);
    check_rotated_while_stopped("renamed to something else", "app.log", rename_away);
    check_rotated_while_stopped("copied", "app.log", copy);
    check_rotated_while_stopped("copied, and matched", "app.log*", copy);
    check_rotated_while_stopped("compressed", "app.log", compress);
}

#[test]
fn lines_that_were_not_answered_for_come_again_with_the_same_times() {
    let mut rig = Rig::new();
    rig.answers = Answers::Never;
    rig.append("a.log", "one\ntwo\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["one", "two"]);
    rig.append("a.log", "three\n");
    rig.expect(&["one", "two", "three"]);
    rig.stop();
    let first = rig.taken();
    assert!(first.windows(2).all(|pair| pair[0].timestamp < pair[1].timestamp));
    rig.append("a.log", "four\n");
    for round in 0..3 {
        rig.lines.lock().unwrap().clear();
        if round == 2 {
            rig.answers = Answers::AtOnce;
        }
        rig.start(vec![rig.target("*.log")]);
        rig.expect(&["one", "two", "three", "four"]);
        rig.stop();
        let again = rig.taken();
        assert_eq!(again[..3], first[..3]);
        assert!(again[3].timestamp > again[2].timestamp);
    }
    rig.lines.lock().unwrap().clear();
    rig.start(vec![rig.target("*.log")]);
    rig.append("a.log", "five\n");
    rig.expect(&["five"]);
    rig.stop();
}

#[test]
fn a_file_that_was_taken_for_several_is_read_on_where_it_was_read_farthest() {
    let mut rig = Rig::new();
    rig.append("a.log", "one\n".repeat(300));
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["one"; 300]);
    rig.stop();
    let path = rig.folder.path().join("positions.yaml.logcafe");
    let text = fs::read_to_string(&path).unwrap();
    let record = text.lines().find(|line| line.contains("a.log")).unwrap();
    let (start, rest) = record.split_once("\"mark\":{").unwrap();
    let rest = &rest[rest.find('}').unwrap()..];
    let unread = format!("{start}\"mark\":{{\"at\":0,\"hash\":0{rest}").replace("\"place\":1200", "\"place\":0");
    assert_ne!(unread, record);
    let others = (2..12).map(|source| format!("{}\n", unread.replace("[1,", &format!("[{source},"))));
    append(&path, others.collect::<String>());
    rig.start(vec![rig.target("*.log")]);
    rig.append("a.log", "two\n");
    rig.wait("the next line", |rig| rig.texts().last().is_some_and(|line| line == "two"));
    assert_eq!(rig.texts().len(), 301);
    rig.stop();
}

#[test]
fn a_position_of_promtail_is_continued_where_it_is_within_the_file() {
    for (offset, expected) in [(4, vec!["two"]), (8, vec![]), (9, vec!["one", "two"])] {
        let mut rig = Rig::new();
        rig.append("a.log", "one\ntwo\n");
        let text = format!("positions:\n  {}: \"{offset}\"\n", rig.path("a.log").display());
        fs::write(rig.folder.path().join("positions.yaml"), text).unwrap();
        rig.start(vec![rig.target("*.log")]);
        rig.settle("a.log");
        assert_eq!(rig.texts(), expected, "{offset}");
        rig.stop();
    }
}

#[test]
fn archives_are_read_once_and_a_torn_one_is_told_by_name() {
    let mut rig = Rig::new();
    let packed = gzip(b"one\ntwo");
    fs::write(rig.path("a.gz"), &packed).unwrap();
    fs::write(rig.path("torn.gz"), &packed[..packed.len() - 3]).unwrap();
    let target = |rig: &Rig| {
        let decompression = Decompression { initial_delay: Duration::from_millis(100), format: Format::Gzip };
        Target { decompression: Some(decompression), ..rig.target("*") }
    };
    rig.start(vec![target(&rig)]);
    rig.wait("the whole one", |rig| rig.texts().ends_with(&["two".to_owned()]));
    rig.wait("the torn one is a problem", |rig| {
        let problems = rig.status.problems();
        problems.iter().any(|(path, reason)| path.ends_with("torn.gz") && reason.contains("gz"))
    });
    fs::write(rig.path("torn.gz"), gzip(b"one\ntwo\nthree\n")).unwrap();
    rig.wait("the torn one, whole", |rig| rig.texts().contains(&"three".to_owned()));
    rig.append("plain.log", "plain\n");
    rig.wait("a plain one among them", |rig| rig.texts().contains(&"plain".to_owned()));
    let count = rig.texts().len();
    rig.stop();
    rig.start(vec![target(&rig)]);
    rig.settle("plain.log");
    assert_eq!(rig.texts().len(), count);
    rig.stop();
    // without the setting they are a problem and no text
    rig.start(vec![rig.target("*.gz")]);
    rig.wait("compressed files are told", |rig| {
        rig.status.problems().iter().any(|(_, reason)| reason.contains("decompression"))
    });
    assert_eq!(rig.texts().len(), count);
    rig.stop();
}

#[test]
fn a_copy_that_is_being_made_while_the_agent_starts_is_not_read_as_new() {
    let mut rig = Rig::new();
    rig.append("app.log", "1\n2\n");
    rig.start(vec![rig.target("app.log*")]);
    rig.expect(&["1", "2"]);
    rig.stop();
    fs::copy(rig.path("app.log"), rig.path("app.log.1")).unwrap();
    rig.append("app.log-mark", "mark\n");
    rig.start(vec![rig.target("app.log*")]);
    rig.expect(&["1", "2", "mark"]);
    fs::write(rig.path("app.log"), "new\n").unwrap();
    rig.expect(&["1", "2", "mark", "new"]);
    rig.stop();
}

#[test]
fn limits_drop_cut_and_slow_down() {
    let mut rig = Rig::new();
    rig.append("a.log", "a short one\na line that is 한국\n");
    rig.limits = LineLimits { line_bytes_max: 17, too_long: TooLong::Drop, rate: None };
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["a short one"]);
    rig.settle("a.log");
    rig.expect(&["a short one"]);
    rig.stop();
    rig.append("a.log", "a line that is 한국\n");
    rig.limits.too_long = TooLong::Cut;
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["a short one", "a line that is "]);
    rig.stop();
    rig.lines.lock().unwrap().clear();
    rig.limits = LineLimits::default();
    rig.limits.rate = Some(RateLimit { lines_per_second: 20.0, burst: 5.0, beyond: Beyond::Wait });
    let begun = Instant::now();
    rig.append("a.log", "x\n".repeat(8));
    rig.start(vec![rig.target("*.log")]);
    rig.wait("the first", |rig| rig.texts().len() == 8);
    rig.append("a.log", "y\n");
    rig.wait("all of them", |rig| rig.texts().len() == 9);
    assert!(begun.elapsed() > Duration::from_millis(100));
    rig.stop();
    rig.limits.rate = Some(RateLimit { lines_per_second: 0.001, burst: 3.0, beyond: Beyond::Drop });
    rig.append("a.log", "z\n".repeat(10));
    rig.start(vec![rig.target("*.log")]);
    rig.wait("those within the rate", |rig| rig.texts().len() == 12);
    rig.stop();
    assert_eq!(rig.texts().len(), 12);
}

/// Joins lines that begin with a space to the one before, and waits long for them.
#[derive(Default)]
struct Join {
    held: HashMap<u32, (Entry, Instant)>,
}

impl Stage for Join {
    fn run(&mut self, entry: &mut Entry, now: Instant) -> Flow {
        let source = entry.place.source;
        if entry.line.starts_with(' ')
            && let Some((held, _)) = self.held.get_mut(&source)
        {
            held.line.push_str(&entry.line);
            return Flow::Hold;
        }
        match self.held.insert(source, (entry.clone(), now)) {
            Some((before, _)) => {
                *entry = before;
                Flow::Pass
            }
            None => Flow::Hold,
        }
    }

    fn due(&mut self, now: Instant, _all: bool) -> Option<Entry> {
        let is_old = |begun: &Instant| now >= *begun + Duration::from_secs(2);
        let source = self.held.iter().find(|(_, (_, begun))| is_old(begun)).map(|(source, _)| *source)?;
        self.held.remove(&source).map(|(entry, _)| entry)
    }

    fn held_since(&self, source: u32) -> Option<u64> {
        self.held.get(&source).map(|(entry, _)| entry.place.start)
    }
}

#[test]
fn lines_are_joined_over_a_restart_and_go_when_they_waited_long_enough() {
    let mut rig = Rig::new();
    rig.make_pipelines = || vec![Pipeline::new(vec![Box::new(Join::default())])];
    rig.append("a.log", "zero\nfirst\n more\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["zero"]);
    rig.stop();
    rig.append("a.log", " and more\nsecond\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["zero", "first more and more", "second"]);
    rig.wait("all of it is answered for", |rig| {
        let size = fs::metadata(rig.path("a.log")).unwrap().len();
        rig.positions.as_ref().unwrap().record(1).is_some_and(|record| record.place == size)
    });
    rig.stop();
    rig.start(vec![rig.target("*.log")]);
    rig.append("a.log", "third\n");
    rig.expect(&["zero", "first more and more", "second", "third"]);
    rig.stop();
}

#[test]
fn thousands_of_files_are_read_with_few_of_them_open() {
    let mut rig = Rig::new();
    rig.handles = 100;
    for number in 0..2000 {
        rig.append(&format!("{number}.log"), format!("first of {number}\n"));
    }
    rig.start(vec![rig.target("*.log")]);
    rig.wait("a line of each", |rig| rig.lines.lock().unwrap().len() == 2000);
    rig.append("1999.log", "second\n");
    rig.append("7.log", "second\n");
    rig.wait("those that changed", |rig| rig.lines.lock().unwrap().len() == 2002);
    assert_eq!(rig.status.sources().len(), 2000);
    rig.stop();
    rig.start(vec![rig.target("*.log")]);
    rig.append("1000.log", "third\n");
    rig.wait("nothing comes again", |rig| rig.texts().last().is_some_and(|line| line == "third"));
    assert_eq!(rig.lines.lock().unwrap().len(), 2003);
    rig.stop();
}

#[test]
fn a_file_is_read_on_when_targets_change() {
    let mut rig = Rig::new();
    rig.answers = Answers::Never;
    rig.append("a.log", "a 1\n");
    rig.append("b.log", "b 1\n");
    rig.start(vec![rig.target("a.log"), rig.target("b.log")]);
    rig.wait("both", |rig| rig.texts().len() == 2);
    // one stays, one goes and comes again, one is new
    rig.bell.set_targets(vec![rig.target("c.log"), rig.target("a.log")]);
    rig.append("c.log", "c 1\n");
    rig.append("a.log", "a 2\n");
    rig.append("b.log", "b 2\n");
    rig.wait("what came since", |rig| rig.texts().len() == 4);
    assert!(!rig.texts().contains(&"b 2".to_owned()));
    let before = rig.taken();
    rig.bell.set_targets(vec![rig.target("b.log"), rig.target("a.log")]);
    rig.wait("the rest", |rig| rig.texts().contains(&"b 2".to_owned()));
    rig.append("a.log", "a 3\n");
    rig.wait("the last", |rig| rig.texts().contains(&"a 3".to_owned()));
    let after = rig.taken();
    // what was not answered for is sent again as it was, and nothing else
    let again: Vec<&Line> = after[before.len()..].iter().filter(|line| before.contains(line)).collect();
    assert_eq!(again.iter().map(|line| line.line.as_str()).collect::<Vec<_>>(), ["b 1"]);
    assert_eq!(after.len(), 7);
    rig.stop();
}

#[test]
fn a_block_of_many_parts_is_joined_over_a_restart_and_its_parts_come_again_as_they_were() {
    let mut rig = Rig::new();
    rig.make_pipelines = || {
        let stages = "[{multiline: {firstline: '^\\d', max_lines: 3, max_wait_time: 10m}}]";
        let stages: Vec<StageConfig> = serde_saphyr::from_str(stages).unwrap();
        vec![pipeline::build(&stages, &Surroundings::default())]
    };
    rig.append("a.log", "1 first\n a\n b\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["1 first\n a\n b"]);
    rig.stop();
    rig.append("a.log", " c\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["1 first\n a\n b"; 2]);
    rig.stop();
    rig.append("a.log", " d\n2 next\n");
    rig.start(vec![rig.target("*.log")]);
    rig.expect(&["1 first\n a\n b", "1 first\n a\n b", "1 first\n a\n b", " c\n d"]);
    let lines = rig.taken();
    assert!(lines.iter().all(|line| line.timestamp == lines[0].timestamp), "{lines:?}");
    rig.stop();
}
