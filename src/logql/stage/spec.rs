//! Runs the cases of `tests/logql/stages/*.test`.
//!
//! A case is the stages of a query, then lines with what becomes of them:
//!
//! ```text
//! @ {app="shop"} {trace_id="t-1"}   labels of the stream, and metadata, for the cases below
//! | json | level="error"            the stages, on one line or several
//! < {"level":"error"}               a line
//! > text                            the line afterwards, where it is not the same
//! = {level="error"}                 the labels that stages made, errors included
//! - trace_id                        labels gone from the stream and the metadata
//! x                                 dropped
//! !! text                           in place of lines: the error of stages that cannot run
//! by (level)                        before the lines: a metric query groups by these labels
//! # text                            the number that was unwrapped, and the labels of the series
//! ```
//!
//! A line or text in double quotes is read with escapes. Remarks start with `//`; cases are parted by empty lines.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::logql::ast::{Expr, MetricExpr};
use crate::logql::stage::{Pipeline, Scratch, Wanted};
use crate::logql::{parse, parse_selector};
use crate::model::{Labels, Timestamp};

/// 2026-11-20 01:00:00.000002 UTC
const TIME: Timestamp = Timestamp::from_nanos(1_795_136_400_000_002_000);

#[test]
fn every_case_of_the_stage_files_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logql/stages");
    let mut line_count = 0;
    let mut failures = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let mut labels = (Labels::default(), Labels::default());
        for (index, case) in text.split("\n\n").enumerate() {
            let kept = |line: &&str| !line.starts_with("//") && !line.is_empty();
            let lines: Vec<&str> = case.lines().filter(kept).collect();
            let (settings, lines): (Vec<&str>, Vec<&str>) = lines.into_iter().partition(|line| line.starts_with("@ "));
            if let Some(setting) = settings.last() {
                labels = read_labels(setting);
            }
            let Some(end) = lines.iter().position(|line| line.starts_with("< ") || line.starts_with("!! ")) else {
                continue;
            };
            let found = outcome(&lines[..end], &lines[end..], &labels);
            line_count += found.iter().filter(|line| line.starts_with('<')).count();
            if found != lines[end..] {
                let place = path.file_name().unwrap().to_string_lossy();
                let _ = writeln!(
                    failures,
                    "{place}, case {index}: {}\n  expected {:#?}\n  found {found:#?}",
                    lines[..end].join(" "),
                    &lines[end..]
                );
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
    assert!(line_count > 150, "only {line_count} lines were found");
}

/// `@ {app="shop"} {trace_id="t-1"}`
fn read_labels(setting: &str) -> (Labels, Labels) {
    let (stream, metadata) = setting[2..].split_once("} ").unwrap_or((&setting[2..], ""));
    let read = |text: &str| {
        let text = format!("{}}}", text.trim_end_matches('}'));
        let matchers = if text.len() < 3 { Vec::new() } else { parse_selector(&text).unwrap() };
        let pairs = matchers.iter().map(|matcher| (matcher.name().to_owned(), matcher.value().to_owned()));
        pairs.collect::<Labels>()
    };
    (read(stream), read(metadata))
}

/// What becomes of the lines, in the shape of the expected text.
fn outcome(head: &[&str], expected: &[&str], (stream, metadata): &(Labels, Labels)) -> Vec<String> {
    let (groups, stages): (Vec<&str>, Vec<&str>) =
        head.iter().partition(|line| line.starts_with("by (") || line.starts_with("without ("));
    let pipeline = match compile(&stages.join(" "), groups.first().copied()) {
        Ok(pipeline) => pipeline,
        Err(error) => return vec![format!("!! {error}")],
    };
    let is_metric = !groups.is_empty() || stages.iter().any(|stage| stage.contains("| unwrap"));
    let mut scratch = Scratch::default();
    let mut found = Vec::new();
    for input in expected.iter().filter(|line| line.starts_with("< ")) {
        found.push((*input).to_owned());
        let line = unquote(input.get(2..).unwrap_or(""));
        let Some(processed) = pipeline.process(TIME, &line, stream, metadata, &mut scratch) else {
            found.push("x".to_owned());
            continue;
        };
        if processed.line != line {
            found.push(format!("> {}", quote(processed.line)));
        }
        if is_metric {
            let number = processed.value.map_or_else(String::new, |value| format!("{value} "));
            let fails = if processed.fails_metric() { " fails" } else { "" };
            found.push(format!("# {number}{}{fails}", processed.series_labels()));
            continue;
        }
        let parsed = processed.parsed_labels();
        if !parsed.is_empty() {
            found.push(format!("= {parsed}"));
        }
        let left: Vec<(String, String)> = [processed.stream_labels(), processed.structured_labels()]
            .iter()
            .flat_map(|labels| {
                labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
            })
            .collect();
        let gone = stream.iter().chain(metadata.iter()).map(|(name, _)| name);
        let gone: Vec<&str> = gone.filter(|name| left.iter().all(|(kept, _)| kept != name)).collect();
        if !gone.is_empty() {
            found.push(format!("- {}", gone.join(" ")));
        }
    }
    found
}

fn compile(stages: &str, grouping: Option<&str>) -> Result<Pipeline, String> {
    if grouping.is_none() && !stages.contains("| unwrap") {
        let Expr::Log(log) = parse(&format!("{{a=\"b\"}} {stages}")).map_err(|error| error.to_string())? else {
            return Err("not a log query".to_owned());
        };
        return Pipeline::new(&log.stages).map_err(|error| error.to_string());
    }
    let op = if stages.contains("| unwrap") { "max_over_time" } else { "count_over_time" };
    let query = format!("{op}({{a=\"b\"}} {stages} [1m])");
    let Expr::Metric(MetricExpr::Range(range)) = parse(&query).map_err(|error| error.to_string())? else {
        return Err("not a range aggregation".to_owned());
    };
    let names = grouping.map(|grouping| {
        let names = grouping.split_once('(').map_or("", |(_, names)| names.trim_end_matches(')'));
        names.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<String>>()
    });
    let wanted = match (grouping, names) {
        (Some(grouping), Some(names)) if grouping.starts_with("without") => Wanted::Without(names),
        (_, Some(names)) => Wanted::By(names),
        (_, None) => Wanted::All,
    };
    Pipeline::for_metric(&range.log.log.stages, range.log.unwrap.as_ref(), wanted).map_err(|error| error.to_string())
}

/// Text in quotes is that of a LogQL string.
fn unquote(text: &str) -> String {
    if !text.starts_with('"') || !text.ends_with('"') || text.len() < 2 {
        return text.to_owned();
    }
    let Ok(Expr::Log(log)) = parse(&format!("{{a=\"b\"}} | line_format {text}")) else { return text.to_owned() };
    match log.stages.as_slice() {
        [crate::logql::ast::Stage::LineFormat(text)] => text.clone(),
        _ => text.to_owned(),
    }
}

fn quote(text: &str) -> String {
    let plain =
        !text.starts_with('"') && !text.ends_with(' ') && !text.is_empty() && !text.chars().any(char::is_control);
    if plain { text.to_owned() } else { crate::logql::gotext::quote::quote(text) }
}
