//! Expressions to text over several lines, as Loki's `format_query` answers them.
//!
//! What fits into 100 bytes stays on one line. What does not is taken apart: a stage a line, the parts of a call and of
//! an operation on lines of their own, two blanks a level. Unlike Loki's, the text always means the same as before:
//! brackets around a split operation, alternatives of a long line filter and empty label lists are not lost.

use crate::logql::ast::{
    Binary, Expr, Grouping, GroupingKind, LogExpr, LogRange, MetricExpr, RangeAggregation, Stage, Unwrap,
    VectorAggregation,
};
use crate::logql::gotext::duration;
use crate::logql::gotext::quote::quote;
use crate::logql::literal::{format_float, format_range};
use crate::logql::print::modifier;

/// Bytes of a line that is not split; Loki's number.
const LINE_BYTES_MAX: usize = 100;

/// Just short of a day.
const DAY_BACK_NS: i64 = -86_399_999_999_999;

/// Prints a query for people, split where it is long.
pub fn format_query(expr: &Expr) -> String {
    match expr {
        Expr::Log(log) => pretty_log(log, 0),
        Expr::Metric(metric) => pretty_metric(metric, 0),
    }
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn fits(text: &str) -> bool {
    text.len() <= LINE_BYTES_MAX
}

fn pretty_log(log: &LogExpr, level: usize) -> String {
    let text = log.to_string();
    if log.stages.is_empty() || fits(&text) {
        return indent(level) + &text;
    }
    let selector = LogExpr { selector: log.selector.clone(), stages: Vec::new() };
    let mut lines = vec![format!("{}{selector}", indent(level))];
    // line filters in a row are one thing to Loki
    for group in log.stages.chunk_by(|a, b| matches!((a, b), (Stage::Line(_), Stage::Line(_)))) {
        let texts: Vec<String> = group.iter().map(Stage::to_string).collect();
        let together = (1..=texts.len()).rev().find(|count| fits(&texts[..*count].join(" "))).unwrap_or(1);
        // Loki sets this one at the margin
        let margin = if matches!(group, [Stage::Decolorize]) { String::new() } else { indent(level + 1) };
        lines.push(margin + &texts[..together].join(" "));
        lines.extend(texts[together..].iter().map(|text| indent(level + 1) + text));
    }
    lines.join("\n")
}

fn pretty_metric(metric: &MetricExpr, level: usize) -> String {
    let text = metric.to_string();
    if fits(&text) {
        return indent(level) + &text;
    }
    match metric {
        MetricExpr::Range(aggregation) => pretty_range(aggregation, level),
        MetricExpr::Vector(aggregation) => pretty_vector(aggregation, level),
        MetricExpr::Binary(binary) => pretty_binary(binary, level),
        MetricExpr::Literal(_) | MetricExpr::VectorOf(_) => indent(level) + &text,
        MetricExpr::LabelReplace(replace) => {
            let texts = [&replace.target, &replace.replacement, &replace.source, &replace.pattern];
            let mut parts = vec![pretty_metric(&replace.inner, level + 1)];
            parts.extend(texts.map(|text| indent(level + 1) + &quote(text)));
            call("label_replace", &parts, level)
        }
    }
}

/// A call with its parts on lines of their own.
fn call(name: &str, parts: &[String], level: usize) -> String {
    let indent = indent(level);
    format!("{indent}{name}(\n{}\n{indent})", parts.join(",\n"))
}

fn pretty_range(aggregation: &RangeAggregation, level: usize) -> String {
    let parameter = aggregation.parameter.map(|value| indent(level + 1) + &format_float(value));
    let parts: Vec<String> = parameter.into_iter().chain([pretty_log_range(&aggregation.log, level + 1)]).collect();
    call(aggregation.op.name(), &parts, level) + &pretty_grouping(aggregation.grouping.as_ref())
}

fn pretty_log_range(range: &LogRange, level: usize) -> String {
    let mut text = pretty_log(&range.log, level);
    if let Some(unwrap) = &range.unwrap {
        let indent = format!("\n{}", indent(level + 1));
        let bare = Unwrap { filters: Vec::new(), ..unwrap.clone() };
        text.push_str(&format!("{indent}{bare}"));
        for filter in &unwrap.filters {
            text.push_str(&format!("{indent}| {filter}"));
        }
    }
    text.push_str(&format!(" [{}]", format_range(range.range_ns)));
    if range.offset_ns != 0 {
        text.push_str(&format!(" offset {}", pretty_offset(range.offset_ns)));
    }
    text
}

/// `1d` rather than `24h0m0s`, but only where that says all and can be read again.
fn pretty_offset(nanos: i64) -> String {
    match nanos {
        _ if nanos % 1_000_000 != 0 => duration::format(nanos),
        // a negative one is read by Go's rules, which know no days
        DAY_BACK_NS..0 => format!("-{}", format_range(nanos.saturating_neg())),
        ..0 => duration::format(nanos),
        _ => format_range(nanos),
    }
}

fn pretty_vector(aggregation: &VectorAggregation, level: usize) -> String {
    let parameter = aggregation.parameter.map(|value| format!("{}{value}", indent(level + 1)));
    let parts: Vec<String> = parameter.into_iter().chain([pretty_metric(&aggregation.inner, level + 1)]).collect();
    let name = aggregation.op.name().to_owned() + &pretty_grouping(aggregation.grouping.as_ref());
    call(&name, &parts, level)
}

fn pretty_grouping(grouping: Option<&Grouping>) -> String {
    let Some(grouping) = grouping else { return String::new() };
    let word = match grouping.kind {
        GroupingKind::By => "by",
        GroupingKind::Without => "without",
    };
    format!(" {word} ({})", grouping.labels.join(", "))
}

fn pretty_binary(binary: &Binary, level: usize) -> String {
    let precedence = binary.op.precedence();
    let groups_right = binary.op.groups_right();
    let operand = |operand: &MetricExpr, same_side: bool| {
        let text = pretty_metric(operand, level + 1);
        match operand {
            MetricExpr::Binary(inner) if !fits(&operand.to_string()) => {
                let inner = inner.op.precedence();
                let stays = inner > precedence || (inner == precedence && same_side);
                let indent = indent(level + 1);
                if stays { text } else { format!("{indent}(\n{text}\n{indent})") }
            }
            _ => text,
        }
    };
    let left = operand(&binary.lhs, !groups_right);
    let right = operand(&binary.rhs, groups_right);
    let modifier = modifier(&binary.modifier, ", ", right.trim_start().starts_with('('));
    format!("{left}\n{}{}{modifier}\n{right}", indent(level), binary.op.sign())
}

#[cfg(test)]
mod tests {
    use crate::logql::{format_query, parse};

    /// `@` stands for twenty characters.
    fn check(query: &str, lines: &[&str]) {
        let long = |text: &str| text.replace('@', "abcdefghijklmnopqrst");
        let expr = parse(&long(query)).expect("the query is sound");
        let formatted = format_query(&expr);
        let expected: Vec<String> = lines.iter().map(|line| long(line)).collect();
        assert_eq!(formatted.lines().collect::<Vec<_>>(), expected, "{formatted}");
        assert_eq!(parse(&formatted).as_ref(), Ok(&expr), "{formatted}");
    }

    #[test]
    fn short_queries_stay_on_one_line() {
        check(r#"sum(rate({a="@"}[5m]))"#, &[r#"sum(rate({a="@"}[5m]))"#]);
    }

    #[test]
    fn stages_get_a_line_each_and_line_filters_share_one_while_they_fit() {
        check(
            r#"{a="@"} |= "@" |= "@" or "@" != "@" |= "@" | json | b="@""#,
            &[r#"{a="@"}"#, r#"  |= "@" |= "@" or "@""#, r#"  != "@""#, r#"  |= "@""#, "  | json", r#"  | b="@""#],
        );
    }

    #[test]
    fn parts_of_calls_are_indented() {
        check(
            r#"topk by (a,b) (5, quantile_over_time(0.5, {a="@"} | json | unwrap duration(c) | d="@@" [5m] offset 2h) by (@))"#,
            &[
                "topk by (a, b)(",
                "  5,",
                "  quantile_over_time(",
                "    0.5,",
                r#"    {a="@"} | json"#,
                "      | unwrap duration(c)",
                r#"      | d="@@" [5m] offset 2h"#,
                "  ) by (@)",
                ")",
            ],
        );
    }

    #[test]
    fn split_operations_keep_their_order() {
        check(
            r#"(rate({a="@"}[5m]) + on (x, y) group_left rate({b="@"}[5m])) / rate({c="@@"}[5m]) > bool 1"#,
            &[
                r#"    (rate({a="@"}[5m]) + on (x,y) group_left rate({b="@"}[5m]))"#,
                "  /",
                r#"    rate({c="@@"}[5m])"#,
                "> bool",
                "  1",
            ],
        );
        check(
            r#"rate({a="@@"}[5m]) * (rate({b="@@"}[5m]) + on () rate({c="@@"}[5m]))"#,
            &[
                r#"  rate({a="@@"}[5m])"#,
                "*",
                "  (",
                r#"    rate({b="@@"}[5m])"#,
                "  + on () ",
                r#"    rate({c="@@"}[5m])"#,
                "  )",
            ],
        );
    }
}
