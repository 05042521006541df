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

/// Where the addresses are, in order.
pub(crate) fn links(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut done = 0;
    for (middle, _) in text.match_indices("://") {
        let Some(start) = start_of_scheme(text, middle).filter(|start| *start >= done) else { continue };
        let end = middle + 3 + length(&text[middle + 3..]);
        let host = &text[middle + 3..end];
        if host.starts_with(|c: char| c.is_alphanumeric() || c == '[') && end - start <= LINK_BYTES_MAX {
            found.push(start..end);
            done = end;
        }
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

/// How much of a text is the rest of an address.
fn length(text: &str) -> usize {
    let ends = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`' | '{' | '}' | '|' | '\\' | '^')
            // characters that are not seen are written out, and so cannot be in a link
            || is_tricky(c) || matches!(c, '\u{200c}' | '\u{200d}')
    };
    let mut address = &text[..text.find(ends).unwrap_or(text.len())];
    loop {
        let closes = |open: char, close: char| {
            address.ends_with(close) && address.matches(close).count() > address.matches(open).count()
        };
        let is_punctuation = address.ends_with(['.', ',', ';', ':', '!', '?', '…', '。', '，', '*']);
        if !is_punctuation && !closes('(', ')') && !closes('[', ']') {
            return address.len();
        }
        let last = address.chars().next_back().map_or(0, char::len_utf8);
        address = &address[..address.len() - last];
    }
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
}
