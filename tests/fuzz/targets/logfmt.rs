//! `logfmt` with its flags, with and without names: the first line holds names, the rest are lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logcafe::logql::ast::{Extraction, Stage};
use logcafe_fuzz::{check_lines, split};

fuzz_target!(|data: &[u8]| {
    let Some((head, lines)) = split(data) else { return };
    let names: Vec<&str> = head.split(' ').take(4).collect();
    for (strict, keep_empty) in [(false, false), (false, true), (true, false), (true, true)] {
        check_lines(&[Stage::Logfmt { strict, keep_empty, extractions: Vec::new() }], &names, lines);
    }
    for strict in [false, true] {
        let extraction = |name: &&str| Extraction { label: "x".to_owned(), expression: (*name).to_owned() };
        let extractions = names.iter().take(1).map(extraction).collect();
        check_lines(&[Stage::Logfmt { strict, keep_empty: false, extractions }], &["x"], lines);
    }
});
