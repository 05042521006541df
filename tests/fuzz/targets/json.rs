//! `json`, with and without names, and `unpack`: the first line is a path or names, the rest are lines.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logcafe::logql::ast::{Extraction, Stage};
use logcafe_fuzz::{check_lines, split, stages};

fuzz_target!(|data: &[u8]| {
    let Some((head, lines)) = split(data) else { return };
    let names: Vec<&str> = head.split(' ').take(4).collect();
    let all = stages("| json").expect("a stage");
    check_lines(&all, &names, lines);
    check_lines(&stages("| unpack").expect("a stage"), &[], lines);
    let path = Extraction { label: "x".to_owned(), expression: head.to_owned() };
    check_lines(&[Stage::Json(vec![path])], &["x"], lines);
});
