//! Finding the entries that hold a needle by looking at templates and at the columns that matter, not at texts.

use std::borrow::Cow;
use std::ops::Range;

use crate::store::block::Codec;
use crate::store::block::bytes::Malformed;
use crate::store::block::columns::column::Encoding;
use crate::store::block::columns::directory::{Columns, RowTable};
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::plan::{Relation, Test, Verdict, Walk};
use crate::store::block::columns::render::Rows;
use crate::store::block::columns::sink::Sink;
use crate::store::block::columns::values::TOO_FEW;
use crate::store::needle::Needle;

/// Gives the times of all entries of a block.
pub(crate) type Times<'t> = &'t dyn Fn() -> &'t [i64];

impl<'b> Columns<'b> {
    /// The entries of these ranges, in order, whose text holds the needle.
    pub(crate) fn find<'t>(
        &self,
        needle: &Needle,
        ranges: impl Iterator<Item = Range<usize>> + Clone,
        times: Times<'t>,
        codec: &mut Codec,
    ) -> Result<Vec<usize>, Malformed> {
        if needle.text().is_empty() {
            return Ok(ranges.flatten().collect());
        }
        let (mut sure, mut unsure) = (Vec::new(), Vec::new());
        if needle.text().contains(&b'\n') {
            // each of its lines lies in a row; the longest is the rarest, and what holds it is looked at whole
            let lines = needle.text().split(|byte| *byte == b'\n');
            let longest = lines.max_by_key(|line| line.len()).unwrap_or_default();
            unsure = self.find(&needle.part(longest), ranges, times, codec)?;
        } else {
            let mut search = Search::new(self, needle, self.templates_of(ranges.clone(), codec)?);
            search.plan(codec)?;
            if search.is_hopeless() {
                return Ok(Vec::new());
            }
            search.walk(self.rows(codec)?, ranges, &mut sure, &mut unsure)?;
        }
        if !unsure.is_empty() {
            let mut text = Sink::default();
            let ends = self.render(unsure.iter().copied(), times, codec, &mut text)?;
            let text = text.into_bytes();
            let mut start = 0;
            for (entry, end) in unsure.into_iter().zip(ends) {
                if needle.is_in(&text[start..end as usize]) {
                    sure.push(entry);
                }
                start = end as usize;
            }
            sure.sort_unstable();
        }
        Ok(sure)
    }

    /// Which templates rows of these entries have; `None` where it is quicker to take all.
    fn templates_of(
        &self,
        ranges: impl Iterator<Item = Range<usize>> + Clone,
        codec: &mut Codec,
    ) -> Result<Option<Vec<bool>>, Malformed> {
        let mut count = 0;
        for range in ranges.clone() {
            count += range.len();
            if count * 4 > self.row_count() {
                return Ok(None);
            }
        }
        let mut are_there = vec![false; self.templates.len()];
        let mut rows = Rows::new(self.rows(codec)?);
        for entry in ranges.flatten() {
            let (_, templates) = rows.up_to(entry)?;
            templates.iter().for_each(|template| are_there[usize::from(*template)] = true);
        }
        Ok(Some(are_there))
    }
}

/// What is done with the rows of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nothing.
    Skip,
    /// It does not hold the needle, and uses up values that others are tested by.
    Pass,
    Always,
    Render,
    /// One of the ways must be passed.
    Where,
}

/// A value that must pass: which set of passing values it is in, which column's, and how many of the row's values of that
/// column come before it.
#[derive(Clone, Copy)]
struct Look {
    passing: usize,
    watched: usize,
    earlier: usize,
}

/// Which values of a column pass a test; none where none does.
struct Known {
    column: u16,
    relation: Relation,
    part: (usize, usize),
    passing: Option<usize>,
}

struct Search<'s, 'b> {
    columns: &'s Columns<'b>,
    needle: &'s Needle,
    /// Templates that matter; `None` is all.
    wanted: Option<Vec<bool>>,
    /// The directory's bytes; in lower case where case does not matter.
    directory: Cow<'s, [u8]>,
    steps: Vec<Step>,
    ways: Vec<Vec<Vec<Look>>>,
    /// For each value of a column whether it passes a test.
    passing: Vec<Vec<bool>>,
    /// How many of the values that are.
    counts: Vec<usize>,
    known: Vec<Known>,
    /// Columns that tests look at, and how far their values are used up.
    watched: Vec<u16>,
    next: Vec<usize>,
    /// The watched columns that rows use, once for each slot, and where those of a template begin among them.
    uses: Vec<u16>,
    uses_start: Vec<u32>,
}

impl<'s, 'b> Search<'s, 'b> {
    fn new(columns: &'s Columns<'b>, needle: &'s Needle, wanted: Option<Vec<bool>>) -> Search<'s, 'b> {
        let directory = match needle.ignores_case() {
            true => Cow::Owned(columns.directory.to_ascii_lowercase()),
            false => Cow::Borrowed(&columns.directory[..]),
        };
        Search {
            columns,
            needle,
            wanted,
            directory,
            steps: Vec::new(),
            ways: Vec::new(),
            passing: Vec::new(),
            counts: Vec::new(),
            known: Vec::new(),
            watched: Vec::new(),
            next: Vec::new(),
            uses: Vec::new(),
            uses_start: Vec::new(),
        }
    }

    /// Decides for each template.
    fn plan(&mut self, codec: &mut Codec) -> Result<(), Malformed> {
        let (columns, needle) = (self.columns, self.needle);
        self.steps = vec![Step::Skip; columns.templates.len()];
        self.ways.resize_with(columns.templates.len(), Vec::new);
        self.mark_texts();
        let hides = needle.may_hide_in(&columns.directory);
        for template in 0..columns.templates.len() {
            let is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted[template]);
            if !is_wanted || self.steps[template] == Step::Always {
                continue;
            }
            if hides || self.may_hide_in_values(template) {
                self.steps[template] = Step::Render;
                continue;
            }
            let walk =
                Walk { columns, directory: &self.directory, needle: needle.text(), marks: &needle.marks, template };
            match walk.verdict() {
                Verdict::Never => {}
                Verdict::Render => self.steps[template] = Step::Render,
                Verdict::Where(ways) => {
                    for way in ways {
                        let looks = self.looks(way, columns.templates.slots(template), codec)?;
                        self.ways[template].extend(looks);
                    }
                    if !self.ways[template].is_empty() {
                        self.steps[template] = Step::Where;
                    }
                }
            }
        }
        self.count_uses();
        Ok(())
    }

    /// Finds the templates whose static text holds the needle, by one search over all of it.
    fn mark_texts(&mut self) {
        let templates = &self.columns.templates;
        let (all, length) = (templates.text(), self.needle.text().len());
        let mut at = all.start;
        while let Some(offset) = self.needle.finder().find(&self.directory[at..all.end]) {
            let start = at + offset;
            let (template, _, piece_end) = templates.piece_at(start);
            if start + length > piece_end {
                // it lies across the border of two pieces
                at = start + 1;
                continue;
            }
            self.steps[template] = Step::Always;
            at = templates.bounds(template).last().map_or(piece_end, |end| *end as usize);
        }
    }

    /// Whether lowering the values of a template may hide the needle: those that are not in the directory are not looked
    /// at for that.
    fn may_hide_in_values(&self, template: usize) -> bool {
        let hides = |column: &u16| {
            let entry = &self.columns.columns[usize::from(*column)].entry;
            matches!(entry.kind, Kind::QUOTED | Kind::ROW) && entry.encoding == Encoding::Text
        };
        let has_one = self.needle.ignores_case() && self.columns.templates.slots(template).iter().any(hides);
        has_one && self.needle.text().iter().any(|byte| matches!(byte, b'k' | b's'))
    }

    /// Turns the tests of a way into looks at values; `None` where no value passes one of them.
    fn looks(&mut self, mut way: Vec<Test>, slots: &[u16], codec: &mut Codec) -> Result<Option<Vec<Look>>, Malformed> {
        let (columns, text) = (self.columns, self.needle.text());
        let part = |test: &Test| &text[test.start..test.end];
        let column = |test: &Test| &columns.columns[usize::from(slots[test.slot])];
        if way.iter().any(|test| column(test).excludes(test.relation, part(test), self.needle.ignores_case())) {
            return Ok(None);
        }
        // what is tested quickly may spare the rest
        way.sort_by_key(|test| column(test).entry.encoding.test_cost());
        let mut looks = Vec::with_capacity(way.len());
        for test in &way {
            let number = slots[test.slot];
            let key = (test.start, test.end);
            let same = |known: &&Known| known.column == number && known.relation == test.relation && known.part == key;
            let passing = match self.known.iter().find(same) {
                Some(known) => known.passing,
                None => {
                    let values = columns.passing(
                        column(test),
                        &self.directory,
                        test.relation,
                        part(test),
                        self.needle,
                        codec,
                    )?;
                    let passing = values.map(|values| {
                        self.counts.push(values.iter().filter(|passes| **passes).count());
                        self.passing.push(values);
                        self.passing.len() - 1
                    });
                    self.known.push(Known { column: number, relation: test.relation, part: key, passing });
                    passing
                }
            };
            let Some(passing) = passing else { return Ok(None) };
            let earlier = slots[..test.slot].iter().filter(|other| **other == number).count();
            looks.push(Look { passing, watched: self.watch(number), earlier });
        }
        // what passes seldom spares looking at the rest
        looks.sort_by_key(|look| self.counts[look.passing]);
        Ok(Some(looks))
    }

    fn watch(&mut self, column: u16) -> usize {
        self.watched.iter().position(|other| *other == column).unwrap_or_else(|| {
            self.watched.push(column);
            self.watched.len() - 1
        })
    }

    fn count_uses(&mut self) {
        self.next = vec![0; self.watched.len()];
        if self.watched.is_empty() {
            return;
        }
        let mut place_of = vec![u16::MAX; self.columns.columns.len()];
        (0u16..).zip(&self.watched).for_each(|(place, column)| place_of[usize::from(*column)] = place);
        self.uses_start.push(0);
        for template in 0..self.steps.len() {
            let before = self.uses.len();
            for column in self.columns.templates.slots(template) {
                let place = place_of[usize::from(*column)];
                if place != u16::MAX {
                    self.uses.push(place);
                }
            }
            self.uses_start.push(self.uses.len() as u32);
            if self.steps[template] == Step::Skip && self.uses.len() > before {
                self.steps[template] = Step::Pass;
            }
        }
    }

    /// Uses up the values of a row.
    #[inline]
    fn use_up(&mut self, template: usize) {
        if let Some(bounds) = self.uses_start.get(template..template + 2) {
            for watched in &self.uses[bounds[0] as usize..bounds[1] as usize] {
                self.next[usize::from(*watched)] += 1;
            }
        }
    }

    /// Whether no template can hold the needle.
    fn is_hopeless(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Skip | Step::Pass))
    }

    /// Walks over all rows up to the last range's end. Entries that hold the needle are `sure`, others that may are `unsure`.
    fn walk(
        &mut self,
        table: &RowTable,
        ranges: impl Iterator<Item = Range<usize>>,
        sure: &mut Vec<usize>,
        unsure: &mut Vec<usize>,
    ) -> Result<(), Malformed> {
        let mut row = 0;
        let mut at = 0;
        for range in ranges {
            let passed_end = match &table.rows_of {
                None => range.start,
                Some(rows_of) => {
                    let passed = rows_of.get(at..range.start).ok_or(TOO_FEW)?;
                    row + passed.iter().map(|rows| *rows as usize).sum::<usize>()
                }
            };
            self.pass(table.template_of.get(row..passed_end).ok_or(TOO_FEW)?);
            row = passed_end;
            for entry in range.clone() {
                let count = match &table.rows_of {
                    None => 1,
                    Some(rows_of) => *rows_of.get(entry).ok_or(TOO_FEW)? as usize,
                };
                let (mut holds, mut may_hold) = (false, false);
                for template in table.template_of.get(row..row + count).ok_or(TOO_FEW)? {
                    let template = usize::from(*template);
                    match self.steps[template] {
                        Step::Skip => continue,
                        Step::Pass => {}
                        Step::Always => holds = true,
                        Step::Render => may_hold = true,
                        Step::Where => holds = holds || self.passes(template)?,
                    }
                    self.use_up(template);
                }
                row += count;
                if holds {
                    sure.push(entry);
                } else if may_hold {
                    unsure.push(entry);
                }
            }
            at = range.end;
        }
        Ok(())
    }

    /// Uses up the values of rows that are not asked about.
    fn pass(&mut self, rows: &[u16]) {
        if self.watched.is_empty() {
            return;
        }
        rows.iter().for_each(|template| self.use_up(usize::from(*template)));
    }

    fn passes(&self, template: usize) -> Result<bool, Malformed> {
        for way in &self.ways[template] {
            let mut passes = true;
            for look in way {
                let passing = &self.passing[look.passing];
                if !*passing.get(self.next[look.watched] + look.earlier).ok_or(TOO_FEW)? {
                    passes = false;
                    break;
                }
            }
            if passes {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
