//! Runs the cases of `tests/agent/stages/*.test`.
//!
//! A case is stages as the configuration writes them, then lines with what becomes of them:
//!
//! ```text
//! - labels:             the stages
//!     level:
//! @ labels {app="x"}    the labels of the source, from here on; `@ source 2` lines of another source
//! @ extracted           show what was taken out, too
//! < text                a line; one second after the one before
//! > text                what is sent of it, or of what was held before
//! = {app="x", a="1"}    its labels, where they are not those of the source
//! t 2026-11-20T01:00Z   its time, where it is not that of the reading
//! s a="1"               its structured metadata
//! % name                its tenant
//! # a="1"               what was taken out, where it is not a label of the source
//! x reason              dropped, and how it was counted
//! ...                   held
//! @ wait 3s             time goes by, and what was held long enough is sent; `@ end`: all that was held is sent
//! @ held                | from which place on lines are held
//! @ paused              | for how long nothing should be read
//! @ metrics             | what was counted
//! !! text               in place of lines: what the error says of a wrong configuration
//! ```
//!
//! A line or text in double quotes is read with escapes. Remarks start with `//`; cases are parted by empty lines.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::agent::config::pipeline::{self, StageConfig};
use crate::agent::entry::{Entry, Place};
use crate::agent::stage::{Clock, Flow, Pipeline, Surroundings};
use crate::logql::gotext::duration;
use crate::logql::gotext::quote::quote;
use crate::logql::gotext::time::Time;
use crate::logql::parse_selector;
use crate::model::{Labels, Timestamp};

/// 2026-11-20 01:00:00 UTC
const TIME: Timestamp = Timestamp::from_secs(1_795_136_400);

#[test]
fn every_case_of_the_stage_files_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agent/stages");
    let (mut case_count, mut failures) = (0, String::new());
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        for case in text.split("\n\n") {
            let lines: Vec<&str> = case.lines().filter(|line| !line.starts_with("//")).collect();
            let is_script = |line: &&str| ["< ", "!! ", "@ "].iter().any(|start| line.starts_with(start));
            let Some(end) = lines.iter().position(is_script) else { continue };
            case_count += 1;
            let found = outcome(&lines[..end].join("\n"), &lines[end..]);
            if found != lines[end..] {
                let place = path.file_name().unwrap().to_string_lossy();
                let _ = writeln!(failures, "{place}\n{}\n---\n{}\n", lines[..end].join("\n"), found.join("\n"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(case_count > 100 && paths.len() > 20, "only {case_count} cases in {} files were found", paths.len());
}

/// A case while it runs.
struct Run {
    around: Surroundings,
    pipeline: Pipeline,
    labels: Labels,
    source: u32,
    place: u64,
    time: Timestamp,
    now: Instant,
    shows_extracted: bool,
    dropped: Vec<String>,
    found: Vec<String>,
}

/// What becomes of the lines, in the shape of the expected text.
fn outcome(config: &str, script: &[&str]) -> Vec<String> {
    let stages = match serde_saphyr::from_str::<Vec<StageConfig>>(config) {
        Ok(stages) => stages,
        Err(error) => {
            let message = error.to_string();
            let expected = script.first().and_then(|line| line.strip_prefix("!! ")).unwrap_or("?");
            let is_expected = message.contains(expected);
            return vec![if is_expected { format!("!! {expected}") } else { format!("!! {message}") }];
        }
    };
    let around = Surroundings { clock: Clock(|| TIME), ..Surroundings::default() };
    let mut run = Run {
        pipeline: pipeline::build(&stages, &around),
        around,
        labels: Labels::from([("job", "test")]),
        source: 1,
        place: 0,
        time: TIME,
        now: Instant::now(),
        shows_extracted: false,
        dropped: Vec::new(),
        found: Vec::new(),
    };
    for line in script {
        match line.split_once(' ') {
            Some(("@", order)) => run.obey(line, order),
            Some(("<", text)) => run.line(line, &unquote(text)),
            _ => {}
        }
    }
    run.found
}

impl Run {
    fn obey(&mut self, line: &str, order: &str) {
        self.found.push(line.to_owned());
        let (word, rest) = order.split_once(' ').unwrap_or((order, ""));
        match word {
            "labels" => self.labels = read_labels(rest),
            "source" => self.source = rest.parse().unwrap(),
            "extracted" => self.shows_extracted = true,
            "wait" => {
                let nanos = duration::parse(rest).unwrap();
                self.now += Duration::from_nanos(nanos.unsigned_abs());
                self.time = self.time.plus_nanos(nanos);
                self.flush(false);
            }
            "end" => self.flush(true),
            "held" => match self.pipeline.held_since(self.source) {
                Some(place) => self.found.push(format!("| {place}")),
                None => self.found.push("| nothing".to_owned()),
            },
            "paused" => match self.pipeline.paused_until(self.now) {
                Some(until) => self.found.push(format!("| {:?}", until - self.now)),
                None => self.found.push("| no".to_owned()),
            },
            "metrics" => {
                let mut text = String::new();
                self.around.metrics.custom.render(self.now, &mut text);
                self.found.extend(text.lines().map(|line| format!("| {line}")));
            }
            _ => self.found.push("unknown order".to_owned()),
        }
    }

    fn flush(&mut self, all: bool) {
        let mut sent = Vec::new();
        self.pipeline.flush(self.now, all, &mut |entry| sent.push(entry.clone()));
        sent.iter().for_each(|entry| self.show(entry));
    }

    fn line(&mut self, line: &str, text: &str) {
        self.found.push(line.to_owned());
        let place = Place { source: self.source, start: self.place, end: self.place + text.len() as u64 + 1 };
        let mut entry = Entry::default();
        entry.begin(&self.labels, self.time, text, place);
        match self.pipeline.run_from(0, &mut entry, self.now) {
            Flow::Pass => self.show(&entry),
            Flow::Hold => self.found.push("...".to_owned()),
            Flow::Drop => {
                let reason = self.newly_dropped();
                self.found.push(format!("x {reason}"));
            }
        }
        self.place = place.end;
        self.time = self.time.plus_nanos(1_000_000_000);
        self.now += Duration::from_secs(1);
    }

    fn show(&mut self, entry: &Entry) {
        self.found.push(format!("> {}", quoted(&entry.line)).trim_end().to_owned());
        let (labels, tenant) = entry.labels.resolved_for();
        if labels != self.labels {
            self.found.push(format!("= {labels}"));
        }
        if let Some(time) = entry.timestamp.filter(|time| *time != entry.read) {
            self.found.push(format!("t {}", Time::from(time).format("2006-01-02T15:04:05.999999999Z07:00")));
        }
        let pair = |(name, value): (&str, &str)| format!(" {name}={}", quote(value));
        if !entry.structured.is_empty() {
            let pairs = entry.structured.iter().map(|(name, value)| pair((name, value)));
            self.found.push(format!("s{}", pairs.collect::<String>()));
        }
        if let Some(tenant) = tenant {
            self.found.push(format!("% {tenant}"));
        }
        if self.shows_extracted {
            let all = entry.extracted.iter();
            let new = all.filter(|(name, value)| self.labels.get(name) != Some(&**value));
            let mut pairs: Vec<String> = new.map(|(name, value)| pair((name, &value))).collect();
            pairs.sort();
            self.found.push(format!("#{}", pairs.concat()));
        }
    }

    /// The reason that the last dropped line was counted under.
    fn newly_dropped(&mut self) -> String {
        let text = self.around.metrics.render();
        let is_count = |line: &&str| line.starts_with("logentry_dropped_lines_total{");
        let counts: Vec<String> = text.lines().filter(is_count).map(str::to_owned).collect();
        let new = counts.iter().find(|line| !self.dropped.contains(line));
        let reason = new.and_then(|line| line.split('"').nth(1)).unwrap_or("uncounted").to_owned();
        self.dropped = counts;
        reason
    }
}

/// `{app="shop"}`
fn read_labels(text: &str) -> Labels {
    let matchers = parse_selector(text).unwrap();
    matchers.iter().map(|matcher| (matcher.name().to_owned(), matcher.value().to_owned())).collect()
}

fn unquote(text: &str) -> String {
    if text.len() > 1 && text.starts_with('"') && text.ends_with('"') {
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    text.to_owned()
}

fn quoted(text: &str) -> String {
    let is_plain = !text.starts_with(['"', ' ']) && !text.ends_with(' ') && !text.chars().any(char::is_control);
    if is_plain { text.to_owned() } else { serde_json::to_string(text).unwrap() }
}
