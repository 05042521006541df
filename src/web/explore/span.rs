//! The span of time of a view: what it is called, and the views earlier, later, nearer and further. Pure.

use jiff::tz::TimeZone;

use crate::model::{TimeRange, Timestamp};
use crate::web::explore::moment::{Moment, short_duration, zoned};
use crate::web::explore::state::State;

const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 1440 * MINUTE;

/// Spans up to now that are one tap away.
const PRESETS: [(&str, i64); 7] = [
    ("5 min", 5 * MINUTE),
    ("15 min", 15 * MINUTE),
    ("1 hour", 60 * MINUTE),
    ("6 hours", 360 * MINUTE),
    ("24 hours", DAY),
    ("7 days", 7 * DAY),
    ("30 days", 30 * DAY),
];

/// A way to another view.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) text: String,
    pub(crate) href: String,
    /// Whether it leads to where one is.
    pub(crate) current: bool,
}

/// The control of time.
#[derive(Debug)]
pub(crate) struct Span {
    /// `Last 1 hour`, `22 Nov 12:00 – 13:00`
    pub(crate) label: String,
    pub(crate) presets: Vec<Link>,
    pub(crate) from_field: String,
    pub(crate) to_field: String,
    pub(crate) earlier: String,
    /// None where it would lie in the future.
    pub(crate) later: Option<String>,
    pub(crate) wider: String,
    pub(crate) narrower: String,
    pub(crate) zone_name: String,
    /// `UTC+09:00`
    pub(crate) offset: String,
    /// The edges of the range as times of day, for the axis.
    pub(crate) axis: Vec<String>,
}

impl Span {
    pub(crate) fn of(state: &State, range: TimeRange, now: Timestamp) -> Span {
        let zone = &state.zone.zone;
        let length = range.end.nanos().saturating_sub(range.start.nanos());
        let to = |start: Timestamp, end: Timestamp| state.with_span(Moment::At(start), Moment::At(end)).url();
        let preset = |(text, nanos): &(&str, i64)| {
            let other = state.with_span(Moment::FromNow(-nanos), Moment::NOW);
            let current = (other.from, other.to) == (state.from, state.to);
            Link { text: (*text).to_owned(), href: other.url(), current }
        };
        let later_start = range.end;
        let later = (later_start < now).then(|| to(later_start, later_start.plus_nanos(length)));
        Span {
            label: label(state, range, now),
            presets: PRESETS.iter().map(preset).collect(),
            from_field: state.from.field(zone),
            to_field: state.to.field(zone),
            earlier: to(range.start.plus_nanos(-length), range.start),
            later,
            wider: zoomed(state, range, now, length.saturating_mul(2)).url(),
            narrower: zoomed(state, range, now, (length / 2).max(1_000_000)).url(),
            zone_name: state.zone.name.clone(),
            offset: zoned(range.end, zone).strftime("UTC%:z").to_string(),
            axis: axis(range, zone),
        }
    }

    /// A view of more of the past, for a range that shows nothing.
    pub(crate) fn longer(state: &State, range: TimeRange) -> Vec<Link> {
        let length = range.end.nanos().saturating_sub(range.start.nanos());
        let wider = PRESETS.iter().filter(|(_, nanos)| *nanos > length);
        let link = |(text, nanos): &(&str, i64)| Link {
            text: format!("Last {text}"),
            href: state.with_span(Moment::FromNow(-nanos), Moment::NOW).url(),
            current: false,
        };
        wider.map(link).collect()
    }
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
    if let (Moment::FromNow(nanos), Moment::NOW) = (state.from, state.to) {
        let known = PRESETS.iter().find(|preset| preset.1 == -nanos);
        return format!("Last {}", known.map_or_else(|| short_duration(-nanos), |preset| preset.0.to_owned()));
    }
    let zone = &state.zone.zone;
    let (start, end, today) = (zoned(range.start, zone), zoned(range.end, zone), zoned(now, zone));
    let second = |time: &jiff::Zoned| time.second() != 0 || time.subsec_nanosecond() != 0;
    let clock = if second(&start) || second(&end) { "%H:%M:%S" } else { "%H:%M" };
    let day = if start.year() == today.year() { "%-d %b" } else { "%-d %b %Y" };
    let text = |time: &jiff::Zoned, format: &str| time.strftime(format).to_string();
    let with_day = format!("{day} {clock}");
    match (start.date() == end.date(), start.date() == today.date()) {
        (true, true) => format!("{} – {}", text(&start, clock), text(&end, clock)),
        (true, false) => format!("{} – {}", text(&start, &with_day), text(&end, clock)),
        (false, _) => format!("{} – {}", text(&start, &with_day), text(&end, &with_day)),
    }
}

fn axis(range: TimeRange, zone: &TimeZone) -> Vec<String> {
    let length = range.end.nanos().saturating_sub(range.start.nanos());
    let format = match length / MINUTE {
        ..=10 => "%H:%M:%S",
        11..=2160 => "%H:%M",
        2161.. => "%-d %b %H:%M",
    };
    let at = |part: i64| zoned(range.start.plus_nanos(length / 3 * part), zone).strftime(format).to_string();
    (0..4).map(at).collect()
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::web::explore::span::Span;
    use crate::web::explore::state::{Params, State};
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
    fn the_axis_names_its_edges() {
        assert_eq!(span("12:00", "15:00").axis, ["12:00", "13:00", "14:00", "15:00"]);
    }
}
