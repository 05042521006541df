//! Patterns that are nothing but texts: `timeout`, `(?i)refused|denied`, `.*error.*`. A line matches where it holds one.
//!
//! Promises: what is answered says the same as the pattern, for every line. Of other patterns nothing is said.

use regex_syntax::hir::{Class, Hir, HirKind};

use crate::model::re2;

/// Texts that a pattern is told apart into, at most.
const TEXTS_MAX: usize = 32;
/// Characters of a set that are told one by one.
const SET_MAX: usize = 8;

/// Texts of which a line must hold one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literals {
    pub texts: Vec<String>,
    /// Whether ASCII letters may be in either case, and there are no others that have one.
    pub ignores_case: bool,
}

/// A character of a text.
#[derive(Clone, Copy)]
enum Unit {
    Exact(char),
    /// An ASCII letter in lower case that stands for all that are folded to it.
    Folded(char),
}

/// The texts that a pattern stands for, not anchored, if it is nothing else.
pub fn literals(pattern: &str) -> Option<Literals> {
    let hir = re2::parse(pattern).ok()?;
    let texts = texts_of(without_ends(&hir))?;
    let units = || texts.iter().flatten();
    let is_cased = |unit: &Unit| match unit {
        Unit::Exact(letter) => {
            letter.is_alphabetic() && !(letter.to_lowercase().eq([*letter]) && letter.to_uppercase().eq([*letter]))
        }
        Unit::Folded(_) => false,
    };
    let ignores_case = units().any(|unit| matches!(unit, Unit::Folded(_)));
    if (ignores_case && units().any(is_cased)) || texts.iter().any(Vec::is_empty) {
        return None;
    }
    let text = |units: &Vec<Unit>| {
        units
            .iter()
            .map(|unit| match unit {
                Unit::Exact(letter) | Unit::Folded(letter) => *letter,
            })
            .collect()
    };
    Some(Literals { texts: texts.iter().map(text).collect(), ignores_case })
}

/// A pattern without what may be nothing at its begin and its end: whether something matches does not hang on it.
fn without_ends(hir: &Hir) -> Vec<&Hir> {
    let HirKind::Concat(parts) = hir.kind() else { return vec![hir] };
    let may_be_nothing = |part: &&Hir| matches!(part.kind(), HirKind::Repetition(repetition) if repetition.min == 0);
    let start = parts.iter().take_while(may_be_nothing).count();
    let end = parts.len() - parts[start..].iter().rev().take_while(may_be_nothing).count();
    parts[start..end].iter().collect()
}

/// All texts of parts that follow each other.
fn texts_of(parts: Vec<&Hir>) -> Option<Vec<Vec<Unit>>> {
    let mut texts = vec![Vec::new()];
    for part in parts {
        let own = texts_of_part(part)?;
        if texts.len() * own.len() > TEXTS_MAX {
            return None;
        }
        let joined = texts.iter().flat_map(|front| own.iter().map(move |end| [&front[..], &end[..]].concat()));
        texts = joined.collect();
    }
    Some(texts)
}

fn texts_of_part(hir: &Hir) -> Option<Vec<Vec<Unit>>> {
    match hir.kind() {
        HirKind::Empty => Some(vec![Vec::new()]),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            Some(vec![text.chars().map(Unit::Exact).collect()])
        }
        HirKind::Class(Class::Unicode(class)) => {
            let count: usize = class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::len).sum();
            if count > SET_MAX {
                return None;
            }
            let letters: Vec<char> = class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect();
            Some(match folded(&letters) {
                Some(letter) => vec![vec![Unit::Folded(letter)]],
                None => letters.into_iter().map(|letter| vec![Unit::Exact(letter)]).collect(),
            })
        }
        HirKind::Capture(capture) => texts_of_part(&capture.sub),
        HirKind::Concat(parts) => texts_of(parts.iter().collect()),
        HirKind::Alternation(parts) => {
            let mut texts = Vec::new();
            for part in parts {
                texts.extend(texts_of_part(part)?);
            }
            (texts.len() <= TEXTS_MAX).then_some(texts)
        }
        HirKind::Class(Class::Bytes(_)) | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// The ASCII letter whose folded forms a set is made of.
fn folded(letters: &[char]) -> Option<char> {
    let others: &[char] = match letters {
        [upper, lower, others @ ..] if upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == *lower => others,
        _ => return None,
    };
    let from_afar: &[char] = match letters[1] {
        's' => &['\u{17f}'],
        'k' => &['\u{212a}'],
        _ => &[],
    };
    (others == from_afar).then_some(letters[1])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::logql::stage::literals::{Literals, literals};
    use crate::model::re2;

    #[track_caller]
    fn check(pattern: &str, texts: &[&str], ignores_case: bool) {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(literals(pattern), Some(Literals { texts, ignores_case }), "{pattern}");
    }

    #[test]
    fn patterns_of_texts_are_told_apart() {
        check("timeout", &["timeout"], false);
        check("(?i)refused|denied|timeout", &["refused", "denied", "timeout"], true);
        check(".*error.*", &["error"], false);
        check("(GET|PUT) /a", &["GET /a", "PUT /a"], false);
        check("[45]00", &["400", "500"], false);
        check("장바구니|(?i)7-x", &["장바구니", "7-x"], true);
        check("a\\.b", &["a.b"], false);
    }

    #[test]
    fn nothing_is_said_of_others() {
        for pattern in ["^a", "a$", "\\ba", "a+", "ab*c", "[a-z]", "(?i)a(?-i)B", "(?i)xé", "a|", "", ".*", "("] {
            assert_eq!(literals(pattern), None, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_line_matches_where_it_holds_one_of_the_texts(
            pattern in "(\\(\\?i\\))?[askAK가é]{0,3}(\\.\\*)?([|.][skSK]{1,2}|\\[[as가]{1,2}\\])?(\\.\\*)?", line in "[askASKſK가é|]{0,6}",
        ) {
            let (Some(found), Ok(regex)) = (literals(&pattern), re2::compile(&pattern)) else { return Ok(()) };
            let holds = |text: &String| {
                let text = regex::escape(text);
                regex::Regex::new(&if found.ignores_case { format!("(?i){text}") } else { text }).expect("a text").is_match(&line)
            };
            prop_assert_eq!(regex.is_match(&line), found.texts.iter().any(holds), "{} {}", pattern, line);
        }
    }
}
