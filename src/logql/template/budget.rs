//! What the templates of one line may use, over all stages: text that they make, and steps that they take.

use std::cell::Cell;

use crate::logql::template::value::Value;

/// Text that all templates may make for one line, counted where a value is made, kept or written.
const BYTES_MAX: usize = 16 << 20;
/// Steps for one line: a node that is run is one, as are so many bytes that a function reads.
const STEPS_MAX: usize = 1_000_000;
/// Bytes that a function reads in the time of a step.
const BYTES_PER_STEP: usize = 256;
/// A line that took more steps than this was slow.
const STEPS_SLOW: usize = 10_000;

/// What is left for the present line.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: Cell<usize>,
    steps: Cell<usize>,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { bytes: Cell::new(BYTES_MAX), steps: Cell::new(STEPS_MAX) }
    }
}

impl Budget {
    /// Bytes that may still be made.
    pub(crate) fn left(&self) -> usize {
        self.bytes.get()
    }

    /// Whether the line took long enough to look whether anybody still waits for it.
    pub(crate) fn was_slow(&self) -> bool {
        STEPS_MAX - self.steps.get() > STEPS_SLOW
    }

    /// An error where not so many bytes may be made.
    pub(crate) fn covers(&self, bytes: usize) -> Result<(), String> {
        if bytes > self.left() {
            return Err(format!("the templates of this line make more than {} MiB of text", BYTES_MAX >> 20));
        }
        Ok(())
    }

    /// Counts bytes that are made.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), String> {
        self.covers(bytes)?;
        self.bytes.set(self.left() - bytes);
        Ok(())
    }

    /// Counts a value that is made or copied; what it borrows or shares costs nothing.
    pub(crate) fn take_value(&self, value: &Value<'_>) -> Result<(), String> {
        self.take(value.owned_bytes())
    }

    pub(crate) fn step(&self, count: usize) -> Result<(), String> {
        match self.steps.get().checked_sub(count) {
            Some(left) => self.steps.set(left),
            None => {
                self.steps.set(0);
                return Err("the template takes too many steps".to_owned());
            }
        }
        Ok(())
    }

    /// Counts bytes that a function reads.
    pub(crate) fn read(&self, bytes: usize) -> Result<(), String> {
        self.step(bytes / BYTES_PER_STEP)
    }
}

#[cfg(test)]
mod tests {
    use crate::logql::ast::{LabelFormat, LabelFormatValue, Stage};
    use crate::logql::stage::{Pipeline, Scratch};
    use crate::model::{Labels, Timestamp};

    /// The line and the error that the stages make of one line.
    fn outcome(stages: &[Stage]) -> (String, Option<String>) {
        let pipeline = Pipeline::new(stages).expect("the templates are valid");
        let (stream, none, mut scratch) = (Labels::from([("a", "1")]), Labels::default(), Scratch::default());
        let line = pipeline.process(Timestamp::default(), "line", &stream, &none, &mut scratch).expect("passes");
        (line.line.to_owned(), line.labels().get("__error_details__").map(str::to_owned))
    }

    #[test]
    fn a_template_that_makes_too_much_is_an_error_of_the_line() {
        let table = [
            "{{ regexReplaceAll \"\" (repeat 1000000 \"x\") (repeat 1000000 \"y\") }}".to_owned(),
            "{{ regexReplaceAll \"(x*)\" (repeat 1000000 \"x\") (repeat 100000 \"$1\") }}".to_owned(),
            "{{ regexReplaceAllLiteral \"x\" (repeat 1000000 \"x\") (repeat 1000000 \"$1\") }}".to_owned(),
            "{{ replace \"x\" (repeat 1000000 \"y\") (repeat 1000000 \"x\") }}".to_owned(),
            "{{ repeat 9000000000000 \"x\" }}".to_owned(),
            "{{ indent 900000000000 \"x\" }}".to_owned(),
            "{{ alignLeft 900000000000 \"x\" }}".to_owned(),
            format!("{{{{ repeat 1000 \"\\u0001\" {} }}}}", "| js ".repeat(30)),
            format!("{{{{ repeat 1000 \"x\" {} }}}}", "| b64enc ".repeat(300)),
            format!("{{{{ $v := repeat 1000000 \"x\" }}}}{{{{ print {} }}}}", "$v ".repeat(1000)),
            format!("{{{{ $v := repeat 1000000 \"x\" }}}}{{{{ printf \"%q\" {} }}}}", "$v ".repeat(1000)),
            (0..1000).map(|at| format!("{{{{ $v{at} := repeat 1000000 \"x\" }}}}")).collect(),
            "{{ range 900000 }}{{ printf \"%9999d\" 1 }}{{ end }}".to_owned(),
        ];
        for template in table {
            let (line, details) = outcome(&[Stage::LineFormat(template.clone())]);
            assert_eq!(line, "line", "{template:.80}");
            let details = details.unwrap_or_else(|| panic!("no error from {template:.80}"));
            assert!(details.contains("more than 16 MiB of text") && details.len() < 3000, "{details:.300}");
        }
    }

    #[test]
    fn stages_and_labels_of_one_line_share_what_it_may_use() {
        let template = || "{{ repeat 3000000 \"x\" }}".to_owned();
        let one = |label: String| LabelFormat { label, value: LabelFormatValue::Template(template()) };
        let labels = Stage::LabelFormat((0..100).map(|at| one(format!("l{at}"))).collect());
        assert!(outcome(&[labels]).1.is_some());
        assert!(outcome(&vec![Stage::LineFormat(template()); 100]).1.is_some());
        assert_eq!(outcome(&[Stage::LineFormat(template())]).1, None);
    }

    #[test]
    fn work_that_leaves_no_text_is_bounded_too() {
        let searched = "{{ $v := repeat 1000000 \"x\" }}{{ range 900000 }}{{ $n := count \"x\" (__line__) }}{{ end }}";
        let compiled = "{{ range $i := 900000 }}{{ $n := count (print $i) \"x\" }}{{ end }}";
        for template in [searched, compiled] {
            let details = outcome(&[Stage::LineFormat(template.to_owned())]).1.expect("an error");
            assert!(details.contains("too many steps"), "{details}");
        }
    }

    #[test]
    fn what_is_replaced_is_what_go_replaces() {
        let table = [
            ("{{ replace \"\" \"-\" \"한b\" }}", "-한-b-"),
            ("{{ Replace \"aaa\" \"a\" \"b\" 2 }}", "bba"),
            ("{{ regexReplaceAll \"(a)|x*\" \"baxc\" \"<$1>\" }}", "<>b<a><>c<>"),
            ("{{ regexReplaceAllLiteral \"a\" \"baxa\" \"$1\" }}", "b$1x$1"),
            ("{{ regexReplaceAll \"q\" \"text\" \"y\" }}", "text"),
        ];
        for (template, wanted) in table {
            assert_eq!(outcome(&[Stage::LineFormat(template.to_owned())]), (wanted.to_owned(), None), "{template}");
        }
    }
}
