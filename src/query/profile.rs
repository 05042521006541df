//! What the fields of lines say: how many lines have each, which values are frequent, where its numbers lie.
//!
//! Promises: one pass over the lines; memory is bounded, whatever lines say; the answer tells how much of the lines was
//! read. Labels and structured metadata are looked at once per set, not per line.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::logql::ast::{LogExpr, Stage};
use crate::logql::stage::{EXTRACTED_SUFFIX, Pipeline, Scratch};
use crate::model::{Direction, Labels, MemoryExceeded, Share, TimeRange, Timestamp};
use crate::query::limits::memory;
use crate::query::plan::Plan;
use crate::query::sample::Budget;
use crate::query::scan::{Numbered, rows, spread};
use crate::query::values::Values;
use crate::query::{Coverage, Engine, Error, Numbers, Stats, Ticket};

/// Fields that are told apart; lines may make up names without end.
const FIELDS_MAX: usize = 400;
/// Different values of all fields that one thread keeps.
const VALUES_OF_ALL_MAX: usize = 60_000;
/// Values of each field that stay when those are too many.
const VALUES_LEFT: usize = 100;
/// A line longer than this is not looked into: it would take the time of thousands of others.
const PARSED_BYTES_MAX: usize = 256 << 10;
/// Pairs that a line without braces has at least where it is written in logfmt.
const PAIRS_MIN: usize = 2;

/// Which lines, and how much of the answer.
#[derive(Clone, Debug)]
pub struct ProfileQuery {
    pub log: LogExpr,
    pub range: TimeRange,
    /// The time that reading may take; what is read by then stands for all. None reads all.
    pub time_max: Option<Duration>,
    /// Values of each field in the answer, the most frequent ones.
    pub values_max: usize,
}

/// The fields of some lines.
#[derive(Debug)]
pub struct Profile {
    /// In the order of their origins, then those of most lines first.
    pub fields: Vec<FieldProfile>,
    /// Lines that were looked at and passed all filters.
    pub line_count: u64,
    pub coverage: Coverage,
    /// Whether there were more fields than are told apart.
    pub is_cut: bool,
    pub stats: Stats,
    pub warnings: Vec<String>,
}

/// Where a field of a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldOrigin {
    /// A label of the stream.
    Label,
    Structured,
    /// In the line, in reach with `| json`.
    Json,
    /// In the line, in reach with `| logfmt`.
    Logfmt,
    /// Made by the stages of the query.
    Query,
}

impl FieldOrigin {
    pub const ALL: [FieldOrigin; 5] =
        [FieldOrigin::Label, FieldOrigin::Structured, FieldOrigin::Json, FieldOrigin::Logfmt, FieldOrigin::Query];
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldProfile {
    pub name: String,
    pub origin: FieldOrigin,
    /// Lines that have it.
    pub line_count: u64,
    /// Different values, and whether that is estimated.
    pub value_count: u64,
    pub is_estimated: bool,
    /// The most frequent values, and how many lines have them.
    pub top: Vec<(String, u64)>,
    pub numbers: Option<Numbers>,
}

impl Engine {
    /// Looks at the lines that a query finds, and tells what their fields say.
    pub fn profile(&self, query: &ProfileQuery, ticket: &Ticket) -> Result<Profile, Error> {
        let _turn = self.queue.enter(ticket)?;
        let mut stats = Stats { waited: ticket.waited(), ..Stats::default() };
        let begin = std::time::Instant::now();
        let mut plan = Plan::for_logs(&self.store, &query.log, query.range)?;
        let (memory, _reading) = memory(&self.limits);
        let budget = Budget::of(query.time_max);
        budget.arrange(&mut plan.chunks);
        let looking = Looking { pipeline: &plan.pipeline, parses: !has_parser(&query.log), ticket };
        let make = || Worker::new(Share::of(&memory));
        let mut workers = spread(&plan.chunks, ticket, make, |worker, numbered| {
            if worker.entries > 0 && budget.is_spent() {
                return Ok(ControlFlow::Break(()));
            }
            looking.read(worker, numbered)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let mut all = workers.pop().unwrap_or_else(make);
        for worker in workers {
            all.absorb(worker)?;
        }
        let chunks = plan.chunks.iter();
        stats.lines_processed = all.entries;
        stats.bytes_processed = all.bytes;
        stats.lines_matched = all.lines;
        stats.elapsed = begin.elapsed();
        self.add_to_totals(&stats);
        Ok(Profile {
            line_count: all.lines,
            coverage: Coverage { read: all.entries, all: chunks.map(|numbered| numbered.chunk.entry_count).sum() },
            is_cut: all.fields.is_cut,
            fields: all.fields.told(query.values_max),
            stats,
            warnings: ticket.damages(),
        })
    }
}

/// Whether the query takes lines apart itself: then its fields are those that count.
fn has_parser(log: &LogExpr) -> bool {
    log.stages.iter().any(|stage| match stage {
        Stage::Json(_) | Stage::Logfmt { .. } | Stage::Regexp(_) | Stage::Pattern(_) | Stage::Unpack => true,
        Stage::Line(_) | Stage::Decolorize | Stage::Label(_) | Stage::LineFormat(_) | Stage::LabelFormat(_) => false,
        Stage::Drop(_) | Stage::Keep(_) => false,
    })
}

/// What all workers see.
struct Looking<'q> {
    pipeline: &'q Pipeline,
    /// Whether lines are taken apart as they look.
    parses: bool,
    ticket: &'q Ticket,
}

/// The fields of each origin, in the order of [`FieldOrigin::ALL`].
#[derive(Default)]
struct Fields {
    by_origin: [HashMap<Box<str>, Values>; FieldOrigin::ALL.len()],
    count: usize,
    is_cut: bool,
}

struct Worker {
    fields: Fields,
    json: Pipeline,
    logfmt: Pipeline,
    scratch: Scratch,
    reading: Scratch,
    share: Share,
    lines: u64,
    entries: u64,
    bytes: u64,
}

impl Looking<'_> {
    fn read(&self, worker: &mut Worker, numbered: &Numbered) -> Result<(), Error> {
        // sets that were met in this chunk, and how many lines have them
        let mut streams: Vec<Option<(Labels, u64)>> = Vec::new();
        let mut metadata = MetadataCounts::default();
        worker.entries += numbered.chunk.entry_count;
        worker.bytes += numbered.chunk.line_bytes;
        let mut scratch = std::mem::take(&mut worker.scratch);
        let mut reading = std::mem::take(&mut worker.reading);
        rows(&numbered.chunk, TimeRange::ALL, Direction::Forward, self.ticket, |row, _| {
            if scratch.was_slow() || reading.was_slow() {
                self.ticket.check()?;
            }
            let (stream, set) = (row.stream, row.metadata);
            let Some(processed) = self.pipeline.process(row.timestamp, row.line, stream, set, &mut scratch) else {
                return Ok(());
            };
            worker.lines += 1;
            count(&mut streams, row.stream_index, stream);
            metadata.count(row.stream_index, row.metadata_index, stream, set);
            for (name, value) in processed.made() {
                worker.fields.add(FieldOrigin::Query, name, value, 1);
            }
            if self.parses {
                worker.take_apart(processed.line, (stream, set), &mut reading);
            }
            Ok(())
        })?;
        (worker.scratch, worker.reading) = (scratch, reading);
        for (set, count) in streams.into_iter().flatten() {
            for (name, value) in set.iter() {
                worker.fields.add(FieldOrigin::Label, name, value, count);
            }
        }
        for (stream, set, count) in metadata.sets {
            for (name, value) in renamed(&stream, &set).iter() {
                worker.fields.add(FieldOrigin::Structured, name, value, count);
            }
        }
        Ok(worker.tidy()?)
    }
}

/// How many lines came with which metadata in which stream: that decides under which names a query sees it.
#[derive(Default)]
struct MetadataCounts {
    places: HashMap<(usize, usize), usize>,
    sets: Vec<(Labels, Labels, u64)>,
    /// Where the line before was counted: the next one is often of the same.
    last: Option<((usize, usize), usize)>,
}

impl MetadataCounts {
    fn count(&mut self, stream_index: usize, metadata_index: usize, stream: &Labels, set: &Labels) {
        let key = (stream_index, metadata_index);
        let place = match self.last {
            Some((last, place)) if last == key => place,
            _ => *self.places.entry(key).or_insert_with(|| {
                self.sets.push((stream.clone(), set.clone(), 0));
                self.sets.len() - 1
            }),
        };
        self.last = Some((key, place));
        self.sets[place].2 += 1;
    }
}

/// Metadata under the names that queries have for it: those of the stream's labels are taken.
fn renamed(stream: &Labels, metadata: &Labels) -> Labels {
    let name = |name: &str| match stream.get(name) {
        Some(_) => format!("{name}{EXTRACTED_SUFFIX}"),
        None => name.to_owned(),
    };
    metadata.iter().map(|(known, value)| (name(known), value.to_owned())).collect()
}

/// Counts a set at its number.
fn count(sets: &mut Vec<Option<(Labels, u64)>>, index: usize, set: &Labels) {
    if sets.len() <= index {
        sets.resize(index + 1, None);
    }
    sets[index].get_or_insert_with(|| (set.clone(), 0)).1 += 1;
}

impl Worker {
    fn new(share: Share) -> Worker {
        let pipeline = |stage| Pipeline::new(&[stage]).expect("a parser without arguments has nothing wrong with it");
        Worker {
            fields: Fields::default(),
            json: pipeline(Stage::Json(Vec::new())),
            logfmt: pipeline(Stage::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() }),
            scratch: Scratch::default(),
            reading: Scratch::default(),
            share,
            lines: 0,
            entries: 0,
            bytes: 0,
        }
    }

    /// Counts the fields that a line has in JSON or logfmt, under the names that a query has for them: a name that its
    /// stream or its metadata has already is taken.
    fn take_apart(&mut self, line: &str, (stream, metadata): (&Labels, &Labels), reading: &mut Scratch) {
        if line.len() > PARSED_BYTES_MAX {
            return;
        }
        let (origin, parser) = match () {
            () if line.trim_ascii_start().starts_with('{') => (FieldOrigin::Json, &self.json),
            () if is_logfmt(line) => (FieldOrigin::Logfmt, &self.logfmt),
            () => return,
        };
        let Some(read) = parser.process(Timestamp::default(), line, stream, metadata, reading) else { return };
        if read.error().is_none() {
            for (name, value) in read.made() {
                self.fields.add(origin, name, value, 1);
            }
        }
    }

    /// Lets go of rare values where there are too many, and pays for the others.
    fn tidy(&mut self) -> Result<(), MemoryExceeded> {
        if self.fields.all().map(Values::kept_count).sum::<usize>() > VALUES_OF_ALL_MAX {
            let all = self.fields.by_origin.iter_mut().flat_map(HashMap::values_mut);
            all.for_each(|values| values.keep(VALUES_LEFT));
        }
        self.share.set(self.fields.all().map(Values::memory_bytes).sum())
    }

    fn absorb(&mut self, other: Worker) -> Result<(), MemoryExceeded> {
        self.lines += other.lines;
        self.entries += other.entries;
        self.bytes += other.bytes;
        self.fields.is_cut |= other.fields.is_cut;
        for (origin, fields) in FieldOrigin::ALL.into_iter().zip(other.fields.by_origin) {
            for (name, values) in fields {
                if let Some(known) = self.fields.field(origin, &name) {
                    known.absorb(values);
                }
            }
        }
        drop(other.share);
        self.tidy()
    }
}

impl Fields {
    fn all(&self) -> impl Iterator<Item = &Values> {
        self.by_origin.iter().flat_map(HashMap::values)
    }

    /// The values of a field; none where there are too many fields already.
    fn field(&mut self, origin: FieldOrigin, name: &str) -> Option<&mut Values> {
        let fields = &mut self.by_origin[origin as usize];
        if !fields.contains_key(name) {
            if self.count >= FIELDS_MAX {
                self.is_cut = true;
                return None;
            }
            self.count += 1;
            fields.insert(name.into(), Values::default());
        }
        fields.get_mut(name)
    }

    fn add(&mut self, origin: FieldOrigin, name: &str, value: &str, count: u64) {
        if let Some(values) = self.field(origin, name) {
            values.add(value, count);
        }
    }

    fn told(self, values_max: usize) -> Vec<FieldProfile> {
        let mut told = Vec::new();
        for (origin, fields) in FieldOrigin::ALL.into_iter().zip(self.by_origin) {
            let mut fields: Vec<FieldProfile> =
                fields.into_iter().map(|(name, values)| field(origin, name, &values, values_max)).collect();
            fields.sort_by(|a, b| b.line_count.cmp(&a.line_count).then_with(|| a.name.cmp(&b.name)));
            told.extend(fields);
        }
        told
    }
}

fn field(origin: FieldOrigin, name: Box<str>, values: &Values, values_max: usize) -> FieldProfile {
    let (value_count, is_estimated) = values.distinct();
    FieldProfile {
        name: name.into(),
        origin,
        line_count: values.line_count,
        value_count,
        is_estimated,
        top: values.top(values_max),
        numbers: values.numbers(),
    }
}

/// Whether a line is made of names and values, and not a text in which a `=` happens to be.
fn is_logfmt(line: &str) -> bool {
    let is_name = |name: &str| {
        name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    let is_pair = |word: &str| word.split_once('=').is_some_and(|(name, value)| !value.is_empty() && is_name(name));
    // the first word tells most texts from pairs
    line.split(' ').take(3).any(is_pair)
        && line.split(' ').filter(|word| is_pair(word)).take(PAIRS_MIN).count() >= PAIRS_MIN
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::logql;
    use crate::logql::ast::Expr;
    use crate::model::{Labels, TimeRange, Timestamp};
    use crate::query::profile::FIELDS_MAX;
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Engine, Error, FieldOrigin, Limits, Profile, ProfileQuery};

    fn engine() -> (TestStore, Engine) {
        let store = TestStore::new();
        let lines: Vec<(i64, String)> = (0..100)
            .map(|n| {
                (
                    n,
                    format!(
                        r#"{{"status":{},"path":"/a","user":{{"id":"u{}"}}}}"#,
                        if n % 4 == 0 { 500 } else { 200 },
                        n % 7
                    ),
                )
            })
            .collect();
        let level = |n: i64| Labels::from([("detected_level", if n % 4 == 0 { "error" } else { "info" })]);
        let lines: Vec<(i64, &str, Labels)> = lines.iter().map(|(n, line)| (*n, line.as_str(), level(*n))).collect();
        store.push_with(&[("app", "web"), ("host", "a")], &lines);
        store.push(
            &[("app", "db")],
            &[(10, "took=5ms rows=3 msg=\"a b\""), (11, "took=15ms rows=9"), (12, "plain a=b text")],
        );
        let engine = Engine::new(store.store.clone(), Limits::default());
        (store, engine)
    }

    fn query(text: &str) -> ProfileQuery {
        let Ok(Expr::Log(log)) = logql::parse_lenient(text) else { panic!("{text} is no log query") };
        let range = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(100));
        ProfileQuery { log, range, time_max: None, values_max: 2 }
    }

    fn told(profile: &Profile) -> Vec<String> {
        let field = |it: &crate::query::FieldProfile| {
            let top: Vec<String> = it.top.iter().map(|(value, count)| format!("{value}×{count}")).collect();
            format!("{:?} {} {} {} {}", it.origin, it.name, it.line_count, it.value_count, top.join(" "))
        };
        profile.fields.iter().map(field).collect()
    }

    #[test]
    fn fields_of_every_origin_are_counted_with_their_values() {
        let (store, engine) = engine();
        let expected = [
            "Label app 103 2 web×100 db×3",
            "Label host 100 1 a×100",
            "Structured detected_level 103 3 info×75 error×25",
            "Json path 100 1 /a×100",
            "Json status 100 2 200×75 500×25",
            "Json user_id 100 7 u0×15 u1×15",
            "Logfmt rows 2 2 3×1 9×1",
            "Logfmt took 2 2 15ms×1 5ms×1",
            "Logfmt msg 1 1 a b×1",
        ];
        for sealed in [false, true] {
            if sealed {
                store.seal();
            }
            let found = engine.profile(&query("{}"), &ticket()).expect("an answer");
            let mut all = told(&found);
            all.retain(|it| !it.starts_with("Structured detected_level"));
            let mut wanted: Vec<&str> = expected.to_vec();
            wanted.retain(|it| !it.starts_with("Structured"));
            assert_eq!(all, wanted);
            let level = found.fields.iter().find(|it| it.name == "detected_level").expect("levels");
            assert_eq!((level.origin, &level.top[0]), (FieldOrigin::Structured, &("info".to_owned(), 75)));
            assert!(found.coverage.is_whole() && found.line_count == 103);
        }
    }

    #[test]
    fn a_query_that_takes_lines_apart_has_its_own_fields() {
        let (_store, engine) = engine();
        let found = engine.profile(&query(r#"{app="web"} | json | status="500""#), &ticket()).expect("an answer");
        assert_eq!(found.line_count, 25);
        let all = told(&found);
        assert!(all.contains(&"Query status 25 1 500×25".to_owned()), "{all:?}");
        assert!(!all.iter().any(|it| it.starts_with("Json")));
        let numbers = found.fields.iter().find(|it| it.name == "status").and_then(|it| it.numbers.clone());
        assert_eq!(numbers.map(|it| (it.min, it.max)), Some((500.0, 500.0)));
    }

    #[test]
    fn a_field_is_told_under_the_name_that_finds_it() {
        let store = TestStore::new();
        let own = Labels::from([("host", "m0"), ("trace", "t")]);
        store.push_with(&[("app", "a"), ("host", "h1")], &[(1, r#"{"host":"inner0","trace":"u"}"#, own.clone())]);
        store.push_with(&[("app", "b")], &[(2, r#"{"host":"inner1"}"#, own), (3, "user=ann app=c", Labels::default())]);
        let engine = Engine::new(store.store.clone(), Limits::default());
        for sealed in [false, true] {
            if sealed {
                store.seal();
            }
            let found = engine.profile(&query("{}"), &ticket()).expect("an answer");
            let all = told(&found);
            let mut others: Vec<&str> = all.iter().map(String::as_str).filter(|it| !it.starts_with("Label")).collect();
            others.sort_unstable();
            let expected = [
                // of one line both the metadata and the field have the name, and the field takes its place
                "Json host_extracted 2 2 inner0×1 inner1×1",
                "Json trace_extracted 1 1 u×1",
                "Logfmt app_extracted 1 1 c×1",
                "Logfmt user 1 1 ann×1",
                "Structured host 1 1 m0×1",
                "Structured host_extracted 1 1 m0×1",
                "Structured trace 2 1 t×2",
            ];
            assert_eq!(others, expected);
            for text in [
                r#"{app="a"} | json | host_extracted="inner0""#,
                r#"{app="b"} | json | host_extracted="inner1""#,
                r#"{app="a"} | json | trace_extracted="u""#,
                r#"{app="b"} | logfmt | app_extracted="c""#,
                r#"{app="a"} | host_extracted="m0""#,
            ] {
                assert_eq!(engine.profile(&query(text), &ticket()).expect(text).line_count, 1, "{text}");
            }
        }
    }

    #[test]
    fn what_is_read_until_the_time_is_up_is_told() {
        let (store, engine) = engine();
        for at in 0..40 {
            store.push(&[("app", "web")], &[(at, "later")]);
            store.seal();
        }
        let hurried = ProfileQuery { time_max: Some(Duration::ZERO), ..query("{}") };
        let found = engine.profile(&hurried, &ticket()).expect("an answer");
        assert!(!found.coverage.is_whole() && found.coverage.read > 0, "{:?}", found.coverage);
        assert!(found.line_count < 143 && found.coverage.part() < 1.0);
        let ended = ticket();
        ended.cancel();
        assert!(matches!(engine.profile(&query("{}"), &ended), Err(Error::Cancelled)));
    }

    #[test]
    fn lines_that_make_up_names_do_not_fill_the_memory() {
        let store = TestStore::new();
        let lines: Vec<(i64, String)> = (0..900).map(|n| (n / 10, format!(r#"{{"f{n}":{n}}}"#))).collect();
        let lines: Vec<(i64, &str)> = lines.iter().map(|(n, line)| (*n, line.as_str())).collect();
        store.push(&[("app", "web")], &lines);
        let found = Engine::new(store.store.clone(), Limits::default()).profile(&query("{}"), &ticket());
        let found = found.expect("an answer");
        assert!(found.is_cut && found.fields.len() == FIELDS_MAX, "{}", found.fields.len());
    }
}
