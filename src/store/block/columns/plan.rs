//! What a needle asks of a template: where it may lie, and what the values in its slots must be for that.

use crate::store::block::columns::clock::Style;
use crate::store::block::columns::directory::{Columns, OpenTemplate};
use crate::store::block::columns::kind::Kind;

/// Ways to lie in a template that are told apart; where there are more, the row is rendered and searched.
const WAYS_MAX: usize = 32;

/// How a part of the needle must lie in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Relation {
    Equal,
    StartsWith,
    EndsWith,
    Contains,
}

/// What the value of one slot must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) slot: usize,
    pub(crate) relation: Relation,
    /// The part of the needle.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Which rows of a template hold the needle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Never,
    Always,
    /// Those that pass all tests of one of the ways.
    Where(Vec<Vec<Test>>),
    /// It cannot be told from values.
    Render,
}

/// A way that cannot be told from values: it leads through a clock.
struct ThroughClock;

/// Tells for a template which of its rows hold the needle, which is not empty and has no newline. `in_text` is whether one
/// of its pieces of text holds it.
pub(crate) fn plan(columns: &Columns, template: &OpenTemplate, needle: &[u8], in_text: bool) -> Verdict {
    if in_text {
        return Verdict::Always;
    }
    let walk = Walk { columns, template, needle };
    match walk.ways() {
        Err(ThroughClock) => Verdict::Render,
        Ok(ways) if ways.len() > WAYS_MAX => Verdict::Render,
        Ok(ways) if ways.is_empty() => Verdict::Never,
        Ok(ways) => Verdict::Where(ways),
    }
}

struct Walk<'w> {
    columns: &'w Columns,
    template: &'w OpenTemplate,
    needle: &'w [u8],
}

impl Walk<'_> {
    fn piece(&self, place: usize) -> &[u8] {
        self.columns.text(&self.template.pieces[place])
    }

    fn kind(&self, slot: usize) -> Kind {
        self.columns.columns[usize::from(self.template.slots[slot])].entry.kind
    }

    /// Every way in which the needle overlaps a slot.
    fn ways(&self) -> Result<Vec<Vec<Test>>, ThroughClock> {
        let needle = self.needle;
        let mut ways = Vec::new();
        for slot in 0..self.template.slots.len() {
            let kind = self.kind(slot);
            // it begins in the text before the slot
            let before = self.piece(slot);
            for length in 1..=before.len().min(needle.len() - 1) {
                if needle[..length] == before[before.len() - length..] {
                    ways.extend(self.at_slot(slot, length, Vec::new())?);
                }
            }
            // it begins in the slot
            if let Some(style) = kind.as_clock() {
                self.in_clock(slot, style)?;
                continue;
            }
            let run = needle.iter().take_while(|byte| kind.admits(**byte)).count();
            if run == needle.len() {
                ways.push(vec![Test { slot, relation: Relation::Contains, start: 0, end: run }]);
            } else if run > 0 {
                let test = Test { slot, relation: Relation::EndsWith, start: 0, end: run };
                ways.extend(self.at_piece(slot + 1, run, vec![test])?);
            }
            if ways.len() > WAYS_MAX {
                break;
            }
        }
        Ok(ways)
    }

    /// The needle from `at` on begins where a slot begins.
    fn at_slot(&self, slot: usize, at: usize, mut tests: Vec<Test>) -> Result<Option<Vec<Test>>, ThroughClock> {
        let (kind, rest) = (self.kind(slot), &self.needle[at..]);
        if let Some(style) = kind.as_clock() {
            self.through_clock(slot, at, (0, style))?;
            return Ok(None);
        }
        // a value ends where a byte comes that it does not admit, so there is one way only
        let run = rest.iter().take_while(|byte| kind.admits(**byte)).count();
        if run == 0 {
            return Ok(None);
        }
        let relation = if run == rest.len() { Relation::StartsWith } else { Relation::Equal };
        tests.push(Test { slot, relation, start: at, end: at + run });
        if run == rest.len() { Ok(Some(tests)) } else { self.at_piece(slot + 1, at + run, tests) }
    }

    /// The needle begins within a clock.
    fn in_clock(&self, slot: usize, style: Style) -> Result<(), ThroughClock> {
        (0..style.len()).try_for_each(|begin| self.through_clock(slot, 0, (begin, style)))
    }

    /// The needle from `at` on meets a clock at the clock's byte `begin`: an error where that may be.
    fn through_clock(&self, slot: usize, at: usize, (begin, style): (usize, Style)) -> Result<(), ThroughClock> {
        let (rest, left) = (&self.needle[at..], style.len() - begin);
        let fits = fits_clock(rest, begin, style)
            && (rest.len() <= left || self.at_piece(slot + 1, at + left, Vec::new())?.is_some());
        if fits { Err(ThroughClock) } else { Ok(()) }
    }

    /// The needle from `at` on begins where a piece of text begins.
    fn at_piece(&self, place: usize, at: usize, tests: Vec<Test>) -> Result<Option<Vec<Test>>, ThroughClock> {
        let (piece, rest) = (self.piece(place), &self.needle[at..]);
        if piece.starts_with(rest) {
            return Ok(Some(tests));
        }
        if place == self.template.slots.len() || !rest.starts_with(piece) {
            return Ok(None);
        }
        self.at_slot(place, at + piece.len(), tests)
    }
}

/// Whether the bytes that a text has in common with a time, which it meets at the time's byte `at`, may be the time's.
fn fits_clock(text: &[u8], at: usize, style: Style) -> bool {
    text.iter().zip(at..style.len()).all(|(byte, place)| match place {
        4 | 7 => *byte == b'-',
        10 => matches!(byte, b'T' | b' '),
        13 | 16 => *byte == b':',
        19 => matches!(byte, b'.' | b','),
        _ => byte.is_ascii_digit(),
    })
}
