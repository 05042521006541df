//! Folding: what of a long entry is shown at once, and lines that belong to the line before them. Pure.

/// Lines of a multi-line entry that are shown before it is folded.
const HEAD_LINES_MAX: usize = 6;

/// An entry in two parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folded<'a> {
    pub(crate) head: &'a str,
    pub(crate) rest: Option<Rest<'a>>,
}

/// What is folded away.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rest<'a> {
    pub(crate) text: &'a str,
    /// `37 frames`, `12 more lines`
    pub(crate) label: String,
    /// The last `Caused by:` of a stack trace, or what stands below its frames: mostly what went wrong.
    pub(crate) cause: Option<&'a str>,
}

/// Splits an entry: a stack trace before its first frame, other text after a few lines.
pub(crate) fn fold(text: &str) -> Folded<'_> {
    let text = text.trim_end_matches(['\n', '\r']);
    let mut starts = vec![0];
    starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
    let line = |index: usize| {
        let end = starts.get(index + 1).map_or(text.len(), |next| next - 1);
        text[starts[index]..end].trim_end_matches('\r')
    };
    let first_frame = (1..starts.len()).find(|index| is_frame(line(*index)));
    let head_lines = first_frame.unwrap_or(HEAD_LINES_MAX).min(HEAD_LINES_MAX);
    // folding a single line away saves nothing
    if starts.len() <= head_lines + 1 {
        return Folded { head: text, rest: None };
    }
    let rest = head_lines..starts.len();
    let frame_count = rest.clone().filter(|index| is_frame(line(*index))).count();
    let label = match frame_count {
        0 => format!("{} more lines", rest.len()),
        1 => "1 frame".to_owned(),
        count => format!("{count} frames"),
    };
    let last = line(starts.len() - 1);
    // Python says last what went wrong
    let closing = (frame_count > 0 && !is_frame(last) && !last.starts_with([' ', '\t'])).then_some(last);
    let cause = rest.rev().map(line).find_map(|line| line.trim_start().strip_prefix("Caused by: ")).or(closing);
    let cut = starts[head_lines];
    Folded { head: text[..cut].trim_end(), rest: Some(Rest { text: &text[cut..], label, cause }) }
}

/// Whether an entry of its own continues the one before it in its stream, as where a shipper splits at every newline.
pub(crate) fn continues(line: &str) -> bool {
    let trimmed = line.trim_start();
    let indented = trimmed.len() < line.len();
    (indented && (is_frame(line) || trimmed.starts_with("Suppressed: ") || trimmed.starts_with("| ")))
        || trimmed.starts_with("Caused by: ")
        || (trimmed.starts_with("... ") && trimmed.ends_with(" more"))
        || (indented && trimmed.len() + 4 <= line.len() && !trimmed.is_empty())
}

/// Whether a line is one frame of a stack trace of Java, JavaScript, .NET, Python, Ruby, Go or Rust.
fn is_frame(line: &str) -> bool {
    let trimmed = line.trim_start();
    let indented = trimmed.len() < line.len();
    let java = trimmed.starts_with("at ") && (indented || trimmed.contains('('));
    let python = indented && trimmed.starts_with("File \"") && trimmed.contains(", line ");
    let more = indented && trimmed.starts_with("... ") && trimmed.ends_with(" more");
    let go = indented && trimmed.starts_with('/') && trimmed.contains(".go:");
    let ruby = trimmed.starts_with("from ") && trimmed.contains(":in ");
    let rust = indented && trimmed.split_once(": ").is_some_and(|(number, _)| is_number(number));
    java || python || more || go || ruby || rust
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use crate::web::explore::fold::{continues, fold};

    fn check(text: &str, head: &str, label: &str, cause: &str) {
        let folded = fold(text);
        let rest = folded.rest.as_ref();
        let found = rest.map_or(("", ""), |rest| (rest.label.as_str(), rest.cause.unwrap_or("")));
        assert_eq!((folded.head, found), (head, (label, cause)), "{text:?}");
    }

    #[test]
    fn a_java_trace_shows_its_message_and_folds_its_frames() {
        check(
            "ERROR order failed\njava.lang.IllegalStateException: no stock\n\tat a.B.c(B.java:1)\n\tat d.E.f(E.java:2)\n\
             Caused by: java.net.ConnectException: refused\n\t... 12 more\n",
            "ERROR order failed\njava.lang.IllegalStateException: no stock",
            "3 frames",
            "java.net.ConnectException: refused",
        );
    }

    #[test]
    fn traces_of_other_languages_fold_too() {
        check(
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    main()\nValueError: x",
            "Traceback (most recent call last):",
            "1 frame",
            "ValueError: x",
        );
        check(
            "panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/a.go:3 +0x1d\nexit status 2\n",
            "panic: boom\n\ngoroutine 1 [running]:\nmain.main()",
            "1 frame",
            "exit status 2",
        );
    }

    #[test]
    fn few_lines_stay_as_they_are_and_many_fold() {
        check("one", "one", "", "");
        check("a\r\nb\nc\n", "a\r\nb\nc", "", "");
        check("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\n5\n6\n7", "", "");
        check("1\n2\n3\n4\n5\n6\n7\n8", "1\n2\n3\n4\n5\n6", "2 more lines", "");
        check("", "", "", "");
    }

    #[test]
    fn a_line_that_continues_the_one_before_is_known() {
        for line in
            ["\tat a.B.c(B.java:1)", "Caused by: x.Y: z", "\t... 3 more", "  File \"a.py\", line 1", "    main()"]
        {
            assert!(continues(line), "{line:?}");
        }
        for line in ["", "at noon", " GET /", "2026-11-22 INFO x", "{\"a\":1}", "    "] {
            assert!(!continues(line), "{line:?}");
        }
    }
}
