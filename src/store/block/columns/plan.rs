//! What a needle asks of a template: where it may lie, and what the values in its slots must be for that.

use crate::store::block::columns::clock::Style;
use crate::store::block::columns::directory::Columns;
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
    /// Those that pass all tests of one of the ways.
    Where(Vec<Vec<Test>>),
    /// It cannot be told from values.
    Render,
}

/// What can be said of a needle before any template is looked at.
#[derive(Debug)]
pub(crate) struct NeedleMarks {
    /// For each kind, how many bytes at its front can lie in such a variable.
    runs: [usize; Kind::PLAIN_COUNT],
    /// For each style of time, at which bytes of the time it may begin.
    clock_begins: Vec<Vec<u8>>,
    /// Whether a byte is in it, the last left out.
    has: [bool; 256],
    ignores_case: bool,
}

impl NeedleMarks {
    /// Of a needle, which is in lower case where case does not matter.
    pub(crate) fn of(needle: &[u8], ignores_case: bool) -> NeedleMarks {
        let mut has = [false; 256];
        needle.iter().take(needle.len().saturating_sub(1)).for_each(|byte| has[usize::from(*byte)] = true);
        let runs = Kind::PLAIN.map(|kind| run(needle, kind));
        let begins = |style: Style| {
            let fits = |begin: &u8| fits_clock(needle, usize::from(*begin), style, ignores_case);
            (0..style.len() as u8).filter(fits).collect()
        };
        let clock_begins = (0..Style::COUNT).map(|bits| Style::new(bits).map_or_else(Vec::new, begins)).collect();
        NeedleMarks { runs, clock_begins, has, ignores_case }
    }
}

/// How many bytes at the front of a text can lie in a variable.
fn run(text: &[u8], kind: Kind) -> usize {
    text.iter().take_while(|byte| kind.admits(**byte)).count()
}

/// A way that cannot be told from values: it leads through a clock.
struct ThroughClock;

/// Tells which rows of a template hold a needle that is not empty, has no newline, and is in none of its pieces of text.
pub(crate) struct Walk<'w> {
    pub(crate) columns: &'w Columns<'w>,
    /// The directory's bytes; in lower case where case does not matter.
    pub(crate) directory: &'w [u8],
    pub(crate) needle: &'w [u8],
    pub(crate) marks: &'w NeedleMarks,
    pub(crate) template: usize,
}

impl Walk<'_> {
    pub(crate) fn verdict(&self) -> Verdict {
        match self.ways() {
            Err(ThroughClock) => Verdict::Render,
            Ok(ways) if ways.len() > WAYS_MAX => Verdict::Render,
            Ok(ways) if ways.is_empty() => Verdict::Never,
            Ok(ways) => Verdict::Where(ways),
        }
    }

    fn slots(&self) -> &[u16] {
        self.columns.templates.slots(self.template)
    }

    fn piece(&self, place: usize) -> &[u8] {
        let bounds = self.columns.templates.bounds(self.template);
        &self.directory[bounds[place] as usize..bounds[place + 1] as usize]
    }

    fn kind(&self, slot: usize) -> Kind {
        self.columns.columns[usize::from(self.slots()[slot])].entry.kind
    }

    /// Every way in which the needle overlaps a slot.
    fn ways(&self) -> Result<Vec<Vec<Test>>, ThroughClock> {
        let needle = self.needle;
        let mut ways = Vec::new();
        for slot in 0..self.slots().len() {
            let kind = self.kind(slot);
            // it begins in the text before the slot
            let before = self.piece(slot);
            if before.last().is_some_and(|byte| self.marks.has[usize::from(*byte)]) {
                for length in 1..=before.len().min(needle.len() - 1) {
                    if before.ends_with(&needle[..length]) {
                        ways.extend(self.at_slot(slot, length, Vec::new())?);
                    }
                }
            }
            // it begins in the slot
            if let Some(style) = kind.as_clock() {
                let begins = &self.marks.clock_begins[usize::from(style.bits())];
                begins.iter().try_for_each(|begin| self.through_clock(slot, 0, (usize::from(*begin), style)))?;
                continue;
            }
            let run = self.marks.runs[kind.plain_place()];
            if run == needle.len() {
                ways.push(vec![Test { slot, relation: Relation::Contains, start: 0, end: run }]);
            } else if run > 0 && self.may_go_on(slot, run) {
                let test = Test { slot, relation: Relation::EndsWith, start: 0, end: run };
                ways.extend(self.at_piece(slot + 1, run, vec![test])?);
            }
            if ways.len() > WAYS_MAX {
                break;
            }
        }
        Ok(ways)
    }

    /// Whether the text behind a slot begins as the needle goes on from `at`, as far as one byte tells.
    fn may_go_on(&self, slot: usize, at: usize) -> bool {
        self.piece(slot + 1).first().is_none_or(|byte| *byte == self.needle[at])
    }

    /// The needle from `at` on begins where a slot begins.
    fn at_slot(&self, slot: usize, at: usize, mut tests: Vec<Test>) -> Result<Option<Vec<Test>>, ThroughClock> {
        let (kind, rest) = (self.kind(slot), &self.needle[at..]);
        if let Some(style) = kind.as_clock() {
            if fits_clock(rest, 0, style, self.marks.ignores_case) {
                self.through_clock(slot, at, (0, style))?;
            }
            return Ok(None);
        }
        // a value ends where a byte comes that it does not admit, so there is one way only
        let run = run(rest, kind);
        if run == 0 {
            return Ok(None);
        }
        let relation = if run == rest.len() { Relation::StartsWith } else { Relation::Equal };
        tests.push(Test { slot, relation, start: at, end: at + run });
        if run == rest.len() { Ok(Some(tests)) } else { self.at_piece(slot + 1, at + run, tests) }
    }

    /// The needle from `at` on, which fits a clock from the clock's byte `begin` on, meets it there: an error where what
    /// follows the clock may hold the rest.
    fn through_clock(&self, slot: usize, at: usize, (begin, style): (usize, Style)) -> Result<(), ThroughClock> {
        let (rest, left) = (self.needle.len() - at, style.len() - begin);
        let fits = rest <= left || self.at_piece(slot + 1, at + left, Vec::new())?.is_some();
        if fits { Err(ThroughClock) } else { Ok(()) }
    }

    /// The needle from `at` on begins where a piece of text begins.
    fn at_piece(&self, place: usize, at: usize, tests: Vec<Test>) -> Result<Option<Vec<Test>>, ThroughClock> {
        let (piece, rest) = (self.piece(place), &self.needle[at..]);
        if piece.starts_with(rest) {
            return Ok(Some(tests));
        }
        if place == self.slots().len() || !rest.starts_with(piece) {
            return Ok(None);
        }
        self.at_slot(place, at + piece.len(), tests)
    }
}

/// Whether the bytes that a text has in common with a time, which it meets at the time's byte `at`, may be the time's.
fn fits_clock(text: &[u8], at: usize, style: Style, ignores_case: bool) -> bool {
    text.iter().zip(at..style.len()).all(|(byte, place)| match place {
        4 | 7 => *byte == b'-',
        10 => matches!(byte, b'T' | b' ') || (ignores_case && *byte == b't'),
        13 | 16 => *byte == b':',
        19 => matches!(byte, b'.' | b','),
        _ => byte.is_ascii_digit(),
    })
}
