//! Which fields there are in lines and in structured metadata, found by looking at some of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::logql::ast::{LogExpr, Stage};
use crate::logql::gotext::{bytes, duration, number};
use crate::logql::stage::{ERROR_DETAILS_LABEL, ERROR_LABEL, PRESERVE_ERROR_LABEL, Pipeline, Scratch, json_paths};
use crate::model::{Direction, Labels, Matcher, MemoryExceeded, Share, TimeRange, Timestamp};
use crate::query::limits::memory;
use crate::query::{DetectedField, Engine, Error, FieldKind, LogLine, RangeQuery, Stats, Ticket, logs};

/// Tries what lines are written in.
struct Readers {
    json: Pipeline,
    logfmt: Pipeline,
    scratch: Scratch,
}

/// What a value takes besides its text.
const VALUE_BYTES: usize = 64;

/// What is known of a field so far.
struct Seen {
    kind: FieldKind,
    values: HashSet<String>,
    parsers: Vec<&'static str>,
    json_path: Vec<String>,
}

impl Engine {
    /// The fields of the newest `line_count` lines that a query finds, at most `limit` of them.
    pub fn detected_fields(
        &self,
        log: &LogExpr,
        range: TimeRange,
        line_count: usize,
        limit: usize,
        ticket: &Ticket,
    ) -> Result<Vec<DetectedField>, Error> {
        let (lines, mut share) = self.newest(log, range, line_count, ticket)?;
        let mut readers = Readers::new();
        let mut fields: BTreeMap<String, Seen> = BTreeMap::new();
        for line in &lines {
            for (name, value) in line.structured.iter() {
                see(&mut fields, limit, (name, value), None, &[], &mut share)?;
            }
            let (found, parser) = readers.read(line);
            let paths = if parser == Some("json") { json_paths(&line.line) } else { BTreeMap::new() };
            for (name, value) in with_parsed(line, &found) {
                let stem = name.strip_suffix("_extracted").unwrap_or(name);
                let path = found.get(name).and_then(|_| paths.get(name).or_else(|| paths.get(stem)));
                see(&mut fields, limit, (name, value), parser, path.map_or(&[], Vec::as_slice), &mut share)?;
            }
        }
        let field = |(name, seen): (String, Seen)| DetectedField {
            name,
            kind: seen.kind,
            value_count: seen.values.len() as u64,
            parsers: seen.parsers,
            json_path: seen.json_path,
        };
        Ok(fields.into_iter().map(field).collect())
    }

    /// The values that a field has in the newest `line_count` lines that a query finds, at most `limit` of them.
    pub fn detected_values(
        &self,
        name: &str,
        log: &LogExpr,
        range: TimeRange,
        line_count: usize,
        limit: usize,
        ticket: &Ticket,
    ) -> Result<Vec<String>, Error> {
        let (lines, mut share) = self.newest(log, range, line_count, ticket)?;
        let mut readers = Readers::new();
        let mut values = BTreeSet::new();
        for line in &lines {
            if values.len() >= limit {
                break;
            }
            let (found, _) = readers.read(line);
            let fields = with_parsed(line, &found).filter(|(known, _)| *known == name).map(|(_, value)| value);
            for value in line.structured.get(name).into_iter().chain(fields) {
                if !values.contains(value) {
                    share.take(value.len() + VALUE_BYTES)?;
                    values.insert(value.to_owned());
                }
            }
        }
        Ok(values.into_iter().collect())
    }

    /// Labels of streams that are worth picking from, with the number of their values. Names whose values are all
    /// numbers or UUIDs identify something, and are left out.
    pub fn detected_labels(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        ticket: &Ticket,
    ) -> Result<Vec<(String, u64)>, Error> {
        let _turn = self.turn(ticket)?;
        let streams = self.store.streams(matchers, range)?;
        let mut values: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
        for (name, value) in streams.iter().flat_map(Labels::iter) {
            values.entry(name).or_default().insert(value);
        }
        let telling = values.into_iter().filter(|(_, values)| !values.iter().all(|value| is_id(value)));
        Ok(telling.map(|(name, values)| (name.to_owned(), values.len() as u64)).collect())
    }

    /// The newest lines, and what pays for what is found in them. They are in the order in which Loki looks at them: by stream, and the newest of each first.
    fn newest(
        &self,
        log: &LogExpr,
        range: TimeRange,
        line_count: usize,
        ticket: &Ticket,
    ) -> Result<(Vec<LogLine>, Share), Error> {
        let _turn = self.queue.enter(ticket)?;
        let query = RangeQuery {
            expr: crate::logql::ast::Expr::Log(log.clone()),
            range,
            step_ns: 1,
            interval_ns: 0,
            limit: line_count.min(self.limits.entries_max),
            direction: Direction::Backward,
        };
        let (memory, _reading) = memory(&self.limits);
        let mut lines = logs::run(&self.store, log, &query, &memory, ticket, &mut Stats::default())?;
        lines.sort_by(|a, b| a.stream.cmp(&b.stream));
        Ok((lines, Share::of(&memory)))
    }
}

fn see(
    fields: &mut BTreeMap<String, Seen>,
    limit: usize,
    (name, value): (&str, &str),
    parser: Option<&'static str>,
    json_path: &[String],
    share: &mut Share,
) -> Result<(), MemoryExceeded> {
    if !fields.contains_key(name) && fields.len() >= limit {
        return Ok(());
    }
    let seen = fields.entry(name.to_owned()).or_insert_with(|| Seen {
        kind: FieldKind::Text,
        values: HashSet::new(),
        parsers: Vec::new(),
        json_path: Vec::new(),
    });
    // of what lines disagree on the last one decides, as in Loki
    seen.kind = kind_of(value);
    if !seen.values.contains(value) {
        share.take(value.len() + VALUE_BYTES)?;
        seen.values.insert(value.to_owned());
    }
    if let Some(parser) = parser.filter(|parser| !seen.parsers.contains(parser)) {
        seen.parsers.push(parser);
    }
    if !json_path.is_empty() {
        seen.json_path = json_path.to_vec();
    }
    Ok(())
}

impl Readers {
    fn new() -> Readers {
        let pipeline = |stage| Pipeline::new(&[stage]).expect("a parser without arguments has nothing wrong with it");
        Readers {
            json: pipeline(Stage::Json(Vec::new())),
            logfmt: pipeline(Stage::Logfmt { strict: false, keep_empty: false, extractions: Vec::new() }),
            scratch: Scratch::default(),
        }
    }

    /// The fields of a line, and what the line is written in.
    fn read(&mut self, line: &LogLine) -> (Labels, Option<&'static str>) {
        let nothing = Labels::default();
        let found = [("json", &self.json), ("logfmt", &self.logfmt)].into_iter().find_map(|(parser, pipeline)| {
            let time = Timestamp::default();
            let read = pipeline.process(time, &line.line, &line.stream, &nothing, &mut self.scratch)?;
            read.error().is_none().then(|| (read.parsed_labels(), Some(parser)))
        });
        found.unwrap_or((nothing, None))
    }
}

/// The fields of a line, then those that the query's own stages found; a name may come twice, and both values count.
fn with_parsed<'l>(line: &'l LogLine, fields: &'l Labels) -> impl Iterator<Item = (&'l str, &'l str)> {
    let both = fields.iter().chain(line.parsed.iter());
    both.filter(|(name, _)| ![ERROR_LABEL, ERROR_DETAILS_LABEL, PRESERVE_ERROR_LABEL].contains(name))
}

fn kind_of(value: &str) -> FieldKind {
    const TRUTHS: [&str; 12] = ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
    if number::parse_int(value).is_ok() {
        FieldKind::Int
    } else if number::parse_float(value).is_ok() {
        FieldKind::Float
    } else if TRUTHS.contains(&value) {
        FieldKind::Boolean
    } else if duration::parse(value).is_ok() {
        FieldKind::Duration
    } else if bytes::parse(value).is_ok() {
        FieldKind::Bytes
    } else {
        FieldKind::Text
    }
}

/// Whether a value is a number (but for 0 and 1, which are answers) or a UUID.
fn is_id(value: &str) -> bool {
    let is_uuid = || {
        let hex = value.bytes().filter(u8::is_ascii_hexdigit).count();
        hex == 32
            && value.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
            && [32, 36].contains(&value.len())
    };
    !["0", "1"].contains(&value) && (number::parse_float(value).is_ok() || is_uuid())
}

#[cfg(test)]
mod tests {
    use crate::query::FieldKind;
    use crate::query::fields::{is_id, kind_of};

    #[test]
    fn values_tell_their_kind() {
        let kinds = ["12", "1.5", "true", "5ms", "3KB", "x"].map(kind_of);
        use FieldKind::{Boolean, Bytes, Duration, Float, Int, Text};
        assert_eq!(kinds, [Int, Float, Boolean, Duration, Bytes, Text]);
    }

    #[test]
    fn ids_are_numbers_and_uuids() {
        assert!(is_id("12345") && is_id("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
        assert!(!is_id("0") && !is_id("web-1") && !is_id("deadbeef"));
    }
}
