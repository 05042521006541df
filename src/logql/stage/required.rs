//! Texts that a line must hold to pass: what the store may look for before a stage runs.
//!
//! Promises: never a false negative. A line without one of these texts would be dropped by the stages anyway.

use regex_syntax::hir::{Hir, HirKind};

use crate::logql::ast::{LineFilter, LineOp, LineTest, Stage};
use crate::logql::stage::pattern_expr::{self, Part};
use crate::logql::stage::reorder;
use crate::model::re2;

/// All texts that the line as it is stored must hold, in the order of the stages, each once.
pub fn required_substrings(stages: &[Stage]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for stage in reorder(stages) {
        match stage {
            Stage::Line(filter) => {
                for text in of_filter(filter) {
                    if !text.is_empty() && !texts.contains(&text) {
                        texts.push(text);
                    }
                }
            }
            // these change the line, so later filters see another text
            Stage::LineFormat(_) | Stage::Unpack | Stage::Decolorize => break,
            Stage::Json(_)
            | Stage::Logfmt { .. }
            | Stage::Regexp(_)
            | Stage::Pattern(_)
            | Stage::Label(_)
            | Stage::LabelFormat(_)
            | Stage::Drop(_)
            | Stage::Keep(_) => {}
        }
    }
    texts
}

fn of_filter(filter: &LineFilter) -> Vec<String> {
    let [LineTest::Text(text)] = filter.alternatives.as_slice() else { return Vec::new() };
    match filter.op {
        LineOp::Contains => vec![text.clone()],
        LineOp::Matches => of_regex(text),
        LineOp::Pattern => literals(text),
        LineOp::NotContains | LineOp::NotMatches | LineOp::NotPattern => Vec::new(),
    }
}

fn literals(pattern: &str) -> Vec<String> {
    let literal = |part| match part {
        Part::Literal(text) => Some(text),
        Part::Capture(_) => None,
    };
    pattern_expr::parse(pattern).into_iter().filter_map(literal).collect()
}

fn of_regex(pattern: &str) -> Vec<String> {
    let Ok(hir) = re2::parse(pattern) else { return Vec::new() };
    let mut texts = Vec::new();
    collect(&hir, &mut texts);
    texts
}

/// Adds the texts that every match holds.
pub(crate) fn collect(hir: &Hir, texts: &mut Vec<String>) {
    match hir.kind() {
        HirKind::Literal(literal) => {
            if let Ok(text) = std::str::from_utf8(&literal.0) {
                texts.push(text.to_owned());
            }
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| collect(part, texts)),
        HirKind::Capture(capture) => collect(&capture.sub, texts),
        HirKind::Repetition(repetition) if repetition.min > 0 => collect(&repetition.sub, texts),
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{LineFilter, LineOp, LineTest, Stage};
    use crate::logql::stage::required_substrings;

    fn line(op: LineOp, texts: &[&str]) -> Stage {
        let alternatives = texts.iter().map(|text| LineTest::Text((*text).to_owned())).collect();
        Stage::Line(LineFilter { op, alternatives })
    }

    #[track_caller]
    fn check(stages: &[Stage], expected: &[&str]) {
        assert_eq!(required_substrings(stages), expected);
    }

    #[test]
    fn texts_of_positive_filters_are_required() {
        let stages = [line(LineOp::Contains, &["error"]), line(LineOp::NotContains, &["debug"])];
        check(&stages, &["error"]);
        check(&[line(LineOp::Contains, &["a", "b"])], &[]);
        check(&[line(LineOp::Contains, &[""])], &[]);
        check(&[line(LineOp::Pattern, &["<_> level=error <_>"])], &[" level=error "]);
    }

    #[test]
    fn literal_parts_of_a_pattern_are_required_where_every_match_holds_them() {
        let table: [(&str, &[&str]); 10] = [
            ("timeout", &["timeout"]),
            ("order .* failed", &["order ", " failed"]),
            ("(payment) id=\\d+ x", &["payment", " id=", " x"]),
            ("a|b", &[]),
            ("x(foo|bar)y", &["x", "y"]),
            ("(?i)error", &[]),
            ("(abc)+", &["abc"]),
            ("(abc)*", &[]),
            ("(abc)?d", &["d"]),
            ("^start", &["start"]),
        ];
        for (pattern, expected) in table {
            check(&[line(LineOp::Matches, &[pattern])], expected);
        }
    }

    #[test]
    fn filters_behind_a_changed_line_require_nothing() {
        let stages =
            [line(LineOp::Contains, &["a"]), Stage::LineFormat("{{.x}}".to_owned()), line(LineOp::Contains, &["b"])];
        check(&stages, &["a"]);
        check(&[Stage::Unpack, line(LineOp::Contains, &["b"])], &[]);
        check(&[Stage::Decolorize, line(LineOp::Contains, &["b"])], &["b"]);
    }
}
