//! Texts out of templates and values.

use crate::store::block::Codec;
use crate::store::block::bytes::Malformed;
use crate::store::block::columns::clock::Clock;
use crate::store::block::columns::directory::{Columns, OpenTemplate};
use crate::store::block::columns::sink::Sink;
use crate::store::block::columns::values::{TOO_FEW, Values};

/// How far the values of columns are used up by the rows so far.
struct Cursors<'c> {
    columns: &'c Columns,
    /// Decoded when first needed.
    values: Vec<Option<Values>>,
    next: Vec<u32>,
    /// Of each template, the columns that a wanted row looks at: the others need not be counted.
    counted: Vec<Vec<u16>>,
    clock: Clock,
    /// Memory for one time.
    time: Vec<u8>,
}

impl Columns {
    /// Appends the texts of the entries that are `wanted`, one after another, and gives where each ends. `wanted` are
    /// places of entries, in order, and `times` the times of all entries.
    pub(crate) fn render(
        &self,
        wanted: impl IntoIterator<Item = usize> + Clone,
        times: &[i64],
        codec: &mut Codec,
        out: &mut Sink,
    ) -> Result<Vec<u32>, Malformed> {
        let mut needed = vec![false; self.templates.len()];
        let mut rows = Rows::new(self);
        for place in wanted.clone() {
            let (_, templates) = rows.up_to(place)?;
            templates.iter().for_each(|template| needed[*template as usize] = true);
        }
        let mut cursors = Cursors::new(self, &needed);
        let mut rows = Rows::new(self);
        let mut ends = Vec::new();
        for place in wanted {
            let time = *times.get(place).ok_or(TOO_FEW)?;
            let (passed, templates) = rows.up_to(place)?;
            passed.iter().for_each(|template| cursors.pass(*template));
            for (index, template) in templates.iter().enumerate() {
                if index > 0 {
                    out.push(b'\n');
                }
                cursors.render(*template, time, codec, out)?;
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
struct Rows<'c> {
    columns: &'c Columns,
    entry: usize,
    row: usize,
}

impl<'c> Rows<'c> {
    fn new(columns: &'c Columns) -> Rows<'c> {
        Rows { columns, entry: 0, row: 0 }
    }

    /// The templates of the rows between the entry before and the one at `place`, and of the rows of that one.
    fn up_to(&mut self, place: usize) -> Result<(&'c [u32], &'c [u32]), Malformed> {
        let (start, own) = match &self.columns.rows_of {
            None => (place, 1),
            Some(rows_of) => {
                let passed = rows_of.get(self.entry..place).ok_or(TOO_FEW)?;
                let passed: usize = passed.iter().map(|rows| *rows as usize).sum();
                (self.row + passed, *rows_of.get(place).ok_or(TOO_FEW)? as usize)
            }
        };
        let passed = self.columns.template_of.get(self.row..start).ok_or(TOO_FEW)?;
        let templates = self.columns.template_of.get(start..start + own).ok_or(TOO_FEW)?;
        (self.entry, self.row) = (place + 1, start + own);
        Ok((passed, templates))
    }
}

impl<'c> Cursors<'c> {
    fn new(columns: &'c Columns, needed: &[bool]) -> Cursors<'c> {
        let mut looked_at = vec![false; columns.columns.len()];
        for (template, _) in columns.templates.iter().zip(needed).filter(|(_, needed)| **needed) {
            template.slots.iter().for_each(|column| looked_at[usize::from(*column)] = true);
        }
        let counted = |template: &OpenTemplate| {
            template.slots.iter().copied().filter(|column| looked_at[usize::from(*column)]).collect()
        };
        Cursors {
            columns,
            values: vec![None; columns.columns.len()],
            next: vec![0; columns.columns.len()],
            counted: columns.templates.iter().map(counted).collect(),
            clock: Clock::default(),
            time: Vec::new(),
        }
    }
}

impl Cursors<'_> {
    fn pass(&mut self, template: u32) {
        for column in &self.counted[template as usize] {
            self.next[usize::from(*column)] += 1;
        }
    }

    fn render(&mut self, template: u32, time: i64, codec: &mut Codec, out: &mut Sink) -> Result<(), Malformed> {
        let columns = self.columns;
        let template = &columns.templates[template as usize];
        let (last, pieces) = template.pieces.split_last().expect("a template has a piece more than slots");
        for (piece, column) in pieces.iter().zip(&template.slots) {
            out.put(&columns.directory, piece.start as usize, piece.end as usize);
            let column = usize::from(*column);
            let place = self.next[column] as usize;
            self.next[column] += 1;
            let values = match &mut self.values[column] {
                Some(values) => values,
                none => none.insert(columns.values(&columns.columns[column], codec)?),
            };
            match values.bounds(place) {
                Some((start, end)) => out.put(&values.data, start, end),
                None => {
                    let distance = *values.distances.get(place).ok_or(TOO_FEW)?;
                    let style = columns.columns[column].entry.kind.as_clock().ok_or(TOO_FEW)?;
                    self.clock
                        .write(&mut self.time, style, distance, time)
                        .ok_or(Malformed("a time is out of range"))?;
                    out.put(&self.time, 0, self.time.len());
                    self.time.clear();
                }
            }
        }
        out.put(&columns.directory, last.start as usize, last.end as usize);
        Ok(())
    }
}
