//! Retention: days go when they are too old, when the data takes too much disk, or when the disk has too little left.
//!
//! Promises: the oldest day goes first and the newest day never goes, whatever the clock says; entries beyond the greatest
//! age are not shown any more even where their day is still there. Never: parts of a day.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::model::Timestamp;
use crate::store::Retention;
use crate::store::error::{Error, io_error};
use crate::store::fault;
use crate::store::layout::{Day, Layout};
use crate::store::shelf::Shelf;

/// The earliest time that is still shown.
pub(crate) fn oldest_kept(retention: &Retention, now: Timestamp) -> Option<Timestamp> {
    let age_ns = i64::try_from(retention.age_max?.as_nanos()).unwrap_or(i64::MAX);
    Some(now.plus_nanos(-age_ns))
}

/// How much of the disk the store takes, and how much is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskUse {
    pub(crate) used_bytes: u64,
    pub(crate) free_bytes: u64,
}

impl DiskUse {
    pub(crate) fn of(layout: &Layout) -> DiskUse {
        let free_bytes = match rustix::fs::statvfs(layout.root()) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
            // unknown is taken for plenty: refusing pushes for that would be worse
            Err(_) => u64::MAX,
        };
        DiskUse { used_bytes: bytes_below(layout.root()), free_bytes }
    }
}

fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        // less than its length where parts were erased
        Ok(metadata) => metadata.len().min(metadata.blocks() * 512),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// Bytes of days that were put aside.
fn bytes_aside(layout: &Layout) -> u64 {
    let Ok(entries) = fs::read_dir(layout.days()) else { return 0 };
    let is_aside = |entry: &fs::DirEntry| entry.file_name().to_str().and_then(Layout::parse_damaged_day).is_some();
    entries.flatten().filter(is_aside).map(|entry| bytes_below(&entry.path())).sum()
}

/// Drops the days that are too many. Where the disk is short although nothing can go any more: free bytes and floor.
pub(crate) fn apply(
    retention: &Retention,
    layout: &Layout,
    shelf: &Shelf,
    now: Timestamp,
) -> Result<Option<(u64, u64)>, Error> {
    loop {
        let days: Vec<Day> = shelf.read().days.keys().copied().collect();
        let mut disk = DiskUse::of(layout);
        // what is being taken back in is there twice for a while, and no reason to drop anything
        disk.used_bytes = disk.used_bytes.saturating_sub(bytes_aside(layout));
        match next_to_drop(retention, &days, disk, now) {
            Some((day, why)) => {
                drop_day(shelf, day)?;
                tracing::info!(day = day.folder(), used = disk.used_bytes, free = disk.free_bytes, "dropped a day");
                if why == Why::DiskFull {
                    // its space may come free later, when the last query that reads it is through: one day at a time
                    return Ok(None);
                }
            }
            None => {
                let floor = retention.disk_free_bytes_min;
                return Ok((disk.free_bytes < floor).then_some((disk.free_bytes, floor)));
            }
        }
    }
}

/// Why a day has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    TooOld,
    TooLarge,
    DiskFull,
}

/// The day that has to go next, of those there are (oldest first).
fn next_to_drop(retention: &Retention, days: &[Day], disk: DiskUse, now: Timestamp) -> Option<(Day, Why)> {
    let [oldest, _, ..] = days else { return None };
    let too_old = oldest_kept(retention, now).is_some_and(|kept| oldest.end() <= kept);
    let too_large = retention.disk_bytes_max.is_some_and(|max| disk.used_bytes > max);
    let disk_full = disk.free_bytes < retention.disk_free_bytes_min;
    let whys = [(too_old, Why::TooOld), (too_large, Why::TooLarge), (disk_full, Why::DiskFull)];
    whys.into_iter().find(|(applies, _)| *applies).map(|(_, why)| (*oldest, why))
}

/// Takes a day out of sight, then off the disk. Queries that read it go on: its files are open.
fn drop_day(shelf: &Shelf, day: Day) -> Result<(), Error> {
    let dir = shelf.remove_day(day)?;
    fault::at("retention.remove").map_err(io_error("remove", &dir))?;
    fs::remove_dir_all(&dir).map_err(io_error("remove", &dir))
}

/// Removes what is left of days whose removal was cut short.
pub(crate) fn finish_drops(layout: &Layout) -> Result<(), Error> {
    let dir = layout.days();
    for entry in fs::read_dir(&dir).map_err(io_error("list", &dir))?.flatten() {
        if Layout::is_dropped(&entry.file_name()) {
            let path = entry.path();
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, path = %path.display(), "a day on its way out cannot be removed; the next start tries again");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::model::Timestamp;
    use crate::store::Retention;
    use crate::store::layout::Day;
    use crate::store::retention::{DiskUse, Why, next_to_drop};

    const DAY: Duration = Duration::from_secs(86_400);

    fn days(numbers: &[i64]) -> Vec<Day> {
        numbers.iter().map(|number| Day::of(Timestamp::from_secs(number * 86_400))).collect()
    }

    #[test]
    fn a_day_goes_when_its_last_entry_is_too_old() {
        let retention = Retention { age_max: Some(2 * DAY), ..Retention::default() };
        let plenty = DiskUse { used_bytes: 0, free_bytes: u64::MAX };
        let next = |numbers: &[i64], now| next_to_drop(&retention, &days(numbers), plenty, Timestamp::from_secs(now));
        assert_eq!(next(&[10, 11], 13 * 86_400 - 1), None);
        assert_eq!(next(&[10, 11], 13 * 86_400), Some((days(&[10])[0], Why::TooOld)));
        assert_eq!(next(&[11], 1000 * 86_400), None, "a clock that is wrong does not cost everything");
    }

    #[test]
    fn the_oldest_day_goes_when_the_disk_is_short_but_never_the_last() {
        let retention = Retention { disk_bytes_max: Some(100), disk_free_bytes_min: 50, ..Retention::default() };
        let next = |numbers: &[i64], used_bytes, free_bytes| {
            next_to_drop(&retention, &days(numbers), DiskUse { used_bytes, free_bytes }, Timestamp::from_secs(0))
        };
        assert_eq!(next(&[1, 2], 100, 50), None);
        assert_eq!(next(&[1, 2], 101, 50), Some((days(&[1])[0], Why::TooLarge)));
        assert_eq!(next(&[1, 2], 0, 49), Some((days(&[1])[0], Why::DiskFull)));
        assert_eq!(next(&[2], 101, 49), None);
    }
}
