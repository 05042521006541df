//! What the agent tells of itself over HTTP: a page for people, and numbers for machines.
//!
//! ```text
//! run → Board ← Pages: /targets for people, /metrics /ready /config /reload for machines
//! ```
//!
//! Promises: no secret is shown, and whatever a log or a server says is shown as text; a page costs a look at what is
//! counted anyway. It faces the machine that it runs on, not the internet: who reaches it may see names of files.

pub(crate) mod board;
pub(crate) mod pages;
mod targets;
