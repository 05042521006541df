//! Services at a glance: which there are, how much they say, and what they said last. Asks the engine; blocks.
//!
//! Promises: all services are counted by one question, whatever their number; last lines take a bounded time, and those
//! that are not found within it are asked for one by one later.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::logql::ast::{Expr, LogExpr};
use crate::model::{Direction, Labels, MatchOp, Matcher, TimeRange, Timestamp};
use crate::query::{Data, Engine, Error, LogLine, RangeQuery, Ticket};
use crate::web::explore::ansi::Painted;
use crate::web::explore::builder;
use crate::web::explore::level::Level;
use crate::web::explore::record::Record;
use crate::web::explore::rows::level_of;
use crate::web::explore::text::head;
use crate::web::home::counts::{self, Counts};
use crate::web::home::options::{By, Options, Sort};
use crate::web::home::span::Grid;

/// What names a service where `service_name` does not, as in rows of Explore.
const NAMES: [&str; 9] =
    ["service_name", "service", "app", "container", "compose_service", "job", "unit", "filename", "host"];
/// What a service is called that has none of these labels.
const UNKNOWN: &str = "unknown_service";
/// A service that has been silent for longer is not waited for any more.
const KNOWN_FOR_NS: i64 = 14 * 86_400_000_000_000;
/// The newest lines of all, which hold the last ones of whoever says much.
const NEWEST_MAX: usize = 100;
/// Bytes of a last line that are shown.
const LAST_BYTES_MAX: usize = 200;
/// Bytes of a line that are read to find what it says.
const READ_BYTES_MAX: usize = 16 << 10;
/// Finding last lines takes no longer on a page that is not waited for.
pub(crate) const LAST_LINES_TIME_MAX: Duration = Duration::from_millis(250);

/// A value of a label, which is a service where it is one of [`NAMES`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Key {
    /// Which group a stream belongs to; none where it lacks the label that is grouped by.
    fn of(labels: &Labels, by: &By) -> Option<Key> {
        let key = |name: &str, value: &str| Key { name: name.to_owned(), value: value.to_owned() };
        match by {
            By::Label(name) => labels.get(name).map(|value| key(name, value)),
            By::Service => {
                let mut known = NAMES.iter().filter_map(|name| Some((*name, labels.get(name)?)));
                let named = known.find(|(_, value)| *value != UNKNOWN);
                Some(named.map_or_else(|| key(NAMES[0], UNKNOWN), |(name, value)| key(name, value)))
            }
        }
    }

    /// Its lines, and none of those that belong to another group: what is called by its host has no better name.
    pub(crate) fn lines(&self, by: &By) -> LogExpr {
        let is_unknown = self.name == NAMES[0] && self.value == UNKNOWN;
        let better = match by {
            By::Label(_) => &[],
            By::Service if is_unknown => &NAMES[1..],
            By::Service => &NAMES[..NAMES.iter().position(|name| *name == self.name).unwrap_or(0)],
        };
        let lacks = |name: &&str| match *name {
            name if name == NAMES[0] => {
                let nothing = format!("|{UNKNOWN}");
                Matcher::new(MatchOp::Regex, name, nothing).expect("a regular expression")
            }
            name => Matcher::equal(name, ""),
        };
        let named = Matcher::equal(&self.name, &self.value);
        LogExpr { selector: std::iter::once(named).chain(better.iter().map(lacks)).collect(), stages: Vec::new() }
    }

    /// Its lines, as LogQL.
    pub(crate) fn query(&self, by: &By) -> String {
        builder::text(&self.lines(by))
    }
}

/// The last line of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) level: Level,
    pub(crate) time: Timestamp,
    pub(crate) text: String,
}

impl Last {
    fn of(line: &LogLine) -> Last {
        Last { level: level_of(line), time: line.timestamp, text: said(&line.line) }
    }
}

/// A service, or a value of the label that is grouped by.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: Key,
    pub(crate) counts: Counts,
    /// None where it was not looked for, or not found in time.
    pub(crate) last: Option<Last>,
}

/// What there is.
#[derive(Debug)]
pub(crate) struct Overview {
    pub(crate) grid: Grid,
    pub(crate) groups: Vec<Group>,
    /// Labels that one may group by.
    pub(crate) labels: Vec<String>,
    /// Whether anything but our own lines was ever stored.
    pub(crate) is_fed: bool,
}

/// Finds and counts all groups; those that said nothing for two weeks are gone.
pub(crate) fn overview(engine: &Engine, options: &Options, now: Timestamp, ticket: &Ticket) -> Result<Overview, Error> {
    let grid = options.span.grid(now);
    let names = match &options.by {
        By::Service => NAMES.map(str::to_owned).to_vec(),
        By::Label(name) => vec![name.clone()],
    };
    let all = LogExpr { selector: Vec::new(), stages: Vec::new() };
    let mut groups: BTreeMap<Key, Counts> = BTreeMap::new();
    for (labels, counts) in counts::count(engine, all, names, &grid, ticket)? {
        if let Some(key) = Key::of(&labels, &options.by) {
            groups.entry(key).or_default().absorb(&counts);
        }
    }
    if !counts::is_comparable(engine, &grid, ticket)? {
        groups.values_mut().for_each(|counts| counts.before = Default::default());
    }
    let known = engine.series(&[], known_range(&grid), ticket)?;
    for key in known.iter().filter_map(|labels| Key::of(labels, &options.by)) {
        groups.entry(key).or_default();
    }
    let labels: BTreeSet<&str> = known.iter().flat_map(Labels::iter).map(|(name, _)| name).collect();
    let foreign = |labels: &Labels| labels.get("job") != Some("logcafe");
    let is_fed = known.iter().any(foreign) || engine.series(&[], TimeRange::ALL, ticket)?.iter().any(foreign);
    Ok(Overview {
        grid,
        groups: groups.into_iter().map(|(key, counts)| Group { key, counts, last: None }).collect(),
        labels: labels.into_iter().map(str::to_owned).collect(),
        is_fed,
    })
}

/// In which services are looked for.
fn known_range(grid: &Grid) -> TimeRange {
    TimeRange::new(grid.range.end.plus_nanos(-KNOWN_FOR_NS).min(grid.before()), grid.range.end)
}

/// The groups that a person asked for, in their order: pinned ones first.
pub(crate) fn picked(groups: Vec<Group>, options: &Options, is_pinned: impl Fn(&Key) -> bool) -> Vec<Group> {
    let wanted = options.find.to_lowercase();
    let mut groups: Vec<Group> =
        groups.into_iter().filter(|group| group.key.value.to_lowercase().contains(&wanted)).collect();
    groups.sort_by_cached_key(|group| {
        let counts = &group.counts;
        let last = counts.last_bar();
        let order = match options.sort {
            Sort::Errors => (u64::MAX - counts.error_count(), u64::MAX - counts.line_count()),
            Sort::Volume => (u64::MAX - counts.line_count(), 0),
            Sort::Name => (0, 0),
            Sort::Newest => (last.map_or(u64::MAX, |bar| u64::MAX - 1 - bar as u64), u64::MAX - counts.line_count()),
            // first who has just fallen silent, then who has been for longer
            Sort::Silent => (last.map_or(0, |bar| 1 + bar as u64), u64::MAX - counts.lines_before()),
        };
        (!is_pinned(&group.key), order, group.key.value.to_lowercase(), group.key.name.clone())
    });
    groups
}

/// Finds the last lines of these groups, as many as there is time for until then.
pub(crate) fn find_last_lines(engine: &Engine, by: &By, grid: &Grid, groups: &mut [Group], user: &str, until: Instant) {
    let ticket = || Ticket::until(until).for_user(user);
    let all = LogExpr { selector: Vec::new(), stages: Vec::new() };
    let newest = newest(engine, all, grid.range, NEWEST_MAX, &ticket()).unwrap_or_default();
    let mut found: BTreeMap<Key, Last> = BTreeMap::new();
    for line in &newest {
        if let Some(key) = Key::of(&line.stream, by) {
            found.entry(key).or_insert_with(|| Last::of(line));
        }
    }
    for group in &mut *groups {
        group.last = found.remove(&group.key);
    }
    for group in groups.iter_mut().filter(|group| group.last.is_none()) {
        if Instant::now() >= until {
            return;
        }
        let range = if group.counts.last_bar().is_some() { grid.range } else { known_range(grid) };
        let line = self::newest(engine, group.key.lines(by), range, 1, &ticket()).unwrap_or_default();
        group.last = line.first().map(Last::of);
    }
}

/// The last line of one group.
pub(crate) fn last_line(
    engine: &Engine,
    key: &Key,
    by: &By,
    grid: &Grid,
    ticket: &Ticket,
) -> Result<Option<Last>, Error> {
    Ok(newest(engine, key.lines(by), known_range(grid), 1, ticket)?.first().map(Last::of))
}

/// The newest lines of a query, the newest first.
pub(crate) fn newest(
    engine: &Engine,
    log: LogExpr,
    range: TimeRange,
    limit: usize,
    ticket: &Ticket,
) -> Result<Vec<LogLine>, Error> {
    let direction = Direction::Backward;
    let query = RangeQuery { expr: Expr::Log(log), range, step_ns: 1, interval_ns: 0, limit, direction };
    match engine.range(&query, ticket)?.data {
        Data::Streams(lines) => Ok(lines),
        Data::Matrix(_) | Data::Vector(_) | Data::Scalar { .. } => Ok(Vec::new()),
    }
}

/// The beginning of what a line says: the message of a record, else its first words, without colours and empty lines.
pub(crate) fn said(line: &str) -> String {
    let plain = Painted::of(head(line, READ_BYTES_MAX)).plain;
    let message = Record::read(&plain).and_then(|record| record.message);
    let text = message.as_deref().unwrap_or(&plain);
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
    let shown = head(first, LAST_BYTES_MAX);
    if shown.len() < first.len() { format!("{shown}…") } else { shown.to_owned() }
}

#[cfg(test)]
mod tests {
    use crate::model::Labels;
    use crate::web::explore::level::Level;
    use crate::web::home::counts::Counts;
    use crate::web::home::options::{By, Options, Sort};
    use crate::web::home::services::{Group, Key, picked, said};

    #[test]
    fn a_stream_belongs_to_what_names_its_service() {
        let of = |labels: &[(&str, &str)], by: &By| {
            let labels = Labels::from_pairs(labels.iter().map(|(name, value)| ((*name).into(), (*value).into())));
            Key::of(&labels, by).map(|key| format!("{}={}", key.name, key.value))
        };
        let service = |labels: &[(&str, &str)]| of(labels, &By::Service).unwrap();
        assert_eq!(service(&[("app", "a"), ("service_name", "web")]), "service_name=web");
        assert_eq!(service(&[("app", "a"), ("service_name", "unknown_service")]), "app=a");
        assert_eq!(service(&[("zone", "z")]), "service_name=unknown_service");
        assert_eq!(of(&[("host", "h")], &By::Label("host".into())).as_deref(), Some("host=h"));
        assert_eq!(of(&[("app", "a")], &By::Label("host".into())), None);
    }

    #[test]
    fn the_lines_of_a_service_are_its_own() {
        let streams: Vec<Labels> = [
            &[("service_name", "pay"), ("app", "pay"), ("host", "web1")][..],
            &[("service_name", "web1"), ("host", "web2")],
            &[("service_name", "unknown_service"), ("source", "syslog"), ("host", "web1")],
            &[("app", "web1")],
            &[("service_name", "unknown_service"), ("app", "pay"), ("unit", "pay.service"), ("host", "web1")],
            &[("service_name", "unknown_service"), ("zone", "z")],
        ]
        .iter()
        .map(|pairs| Labels::from_pairs(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()))))
        .collect();
        for by in [By::Service, By::Label("host".into())] {
            for key in streams.iter().filter_map(|labels| Key::of(labels, &by)) {
                for labels in &streams {
                    let is_shown = key.lines(&by).selector.iter().all(|matcher| matcher.matches(labels));
                    assert_eq!(is_shown, Key::of(labels, &by).as_ref() == Some(&key), "{key:?} {labels:?}");
                }
            }
        }
        let key = Key { name: "service_name".into(), value: "pay".into() };
        assert_eq!(key.query(&By::Service), r#"{service_name="pay"}"#);
    }

    fn group(name: &str, errors: u64, lines: u64, last_bar: Option<usize>) -> Group {
        let mut counts = Counts::default();
        if let Some(bar) = last_bar {
            counts.bars[bar][Level::Error as usize] = errors;
            counts.bars[bar][Level::Info as usize] = lines - errors;
        } else {
            counts.before[Level::Info as usize] = lines;
        }
        Group { key: Key { name: "app".into(), value: name.into() }, counts, last: None }
    }

    #[test]
    fn services_are_sorted_as_wanted_and_pinned_ones_come_first() {
        let shown = |sort, find: &str, pinned: &str| {
            let groups = vec![
                group("busy", 1, 900, Some(20)),
                group("broken", 9, 10, Some(23)),
                group("gone", 0, 50, None),
                group("Long-gone", 0, 0, None),
            ];
            let options = Options { sort, find: find.to_owned(), ..Options::default() };
            let names = picked(groups, &options, |key| key.value == pinned).into_iter().map(|group| group.key.value);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(Sort::Errors, "", ""), "broken busy gone Long-gone");
        assert_eq!(shown(Sort::Volume, "", ""), "busy broken gone Long-gone");
        assert_eq!(shown(Sort::Name, "", ""), "broken busy gone Long-gone");
        assert_eq!(shown(Sort::Newest, "", ""), "broken busy gone Long-gone");
        assert_eq!(shown(Sort::Silent, "", ""), "gone Long-gone busy broken");
        assert_eq!(shown(Sort::Volume, "LONG", ""), "Long-gone");
        assert_eq!(shown(Sort::Errors, "", "gone"), "gone broken busy Long-gone");
    }

    #[test]
    fn a_last_line_is_its_first_words() {
        assert_eq!(said("\n  \x1b[31mred\x1b[0m  \nsecond"), "red");
        assert_eq!(said(&"한".repeat(1000)).chars().count(), 67);
        assert_eq!(said(""), "");
        assert_eq!(said(r#"{"level":"info","msg":"payment accepted","amount":4.5}"#), "payment accepted");
        assert_eq!(said(r#"{"amount":4.5}"#), r#"{"amount":4.5}"#);
    }
}
