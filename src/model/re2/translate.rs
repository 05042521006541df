//! Reads a pattern by Go's rules and writes it for the `regex` crate.
//!
//! Flags such as `(?i)` do not appear in what is written: each part is written so that it means what the flags said.

use crate::model::re2::{Error, class};

/// Groups nested deeper are refused, as in Go.
pub(super) const DEPTH_MAX: u32 = 1000;
/// The most that `{n}` can ask for, also where such repetitions are nested.
const REPEAT_MAX: u32 = 1000;

/// What `.` stands for where no flag says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dot {
    NoNewline,
    Any,
}

#[derive(Debug)]
pub(super) struct Translated {
    pub(super) text: String,
    /// Names of groups by their numbers.
    pub(super) names: Vec<Option<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    /// `i`
    pub(super) fold: bool,
    /// `m`
    lines: bool,
    /// `s`
    dot_newline: bool,
    /// `U`
    ungreedy: bool,
}

/// A group that is open.
struct Group {
    /// The flags that hold again when it closes.
    flags: Flags,
    /// What stands before a repetition: `None` at the start and behind `|`.
    atom: Option<Atom>,
    /// The most that repetitions in it, nested in each other, multiply to.
    repeats: u32,
}

#[derive(Clone, Copy)]
struct Atom {
    repeats: u32,
}

pub(super) fn error(reason: &str, pattern: &str) -> Error {
    Error { reason: reason.to_owned(), pattern: pattern.to_owned() }
}

pub(super) fn translate(pattern: &str, dot: Dot) -> Result<Translated, Error> {
    let flags = Flags { fold: false, lines: false, dot_newline: dot == Dot::Any, ungreedy: false };
    let mut translator = Translator {
        pattern,
        rest: pattern,
        out: String::with_capacity(pattern.len() + 16),
        names: vec![None],
        known_names: Vec::new(),
        flags,
        groups: vec![Group { flags, atom: None, repeats: 1 }],
    };
    translator.run()?;
    Ok(Translated { text: translator.out, names: translator.names })
}

struct Translator<'p> {
    pattern: &'p str,
    rest: &'p str,
    out: String,
    names: Vec<Option<String>>,
    known_names: Vec<&'p str>,
    flags: Flags,
    /// The whole pattern, then the groups that are open; never empty.
    groups: Vec<Group>,
}

impl<'p> Translator<'p> {
    fn run(&mut self) -> Result<(), Error> {
        // where the repetition began that the last step read, if it read one
        let mut last_repeat: Option<&'p str> = None;
        while let Some(first) = self.rest.chars().next() {
            let before = self.rest;
            let mut repeat = None;
            match first {
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => {
                    self.out.push('|');
                    self.rest = &self.rest[1..];
                    self.group().atom = None;
                }
                '^' => self.assertion(if self.flags.lines { "(?m:^)" } else { "\\A" }, 1),
                '$' => self.assertion(if self.flags.lines { "(?m:$)" } else { "\\z" }, 1),
                '.' => self.assertion(if self.flags.dot_newline { "(?s:.)" } else { "." }, 1),
                '[' => {
                    let rest = class::bracketed(self.rest, self.flags.fold, &mut self.out)?;
                    self.rest = rest;
                    self.atom(1);
                }
                '*' | '+' | '?' => {
                    self.rest = &self.rest[1..];
                    self.repeat(before, 1, last_repeat, &first.to_string())?;
                    repeat = Some(last_repeat.unwrap_or(before));
                }
                '{' => match counts(self.rest) {
                    None => self.literal('{'),
                    Some((least, most, rest)) => {
                        self.rest = rest;
                        let count = self.check_counts(before, least, most)?;
                        let sign = &before[..before.len() - rest.len()];
                        self.repeat(before, count, last_repeat, sign)?;
                        repeat = Some(last_repeat.unwrap_or(before));
                    }
                },
                '\\' => self.escape()?,
                c => self.literal(c),
            }
            last_repeat = repeat;
        }
        if self.groups.len() > 1 {
            return Err(error("missing closing )", self.pattern));
        }
        Ok(())
    }

    fn group(&mut self) -> &mut Group {
        self.groups.last_mut().expect("the whole pattern is never closed")
    }

    /// What was written just now is something that can be repeated.
    fn atom(&mut self, repeats: u32) {
        let group = self.group();
        group.atom = Some(Atom { repeats });
        group.repeats = group.repeats.max(repeats);
    }

    fn assertion(&mut self, text: &str, length: usize) {
        self.out.push_str(text);
        self.rest = &self.rest[length..];
        self.atom(1);
    }

    /// A character that stands at the front of the rest.
    fn literal(&mut self, c: char) {
        self.rest = &self.rest[c.len_utf8()..];
        self.push_literal(u32::from(c));
    }

    fn push_literal(&mut self, code: u32) {
        class::push_literal(code, self.flags.fold, &mut self.out);
        self.atom(1);
    }

    fn open(&mut self) -> Result<(), Error> {
        let before = self.rest;
        if let Some(inner) = before.strip_prefix("(?") {
            let named = inner.strip_prefix("P<").or_else(|| inner.strip_prefix('<'));
            match named {
                Some(name) => self.open_named(before, name)?,
                None => return self.open_flags(before, inner),
            }
        } else {
            self.rest = &self.rest[1..];
            self.names.push(None);
            self.out.push('(');
            self.push_group(self.flags);
        }
        self.check_depth()
    }

    fn check_depth(&self) -> Result<(), Error> {
        if self.groups.len() > DEPTH_MAX as usize {
            return Err(error("expression nests too deeply", self.pattern));
        }
        Ok(())
    }

    fn push_group(&mut self, outer: Flags) {
        self.groups.push(Group { flags: outer, atom: None, repeats: 1 });
    }

    fn open_named(&mut self, before: &'p str, name: &'p str) -> Result<(), Error> {
        let Some(end) = name.find('>') else { return Err(error("invalid named capture", before)) };
        let (name, rest) = name.split_at(end);
        let rest = &rest[1..];
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(error("invalid named capture", &before[..before.len() - rest.len()]));
        }
        // the crate wants each name once, and no digit in front: such groups are known by their numbers
        if self.known_names.contains(&name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            self.out.push('(');
        } else {
            self.out.push_str(&format!("(?P<{name}>"));
            self.known_names.push(name);
        }
        self.names.push(Some(name.to_owned()));
        self.rest = rest;
        self.push_group(self.flags);
        Ok(())
    }

    /// `(?i)`, `(?i-s:`, `(?:`
    fn open_flags(&mut self, before: &'p str, inner: &'p str) -> Result<(), Error> {
        let mut flags = self.flags;
        let mut value = true;
        let mut saw_flag = false;
        let mut chars = inner.chars();
        loop {
            let c = chars.next();
            match c {
                Some('i') => flags.fold = value,
                Some('m') => flags.lines = value,
                Some('s') => flags.dot_newline = value,
                Some('U') => flags.ungreedy = value,
                Some('-') if value => {
                    value = false;
                    saw_flag = false;
                    continue;
                }
                Some(':' | ')') if value || saw_flag => {
                    let outer = self.flags;
                    self.flags = flags;
                    self.rest = chars.as_str();
                    if c == Some(':') {
                        self.out.push_str("(?:");
                        self.push_group(outer);
                        return self.check_depth();
                    }
                    return Ok(());
                }
                Some(_) | None => {
                    let read = &before[..before.len() - chars.as_str().len()];
                    return Err(error("invalid or unsupported Perl syntax", read));
                }
            }
            saw_flag = true;
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.groups.len() == 1 {
            return Err(error("unexpected )", self.pattern));
        }
        if let Some(group) = self.groups.pop() {
            self.flags = group.flags;
            self.out.push(')');
            self.rest = &self.rest[1..];
            self.atom(group.repeats);
        }
        Ok(())
    }

    fn check_counts(&self, before: &str, least: Option<u32>, most: Option<Option<u32>>) -> Result<u32, Error> {
        let text = &before[..before.len() - self.rest.len()];
        let invalid = || error("invalid repeat count", text);
        let least = least.filter(|least| *least <= REPEAT_MAX).ok_or_else(invalid)?;
        let most = match most {
            None => None,
            Some(most) => Some(most.filter(|most| *most <= REPEAT_MAX && *most >= least).ok_or_else(invalid)?),
        };
        let count = most.unwrap_or(least).max(1);
        let nested = self.groups.last().and_then(|group| group.atom).map_or(1, |atom| atom.repeats);
        if count >= 2 && count.saturating_mul(nested) > REPEAT_MAX {
            return Err(invalid());
        }
        Ok(count)
    }

    /// A repetition whose sign is read already, with the `?` that may follow.
    fn repeat(&mut self, before: &'p str, count: u32, last: Option<&'p str>, sign: &str) -> Result<(), Error> {
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.rest = &self.rest[1..];
        }
        if let Some(last) = last {
            let text = &last[..last.len() - self.rest.len()];
            return Err(error("invalid nested repetition operator", text));
        }
        let Some(atom) = self.group().atom else {
            let text = &before[..before.len() - self.rest.len()];
            return Err(error("missing argument to repetition operator", text));
        };
        self.out.push_str(sign);
        if lazy != self.flags.ungreedy {
            self.out.push('?');
        }
        self.atom(atom.repeats.saturating_mul(count));
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Error> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => self.assertion("\\A", 2),
            Some(b'z') => self.assertion("\\z", 2),
            Some(b'b') => self.assertion("(?-u:\\b)", 2),
            Some(b'B') => self.assertion("(?-u:\\B)", 2),
            Some(b'Q') => {
                let quoted = &self.rest[2..];
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                for c in quoted[..end].chars() {
                    self.push_literal(u32::from(c));
                }
                self.rest = quoted.get(end + 2..).unwrap_or("");
            }
            _ => {
                let mut items = String::new();
                if let Some(rest) = class::escaped_class(self.rest, &mut items)? {
                    self.rest = rest;
                    class::push_class(&items, false, self.flags.fold, &mut self.out);
                    self.atom(1);
                } else {
                    let (code, rest) = class::escaped_char(self.rest)?;
                    self.rest = rest;
                    self.push_literal(code);
                }
            }
        }
        Ok(())
    }
}

/// What stands before and behind the comma of a repetition, and the rest; a number of too many digits is `None`.
type Counts<'p> = (Option<u32>, Option<Option<u32>>, &'p str);

/// `{2}`, `{2,}`, `{2,5}` at the front of a text; anything else is no repetition.
fn counts(text: &str) -> Option<Counts<'_>> {
    let (least, rest) = digits(text.strip_prefix('{')?)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, Some(least), rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((least, None, rest));
    }
    let (most, rest) = digits(rest)?;
    Some((least, Some(most), rest.strip_prefix('}')?))
}

/// A number without zeros in front.
fn digits(text: &str) -> Option<(Option<u32>, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(length);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().ok(), rest))
}
