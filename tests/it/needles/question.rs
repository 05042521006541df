//! Questions about the text of lines: pieces of lines that are there, such pieces changed, and patterns made of them.

use std::fmt;

use logcafe::model::re2;
use regex::Regex;

use crate::needles::corpus::{Line, Random};

/// What is asked: of which streams, and what their lines must be like.
pub(crate) struct Question {
    /// `None` is all.
    app: Option<String>,
    filters: Vec<Filter>,
}

/// `|= "a" or "b"`: an operator, what it looks for, and for patterns the same compiled.
struct Filter {
    operator: &'static str,
    texts: Vec<String>,
    patterns: Vec<Regex>,
}

impl Filter {
    fn is_passed_by(&self, line: &str) -> bool {
        let holds = match self.operator {
            "|=" | "!=" => {
                self.texts.iter().any(|text| memchr::memmem::find(line.as_bytes(), text.as_bytes()).is_some())
            }
            _ => self.patterns.iter().any(|pattern| pattern.is_match(line)),
        };
        holds == self.operator.starts_with('|')
    }
}

impl Question {
    pub(crate) fn new(random: &mut Random, lines: &[Line]) -> Question {
        let line = &lines[random.below(lines.len())];
        let mut filters = vec![filter(random, &line.text, lines)];
        while random.once_in(5) {
            let other = if random.once_in(2) { line } else { &lines[random.below(lines.len())] };
            filters.push(filter(random, &other.text, lines));
        }
        // patterns take their time in tests: they get one stream
        let is_slow = filters.iter().any(|filter| !filter.patterns.is_empty());
        let app = (is_slow || random.once_in(6)).then(|| line.app.clone());
        Question { app, filters }
    }

    pub(crate) fn selects(&self, app: &str) -> bool {
        self.app.as_ref().is_none_or(|wanted| wanted == app)
    }

    pub(crate) fn is_passed_by(&self, line: &str) -> bool {
        self.filters.iter().all(|filter| filter.is_passed_by(line))
    }
}

impl fmt::Display for Question {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.app {
            Some(app) => write!(out, "{{app=\"{app}\"}}")?,
            None => out.write_str("{app=~\".+\"}")?,
        }
        for Filter { operator, texts, .. } in &self.filters {
            let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            write!(out, " {operator} {}", texts.join(" or "))?;
        }
        Ok(())
    }
}

/// A text as LogQL writes it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04x}", letter as u32)),
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

fn filter(random: &mut Random, line: &str, lines: &[Line]) -> Filter {
    // how letters are folded shows in few lines: those are mostly asked about in any case
    let is_folded = line.contains(['\u{17f}', '\u{212a}']) && !random.once_in(3);
    let is_pattern = is_folded || random.once_in(4);
    let negated = random.once_in(5);
    let operator = match (is_pattern, negated) {
        (false, false) => "|=",
        (false, true) => "!=",
        (true, false) => "|~",
        (true, true) => "!~",
    };
    let mut texts = vec![needle(random, line)];
    while random.once_in(7) {
        let other = &lines[random.below(lines.len())].text;
        texts.push(needle(random, other));
    }
    if !is_pattern {
        return Filter { operator, texts, patterns: Vec::new() };
    }
    let texts = texts.iter().map(|text| match is_folded {
        true => format!("(?i){}", regex::escape(text)),
        false => pattern(random, text),
    });
    let texts: Vec<String> = texts.collect();
    let patterns = texts.iter().map(|text| re2::compile(text).expect("it is made of escaped text")).collect();
    Filter { operator, texts, patterns }
}

/// A piece of a line, as it is or changed.
fn needle(random: &mut Random, line: &str) -> String {
    let mut needle = piece(random, line);
    while random.once_in(3) {
        change(random, &mut needle, line);
    }
    needle.into_iter().collect()
}

fn piece(random: &mut Random, line: &str) -> Vec<char> {
    let letters: Vec<char> = line.chars().collect();
    if letters.is_empty() {
        return vec!['x'];
    }
    let is_inner = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    let mut start = random.below(letters.len());
    let mut end = match random.below(3) {
        0 => letters.len().min(start + 1 + random.below(6)),
        _ => letters.len().min(start + 1 + random.below(36)),
    };
    // many are whole words, and a little of what stands around them, or lie within one
    let is_bound_to_words = random.once_in(2);
    if is_bound_to_words && random.once_in(3) {
        while end > start + 4 && !letters[start..end].iter().all(|letter| letter.is_ascii_alphanumeric()) {
            (start, end) = (start + 1, end - 1);
        }
    } else if is_bound_to_words {
        while start > 0 && is_inner(letters[start - 1]) {
            start -= 1;
        }
        end = end.min(start + random.below(3));
        while end < letters.len() && (end <= start || is_inner(letters[end])) {
            end += 1;
        }
        start = start.saturating_sub(random.below(4));
        end = letters.len().min(end + random.below(4));
    }
    letters[start..end].to_vec()
}

fn change(random: &mut Random, needle: &mut Vec<char>, line: &str) {
    let at = random.below(needle.len());
    match random.below(8) {
        0 => needle.insert(at, random.pick(&['0', '7', 'a', 'F', ' ', '"', '-', '가'])),
        1 if needle.len() > 1 => drop(needle.remove(at)),
        2 => needle.iter_mut().for_each(|letter| {
            *letter =
                if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() };
        }),
        3 => needle.extend(piece(random, line)),
        4 => needle.truncate(1 + at),
        _ => {
            let digits = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
            let Some(letter) = needle.get_mut(at) else { return };
            *letter = match *letter {
                '0'..='9' => random.pick(&digits),
                'a'..='f' => random.pick(&['a', 'b', 'c', 'd', 'e', 'f', '3']),
                'A'..='F' => random.pick(&['A', 'B', 'C', 'D', 'E', 'F', '3']),
                _ => random.pick(&['x', ' ', '.', 'e', 'T']),
            };
        }
    }
}

/// A pattern that a text matches, mostly.
fn pattern(random: &mut Random, text: &str) -> String {
    let escaped = regex::escape(text);
    let letters: Vec<char> = text.chars().collect();
    let (front, end) = letters.split_at(random.below(letters.len()));
    let part = |letters: &[char]| regex::escape(&letters.iter().collect::<String>());
    match random.below(8) {
        0 => format!("(?i){escaped}"),
        1 => format!("(?i){escaped}|{}", part(end)),
        2 => letters
            .iter()
            .map(|letter| if letter.is_ascii_digit() { "\\d".to_owned() } else { part(&[*letter]) })
            .collect(),
        3 => format!("{}.*{}", part(front), part(end)),
        4 => format!("{}(x|{})", part(front), part(end)),
        5 => format!(".*{escaped}.*"),
        6 => format!("{}[0-9a-f]+", part(front)),
        _ => format!("({escaped}|^{})", part(end)),
    }
}
