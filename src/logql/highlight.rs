//! Query text to coloured pieces, for pages that show or edit it.
//!
//! Promises: the pieces follow each other without gaps and make up the whole text, whatever it is; unfinished text is
//! classified as far as it goes. Never: judges whether the query is sound beyond single words.

use std::ops::Range;

use crate::logql::lexer::is_call;
use crate::logql::scanner::{Raw, Scanner};
use crate::logql::token::{Kind, SIGNS, WORDS, function};

/// What a piece of a query is to the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Blanks.
    Blank,
    /// Words of the language and names of functions.
    Keyword,
    /// Names of labels, and names that mean nothing.
    Label,
    /// Signs that compare, filter or calculate.
    Operator,
    /// Brackets and commas.
    Bracket,
    /// Quoted texts.
    Text,
    /// Numbers, durations, sizes, ranges.
    Number,
    Comment,
    /// What cannot be read, such as a text without its closing quote.
    Error,
}

impl Class {
    /// A short lower-case name, good for a class of a style sheet.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Blank => "blank",
            Class::Keyword => "keyword",
            Class::Label => "label",
            Class::Operator => "operator",
            Class::Bracket => "bracket",
            Class::Text => "string",
            Class::Number => "number",
            Class::Comment => "comment",
            Class::Error => "error",
        }
    }
}

/// One piece: its bytes in the query and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub span: Range<usize>,
    pub class: Class,
}

/// Cuts a query into pieces. Neighbours of one class stay apart where they are separate words.
pub fn highlight(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut offset = 0;
    while offset < text.len() {
        let (length, class) = piece(&text[offset..]);
        pieces.push(Piece { span: offset..offset + length, class });
        offset += length;
    }
    pieces
}

/// The first piece of a text that is not empty.
fn piece(text: &str) -> (usize, Class) {
    let blank = text.len() - text.trim_start().len();
    if blank > 0 {
        return (blank, Class::Blank);
    }
    if text.starts_with('#') || text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), Class::Comment);
    }
    if let Some(body) = text.strip_prefix("/*") {
        return match body.find("*/") {
            Some(end) => (end + 4, Class::Comment),
            None => (text.len(), Class::Error),
        };
    }
    if text.starts_with('[') {
        return match text.find(']') {
            Some(end) => (end + 1, Class::Number),
            None => (text.len(), Class::Error),
        };
    }
    for flag in ["--keep-empty", "--strict"] {
        if text.starts_with(flag) {
            return (flag.len(), Class::Keyword);
        }
    }
    let mut scanner = Scanner::new(text);
    let scanned = scanner.scan();
    // a mark in front of the text, which the scanner leaves out
    let length = scanner.offset();
    let class = match scanned.raw {
        _ if scanned.error.is_some() => Class::Error,
        Raw::End => Class::Blank,
        Raw::Text => Class::Text,
        Raw::Number => {
            let unit = scanner.rest();
            let unit_end = unit.find(|c: char| !c.is_alphanumeric() && c != '.').unwrap_or(unit.len());
            return (length + unit_end, Class::Number);
        }
        Raw::Name => return (length, word(&text[..length], scanner.rest())),
        Raw::Sign => return sign(text).unwrap_or((length, Class::Error)),
    };
    (length, class)
}

/// Functions are keywords before their arguments, the words of the language anywhere.
fn word(name: &str, rest: &str) -> Class {
    let lower = name.to_lowercase();
    let known = match function(&lower) {
        Some(_) => is_call(rest),
        None => WORDS.iter().any(|(word, _)| *word == lower),
    };
    if known { Class::Keyword } else { Class::Label }
}

fn sign(text: &str) -> Option<(usize, Class)> {
    let (sign, kind) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign))?;
    let class = match kind {
        Kind::OpenBrace | Kind::CloseBrace | Kind::CloseBracket | Kind::OpenParen | Kind::CloseParen | Kind::Comma => {
            Class::Bracket
        }
        _ => Class::Operator,
    };
    Some((sign.len(), class))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;
    use proptest::prop_assert_eq;

    use crate::logql::highlight::{Class, highlight};

    fn check(text: &str, expected: &[(&str, Class)]) {
        let pieces = highlight(text);
        let found: Vec<(&str, Class)> = pieces
            .iter()
            .filter(|piece| piece.class != Class::Blank)
            .map(|piece| (&text[piece.span.clone()], piece.class))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_query_is_cut_into_its_words() {
        use Class::{Bracket, Comment, Keyword, Label, Number, Operator, Text};
        check(
            "sum by (app) (rate({app=\"a\"} |= `x` | json | took > 1.5s [5m])) # why",
            &[
                ("sum", Keyword),
                ("by", Keyword),
                ("(", Bracket),
                ("app", Label),
                (")", Bracket),
                ("(", Bracket),
                ("rate", Keyword),
                ("(", Bracket),
                ("{", Bracket),
                ("app", Label),
                ("=", Operator),
                ("\"a\"", Text),
                ("}", Bracket),
                ("|=", Operator),
                ("`x`", Text),
                ("|", Operator),
                ("json", Keyword),
                ("|", Operator),
                ("took", Label),
                (">", Operator),
                ("1.5s", Number),
                ("[5m]", Number),
                (")", Bracket),
                (")", Bracket),
                ("# why", Comment),
            ],
        );
        check(
            "logfmt --strict rate = 20MiB",
            &[("logfmt", Keyword), ("--strict", Keyword), ("rate", Label), ("=", Operator), ("20MiB", Number)],
        );
    }

    #[test]
    fn unfinished_text_is_shown_as_such() {
        use Class::{Bracket, Error, Label, Operator};
        check("{app=\"we", &[("{", Bracket), ("app", Label), ("=", Operator), ("\"we", Error)]);
        check("[5m", &[("[5m", Error)]);
        check("/* a", &[("/* a", Error)]);
        check("@", &[("@", Error)]);
    }

    proptest! {
        #[test]
        fn the_pieces_make_up_the_text(text in "[ {}()|=!~<>,.\"`'#a-z0-9\\[\\]\\\\\n*/+-]{0,40}|\\PC{0,20}") {
            let pieces = highlight(&text);
            let joined: String = pieces.iter().map(|piece| &text[piece.span.clone()]).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
