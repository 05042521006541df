//! The bounds of what is taken in. Every limit has its one home here: unit last, default, and the error it leads to.
//!
//! Where Loki has the same limit its name is given, and the default is Loki's unless said otherwise.

use std::time::Duration;

/// Bounds of pushes. `Limits::default()` is what the server uses when nothing is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of one request as it comes over the wire; more is 413. Agents send about 1 MiB.
    pub body_bytes_max: u64,
    /// Bytes of one request after decompression; more is 413. Ends gzip bombs.
    pub decoded_bytes_max: u64,
    /// Memory of all requests that are being received and decoded; more is 429 with `Retry-After`, or 413 for a
    /// request that is too large for it alone. Never less than a body packed and unpacked (`in_flight_floor`).
    pub in_flight_bytes_max: u64,

    /// Labels of a stream, `service_name` not counted (`max_label_names_per_series`).
    pub label_count_max: usize,
    /// Bytes of a label's name (`max_label_name_length`).
    pub label_name_bytes_max: usize,
    /// Bytes of a label's value (`max_label_value_length`).
    pub label_value_bytes_max: usize,

    /// Bytes of one line (`max_line_size`).
    pub line_bytes_max: usize,
    /// What happens to longer lines (`max_line_size_truncate`).
    pub long_lines: LongLines,
    /// Bytes of names and values of one entry's structured metadata (`max_structured_metadata_size`).
    pub metadata_bytes_max: usize,
    /// Pairs of one entry's structured metadata (`max_structured_metadata_entries_count`).
    pub metadata_count_max: usize,

    /// Age from which entries are refused (`reject_old_samples_max_age`). Off here, a week in Loki: logs that
    /// are shipped late are still worth having, and the store keeps any order and any age.
    pub age_max: Option<Duration>,
    /// How far ahead of our clock an entry may be (`creation_grace_period`).
    pub future_max: Duration,

    /// Bytes of lines and metadata per second, all pushes together (`ingestion_rate_mb`). Off here, 4 MB in Loki.
    pub rate: Option<Rate>,
    /// The same for each stream (`per_stream_rate_limit`). Off here, 3 MB in Loki.
    pub stream_rate: Option<Rate>,
    /// Streams that got an entry in the last two hours (`max_global_streams_per_user`). Off here, 5000 in Loki.
    pub active_stream_count_max: Option<usize>,

    /// Labels whose value becomes `service_name` where that is missing, first one wins (`discover_service_name`).
    /// None switches it off.
    pub service_name_labels: Vec<String>,
    /// Whether each entry gets a `detected_level` (`discover_log_levels`).
    pub levels: Levels,
}

/// What happens to lines beyond `line_bytes_max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLines {
    /// The entry is refused with 400; the rest of its push is stored.
    Reject,
    /// The line is cut at the limit and stored.
    Truncate,
}

/// Whether levels are looked for in lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Levels {
    Detect,
    Leave,
}

/// A speed that may be exceeded for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub bytes_per_second: u64,
    /// What may come at once after a pause.
    pub burst_bytes: u64,
}

impl Limits {
    /// What one request of the largest size holds before its entries are counted.
    pub(crate) fn in_flight_floor(&self) -> u64 {
        self.body_bytes_max.saturating_add(self.decoded_bytes_max.saturating_mul(2))
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes_max: 16 << 20,
            decoded_bytes_max: 32 << 20,
            in_flight_bytes_max: 96 << 20,
            label_count_max: 15,
            label_name_bytes_max: 1024,
            label_value_bytes_max: 2048,
            line_bytes_max: 256 << 10,
            long_lines: LongLines::Reject,
            metadata_bytes_max: 64 << 10,
            metadata_count_max: 128,
            age_max: None,
            future_max: Duration::from_secs(600),
            rate: None,
            stream_rate: None,
            active_stream_count_max: None,
            service_name_labels: crate::ingest::service::LABELS.map(str::to_owned).to_vec(),
            levels: Levels::Detect,
        }
    }
}
