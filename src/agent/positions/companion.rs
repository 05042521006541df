//! The file beside Promtail's positions: what Promtail has no place for. JSON, a line each; what comes later holds.
//!
//! Promises: a kill while it is written costs the last line of it, and what that line told had not begun to be sent.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

use crate::agent::positions::record::{Record, Span};

/// Which form these lines have.
const VERSION: u32 = 1;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Version(u32),
    /// The positions files that we wrote or were about to write: one that is neither comes from another program.
    Ours(Vec<u64>),
    Source(u32, Box<Record>),
    /// A stretch of a source.
    Begun(u32, Span),
}

/// All that the file says.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Page {
    pub(crate) ours: Vec<u64>,
    pub(crate) records: BTreeMap<u32, Record>,
    /// How many lines were no use, without a last one that was cut.
    pub(crate) bad_lines: usize,
}

/// Reads the file's text.
///
/// # Errors
///
/// A later version wrote it.
pub(crate) fn read(text: &str) -> io::Result<Page> {
    let mut page = Page::default();
    for line in text.split_inclusive('\n') {
        // the last line of who was killed while writing
        let Some(line) = line.strip_suffix('\n') else { break };
        match serde_json::from_str::<Line>(line) {
            Ok(Line::Version(VERSION)) => {}
            Ok(Line::Version(other)) => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("it has version {other}, and this logcafe knows version {VERSION}"),
                ));
            }
            Ok(Line::Ours(hashes)) => page.ours = hashes,
            Ok(Line::Source(source, record)) => drop(page.records.insert(source, *record)),
            Ok(Line::Begun(source, span)) => {
                if let Some(record) = page.records.get_mut(&source) {
                    record.begun(span);
                }
            }
            Err(_) => page.bad_lines += 1,
        }
    }
    Ok(page)
}

/// The file's text.
pub(crate) fn write(page: &Page) -> String {
    let mut text = String::new();
    push(&mut text, &Line::Version(VERSION));
    push(&mut text, &Line::Ours(page.ours.clone()));
    for (source, record) in &page.records {
        push_record(&mut text, *source, record);
    }
    text
}

/// A line that a source is known by from now on.
pub(crate) fn push_record(text: &mut String, source: u32, record: &Record) {
    push(text, &Line::Source(source, Box::new(record.clone())));
}

/// A line that a stretch is known by from now on.
pub(crate) fn push_begun(text: &mut String, source: u32, span: Span) {
    push(text, &Line::Begun(source, span));
}

fn push(text: &mut String, line: &Line) {
    text.push_str(&serde_json::to_string(line).expect("names and numbers are JSON"));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use crate::agent::positions::companion::*;

    fn page() -> Page {
        let record = Record { name: "/a\n\"b\"".to_owned(), place: 7, ..Record::default() };
        Page { ours: vec![1, u64::MAX], records: BTreeMap::from([(3, record)]), bad_lines: 0 }
    }

    #[test]
    fn what_is_written_is_read_however_the_last_line_is_cut() {
        let mut text = write(&page());
        assert_eq!(read(&text).unwrap(), page());
        let whole = text.len();
        push_begun(&mut text, 3, Span(7, 20, -5));
        let mut with_span = page();
        with_span.records.get_mut(&3).unwrap().begun(Span(7, 20, -5));
        assert_eq!(read(&text).unwrap(), with_span);
        for end in whole..text.len() {
            assert_eq!(read(&text[..end]).unwrap(), page(), "{end}");
        }
    }

    #[test]
    fn a_line_that_is_no_use_is_counted_and_a_later_version_refused() {
        let text = write(&page()).replace("{\"version\":1}", "what");
        assert_eq!(read(&text).unwrap().bad_lines, 1);
        assert!(read("{\"version\":2}\n").unwrap_err().to_string().contains("version 2"));
    }
}
