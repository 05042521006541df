//! Bytes in: a push is unpacked, decoded, checked, given its service name and its levels, and stored.
//!
//! Promises: what is acknowledged is in the store; what is refused is named, in Loki's words; memory is counted before
//! it is used; arbitrary bytes give an error, never a panic. A refusal of the whole push stores nothing of it.
//! Never: HTTP. `Intake` is the one door to the store for whoever brings entries.

mod assemble;
mod body;
mod clock;
mod error;
mod format;
mod forward;
mod intake;
mod json;
mod labels;
mod level;
mod limits;
mod metadata;
mod otlp;
pub(crate) mod protobuf;
mod rate;
mod record;
mod room;
mod service;
mod validate;

pub use error::Error;
pub use format::Shape;
pub(crate) use forward::Decoder;
pub use intake::{Intake, PushRequest, Pushed};
pub(crate) use json::Stream as PushedStream;
pub use limits::{Levels, Limits, LongLines, Rate};
pub use otlp::otlp_status;
pub use record::replay;
pub use room::Room;
