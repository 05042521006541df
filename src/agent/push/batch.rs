//! A batch while it is filled: each line is written once, in the form in which it is sent, and packed soon.
//!
//! Promises: no allocation for a line whose stream is known; what a batch reaches in its sources goes with it; a batch of
//! a mebibyte takes half of that in memory, as only the last lines of a stream are not packed.

use std::collections::HashMap;

use crate::agent::outlet::Outgoing;
use crate::agent::push::packed::{BLOCK_BYTES, Message, Packer};
use crate::ingest::protobuf;
use crate::model::Labels;

/// One request: compressed, for one tenant.
#[derive(Debug)]
pub(in crate::agent::push) struct Request {
    pub(in crate::agent::push) tenant: Option<String>,
    pub(in crate::agent::push) body: bytes::Bytes,
    pub(in crate::agent::push) line_count: usize,
}

/// A batch that takes no more lines: its requests, and how far its sources were read when it was sealed.
#[derive(Debug, Default)]
pub(in crate::agent::push) struct Sealed {
    pub(in crate::agent::push) requests: Vec<Request>,
    pub(in crate::agent::push) reached: Vec<(u32, u64)>,
    pub(in crate::agent::push) refused: Vec<Refused>,
}

/// Lines of streams beyond the bound.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::agent::push) struct Refused {
    pub(in crate::agent::push) tenant: Option<String>,
    pub(in crate::agent::push) line_count: usize,
    pub(in crate::agent::push) bytes: usize,
}

impl Sealed {
    /// Bytes that are sent for it.
    pub(in crate::agent::push) fn bytes(&self) -> u64 {
        self.requests.iter().map(|request| request.body.len() as u64).sum()
    }
}

/// A batch that is filled. It is used again and again, so that its memory is asked for once.
#[derive(Debug, Default)]
pub(in crate::agent::push) struct Batch {
    streams: Vec<Stream>,
    /// Streams in use; those behind are kept for their memory.
    used: usize,
    index: HashMap<(Option<String>, Labels), usize>,
    /// The stream of the line before, as lines of a file come one after the other.
    last: Option<usize>,
    reached: Vec<(u32, u64)>,
    bytes: usize,
    /// Streams of a tenant that it may have; 0 is no bound.
    streams_max: usize,
    refused: Vec<Refused>,
    packer: Packer,
}

#[derive(Debug, Default)]
struct Stream {
    tenant: Option<String>,
    labels: Labels,
    /// Entries that are packed, and their bytes before.
    packed: Vec<u8>,
    packed_from: usize,
    /// Those behind.
    entries: Vec<u8>,
    line_count: usize,
}

/// What a label takes in a request besides its texts.
const LABEL_BYTES: usize = 5;
/// Room that a stream keeps when it was sent.
const KEPT_BYTES_MAX: usize = BLOCK_BYTES + (16 << 10);
/// Streams that are kept for their memory.
const KEPT_STREAMS_MAX: usize = 16;

impl Batch {
    /// A batch takes lines of so many streams for each tenant, as Promtail's does; 0 is no bound.
    pub(in crate::agent::push) fn of_streams(streams_max: usize) -> Batch {
        Batch { streams_max, ..Batch::default() }
    }

    /// Bytes of the lines so far, as they are written.
    pub(in crate::agent::push) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in crate::agent::push) fn is_empty(&self) -> bool {
        self.bytes == 0 && self.reached.is_empty() && self.refused.is_empty()
    }

    pub(in crate::agent::push) fn push(&mut self, line: Outgoing<'_>) {
        let Some(index) = self.stream_of(&line) else { return self.refuse(&line) };
        let stream = &mut self.streams[index];
        let before = stream.entries.len();
        let pairs = line.structured.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        protobuf::put_entry(&mut stream.entries, line.timestamp, line.line, pairs);
        stream.line_count += 1;
        self.bytes += stream.entries.len() - before;
        if stream.entries.len() >= BLOCK_BYTES {
            self.packer.pack(&stream.entries, &mut stream.packed);
            stream.packed_from += stream.entries.len();
            stream.entries.clear();
        }
    }

    /// Notes how far a source was read.
    pub(in crate::agent::push) fn reach(&mut self, source: u32, place: u64) {
        match self.reached.iter_mut().find(|(known, _)| *known == source) {
            Some((_, known)) => *known = place,
            None => self.reached.push((source, place)),
        }
    }

    /// Takes out what is in it. The labels of the client stand where a line has none of that name.
    pub(in crate::agent::push) fn seal(&mut self, external: &Labels) -> Sealed {
        let mut requests = Vec::new();
        let mut head = Vec::new();
        let used = &mut self.streams[..self.used];
        used.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        for streams in used.chunk_by(|a, b| a.tenant == b.tenant) {
            let mut message = Message::new(&mut self.packer);
            for stream in streams {
                head.clear();
                let entries_bytes = stream.packed_from + stream.entries.len();
                protobuf::put_stream_head(&mut head, &merged(external, &stream.labels).to_string(), entries_bytes);
                message.add(&head);
                message.add_packed(&stream.packed, stream.packed_from);
                message.add(&stream.entries);
            }
            let line_count = streams.iter().map(|stream| stream.line_count).sum();
            requests.push(Request { tenant: streams[0].tenant.clone(), body: message.finish(), line_count });
        }
        self.clear();
        let (reached, refused) = (std::mem::take(&mut self.reached), std::mem::take(&mut self.refused));
        Sealed { requests, reached, refused }
    }

    fn clear(&mut self) {
        for stream in &mut self.streams[..self.used] {
            stream.entries.clear();
            stream.entries.shrink_to(KEPT_BYTES_MAX);
            stream.packed = Vec::new();
            stream.packed_from = 0;
            stream.line_count = 0;
        }
        self.streams.truncate(KEPT_STREAMS_MAX);
        self.used = 0;
        self.index.clear();
        self.last = None;
        self.bytes = 0;
    }

    /// None where there are as many streams as there may be.
    fn stream_of(&mut self, line: &Outgoing<'_>) -> Option<usize> {
        if let Some(last) = self.last {
            let stream = &self.streams[last];
            if stream.labels.is_same(line.labels) && stream.tenant.as_deref() == line.tenant {
                return Some(last);
            }
        }
        let key = (line.tenant.map(str::to_owned), line.labels.clone());
        let index = match self.index.get(&key) {
            Some(index) => *index,
            None if self.is_full_for(line.tenant) => return None,
            None => {
                let index = self.used;
                self.used += 1;
                if self.streams.len() < self.used {
                    self.streams.push(Stream::default());
                }
                self.streams[index].tenant.clone_from(&key.0);
                self.streams[index].labels = key.1.clone();
                // labels are sent too, and many short lines may have one set each
                self.bytes +=
                    line.labels.iter().map(|(name, value)| name.len() + value.len() + LABEL_BYTES).sum::<usize>();
                self.index.insert(key, index);
                index
            }
        };
        self.last = Some(index);
        Some(index)
    }

    fn is_full_for(&self, tenant: Option<&str>) -> bool {
        let of_tenant = || self.streams[..self.used].iter().filter(|stream| stream.tenant.as_deref() == tenant);
        self.streams_max > 0 && of_tenant().count() >= self.streams_max
    }

    fn refuse(&mut self, line: &Outgoing<'_>) {
        let index = self.refused.iter().position(|refused| refused.tenant.as_deref() == line.tenant);
        let index = index.unwrap_or_else(|| {
            self.refused.push(Refused { tenant: line.tenant.map(str::to_owned), ..Refused::default() });
            self.refused.len() - 1
        });
        self.refused[index].line_count += 1;
        self.refused[index].bytes += line.line.len();
    }
}

/// Labels with those of the client that they lack. What the agent keeps for itself is not sent.
fn merged(external: &Labels, labels: &Labels) -> Labels {
    if external.is_empty() {
        return labels.clone();
    }
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Labels::from_pairs(external.iter().chain(labels.iter()).map(own))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use crate::agent::push::batch::*;
    use crate::model::{Entry, StreamEntries, Timestamp};

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    fn line<'a>(labels: &'a Labels, nanos: i64, line: &'a str) -> Outgoing<'a> {
        Outgoing { labels, timestamp: Timestamp::from_nanos(nanos), line, structured: &[], tenant: None }
    }

    fn message(request: &Request) -> Vec<u8> {
        snap::raw::Decoder::new().decompress_vec(&request.body).unwrap()
    }

    #[test]
    fn a_batch_is_what_the_server_reads_and_then_empty() {
        let (one, other) = (labels(&[("app", "a")]), labels(&[("app", "b"), ("dc", "own")]));
        let mut batch = Batch::default();
        for round in 0..2 {
            let pair = [("trace".to_owned(), "7".to_owned())];
            batch.push(line(&one, 1, "x"));
            batch.push(Outgoing { structured: &pair, ..line(&other, 2, "y") });
            batch.push(line(&one.clone(), 3, "z"));
            batch.push(line(&labels(&[("app", "a")]), 4, ""));
            batch.reach(5, 10 + round);
            batch.reach(5, 20 + round);
            let sealed = batch.seal(&labels(&[("dc", "home")]));
            assert_eq!((sealed.requests.len(), sealed.requests[0].line_count), (1, 4));
            assert_eq!(sealed.reached, [(5, 20 + round)]);
            let entry = |nanos, text: &'static str, metadata| Entry {
                timestamp: Timestamp::from_nanos(nanos),
                line: Cow::Borrowed(text),
                metadata,
            };
            let none = Labels::default;
            let expected = protobuf::encode(&[
                StreamEntries {
                    labels: labels(&[("app", "a"), ("dc", "home")]),
                    entries: vec![entry(1, "x", none()), entry(3, "z", none()), entry(4, "", none())],
                },
                StreamEntries { labels: other.clone(), entries: vec![entry(2, "y", labels(&[("trace", "7")]))] },
            ]);
            assert_eq!(message(&sealed.requests[0]), expected);
            assert!(batch.is_empty() && batch.seal(&none()).requests.is_empty());
        }
    }

    #[test]
    fn each_tenant_has_a_request_of_its_own() {
        let one = labels(&[("app", "a")]);
        let mut batch = Batch::default();
        for (tenant, text) in [(Some("t2"), "x"), (None, "y"), (Some("t1"), "z"), (Some("t2"), "w")] {
            batch.push(Outgoing { tenant, ..line(&one, 1, text) });
        }
        let sealed = batch.seal(&Labels::default());
        let told: Vec<_> = sealed.requests.iter().map(|one| (one.tenant.as_deref(), one.line_count)).collect();
        assert_eq!(told, [(None, 1), (Some("t1"), 1), (Some("t2"), 2)]);
    }

    #[test]
    fn streams_beyond_the_bound_are_refused_and_counted() {
        let mut batch = Batch::of_streams(2);
        for round in 0..2 {
            for app in ["a", "b", "c", "a", "c"] {
                batch.push(line(&labels(&[("app", app)]), 1, "four"));
            }
            batch.push(Outgoing { tenant: Some("t"), ..line(&labels(&[("app", "c")]), 1, "x") });
            let sealed = batch.seal(&Labels::default());
            assert_eq!(sealed.refused, [Refused { tenant: None, line_count: 2, bytes: 8 }], "round {round}");
            assert_eq!(sealed.requests.iter().map(|request| request.line_count).sum::<usize>(), 4);
        }
    }
}
