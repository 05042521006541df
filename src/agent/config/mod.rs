//! Promtail's configuration, whole: what its keys mean here, and an error with line and caret for what they cannot mean.

pub(crate) mod pipeline;
