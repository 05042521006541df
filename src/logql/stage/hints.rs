//! What parsers may leave out: fields that nothing later looks at, and lines that a later filter drops anyway.
//!
//! Loki does the same, and it shows in answers: a field is taken once, a line's errors are not seen when its wanted
//! fields came before them, and a filter on a parsed label already acts when the label is parsed.

use crate::logql::ast::{LabelFilter, Stage, Unwrap};
use crate::logql::stage::changes::Changes;
use crate::logql::stage::label_filter::Condition;
use crate::logql::stage::labels::{ERROR_LABEL, EXTRACTED_SUFFIX, LineLabels};
use crate::logql::stage::processed::Wanted;
use crate::logql::stage::{CompileError, Step};

/// What is known before the first line about which labels matter.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Nothing looks at any parsed label.
    none: bool,
    /// Only these are looked at; empty means all.
    required: Vec<String>,
    /// A filter asks for errors, so they must not fail a metric query.
    pub(crate) preserve_error: bool,
    /// Conditions on one label, applied as soon as a parser finds it.
    filters: Vec<(String, Condition)>,
}

impl Hints {
    /// What the stages, the unwrapped label and the grouping look at.
    pub(crate) fn new(
        stages: &[&Stage],
        steps: &[Step],
        unwrap: Option<&Unwrap>,
        wanted: &Wanted,
    ) -> Result<Hints, CompileError> {
        let mut filters = Vec::new();
        let mut required: Vec<String> = Vec::new();
        let mut look_at = |filter: &LabelFilter, alone: bool| {
            let condition = Condition::new(filter)?;
            let mut names = Vec::new();
            condition.names(&mut names);
            required.extend(names.into_iter().map(str::to_owned));
            if alone && let Some(name) = single_label(filter) {
                filters.push((name.to_owned(), condition));
            }
            Ok(())
        };
        for stage in stages {
            if let Stage::Label(filter) = stage {
                look_at(filter, true).map_err(|reason: String| CompileError { stage: stage.to_string(), reason })?;
            }
        }
        if let Some(unwrap) = unwrap {
            for filter in &unwrap.filters {
                look_at(filter, unwrap.filters.len() == 1)
                    .map_err(|reason| CompileError { stage: "| unwrap".to_owned(), reason })?;
            }
        }
        required.extend(steps.iter().flat_map(Step::reads));
        let unwrapped = unwrap.map(|unwrap| unwrap.label.as_str());
        let groups: &[String] = match wanted {
            Wanted::By(names) | Wanted::Without(names) | Wanted::ByStream { line: names, .. } => names,
            Wanted::AllBut(name) => std::slice::from_ref(name),
            Wanted::All | Wanted::None => &[],
        };
        let mut names: Vec<String> = Vec::new();
        let all = required.iter().map(String::as_str).chain(groups.iter().map(String::as_str)).chain(unwrapped);
        for name in all {
            let stem = name.strip_suffix(EXTRACTED_SUFFIX);
            for name in [Some(name), stem].into_iter().flatten() {
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
        let preserve_error = names.iter().any(|name| name == ERROR_LABEL);
        Ok(match wanted {
            Wanted::None | Wanted::ByStream { .. } if names.is_empty() => Hints { none: true, ..Hints::default() },
            Wanted::ByStream { .. } if groups.is_empty() => {
                Hints { none: false, required: names, preserve_error, filters }
            }
            Wanted::None => Hints { none: false, required: names, preserve_error, filters },
            Wanted::By(_) | Wanted::ByStream { .. } if !groups.is_empty() => {
                Hints { none: false, required: names, preserve_error, filters: Vec::new() }
            }
            Wanted::All | Wanted::By(_) | Wanted::ByStream { .. } | Wanted::Without(_) | Wanted::AllBut(_) => {
                Hints { filters, ..Hints::default() }
            }
        })
    }

    /// Whether nothing looks at any parsed label.
    pub(crate) fn is_none(&self) -> bool {
        self.none
    }

    /// The labels that are looked at; `None` where all are.
    pub(crate) fn required(&self) -> Option<&[String]> {
        if self.required.is_empty() && !self.none { None } else { Some(&self.required) }
    }

    /// Whether a field of this name is worth taking.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.required.is_empty() || self.is_required(name)
    }

    pub(crate) fn is_required(&self, name: &str) -> bool {
        self.required.iter().any(|known| known == name)
    }

    /// Whether a field whose name starts so may be worth taking.
    pub(crate) fn wants_prefix(&self, prefix: &str) -> bool {
        self.required.is_empty() || self.required.iter().any(|known| known.starts_with(prefix))
    }

    /// Whether parsing this line further cannot change anything.
    pub(crate) fn is_done(&self, changes: &Changes) -> bool {
        self.none || self.has_all(changes)
    }

    /// Whether everything that is looked at was found.
    pub(crate) fn has_all(&self, changes: &Changes) -> bool {
        !self.required.is_empty() && changes.required_count == self.required.len()
    }

    /// Whether the line may still pass, now that this label is known.
    pub(crate) fn lets_pass(&self, name: &str, labels: &mut LineLabels<'_>) -> bool {
        match self.filters.iter().find(|(known, _)| known == name) {
            Some((_, condition)) => condition.passes(labels),
            None => true,
        }
    }
}

/// The one label that a filter looks at, where it looks at just one and is no combination.
pub(crate) fn single_label(filter: &LabelFilter) -> Option<&str> {
    match filter {
        LabelFilter::Text { name, .. }
        | LabelFilter::Number { name, .. }
        | LabelFilter::Duration { name, .. }
        | LabelFilter::Bytes { name, .. }
        | LabelFilter::Ip { name, .. } => Some(name),
        LabelFilter::And(..) | LabelFilter::Or(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Expr, MetricExpr};
    use crate::logql::parse;
    use crate::logql::stage::{Pipeline, Scratch, Wanted};
    use crate::model::{Labels, Timestamp};

    /// Which labels the stages make of a line, where lines are summed by `a`.
    #[track_caller]
    fn made(stages: &str, line: &str) -> String {
        let op = if stages.contains("unwrap") { "avg_over_time" } else { "count_over_time" };
        let query = format!("{op}({{x=\"y\"}} {stages} [1m])");
        let Ok(Expr::Metric(MetricExpr::Range(range))) = parse(&query) else { panic!("{query}") };
        let wanted = Wanted::By(vec!["a".to_owned()]);
        let pipeline = Pipeline::for_metric(&range.log.log.stages, range.log.unwrap.as_ref(), wanted).expect(stages);
        let (none, mut scratch) = (Labels::default(), Scratch::default());
        let processed = pipeline.process(Timestamp::default(), line, &none, &none, &mut scratch).expect(stages);
        processed.parsed_labels().iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn parsers_make_only_labels_that_something_looks_at() {
        let json = r#"{"a":"1","b":"2","c":{"d":"3","e":"4"},"f":"5s","g":"6"}"#;
        let logfmt = "a=1 b=2 c_d=3 c_e=4 f=5s g=6";
        for (parser, line) in [
            ("| json", json),
            ("| logfmt", logfmt),
            ("| pattern `a=<a> b=<b> c_d=<c_d> c_e=<c_e> f=<f> g=<g>`", logfmt),
            ("| regexp `a=(?P<a>.) b=(?P<b>.) c_d=(?P<c_d>.) c_e=(?P<c_e>.) f=(?P<f>..) g=(?P<g>.)`", logfmt),
        ] {
            let made = |later: &str| made(&format!("{parser} {later}"), line);
            assert_eq!(made(""), "a");
            assert_eq!(made("| b=\"2\""), "a b");
            assert_eq!(made("| b=\"2\" or c_d > 5"), "a b c_d");
            assert_eq!(made("| unwrap b"), "a b");
            assert_eq!(made("| unwrap duration(f) | b=\"2\""), "a b f");
            assert_eq!(made("| line_format `{{.g}} {{if .b}}{{.c_e}}{{end}}`"), "a b c_e g");
            assert_eq!(made("| label_format h=`{{.b}}`"), "a b h");
            assert_eq!(made("| label_format h=b"), "a h");
            assert_eq!(made("| drop b, c_d"), "a");
            assert_eq!(made("| keep a, b"), "a");
        }
        let packed = r#"{"a":"1","b":"2","_entry":"x"}"#;
        assert_eq!(made("| unpack", packed), "a");
        assert_eq!(made("| unpack | b=\"2\"", packed), "a b");
    }
}
