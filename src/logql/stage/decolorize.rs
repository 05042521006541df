//! `| decolorize`: takes ANSI colours and other terminal sequences out of the line.

use std::sync::LazyLock;

use regex::Regex;

/// An escape or a control sequence introducer, then a title up to BEL, or parameters up to a final character.
static SEQUENCE: LazyLock<Regex> = LazyLock::new(|| {
    let introducer = r"[\x1b\u{9b}][\[\]()#;?]*";
    let title = r"(?:[a-zA-Z0-9]*(?:;[a-zA-Z0-9]*)*)?\x07";
    let parameters = r"(?:[0-9]{1,4}(?:;[0-9]{0,4})*)?[0-9A-PRZcf-ntqry=><~]";
    Regex::new(&format!("{introducer}(?:{title}|{parameters})")).expect("the pattern is constant and valid")
});

/// Writes the line without its sequences to `out`; whether there were any.
pub(crate) fn run(line: &str, out: &mut String) -> bool {
    if memchr::memchr2(0x1b, 0x9b, line.as_bytes()).is_none() {
        return false;
    }
    out.clear();
    let mut kept = 0;
    for sequence in SEQUENCE.find_iter(line) {
        out.push_str(&line[kept..sequence.start()]);
        kept = sequence.end();
    }
    out.push_str(&line[kept..]);
    true
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::decolorize::run;

    #[test]
    fn colours_and_titles_are_taken_out() {
        let table = [
            ("\x1b[31mERROR\x1b[0m x", "ERROR x"),
            ("\x1b[1;38;5;208mbold\x1b[m", "bold"),
            ("\x1b]0;title\x07text", "text"),
            ("\u{9b}32mgreen", "green"),
        ];
        for (line, clean) in table {
            let mut out = String::from("old");
            assert!(run(line, &mut out), "{line:?}");
            assert_eq!(out, clean);
        }
        assert!(!run("plain", &mut String::new()));
    }
}
