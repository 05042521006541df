//! What is asked, and what is answered.

use std::time::Duration;

use xxhash_rust::xxh3::Xxh3Default;

use crate::logql::ast::{Expr, LogExpr};
use crate::logql::stage::Processed;
use crate::model::{Direction, Labels, Matcher, Memory, Share, TimeRange, Timestamp};
use crate::query::logs::memory_bytes;
use crate::query::{Coverage, Matrix, Vector};

/// A query over a span of time.
#[derive(Clone, Debug)]
pub struct RangeQuery {
    pub expr: Expr,
    /// Lines are taken from it as it is; a metric query has points from the start to the end, the end included.
    pub range: TimeRange,
    /// Distance between the points of a metric query, in nanoseconds; above 0.
    pub step_ns: i64,
    /// Least distance between two lines of a log answer, over all its streams; 0 for every line.
    pub interval_ns: i64,
    /// Lines answered at most, over all streams.
    pub limit: usize,
    pub direction: Direction,
}

/// A metric query at one point in time.
#[derive(Clone, Debug)]
pub struct InstantQuery {
    pub expr: Expr,
    pub time: Timestamp,
    pub limit: usize,
}

/// What a query found.
#[derive(Debug)]
pub struct Answer {
    pub data: Data,
    pub stats: Stats,
    pub warnings: Vec<String>,
    /// What the query may use, its answer included: who writes that counts the text here.
    pub memory: Memory,
}

#[derive(Debug)]
pub enum Data {
    Streams(Vec<LogLine>),
    Matrix(Matrix),
    Vector(Vector),
    Scalar { time: Timestamp, value: f64 },
}

/// See [`LogLine::identity`].
fn identity(stream: &Labels, metadata: &Labels, line: &str) -> u64 {
    let mut hasher = Xxh3Default::new();
    hasher.update(&stream.fingerprint().to_le_bytes());
    hasher.update(&metadata.fingerprint().to_le_bytes());
    hasher.update(line.as_bytes());
    hasher.digest()
}

/// One line of a log answer, in the answer's order: by time over all streams.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    pub timestamp: Timestamp,
    /// The text after all stages.
    pub line: String,
    /// Labels of the stream.
    pub stream: Labels,
    /// Structured metadata that is left after all stages.
    pub structured: Labels,
    /// Labels that stages made or changed.
    pub parsed: Labels,
    /// The identity of what is stored, where stages changed the text, or took labels or metadata away.
    pub rewritten: Option<u64>,
}

impl LogLine {
    /// A hash of the stream, metadata and text that are stored, whatever stages made of them. As exact duplicates are
    /// stored once, it names one line among all of its time.
    pub fn identity(&self) -> u64 {
        self.rewritten.unwrap_or_else(|| identity(&self.stream, &self.structured, &self.line))
    }

    /// A stored line as the stages left it.
    pub fn new(timestamp: Timestamp, stored: &str, processed: &Processed<'_>) -> LogLine {
        let is_rewritten = processed.line != stored || processed.lacks_labels();
        LogLine {
            timestamp,
            line: processed.line.to_owned(),
            stream: processed.stream_labels(),
            structured: processed.structured_labels(),
            parsed: processed.parsed_labels(),
            rewritten: is_rewritten.then(|| identity(processed.stream, processed.metadata, stored)),
        }
    }

    /// About how much memory it takes.
    pub fn memory_bytes(&self) -> usize {
        memory_bytes(self)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Labels,
    pub points: Vec<(Timestamp, f64)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub timestamp: Timestamp,
    pub value: f64,
}

/// What a query cost and left out.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Lines and bytes of text that were looked at.
    pub lines_processed: u64,
    pub bytes_processed: u64,
    /// Lines that passed all filters.
    pub lines_matched: u64,
    /// From the request to the answer.
    pub elapsed: Duration,
    /// The part of that spent waiting for a turn.
    pub waited: Duration,
    /// Whether lines beyond the limit were left out.
    pub cut: bool,
}

/// How much there is of some streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamsSummary {
    pub streams: u64,
    /// Pieces of the store that hold some of it.
    pub chunks: u64,
    pub entries: u64,
    /// Of text and structured metadata.
    pub bytes: u64,
}

/// How many bytes there are of which streams.
#[derive(Clone, Debug)]
pub struct VolumeQuery {
    pub matchers: Vec<Matcher>,
    pub range: TimeRange,
    /// The length of the parts into which the range is cut, in nanoseconds; none for one part.
    pub step_ns: Option<i64>,
    pub by: VolumeBy,
    /// The labels that count; where none is named, those of the matchers.
    pub labels: Vec<String>,
    /// The greatest so many are answered.
    pub limit: usize,
}

/// What volumes are summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeBy {
    /// By values of labels.
    Series,
    /// By names of labels: each counts all streams that have it.
    Labels,
}

/// A field that was found in lines or in structured metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectedField {
    pub name: String,
    pub kind: FieldKind,
    /// How many different values were seen.
    pub value_count: u64,
    /// Which stages extract it, `json` or `logfmt`; none for structured metadata.
    pub parsers: Vec<&'static str>,
    /// Where it is in a JSON line.
    pub json_path: Vec<String>,
}

/// What the values of a field look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Text,
    Int,
    Float,
    Boolean,
    Duration,
    Bytes,
}

/// What the lines that a query finds have in common.
#[derive(Clone, Debug)]
pub struct PatternQuery {
    pub log: LogExpr,
    pub range: TimeRange,
    /// Lines are counted by parts of the range that begin at multiples of this, in nanoseconds; above 0.
    pub step_ns: i64,
    /// The most frequent so many are answered.
    pub limit: usize,
    /// The time that reading may take; what is read by then stands for all. None reads all.
    pub time_max: Option<Duration>,
}

/// Lines of two ranges, whose patterns are to be told apart.
#[derive(Clone, Debug)]
pub struct ChangeQuery {
    pub log: LogExpr,
    pub before: TimeRange,
    pub now: TimeRange,
    /// Equal parts that each range is counted by.
    pub part_count: u32,
    /// The most frequent so many are answered.
    pub limit: usize,
    pub time_max: Option<Duration>,
}

/// A pattern in two ranges.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedPattern {
    pub text: String,
    /// Lines in each part of the range.
    pub before: Vec<u64>,
    pub now: Vec<u64>,
    /// Most of its lines are of this level.
    pub level: String,
}

/// The patterns of two ranges.
#[derive(Debug)]
pub struct Changes {
    pub patterns: Vec<ChangedPattern>,
    /// Lines in all.
    pub before_count: u64,
    pub now_count: u64,
    pub before: Coverage,
    pub now: Coverage,
    pub stats: Stats,
    pub warnings: Vec<String>,
}

/// The patterns of some lines.
#[derive(Debug)]
pub struct Patterns {
    /// The most frequent first.
    pub patterns: Vec<MinedPattern>,
    /// Patterns beyond the limit, and their lines.
    pub further_pattern_count: u64,
    pub further_line_count: u64,
    pub coverage: Coverage,
    pub stats: Stats,
    pub warnings: Vec<String>,
    /// What the query may use, its answer included.
    pub memory: Memory,
    /// What the patterns take of it.
    pub(crate) _share: Share,
}

/// What many lines say, with `<_>` for what differs: as a filter `|>` it finds all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct MinedPattern {
    pub text: String,
    pub line_count: u64,
    /// The most frequent level first.
    pub levels: Vec<LevelCounts>,
}

/// How many lines of one level there were, over time.
#[derive(Clone, Debug, PartialEq)]
pub struct LevelCounts {
    /// The `detected_level` of the lines; `unknown` where they have none.
    pub level: String,
    pub line_count: u64,
    /// The starts of parts that have lines, and how many.
    pub samples: Vec<(Timestamp, u64)>,
}
