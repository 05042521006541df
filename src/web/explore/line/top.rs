//! The most frequent values of a field, over the lines that a view finds: counted by the engine, not by a sample.

use crate::logql::ast::{
    Expr, Grouping, GroupingKind, LabelFilter, LogExpr, LogRange, MetricExpr, RangeAggregation, RangeOp, Stage,
    VectorAggregation, VectorOp,
};
use crate::model::{MatchOp, TimeRange};
use crate::query::{Data, Engine, Error, InstantQuery, Ticket};
use crate::web::explore::builder::Origin;

/// Values that are listed.
const VALUES_MAX: i64 = 8;

/// How often which values occur.
#[derive(Debug, PartialEq)]
pub(crate) struct Top {
    /// The most frequent first; lines that do not have the field are not among them.
    pub(crate) values: Vec<(String, u64)>,
    /// Lines of the view that have the field.
    pub(crate) having_count: u64,
    pub(crate) line_count: u64,
}

/// Counts the values of a field.
pub(crate) fn top(
    engine: &Engine,
    expr: &LogExpr,
    (origin, name): (Origin, &str),
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Top, Error> {
    let parsed = parsing(expr, origin);
    let mut having = parsed.clone();
    having.stages.push(Stage::Label(LabelFilter::Text {
        name: name.to_owned(),
        op: MatchOp::NotEqual,
        value: String::new(),
    }));
    let values = instant(engine, topk(counted(&having, range, &[name])), range, ticket)?;
    let total = |expr: &LogExpr| {
        let samples = instant(engine, counted(expr, range, &[]), range, ticket)?;
        Ok::<_, Error>(samples.into_iter().map(|(_, count)| count).sum())
    };
    let (having_count, line_count) = (total(&having)?, total(expr)?);
    let mut values: Vec<(String, u64)> = values
        .into_iter()
        .map(|(labels, count)| (labels.get(name).unwrap_or_default().to_owned(), count))
        .filter(|(value, _)| !value.is_empty())
        .collect();
    values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Top { values, having_count, line_count: std::cmp::max(line_count, having_count) })
}

/// How many lines a query finds in a range.
pub(crate) fn line_count(engine: &Engine, expr: &LogExpr, range: TimeRange, ticket: &Ticket) -> Result<u64, Error> {
    let samples = instant(engine, counted(expr, range, &[]), range, ticket)?;
    Ok(samples.into_iter().map(|(_, count)| count).sum())
}

/// The query with what it takes to have the field. Lines that a parser cannot read have none, and are left out.
fn parsing(expr: &LogExpr, origin: Origin) -> LogExpr {
    let mut parsing = expr.clone();
    if let Origin::Parsed(Some(parser)) = origin {
        parsing.stages.push(parser.stage());
    }
    without_errors(parsing)
}

fn without_errors(mut expr: LogExpr) -> LogExpr {
    if expr.stages.iter().any(|stage| !matches!(stage, Stage::Line(_))) {
        let (name, op, value) = ("__error__".to_owned(), MatchOp::Equal, String::new());
        expr.stages.push(Stage::Label(LabelFilter::Text { name, op, value }));
    }
    expr
}

/// `sum by (names) (count_over_time(expr[range]))`
fn counted(expr: &LogExpr, range: TimeRange, names: &[&str]) -> MetricExpr {
    let range_ns = range.end.nanos().saturating_sub(range.start.nanos()).max(1);
    let log = LogRange { log: without_errors(expr.clone()), range_ns, offset_ns: 0, unwrap: None };
    let count = RangeAggregation { op: RangeOp::CountOverTime, parameter: None, log, grouping: None };
    let labels = names.iter().map(|name| (*name).to_owned()).collect();
    let grouping = Some(Grouping { kind: GroupingKind::By, labels });
    MetricExpr::Vector(VectorAggregation {
        op: VectorOp::Sum,
        parameter: None,
        inner: Box::new(MetricExpr::Range(count)),
        grouping,
    })
}

fn topk(inner: MetricExpr) -> MetricExpr {
    let inner = Box::new(inner);
    MetricExpr::Vector(VectorAggregation { op: VectorOp::Topk, parameter: Some(VALUES_MAX), inner, grouping: None })
}

fn instant(
    engine: &Engine,
    expr: MetricExpr,
    range: TimeRange,
    ticket: &Ticket,
) -> Result<Vec<(crate::model::Labels, u64)>, Error> {
    let limit = engine.limits().entries_max;
    let query = InstantQuery { expr: Expr::Metric(expr), time: range.end.plus_nanos(-1), limit };
    match engine.instant(&query, ticket)?.data {
        Data::Vector(samples) => Ok(samples.iter().map(|sample| (sample.labels, sample.value as u64)).collect()),
        Data::Streams(_) | Data::Matrix(_) | Data::Scalar { .. } => Ok(Vec::new()),
    }
}
