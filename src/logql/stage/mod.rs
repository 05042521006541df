//! What a pipeline does to one line: filters, parsers, formats, and the number that `unwrap` finds.
//!
//! Promises: a pipeline is compiled once and then only read, so workers share it; a line that only passes filters costs
//! no allocation; nothing panics, whatever the line holds. What Loki 3.7 does to the same line is the measure.
//! Never: IO, a clock (but for the template function `now`), threads.

mod hints;
mod ip;
mod label_filter;
mod labels;
mod line_filter;
mod line_pattern;
mod pattern_expr;
mod required;

use std::mem;

pub use labels::{
    Category, ERROR_DETAILS_LABEL, ERROR_LABEL, LineError, PRESERVE_ERROR_LABEL, Processed, Scratch, Wanted,
};

pub use required::required_substrings;

use crate::logql::ast::{Stage, Unwrap};
use crate::logql::stage::hints::Hints;
use crate::logql::stage::label_filter::Condition;
use crate::logql::stage::labels::{LineBuffer, LineLabels};
use crate::logql::stage::line_filter::LineFilterStep;
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
    steps: Vec<Step>,
    hints: Hints,
    wanted: Wanted,
}

#[derive(Debug)]
enum Step {
    Line(LineFilterStep),
    Label(Condition),
}

impl Pipeline {
    /// The pipeline of a log query.
    pub fn new(stages: &[Stage]) -> Result<Pipeline, CompileError> {
        Pipeline::for_metric(stages, None, Wanted::All)
    }

    /// The pipeline of a range aggregation, whose lines are grouped as `wanted` says. Parsers leave out what neither a
    /// stage nor the grouping looks at.
    pub fn for_metric(stages: &[Stage], unwrap: Option<&Unwrap>, wanted: Wanted) -> Result<Pipeline, CompileError> {
        let _ = unwrap;
        let steps: Result<Vec<Step>, CompileError> = reorder(stages).into_iter().map(Step::new).collect();
        Ok(Pipeline { steps: steps?, hints: Hints::default(), wanted })
    }

    /// Runs all stages on one line. `None` where a filter drops it.
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
        scratch.line.changed = false;
        let mut labels = LineLabels::start(stream, metadata, &mut scratch.changes, &self.hints);
        for step in &self.steps {
            if !step.run(timestamp, line, &mut scratch.line, &mut labels) {
                return None;
            }
        }
        let line = if scratch.line.changed { &scratch.line.now } else { line };
        Some(Processed { line, value: None, stream, metadata, changes: &mut scratch.changes, wanted: &self.wanted })
    }
}

impl Step {
    fn new(stage: &Stage) -> Result<Step, CompileError> {
        let step = match stage {
            Stage::Line(filter) => LineFilterStep::new(filter).map(Step::Line),
            Stage::Label(filter) => Condition::new(filter).map(Step::Label),
            other => Err(format!("not there yet: {other:?}")),
        };
        step.map_err(|reason| CompileError { stage: format!("{stage:?}"), reason })
    }

    /// Whether the line goes on.
    fn run(&self, timestamp: Timestamp, line: &str, buffer: &mut LineBuffer, labels: &mut LineLabels<'_>) -> bool {
        let _ = timestamp;
        let LineBuffer { now, next, changed } = buffer;
        let text: &str = if *changed { now } else { line };
        match self {
            Step::Line(filter) => return filter.passes(text),
            Step::Label(condition) => return condition.passes(labels),
        }
        #[allow(unreachable_code)]
        {
            mem::swap(now, next);
            true
        }
    }
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
