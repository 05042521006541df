//! The one door to the store: pushes of clients, and entries of our own.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::ingest::assemble::{self, Assembler, Derive, KnownStreams};
use crate::ingest::body::Encoding;
use crate::ingest::clock::Clock;
use crate::ingest::format::Format;
use crate::ingest::rate::Rates;
use crate::ingest::validate::Checks;
use crate::ingest::{Error, Limits, Room, Shape, body, json, labels, otlp, protobuf, record, room};
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

/// What became of a push.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Entries that are stored now and were not before.
    pub entry_count: u64,
    /// Entries that were there already.
    pub duplicate_count: u64,
    pub line_bytes: u64,
}

/// What stores a batch.
type Sink<'s> = &'s mut dyn FnMut(&Batch<'_>) -> Result<Pushed, Error>;

/// The door to the store. Shared by reference between threads; its calls block.
#[derive(Debug)]
pub struct Intake {
    store: Arc<Store>,
    limits: Limits,
    space: room::Space,
    known: KnownStreams,
    spares: body::Spares,
    rates: Rates,
    totals: Mutex<Pushed>,
    clock: Clock,
}

impl Intake {
    pub fn new(store: Arc<Store>, limits: Limits) -> Intake {
        let space = room::Space::new(limits.in_flight_bytes_max.max(limits.in_flight_floor()));
        let (known, rates) = (KnownStreams::default(), Rates::new(&limits));
        Intake {
            store,
            space,
            known,
            spares: body::Spares::default(),
            rates,
            totals: Mutex::default(),
            clock: Clock::start(),
            limits,
        }
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
        self.push_at(request, room, self.clock.now())
    }

    /// Stores entries of our own making: levels and a service name are added, nothing is refused for its size.
    pub fn append(&self, streams: &[StreamEntries<'_>]) -> Result<Pushed, Error> {
        let labels = self.service_name_labels();
        // streams that were not checked are not remembered for pushes
        let known = KnownStreams::default();
        let mut assembler = Assembler::for_replay(self.derive(&labels), &known);
        for stream in streams {
            let pairs = stream.labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let Some(mut draft) = assembler.open(pairs.collect()) else { continue };
            for entry in &stream.entries {
                let pairs = entry.metadata.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
                assembler.entry(&mut draft, entry.timestamp, Cow::Borrowed(&entry.line), pairs.collect());
            }
            assembler.close(draft);
        }
        let streams = assembler.finish().streams;
        let record = Cow::Owned(record::encode(&streams)?);
        self.store(&Batch { record, streams })
    }

    fn push_at(&self, request: &PushRequest, room: Room, now: Timestamp) -> Result<Pushed, Error> {
        self.decode(request, room, now, &mut |batch| self.store(batch))
    }

    /// Everything but storing: that is done by `store`, which is called at most once.
    fn decode(&self, request: &PushRequest, mut room: Room, now: Timestamp, store: Sink<'_>) -> Result<Pushed, Error> {
        let encoding = match (Encoding::parse(request.content_encoding.as_deref()), request.shape) {
            (Err(Error::ContentEncoding(name)), Shape::Otlp) => return Err(Error::OtlpContentEncoding(name)),
            (encoding, _) => encoding?,
        };
        let format = Format::of(request.content_type.as_deref(), request.shape)?;
        let body = body::unpack(&request.body, encoding, self.limits.decoded_bytes_max, &mut room)?;
        match format {
            Format::Protobuf => self.push_protobuf(&body, &mut room, now, store),
            Format::Json => self.push_json(&body, &mut room, now, store),
            Format::OldJson => self.push_old_json(&body, &mut room, now, store),
            Format::OtlpProtobuf => {
                let resources = otlp::decode_protobuf(&body, &mut room)?;
                self.push_otlp(resources, &mut room, now, store)
            }
            Format::OtlpJson => {
                let resources = otlp::decode_json(&text_of(&body, &mut room)?, &mut room)?;
                self.push_otlp(resources, &mut room, now, store)
            }
        }
    }

    fn push_protobuf(&self, block: &[u8], room: &mut Room, now: Timestamp, store: Sink<'_>) -> Result<Pushed, Error> {
        let mut memory = self.spares.take();
        let request = body::unsnap(block, self.limits.decoded_bytes_max, room, &mut memory)?;
        let labels = self.service_name_labels();
        let mut assembler = self.assembler(&labels, now);
        let mut stream_count = 0;
        protobuf::each_stream(request, |stream| {
            stream_count += 1;
            let mut draft = assembler.open_text(stream.labels)?;
            draft.iter_mut().for_each(|draft| draft.expect(stream.entry_count_guess()));
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
        let finished = self.finish(assembler, Some(block), store);
        self.spares.give(memory);
        finished
    }

    fn push_json(&self, body: &[u8], room: &mut Room, now: Timestamp, store: Sink<'_>) -> Result<Pushed, Error> {
        let text = text_of(body, room)?;
        let streams = json::decode(&text, room)?;
        some_stream(streams.len())?;
        let labels = self.service_name_labels();
        let mut assembler = self.assembler(&labels, now);
        for stream in streams {
            labels::check_names(&stream.labels)?;
            let Some(mut draft) = assembler.open(stream.labels) else { continue };
            for entry in stream.entries {
                assembler.entry(&mut draft, entry.timestamp, entry.line, entry.metadata);
            }
            assembler.close(draft);
        }
        self.finish(assembler, None, store)
    }

    fn push_old_json(&self, body: &[u8], room: &mut Room, now: Timestamp, store: Sink<'_>) -> Result<Pushed, Error> {
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
        self.finish(assembler, None, store)
    }

    fn push_otlp(
        &self,
        resources: Vec<otlp::Resource<'_>>,
        room: &mut Room,
        now: Timestamp,
        store: Sink<'_>,
    ) -> Result<Pushed, Error> {
        some_stream(resources.iter().map(otlp::Resource::record_count).sum())?;
        let labels = self.service_name_labels();
        let mut assembler = self.assembler(&labels, now);
        for resource in resources {
            let (labels, entries) = resource.into_stream(now);
            let Some(mut draft) = assembler.open(labels) else { continue };
            for entry in entries {
                // what a resource says is told once and stored with each of its entries
                let text_bytes: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
                assemble::entry_room(room, entry.metadata.len())?;
                room.spend(text_bytes)?;
                assembler.entry(&mut draft, entry.timestamp, entry.line, entry.metadata);
            }
            assembler.close(draft);
        }
        self.finish(assembler, None, store)
    }

    /// Stores what came together. `block` is the request, where it came as snappy-packed protobuf.
    fn finish(&self, assembler: Assembler<'_, '_>, block: Option<&[u8]>, store: Sink<'_>) -> Result<Pushed, Error> {
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
            store(&Batch { record: Cow::Owned(record), streams: assembled.streams })?
        };
        match (limited, refused) {
            (true, _) => Err(Error::RateLimited { reasons, pushed }),
            (false, true) => Err(Error::Rejected { reasons, pushed }),
            (false, false) => Ok(pushed),
        }
    }

    fn store(&self, batch: &Batch<'_>) -> Result<Pushed, Error> {
        let appended = self.store.append(batch)?;
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

/// The text of a JSON body. Bytes that are no UTF-8 become U+FFFD each, as in Loki.
pub(crate) fn text_of<'b>(body: &'b [u8], room: &mut Room) -> Result<Cow<'b, str>, Error> {
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => {
            // each bad byte becomes three
            room.grow(body.len().saturating_mul(3))?;
            Ok(Cow::Owned(body::replace_bad_bytes(body)))
        }
    }
}

pub(crate) fn some_stream(stream_count: usize) -> Result<(), Error> {
    if stream_count == 0 { Err(Error::NoStreams) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;
    use tempfile::TempDir;

    use crate::ingest::{Error, Intake, Limits, LongLines, PushRequest, Pushed, Rate, Shape, protobuf, replay};
    use crate::model::{Entry, Labels, StreamEntries, Timestamp};
    use crate::store::{self, Store};

    const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

    fn intake(limits: Limits) -> (Intake, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let config = store::Config {
            dir: folder.path().to_owned(),
            retention: store::Retention::default(),
            head_bytes_max: 1 << 20,
            wordless_bytes: crate::store::WORDLESS_BYTES,
        };
        (Intake::new(Arc::new(Store::open(config, &replay).unwrap()), limits), folder)
    }

    fn request(content_type: &str, content_encoding: &str, body: &[u8]) -> PushRequest {
        PushRequest {
            content_type: Some(content_type.to_owned()),
            content_encoding: Some(content_encoding.to_owned()),
            body: Bytes::copy_from_slice(body),
            shape: Shape::Current,
        }
    }

    fn json(body: &str) -> PushRequest {
        request("application/json", "", body.as_bytes())
    }

    fn packed(streams: &[StreamEntries<'_>]) -> PushRequest {
        let body = snap::raw::Encoder::new().compress_vec(&protobuf::encode(streams)).unwrap();
        request("application/x-protobuf", "", &body)
    }

    /// An entry of some second in September 2001.
    fn entry(second: i64, line: &str, metadata: &[(&str, &str)]) -> Entry<'static> {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Entry {
            timestamp: Timestamp::from_secs(1_000_000_000 + second),
            line: Cow::Owned(line.to_owned()),
            metadata: metadata.collect(),
        }
    }

    /// Decodes a request; gives the outcome, and per entry `labels ns line metadata`, in the order of the batch. The
    /// record of the batch is decoded again on the way, and must say the same.
    fn decode(intake: &Intake, request: &PushRequest) -> (Result<Pushed, Error>, Vec<String>, Vec<u8>) {
        let mut rows = Vec::new();
        let mut kept = Vec::new();
        let outcome = intake.decode(request, intake.room(), NOW, &mut |batch| {
            let mut again = Vec::new();
            let mut sink = |streams: &[StreamEntries<'_>]| again.extend(rows_of(streams));
            replay(&batch.record, &mut sink).unwrap();
            rows = rows_of(&batch.streams);
            assert_eq!(again, rows);
            kept = batch.record.to_vec();
            Ok(Pushed { entry_count: rows.len() as u64, ..Pushed::default() })
        });
        (outcome, rows, kept)
    }

    fn rows_of(streams: &[StreamEntries<'_>]) -> Vec<String> {
        let of_stream = |stream: &StreamEntries<'_>| -> Vec<String> {
            let of_entry = |entry: &Entry<'_>| {
                format!("{} {} {:?} {}", stream.labels, entry.timestamp.nanos(), entry.line, entry.metadata)
            };
            stream.entries.iter().map(of_entry).collect()
        };
        streams.iter().flat_map(of_stream).collect()
    }

    #[test]
    fn a_protobuf_push_is_kept_as_it_came() {
        let (intake, _folder) = intake(Limits::default());
        let entries = vec![entry(1, "an error", &[]), entry(2, "plain", &[("a.b", "c"), ("level", "WARN")])];
        let request = packed(&[StreamEntries { labels: Labels::from([("job", "web")]), entries }]);
        let (outcome, rows, record) = decode(&intake, &request);
        assert!(outcome.is_ok());
        let stream = r#"{job="web", service_name="web"}"#;
        assert_eq!(
            rows,
            [
                format!(r#"{stream} 1000000001000000000 "an error" {{detected_level="error"}}"#),
                format!(r#"{stream} 1000000002000000000 "plain" {{a_b="c", detected_level="warn", level="WARN"}}"#),
            ]
        );
        assert_eq!(record[1..], request.body);
    }

    #[test]
    fn other_pushes_are_kept_as_what_was_accepted() {
        let own_names = Limits { service_name_labels: vec!["team".to_owned()], ..Limits::default() };
        let cut = Limits { line_bytes_max: 5, long_lines: LongLines::Truncate, ..Limits::default() };
        let labels = Labels::from([("job", "web"), ("team", "shop")]);
        let streams = [StreamEntries { labels, entries: vec![entry(1, "한글 error", &[])] }];
        for (limits, wanted) in [
            (
                own_names,
                r#"{job="web", service_name="shop", team="shop"} 1000000001000000000 "한글 error" {detected_level="error"}"#,
            ),
            (
                cut,
                r#"{job="web", service_name="web", team="shop"} 1000000001000000000 "한" {detected_level="unknown"}"#,
            ),
        ] {
            let (intake, _folder) = intake(limits);
            let (outcome, rows, record) = decode(&intake, &packed(&streams));
            assert!(outcome.is_ok());
            assert_eq!(rows, [wanted]);
            assert_eq!(record[0], 1);
        }
    }

    #[test]
    fn good_entries_of_a_bad_push_are_stored() {
        let limits = Limits { line_bytes_max: 20, label_count_max: 2, ..Limits::default() };
        let (intake, _folder) = intake(limits);
        let body = r#"{"streams":[
            {"stream":{"a":"1"},"values":[["1000000001000000000","good"],["1000000002000000000","much longer than twenty bytes"],["1000000003000000000","good too"],
                                          ["7258118400000000000","too new"],["1000000004000000000","bad name",{"-":"x"}]]},
            {"stream":{"a":"1","b":"2","c":"3"},"values":[["1000000001000000000","too many labels"]]},
            {"stream":{"b":"2"},"values":[["1000000001000000000","of another stream"]]}]}"#;
        let (outcome, rows, _) = decode(&intake, &json(body));
        let Err(Error::Rejected { reasons, pushed }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(pushed.entry_count, 3);
        assert_eq!(rows.len(), 3, "{rows:?}");
        for part in
            ["exceeded for stream '{a=\"1\"", "has timestamp too new: 2200-01-01", "normalization for label name \"-\""]
        {
            assert!(reasons.contains("1 errors like: ") && reasons.contains(part), "{part} in {reasons}");
        }
        assert!(reasons.contains("has 3 label names; limit 2"), "{reasons}");
    }

    #[test]
    fn one_bad_label_set_refuses_the_whole_push() {
        let (intake, _folder) = intake(Limits::default());
        let body = r#"{"streams":[{"stream":{"a":"1"},"values":[["1000000001000000000","x"]]},{"stream":{"b-c":"1"},"values":[["1000000001000000000","x"]]}]}"#;
        let (outcome, rows, _) = decode(&intake, &json(body));
        let message = outcome.unwrap_err().to_string();
        assert_eq!(message, "couldn't parse labels: 1:3: parse error: unexpected character inside braces: '-'");
        assert!(rows.is_empty());
    }

    #[test]
    fn streams_without_entries_are_no_error_but_no_stream_is_one() {
        let (intake, _folder) = intake(Limits::default());
        let (outcome, rows, _) = decode(&intake, &json(r#"{"streams":[{"stream":{"a":"1"}}]}"#));
        assert!(outcome.is_ok() && rows.is_empty());
        assert!(matches!(decode(&intake, &json(r#"{"streams":[]}"#)).0, Err(Error::NoStreams)));
        assert!(matches!(decode(&intake, &packed(&[])).0, Err(Error::NoStreams)));
    }

    #[test]
    fn a_rate_limit_stores_nothing_and_says_so() {
        let rate = Some(Rate { bytes_per_second: 10, burst_bytes: 10 });
        let (intake, _folder) = intake(Limits { rate, ..Limits::default() });
        let (outcome, rows, _) = decode(
            &intake,
            &json(r#"{"streams":[{"stream":{"a":"1"},"values":[["1000000001000000000","12345678901"]]}]}"#),
        );
        assert!(matches!(outcome, Err(Error::RateLimited { pushed: Pushed { entry_count: 0, .. }, .. })));
        assert!(rows.is_empty());
    }

    #[test]
    fn invalid_utf8_is_refused_in_protobuf_and_replaced_in_json() {
        let (intake, _folder) = intake(Limits::default());
        let body = snap::raw::Encoder::new().compress_vec(&[0x0a, 6, 0x12, 4, 0x12, 2, 0xff, 0xfe]).unwrap();
        let (outcome, ..) = decode(&intake, &request("application/x-protobuf", "", &body));
        assert_eq!(outcome.unwrap_err().to_string(), "a line is not valid UTF-8");
        let body = b"{\"streams\":[{\"stream\":{},\"values\":[[\"1000000001000000000\",\"bad \xff\xfe\"]]}]}";
        let (outcome, rows, _) = decode(&intake, &request("application/json", "", body));
        assert!(outcome.is_ok() && rows[0].contains("bad \u{fffd}\u{fffd}"), "{rows:?}");
    }

    #[test]
    fn what_does_not_fit_beside_others_comes_back_later() {
        let limits =
            Limits { body_bytes_max: 100, decoded_bytes_max: 100, in_flight_bytes_max: 0, ..Limits::default() };
        let (intake, _folder) = intake(limits);
        let mut other = intake.room();
        other.grow(290).unwrap();
        let lines = vec![entry(1, &"x".repeat(60), &[])];
        let request = packed(&[StreamEntries { labels: Labels::from([("a", "b")]), entries: lines }]);
        assert!(matches!(intake.push(&request, intake.room()), Err(Error::Busy { .. })));
        drop(other);
        assert!(matches!(intake.push(&request, intake.room()), Err(Error::TooLarge { .. }) | Ok(_)));
    }

    #[test]
    fn entries_of_our_own_get_a_service_name_and_a_level() {
        let (intake, _folder) = intake(Limits { line_bytes_max: 1, ..Limits::default() });
        let labels = Labels::from([("job", "logcafe")]);
        let streams = [StreamEntries { labels, entries: vec![entry(1, "level=warn msg=x", &[])] }];
        assert_eq!(intake.append(&streams).unwrap().entry_count, 1);
        assert_eq!(intake.append(&streams).unwrap().duplicate_count, 1);
        let all = intake.store.streams(&[], crate::model::TimeRange::ALL).unwrap();
        assert_eq!(all, [Labels::from([("job", "logcafe"), ("service_name", "logcafe")])]);
    }

    fn some_streams() -> impl Strategy<Value = Vec<StreamEntries<'static>>> {
        let word = "[a-z]{1,6}|level|detected_level|severity_number|k\\.e-y|x__y";
        let pairs = prop::collection::vec((word, "[a-z0-9]{0,5}|error|17|\u{ff}"), 0..3);
        let line = "[ -~]{0,40}|[a-z ]{0,10}(error|INFO|warn)[ :a-z]{0,10}|(?s).{0,20}|level=(warn|x) a=b";
        let one = (0..4_000_000_000_i64, line, pairs).prop_map(|(seconds, line, pairs)| Entry {
            timestamp: Timestamp::from_secs(seconds),
            line: Cow::Owned(line),
            metadata: pairs.into_iter().collect(),
        });
        let labels = prop::collection::vec(("[a-z]{1,3}|job|level|service_name", "[a-z\"\\\\\n]{0,4}|warn"), 0..4);
        let stream = (labels, prop::collection::vec(one, 0..5))
            .prop_map(|(labels, entries)| StreamEntries { labels: labels.into_iter().collect(), entries });
        prop::collection::vec(stream, 1..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

        #[test]
        fn a_record_says_exactly_what_was_accepted(streams in prop::collection::vec(some_streams(), 200)) {
            let (intake, _folder) = intake(Limits { metadata_count_max: 2, ..Limits::default() });
            for streams in streams {
                decode(&intake, &packed(&streams)).0.ok();
            }
        }

        #[test]
        fn arbitrary_bodies_never_panic(bodies in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..80), prop::bool::ANY, 0..5_usize), 200,
        )) {
            let (intake, _folder) = intake(Limits::default());
            for (bytes, as_json, encoding) in bodies {
                let kind = if as_json { "application/json" } else { "application/x-protobuf" };
                let encoding = ["", "snappy", "gzip", "deflate", "zstd"][encoding];
                decode(&intake, &request(kind, encoding, &bytes)).0.ok();
                let packed = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
                decode(&intake, &request(kind, "", &packed)).0.ok();
            }
        }
    }
}
