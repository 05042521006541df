//! Excerpts: what stages would see of all lines of one form, found out by parsing the form once.
//!
//! `| json | status >= 500` looks at one field of many. A line of which only that field is left gives the same labels, as
//! long as all lines of the form have their fields at the same places, whatever stands in the slots. That is so where each
//! slot lies within a value and cannot hold what would end it. A sample of the form, with something harmless in each slot,
//! is parsed to see where the slots lie.
//!
//! Promises: a pipeline that was asked for its excerpts does to an excerpt what it does to the line, but for the text that
//! is left at its end. Where that is not certain, there is no excerpt.

mod json;
mod logfmt;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use xxhash_rust::xxh3::Xxh3;

use crate::logql::stage::logfmt::Logfmt;
use crate::logql::stage::{Pipeline, Step};
use crate::model::form::{Excerpt, Excerpts, Form, Part, Slot};

/// Forms that are remembered, at most: more are looked at anew each time.
const KNOWN_MAX: usize = 10_000;

/// Excerpts of what one parser and the stages behind it look at.
#[derive(Debug)]
pub(crate) struct ParsedExcerpts {
    parser: Parser,
    wanted: Names,
    /// The label whose value is looked at by itself.
    apart: Option<String>,
    known: Mutex<HashMap<u128, Option<Arc<Excerpt>>>>,
}

#[derive(Clone, Copy, Debug)]
enum Parser {
    Json,
    Logfmt(Logfmt),
}

impl ParsedExcerpts {
    /// Of a pipeline that parses lines once, and otherwise looks at labels alone; and not at all of them.
    pub(crate) fn of(pipeline: &Pipeline) -> Option<ParsedExcerpts> {
        let mut parser = None;
        for step in &pipeline.steps {
            let found = match step {
                Step::Json => Parser::Json,
                Step::Logfmt(logfmt) => Parser::Logfmt(*logfmt),
                Step::Label(_) | Step::Drop(_) | Step::Keep(_) => continue,
                Step::LabelFormat(formatter) if formatter.renames_only() => continue,
                _ => return None,
            };
            if parser.replace(found).is_some() {
                return None;
            }
        }
        let wanted = Names(pipeline.hints.required()?.to_vec());
        let is_part = !wanted.0.is_empty();
        let apart = pipeline.apart().map(str::to_owned);
        parser.filter(|_| is_part).map(|parser| ParsedExcerpts { parser, wanted, apart, known: Mutex::default() })
    }

    fn find(&self, form: &Form<'_>) -> Option<Arc<Excerpt>> {
        let sample = Sample::of(form)?;
        let mut draft = Draft::new(&sample, self.apart.as_deref());
        match self.parser {
            Parser::Json => json::read(&mut draft, &self.wanted)?,
            Parser::Logfmt(logfmt) => logfmt::read(&mut draft, &self.wanted, logfmt)?,
        }
        let Draft { parts, apart, apart_count, checked_count, .. } = draft;
        let excerpt = Excerpt { parts, apart: apart.filter(|_| apart_count == 1) };
        (checked_count == sample.slots.len()).then(|| Arc::new(excerpt))
    }
}

impl Excerpts for ParsedExcerpts {
    fn of(&self, form: &Form<'_>) -> Option<Arc<Excerpt>> {
        let mut hash = Xxh3::new();
        for (index, piece) in form.pieces.iter().enumerate() {
            hash.update(&(piece.len() as u64).to_le_bytes());
            hash.update(piece.as_bytes());
            hash.update(&[form.slots.get(index).map_or(0, |slot| code(*slot))]);
        }
        let hash = hash.digest128();
        let known = || self.known.lock().expect("no thread panics while it holds this lock");
        if let Some(parts) = known().get(&hash) {
            return parts.clone();
        }
        let parts = self.find(form);
        let mut known = known();
        if known.len() < KNOWN_MAX {
            known.insert(hash, parts.clone());
        }
        parts
    }
}

fn code(slot: Slot) -> u8 {
    match slot {
        Slot::Digits => 1,
        Slot::Word => 2,
        Slot::Bare => 3,
        Slot::Quoted => 4,
        Slot::Time { has_blank: false } => 5,
        Slot::Time { has_blank: true } => 6,
        Slot::Other => 7,
    }
}

/// The labels that stages look at.
#[derive(Debug)]
struct Names(Vec<String>);

impl Names {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known == name)
    }

    fn has_prefix(&self, prefix: &str) -> bool {
        self.0.iter().any(|known| known.starts_with(prefix))
    }
}

/// A line of a form, with something in each slot that cannot be taken for anything else.
#[derive(Debug)]
struct Sample {
    line: String,
    slots: Vec<(Range<usize>, Slot)>,
}

impl Sample {
    fn of(form: &Form<'_>) -> Option<Sample> {
        let mut sample = Sample { line: String::new(), slots: Vec::with_capacity(form.slots.len()) };
        for (index, piece) in form.pieces.iter().enumerate() {
            sample.line.push_str(piece);
            let Some(slot) = form.slots.get(index) else { break };
            let start = sample.line.len();
            sample.line.push_str(match slot {
                Slot::Digits => "1",
                Slot::Word => "a1",
                Slot::Bare | Slot::Quoted => "a",
                Slot::Time { has_blank: true } => "2026-01-01 00:00:00",
                Slot::Time { has_blank: false } => "2026-01-01T00:00:00",
                Slot::Other => return None,
            });
            sample.slots.push((start..sample.line.len(), *slot));
        }
        Some(sample)
    }

    /// The slots that begin or end in a part of the line, by their numbers; `None` where one lies across its border.
    fn slots_in(&self, part: &Range<usize>) -> Option<Range<usize>> {
        let first = self.slots.partition_point(|(slot, _)| slot.end <= part.start);
        let after = self.slots.partition_point(|(slot, _)| slot.start < part.end);
        let slots = self.slots.get(first..after)?;
        let inside = slots.iter().all(|(slot, _)| part.start <= slot.start && slot.end <= part.end);
        inside.then_some(first..after)
    }

    /// Where in the line a piece of it lies.
    fn place_of(&self, piece: &str) -> Range<usize> {
        let start = piece.as_ptr() as usize - self.line.as_ptr() as usize;
        start..start + piece.len()
    }
}

/// An excerpt that is being made.
#[derive(Debug)]
struct Draft<'s> {
    sample: &'s Sample,
    parts: Vec<Part>,
    /// Whether what comes next is a part by itself.
    is_cut: bool,
    /// Slots that were found to lie where they can do no harm.
    checked_count: usize,
    /// The label whose value is looked at by itself, where its value lies, and how often it was met.
    apart_name: Option<&'s str>,
    apart: Option<Range<usize>>,
    apart_count: usize,
}

impl<'s> Draft<'s> {
    fn new(sample: &'s Sample, apart_name: Option<&'s str>) -> Draft<'s> {
        Draft { sample, parts: Vec::new(), is_cut: false, checked_count: 0, apart_name, apart: None, apart_count: 0 }
    }

    /// Notes that the slots in a part of the line are harmless, if `is_harmless` says so of each.
    fn check(&mut self, part: &Range<usize>, is_harmless: impl Fn(&Range<usize>, Slot) -> bool) -> Option<()> {
        let slots = self.sample.slots_in(part)?;
        self.checked_count += slots.len();
        self.sample.slots[slots].iter().all(|(place, slot)| is_harmless(place, *slot)).then_some(())
    }

    fn push(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        match self.parts.last_mut() {
            Some(Part::Text(last)) if !self.is_cut => last.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
        self.is_cut = false;
    }

    /// Takes the value of a label over, with its slots.
    fn keep_value(&mut self, label: &str, value: &Range<usize>) -> Option<()> {
        if self.apart_name != Some(label) {
            return self.keep(value);
        }
        self.apart_count += 1;
        self.is_cut = true;
        let start = self.parts.len();
        self.keep(value)?;
        self.is_cut = true;
        // with escapes the value is another than its text
        let is_plain = !value.is_empty() && !self.sample.line[value.clone()].contains('\\');
        self.apart = is_plain.then_some(start..self.parts.len());
        Some(())
    }

    /// Takes a part of the line over, with its slots.
    fn keep(&mut self, part: &Range<usize>) -> Option<()> {
        let sample = self.sample;
        let mut at = part.start;
        for number in sample.slots_in(part)? {
            let slot = &sample.slots[number].0;
            self.push(&sample.line[at..slot.start]);
            self.parts.push(Part::Slot(number));
            self.is_cut = false;
            at = slot.end;
        }
        self.push(&sample.line[at..part.end]);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{Expr, MetricExpr};
    use crate::logql::parse;
    use crate::logql::stage::{Pipeline, Wanted};
    use crate::model::form::{Form, Part, Slot};

    /// The excerpt that a query summed by `a` needs of a form, slots shown as `<number>`; `-` where it needs all.
    /// The form has `D`, `W`, `B`, `Q`, `T`, `S` (a time with a blank) or `O` between `<` and `>` for its slots.
    #[track_caller]
    fn check(stages: &str, form: &str, expected: &str) {
        let op = if stages.contains("unwrap") { "avg_over_time" } else { "count_over_time" };
        let query = format!("{op}({{x=\"y\"}} {stages} [1m])");
        let Ok(Expr::Metric(MetricExpr::Range(range))) = parse(&query) else { panic!("{query}") };
        let wanted = Wanted::By(vec!["a".to_owned()]);
        let pipeline = Pipeline::for_metric(&range.log.log.stages, range.log.unwrap.as_ref(), wanted).expect(stages);
        let (mut pieces, mut slots) = (Vec::new(), Vec::new());
        for (index, part) in form.split(['<', '>']).enumerate() {
            match (index % 2, part) {
                (0, text) => pieces.push(text),
                (_, "D") => slots.push(Slot::Digits),
                (_, "W") => slots.push(Slot::Word),
                (_, "B") => slots.push(Slot::Bare),
                (_, "Q") => slots.push(Slot::Quoted),
                (_, "T") => slots.push(Slot::Time { has_blank: false }),
                (_, "S") => slots.push(Slot::Time { has_blank: true }),
                (_, _) => slots.push(Slot::Other),
            }
        }
        let parts = pipeline.excerpts().and_then(|excerpts| excerpts.of(&Form { pieces, slots }));
        let show = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Slot(number) => format!("<{number}>"),
        };
        let shown = parts.map_or("-".to_owned(), |excerpt| {
            let mut shown: Vec<String> = excerpt.parts.iter().map(show).collect();
            if let Some(apart) = &excerpt.apart {
                shown[apart.start].insert(0, '[');
                shown[apart.end - 1].push(']');
            }
            shown.concat()
        });
        assert_eq!(shown, expected, "{stages} of {form}");
    }

    #[test]
    fn of_json_the_fields_that_matter_are_left() {
        check("| json", r#"{"a":"<W>","b":<D>}"#, r#"{"a":"<0>"}"#);
        check("| json | b > 5", r#"{"c":"x", "a" : "<Q>\" y","b":-<D>.<W> }"#, r#"{"a":"<0>\" y","b":-<1>.<2>}"#);
        check("| json | b_c > 5", r#"{"b":{"d":<D>,"c":<D>},"a":null}"#, r#"{"b":{"c":<1>}}"#);
        check("| json", r#"{"t":"<S>","x":[<D>,"<Q>",{"y":"<T>"}],"a":true}"#, r#"{"a":true}"#);
        check("| json", r#"{"b":"<W>"}"#, "{}");
        for needed_whole in [
            r#"{"a":<W>}"#,
            r#"{"a":"<O>"}"#,
            r#"{"k<D>":1}"#,
            r#"{"a":1}<D>"#,
            r#"{"a":<T>}"#,
            r#"{"a":"x:"<Q>"b":"c"}"#,
            r#"{"x":[<T>],"a":1}"#,
            r#"{"x":{"y":<S>},"a":1}"#,
            r#"{"a":"<W>""#,
            r#"level=<D>"#,
        ] {
            check("| json", needed_whole, "-");
        }
    }

    #[test]
    fn of_logfmt_the_pairs_that_matter_are_left() {
        check("| logfmt", "ts=<T>Z a=<W> msg=\"<Q>\" b=<D>ms", "a=<1>");
        check("| logfmt | b > 5s", "<S> INFO <W> b=\"<Q> \\\"<D>\" c a=<B>:<D>", "b=\"<2> \\\"<3>\" a=<4>:<5>");
        check("| logfmt | unwrap duration(b)", "b=<D>.<D>s a=", "b=[<0>.<1>s] a=");
        check("| logfmt | unwrap b | __error__=\"\"", "a=1 b=\"<D>\" c=2", "a=1 b=\"[<0>]\"");
        for not_apart in ["| logfmt | b > 5 | unwrap b", "| logfmt | unwrap b | b < 7", "| logfmt | drop b | unwrap b"]
        {
            check(not_apart, "b=<D> a=1", "b=<0> a=1");
        }
        check("| logfmt | unwrap b", "b=<D> a=1 b=<D>", "b=<0> a=1 b=<1>");
        check("| logfmt | unwrap a", "b=<D> a=<D>", "a=<1>");
        check("| logfmt | unwrap b", "a=1 b=\"\\n<D>\"", "a=1 b=\"\\n<0>\"");
        check("| json | unwrap b", r#"{"a":"x","b":<D>.5}"#, r#"{"a":"x","b":[<0>.5]}"#);
        check("| json | unwrap duration(b)", r#"{"b":"<D>ms","a":<D>}"#, r#"{"b":"[<0>ms]","a":<1>}"#);
        let form =
            "ts=<T>Z level=<B> caller=<B>.go:<D> msg=\"<Q>\" id=<W> queue=<B> a=<D> b=<D>.<D>s size=<D>KB err=\"\"";
        check("| logfmt | unwrap duration(b)", form, "a=<7> b=[<8>.<9>s]");
        check("| logfmt --strict", "a=\"<Q>\" b=\"\\n\"", "a=\"<0>\"");
        for needed_whole in ["a=<S>", "a=<Q>", "x<W>=1 a=2", "a=<O>", "a=1=<D>", "<Q>"] {
            check("| logfmt", needed_whole, "-");
        }
        check("| logfmt --strict", "a=1 b=\"\\n<D>\"", "-");
        check("| logfmt --keep-empty", "<W> a=1", "-");
    }

    #[test]
    fn whoever_looks_at_the_line_or_at_all_labels_needs_it_whole() {
        for stages in ["|~ \"x\" | json", "| json | line_format \"x\"", "| json | logfmt", "| regexp \"(?P<a>x)\"", ""]
        {
            check(stages, r#"{"a":"<W>"}"#, "-");
        }
        check("| json | label_format c=\"{{.a}}\"", r#"{"a":"<W>"}"#, "-");
        check("| json | label_format a=b", r#"{"a":"<W>","b":1,"c":2}"#, r#"{"a":"<0>","b":1}"#);
    }
}
