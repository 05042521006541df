//! Sockets of the addresses that the configuration names.
//!
//! Promises: an address without a host means all, of IPv6 and of IPv4; an error says what to try.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};

use anyhow::{Context as _, anyhow};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// What the system is asked to hold of datagrams: about a second of 20,000 lines. It gives what its own bound allows.
const RECEIVE_BYTES: usize = 8 << 20;
/// With less than this a burst is lost, and how it is raised is said.
const RECEIVE_BYTES_GOOD: usize = 1 << 20;

/// A socket that takes connections.
pub(crate) fn listen(address: &str) -> anyhow::Result<tokio::net::TcpListener> {
    let socket = bound(address, Type::STREAM, |socket, address| {
        // so that a new start need not wait until the old connections are forgotten
        socket.set_reuse_address(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    })?;
    tokio::net::TcpListener::from_std(socket.into()).context("cannot listen")
}

/// A socket that takes datagrams.
pub(crate) fn receive(address: &str) -> anyhow::Result<tokio::net::UdpSocket> {
    let socket = bound(address, Type::DGRAM, |socket, address| {
        // the system cuts it down to its own bound
        let _ = socket.set_recv_buffer_size(RECEIVE_BYTES);
        socket.bind(address)
    })?;
    let bytes = socket.recv_buffer_size().unwrap_or(RECEIVE_BYTES);
    if bytes < RECEIVE_BYTES_GOOD {
        tracing::info!(
            "syslog on {address}: the system holds {bytes} bytes of datagrams, so bursts may be lost before they come \
             here; `sysctl -w net.core.rmem_max={RECEIVE_BYTES}` raises it"
        );
    }
    tokio::net::UdpSocket::from_std(socket.into()).context("cannot receive")
}

/// A socket at the first address of a name that can be had.
fn bound(address: &str, kind: Type, begin: impl Fn(&Socket, &SockAddr) -> io::Result<()>) -> anyhow::Result<Socket> {
    let mut last = None;
    for one in resolved(address)? {
        match open(one, kind, &begin) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = Some(error),
        }
    }
    let error = last.ok_or_else(|| anyhow!("{address} has no address"))?;
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for root: take a higher one, or give the agent the capability CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrInUse => "; another program listens there: stop it, or take another port",
        io::ErrorKind::AddrNotAvailable => "; this machine does not have that address: name one of its own, or 0.0.0.0",
        _ => "",
    };
    Err(anyhow!("cannot listen for syslog on {address}: {error}{hint}"))
}

fn resolved(address: &str) -> anyhow::Result<Vec<SocketAddr>> {
    if let Some(port) = address.strip_prefix(':') {
        let port: u16 = port.parse().with_context(|| format!("{port:?} is no port"))?;
        return Ok(vec![
            (std::net::Ipv6Addr::UNSPECIFIED, port).into(),
            (std::net::Ipv4Addr::UNSPECIFIED, port).into(),
        ]);
    }
    let found = address.to_socket_addrs();
    Ok(found.with_context(|| format!("cannot listen for syslog on {address}: its host is not known"))?.collect())
}

fn open(address: SocketAddr, kind: Type, begin: impl Fn(&Socket, &SockAddr) -> io::Result<()>) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    begin(&socket, &address.into())?;
    Ok(socket)
}
