//! LogQL, the language: text to expression to text, and what a stage does to one line.
//!
//! Promises: everything here is pure; `parse(print(e)) == e`.
//! Never: IO, a clock, threads; it does not know where lines come from.

pub mod ast;
pub mod complete;
mod error;
#[cfg(test)]
mod generate;
pub mod gotext;
mod highlight;
mod lexer;
pub(crate) mod literal;
pub mod metric;
pub mod miner;
mod names;
mod parser;
mod pretty;
mod print;
mod scanner;
mod simple_regex;
#[cfg(test)]
mod spec;
pub mod stage;
pub(crate) mod template;
mod token;

pub use error::ParseError;
pub use highlight::{Class, Piece, highlight};
pub(crate) use parser::parse_any;
pub use parser::{parse, parse_any_selector, parse_lenient, parse_selector, parse_selectors};
pub use pretty::format_query;
