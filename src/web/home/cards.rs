//! Services as cards: texts and addresses, nothing left to decide. Pure.

use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::web::explore::level::Level;
use crate::web::explore::state::escape_into;
use crate::web::explore::text::{Piece, revealed};
use crate::web::home::counts::Counts;
use crate::web::home::figure::{self, Change, Layer};
use crate::web::home::options::{By, Options, Sort};
use crate::web::home::services::{Group, Key, Last};
use crate::web::home::span::Span;
use crate::web::language::Language;
use crate::web::page::When;

/// Cards that are shown unasked: about 30 KB compressed, and more than one reads.
pub(crate) const CARDS_MAX: usize = 60;
/// Whoever says something this often is silent after a moment without.
const SILENT_AFTER_GAPS: i64 = 10;
const SILENT_AFTER_NS: i64 = 5 * 60_000_000_000;

/// All services, as the page shows them.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) options: Options,
    pub(crate) cards: Vec<Card>,
    /// Whether there are any, found or not.
    pub(crate) any: bool,
    /// Whether there is something to search and sort.
    pub(crate) many: bool,
    /// `12 services`, `1,204 lines`, `12 errors`
    pub(crate) totals: [String; 3],
    pub(crate) has_errors: bool,
    /// The way to all of them, where not all are shown.
    pub(crate) more: Option<(String, String)>,
    /// Labels that one may group by.
    pub(crate) labels: Vec<String>,
    pub(crate) as_of: Clock,
}

impl Services {
    /// Lengths, addresses, and which one is shown.
    pub(crate) fn spans(&self, say: Language) -> impl Iterator<Item = (String, String, bool)> {
        // a quarter of an hour is for panels; here it would only crowd the row
        let shown = Span::ALL.into_iter().filter(|span| *span != Span::Quarter || self.options.span == *span);
        shown.map(move |span| (span.label(say), self.options.with_span(span).url(), span == self.options.span))
    }

    pub(crate) fn sorts(&self, say: Language) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        Sort::ALL.into_iter().map(move |sort| (sort.name(), sort_text(sort, say), sort == self.options.sort))
    }
}

/// `12 services`, `1,204 lines`, `12 errors`
pub(crate) fn totals(by: &By, count: usize, line_count: u64, error_count: u64, say: Language) -> [String; 3] {
    let groups = match by {
        By::Service => say.home_service_count(count),
        By::Label(name) => say.home_value_count(count, name),
    };
    [groups, lines_text(line_count, say), errors_text(error_count, say)]
}

fn lines_text(count: u64, say: Language) -> String {
    say.home_lines(count, &figure::count(count))
}

fn errors_text(count: u64, say: Language) -> String {
    if count == 0 { say.home_no_errors().to_owned() } else { say.home_errors(count, &figure::count(count)) }
}

fn sort_text(sort: Sort, say: Language) -> &'static str {
    match sort {
        Sort::Errors => say.home_sort_errors(),
        Sort::Volume => say.home_sort_volume(),
        Sort::Name => say.home_sort_name(),
        Sort::Newest => say.home_sort_newest(),
        Sort::Silent => say.home_sort_silent(),
    }
}

/// When something was counted.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    pub(crate) machine: String,
    /// `14:03:22` in the zone of the reader.
    pub(crate) text: String,
}

impl Clock {
    pub(crate) fn at(now: Timestamp, zone: &TimeZone) -> Clock {
        let machine = jiff::Timestamp::from_nanosecond(i128::from(now.nanos())).unwrap_or_default();
        let text = machine.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
        Clock { machine: machine.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(), text }
    }
}

/// A service.
#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) name: Vec<Piece>,
    /// Its name as plain text, for labels of controls.
    pub(crate) label: String,
    pub(crate) href: String,
    pub(crate) pin: String,
    pub(crate) pinned: bool,
    pub(crate) layers: Vec<Layer>,
    /// `1,204 lines`, and `▲ 3×`.
    pub(crate) lines: String,
    pub(crate) lines_change: Option<String>,
    /// The same of errors, where there are some.
    pub(crate) errors: Option<(String, Option<String>)>,
    pub(crate) last: LastView,
}

/// What a card says of the last line.
#[derive(Debug)]
pub(crate) enum LastView {
    Known {
        level: Level,
        /// RFC 3339.
        machine: String,
        ago: String,
        /// In words, where that is longer ago than usual.
        silent: Option<String>,
        text: Vec<Piece>,
    },
    /// Asked for when the card comes into view.
    Later { url: String },
}

/// The cards of groups that were picked and sorted.
pub(crate) fn cards(groups: &[Group], options: &Options, pins: &[Key], now: Timestamp, say: Language) -> Vec<Card> {
    // where nothing was stored before, everything would be new
    let had_lines = groups.iter().any(|group| group.counts.lines_before() > 0);
    let card = |group: &Group| {
        let Group { key, counts, last } = group;
        let change = |before: u64, now: u64| {
            Change::between(before as f64, now as f64).filter(|_| had_lines).map(|change| change.text(say))
        };
        let (line_count, error_count) = (counts.line_count(), counts.error_count());
        Card {
            name: revealed(&key.value),
            label: key.value.clone(),
            href: explore_url(&key.query(&options.by), options.span),
            pin: format!("{}={}", key.name, key.value),
            pinned: pins.contains(key),
            layers: figure::bars(&counts.bars),
            lines: lines_text(line_count, say),
            lines_change: change(counts.lines_before(), line_count),
            errors: (error_count > 0)
                .then(|| (errors_text(error_count, say), change(counts.errors_before(), error_count))),
            last: last.as_ref().map_or_else(
                || LastView::Later { url: last_url(key, &options.by, options.span) },
                |last| last_view(last, counts, options.span, now, say),
            ),
        }
    };
    groups.iter().map(card).collect()
}

/// What is said of a last line.
pub(crate) fn last_view(last: &Last, counts: &Counts, span: Span, now: Timestamp, say: Language) -> LastView {
    let since = now.nanos().saturating_sub(last.time.nanos());
    let line_count = i64::try_from(counts.line_count()).unwrap_or(i64::MAX);
    let is_silent = match line_count {
        0 => since >= span.nanos(),
        lines => since > SILENT_AFTER_NS && since / SILENT_AFTER_GAPS > span.nanos() / lines,
    };
    let when = When::new(last.time, now);
    LastView::Known {
        level: last.level,
        ago: when.ago(say),
        machine: when.machine,
        silent: is_silent.then(|| say.home_silent_for(&say.length(since))),
        text: revealed(&last.text),
    }
}

/// The address of a view of Explore.
pub(crate) fn explore_url(query: &str, span: Span) -> String {
    let mut url = "/explore?query=".to_owned();
    escape_into(&mut url, query);
    url.push_str("&from=now-");
    url.push_str(span.name());
    url.push_str("&to=now");
    url
}

/// Where the last line of a group is asked for.
fn last_url(key: &Key, by: &By, span: Span) -> String {
    let mut url = "/services/last?name=".to_owned();
    escape_into(&mut url, &key.name);
    url.push_str("&value=");
    escape_into(&mut url, &key.value);
    if *by != By::Service {
        url.push_str("&by=");
        escape_into(&mut url, by.name());
    }
    url.push_str("&range=");
    url.push_str(span.name());
    url
}

#[cfg(test)]
mod tests {
    use crate::model::Timestamp;
    use crate::web::explore::level::Level;
    use crate::web::home::cards::{LastView, cards, last_view};
    use crate::web::home::counts::Counts;
    use crate::web::home::options::Options;
    use crate::web::home::services::{Group, Key, Last};
    use crate::web::home::span::Span;
    use crate::web::language::Language;

    const NOW: Timestamp = Timestamp::from_secs(1_795_358_760);

    fn counts(now: u64, before: u64) -> Counts {
        let mut counts = Counts::default();
        counts.bars[3][Level::Info as usize] = now;
        counts.before[Level::Info as usize] = before;
        counts
    }

    fn silence(line_count: u64, minutes_ago: i64) -> Option<String> {
        let time = NOW.plus_nanos(-minutes_ago * 60_000_000_000);
        let last = Last { level: Level::Info, time, text: "x".to_owned() };
        match last_view(&last, &counts(line_count, 0), Span::Hour, NOW, Language::English) {
            LastView::Known { silent, .. } => silent,
            LastView::Later { .. } => panic!("it is known"),
        }
    }

    #[test]
    fn whoever_says_less_than_usual_is_silent() {
        assert_eq!(silence(1000, 4), None);
        assert_eq!(silence(1000, 8).as_deref(), Some("silent for 8 min"));
        assert_eq!(silence(10, 45), None, "that is usual");
        assert_eq!(silence(0, 185).as_deref(), Some("silent for 3 h 5 min"));
    }

    #[test]
    fn a_card_leads_to_its_lines_and_is_held_against_the_range_before() {
        let group = |value: &str, now, before| Group {
            key: Key { name: "service_name".to_owned(), value: value.to_owned() },
            counts: counts(now, before),
            last: None,
        };
        let options = Options::default();
        let pins = [Key { name: "service_name".to_owned(), value: "a\"b".to_owned() }];
        let shown = cards(&[group("a\"b", 30, 10), group("c", 5, 0)], &options, &pins, NOW, Language::English);
        assert_eq!(shown[0].href, "/explore?query=%7Bservice_name%3D%22a%5C%22b%22%7D&from=now-1h&to=now");
        let said = |index: usize| shown[index].lines_change.as_deref();
        assert_eq!((said(0), said(1)), (Some("▲ 3×"), Some("new")));
        assert!(shown[0].pinned && !shown[1].pinned);
        assert!(
            matches!(&shown[1].last, LastView::Later { url } if url == "/services/last?name=service_name&value=c&range=1h")
        );
        let fresh = cards(&[group("a", 30, 0)], &options, &[], NOW, Language::English);
        assert!(fresh[0].lines_change.is_none(), "on the first day nothing is new");
    }
}
