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

/// Compiles a pattern that must match the whole text.
pub fn compile_anchored(pattern: &str) -> Result<Regex, Error> {
    compile(&format!("^(?:{pattern})$"))
}
