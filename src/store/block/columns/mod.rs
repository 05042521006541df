//! Texts as templates and columns: what rows have in common is stored once, what varies is stored by what it is.
//!
//! A row is a line of an entry's text (entries have several where they hold a stack trace). It is taken to pieces (`shred`):
//! static text, and variables between it. Rows with the same static text share a template; the values of slots that stand
//! behind the same word share a column, over all templates. Promises: every text comes back byte for byte; damaged bytes
//! give an error, never a panic. Never: texts that have no templates; see `Fit`.
//!
//! ```text
//! varint rows
//! rows of each entry   byte 0: one each; byte 1: numbers in planes
//! varint length of the directory, directory (packed)
//! templates of rows    numbers in planes
//! columns              one after another, each as its encoding says (`column`)
//!
//! directory:
//!   varint templates; of each: varint slots, then lengths of its pieces of text and columns of its slots in turns
//!   varint length, static text of all templates
//!   varint columns; of each: encoding, kind, mask; varint values, least and greatest length, extra, length of its section
//!   tail: values of small columns and of dictionaries
//! ```

mod classes;
mod clock;
mod column;
mod directory;
mod excerpt;
mod kind;
mod passing;
mod plan;
mod render;
mod search;
mod shred;
mod sink;
mod template;
mod values;

use crate::store::block::Codec;
use crate::store::block::bytes::put_varint;
use crate::store::block::columns::column::Entry;
use crate::store::block::columns::shred::Pieces;
use crate::store::block::columns::template::Table;

pub(crate) use classes::Marks;
pub(crate) use directory::Columns;
pub(crate) use excerpt::{ApartPlace, Excerpted};
pub(crate) use plan::NeedleMarks;
pub(crate) use sink::Sink;

/// Rows below which a text may have as many templates as it wants.
const ROWS_MIN: usize = 512;
/// A directory above the text's bytes by this is packed as small as it gets.
const DIRECTORY_SHARE: usize = 32;
/// Rows after which it is looked whether a text has templates at all: junk shall not cost the time of a whole block.
const ROWS_PER_LOOK: usize = 2048;

/// How well templates and columns fit a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Good,
    /// They may or may not be smaller than the text packed as it is.
    Fair,
    /// It has too little in common for templates.
    Poor,
}

/// A part of a block that it can be looked up by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'t> {
    /// Text that may hold words and ids.
    Text(&'t [u8]),
    /// Text whose ids are told apart from it.
    Words(&'t [u8]),
    Id(&'t [u8]),
    Uuid(&'t [u8]),
    /// There are numbers of up to so many digits, alone or at an edge of a word, which are not told one by one.
    Numbers(usize),
}

/// Makes columns of texts, one block after another, in memory that it keeps.
#[derive(Debug, Default)]
pub(crate) struct ColumnWriter {
    marks: Marks,
    pieces: Pieces,
    table: Table,
    template_of: Vec<u16>,
    rows_of: Vec<u32>,
    /// What the directory says of each column.
    entries: Vec<Entry>,
    /// Rows, and bytes of them, that got no template.
    odd_rows: usize,
}

impl ColumnWriter {
    /// Memory for the marks of a text.
    pub(crate) fn marks(&mut self) -> &mut Marks {
        &mut self.marks
    }

    /// Fills templates and columns with texts that lie one after another, each with its length and its entry's time; tells
    /// how well they fit. Where they do poorly it ends early.
    pub(crate) fn gather(&mut self, text: &[u8], lengths: &[u32], times: &[i64]) -> Fit {
        self.clear();
        self.marks.mark(text);
        let mut start = 0;
        for (length, time) in lengths.iter().zip(times) {
            let end = start + *length as usize;
            self.add_entry(text, (start, end), *time);
            start = end;
            // most of a block's templates come with its first rows
            if self.rows_of.len().is_multiple_of(ROWS_PER_LOOK) && self.fit(2 * start) == Fit::Poor {
                return Fit::Poor;
            }
        }
        self.fit(text.len())
    }

    fn clear(&mut self) {
        self.table.clear();
        self.template_of.clear();
        self.rows_of.clear();
        self.odd_rows = 0;
    }

    /// How well the rows so far fit, of a text of so many bytes.
    fn fit(&self, bytes: usize) -> Fit {
        let rows = self.template_of.len();
        let (templates, text_bytes) = (self.table.templates.len(), self.table.text_bytes());
        if rows < ROWS_MIN || (templates * 4 <= rows && self.odd_rows * 5 <= rows && text_bytes * 100 <= bytes * 15) {
            Fit::Good
        } else if templates * 2 <= rows && self.odd_rows * 5 <= rows && text_bytes * 100 <= bytes * 45 {
            Fit::Fair
        } else {
            Fit::Poor
        }
    }

    fn add_entry(&mut self, text: &[u8], (start, end): (usize, usize), time: i64) {
        let mut row_start = start;
        let mut rows = 1;
        for newline in memchr::memchr_iter(b'\n', &text[start..end]) {
            self.add_row(text, (row_start, start + newline), time);
            row_start = start + newline + 1;
            rows += 1;
        }
        self.add_row(text, (row_start, end), time);
        self.rows_of.push(rows);
    }

    fn add_row(&mut self, text: &[u8], row: (usize, usize), time: i64) {
        let splits = self.table.splits_words();
        let shredded = shred::shred(text, row, &self.marks, time, splits, &mut self.pieces);
        let Some(template) = shredded.then(|| self.table.template_of(text, &self.pieces)).flatten() else {
            return self.add_odd_row(text, row);
        };
        let Table { templates, columns, .. } = &mut self.table;
        for (slot, variable) in templates[usize::from(template)].slots.iter().zip(&self.pieces.variables) {
            let column = &mut columns[usize::from(slot.column)];
            match slot.kind.as_clock() {
                Some(_) => column.push_distance(variable.distance),
                None => column.push(text, variable.span.start as usize, variable.span.end as usize),
            }
        }
        self.template_of.push(template);
    }

    fn add_odd_row(&mut self, text: &[u8], (start, end): (usize, usize)) {
        let template = self.table.row_template();
        let column = self.table.templates[usize::from(template)].slots[0].column;
        self.table.columns[usize::from(column)].push(text, start, end);
        self.template_of.push(template);
        self.odd_rows += 1;
    }

    /// Tells all parts of the block that was encoded last.
    pub(crate) fn look_ups<'t>(&'t self, mut part: impl FnMut(Part<'t>)) {
        for template in &self.table.templates {
            let mut start = 0;
            for end in &template.ends {
                part(Part::Text(&template.text[start..*end as usize]));
                start = *end as usize;
            }
        }
        for (column, entry) in self.table.columns.iter().zip(&self.entries) {
            column.look_ups(entry, &mut part);
        }
    }

    /// The section of the texts that were gathered last, of so many bytes.
    pub(crate) fn write(&mut self, text_bytes: usize, codec: &mut Codec) -> Vec<u8> {
        let (mut body, mut tail) = (Vec::new(), Vec::new());
        codec.put_numbers(&mut body, &self.template_of.iter().map(|template| u64::from(*template)));
        let entries = self.table.columns.iter_mut().map(|column| column.encode(codec, &mut body, &mut tail));
        self.entries = entries.collect();
        let mut section = Vec::new();
        put_varint(&mut section, self.template_of.len() as u64);
        if self.template_of.len() == self.rows_of.len() {
            section.push(0);
        } else {
            section.push(1);
            codec.put_numbers(&mut section, &self.rows_of.iter().map(|rows| u64::from(*rows)));
        }
        let directory = directory::encode(&self.table.templates, &self.entries, &tail);
        put_varint(&mut section, directory.len() as u64);
        // where it is a large part of the block it is worth some time
        if directory.len() * DIRECTORY_SHARE > text_bytes {
            codec.put_small(&mut section, &directory);
        } else {
            codec.put(&mut section, &directory);
        }
        section.extend_from_slice(&body);
        section
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::store::block::Codec;
    use crate::store::block::columns::{ColumnWriter, Columns, Fit, Sink};
    use crate::store::needle::Needle;

    /// 2026-11-20T10:00:01.5Z.
    const TIME: i64 = 1_795_168_801_500_000_000;

    fn encode(lines: &[String]) -> Option<Vec<u8>> {
        let lengths: Vec<u32> = lines.iter().map(|line| line.len() as u32).collect();
        let times: Vec<i64> = (0..lines.len() as i64).map(|place| TIME + place * 1_000_000).collect();
        let (text, mut writer) = (lines.concat(), ColumnWriter::default());
        let fit = writer.gather(text.as_bytes(), &lengths, &times);
        (fit != Fit::Poor).then(|| writer.write(text.len(), &mut Codec::new()))
    }

    fn check(lines: &[String]) -> Vec<u8> {
        let section = encode(lines).expect("they are alike");
        let text: String = lines.concat();
        let times: Vec<i64> = (0..lines.len() as i64).map(|place| TIME + place * 1_000_000).collect();
        let mut codec = Codec::new();
        let columns = Columns::open(&section, lines.len(), text.len(), &mut codec).expect("it opens");
        let mut out = Sink::default();
        let ends = columns.render(0..lines.len(), &|| &times, &mut codec, &mut out).expect("it renders");
        let out = out.into_bytes();
        assert_eq!(String::from_utf8_lossy(&out), text);
        assert_eq!(ends.last().copied().unwrap_or(0) as usize, text.len());
        let some: Vec<usize> = (0..lines.len()).filter(|place| place % 3 == 1).collect();
        let wanted: String = some.iter().map(|place| lines[*place].as_str()).collect();
        let mut out = Sink::default();
        columns.render(some, &|| &times, &mut codec, &mut out).expect("it renders");
        let out = out.into_bytes();
        assert_eq!(String::from_utf8_lossy(&out), wanted);
        section
    }

    fn sample(count: u64) -> Vec<String> {
        let mut lines = Vec::new();
        for n in 0..count {
            let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            lines.push(match n % 7 {
                0 => {
                    format!("2026-11-20T10:00:0{}.{:03}Z INFO  order {n} placed in {}ms", n % 10, n % 1000, noise % 977)
                }
                1 => format!(
                    "level=info msg=\"cart updated\" trace={noise:016x} user={}",
                    ["ann", "bob", "kim"][n as usize % 3]
                ),
                2 => format!(
                    "{{\"a\":\"x\",\"id\":\"{:08x}-1234-5678-9abc-{:012x}\",\"n\":{}}}",
                    noise >> 32,
                    noise & 0xffff_ffff_ffff,
                    noise % 5
                ),
                3 => format!("java.lang.Error: no {n}\n\tat a.b.C(C.java:{})\n\tat a.b.D(D.java:7)\n", n % 50),
                4 => format!("GET /장바구니/{} 200 \"가나\" 00{:02} {:X}", n % 30, n % 100, noise),
                5 => String::new(),
                _ if n % 2 == 0 => {
                    format!("n={} min=-9223372036854775808 m={}", u64::MAX - noise % 3, 999_999_999_999_999_999 - n)
                }
                _ => format!("[20/Nov/2026:10:{:02}:{:02} +0000] x{}y z", n % 60, n % 60, n % 9),
            });
        }
        lines
    }

    #[test]
    fn texts_come_back_and_are_small() {
        let lines = sample(5000);
        let section = check(&lines);
        let zstd = zstd::bulk::compress(lines.concat().as_bytes(), 3).expect("it compresses");
        assert!(section.len() * 10 < zstd.len() * 7, "{} against {}", section.len(), zstd.len());
        check(&[]);
        check(&[String::new()]);
    }

    #[test]
    fn text_without_templates_is_declined() {
        let mut state = 1u64;
        let mut word = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (0..8).map(|place| char::from(b'a' + (state >> (8 * place + 3)) as u8 % 26)).collect::<String>()
        };
        let lines: Vec<String> = (0..2000).map(|_| format!("{} {} {}", word(), word(), word())).collect();
        assert!(encode(&lines).is_none());
    }

    #[test]
    fn damaged_sections_are_errors_and_never_panic() {
        let lines = sample(300);
        let section = check(&lines);
        let text_bytes = lines.concat().len();
        let times = vec![TIME; lines.len()];
        let mut codec = Codec::new();
        let mut state = 7u64;
        for _ in 0..3000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut damaged = section.clone();
            let at = (state >> 20) as usize % damaged.len();
            damaged[at] ^= 1 << (state >> 60 & 7);
            if state >> 40 & 3 == 0 {
                damaged.truncate(at);
            }
            if let Ok(columns) = Columns::open(&damaged, lines.len(), text_bytes, &mut codec) {
                columns.render(0..lines.len(), &|| &times, &mut codec, &mut Sink::default()).ok();
            }
        }
    }

    /// Every needle finds the entries that hold it, and no others.
    fn check_needles(lines: &[String], needles: impl IntoIterator<Item = String>) {
        let section = encode(lines).expect("they are alike");
        let times: Vec<i64> = (0..lines.len() as i64).map(|place| TIME + place * 1_000_000).collect();
        let mut codec = Codec::new();
        let columns = Columns::open(&section, lines.len(), lines.concat().len(), &mut codec).expect("it opens");
        for needle in needles {
            let ranges = [0..lines.len() / 3, lines.len() / 2..lines.len()];
            for finder in [Needle::new(&needle), Needle::in_any_case(&needle)] {
                let found = columns.find(&finder, ranges.iter().cloned(), &|| &times, &mut codec);
                let wanted = ranges.iter().cloned().flatten().filter(|place| finder.is_in(lines[*place].as_bytes()));
                assert_eq!(found.expect("it can be searched"), wanted.collect::<Vec<_>>(), "{needle:?}");
            }
        }
    }

    /// A piece of a line, with one character changed now and then.
    fn needle_of(lines: &[String], (line, from, length, change): (usize, usize, usize, Option<char>)) -> String {
        let text: Vec<char> = lines[line % lines.len()].chars().collect();
        let from = from % (text.len() + 1);
        let mut needle: Vec<char> = text[from..text.len().min(from + length)].to_vec();
        if let Some(change) = change {
            let at = (line ^ from) % needle.len().max(1);
            needle.get_mut(at).into_iter().for_each(|character| *character = change);
        }
        needle.into_iter().collect()
    }

    #[test]
    fn needles_are_found_on_columns() {
        let lines = sample(3000);
        let fixed = [
            "order 7 ",
            "order 1",
            "ms",
            "12",
            "T10:00:0",
            "2026-11-20T10",
            ".041Z INFO",
            "Java",
            "C.java:7)\n\tat",
            "\n",
            "",
            "user=kim",
            "user=k",
            "\"id\":\"",
            "가나",
            "0004",
            " 00",
            "x4y",
            "absent",
            "-1234-5678-9abc-",
            ":09 +0000] x",
        ];
        check_needles(&lines, fixed.map(str::to_owned));
    }

    fn line() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "[a-z]{1,6}",
            "[0-9]{1,21}",
            "[0-9a-f]{8,20}",
            "[0-9A-F]{5}",
            "0[0-9]{2}",
            "[A-Za-z]{1,3}[0-9]{1,4}[a-z]{0,3}",
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "k=[a-z./_-]{1,70}",
            "\"k\":\"[a-z가 ]{0,70}\"",
            "2026-11-(19|20|21)[T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9]([.,][0-9]{1,10})?[Za-c0-9]{0,2}",
            "=\"\\\\",
            "[\"=:\n]{1,3}",
            ".",
        ];
        proptest::collection::vec((word, "[ :=/,가\n]{0,2}"), 0..12)
            .prop_map(|parts| parts.into_iter().map(|(word, gap)| word + &gap).collect())
    }

    proptest! {
        #[test]
        fn any_lines_come_back(lines in proptest::collection::vec(line(), 0..30)) {
            check(&lines);
        }

        #[test]
        fn any_piece_of_a_line_is_found(
            lines in proptest::collection::vec(line(), 1..30),
            pieces in proptest::collection::vec(
                (any::<usize>(), any::<usize>(), 1usize..30, proptest::option::weighted(0.3, "[0-9a-fxT:.\" -]".prop_map(|text| text.chars().next().unwrap_or(' ')))),
                1..20),
        ) {
            check_needles(&lines, pieces.into_iter().map(|piece| needle_of(&lines, piece)));
        }
    }
}
