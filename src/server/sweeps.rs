//! Removes from the small state what is over: snapshots that ended, links that nobody uses, histories that are old.
//!
//! What is over is not shown from that moment on, whether it was removed yet or not; this gives the room back.

use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::db::{Db, Error, history, short_links, snapshots};
use crate::model::Timestamp;

/// A snapshot of an hour lies about for at most this long after its end.
const EVERY: Duration = Duration::from_secs(600);

/// Sweeps now and then until the server stops.
pub(in crate::server) async fn run(db: Db, stopping: CancellationToken) {
    loop {
        let sweeping = db.clone();
        let swept = tokio::task::spawn_blocking(move || sweep(&sweeping, Timestamp::from(SystemTime::now()))).await;
        match swept {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what is over cannot be removed now; trying again later"),
            Err(panic) => tracing::error!(error = %panic, "removing what is over ended badly"),
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn sweep(db: &Db, now: Timestamp) -> Result<(), Error> {
    let (ended, unused, old) = (snapshots::sweep(db, now)?, short_links::sweep(db, now)?, history::sweep(db, now)?);
    if ended + unused + old > 0 {
        tracing::info!(snapshots = ended, links = unused, history_entries = old, "removed what is over");
    }
    Ok(())
}
