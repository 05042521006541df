//! Connections of the agent's own HTTP listeners: that of its page, and those for pushes.
//!
//! Promises: their number is bounded, and one on which no request comes in time is closed, so that who is slow or says
//! nothing keeps nobody out; a stop lets requests that are under way end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agent::config::server::Server;

/// How long is waited when the system has no more files for connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// The wait where the configuration says 0, which is Promtail's own.
const REQUEST_WAIT: Duration = Duration::from_secs(120);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// At one time; others wait.
    pub(crate) count_max: usize,
    /// For the head of a request, from when the connection is there or idle again.
    pub(crate) request_wait: Duration,
}

impl Bounds {
    /// As a configuration has them.
    pub(crate) fn of(server: &Server, count_max: usize) -> Bounds {
        let wait = server.http_server_idle_timeout.0.max(server.http_server_read_timeout.0);
        Bounds { count_max, request_wait: if wait.is_zero() { REQUEST_WAIT } else { wait } }
    }
}

/// Serves until `stopping`, and then until what was asked before is answered. Dropped, it cuts all connections.
pub(crate) async fn serve(listener: Arc<TcpListener>, router: Router, bounds: Bounds, stopping: CancellationToken) {
    let seats = Arc::new(Semaphore::new(bounds.count_max));
    // they end with the listener
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let seat = Arc::clone(&seats).acquire_owned().await.expect("nobody closes the semaphore");
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            () = stopping.cancelled() => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, stopping) = (router.clone(), stopping.clone());
        connections.spawn(async move {
            connection(stream, router, bounds.request_wait, stopping).await;
            drop(seat);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, router: Router, request_wait: Duration, stopping: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(request_wait);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // whoever hangs up early need not be told
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    use crate::agent::connections::*;

    /// Far longer than a busy machine needs, and shorter than anybody waits.
    const PATIENCE: Duration = Duration::from_secs(20);

    async fn begin(count_max: usize, request_wait: Duration) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (router, stopping) = (Router::new().route("/", get(async || "here")), CancellationToken::new());
        let bounds = Bounds { count_max, request_wait };
        (address, stopping.clone(), tokio::spawn(serve(Arc::new(listener), router, bounds, stopping)))
    }

    /// What is answered to these bytes until the connection is closed.
    async fn exchange(address: SocketAddr, sent: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // the end may be a reset
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it lets go");
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn who_says_nothing_or_half_a_request_is_let_go_and_keeps_nobody_out() {
        let (address, _stopping, _serving) = begin(1, Duration::from_millis(50)).await;
        // there is one seat, so each is answered only when those before were let go
        let silent = TcpStream::connect(address).await.unwrap();
        assert!(!exchange(address, "GET / HTTP/1.1\r\nhost: a\r\n").await.contains("here"));
        assert!(exchange(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.ends_with("here"));
        drop(silent);
    }

    #[tokio::test]
    async fn a_stop_ends_connections_that_ask_nothing_more() {
        let (address, stopping, serving) = begin(4, PATIENCE * 10).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut part = [0; 1024];
        assert!(stream.read(&mut part).await.unwrap() > 0);
        stopping.cancel();
        tokio::time::timeout(PATIENCE, serving).await.expect("it ends").unwrap();
    }

    #[test]
    fn the_longer_timeout_holds_and_none_is_not_endless() {
        let wait = |idle: u64, read: u64| {
            let seconds = crate::agent::config::units::Duration::from_secs;
            let server = Server {
                http_server_idle_timeout: seconds(idle),
                http_server_read_timeout: seconds(read),
                ..Server::default()
            };
            Bounds::of(&server, 1).request_wait.as_secs()
        };
        assert_eq!((wait(3, 5), wait(9, 5), wait(0, 0)), (5, 9, 120));
    }
}
