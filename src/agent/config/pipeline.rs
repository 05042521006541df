//! The list of stages of a scrape configuration.

/// One stage, as the configuration writes it.
pub(crate) type StageConfig = serde_json::Value;
