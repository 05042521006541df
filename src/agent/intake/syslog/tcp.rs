//! Syslog over connections, with TLS and without.
//!
//! Promises: while there is no room in the spool nothing is read, so senders wait; a connection on which nothing comes is
//! closed after the idle timeout, and what came of a message by then is taken; a stop takes what has already come.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::agent::intake::Stop;
use crate::agent::intake::keep::{Kept, keep};
use crate::agent::intake::seldom::Seldom;
use crate::agent::intake::syslog::frame::{Frame, Framer};
use crate::agent::intake::syslog::names::Peer;
use crate::agent::intake::syslog::receiver::Receiver;

/// At once: each holds a buffer and at most one message, so about 25 KiB.
const CONNECTIONS_MAX: usize = 1024;
/// Read at once.
const READ_BYTES: usize = 8192;
/// A TLS handshake takes no longer.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// After an error of accepting: that of too many open files stays for a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How long a stop waits for more of what a sender is sending.
const LAST_WAIT: Duration = Duration::from_millis(50);
/// And how long in all.
const LAST_WAIT_MAX: Duration = Duration::from_secs(1);
/// The timeout where the configuration says 0.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Why a connection was ended by us.
#[derive(Default)]
struct Complaints {
    full: Seldom,
    failed: Seldom,
}

/// Takes connections until it is stopped, then waits for theirs to end.
pub(crate) async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    receiver: Arc<Receiver>,
    mut stop: Stop,
) {
    let mut connections = JoinSet::new();
    let complaints = Arc::new(Complaints::default());
    let at = receiver.settings().listen_address.clone();
    loop {
        if connections.len() >= CONNECTIONS_MAX
            && let Some(count) = complaints.full.happened(1, Instant::now())
        {
            tracing::warn!("syslog on {at}: {CONNECTIONS_MAX} connections are open, others wait ({count} times)");
        }
        tokio::select! {
            () = stop.stopped() => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, address)) => {
                    let stop = stop.clone();
                    let (receiver, complaints) = (Arc::clone(&receiver), Arc::clone(&complaints));
                    connections.spawn(connection(stream, address, acceptor.clone(), receiver, complaints, stop));
                }
                Err(error) => {
                    if let Some(count) = complaints.failed.happened(1, Instant::now()) {
                        tracing::warn!("syslog on {at}: cannot take a connection ({count} times): {error}");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    receiver: Arc<Receiver>,
    complaints: Arc<Complaints>,
    mut stop: Stop,
) {
    let peer = if receiver.wants_hostname() { Peer::named(address.ip()).await } else { Peer::unnamed(address.ip()) };
    let ended = match acceptor {
        None => receive(stream, &peer, &receiver, &mut stop).await,
        Some(acceptor) => {
            let accepted = tokio::select! {
                () = stop.stopped() => return,
                accepted = timeout(HANDSHAKE_WAIT, acceptor.accept(stream)) => accepted,
            };
            match accepted {
                Ok(Ok(stream)) => receive(stream, &peer, &receiver, &mut stop).await,
                Ok(Err(error)) => Err(error),
                Err(_) => Err(io::Error::other("no TLS handshake came")),
            }
        }
    };
    if let Err(error) = ended
        && let Some(count) = complaints.failed.happened(1, Instant::now())
    {
        let (at, from) = (&receiver.settings().listen_address, &peer.address);
        tracing::warn!("syslog on {at}: {count} connections failed, the last one from {from}: {error}");
    }
}

/// Reads one connection to its end.
async fn receive(
    mut stream: impl AsyncRead + Unpin,
    peer: &Peer,
    receiver: &Receiver,
    stop: &mut Stop,
) -> io::Result<()> {
    let mut framer = Framer::new(receiver.bytes_max());
    let mut buffer = vec![0; READ_BYTES];
    let idle = Some(receiver.settings().idle_timeout.0).filter(|idle| !idle.is_zero()).unwrap_or(IDLE_TIMEOUT);
    let mut stopped: Option<Instant> = None;
    let ended = loop {
        let wait = if stopped.is_some() { LAST_WAIT } else { idle };
        let read = tokio::select! {
            read = timeout(wait, stream.read(&mut buffer)) => read,
            () = stop.stopped(), if stopped.is_none() => {
                stopped = Some(Instant::now());
                continue;
            }
        };
        match read {
            Ok(Ok(0)) | Err(_) => break Ok(()),
            Ok(Ok(count)) => framer.feed(&buffer[..count]),
            // what came before is taken all the same
            Ok(Err(error)) => break Err(error),
        }
        if take(std::iter::from_fn(|| framer.next()), peer, receiver, stop).await == Kept::None {
            return Ok(());
        }
        if stopped.is_some_and(|stopped| stopped.elapsed() > LAST_WAIT_MAX) {
            break Ok(());
        }
    };
    take(framer.finish().into_iter(), peer, receiver, stop).await;
    ended.or_else(|error| match error.kind() {
        // senders end so when they are stopped
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => Ok(()),
        _ => Err(error),
    })
}

async fn take(frames: impl Iterator<Item = Frame>, peer: &Peer, receiver: &Receiver, stop: &mut Stop) -> Kept {
    let lines: Vec<_> = frames.filter_map(|frame| receiver.read(&frame, peer)).collect();
    if lines.is_empty() {
        return Kept::All;
    }
    let kept = keep(&receiver.spool, &lines, stop).await;
    if kept == Kept::All {
        receiver.metrics.intake.syslog_taken(lines.len() as u64);
    }
    kept
}
