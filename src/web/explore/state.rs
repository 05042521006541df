//! What one view of Explore shows, and the URL that holds it whole.
//!
//! Promises: `State::read(params of state.url())` is the same state. Pure.

use serde::Deserialize;

use crate::model::{Direction, TimeRange, Timestamp};
use crate::web::explore::drawing::{Drawing, Shape, Unit};
use crate::web::explore::key::LineKey;
use crate::web::explore::look::{Form, Look, Show};
use crate::web::explore::moment::Moment;
use crate::web::explore::paging::Cursor;
use crate::web::explore::reading::{Clock, Reading};
use crate::web::explore::span::{self, Manner, Typed};
use crate::web::explore::spoken::{Edge, Twist};
use crate::web::explore::understand::ask::Ask;
use crate::web::explore::zone::{UnknownZone, Zone};
use crate::web::language::Language;

/// Rows of a page where the URL does not say: about 20 KB of HTML, and what a thumb is ready to scroll.
pub(crate) const LIMIT_DEFAULT: usize = 100;
/// Rows of a page at most, so that a phone can still lay them out.
pub(crate) const LIMIT_MAX: usize = 1000;

const FROM_DEFAULT: Moment = Moment::FromNow(-3_600_000_000_000);

/// The query part of a URL as it came. Every field may be missing, and an empty one counts as missing.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Params {
    pub(crate) query: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) limit: Option<String>,
    pub(crate) direction: Option<String>,
    pub(crate) zone: Option<String>,
    /// Given where the span comes from the fields of the page.
    pub(crate) typed: Option<String>,
    pub(crate) chart: Option<String>,
    pub(crate) unit: Option<String>,
    pub(crate) by: Option<String>,
    /// Given after a jump that found nothing.
    pub(crate) missed: Option<String>,
    pub(crate) older: Option<String>,
    pub(crate) newer: Option<String>,
    pub(crate) show: Option<String>,
    pub(crate) live: Option<String>,
    pub(crate) line: Option<String>,
    pub(crate) wrap: Option<String>,
    pub(crate) form: Option<String>,
    pub(crate) same: Option<String>,
    pub(crate) columns: Option<String>,
    pub(crate) saved: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) than: Option<String>,
    pub(crate) whole: Option<String>,
    pub(crate) all: Option<String>,
    pub(crate) field: Option<String>,
}

/// One view: everything that its URL says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// LogQL as it was written, or words that lines must hold.
    pub(crate) query: String,
    pub(crate) from: Moment,
    pub(crate) to: Moment,
    pub(crate) limit: usize,
    pub(crate) direction: Direction,
    pub(crate) zone: Zone,
    pub(crate) cursor: Option<Cursor>,
    /// What of the lines is shown: themselves, or what they have in common.
    pub(crate) show: Show,
    /// Whether new lines are to come in as they are stored.
    pub(crate) live: bool,
    /// The line that the page is to open at.
    pub(crate) line: Option<LineKey>,
    pub(crate) look: Look,
    /// How numbers are shown, where the query asks for some.
    pub(crate) drawing: Drawing,
    /// The saved query that was opened, as long as one goes on from it: it can be saved over.
    pub(crate) saved: Option<i64>,
    /// What is asked of the views of what lines have in common.
    pub(crate) ask: Ask,
    /// The language of the reader; the address does not hold it, as a link is for anyone.
    pub(crate) say: Language,
    /// How this device reads lines; the address does not hold it either.
    pub(crate) reading: Reading,
}

/// A part of the address that cannot be read, or not in one way, for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Time {
        edge: Edge,
        text: String,
    },
    Zone(UnknownZone),
    /// It can be read, but the clocks were changed then.
    Twisted(Twist),
}

impl Unreadable {
    /// What to write instead.
    pub(crate) fn told(&self, say: Language) -> String {
        match self {
            Unreadable::Time { text, .. } => say.time_unread(text),
            Unreadable::Zone(UnknownZone { name, guess: Some(guess) }) => say.zone_guess(name, guess),
            Unreadable::Zone(UnknownZone { name, guess: None }) => say.zone_unknown(name),
            Unreadable::Twisted(Twist::Skipped) => say.is_skipped().to_owned(),
            Unreadable::Twisted(Twist::Twice) => say.is_twice().to_owned(),
        }
    }
}

impl State {
    /// Reads the parameters. What cannot be read takes its default and is reported beside the state.
    pub(crate) fn read(
        params: &Params,
        browser_zone: Option<&str>,
        say: Language,
        now: Timestamp,
    ) -> (State, Vec<Unreadable>) {
        let (zone, unknown) = Zone::pick(given(&params.zone), browser_zone);
        let mut faults: Vec<Unreadable> = unknown.map(Unreadable::Zone).into_iter().collect();
        let manner = if given(&params.typed).is_some() { Manner::Typed } else { Manner::Addressed };
        let typed = Typed::read(given(&params.from), given(&params.to), manner, now, &zone.zone);
        let is_onward = span::is_onward(&typed, manner, now);
        let (from, to) = span::given(typed, (FROM_DEFAULT, Moment::NOW), &mut faults);
        let limit = given(&params.limit).and_then(|text| text.parse().ok()).unwrap_or(LIMIT_DEFAULT);
        let direction = match given(&params.direction) {
            Some("forward") => Direction::Forward,
            _ if is_onward => Direction::Forward,
            _ => Direction::Backward,
        };
        let older = given(&params.older).and_then(Cursor::older);
        let newer = given(&params.newer).and_then(Cursor::newer);
        let query = given(&params.query).unwrap_or("").to_owned();
        let limit = limit.clamp(1, LIMIT_MAX);
        let show = given(&params.show).map_or(Show::Lines, Show::parse);
        let line = given(&params.line).and_then(LineKey::parse);
        let look = Look::read(given(&params.wrap), given(&params.form), given(&params.same), given(&params.columns));
        let drawing = Drawing::read(given(&params.chart), given(&params.unit), given(&params.by));
        let reading = Reading::default();
        let ask = Ask::read(params);
        let cursor = older.or(newer);
        // only what goes up to now goes on
        let live = given(&params.live) == Some("1") && to == Moment::NOW && cursor.is_none() && show == Show::Lines;
        let saved = given(&params.saved).and_then(|text| text.parse().ok());
        (
            State {
                query,
                from,
                to,
                limit,
                direction,
                zone,
                cursor,
                show,
                live,
                line,
                look,
                drawing,
                saved,
                ask,
                say,
                reading,
            },
            faults,
        )
    }

    /// The span of time that is shown when the clock says `now`; `None` where it does not end after its start.
    pub(crate) fn range(&self, now: Timestamp) -> Option<TimeRange> {
        let range = TimeRange::new(self.from.resolve(now), self.to.resolve(now));
        (range.start < range.end).then_some(range)
    }

    /// The address of this view.
    pub(crate) fn url(&self) -> String {
        format!("/explore?{}", self.params())
    }

    /// What is kept of this view where it is saved, remembered or linked to: all but the page, and whence it was opened.
    pub(crate) fn kept(&self) -> State {
        State { cursor: None, saved: None, ..self.clone() }
    }

    /// The query part of the address, for pages beside Explore that come back to this view.
    pub(crate) fn params(&self) -> String {
        encoded(&self.pairs())
    }

    /// Names and values of the query part; what is as by default is left out.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs =
            vec![("query", self.query.clone()), ("from", self.from.to_string()), ("to", self.to.to_string())];
        if self.limit != LIMIT_DEFAULT {
            pairs.push(("limit", self.limit.to_string()));
        }
        if self.direction == Direction::Forward {
            pairs.push(("direction", "forward".to_owned()));
        }
        if self.zone.chosen {
            pairs.push(("zone", self.zone.name.clone()));
        }
        if let Some(cursor) = &self.cursor {
            pairs.push(cursor.pair());
        }
        if self.show != Show::Lines {
            pairs.push(("show", self.show.name().to_owned()));
        }
        if self.live {
            pairs.push(("live", "1".to_owned()));
        }
        if let Some(line) = self.line {
            pairs.push(("line", line.to_string()));
        }
        pairs.extend(self.look.pairs());
        pairs.extend(self.drawing.pairs());
        pairs.extend(self.saved.map(|id| ("saved", id.to_string())));
        pairs.extend(self.ask.pairs());
        pairs
    }

    /// Classes of the list of lines: how they are laid out, and how large.
    pub(crate) fn list_class(&self) -> String {
        let mut class = format!("size-{}", self.reading.size.name());
        if !self.look.wrap {
            class.push_str(" off");
        }
        if self.look.form == Form::Pretty {
            class.push_str(" pretty");
        }
        if !self.look.columns.is_empty() {
            class.push_str(&format!(" table c{}", self.look.columns.len()));
        }
        if self.reading.clock == Clock::Full {
            class.push_str(" full");
        }
        class
    }

    /// For a form that keeps everything but the page.
    pub(crate) fn first_page(&self) -> Vec<(&'static str, String)> {
        self.at(None).pairs()
    }

    /// For a form that asks for another span of time, and names the zone itself.
    pub(crate) fn without_span(&self) -> Vec<(&'static str, String)> {
        self.first_page().into_iter().filter(|(name, _)| !["from", "to", "zone"].contains(name)).collect()
    }

    /// For a form that picks other columns.
    pub(crate) fn without_columns(&self) -> Vec<(&'static str, String)> {
        self.first_page().into_iter().filter(|(name, _)| *name != "columns").collect()
    }

    /// For a form that asks another query.
    pub(crate) fn without_query(&self) -> Vec<(&'static str, String)> {
        self.first_page().into_iter().filter(|(name, _)| *name != "query").collect()
    }

    /// The same view of another query, at its first page.
    pub(crate) fn with_query(&self, query: impl Into<String>) -> State {
        State { query: query.into(), cursor: None, line: None, ..self.clone() }
    }

    /// The same query over another span, at its first page.
    pub(crate) fn with_span(&self, from: Moment, to: Moment) -> State {
        State { from, to, cursor: None, line: None, live: false, ..self.clone() }
    }

    /// The same query, shown another way, at its first page.
    pub(crate) fn with_show(&self, show: Show) -> State {
        State { show, cursor: None, line: None, live: false, ..self.clone() }
    }

    /// The same numbers in another shape.
    pub(crate) fn with_shape(&self, shape: Shape) -> State {
        State { drawing: Drawing { shape, ..self.drawing }, ..self.clone() }
    }

    /// The same numbers in another unit.
    pub(crate) fn with_unit(&self, unit: Unit) -> State {
        State { drawing: Drawing { unit: Some(unit), ..self.drawing }, ..self.clone() }
    }

    /// The same lines, laid out otherwise.
    pub(crate) fn with_look(&self, look: Look) -> State {
        State { look, ..self.clone() }
    }

    /// The same query with new lines coming in, over a range that moves with the clock; or without, where they do.
    pub(crate) fn with_live_toggled(&self) -> State {
        let from = match self.from {
            Moment::FromNow(_) => self.from,
            Moment::At(_) => FROM_DEFAULT,
        };
        let turned = State { cursor: None, line: None, show: Show::Lines, ..self.clone() };
        if self.live { State { live: false, ..turned } } else { State { live: true, from, to: Moment::NOW, ..turned } }
    }

    /// The order in which lines are asked for: whoever follows them begins with the newest, in either order of reading.
    pub(crate) fn fetched(&self) -> Direction {
        if self.live { Direction::Backward } else { self.direction }
    }

    /// The same view at another page.
    pub(crate) fn at(&self, cursor: Option<Cursor>) -> State {
        State { cursor, line: None, live: false, ..self.clone() }
    }
}

/// Names and values as the query part of an address.
pub(crate) fn encoded(pairs: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        escape_into(&mut text, value);
    }
    text
}

/// The value of one parameter of an address that [`encoded`] wrote.
pub(crate) fn value_of(params: &str, name: &str) -> String {
    let found = params.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let bytes = found.unwrap_or("").as_bytes();
    let mut value = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(coded) => {
                value.push(coded);
                at += 3;
            }
            None => {
                value.push(if *byte == b'+' { b' ' } else { *byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&value).into_owned()
}

/// Form encoding of one value.
pub(crate) fn escape_into(text: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' => text.push(char::from(byte)),
            b' ' => text.push('+'),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// What a parameter says, where it says anything.
pub(crate) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::model::{Direction, Timestamp};
    use crate::web::explore::moment::Moment;
    use crate::web::explore::state::{LIMIT_MAX, Params, State};
    use crate::web::language::Language;

    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn params(url: &str) -> Params {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let uri = format!("http://logcafe/?{query}").parse().unwrap();
        axum::extract::Query::<Params>::try_from_uri(&uri).unwrap().0
    }

    fn read(url: &str) -> State {
        let (state, faults) = State::read(&params(url), None, Language::English, NOW);
        assert_eq!(faults, []);
        state
    }

    #[test]
    fn nothing_given_is_the_last_hour_newest_first() {
        let state = read("/explore");
        assert_eq!(state.url(), "/explore?query=&from=now-1h&to=now");
        assert_eq!((state.limit, state.direction), (100, Direction::Backward));
        let range = state.range(NOW).unwrap();
        assert_eq!((range.start, range.end), (NOW.plus_nanos(-3_600_000_000_000), NOW));
    }

    #[test]
    fn the_url_holds_the_whole_view() {
        let url = "/explore?query=%7Bapp%3D%22w%26b%22%7D+%7C%3D+%22%ED%95%9C%2B%22&from=2026-11-22T12:00:00Z\
                   &to=now-5m&limit=50&direction=forward&zone=Asia%2FSeoul&older=1795358760000000000.2";
        let state = read(url);
        assert_eq!(state.query, "{app=\"w&b\"} |= \"한+\"");
        assert_eq!(state.zone.name, "Asia/Seoul");
        assert_eq!(state.url(), url);
        assert_eq!(read(&state.url()), state);
    }

    #[test]
    fn times_are_read_in_the_zone_of_the_view() {
        let state = read("/explore?from=2026-11-22+09:00&zone=Asia%2FSeoul");
        assert_eq!(state.from.to_string(), "2026-11-22T00:00:00Z");
    }

    #[test]
    fn what_cannot_be_read_is_reported_and_takes_its_default() {
        let (state, faults) = State::read(
            &params("/explore?from=soon&limit=x&zone=Mars&direction=up"),
            Some("Asia/Seoul"),
            Language::English,
            NOW,
        );
        let told: Vec<String> = faults.iter().map(|fault| fault.told(Language::English)).collect();
        assert_eq!(faults.len(), 2);
        assert!(told[0].contains("no time zone “Mars”") && told[1].contains("“soon”"), "{told:?}");
        assert_eq!(state.from, Moment::FromNow(-3_600_000_000_000));
        assert_eq!((state.zone.name.as_str(), state.zone.chosen), ("Asia/Seoul", false));
    }

    #[test]
    fn only_what_goes_up_to_now_is_live() {
        let live = read("/explore?live=1&direction=forward");
        assert!(live.live && live.url().ends_with("&live=1"));
        assert_eq!((live.direction, live.fetched()), (Direction::Forward, Direction::Backward));
        assert!(!live.with_live_toggled().live);
        for past in ["to=now-5m", "to=2026-11-22T12:00:00Z", "older=1.2", "show=fields"] {
            assert!(!read(&format!("/explore?live=1&{past}")).live, "{past}");
        }
        let past = read("/explore?query=x&from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z&older=1.2");
        assert_eq!(past.with_live_toggled().url(), "/explore?query=x&from=now-1h&to=now&live=1");
    }

    #[test]
    fn a_page_has_an_end_and_a_span_too() {
        assert_eq!(read("/explore?limit=1000000").limit, LIMIT_MAX);
        assert_eq!(read("/explore?limit=0").limit, 1);
        assert_eq!(read("/explore?from=now&to=now-1h").range(NOW), None);
    }
}
