//! Go's regular expressions (RE2), as LogQL writes them, on the `regex` crate.
//!
//! The two read many patterns differently: `{"level"` is text to Go and an error to Rust, `\d` means ASCII digits to Go
//! and all digits to Rust. So a pattern is read by Go's rules and written anew for the crate. Errors are Go's texts.
//! Promises: matching takes time in proportion to the text; a compiled pattern is bounded in size.

mod class;
mod translate;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::Hir;

use crate::model::re2::translate::{Dot, Translated};

/// Memory that one compiled pattern may take. `\pL{500}` takes some 3 MB.
const COMPILED_BYTES_MAX: usize = 4 << 20;
/// Memory that a pattern takes which is one of many.
pub const SMALL_BYTES_MAX: usize = 320 << 10;
/// Memory for the automaton that is built while matching, per pattern and thread.
const DFA_BYTES_MAX: usize = 4 << 20;

/// Why a pattern cannot be used, in Go's words.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{pattern}`")]
pub struct Error {
    pub reason: String,
    /// The part of the pattern that is wrong.
    pub pattern: String,
}

/// Compiles a pattern that may match anywhere in the text.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    build(pattern, &translate::translate(pattern, Dot::NoNewline)?.text)
}

/// Compiles a pattern that must match the whole text, of which `.` matches every character, newlines too: so do
/// selectors.
pub fn compile_anchored(pattern: &str) -> Result<Regex, Error> {
    build(pattern, &format!("\\A(?:{})\\z", translate::translate(pattern, Dot::Any)?.text))
}

/// Compiles a pattern that must match the whole text, and in which `.` matches no newline: so do label filters.
pub fn compile_whole(pattern: &str) -> Result<Regex, Error> {
    build(pattern, &format!("\\A(?:{})\\z", translate::translate(pattern, Dot::NoNewline)?.text))
}

/// The names of the groups of a pattern, by their numbers; the first is the whole match. Go lets a name come twice.
pub fn group_names(pattern: &str) -> Result<Vec<Option<String>>, Error> {
    let Translated { names, .. } = translate::translate(pattern, Dot::NoNewline)?;
    Ok(names)
}

/// The parsed form of a pattern, for those who look for texts that every match holds.
pub fn parse(pattern: &str) -> Result<Hir, Error> {
    let text = translate::translate(pattern, Dot::NoNewline)?.text;
    let mut parser = regex_syntax::ParserBuilder::new().nest_limit(translate::DEPTH_MAX + 10).build();
    parser.parse(&text).map_err(|_| too_large(pattern))
}

/// Whether a pattern takes at most [`SMALL_BYTES_MAX`] once it is compiled. One that is wrong takes nothing.
pub fn is_small(pattern: &str) -> bool {
    let Ok(translated) = translate::translate(pattern, Dot::Any) else { return true };
    build_within(SMALL_BYTES_MAX, pattern, &format!("\\A(?:{})\\z", translated.text)).is_ok()
}

fn build(pattern: &str, text: &str) -> Result<Regex, Error> {
    build_within(COMPILED_BYTES_MAX, pattern, text)
}

fn build_within(bytes_max: usize, pattern: &str, text: &str) -> Result<Regex, Error> {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(bytes_max).dfa_size_limit(DFA_BYTES_MAX).nest_limit(translate::DEPTH_MAX + 10);
    builder.build().map_err(|_| too_large(pattern))
}

/// What was translated can fail for its size alone.
fn too_large(pattern: &str) -> Error {
    Error { reason: "expression too large".to_owned(), pattern: pattern.to_owned() }
}

#[cfg(test)]
mod tests {
    use crate::model::re2;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let regex = re2::compile_whole(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for text in matching {
            assert!(regex.is_match(text), "{pattern} must match {text:?}");
        }
        for text in other {
            assert!(!regex.is_match(text), "{pattern} must not match {text:?}");
        }
    }

    #[test]
    fn braces_that_count_nothing_are_text() {
        check("{", &["{"], &[""]);
        check(r#"\{?{"level":"(info|warn)""#, &[r#"{"level":"info""#], &[]);
        check("a{", &["a{"], &["a"]);
        check("a{,5}", &["a{,5}"], &["aaa"]);
        check("a{2}", &["aa"], &["a", "a{2}"]);
        check("a{2,}b{0,1}", &["aa", "aaab"], &["a"]);
        check("a{01}", &["a{01}"], &["a"]);
        check("}", &["}"], &[]);
    }

    #[test]
    fn quoted_parts_are_text() {
        check(r"\Qa.b\E+", &["a.b", "a.bbb"], &["axb"]);
        check(r"\Q[(", &["[("], &[]);
        check(r"\.\-\_\/\ ", &[".-_/ "], &[]);
    }

    #[test]
    fn classes_are_read_as_in_go() {
        check("[[]", &["["], &["a"]);
        check("[a&&b]", &["a", "b", "&"], &["c"]);
        check("[a~~b&&-]", &["~", "-", "a", "b"], &["d"]);
        check(r"[\d-z]", &["5", "-", "z"], &["a"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[^]a]", &["b", "\n"], &["]"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[[:alpha:][:^digit:]]", &["a", "-"], &["5"]);
        check("[[:foo]", &["[", ":", "f"], &["x"]);
        check(r"[\pL\PN]", &["한"], &["5"]);
        check(r"[^\D]", &["5"], &["a"]);
        check(r"[\x{ac00}-\x{d7a3}]+", &["한글"], &["a"]);
        check(r"(?i)[k]", &["k", "K", "\u{212a}"], &["x"]);
    }

    #[test]
    fn perl_classes_and_borders_are_ascii() {
        check(r"\d+", &["123"], &["١٢٣"]);
        check(r"\w+", &["a_1"], &["é"]);
        check(r"\s", &[" ", "\t"], &["\u{a0}", "\x0b"]);
        check(r".*\bword\b.*", &["한word글", "word"], &["sword"]);
        check(r"a\Bb", &["ab"], &[]);
        check(r"한\B글", &["한글"], &[]);
    }

    #[test]
    fn flags_reach_to_the_end_of_their_group() {
        check("a(?i)b|c", &["aB", "C"], &["A"]);
        check("(?i:a)b", &["Ab"], &["AB"]);
        check("(?s).(?-s:.)", &["\na"], &["\n\n"]);
        check("(?m)a$\n^b", &["a\nb"], &["ab"]);
        check("(?is)A.", &["a\n"], &[]);
        check("a(?i)*", &["", "aa"], &["A"]);
        let ungreedy = re2::compile("(?U)a+").expect("valid pattern");
        assert_eq!(ungreedy.find("aaa").map(|found| found.len()), Some(1));
    }

    #[test]
    fn escapes_are_those_of_go() {
        check(r"\101\x41\x{41}\07", &["AAA\x07"], &[]);
        check(r"\a\f\n\r\t\v", &["\x07\x0c\n\r\t\x0b"], &[]);
        check(r"\A\x61\z", &["a"], &["b"]);
        check(r"\x{d800}", &[], &["a"]);
        check("^*a", &["a"], &[]);
    }

    #[test]
    fn the_dot_matches_newlines_in_selectors_alone() {
        let is_match = |regex: Result<regex::Regex, re2::Error>| regex.expect("valid pattern").is_match("a\nb");
        assert!(is_match(re2::compile_anchored("a.b")));
        assert!(!is_match(re2::compile_whole("a.b")));
        assert!(!is_match(re2::compile("a.b")));
        assert!(!is_match(re2::compile_anchored("a")));
    }

    #[test]
    fn groups_keep_their_names() {
        let names = re2::group_names("(a)(?P<x>b)(?<y>c)(?:d)(?P<x>e)(?P<1>f)").expect("valid pattern");
        let names: Vec<&str> = names.iter().map(|name| name.as_deref().unwrap_or("-")).collect();
        assert_eq!(names, ["-", "-", "x", "y", "x", "1"]);
        let regex = re2::compile("(a)(?P<x>b)(?<y>c)(?:d)(?P<x>e)(?P<1>f)").expect("valid pattern");
        assert_eq!(regex.captures_len(), names.len());
    }

    #[test]
    fn errors_are_worded_as_in_go() {
        let table = [
            ("(", "missing closing ): `(`"),
            ("a(b", "missing closing ): `a(b`"),
            ("a)b", "unexpected ): `a)b`"),
            ("a[", "missing closing ]: `[`"),
            ("x[a-", "missing closing ]: `[a-`"),
            ("[b-a]", "invalid character class range: `b-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
            (r"\p{Greek", r"invalid character class range: `\p{Greek`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a|+?b", "missing argument to repetition operator: `+?`"),
            ("(?i)*", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+*?b", "invalid nested repetition operator: `+*?`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("(a{100}){100}", "invalid repeat count: `{100}`"),
            ("(?=x)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?!x)", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
            ("(?<=x)y>", "invalid named capture: `(?<=x)y>`"),
            ("(?P<n", "invalid named capture: `(?P<n`"),
            ("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`"),
            (r"a\", "trailing backslash at end of expression: ``"),
            (r"\q", r"invalid escape sequence: `\q`"),
            (r"\Z", r"invalid escape sequence: `\Z`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
            (r"\xg", r"invalid escape sequence: `\xg`"),
            (r"[\Q]", r"invalid escape sequence: `\Q`"),
            (r"(\pL{500}){2}(\pL{1000})+(\pN{1000}|\pL{999})", "expression too large"),
        ];
        for (pattern, expected) in table {
            let error = re2::compile(pattern).map(|_| ()).expect_err(pattern).to_string();
            assert!(error.starts_with(&format!("error parsing regexp: {expected}")), "{pattern}: {error}");
        }
        let deep = "(".repeat(1001) + &")".repeat(1001);
        let error = re2::compile(&deep).expect_err("too deep");
        assert_eq!(error.reason, "expression nests too deeply");
    }
}
