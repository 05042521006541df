//! Makes the bytes of a block: its sections one after another, and a header that names their lengths.

use crate::model::Labels;
use crate::store::block::bytes::{put_text, put_varint};
use crate::store::block::{
    Codec, ColumnWriter, Content, Fit, HEADER_BYTES, LENGTHS, MAGIC, MODE_COLUMNS, MODE_LINES, MODE_PLAIN,
    SECTION_COUNT, TEXT, VERSION, lead_crc, times,
};

/// The bytes of a block, and how many of them come before the text.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lead_len: usize,
    /// Whether the text became columns.
    pub(crate) has_columns: bool,
}

/// Makes the bytes of a block, with columns where `columns` is given and the text has templates; `has_time` says that they
/// are worth a hundred times of it.
pub(crate) fn encode(
    content: &Content,
    codec: &mut Codec,
    mut columns: Option<&mut ColumnWriter>,
    has_time: bool,
) -> Encoded {
    let (mut out, mut ends) = encode_lead(content, codec);
    let (text, start) = (&content.text, ends[LENGTHS - 1]);
    let mut written = columns.as_mut().and_then(|columns| {
        let fit = columns.gather(text, &content.text_lengths, &content.times);
        (fit != Fit::Poor).then(|| (fit, columns.write(text.len(), codec)))
    });
    let lengths = out[start..].to_vec();
    let mut mode = MODE_COLUMNS;
    if !matches!(written, Some((Fit::Good, _))) {
        mode = put_plain(&mut out, &mut ends, content, codec);
    }
    // what they do not halve, or make hardly smaller than it is packed plain, is no log, and not worth more
    if let (Some(columns), Some((fit, section))) = (columns, &mut written)
        && has_time
        && section.len() * 2 < text.len()
        && (*fit == Fit::Good || section.len() * 20 < (out.len() - start) * 19)
    {
        codec.set_thorough(true);
        *section = columns.write(text.len(), codec);
        codec.set_thorough(false);
    }
    if let Some((fit, section)) = written
        && (fit == Fit::Good || lengths.len() + section.len() < out.len() - start)
    {
        mode = MODE_COLUMNS;
        out.truncate(start);
        out.extend_from_slice(&lengths);
        ends[LENGTHS] = out.len();
        out.extend_from_slice(&section);
    }
    ends[TEXT] = out.len();
    let lead_len = if mode == MODE_LINES { out.len() } else { ends[LENGTHS] };
    write_header(&mut out, mode, content, &ends, lead_len);
    Encoded { bytes: out, lead_len, has_columns: mode == MODE_COLUMNS }
}

/// Appends the texts as they are, without the lengths that are there already where none has a newline in it; gives the
/// mode.
fn put_plain(out: &mut Vec<u8>, ends: &mut [usize; SECTION_COUNT], content: &Content, codec: &mut Codec) -> u8 {
    if memchr::memchr(b'\n', &content.text).is_some() {
        codec.put(out, &content.text);
        return MODE_PLAIN;
    }
    out.truncate(ends[LENGTHS - 1]);
    ends[LENGTHS] = out.len();
    let mut lines = std::mem::take(&mut codec.lines);
    lines.clear();
    lines.reserve(content.text.len() + content.text_lengths.len());
    let mut rest = &content.text[..];
    for length in &content.text_lengths {
        let (line, after) = rest.split_at(*length as usize);
        lines.extend_from_slice(line);
        lines.push(b'\n');
        rest = after;
    }
    out.reserve(lines.len());
    codec.put(out, &lines);
    codec.lines = lines;
    MODE_LINES
}

/// Room for the header, the sections before the text, and where each ends.
pub(crate) fn encode_lead(content: &Content, codec: &mut Codec) -> (Vec<u8>, [usize; SECTION_COUNT]) {
    let mut out = vec![0; HEADER_BYTES];
    let mut ends = [0; SECTION_COUNT];
    for (number, count) in &content.streams {
        out.extend_from_slice(&number.to_le_bytes());
        put_varint(&mut out, *count as u64);
    }
    ends[0] = out.len();
    let runs: Vec<usize> = content.streams.iter().map(|(_, count)| *count).collect();
    times::encode(&mut out, &content.times, &runs);
    ends[1] = out.len();
    let sets = encode_sets(&content.sets);
    put_varint(&mut out, sets.len() as u64);
    codec.put(&mut out, &sets);
    ends[2] = out.len();
    if content.sets.len() > 1 {
        codec.put_numbers(&mut out, &content.set_of.iter().map(|set| u64::from(*set)));
    }
    ends[3] = out.len();
    codec.put_numbers(&mut out, &content.text_lengths.iter().map(|length| u64::from(*length)));
    ends[4] = out.len();
    (out, ends)
}

fn write_header(out: &mut [u8], mode: u8, content: &Content, ends: &[usize; SECTION_COUNT], lead_len: usize) {
    let mut put_u32 = |at: usize, value: usize| {
        out[at..at + 4].copy_from_slice(&u32::try_from(value).expect("a block stays below 4 GiB").to_le_bytes());
    };
    put_u32(8, content.times.len());
    put_u32(12, content.streams.len());
    put_u32(16, content.text.len());
    let mut start = HEADER_BYTES;
    for (section, end) in ends.iter().enumerate() {
        put_u32(20 + 4 * section, end - start);
        start = *end;
    }
    out[..4].copy_from_slice(MAGIC);
    out[4] = VERSION;
    out[5] = mode;
    let text_crc = crc32fast::hash(&out[ends[TEXT - 1]..]);
    out[44..48].copy_from_slice(&text_crc.to_le_bytes());
    let first = content.times.iter().min().copied().unwrap_or(0);
    out[48..56].copy_from_slice(&first.to_le_bytes());
    let lead_crc = lead_crc(&out[..lead_len]);
    out[56..60].copy_from_slice(&lead_crc.to_le_bytes());
}

fn encode_sets(sets: &[Labels]) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, sets.len() as u64);
    for set in sets {
        put_varint(&mut out, set.len() as u64);
        for (name, value) in set.iter() {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
    }
    out
}
