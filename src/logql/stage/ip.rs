//! `ip("10.0.0.5")`, `ip("10.0.0.0/8")`, `ip("10.0.0.1-10.0.0.9")`: addresses that are looked for in a text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A single address, a network, or a closed range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum IpPattern {
    Single(IpAddr),
    Network { address: IpAddr, bits: u8 },
    Range { first: IpAddr, last: IpAddr },
}

impl IpPattern {
    /// The error is Loki's text.
    pub(crate) fn parse(pattern: &str) -> Result<IpPattern, String> {
        let parsed = single(pattern).map(IpPattern::Single).or_else(|| network(pattern)).or_else(|| range(pattern));
        parsed.ok_or_else(|| format!("ip: invalid pattern: {}", crate::logql::gotext::quote::quote(pattern)))
    }

    /// Whether the text holds an address that is meant by the pattern.
    ///
    /// An address is looked for where the text looks like one: a digit with a dot within the next three characters, or
    /// up to four hexadecimal digits before a colon. What follows, as far as it may belong to an address, is read as one.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let may_belong: fn(u8) -> bool = if looks_like_v4(rest) {
                |byte| byte.is_ascii_digit() || byte == b'.'
            } else if looks_like_v6(rest) {
                |byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.'
            } else {
                at += 1;
                continue;
            };
            let length = rest.iter().position(|byte| !may_belong(*byte)).unwrap_or(rest.len());
            // only ASCII was taken, so this cuts no character
            if text[at..at + length].parse().is_ok_and(|address| self.holds(address)) {
                return true;
            }
            at += length + 1;
        }
        false
    }

    fn holds(&self, address: IpAddr) -> bool {
        match self {
            IpPattern::Single(single) => *single == address,
            IpPattern::Network { address: network, bits } => {
                let same_kind = network.is_ipv4() == address.is_ipv4();
                let width = if network.is_ipv4() { 32 } else { 128 };
                let shift = width - u32::from(*bits);
                let prefix = |address: u128| address.checked_shr(shift).unwrap_or(0);
                same_kind && prefix(number(*network)) == prefix(number(address))
            }
            IpPattern::Range { first, last } => {
                first.is_ipv4() == address.is_ipv4() && *first <= address && address <= *last
            }
        }
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn single(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    }
}

fn network(text: &str) -> Option<IpPattern> {
    let (address, bits) = text.rsplit_once('/')?;
    let address = single(address)?;
    let plain = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let padded = bits.len() > 1 && bits.starts_with('0');
    let bits: u8 = bits.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    (plain && !padded && bits <= most).then_some(IpPattern::Network { address, bits })
}

fn range(text: &str) -> Option<IpPattern> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (single(first)?, single(last)?);
    (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(IpPattern::Range { first, last })
}

fn looks_like_v4(rest: &[u8]) -> bool {
    rest.len() > 3 && rest[0].is_ascii_digit() && rest[1..4].contains(&b'.')
}

fn looks_like_v6(rest: &[u8]) -> bool {
    let digits = rest.iter().take(4).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let short = digits > 0 && rest.get(digits) == Some(&b':');
    let unspecified = digits == 0 && rest.len() > 2 && rest.starts_with(b"::") && rest[2].is_ascii_hexdigit();
    rest.len() > 4 && (short || unspecified)
}

#[cfg(test)]
mod tests {
    use crate::logql::stage::ip::IpPattern;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        let parsed = IpPattern::parse(pattern).expect("valid pattern");
        assert_eq!(parsed.is_in(text), expected, "{pattern} in {text}");
    }

    #[test]
    fn single_addresses_networks_and_ranges_are_found_in_a_text() {
        check("192.168.0.1", "from 192.168.0.1 to 10.0.0.1", true);
        check("192.168.0.1", "from 192.168.0.11", false);
        check("192.168.0.0/16", "x 192.168.200.3:8080", true);
        check("10.0.0.1-10.0.0.9", "10.0.0.9", true);
        check("10.0.0.1-10.0.0.9", "10.0.0.10", false);
        check("2001:db8::/32", "[2001:db8::1]:443", true);
        check("::1", "listens on ::1 port 80", true);
        check("0.0.0.0/0", "2001:db8::1", false);
        check("10.0.0.1", "", false);
    }

    #[test]
    fn what_is_no_pattern_is_named_in_the_error() {
        for pattern in ["nonsense", "1.2.3.4/99", "1.2.3.4-", "", "203.0.113.71-203.0.113.69", "::1-10.0.0.1"] {
            let error = IpPattern::parse(pattern).expect_err("no pattern");
            assert_eq!(error, format!("ip: invalid pattern: \"{pattern}\""));
        }
    }
}
