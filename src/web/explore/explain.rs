//! A query in words, step by step, in the order in which the steps happen.
//!
//! Promises: every stage and function of the query has its step, whatever the query. Pure.

use crate::logql::ast::{
    Binary, BinaryModifier, BinaryOp, Comparison, Conversion, Expr, Extraction, Grouping, GroupingKind, LabelChoice,
    LabelFilter, LabelFormatValue, LabelReplace, LineFilter, LineOp, LineTest, LogExpr, MatchingGroup, MatchingLabels,
    MetricExpr, RangeAggregation, RangeOp, Stage, Unwrap, VectorAggregation, VectorOp,
};
use crate::logql::gotext::duration;
use crate::model::{MatchOp, Matcher};
use crate::web::explore::literal;
use crate::web::language::Language;

/// One step: the part of the query that it is, and what that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Empty where a step only announces others.
    pub(crate) code: String,
    pub(crate) text: String,
}

/// The steps of a query.
pub(crate) fn explain(expr: &Expr, say: Language) -> Vec<Step> {
    let mut teller = Teller { say, steps: Vec::new() };
    match expr {
        Expr::Log(log) => teller.log(log),
        Expr::Metric(metric) => teller.metric(metric),
    }
    teller.steps
}

struct Teller {
    say: Language,
    steps: Vec<Step>,
}

impl Teller {
    fn tell(&mut self, code: &impl ToString, text: impl Into<String>) {
        self.steps.push(Step { code: code.to_string(), text: text.into() });
    }

    fn log(&mut self, log: &LogExpr) {
        let say = self.say;
        let conditions: Vec<String> = log.selector.iter().map(|matcher| matcher_words(matcher, say)).collect();
        let text = match conditions.into_iter().reduce(|one, other| say.says_and(&one, &other)) {
            None => say.explain_all().to_owned(),
            Some(conditions) => say.explain_streams(&conditions),
        };
        let bare = LogExpr { selector: log.selector.clone(), stages: Vec::new() };
        self.tell(&Expr::Log(bare), text);
        for stage in &log.stages {
            self.tell(stage, stage_words(stage, say));
        }
    }

    fn metric(&mut self, metric: &MetricExpr) {
        let say = self.say;
        match metric {
            MetricExpr::Range(range) => self.range(range),
            MetricExpr::Vector(vector) => {
                self.metric(&vector.inner);
                self.vector(vector);
            }
            MetricExpr::Binary(binary) => self.binary(binary),
            MetricExpr::Literal(value) => self.tell(metric, say.explain_literal(&value.to_string())),
            MetricExpr::VectorOf(value) => self.tell(metric, say.explain_vector(&value.to_string())),
            MetricExpr::LabelReplace(replace) => {
                self.metric(&replace.inner);
                let LabelReplace { target, replacement, source, pattern, .. } = replace.as_ref();
                self.tell(&"label_replace", say.explain_label_replace(target, replacement, source, pattern));
            }
        }
    }

    fn range(&mut self, range: &RangeAggregation) {
        let say = self.say;
        self.log(&range.log.log);
        if let Some(unwrap) = &range.log.unwrap {
            self.tell(&format!("| unwrap {}", unwrap_code(unwrap)), unwrap_words(unwrap, say));
            for filter in &unwrap.filters {
                self.tell(&format!("| {filter}"), say.explain_filter(&filter_words(filter, say)));
            }
        }
        let mut texts = vec![range_words(range, say)];
        match range.log.offset_ns {
            0 => {}
            back @ 1.. => texts.push(say.explain_offset(&exact(back, say))),
            ahead => texts.push(say.explain_offset_ahead(&exact(ahead.saturating_neg(), say))),
        }
        texts.extend(range.grouping.as_ref().map(|grouping| grouping_words(grouping, say)));
        let length = short(range.log.range_ns);
        let grouping = range.grouping.as_ref().map(|grouping| format!(" {grouping}")).unwrap_or_default();
        self.tell(&format!("{}([{length}]){grouping}", range.op.name()), texts.join(" "));
    }

    fn vector(&mut self, vector: &VectorAggregation) {
        let say = self.say;
        let count = vector.parameter.unwrap_or(1);
        let done = match vector.op {
            VectorOp::Sum => say.explain_series_sum().to_owned(),
            VectorOp::Avg => say.explain_series_average().to_owned(),
            VectorOp::Count => say.explain_series_count().to_owned(),
            VectorOp::Max => say.explain_series_most().to_owned(),
            VectorOp::Min => say.explain_series_least().to_owned(),
            VectorOp::Stddev => say.explain_series_deviation().to_owned(),
            VectorOp::Stdvar => say.explain_series_variance().to_owned(),
            VectorOp::Topk => say.explain_top(count),
            VectorOp::Bottomk => say.explain_bottom(count),
            VectorOp::ApproxTopk => say.explain_top_roughly(count),
            VectorOp::Sort => say.explain_sort().to_owned(),
            VectorOp::SortDesc => say.explain_sort_desc().to_owned(),
        };
        let folds = !matches!(
            vector.op,
            VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk | VectorOp::Sort | VectorOp::SortDesc
        );
        let grouped = match &vector.grouping {
            Some(grouping) => Some(grouping_words(grouping, say)),
            None => folds.then(|| say.explain_one().to_owned()),
        };
        let text = [done].into_iter().chain(grouped).collect::<Vec<_>>().join(" ");
        let parameter = vector.parameter.map(|count| format!("({count})")).unwrap_or_default();
        let grouping = vector.grouping.as_ref().map(|grouping| format!(" {grouping}")).unwrap_or_default();
        self.tell(&format!("{}{parameter}{grouping}", vector.op.name()), text);
    }

    fn binary(&mut self, binary: &Binary) {
        let say = self.say;
        self.tell(&"", say.explain_left());
        self.metric(&binary.lhs);
        self.tell(&"", say.explain_right());
        self.metric(&binary.rhs);
        let mut texts = vec![operator_words(binary.op, &binary.modifier, say)];
        if let Some(matching) = &binary.modifier.matching {
            match &matching.on {
                MatchingLabels::On(labels) => texts.push(say.explain_on(&labels.join(", "))),
                MatchingLabels::Ignoring(labels) => texts.push(say.explain_ignoring(&labels.join(", "))),
            }
            let (many, copied) = match &matching.group {
                MatchingGroup::OneToOne => (None, None),
                MatchingGroup::ManyToOne(labels) => (Some(say.explain_many_left()), Some(labels)),
                MatchingGroup::OneToMany(labels) => (Some(say.explain_many_right()), Some(labels)),
            };
            texts.extend(many.map(str::to_owned));
            texts.extend(
                copied.filter(|labels| !labels.is_empty()).map(|labels| say.explain_copied(&labels.join(", "))),
            );
        }
        self.tell(&binary.op.sign(), texts.join(" "));
    }
}

fn operator_words(op: BinaryOp, modifier: &BinaryModifier, say: Language) -> String {
    match op {
        BinaryOp::Add => say.explain_add().to_owned(),
        BinaryOp::Subtract => say.explain_subtract().to_owned(),
        BinaryOp::Multiply => say.explain_multiply().to_owned(),
        BinaryOp::Divide => say.explain_divide().to_owned(),
        BinaryOp::Modulo => say.explain_modulo().to_owned(),
        BinaryOp::Power => say.explain_power().to_owned(),
        BinaryOp::Or => say.explain_or().to_owned(),
        BinaryOp::And => say.explain_and().to_owned(),
        BinaryOp::Unless => say.explain_unless().to_owned(),
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual
            if modifier.returns_bool =>
        {
            say.explain_compared_bool(op.sign())
        }
        BinaryOp::Equal
        | BinaryOp::NotEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterOrEqual
        | BinaryOp::Less
        | BinaryOp::LessOrEqual => say.explain_compared(op.sign()),
    }
}

fn range_words(range: &RangeAggregation, say: Language) -> String {
    let span = &exact(range.log.range_ns, say);
    let label = range.log.unwrap.as_ref().map(|unwrap| unwrap.label.as_str());
    let of = label.unwrap_or("");
    match range.op {
        RangeOp::Rate => label.map_or_else(|| say.explain_rate(span), |label| say.explain_rate_of(label, span)),
        RangeOp::RateCounter => say.explain_rate_counter(of, span),
        RangeOp::CountOverTime => say.explain_count(span),
        RangeOp::BytesRate => say.explain_bytes_rate(span),
        RangeOp::BytesOverTime => say.explain_bytes(span),
        RangeOp::AbsentOverTime => say.explain_absent(span),
        RangeOp::SumOverTime => say.explain_sum(of, span),
        RangeOp::AvgOverTime => say.explain_average(of, span),
        RangeOp::MinOverTime => say.explain_least(of, span),
        RangeOp::MaxOverTime => say.explain_most(of, span),
        RangeOp::StdvarOverTime => say.explain_variance(of, span),
        RangeOp::StddevOverTime => say.explain_deviation(of, span),
        RangeOp::QuantileOverTime => {
            // as many digits as tell 99.9 from 99.99, and none of those that 0.07 times 100 makes up
            let percent = (range.parameter.unwrap_or(0.0) * 1e8).round() / 1e6;
            say.explain_quantile(of, span, &percent.to_string())
        }
        RangeOp::FirstOverTime => say.explain_first(of, span),
        RangeOp::LastOverTime => say.explain_last(of, span),
    }
}

fn grouping_words(grouping: &Grouping, say: Language) -> String {
    let labels = grouping.labels.join(", ");
    match grouping.kind {
        GroupingKind::By if labels.is_empty() => say.explain_one().to_owned(),
        GroupingKind::By => say.explain_by(&labels),
        GroupingKind::Without => say.explain_without(&labels),
    }
}

fn unwrap_code(unwrap: &Unwrap) -> String {
    match unwrap.conversion {
        None => unwrap.label.clone(),
        Some(conversion) => format!("{}({})", conversion.name(), unwrap.label),
    }
}

fn unwrap_words(unwrap: &Unwrap, say: Language) -> String {
    match unwrap.conversion {
        None => say.explain_unwrap(&unwrap.label),
        Some(Conversion::Duration | Conversion::DurationSeconds) => say.explain_unwrap_seconds(&unwrap.label),
        Some(Conversion::Bytes) => say.explain_unwrap_bytes(&unwrap.label),
    }
}

fn stage_words(stage: &Stage, say: Language) -> String {
    match stage {
        Stage::Line(filter) => line_words(filter, say),
        Stage::Json(fields) if fields.is_empty() => say.explain_json().to_owned(),
        Stage::Json(fields) => say.explain_json_some(&field_words(fields, say)),
        Stage::Logfmt { strict, keep_empty, extractions } => {
            let read = match extractions.as_slice() {
                [] => say.explain_logfmt().to_owned(),
                fields => say.explain_logfmt_some(&field_words(fields, say)),
            };
            let flags = [(*strict, say.explain_strict()), (*keep_empty, say.explain_keep_empty())];
            let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, text)| text.to_owned());
            [read].into_iter().chain(flags).collect::<Vec<_>>().join(" ")
        }
        Stage::Regexp(pattern) => say.explain_regexp(pattern),
        Stage::Pattern(pattern) => say.explain_pattern(pattern),
        Stage::Unpack => say.explain_unpack().to_owned(),
        Stage::Decolorize => say.explain_decolorize().to_owned(),
        Stage::Label(filter) => say.explain_filter(&filter_words(filter, say)),
        Stage::LineFormat(template) => say.explain_line_format(template),
        Stage::LabelFormat(formats) => {
            let texts = formats.iter().map(|format| match &format.value {
                LabelFormatValue::Rename(source) => say.explain_rename(&format.label, source),
                LabelFormatValue::Template(template) => say.explain_label_format(&format.label, template),
            });
            texts.collect::<Vec<_>>().join(" ")
        }
        Stage::Drop(choices) => say.explain_drop(&choice_words(choices, say)),
        Stage::Keep(choices) => say.explain_keep(&choice_words(choices, say)),
    }
}

fn line_words(filter: &LineFilter, say: Language) -> String {
    // a pattern that is nothing but words in either case reads as those words
    let either = |test: &LineTest| match test {
        LineTest::Text(text) => literal::unquote(text.strip_prefix("(?i)")?),
        LineTest::Ip(_) => None,
    };
    let plain: Option<Vec<String>> = filter.alternatives.iter().map(either).collect();
    let join =
        |texts: Vec<String>| texts.into_iter().reduce(|one, other| say.says_or(&one, &other)).unwrap_or_default();
    let quoted = |text: &str| format!("“{text}”");
    let texts = join(
        filter
            .alternatives
            .iter()
            .map(|test| match test {
                LineTest::Text(text) => quoted(text),
                LineTest::Ip(pattern) => say.explain_address(pattern),
            })
            .collect(),
    );
    let texts = &texts;
    match (filter.op, plain) {
        (LineOp::Matches, Some(plain)) => say.explain_contains_either(&join(plain.iter().map(|t| quoted(t)).collect())),
        (LineOp::NotMatches, Some(plain)) => {
            say.explain_excludes_either(&join(plain.iter().map(|text| quoted(text)).collect()))
        }
        (LineOp::Contains, _) => say.explain_contains(texts),
        (LineOp::NotContains, _) => say.explain_excludes(texts),
        (LineOp::Matches, None) => say.explain_matches(texts),
        (LineOp::NotMatches, None) => say.explain_matches_not(texts),
        (LineOp::Pattern, _) => say.explain_shape(texts),
        (LineOp::NotPattern, _) => say.explain_shape_not(texts),
    }
}

fn field_words(fields: &[Extraction], say: Language) -> String {
    let words = |field: &Extraction| match field.label == field.expression {
        true => field.label.clone(),
        false => say.explain_field(&field.label, &field.expression),
    };
    fields.iter().map(words).collect::<Vec<_>>().join(", ")
}

fn choice_words(choices: &[LabelChoice], say: Language) -> String {
    let words = |choice: &LabelChoice| match choice {
        LabelChoice::Name(name) => name.clone(),
        LabelChoice::Matching(matcher) => say.explain_where(matcher.name(), &matcher_words(matcher, say)),
    };
    choices.iter().map(words).collect::<Vec<_>>().join(", ")
}

fn matcher_words(matcher: &Matcher, say: Language) -> String {
    text_words(matcher.name(), matcher.op(), matcher.value(), say)
}

fn text_words(name: &str, op: MatchOp, value: &str, say: Language) -> String {
    let values = |value: &str| {
        let quoted = literal::split(value)?.into_iter().map(|text| format!("“{text}”"));
        quoted.reduce(|one, other| say.says_or(&one, &other))
    };
    match (op, value) {
        (MatchOp::Equal, "") => say.says_missing(name),
        (MatchOp::NotEqual, "") | (MatchOp::Regex, ".+") => say.says_present(name),
        (MatchOp::Equal, _) => say.says_is(name, value),
        (MatchOp::NotEqual, _) => say.says_is_not(name, value),
        (MatchOp::Regex, _) => match values(value) {
            Some(values) => say.says_one_of(name, &values),
            None => say.says_matches(name, value),
        },
        (MatchOp::NotRegex, _) => match values(value) {
            Some(values) => say.says_none_of(name, &values),
            None => say.says_matches_not(name, value),
        },
    }
}

fn filter_words(filter: &LabelFilter, say: Language) -> String {
    let side = |side: &LabelFilter| match side {
        LabelFilter::Or(..) => format!("({})", filter_words(side, say)),
        _ => filter_words(side, say),
    };
    match filter {
        LabelFilter::Text { name, op, value } => text_words(name, *op, value, say),
        LabelFilter::Number { name, op, value } => compared(name, *op, &value.to_string(), say),
        LabelFilter::Duration { name, op, value } => compared(name, *op, &exact(*value, say), say),
        LabelFilter::Bytes { name, op, value } => compared(name, *op, &size(*value), say),
        LabelFilter::Ip { name, negated: false, pattern } => say.says_address(name, pattern),
        LabelFilter::Ip { name, negated: true, pattern } => say.says_address_not(name, pattern),
        LabelFilter::And(one, other) => say.says_and(&side(one), &side(other)),
        LabelFilter::Or(one, other) => say.says_or(&filter_words(one, say), &filter_words(other, say)),
    }
}

/// A length of time in words where those are exact, else as LogQL writes it.
fn exact(nanos: i64, say: Language) -> String {
    const SECOND: i64 = 1_000_000_000;
    let (minute, hour) = (60 * SECOND, 3600 * SECOND);
    let units = [(hour, SECOND), (24 * hour, minute), (i64::MAX, hour)];
    let whole = units.into_iter().find(|(below, _)| nanos < *below).is_none_or(|(_, unit)| nanos % unit == 0);
    if whole && nanos > 0 { say.length(nanos) } else { short(nanos) }
}

/// As LogQL writes it, without the zeros at its end: `5m`, `1h30m`.
fn short(nanos: i64) -> String {
    let mut text = duration::format(nanos);
    for (end, zeros) in [("m0s", "0s"), ("h0m", "0m")] {
        if text.ends_with(end) {
            text.truncate(text.len() - zeros.len());
        }
    }
    text
}

fn size(bytes: u64) -> String {
    let units = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(unit / 10)) {
        Some((name, unit)) => format!("{} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} B"),
    }
}

fn compared(name: &str, op: Comparison, value: &str, say: Language) -> String {
    match op {
        Comparison::Equal => say.says_equal(name, value),
        Comparison::NotEqual => say.says_not_equal(name, value),
        Comparison::Greater => say.says_more(name, value),
        Comparison::GreaterOrEqual => say.says_at_least(name, value),
        Comparison::Less => say.says_less(name, value),
        Comparison::LessOrEqual => say.says_at_most(name, value),
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::parse_lenient;
    use crate::web::explore::explain::explain;
    use crate::web::language::Language;

    fn told(query: &str, say: Language) -> Vec<String> {
        let steps = explain(&parse_lenient(query).expect(query), say);
        steps.into_iter().map(|step| format!("{} → {}", step.code, step.text)).collect()
    }

    fn check(query: &str, english: &[&str], korean: &[&str]) {
        assert_eq!(told(query, Language::English), english);
        assert_eq!(told(query, Language::Korean), korean);
    }

    #[test]
    fn lines_are_told_stage_by_stage() {
        check(
            r#"{app="web", env!="dev", host=~"a|b"} |= "x" or "y" |~ "(?i)fail" | json | status >= 500 and took > 1.5s"#,
            &[
                r#"{app="web", env!="dev", host=~"a|b"} → Looks at lines whose labels fit: app is “web” and env is not “dev” and host is “a” or “b”."#,
                r#"|= "x" or "y" → Keeps lines that contain “x” or “y”."#,
                r#"|~ "(?i)fail" → Keeps lines that contain “fail”, in upper or lower case."#,
                "| json → Reads each line as JSON: all its fields can be used from here on.",
                "| ( status>=500 , took>1.5s ) → Keeps lines where status is at least 500 and took is more than 1.5s.",
            ],
            &[
                r#"{app="web", env!="dev", host=~"a|b"} → 레이블이 다음과 같은 줄을 봅니다: app 값이 “web” 그리고 env 값이 “dev” 아님 그리고 host 값이 “a” 또는 “b”."#,
                r#"|= "x" or "y" → “x” 또는 “y” 글자가 들어 있는 줄만 남깁니다."#,
                r#"|~ "(?i)fail" → 대소문자 구분 없이 “fail” 글자가 들어 있는 줄만 남깁니다."#,
                "| json → 각 줄을 JSON으로 읽습니다. 여기서부터 모든 필드를 쓸 수 있습니다.",
                "| ( status>=500 , took>1.5s ) → 조건에 맞는 줄만 남깁니다: status 500 이상 그리고 took 1.5s 초과.",
            ],
        );
    }

    #[test]
    fn numbers_are_told_from_the_lines_outward() {
        check(
            r#"topk(3, sum by (app) (quantile_over_time(0.99, {app="web"} | json | unwrap duration(took) [5m] offset 1h)))"#,
            &[
                r#"{app="web"} → Looks at lines whose labels fit: app is “web”."#,
                "| json → Reads each line as JSON: all its fields can be used from here on.",
                "| unwrap duration(took) → Takes took as a length of time, in seconds.",
                "quantile_over_time([5m]) → At each point, gives the value that 99 % of took stay at or below, over the 5 min before it. Looks 1 h further back in time.",
                "sum by (app) → Adds the series up. One result for each value of app.",
                "topk(3) → Keeps the 3 series with the greatest values.",
            ],
            &[
                r#"{app="web"} → 레이블이 다음과 같은 줄을 봅니다: app 값이 “web”."#,
                "| json → 각 줄을 JSON으로 읽습니다. 여기서부터 모든 필드를 쓸 수 있습니다.",
                "| unwrap duration(took) → took 값을 시간(초)으로 읽어 씁니다.",
                "quantile_over_time([5m]) → 각 시점마다 직전 5분 동안 took 값의 99%가 넘지 않는 값(백분위수)을 구합니다. 1시간 전의 값을 봅니다.",
                "sum by (app) → 시계열을 더합니다. app 값마다 결과를 하나씩 냅니다.",
                "topk(3) → 값이 큰 시계열 3개만 남깁니다.",
            ],
        );
    }

    #[test]
    fn both_sides_of_an_operator_are_told() {
        let steps = told(r#"rate({a="b"}[1m]) / on (a) group_left (c) rate({}[1m]) > bool 2"#, Language::English);
        assert_eq!(steps.first().unwrap(), " → First, one side:");
        assert!(steps.iter().any(|step| step
            == "/ → Divides the first side by the second. Series belong together where a are equal. Several series of the first side may share one of the second. The result also has c of the side that is shared."), "{steps:?}");
        assert_eq!(steps.last().unwrap(), "> → Gives 1 where the first side is > the second, else 0.");
    }

    #[test]
    fn every_stage_and_function_has_its_words() {
        let stages = [
            "| logfmt --strict --keep-empty a, b=\"c\"",
            "| json x=\"y[0]\"",
            "| regexp \"(?P<a>.)\"",
            "| pattern \"<a> <_>\"",
            "| unpack",
            "| decolorize",
            "| line_format \"{{.a}}\"",
            "| label_format a=b, c=\"{{.d}}\"",
            "| drop a, b=\"c\"",
            "| keep a",
            "| a=ip(\"10.0.0.0/8\")",
            "| a!=ip(\"10.0.0.0/8\")",
            "|= ip(\"10.0.0.1\")",
            "|> \"<_> x\"",
            "!> \"<_> x\"",
            "!~ \"a.*\"",
            "| size > 20MB",
            "| a=\"\"",
            "| a!=\"\"",
            "| a=~\"x.*\" or (b!~\"c|d\" and e=1)",
        ];
        let unwrapped = [
            "rate",
            "rate_counter",
            "sum_over_time",
            "avg_over_time",
            "min_over_time",
            "max_over_time",
            "stdvar_over_time",
            "stddev_over_time",
            "first_over_time",
            "last_over_time",
        ];
        let counted = ["count_over_time", "bytes_rate", "bytes_over_time", "absent_over_time"];
        let vectors = ["avg", "count", "max", "min", "stddev", "stdvar", "sort", "sort_desc"];
        let queries = stages
            .iter()
            .map(|stage| format!("{{}} {stage}"))
            .chain(unwrapped.iter().map(|op| format!("{op}({{}} | unwrap x [5m])")))
            .chain(counted.iter().map(|op| format!("{op}({{}}[5m])")))
            .chain(vectors.iter().map(|op| format!("{op}(rate({{}}[5m]))")))
            .chain(
                [
                    "label_replace(rate({}[1m]), \"a\", \"$1\", \"b\", \"(.*)\")",
                    "vector(1)",
                    "3",
                    "rate({}[1m]) unless ignoring (a) rate({}[2m])",
                ]
                .map(str::to_owned),
            );
        for query in queries {
            for say in Language::ALL {
                for step in explain(&parse_lenient(&query).expect(&query), say) {
                    assert!(!step.text.is_empty() && !step.text.contains("  "), "{query}: {step:?}");
                }
            }
        }
    }
}
