//! Names: every file and folder of the store, the days that partition it, and the version of the format.
//!
//! ```text
//! FORMAT                   "logcafe store 1"
//! LOCK                     held while a process has the store open
//! wal/<number>.wal         accepted pushes that are not wholly in blocks yet
//! days/<yyyymmdd>/         entries of one UTC day, whenever they came
//!     blocks.dat           sealed blocks, back to back
//!     skip.dat             for each block: what ids it may hold
//!     streams.dat          the label sets of the day's streams, with their numbers
//!     index/               tantivy: one document for each block
//! days/<yyyymmdd>.dropped  a day on its way out
//! days/<yyyymmdd>.damaged-<n>  a day that could not be opened, put aside until its entries are taken back in
//! lost/<file>-<place>      damaged bytes, and where they were
//! ```

use std::path::{Path, PathBuf};

use crate::model::Timestamp;

/// The version of everything below the store's folder.
pub(crate) const FORMAT_VERSION: u32 = 1;

const NANOS_PER_DAY: i64 = 86_400_000_000_000;

/// Paths inside the store's folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Layout {
        Layout { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    pub(crate) fn wal(&self) -> PathBuf {
        self.root.join("wal")
    }

    pub(crate) fn days(&self) -> PathBuf {
        self.root.join("days")
    }

    pub(crate) fn day(&self, day: Day) -> PathBuf {
        self.days().join(day.folder())
    }

    /// Where a day's folder goes before it is removed.
    pub(crate) fn dropped_day(&self, day: Day) -> PathBuf {
        self.days().join(day.folder() + DROPPED)
    }

    /// Where a day's folder is put aside that cannot be opened; `number` tells those of one day apart.
    pub(crate) fn damaged_day(&self, day: Day, number: u32) -> PathBuf {
        self.days().join(format!("{}.damaged-{number}", day.folder()))
    }

    /// The day that a folder was put aside of.
    pub(crate) fn parse_damaged_day(name: &str) -> Option<Day> {
        let (day, number) = name.split_once(".damaged-")?;
        number.parse::<u32>().ok()?;
        Day::parse_folder(day)
    }

    /// Where a folder goes that is to be removed: what is left of it goes at the next start.
    pub(crate) fn dropped(dir: &Path) -> PathBuf {
        let mut name = dir.as_os_str().to_owned();
        name.push(DROPPED);
        PathBuf::from(name)
    }

    /// Where damaged bytes are kept.
    pub(crate) fn lost(&self) -> PathBuf {
        self.root.join("lost")
    }

    pub(crate) fn is_dropped(name: &std::ffi::OsStr) -> bool {
        name.to_str().is_some_and(|name| name.ends_with(DROPPED))
    }
}

const DROPPED: &str = ".dropped";

/// The file of a WAL segment, and back.
pub(crate) fn wal_segment(number: u64) -> String {
    format!("{number:012}.wal")
}

pub(crate) fn parse_wal_segment(name: &str) -> Option<u64> {
    name.strip_suffix(".wal")?.parse().ok()
}

pub(crate) const BLOCKS: &str = "blocks.dat";
pub(crate) const SKIP: &str = "skip.dat";
pub(crate) const STREAMS: &str = "streams.dat";
pub(crate) const INDEX: &str = "index";

/// A UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i32);

impl Day {
    pub(crate) fn of(time: Timestamp) -> Day {
        // i64 nanoseconds reach 292 years to both sides: the quotient fits
        Day(time.nanos().div_euclid(NANOS_PER_DAY) as i32)
    }

    /// The first point in time of the day.
    pub(crate) fn start(self) -> Timestamp {
        Timestamp::from_nanos(i64::from(self.0).saturating_mul(NANOS_PER_DAY))
    }

    /// The first point in time after the day.
    pub(crate) fn end(self) -> Timestamp {
        Timestamp::from_nanos((i64::from(self.0) + 1).saturating_mul(NANOS_PER_DAY))
    }

    /// `20261122`
    pub(crate) fn folder(self) -> String {
        let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(self.0));
        format!("{:04}{:02}{:02}", date.year(), date.month(), date.day())
    }

    pub(crate) fn parse_folder(name: &str) -> Option<Day> {
        if name.len() != 8 || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let date = jiff::civil::Date::new(name[..4].parse().ok()?, name[4..6].parse().ok()?, name[6..].parse().ok()?);
        let days = date.ok()?.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?.get_days();
        Some(Day(days))
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::store::layout::Day;

    #[test]
    fn days_have_folders_that_read_as_dates() {
        for (secs, folder) in
            [(0, "19700101"), (1_795_132_800, "20261120"), (-1, "19691231"), (7_258_118_400, "22000101")]
        {
            let day = Day::of(Timestamp::from_secs(secs));
            assert_eq!(day.folder(), folder);
            assert_eq!(Day::parse_folder(folder), Some(day));
            assert!(day.start() <= Timestamp::from_secs(secs) && Timestamp::from_secs(secs) < day.end());
        }
        assert_eq!(Day::parse_folder("20261340"), None);
        assert_eq!(Day::parse_folder("index"), None);
    }

    #[test]
    fn the_borders_of_time_have_a_day() {
        for time in [Timestamp::MIN, Timestamp::MAX] {
            let day = Day::of(time);
            assert_eq!(Day::parse_folder(&day.folder()), Some(day));
        }
    }
}
