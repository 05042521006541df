//! The text of a template as a pattern of `|>`, such that it matches every line that the template was counted for.
//!
//! `|>` takes each literal where it finds it first, behind the one before, and wants a byte or more between them; the
//! last literal must end the line. So that this finds a line's literals where they are, none may be found earlier, within
//! what fills the gap before it. It cannot where it has a byte that the gap never holds. Where that is not so, the
//! literal goes into the gap.

use crate::logql::miner::shape::is_joint;
use crate::logql::miner::template::{GAP, Gap, Template, has_word};

/// Lines that must agree in a number before it is taken for a part of what they say, as in `ssh2`.
const CONSTANT_LINES_MIN: u64 = 5;
/// The longest such number that is shown.
const CONSTANT_BYTES_MAX: usize = 12;

/// A text, or what stands between two texts.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Gap(Gap),
}

/// The pattern of a template.
pub(super) fn render(template: &Template) -> String {
    let pieces = settle(pieces_of(template));
    let has_evidence = template.line_count >= CONSTANT_LINES_MIN;
    let shown = (0..pieces.len()).map(|at| match &pieces[at] {
        Piece::Gap(Gap::Shape(Some(constant))) if has_evidence && is_telling(constant, &pieces, at) => {
            Piece::Text(constant.to_string())
        }
        piece => piece.clone(),
    });
    let mut split = Vec::new();
    for piece in joined(shown) {
        match piece {
            Piece::Text(text) => split_captures(&text, &mut split),
            Piece::Gap(_) => split.push(piece),
        }
    }
    let text = |piece: Piece| match piece {
        Piece::Text(text) => text,
        Piece::Gap(_) => "<_>".to_owned(),
    };
    settle(split).into_iter().map(text).collect()
}

fn pieces_of(template: &Template) -> Vec<Piece> {
    let mut gaps = template.gaps.iter().cloned().map(Piece::Gap);
    let mut pieces = Vec::new();
    for (number, text) in template.text.split(GAP).enumerate() {
        if number > 0 {
            pieces.extend(gaps.next());
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
    }
    pieces
}

/// Whether a constant is worth showing: a number or a name with one, and no date, time or address, which are constant in
/// a short range only.
fn is_telling(constant: &str, pieces: &[Piece], at: usize) -> bool {
    let piece = |at: Option<usize>| at.and_then(|at| pieces.get(at));
    let is_space = |at| matches!(piece(at), Some(Piece::Text(text)) if text.trim().is_empty());
    let is_gap = |at| matches!(piece(at), Some(Piece::Gap(_)));
    let may_be_date =
        is_space(at.checked_sub(1)) && is_gap(at.checked_sub(2)) || is_space(Some(at + 1)) && is_gap(Some(at + 2));
    let has_letters = constant.bytes().any(|byte| byte.is_ascii_alphabetic());
    let joint_count = constant.bytes().filter(|byte| is_joint(*byte)).count();
    joint_count < 2 && constant.len() <= CONSTANT_BYTES_MAX && (has_letters || !may_be_date)
}

/// Puts texts that follow each other into one.
fn joined(pieces: impl IntoIterator<Item = Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

/// Makes one gap of gaps that follow each other, and of a gap and a literal that could be found within it.
fn settle(pieces: Vec<Piece>) -> Vec<Piece> {
    let pieces = joined(pieces);
    let count = pieces.len();
    let mut settled: Vec<Piece> = Vec::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        match (settled.last_mut(), piece) {
            (Some(Piece::Gap(before)), Piece::Gap(gap)) => *before = Gap::over("", &[before.clone(), gap]),
            (Some(Piece::Gap(before)), Piece::Text(text)) if !before.ends_before(&text, index + 1 == count) => {
                *before = Gap::over(&text, std::slice::from_ref(before));
            }
            (_, piece) => settled.push(piece),
        }
    }
    settled
}

impl Gap {
    /// Whether a literal behind the gap is never found within what fills it, or partly so.
    fn ends_before(&self, literal: &str, is_last: bool) -> bool {
        let filler = self.filler();
        // Found partly within the gap, it would have to go on with its own beginning: what the gap never holds would be
        // at two places of it, and the first of these has none before it.
        literal.bytes().any(|byte| !filler.bytes.has(byte))
            || !filler.has_words && !literal.starts_with(|c: char| c.is_ascii_alphanumeric()) && has_inner_word(literal)
            // shapes see to the end of a line themselves
            || matches!(self, Gap::Shape(_)) && is_last
    }
}

/// Whether a literal has a word that does not reach its ends.
fn has_inner_word(literal: &str) -> bool {
    let is_run = |c: char| c.is_ascii_alphanumeric();
    let inner = literal.trim_matches(is_run);
    has_word(inner)
}

/// Makes gaps of what would be read as captures, as the `<u8>` of `Vec<u8>`.
fn split_captures(text: &str, pieces: &mut Vec<Piece>) {
    let (mut after, mut from) = (0, 0);
    while let Some(at) = text[from..].find('<') {
        let start = from + at;
        let name = text[start + 1..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let end = start + 1 + name;
        let begins = text[start + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        from = start + 1;
        if begins && text[end..].starts_with('>') {
            if after < start {
                pieces.push(Piece::Text(text[after..start].to_owned()));
            }
            pieces.push(Piece::Gap(Gap::over(&text[start..=end], &[])));
            (after, from) = (end + 1, end + 1);
        }
    }
    if after < text.len() {
        pieces.push(Piece::Text(text[after..].to_owned()));
    }
}
