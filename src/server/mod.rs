//! The running server: builds every part, listens, and stops all of it in order.
//!
//! Promises: when `start` returns, requests are answered; when `stop` returns, accepted pushes are on disk and
//! nothing runs any more.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::store::{self, Store};
use crate::{api, query};

/// Everything that can be set, made of what each area wants to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// The folder that holds everything that is kept.
    pub data: PathBuf,
    pub store: store::Config,
    pub query: query::Limits,
    /// How long requests that are under way may go on once the server is asked to stop.
    pub stop_grace: Duration,
}

/// A server that runs. Dropping it does not stop it: call `stop`.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stopping: CancellationToken,
    listening: JoinHandle<std::io::Result<()>>,
    store: Arc<Store>,
    stop_grace: Duration,
}

/// Opens the data, starts to listen, and returns once requests are answered.
pub async fn start(config: Config) -> anyhow::Result<Handle> {
    let listener = TcpListener::bind(&config.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another address with --listen", config.listen))?;
    let address = listener.local_addr().context("the listening socket has no address")?;

    let store_config = config.store.clone();
    let store = tokio::task::spawn_blocking(move || open_store(store_config)).await.context("opening the store")??;
    let store = Arc::new(store);
    let engine = Arc::new(query::Engine::new(store.clone(), config.query.clone()));

    let app = router(api::Context { engine });
    let stopping = CancellationToken::new();
    let stopped = stopping.clone().cancelled_owned();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let listening = tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(stopped).await });
    Ok(Handle { address, stopping, listening, store, stop_grace: config.stop_grace })
}

fn open_store(config: store::Config) -> anyhow::Result<Store> {
    std::fs::create_dir_all(&config.dir)
        .with_context(|| format!("cannot make the data folder {}", config.dir.display()))?;
    Ok(Store::open(config, &|_, _| Ok(()))?)
}

/// All routes, of machines and of people.
fn router(api: api::Context) -> Router {
    api::router(api)
}

impl Handle {
    /// Where it listens, with the port that was found free.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, lets those under way finish for a moment, then closes the store.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stopping.cancel();
        let abort = self.listening.abort_handle();
        match tokio::time::timeout(self.stop_grace, self.listening).await {
            Ok(Ok(result)) => result.context("the listener failed")?,
            Ok(Err(panic)) => tracing::error!(error = %panic, "the listener ended badly"),
            Err(_) => {
                abort.abort();
                tracing::warn!("requests were still under way at the end of the grace time; they were cut");
            }
        }
        let store = self.store;
        tokio::task::spawn_blocking(move || store.close()).await.context("closing the store")??;
        Ok(())
    }
}
