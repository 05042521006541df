//! What the write-ahead log keeps of a push: one byte that says how to read it, then snappy-packed protobuf.
//!
//! Promises: a record decodes to exactly the entries that were accepted, whatever is configured by then. The byte
//! tells what has to be derived again; a change of how something is derived takes a new bit.

use std::borrow::Cow;

use crate::ingest::assemble::{Assembler, Derive, KnownStreams};
use crate::ingest::body::unsnap_unbounded;
use crate::ingest::metadata::Pairs;
use crate::ingest::protobuf::{self, Fault};
use crate::ingest::{Error, Levels, service};
use crate::model::StreamEntries;

/// The version of the format, in the lower half of the first byte.
const VERSION: u8 = 1;
const VERSION_BITS: u8 = 0x0f;

/// `service_name` is derived from `service::LABELS`.
const DERIVE_SERVICE_NAME: u8 = 0x10;

/// `detected_level` is derived from labels, metadata and line.
const DERIVE_LEVEL: u8 = 0x20;

/// A record that holds a request as it came: whatever is in `derive` was added and nothing else was changed.
/// Nothing where this record could not say how to derive it again.
pub(crate) fn as_received(block: &[u8], derive: Derive<'_>) -> Option<Vec<u8>> {
    let service_name = match derive.service_name_labels {
        [] => 0,
        labels if labels == service::LABELS => DERIVE_SERVICE_NAME,
        _ => return None,
    };
    let level = match derive.levels {
        Levels::Leave => 0,
        Levels::Detect => DERIVE_LEVEL,
    };
    Some([&[VERSION | service_name | level], block].concat())
}

/// A record that holds these entries and derives nothing.
pub(crate) fn encode(streams: &[StreamEntries<'_>]) -> Result<Vec<u8>, Error> {
    let request = protobuf::encode(streams);
    let mut record = vec![0; 1 + snap::raw::max_compress_len(request.len())];
    record[0] = VERSION;
    let packed = snap::raw::Encoder::new().compress(&request, &mut record[1..]);
    let packed = packed.map_err(|_| Error::TooLarge { bytes: request.len() as u64, bytes_max: u64::from(u32::MAX) })?;
    record.truncate(1 + packed);
    Ok(record)
}

/// Decodes a record and hands its streams to `sink`. The error says what is wrong with the record.
pub fn replay(record: &[u8], sink: &mut dyn FnMut(&[StreamEntries<'_>])) -> Result<(), String> {
    let Some((kind, block)) = record.split_first() else {
        return Err("the record is empty".to_owned());
    };
    let version = kind & VERSION_BITS;
    if version != VERSION || kind & !(VERSION_BITS | DERIVE_SERVICE_NAME | DERIVE_LEVEL) != 0 {
        return Err(format!("the record is of kind {kind:#04x}, which this version of logcafe does not know"));
    }
    let derive = Derive {
        service_name_labels: if kind & DERIVE_SERVICE_NAME == 0 { &[] } else { &service::LABELS },
        levels: if kind & DERIVE_LEVEL == 0 { Levels::Leave } else { Levels::Detect },
    };
    let request = unsnap_unbounded(block).map_err(|error| error.to_string())?;
    let known = KnownStreams::default();
    let mut assembler = Assembler::for_replay(derive, &known);
    read(&request, &mut assembler).map_err(|error| error.to_string())?;
    let assembled = assembler.finish();
    if !assembled.refusals.is_empty() {
        return Err(assembled.refusals.text());
    }
    sink(&assembled.streams);
    Ok(())
}

/// Feeds a protobuf request to an assembler, without counting memory.
fn read<'a>(request: &'a [u8], assembler: &mut Assembler<'a, '_>) -> Result<(), Error> {
    protobuf::each_stream(request, |stream| {
        let Some(mut draft) = assembler.open_text(stream.labels)? else { return Ok(()) };
        stream.each_entry(|entry| {
            assembler.entry(&mut draft, entry.timestamp, Cow::Borrowed(entry.line), pairs(&entry)?);
            Ok::<(), Error>(())
        })?;
        assembler.close(draft);
        Ok(())
    })
}

/// The structured metadata of an entry, gathered.
#[inline]
pub(crate) fn pairs<'a>(entry: &protobuf::Entry<'a>) -> Result<Pairs<'a>, Fault> {
    let mut pairs = Pairs::new();
    if entry.has_metadata {
        entry.each_pair(|name, value| {
            pairs.push((Cow::Borrowed(name), Cow::Borrowed(value)));
            Ok::<(), Fault>(())
        })?;
    }
    Ok(pairs)
}
