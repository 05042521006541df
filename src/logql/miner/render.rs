//! The text of a template as a pattern of `|>`, such that it matches every line that the template was counted for.
//!
//! `|>` takes each literal where it finds it first, behind the one before, and wants a byte or more between them; the
//! last literal must end the line. So that this finds a line's literals where they are, none may be found earlier, within
//! what fills the gap before it. It cannot where it has a byte that the gap never holds. Where that is not so, the
//! literal goes into the gap.

use crate::logql::miner::shape::is_joint;
use crate::logql::miner::template::{ByteSet, Origin, Piece, Template, Wild};

/// Lines that must agree in a number before it is taken for a part of what they say, as in `ssh2`.
const CONSTANT_LINES_MIN: u64 = 5;

/// The pattern of a template.
pub(super) fn render(template: &Template) -> String {
    let pieces = settle(template.pieces.clone());
    let has_evidence = template.line_count >= CONSTANT_LINES_MIN;
    let shown = (0..pieces.len()).map(|at| match &pieces[at] {
        Piece::Wild(Wild { origin: Origin::Shape(Some(constant)), .. })
            if has_evidence && is_telling(constant, &pieces, at) =>
        {
            Piece::Text(constant.clone())
        }
        piece => piece.clone(),
    });
    let mut split = Vec::new();
    for piece in joined(shown) {
        match piece {
            Piece::Text(text) => split_captures(&text, &mut split),
            Piece::Wild(_) => split.push(piece),
        }
    }
    let text = |piece: Piece| match piece {
        Piece::Text(text) => text,
        Piece::Wild(_) => "<_>".to_owned(),
    };
    settle(split).into_iter().map(text).collect()
}

/// Whether a constant is worth showing: a number or a name with one, and no date, time or address, which are constant in
/// a short range only.
fn is_telling(constant: &str, pieces: &[Piece], at: usize) -> bool {
    let is_space = |at: Option<usize>| matches!(at.and_then(|at| pieces.get(at)), Some(Piece::Text(text)) if text.trim().is_empty());
    let is_wild = |at: Option<usize>| matches!(at.and_then(|at| pieces.get(at)), Some(Piece::Wild(_)));
    let is_part_of_date =
        is_space(at.checked_sub(1)) && is_wild(at.checked_sub(2)) || is_space(Some(at + 1)) && is_wild(Some(at + 2));
    let has_letters = constant.bytes().any(|byte| byte.is_ascii_alphabetic());
    let joint_count = constant.bytes().filter(|byte| is_joint(*byte)).count();
    joint_count < 2 && constant.len() <= 12 && (has_letters || !is_part_of_date)
}

/// Puts texts that follow each other into one.
fn joined(pieces: impl Iterator<Item = Piece>) -> Vec<Piece> {
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
    let pieces = joined(pieces.into_iter());
    let count = pieces.len();
    let mut settled: Vec<Piece> = Vec::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        match (settled.last_mut(), piece) {
            (Some(Piece::Wild(before)), Piece::Wild(wild)) => *before = Wild::merged(before.bytes.with(wild.bytes)),
            (Some(Piece::Wild(before)), Piece::Text(text)) if !before.ends_before(&text, index + 1 == count) => {
                *before = Wild::merged(before.bytes.with(ByteSet::of(&text)));
            }
            (_, piece) => settled.push(piece),
        }
    }
    settled
}

impl Wild {
    /// Whether a literal behind the gap is never found within what fills it.
    fn ends_before(&self, literal: &str, is_last: bool) -> bool {
        // found partly within the gap, it would have to go on with its own beginning; but the first byte that the gap
        // never holds would then be at two places of it
        literal.bytes().any(|byte| !self.bytes.has(byte))
            // shapes see to the end of a line themselves
            || matches!(self.origin, Origin::Shape(_)) && (is_last || has_plain_run(literal))
    }
}

/// Whether a literal has a whole run of letters and digits that variable parts of shapes never have.
fn has_plain_run(literal: &str) -> bool {
    let runs: Vec<&str> = literal.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let inner = runs.get(1..runs.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().any(|run| {
        run.bytes().all(|byte| byte.is_ascii_alphabetic()) && run.bytes().any(|byte| !byte.is_ascii_hexdigit())
    })
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
            pieces.push(Piece::Wild(Wild::merged(ByteSet::of(&text[start..=end]))));
            (after, from) = (end + 1, end + 1);
        }
    }
    if after < text.len() {
        pieces.push(Piece::Text(text[after..].to_owned()));
    }
}
