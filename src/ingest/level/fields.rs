//! The level field of a line that looks like JSON or logfmt.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use crate::ingest::level::LABELS;

/// Objects inside of objects are looked into this deep (Loki's `log_level_from_json_max_depth`).
const JSON_DEPTH_MAX: usize = 2;

/// Whether the first and the last byte that are no space are braces.
pub(super) fn looks_like_json(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line.len() >= 2 && line[0] == b'{' && line[line.len() - 1] == b'}'
}

/// The text value of the first level field, as it is written; nothing when the line breaks off before.
pub(super) fn json(line: &[u8]) -> Option<&[u8]> {
    let mut json = Json { line, at: 0 };
    match json.object(JSON_DEPTH_MAX) {
        Ok(()) => None,
        Err(Stop::Found(value)) => Some(value),
        Err(Stop::Malformed) => None,
    }
}

enum Stop<'l> {
    Found(&'l [u8]),
    Malformed,
}

struct Json<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Json<'l> {
    /// The next byte that is no space, not taken.
    fn peek(&mut self) -> Result<u8, Stop<'l>> {
        while let Some(byte) = self.line.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err(Stop::Malformed)
    }

    fn expect(&mut self, wanted: u8) -> Result<(), Stop<'l>> {
        if self.peek()? != wanted {
            return Err(Stop::Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Walks an object; ends early with what was looked for.
    fn object(&mut self, depth: usize) -> Result<(), Stop<'l>> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            match self.peek()? {
                b'"' => {
                    let value = self.string()?;
                    if is_level_label(name) {
                        return Err(Stop::Found(value));
                    }
                }
                b'{' if depth > 1 => self.object(depth - 1)?,
                b'{' => self.skip_block(b'{', b'}')?,
                b'[' => self.skip_block(b'[', b']')?,
                _ => self.skip_word()?,
            }
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Stop::Malformed),
            }
        }
    }

    /// A string without its quotes, escapes left as they are.
    fn string(&mut self) -> Result<&'l [u8], Stop<'l>> {
        self.expect(b'"')?;
        let start = self.at;
        loop {
            let rest = self.line.get(self.at..).ok_or(Stop::Malformed)?;
            let found = memchr2(b'"', b'\\', rest).ok_or(Stop::Malformed)?;
            self.at += found;
            if self.line[self.at] == b'"' {
                self.at += 1;
                return Ok(&self.line[start..self.at - 1]);
            }
            self.at += 2;
        }
    }

    fn skip_block(&mut self, open: u8, close: u8) -> Result<(), Stop<'l>> {
        let mut depth = 0_usize;
        loop {
            let found = memchr3(b'"', open, close, &self.line[self.at..]).ok_or(Stop::Malformed)?;
            self.at += found;
            let byte = self.line[self.at];
            if byte == b'"' {
                self.string()?;
                continue;
            }
            self.at += 1;
            depth = if byte == open { depth + 1 } else { depth - 1 };
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// A number, `true`, `null`: all up to what ends a value.
    fn skip_word(&mut self) -> Result<(), Stop<'l>> {
        let rest = &self.line[self.at..];
        let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'));
        self.at += end.filter(|end| *end > 0).ok_or(Stop::Malformed)?;
        Ok(())
    }
}

fn is_level_label(name: &[u8]) -> bool {
    (3..=13).contains(&name.len()) && LABELS.iter().any(|label| label.as_bytes() == name)
}

/// The value of the first level key of a logfmt line; nothing when the line breaks off before, as in `a="b`.
pub(super) fn logfmt(line: &[u8]) -> Option<&[u8]> {
    let first = memchr(b'=', line)?;
    if first == 0 {
        return None;
    }
    // few lines have such a key at all: reading pair by pair is for them alone
    memchr_iter(b'=', &line[first..]).any(|at| ends_with_level_key(&line[..first + at])).then_some(())?;
    let mut pairs = Logfmt { line, at: 0 };
    while let Some((key, value)) = pairs.next() {
        if is_level_key(key) {
            return Some(value);
        }
    }
    None
}

/// The keys of `LABELS` without the letter cases, which do not matter here.
const LOGFMT_KEYS: [&str; 6] = ["level", "log.level", "severity", "severitytext", "lvl", "severity_text"];

fn is_level_key(key: &[u8]) -> bool {
    LOGFMT_KEYS.iter().any(|known| key.eq_ignore_ascii_case(known.as_bytes()))
}

fn ends_with_level_key(line: &[u8]) -> bool {
    let last = line.last().map_or(0, |byte| byte | 0x20);
    matches!(last, b'l' | b'y' | b't')
        && is_level_key(&line[line.iter().rposition(|byte| *byte <= b' ').map_or(0, |space| space + 1)..])
}

struct Logfmt<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Logfmt<'l> {
    /// The next key and its value, empty where there is none.
    fn next(&mut self) -> Option<(&'l [u8], &'l [u8])> {
        let rest = &self.line[self.at..];
        let start = self.at + rest.iter().position(|byte| *byte > b' ')?;
        let rest = &self.line[start..];
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b'"') || *byte <= b' ').unwrap_or(rest.len());
        let key = &rest[..end];
        self.at = start + end;
        match rest.get(end) {
            Some(b'"') => None,
            Some(b'=') if key.is_empty() => None,
            Some(b'=') => {
                self.at += 1;
                Some((key, self.value()?))
            }
            _ => Some((key, &[])),
        }
    }

    fn value(&mut self) -> Option<&'l [u8]> {
        let rest = &self.line[self.at..];
        if rest.first() == Some(&b'"') {
            let mut end = 1;
            loop {
                end += memchr2(b'"', b'\\', rest.get(end..)?)?;
                if rest[end] == b'"' {
                    self.at += end + 1;
                    return Some(&rest[1..end]);
                }
                end += 2;
            }
        }
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b'"') || *byte <= b' ').unwrap_or(rest.len());
        if matches!(rest.get(end), Some(b'=' | b'"')) {
            return None;
        }
        self.at += end;
        Some(&rest[..end])
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::level::fields::{json, logfmt, looks_like_json};

    fn check(find: fn(&[u8]) -> Option<&[u8]>, line: &str, wanted: Option<&str>) {
        let found = find(line.as_bytes()).map(|value| std::str::from_utf8(value).unwrap());
        assert_eq!(found, wanted, "{line}");
    }

    #[test]
    fn json_is_searched_two_objects_deep() {
        check(json, r#"{"a":1, "b":[{"level":"x"}], "level" : "info"}"#, Some("info"));
        check(json, r#"{"a":{"level":"warn"}}"#, Some("warn"));
        check(json, r#"{"a":{"b":{"level":"warn"}},"lvl":"e"}"#, Some("e"));
        check(json, r#"{"level":5,"severity":"x\"y"}"#, Some(r#"x\"y"#));
        check(json, r#"{"a":tru, "b":"}"}"#, None);
        check(json, r#"{"a":"#, None);
        check(json, r#"{"a":"b\"#, None);
        check(json, r#"{"levels":"x"}"#, None);
        assert!(looks_like_json(b" {\"a\":1}\n") && !looks_like_json(b"{") && !looks_like_json(b"{\"a\":1} x"));
    }

    #[test]
    fn logfmt_is_read_until_it_breaks() {
        check(logfmt, "level=info msg=x", Some("info"));
        check(logfmt, "2026 word LeVeL=info", Some("info"));
        check(logfmt, r#"msg="a level=warn b" lvl="x y""#, Some("x y"));
        check(logfmt, r#"msg="a\" level=warn b" severity="#, Some(""));
        check(logfmt, r#"msg="never closed level=warn"#, None);
        check(logfmt, "a=b=c level=warn", None);
        check(logfmt, "=a level=warn", None);
        check(logfmt, "loglevel=warn", None);
        check(logfmt, "key", None);
    }
}
