//! Points in time as people write them: `now-1h`, `2026-11-22 14:00`, RFC 3339, epoch.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::cli::values::Span;
use crate::model::Timestamp;

/// Reads a point in time; without a zone it is meant in `zone`. Bare numbers are seconds, milliseconds, microseconds or
/// nanoseconds since the epoch, told apart by their length.
pub(crate) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    let text = text.trim();
    if let Some(offset) = text.strip_prefix("now") {
        return relative(offset.trim(), now).ok_or_else(|| wrong(text));
    }
    if let Ok(number) = text.parse::<i64>() {
        let nanos_each = match text.trim_start_matches('-').len() {
            0..=11 => 1_000_000_000,
            12..=14 => 1_000_000,
            15..=17 => 1000,
            _ => 1,
        };
        return Ok(Timestamp::from_nanos(number.saturating_mul(nanos_each)));
    }
    let zoned = match text.parse::<jiff::Timestamp>() {
        Ok(time) => time,
        Err(_) => {
            let civil = text.parse::<DateTime>().map_err(|_| wrong(text))?;
            civil.to_zoned(zone.clone()).map_err(|_| wrong(text))?.timestamp()
        }
    };
    i64::try_from(zoned.as_nanosecond()).map(Timestamp::from_nanos).map_err(|_| wrong(text))
}

fn relative(offset: &str, now: Timestamp) -> Option<Timestamp> {
    if offset.is_empty() {
        return Some(now);
    }
    let (sign, span) = match offset.split_at_checked(1)? {
        ("-", span) => (-1, span),
        ("+", span) => (1, span),
        _ => return None,
    };
    let span: Span = span.trim().parse().ok()?;
    Some(now.plus_nanos(sign * i64::try_from(span.0.as_nanos()).ok()?))
}

fn wrong(text: &str) -> anyhow::Error {
    anyhow::anyhow!("{text:?} is no point in time; write now-1h, 2026-11-22 14:00, 2026-11-22T14:00:00Z or an epoch")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::cli::moment::parse;
    use crate::model::Timestamp;

    fn check(text: &str, secs: Option<i64>) {
        let now = Timestamp::from_secs(1_000_000);
        let seoul = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(parse(text, now, &seoul).ok(), secs.map(Timestamp::from_secs), "{text}");
    }

    #[test]
    fn every_way_of_writing_a_time_is_read() {
        check("now", Some(1_000_000));
        check("now-1h30m", Some(1_000_000 - 5400));
        check("now + 5s", Some(1_000_005));
        check("2026-11-22T14:00:00Z", Some(1_795_356_000));
        check("2026-11-22T23:00:00+09:00", Some(1_795_356_000));
        check("2026-11-22 23:00", Some(1_795_356_000));
        check("2026-11-22", Some(1_795_356_000 - 23 * 3600));
        check("1795356000", Some(1_795_356_000));
        check("1795356000000", Some(1_795_356_000));
        check("1795356000000000000", Some(1_795_356_000));
        for bad in ["", "yesterday", "now-", "now-x", "now1h", "2026-13-01", "14:00"] {
            check(bad, None);
        }
    }
}
