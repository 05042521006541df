//! The span of time of a view: how it is typed, what it is called, and the views earlier, later, nearer and further. Pure.

use jiff::tz::TimeZone;

use crate::model::{TimeRange, Timestamp};
use crate::web::explore::axis::{self, Tick};
use crate::web::explore::moment::{Moment, short_duration, zoned};
use crate::web::explore::spoken::{self, Edge, Spoken};
use crate::web::explore::state::{State, Unreadable};
use crate::web::explore::zone::Zone;
use crate::web::language::Language;

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Spans up to now that are one tap away.
const PRESETS: [i64; 7] = [5 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY];

/// How much is shown before and after a timestamp that is pasted alone.
const AROUND: i64 = 5 * MINUTE;

/// A way to another view.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) href: String,
    /// Whether it leads to where one is.
    pub(crate) current: bool,
}

/// What was given for the two ends of a span: nothing, a time, or a text that is none.
#[derive(Debug, PartialEq)]
pub(crate) struct Typed {
    pub(crate) from: Result<Option<Spoken>, String>,
    pub(crate) to: Result<Option<Spoken>, String>,
}

/// How a span came: in an address, or from the fields of the page, where a timestamp alone means what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Addressed,
    Typed,
}

/// The control of time.
#[derive(Debug)]
pub(crate) struct Span {
    /// `Last 1 hour`, `22 Nov 12:00 – 13:00`
    pub(crate) label: String,
    /// Both ends with their days and zones, so that a wrong reading is seen.
    pub(crate) reading: String,
    pub(crate) presets: Vec<Link>,
    pub(crate) from_field: String,
    /// Empty where it is now.
    pub(crate) to_field: String,
    /// As the browser's own picker takes them.
    pub(crate) from_picker: String,
    pub(crate) to_picker: String,
    pub(crate) earlier: String,
    /// None where it would lie in the future.
    pub(crate) later: Option<String>,
    pub(crate) wider: String,
    pub(crate) narrower: String,
    pub(crate) zone_name: String,
    pub(crate) zone_field: String,
    /// `UTC+09:00`
    pub(crate) offset: String,
    /// The same view in UTC, or back in the browser's zone.
    pub(crate) other_zone: Option<Link>,
    pub(crate) axis: Vec<Tick>,
}

impl Typed {
    /// Reads what was given. The first field may hold both ends.
    pub(crate) fn read(from: Option<&str>, to: Option<&str>, manner: Manner, now: Timestamp, zone: &TimeZone) -> Typed {
        let one = |text: Option<&str>, edge| match text {
            None => Ok(None),
            Some(text) => spoken::read(text, edge, now, zone).map(Some).ok_or_else(|| text.to_owned()),
        };
        if let (Some(text), None) = (from, to)
            && let Some((from, to)) = spoken::read_clocks(text, now, zone)
        {
            return Typed { from: Ok(Some(from)), to: Ok(Some(to)) };
        }
        let typed = Typed { from: one(from, Edge::Start), to: one(to, Edge::End) };
        match (&typed.from, from, to) {
            (Err(text), _, None) => match spoken::read_range(text, now, zone) {
                Some((from, to)) => Typed { from: Ok(Some(from)), to: Ok(Some(to)) },
                None => typed,
            },
            (Ok(Some(stamp)), _, None) if stamp.is_stamp && manner == Manner::Typed => {
                let at = |nanos| Moment::At(stamp.moment.resolve(now).plus_nanos(nanos));
                let end = Spoken { moment: at(AROUND), twist: None, is_stamp: true, is_clock: true };
                Typed { from: Ok(Some(Spoken { moment: at(-AROUND), ..*stamp })), to: Ok(Some(end)) }
            }
            _ => typed,
        }
    }
}

/// Whether a time of day that is long past was typed without an end: whoever does that wants to read on from there.
pub(crate) fn is_onward(typed: &Typed, manner: Manner, now: Timestamp) -> bool {
    match (&typed.from, &typed.to) {
        (Ok(Some(from)), Ok(None)) => {
            manner == Manner::Typed && from.is_clock && from.moment.resolve(now) < now.plus_nanos(-HOUR)
        }
        _ => false,
    }
}

impl Span {
    pub(crate) fn of(state: &State, range: TimeRange, now: Timestamp) -> Span {
        let zone = &state.zone.zone;
        let length = range.end.nanos().saturating_sub(range.start.nanos());
        let to = |start: Timestamp, end: Timestamp| state.with_span(Moment::At(start), Moment::At(end)).url();
        let preset = |nanos: &i64| {
            let other = state.with_span(Moment::FromNow(-nanos), Moment::NOW);
            let current = (other.from, other.to) == (state.from, state.to);
            Link { text: preset_name(*nanos, state.say), href: other.url(), current }
        };
        let later_start = range.end;
        let later = (later_start < now).then(|| to(later_start, later_start.plus_nanos(length)));
        let picker = |time: Timestamp| zoned(time, zone).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        Span {
            label: label(state, range, now),
            reading: reading(range, &state.zone, state.say),
            presets: PRESETS.iter().map(preset).collect(),
            from_field: state.from.field(zone),
            to_field: if state.to == Moment::NOW { String::new() } else { state.to.field(zone) },
            from_picker: picker(range.start),
            to_picker: picker(range.end),
            earlier: to(range.start.plus_nanos(-length), range.start),
            later,
            wider: zoomed(state, range, now, length.saturating_mul(2)).url(),
            narrower: zoomed(state, range, now, (length / 2).max(1_000_000)).url(),
            zone_name: state.zone.name.clone(),
            zone_field: state.zone.name.clone(),
            offset: offset(range.end, zone),
            other_zone: state.zone.other().map(|zone| Link {
                text: zone.name.clone(),
                href: State { zone, ..state.clone() }.url(),
                current: false,
            }),
            axis: axis::ticks(range, zone, state.say, now),
        }
    }

    /// With the texts that could not be read still in their fields.
    pub(crate) fn keeping(mut self, faults: &[Unreadable]) -> Span {
        for fault in faults {
            match fault {
                Unreadable::Time { edge: Edge::Start, text } => self.from_field.clone_from(text),
                Unreadable::Time { edge: Edge::End, text } => self.to_field.clone_from(text),
                Unreadable::Zone(zone) => self.zone_field.clone_from(&zone.name),
                Unreadable::Twisted(_) => {}
            }
        }
        self
    }

    /// A view of more of the past, for a range that shows nothing.
    pub(crate) fn longer(state: &State, range: TimeRange) -> Vec<Link> {
        let length = range.end.nanos().saturating_sub(range.start.nanos());
        let wider = PRESETS.iter().filter(|nanos| **nanos > length);
        let link = |nanos: &i64| Link {
            text: state.say.last(&preset_name(*nanos, state.say)),
            href: state.with_span(Moment::FromNow(-nanos), Moment::NOW).url(),
            current: false,
        };
        wider.map(link).collect()
    }
}

fn preset_name(nanos: i64, say: Language) -> String {
    match nanos {
        ..HOUR => say.preset_minutes(nanos / MINUTE),
        HOUR..=DAY => say.preset_hours(nanos / HOUR),
        _ => say.preset_days(nanos / DAY),
    }
}

/// `Sun 22 Nov 2026 14:03:11 – 14:13:11 · 10 min · Asia/Seoul (UTC+09:00)`
pub(crate) fn reading(range: TimeRange, zone: &Zone, say: Language) -> String {
    let (start, end) = (zoned(range.start, &zone.zone), zoned(range.end, &zone.zone));
    let clock = |time: &jiff::Zoned| {
        let is_whole = time.subsec_nanosecond() == 0;
        time.strftime(if is_whole { "%H:%M:%S" } else { "%H:%M:%S%.3f" }).to_string()
    };
    let day = |time: &jiff::Zoned| say.dated(time.date());
    let second = match start.date() == end.date() {
        true => clock(&end),
        false => format!("{} {}", day(&end), clock(&end)),
    };
    let length = say.length(range.end.nanos().saturating_sub(range.start.nanos()));
    let (offset_before, offset_after) = (offset(range.start, &zone.zone), offset(range.end, &zone.zone));
    let offset = match offset_before == offset_after {
        true if zone.name == offset_after || zone.name == "UTC" => zone.name.clone(),
        true => format!("{} ({offset_after})", zone.name),
        false => format!("{} ({offset_before} – {offset_after})", zone.name),
    };
    format!("{} {} – {second} · {length} · {offset}", day(&start), clock(&start))
}

/// The span that the address or the fields name, and what to tell about it.
pub(crate) fn given(typed: Typed, default: (Moment, Moment), faults: &mut Vec<Unreadable>) -> (Moment, Moment) {
    let mut moment = |read: Result<Option<Spoken>, String>, edge, default| match read {
        Ok(None) => default,
        Ok(Some(reading)) => {
            faults.extend(reading.twist.map(Unreadable::Twisted));
            reading.moment
        }
        Err(text) => {
            faults.push(Unreadable::Time { edge, text });
            default
        }
    };
    let from = moment(typed.from, Edge::Start, default.0);
    (from, moment(typed.to, Edge::End, default.1))
}

fn offset(time: Timestamp, zone: &TimeZone) -> String {
    zoned(time, zone).strftime("UTC%:z").to_string()
}

/// The view of `length` around the middle of this one; one that ends now goes on ending now.
fn zoomed(state: &State, range: TimeRange, now: Timestamp, length: i64) -> State {
    if state.to == Moment::NOW {
        return state.with_span(Moment::FromNow(-length), Moment::NOW);
    }
    let middle = range.start.plus_nanos(range.end.nanos().saturating_sub(range.start.nanos()) / 2);
    let end = middle.plus_nanos(length / 2);
    let end = if range.end <= now { end.min(now.max(range.end)) } else { end };
    state.with_span(Moment::At(end.plus_nanos(-length)), Moment::At(end))
}

fn label(state: &State, range: TimeRange, now: Timestamp) -> String {
    let say = state.say;
    if let (Moment::FromNow(nanos), Moment::NOW) = (state.from, state.to) {
        let known = PRESETS.contains(&-nanos);
        return say.last(&if known { preset_name(-nanos, say) } else { short_duration(-nanos) });
    }
    let zone = &state.zone.zone;
    let (start, end, today) = (zoned(range.start, zone), zoned(range.end, zone), zoned(now, zone).date());
    let second = |time: &jiff::Zoned| time.second() != 0 || time.subsec_nanosecond() != 0;
    let format = if second(&start) || second(&end) { "%H:%M:%S" } else { "%H:%M" };
    let clock = |time: &jiff::Zoned| time.strftime(format).to_string();
    // the year is named at both ends or at none
    let named = if start.year() == end.year() { today } else { jiff::civil::Date::MIN };
    let dated = |time: &jiff::Zoned| format!("{} {}", say.date(time.date(), named), clock(time));
    match (start.date() == end.date(), start.date() == today) {
        (true, true) => format!("{} – {}", clock(&start), clock(&end)),
        (true, false) => format!("{} – {}", dated(&start), clock(&end)),
        (false, _) => format!("{} – {}", dated(&start), dated(&end)),
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{TimeRange, Timestamp};
    use crate::web::explore::span::{Manner, Span, Typed, reading as reading_of};
    use crate::web::explore::spoken::Spoken;
    use crate::web::explore::state::{Params, State};
    use crate::web::explore::zone::Zone;
    use crate::web::language::Language;

    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn span(from: &str, to: &str) -> Span {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let params = Params { from: given(from), to: given(to), ..Params::default() };
        let (state, _) = State::read(&params, Some("Asia/Seoul"), Language::English, NOW);
        Span::of(&state, state.range(NOW).unwrap(), NOW)
    }

    #[test]
    fn a_span_is_called_what_people_call_it() {
        assert_eq!(span("", "").label, "Last 1 hour");
        assert_eq!(span("now-90m", "").label, "Last 1h30m");
        assert_eq!(span("12:00", "13:00").label, "12:00 – 13:00");
        assert_eq!(span("yesterday 12:00:05", "yesterday 13:00").label, "21 Nov 12:00:05 – 13:00:00");
        assert_eq!(span("2025-12-31 12:00", "2026-01-01 13:00").label, "31 Dec 2025 12:00 – 1 Jan 2026 13:00");
        assert_eq!(span("", "").offset, "UTC+09:00");
    }

    #[test]
    fn views_beside_this_one_touch_it_and_end_at_now() {
        let hour = span("2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z");
        assert!(hour.earlier.ends_with("from=2026-11-22T11:00:00Z&to=2026-11-22T12:00:00Z"), "{}", hour.earlier);
        assert!(hour.later.unwrap().ends_with("from=2026-11-22T13:00:00Z&to=2026-11-22T14:00:00Z"));
        assert!(hour.wider.ends_with("from=2026-11-22T11:30:00Z&to=2026-11-22T13:30:00Z"), "{}", hour.wider);
        assert!(hour.narrower.ends_with("from=2026-11-22T12:15:00Z&to=2026-11-22T12:45:00Z"));
        let moving = span("", "");
        assert_eq!(moving.later, None);
        assert!(moving.wider.ends_with("from=now-2h&to=now"));
        assert!(moving.narrower.ends_with("from=now-30m&to=now"));
        assert!(moving.presets[2].current);
    }

    #[test]
    fn what_was_read_is_told_with_its_days_and_its_zone() {
        let reading = |from, to| span(from, to).reading;
        assert_eq!(
            reading("yesterday 23:00", "01:00"),
            "Sat 21 Nov 2026 23:00:00 – Sun 22 Nov 2026 01:00:00 · 2 h · Asia/Seoul (UTC+09:00)"
        );
        assert_eq!(
            reading("12:00", "12:30:00.5"),
            "Sun 22 Nov 2026 12:00:00 – 12:30:00.500 · 30 min · Asia/Seoul (UTC+09:00)"
        );
        let clocks = |zone: &str| {
            let range = TimeRange::new(Timestamp::from_secs(1_792_879_200), Timestamp::from_secs(1_792_969_200));
            let (zone, _) = Zone::pick(Some(zone), None);
            reading_of(range, &zone, Language::English)
        };
        assert!(clocks("Europe/Berlin").ends_with("· 1 d 1 h · Europe/Berlin (UTC+02:00 – UTC+01:00)"));
        assert!(clocks("UTC").ends_with("· UTC") && clocks("+09:00").ends_with("· UTC+09:00"));
    }

    #[test]
    fn a_time_of_day_that_is_typed_alone_is_read_on_from() {
        let read = |from: &str, to: Option<&str>, typed: Option<&str>| {
            let owned = |text: &str| text.to_owned();
            let params =
                Params { from: Some(owned(from)), to: to.map(owned), typed: typed.map(owned), ..Params::default() };
            State::read(&params, Some("Asia/Seoul"), Language::English, NOW).0.url()
        };
        let url = read("yesterday 17:30", None, Some("1"));
        assert!(url.ends_with("from=2026-11-21T08:30:00Z&to=now&direction=forward"), "{url}");
        for (from, to, typed) in [
            ("yesterday 17:30", Some("now"), Some("1")),
            ("yesterday 17:30", None, None),
            ("yesterday", None, Some("1")),
            ("3h", None, Some("1")),
            ("23:40", None, Some("1")),
        ] {
            assert!(!read(from, to, typed).contains("direction"), "{from}");
        }
    }

    #[test]
    fn a_timestamp_that_is_typed_alone_is_shown_amid_what_is_around_it() {
        let read = |from, to, manner| {
            let typed = Typed::read(Some(from), to, manner, NOW, &jiff::tz::TimeZone::UTC);
            let text = |read: Result<Option<Spoken>, String>| {
                read.map(|reading| reading.map_or("-".to_owned(), |reading| reading.moment.to_string()))
            };
            (text(typed.from), text(typed.to))
        };
        let ok = |from: &str, to: &str| (Ok(from.to_owned()), Ok(to.to_owned()));
        let stamp = "22/Nov/2026:14:03:11 +0900";
        assert_eq!(read(stamp, None, Manner::Typed), ok("2026-11-22T04:58:11Z", "2026-11-22T05:08:11Z"));
        assert_eq!(read(stamp, None, Manner::Addressed), ok("2026-11-22T05:03:11Z", "-"));
        assert_eq!(read(stamp, Some("now"), Manner::Typed), ok("2026-11-22T05:03:11Z", "now"));
        assert_eq!(read("yesterday", None, Manner::Typed), ok("2026-11-21T00:00:00Z", "-"));
        assert_eq!(read("9:00 – 10:00", None, Manner::Typed), ok("2026-11-22T09:00:00Z", "2026-11-22T10:00:00Z"));
        assert_eq!(read("soon", None, Manner::Typed), (Err("soon".to_owned()), Ok("-".to_owned())));
    }
}
