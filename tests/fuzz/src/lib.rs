//! What the fuzz targets share: how an input is cut into a query and lines, and what must hold for every line.
//!
//! Never knows the right answer: that is what the tests are for. It holds two ways to the same answer against each other.

use logcafe::logql::ast::{Expr, LogExpr, Stage};
use logcafe::logql::stage::{Pipeline, Processed, Scratch, Wanted, required_substrings};
use logcafe::logql::{ParseError, format_query, parse};
use logcafe::model::{Labels, Timestamp};

/// 2026-11-20 01:00:00.000002 UTC
pub const TIME: Timestamp = Timestamp::from_nanos(1_795_136_400_000_002_000);

/// An input's first line, and what follows it.
pub fn split(data: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(data).ok()?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}

/// Labels that names in a line clash with.
pub fn stream() -> Labels {
    Labels::from([("a", "stream a"), ("app", "web")])
}

pub fn metadata() -> Labels {
    Labels::from([("level", "info"), ("trace_id", "0af7")])
}

/// Reads stages behind a selector.
pub fn stages(text: &str) -> Option<Vec<Stage>> {
    match parse(&format!("{{app=\"web\"}} {text}")) {
        Ok(Expr::Log(LogExpr { stages, .. })) => Some(stages),
        Ok(Expr::Metric(_)) | Err(_) => None,
    }
}

/// A query that was read must print as one that the same parser reads as the same, on one line and on several. Numbers
/// that only sums make, such as `0/0`, print as `NaN` and `+Inf`, which nobody can write; and `!` is the name of a label
/// only where nothing stands behind it, as in Loki.
pub fn check_printing(expr: &Expr, parse: fn(&str) -> Result<Expr, ParseError>) {
    let debug = format!("{expr:?}");
    if ["Literal(NaN)", "Literal(inf)", "Literal(-inf)", "\"!\""].iter().any(|odd| debug.contains(odd)) {
        return;
    }
    let line = expr.to_string();
    assert_eq!(parse(&line).as_ref(), Ok(expr), "printed as {line}");
    let pretty = format_query(expr);
    assert_eq!(parse(&pretty).as_ref(), Ok(expr), "printed as {pretty}");
}

/// Runs stages on each line, and again with parsers that leave out all but `names`: what is asked for must be the same.
/// Not where a line is broken: a parser that leaves out more reads past more faults.
pub fn check_lines(stages: &[Stage], names: &[&str], lines: &str) {
    let Ok(full) = Pipeline::new(stages) else { return };
    let required = required_substrings(stages);
    let by = |name: &str| {
        let wanted = Wanted::By(vec![name.to_owned()]);
        Pipeline::for_metric(stages, None, wanted).expect("what is asked for does not make stages wrong")
    };
    let narrowed: Vec<(&str, Pipeline)> = names.iter().map(|name| (*name, by(name))).collect();
    let (stream, metadata) = (stream(), metadata());
    let (mut scratch, mut narrow_scratch) = (Scratch::default(), Scratch::default());
    for line in lines.split('\n') {
        let Some(whole) = full.process(TIME, line, &stream, &metadata, &mut scratch) else { continue };
        look_at(&whole);
        for text in &required {
            assert!(line.contains(text.as_str()), "passed without {text:?}: {line:?}");
        }
        for (name, pipeline) in &narrowed {
            let narrow = pipeline.process(TIME, line, &stream, &metadata, &mut narrow_scratch);
            let narrow = narrow.expect("a label that is asked for drops no line");
            assert_eq!(narrow.line, whole.line);
            if whole.error().is_some() {
                continue;
            }
            let of = |processed: &Processed<'_>| processed.get(name).unwrap_or("").to_owned();
            assert_eq!(of(&narrow), of(&whole), "{name} of {line:?}");
        }
    }
}

/// The labels of the answer are those that the three kinds of it make together, and keys tell series apart.
fn look_at(processed: &Processed<'_>) {
    let parts = [processed.stream_labels(), processed.structured_labels(), processed.parsed_labels()];
    let parts: Labels = parts.iter().flat_map(Labels::iter).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    assert_eq!(parts, processed.labels());
    let mut key = Vec::new();
    processed.series_key(&mut key);
    assert!(!key.is_empty());
}
