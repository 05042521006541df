//! Quotes as phones write them: “ ” ‘ ’, taken for the straight ones. Pure.

use std::borrow::Cow;

use crate::logql::{Class, highlight};

const CURLY: [char; 5] = ['“', '”', '„', '‘', '’'];

/// The query with straight quotes. Inside a text that is quoted rightly, curly ones stay what they are.
pub(crate) fn straightened(query: &str) -> Cow<'_, str> {
    if !query.contains(CURLY) {
        return Cow::Borrowed(query);
    }
    let mut text = String::with_capacity(query.len());
    for piece in highlight(query) {
        match piece.class {
            Class::Text | Class::Comment => text.push_str(&query[piece.span]),
            _ => straighten_into(&mut text, query, piece.span.start, piece.span.end),
        }
    }
    Cow::Owned(text)
}

/// The query with straight quotes everywhere.
pub(crate) fn all_straightened(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    straighten_into(&mut text, query, 0, query.len());
    text
}

/// A single one between two letters is an apostrophe; any other one opens or closes a text.
fn straighten_into(text: &mut String, query: &str, start: usize, end: usize) {
    for (index, c) in query[start..end].char_indices() {
        let at = start + index;
        let in_word = || {
            let before = query[..at].chars().next_back().is_some_and(char::is_alphanumeric);
            before && query[at + c.len_utf8()..].starts_with(char::is_alphanumeric)
        };
        text.push(match c {
            '‘' | '’' if in_word() => '\'',
            c if CURLY.contains(&c) => '"',
            c => c,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::web::explore::quotes::{all_straightened, straightened};

    #[test]
    fn quotes_of_phones_are_quotes() {
        let check = |query, expected: &str| assert_eq!(straightened(query), expected);
        check("{app=“web”} |= ‘two words’", "{app=\"web\"} |= \"two words\"");
        check("“two words”", "\"two words\"");
        check("it’s", "it's");
        check("{app=\"web\"} |= \"say “hi”\"", "{app=\"web\"} |= \"say “hi”\"");
        assert_eq!(all_straightened("{app=\"web”}"), "{app=\"web\"}");
    }
}
