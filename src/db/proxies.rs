//! Whose word on the address of a client is taken.
//!
//! Promises: `X-Forwarded-For` counts only from this machine and from the networks that the operator named, and of it
//! only the last address: the one that the proxy has seen itself. All before it is what the client made up.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::db::Address;

/// The proxies that may stand before this server, besides those on the same machine.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Arc<[Network]>);

/// One address, or all that begin with the same bits: `10.0.0.2`, `172.16.0.0/12`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

/// A text that is no network.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no address and no network; write them as in 10.0.0.2 or 172.16.0.0/12")]
pub struct NetworkInvalid(String);

impl Proxies {
    /// Networks with commas between them.
    pub fn parse(text: &str) -> Result<Proxies, NetworkInvalid> {
        text.split(',').map(|network| network.trim().parse()).collect::<Result<_, _>>().map(Proxies)
    }

    /// The address of the client behind a request: the peer of its connection, or whom a proxy there names in
    /// `forwarded_for`, the values of all headers `X-Forwarded-For` in their order.
    pub fn client<'h>(
        &self,
        peer: Option<IpAddr>,
        mut forwarded_for: impl DoubleEndedIterator<Item = &'h [u8]>,
    ) -> Address {
        let peer = peer.map(|ip| ip.to_canonical());
        let is_proxy = peer.is_some_and(|ip| ip.is_loopback() || self.0.iter().any(|network| network.holds(ip)));
        let named = || {
            let list = str::from_utf8(forwarded_for.next_back()?).ok()?;
            list.rsplit(',').next()?.trim().parse::<IpAddr>().ok()
        };
        Address::new(is_proxy.then(named).flatten().or(peer))
    }
}

impl Network {
    fn holds(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(32 - self.prefix_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(128 - self.prefix_bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkInvalid;

    fn from_str(text: &str) -> Result<Network, NetworkInvalid> {
        let parse = || {
            let (address, prefix_bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let prefix_bits = prefix_bits.unwrap_or(bits);
            (prefix_bits <= bits).then_some(Network { address, prefix_bits })
        };
        parse().ok_or_else(|| NetworkInvalid(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use crate::db::proxies::*;

    fn check(trusted: &Proxies, peer: &str, forwarded_for: &[&str], wanted: &str) {
        let ip = |text: &str| -> Option<IpAddr> { Some(text.parse().unwrap()) };
        let client = trusted.client(ip(peer), forwarded_for.iter().map(|value| value.as_bytes()));
        assert_eq!(client, Address::new(ip(wanted)), "{peer} says {forwarded_for:?}");
    }

    #[test]
    fn a_forwarded_address_counts_only_from_this_machine() {
        let none = Proxies::default();
        check(&none, "203.0.113.9", &["10.0.0.1"], "203.0.113.9");
        check(&none, "192.168.0.7", &["10.0.0.1"], "192.168.0.7");
        check(&none, "127.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check(&none, "::ffff:127.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check(&none, "::1", &["nonsense"], "::1");
        check(&none, "::ffff:203.0.113.9", &[], "203.0.113.9");
    }

    #[test]
    fn the_last_address_of_the_last_header_is_the_one_that_the_proxy_saw() {
        check(&Proxies::default(), "127.0.0.1", &["6.6.6.6, 203.0.113.9"], "203.0.113.9");
        check(&Proxies::default(), "127.0.0.1", &["6.6.6.6", "7.7.7.7,203.0.113.9"], "203.0.113.9");
    }

    #[test]
    fn networks_that_are_named_are_trusted() {
        let trusted = Proxies::parse("172.16.0.0/12, 10.0.0.2,fd00::/8").unwrap();
        check(&trusted, "172.17.0.1", &["203.0.113.9"], "203.0.113.9");
        check(&trusted, "::ffff:10.0.0.2", &["203.0.113.9"], "203.0.113.9");
        check(&trusted, "10.0.0.3", &["203.0.113.9"], "10.0.0.3");
        check(&trusted, "fd12::1", &["203.0.113.9"], "203.0.113.9");
        check(&trusted, "fe80::1", &["203.0.113.9"], "fe80::1");
        check(&Proxies::parse("0.0.0.0/0").unwrap(), "8.8.8.8", &["203.0.113.9"], "203.0.113.9");
        for wrong in ["", "10.0.0.0/33", "10.0.0", "localhost", "10.0.0.1,", "::/-1"] {
            assert!(Proxies::parse(wrong).is_err(), "{wrong}");
        }
    }
}
