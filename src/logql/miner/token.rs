//! Templates cut into tokens: what may become a gap, and what stays between.

use crate::logql::miner::template::{Origin, Piece, push_text};

/// How fine a template is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grain {
    /// Into words.
    Words,
    /// Into what white space, brackets, commas, colons and equals signs leave; a text in quotes is one token.
    Chunks,
}

/// A piece of a template, or several that belong together.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) role: Role,
    pub(super) pieces: Vec<Piece>,
}

/// What a token is among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It stays as it is: what stands between words, keys, levels, methods of HTTP.
    Fixed,
    /// A word in a sentence.
    Text,
    /// The value behind a key.
    Value,
    /// The same, in quotes, or a text in quotes that stands alone.
    Quoted,
    /// The quoted text behind a key such as `msg`: it says what happened.
    Message,
}

/// Keys of messages.
const MESSAGES: [&str; 8] = ["msg", "message", "event", "err", "error", "exception", "reason", "log"];

/// How dates name months and days.
const DATES: [&str; 19] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed", "Thu",
    "Fri", "Sat", "Sun",
];

impl Token {
    /// Whether it is a gap as a whole.
    pub(super) fn is_gap(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Wild(_)])
    }

    /// Whether there is a gap in it.
    pub(super) fn has_gap(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Wild(_)))
    }

    /// Whether it may be the name of a month or a day.
    pub(super) fn may_be_date(&self) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Text(text)] if DATES.contains(&text.as_str()))
    }
}

/// Words that tell more than what they are names of.
const FIXED: [&str; 24] = [
    "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL", "trace", "debug", "info",
    "notice", "warn", "warning", "error", "fatal", "critical", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD",
];

/// A character, or a gap that is there already.
enum Unit<'p> {
    Char(char),
    Wild(&'p Piece),
}

/// Cuts a template.
pub(super) fn cut(pieces: &[Piece], grain: Grain) -> Vec<Token> {
    let mut units = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => units.extend(text.chars().map(Unit::Char)),
            Piece::Wild(_) => units.push(Unit::Wild(piece)),
        }
    }
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < units.len() {
        let (length, is_between) = match grain {
            _ if is_rest(&units[at]) => (1, true),
            Grain::Words => word(&units[at..]),
            Grain::Chunks => chunk(&units[at..]),
        };
        let role = if is_between { Role::Fixed } else { role(&units, at, length, grain) };
        let mut token = Token { role, pieces: Vec::new() };
        for unit in &units[at..at + length] {
            match unit {
                Unit::Char(c) => push_text(&mut token.pieces, c.encode_utf8(&mut [0; 4])),
                Unit::Wild(piece) => token.pieces.push((*piece).clone()),
            }
        }
        if let [Piece::Text(text)] = token.pieces.as_slice()
            && FIXED.contains(&text.trim_matches('"'))
        {
            token.role = Role::Fixed;
        }
        tokens.push(token);
        at += length;
    }
    tokens
}

/// The length of the word, the gap or what stands between words at the front, and whether it is the last.
fn word(units: &[Unit<'_>]) -> (usize, bool) {
    let is_word = |unit: &Unit<'_>| matches!(unit, Unit::Char(c) if c.is_alphanumeric());
    let is_between = |unit: &Unit<'_>| matches!(unit, Unit::Char(c) if !c.is_alphanumeric());
    match units.first() {
        Some(Unit::Wild(_)) => (1, false),
        Some(first) if is_word(first) => (run(units, is_word), false),
        _ => (run(units, is_between), true),
    }
}

/// The same for chunks.
fn chunk(units: &[Unit<'_>]) -> (usize, bool) {
    if let Some(length) = quoted(units) {
        return (length, false);
    }
    let separates =
        |unit: &Unit<'_>| matches!(unit, Unit::Char(c) if c.is_whitespace() || "=:,;()[]{}|<>\"".contains(*c));
    if units.first().is_some_and(separates) {
        // a quote may begin a text of its own
        let is_quote = |unit: &Unit<'_>| matches!(unit, Unit::Char('"'));
        let length = run(units, separates);
        let before_quote = units[1..length].iter().position(is_quote).map_or(length, |at| at + 1);
        return (before_quote, true);
    }
    let length = run(units, |unit| !separates(unit) && !is_rest(unit));
    // what fills a column of a table up to its width belongs to it, but for one space
    let padding = run(&units[length..], |unit| matches!(unit, Unit::Char(' ')));
    (length + padding.saturating_sub(1), false)
}

fn run(units: &[Unit<'_>], belongs: impl Fn(&Unit<'_>) -> bool) -> usize {
    units.iter().position(|unit| !belongs(unit)).unwrap_or(units.len())
}

/// The length of a text in quotes at the front, the quotes included.
fn quoted(units: &[Unit<'_>]) -> Option<usize> {
    let mut units = units.iter().enumerate();
    let Some((_, Unit::Char('"'))) = units.next() else {
        return None;
    };
    while let Some((at, unit)) = units.next() {
        match unit {
            Unit::Char('"') => return Some(at + 1),
            Unit::Char('\\') => _ = units.next(),
            unit if is_rest(unit) => return None,
            Unit::Char(_) | Unit::Wild(_) => {}
        }
    }
    None
}

fn is_rest(unit: &Unit<'_>) -> bool {
    matches!(unit, Unit::Wild(Piece::Wild(wild)) if wild.origin == Origin::Rest)
}

/// What the token of `length` at `at` is.
fn role(units: &[Unit<'_>], at: usize, length: usize, grain: Grain) -> Role {
    let char_at = |place: Option<usize>| match place.and_then(|place| units.get(place)) {
        Some(Unit::Char(c)) => Some(*c),
        Some(Unit::Wild(_)) | None => None,
    };
    let before = |back: usize| char_at(at.checked_sub(back));
    let behind = |forth: usize| char_at(Some(at + length + forth));
    let is_assigning = |c: Option<char>| matches!(c, Some('=' | ':'));
    let is_quoted = matches!(units[at], Unit::Char('"'));
    let is_key = behind(0) == Some('=')
        || behind(0) == Some('"') && behind(1) == Some(':')
        || is_quoted && behind(0) == Some(':');
    if is_key {
        return Role::Fixed;
    }
    if is_quoted && grain == Grain::Chunks {
        return if is_message(&units[..at]) { Role::Message } else { Role::Quoted };
    }
    let alone_in_quotes = before(1) == Some('"') && is_assigning(before(2)) && behind(0) == Some('"');
    if is_assigning(before(1)) || alone_in_quotes { Role::Value } else { Role::Text }
}

/// Whether the key in front of a value is that of a message.
fn is_message(before: &[Unit<'_>]) -> bool {
    let mut key: Vec<char> = before
        .iter()
        .rev()
        .map_while(|unit| match unit {
            Unit::Char(c) => Some(*c),
            Unit::Wild(_) => None,
        })
        .skip_while(|c| "=:\" ".contains(*c))
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .take(MESSAGES.iter().map(|key| key.len()).max().unwrap_or(0) + 1)
        .collect();
    key.reverse();
    MESSAGES.iter().any(|message| message.chars().eq(key.iter().copied()))
}

/// The text of a token for comparing: equal exactly for tokens that differ in nothing but what fills their gaps.
pub(super) fn identity(pieces: &[Piece]) -> String {
    let mut identity = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => identity.push_str(&text.replace('\0', "\0t")),
            Piece::Wild(_) => identity.push_str("\0w"),
        }
    }
    identity
}
