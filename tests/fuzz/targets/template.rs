//! Templates: the first line is one, the rest is the line that it sees. Whatever it is, it ends soon and within its
//! bounds; both stages that know templates make the same of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logcafe::logql::ast::{LabelFormat, LabelFormatValue, Stage};
use logcafe::logql::stage::{Pipeline, Scratch};
use logcafe_fuzz::{TIME, metadata, split, stream};

/// What the templates of a line may make, and room for a message.
const BYTES_MAX: usize = (16 << 20) + (64 << 10);

fuzz_target!(|data: &[u8]| {
    let Some((template, line)) = split(data) else { return };
    let formats =
        vec![LabelFormat { label: "made".to_owned(), value: LabelFormatValue::Template(template.to_owned()) }];
    let as_line = Pipeline::new(&[Stage::LineFormat(template.to_owned())]);
    let as_label = Pipeline::new(&[Stage::LabelFormat(formats)]);
    assert_eq!(as_line.is_ok(), as_label.is_ok());
    let (Ok(as_line), Ok(as_label)) = (as_line, as_label) else { return };
    let (stream, metadata) = (stream(), metadata());
    let (mut scratch, mut other_scratch) = (Scratch::default(), Scratch::default());
    let made = as_line.process(TIME, line, &stream, &metadata, &mut scratch).expect("a format drops no line");
    let labelled = as_label.process(TIME, line, &stream, &metadata, &mut other_scratch).expect("nor does a label");
    assert!(made.line.len() <= BYTES_MAX.max(line.len()));
    assert_eq!(made.error(), labelled.error());
    if made.error().is_some() {
        assert_eq!(made.line, line);
    } else if !["now", "date", "Date"].iter().any(|clock| template.contains(clock)) {
        assert_eq!(labelled.get("made").unwrap_or(""), made.line);
    }
});
