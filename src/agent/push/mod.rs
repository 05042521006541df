//! Towards the servers: batches are filled as lines come, sealed when they are large or old enough, and sent until the
//! server has answered.
//!
//! Promises: lines of a source leave in order; a source is reported as answered for when every server has answered for
//! all that came before; what waits is bounded by a few batches for each server.

pub(crate) mod batch;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod credentials;
pub(crate) mod fanout;
mod packed;
mod split;
pub(crate) mod status;
