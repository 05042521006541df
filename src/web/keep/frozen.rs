//! What a snapshot holds: a result as it was, as data that later versions can still read. Pure.
//!
//! Promises: nothing of whoever made it but their name; a bounded size, and it says what was left out. What it holds is
//! shown as text by the page of the moment, so a mended page mends old snapshots as well.

use serde::{Deserialize, Serialize};

use crate::query::LogLine;
use crate::web::explore::columns;
use crate::web::explore::histogram::Histogram;
use crate::web::explore::rows::{level_of, source_of};
use crate::web::explore::text;

/// Lines that are kept at most.
pub(in crate::web) const LINES_MAX: usize = 5000;
/// Bytes of texts and labels together that are kept at most.
pub(in crate::web) const BYTES_MAX: usize = 5 << 20;
/// Bytes of one line that are kept.
const LINE_BYTES_MAX: usize = 64 << 10;
/// What is unpacked at most: twice what is packed, as JSON writes some characters longer.
const UNPACKED_BYTES_MAX: usize = 64 << 20;
const COMPRESSION_LEVEL: i32 = 9;

/// A frozen result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct Frozen {
    pub(in crate::web) title: String,
    pub(in crate::web) query: String,
    pub(in crate::web) from_nanos: i64,
    pub(in crate::web) to_nanos: i64,
    pub(in crate::web) zone: String,
    pub(in crate::web) maker: String,
    pub(in crate::web) made_at_nanos: i64,
    /// Lines that the query found in all, where they could be counted.
    pub(in crate::web) total: Option<u64>,
    pub(in crate::web) is_cut: bool,
    /// Lines of which only the beginning is kept.
    pub(in crate::web) shortened_count: u32,
    pub(in crate::web) columns: Vec<String>,
    pub(in crate::web) bars: Vec<FrozenBar>,
    pub(in crate::web) levels: Vec<(String, u64)>,
    pub(in crate::web) lines: Vec<FrozenLine>,
}

/// One bar of the histogram, in the coordinates of its drawing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct FrozenBar {
    pub(in crate::web) x: f64,
    pub(in crate::web) width: f64,
    /// Level, top and height.
    pub(in crate::web) shares: Vec<(String, f64, f64)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::web) struct FrozenLine {
    pub(in crate::web) nanos: i64,
    pub(in crate::web) level: String,
    pub(in crate::web) source: String,
    pub(in crate::web) text: String,
    /// Labels and metadata.
    pub(in crate::web) labels: Vec<(String, String)>,
    /// Values of the columns, in their order.
    pub(in crate::web) cells: Vec<String>,
}

impl Frozen {
    /// Takes lines in until the snapshot is full; whether there is room for more.
    pub(in crate::web) fn take(&mut self, lines: &[LogLine]) -> bool {
        let mut bytes: usize = self.lines.iter().map(FrozenLine::bytes).sum();
        for line in lines {
            let frozen = FrozenLine::of(line, &self.columns);
            bytes += frozen.bytes();
            if self.lines.len() >= LINES_MAX || bytes > BYTES_MAX {
                self.is_cut = true;
                return false;
            }
            self.shortened_count += u32::from(frozen.text.len() < line.line.len());
            self.lines.push(frozen);
        }
        true
    }

    pub(in crate::web) fn draw(&mut self, histogram: &Histogram) {
        self.total = Some(histogram.total);
        self.levels = histogram.levels.iter().map(|known| (known.level.name().to_owned(), known.count)).collect();
        self.bars = histogram
            .bars
            .iter()
            .map(|bar| FrozenBar {
                x: bar.x,
                width: bar.width,
                shares: bar.shares.iter().map(|share| (share.level.name().to_owned(), share.y, share.height)).collect(),
            })
            .collect();
    }

    pub(in crate::web) fn pack(&self) -> std::io::Result<Vec<u8>> {
        let text = serde_json::to_vec(self)?;
        zstd::bulk::compress(&text, COMPRESSION_LEVEL)
    }

    pub(in crate::web) fn unpack(content: &[u8]) -> std::io::Result<Frozen> {
        let text = zstd::bulk::decompress(content, UNPACKED_BYTES_MAX)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

impl FrozenLine {
    fn of(line: &LogLine, columns: &[String]) -> FrozenLine {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), text::head(value, LINE_BYTES_MAX).to_owned());
        let level = level_of(line).name().to_owned();
        FrozenLine {
            nanos: line.timestamp.nanos(),
            level,
            source: source_of(&line.stream).to_owned(),
            text: text::head(&line.line, LINE_BYTES_MAX).to_owned(),
            labels: line.stream.iter().chain(line.structured.iter()).map(owned).collect(),
            cells: columns::cells(line, columns)
                .iter()
                .map(|cell| text::head(cell, LINE_BYTES_MAX).to_owned())
                .collect(),
        }
    }

    fn bytes(&self) -> usize {
        let labels = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.text.len() + labels + self.cells.iter().map(String::len).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Labels, Timestamp};
    use crate::web::keep::frozen::*;

    fn line(text: String) -> LogLine {
        LogLine {
            timestamp: Timestamp::from_nanos(1_795_358_760_123_456_789),
            line: text,
            stream: Labels::from([("app", "payments")]),
            structured: Labels::from([("detected_level", "error")]),
            parsed: Labels::from([("status", "500")]),
            rewritten: None,
        }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let mut frozen = Frozen { title: "결제".to_owned(), columns: vec!["status".to_owned()], ..Frozen::default() };
        assert!(frozen.take(&[line("a \u{0}\u{202e}\u{1b}[31m b".to_owned())]));
        assert_eq!((frozen.lines[0].level.as_str(), frozen.lines[0].cells.clone()), ("error", vec!["500".to_owned()]));
        assert_eq!(Frozen::unpack(&frozen.pack().unwrap()).unwrap(), frozen);
        assert!(Frozen::unpack(b"broken").is_err());
    }

    #[test]
    fn a_snapshot_is_full_at_its_bounds_and_says_so() {
        let mut many = Frozen::default();
        assert!(!many.take(&vec![line("x".to_owned()); LINES_MAX + 1]));
        assert_eq!((many.lines.len(), many.is_cut), (LINES_MAX, true));
        let mut large = Frozen::default();
        assert!(!large.take(&vec![line("한".repeat(100_000)); 200]));
        assert!(large.is_cut && large.lines.len() < 100 && large.lines.len() > 50);
        assert_eq!(large.shortened_count as usize, large.lines.len());
        // characters that JSON writes six times as long still fit
        let mut odd = Frozen::default();
        odd.take(&vec![line("\u{1}".repeat(60_000)); 200]);
        assert_eq!(Frozen::unpack(&odd.pack().unwrap()).unwrap(), odd);
    }
}
