//! The life of an agent that sends: starts what a configuration says, stops it in order, and does both when the
//! configuration is read anew.
//!
//! Promises: a configuration that cannot be followed changes nothing; what was read and not answered for when the parts
//! are started anew is read again, with the same times, so that no line is lost.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::agent::config::Secrets;
use crate::agent::config::pipeline::build;
use crate::agent::config::scrape::Scrape;
use crate::agent::discovery::Discovery;
use crate::agent::intake::Intakes;
use crate::agent::metrics::Metrics;
use crate::agent::outlet::Ledger;
use crate::agent::positions::Positions;
use crate::agent::push::client;
use crate::agent::push::connect;
use crate::agent::push::fanout::Fanout;
use crate::agent::run::{Parts, Reread, parts, reader, surroundings};
use crate::agent::status::board::{Board, ServerTold, Spooled, Told};
use crate::agent::status::pages::{Pages, Wish};
use crate::agent::{Config, Mode};

/// How long a stop waits for the servers' last answers, at most.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);
/// The same where the agent goes on: what has no answer is sent again at once.
const RELOAD_WAIT: Duration = Duration::from_secs(1);

/// How often it is looked whether all parts run.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Reads and sends until a signal comes.
pub(in crate::agent::run) fn live(config: Config, reread: &Reread<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let metrics = Arc::<Metrics>::default();
        let (board, mut wishes) = Board::new(Arc::clone(&metrics));
        let mut life = Life::start(config, board, metrics).await?;
        loop {
            let wish = tokio::select! {
                wish = signals.next() => wish,
                Some(wish) = wishes.recv() => Some(wish),
                () = life.running.ended() => None,
                () = tokio::time::sleep(LOOK_PERIOD) => {
                    life.running.check()?;
                    continue;
                }
            };
            let Some(wish) = wish else { break };
            let outcome = life.reload(reread).await?;
            match &outcome {
                Ok(()) => tracing::info!("the configuration was read anew and is followed"),
                Err(problem) => tracing::error!("the configuration was read anew and is not followed: {problem}"),
            }
            wish.answer(outcome);
        }
        tracing::info!("stopping");
        life.stop().await
    })
}

/// What asks the agent to stop, or to read its configuration anew.
struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Signals> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        let [term, int, hup] = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(listen);
        Ok(Signals { term: term?, int: int?, hup: hup? })
    }

    /// None where it is to stop.
    async fn next(&mut self) -> Option<Wish> {
        tokio::select! {
            _ = self.term.recv() => None,
            _ = self.int.recv() => None,
            _ = self.hup.recv() => Some(Wish::default()),
        }
    }
}

struct Life {
    config: Config,
    board: Board,
    metrics: Arc<Metrics>,
    pages: Option<Pages>,
    running: Running,
}

impl Life {
    async fn start(config: Config, board: Board, metrics: Arc<Metrics>) -> anyhow::Result<Life> {
        let pages = Pages::open(&config.server, &board, None).await?;
        let running = Running::start(&config, &board, &metrics).await?;
        Ok(Life { config, board, metrics, pages, running })
    }

    /// Reads the configuration anew and follows it, or says why not. An error ends the agent: nothing can be started.
    async fn reload(&mut self, reread: &Reread<'_>) -> anyhow::Result<Result<(), String>> {
        let outcome = match self.follow(reread).await {
            Ok(()) => Ok(()),
            Err(problem) if self.running.parts.is_none() => {
                let again = Running::start(&self.config, &self.board, &self.metrics).await;
                self.running = again.context("cannot go on with the configuration as it was")?;
                Err(problem)
            }
            Err(problem) => Err(problem),
        };
        self.metrics.reloaded(outcome.is_ok());
        Ok(outcome.map_err(|problem| format!("{problem:#}")))
    }

    async fn follow(&mut self, reread: &Reread<'_>) -> anyhow::Result<()> {
        let config = reread()?;
        // whatever can be known to be wrong is known before anything is stopped
        Discovery::begin(&config, &Arc::default(), &Arc::default())?;
        for client in &config.clients {
            connect::server(client, 0).map_err(anyhow::Error::msg)?;
        }
        anyhow::ensure!(
            !self.config.target_config.stdin && !config.target_config.stdin,
            "standard input cannot be taken up anew: restart the agent"
        );
        let is_same = self.pages.as_ref().is_some_and(|pages| pages.is_as(&config.server));
        let pages = match is_same {
            true => None,
            false => Some(Pages::open(&config.server, &self.board, self.pages.as_ref()).await?),
        };
        self.running.stop(RELOAD_WAIT).await?;
        self.metrics.begin_anew();
        self.running = Running::start(&config, &self.board, &self.metrics).await?;
        self.config = config;
        if let Some(pages) = pages
            && let Some(before) = std::mem::replace(&mut self.pages, pages)
        {
            before.retire();
        }
        Ok(())
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.running.stop(self.config.server.graceful_shutdown_timeout.0.min(STOP_WAIT_MAX)).await
    }
}

/// The parts that read and send.
struct Running {
    /// None when it is stopped: what it held on the disk is free for who comes next.
    parts: Option<Arc<Parts>>,
    intakes: Option<Intakes>,
    sending: JoinSet<()>,
    reading: Option<JoinHandle<()>>,
}

impl Running {
    async fn start(config: &Config, board: &Board, metrics: &Arc<Metrics>) -> anyhow::Result<Running> {
        let parts = Arc::new(parts(config, Mode::Run, metrics)?);
        let discovery = Discovery::begin(config, &parts.bell, metrics)?;
        let (fillings, servers): (Vec<_>, Vec<_>) = config
            .clients
            .iter()
            .map(|client| connect::server(client, config.limits_config.max_streams))
            .collect::<Result<Vec<_>, _>>()
            .map_err(anyhow::Error::msg)?
            .into_iter()
            .unzip();
        let ledger = Arc::<Positions>::clone(&parts.positions) as Arc<dyn Ledger>;
        let (fanout, exits) = Fanout::new(fillings, ledger);
        let pipeline = |scrape: &Scrape| build(&scrape.pipeline_stages, &surroundings(&parts));
        let reader = reader(config, &parts, config.scrape_configs.iter().map(pipeline).collect(), fanout);
        let mut told = Told::of(config, &parts.status, config.to_yaml(Secrets::Hide));
        told.spools = Some(Spooled::of(&parts));
        let mut sending = JoinSet::new();
        for (settings, exit) in servers.into_iter().zip(exits) {
            metrics.host(&settings.host);
            told.servers.push(ServerTold { status: settings.status.clone(), waiting: exit.waiting() });
            sending.spawn(client::run(settings, exit, Arc::clone(metrics)));
        }
        let mut intakes = Intakes::start(config, &parts).await?;
        intakes.look_after(discovery);
        let reading = std::thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || reader.run().finish())
            .context("cannot start the reader")?;
        board.tell(told);
        say_start(config);
        Ok(Running { parts: Some(parts), intakes: Some(intakes), sending, reading: Some(reading) })
    }

    /// Waits until there will be nothing more to do, which is so with standard input alone.
    async fn ended(&self) {
        match (&self.intakes, &self.parts) {
            (Some(intakes), Some(parts)) => intakes.ended(parts).await,
            (None, _) | (_, None) => std::future::pending().await,
        }
    }

    /// Whether what reads and sends is there still: without it lines would be read for nobody.
    ///
    /// # Errors
    ///
    /// A part ended by itself, which is a fault in it; who started the agent is to start it again.
    fn check(&mut self) -> anyhow::Result<()> {
        let is_reading = self.reading.as_ref().is_none_or(|reading| !reading.is_finished());
        let is_sending = self.sending.try_join_next().is_none();
        anyhow::ensure!(
            is_reading && is_sending,
            "a part of the agent failed; what was not sent is sent at the next start"
        );
        Ok(())
    }

    /// Sends what was read, waits a little for the answers, and writes the positions.
    async fn stop(&mut self, wait: Duration) -> anyhow::Result<()> {
        let Some(parts) = self.parts.take() else { return Ok(()) };
        if let Some(intakes) = self.intakes.take() {
            intakes.stop().await;
        }
        // a push that was received too late to be taken is told so
        parts.spools.close();
        parts.bell.stop();
        let ended = async { while self.sending.join_next().await.is_some() {} };
        if tokio::time::timeout(wait, ended).await.is_err() {
            tracing::warn!("a server has not answered for the last lines; they are sent again at the next start");
        }
        // the ends of the lanes are gone with it, so the reader waits for nobody
        self.sending.shutdown().await;
        if let Some(reading) = self.reading.take() {
            tokio::task::spawn_blocking(move || reading.join())
                .await?
                .map_err(|_| anyhow::anyhow!("the reader panicked"))?;
        }
        parts.positions.write().context("cannot write the positions")
    }
}

/// Says what is read and where it goes.
fn say_start(config: &Config) {
    let servers: Vec<String> = config.clients.iter().filter_map(|client| Some(client.url.as_ref()?.shown())).collect();
    let jobs: Vec<String> = config.scrape_configs.iter().map(|scrape| scrape.kind_and_name()).collect();
    let jobs = if config.target_config.stdin { "standard input".to_owned() } else { jobs.join(", ") };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        jobs,
        servers = servers.join(", "),
        positions = %config.positions.filename.display(),
        "reading"
    );
}
