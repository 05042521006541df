//! `logcafe serve`: the server, until it is asked to stop.

use std::path::PathBuf;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::settings::{LogFormat, Settings};
use crate::server;

/// The index tells of every merge at level info.
const FILTER_DEFAULT: &str = "info,tantivy=warn";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  logcafe serve                                      on 127.0.0.1:3100, data in ./data
  logcafe serve --listen 0.0.0.0:3100 --data /var/lib/logcafe
  logcafe serve --retention-age 30d --retention-size 50GB
  LOGCAFE_LISTEN=127.0.0.1:4000 logcafe serve

Every flag is also a variable (LOGCAFE_RETENTION_AGE) and a key of logcafe.toml (retention-age = \"30d\").
A flag wins over the variable, the variable over the file.")]
pub(crate) struct Arguments {
    /// Read settings from this file [default: ./logcafe.toml, where it exists]
    #[arg(long, env = "LOGCAFE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.or_file(arguments.config.as_deref())?;
    let format = match settings.log_format {
        Some(LogFormat::Json) => server::Format::Json,
        Some(LogFormat::Text) | None => server::Format::Text,
    };
    let _own_logs = server::init_logs(settings.log.as_deref().unwrap_or(FILTER_DEFAULT), format)?;
    let config = settings.into_config()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    runtime.block_on(serve(config))
}

async fn serve(config: server::Config) -> anyhow::Result<()> {
    // before anything starts, so that a signal in the first moment is not lost
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let handle = server::start(config).await?;
    let base = handle.base_url();
    anstream::println!("logcafe is ready at {base}");
    if let Some(code) = handle.setup_code() {
        anstream::println!("There is no account yet. Make the first at {base}/setup?code={}", code.reveal());
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    handle.stop().await
}
