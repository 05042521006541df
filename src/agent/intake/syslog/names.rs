//! Who a sender is: its address, and its name where someone wants it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::agent::stage::generations::Generations;

/// A name server that does not answer may hold up messages so long.
const WAIT: Duration = Duration::from_secs(2);
/// So long a name is believed.
const KNOWN_FOR: Duration = Duration::from_secs(10 * 60);
/// So many names are remembered at least.
const KNOWN_MAX: usize = 1024;

/// A sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: String,
    pub(crate) hostname: Option<String>,
}

impl Peer {
    /// An address of IPv4 is written as one, though it came to a socket of IPv6.
    pub(crate) fn unnamed(address: IpAddr) -> Peer {
        Peer { address: address.to_canonical().to_string(), hostname: None }
    }

    /// Asks the system for the name.
    pub(crate) async fn named(address: IpAddr) -> Peer {
        let canonical = address.to_canonical();
        let asked = tokio::task::spawn_blocking(move || dns_lookup::lookup_addr(&canonical).ok());
        let hostname = tokio::time::timeout(WAIT, asked).await.ok().and_then(Result::ok).flatten();
        let mut peer = Peer::unnamed(address);
        // without a name the system gives the address back
        peer.hostname = hostname.filter(|name| *name != peer.address);
        peer
    }
}

/// Senders that were seen lately.
#[derive(Debug)]
pub(crate) struct Peers {
    known: Generations<IpAddr, (Peer, Instant)>,
    wants_hostname: bool,
}

impl Peers {
    pub(crate) fn new(wants_hostname: bool) -> Peers {
        Peers { known: Generations::new(KNOWN_MAX), wants_hostname }
    }

    pub(crate) async fn find(&mut self, address: IpAddr) -> Peer {
        if let Some((peer, until)) = self.known.get(address)
            && *until > Instant::now()
        {
            return peer.clone();
        }
        let peer = if self.wants_hostname { Peer::named(address).await } else { Peer::unnamed(address) };
        self.known.insert(address, (peer.clone(), Instant::now() + KNOWN_FOR));
        peer
    }
}
