//! The expression tree of LogQL. Nothing but data: parsing, printing and running it live beside it.

use crate::model::{MatchOp, Matcher};

/// A whole query.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Log(LogExpr),
    Metric(MetricExpr),
}

/// `{app="web"} |= "error" | json | status >= 500`
#[derive(Clone, Debug, PartialEq)]
pub struct LogExpr {
    /// The matchers between the braces; empty only where the caller of the parser allows `{}`.
    pub selector: Vec<Matcher>,
    pub stages: Vec<Stage>,
}

/// One step of a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    Line(LineFilter),
    /// `| json`, `| json a, b="x.y[0]"`; no extractions means all fields.
    Json(Vec<Extraction>),
    Logfmt {
        strict: bool,
        keep_empty: bool,
        extractions: Vec<Extraction>,
    },
    Regexp(String),
    Pattern(String),
    Unpack,
    Decolorize,
    Label(LabelFilter),
    LineFormat(String),
    LabelFormat(Vec<LabelFormat>),
    Drop(Vec<LabelChoice>),
    Keep(Vec<LabelChoice>),
}

/// `|= "a" or "b"`: the same operator for every alternative.
///
/// The parser writes `!= "a" or "b"` as two filters in a row, `!= "a" != "b"`, which is what it means.
#[derive(Clone, Debug, PartialEq)]
pub struct LineFilter {
    pub op: LineOp,
    /// At least one; exactly one where the operator is a negative one.
    pub alternatives: Vec<LineTest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineOp {
    /// `|=`
    Contains,
    /// `!=`
    NotContains,
    /// `|~`
    Matches,
    /// `!~`
    NotMatches,
    /// `|>`
    Pattern,
    /// `!>`
    NotPattern,
}

/// What a line is tested for.
#[derive(Clone, Debug, PartialEq)]
pub enum LineTest {
    Text(String),
    /// `ip("10.0.0.0/8")`
    Ip(String),
}

/// `label="expression"` of `json` and `logfmt`; the bare form `label` has the label itself as expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Extraction {
    pub label: String,
    pub expression: String,
}

/// `dst=src` or `dst="{{template}}"`
#[derive(Clone, Debug, PartialEq)]
pub struct LabelFormat {
    pub label: String,
    pub value: LabelFormatValue,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LabelFormatValue {
    Rename(String),
    Template(String),
}

/// What `drop` and `keep` name: a label, or a label with a certain value.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelChoice {
    Name(String),
    Matching(Matcher),
}

/// A condition on labels.
#[derive(Clone, Debug, PartialEq)]
pub enum LabelFilter {
    Text {
        name: String,
        op: MatchOp,
        value: String,
    },
    Number {
        name: String,
        op: Comparison,
        value: f64,
    },
    /// The value in nanoseconds.
    Duration {
        name: String,
        op: Comparison,
        value: i64,
    },
    /// The value in bytes, already rounded to what the printer writes: `20MiB` is 21,000,000, as in Loki.
    Bytes {
        name: String,
        op: Comparison,
        value: u64,
    },
    /// `addr = ip("…")`, `addr != ip("…")`
    Ip {
        name: String,
        negated: bool,
        pattern: String,
    },
    And(Box<LabelFilter>, Box<LabelFilter>),
    Or(Box<LabelFilter>, Box<LabelFilter>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A query whose answer is numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricExpr {
    Range(RangeAggregation),
    Vector(VectorAggregation),
    Binary(Box<Binary>),
    /// A number on its own. Arithmetic between two numbers is done by the parser, so no operator has two of them.
    Literal(f64),
    /// `vector(1)`
    VectorOf(f64),
    LabelReplace(Box<LabelReplace>),
}

/// `rate({app="web"} |= "x" [5m] offset 1h)`
#[derive(Clone, Debug, PartialEq)]
pub struct RangeAggregation {
    pub op: RangeOp,
    /// The φ of `quantile_over_time`; none for every other operation.
    pub parameter: Option<f64>,
    pub log: LogRange,
    /// `by ()` is kept: it folds all series into one, unlike no grouping at all.
    pub grouping: Option<Grouping>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LogRange {
    pub log: LogExpr,
    pub range_ns: i64,
    /// Zero where there is no `offset`.
    pub offset_ns: i64,
    pub unwrap: Option<Unwrap>,
}

/// `| unwrap duration(took) | __error__=""`
#[derive(Clone, Debug, PartialEq)]
pub struct Unwrap {
    pub label: String,
    pub conversion: Option<Conversion>,
    pub filters: Vec<LabelFilter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    Duration,
    DurationSeconds,
    Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeOp {
    Rate,
    RateCounter,
    CountOverTime,
    BytesRate,
    BytesOverTime,
    AbsentOverTime,
    SumOverTime,
    AvgOverTime,
    MinOverTime,
    MaxOverTime,
    StdvarOverTime,
    StddevOverTime,
    QuantileOverTime,
    FirstOverTime,
    LastOverTime,
}

/// `by (a, b)` or `without (a, b)`
#[derive(Clone, Debug, PartialEq)]
pub struct Grouping {
    pub kind: GroupingKind,
    pub labels: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupingKind {
    By,
    Without,
}

/// `sum by (app) (…)`, `topk(5, …)`
#[derive(Clone, Debug, PartialEq)]
pub struct VectorAggregation {
    pub op: VectorOp,
    /// The k of `topk`, `bottomk` and `approx_topk`, above 0; none for every other operation.
    pub parameter: Option<i64>,
    pub inner: Box<MetricExpr>,
    /// None stands for `by ()` too: both fold all series into one.
    pub grouping: Option<Grouping>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorOp {
    Sum,
    Avg,
    Count,
    Max,
    Min,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    ApproxTopk,
    Sort,
    SortDesc,
}

/// `a + on(x) group_left(y) b`
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    pub op: BinaryOp,
    pub lhs: MetricExpr,
    pub rhs: MetricExpr,
    pub modifier: BinaryModifier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Or,
    And,
    Unless,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
}

/// How the two sides of an operator find each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinaryModifier {
    /// `bool`: a comparison answers 0 or 1 instead of filtering.
    pub returns_bool: bool,
    /// None stands for `ignoring ()` too: all labels must be equal.
    pub matching: Option<VectorMatching>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct VectorMatching {
    pub on: MatchingLabels,
    pub group: MatchingGroup,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MatchingLabels {
    On(Vec<String>),
    Ignoring(Vec<String>),
}

/// Which side may have several partners; the labels are copied from the side that has one.
#[derive(Clone, Debug, PartialEq)]
pub enum MatchingGroup {
    OneToOne,
    /// `group_left(labels)`
    ManyToOne(Vec<String>),
    /// `group_right(labels)`
    OneToMany(Vec<String>),
}

/// `label_replace(v, "dst", "$1", "src", "regex")`
#[derive(Clone, Debug, PartialEq)]
pub struct LabelReplace {
    pub inner: MetricExpr,
    pub target: String,
    pub replacement: String,
    pub source: String,
    pub pattern: String,
}
