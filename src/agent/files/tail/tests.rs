//! Tests of reading one file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use crate::agent::files::tail::*;
use crate::agent::positions::Options;
use crate::agent::positions::record::Record as Known;

struct Bench {
    folder: tempfile::TempDir,
    positions: Arc<Positions>,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("positions.yaml");
        let options = Options { path, sync_period: std::time::Duration::ZERO, ignore_invalid_yaml: false };
        Bench { positions: Arc::new(Positions::open(options).unwrap()), folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.log")
    }

    fn write(&self, bytes: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path()).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    fn tail_as(&self, encoding: &str, handles: usize) -> Tail {
        let node = Node::of(&fs::metadata(self.path()).unwrap());
        let identity = Identity { node, ..Identity::default() };
        let source = self.positions.begin(Known { identity, ..Known::default() });
        let encoding = EncodingName::parse(encoding).unwrap();
        Tail::new(&self.path(), source, 0, identity, encoding, &Handles::new(handles), &self.positions)
    }

    fn tail(&self) -> Tail {
        self.tail_as("", 10)
    }
}

/// All lines until there are no more, and how the reading ended.
fn read(tail: &mut Tail) -> (Vec<String>, Progress) {
    let mut lines = Vec::new();
    tail.changed();
    loop {
        let before = tail.place();
        let mut expected = None;
        let progress = tail.read(&mut |record| {
            assert!(expected.is_none_or(|end| end == record.start));
            assert!(record.end > record.start);
            expected = Some(record.end);
            lines.push(record.line.to_owned());
        });
        let progress = progress.unwrap();
        assert_eq!(tail.place(), expected.unwrap_or(before).max(tail.place()));
        if progress != Progress::More {
            return (lines, progress);
        }
        assert!(tail.place() > before);
    }
}

#[test]
fn a_line_without_its_end_waits_for_it() {
    for handles in [10, 0] {
        let bench = Bench::new();
        bench.write("one\ntw");
        let mut tail = bench.tail_as("", handles);
        assert_eq!(read(&mut tail), (vec!["one".to_owned()], Progress::Idle));
        assert_eq!(tail.place(), 4);
        bench.write("o");
        assert_eq!(read(&mut tail), (vec![], Progress::Idle));
        bench.write("\nthree");
        assert_eq!(read(&mut tail), (vec!["two".to_owned()], Progress::Idle));
        assert_eq!(read(&mut tail).0, Vec::<String>::new());
        tail.finish();
        assert_eq!(read(&mut tail), (vec!["three".to_owned()], Progress::Over));
        assert_eq!(read(&mut tail), (vec![], Progress::Over));
        assert!(!tail.is_lost());
    }
}

#[test]
fn lines_of_a_mebibyte_are_whole_and_beyond_the_bound_nothing_is_lost() {
    let bench = Bench::new();
    let long = "x".repeat(1 << 20);
    let longer = "한".repeat((2 * LINE_BYTES_MAX + 1000) / 3);
    bench.write(format!("{long}\nshort\n{longer}\nend\n"));
    let (lines, _) = read(&mut bench.tail());
    assert_eq!(lines[0], long);
    assert_eq!(lines[1], "short");
    assert_eq!(lines[2..lines.len() - 1].concat(), longer);
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[5], "end");
}

#[test]
fn a_long_line_that_comes_in_pieces_is_searched_once() {
    let bench = Bench::new();
    bench.write("");
    let mut tail = bench.tail();
    let piece = "y".repeat(70_000);
    for _ in 0..15 {
        bench.write(&piece);
        assert!(read(&mut tail).0.is_empty());
        assert_eq!(tail.searched, tail.size());
    }
    bench.write("\nnext\n");
    assert_eq!(read(&mut tail).0, [piece.repeat(15), "next".to_owned()]);
}

#[test]
fn what_was_truncated_is_lost_even_where_it_grew_past_the_place() {
    let text = "some text of a first life\n".repeat(100);
    for (name, after) in [
        ("smaller", "new\n".to_owned()),
        ("grown past the place", "other text\n".repeat(1000)),
        ("begins alike", format!("{}{}", &text[..1300], "changed\n".repeat(1000))),
    ] {
        let bench = Bench::new();
        bench.write(&text);
        let mut tail = bench.tail();
        assert_eq!(read(&mut tail).0.len(), 100);
        fs::write(bench.path(), after).unwrap();
        assert_eq!(read(&mut tail), (vec![], Progress::Over), "{name}");
        assert!(tail.is_lost(), "{name}");
    }
}

#[test]
fn what_is_copied_and_truncated_while_it_is_read_is_known_in_the_copy() {
    for (before, part) in [(0, 3), (3, 1), (100, 1), (100, 50)] {
        let bench = Bench::new();
        bench.write("line of some length\n".repeat(before));
        let mut tail = bench.tail();
        read(&mut tail);
        bench.write("last\n".repeat(part));
        tail.changed();
        let copy = bench.folder.path().join("a.log.1");
        let mut is_truncated = false;
        let progress = tail.read(&mut |_| {
            if !is_truncated {
                is_truncated = true;
                fs::copy(bench.path(), &copy).unwrap();
                fs::write(bench.path(), "another\n").unwrap();
            }
        });
        progress.unwrap();
        let is_known = tail.identity().is_content_of(&File::open(&copy).unwrap()).unwrap();
        assert!(is_known && tail.identity().is_telling(), "{before} {part}");
        assert_eq!(read(&mut tail), (vec![], Progress::Over));
        assert!(tail.is_lost());
    }
}

#[test]
fn a_file_that_is_open_is_read_on_when_it_is_renamed_and_one_that_is_not_is_lost() {
    for (handles, is_lost) in [(10, false), (0, true)] {
        let bench = Bench::new();
        bench.write("one\n");
        let mut tail = bench.tail_as("", handles);
        read(&mut tail);
        bench.write("two\n");
        fs::rename(bench.path(), bench.folder.path().join("a.log.1")).unwrap();
        fs::write(bench.path(), "new\n").unwrap();
        let (lines, _) = read(&mut tail);
        assert_eq!((lines.len(), tail.is_lost()), (usize::from(!is_lost), is_lost));
    }
}

#[test]
fn wide_text_is_read_as_it_comes_byte_for_byte() {
    let bench = Bench::new();
    bench.write("");
    let mut tail = bench.tail_as("utf-16", 10);
    let mut lines = Vec::new();
    for byte in "\u{feff}one\u{0a41}\r\n둘\nthree".encode_utf16().flat_map(u16::to_le_bytes) {
        bench.write([byte]);
        lines.extend(read(&mut tail).0);
    }
    assert_eq!(lines, ["one\u{0a41}", "둘"]);
    tail.finish();
    assert_eq!(read(&mut tail).0, ["three"]);
}

#[test]
fn the_positions_know_what_was_read() {
    let bench = Bench::new();
    bench.write("one\n");
    let mut tail = bench.tail();
    read(&mut tail);
    bench.write("two and more\n".repeat(1000));
    read(&mut tail);
    let identity = bench.positions.record(tail.source).unwrap().identity;
    assert!(identity.head.is_whole());
    assert_eq!(identity.mark.at, tail.place());
    assert!(identity.is_content_of(&File::open(bench.path()).unwrap()).unwrap());
}
