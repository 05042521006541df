//! A line with gaps: what the lines of a shape, or of several shapes, have in common.

use crate::logql::miner::shape::{Span, is_joint};
use crate::logql::miner::tally::Tally;
use crate::logql::miner::token::may_be_date;

/// Stands for a gap in a text. A line that has this character itself has a gap for it.
pub(super) const GAP: char = '\0';

/// Text with gaps, and how often lines like it were counted.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) text: String,
    /// One for each [`GAP`] of the text, in order.
    pub(super) gaps: Vec<Gap>,
    pub(super) tally: Tally,
    pub(super) line_count: u64,
}

/// What every line fills with a byte or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// A variable part of shapes; with its text, if all lines have the same.
    Shape(Option<Box<str>>),
    /// Texts that differ, put into one.
    Merged(Box<Filler>),
    /// The rest of a long line, or the lines behind the first.
    Rest,
}

/// What is known of the texts that fill a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filler {
    /// The bytes that may be in it.
    pub(super) bytes: ByteSet,
    /// Whether [`has_word`] may be true of it.
    pub(super) has_words: bool,
}

/// Some of the 256 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    const ALL: ByteSet = ByteSet([u64::MAX; 4]);

    /// The bytes of variable parts.
    fn of_shapes() -> ByteSet {
        let mut bytes = ByteSet::default();
        (0..=u8::MAX)
            .filter(|byte| byte.is_ascii_alphanumeric() || is_joint(*byte))
            .for_each(|byte| bytes.insert(byte));
        bytes
    }

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }
}

impl Gap {
    /// A gap for a text with gaps.
    pub(super) fn over(text: &str, gaps: &[Gap]) -> Gap {
        let mut filler = Filler { bytes: ByteSet::default(), has_words: has_word(text) };
        text.bytes().filter(|byte| *byte != GAP as u8).for_each(|byte| filler.bytes.insert(byte));
        for gap in gaps {
            let other = gap.filler();
            filler.bytes = ByteSet(std::array::from_fn(|at| filler.bytes.0[at] | other.bytes.0[at]));
            filler.has_words |= other.has_words;
        }
        Gap::Merged(Box::new(filler))
    }

    /// What may be in it.
    pub(super) fn filler(&self) -> Filler {
        match self {
            Gap::Shape(_) => Filler { bytes: ByteSet::of_shapes(), has_words: false },
            Gap::Merged(filler) => **filler,
            Gap::Rest => Filler { bytes: ByteSet::ALL, has_words: true },
        }
    }

    /// Makes this a gap for what fills either.
    fn unite(&mut self, other: &Gap) {
        match (&mut *self, other) {
            (Gap::Shape(one), Gap::Shape(other)) if one == other => {}
            (Gap::Shape(one), Gap::Shape(_)) => *one = None,
            (Gap::Rest, Gap::Rest) => {}
            (one, other) => *self = Gap::over("", &[one.clone(), other.clone()]),
        }
    }
}

/// Whether a text has a run of ASCII letters that neither variable parts of shapes nor dates ever have.
pub(super) fn has_word(text: &str) -> bool {
    let mut runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    runs.any(|run| {
        let is_letters = run.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_letters && run.bytes().any(|byte| !byte.is_ascii_hexdigit()) && !may_be_date(run)
    })
}

/// Makes gaps fit others too, of a template with the same text.
pub(super) fn unite(gaps: &mut [Gap], others: &[Gap]) {
    gaps.iter_mut().zip(others).for_each(|(gap, other)| gap.unite(other));
}

impl Template {
    /// The template of a shape: an example of its lines, with its slots; `varies` has a bit for each slot whose text
    /// is not the same in all lines.
    pub(super) fn of_shape(example: &str, slots: &[Span], varies: u64, goes_on: bool) -> Template {
        let mut template = Template { text: String::new(), gaps: Vec::new(), tally: Tally::default(), line_count: 0 };
        let mut after = 0;
        for (index, slot) in slots.iter().enumerate() {
            template.push_text(&example[after..slot.start()]);
            let constant = varies >> index & 1 == 0;
            template.push_gap(Gap::Shape(constant.then(|| Box::from(&example[slot.start()..slot.end()]))));
            after = slot.end();
        }
        template.push_text(&example[after..]);
        if goes_on {
            template.push_gap(Gap::Rest);
        }
        template
    }

    /// The template that every line has.
    pub(super) fn of_everything() -> Template {
        Template { text: GAP.to_string(), gaps: vec![Gap::Rest], tally: Tally::default(), line_count: 0 }
    }

    /// Counts what another counted too.
    pub(super) fn count_also(&mut self, tally: &Tally, line_count: u64) {
        self.tally.absorb(tally);
        self.line_count += line_count;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let contents = self.gaps.iter().map(|gap| match gap {
            Gap::Shape(constant) => constant.as_ref().map_or(0, |constant| constant.len()),
            Gap::Merged(_) => size_of::<Filler>(),
            Gap::Rest => 0,
        });
        let gaps = self.gaps.len() * size_of::<Gap>() + contents.sum::<usize>();
        size_of::<Template>() + self.text.len() + gaps + self.tally.memory_bytes()
    }

    fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
        let own_count = text.bytes().filter(|byte| *byte == GAP as u8).count();
        let mut bytes = ByteSet::default();
        bytes.insert(GAP as u8);
        let own = Gap::Merged(Box::new(Filler { bytes, has_words: false }));
        self.gaps.extend(std::iter::repeat_n(own, own_count));
    }

    fn push_gap(&mut self, gap: Gap) {
        self.text.push(GAP);
        self.gaps.push(gap);
    }
}
