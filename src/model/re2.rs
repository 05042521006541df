//! Go's regular expressions (RE2), as LogQL writes them, on the `regex` crate.

use regex::Regex;

/// Why a pattern cannot be used, in the words of the one who reads the query.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("error parsing regexp: {reason}: `{pattern}`")]
pub struct Error {
    pub reason: String,
    pub pattern: String,
}

/// Compiles a pattern that may match anywhere in the text.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    Regex::new(pattern).map_err(|error| Error { reason: error.to_string(), pattern: pattern.to_owned() })
}

/// Compiles a pattern that must match the whole text, of which `.` matches every character, newlines too: so do
/// selectors.
pub fn compile_anchored(pattern: &str) -> Result<Regex, Error> {
    compile(&format!("^(?s:{pattern})$"))
}

/// Compiles a pattern that must match the whole text, and in which `.` matches no newline: so do label filters.
pub fn compile_whole(pattern: &str) -> Result<Regex, Error> {
    compile(&format!("^(?:{pattern})$"))
}

/// The parsed form of a pattern, for those who look for texts that every match holds.
pub fn parse(pattern: &str) -> Result<regex_syntax::hir::Hir, Error> {
    regex_syntax::parse(pattern).map_err(|error| Error { reason: error.to_string(), pattern: pattern.to_owned() })
}
