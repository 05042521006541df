//! Regular expressions that stand for plain texts: `a\.b|c` for "a.b" or "c".
//!
//! Promises: `unquote(quote(text))` is the text, and `split(alternatives(texts))` the texts.

const SPECIAL: &str = "\\.+*?()|[]{}^$";

/// The pattern that matches just this text.
pub(crate) fn quote(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if SPECIAL.contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The text that a pattern stands for, where it stands for one.
pub(crate) fn unquote(pattern: &str) -> Option<String> {
    match split(pattern)?.as_slice() {
        [text] => Some(text.clone()),
        _ => None,
    }
}

/// The pattern that matches any of these texts.
pub(crate) fn alternatives(texts: &[String]) -> String {
    texts.iter().map(|text| quote(text)).collect::<Vec<_>>().join("|")
}

/// The texts that a pattern stands for, where it is nothing but texts with `|` between them.
pub(crate) fn split(pattern: &str) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            '|' => {
                texts.push(String::new());
                continue;
            }
            '\\' => chars.next().filter(|escaped| SPECIAL.contains(*escaped))?,
            c if SPECIAL.contains(c) => return None,
            c => c,
        };
        texts.last_mut().expect("never without a text").push(literal);
    }
    Some(texts)
}

#[cfg(test)]
mod tests {
    use crate::web::explore::literal::{alternatives, quote, split, unquote};

    #[test]
    fn texts_come_back_from_their_patterns() {
        let texts = ["a.b".to_owned(), "c|d".to_owned(), "한\\글".to_owned(), String::new()];
        assert_eq!(split(&alternatives(&texts)).unwrap(), texts);
        for text in texts {
            assert_eq!(unquote(&quote(&text)), Some(text));
        }
    }

    #[test]
    fn a_real_pattern_stands_for_no_text() {
        for pattern in ["a.*", "a+", "(a|b)", "a\\d", "a\\", "[ab]"] {
            assert_eq!(split(pattern), None, "{pattern}");
        }
        assert_eq!(unquote("a|b"), None);
    }
}
