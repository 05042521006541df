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
    /// Whether every line that the store finds becomes one of the answer.
    pub(crate) keeps_all: bool,
    /// Whether the store finds every line of the streams in the range.
    pub(crate) takes_all: bool,
    /// Whether a line with an error counts like any other, where it would fail a metric query.
    pub(crate) keeps_errors: bool,
}

impl Plan {
    /// The plan of a log query.
    pub(crate) fn for_logs(store: &Store, log: &LogExpr, range: TimeRange) -> Result<Plan, Error> {
        let (demand, stages) = pushed_down(&log.stages);
        let pipeline = Pipeline::new(&stages).map_err(|error| named(error, &log.stages));
        let keeps_all = !stages.iter().any(|stage| matches!(stage, Stage::Line(_) | Stage::Label(_)));
        let plan = Plan::new(store, demand.select(log.selector.clone(), range, Need::Lines), pipeline)?;
        Ok(Plan { keeps_all, ..plan })
    }

    /// The plan of one range aggregation, whose lines are grouped as `wanted` says.
    pub(crate) fn for_range(
        store: &Store,
        aggregation: &RangeAggregation,
        wanted: Wanted,
        range: TimeRange,
    ) -> Result<Plan, Error> {
        let log = &aggregation.log.log;
        let unwrap = aggregation.log.unwrap.as_ref();
        let (demand, stages) = pushed_down(&log.stages);
        let pipeline = Pipeline::for_metric(&stages, unwrap, wanted);
        let parses = pipeline.as_ref().is_ok_and(Pipeline::parses);
        let bytes = matches!(aggregation.op, RangeOp::BytesRate | RangeOp::BytesOverTime);
        let need = match stages.iter().any(|stage| reads_line(stage, parses)) {
            true => Need::Lines,
            false if bytes => Need::Lengths,
            false => Need::Times,
        };
        // the bytes of a line are those of all of it
        let excerpts = pipeline.as_ref().ok().filter(|_| need == Need::Lines && !bytes).and_then(Pipeline::excerpts);
        let pipeline = pipeline.map_err(|error| named(error, &log.stages));
        // an error, which parsers, numbers in filters and unwrap may come to, tells all labels of one line
        let may_fail =
            need == Need::Lines || unwrap.is_some() || stages.iter().any(|stage| matches!(stage, Stage::Label(_)));
        let metadata = pipeline.as_ref().ok().filter(|_| !may_fail).and_then(Pipeline::labels);
        let metadata = metadata.map(<[String]>::to_vec);
        let selection = Selection { excerpts, metadata, ..demand.select(log.selector.clone(), range, need) };
        Plan::new(store, selection, pipeline)
    }

    /// Loki finds out that a pattern or a template is wrong when the first line comes, so where there is nothing to
    /// be found there is no error either.
    fn new(store: &Store, mut selection: Selection, pipeline: Result<Pipeline, CompileError>) -> Result<Plan, Error> {
        if pipeline.is_err() {
            selection = Selection::of(selection.matchers, selection.range, selection.need);
        }
        let takes_all = selection.takes_all_texts();
        let chunks = number(store.select(&selection)?.chunks);
        let pipeline = match pipeline {
            Ok(pipeline) => pipeline,
            Err(error) if chunks.is_empty() => {
                tracing::debug!(%error, "a pipeline that cannot run has nothing to run on");
                Pipeline::new(&[]).expect("no stage, nothing wrong with it")
            }
            Err(error) => return Err(Error::Invalid(format!("parse error : {error}"))),
        };
        Ok(Plan { chunks, pipeline, keeps_all: false, takes_all, keeps_errors: false })
    }
}

/// The error as it is for all stages: its text shows the filters before the one that is wrong, too.
fn named(error: CompileError, stages: &[Stage]) -> CompileError {
    Pipeline::new(stages).err().unwrap_or(error)
}

/// How lines are grouped into series.
pub(crate) fn wanted(op: RangeOp, grouping: Option<&Grouping>) -> Wanted {
    match grouping {
        // only whether there are lines counts, so parsers read nothing for it, and find no faults
        _ if op == RangeOp::AbsentOverTime => Wanted::None,
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

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use crate::logql;
    use crate::model::{Direction, TimeRange, Timestamp};
    use crate::query::testing::{TestStore, ticket};
    use crate::query::{Data, Engine, Limits, RangeQuery};

    /// A line of one of a few forms, with what may go wrong in a value, a key, a string, or between them.
    fn line(forms: &'static [usize], is_wild: bool) -> impl Strategy<Value = String> {
        let text =
            select(vec!["ann", "b/c", "x y", "e{}[,", "a=b", "한", "10.0.0.1", "a:\\\"b", "\\u00e9", "\u{fffd}z", ""]);
        let number = prop_oneof![
            (0u32..6).prop_map(|n| (n * 100).to_string()),
            select(if is_wild { WILD } else { TAME }).prop_map(str::to_owned),
        ];
        let id = "[0-9a-f]{8}|[0-9]{2,6}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
        let time = select(vec!["1970-01-01T00:00:07Z", "1970-01-01 00:00:09.123", "1970-01-01T00:00:07,5"]);
        (text.clone(), text, number.clone(), number, id, time, select(forms)).prop_map(
            |(a, b, m, n, id, time, form)| match form {
                0 => format!("{{\"ts\":\"{time}\",\"user\":\"{a}\",\"status\":{m},\"id\":\"{id}\"}}"),
                1 => format!("{{\"user\":\"{a}\",\"in\":{{\"status\":{m},\"x\":[\"{b}\",{n}]}},\"status\":{n}}}"),
                2 => format!("{{\"list\":[\"{a}\",{{\"status\":1}}],\"status\":{m},\"user\":\"{b}\",\"k{id}\":1}}"),
                3 => format!("{{\"status\":{m},\"user\":\"{a}\",\"user\":\"{b}\"}} {id}"),
                4 => format!("{{\"status\":{m},\"user\":\"{a}:\" , \"msg\":\"{id}\""),
                5 => format!("{{\"a\":{time},\"status\":\"{m}\",\"user\":{id}}}"),
                6 => format!("ts={time} user={a} status={m} id={id} took={n}ms"),
                7 => format!("ts=\"{time}\" user=\"{a}\" status={m} id={id} took={n} user=\"{b}\""),
                8 => format!("{time} INFO {id} user=\"{a}\" status={m}{id} took={n}s"),
                9 => format!("status={m} {id}=5 us{id}er=1 user={a}x \"{b}\""),
                10 => format!("status=\"{m}\\n{id}\" user=\"\\u{id}\" took={n}"),
                11 => format!("status={m} user={a}\nstatus={n} took={id}"),
                12 => format!("{{\"status\":{m},\"user\":\"a{id}\"}}\n{{\"status\":2}}"),
                _ => format!("plain {a} {id} {m}"),
            },
        )
    }

    const TAME: &[&str] = &["7", "42", "9000"];
    const WILD: &[&str] = &["-1", "0.5", "1e3", "007", "true", "null", "t1", "a5", "5ms"];

    /// Lines with their seconds, and which stream they are of.
    fn lines() -> impl Strategy<Value = Vec<(i64, String, bool)>> {
        let forms: Vec<&'static [usize]> = vec![
            &[0, 1, 2],
            &[0, 2, 3, 5],
            &[6, 7, 8],
            &[6, 8, 9, 10, 11],
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
        ];
        (select(forms), any::<bool>())
            .prop_flat_map(|(forms, is_wild)| vec((0i64..60, line(forms, is_wild), any::<bool>()), 1..120))
    }

    const QUERIES: [&str; 14] = [
        "sum by (user) (count_over_time({app=~\".+\"} | json | status >= 200 [7s]))",
        "sum by (status, user) (count_over_time({app=~\".+\"} | json [5s]))",
        "sum by (in_status, app) (rate({app=~\".+\"} | json | user != \"ann\" [5s]))",
        "sum by (user) (count_over_time({app=~\".+\"} | logfmt | status = \"200\" or took > 1s [7s]))",
        "sum by (id, user_extracted) (count_over_time({app=~\".+\"} | logfmt [9s]))",
        "sum by (status) (count_over_time({app=~\".+\"} | logfmt --strict | __error__=\"\" [9s]))",
        "sum by (user, __error__, __error_details__) (count_over_time({app=~\".+\"} | logfmt --strict [9s]))",
        "sum by (user) (count_over_time({app=~\".+\"} | logfmt --keep-empty | drop took [9s]))",
        "sum by (user, __error__) (count_over_time({app=~\".+\"} | json | __error__ != \"x\" [9s]))",
        "sum by (who) (count_over_time({app=~\".+\"} |= \"status\" | json | label_format who=user [9s]))",
        "sum(sum_over_time({app=~\".+\"} | logfmt | unwrap status | __error__=\"\" [9s])) by (user)",
        "quantile_over_time(0.9, {app=~\".+\"} | json | unwrap status | __error__=\"\" [9s]) by (user)",
        "sum by (user) (bytes_over_time({app=~\".+\"} | json | status >= 200 [7s]))",
        "sum(count_over_time({app=~\".+\"} | json | user =~ \"a.*|\" [7s]))",
    ];

    fn answer(engine: &Engine, text: &str) -> Option<Vec<String>> {
        let range = TimeRange::new(Timestamp::from_secs(0), Timestamp::from_secs(60));
        let expr = logql::parse(text).expect(text);
        let query =
            RangeQuery { expr, range, step_ns: 3_000_000_000, interval_ns: 0, limit: 0, direction: Direction::Forward };
        let answer = engine.range(&query, &ticket()).ok()?;
        let Data::Matrix(matrix) = answer.data else { panic!("{text} is a metric query") };
        let mut series: Vec<String> = matrix.iter().map(|series| format!("{series:?}")).collect();
        series.sort();
        Some(series)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn excerpts_give_the_answers_that_whole_lines_give(lines in lines()) {
            let store = TestStore::new();
            for (app, in_first) in [("a", true), ("b", false)] {
                let lines = lines.iter().filter(|(_, _, first)| *first == in_first);
                let lines: Vec<(i64, &str)> = lines.map(|(secs, line, _)| (*secs, line.as_str())).collect();
                store.push(&[("app", app), ("user", "stream")][..1 + usize::from(in_first)], &lines);
            }
            let engine = Engine::new(store.store.clone(), Limits::default());
            let whole: Vec<_> = QUERIES.iter().map(|query| answer(&engine, query)).collect();
            store.seal();
            for (query, whole) in QUERIES.iter().zip(whole) {
                prop_assert_eq!(answer(&engine, query), whole, "{}", query);
            }
        }
    }
}
