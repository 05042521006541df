//! What is asked of the store, and what is left to do with each line it gives.

use crate::logql::ast::{
    Grouping, GroupingKind, LabelFormatValue, LineFilter, LineOp, LineTest, LogExpr, RangeAggregation, RangeOp, Stage,
};
use crate::logql::stage::{CompileError, Pipeline, Wanted, literals, required_substrings};
use crate::model::{Matcher, TimeRange};
use crate::query::Error;
use crate::query::scan::{Numbered, number};
use crate::store::{Need, Selection, Store, TextFilter};

/// A log expression, ready to be run.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The chunks that may hold something; empty where nothing can be found.
    pub(crate) chunks: Vec<Numbered>,
    pub(crate) pipeline: Pipeline,
    /// Whether what becomes of a line depends on its labels alone, so that it may be remembered for them; the number
    /// that a label is unwrapped to may not.
    pub(crate) labels_decide: bool,
    /// Whether every line that the store finds becomes one of the answer.
    pub(crate) keeps_all: bool,
    /// Whether the store finds every line of the streams in the range.
    pub(crate) takes_all: bool,
}

impl Plan {
    /// The plan of a log query.
    pub(crate) fn for_logs(store: &Store, log: &LogExpr, range: TimeRange) -> Result<Plan, Error> {
        let (demand, stages) = pushed_down(&log.stages);
        let pipeline = Pipeline::new(&stages).map_err(|error| named(error, &log.stages));
        let keeps_all = !stages.iter().any(|stage| matches!(stage, Stage::Line(_) | Stage::Label(_)));
        let plan = Plan::new(store, log, demand, range, Need::Lines, pipeline)?;
        Ok(Plan { keeps_all, ..plan })
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
        let (demand, stages) = pushed_down(&log.stages);
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
        let plan = Plan::new(store, log, demand, range, need, pipeline)?;
        Ok(Plan { labels_decide, ..plan })
    }

    /// Loki finds out that a pattern or a template is wrong when the first line comes, so where there is nothing to
    /// be found there is no error either.
    fn new(
        store: &Store,
        log: &LogExpr,
        demand: TextDemand,
        range: TimeRange,
        need: Need,
        pipeline: Result<Pipeline, CompileError>,
    ) -> Result<Plan, Error> {
        let demand = if pipeline.is_ok() { demand } else { TextDemand::default() };
        let takes_all = demand.is_empty();
        let selection = demand.select(log.selector.clone(), range, need);
        let chunks = number(store.select(&selection)?.chunks);
        let pipeline = match pipeline {
            Ok(pipeline) => pipeline,
            Err(error) if chunks.is_empty() => {
                tracing::debug!(%error, "a pipeline that cannot run has nothing to run on");
                Pipeline::new(&[]).expect("no stage, nothing wrong with it")
            }
            Err(error) => return Err(Error::Invalid(format!("parse error : {error}"))),
        };
        Ok(Plan { chunks, pipeline, labels_decide: false, keeps_all: false, takes_all })
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

/// What the stages ask of a line's text before anything else, for the store to see to.
#[derive(Debug, Default)]
pub(crate) struct TextDemand {
    needles: Vec<String>,
    filters: Vec<TextFilter>,
    hints: Vec<String>,
}

impl TextDemand {
    fn is_empty(&self) -> bool {
        self.needles.is_empty() && self.filters.is_empty() && self.hints.is_empty()
    }

    /// What is selected of these streams.
    pub(crate) fn select(self, matchers: Vec<Matcher>, range: TimeRange, need: Need) -> Selection {
        let TextDemand { needles, filters, hints } = self;
        Selection { needles, filters, hints, ..Selection::of(matchers, range, need) }
    }
}

impl TextDemand {
    /// Adds what a stage asks, if that is all that it does.
    fn takes(&mut self, stage: &Stage) -> bool {
        let Stage::Line(LineFilter { op, alternatives }) = stage else { return false };
        let (negated, is_pattern) = match op {
            LineOp::Contains => (false, false),
            LineOp::NotContains => (true, false),
            LineOp::Matches => (false, true),
            LineOp::NotMatches => (true, true),
            LineOp::Pattern | LineOp::NotPattern => return false,
        };
        let mut filter = TextFilter { any: Vec::new(), ignores_case: false, negated };
        for (index, alternative) in alternatives.iter().enumerate() {
            let LineTest::Text(text) = alternative else { return false };
            if !is_pattern {
                filter.any.push(text.clone());
                continue;
            }
            let Some(found) = literals(text) else { return false };
            if index > 0 && filter.ignores_case != found.ignores_case {
                return false;
            }
            filter.ignores_case = found.ignores_case;
            filter.any.extend(found.texts);
        }
        match filter {
            TextFilter { any, ignores_case: false, negated: false } if any.len() == 1 => self.needles.extend(any),
            filter => self.filters.push(filter),
        }
        true
    }
}

/// Takes those filters out of the stages that the store sees to: tests for texts, of a line that nothing changed before.
pub(crate) fn pushed_down(stages: &[Stage]) -> (TextDemand, Vec<Stage>) {
    let mut demand = TextDemand::default();
    let unchanged = stages.iter().take_while(|stage| !changes_line(stage)).count();
    let mut left = Vec::new();
    for (index, stage) in stages.iter().enumerate() {
        if index >= unchanged || !demand.takes(stage) {
            left.push(stage.clone());
        }
    }
    demand.hints = required_substrings(&left);
    (demand, left)
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
