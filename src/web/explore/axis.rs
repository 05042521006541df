//! Marks of an axis of time: at times that people count in, with the days named where they begin. Pure.

use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::model::{TimeRange, Timestamp};
use crate::web::explore::moment::zoned;
use crate::web::language::Language;

const MILLI: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MILLI;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances between marks. Within a day each divides the day, so that midnight is always one.
const STEPS: [i64; 30] = [
    MILLI,
    2 * MILLI,
    5 * MILLI,
    10 * MILLI,
    20 * MILLI,
    50 * MILLI,
    100 * MILLI,
    200 * MILLI,
    500 * MILLI,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
];
/// Marks that a phone has room for.
const MARKS_MAX: i64 = 4;
/// Marks that a desk has room for.
const MARKS_MAX_WIDE: i64 = 12;
/// Longer ranges are marked by months.
const BY_MONTHS: i64 = 70 * DAY;

/// One mark.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Hundredths of the way from the start to the end.
    pub(crate) percent: f64,
    pub(crate) text: String,
    /// Whether a day, or what is longer, begins here.
    pub(crate) is_day: bool,
    /// Whether a phone has no room for it.
    pub(crate) is_extra: bool,
}

/// The marks of a range, in order.
pub(crate) fn ticks(range: TimeRange, zone: &TimeZone, say: Language, now: Timestamp) -> Vec<Tick> {
    let length = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
    let today = zoned(now, zone).date();
    if length > BY_MONTHS {
        return months(range, length, zone, say);
    }
    let narrow = STEPS.iter().copied().find(|step| length / step <= MARKS_MAX).unwrap_or(14 * DAY);
    // every mark of a phone is one of the desk's
    let is_finer = |step: &i64| narrow % step == 0 && length / step <= MARKS_MAX_WIDE;
    let wide = STEPS.iter().copied().find(is_finer).unwrap_or(narrow);
    let times = if wide < DAY { times_of_day(range, wide, zone) } else { days(range, wide / DAY, zone) };
    let tick = |time: Timestamp| {
        let local = zoned(time, zone);
        let since_midnight = local.time().duration_since(Time::midnight()).as_nanos() as i64;
        let is_day = since_midnight == 0;
        let is_extra = if narrow < DAY {
            since_midnight % narrow != 0
        } else {
            !is_day || number_of(local.date()).rem_euclid(narrow / DAY) != 0
        };
        let text = match wide {
            _ if is_day => say.date(local.date(), today),
            ..SECOND => local.strftime("%H:%M:%S%.3f").to_string(),
            SECOND..MINUTE => local.strftime("%H:%M:%S").to_string(),
            MINUTE.. => local.strftime("%H:%M").to_string(),
        };
        place(time, range, length, &text).map(|(percent, is_wide)| {
            let is_extra = is_extra || is_wide;
            Tick { percent, text, is_day, is_extra }
        })
    };
    times.into_iter().filter_map(tick).collect()
}

/// Where a mark is, and whether only a desk has room for its text there, which stands in the middle under the mark. None
/// where it would reach beyond the edge: a mark is at its time or not at all.
fn place(time: Timestamp, range: TimeRange, length: i64, text: &str) -> Option<(f64, bool)> {
    let percent = (time.nanos() - range.start.nanos()) as f64 / length as f64 * 100.0;
    let letters: f64 = text.chars().map(|letter| if letter.is_ascii() { 1.0 } else { 1.8 }).sum();
    // half a text, less what is left beside the axis: on a phone with letters of twice the size, and on a desk
    let (phone, desk) = ((letters * 6.8 - 16.0) / 358.0 * 100.0, (letters * 3.4 - 12.0) / 676.0 * 100.0);
    let from_edge = percent.min(100.0 - percent);
    (from_edge >= desk.max(0.0)).then(|| ((percent * 100.0).round() / 100.0, from_edge < phone.max(0.0)))
}

/// Every `step` of each day. A day on which the clocks change has them where its clock shows them.
fn times_of_day(range: TimeRange, step: i64, zone: &TimeZone) -> Vec<Timestamp> {
    let start = zoned(range.start, zone);
    let mut times = Vec::new();
    let mut day = start.date();
    let mut index = start.time().duration_since(Time::midnight()).as_nanos() as i64 / step;
    while let Ok(midnight) = day.to_zoned(zone.clone()) {
        while index * step < DAY {
            let Ok(civil) = midnight.date().to_datetime(Time::midnight()).checked_add((index * step).nanoseconds())
            else {
                return times;
            };
            index += 1;
            let Some(time) = civil.to_zoned(zone.clone()).ok().and_then(|zoned| timestamp(&zoned)) else {
                return times;
            };
            if time > range.end {
                return times;
            }
            if time >= range.start && times.last() != Some(&time) {
                times.push(time);
            }
        }
        let Ok(next) = day.tomorrow() else { return times };
        day = next;
        index = 0;
    }
    times
}

/// Every so many days, counted from one that all ranges share, so that marks stay as one goes along.
fn days(range: TimeRange, step: i64, zone: &TimeZone) -> Vec<Timestamp> {
    let mut day = zoned(range.start, zone).date();
    let mut times = Vec::new();
    while let Some(time) = day.to_zoned(zone.clone()).ok().and_then(|zoned| timestamp(&zoned)) {
        if time > range.end {
            break;
        }
        if time >= range.start && number_of(day).rem_euclid(step) == 0 {
            times.push(time);
        }
        let Ok(next) = day.tomorrow() else { break };
        day = next;
    }
    times
}

/// Days since a Monday.
fn number_of(day: Date) -> i64 {
    const MONDAY: Date = Date::constant(2024, 1, 1);
    MONDAY.until(day).map_or(0, |span| i64::from(span.get_days()))
}

fn months(range: TimeRange, length: i64, zone: &TimeZone, say: Language) -> Vec<Tick> {
    let count = length / (30 * DAY) + 1;
    let fits = |most: i64| [1, 2, 3, 6].into_iter().find(|step| count / step <= most);
    // whole years where no part of one fits
    let (step, years) = fits(MARKS_MAX_WIDE).map_or((12, count / 12 / MARKS_MAX_WIDE + 1), |step| (step, 1));
    let (narrow, narrow_years) = fits(MARKS_MAX).map_or((12, count / 12 / MARKS_MAX + 1), |step| (step, 1));
    let mut month = zoned(range.start, zone).date().first_of_month();
    let mut ticks = Vec::new();
    while let Some(time) = month.to_zoned(zone.clone()).ok().and_then(|zoned| timestamp(&zoned)) {
        if time > range.end {
            break;
        }
        let index = i64::from(month.month()) - 1;
        let year = i64::from(month.year());
        if index % step == 0
            && year % years == 0
            && let Some((percent, is_wide)) = place(time, range, length, &say.month(month))
        {
            let is_extra = is_wide || index % narrow != 0 || year % narrow_years != 0;
            ticks.push(Tick { percent, text: say.month(month), is_day: true, is_extra });
        }
        let Ok(next) = month.checked_add(1.month()) else { break };
        month = next;
    }
    ticks
}

fn timestamp(zoned: &jiff::Zoned) -> Option<Timestamp> {
    i64::try_from(zoned.timestamp().as_nanosecond()).ok().map(Timestamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use crate::model::{TimeRange, Timestamp};
    use crate::web::explore::axis::{DAY, HOUR, SECOND, ticks};
    use crate::web::language::Language;

    /// Sunday 2026-11-22 14:46:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn drawn(zone: &str, end: Timestamp, length: i64) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let range = TimeRange::new(end.plus_nanos(-length), end);
        let text = |tick: crate::web::explore::axis::Tick| {
            let day = if tick.is_day { "!" } else { "" };
            if tick.is_extra { format!("({}{day})", tick.text) } else { format!("{}{day}", tick.text) }
        };
        ticks(range, &zone, Language::English, NOW).into_iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn marks_are_at_times_that_people_count_in() {
        let utc = |length| drawn("UTC", NOW, length);
        assert_eq!(
            utc(HOUR),
            "(13:50) (13:55) 14:00 (14:05) (14:10) 14:15 (14:20) (14:25) 14:30 (14:35) (14:40) (14:45)"
        );
        assert_eq!(
            utc(10 * SECOND),
            "(14:45:51) (14:45:52) (14:45:53) (14:45:54) 14:45:55 (14:45:56) (14:45:57) (14:45:58) (14:45:59)"
        );
        assert!(utc(2 * SECOND).ends_with("14:45:59.500"), "{}", utc(2 * SECOND));
        assert_eq!(utc(7 * DAY), "(16 Nov!) (17 Nov!) 18 Nov! (19 Nov!) 20 Nov! (21 Nov!) 22 Nov!");
    }

    #[test]
    fn days_are_named_where_they_begin_in_the_zone() {
        assert!(drawn("Asia/Seoul", NOW, DAY).starts_with("(02:00)"));
        assert_eq!(
            drawn("UTC", NOW, DAY),
            "(16:00) 18:00 (20:00) (22:00) 22 Nov! (02:00) (04:00) 06:00 (08:00) (10:00) 12:00 (14:00)"
        );
    }

    #[test]
    fn long_ranges_are_marked_by_months_and_years() {
        let year = drawn("UTC", NOW, 365 * DAY);
        assert!(year.contains("2026!") && year.contains("(Mar!)"), "{year}");
        let ages = drawn("UTC", NOW, 3650 * DAY);
        assert!(ages.split(' ').count() <= 12 && ages.starts_with("(2017!)"), "{ages}");
    }

    #[test]
    fn a_day_with_changed_clocks_has_its_marks_where_its_clock_shows_them() {
        // Sunday 2026-10-25 in Berlin has 25 hours; the end is 2026-10-26 00:00
        let end = Timestamp::from_secs(1_792_969_200);
        assert_eq!(
            drawn("Europe/Berlin", end, 25 * HOUR),
            "(02:00) (04:00) 06:00 (08:00) (10:00) 12:00 (14:00) (16:00) 18:00 (20:00) (22:00)"
        );
    }

    #[test]
    fn a_mark_stands_at_its_time_or_is_dropped() {
        let range = TimeRange::new(Timestamp::from_secs(60), Timestamp::from_secs(3660));
        let found = ticks(range, &TimeZone::UTC, Language::English, NOW);
        // ten past is where it is; one o'clock, a minute before the edge, is left to a desk
        assert_eq!((found[1].text.as_str(), found[1].percent), ("00:10", 15.0));
        let last = found.last().unwrap();
        assert_eq!((last.text.as_str(), last.percent, last.is_extra), ("01:00", 98.33, true));
        let whole = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(3600));
        let found = ticks(whole, &TimeZone::UTC, Language::English, NOW);
        assert!(found.iter().all(|tick| (0.5..99.5).contains(&tick.percent)), "{found:?}");
    }
}
