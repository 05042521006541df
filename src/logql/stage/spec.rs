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
use std::sync::LazyLock;

use proptest::prelude::{ProptestConfig, proptest};
use proptest::{prop_assert, prop_assert_ne};

use crate::logql::ast::{Expr, LineFilter, LineOp, LineTest, MetricExpr, Stage};
use crate::logql::stage::{Pipeline, Scratch, Wanted, required_substrings};
use crate::logql::{parse, parse_selector};
use crate::model::{Labels, Timestamp, re2};

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
        [Stage::LineFormat(text)] => text.clone(),
        _ => text.to_owned(),
    }
}

fn quote(text: &str) -> String {
    let plain =
        !text.starts_with('"') && !text.ends_with(' ') && !text.is_empty() && !text.chars().any(char::is_control);
    if plain { text.to_owned() } else { crate::logql::gotext::quote::quote(text) }
}

/// Stages that read every kind of line.
const HOSTILE: [&str; 9] = [
    "| json | a > 1 | line_format `{{.a | trunc 2}}{{.}}`",
    "| json x=\"a[1].b\", y=\"[0]\" | z=\"\"",
    "| logfmt --keep-empty | took > 1s or size > 1KB",
    "| logfmt --strict a, b=\"c\" | drop a=~\".*\"",
    "| pattern `<a>=<b> <_>` | label_format c=a, d=`{{.b}}-{{.c}}` | keep c, d",
    "| unpack | decolorize | a = ip(\"10.0.0.0/8\")",
    "| regexp `(?P<a>\\w+)=(?P<b>.*)` | json",
    "|= ip(\"::1\") |> \"<_>a<_>\"",
    "| line_format `{{ fromJson __line__ }}{{ len __line__ }}` | logfmt",
];

static PIPELINES: LazyLock<Vec<Pipeline>> =
    LazyLock::new(|| HOSTILE.iter().map(|stages| compile(stages, None).expect("the stages are right")).collect());

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_makes_a_stage_panic(line in "[{}\\[\\]:,\"\\\\ab1=. \x1b\\-u]{0,40}|\\PC{0,30}") {
        let stream = Labels::from([("app", "x"), ("a", "1")]);
        let metadata = Labels::from([("a", "2"), ("b", "3")]);
        let mut scratch = Scratch::default();
        for pipeline in PIPELINES.iter() {
            if let Some(processed) = pipeline.process(TIME, &line, &stream, &metadata, &mut scratch) {
                let parts = [processed.stream_labels(), processed.structured_labels(), processed.parsed_labels()];
                let count: usize = parts.iter().map(Labels::len).sum();
                prop_assert!(processed.labels().len() <= count);
            }
        }
    }

    #[test]
    fn no_template_panics(text in "(\\{\\{|\\}\\}| |\\.|\\.a|\\$x|:=|,|\\(|\\)|\\||if|else|end|range|with|index|printf|len|slice|\"%d\"|1|-2\\.5|x|-){0,14}") {
        let stage = Stage::LineFormat(text);
        if let Ok(pipeline) = Pipeline::new(&[stage]) {
            let labels = Labels::from([("a", "1")]);
            pipeline.process(TIME, "line", &labels, &labels, &mut Scratch::default());
        }
    }

    #[test]
    fn what_is_a_pattern_to_go_is_one_here(pattern in "[ab.*+?|(){},0-2^$\\[\\]\\\\dDwWsSbBQEx:i\\-P<>=!&~U한]{0,12}") {
        if let Err(error) = re2::compile(&pattern) {
            prop_assert_ne!(error.reason, "expression too large", "{}", pattern);
        }
    }

    #[test]
    fn a_line_that_passes_holds_all_required_texts(
        pattern in "(a|b|c|ab|\\.|\\.\\*|\\(a\\|bc\\)|\\(\\?i:c\\)|\\[ab\\]|b\\+|\\(ab\\)\\?|\\(ca\\)\\{2\\}|\\^|\\$|\\||\\\\b){0,7}",
        line in "[abcABC ]{0,16}",
    ) {
        let filter = LineFilter { op: LineOp::Matches, alternatives: vec![LineTest::Text(pattern)] };
        let stages = [Stage::Line(filter)];
        let Ok(pipeline) = Pipeline::new(&stages) else { return Ok(()) };
        let none = Labels::default();
        if pipeline.process(TIME, &line, &none, &none, &mut Scratch::default()).is_some() {
            for text in required_substrings(&stages) {
                prop_assert!(line.contains(&text), "{text:?} is not in {line:?}");
            }
        }
    }
}
