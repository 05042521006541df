//! Rate limits as Loki has them. All are off unless they are configured: one machine that reads its own logs has no
//! neighbours to protect.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::ingest::assemble::Assembled;
use crate::ingest::{Limits, Rate};
use crate::model::{Labels, StreamEntries};

/// How long a stream counts as active after its last entry.
const ACTIVE: Duration = Duration::from_secs(2 * 3600);

/// The user that Loki names where there is only one.
const USER: &str = "fake";

/// What was taken in lately.
#[derive(Debug)]
pub(crate) struct Rates {
    rate: Option<Rate>,
    stream_rate: Option<Rate>,
    active_stream_count_max: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: Option<Bucket>,
    streams: HashMap<Labels, Stream>,
}

#[derive(Debug)]
struct Stream {
    seen: Instant,
    bucket: Option<Bucket>,
}

/// Holds what may come at once; fills up with time.
#[derive(Debug)]
struct Bucket {
    bytes: f64,
    filled: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Bucket {
        Bucket { bytes: rate.burst_bytes as f64, filled: now }
    }

    /// Takes `bytes`, or nothing.
    fn take(&mut self, rate: Rate, bytes: u64, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * rate.bytes_per_second as f64;
        self.bytes = (self.bytes + gained).min(rate.burst_bytes as f64);
        self.filled = now;
        let fits = bytes as f64 <= self.bytes;
        if fits {
            self.bytes -= bytes as f64;
        }
        fits
    }
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Rates {
        Rates {
            rate: limits.rate,
            stream_rate: limits.stream_rate,
            active_stream_count_max: limits.active_stream_count_max,
            state: Mutex::default(),
        }
    }

    /// Takes out of `assembled` what is beyond a rate, with its reason. Whether there was such.
    pub(crate) fn take(&self, assembled: &mut Assembled<'_>) -> bool {
        if self.rate.is_none() && self.stream_rate.is_none() && self.active_stream_count_max.is_none() {
            return false;
        }
        self.take_at(assembled, Instant::now())
    }

    fn take_at(&self, assembled: &mut Assembled<'_>, now: Instant) -> bool {
        let mut state = self.state.lock().expect("no thread panics while it holds this lock");
        let state = &mut *state;
        let before = assembled.streams.len();
        let refusals = &mut assembled.refusals;
        assembled.streams.retain(|stream| match self.stream(state, stream, now) {
            Ok(()) => true,
            Err(reason) => {
                refusals.add(reason);
                false
            }
        });
        if let Some(rate) = self.rate {
            let bytes = assembled.streams.iter().map(size).sum();
            let bucket = state.all.get_or_insert_with(|| Bucket::full(rate, now));
            if !bucket.take(rate, bytes, now) {
                let lines: usize = assembled.streams.iter().map(|stream| stream.entries.len()).sum();
                refusals.add(format!(
                    "ingestion rate limit exceeded for user {USER} (limit: {} bytes/sec) while attempting to ingest \
                     '{lines}' lines totaling '{bytes}' bytes, reduce log volume or contact your Loki administrator to \
                     see if the limit can be increased",
                    rate.bytes_per_second
                ));
                assembled.streams.clear();
                return true;
            }
        }
        assembled.streams.len() < before
    }

    fn stream(&self, state: &mut State, stream: &StreamEntries<'_>, now: Instant) -> Result<(), String> {
        if self.stream_rate.is_none() && self.active_stream_count_max.is_none() {
            return Ok(());
        }
        let labels = &stream.labels;
        if !state.streams.contains_key(labels) {
            if self.active_stream_count_max.is_none_or(|max| state.streams.len() >= max) {
                state.streams.retain(|_, stream| now.saturating_duration_since(stream.seen) < ACTIVE);
            }
            if self.active_stream_count_max.is_some_and(|max| state.streams.len() >= max) {
                return Err(format!(
                    "maximum active stream limit exceeded when trying to create stream {labels}, reduce the number of \
                     active streams (reduce labels or reduce label values), or contact your Loki administrator to see \
                     if the limit can be increased, user: '{USER}'"
                ));
            }
        }
        let known = state.streams.entry(labels.clone()).or_insert(Stream { seen: now, bucket: None });
        known.seen = now;
        let Some(rate) = self.stream_rate else { return Ok(()) };
        let bytes = size(stream);
        let bucket = known.bucket.get_or_insert_with(|| Bucket::full(rate, now));
        if bucket.take(rate, bytes, now) {
            return Ok(());
        }
        Err(format!(
            "Per stream rate limit exceeded (limit: {}/sec) while attempting to ingest for stream '{labels}' totaling \
             {}, consider splitting a stream via additional labels or contact your Loki administrator to see if the \
             limit can be increased",
            human(rate.bytes_per_second),
            human(bytes)
        ))
    }
}

/// Bytes of lines and of metadata, the added level not counted.
fn size(stream: &StreamEntries<'_>) -> u64 {
    let entry_bytes = |entry: &crate::model::Entry<'_>| {
        let metadata = entry.metadata.iter().filter(|(name, _)| *name != crate::ingest::level::DETECTED_LEVEL);
        entry.line.len() + metadata.map(|(name, value)| name.len() + value.len()).sum::<usize>()
    };
    stream.entries.iter().map(entry_bytes).sum::<usize>() as u64
}

/// `3MB`, as Loki prints sizes: steps of 1024, no fraction where there is none.
fn human(bytes: u64) -> String {
    let units = ["B", "KB", "MB", "GB", "TB"];
    let step = (1..units.len()).rev().find(|step| bytes >= 1 << (10 * step)).unwrap_or(0);
    let value = bytes as f64 / (1_u64 << (10 * step)) as f64;
    let text = format!("{value:.2}");
    format!("{}{}", text.trim_end_matches('0').trim_end_matches('.'), units[step])
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::time::{Duration, Instant};

    use crate::ingest::assemble::Assembled;
    use crate::ingest::rate::{Rates, human};
    use crate::ingest::validate::Refusals;
    use crate::ingest::{Limits, Rate};
    use crate::model::{Entry, Labels, StreamEntries, Timestamp};

    fn push(apps: &[&str], line_bytes: usize) -> Assembled<'static> {
        let stream = |app: &&str| StreamEntries {
            labels: Labels::from([("app", *app)]),
            entries: vec![Entry {
                timestamp: Timestamp::from_secs(0),
                line: Cow::Owned("x".repeat(line_bytes)),
                metadata: Labels::from([("detected_level", "unknown")]),
            }],
        };
        Assembled { streams: apps.iter().map(stream).collect(), refusals: Refusals::default(), cut: false }
    }

    fn check(rates: &Rates, apps: &[&str], bytes: usize, now: Instant, stored: usize, reason: &str) {
        let mut assembled = push(apps, bytes);
        assert_eq!(rates.take_at(&mut assembled, now), !reason.is_empty());
        assert_eq!(assembled.streams.len(), stored);
        assert!(assembled.refusals.text().starts_with(reason), "{}", assembled.refusals.text());
    }

    #[test]
    fn the_rate_of_all_pushes_is_limited_and_recovers() {
        let rate = Rate { bytes_per_second: 100, burst_bytes: 150 };
        let rates = Rates::new(&Limits { rate: Some(rate), ..Limits::default() });
        let start = Instant::now();
        check(&rates, &["a"], 140, start, 1, "");
        let reason = "ingestion rate limit exceeded for user fake (limit: 100 bytes/sec) while attempting to ingest \
                      '2' lines totaling '100' bytes";
        check(&rates, &["a", "b"], 50, start, 0, reason);
        check(&rates, &["a", "b"], 50, start + Duration::from_secs(1), 2, "");
    }

    #[test]
    fn a_loud_stream_does_not_stop_the_others() {
        let rate = Rate { bytes_per_second: 1024, burst_bytes: 1536 };
        let rates = Rates::new(&Limits { stream_rate: Some(rate), ..Limits::default() });
        let start = Instant::now();
        check(&rates, &["a"], 1024, start, 1, "");
        let reason = "Per stream rate limit exceeded (limit: 1KB/sec) while attempting to ingest for stream \
                      '{app=\"a\"}' totaling 1.5KB, ";
        check(&rates, &["a", "b"], 1536, start, 1, reason);
    }

    #[test]
    fn the_number_of_active_streams_is_limited() {
        let rates = Rates::new(&Limits { active_stream_count_max: Some(2), ..Limits::default() });
        let start = Instant::now();
        check(&rates, &["a", "b"], 1, start, 2, "");
        let reason = "maximum active stream limit exceeded when trying to create stream {app=\"c\"}, ";
        check(&rates, &["c", "b"], 1, start, 1, reason);
        check(&rates, &["c"], 1, start + Duration::from_secs(7201), 1, "");
    }

    #[test]
    fn sizes_are_printed_as_loki_prints_them() {
        assert_eq!([0, 1023, 1024, 3 << 20, 1_600_000].map(human), ["0B", "1023B", "1KB", "3MB", "1.53MB"]);
    }
}
