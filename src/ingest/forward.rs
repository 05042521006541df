//! Pushes for who passes them on: unpacked and decoded as for the store, neither changed nor stored.
//!
//! Promises: the same bounds of memory and the same words for what is wrong as for pushes that are stored.

use std::borrow::Cow;

use crate::ingest::body::{self, Encoding};
use crate::ingest::format::Format;
use crate::ingest::intake::{some_stream, text_of};
use crate::ingest::json::{self, Entry, Stream};
use crate::ingest::room::Space;
use crate::ingest::{Error, Limits, PushRequest, Room, assemble, labels, protobuf, record};

/// Takes pushes apart.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    space: Space,
}

impl Decoder {
    pub(crate) fn new(limits: Limits) -> Decoder {
        let space = Space::new(limits.in_flight_bytes_max.max(limits.in_flight_floor()));
        Decoder { limits, space }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Memory for one request: it grows while the body is received.
    pub(crate) fn room(&self) -> Room {
        self.space.room()
    }

    /// Hands out the streams of a push; `room` holds the body already.
    pub(crate) fn streams<R>(
        &self,
        request: &PushRequest,
        room: &mut Room,
        take: impl FnOnce(&[Stream<'_>]) -> R,
    ) -> Result<R, Error> {
        let format = Format::of(request.content_type.as_deref(), request.shape)?;
        let body = self.unpack(request, room)?;
        match format {
            Format::Protobuf => {
                let mut memory = Vec::new();
                let message = body::unsnap(&body, self.limits.decoded_bytes_max, room, &mut memory)?;
                Ok(take(&of_protobuf(message, room)?))
            }
            Format::Json => {
                let text = text_of(&body, room)?;
                let streams = json::decode(&text, room)?;
                some_stream(streams.len())?;
                streams.iter().try_for_each(|stream| labels::check_names(&stream.labels))?;
                Ok(take(&streams))
            }
            Format::OldJson => {
                let text = text_of(&body, room)?;
                let streams = json::decode_old(&text, room)?;
                some_stream(streams.len())?;
                let streams = streams
                    .into_iter()
                    .map(|stream| Ok(Stream { labels: parse_labels(&stream.labels)?, entries: stream.entries }));
                Ok(take(&streams.collect::<Result<Vec<_>, Error>>()?))
            }
            // these are of another shape, which is not passed on
            Format::OtlpProtobuf | Format::OtlpJson => Err(Error::ContentType("OpenTelemetry is not taken here")),
        }
    }

    /// Hands out a body that is text.
    pub(crate) fn text<R>(
        &self,
        request: &PushRequest,
        room: &mut Room,
        take: impl FnOnce(&str) -> R,
    ) -> Result<R, Error> {
        let body = self.unpack(request, room)?;
        Ok(take(&text_of(&body, room)?))
    }

    fn unpack<'b>(&self, request: &'b PushRequest, room: &mut Room) -> Result<Cow<'b, [u8]>, Error> {
        let encoding = Encoding::parse(request.content_encoding.as_deref())?;
        body::unpack(&request.body, encoding, self.limits.decoded_bytes_max, room)
    }
}

fn of_protobuf<'a>(message: &'a [u8], room: &mut Room) -> Result<Vec<Stream<'a>>, Error> {
    let mut streams = Vec::new();
    protobuf::each_stream(message, |stream| {
        let mut entries = Vec::with_capacity(stream.entry_count_guess());
        stream.each_entry(|entry| {
            let metadata = record::pairs(&entry)?;
            assemble::entry_room(room, metadata.len())?;
            entries.push(Entry { timestamp: entry.timestamp, line: Cow::Borrowed(entry.line), metadata });
            Ok::<(), Error>(())
        })?;
        streams.push(Stream { labels: parse_labels(stream.labels)?, entries });
        Ok::<(), Error>(())
    })?;
    some_stream(streams.len())?;
    Ok(streams)
}

fn parse_labels(text: &str) -> Result<labels::Pairs, Error> {
    labels::parse(text).map_err(|error| Error::Labels(error.to_string()))
}
