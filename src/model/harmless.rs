//! Text of others made harmless for a terminal.

use std::fmt::Write as _;

/// Control characters written out, but for newlines and tabs; so are the characters that turn text around.
pub(crate) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if turns_text(c) => {
                let _ = write!(out, "{}", c.escape_unicode());
            }
            c if c.is_control() => {
                let _ = write!(out, "{}", c.escape_default());
            }
            c => out.push(c),
        }
    }
    out
}

/// Embeddings, overrides and isolates of the Unicode bidirectional algorithm.
pub(crate) fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use crate::model::harmless::harmless;

    #[test]
    fn what_moves_the_cursor_is_written_out() {
        assert_eq!(harmless("a\x1b[2J\tb\u{202e}c\u{9b}한"), "a\\u{1b}[2J\tb\\u{202e}c\\u{9b}한");
    }
}
