//! `strconv.Unquote`: what a quoted text of a template stands for.

/// The text of `"…"` with its escapes, or of `` `…` `` as it is; `None` where an escape is wrong.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    if let Some(raw) = quoted.strip_prefix('`') {
        // Go drops carriage returns in raw strings
        return raw.strip_suffix('`').map(|raw| raw.replace('\r', ""));
    }
    let mut rest = quoted.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let (unit, after) = unquote_unit(rest, '"')?;
        match unit {
            Unit::Char(c) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Unit::Byte(byte) => bytes.push(byte),
        }
        rest = after;
    }
    Some(crate::logql::gotext::bytes_to_string(bytes))
}

/// The character of `'x'`.
pub(crate) fn unquote_char(quoted: &str) -> Option<char> {
    let body = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
    match unquote_unit(body, '\'')? {
        (Unit::Char(c), "") => Some(c),
        (Unit::Byte(byte), "") => Some(char::from(byte)),
        _ => None,
    }
}

enum Unit {
    Char(char),
    Byte(u8),
}

fn unquote_unit(text: &str, mark: char) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let first = chars.next()?;
    if first != '\\' {
        return Some((Unit::Char(first), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = |c| Some((Unit::Char(c), rest));
    let code = |digits: usize, radix: u32| {
        let text = rest.get(..digits)?;
        let all_digits = text.chars().all(|c| c.is_digit(radix));
        let value = if all_digits { u32::from_str_radix(text, radix).ok()? } else { return None };
        Some((value, &rest[digits..]))
    };
    match escape {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        c if c == mark => simple(c),
        'x' => code(2, 16).and_then(|(value, rest)| Some((Unit::Byte(u8::try_from(value).ok()?), rest))),
        'u' => code(4, 16).and_then(|(value, rest)| Some((Unit::Char(char::from_u32(value)?), rest))),
        'U' => code(8, 16).and_then(|(value, rest)| Some((Unit::Char(char::from_u32(value)?), rest))),
        '0'..='7' => {
            let digits = text.get(1..4).filter(|digits| digits.chars().all(|c| c.is_digit(8)))?;
            let value = u32::from_str_radix(digits, 8).ok()?;
            Some((Unit::Byte(u8::try_from(value).ok()?), &text[4..]))
        }
        _ => None,
    }
}
