//! Expressions to text, on one line, as Loki prints them in answers, errors and between its own parts.
//!
//! Promises: `parse(print(e)) == e` for whatever the parser makes. Where Loki's own text would be read as something
//! else, the text here is the one that is read right.

use std::fmt::{self, Display, Formatter};

use crate::logql::ast::{
    Binary, BinaryModifier, Expr, Extraction, Grouping, GroupingKind, LabelChoice, LabelFilter, LabelFormat,
    LabelFormatValue, LineFilter, LineTest, LogExpr, LogRange, MatchingGroup, MatchingLabels, MetricExpr,
    RangeAggregation, Stage, Unwrap, VectorAggregation,
};
use crate::logql::gotext::duration;
use crate::logql::gotext::quote::quote;
use crate::logql::literal::{format_bytes, format_decimal, format_float, format_range};
use crate::logql::simple_regex;
use crate::model::{MatchOp, Matcher};

impl Display for Expr {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Expr::Log(log) => log.fmt(out),
            Expr::Metric(metric) => metric.fmt(out),
        }
    }
}

impl Display for LogExpr {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        fmt_selector(&self.selector, out)?;
        self.stages.iter().try_for_each(|stage| write!(out, " {stage}"))
    }
}

/// `{app="web", env=~"prod|test"}`
pub(crate) fn fmt_selector(matchers: &[Matcher], out: &mut Formatter<'_>) -> fmt::Result {
    out.write_str("{")?;
    for (index, matcher) in matchers.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(out, "{comma}{}{}{}", matcher.name(), matcher.op().sign(), quote(matcher.value()))?;
    }
    out.write_str("}")
}

impl Display for Stage {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Line(filter) => filter.fmt(out),
            Stage::Json(extractions) => {
                out.write_str("| json")?;
                fmt_extractions(extractions, out)
            }
            Stage::Logfmt { strict, keep_empty, extractions } => {
                out.write_str("| logfmt")?;
                out.write_str(if *strict { " --strict" } else { "" })?;
                out.write_str(if *keep_empty { " --keep-empty" } else { "" })?;
                fmt_extractions(extractions, out)
            }
            Stage::Regexp(pattern) => write!(out, "| regexp {}", quote(pattern)),
            Stage::Pattern(pattern) => write!(out, "| pattern {}", quote(pattern)),
            Stage::Unpack => out.write_str("| unpack"),
            Stage::Decolorize => out.write_str("| decolorize"),
            Stage::Label(filter) => write!(out, "| {filter}"),
            Stage::LineFormat(template) => write!(out, "| line_format {}", quote(template)),
            Stage::LabelFormat(formats) => {
                out.write_str("| label_format ")?;
                fmt_list(formats, out)
            }
            Stage::Drop(choices) => {
                out.write_str("| drop ")?;
                fmt_list(choices, out)
            }
            Stage::Keep(choices) => {
                out.write_str("| keep ")?;
                fmt_list(choices, out)
            }
        }
    }
}

fn fmt_extractions(extractions: &[Extraction], out: &mut Formatter<'_>) -> fmt::Result {
    if !extractions.is_empty() {
        out.write_str(" ")?;
    }
    fmt_list(extractions, out)
}

fn fmt_list<T: Display>(items: &[T], out: &mut Formatter<'_>) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        out.write_str(if index > 0 { "," } else { "" })?;
        item.fmt(out)?;
    }
    Ok(())
}

impl Display for Extraction {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}={}", self.label, quote(&self.expression))
    }
}

impl Display for LabelFormat {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match &self.value {
            LabelFormatValue::Rename(source) => write!(out, "{}={source}", self.label),
            LabelFormatValue::Template(template) => write!(out, "{}={}", self.label, quote(template)),
        }
    }
}

impl Display for LabelChoice {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            LabelChoice::Name(name) => out.write_str(name),
            LabelChoice::Matching(matcher) => {
                write!(out, "{}{}{}", matcher.name(), matcher.op().sign(), quote(matcher.value()))
            }
        }
    }
}

impl Display for LineFilter {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (index, test) in self.alternatives.iter().enumerate() {
            out.write_str(if index > 0 { " or " } else { self.op.sign() })?;
            out.write_str(if index > 0 { "" } else { " " })?;
            match test {
                LineTest::Text(text) => out.write_str(&quote(text))?,
                LineTest::Ip(pattern) => write!(out, "ip({})", quote(pattern))?,
            }
        }
        Ok(())
    }
}

impl Display for LabelFilter {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            LabelFilter::Text { name, op, value } => {
                // a pattern that Loki runs as a regular expression shows as it was written, if a raw text can hold it
                let raw = *op == MatchOp::Regex && !value.contains('`') && !simple_regex::is_simple(value);
                let value = if raw { format!("`{value}`") } else { quote(value) };
                write!(out, "{name}{}{value}", op.sign())
            }
            LabelFilter::Number { name, op, value } => write!(out, "{name}{}{}", op.sign(), format_decimal(*value)),
            LabelFilter::Duration { name, op, value } => write!(out, "{name}{}{}", op.sign(), duration::format(*value)),
            LabelFilter::Bytes { name, op, value } => write!(out, "{name}{}{}", op.sign(), format_bytes(*value)),
            LabelFilter::Ip { name, negated, pattern } => {
                write!(out, "{name}{}ip({})", if *negated { "!=" } else { "=" }, quote(pattern))
            }
            LabelFilter::And(left, right) => write!(out, "( {left} , {right} )"),
            LabelFilter::Or(left, right) => write!(out, "( {left} or {right} )"),
        }
    }
}

impl Display for MetricExpr {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            MetricExpr::Range(aggregation) => aggregation.fmt(out),
            MetricExpr::Vector(aggregation) => aggregation.fmt(out),
            MetricExpr::Binary(binary) => binary.fmt(out),
            MetricExpr::Literal(value) => out.write_str(&format_float(*value)),
            MetricExpr::VectorOf(value) => write!(out, "vector({})", format_vector(*value)),
            MetricExpr::LabelReplace(replace) => {
                write!(out, "label_replace({}", replace.inner)?;
                for text in [&replace.target, &replace.replacement, &replace.source, &replace.pattern] {
                    write!(out, ",{}", quote(text))?;
                }
                out.write_str(")")
            }
        }
    }
}

/// Six decimals, as Loki prints it, or as many as the number has.
fn format_vector(value: f64) -> String {
    let short = format!("{value:.6}");
    if short.parse() == Ok(value) { short } else { format_decimal(value) }
}

impl Display for RangeAggregation {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}(", self.op.name())?;
        if let Some(parameter) = self.parameter {
            write!(out, "{},", format_decimal(parameter))?;
        }
        write!(out, "{})", self.log)?;
        self.grouping.iter().try_for_each(|grouping| write!(out, " {grouping}"))
    }
}

impl Display for LogRange {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.log.fmt(out)?;
        self.unwrap.iter().try_for_each(|unwrap| write!(out, " {unwrap}"))?;
        write!(out, "[{}]", format_range(self.range_ns))?;
        match self.offset_ns {
            0 => Ok(()),
            offset => write!(out, " offset {}", duration::format(offset)),
        }
    }
}

impl Display for Unwrap {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.conversion {
            Some(conversion) => write!(out, "| unwrap {}({})", conversion.name(), self.label)?,
            None => write!(out, "| unwrap {}", self.label)?,
        }
        self.filters.iter().try_for_each(|filter| write!(out, " | {filter}"))
    }
}

impl Display for Grouping {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            GroupingKind::By => "by",
            GroupingKind::Without => "without",
        };
        write!(out, "{word} ({})", self.labels.join(","))
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(self.op.name())?;
        self.grouping.iter().try_for_each(|grouping| write!(out, " {grouping}"))?;
        out.write_str("(")?;
        self.parameter.iter().try_for_each(|parameter| write!(out, "{parameter},"))?;
        write!(out, "{})", self.inner)
    }
}

impl Display for Binary {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let rhs = self.rhs.to_string();
        let modifier = modifier(&self.modifier, ",", rhs.starts_with('('));
        write!(out, "({} {}{modifier} {rhs})", self.lhs, self.op.sign())
    }
}

/// What stands behind an operator, with a blank in front, and nothing where there is nothing to say.
///
/// Loki leaves the blank before a missing `group_left` standing, and so does this. Where the operand begins with a
/// bracket, `group_left` gets its own, because it would take the operand's for it.
pub(crate) fn modifier(modifier: &BinaryModifier, comma: &str, bracket_follows: bool) -> String {
    let mut text = if modifier.returns_bool { " bool".to_owned() } else { String::new() };
    let Some(matching) = &modifier.matching else { return text };
    let (word, labels) = match &matching.on {
        MatchingLabels::On(labels) => ("on", labels),
        MatchingLabels::Ignoring(labels) => ("ignoring", labels),
    };
    text.push_str(&format!(" {word} ({}) ", labels.join(comma)));
    let (word, included) = match &matching.group {
        MatchingGroup::OneToOne => return text,
        MatchingGroup::ManyToOne(included) => ("group_left", included),
        MatchingGroup::OneToMany(included) => ("group_right", included),
    };
    text.push_str(word);
    if bracket_follows || !included.is_empty() {
        text.push_str(&format!(" ({})", included.join(comma)));
    }
    text
}
