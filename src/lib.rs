//! logcafe: log pushes in, an index in the middle, a login-protected page to read them at the end.

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
