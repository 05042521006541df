//! Bytes in: a push is unpacked, decoded, checked, given its service name and its levels, and stored.
//!
//! Promises: what is acknowledged is in the store; what is refused is named, in Loki's words; memory is counted before
//! it is used; arbitrary bytes give an error, never a panic. A refusal of the whole push stores nothing of it.
//! Never: HTTP. `Intake` is the one door to the store for whoever brings entries.

mod assemble;
mod body;
mod error;
mod json;
mod labels;
mod level;
mod limits;
mod metadata;
mod protobuf;
mod rate;
mod record;
mod room;
mod service;
mod validate;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

pub use error::Error;
pub use limits::{Levels, Limits, LongLines, Rate};
pub use record::replay;
pub use room::Room;

use crate::ingest::assemble::{Assembled, Assembler, Derive, KnownStreams};
use crate::ingest::body::Encoding;
use crate::ingest::rate::Rates;
use crate::ingest::validate::Checks;
use crate::model::{Batch, StreamEntries, Timestamp};
use crate::store::Store;

/// A push as it came over the wire.
#[derive(Clone, Debug)]
pub struct PushRequest {
    /// The headers, where they were there.
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub body: Bytes,
    pub shape: Shape,
}

/// How JSON pushes look; protobuf is the same on both paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `/loki/api/v1/push`: `{"stream": {…}, "values": [[…]]}`.
    Current,
    /// `/api/prom/push`: `{"labels": "{…}", "entries": [{…}]}`.
    Old,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Entries that are stored now and were not before.
    pub entry_count: u64,
    /// Entries that were there already.
    pub duplicate_count: u64,
    pub line_bytes: u64,
}

/// The door to the store. Shared by reference between threads; its calls block.
#[derive(Debug)]
pub struct Intake {
    store: Arc<Store>,
    limits: Limits,
    space: room::Space,
    known: KnownStreams,
    rates: Rates,
    totals: Mutex<Pushed>,
}

impl Intake {
    pub fn new(store: Arc<Store>, limits: Limits) -> Intake {
        let space = room::Space::new(limits.in_flight_bytes_max.max(limits.in_flight_floor()));
        let (known, rates) = (KnownStreams::default(), Rates::new(&limits));
        Intake { store, space, known, rates, totals: Mutex::default(), limits }
    }

    /// The bounds it works with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Everything that came of pushes and of our own entries since the start.
    pub fn totals(&self) -> Pushed {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory for one request: it grows while the body is received, and is handed to `push`.
    pub fn room(&self) -> Room {
        self.space.room()
    }

    /// Stores what the request brings, as far as it may be stored. `room` holds the body already.
    pub fn push(&self, request: &PushRequest, room: Room) -> Result<Pushed, Error> {
        self.push_at(request, room, Timestamp::from(SystemTime::now()))
    }

    /// Stores entries of our own making: levels and a service name are added, nothing is refused for its size.
    pub fn append(&self, streams: &[StreamEntries<'_>]) -> Result<Pushed, Error> {
        let labels = self.service_name_labels();
        let mut assembler = Assembler::for_replay(self.derive(&labels), &self.known);
        for stream in streams {
            let pairs = stream.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let Some(mut draft) = assembler.open(pairs.collect()) else { continue };
            for entry in &stream.entries {
                let pairs = entry.metadata.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
                assembler.entry(&mut draft, entry.timestamp, Cow::Borrowed(&entry.line), pairs.collect());
            }
            assembler.close(draft);
        }
        let assembled = assembler.finish();
        let record = record::encode(&assembled.streams)?;
        self.store(assembled, record)
    }

    fn push_at(&self, request: &PushRequest, mut room: Room, now: Timestamp) -> Result<Pushed, Error> {
        let encoding = Encoding::parse(request.content_encoding.as_deref())?;
        let format = Format::of(request.content_type.as_deref(), request.shape)?;
        let body = body::unpack(&request.body, encoding, self.limits.decoded_bytes_max, &mut room)?;
        match format {
            Format::Protobuf => self.push_protobuf(&body, &mut room, now),
            Format::Json => self.push_json(&body, &mut room, now),
            Format::OldJson => self.push_old_json(&body, &mut room, now),
        }
    }

    fn push_protobuf(&self, block: &[u8], room: &mut Room, now: Timestamp) -> Result<Pushed, Error> {
        let request = body::unsnap(block, self.limits.decoded_bytes_max, room)?;
        let labels = self.service_name_labels();
        let mut assembler = self.assembler(&labels, now);
        let mut stream_count = 0;
        protobuf::each_stream(&request, |stream| {
            stream_count += 1;
            let mut draft = assembler.open_text(stream.labels)?;
            stream.each_entry(|entry| {
                let pairs = record::pairs(&entry)?;
                assemble::entry_room(room, pairs.len())?;
                if let Some(draft) = &mut draft {
                    assembler.entry(draft, entry.timestamp, Cow::Borrowed(entry.line), pairs);
                }
                Ok::<(), Error>(())
            })?;
            draft.into_iter().for_each(|draft| assembler.close(draft));
            Ok::<(), Error>(())
        })?;
        some_stream(stream_count)?;
        self.finish(assembler, Some(block))
    }

    fn push_json(&self, body: &[u8], room: &mut Room, now: Timestamp) -> Result<Pushed, Error> {
        let text = text_of(body, room)?;
        let streams = json::decode(&text, room)?;
        some_stream(streams.len())?;
        let labels = self.service_name_labels();
        let mut assembler = self.assembler(&labels, now);
        for stream in streams {
            if let Some((name, _)) = stream.labels.iter().find(|(name, _)| !labels::is_name(name)) {
                let text = labels::quote(&stream.labels);
                let reason = labels::parse(&text).err().map_or_else(|| format!("{name:?}"), |error| error.to_string());
                return Err(Error::Labels(reason));
            }
            let Some(mut draft) = assembler.open(stream.labels) else { continue };
            for entry in stream.entries {
                assembler.entry(&mut draft, entry.timestamp, entry.line, entry.metadata);
            }
            assembler.close(draft);
        }
        self.finish(assembler, None)
    }

    fn push_old_json(&self, body: &[u8], room: &mut Room, now: Timestamp) -> Result<Pushed, Error> {
        let text = text_of(body, room)?;
        let streams = json::decode_old(&text, room)?;
        some_stream(streams.len())?;
        let labels = self.service_name_labels();
        let mut assembler = self.assembler(&labels, now);
        for stream in streams {
            let Some(mut draft) = assembler.open_text(&stream.labels)? else { continue };
            for entry in stream.entries {
                assembler.entry(&mut draft, entry.timestamp, entry.line, entry.metadata);
            }
            assembler.close(draft);
        }
        self.finish(assembler, None)
    }

    /// Stores what came together. `block` is the request, where it came as snappy-packed protobuf.
    fn finish(&self, assembler: Assembler<'_, '_>, block: Option<&[u8]>) -> Result<Pushed, Error> {
        let derive = assembler.derive();
        let mut assembled = assembler.finish();
        let limited = self.rates.take(&mut assembled);
        let reasons = assembled.refusals.text();
        let refused = !assembled.refusals.is_empty();
        let untouched = !refused && !assembled.cut;
        let as_received = block.filter(|_| untouched).and_then(|block| record::as_received(block, derive));
        let pushed = if assembled.streams.is_empty() {
            Pushed::default()
        } else {
            let record = match as_received {
                Some(record) => record,
                None => record::encode(&assembled.streams)?,
            };
            self.store(assembled, record)?
        };
        match (limited, refused) {
            (true, _) => Err(Error::RateLimited { reasons, pushed }),
            (false, true) => Err(Error::Rejected { reasons, pushed }),
            (false, false) => Ok(pushed),
        }
    }

    fn store(&self, assembled: Assembled<'_>, record: Vec<u8>) -> Result<Pushed, Error> {
        let appended = self.store.append(&Batch { record: Cow::Owned(record), streams: assembled.streams })?;
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.entry_count += appended.entry_count;
        totals.duplicate_count += appended.duplicate_count;
        totals.line_bytes += appended.line_bytes;
        Ok(Pushed {
            entry_count: appended.entry_count,
            duplicate_count: appended.duplicate_count,
            line_bytes: appended.line_bytes,
        })
    }

    fn service_name_labels(&self) -> Vec<&str> {
        self.limits.service_name_labels.iter().map(String::as_str).collect()
    }

    fn derive<'l>(&self, service_name_labels: &'l [&'l str]) -> Derive<'l> {
        Derive { service_name_labels, levels: self.limits.levels }
    }

    fn assembler<'a, 'l>(&'l self, service_name_labels: &'l [&'l str], now: Timestamp) -> Assembler<'a, 'l> {
        Assembler::for_push(self.derive(service_name_labels), Checks::new(&self.limits, now), &self.known)
    }
}

/// What the body is, once unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// In a raw snappy block.
    Protobuf,
    Json,
    OldJson,
}

impl Format {
    /// As Loki does it: what is not JSON is protobuf, whatever it says it is.
    fn of(content_type: Option<&str>, shape: Shape) -> Result<Format, Error> {
        let header = content_type.unwrap_or("");
        let media = header.split(';').next().unwrap_or("").trim();
        let (kind, subtype) = media.split_once('/').unwrap_or((media, "x"));
        match (kind, subtype) {
            ("", "x") => Err(Error::ContentType("no media type")),
            (kind, _) if !is_token(kind) => Err(Error::ContentType("expected slash in first token")),
            (_, subtype) if !is_token(subtype) => Err(Error::ContentType("expected token after slash")),
            _ if !media.eq_ignore_ascii_case("application/json") => Ok(Format::Protobuf),
            _ => Ok(match shape {
                Shape::Current => Format::Json,
                Shape::Old => Format::OldJson,
            }),
        }
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The text of a JSON body. Bytes that are no UTF-8 become U+FFFD each, as in Loki.
fn text_of<'b>(body: &'b [u8], room: &mut Room) -> Result<Cow<'b, str>, Error> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => {
            // each bad byte becomes three
            room.grow(body.len().saturating_mul(3))?;
            Ok(Cow::Owned(body::replace_bad_bytes(body)))
        }
    }
}

fn some_stream(stream_count: usize) -> Result<(), Error> {
    if stream_count == 0 { Err(Error::NoStreams) } else { Ok(()) }
}
