//! Patterns that templates give as arguments: compiled once, not for every line.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;

use crate::logql::template::Budget;
use crate::model::re2;

/// Patterns that are kept for each thread; a template that makes patterns of log lines would otherwise fill the memory.
const KEPT_MAX: usize = 16;
/// Steps that reading a pattern takes.
const COMPILE_STEPS: usize = 2000;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Result<Regex, String>>> = RefCell::default();
}

/// The compiled pattern; the error is Go's text.
pub(crate) fn get(budget: &Budget, pattern: &str) -> Result<Regex, String> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(known) = compiled.get(pattern) {
            return known.clone();
        }
        budget.step(COMPILE_STEPS)?;
        if compiled.len() >= KEPT_MAX {
            compiled.clear();
        }
        let regex = re2::compile(pattern).map_err(|error| error.to_string());
        compiled.insert(pattern.to_owned(), regex.clone());
        regex
    })
}
