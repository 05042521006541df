//! What a label filter behind a parser asks of the text of a line, found out before the parser runs.
//!
//! `| json | status="500"` passes a line only where that holds `500`, if neither its stream nor its metadata has a label
//! `status`: a parser's values are pieces of the line. Two things make them differ from it, and a line that has one of
//! them goes on to the parser: a backslash, which may stand for any character, and U+FFFD, which parsers leave out.
//!
//! Promises: never a false no. A line that is stopped here would be dropped by the stages anyway.

use memchr::memmem::Finder;
use regex_syntax::hir::{Hir, HirKind};

use crate::logql::ast::{LabelFilter, Stage};
use crate::logql::stage::labels::EXTRACTED_SUFFIX;
use crate::logql::stage::required::collect;
use crate::model::{Labels, MatchOp, re2};

/// The first byte of U+FFFD in UTF-8.
const REPLACEMENT_FIRST: u8 = 0xef;

/// What all lines must hold, one of each.
#[derive(Debug, Default)]
pub(crate) struct Guards(Vec<Guard>);

/// One of the texts must be in a line, unless it comes with one of the labels.
#[derive(Clone, Debug)]
struct Guard {
    labels: Vec<String>,
    texts: Vec<Finder<'static>>,
}

impl Guards {
    /// What the filters among these stages ask for; the stages are in the order in which they run.
    pub(crate) fn new(stages: &[&Stage]) -> Guards {
        let mut guards = Vec::new();
        let mut made: Vec<&str> = Vec::new();
        let mut is_parsed = false;
        for stage in stages {
            match stage {
                Stage::Json(_) | Stage::Logfmt { .. } | Stage::Regexp(_) | Stage::Pattern(_) => is_parsed = true,
                Stage::LabelFormat(formats) => made.extend(formats.iter().map(|format| format.label.as_str())),
                Stage::Label(filter) if is_parsed => {
                    guards.extend(of_filter(filter).into_iter().filter(|guard| guard.is_about_lines(&made)));
                }
                Stage::Line(_) | Stage::Label(_) | Stage::Drop(_) | Stage::Keep(_) => {}
                // what a parser reads behind these is not the line as it is stored
                Stage::LineFormat(_) | Stage::Unpack | Stage::Decolorize => break,
            }
        }
        Guards(guards)
    }

    /// Whether a line may pass all filters.
    pub(crate) fn let_pass(&self, line: &str, stream: &Labels, metadata: &Labels) -> bool {
        self.0.iter().all(|guard| guard.lets_pass(line, stream, metadata))
    }
}

impl Guard {
    fn new(name: &str, texts: &[String]) -> Guard {
        let texts = texts.iter().map(|text| Finder::new(text).into_owned()).collect();
        Guard { labels: vec![name.to_owned()], texts }
    }

    /// Whether the labels can come from nowhere but the line, its stream and its metadata. Under a name with
    /// `_extracted` there may be metadata of another name.
    fn is_about_lines(&self, made: &[&str]) -> bool {
        let comes_from_elsewhere =
            |name: &String| name.starts_with("__") || name.ends_with(EXTRACTED_SUFFIX) || made.contains(&name.as_str());
        !self.labels.iter().any(comes_from_elsewhere)
    }

    fn lets_pass(&self, line: &str, stream: &Labels, metadata: &Labels) -> bool {
        let bytes = line.as_bytes();
        let has = |labels: &Labels| self.labels.iter().any(|name| labels.position(name).is_some());
        self.texts.iter().any(|text| text.find(bytes).is_some())
            || memchr::memchr2(b'\\', REPLACEMENT_FIRST, bytes).is_some()
            || has(stream)
            || has(metadata)
    }
}

/// What must hold of a line that passes a filter, all of it.
fn of_filter(filter: &LabelFilter) -> Vec<Guard> {
    match filter {
        LabelFilter::Text { name, op: MatchOp::Equal, value } if !value.is_empty() => {
            vec![Guard::new(name, std::slice::from_ref(value))]
        }
        LabelFilter::Text { name, op: MatchOp::Regex, value } => {
            let Ok(hir) = re2::parse(value) else { return Vec::new() };
            alternatives(&hir).iter().map(|texts| Guard::new(name, texts)).collect()
        }
        LabelFilter::And(left, right) => {
            let mut guards = of_filter(left);
            guards.extend(of_filter(right));
            guards
        }
        LabelFilter::Or(left, right) => {
            // where both sides ask for something, one of both must be there
            let (left, right) = (of_filter(left), of_filter(right));
            let both = left.into_iter().next().zip(right.into_iter().next());
            let both = both.map(|(mut left, right)| {
                left.labels.extend(right.labels);
                left.texts.extend(right.texts);
                left
            });
            both.into_iter().collect()
        }
        LabelFilter::Text { .. }
        | LabelFilter::Number { .. }
        | LabelFilter::Duration { .. }
        | LabelFilter::Bytes { .. }
        | LabelFilter::Ip { .. } => Vec::new(),
    }
}

/// Of each list, every match holds at least one text.
fn alternatives(hir: &Hir) -> Vec<Vec<String>> {
    match hir.kind() {
        HirKind::Alternation(branches) => {
            let longest = |branch: &Hir| {
                let mut texts = Vec::new();
                collect(branch, &mut texts);
                texts.into_iter().filter(|text| !text.is_empty()).max_by_key(String::len)
            };
            branches.iter().map(longest).collect::<Option<Vec<String>>>().into_iter().collect()
        }
        HirKind::Concat(parts) => parts.iter().flat_map(alternatives).collect(),
        HirKind::Capture(capture) => alternatives(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => alternatives(&repetition.sub),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) if !text.is_empty() => vec![vec![text.to_owned()]],
            Ok(_) | Err(_) => Vec::new(),
        },
        HirKind::Empty | HirKind::Class(_) | HirKind::Look(_) | HirKind::Repetition(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
    use proptest::sample::select;
    use proptest::{prop_assert, prop_assert_eq};

    use crate::logql::ast::{Expr, Stage};
    use crate::logql::parse;
    use crate::logql::stage::guard::{Guard, Guards};
    use crate::logql::stage::{Pipeline, Scratch};
    use crate::model::{Labels, Timestamp};

    fn stages(text: &str) -> Vec<Stage> {
        match parse(&format!("{{x=\"y\"}} {text}")).expect(text) {
            Expr::Log(log) => log.stages,
            Expr::Metric(_) => panic!("{text} is no metric query"),
        }
    }

    /// For each guard, its texts, parted by `|`.
    fn texts(text: &str) -> Vec<String> {
        let stages = stages(text);
        let guards = Guards::new(&stages.iter().collect::<Vec<_>>());
        let texts = |guard: &Guard| {
            let texts = guard.texts.iter().map(|text| String::from_utf8_lossy(text.needle()).into_owned());
            texts.collect::<Vec<_>>().join("|")
        };
        guards.0.iter().map(texts).collect()
    }

    #[test]
    fn filters_behind_a_parser_ask_for_texts() {
        let table: [(&str, &[&str]); 17] = [
            ("| json | status=\"500\"", &["500"]),
            ("| logfmt | level=~\"error|warn\" | app=\"x\"", &["error|warn", "x"]),
            ("| json | path=~\"/api/.*/orders\"", &["/api/", "/orders"]),
            ("| json | a=\"x\" or b=\"y\"", &["x|y"]),
            ("| json | a=\"x\" and b>5", &["x"]),
            ("| json | a=\"x\" or b>5", &[]),
            ("| json | a=\"\" | b!=\"x\" | c!~\"y\" | d=~\"(?i)z\" | e=~\"(uv)?\" | f=~\"a|\"", &[]),
            ("| regexp \"(?P<a>.*)\" | pattern \"<b> c\" | a=~\"(uv)+w\"", &["uv", "w"]),
            ("| a=\"x\"", &[]),
            ("| a=\"x\" | json | b=\"y\"", &["y"]),
            ("| json | label_format a=b | a=\"x\" | b=\"y\"", &["y"]),
            ("| json | label_format a=\"{{.b}}\" | a=\"x\" or b=\"y\"", &[]),
            ("| json | line_format \"{{.a}}\" | logfmt | a=\"x\"", &[]),
            ("| unpack | a=\"x\"", &[]),
            ("| decolorize | logfmt | a=\"x\"", &[]),
            ("| json | __error__=\"JSONParserErr\" | a_extracted=\"x\"", &[]),
            ("| json | drop a | a=\"x\"", &["x"]),
        ];
        for (query, expected) in table {
            assert_eq!(texts(query), expected, "{query}");
        }
    }

    #[test]
    fn what_may_stand_for_the_text_lets_a_line_pass() {
        let stages = stages("| json | a=\"x\"");
        let guards = Guards::new(&stages.iter().collect::<Vec<_>>());
        let (none, a, b) = (Labels::default(), Labels::from([("a", "1")]), Labels::from([("b", "1")]));
        assert!(guards.let_pass("{\"a\":\"x\"}", &none, &none));
        assert!(guards.let_pass("{\"a\":\"\\u0078\"}", &none, &none));
        assert!(guards.let_pass("{\"a\":\"\u{fffd}\"}", &none, &none));
        assert!(guards.let_pass("{}", &a, &none) && guards.let_pass("{}", &none, &a));
        assert!(!guards.let_pass("{\"a\":\"y\"}", &b, &b));
    }

    /// Lines in which values come plain, escaped, with U+FFFD and under names that clash.
    fn line() -> impl Strategy<Value = String> {
        let value =
            select(vec!["x", "y", "xy", "xz", "500", "", "\\u0078", "x\\\"y", "x\u{fffd}y", "한", "\\ud55c", "x y"]);
        let key = select(vec!["a", "b", "c", "a_b", "a.b", "x"]);
        (vec((key, value, any::<bool>()), 0..5), select(vec!["json", "nested", "logfmt", "other"])).prop_map(
            |(pairs, kind)| {
                let mut line = String::new();
                for (index, (key, value, quoted)) in pairs.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let _ = match kind {
                        "json" if *value == "500" => write!(line, "{comma}\"{key}\":{value}"),
                        "json" => write!(line, "{comma}\"{key}\":\"{value}\""),
                        "nested" => write!(line, "{comma}\"a\":{{\"{key}\":[\"{value}\"],\"b\":\"{value}\"}}"),
                        "logfmt" if *quoted => write!(line, "{key}=\"{value}\" "),
                        "logfmt" => write!(line, "{key}={value} "),
                        _ => write!(line, "{key} {value} "),
                    };
                }
                if matches!(kind, "json" | "nested") { format!("{{{line}}}") } else { line }
            },
        )
    }

    fn stage() -> impl Strategy<Value = String> {
        let parser = select(vec![
            "| json",
            "| json a=\"a.b\", c=\"b\"",
            "| json a=\"a\", b=\"a.c[0]\"",
            "| logfmt",
            "| logfmt --strict",
            "| logfmt --keep-empty a, b=\"c\"",
            "| regexp `(?P<a>\\S+) (?P<b>.*)`",
            "| pattern `<a>=<b> <c>`",
            "| unpack",
            "| decolorize",
            "| label_format a=b",
            "| label_format c=`{{.a}}x`, b=a",
            "| line_format `{{.a}} a=x`",
            "| drop a",
            "| keep a, b",
        ]);
        let name = select(vec!["a", "b", "c", "a_b", "a_extracted", "__error__"]);
        let value = select(vec!["x", "y", "xy", "500", "", "한", "x y", "x\\\"y"]);
        let simple =
            (name, select(vec!["=", "=~", "!=", "!~"]), value, any::<bool>()).prop_map(|(name, op, value, two)| {
                let tail = if two && op.contains('~') { "|xz" } else { "" };
                format!("{name}{op}\"{value}{tail}\"")
            });
        let filter = (simple.clone(), simple, select(vec!["", " and ", " or "])).prop_map(|(left, right, join)| {
            if join.is_empty() { format!("| {left}") } else { format!("| {left}{join}{right}") }
        });
        prop_oneof![parser.prop_map(str::to_owned), filter.clone(), filter]
    }

    fn labels() -> impl Strategy<Value = Labels> {
        select(vec![
            Labels::default(),
            Labels::from([("app", "web")]),
            Labels::from([("a", "x")]),
            Labels::from([("a", "1"), ("b", "xy")]),
            Labels::from([("c", "500")]),
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn with_guards_and_without_the_same_comes_of_a_line(
            stages_text in vec(stage(), 1..6),
            lines in vec(line(), 1..6),
            stream in labels(),
            metadata in labels(),
        ) {
            let stages = stages(&stages_text.join(" "));
            let guarded = Pipeline::new(&stages).expect("the stages are right");
            let mut plain = Pipeline::new(&stages).expect("the stages are right");
            plain.guards = Guards::default();
            let (mut scratch, mut other) = (Scratch::default(), Scratch::default());
            for line in &lines {
                let with = guarded.process(Timestamp::default(), line, &stream, &metadata, &mut scratch);
                let without = plain.process(Timestamp::default(), line, &stream, &metadata, &mut other);
                prop_assert_eq!(with.is_some(), without.is_some(), "{:?} in {}", stages_text, line);
                if let (Some(with), Some(without)) = (with, without) {
                    prop_assert!(with.line == without.line && with.labels() == without.labels());
                }
            }
        }
    }
}
