//! The language by examples: every file of `tests/logql` is a store with lines and questions with their answers.
//!
//! ```text
//! load {app="web"}                          lines of one stream; times are spans after the start of all
//!   10s hello
//!   1m30s [trace="t1"] with structured metadata
//! lines 0s..2m forward limit 10 interval 5s: {app="web"} |= "hello"
//!   10s {app="web"} hello
//! at 2m: count_over_time({app="web"}[2m])
//!   {app="web"} 2
//! steps 0s..2m every 1m: rate({app="web"}[1m])
//!   {app="web"} 1m=0.016666666666666666 2m=0.016666666666666666
//! ```
//!
//! An empty answer is `nothing`; one that fails is `fail: ` and how the error begins. `#` starts a comment.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use logcafe::logql::{self, ast::Expr};
use logcafe::model::{Batch, Direction, Entry, Labels, StreamEntries, TimeRange, Timestamp};
use logcafe::query::{self, Data, Engine, InstantQuery, LogLine, RangeQuery};
use logcafe::store::{Config, Retention, Store};

use crate::harness::wait_until;

/// The start of all: 2026-01-01 00:00 UTC.
const START: i64 = 1_767_225_600_000_000_000;

/// Where the lines are when they are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In memory, as they came.
    Head,
    /// In blocks on disk.
    Blocks,
    /// What was loaded last in memory, everything before it in blocks.
    Both,
}

#[test]
fn the_language_does_what_its_examples_say() {
    check_examples(Place::Head);
}

#[test]
fn the_language_does_the_same_with_sealed_lines() {
    check_examples(Place::Blocks);
    check_examples(Place::Both);
}

fn check_examples(place: Place) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logql");
    let files = std::fs::read_dir(&folder).expect("the folder of examples");
    let mut names: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    names.retain(|name| name.extension().is_some_and(|extension| extension == "test"));
    names.sort();
    assert!(!names.is_empty(), "no examples in {}", folder.display());
    let mut problems = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(&name).expect("a text");
        problems.extend(run(&text, place).into_iter().map(|problem| format!("{}:{problem}", name.display())));
    }
    assert!(problems.is_empty(), "lines in {place:?}\n{}", problems.join("\n\n"));
}

/// One question or load, with the indented lines below it.
struct Block<'t> {
    line_number: usize,
    head: &'t str,
    body: Vec<&'t str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_prefix("  ") {
            Some(inner) => blocks.last_mut().expect("indented lines come after a head").body.push(inner),
            None => blocks.push(Block { line_number: index + 1, head: line, body: Vec::new() }),
        }
    }
    blocks
}

/// What is not as the file says.
fn run(text: &str, place: Place) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blocks = blocks(text);
    let mut store = open(folder.path(), place);
    let mut engine = Engine::new(store.clone(), query::Limits::default());
    let last_load = blocks.iter().rposition(|block| block.head.starts_with("load ")).expect("something is loaded");
    let mut problems = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(selector) = block.head.strip_prefix("load ") {
            if place == Place::Both && index == last_load {
                store.close().expect("it closes");
                drop(engine);
                drop(store);
                store = open(folder.path(), Place::Head);
                engine = Engine::new(store.clone(), query::Limits::default());
                load(&store, selector, &block.body);
                continue;
            }
            load(&store, selector, &block.body);
            if place != Place::Head {
                wait_until("the lines are in blocks", || store.usage().head_bytes == 0);
                assert!(store.usage().block_count > 0);
            }
            continue;
        }
        let found = match ask(&engine, block.head) {
            Ok(lines) if lines.is_empty() => vec!["nothing".to_owned()],
            Ok(lines) => lines,
            Err(message) => vec![format!("fail: {message}")],
        };
        let fails_as_told = match (block.body.as_slice(), found.as_slice()) {
            ([wanted], [found]) => wanted.starts_with("fail: ") && found.starts_with(wanted),
            _ => false,
        };
        if !fails_as_told && found != block.body {
            let (wanted, found) = (block.body.join("\n  "), found.join("\n  "));
            problems.push(format!("{}: {}\nwanted\n  {wanted}\nfound\n  {found}", block.line_number, block.head));
        }
    }
    problems
}

/// Memory of one byte is always too small: all that comes is sealed at once.
fn open(folder: &Path, place: Place) -> Arc<Store> {
    let head_bytes_max = if place == Place::Head { 64 << 20 } else { 1 };
    let config = Config { dir: folder.to_owned(), retention: Retention::default(), head_bytes_max, wordless_bytes: 0 };
    Arc::new(Store::open(config, &|_, _| Ok(())).expect("a store"))
}

fn load(store: &Store, selector: &str, lines: &[&str]) {
    let entries = lines.iter().map(|text| {
        let (time, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (metadata, line) = match rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((pairs, line)) => (labels(&format!("{{{pairs}}}")), line),
            None => (Labels::default(), rest),
        };
        Entry { timestamp: moment(time), line: Cow::from(line.replace("\\n", "\n")), metadata }
    });
    let streams = vec![StreamEntries { labels: labels(selector), entries: entries.collect() }];
    store.append(&Batch { record: Cow::from(&b"an example"[..]), streams }).expect("appended");
}

fn labels(selector: &str) -> Labels {
    let matchers = logql::parse_selector(selector).unwrap_or_else(|error| panic!("{selector}: {error}"));
    matchers.iter().map(|matcher| (matcher.name().to_owned(), matcher.value().to_owned())).collect()
}

fn ask(engine: &Engine, head: &str) -> Result<Vec<String>, String> {
    let (how, text) = head.split_once(": ").unwrap_or_else(|| panic!("no question in {head}"));
    let mut words = how.split(' ');
    let kind = words.next().unwrap_or("");
    let when = words.next().unwrap_or_else(|| panic!("no time in {head}"));
    let expr = logql::parse(text).map_err(|error| error.to_string())?;
    let ticket = engine.ticket();
    if kind == "at" {
        let query = InstantQuery { expr, time: moment(when), limit: 100 };
        return engine.instant(&query, &ticket).map(|answer| shown(answer.data)).map_err(|error| error.to_string());
    }
    let (start, end) = when.split_once("..").unwrap_or_else(|| panic!("no range in {head}"));
    let mut query = RangeQuery {
        expr,
        range: TimeRange::new(moment(start), moment(end)),
        step_ns: 1,
        interval_ns: 0,
        limit: 100,
        direction: Direction::Backward,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} of what in {head}"));
        match word {
            "forward" => query.direction = Direction::Forward,
            "backward" => query.direction = Direction::Backward,
            "limit" => query.limit = value().parse().expect("a number"),
            "interval" => query.interval_ns = span(value()),
            "every" => query.step_ns = span(value()),
            other => panic!("{other} is no word for {kind}"),
        }
    }
    assert_eq!(kind == "lines", matches!(query.expr, Expr::Log(_)), "lines are asked for with a log query: {head}");
    engine.range(&query, &ticket).map(|answer| shown(answer.data)).map_err(|error| error.to_string())
}

fn shown(data: Data) -> Vec<String> {
    match data {
        Data::Streams(lines) => lines.iter().map(shown_line).collect(),
        Data::Vector(samples) => samples.iter().map(|it| format!("{} {}", it.labels, it.value)).collect(),
        Data::Scalar { value, .. } => vec![format!("scalar {value}")],
        Data::Matrix(series) => series
            .iter()
            .map(|series| {
                let points = series.points.iter().map(|(time, value)| format!(" {}={value}", shown_time(*time)));
                format!("{}{}", series.labels, points.collect::<String>())
            })
            .collect(),
    }
}

fn shown_line(line: &LogLine) -> String {
    let all = line.stream.iter().chain(line.structured.iter()).chain(line.parsed.iter());
    let labels: Labels = all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let text = line.line.replace('\n', "\\n");
    format!("{} {labels} {text}", shown_time(line.timestamp)).trim_end().to_owned()
}

/// A span after the start, the way the files write it: `1h30m`, `10s`, `500ms`.
fn shown_time(time: Timestamp) -> String {
    let mut rest = time.nanos() - START;
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::from(if rest < 0 { "-" } else { "" });
    rest = rest.abs();
    for (unit, nanos) in UNITS {
        if rest >= nanos {
            text.push_str(&format!("{}{unit}", rest / nanos));
            rest %= nanos;
        }
    }
    text
}

const UNITS: [(&str, i64); 5] =
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("ns", 1)];

fn moment(text: &str) -> Timestamp {
    Timestamp::from_nanos(START + span(text))
}

fn span(text: &str) -> i64 {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut nanos = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let letters = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let count: i64 = rest[..digits].parse().unwrap_or_else(|_| panic!("{text} is no span of time"));
        let unit = UNITS.iter().find(|(unit, _)| *unit == &rest[digits..letters]);
        nanos += count * unit.unwrap_or_else(|| panic!("{text} has an unknown unit")).1;
        rest = &rest[letters..];
    }
    sign * nanos
}
