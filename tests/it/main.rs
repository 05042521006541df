//! Tests through the front door: the real server on a free port, in a temporary folder.

mod auth;
mod browser;
mod cli;
mod clients;
mod crash;
mod damage;
mod delete;
mod disk;
mod failpoints;
mod follow;
mod golden;
mod harness;
mod logql;
mod needles;
mod otlp;
mod patterns;
mod push;
mod query;
mod serve;
mod store;
mod store_remove;
mod tail;
mod web_keep;
mod web_login;
mod web_saved;
mod websocket;
