//! Templates cut into tokens: what may become a gap, and what stays between.

use crate::logql::miner::template::GAP;

/// How fine a template is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grain {
    /// Into words.
    Words,
    /// Into what white space, quotes, brackets, commas, colons and equals signs leave.
    Chunks,
    /// The same, but a text in quotes is one token.
    Quotes,
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
    /// The quoted text behind a key such as `msg`, or one that begins with a method of HTTP: it says what happened.
    Message,
}

/// Words that tell more than what they are names of.
const FIXED: [&str; 24] = [
    "TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "FATAL", "CRITICAL", "trace", "debug", "info",
    "notice", "warn", "warning", "error", "fatal", "critical", "GET", "POST", "PUT", "DELETE", "PATCH", "HEAD",
];
/// Keys of messages.
const MESSAGES: [&str; 8] = ["msg", "message", "event", "err", "error", "exception", "reason", "log"];
/// How dates name months and days.
const DATES: [&str; 19] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon", "Tue", "Wed", "Thu",
    "Fri", "Sat", "Sun",
];

/// Whether a token may be the name of a month or a day.
pub(super) fn may_be_date(token: &str) -> bool {
    DATES.contains(&token)
}

/// Cuts the text of a template; together the tokens are the text. Where `ends_open`, the gap at its end is the rest of
/// a line, and stays apart.
pub(super) fn cut(text: &str, ends_open: bool, grain: Grain) -> Vec<(&str, Role)> {
    let head = if ends_open { &text[..text.len() - GAP.len_utf8()] } else { text };
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < head.len() {
        let (length, is_between) = match grain {
            Grain::Words => word(&head[at..]),
            Grain::Chunks => chunk(&head[at..]),
            Grain::Quotes => quoted(&head[at..]).map_or_else(|| unquoted(&head[at..]), |length| (length, false)),
        };
        let token = &head[at..at + length];
        let is_fixed = is_between || FIXED.contains(&token.trim_matches('"'));
        let role = if is_fixed { Role::Fixed } else { role(&head[..at], token, &head[at + length..], grain) };
        tokens.push((token, role));
        at += length;
    }
    if ends_open {
        tokens.push((&text[head.len()..], Role::Fixed));
    }
    tokens
}

/// The length of the word, the gap or what stands between words at the front, and whether it is the last.
fn word(text: &str) -> (usize, bool) {
    match text.chars().next() {
        Some(GAP) => (GAP.len_utf8(), false),
        Some(first) if first.is_alphanumeric() => (run(text, |c| c.is_alphanumeric()), false),
        _ => (run(text, |c| !c.is_alphanumeric() && c != GAP), true),
    }
}

/// The same for chunks.
fn chunk(text: &str) -> (usize, bool) {
    let separates = |c: char| c.is_whitespace() || "=:,;()[]{}|<>\"".contains(c);
    if text.starts_with(separates) {
        return (run(text, separates), true);
    }
    let length = run(text, |c| !separates(c));
    // what fills a column of a table up to its width belongs to it, but for one space
    let padding = run(&text[length..], |c| c == ' ');
    (length + padding.saturating_sub(1), false)
}

/// The same where no text in quotes begins: one may begin behind the first character.
fn unquoted(text: &str) -> (usize, bool) {
    let (length, is_between) = chunk(text);
    let quote = text[..length].char_indices().skip(1).find(|(_, c)| *c == '"');
    (quote.filter(|_| is_between).map_or(length, |(quote, _)| quote), is_between)
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// The length of a text in quotes at the front, the quotes included.
fn quoted(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('"')?;
    let mut is_escaped = false;
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'"' => return Some(at + 2),
            b'\\' => is_escaped = true,
            _ => {}
        }
    }
    None
}

/// What a token between two texts is.
fn role(before: &str, token: &str, behind: &str, grain: Grain) -> Role {
    let is_quoted = token.starts_with('"') && grain == Grain::Quotes;
    if behind.starts_with('=') || behind.starts_with("\":") || is_quoted && behind.starts_with(':') {
        return Role::Fixed;
    }
    if is_quoted {
        let first = token[1..].split(' ').next();
        let says_much = is_message(before) || first.is_some_and(|first| FIXED.contains(&first));
        return if says_much { Role::Message } else { Role::Quoted };
    }
    let alone_in_quotes = before.strip_suffix('"').filter(|_| behind.starts_with('"'));
    match before.ends_with(['=', ':']) || alone_in_quotes.is_some_and(|before| before.ends_with(['=', ':'])) {
        true => Role::Value,
        false => Role::Text,
    }
}

/// Whether the key in front of a value is that of a message.
fn is_message(before: &str) -> bool {
    let key = before.trim_end_matches(['=', ':', '"', ' ']);
    let key = key.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next();
    key.is_some_and(|key| MESSAGES.contains(&key))
}
