//! Expressions made by chance, of every kind that the parser can make. For tests.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any};
use proptest::prop_oneof;
use proptest::sample::select;

use crate::logql::ast::{
    Binary, BinaryModifier, BinaryOp, Comparison, Conversion, Expr, Extraction, Grouping, GroupingKind, LabelChoice,
    LabelFilter, LabelFormat, LabelFormatValue, LabelReplace, LineFilter, LineOp, LineTest, LogExpr, LogRange,
    MatchingGroup, MatchingLabels, MetricExpr, RangeAggregation, RangeOp, Stage, Unwrap, VectorAggregation,
    VectorMatching, VectorOp,
};
use crate::logql::literal::rounded_bytes;
use crate::model::{MatchOp, Matcher};

/// A word or sign of the language.
pub(crate) fn word() -> impl Strategy<Value = String> {
    let words = "{ } ( ) | |= != |~ !~ |> !> = =~ == < > <= >= , . + - * / % ^ json logfmt regexp pattern unpack unwrap \
                 line_format label_format decolorize drop keep ip( by without sum( rate( topk( vector( label_replace( \
                 avg_over_time( on ignoring bool group_left or and unless offset a b \"x\" `y` 5 1.5 5m 20MiB [5m] \
                 {a=\"b\"} --strict duration( | json [1h]) )";
    select(words.split(' ').map(str::to_owned).collect::<Vec<_>>())
}

pub(crate) fn expr() -> impl Strategy<Value = Expr> {
    prop_oneof![log().prop_map(Expr::Log), metric().prop_map(Expr::Metric)]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z_][a-zA-Z0-9_]{0,8}".prop_filter("a word of the language is no name", |name| {
            let kind = crate::logql::token::WORDS.iter().any(|(word, _)| name.eq_ignore_ascii_case(word));
            !kind
        }),
        select(vec!["rate", "sum", "bytes", "duration", "vector"]).prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z ]{0,10}", "\\PC{0,8}", any::<String>().prop_map(|text| text.replace('\0', ""))]
}

fn match_op() -> impl Strategy<Value = MatchOp> {
    select(vec![MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex])
}

fn pattern() -> impl Strategy<Value = String> {
    select(vec!["foo|bar", ".*x.*", "2..", "a`b", "[0-9]+", "", "\\d{2}"]).prop_map(str::to_owned)
}

fn matcher() -> impl Strategy<Value = Matcher> {
    (name(), match_op(), text(), pattern()).prop_map(|(name, op, text, pattern)| match op {
        MatchOp::Equal | MatchOp::NotEqual => Matcher::new(op, name, text).unwrap(),
        MatchOp::Regex | MatchOp::NotRegex => Matcher::new(op, name, pattern).unwrap(),
    })
}

fn log() -> impl Strategy<Value = LogExpr> {
    (vec(matcher(), 0..3), vec(stage(), 0..5)).prop_map(|(selector, mut stages)| {
        // `drop a != "x"` drops a label with a value: there is no way to write the other thing
        stages.dedup_by(|later, earlier| takes_operator(earlier) && is_operator(later));
        LogExpr { selector, stages }
    })
}

fn takes_operator(stage: &Stage) -> bool {
    matches!(stage, Stage::Drop(choices) | Stage::Keep(choices) if matches!(choices.last(), Some(LabelChoice::Name(_))))
}

fn is_operator(stage: &Stage) -> bool {
    matches!(stage, Stage::Line(filter) if matches!(filter.op, LineOp::NotContains | LineOp::NotMatches))
}

fn line_test() -> impl Strategy<Value = LineTest> {
    prop_oneof![text().prop_map(LineTest::Text), text().prop_map(LineTest::Ip)]
}

fn stage() -> impl Strategy<Value = Stage> {
    let positive = select(vec![LineOp::Contains, LineOp::Matches, LineOp::Pattern]);
    let negative = select(vec![LineOp::NotContains, LineOp::NotMatches, LineOp::NotPattern]);
    let extractions = || vec((name(), text()).prop_map(|(label, expression)| Extraction { label, expression }), 0..3);
    prop_oneof![
        (positive, vec(line_test(), 1..4)).prop_map(|(op, alternatives)| Stage::Line(LineFilter { op, alternatives })),
        (negative, line_test()).prop_map(|(op, test)| Stage::Line(LineFilter { op, alternatives: vec![test] })),
        extractions().prop_map(Stage::Json),
        (any::<bool>(), any::<bool>(), extractions()).prop_map(|(strict, keep_empty, extractions)| Stage::Logfmt {
            strict,
            keep_empty,
            extractions
        }),
        select(vec!["(?P<a>.*)", "x(?P<b>\\d+)\"`"]).prop_map(|pattern| Stage::Regexp(pattern.to_owned())),
        select(vec!["<a> <_>", "\"<b>\" `"]).prop_map(|pattern| Stage::Pattern(pattern.to_owned())),
        Just(Stage::Unpack),
        Just(Stage::Decolorize),
        label_filter().prop_map(Stage::Label),
        text().prop_map(Stage::LineFormat),
        vec(label_format(), 1..3).prop_map(Stage::LabelFormat),
        vec(label_choice(), 1..3).prop_map(Stage::Drop),
        vec(label_choice(), 1..3).prop_map(Stage::Keep),
    ]
}

fn label_format() -> impl Strategy<Value = LabelFormat> {
    let value = prop_oneof![name().prop_map(LabelFormatValue::Rename), text().prop_map(LabelFormatValue::Template)];
    (name(), value).prop_map(|(label, value)| LabelFormat { label, value })
}

fn label_choice() -> impl Strategy<Value = LabelChoice> {
    prop_oneof![name().prop_map(LabelChoice::Name), matcher().prop_map(LabelChoice::Matching)]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    select(vec![Equal, NotEqual, Greater, GreaterOrEqual, Less, LessOrEqual])
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1_000_000i32..1_000_000).prop_map(|value| f64::from(value) / 100.0),
        proptest::num::f64::NORMAL,
        Just(0.0),
    ]
}

fn label_filter() -> BoxedStrategy<LabelFilter> {
    let leaf = prop_oneof![
        matcher().prop_map(|matcher| LabelFilter::Text {
            name: matcher.name().to_owned(),
            op: matcher.op(),
            value: matcher.value().to_owned(),
        }),
        (name(), comparison(), number()).prop_map(|(name, op, value)| LabelFilter::Number { name, op, value }),
        (name(), comparison(), any::<i64>()).prop_map(|(name, op, value)| LabelFilter::Duration { name, op, value }),
        (name(), comparison(), 0..10_000_000_000_000_000u64).prop_map(|(name, op, value)| LabelFilter::Bytes {
            name,
            op,
            value: rounded_bytes(value)
        }),
        (name(), any::<bool>(), text()).prop_map(|(name, negated, pattern)| LabelFilter::Ip { name, negated, pattern }),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        (any::<bool>(), inner.clone(), inner).prop_map(|(and, left, right)| {
            let (left, right) = (Box::new(left), Box::new(right));
            if and { LabelFilter::And(left, right) } else { LabelFilter::Or(left, right) }
        })
    })
    .boxed()
}

fn grouping() -> impl Strategy<Value = Grouping> {
    (select(vec![GroupingKind::By, GroupingKind::Without]), vec(name(), 0..3))
        .prop_map(|(kind, labels)| Grouping { kind, labels })
}

fn log_range(unwrap: BoxedStrategy<Option<Unwrap>>) -> impl Strategy<Value = LogRange> {
    let milliseconds = |range: std::ops::Range<i64>| range.prop_map(|value| value * 1_000_000);
    let offset = prop_oneof![Just(0), milliseconds(-100_000_000i64..100_000_000)];
    (log(), milliseconds(0..100_000_000_000i64), offset, unwrap)
        .prop_map(|(log, range_ns, offset_ns, unwrap)| LogRange { log, range_ns, offset_ns, unwrap })
}

fn unwrap() -> impl Strategy<Value = Unwrap> {
    let conversion = option::of(select(Conversion::ALL.to_vec()));
    (name(), conversion, vec(label_filter(), 0..2)).prop_map(|(label, conversion, filters)| Unwrap {
        label,
        conversion,
        filters,
    })
}

fn range_aggregation() -> impl Strategy<Value = RangeAggregation> {
    let plain =
        (select(vec![RangeOp::Rate, RangeOp::CountOverTime, RangeOp::AbsentOverTime]), log_range(Just(None).boxed()))
            .prop_map(|(op, log)| RangeAggregation { op, parameter: None, log, grouping: None });
    let unwrapped = (
        select(vec![RangeOp::AvgOverTime, RangeOp::QuantileOverTime, RangeOp::MaxOverTime]),
        log_range(unwrap().prop_map(Some).boxed()),
        option::of(grouping()),
        (0..100u32).prop_map(|value| f64::from(value) / 100.0),
    )
        .prop_map(|(op, log, grouping, parameter)| RangeAggregation {
            op,
            parameter: (op == RangeOp::QuantileOverTime).then_some(parameter),
            log,
            grouping,
        });
    prop_oneof![plain, unwrapped]
}

fn metric() -> impl Strategy<Value = MetricExpr> {
    prop_oneof![number().prop_map(MetricExpr::Literal), series()]
}

/// A metric expression that is no number.
fn series() -> BoxedStrategy<MetricExpr> {
    let leaf = prop_oneof![
        range_aggregation().prop_map(MetricExpr::Range),
        number().prop_map(|value| MetricExpr::VectorOf(value.abs())),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let vector = (select(VectorOp::ALL.to_vec()), inner.clone(), option::of(grouping()), 1..1000i64).prop_map(
            |(op, inner, grouping, parameter)| {
                let takes_parameter = matches!(op, VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk);
                let plain = matches!(op, VectorOp::Sort | VectorOp::SortDesc | VectorOp::ApproxTopk);
                let grouping = grouping
                    .filter(|grouping| !(plain || grouping.kind == GroupingKind::By && grouping.labels.is_empty()));
                let parameter = takes_parameter.then_some(parameter);
                MetricExpr::Vector(VectorAggregation { op, parameter, inner: Box::new(inner), grouping })
            },
        );
        let replace = (inner.clone(), text(), text(), text(), pattern()).prop_map(
            |(inner, target, replacement, source, pattern)| {
                MetricExpr::LabelReplace(Box::new(LabelReplace { inner, target, replacement, source, pattern }))
            },
        );
        prop_oneof![vector, replace, binary(inner)]
    })
    .boxed()
}

fn binary(inner: BoxedStrategy<MetricExpr>) -> impl Strategy<Value = MetricExpr> {
    use BinaryOp::{Add, And, Divide, Equal, Greater, Modulo, Multiply, NotEqual, Or, Power, Subtract, Unless};
    let op = select(vec![Add, And, Divide, Equal, Greater, Modulo, Multiply, NotEqual, Or, Power, Subtract, Unless]);
    let on = prop_oneof![
        vec(name(), 0..3).prop_map(MatchingLabels::On),
        vec(name(), 0..3).prop_map(MatchingLabels::Ignoring),
    ];
    let group = prop_oneof![
        Just(MatchingGroup::OneToOne),
        vec(name(), 0..3).prop_map(MatchingGroup::ManyToOne),
        vec(name(), 0..3).prop_map(MatchingGroup::OneToMany),
    ];
    let matching = option::of((on, group).prop_map(|(on, group)| VectorMatching { on, group }));
    let scalar = option::of((number(), any::<bool>()));
    (op, inner.clone(), inner, any::<bool>(), matching, scalar).prop_map(
        |(op, left, right, returns_bool, matching, scalar)| {
            let plain = VectorMatching { on: MatchingLabels::Ignoring(Vec::new()), group: MatchingGroup::OneToOne };
            let matching = matching.filter(|matching| *matching != plain);
            let (lhs, rhs) = match scalar {
                Some((value, true)) if !op.is_set() => (MetricExpr::Literal(value), right),
                Some((value, false)) if !op.is_set() => (left, MetricExpr::Literal(value)),
                Some(_) | None => (left, right),
            };
            MetricExpr::Binary(Box::new(Binary { op, lhs, rhs, modifier: BinaryModifier { returns_bool, matching } }))
        },
    )
}
