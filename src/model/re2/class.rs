//! Single characters and sets of them: `a`, `\n`, `\x{ac00}`, `[a-z]`, `\d`, `\p{Hangul}`, `[[:alpha:]]`.

use std::fmt::Write as _;

use crate::model::re2::Error;
use crate::model::re2::translate::error;

/// A set that no text matches, for characters that no text can hold.
const NOTHING: &str = "[^\\x00-\\x{10ffff}]";

/// Classes in brackets, as items of a class of the `regex` crate.
const NAMED: [(&str, &str); 14] = [
    ("alnum", "0-9A-Za-z"),
    ("alpha", "A-Za-z"),
    ("ascii", "\\x00-\\x7f"),
    ("blank", "\\t\\x20"),
    ("cntrl", "\\x00-\\x1f\\x7f"),
    ("digit", "0-9"),
    ("graph", "\\x21-\\x7e"),
    ("lower", "a-z"),
    ("print", "\\x20-\\x7e"),
    ("punct", "\\x21-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7e"),
    ("space", "\\x09-\\x0d\\x20"),
    ("upper", "A-Z"),
    ("word", "0-9A-Za-z_"),
    ("xdigit", "0-9A-Fa-f"),
];

/// Writes one character.
pub(super) fn push_literal(code: u32, fold: bool, out: &mut String) {
    let Some(c) = char::from_u32(code) else {
        out.push_str(NOTHING);
        return;
    };
    let folds = fold && (c.is_alphabetic() || !c.is_ascii());
    let text = regex_syntax::escape(c.encode_utf8(&mut [0; 4]));
    if folds {
        out.push_str(&format!("(?i:{text})"));
    } else {
        out.push_str(&text);
    }
}

/// Writes a set of characters made of items that [`escaped_class`] and others wrote.
pub(super) fn push_class(items: &str, negated: bool, fold: bool, out: &mut String) {
    let not = if negated { "^" } else { "" };
    match (items, fold) {
        ("", false | true) if negated => out.push_str("(?s:.)"),
        ("", _) => out.push_str(NOTHING),
        (_, true) => out.push_str(&format!("(?i:[{not}{items}])")),
        (_, false) => out.push_str(&format!("[{not}{items}]")),
    }
}

/// Reads `[…]` at the front of a text and writes it; the rest of the text.
pub(super) fn bracketed<'p>(text: &'p str, fold: bool, out: &mut String) -> Result<&'p str, Error> {
    let mut rest = &text[1..];
    let negated = rest.starts_with('^');
    if negated {
        rest = &rest[1..];
    }
    let mut items = String::new();
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        if let Some(after) = named(rest, &mut items)? {
            rest = after;
            continue;
        }
        if let Some(after) = escaped_class(rest, &mut items)? {
            rest = after;
            continue;
        }
        let range = rest;
        let (low, after) = class_char(rest, text)?;
        rest = after;
        let mut high = low;
        if rest.len() >= 2 && rest.starts_with('-') && !rest[1..].starts_with(']') {
            (high, rest) = class_char(&rest[1..], text)?;
            if high < low {
                let range = &range[..range.len() - rest.len()];
                return Err(error("invalid character class range", range));
            }
        }
        push_range(low, high, &mut items);
    }
    push_class(&items, negated, fold, out);
    Ok(&rest[1..])
}

/// Surrogates, which no text holds, are left out.
fn push_range(low: u32, high: u32, items: &mut String) {
    let is_surrogate = |code: u32| (0xd800..=0xdfff).contains(&code);
    let low = if is_surrogate(low) { 0xe000 } else { low };
    let high = if is_surrogate(high) { 0xd7ff } else { high };
    if low <= high {
        // writing into a string cannot fail
        let _ = write!(items, "\\x{{{low:x}}}-\\x{{{high:x}}}");
    }
}

fn class_char<'p>(text: &'p str, whole: &str) -> Result<(u32, &'p str), Error> {
    match text.chars().next() {
        None => Err(error("missing closing ]", whole)),
        Some('\\') => escaped_char(text),
        Some(c) => Ok((u32::from(c), &text[c.len_utf8()..])),
    }
}

/// `[:alpha:]`, `[:^digit:]` within brackets; `None` where there is none.
fn named<'p>(text: &'p str, items: &mut String) -> Result<Option<&'p str>, Error> {
    let Some(inner) = text.strip_prefix("[:") else { return Ok(None) };
    let Some(end) = inner.find(":]") else { return Ok(None) };
    let (name, negated) = match inner[..end].strip_prefix('^') {
        Some(name) => (name, true),
        None => (&inner[..end], false),
    };
    let rest = &inner[end + 2..];
    let Some((_, ranges)) = NAMED.iter().find(|(known, _)| *known == name) else {
        return Err(error("invalid character class range", &text[..text.len() - rest.len()]));
    };
    if negated {
        push_class(ranges, true, false, items)
    } else {
        items.push_str(ranges)
    }
    Ok(Some(rest))
}

/// `\d`, `\W`, `\pL`, `\P{Greek}` as items of a class; `None` where the text begins with no such thing.
pub(super) fn escaped_class<'p>(text: &'p str, items: &mut String) -> Result<Option<&'p str>, Error> {
    let mut chars = text.chars();
    if chars.next() != Some('\\') {
        return Ok(None);
    }
    items.push_str(match chars.next() {
        Some('d') => "0-9",
        Some('D') => "[^0-9]",
        Some('s') => "\\t\\n\\x0c\\r\\x20",
        Some('S') => "[^\\t\\n\\x0c\\r\\x20]",
        Some('w') => "0-9A-Za-z_",
        Some('W') => "[^0-9A-Za-z_]",
        Some(kind @ ('p' | 'P')) => return unicode_class(text, kind, items).map(Some),
        Some(_) | None => return Ok(None),
    });
    Ok(Some(chars.as_str()))
}

fn unicode_class<'p>(text: &'p str, kind: char, items: &mut String) -> Result<&'p str, Error> {
    let invalid = |what: &str| Err(error("invalid character class range", what));
    let body = &text[2..];
    let (name, rest) = match body.strip_prefix('{') {
        Some(inner) => match inner.find('}') {
            Some(end) => (&inner[..end], &inner[end + 1..]),
            None => return invalid(text),
        },
        None => match body.chars().next() {
            Some(c) => body.split_at(c.len_utf8()),
            None => return invalid(text),
        },
    };
    let (bare, negated) = match name.strip_prefix('^') {
        Some(bare) => (bare, kind == 'p'),
        None => (name, kind == 'P'),
    };
    let written = match bare {
        "Any" if negated => NOTHING.to_owned(),
        "Any" => "\\x00-\\x{10ffff}".to_owned(),
        _ => format!("\\{}{{{bare}}}", if negated { 'P' } else { 'p' }),
    };
    let plain = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !plain || regex_syntax::parse(&format!("[{written}]")).is_err() {
        return invalid(&text[..text.len() - rest.len()]);
    }
    items.push_str(&written);
    Ok(rest)
}

/// The character that an escape at the front of a text stands for, and the rest.
pub(super) fn escaped_char(text: &str) -> Result<(u32, &str), Error> {
    let mut chars = text[1..].chars();
    let Some(c) = chars.next() else {
        return Err(error("trailing backslash at end of expression", ""));
    };
    let rest = chars.as_str();
    let code = match c {
        'x' => return hexadecimal(text, rest),
        '1'..='7' if !rest.starts_with(|c: char| matches!(c, '0'..='7')) => None,
        '0'..='7' => {
            let body = &text[1..];
            let length = body.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
            let code = body[..length].chars().filter_map(|c| c.to_digit(8)).fold(0, |code, digit| code * 8 + digit);
            return Ok((code, &body[length..]));
        }
        'a' => Some(0x07),
        'f' => Some(0x0c),
        'n' => Some(0x0a),
        'r' => Some(0x0d),
        't' => Some(0x09),
        'v' => Some(0x0b),
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Some(u32::from(c)),
        _ => None,
    };
    match code {
        Some(code) => Ok((code, rest)),
        None => Err(error("invalid escape sequence", &text[..text.len() - rest.len()])),
    }
}

/// `\x41`, `\x{ac00}`
fn hexadecimal<'p>(text: &'p str, body: &'p str) -> Result<(u32, &'p str), Error> {
    let invalid = |rest: &str| Err(error("invalid escape sequence", &text[..text.len() - rest.len()]));
    let mut chars = body.chars();
    let braced = body.starts_with('{');
    if braced {
        chars.next();
    }
    let mut code = 0;
    let mut count = 0;
    loop {
        let Some(c) = chars.next() else { return invalid("") };
        if braced && c == '}' && count > 0 {
            return Ok((code, chars.as_str()));
        }
        let Some(digit) = c.to_digit(16) else { return invalid(chars.as_str()) };
        code = code * 16 + digit;
        count += 1;
        if code > 0x10_ffff {
            return invalid(chars.as_str());
        }
        if !braced && count == 2 {
            return Ok((code, chars.as_str()));
        }
    }
}
