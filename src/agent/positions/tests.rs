//! Tests of positions over runs of the agent.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::agent::outlet::{Ledger, Stretch};
use crate::agent::positions::record::Record;
use crate::agent::positions::*;
use crate::model::Timestamp;

fn options(folder: &Path) -> Options {
    Options { path: folder.join("positions.yaml"), sync_period: Duration::ZERO, ignore_invalid_yaml: false }
}

fn open(folder: &Path) -> Positions {
    Positions::open(options(folder)).unwrap()
}

fn yaml_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("positions.yaml")).unwrap()
}

fn file_record(path: &str) -> Record {
    Record { reader: "job".to_owned(), name: path.to_owned(), path: Some(path.to_owned()), ..Record::default() }
}

fn stretch(source: u32, start: u64, end: u64, first: i64) -> Stretch {
    Stretch { source, start, end, first: Timestamp::from_nanos(first) }
}

/// The time that the line got which begins at a place, where it was sent and not answered for.
fn timestamp_of(positions: &Positions, source: u32, place: u64) -> Option<Timestamp> {
    let stretch = positions.stretch_at(source, place)?;
    Some(stretch.first.plus_nanos(i64::try_from(place - stretch.start).unwrap()))
}

#[test]
fn positions_of_promtail_are_continued_and_kept_verbatim() {
    let folder = tempfile::tempdir().unwrap();
    let text = "positions:\n  /var/log/a.log: \"123\"\n  \"cursor-zone\": \"x:y\"\n  \"journal-main\": \"s=ab;i=1f\"\n";
    fs::write(folder.path().join("positions.yaml"), text).unwrap();
    let positions = open(folder.path());
    assert_eq!(positions.take_offset("/var/log/a.log"), Some(123));
    assert_eq!(positions.text("journal-main").as_deref(), Some("s=ab;i=1f"));
    let source = positions.begin(file_record("/var/log/a.log"));
    positions.set_place(source, 123);
    positions.answered(source, 200);
    positions.write().unwrap();
    assert!(
        yaml_of(folder.path()).contains("/var/log/a.log: \"200\"\n  \"cursor-zone\": \"x:y\""),
        "{}",
        yaml_of(folder.path())
    );
    assert!(yaml_of(folder.path()).contains("s=ab;i=1f"));
}

#[test]
fn only_what_was_answered_for_is_written_and_the_rest_keeps_its_times_over_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let positions = open(folder.path());
    let source = positions.begin(file_record("/a"));
    positions.begun(&[stretch(source, 0, 100, 1000), stretch(source, 100, 250, 5000)]);
    // dropped without a goodbye
    drop(positions);
    let positions = open(folder.path());
    let (source, record) = positions.remembered().remove(0);
    assert_eq!((record.place, record.path.as_deref()), (0, Some("/a")));
    positions.take_up(source, Some("/a"));
    assert_eq!(timestamp_of(&positions, source, 7), Some(Timestamp::from_nanos(1007)));
    assert_eq!(timestamp_of(&positions, source, 100), Some(Timestamp::from_nanos(5000)));
    assert_eq!(timestamp_of(&positions, source, 250), None);
    positions.answered(source, 120);
    assert_eq!(timestamp_of(&positions, source, 7), None);
    assert_eq!(timestamp_of(&positions, source, 130), Some(Timestamp::from_nanos(5030)));
    positions.write().unwrap();
    assert_eq!(yaml_of(folder.path()), "positions:\n  /a: \"120\"\n");
    drop(positions);
    let record = open(folder.path()).remembered().remove(0).1;
    assert_eq!((record.place, record.stretches.len()), (120, 1));
}

#[test]
fn a_file_that_ended_is_done_when_all_of_it_was_answered_for() {
    let folder = tempfile::tempdir().unwrap();
    let positions = open(folder.path());
    let source = positions.begin(file_record("/a"));
    positions.begun(&[stretch(source, 0, 100, 1000)]);
    positions.ended(source, 90);
    assert!(!positions.record(source).unwrap().is_done());
    positions.answered(source, 90);
    assert!(positions.record(source).unwrap().is_done());
    assert_eq!(timestamp_of(&positions, source, 95), None);
}

#[test]
fn what_promtail_wrote_after_us_counts_and_what_we_wrote_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let positions = open(folder.path());
    let source = positions.begin(file_record("/a"));
    positions.answered(source, 10);
    positions.write().unwrap();
    drop(positions);
    let positions = open(folder.path());
    assert_eq!(positions.take_offset("/a"), None);
    drop(positions);
    fs::write(folder.path().join("positions.yaml"), "positions:\n  /a: \"70\"\n").unwrap();
    let positions = open(folder.path());
    positions.write().unwrap();
    assert_eq!(positions.take_offset("/a"), Some(70));
    assert_eq!(positions.take_offset("/a"), None);
}

#[test]
fn a_path_that_two_read_has_the_first_place() {
    let folder = tempfile::tempdir().unwrap();
    let positions = open(folder.path());
    let first = positions.begin(file_record("/a"));
    let second = positions.begin(file_record("/a"));
    positions.answered(first, 50);
    positions.answered(second, 20);
    positions.write().unwrap();
    assert_eq!(yaml_of(folder.path()), "positions:\n  /a: \"20\"\n");
}

#[test]
fn sources_that_are_no_files_have_names_and_do_not_stand_in_promtails_file() {
    let folder = tempfile::tempdir().unwrap();
    let positions = open(folder.path());
    let (source, place) = positions.named("spool:syslog");
    assert_eq!(place, 0);
    positions.answered(source, 77);
    positions.write().unwrap();
    drop(positions);
    assert_eq!(yaml_of(folder.path()), "positions: {}\n");
    assert_eq!(open(folder.path()).named("spool:syslog").1, 77);
}

#[test]
fn positions_that_are_not_valid_are_refused_or_ignored_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("positions.yaml"), "positions: [").unwrap();
    let error = Positions::open(options(folder.path())).unwrap_err().to_string();
    assert!(error.contains("positions.yaml") && error.contains("ignore_invalid_yaml"), "{error}");
    let lenient = Options { ignore_invalid_yaml: true, ..options(folder.path()) };
    let positions = Positions::open(lenient).unwrap();
    assert_eq!(positions.take_offset("/a"), None);
    assert_eq!(yaml_of(folder.path()), "positions: {}\n");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_at_the_start_and_a_warning_later() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    let error = Positions::open(options(&gone)).unwrap_err().to_string();
    assert!(error.contains("cannot write positions to") && error.contains("positions.filename"), "{error}");
    fs::create_dir(&gone).unwrap();
    let positions = open(&gone);
    let source = positions.begin(file_record("/a"));
    fs::remove_dir_all(&gone).unwrap();
    positions.answered(source, 5);
    positions.sync(Instant::now());
    assert!(positions.lock().problem_said.is_some());
    positions.begun(&[stretch(source, 5, 10, 1)]);
    assert_eq!(timestamp_of(&positions, source, 6), Some(Timestamp::from_nanos(2)));
    fs::create_dir(&gone).unwrap();
    positions.sync(Instant::now());
    assert_eq!(yaml_of(&gone), "positions:\n  /a: \"5\"\n");
}

#[test]
fn positions_are_written_once_a_period() {
    let folder = tempfile::tempdir().unwrap();
    let period = Duration::from_secs(10);
    let positions = Positions::open(Options { sync_period: period, ..options(folder.path()) }).unwrap();
    let source = positions.begin(file_record("/a"));
    positions.answered(source, 5);
    let now = Instant::now();
    positions.sync(now);
    assert_eq!(yaml_of(folder.path()), "positions: {}\n");
    positions.sync(now + period);
    assert_eq!(yaml_of(folder.path()), "positions:\n  /a: \"5\"\n");
}

/// Reads a source from its start, and tells what it got.
fn begin_while_writing(positions: &Arc<Positions>, source: u32) {
    let other = Arc::downgrade(positions);
    positions.sync_first(move || {
        // who reads and who sends do not wait for the disk
        let positions = other.upgrade().unwrap();
        positions.begun(&[stretch(source, 0, 100, 7)]);
        positions.set_text("journal-main", "s=2");
    });
}

#[test]
fn what_begins_while_positions_are_written_is_remembered_by_who_comes_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let positions = Arc::new(open(folder.path()));
    let source = positions.begin(file_record("/a.log"));
    positions.set_text("journal-main", "s=1");
    begin_while_writing(&positions, source);
    positions.write().unwrap();
    assert!(yaml_of(folder.path()).contains("s=1"), "a cursor waits until what it tells of is on the disk");
    drop(positions);
    let positions = open(folder.path());
    assert_eq!(timestamp_of(&positions, 1, 40), Some(Timestamp::from_nanos(47)));
}

#[test]
fn positions_that_cannot_be_written_cost_nothing_that_was_known() {
    let folder = tempfile::tempdir().unwrap();
    let positions = Arc::new(open(folder.path()));
    let source = positions.begin(file_record("/a.log"));
    begin_while_writing(&positions, source);
    let in_the_way = folder.path().join("positions.yaml.logcafe.new");
    fs::create_dir(&in_the_way).unwrap();
    positions.write().unwrap_err();
    let after_a_kill = companion::read(&fs::read_to_string(folder.path().join("positions.yaml.logcafe")).unwrap());
    assert_eq!(after_a_kill.unwrap().records[&source].stretches.len(), 1);
    fs::remove_dir(&in_the_way).unwrap();
    positions.sync(Instant::now());
    assert!(yaml_of(folder.path()).contains("s=2"), "it is tried again by itself");
}

#[test]
fn a_source_is_remembered_from_its_beginning_whenever_the_kill_comes() {
    let folder = tempfile::tempdir().unwrap();
    let positions = open(folder.path());
    positions.begin(file_record("/a.log"));
    let after_a_kill = companion::read(&fs::read_to_string(folder.path().join("positions.yaml.logcafe")).unwrap());
    assert_eq!(after_a_kill.unwrap().records[&1], file_record("/a.log"));
}
