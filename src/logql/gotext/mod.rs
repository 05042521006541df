//! How Go reads and writes numbers, durations, sizes, times and quoted text.
//!
//! Loki is written in Go, and its answers show it: `1e+06`, `1m30s`, `strconv.ParseFloat: parsing "x": invalid syntax`.
//! Whoever brings dashboards over expects the same. Promises: pure functions, no panic on any input.

pub mod bytes;
pub mod duration;
pub mod number;
pub mod quote;
