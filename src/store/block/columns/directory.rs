//! The directory of a section: templates, what is where, small values. And a section that is read by it.

use std::ops::Range;

use crate::store::block::Codec;
use crate::store::block::bytes::{Malformed, Reader, put_varint};
use crate::store::block::columns::column::{Encoding, Entry};
use crate::store::block::columns::kind::Kind;
use crate::store::block::columns::sink::SLACK;
use crate::store::block::columns::template::Template;

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
pub(crate) struct Columns {
    /// How many rows each entry has; `None` where each has one.
    pub(crate) rows_of: Option<Vec<u32>>,
    pub(crate) template_of: Vec<u32>,
    pub(crate) templates: Vec<OpenTemplate>,
    pub(crate) columns: Vec<OpenColumn>,
    /// The directory's bytes, which pieces of text and small values are ranges of, and `SLACK` more.
    pub(crate) directory: Vec<u8>,
    /// The columns' sections.
    pub(crate) body: Vec<u8>,
    /// Bytes of text of the block, which no column can exceed.
    pub(crate) text_bytes: usize,
}

/// A template, by ranges of the directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenTemplate {
    /// One more than there are slots.
    pub(crate) pieces: Vec<Range<u32>>,
    /// The columns of the slots.
    pub(crate) slots: Vec<u16>,
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

impl Columns {
    /// Opens the section of a block with so many entries and bytes of text.
    pub(crate) fn open(
        section: &[u8],
        entry_count: usize,
        text_bytes: usize,
        codec: &mut Codec,
    ) -> Result<Columns, Malformed> {
        let mut reader = Reader::new(section);
        // each row but an entry's last has a newline behind it
        let row_count = reader.count(entry_count + text_bytes)?;
        let rows_of = match reader.byte()? {
            0 if row_count == entry_count => None,
            1 => Some(codec.take_numbers(&mut reader, entry_count)?),
            _ => return Err(Malformed("the rows of entries make no sense")),
        };
        if let Some(rows_of) = &rows_of
            && rows_of.iter().map(|rows| u64::from(*rows)).sum::<u64>() != row_count as u64
        {
            return Err(Malformed("the rows of entries do not add up"));
        }
        let directory_len = reader.count(DIRECTORY_BYTES_MAX)?;
        let mut directory = codec.take(&mut reader, directory_len)?;
        let (templates, mut columns) = decode(&directory)?;
        directory.extend_from_slice(&[0; SLACK]);
        let template_of = codec.take_numbers(&mut reader, row_count)?;
        if template_of.iter().any(|template| *template as usize >= templates.len()) {
            return Err(Malformed("a row has a template that is not there"));
        }
        let mut start = 0;
        for column in &mut columns {
            let entry = &column.entry;
            if entry.count > text_bytes + row_count || entry.count * entry.len_min > text_bytes {
                return Err(Malformed("a column has more values than the block has text"));
            }
            column.section = start..start + column.entry.body_len;
            start = column.section.end;
        }
        let body = reader.take(start)?.to_vec();
        if !reader.is_empty() {
            return Err(Malformed("bytes are left behind the columns"));
        }
        Ok(Columns { rows_of, template_of, templates, columns, directory, body, text_bytes })
    }

    /// A piece of static text.
    pub(crate) fn text(&self, piece: &Range<u32>) -> &[u8] {
        &self.directory[piece.start as usize..piece.end as usize]
    }
}

fn decode(directory: &[u8]) -> Result<(Vec<OpenTemplate>, Vec<OpenColumn>), Malformed> {
    let mut reader = Reader::new(directory);
    let (mut templates, mut text_len) = (Vec::new(), 0usize);
    for _ in 0..reader.count(directory.len())? {
        let slot_count = reader.count(directory.len())?;
        let mut template = OpenTemplate::default();
        for index in 0..=slot_count {
            let length = reader.count(directory.len())?;
            template.pieces.push(text_len as u32..(text_len + length) as u32);
            text_len += length;
            if index < slot_count {
                template.slots.push(reader.count(usize::from(u16::MAX))? as u16);
            }
        }
        if text_len > directory.len() {
            return Err(Malformed("the templates are longer than their text"));
        }
        templates.push(template);
    }
    if reader.count(directory.len())? != text_len {
        return Err(Malformed("the text of templates has another length than it should"));
    }
    let text_start = (directory.len() - reader.left()) as u32;
    reader.take(text_len)?;
    for piece in templates.iter_mut().flat_map(|template| &mut template.pieces) {
        *piece = piece.start + text_start..piece.end + text_start;
    }
    let mut columns = Vec::new();
    for _ in 0..reader.count(directory.len())? {
        columns.push(decode_column(&mut reader)?);
    }
    if templates.iter().flat_map(|template| &template.slots).any(|column| usize::from(*column) >= columns.len()) {
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
