//! What a pipeline does to one line: filters, parsers, formats, and the number that `unwrap` finds.
//!
//! Promises: a pipeline is compiled once and then only read, so workers share it; a line that only passes filters costs
//! no allocation; nothing panics, whatever the line holds. What Loki 3.7 does to the same line is the measure.
//! Never: IO, a clock (but for the template function `now`), threads.

mod changes;
mod decolorize;
mod drop_keep;
mod excerpt;
mod guard;
mod hints;
mod ip;
mod json;
mod json_fields;
mod json_path;
mod json_scan;
mod label_filter;
mod label_format;
mod labels;
mod line_filter;
mod line_format;
mod line_pattern;
mod literals;
mod logfmt;
mod logfmt_fields;
mod logfmt_scan;
mod names;
mod pattern;
mod pattern_expr;
mod processed;
mod regexp;
mod required;
#[cfg(test)]
mod spec;
mod unpack;
mod unwrap;

use std::mem;
use std::sync::Arc;

pub use json::json_paths;
pub use labels::{Category, ERROR_DETAILS_LABEL, ERROR_LABEL, LineError, PRESERVE_ERROR_LABEL, Scratch};
pub use processed::{Processed, Wanted};

pub(crate) use changes::View;
pub(crate) use decolorize::run as without_colours;
pub(crate) use labels::EXTRACTED_SUFFIX;
pub use literals::{Literals, literals};
pub(crate) use logfmt_scan::Pairs;
pub use required::required_substrings;

use crate::logql::ast::{LabelChoice, Stage, Unwrap};
use crate::logql::stage::excerpt::ParsedExcerpts;
use crate::logql::stage::guard::Guards;
use crate::logql::stage::hints::Hints;
use crate::logql::stage::json_fields::JsonFields;
use crate::logql::stage::label_filter::Condition;
use crate::logql::stage::label_format::LabelFormatter;
use crate::logql::stage::labels::{LineBuffer, LineLabels};
use crate::logql::stage::line_filter::LineFilterStep;
use crate::logql::stage::line_format::LineFormatter;
use crate::logql::stage::logfmt::Logfmt;
use crate::logql::stage::logfmt_fields::LogfmtFields;
use crate::logql::stage::pattern::PatternParser;
use crate::logql::stage::regexp::RegexpParser;
use crate::logql::stage::unpack::Unpacked;
use crate::logql::stage::unwrap::UnwrapStep;
use crate::logql::template::Budget;
use crate::model::form::Excerpts;
use crate::model::{Labels, Timestamp};

/// A stage that cannot run: a pattern, template or address in it is wrong.
///
/// Loki looks at these only once the query has found data, so the caller keeps the error until then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("stage '{stage}' : {reason}")]
pub struct CompileError {
    /// The stage as LogQL prints it.
    pub stage: String,
    pub reason: String,
}

/// The stages of a query, ready to run on any number of lines, by any number of threads at once.
#[derive(Debug)]
pub struct Pipeline {
    guards: Guards,
    steps: Vec<Step>,
    unwrap: Option<UnwrapStep>,
    hints: Hints,
    wanted: Wanted,
}

#[derive(Debug)]
enum Step {
    Line(LineFilterStep),
    Json,
    JsonFields(JsonFields),
    Logfmt(Logfmt),
    LogfmtFields(LogfmtFields),
    Regexp(RegexpParser),
    Pattern(PatternParser),
    Unpack,
    Decolorize,
    Label(Condition),
    LineFormat(LineFormatter),
    LabelFormat(LabelFormatter),
    Drop(Vec<LabelChoice>),
    Keep(Vec<LabelChoice>),
}

/// What is wrong with the pattern of a `regexp` stage, in Loki's words.
pub(crate) fn check_regexp(pattern: &str) -> Result<(), String> {
    RegexpParser::new(pattern).map(drop)
}

/// What is wrong with the pattern of a `pattern` stage, in Loki's words.
pub(crate) fn check_pattern(pattern: &str) -> Result<(), String> {
    PatternParser::new(pattern).map(drop)
}

impl Pipeline {
    /// The pipeline of a log query.
    pub fn new(stages: &[Stage]) -> Result<Pipeline, CompileError> {
        Pipeline::for_metric(stages, None, Wanted::All)
    }

    /// The pipeline of a range aggregation, whose lines are grouped as `wanted` says. Parsers leave out what neither a
    /// stage nor the grouping looks at. Without a grouping, the label that is unwrapped does not count for the series.
    pub fn for_metric(stages: &[Stage], unwrap: Option<&Unwrap>, wanted: Wanted) -> Result<Pipeline, CompileError> {
        let stages = reorder(stages);
        let mut steps = Vec::with_capacity(stages.len());
        for (index, stage) in stages.iter().enumerate() {
            steps.push(Step::new(stage).map_err(|reason| CompileError { stage: show(&stages, index), reason })?);
        }
        let wanted = match (unwrap, wanted) {
            (_, Wanted::By(names)) if names.is_empty() => Wanted::None,
            (Some(unwrap), Wanted::All) => Wanted::AllBut(unwrap.label.clone()),
            (Some(unwrap), Wanted::Without(mut names)) => {
                names.push(unwrap.label.clone());
                Wanted::Without(names)
            }
            (_, wanted) => wanted.sorted(),
        };
        let hints = Hints::new(&stages, &steps, unwrap, &wanted)?;
        let unwrap = unwrap.map(UnwrapStep::new).transpose();
        let unwrap = unwrap.map_err(|reason| CompileError { stage: "| unwrap".to_owned(), reason })?;
        Ok(Pipeline { guards: Guards::new(&stages), steps, unwrap, hints, wanted })
    }

    /// The label that is unwrapped, where nothing else looks at it: neither a stage, nor the grouping, nor a filter behind.
    pub fn apart(&self) -> Option<&str> {
        let unwrap = self.unwrap.as_ref()?;
        let label = unwrap.label();
        let looks_elsewhere = |condition: &Condition| {
            let mut names = Vec::new();
            condition.names(&mut names);
            !names.contains(&label)
        };
        let steps_do = self.steps.iter().all(|step| match step {
            Step::Json | Step::Logfmt(_) => true,
            Step::Label(condition) => looks_elsewhere(condition),
            _ => false,
        });
        let groups_do = match &self.wanted {
            Wanted::None => true,
            Wanted::By(names) | Wanted::ByStream { line: names, .. } => !names.iter().any(|name| name == label),
            Wanted::All | Wanted::Without(_) | Wanted::AllBut(_) => false,
        };
        let is_plain = !label.ends_with(EXTRACTED_SUFFIX) && !label.starts_with("__");
        (is_plain && steps_do && groups_do && unwrap.filters.iter().all(looks_elsewhere)).then_some(label)
    }

    /// The number that a value of the unwrapped label stands for, if it is one.
    pub fn unwrapped(&self, value: &str) -> Option<f64> {
        self.unwrap.as_ref()?.convert(value).ok()
    }

    /// Whether parsers read lines: they do not where nothing looks at what they would find.
    pub fn parses(&self) -> bool {
        !self.hints.is_none()
    }

    /// How much of a line the stages look at, where that is less than all of it and can be told from a line's form. A line
    /// and its excerpt come out with the same labels and value, and are dropped alike.
    pub fn excerpts(&self) -> Option<Arc<dyn Excerpts>> {
        ParsedExcerpts::of(self).map(|excerpts| -> Arc<dyn Excerpts> { Arc::new(excerpts) })
    }

    /// The names of labels that the stages and the grouping look at; `None` where they may look at any.
    pub fn labels(&self) -> Option<&[String]> {
        let looks_at_named = |step: &Step| match step {
            Step::LabelFormat(formatter) => formatter.renames_only(),
            Step::LineFormat(_) | Step::Unpack | Step::Drop(_) | Step::Keep(_) => false,
            _ => true,
        };
        self.hints.required().filter(|_| self.steps.iter().all(looks_at_named))
    }

    /// Runs all stages on one line. `None` where a filter drops it, or where there is nothing to unwrap.
    ///
    /// `scratch` holds what this call found and is overwritten by the next; keep one for each worker.
    pub fn process<'a>(
        &'a self,
        timestamp: Timestamp,
        line: &'a str,
        stream: &'a Labels,
        metadata: &'a Labels,
        scratch: &'a mut Scratch,
    ) -> Option<Processed<'a>> {
        let Scratch { changes, line: buffer, budget } = scratch;
        buffer.changed = false;
        *budget = Budget::default();
        if !self.guards.let_pass(line, stream, metadata) {
            return None;
        }
        let mut labels = LineLabels::start(stream, metadata, changes, &self.hints);
        for step in &self.steps {
            if !step.run(timestamp, line, buffer, budget, &mut labels) {
                return None;
            }
        }
        let value = match &self.unwrap {
            Some(unwrap) => Some(unwrap.run(&mut labels)?),
            None => None,
        };
        let line = if buffer.changed { &buffer.now } else { line };
        Some(Processed { line, value, stream, metadata, changes, wanted: &self.wanted })
    }
}

impl Step {
    /// The error is Loki's text.
    fn new(stage: &Stage) -> Result<Step, String> {
        match stage {
            Stage::Line(filter) => LineFilterStep::new(filter).map(Step::Line),
            Stage::Json(extractions) if extractions.is_empty() => Ok(Step::Json),
            Stage::Json(extractions) => JsonFields::new(extractions).map(Step::JsonFields),
            Stage::Logfmt { strict, keep_empty, extractions } if extractions.is_empty() => {
                Ok(Step::Logfmt(Logfmt { strict: *strict, keep_empty: *keep_empty }))
            }
            Stage::Logfmt { strict, extractions, .. } => {
                LogfmtFields::new(*strict, extractions).map(Step::LogfmtFields)
            }
            Stage::Regexp(pattern) => RegexpParser::new(pattern).map(Step::Regexp),
            Stage::Pattern(pattern) => PatternParser::new(pattern).map(Step::Pattern),
            Stage::Unpack => Ok(Step::Unpack),
            Stage::Decolorize => Ok(Step::Decolorize),
            Stage::Label(filter) => Condition::new(filter).map(Step::Label),
            Stage::LineFormat(template) => LineFormatter::new(template).map(Step::LineFormat),
            Stage::LabelFormat(formats) => LabelFormatter::new(formats).map(Step::LabelFormat),
            Stage::Drop(choices) => Ok(Step::Drop(choices.clone())),
            Stage::Keep(choices) => Ok(Step::Keep(choices.clone())),
        }
    }

    /// The labels that the step reads by name, but for those of label filters.
    fn reads(&self) -> Vec<String> {
        match self {
            Step::LineFormat(formatter) => formatter.reads(),
            Step::LabelFormat(formatter) => formatter.reads(),
            Step::Line(_)
            | Step::Json
            | Step::JsonFields(_)
            | Step::Logfmt(_)
            | Step::LogfmtFields(_)
            | Step::Regexp(_)
            | Step::Pattern(_)
            | Step::Unpack
            | Step::Decolorize
            | Step::Label(_)
            | Step::Drop(_)
            | Step::Keep(_) => Vec::new(),
        }
    }

    /// Whether the line goes on.
    fn run(
        &self,
        timestamp: Timestamp,
        line: &str,
        buffer: &mut LineBuffer,
        budget: &Budget,
        labels: &mut LineLabels<'_>,
    ) -> bool {
        let LineBuffer { now, next, changed } = buffer;
        let line: &str = if *changed { now } else { line };
        let rewritten = match self {
            Step::Line(filter) => return filter.passes(line),
            Step::Label(condition) => return condition.passes(labels),
            Step::Json => return json::parse(line, labels),
            Step::Logfmt(logfmt) => return logfmt.run(line, labels),
            Step::Regexp(parser) => return parser.run(line, labels),
            Step::Pattern(parser) => return parser.run(line, labels),
            Step::JsonFields(parser) => {
                parser.run(line, labels);
                false
            }
            Step::LogfmtFields(parser) => {
                parser.run(line, labels);
                false
            }
            Step::LabelFormat(formatter) => {
                formatter.run(timestamp, line, budget, labels);
                false
            }
            Step::LineFormat(formatter) => formatter.run(timestamp, line, next, budget, labels),
            Step::Drop(choices) => {
                drop_keep::drop(choices, labels);
                false
            }
            Step::Keep(choices) => {
                drop_keep::keep(choices, labels);
                false
            }
            Step::Decolorize => decolorize::run(line, next),
            Step::Unpack => match unpack::run(line, next, labels) {
                Unpacked::Dropped => return false,
                Unpacked::Changed => true,
                Unpacked::Same => false,
            },
        };
        if rewritten {
            mem::swap(now, next);
            *changed = true;
        }
        true
    }
}

/// The stage as LogQL prints it; line filters that follow each other count as one stage.
fn show(stages: &[&Stage], index: usize) -> String {
    let is_line = |stage: &&Stage| matches!(stage, Stage::Line(_));
    if !is_line(&stages[index]) {
        return stages[index].to_string();
    }
    let start = stages[..index].iter().rposition(|stage| !is_line(stage)).map_or(0, |before| before + 1);
    let filters = stages[start..].iter().take_while(|stage| is_line(stage));
    filters.map(|stage| stage.to_string()).collect::<Vec<_>>().join(" ")
}

/// Line filters as early as they can be without seeing another line: Loki does so, and it shows with `decolorize`.
fn reorder(stages: &[Stage]) -> Vec<&Stage> {
    let mut ordered = Vec::with_capacity(stages.len());
    let mut waiting = Vec::new();
    for stage in stages {
        match stage {
            Stage::Line(_) => ordered.push(stage),
            Stage::Label(_) | Stage::LineFormat(_) | Stage::Unpack => {
                ordered.append(&mut waiting);
                ordered.push(stage);
            }
            Stage::Json(_)
            | Stage::Logfmt { .. }
            | Stage::Regexp(_)
            | Stage::Pattern(_)
            | Stage::Decolorize
            | Stage::LabelFormat(_)
            | Stage::Drop(_)
            | Stage::Keep(_) => waiting.push(stage),
        }
    }
    ordered.append(&mut waiting);
    ordered
}
