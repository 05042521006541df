//! What is asked of the store, and what is left to do with each line it gives.

use crate::logql::ast::{
    Grouping, GroupingKind, LabelFormatValue, LineFilter, LineOp, LineTest, LogExpr, RangeAggregation, RangeOp, Stage,
};
use crate::logql::stage::{CompileError, Pipeline, Wanted, required_substrings};
use crate::model::TimeRange;
use crate::query::Error;
use crate::query::scan::{Numbered, number};
use crate::store::{Need, Selection, Store};

/// A log expression, ready to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The chunks that may hold something; empty where nothing can be found.
    pub(crate) chunks: Vec<Numbered>,
    pub(crate) pipeline: Pipeline,
    /// Whether what becomes of a line depends on its labels alone, so that it may be remembered for them; the number
    /// that a label is unwrapped to may not.
    pub(crate) labels_decide: bool,
}

impl Plan {
    /// The plan of a log query.
    pub(crate) fn for_logs(store: &Store, log: &LogExpr, range: TimeRange) -> Result<Plan, Error> {
        let pipeline = Pipeline::new(&without_pushed_down(&log.stages));
        let pipeline = pipeline.map_err(|error| named(error, &log.stages));
        Plan::new(store, log, range, Need::Lines, false, pipeline)
    }

    /// The plan of one range aggregation.
    pub(crate) fn for_range(
        store: &Store,
        aggregation: &RangeAggregation,
        grouping: Option<&Grouping>,
        range: TimeRange,
    ) -> Result<Plan, Error> {
        let log = &aggregation.log.log;
        let unwrap = aggregation.log.unwrap.as_ref();
        let stages = without_pushed_down(&log.stages);
        let wanted = match aggregation.op {
            // only whether there are lines counts, so parsers read nothing for it, and find no faults
            RangeOp::AbsentOverTime => Wanted::None,
            _ => wanted(grouping),
        };
        let pipeline = Pipeline::for_metric(&stages, unwrap, wanted);
        let parses = pipeline.as_ref().is_ok_and(Pipeline::parses);
        let bytes = matches!(aggregation.op, RangeOp::BytesRate | RangeOp::BytesOverTime);
        let need = match stages.iter().any(|stage| reads_line(stage, parses)) {
            true => Need::Lines,
            false if bytes => Need::Lengths,
            false => Need::Times,
        };
        let labels_decide = need != Need::Lines && unwrap.is_none();
        let pipeline = pipeline.map_err(|error| named(error, &log.stages));
        Plan::new(store, log, range, need, labels_decide, pipeline)
    }

    /// Loki finds out that a pattern or a template is wrong when the first line comes, so where there is nothing to
    /// be found there is no error either.
    fn new(
        store: &Store,
        log: &LogExpr,
        range: TimeRange,
        need: Need,
        labels_decide: bool,
        pipeline: Result<Pipeline, CompileError>,
    ) -> Result<Plan, Error> {
        let needles = if pipeline.is_ok() { required_substrings(&log.stages) } else { Vec::new() };
        let selection = Selection { matchers: log.selector.clone(), range, needles, need };
        let chunks = number(store.select(&selection)?.chunks);
        let pipeline = match pipeline {
            Ok(pipeline) => pipeline,
            Err(error) if chunks.is_empty() => {
                tracing::debug!(%error, "a pipeline that cannot run has nothing to run on");
                Pipeline::new(&[]).expect("no stage, nothing wrong with it")
            }
            Err(error) => return Err(Error::Invalid(format!("parse error : {error}"))),
        };
        Ok(Plan { chunks, pipeline, labels_decide })
    }
}

/// The error as it is for all stages: its text shows the filters before the one that is wrong, too.
fn named(error: CompileError, stages: &[Stage]) -> CompileError {
    Pipeline::new(stages).err().unwrap_or(error)
}

/// How lines are grouped into series.
fn wanted(grouping: Option<&Grouping>) -> Wanted {
    match grouping {
        None => Wanted::All,
        Some(Grouping { kind: GroupingKind::By, labels }) if labels.is_empty() => Wanted::None,
        Some(Grouping { kind: GroupingKind::By, labels }) => Wanted::By(labels.clone()),
        Some(Grouping { kind: GroupingKind::Without, labels }) => Wanted::Without(labels.clone()),
    }
}

/// The stages without those filters that the store has seen to: `|= "text"` on a line that nothing changed before.
pub(crate) fn without_pushed_down(stages: &[Stage]) -> Vec<Stage> {
    let unchanged = stages.iter().take_while(|stage| !changes_line(stage)).count();
    let kept = stages.iter().enumerate().filter(|(index, stage)| *index >= unchanged || !is_plain_search(stage));
    kept.map(|(_, stage)| stage.clone()).collect()
}

fn is_plain_search(stage: &Stage) -> bool {
    match stage {
        Stage::Line(LineFilter { op: LineOp::Contains, alternatives }) => {
            matches!(alternatives.as_slice(), [LineTest::Text(_)])
        }
        _ => false,
    }
}

fn changes_line(stage: &Stage) -> bool {
    matches!(stage, Stage::LineFormat(_) | Stage::Unpack | Stage::Decolorize)
}

/// Whether a stage looks at the text or the time of a line, or only at its labels; `parses` tells whether parsers do.
fn reads_line(stage: &Stage, parses: bool) -> bool {
    match stage {
        Stage::Label(_) | Stage::Drop(_) | Stage::Keep(_) => false,
        Stage::LabelFormat(formats) => {
            formats.iter().any(|format| matches!(format.value, LabelFormatValue::Template(_)))
        }
        Stage::Json(_) | Stage::Logfmt { .. } | Stage::Regexp(_) | Stage::Pattern(_) => parses,
        Stage::Line(_) | Stage::Unpack | Stage::Decolorize | Stage::LineFormat(_) => true,
    }
}
