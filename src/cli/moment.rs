//! Points in time as people write them, read as the page reads them: `yesterday 17:30`, `now-1h`, RFC 3339, an epoch.

use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::web;

pub(crate) use crate::web::Edge;

/// Reads a point in time; without a zone it is meant in `zone`. Bare numbers are seconds, milliseconds, microseconds or
/// nanoseconds since the epoch, told apart by their length. A day alone begins a range at its start, and ends it at its
/// end.
pub(crate) fn parse(text: &str, edge: Edge, now: Timestamp, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    web::spoken_time(text, edge, now, zone).ok_or_else(|| {
        anyhow::anyhow!(
            "cannot read {text:?} as a time; write now-1h, 17:30, 'yesterday 17:30', '3 hours ago', '2026-11-22 14:00', \
             2026-11-22T14:00:00Z or an epoch"
        )
    })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::cli::moment::{Edge, parse};
    use crate::model::Timestamp;

    /// Sunday 2026-11-22 14:46:00 UTC, 23:46 in Seoul.
    const NOW: i64 = 1_795_358_760;

    fn check(text: &str, secs: Option<i64>) {
        let seoul = TimeZone::fixed(jiff::tz::offset(9));
        let read = parse(text, Edge::Start, Timestamp::from_secs(NOW), &seoul).ok();
        assert_eq!(read, secs.map(Timestamp::from_secs), "{text}");
    }

    #[test]
    fn every_way_of_writing_a_time_is_read() {
        check("now", Some(NOW));
        check("now-1h30m", Some(NOW - 5400));
        check("now + 5s", Some(NOW + 5));
        check("2026-11-22T14:00:00Z", Some(1_795_356_000));
        check("2026-11-22T23:00:00+09:00", Some(1_795_356_000));
        check("2026-11-22 23:00", Some(1_795_356_000));
        check("2026-11-22", Some(1_795_356_000 - 23 * 3600));
        check("1795356000", Some(1_795_356_000));
        check("1795356000000", Some(1_795_356_000));
        check("1795356000000000000", Some(1_795_356_000));
        check("23:00", Some(1_795_356_000));
        check("yesterday 23:00", Some(1_795_356_000 - 86_400));
        check("어제 23:00", Some(1_795_356_000 - 86_400));
        check("3 hours ago", Some(NOW - 3 * 3600));
        for bad in ["", "banana", "now-", "now-x", "2026-13-01"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_day_ends_a_range_at_its_end() {
        let end = parse("2026-11-21", Edge::End, Timestamp::from_secs(NOW), &TimeZone::UTC).unwrap();
        assert_eq!(end, Timestamp::from_secs(1_795_356_000 - 14 * 3600));
    }
}
