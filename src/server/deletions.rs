//! Carries out requests to delete log lines, one after another, in a thread of its own.
//!
//! Promises: a request that was noted is carried out, also when the server was stopped or killed meanwhile; what fails is
//! tried again. Never: a query's text in our own log, which may name what must be forgotten.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use crate::api::{Wake, parse_deletion};
use crate::db::Db;
use crate::db::deletions::{self, Deletion};
use crate::model::Timestamp;
use crate::query::Engine;

/// How long after a failure a request is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// The thread.
#[derive(Debug)]
pub(in crate::server) struct DeletionsThread {
    wake: Wake,
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl DeletionsThread {
    /// Starts with what is open from earlier.
    pub(in crate::server) fn spawn(db: Db, engine: Arc<Engine>) -> anyhow::Result<DeletionsThread> {
        let (sender, wakes) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let worker = Worker { db, engine, stopping: stopping.clone() };
        let thread = std::thread::Builder::new().name("deletions".to_owned()).spawn(move || worker.run(&wakes));
        Ok(DeletionsThread { wake: Wake(sender), stopping, thread: thread.context("starting a thread")? })
    }

    pub(in crate::server) fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// Begins no request any more. One that is being carried out ends when the store is closed.
    pub(in crate::server) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.wake.0.send(()).ok();
    }

    /// Waits for the thread's end: call after the store is closed.
    pub(in crate::server) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the thread that deletes log lines ended in a panic");
        }
    }
}

struct Worker {
    db: Db,
    engine: Arc<Engine>,
    stopping: Arc<AtomicBool>,
}

impl Worker {
    fn run(&self, wakes: &Receiver<()>) {
        loop {
            // a panic leaves the request open, and the store as it was
            let done = catch_unwind(AssertUnwindSafe(|| self.carry_out_all()));
            let done = done.unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked")));
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            let woken = match done {
                Ok(()) => wakes.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "log lines cannot be deleted now; trying again");
                    wakes.recv_timeout(RETRY_AFTER)
                }
            };
            if woken == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    fn carry_out_all(&self) -> anyhow::Result<()> {
        while !self.stopping.load(Ordering::Relaxed) {
            let Some(deletion) = deletions::begin_next(&self.db)? else { break };
            self.carry_out(&deletion).with_context(|| format!("request {}", deletion.id))?;
        }
        Ok(())
    }

    fn carry_out(&self, deletion: &Deletion) -> anyhow::Result<()> {
        let now = || Timestamp::from(SystemTime::now());
        let removal = match parse_deletion(&deletion.query, (deletion.start, deletion.end)) {
            Ok(removal) => removal,
            Err(_) => {
                tracing::error!(
                    request = deletion.id,
                    "a request to delete is no query of this version; it is dropped"
                );
                return Ok(deletions::finish(&self.db, deletion.id, 0, now())?);
            }
        };
        let removed = self.engine.remove(&removal)?;
        deletions::finish(&self.db, deletion.id, removed.entry_count, now())?;
        let (lines, bytes, unreadable) = (removed.entry_count, removed.line_bytes, removed.unreadable_count);
        tracing::info!(
            request = deletion.id,
            by = deletion.requested_by,
            lines,
            bytes,
            unreadable,
            "deleted log lines"
        );
        Ok(())
    }
}
