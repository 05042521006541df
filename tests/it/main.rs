//! Tests through the front door: the real server on a free port, in a temporary folder.

mod auth;
mod browser;
mod cli;
mod crash;
#[allow(dead_code, reason = "what people do with a server comes before the tests that do it")]
mod harness;
mod logql;
mod push;
mod query;
mod serve;
mod store;
mod web_login;
mod web_saved;
