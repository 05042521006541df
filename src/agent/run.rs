//! Puts the agent together and runs it until it is asked to stop.
//!
//! Promises: everything that can be wrong at the start is an error before the first line is read; a stop in order sends
//! what was read, waits a little for the answers, and writes the positions.

mod life;

use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::agent::config::Spool;
use crate::agent::config::pipeline::{build, build_inspected};
use crate::agent::config::scrape::Scrape;
use crate::agent::discovery::Discovery;
use crate::agent::files::bell::Bell;
use crate::agent::files::handle::Handles;
use crate::agent::files::status::Status;
use crate::agent::files::{Hearing, Watch, WatchOptions};
use crate::agent::intake::Intakes;
use crate::agent::lock::Lock;
use crate::agent::metrics::Metrics;
use crate::agent::outlet::{Ledger, Outlet};
use crate::agent::positions::{Options, Positions};
use crate::agent::reader::{Beyond, LineLimits, RateLimit, Reader, TooLong};
use crate::agent::show::Terminal;
use crate::agent::spool::{SpoolOptions, Spools};
use crate::agent::stage::{Pipeline, Surroundings};
use crate::agent::{Config, Mode};

/// Reads the configuration as it was read at the start.
pub(crate) type Reread<'a> = dyn Fn() -> anyhow::Result<Config> + 'a;

/// What the parts share.
pub(crate) struct Parts {
    pub(crate) bell: Arc<Bell>,
    pub(crate) positions: Arc<Positions>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) status: Status,
    pub(crate) spools: Spools,
    _lock: Option<Lock>,
    /// Where positions lie that are not to be kept.
    _folder: Option<tempfile::TempDir>,
}

/// Runs an agent; returns when it has stopped.
///
/// # Errors
///
/// It cannot be started.
pub(crate) fn run(config: Config, mode: Mode, reread: &Reread<'_>) -> anyhow::Result<()> {
    match mode {
        Mode::Run => life::live(config, reread),
        Mode::DryRun | Mode::Inspect => {
            let parts = Arc::new(parts(&config, mode, &Arc::default())?);
            let discovery = Discovery::begin(&config, &parts.bell, &parts.metrics)?;
            show(&config, mode, &parts, discovery)
        }
    }
}

fn parts(config: &Config, mode: Mode, metrics: &Arc<Metrics>) -> anyhow::Result<Parts> {
    let (folder, path) = match mode {
        Mode::Run => (None, config.positions.filename.clone()),
        // nothing is answered for, so nothing is to be remembered
        Mode::DryRun | Mode::Inspect => {
            let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
            let path = folder.path().join("positions.yaml");
            (Some(folder), path)
        }
    };
    let lock = if folder.is_none() { Some(Lock::take(&path)?) } else { None };
    let options = Options {
        path: path.clone(),
        sync_period: config.positions.sync_period.0,
        ignore_invalid_yaml: config.positions.ignore_invalid_yaml,
    };
    let (bell, metrics, status) = (Arc::default(), Arc::clone(metrics), Status::default());
    let positions = Arc::new(Positions::open(options)?);
    let spool_folder = if folder.is_some() { Spool::default().folder(&path) } else { config.spool.folder(&path) };
    let options = SpoolOptions::new(spool_folder, config.spool.size_max.0);
    let spools = Spools::open(options, &bell, &positions, &status, &metrics)?;
    Ok(Parts { bell, positions, metrics, status, spools, _lock: lock, _folder: folder })
}

fn limits(config: &Config) -> LineLimits {
    let limits = &config.limits_config;
    let rate = limits.readline_rate_enabled.then_some(RateLimit {
        lines_per_second: limits.readline_rate,
        burst: limits.readline_burst as f64,
        beyond: if limits.readline_rate_drop { Beyond::Drop } else { Beyond::Wait },
    });
    let too_long = if limits.max_line_size_truncate { TooLong::Cut } else { TooLong::Drop };
    LineLimits { line_bytes_max: usize::try_from(limits.max_line_size.0).unwrap_or(usize::MAX), too_long, rate }
}

fn reader<O: Outlet>(config: &Config, parts: &Parts, pipelines: Vec<Pipeline>, outlet: O) -> Reader<O> {
    let watch = config.global.file_watch_config;
    let options = WatchOptions {
        sync_period: config.target_config.sync_period.0,
        poll_period: watch.max_poll_frequency.0.max(WatchOptions::default().poll_period),
        hearing: if watch.always_poll { Hearing::Never } else { Hearing::Asked },
        ..WatchOptions::default()
    };
    let Parts { bell, positions, metrics, status, .. } = parts;
    let watch = Watch::new(options, Handles::raised(), positions, bell, status, metrics);
    Reader::new(watch, bell, positions, pipelines, outlet, limits(config), metrics)
}

fn surroundings(parts: &Parts) -> Surroundings {
    Surroundings { metrics: Arc::clone(&parts.metrics), ..Surroundings::default() }
}

/// Prints what would be sent until a signal comes.
fn show(config: &Config, mode: Mode, parts: &Arc<Parts>, discovery: Discovery) -> anyhow::Result<()> {
    let out = || -> Box<dyn std::io::Write + Send> { Box::new(anstream::stdout()) };
    let pipeline = |scrape: &Scrape| match mode {
        Mode::Inspect => build_inspected(&scrape.pipeline_stages, &surroundings(parts), &out),
        Mode::Run | Mode::DryRun => build(&scrape.pipeline_stages, &surroundings(parts)),
    };
    let pipelines = config.scrape_configs.iter().map(pipeline).collect();
    let ledger = Arc::<Positions>::clone(&parts.positions) as Arc<dyn Ledger>;
    let reader = reader(config, parts, pipelines, Terminal::new(out(), ledger));
    let bell = Arc::clone(&parts.bell);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let reading = std::thread::spawn(move || drop(reader.run()));
    runtime.block_on(async {
        let mut intakes = Intakes::start(config, parts).await?;
        intakes.look_after(discovery);
        tokio::select! {
            stopped = stop_signal() => stopped?,
            () = intakes.ended(parts) => {}
        }
        intakes.stop().await;
        anyhow::Ok(())
    })?;
    bell.stop();
    reading.join().map_err(|_| anyhow::anyhow!("the reader panicked"))
}

/// Waits until the agent is asked to stop.
async fn stop_signal() -> anyhow::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}
