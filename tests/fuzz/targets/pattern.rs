//! `pattern`, the filters `|>` and `!>`, `regexp` and `ip`: the first line is the expression, the rest are lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logcafe::logql::ast::{LineFilter, LineOp, LineTest, Stage};
use logcafe::logql::stage::{Pipeline, Scratch};
use logcafe_fuzz::{TIME, check_lines, metadata, split, stream};

fuzz_target!(|data: &[u8]| {
    let Some((head, lines)) = split(data) else { return };
    for stage in [Stage::Pattern(head.to_owned()), Stage::Regexp(head.to_owned()), Stage::Decolorize] {
        check_lines(&[stage], &["a", "b", "a_extracted"], lines);
    }
    let filter = |op, test: fn(String) -> LineTest| {
        let alternatives = vec![test(head.to_owned())];
        Pipeline::new(&[Stage::Line(LineFilter { op, alternatives })]).ok()
    };
    let pairs = [
        (filter(LineOp::Pattern, LineTest::Text), filter(LineOp::NotPattern, LineTest::Text)),
        (filter(LineOp::Contains, LineTest::Ip), filter(LineOp::NotContains, LineTest::Ip)),
    ];
    let (stream, metadata, mut scratch) = (stream(), metadata(), Scratch::default());
    for (positive, negative) in pairs {
        assert_eq!(positive.is_some(), negative.is_some());
        let (Some(positive), Some(negative)) = (positive, negative) else { continue };
        for line in lines.split('\n') {
            let mut passes =
                |pipeline: &Pipeline| pipeline.process(TIME, line, &stream, &metadata, &mut scratch).is_some();
            assert_ne!(passes(&positive), passes(&negative), "{line:?} passes one of two opposites");
        }
    }
});
