//! Templates: what rows have in common, with slots for what they do not.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::store::block::columns::classes::is_alphanumeric;
use crate::store::block::columns::column::Column;
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::shred::Pieces;
use crate::store::hash::{QuickHasher, hash};

/// More would be slow to plan for every query, and tell that the text has no templates.
const TEMPLATES_MAX: usize = 4000;
const COLUMNS_MAX: usize = 3000;
const TEXT_BYTES_MAX: usize = 400_000;
/// From here on no new shapes of numbers are told apart: `a1b` and `a2b` share a template as before.
const SPLIT_TEXT_BYTES_MAX: usize = 100_000;
/// Columns whose memory is kept for the next block.
const SPARES_MAX: usize = 256;

/// One template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    /// The pieces of static text one after another.
    pub(crate) text: Vec<u8>,
    /// Where each piece ends; there is one more of them than of slots.
    pub(crate) ends: Vec<u32>,
    pub(crate) slots: Vec<Slot>,
}

/// Where a variable stands, and the column that its values are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) column: u16,
    pub(crate) kind: Kind,
}

impl Template {
    fn fits(&self, row: &[u8], pieces: &Pieces) -> bool {
        let mut start = 0;
        self.ends.len() == pieces.segments.len()
            && self.slots.iter().zip(&pieces.variables).all(|(slot, variable)| slot.kind == variable.kind)
            && self.ends.iter().zip(&pieces.segments).all(|(end, segment)| {
                let piece = &self.text[start..*end as usize];
                start = *end as usize;
                piece == &row[segment.start as usize..segment.end as usize]
            })
    }
}

/// The templates and columns of a block that is being made.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) templates: Vec<Template>,
    pub(crate) columns: Vec<Column>,
    by_hash: HashMap<u64, u16, BuildHasherDefault<QuickHasher>>,
    by_context: HashMap<(u64, Kind), u16, BuildHasherDefault<QuickHasher>>,
    text_bytes: usize,
    /// The template of rows without one, once there is such a row.
    row_template: Option<u16>,
    spares: Vec<Column>,
}

impl Table {
    /// Empties it, and keeps some memory.
    pub(crate) fn clear(&mut self) {
        self.templates.clear();
        self.by_hash.clear();
        self.by_context.clear();
        self.text_bytes = 0;
        self.row_template = None;
        for mut column in self.columns.drain(..) {
            if self.spares.len() < SPARES_MAX && column.is_small() {
                column.clear();
                self.spares.push(column);
            }
        }
    }

    /// Bytes of static text of all templates.
    pub(crate) fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// Whether numbers within words still get templates of their own.
    pub(crate) fn splits_words(&self) -> bool {
        self.text_bytes < SPLIT_TEXT_BYTES_MAX
    }

    /// The template of a row that was taken to pieces; `None` where it gets none.
    pub(crate) fn template_of(&mut self, row: &[u8], pieces: &Pieces) -> Option<u16> {
        if let Some(number) = self.by_hash.get(&pieces.hash) {
            // another template may have the same hash
            return self.templates[usize::from(*number)].fits(row, pieces).then_some(*number);
        }
        if self.templates.len() >= TEMPLATES_MAX
            || self.columns.len() + pieces.variables.len() > COLUMNS_MAX
            || self.text_bytes > TEXT_BYTES_MAX
        {
            return None;
        }
        let mut template = Template::default();
        let mut context = 0;
        for (index, segment) in pieces.segments.iter().enumerate() {
            let text = &row[segment.start as usize..segment.end as usize];
            template.text.extend_from_slice(text);
            template.ends.push(template.text.len() as u32);
            if let Some(variable) = pieces.variables.get(index) {
                context = context_of(context, text);
                let column = self.column_of(context, variable.kind);
                template.slots.push(Slot { column, kind: variable.kind });
            }
        }
        self.text_bytes += template.text.len();
        let number = self.templates.len() as u16;
        self.templates.push(template);
        self.by_hash.insert(pieces.hash, number);
        Some(number)
    }

    /// The template that is one slot for a whole row.
    pub(crate) fn row_template(&mut self) -> u16 {
        if let Some(number) = self.row_template {
            return number;
        }
        let column = self.add_column(Kind::ROW);
        let slots = vec![Slot { column, kind: Kind::ROW }];
        self.templates.push(Template { text: Vec::new(), ends: vec![0, 0], slots });
        *self.row_template.insert(self.templates.len() as u16 - 1)
    }

    /// Values behind the same word share a column over all templates: they are alike.
    fn column_of(&mut self, context: u64, kind: Kind) -> u16 {
        if let Some(column) = self.by_context.get(&(context, kind)) {
            return *column;
        }
        let column = self.add_column(kind);
        self.by_context.insert((context, kind), column);
        column
    }

    fn add_column(&mut self, kind: Kind) -> u16 {
        let mut column = self.spares.pop().unwrap_or_default();
        column.kind = kind;
        self.columns.push(column);
        self.columns.len() as u16 - 1
    }
}

/// What stands before a variable: the last word with the signs behind it, or where there is none, the signs and what
/// stood before the variable before.
fn context_of(before: u64, segment: &[u8]) -> u64 {
    let in_word = |byte: u8| is_alphanumeric(byte) || matches!(byte, b'_' | b'-' | b'.');
    let Some(last) = segment.iter().rposition(|byte| is_alphanumeric(*byte)) else {
        return hash(0, segment) ^ before.rotate_left(17).wrapping_mul(31);
    };
    let start = segment[..last].iter().rposition(|byte| !in_word(*byte)).map_or(0, |place| place + 1);
    hash(0, &segment[start..])
}
