//! Checks the write-ahead log: every record's checksum, and that it can be decoded.

use std::fs;

use crate::store::Replay;
use crate::store::check::report::{Lost, Reporter};
use crate::store::error::{Error, io_error};
use crate::store::layout::{Layout, wal_segment};
use crate::store::segment::{self, GapKind};
use crate::store::wal::segments;

const UNKNOWN: Lost = Lost { entry_count: None, streams: Vec::new(), span: None };

pub(crate) fn check(layout: &Layout, replay: &Replay<'_>, reporter: &mut Reporter<'_>) -> Result<(), Error> {
    let dir = layout.wal();
    if fs::metadata(&dir).is_err() {
        let what = "it is missing: pushes that were in no block yet are lost".to_owned();
        reporter.lost(&dir, what, UNKNOWN, "repair makes an empty one");
        return Ok(());
    }
    let numbers = segments(&dir)?;
    for pair in numbers.windows(2) {
        for missing in pair[0] + 1..pair[1] {
            let path = dir.join(wal_segment(missing));
            let what = "it is missing: pushes in it that were in no block yet are lost".to_owned();
            reporter.lost(&path, what, UNKNOWN, "repair begins a new log; nothing else can be done");
        }
    }
    for number in numbers {
        let path = dir.join(wal_segment(number));
        let (mut entry_count, mut undecodable) = (0, Vec::new());
        let gaps = segment::read(&path, |at, record| {
            let decoded = replay(record, &mut |streams| {
                entry_count += streams.iter().map(|stream| stream.entries.len() as u64).sum::<u64>();
            });
            undecodable.extend(decoded.err().map(|why| (at, why)));
            Ok(())
        })?;
        reporter.checked.logged_entry_count += entry_count;
        for (at, why) in undecodable {
            reporter.lost(
                &path,
                format!("the record at byte {at} cannot be decoded: {why}"),
                UNKNOWN,
                "repair keeps it in lost/",
            );
        }
        for gap in gaps {
            match gap.kind {
                GapKind::CutOff => reporter.note(&path, format!("{gap}: a push that was never acknowledged")),
                GapKind::Head | GapKind::Length => {
                    reporter.damage(&path, gap.to_string(), "repair takes its records over")
                }
                GapKind::Damaged => {
                    reporter.lost(&path, format!("{gap}: pushes are lost"), UNKNOWN, "repair keeps the bytes in lost/");
                }
            }
        }
        let bytes = fs::metadata(&path).map_err(io_error("look at", &path))?.len();
        reporter.passed("wal", bytes);
    }
    Ok(())
}
