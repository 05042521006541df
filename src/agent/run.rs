//! Puts the agent together and runs it until it is asked to stop.

use anyhow::bail;

use crate::agent::{Config, Mode};

/// Runs an agent; returns when it has stopped.
///
/// # Errors
///
/// It cannot be started.
pub(crate) fn run(config: Config, mode: Mode) -> anyhow::Result<()> {
    bail!("the parts are not put together yet: {} jobs, {mode:?}", config.scrape_configs.len())
}
