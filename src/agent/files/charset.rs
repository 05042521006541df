//! How the bytes of a file become lines of text.
//!
//! Promises: every byte between two ends of lines is in a line; what is no text becomes U+FFFD, and nothing is left out.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};
use memchr::{memchr, memchr_iter, memrchr};
use serde::{Deserialize, Deserializer};

use crate::agent::source::Record;

/// Names that are text of two bytes a letter, in an order that the file itself tells.
const EITHER_WIDE: [&str; 3] = ["utf-16", "utf16", "unicode"];
/// What a file begins with that tells the order.
const LITTLE_MARK: [u8; 2] = [0xff, 0xfe];
const BIG_MARK: [u8; 2] = [0xfe, 0xff];

/// The `encoding` of a scrape configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EncodingName(Option<Named>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    EitherWide,
    One(&'static Encoding),
}

/// How one file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    /// UTF-16.
    Wide(Order),
    /// Anything in which the byte of a new line is nothing else.
    Narrow(&'static Encoding),
}

/// Which byte of two comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    LittleFirst,
    BigFirst,
}

impl EncodingName {
    /// # Errors
    ///
    /// There is no encoding of this name; the text says what to try.
    pub(crate) fn parse(name: &str) -> Result<EncodingName, String> {
        let lower = name.trim().to_ascii_lowercase();
        if lower.is_empty() {
            return Ok(EncodingName(None));
        }
        if EITHER_WIDE.contains(&lower.as_str()) {
            return Ok(EncodingName(Some(Named::EitherWide)));
        }
        match Encoding::for_label(lower.as_bytes()) {
            Some(encoding) if encoding != REPLACEMENT => Ok(EncodingName(Some(Named::One(encoding)))),
            Some(_) | None => Err(format!(
                "there is no encoding `{name}`; names are those of the WHATWG: utf-16le, utf-16be, windows-1252, \
                 iso-8859-15, shift_jis, euc-jp, gbk, gb18030, big5, euc-kr, koi8-r …"
            )),
        }
    }

    /// How a file is written that begins so.
    pub(crate) fn of_head(self, head: &[u8]) -> Charset {
        match self.0 {
            None => Charset::Utf8,
            Some(Named::One(encoding)) if encoding == UTF_8 => Charset::Utf8,
            Some(Named::One(encoding)) if encoding == UTF_16LE => Charset::Wide(Order::LittleFirst),
            Some(Named::One(encoding)) if encoding == UTF_16BE => Charset::Wide(Order::BigFirst),
            Some(Named::One(encoding)) => Charset::Narrow(encoding),
            Some(Named::EitherWide) => Charset::Wide(order_of(head)),
        }
    }
}

impl<'de> Deserialize<'de> for EncodingName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EncodingName, D::Error> {
        EncodingName::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// By the mark at the start, else by where the zeros of western letters are.
fn order_of(head: &[u8]) -> Order {
    if head.starts_with(&LITTLE_MARK) {
        return Order::LittleFirst;
    }
    let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    if !head.starts_with(&BIG_MARK) && zeros(1) > zeros(0) { Order::LittleFirst } else { Order::BigFirst }
}

impl Charset {
    /// How many bytes at the start of a file are no text: the mark of its order.
    pub(crate) fn skipped(self, head: &[u8]) -> u64 {
        let is_marked = match self {
            Charset::Wide(Order::LittleFirst) => head.starts_with(&LITTLE_MARK),
            Charset::Wide(Order::BigFirst) => head.starts_with(&BIG_MARK),
            Charset::Utf8 | Charset::Narrow(_) => false,
        };
        if is_marked { 2 } else { 0 }
    }

    /// Whether the byte at an index is the first of a new line's, where a new line has several.
    fn end_at(self, bytes: &[u8], index: usize) -> Option<usize> {
        match self {
            Charset::Utf8 | Charset::Narrow(_) => Some(index + 1),
            Charset::Wide(Order::LittleFirst) => {
                (index.is_multiple_of(2) && bytes.get(index + 1) == Some(&0)).then_some(index + 2)
            }
            Charset::Wide(Order::BigFirst) => (index % 2 == 1 && bytes[index - 1] == 0).then_some(index + 1),
        }
    }

    /// Where the last whole line ends.
    pub(crate) fn last_end(self, bytes: &[u8]) -> Option<usize> {
        let mut before = bytes.len();
        loop {
            before = memrchr(b'\n', &bytes[..before])?;
            if let Some(end) = self.end_at(bytes, before) {
                return Some(end);
            }
        }
    }

    /// Where the first whole line ends.
    pub(crate) fn first_end(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Charset::Utf8 | Charset::Narrow(_) => memchr(b'\n', bytes).map(|index| index + 1),
            Charset::Wide(_) => memchr_iter(b'\n', bytes).find_map(|index| self.end_at(bytes, index)),
        }
    }

    /// How far a line that is too long may be taken, so that no letter is cut.
    pub(crate) fn cut(self, bytes: &[u8]) -> usize {
        let len = bytes.len();
        match self {
            Charset::Utf8 => {
                // the last letter begins at one of the last four bytes; taken where it is whole
                let is_start = |back: &usize| len >= *back && bytes[len - back] & 0b1100_0000 != 0b1000_0000;
                match (1..=4).find(is_start) {
                    Some(back) if std::str::from_utf8(&bytes[len - back..]).is_err() && back < len => len - back,
                    Some(_) | None => len,
                }
            }
            Charset::Wide(_) => len & !1,
            Charset::Narrow(_) => len,
        }
    }

    /// Hands out the lines of a part that ends where a line does, or where the file does.
    pub(crate) fn each_line(self, part: &[u8], start: u64, each: &mut dyn FnMut(Record<'_>)) {
        match self {
            Charset::Utf8 => each_line_of_utf8(part, start, each),
            Charset::Wide(_) | Charset::Narrow(_) => {
                let encoding = match self {
                    Charset::Wide(Order::LittleFirst) => UTF_16LE,
                    Charset::Wide(Order::BigFirst) => UTF_16BE,
                    Charset::Narrow(encoding) => encoding,
                    Charset::Utf8 => UTF_8,
                };
                let mut from = 0;
                while from < part.len() {
                    let end = self.first_end(&part[from..]).map_or(part.len(), |end| from + end);
                    let (line, _) = encoding.decode_without_bom_handling(&part[from..end]);
                    give(&line, start + from as u64, start + end as u64, each);
                    from = end;
                }
            }
        }
    }
}

fn each_line_of_utf8(part: &[u8], start: u64, each: &mut dyn FnMut(Record<'_>)) {
    let text = std::str::from_utf8(part).ok();
    let mut from = 0;
    let ends = memchr_iter(b'\n', part).map(|index| index + 1);
    let rest = (part.last().is_some_and(|last| *last != b'\n')).then_some(part.len());
    for end in ends.chain(rest) {
        let line = match text {
            Some(text) => Cow::Borrowed(&text[from..end]),
            None => String::from_utf8_lossy(&part[from..end]),
        };
        give(&line, start + from as u64, start + end as u64, each);
        from = end;
    }
}

fn give(line: &str, start: u64, end: u64, each: &mut dyn FnMut(Record<'_>)) {
    let line = match line.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => line,
    };
    each(Record { start, end, line, timestamp: None, labels: None, structured: &[], tenant: None });
}

#[cfg(test)]
mod tests {
    use crate::agent::files::charset::*;

    fn lines(charset: Charset, part: &[u8]) -> Vec<(u64, u64, String)> {
        let mut lines = Vec::new();
        charset.each_line(part, 100, &mut |record| lines.push((record.start, record.end, record.line.to_owned())));
        lines
    }

    fn check(name: &str, part: &[u8], expected: &[&str]) {
        let charset = EncodingName::parse(name).unwrap().of_head(part);
        let part = &part[charset.skipped(part) as usize..];
        let lines = lines(charset, part);
        let texts: Vec<&str> = lines.iter().map(|(.., line)| line.as_str()).collect();
        assert_eq!(texts, expected, "{name}");
        // lines lie side by side and none is left out
        assert_eq!(lines.first().map_or(100, |line| line.0), 100);
        assert!(lines.windows(2).all(|pair| pair[0].1 == pair[1].0));
        assert_eq!(lines.last().map_or(100, |line| line.1), 100 + part.len() as u64);
    }

    fn wide(text: &str, order: Order) -> Vec<u8> {
        let each = |unit: u16| match order {
            Order::LittleFirst => unit.to_le_bytes(),
            Order::BigFirst => unit.to_be_bytes(),
        };
        text.encode_utf16().flat_map(each).collect()
    }

    #[test]
    fn lines_end_at_new_lines_with_and_without_a_carriage_return() {
        check("", b"", &[]);
        check("", b"one\ntwo\r\n\n\r\nthree\rx\n", &["one", "two", "", "", "three\rx"]);
        check("", b"one\nlast\r", &["one", "last\r"]);
        check("utf-8", "하나\n둘\n".as_bytes(), &["하나", "둘"]);
    }

    #[test]
    fn what_is_no_text_is_replaced_in_its_line_only() {
        check("", b"good\nb\xffd\n\xed\x95\n\xed\x95\x9c\n", &["good", "b\u{fffd}d", "\u{fffd}", "한"]);
        check("", b"nul\0is text\n", &["nul\0is text"]);
    }

    #[test]
    fn text_of_two_bytes_is_split_at_its_own_new_line() {
        // U+0A41 and U+410A have the byte of a new line in them, and U+0A0A has two
        let text = "one\r\n\u{0a41}\u{410a}\u{0a0a}\n두울 😀\n";
        let expected = ["one", "\u{0a41}\u{410a}\u{0a0a}", "두울 😀"];
        check("utf-16le", &wide(text, Order::LittleFirst), &expected);
        check("UTF-16BE", &wide(text, Order::BigFirst), &expected);
        for order in [Order::LittleFirst, Order::BigFirst] {
            check("utf-16", &wide(&format!("\u{feff}{text}"), order), &expected);
            check("utf-16", &wide(text, order), &expected);
        }
        let marked = wide("\u{feff}a\n", Order::LittleFirst);
        check("utf-16le", &marked, &["a"]);
        let mut torn = wide("a\n", Order::LittleFirst);
        torn.push(b'x');
        check("utf-16le", &torn, &["a", "\u{fffd}"]);
        let charset = Charset::Wide(Order::LittleFirst);
        assert_eq!(charset.last_end(&wide("a\nb\u{0a41}", Order::LittleFirst)), Some(4));
        assert_eq!(charset.last_end(&wide("\u{0a41}\u{410a}", Order::LittleFirst)), None);
    }

    #[test]
    fn other_encodings_have_the_names_of_the_web() {
        check("windows-1252", b"caf\xe9\r\n\x80\n", &["café", "€"]);
        check("ISO-8859-1", b"\xfc\n", &["ü"]);
        check("euc-kr", b"\xc7\xd1\xb1\xdb\n", &["한글"]);
        check("shift_jis", b"\x93\xfa\x96{\n", &["日本"]);
        for name in ["utf-7", "klingon", "hz-gb-2312"] {
            assert!(EncodingName::parse(name).unwrap_err().contains(name));
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_letters() {
        for text in ["abc", "ab한", "ab😀", "한", "é"] {
            for end in 1..=text.len() {
                let cut = Charset::Utf8.cut(&text.as_bytes()[..end]);
                assert!(cut == end || text.is_char_boundary(cut), "{text} {end} {cut}");
                assert!(cut > 0 && (text.is_char_boundary(cut) || end < 4), "{text} {end} {cut}");
            }
        }
        assert_eq!(Charset::Utf8.cut(b"\x80\x80\x80\x80\x80\x80"), 6);
        assert_eq!(Charset::Utf8.cut(b"abc"), 3);
        assert_eq!(Charset::Wide(Order::BigFirst).cut(b"abc"), 2);
    }
}
