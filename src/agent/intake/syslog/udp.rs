//! Syslog over datagrams: one message each.
//!
//! Promises: what has come when a stop comes is taken. A sender cannot be made to wait: what there is no room for is
//! dropped, counted and said.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use crate::agent::intake::Stop;
use crate::agent::intake::keep::{Line, try_keep};
use crate::agent::intake::seldom::Seldom;
use crate::agent::intake::syslog::frame::{Frame, trimmed};
use crate::agent::intake::syslog::names::Peers;
use crate::agent::intake::syslog::receiver::Receiver;

/// The largest datagram there is.
const DATAGRAM_BYTES_MAX: usize = 65_536;
/// Kept at once, where so many have come.
const BATCH_MAX: usize = 256;
/// After an error of receiving, so that one that stays does not turn in circles.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes datagrams until it is stopped.
pub(crate) async fn serve(socket: UdpSocket, receiver: Receiver, mut stop: Stop) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    let mut peers = Peers::new(receiver.wants_hostname());
    let (dropped, failed) = (Seldom::default(), Seldom::default());
    let at = receiver.settings().listen_address.clone();
    loop {
        let is_stopped = tokio::select! {
            ready = socket.readable() => {
                if ready.is_err() {
                    tokio::time::sleep(PAUSE).await;
                }
                false
            }
            () = stop.stopped() => true,
        };
        let mut lines = Vec::new();
        // one batch a turn, and at the end all that is there
        let end = loop {
            match socket.try_recv_from(&mut buffer) {
                Ok((count, from)) => lines.extend(read(&buffer[..count], from, &receiver, &mut peers).await),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break is_stopped,
                Err(error) => {
                    if let Some(count) = failed.happened(1, Instant::now()) {
                        tracing::warn!("syslog on {at}: cannot receive ({count} times): {error}");
                    }
                    break is_stopped;
                }
            }
            if lines.len() >= BATCH_MAX {
                break false;
            }
        };
        take(&lines, &receiver, &dropped);
        if end {
            return;
        }
    }
}

async fn read(bytes: &[u8], from: SocketAddr, receiver: &Receiver, peers: &mut Peers) -> Option<Line> {
    let peer = peers.find(from.ip()).await;
    let mut bytes = trimmed(bytes.to_owned());
    let is_cut = bytes.len() > receiver.bytes_max();
    bytes.truncate(receiver.bytes_max());
    receiver.read(&Frame { bytes, is_cut }, &peer)
}

fn take(lines: &[Line], receiver: &Receiver, dropped: &Seldom) {
    let count = lines.len() as u64;
    if try_keep(&receiver.spool, lines).is_ok() {
        receiver.metrics.intake.syslog_taken(count);
        return;
    }
    receiver.metrics.intake.syslog_dropped(count);
    if let Some(count) = dropped.happened(count, Instant::now()) {
        let at = &receiver.settings().listen_address;
        tracing::warn!(
            "syslog on {at}: {count} messages were dropped, for the spool is full and senders over UDP cannot wait; see \
             to it that the server takes lines, or let them send over TCP"
        );
    }
}
