//! Go's regular expressions: what the translation takes must be taken by the `regex` crate, and the ways to ask for a
//! match must agree. The first line is a pattern, the rest a text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use logcafe::model::re2;
use logcafe_fuzz::split;

fuzz_target!(|data: &[u8]| {
    let Some((pattern, text)) = split(data) else { return };
    let names = match re2::group_names(pattern) {
        Ok(names) => names,
        Err(error) => {
            assert!(pattern.contains(&error.pattern), "{error} speaks of what is not in {pattern:?}");
            assert!(re2::compile(pattern).is_err() && re2::compile_anchored(pattern).is_err());
            return;
        }
    };
    // nothing but its size may be wrong with it now
    re2::parse(pattern).expect("what was translated is read");
    let (Ok(within), Ok(whole)) = (re2::compile(pattern), re2::compile_whole(pattern)) else { return };
    // a group that comes no times, `(a){0}`, is gone for the crate
    assert!(within.captures_len() <= names.len());
    let found = within.find(text).map(|found| found.range());
    assert_eq!(within.is_match(text), found.is_some());
    if whole.is_match(text) {
        assert!(found.is_some(), "the whole text matches, and no part of it");
    }
    // a quotation that is not closed takes whatever stands behind it
    if !pattern.contains("\\Q") {
        let bracketed = re2::compile(&format!("\\A(?:{pattern})\\z"));
        if let Ok(bracketed) = bracketed {
            assert_eq!(bracketed.is_match(text), whole.is_match(text));
        }
    }
});
