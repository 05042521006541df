//! Finds the patterns of lines: what many of them say, with `<_>` for what differs.
//!
//! Promises: every line is counted exactly once, for a pattern that matches it under `|>`; memory is bounded; below that
//! bound the patterns do not depend on the order of the lines, or on who counted which. Never: IO, threads.
//!
//! Lines are reduced to shapes as they come (`shape`), which costs little; only shapes, of which there are few, are
//! brought together to patterns (`cluster`). Of an entry of several lines the first one decides.

mod cluster;
mod render;
mod shape;
mod tally;
mod template;
mod token;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::hash::{BuildHasherDefault, Hasher};

use crate::logql::miner::cluster::cluster;
use crate::logql::miner::render::render;
use crate::logql::miner::shape::{Scanner, Shape, Span};
use crate::logql::miner::tally::Tally;
use crate::logql::miner::template::Template;

/// Shapes that are kept apart at a time; before there are more, they are brought together.
const SHAPES_MAX: usize = 8192;
/// Memory of a miner, about, with the same end.
const MEMORY_BYTES_MAX: usize = 24 << 20;

/// Counts lines by their shapes.
#[derive(Debug)]
pub struct Miner {
    scanner: Scanner,
    known: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    shapes: Vec<Counted>,
    /// What was brought together already.
    templates: Vec<Template>,
    memory_bytes: usize,
    bounds: Bounds,
}

/// What a miner may hold.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    shapes_max: usize,
    memory_bytes_max: usize,
}

/// A pattern and how many lines it has, by cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub text: String,
    /// Each cell once, in order.
    pub counts: Vec<(u32, u64)>,
    pub line_count: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mined {
    /// The most frequent first.
    pub patterns: Vec<Pattern>,
    /// Patterns beyond those that were asked for, and their lines.
    pub further_pattern_count: u64,
    pub further_line_count: u64,
}

/// The lines of one shape.
#[derive(Debug)]
struct Counted {
    example: Box<str>,
    slots: Box<[Span]>,
    /// A bit for each slot whose text is not the same in all lines.
    varies: u64,
    goes_on: bool,
    line_count: u64,
    tally: Tally,
}

impl Miner {
    /// `seed` is best drawn at random: it keeps whoever writes lines from making two shapes look the same.
    pub fn new(seed: u64) -> Miner {
        let bounds = Bounds { shapes_max: SHAPES_MAX, memory_bytes_max: MEMORY_BYTES_MAX };
        Miner {
            scanner: Scanner::new(seed),
            known: HashMap::default(),
            shapes: Vec::new(),
            templates: Vec::new(),
            memory_bytes: 0,
            bounds,
        }
    }

    /// Counts a line in a cell, which is whatever the caller counts by. An empty line has no pattern.
    pub fn observe(&mut self, line: &str, cell: u32) {
        if line.is_empty() {
            return;
        }
        let shape = self.scanner.shape(line);
        let grown = match self.known.get(&shape.hash) {
            Some(index) => self.shapes[*index as usize].count(line, shape.slots, cell),
            None => {
                let counted = Counted::new(line, &shape, cell);
                let grown = counted.memory_bytes();
                self.known.insert(shape.hash, u32::try_from(self.shapes.len()).expect("shapes are bounded"));
                self.shapes.push(counted);
                grown
            }
        };
        if grown > 0 {
            self.memory_bytes += grown;
            if self.shapes.len() >= self.bounds.shapes_max || self.memory_bytes > self.bounds.memory_bytes_max {
                self.fold();
            }
        }
    }

    /// The memory that the counts take, about.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The patterns of all that was counted; `check` is asked now and then whether it is still wanted.
    pub fn patterns<E>(
        miners: Vec<Miner>,
        patterns_max: usize,
        check: &mut dyn FnMut() -> Result<(), E>,
    ) -> Result<Mined, E> {
        let templates = cluster(miners.into_iter().flat_map(Miner::into_templates).collect(), check)?;
        // what was made a gap to be safe may have made two of them the same
        let mut by_text: HashMap<String, Template> = HashMap::new();
        for template in templates {
            match by_text.entry(render(&template)) {
                Entry::Occupied(mut known) => known.get_mut().count_also(&template.tally, template.line_count),
                Entry::Vacant(place) => _ = place.insert(template),
            }
        }
        let mut found: Vec<(String, Template)> = by_text.into_iter().collect();
        found.sort_by(|(a_text, a), (b_text, b)| b.line_count.cmp(&a.line_count).then_with(|| a_text.cmp(b_text)));
        let further = found.split_off(patterns_max.min(found.len()));
        let pattern = |(text, template): (String, Template)| Pattern {
            text,
            line_count: template.line_count,
            counts: template.tally.into_counts(),
        };
        Ok(Mined {
            patterns: found.into_iter().map(pattern).collect(),
            further_pattern_count: further.len() as u64,
            further_line_count: further.iter().map(|(_, template)| template.line_count).sum(),
        })
    }

    fn into_templates(self) -> Vec<Template> {
        let mut templates = self.templates;
        templates.extend(self.shapes.into_iter().map(Counted::into_template));
        templates
    }

    /// Brings shapes together to make room. What is so diverse that there is still too much goes into the pattern that
    /// every line has, the rarest first.
    fn fold(&mut self) {
        let mut templates = std::mem::take(&mut self.templates);
        templates.extend(self.shapes.drain(..).map(Counted::into_template));
        self.known.clear();
        let mut templates = match cluster::<Infallible>(templates, &mut || Ok(())) {
            Ok(templates) => templates,
            Err(never) => match never {},
        };
        let mut memory_bytes = 0;
        let mut fits = |template: &Template| {
            memory_bytes += template.memory_bytes();
            memory_bytes <= self.bounds.memory_bytes_max / 2
        };
        let kept = templates.iter().take(self.bounds.shapes_max / 2).take_while(|template| fits(template)).count();
        let rare = templates.split_off(kept);
        if !rare.is_empty() {
            let mut everything = Template::of_everything();
            for template in rare {
                everything.count_also(&template.tally, template.line_count);
            }
            templates.push(everything);
        }
        self.memory_bytes = templates.iter().map(Template::memory_bytes).sum();
        self.templates = templates;
    }
}

impl Counted {
    fn new(line: &str, shape: &Shape<'_>, cell: u32) -> Counted {
        let mut tally = Tally::default();
        tally.add(cell);
        Counted {
            example: Box::from(&line[..shape.end]),
            slots: Box::from(shape.slots),
            varies: 0,
            goes_on: shape.goes_on,
            line_count: 1,
            tally,
        }
    }

    /// Answers how many bytes of memory it took.
    fn count(&mut self, line: &str, slots: &[Span], cell: u32) -> usize {
        self.compare(line, slots);
        self.line_count += 1;
        self.tally.add(cell)
    }

    /// Notes which slots have another text than in the example.
    fn compare(&mut self, line: &str, slots: &[Span]) {
        let mut same = !self.varies & (u64::MAX >> (64 - self.slots.len().clamp(1, 64)));
        while same != 0 {
            let index = same.trailing_zeros() as usize;
            same &= same - 1;
            let (Some(own), Some(other)) = (self.slots.get(index), slots.get(index)) else { return };
            if self.example.as_bytes()[own.start()..own.end()] != line.as_bytes()[other.start()..other.end()] {
                self.varies |= 1 << index;
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        self.example.len() + self.slots.len() * size_of::<Span>() + size_of::<Counted>() + self.tally.memory_bytes()
    }

    fn into_template(self) -> Template {
        let mut template = Template::of_shape(&self.example, &self.slots, self.varies, self.goes_on);
        template.line_count = self.line_count;
        template.tally = self.tally;
        template
    }
}

/// Takes numbers that are hashes already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 are hashed")
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use crate::logql;
    use crate::logql::ast::Expr;
    use crate::logql::gotext::quote::quote;
    use crate::logql::miner::{Bounds, Mined, Miner};
    use crate::logql::stage::{Pipeline, Scratch};
    use crate::model::{Labels, Timestamp};

    fn patterns(miners: Vec<Miner>, patterns_max: usize) -> Mined {
        match Miner::patterns::<Infallible>(miners, patterns_max, &mut || Ok(())) {
            Ok(mined) => mined,
            Err(never) => match never {},
        }
    }

    fn mine<'l>(lines: impl IntoIterator<Item = &'l str>) -> Vec<(u64, String)> {
        let mut miner = Miner::new(7);
        lines.into_iter().for_each(|line| miner.observe(line, 0));
        let mined = patterns(vec![miner], usize::MAX);
        mined.patterns.into_iter().map(|pattern| (pattern.line_count, pattern.text)).collect()
    }

    /// Lines, of which `{}` stands for each of some texts, and the patterns that they have.
    #[track_caller]
    fn check(lines: &[&str], texts: &[&str], expected: &[&str]) {
        let lines: Vec<String> =
            lines.iter().flat_map(|line| texts.iter().map(|text| line.replace("{}", text))).collect();
        let found = mine(lines.iter().map(String::as_str));
        let mut found: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        let mut expected = expected.to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    const NUMBERS: [&str; 6] = ["1", "22", "333", "4", "5", "6"];
    const NAMES: [&str; 6] = ["ann", "bob", "carl", "dora", "eve", "fred"];

    #[test]
    fn numbers_are_gaps_and_names_are_where_there_are_many() {
        check(&["took {} ms", "took {} s"], &NUMBERS, &["took <_> ms", "took <_> s"]);
        check(&["user {} logged in"], &NAMES, &["user <_> logged in"]);
        check(&["session {} for root"], &["opened", "closed"], &["session closed for root", "session opened for root"]);
        check(&["login of {}"], &["root", "u17"], &["login of <_>"]);
        check(&["{} says {}"], &NAMES, &["<_> says <_>"]);
    }

    #[test]
    fn a_number_that_never_changes_is_text() {
        check(&["port {} ssh2 HTTP/1.1"], &NUMBERS, &["port <_> ssh2 HTTP/1.1"]);
        check(&["2026-11-20 {} ok"], &NUMBERS, &["<_> <_> ok"]);
        check(&["Dec 10 10:00:{} host up", "Jan  1 10:00:{} host up"], &NUMBERS, &["<_> host up"]);

        check(&["port {} ssh2"], &["22"], &["port <_> <_>"]);
    }

    #[test]
    fn json_and_logfmt_keep_their_keys() {
        check(
            &[r#"{"level":"info","user":"{}","took":5,"msg":"order placed"}"#],
            &NAMES,
            &[r#"{"level":"info","user":"<_>","took":5,"msg":"order placed"}"#],
        );
        check(
            &["level=info user={} msg=\"order placed\"", "level=warn user={} msg=\"order lost\""],
            &NAMES,
            &["level=info user=<_> msg=\"order placed\"", "level=warn user=<_> msg=\"order lost\""],
        );
        check(
            &[r#"{"msg":"{}","a":1}"#],
            &["one two", "three", ""],
            &[r#"{"msg":"one two","a":<_>}"#, r#"{"msg":"three","a":<_>}"#, r#"{"msg":"","a":<_>}"#],
        );
        let texts = ["", "a b", "c", "d e f"];
        check(&[r#"{"agent":"{}","a":1}"#], &texts, &[r#"{"agent":<_>,"a":<_>}"#]);
        check(&[r#"{"agent":"{}","a":1}"#], &texts[1..], &[r#"{"agent":"<_>","a":<_>}"#]);
    }

    #[test]
    fn requests_keep_their_methods_and_agents_are_one_gap() {
        let agents = ["\"curl/8.1\"", "\"Mozilla/5.0 (X11; Linux x86_64)\"", "\"Go-http-client/1.1\"", "\"-\""];
        check(
            &["10.0.0.1 \"GET /cart/1 HTTP/1.1\" 200 {}", "10.0.0.2 \"GET /a/b/c HTTP/1.1\" 404 {}"],
            &agents,
            &["<_> \"GET <_> HTTP/1.1\" <_> \"<_>\""],
        );
    }

    #[test]
    fn paths_and_lists_of_all_lengths_are_one_gap() {
        check(&["open {} ok"], &["/a/b", "/c", "/d/e/f", "/g/h/i", "/j"], &["open <_> ok"]);
        check(&["drop {}; now"], &["b_1 b_2 b_3", "b_7 b_8 b_9 b_10"], &["drop b_<_> <_>; now"]);
    }

    #[test]
    fn of_several_lines_the_first_decides() {
        check(&["boom {}\n\tat a.b\n\tat c", "boom {}\n\tat d"], &NUMBERS, &["boom <_>"]);
        check(&["boom\n{}", "boom"], &NAMES, &["boom<_>", "boom"]);
        check(&["{}"], &[""], &[]);
        check(
            &["\u{3000}스페이스 #{}", "\u{3000}「x」 \u{a0}\"{}\""],
            &NUMBERS,
            &["\u{3000}스페이스 #<_>", "\u{3000}「x」 \u{a0}\"<_>\""],
        );
    }

    #[test]
    fn what_looks_like_a_capture_is_a_gap() {
        check(&["Vec<u8> of {}", "Vec<T> of {}", "a<_>b", "a<b> c"], &["x"], &["Vec<<_>> of x", "a<_>b", "a<_> c"]);
        check(&["<a><b><_></b>"], &[""], &["<_></b>"]);
    }

    #[test]
    fn counts_are_kept_by_cell_and_the_rest_is_told() {
        let mut miner = Miner::new(7);
        for n in 0..100 {
            miner.observe(&format!("a {n}"), n % 3);
            miner.observe("b", 5);
        }
        miner.observe("c", 0);
        let mined = patterns(vec![miner], 2);
        let counts: Vec<_> = mined.patterns.iter().map(|it| (it.text.as_str(), it.counts.as_slice())).collect();
        assert_eq!(counts, [("a <_>", &[(0, 34), (1, 33), (2, 33)][..]), ("b", &[(5, 100)])]);
        assert_eq!((mined.further_pattern_count, mined.further_line_count), (1, 1));
    }

    #[test]
    fn diverse_lines_take_bounded_memory_and_are_counted_all_the_same() {
        let mut miner = Miner::new(7);
        miner.bounds = Bounds { shapes_max: 100, memory_bytes_max: 1 << 20 };
        let word = |mut n: u32| {
            let mut word = String::new();
            while n > 0 {
                word.push(char::from(b'a' + (n % 26) as u8));
                word.push(if n.is_multiple_of(7) { ' ' } else { '-' });
                n /= 26;
            }
            word
        };
        for n in 1..20_000 {
            miner.observe(&word(n * 7919), 0);
            miner.observe("frequent: [line]", 1);
            assert!(miner.shapes.len() + miner.templates.len() <= 151 && miner.memory_bytes < 2 << 20);
        }
        let mined = patterns(vec![miner], usize::MAX);
        assert_eq!(mined.patterns.iter().map(|pattern| pattern.line_count).sum::<u64>(), 2 * 19_999);
        assert!(
            mined.patterns.iter().any(|pattern| pattern.text == "frequent: [line]" && pattern.line_count == 19_999)
        );
        assert!(mined.patterns.iter().any(|pattern| pattern.text == "<_>"));
    }

    /// Counts by how many lines match each pattern under `|>`.
    fn matching(pattern: &str, lines: &[String]) -> u64 {
        let query = format!("{{a=\"b\"}} |> {}", quote(pattern));
        let Ok(Expr::Log(log)) = logql::parse(&query) else { panic!("{query} is no query") };
        let pipeline = Pipeline::new(&log.stages).unwrap_or_else(|error| panic!("{pattern:?}: {error:?}"));
        let (mut scratch, nothing) = (Scratch::default(), Labels::default());
        let mut passes =
            |line: &str| pipeline.process(Timestamp::default(), line, &nothing, &nothing, &mut scratch).is_some();
        lines.iter().filter(|line| passes(line)).count() as u64
    }

    /// Lines of few words in few orders, so that they are alike, with everything that could go wrong in them.
    fn lines() -> impl Strategy<Value = Vec<String>> {
        let word = prop_oneof![
            "[a-c]{1,2}",
            "[0-9]{1,3}",
            "[a-c0-2._:/-]{1,6}",
            "[ =:,\"\\\\<>_\n{}\\[\\]-]{1,2}",
            Just("<_>".to_owned()),
            Just("<b>".to_owned()),
            Just("\"a b\"".to_owned()),
            Just("한글".to_owned()),
            Just("\u{3000}".to_owned()),
            Just("「é」".to_owned()),
            "\\PC{1,3}",
            Just("Dec ".to_owned()),
            Just("msg=".to_owned()),
            Just("INFO".to_owned()),
            Just(" ".to_owned()),
        ];
        let words = proptest::collection::vec(word, 2..5);
        (words, proptest::collection::vec(proptest::collection::vec(0..16_usize, 1..9), 1..60)).prop_map(
            |(words, lines)| {
                let line = |places: Vec<usize>| -> String {
                    let text = |place: usize| {
                        words.get(place).cloned().unwrap_or_else(|| match place % 4 {
                            0 => " ".to_owned(),
                            1 => format!("{place}"),
                            2 => char::from(b'p' + (place % 5) as u8).to_string(),
                            _ => "-x".to_owned(),
                        })
                    };
                    places.into_iter().map(text).collect()
                };
                lines.into_iter().map(line).collect()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

        /// A pattern matches at least the lines that it was counted for, every line has one, and who counted which
        /// line when does not matter.
        #[test]
        fn patterns_match_the_lines_they_were_counted_for(lines in lines(), cut in 0..60_usize) {
            let mut miner = Miner::new(7);
            lines.iter().for_each(|line| miner.observe(line, 0));
            let mined = patterns(vec![miner], usize::MAX);
            for pattern in &mined.patterns {
                let matching = matching(&pattern.text, &lines);
                prop_assert!(matching >= pattern.line_count, "{:?}: {matching} of {}", pattern.text, pattern.line_count);
            }
            let counted: u64 = mined.patterns.iter().map(|pattern| pattern.line_count).sum();
            prop_assert_eq!(counted, lines.iter().filter(|line| !line.is_empty()).count() as u64);

            let (mut one, mut other) = (Miner::new(7), Miner::new(7));
            let (first, second) = lines.split_at(cut.min(lines.len()));
            second.iter().rev().for_each(|line| one.observe(line, 0));
            first.iter().for_each(|line| other.observe(line, 0));
            prop_assert_eq!(patterns(vec![one, other], usize::MAX), mined);
        }
    }
}
