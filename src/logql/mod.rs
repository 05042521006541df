//! LogQL, the language: text to expression to text, and what a stage does to one line.
//!
//! Promises: everything here is pure; `parse(print(e)) == e`.
//! Never: IO, a clock, threads; it does not know where lines come from.

pub mod ast;
mod error;
pub mod gotext;
pub mod metric;
mod names;
pub mod stage;
mod token;

pub use error::ParseError;
