//! Bodies as they come over the wire, unpacked with a hard bound.
//!
//! Promises: memory grows with what really comes out, is counted before it is used, and ends at the limit.

use std::borrow::Cow;
use std::io::{BufRead, Read};
use std::sync::{Mutex, PoisonError};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use crate::ingest::room::Space;
use crate::ingest::{Error, Room};

/// How a body is packed (`Content-Encoding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all. `snappy` means the same: it is part of the protobuf format itself.
    Plain,
    Gzip,
    Deflate,
    Zstd,
}

/// Unpacking is done in steps of this size; each is counted before it is taken.
const STEP_BYTES: usize = 64 << 10;

/// No window beyond 8 MiB: the bound that RFC 8878 recommends, and what memory one stream may cost.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A snappy copy of 64 bytes takes at least three: whoever promises more than this factor lies.
const SNAPPY_EXPANSION_MAX: u64 = 32;

impl Encoding {
    /// Reads the header; none or an empty one means plain.
    pub(crate) fn parse(header: Option<&str>) -> Result<Encoding, Error> {
        match header.unwrap_or("") {
            "" | "snappy" => Ok(Encoding::Plain),
            "gzip" => Ok(Encoding::Gzip),
            "deflate" => Ok(Encoding::Deflate),
            "zstd" => Ok(Encoding::Zstd),
            other => Err(Error::ContentEncoding(other.to_owned())),
        }
    }
}

/// The body without its content encoding.
pub(crate) fn unpack<'b>(
    body: &'b [u8],
    encoding: Encoding,
    bytes_max: u64,
    room: &mut Room,
) -> Result<Cow<'b, [u8]>, Error> {
    let unpacked = match encoding {
        Encoding::Plain => return Ok(Cow::Borrowed(body)),
        Encoding::Gzip => drain(GzDecoder::new(body), "gzip", bytes_max, room)?,
        // the name means zlib, yet many (Go's clients and Loki among them) take it for the bare stream
        Encoding::Deflate if is_zlib(body) => drain(ZlibDecoder::new(body), "deflate", bytes_max, room)?,
        Encoding::Deflate => drain(DeflateDecoder::new(body), "deflate", bytes_max, room)?,
        Encoding::Zstd => drain(zstd_reader(body)?, "zstd", bytes_max, room)?,
    };
    Ok(Cow::Owned(unpacked))
}

/// Memory that blocks are unpacked into, kept between pushes: new memory of a mebibyte costs as much as half the unpacking.
#[derive(Debug, Default)]
pub(crate) struct Spares(Mutex<Vec<Vec<u8>>>);

/// Pieces of memory that are kept, and the bytes of the largest one that is.
const SPARES_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 3 << 20;

impl Spares {
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn give(&self, spare: Vec<u8>) {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES_MAX && spare.capacity() <= SPARE_BYTES_MAX {
            spares.push(spare);
        }
    }
}

/// The bytes of a raw snappy block, in `memory`.
pub(crate) fn unsnap<'m>(
    block: &[u8],
    bytes_max: u64,
    room: &mut Room,
    memory: &'m mut Vec<u8>,
) -> Result<&'m [u8], Error> {
    let corrupt = || Error::Malformed("snappy: corrupt input".to_owned());
    let bytes = snap::raw::decompress_len(block).map_err(|_| corrupt())?;
    if bytes as u64 > bytes_max {
        return Err(Error::TooLarge { bytes: bytes as u64, bytes_max });
    }
    if bytes as u64 > block.len() as u64 * SNAPPY_EXPANSION_MAX {
        return Err(corrupt());
    }
    room.grow(bytes)?;
    if memory.len() < bytes {
        // what was in it before is overwritten
        *memory = vec![0; bytes];
    }
    let unpacked = snap::raw::Decoder::new().decompress(block, &mut memory[..bytes]).map_err(|_| corrupt())?;
    Ok(&memory[..unpacked])
}

/// The bytes of a raw snappy block that we packed or checked ourselves, of any size.
pub(crate) fn unsnap_unbounded(block: &[u8]) -> Result<Vec<u8>, Error> {
    let mut memory = Vec::new();
    let bytes = unsnap(block, u64::MAX, &mut Space::new(u64::MAX).room(), &mut memory)?.len();
    memory.truncate(bytes);
    Ok(memory)
}

/// The text of bytes, U+FFFD in place of each byte that is no UTF-8 (Go's way, which Loki's answers show).
pub(crate) fn replace_bad_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 64);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

fn zstd_reader(body: &[u8]) -> Result<impl Read, Error> {
    let failed = |error: std::io::Error| Error::Malformed(format!("zstd: {error}"));
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(failed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(failed)?;
    Ok(decoder)
}

/// Whether the body begins with the two bytes of a zlib stream (RFC 1950), which no encoder begins a bare one with.
fn is_zlib(mut body: &[u8]) -> bool {
    match body.fill_buf() {
        Ok([first, second, ..]) => {
            first & 0x0f == 8 && first >> 4 <= 7 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0
        }
        _ => false,
    }
}

fn drain(mut reader: impl Read, name: &str, bytes_max: u64, room: &mut Room) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    loop {
        // doubling keeps copies few, and each step is held in the room before there are bytes in it
        let step = bytes.len().max(STEP_BYTES);
        room.grow(step)?;
        bytes.reserve_exact(step);
        let read = (&mut reader).take(step as u64).read_to_end(&mut bytes);
        let read = read.map_err(|error| Error::Malformed(format!("{name}: {error}")))?;
        if bytes.len() as u64 > bytes_max {
            return Err(Error::TooLarge { bytes: bytes.len() as u64, bytes_max });
        }
        if read < step {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use crate::ingest::Error;
    use crate::ingest::body::{Encoding, replace_bad_bytes, unpack, unsnap};
    use crate::ingest::room::Space;

    const MIB: u64 = 1 << 20;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack_with(body: &[u8], encoding: Encoding) -> Result<Vec<u8>, Error> {
        unpack(body, encoding, MIB, &mut Space::new(4 * MIB).room()).map(|bytes| bytes.into_owned())
    }

    #[test]
    fn every_encoding_gives_the_bytes_back() {
        let text = "한글 log line, again and again ".repeat(9000).into_bytes();
        let zlib = {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap()
        };
        let deflate = {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = zstd::encode_all(text.as_slice(), 1).unwrap();
        let packed =
            [(text.clone(), "snappy"), (gzip(&text), "gzip"), (zlib, "deflate"), (deflate, "deflate"), (zstd, "zstd")];
        for (body, name) in packed {
            let encoding = Encoding::parse(Some(name)).unwrap();
            assert!(unpack_with(&body, encoding).unwrap() == text, "{name}");
        }
        assert_eq!(Encoding::parse(Some("br")).unwrap_err().to_string(), "Content-Encoding \"br\" not supported");
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let bomb = gzip(&vec![b'a'; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert!(matches!(unpack_with(&bomb, Encoding::Gzip), Err(Error::TooLarge { bytes_max: MIB, .. })));
        let bomb = zstd::encode_all(std::io::repeat(b'a').take_bytes(64 << 20).as_slice(), 19).unwrap();
        assert!(matches!(unpack_with(&bomb, Encoding::Zstd), Err(Error::TooLarge { .. })));
    }

    trait TakeBytes {
        fn take_bytes(self, count: u64) -> Vec<u8>;
    }

    impl<R: std::io::Read> TakeBytes for R {
        fn take_bytes(self, count: u64) -> Vec<u8> {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(self, count), &mut bytes).unwrap();
            bytes
        }
    }

    #[test]
    fn cut_off_bodies_are_refused() {
        let whole = gzip(b"some text that is long enough to be cut somewhere");
        for cut in 0..whole.len() {
            assert!(matches!(unpack_with(&whole[..cut], Encoding::Gzip), Err(Error::Malformed(_))), "{cut}");
        }
        assert!(unpack_with(b"\x28\xb5\x2f\xfd", Encoding::Zstd).is_err());
        let block = snap::raw::Encoder::new().compress_vec(b"some text that is long enough").unwrap();
        let mut room = Space::new(MIB).room();
        for cut in 0..block.len() {
            let error = unsnap(&block[..cut], MIB, &mut room, &mut Vec::new()).unwrap_err();
            assert_eq!(error.to_string(), "snappy: corrupt input", "{cut}");
        }
    }

    #[test]
    fn each_bad_byte_is_replaced_by_itself() {
        assert_eq!(replace_bad_bytes(b"a\xff\xfe \xe2\x82 \xed\x95\x9c"), "a\u{fffd}\u{fffd} \u{fffd}\u{fffd} 한");
    }

    #[test]
    fn a_lying_snappy_header_costs_nothing() {
        let mut room = Space::new(MIB).room();
        // promises 4 GiB - 1, then 1 MiB from five bytes
        let huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert!(matches!(unsnap(&huge, MIB, &mut room, &mut Vec::new()), Err(Error::TooLarge { .. })));
        let much = [0x80, 0x80, 0x40, 0, 0];
        assert_eq!(unsnap(&much, MIB, &mut room, &mut Vec::new()).unwrap_err().to_string(), "snappy: corrupt input");
    }
}
