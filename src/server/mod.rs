//! The running server: builds every part, listens, and stops all of it in order.
//!
//! Promises: when `start` returns, requests are answered; when `stop` returns, accepted pushes are on disk and
//! nothing runs any more.

mod deletions;
mod listener;
mod own_logs;
mod routes;
mod stall;
mod sweeps;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use own_logs::{Format, OwnLogs, init as init_logs};

use deletions::DeletionsThread;
use listener::Patience;
use own_logs::OwnLogsThread;

use crate::db::{Db, Secret};
use crate::ingest::Intake;
use crate::model::Timestamp;
use crate::store::{self, Store};
use crate::{api, db, ingest, query, web};

/// How long a stop waits for tails once the listener is through; each has a bound of its own that is shorter.
const TAILS_GRACE: Duration = Duration::from_secs(2);

/// Everything that can be set, made of what each area wants to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// The folder that holds everything that is kept.
    pub data: PathBuf,
    pub store: store::Config,
    pub ingest: ingest::Limits,
    pub query: query::Limits,
    pub access: api::Access,
    /// Where people reach the pages, where that is not where it listens: behind a proxy.
    pub public_url: Option<http::Uri>,
    /// Whether people may freeze results behind public links.
    pub snapshots: bool,
    /// Which proxies tell where a client comes from, besides those on this machine.
    pub trusted_proxies: db::Proxies,
    /// The times that connections which follow new lines keep.
    pub tail_pace: api::Pace,
    /// How long requests that are under way may go on once the server is asked to stop.
    pub stop_grace: Duration,
}

/// A server that runs. Dropping it does not stop it: call `stop`.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    base_url: String,
    setup_code: Option<Secret>,
    stopping: CancellationToken,
    listening: JoinHandle<()>,
    open_tails: TaskTracker,
    own_logs: Option<OwnLogsThread>,
    deletions: DeletionsThread,
    store: Arc<Store>,
}

/// Opens the data, starts to listen, and returns once requests are answered. `own_logs` are stored with the rest.
pub async fn start(config: Config, own_logs: Option<OwnLogs>) -> anyhow::Result<Handle> {
    let listener = TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --listen", config.listen))?;
    let address = listener.local_addr().context("the listening socket has no address")?;

    let base_url = match &config.public_url {
        Some(url) => url.to_string().trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    };
    let opening = config.clone();
    let (store, db, setup_code) =
        tokio::task::spawn_blocking(move || open(&opening)).await.context("opening the data")??;
    let engine = Arc::new(query::Engine::new(store.clone(), config.query.clone()));
    let intake = Arc::new(Intake::new(store.clone(), config.ingest));
    let metrics = Arc::new(api::Metrics::new(intake.clone(), engine.clone()));
    let (public_url, proxies) = (config.public_url.clone(), config.trusted_proxies);
    let own_logs = own_logs.map(|own_logs| OwnLogsThread::spawn(own_logs, intake.clone())).transpose()?;
    let deletions = DeletionsThread::spawn(db.clone(), engine.clone())?;
    let wake = deletions.wake();
    let sweeping_db = db.clone();
    let stopping = CancellationToken::new();
    let people = web::Context {
        engine: engine.clone(),
        db: db.clone(),
        public_url,
        proxies: proxies.clone(),
        stopping: stopping.clone(),
        snapshots: config.snapshots,
    };
    let tails = api::Tails { stopping: stopping.clone(), open: TaskTracker::new(), pace: config.tail_pace };
    let open_tails = tails.open.clone();
    let (access, public_url) = (config.access, config.public_url);
    let machines = api::Context { intake, engine, db, metrics, access, proxies, public_url, tails, deletions: wake };
    let app = routes::router(machines, people);

    let listening =
        tokio::spawn(listener::run(listener, app, Patience::default(), stopping.clone(), config.stop_grace));
    tokio::spawn(sweeps::run(sweeping_db, stopping.clone()));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %address, data = %config.data.display(), "ready");
    Ok(Handle { address, base_url, setup_code, stopping, listening, open_tails, own_logs, deletions, store })
}

/// Everything that is on disk, and the code for the first account where there is none yet. Blocks.
fn open(config: &Config) -> anyhow::Result<(Arc<Store>, Db, Option<Secret>)> {
    // the logs have a folder of their own, which is private also where somebody else made the one above
    let folders = [&config.data, &config.store.dir];
    for folder in folders {
        db::make_private_folder(folder)
            .with_context(|| format!("cannot make the data folder {}; choose another with --data", folder.display()))?;
    }
    if folders.into_iter().all(|folder| is_open_to_others(folder)) {
        let path = config.data.display();
        tracing::warn!(%path, "every account of this machine can read the logs; chmod 700 on this folder closes it");
    }
    let db = Db::open(&db_path(&config.data))?;
    let store = Store::open(config.store.clone(), &ingest::replay)?;
    // only after the folder is known to be ours: a new code ends the one before, which another server may have shown
    let setup_code = db::setup::new_code(&db, Timestamp::from(SystemTime::now()))?;
    Ok((Arc::new(store), db, setup_code))
}

/// Folders that were there before keep their mode, which may be meant so.
fn is_open_to_others(folder: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

/// Where people, tokens, saved queries and snapshots are kept in a data folder.
pub fn db_path(data: &Path) -> PathBuf {
    data.join("logcafe.db")
}

impl Handle {
    /// Where it listens, with the port that was found free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address to open, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The one-time code that makes the first admin, where there is none.
    pub fn setup_code(&self) -> Option<&Secret> {
        self.setup_code.as_ref()
    }

    /// Takes no more requests, lets those under way finish for a moment, then closes the store.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stopping.cancel();
        if let Err(panic) = self.listening.await {
            tracing::error!(error = %panic, "the listener ended badly");
        }
        // they were told to end together with the listener
        self.open_tails.close();
        if tokio::time::timeout(TAILS_GRACE, self.open_tails.wait()).await.is_err() {
            tracing::warn!(tail_count = self.open_tails.len(), "some tails did not take their leave");
        }
        tracing::info!("stopping: closing the store");
        let (own_logs, deletions, store) = (self.own_logs, self.deletions, self.store);
        let closing = move || {
            deletions.stop();
            if let Some(own_logs) = own_logs {
                own_logs.finish();
            }
            let closed = store.close();
            deletions.join();
            closed
        };
        tokio::task::spawn_blocking(closing).await.context("closing the store")??;
        Ok(())
    }
}
