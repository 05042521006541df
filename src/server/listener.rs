//! Accepts connections and serves them, each in a task of its own.
//!
//! Promises: a client that says nothing, or says it one byte a minute, or does not take its answer, holds a connection
//! for a bounded time; when `run` returns, no connection is left. Speaks HTTP/1 alone: telling the versions apart has no
//! bound in time, and a proxy that ends TLS speaks HTTP/1 to us anyway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::server::stall::StallGuard;

/// Open connections at the same time; more wait in the kernel's queue. Each is an open file and some kilobytes.
const CONNECTIONS_MAX: usize = 4096;
/// Pause when the process is out of files or memory: trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long a client may let us wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For the head of a request, from the moment that the connection is there or idle again.
    pub(crate) head: Duration,
    /// For any part of an answer to be taken.
    pub(crate) write: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { head: Duration::from_secs(60), write: Duration::from_secs(60) }
    }
}

/// Serves until `stopping`; then requests under way have `grace` to finish before they are cut.
pub(crate) async fn run(
    listener: TcpListener,
    app: Router,
    patience: Patience,
    stopping: CancellationToken,
    grace: Duration,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stopping.cancelled() => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let serving = serve(stream, peer, app.clone(), patience, stopping.clone());
                let cut = cut.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = serving => {}
                        () = cut.cancelled() => {}
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!(connection_count = connections.len(), "cut requests that were still under way");
        cut.cancel();
        connections.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.expect("nobody closes the semaphore");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

async fn serve(stream: TcpStream, peer: SocketAddr, app: Router, patience: Patience, stopping: CancellationToken) {
    // answers are written whole: waiting to fill a packet only delays them
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "cannot switch off delays");
    }
    let service = TowerToHyperService::new(app.map_request(move |mut request: http::Request<_>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    }));
    let stream = StallGuard::new(stream, patience.write);
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::server::listener::*;

    const SHORT: Patience = Patience { head: Duration::from_millis(50), write: Duration::from_millis(50) };
    /// Far more than the kernel keeps for a socket.
    const LARGE: usize = 64 << 20;

    /// Sends `head`, waits for the server to be done with us without reading, and then reads what there is.
    async fn exchange(head: &[u8], patience: Patience) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/", get(async || vec![b'x'; LARGE]));
        let mut client = TcpStream::connect(address).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        client.write_all(head).await.unwrap();
        let serving = serve(stream, peer, app, patience, CancellationToken::new());
        tokio::time::timeout(Duration::from_secs(20), serving).await.expect("the server lets go");
        let mut answer = Vec::new();
        // what was not sent is lost, and the end may be a reset
        let _ = client.read_to_end(&mut answer).await;
        answer.len()
    }

    #[tokio::test]
    async fn a_silent_connection_is_closed() {
        assert_eq!(exchange(b"", SHORT).await, 0);
        exchange(b"PRI * HTTP/2.0\r\n", SHORT).await;
        exchange(b"GET / HTTP/1.1\r\nhost: a\r\n", SHORT).await;
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_given_up() {
        let patience = Patience { head: Duration::from_secs(60), ..SHORT };
        let taken = exchange(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", patience).await;
        assert!(taken < LARGE, "{taken}");
    }
}
