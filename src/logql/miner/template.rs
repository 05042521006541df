//! A line with gaps: what the lines of a shape, or of several shapes, have in common.

use crate::logql::miner::shape::{Span, is_joint};
use crate::logql::miner::tally::Tally;

/// Text and gaps in turn, and how often lines like it were counted.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) pieces: Vec<Piece>,
    pub(super) tally: Tally,
    pub(super) line_count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Wild(Wild),
}

/// A gap that every line fills with a byte or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wild {
    /// The bytes that may be in it.
    pub(super) bytes: ByteSet,
    pub(super) origin: Origin,
}

/// How a gap came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is a variable part of shapes; with its text, if all lines have the same.
    Shape(Option<String>),
    /// Texts that differ were put into one.
    Merged,
    /// It is the rest of a long line, or the lines behind the first.
    Rest,
}

/// Some of the 256 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl Wild {
    /// A variable part of a shape.
    pub(super) fn of_shape(constant: Option<String>) -> Wild {
        let mut bytes = ByteSet::default();
        for byte in 0..=u8::MAX {
            if byte.is_ascii_alphanumeric() || is_joint(byte) {
                bytes.insert(byte);
            }
        }
        Wild { bytes, origin: Origin::Shape(constant) }
    }

    pub(super) fn merged(bytes: ByteSet) -> Wild {
        Wild { bytes, origin: Origin::Merged }
    }

    /// Makes this a gap for what fills either.
    fn unite(&mut self, other: Wild) {
        self.bytes = self.bytes.with(other.bytes);
        self.origin = match (std::mem::replace(&mut self.origin, Origin::Merged), other.origin) {
            (Origin::Shape(one), Origin::Shape(other)) => Origin::Shape(one.filter(|one| Some(one) == other.as_ref())),
            (Origin::Rest, Origin::Rest) => Origin::Rest,
            _ => Origin::Merged,
        };
    }
}

impl ByteSet {
    pub(super) const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    pub(super) fn of(text: &str) -> ByteSet {
        let mut set = ByteSet::default();
        text.bytes().for_each(|byte| set.insert(byte));
        set
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    #[must_use]
    pub(super) fn with(self, other: ByteSet) -> ByteSet {
        ByteSet(std::array::from_fn(|at| self.0[at] | other.0[at]))
    }
}

impl Piece {
    /// The bytes that may be in it.
    pub(super) fn bytes(&self) -> ByteSet {
        match self {
            Piece::Text(text) => ByteSet::of(text),
            Piece::Wild(wild) => wild.bytes,
        }
    }
}

impl Template {
    /// The template of a shape: an example of its lines, with its slots; `varies` has a bit for each slot whose text
    /// is not the same in all lines.
    pub(super) fn of_shape(example: &str, slots: &[Span], varies: u64, goes_on: bool) -> Template {
        let mut template = Template { pieces: Vec::new(), tally: Tally::default(), line_count: 0 };
        let mut after = 0;
        for (index, slot) in slots.iter().enumerate() {
            push_text(&mut template.pieces, &example[after..slot.start()]);
            let constant = varies >> index & 1 == 0;
            let constant = constant.then(|| example[slot.start()..slot.end()].to_owned());
            template.pieces.push(Piece::Wild(Wild::of_shape(constant)));
            after = slot.end();
        }
        push_text(&mut template.pieces, &example[after..]);
        if goes_on {
            template.pieces.push(Piece::Wild(Wild { bytes: ByteSet::ALL, origin: Origin::Rest }));
        }
        template
    }

    /// The template that every line has.
    pub(super) fn of_everything() -> Template {
        let pieces = vec![Piece::Wild(Wild::merged(ByteSet::ALL))];
        Template { pieces, tally: Tally::default(), line_count: 0 }
    }

    /// Counts what another counted too.
    pub(super) fn count_also(&mut self, tally: &Tally, line_count: u64) {
        self.tally.absorb(tally);
        self.line_count += line_count;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let texts = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Wild(Wild { origin: Origin::Shape(Some(constant)), .. }) => constant.len(),
            Piece::Wild(_) => 0,
        });
        size_of::<Template>()
            + self.pieces.len() * size_of::<Piece>()
            + texts.sum::<usize>()
            + self.tally.memory_bytes()
    }
}

/// Makes gaps of the first fit the second, which has the same texts.
pub(super) fn unite(pieces: &mut [Piece], others: Vec<Piece>) {
    for (piece, other) in pieces.iter_mut().zip(others) {
        if let (Piece::Wild(wild), Piece::Wild(other)) = (piece, other) {
            wild.unite(other);
        }
    }
}

/// Appends text to the text before it.
pub(super) fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}
