//! Web addresses in a text, for links. Pure.
//!
//! Promises: only `http` and `https`; the address is what is seen, letter by letter; what a sentence puts behind an
//! address is no part of it.

use std::ops::Range;

use crate::web::explore::text::is_tricky;

/// Links in one text at most.
const LINKS_MAX: usize = 50;
/// Longer ones are data.
const LINK_BYTES_MAX: usize = 2000;

/// Where the addresses are, in order. Reads no part of the text twice, whatever it holds.
pub(crate) fn links(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut done = 0;
    for (middle, _) in text.match_indices("://") {
        let Some(start) = start_of_scheme(text, middle).filter(|start| *start >= done) else { continue };
        let after = &text[middle + 3..];
        if !after.starts_with(|c: char| c.is_alphanumeric() || c == '[') {
            continue;
        }
        let word = &after[..after.find(ends).unwrap_or(after.len())];
        let word_end = middle + 3 + word.len();
        if word_end - start > LINK_BYTES_MAX {
            // nor is what else begins in it
            done = word_end;
            continue;
        }
        done = middle + 3 + length(word);
        found.push(start..done);
        if found.len() == LINKS_MAX {
            break;
        }
    }
    found
}

/// Where `http` or `https` begins that ends at `end`, and is no end of another word.
fn start_of_scheme(text: &str, end: usize) -> Option<usize> {
    ["https", "http"].iter().find_map(|scheme| {
        let start = end.checked_sub(scheme.len())?;
        let is_scheme = text.get(start..end)?.eq_ignore_ascii_case(scheme);
        let is_word = !text[..start].ends_with(|c: char| c.is_ascii_alphanumeric());
        (is_scheme && is_word).then_some(start)
    })
}

/// Whether a character is behind an address, and no part of it.
fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '|' | '\\' | '^')
        // characters that are not seen are written out, and so cannot be in a link
        || is_tricky(c) || matches!(c, '\u{200c}' | '\u{200d}')
}

/// How much of a word is the rest of an address: not the punctuation behind it, nor a bracket that it does not open.
fn length(word: &str) -> usize {
    let mut unopened = [('(', ')'), ('[', ']')].map(|(open, close)| {
        let count = |bracket: char| word.matches(bracket).count();
        (close, count(close).saturating_sub(count(open)))
    });
    let mut is_behind = |c: char| match unopened.iter_mut().find(|(close, _)| *close == c) {
        Some((_, count)) => {
            let is_unopened = *count > 0;
            *count -= usize::from(is_unopened);
            is_unopened
        }
        None => matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '…' | '。' | '，' | '*'),
    };
    word.trim_end_matches(&mut is_behind).len()
}

#[cfg(test)]
mod tests {
    use crate::web::explore::links::links;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = links(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn addresses_end_where_the_sentence_goes_on() {
        check("see https://a.example/x?y=1&z=2#top.", &["https://a.example/x?y=1&z=2#top"]);
        check("(http://a.example/b), \"https://c.example:8080/\"", &["http://a.example/b", "https://c.example:8080/"]);
        check("https://a.example/w_(x) [https://b.example/]", &["https://a.example/w_(x)", "https://b.example/"]);
        check("url=HTTP://A.example/한글 끝", &["HTTP://A.example/한글"]);
        check("http://[::1]:3100/ready", &["http://[::1]:3100/ready"]);
    }

    #[test]
    fn nothing_else_is_a_link() {
        check("javascript://x.example/%0aalert(1)", &[]);
        check("ftp://a.example data:text/html,x xhttp://a.example http:// https://. http://\u{202e}moc.evil", &[]);
        check("http://a.example\u{202e}txt", &["http://a.example"]);
        check("http://a.example<script>", &["http://a.example"]);
        check(&format!("http://{}", "a".repeat(3000)), &[]);
        check("한://https://a.example", &["https://a.example"]);
    }

    #[test]
    fn brackets_that_an_address_does_not_open_are_behind_it_however_many_they_are() {
        check("((http://a.example/x_(y))).]", &["http://a.example/x_(y)"]);
        check(&format!("http://a{}", ")".repeat(1900)), &["http://a"]);
        check(&format!("http://a{}b", "()".repeat(90)), &[&format!("http://a{}b", "()".repeat(90))]);
    }

    #[test]
    fn a_hostile_line_takes_no_longer_than_another() {
        let begin = std::time::Instant::now();
        for unit in ["http://a,", "http://", "http://,", "http://[", "http://a)"] {
            check(&format!("{}{} http://b", unit.repeat(100_000), ")".repeat(900_000)), &["http://b"]);
        }
        assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{:?}", begin.elapsed());
    }
}
