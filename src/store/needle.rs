//! Texts that are looked for in lines, made ready once for all blocks.

use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};

use crate::store::block::NeedleMarks;
use crate::store::select::{Selection, TextFilter};

/// Letters that another character outside ASCII is folded to: the long s, and the sign for kelvin.
const FOLDED_FROM_AFAR: [(u8, &[u8]); 2] = [(b's', "\u{17f}".as_bytes()), (b'k', "\u{212a}".as_bytes())];

/// A hint below this is in too many lines to be worth a look at all, unless there is no longer one.
const HINT_BYTES_MIN: usize = 4;

/// A text that a line may hold.
#[derive(Debug)]
pub(crate) struct Needle {
    /// In lower case where case does not matter.
    text: Vec<u8>,
    finder: Finder<'static>,
    /// Where case does not matter.
    regex: Option<Regex>,
    /// What searching templates needs to know of it.
    pub(crate) marks: NeedleMarks,
}

impl Needle {
    pub(crate) fn new(text: &str) -> Needle {
        Needle::of_bytes(text.as_bytes())
    }

    pub(crate) fn of_bytes(text: &[u8]) -> Needle {
        let finder = Finder::new(text).into_owned();
        Needle { text: text.to_vec(), finder, regex: None, marks: NeedleMarks::of(text, false) }
    }

    /// A text whose letters may be in either case, as patterns with `(?i)` have it.
    pub(crate) fn in_any_case(text: &str) -> Needle {
        let pattern = RegexBuilder::new(&regex::escape(text)).case_insensitive(true).build();
        let lower = text.to_ascii_lowercase();
        Needle {
            finder: Finder::new(&lower).into_owned(),
            regex: Some(pattern.expect("an escaped text is a pattern")),
            marks: NeedleMarks::of(lower.as_bytes(), true),
            text: lower.into_bytes(),
        }
    }

    /// The bytes; in lower case where case does not matter.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn ignores_case(&self) -> bool {
        self.regex.is_some()
    }

    /// A needle that is a part of this one, and is looked for like it.
    pub(crate) fn part(&self, part: &[u8]) -> Needle {
        match (self.ignores_case(), std::str::from_utf8(part)) {
            (true, Ok(part)) => Needle::in_any_case(part),
            _ => Needle::of_bytes(part),
        }
    }

    pub(crate) fn is_in(&self, text: &[u8]) -> bool {
        match &self.regex {
            None => self.finder.find(text).is_some(),
            Some(regex) => regex.is_match(text),
        }
    }

    /// Finds the needle as its bytes are, also where case does not matter: for texts in lower case.
    pub(crate) fn finder(&self) -> &Finder<'static> {
        &self.finder
    }

    /// Whether lowering a text's ASCII letters may hide the needle: a letter of it is also another character's, and the
    /// text has that one.
    pub(crate) fn may_hide_in(&self, text: &[u8]) -> bool {
        self.ignores_case()
            && FOLDED_FROM_AFAR
                .iter()
                .any(|(letter, other)| self.text.contains(letter) && memchr::memmem::find(text, other).is_some())
    }
}

/// A test that a line's text must pass: it holds one of these needles, or none of them.
#[derive(Debug)]
pub(crate) struct TextTest {
    pub(crate) any: Vec<Needle>,
    pub(crate) negated: bool,
}

impl TextTest {
    fn of_needle(text: &str) -> TextTest {
        TextTest { any: vec![Needle::new(text)], negated: false }
    }

    fn of_filter(filter: &TextFilter) -> TextTest {
        let needle = |text: &String| if filter.ignores_case { Needle::in_any_case(text) } else { Needle::new(text) };
        TextTest { any: filter.any.iter().map(needle).collect(), negated: filter.negated }
    }

    fn passes(&self, text: &[u8]) -> bool {
        self.any.iter().any(|needle| needle.is_in(text)) != self.negated
    }
}

/// All tests of a selection, in the order in which they are best made.
#[derive(Debug, Default)]
pub(crate) struct TextTests {
    tests: Vec<TextTest>,
}

impl TextTests {
    pub(crate) fn of(selection: &Selection) -> TextTests {
        // the longest is the rarest, and an empty one is everywhere
        let mut needles: Vec<&String> = selection.needles.iter().filter(|needle| !needle.is_empty()).collect();
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
        let longest = selection.hints.iter().map(String::len).max().unwrap_or(0);
        let tells = |hint: &&String| hint.len() >= HINT_BYTES_MIN.min(longest) && !hint.is_empty();
        let required = needles.into_iter().chain(selection.hints.iter().filter(tells));
        let required = required.map(|needle| TextTest::of_needle(needle));
        TextTests { tests: required.chain(selection.filters.iter().map(TextTest::of_filter)).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TextTest> {
        self.tests.iter()
    }

    pub(crate) fn pass(&self, text: &[u8]) -> bool {
        self.tests.iter().all(|test| test.passes(text))
    }

    /// The needle that all texts at once may be searched for: the first, if all lines must have it and its bytes.
    pub(crate) fn first_needle(&self) -> Option<&Needle> {
        match self.tests.first()?.any.as_slice() {
            [needle] if !self.tests[0].negated && !needle.ignores_case() => Some(needle),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::store::needle::Needle;

    #[test]
    fn letters_from_afar_are_found_in_any_case() {
        let needle = Needle::in_any_case("Disk");
        assert!(
            ["disk", "DISK", "di\u{17f}K", "x di\u{17f}\u{212a} y"].iter().all(|text| needle.is_in(text.as_bytes()))
        );
        assert!(
            !needle.is_in(b"dist") && needle.may_hide_in("\u{17f}".as_bytes()) && !needle.may_hide_in("가".as_bytes())
        );
        assert!(!Needle::new("Disk").is_in(b"disk"));
    }
}
