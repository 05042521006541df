//! Text of a log line on its way to the page: hits marked, what is invisible or plays tricks made visible.
//!
//! A log line is hostile. Escaping HTML is the template's part; this one takes away what would still deceive the
//! reader of escaped text: control characters, reordering of text, invisible letters. Pure.

use std::ops::Range;

use regex::Regex;

use crate::logql::ast::{LineFilter, LineOp, LineTest, LogExpr, Stage};
use crate::model::re2;

/// Marks on one text at most, so that a search for `.` does not make a page of marks.
const MARKS_MAX: usize = 100;

/// A piece of text, to be escaped by the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Plain(String),
    /// What was searched for.
    Hit(String),
    /// A character that has no shape or a dangerous effect; holds its name, as `U+202E`.
    Control(String),
}

/// What is searched for, and so marked.
#[derive(Debug, Default)]
pub(crate) struct Marker {
    regexes: Vec<Regex>,
}

impl Marker {
    /// Marks what the line filters of the query look for. Patterns that do not compile mark nothing.
    pub(crate) fn of(expr: &LogExpr) -> Marker {
        let mut regexes = Vec::new();
        for stage in &expr.stages {
            let Stage::Line(LineFilter { op, alternatives }) = stage else { continue };
            for test in alternatives {
                let LineTest::Text(text) = test else { continue };
                let pattern = match op {
                    LineOp::Contains => regex::escape(text),
                    LineOp::Matches => text.clone(),
                    LineOp::NotContains | LineOp::NotMatches | LineOp::Pattern | LineOp::NotPattern => continue,
                };
                if !text.is_empty() {
                    regexes.extend(re2::compile(&pattern));
                }
            }
        }
        Marker { regexes }
    }

    /// Where the hits are, in order and apart from each other.
    fn hits(&self, text: &str) -> Vec<Range<usize>> {
        let found = self.regexes.iter().flat_map(|regex| regex.find_iter(text).map(|found| found.range()));
        let mut hits: Vec<Range<usize>> = found.filter(|hit| !hit.is_empty()).take(MARKS_MAX).collect();
        hits.sort_by_key(|hit| (hit.start, hit.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(hits.len());
        for hit in hits {
            match apart.last_mut() {
                Some(last) if hit.start <= last.end => last.end = last.end.max(hit.end),
                _ => apart.push(hit),
            }
        }
        apart
    }

    /// Where the first hit begins.
    pub(crate) fn first_hit(&self, text: &str) -> Option<usize> {
        self.regexes.iter().filter_map(|regex| regex.find(text)).map(|hit| hit.start()).min()
    }

    /// The text in pieces.
    pub(crate) fn pieces(&self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut done = 0;
        for hit in self.hits(text) {
            reveal(&text[done..hit.start], Piece::Plain, &mut pieces);
            reveal(&text[hit.clone()], Piece::Hit, &mut pieces);
            done = hit.end;
        }
        reveal(&text[done..], Piece::Plain, &mut pieces);
        pieces
    }
}

/// The text without the escape sequences that colour a terminal.
pub(crate) fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("\x1b[") {
        plain.push_str(&rest[..start]);
        let parameters = &rest[start + 2..];
        let length = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
        if parameters.as_bytes().get(length) == Some(&b'm') {
            rest = &parameters[length + 1..];
        } else {
            plain.push_str("\x1b[");
            rest = parameters;
        }
    }
    plain.push_str(rest);
    plain
}

/// The text up to about `bytes_max`, cut between characters.
pub(crate) fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A short text with what is invisible or plays tricks written out, for label values.
pub(crate) fn revealed(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    reveal(text, Piece::Plain, &mut pieces);
    pieces
}

fn reveal(text: &str, piece: fn(String) -> Piece, pieces: &mut Vec<Piece>) {
    let mut start = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_tricky(*c)) {
        if start < at {
            pieces.push(piece(text[start..at].to_owned()));
        }
        pieces.push(Piece::Control(format!("U+{:04X}", u32::from(c))));
        start = at + c.len_utf8();
    }
    if start < text.len() {
        pieces.push(piece(text[start..].to_owned()));
    }
}

/// Whether a character has no shape of its own, or changes the order or place of others.
fn is_tricky(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // joiners that scripts and emoji need
        '\u{200c}' | '\u{200d}' => false,
        // soft hyphen, Arabic letter mark, Hangul fillers, Mongolian vowel separator
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}' => true,
        // zero width space, marks and overrides of direction, line and paragraph separators
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        c => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{LineFilter, LineOp, LineTest, LogExpr, Stage};
    use crate::web::explore::text::{Marker, Piece, head, without_colours};

    fn marker(filters: &[(LineOp, &str)]) -> Marker {
        let stage = |(op, text): &(LineOp, &str)| {
            Stage::Line(LineFilter { op: *op, alternatives: vec![LineTest::Text((*text).to_owned())] })
        };
        Marker::of(&LogExpr { selector: vec![], stages: filters.iter().map(stage).collect() })
    }

    fn shown(marker: &Marker, text: &str) -> String {
        let show = |piece: Piece| match piece {
            Piece::Plain(text) => text,
            Piece::Hit(text) => format!("[{text}]"),
            Piece::Control(name) => format!("<{name}>"),
        };
        marker.pieces(text).into_iter().map(show).collect()
    }

    #[test]
    fn hits_of_all_filters_are_marked_once() {
        let marker = marker(&[
            (LineOp::Contains, "time"),
            (LineOp::Matches, "(?i)timeout|\\d+"),
            (LineOp::NotContains, "after"),
            (LineOp::Matches, "("),
            (LineOp::Contains, ""),
        ]);
        assert_eq!(shown(&marker, "a timeout after 30 s, TIMEOUT"), "a [timeout] after [30] s, [TIMEOUT]");
        assert_eq!(marker.first_hit("ab 7 time"), Some(3));
        assert_eq!(shown(&marker, "한국어 7번"), "한국어 [7]번");
    }

    #[test]
    fn a_text_is_found_as_it_stands() {
        assert_eq!(shown(&marker(&[(LineOp::Contains, "a.b(")]), "axb( a.b("), "axb( [a.b(]");
    }

    #[test]
    fn a_search_for_everything_stops_marking() {
        let marks = marker(&[(LineOp::Matches, ".")]).pieces(&"x y ".repeat(500));
        assert!(marks.len() <= 3, "{}", marks.len());
    }

    #[test]
    fn what_is_invisible_or_reorders_is_written_out() {
        let none = Marker::default();
        assert_eq!(shown(&none, "user\u{202e}txt.exe\u{7}\r\n\tb"), "user<U+202E>txt.exe<U+0007><U+000D>\n\tb");
        assert_eq!(shown(&none, "a\u{200b}b\u{feff}\u{85}"), "a<U+200B>b<U+FEFF><U+0085>");
        assert_eq!(shown(&none, "👩\u{200d}💻 é"), "👩\u{200d}💻 é");
        assert_eq!(shown(&marker(&[(LineOp::Contains, "b\u{7}c")]), "ab\u{7}cd"), "a[b]<U+0007>[c]d");
    }

    #[test]
    fn colours_go_and_other_escapes_stay() {
        assert_eq!(without_colours("\x1b[31;1mred\x1b[0m \x1b[2J \x1b["), "red \x1b[2J \x1b[");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(head("한국", 4), "한");
        assert_eq!(head("ab", 9), "ab");
    }
}
