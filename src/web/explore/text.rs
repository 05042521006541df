//! Text of a log line on its way to the page: hits marked, what is invisible or plays tricks made visible.
//!
//! Promises: the pieces of a text that `names_all`, with the names of characters turned back into these and the escapes
//! into theirs, are the text, byte for byte. However a text is made up, its pieces are few.
//!
//! A log line is hostile. Escaping HTML is the template's part; this one takes away what would still deceive the
//! reader of escaped text: control characters, reordering of text, invisible letters. Pure.

use std::ops::Range;

use regex::Regex;

use crate::logql::ast::{LineFilter, LineOp, LineTest, LogExpr, Stage};
use crate::model::re2;
use crate::web::explore::ansi::Painted;
use crate::web::explore::links::links;

/// Marks on one text at most, so that a search for `.` does not make a page of marks.
const MARKS_MAX: usize = 100;

/// Characters of one text that are written out by name; the others stand as U+FFFD, so that binary data does not make a
/// page of names.
const NAMES_MAX: usize = 50;

/// A piece of text, to be escaped by the template; or where a part of the text begins or ends that is painted or linked.
/// Parts lie in each other and each one ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Plain(String),
    /// What was searched for.
    Hit(String),
    /// A character that has no shape or a dangerous effect; holds its name, as `U+202E`.
    Control(String),
    /// A part in classes of ours begins.
    Paint(String),
    Unpaint,
    /// A link begins; holds its address, which is also its text.
    Link(String),
    Unlink,
    /// What follows `ESC [` in a sequence that is not shown, for whoever copies the text.
    Escape(String),
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

    /// The text in pieces, with its colours and links.
    pub(crate) fn pieces(&self, text: &str) -> Vec<Piece> {
        let painted = Painted::of(text);
        self.pieces_of(&painted, 0..painted.plain.len())
    }

    /// A part of a text in pieces.
    pub(crate) fn pieces_of(&self, painted: &Painted, part: Range<usize>) -> Vec<Piece> {
        let text = &painted.plain[part.clone()];
        let moved = |range: Range<usize>| range.start + part.start..range.end + part.start;
        let hits: Vec<Range<usize>> = self.hits(text).into_iter().map(moved).collect();
        let links: Vec<Range<usize>> = links(text).into_iter().map(moved).collect();
        let mut edges: Vec<usize> = vec![part.start, part.end];
        edges.extend(hits.iter().chain(&links).flat_map(|range| [range.start, range.end]));
        edges.extend(painted.paints.iter().flat_map(|(range, _)| [range.start, range.end]));
        edges.extend(painted.escapes.iter().map(|(at, _)| *at));
        edges.retain(|edge| part.start <= *edge && *edge <= part.end);
        edges.sort_unstable();
        edges.dedup();
        let mut layers = Layers::default();
        let mut names_left = NAMES_MAX;
        let mut escapes = painted.escapes.iter().skip_while(|(at, _)| *at < part.start).peekable();
        for (index, edge) in edges.iter().enumerate() {
            let paint = find(&painted.paints, *edge, |(range, _)| range).map(|(_, classes)| classes.as_str());
            let link = find(&links, *edge, |range| range).map(|range| &painted.plain[range.clone()]);
            let end = edges.get(index + 1).copied();
            layers.change(end.and(paint), end.and(link));
            while let Some((_, sequence)) = escapes.next_if(|(at, _)| at == edge) {
                layers.pieces.push(Piece::Escape(sequence.clone()));
            }
            let piece = if find(&hits, *edge, |range| range).is_some() { Piece::Hit } else { Piece::Plain };
            reveal(&painted.plain[*edge..end.unwrap_or(*edge)], piece, &mut names_left, &mut layers.pieces);
        }
        layers.pieces
    }
}

/// The one of some ranges, in order and apart from each other, that holds a place.
fn find<T>(all: &[T], at: usize, range: impl Fn(&T) -> &Range<usize>) -> Option<&T> {
    let index = all.partition_point(|one| range(one).end <= at);
    all.get(index).filter(|one| range(one).start <= at)
}

/// Pieces with what is begun and not yet ended: a link lies in its paint.
#[derive(Default)]
struct Layers<'a> {
    pieces: Vec<Piece>,
    paint: Option<&'a str>,
    link: Option<&'a str>,
}

impl<'a> Layers<'a> {
    /// Ends what is not to go on, and begins what is new.
    fn change(&mut self, paint: Option<&'a str>, link: Option<&'a str>) {
        let is_painted_otherwise = self.paint != paint;
        // two links of one address that touch each other cannot be: something ends an address
        if self.link.is_some() && (is_painted_otherwise || self.link != link) {
            self.pieces.push(Piece::Unlink);
            self.link = None;
        }
        if is_painted_otherwise {
            self.pieces.extend(self.paint.map(|_| Piece::Unpaint));
            self.pieces.extend(paint.map(|classes| Piece::Paint(classes.to_owned())));
            self.paint = paint;
        }
        if self.link.is_none() {
            self.pieces.extend(link.map(|address| Piece::Link(address.to_owned())));
            self.link = link;
        }
    }
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
    let mut names_left = NAMES_MAX;
    reveal(text, Piece::Plain, &mut names_left, &mut pieces);
    pieces
}

/// Whether every character of a text that is to be written out by name is.
pub(crate) fn names_all(text: &str) -> bool {
    text.chars().filter(|c| is_tricky(*c)).nth(NAMES_MAX).is_none()
}

fn reveal(text: &str, piece: fn(String) -> Piece, names_left: &mut usize, pieces: &mut Vec<Piece>) {
    let mut start = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_tricky(*c)).take(*names_left) {
        *names_left -= 1;
        if start < at {
            pieces.push(piece(text[start..at].to_owned()));
        }
        pieces.push(Piece::Control(format!("U+{:04X}", u32::from(c))));
        start = at + c.len_utf8();
    }
    if start < text.len() {
        pieces.push(piece(text[start..].replace(is_tricky, "\u{fffd}")));
    }
}

/// Whether a character has no shape of its own, or changes the order or place of others.
pub(crate) fn is_tricky(c: char) -> bool {
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
    use proptest::prelude::*;

    use crate::logql::ast::{LineFilter, LineOp, LineTest, LogExpr, Stage};
    use crate::web::explore::text::{MARKS_MAX, Marker, NAMES_MAX, Piece, head, names_all, revealed};

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
            Piece::Paint(classes) => format!("({classes}:"),
            Piece::Unpaint => ")".to_owned(),
            Piece::Link(_) => "{".to_owned(),
            Piece::Unlink => "}".to_owned(),
            Piece::Escape(_) => String::new(),
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
    fn binary_data_makes_few_pieces() {
        let none = Marker::default();
        let binary = "\u{1}a".repeat(5000);
        let pieces = none.pieces(&binary);
        let names = pieces.iter().filter(|piece| matches!(piece, Piece::Control(_))).count();
        assert_eq!((names, pieces.len()), (NAMES_MAX, 2 * NAMES_MAX));
        assert_eq!(pieces.last(), Some(&Piece::Plain(format!("a{}", "\u{fffd}a".repeat(5000 - NAMES_MAX)))));
        assert!(!names_all(&binary) && names_all(&binary[..2 * NAMES_MAX]));
        assert_eq!(revealed(&binary).len(), pieces.len());
        let marked = marker(&[(LineOp::Contains, "a")]).pieces(&binary);
        assert!(marked.len() <= 2 * (NAMES_MAX + MARKS_MAX), "over all parts of a text: {}", marked.len());
    }

    #[test]
    fn hits_lie_in_links_and_links_in_colours() {
        let marker = marker(&[(LineOp::Contains, "d https://a.ex"), (LineOp::Contains, "z")]);
        assert_eq!(
            shown(&marker, "\x1b[31mred https://a.example/\x1b[1mz\x1b[0m, z"),
            "(f1:re[d ]{[https://a.ex]ample/})(f1 ab:{[z]}), [z]"
        );
        assert_eq!(shown(&marker, "\x1b[2J\x1b["), "<U+001B>[2J<U+001B>[");
    }

    proptest! {
        #[test]
        fn the_pieces_of_a_text_give_it_back(text in "([a-z ]|\u{1b}\\[[0-9;]{0,4}[mKJ]|https?://|\n|\u{202e}|\u{0}|한|\\.){0,40}") {
            let marker = marker(&[(LineOp::Matches, "[a-c]+"), (LineOp::Contains, ".")]);
            let mut back = String::new();
            let mut depth = 0;
            for piece in marker.pieces(&text) {
                match piece {
                    Piece::Plain(text) | Piece::Hit(text) => back.push_str(&text),
                    Piece::Control(name) => back.push(char::from_u32(u32::from_str_radix(&name[2..], 16).unwrap()).unwrap()),
                    Piece::Escape(sequence) => back.push_str(&format!("\u{1b}[{sequence}")),
                    Piece::Paint(_) | Piece::Link(_) => depth += 1,
                    Piece::Unpaint | Piece::Unlink => depth -= 1,
                }
                prop_assert!((0..=2).contains(&depth));
            }
            prop_assert_eq!(depth, 0);
            prop_assert_eq!(back, text);
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(head("한국", 4), "한");
        assert_eq!(head("ab", 9), "ab");
    }
}
