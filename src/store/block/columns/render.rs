//! Texts out of templates and values.

use crate::store::block::Codec;
use crate::store::block::bytes::{Malformed, unzigzag};
use crate::store::block::columns::clock::Clock;
use crate::store::block::columns::directory::{Columns, RowTable};
use crate::store::block::columns::search::Times;
use crate::store::block::columns::sink::Sink;
use crate::store::block::columns::values::{TOO_FEW, Values};

/// Rows from which on it is quicker to count the templates of all of them than the columns of each.
const ROWS_COUNTED_MIN: usize = 64;

/// How far the values of columns are used up by the rows so far.
struct Cursors<'c, 'b> {
    columns: &'c Columns<'b>,
    /// Made ready when first needed.
    values: Vec<Option<Values<'b>>>,
    next: Vec<u32>,
    /// Whether a wanted row looks at a column: the others need not be counted.
    is_counted: Vec<bool>,
    /// How many rows of each template were passed; all zero between two calls.
    passed: Vec<u32>,
    clock: Clock,
}

impl Columns<'_> {
    /// Appends the texts of the entries that are `wanted`, one after another, and gives where each ends. `wanted` are
    /// places of entries, in order, and `times` gives the times of all entries.
    pub(crate) fn render(
        &self,
        wanted: impl IntoIterator<Item = usize> + Clone,
        times: Times<'_>,
        codec: &mut Codec,
        out: &mut Sink,
    ) -> Result<Vec<u32>, Malformed> {
        let mut needed = vec![false; self.templates.len()];
        let table = self.rows(codec)?;
        let mut rows = Rows::new(table);
        for place in wanted.clone() {
            let (_, templates) = rows.up_to(place)?;
            templates.iter().for_each(|template| needed[usize::from(*template)] = true);
        }
        let mut cursors = Cursors::new(self, &needed);
        let mut rows = Rows::new(table);
        let mut ends = Vec::new();
        for place in wanted {
            let (passed, templates) = rows.up_to(place)?;
            cursors.pass(passed);
            for (index, template) in templates.iter().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                cursors.render(usize::from(*template), place, times, codec, out)?;
            }
            if out.len() > self.text_bytes {
                return Err(Malformed("the texts are longer than they should"));
            }
            ends.push(out.len() as u32);
        }
        Ok(ends)
    }
}

/// Walks over the rows of a block, entry by entry.
pub(crate) struct Rows<'c> {
    table: &'c RowTable,
    entry: usize,
    row: usize,
}

impl<'c> Rows<'c> {
    pub(crate) fn new(table: &'c RowTable) -> Rows<'c> {
        Rows { table, entry: 0, row: 0 }
    }

    /// The templates of the rows between the entry before and the one at `place`, and of the rows of that one.
    pub(crate) fn up_to(&mut self, place: usize) -> Result<(&'c [u16], &'c [u16]), Malformed> {
        let (start, own) = match &self.table.rows_of {
            None => (place, 1),
            Some(rows_of) => {
                let passed = rows_of.get(self.entry..place).ok_or(TOO_FEW)?;
                let passed: usize = passed.iter().map(|rows| *rows as usize).sum();
                (self.row + passed, *rows_of.get(place).ok_or(TOO_FEW)? as usize)
            }
        };
        let passed = self.table.template_of.get(self.row..start).ok_or(TOO_FEW)?;
        let templates = self.table.template_of.get(start..start + own).ok_or(TOO_FEW)?;
        (self.entry, self.row) = (place + 1, start + own);
        Ok((passed, templates))
    }
}

impl<'c, 'b> Cursors<'c, 'b> {
    fn new(columns: &'c Columns<'b>, needed: &[bool]) -> Cursors<'c, 'b> {
        let count = columns.columns.len();
        let mut is_counted = vec![false; count];
        for (template, _) in needed.iter().enumerate().filter(|(_, needed)| **needed) {
            columns.templates.slots(template).iter().for_each(|column| is_counted[usize::from(*column)] = true);
        }
        Cursors {
            columns,
            values: (0..count).map(|_| None).collect(),
            next: vec![0; count],
            is_counted,
            passed: vec![0; columns.templates.len()],
            clock: Clock::default(),
        }
    }

    fn pass(&mut self, rows: &[u16]) {
        let Cursors { columns, next, is_counted, passed, .. } = self;
        let mut use_up = |template: usize, count: u32| {
            for column in columns.templates.slots(template) {
                if is_counted[usize::from(*column)] {
                    next[usize::from(*column)] += count;
                }
            }
        };
        if rows.len() < ROWS_COUNTED_MIN {
            return rows.iter().for_each(|template| use_up(usize::from(*template), 1));
        }
        rows.iter().for_each(|template| passed[usize::from(*template)] += 1);
        for (template, count) in passed.iter_mut().enumerate().filter(|(_, count)| **count > 0) {
            use_up(template, std::mem::take(count));
        }
    }

    fn render(
        &mut self,
        template: usize,
        entry: usize,
        times: Times<'_>,
        codec: &mut Codec,
        out: &mut Sink,
    ) -> Result<(), Malformed> {
        let columns = self.columns;
        let (slots, bounds) = (columns.templates.slots(template), columns.templates.bounds(template));
        for (column, bounds) in slots.iter().zip(bounds.windows(2)) {
            out.put(&columns.directory, bounds[0] as usize, bounds[1] as usize);
            let column = usize::from(*column);
            let place = self.next[column] as usize;
            self.next[column] += 1;
            let values = match &mut self.values[column] {
                Some(values) => values,
                none => none.insert(columns.values(&columns.columns[column], codec)?),
            };
            if let Values::Clock { style, distances } = values {
                let time = *times().get(entry).ok_or(TOO_FEW)?;
                let distance = unzigzag(distances.get(place).ok_or(TOO_FEW)?);
                self.clock.write(out, *style, distance, time).ok_or(Malformed("a time is out of range"))?;
            } else {
                values.write(place, &columns.directory, out)?;
            }
        }
        let last = &bounds[slots.len()..];
        out.put(&columns.directory, last[0] as usize, last[1] as usize);
        Ok(())
    }
}
