//! The directory of a section: templates, what is where, small values. And a section that is read by it.

use std::cell::OnceCell;
use std::ops::Range;

use crate::store::block::Codec;
use crate::store::block::bytes::{Malformed, Reader, put_varint};
use crate::store::block::columns::column::{Encoding, Entry};
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::sink::SLACK;
use crate::store::block::columns::template::Template;
use crate::store::block::planes::Numbers;

/// Far above what a block can have; bounds what a damaged length may allocate.
const DIRECTORY_BYTES_MAX: usize = 64 << 20;

/// The bytes of a directory.
pub(crate) fn encode(templates: &[Template], columns: &[Entry], tail: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, templates.len() as u64);
    for template in templates {
        put_varint(&mut out, template.slots.len() as u64);
        let mut start = 0;
        for (index, end) in template.ends.iter().enumerate() {
            put_varint(&mut out, u64::from(end - start));
            start = *end;
            if let Some(slot) = template.slots.get(index) {
                put_varint(&mut out, u64::from(slot.column));
            }
        }
    }
    put_varint(&mut out, templates.iter().map(|template| template.text.len() as u64).sum());
    templates.iter().for_each(|template| out.extend_from_slice(&template.text));
    put_varint(&mut out, columns.len() as u64);
    for entry in columns {
        out.extend_from_slice(&[entry.encoding as u8, entry.kind.to_byte(), entry.mask]);
        for number in [entry.count, entry.len_min, entry.len_max, entry.extra, entry.body_len] {
            put_varint(&mut out, number as u64);
        }
    }
    out.extend_from_slice(tail);
    out
}

/// A section that was opened: templates and directory are decoded, columns are not.
#[derive(Debug)]
pub(crate) struct Columns<'b> {
    row_count: usize,
    entry_count: usize,
    /// What the numbers of rows are read from; none where each entry has one.
    rows_of: Option<Reader<'b>>,
    /// What the templates of rows are read from.
    template_of: Reader<'b>,
    /// The two, once they were needed: of many a block the templates alone tell that nothing is to be found.
    rows: OnceCell<RowTable>,
    pub(crate) templates: Templates,
    pub(crate) columns: Vec<OpenColumn>,
    /// The directory's bytes, which pieces of text and small values are ranges of, and `SLACK` more.
    pub(crate) directory: Vec<u8>,
    /// The columns' sections.
    pub(crate) body: &'b [u8],
    /// Bytes of text of the block, which no column can exceed.
    pub(crate) text_bytes: usize,
}

/// Which rows entries have, and which template each has.
#[derive(Debug)]
pub(crate) struct RowTable {
    /// How many rows each entry has; `None` where each has one.
    pub(crate) rows_of: Option<Vec<u32>>,
    pub(crate) template_of: Vec<u16>,
}

/// The templates, by places in the directory, where their pieces of text lie one after another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Templates {
    /// The number of each one's first piece, and one more: that of the first piece there is not.
    first_piece: Vec<u32>,
    /// Where each piece begins, and one more: where the last ends.
    bounds: Vec<u32>,
    /// The columns of all slots. A template has one slot less than pieces.
    slots: Vec<u16>,
}

impl Templates {
    pub(crate) fn len(&self) -> usize {
        self.first_piece.len() - 1
    }

    /// The columns of a template's slots.
    pub(crate) fn slots(&self, template: usize) -> &[u16] {
        &self.slots
            [self.first_piece[template] as usize - template..self.first_piece[template + 1] as usize - template - 1]
    }

    /// Where a template's pieces begin and end: one bound more than there are pieces.
    pub(crate) fn bounds(&self, template: usize) -> &[u32] {
        &self.bounds[self.first_piece[template] as usize..=self.first_piece[template + 1] as usize]
    }

    /// Where all static text lies.
    pub(crate) fn text(&self) -> Range<usize> {
        self.bounds[0] as usize..self.bounds[self.bounds.len() - 1] as usize
    }

    /// The template and the piece of it that a place in the static text belongs to, and where that piece ends.
    pub(crate) fn piece_at(&self, place: usize) -> (usize, usize, usize) {
        let piece = self.bounds.partition_point(|bound| *bound as usize <= place) - 1;
        let template = self.first_piece.partition_point(|first| *first as usize <= piece) - 1;
        (template, piece - self.first_piece[template] as usize, self.bounds[piece + 1] as usize)
    }
}

/// A column that was not decoded yet.
#[derive(Clone, Debug)]
pub(crate) struct OpenColumn {
    pub(crate) entry: Entry,
    /// In the body.
    pub(crate) section: Range<usize>,
    /// Its small values in the directory, with their lengths.
    pub(crate) tail: Range<usize>,
}

impl<'b> Columns<'b> {
    /// Opens the section of a block with so many entries and bytes of text.
    pub(crate) fn open(
        section: &'b [u8],
        entry_count: usize,
        text_bytes: usize,
        codec: &mut Codec,
    ) -> Result<Columns<'b>, Malformed> {
        let mut reader = Reader::new(section);
        // each row but an entry's last has a newline behind it
        let row_count = reader.count(entry_count + text_bytes)?;
        let rows_of = match reader.byte()? {
            0 if row_count == entry_count => None,
            1 => Some(Numbers::skip(&mut reader, entry_count)?),
            _ => return Err(Malformed("the rows of entries make no sense")),
        };
        let directory_len = reader.count(DIRECTORY_BYTES_MAX)?;
        let directory = codec.take_padded(&mut reader, directory_len, SLACK)?;
        let (templates, mut columns) = decode(&directory[..directory_len])?;
        let template_of = Numbers::skip(&mut reader, row_count)?;
        let mut start = 0;
        for column in &mut columns {
            let entry = &column.entry;
            if entry.count > text_bytes + row_count || entry.count * entry.len_min > text_bytes {
                return Err(Malformed("a column has more values than the block has text"));
            }
            column.section = start..start + column.entry.body_len;
            start = column.section.end;
        }
        let body = reader.take(start)?;
        if !reader.is_empty() {
            return Err(Malformed("bytes are left behind the columns"));
        }
        let rows = OnceCell::new();
        Ok(Columns {
            row_count,
            entry_count,
            rows_of,
            template_of,
            rows,
            templates,
            columns,
            directory,
            body,
            text_bytes,
        })
    }

    pub(crate) fn row_count(&self) -> usize {
        self.row_count
    }

    /// The rows of entries and their templates.
    pub(crate) fn rows(&self, codec: &mut Codec) -> Result<&RowTable, Malformed> {
        if self.rows.get().is_none() {
            let rows_of = match &self.rows_of {
                None => None,
                Some(reader) => Some(codec.take_numbers(&mut reader.clone(), self.entry_count)?),
            };
            if let Some(rows_of) = &rows_of
                && rows_of.iter().map(|rows| u64::from(*rows)).sum::<u64>() != self.row_count as u64
            {
                return Err(Malformed("the rows of entries do not add up"));
            }
            let template_of: Vec<u16> = Numbers::take(&mut self.template_of.clone(), self.row_count, 2, codec)?.all();
            let last_template = template_of.iter().copied().max();
            if last_template.is_some_and(|template| usize::from(template) >= self.templates.len()) {
                return Err(Malformed("a row has a template that is not there"));
            }
            self.rows.set(RowTable { rows_of, template_of }).ok();
        }
        self.rows.get().ok_or(Malformed("the rows of entries are not there"))
    }

    /// What is stored of a column outside of the directory.
    pub(crate) fn section(&self, column: &OpenColumn) -> Reader<'b> {
        Reader::new(&self.body[column.section.clone()])
    }
}

fn decode(directory: &[u8]) -> Result<(Templates, Vec<OpenColumn>), Malformed> {
    let mut reader = Reader::new(directory);
    let mut templates = Templates::default();
    let mut text_len = 0usize;
    let template_count = reader.count(directory.len())?;
    templates.first_piece.reserve(template_count + 1);
    // a guess that is seldom too low
    templates.bounds.reserve(8 * template_count + 1);
    templates.slots.reserve(8 * template_count);
    for _ in 0..template_count {
        let slot_count = reader.count(directory.len())?;
        templates.first_piece.push(templates.bounds.len() as u32);
        for index in 0..=slot_count {
            let length = reader.count(directory.len())?;
            templates.bounds.push(text_len as u32);
            text_len += length;
            if index < slot_count {
                templates.slots.push(reader.count(usize::from(u16::MAX))? as u16);
            }
        }
        if text_len > directory.len() {
            return Err(Malformed("the templates are longer than their text"));
        }
    }
    templates.first_piece.push(templates.bounds.len() as u32);
    templates.bounds.push(text_len as u32);
    if reader.count(directory.len())? != text_len {
        return Err(Malformed("the text of templates has another length than it should"));
    }
    let text_start = (directory.len() - reader.left()) as u32;
    reader.take(text_len)?;
    templates.bounds.iter_mut().for_each(|bound| *bound += text_start);
    let column_count = reader.count(directory.len())?;
    let mut columns = Vec::with_capacity(column_count);
    for _ in 0..column_count {
        columns.push(decode_column(&mut reader)?);
    }
    if templates.slots.iter().any(|column| usize::from(*column) >= columns.len()) {
        return Err(Malformed("a slot has a column that is not there"));
    }
    for column in &mut columns {
        let values = match column.entry.encoding {
            Encoding::Small => column.entry.count,
            Encoding::Dictionary => column.entry.extra,
            _ => 0,
        };
        let start = directory.len() - reader.left();
        for _ in 0..values {
            let length = reader.count(directory.len())?;
            reader.take(length)?;
        }
        column.tail = start..directory.len() - reader.left();
    }
    if reader.is_empty() { Ok((templates, columns)) } else { Err(Malformed("bytes are left behind the directory")) }
}

fn decode_column(reader: &mut Reader<'_>) -> Result<OpenColumn, Malformed> {
    let unknown = Malformed("a column has an unknown encoding or kind");
    let encoding = Encoding::from_byte(reader.byte()?).ok_or(unknown)?;
    let kind = Kind::from_byte(reader.byte()?).ok_or(unknown)?;
    let mask = reader.byte()?;
    let mut number = || reader.count(u32::MAX as usize);
    let entry = Entry {
        encoding,
        kind,
        mask,
        count: number()?,
        len_min: number()?,
        len_max: number()?,
        extra: number()?,
        body_len: number()?,
    };
    if kind.as_clock().is_some() != (encoding == Encoding::Clock) {
        return Err(Malformed("a clock is stored as something else"));
    }
    Ok(OpenColumn { entry, section: 0..0, tail: 0..0 })
}
