//! logcafe: log pushes in, an index in the middle, a login-protected page to read them at the end.
//!
//! The areas, from the ground up; each imports only areas above it in this list, and not all of those (the table is in
//! `tests/tidy.rs`, the walk through all of it in `docs/ARCHITECTURE.md`):
//!
//! | area | is | never |
//! | --- | --- | --- |
//! | [`model`] | the nouns: labels, entries, times, matchers | IO, a clock |
//! | [`logql`] | the language: text to tree to text; what a stage does to one line | IO, threads |
//! | [`store`] | log data on disk: write-ahead log, blocks, index, retention | LogQL, HTTP |
//! | [`db`] | people, sessions, tokens, saved queries in SQLite | log lines |
//! | [`ingest`] | bytes in: decode, check, append | HTTP |
//! | [`query`] | answers out: plan an expression, run it over the store | HTTP, SQL |
//! | [`api`] | HTTP for machines, as Loki's clients speak it | the store itself |
//! | [`web`] | HTML for people | the store itself |
//! | [`agent`] | logs read where they are written, and pushed | a server's store |
//! | [`server`] | builds everything, runs it, stops it in order | decisions |
//! | [`cli`] | the commands | |
//!
//! Bytes flow one way: clients → `api::push` → `ingest` → `store` ← `query` ← `api`, `web` → people.

#![forbid(unsafe_code)]

pub mod agent;
pub mod api;
pub mod cli;
pub mod db;
pub mod ingest;
pub mod logql;
pub mod model;
pub mod query;
pub mod server;
pub mod store;
pub mod web;
