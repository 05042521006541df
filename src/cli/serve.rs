//! `logcafe serve`: the server, until it is asked to stop.

use std::path::PathBuf;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::settings::Settings;
use crate::cli::systemd::{self, State};
use crate::server;

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

    /// Print what is set, as a logcafe.toml, and end
    #[arg(long)]
    print_config: bool,

    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let settings = arguments.settings.or_file(arguments.config.as_deref())?.or_defaults();
    if arguments.print_config {
        anstream::print!("{}", settings.to_file()?);
        return Ok(());
    }
    let own_logs = settings.init_logs()?;
    Settings::warn_of_unknown_variables();
    let config = settings.into_config()?;
    runtime()?.block_on(serve(config, own_logs))
}

pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    raise_open_files();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().context("cannot start the threads of the server")
}

/// The usual limit of 1024 open files is there for programs from before 1990; what we may have, we take.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

async fn serve(config: server::Config, own_logs: server::OwnLogs) -> anyhow::Result<()> {
    let signals = Signals::new()?;
    let handle = server::start(config, Some(own_logs)).await?;
    let base_url = handle.base_url();
    anstream::println!("logcafe is ready at {base_url}");
    if let Some(code) = handle.setup_code() {
        anstream::println!("There is no account yet. Make the first at {base_url}/setup?code={}", code.reveal());
    }
    systemd::notify(State::Ready);
    signals.any().await;
    systemd::notify(State::Stopping);
    tracing::info!("asked to stop");
    handle.stop().await
}

/// The signals that end a server.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from here on: call it before anything starts, so that a signal in the first moment is not lost.
    pub(crate) fn new() -> anyhow::Result<Signals> {
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        Ok(Signals { terminate, interrupt })
    }

    /// Waits for the first one.
    pub(crate) async fn any(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
