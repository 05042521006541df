//! Folding: what of a long entry is shown at once, and lines that belong to the line before them. Pure.

use std::ops::Range;

use crate::web::explore::frames::{self, Owner};

/// Lines of a multi-line entry that are shown before it is folded.
const HEAD_LINES_MAX: usize = 6;
/// Lines that are looked at; what follows is folded unread.
const LINES_MAX: usize = 5000;

/// An entry in two parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folded {
    /// How much of it is shown at once.
    pub(crate) head: usize,
    pub(crate) rest: Option<Rest>,
}

/// What is folded away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Where it begins, behind the newline that ends the head.
    pub(crate) start: usize,
    pub(crate) line_count: usize,
    pub(crate) frame_count: usize,
    /// The last `Caused by:` of a stack trace, or what stands below its frames: mostly what went wrong.
    pub(crate) cause: Option<Range<usize>>,
    /// The frame of one's own code that is nearest to what went wrong.
    pub(crate) own: Option<String>,
    /// Parts of the text by class: frames of one's own code, and lines that are no frames.
    pub(crate) paints: Vec<(Range<usize>, String)>,
}

/// A line of an entry, and whose frame it belongs to.
#[derive(Clone, Debug)]
struct Line {
    range: Range<usize>,
    /// Whether a frame begins here, so that it counts.
    is_frame: bool,
    owner: Option<Owner>,
}

/// Splits an entry: a stack trace before its first frame, other text after a few lines.
pub(crate) fn fold(text: &str) -> Folded {
    let lines = lines_of(text);
    let first_frame = (1..lines.len()).find(|index| lines[*index].owner.is_some());
    let head_lines = first_frame.unwrap_or(HEAD_LINES_MAX).min(HEAD_LINES_MAX);
    // folding a single line away saves nothing
    if lines.len() <= head_lines + 1 {
        return Folded { head: text.len(), rest: None };
    }
    let rest = &lines[head_lines..];
    let frame_count = rest.iter().filter(|line| line.is_frame).count();
    let more = text[rest[rest.len() - 1].range.end..].matches('\n').count();
    let cause = if frame_count > 0 { cause(text, rest) } else { None };
    let paint = |line: &Line| {
        let class = match line.owner {
            Some(Owner::Own) => "own",
            Some(Owner::Library) => return None,
            None if frame_count == 0 || line.range.is_empty() => return None,
            None => "why",
        };
        Some((line.range.clone(), class.to_owned()))
    };
    Folded {
        head: rest[0].range.start - 1,
        rest: Some(Rest {
            start: rest[0].range.start,
            line_count: rest.len() + more.min(usize::MAX / 2),
            frame_count,
            cause,
            own: innermost_own(text, rest),
            paints: rest.iter().filter_map(paint).collect(),
        }),
    }
}

/// The lines of an entry. What an empty end adds is none.
fn lines_of(text: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut start = 0;
    for part in text.split_inclusive('\n').take(LINES_MAX) {
        let end = start + part.trim_end_matches(['\n', '\r']).len();
        let owner = frames::owner(&text[start..end]);
        lines.push(Line { range: start..end, is_frame: owner.is_some(), owner });
        start += part.len();
    }
    while lines.len() > 1 && lines.last().is_some_and(|line| line.range.is_empty()) {
        lines.pop();
    }
    for index in 1..lines.len() {
        attach(text, &mut lines, index);
    }
    lines
}

/// Gives lines that belong to a frame its owner: the code below a frame of Python, the place below one of Rust, the name
/// above one of Go.
fn attach(text: &str, lines: &mut [Line], index: usize) {
    let (before, line) = (&text[lines[index - 1].range.clone()], &text[lines[index].range.clone()]);
    if frames::is_rust_name(before) && line.trim_start().starts_with("at ") {
        lines[index].is_frame = false;
        if lines[index].owner == Some(Owner::Library) || lines[index - 1].owner == Some(Owner::Library) {
            lines[index].owner = Some(Owner::Library);
            lines[index - 1].owner = Some(Owner::Library);
        }
    } else if frames::is_python(before) && line.starts_with("    ") && lines[index].owner.is_none() {
        lines[index].owner = lines[index - 1].owner;
    } else if lines[index].is_frame && line.contains(".go:") && lines[index - 1].owner.is_none() && index > 1 {
        lines[index - 1].owner = lines[index].owner;
    }
}

fn cause(text: &str, rest: &[Line]) -> Option<Range<usize>> {
    const PREFIX: &str = "Caused by: ";
    let caused = rest.iter().rev().find_map(|line| {
        let told = text[line.range.clone()].trim_start();
        told.starts_with(PREFIX).then(|| line.range.end - told.len() + PREFIX.len()..line.range.end)
    });
    // Python says last what went wrong
    let last = rest.last().filter(|line| line.owner.is_none() && !text[line.range.clone()].starts_with([' ', '\t']));
    caused.or(last.map(|line| line.range.clone()).filter(|range| !range.is_empty()))
}

/// The frame of one's own code nearest to what went wrong: of the last cause that has one, the first, as traces begin
/// where it happened; but the last where they end there, as in Python.
fn innermost_own(text: &str, rest: &[Line]) -> Option<String> {
    let own = |line: &&Line| line.is_frame && line.owner == Some(Owner::Own);
    let told = |line: &Line| frames::short(&text[line.range.clone()]);
    if rest.iter().any(|line| frames::is_python(&text[line.range.clone()])) {
        return rest.iter().rev().find(own).map(told);
    }
    let is_caused = |line: &Line| text[line.range.clone()].trim_start().starts_with("Caused by: ");
    let sections = rest.split(is_caused);
    sections.rev().find_map(|section| section.iter().find(own)).map(told)
}

/// What a group of lines is in the midst of, that lines of one stream are put to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Joiner {
    #[default]
    Plain,
    /// In a traceback of Python, whose last line is not indented.
    Python,
    /// Behind that last line, where another traceback may follow.
    PythonEnded,
    /// In a panic of Go, whose names are not indented.
    Go,
}

impl Joiner {
    /// For a group that begins with a line.
    pub(crate) fn of(line: &str) -> Joiner {
        if line.contains("Traceback (most recent call last):") {
            Joiner::Python
        } else if begins_go(line) {
            Joiner::Go
        } else {
            Joiner::Plain
        }
    }

    /// Whether a further line of the stream, that follows at once, belongs to the group. `of_error` says whether the
    /// group began with a line that tells of an error, which a trace may belong to.
    pub(crate) fn joins(&mut self, line: &str, of_error: bool) -> bool {
        match Joiner::of(line) {
            Joiner::Plain => {}
            begun => {
                let goes_on = *self == begun || (*self, begun) == (Joiner::PythonEnded, Joiner::Python);
                let joins = of_error || goes_on;
                *self = if joins { begun } else { *self };
                return joins;
            }
        }
        match self {
            Joiner::Python if line.starts_with([' ', '\t']) || line.is_empty() || is_between_tracebacks(line) => true,
            Joiner::Python => {
                // the last line: what went wrong
                *self = Joiner::PythonEnded;
                is_exception(line)
            }
            Joiner::PythonEnded => line.is_empty() || is_between_tracebacks(line),
            Joiner::Go if line.is_empty() || line.starts_with('\t') || is_go_name(line) => true,
            Joiner::Go | Joiner::Plain => continues(line),
        }
    }
}

fn begins_go(line: &str) -> bool {
    line.starts_with("panic: ")
        || line.starts_with("fatal error: ")
        || line.starts_with("[signal SIG")
        || (line.starts_with("goroutine ") && line.ends_with(']') | line.ends_with(':'))
}

/// `main.(*Server).serve(0xc0001)`, `created by main.main`
fn is_go_name(line: &str) -> bool {
    line.starts_with("created by ")
        || line.starts_with("exit status ")
        || (line.ends_with(')') && line.split('(').next().is_some_and(|name| name.contains('.') && !name.contains(' ')))
}

fn is_between_tracebacks(line: &str) -> bool {
    line.starts_with("During handling of the above exception")
        || line.starts_with("The above exception was the direct cause")
}

/// `ValueError: x`, `requests.exceptions.Timeout`
fn is_exception(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or(line);
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_')
}

/// Whether an entry of its own continues the one before it in its stream, as where a shipper splits at every newline.
fn continues(line: &str) -> bool {
    let trimmed = line.trim_start();
    let indented = trimmed.len() < line.len();
    let is_frame = frames::owner(line).is_some();
    (indented && (is_frame || trimmed.starts_with("Suppressed: ") || trimmed.starts_with("| ")))
        || trimmed.starts_with("Caused by: ")
        || (is_frame && trimmed.starts_with('#'))
        || (trimmed.starts_with("... ") && trimmed.ends_with(" more"))
        || (indented && trimmed.len() + 4 <= line.len() && !trimmed.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::web::explore::fold::{Joiner, fold};

    fn check(text: &str, head: &str, frames: usize, cause: &str, own: &str) {
        let folded = fold(text);
        let rest = folded.rest.as_ref().unwrap_or_else(|| panic!("{text:?} is not folded"));
        let found_cause = rest.cause.clone().map_or("", |cause| &text[cause]);
        let found = (&text[..folded.head], rest.frame_count, found_cause, rest.own.as_deref().unwrap_or(""));
        assert_eq!(found, (head, frames, cause, own), "{text:?}");
        assert_eq!(rest.start, folded.head + 1);
    }

    #[test]
    fn a_java_trace_shows_its_message_and_folds_its_frames() {
        check(
            "ERROR order failed\njava.lang.IllegalStateException: no stock\n\tat org.apache.x.Y.z(Y.java:1)\n\tat a.B.c(B.java:1)\n\
             \tat d.E.f(E.java:2)\nCaused by: java.net.ConnectException: refused\n\tat java.net.Socket.x(S.java:1)\n\t... 12 more\n",
            "ERROR order failed\njava.lang.IllegalStateException: no stock",
            5,
            "java.net.ConnectException: refused",
            "a.B.c(B.java:1)",
        );
    }

    #[test]
    fn traces_of_other_languages_fold_too() {
        check(
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    main()\n  File \"/x/site-packages/b.py\", \
             line 2, in g\n    g()\nValueError: x",
            "Traceback (most recent call last):",
            2,
            "ValueError: x",
            "a.py:1 in <module>",
        );
        check(
            "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/a.go:3 +0x1d\nexit status 2\n",
            "panic: boom\n\ngoroutine 1 [running]:",
            1,
            "exit status 2",
            "/srv/a.go:3",
        );
        check(
            "panicked at src/main.rs:4:5:\nboom\n   0: std::panicking::begin_panic\n             at /rustc/x/library/std/src/panicking.rs:1:2\n   \
             1: cafe::place\n             at ./src/main.rs:4:5",
            "panicked at src/main.rs:4:5:\nboom",
            2,
            "",
            "cafe::place",
        );
    }

    #[test]
    fn own_frames_and_causes_are_painted() {
        let text = "x\n\tat a.B.c(B.java:1)\n\tat java.x.Y(Y.java:1)\nCaused by: z";
        let rest = fold(text).rest.unwrap();
        let painted: Vec<(&str, &str)> =
            rest.paints.iter().map(|(range, class)| (&text[range.clone()], class.as_str())).collect();
        assert_eq!(painted, [("\tat a.B.c(B.java:1)", "own"), ("Caused by: z", "why")]);
    }

    #[test]
    fn few_lines_stay_as_they_are_and_many_fold() {
        for text in ["one", "a\r\nb\nc\n", "1\n2\n3\n4\n5\n6\n7", ""] {
            assert_eq!((fold(text).head, fold(text).rest), (text.len(), None), "{text:?}");
        }
        let folded = fold("1\n2\n3\n4\n5\n6\n7\n8");
        assert_eq!((folded.head, folded.rest.unwrap().line_count), (11, 2));
    }

    fn joined(lines: &[&str], of_error: bool) -> usize {
        let mut joiner = Joiner::of(lines[0]);
        1 + lines[1..].iter().take_while(|line| joiner.joins(line, of_error)).count()
    }

    #[test]
    fn a_line_that_continues_the_one_before_is_known() {
        for line in [
            "\tat a.B.c(B.java:1)",
            "Caused by: x.Y: z",
            "\t... 3 more",
            "  File \"a.py\", line 1",
            "    main()",
            "#0 /a.php(1): f()",
        ] {
            assert_eq!(joined(&["x", line], false), 2, "{line:?}");
        }
        for line in ["", "at noon", " GET /", "2026-11-22 INFO x", "{\"a\":1}", "    ", "panic: x", "# 1"] {
            assert_eq!(joined(&["x", line], false), 1, "{line:?}");
        }
    }

    #[test]
    fn traces_whose_lines_are_not_all_indented_are_joined_from_where_they_begin() {
        let python = [
            "Traceback (most recent call last):",
            "  File \"a.py\", line 1, in f",
            "    g()",
            "KeyError: 'a'",
            "",
            "INFO next",
        ];
        assert_eq!(joined(&python, false), 5);
        let chained = [
            "ERROR failed",
            "Traceback (most recent call last):",
            "  File \"a.py\", line 1, in f",
            "    g()",
            "KeyError: 1",
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            "Traceback (most recent call last):",
            "  File \"b.py\", line 1, in h",
            "a.b.Error: c",
            "INFO next",
        ];
        assert_eq!(joined(&chained, true), 11);
        assert_eq!(joined(&chained, false), 1);
        let go = [
            "panic: boom",
            "",
            "goroutine 1 [running]:",
            "main.(*Server).serve(0xc0001)",
            "\t/srv/a.go:3 +0x1d",
            "created by main.main",
            "\t/srv/a.go:9 +0x2",
            "exit status 2",
            "INFO started (again)",
        ];
        assert_eq!(joined(&go, false), 8);
    }
}
