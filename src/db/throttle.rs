//! Slows failed logins down, per account and per address. In memory: a restart forgives.
//!
//! Promises: a refused try costs nothing and does not lengthen the wait; somebody else's guessing does not lock an
//! account's owner out: the wait of an account is short, and addresses that it signed in from are spared it; the memory
//! is bounded.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::Timestamp;

/// Failures that are free, for typing errors.
const FREE_FAILURES: u32 = 4;
/// The longest waits. Addresses may wait longer: an account can be guessed at by strangers, an address is one's own.
const ACCOUNT_WAIT_MAX: Duration = Duration::from_secs(30);
const ADDRESS_WAIT_MAX: Duration = Duration::from_secs(600);
/// Failures are forgotten after this long without another.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);
/// Accounts and addresses remembered at most.
const ENTRIES_MAX: usize = 20_000;

/// Where a login comes from: an IPv4 address or an IPv6 /64, since one host owns all of those.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(Option<IpAddr>);

impl Address {
    pub(in crate::db) fn new(ip: Option<IpAddr>) -> Address {
        Address(ip.map(|ip| match ip.to_canonical() {
            IpAddr::V4(ip) => IpAddr::V4(ip),
            IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
        }))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account(String),
    Address(Address),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// The failed logins of the last hour.
#[derive(Debug, Default)]
pub(in crate::db) struct Throttle {
    failures: Mutex<HashMap<Key, Failures>>,
    /// Accounts with an address that they signed in from.
    at_home: Mutex<HashSet<[Key; 2]>>,
}

impl Throttle {
    /// How long this login has to wait yet; `None` to go ahead.
    pub(in crate::db) fn wait(&self, name: &str, address: &Address, now: Timestamp) -> Option<Duration> {
        let keys = keys(name, address);
        let is_at_home = self.at_home.lock().unwrap_or_else(PoisonError::into_inner).contains(&keys);
        let counted = if is_at_home { &keys[1..] } else { &keys };
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        counted.iter().filter_map(|key| remaining(key, failures.get(key)?, now)).max()
    }

    pub(in crate::db) fn failed(&self, name: &str, address: &Address, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut failures, 2, now);
        for key in keys(name, address) {
            count(&mut failures, key, now);
        }
    }

    /// How long this address has to wait yet, whatever it tries.
    pub(in crate::db) fn wait_of_address(&self, address: &Address, now: Timestamp) -> Option<Duration> {
        let key = Key::Address(address.clone());
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        remaining(&key, failures.get(&key)?, now)
    }

    /// Counts a failure of an address that named no account.
    pub(in crate::db) fn address_failed(&self, address: &Address, now: Timestamp) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut failures, 1, now);
        count(&mut failures, Key::Address(address.clone()), now);
    }

    /// Takes back what [`Throttle::failed`] counted for a try that was not looked at after all.
    pub(in crate::db) fn take_back(&self, name: &str, address: &Address) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys(name, address) {
            if let Some(failure) = failures.get_mut(&key) {
                failure.count = failure.count.saturating_sub(1);
            }
        }
    }

    /// A right password clears the account. Of the address it takes one failure back, the one that was counted for
    /// this very try: who owns one account may still be guessing at another.
    pub(in crate::db) fn succeeded(&self, name: &str, address: &Address) {
        let mut at_home = self.at_home.lock().unwrap_or_else(PoisonError::into_inner);
        if at_home.len() >= ENTRIES_MAX {
            at_home.clear();
        }
        at_home.insert(keys(name, address));
        drop(at_home);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let [account, address] = keys(name, address);
        failures.remove(&account);
        if let Some(failure) = failures.get_mut(&address) {
            failure.count = failure.count.saturating_sub(1);
        }
    }
}

fn make_room(failures: &mut HashMap<Key, Failures>, wanted: usize, now: Timestamp) {
    if failures.len() + wanted > ENTRIES_MAX {
        failures.retain(|_, failure| since(failure.last, now) < FORGOTTEN_AFTER);
    }
    if failures.len() + wanted > ENTRIES_MAX {
        // Someone fills the table with made-up names: forget those that did no more than try once.
        failures.retain(|_, failure| failure.count > FREE_FAILURES);
    }
}

fn count(failures: &mut HashMap<Key, Failures>, key: Key, now: Timestamp) {
    let failure = failures.entry(key).or_insert(Failures { count: 0, last: now });
    let forgotten = since(failure.last, now) >= FORGOTTEN_AFTER;
    *failure = Failures { count: if forgotten { 1 } else { failure.count.saturating_add(1) }, last: now };
}

fn keys(name: &str, address: &Address) -> [Key; 2] {
    // No account has a longer name, so nothing is lost, and the table holds no megabytes of made-up names.
    let name: String = name.chars().take(65).collect::<String>().to_ascii_lowercase();
    [Key::Account(name), Key::Address(address.clone())]
}

/// One second after the free failures, then twice as long each time, up to the key's bound.
fn remaining(key: &Key, failure: &Failures, now: Timestamp) -> Option<Duration> {
    let (free, max) = match key {
        Key::Account(_) => (FREE_FAILURES, ACCOUNT_WAIT_MAX),
        // Several people may share an address.
        Key::Address(_) => (FREE_FAILURES * 3, ADDRESS_WAIT_MAX),
    };
    let doublings = failure.count.checked_sub(free + 1)?;
    let wait = Duration::from_secs(1u64 << doublings.min(20)).min(max);
    wait.checked_sub(since(failure.last, now)).filter(|left| !left.is_zero())
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_nanos(u64::try_from(now.nanos().saturating_sub(then.nanos())).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::db::throttle::*;

    fn address(text: &str) -> Address {
        Address::new(Some(text.parse().unwrap()))
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn failures_slow_an_account_down_from_every_address_but_not_for_long() {
        let throttle = Throttle::default();
        for host in 0..=FREE_FAILURES {
            let from = address(&format!("10.0.0.{host}"));
            assert_eq!(throttle.wait("ann", &from, at(0)), None, "try {host} is free");
            throttle.failed("ann", &from, at(0));
        }
        let elsewhere = address("10.9.9.9");
        assert_eq!(throttle.wait("Ann", &elsewhere, at(0)), Some(Duration::from_secs(1)));
        assert_eq!(throttle.wait("ann", &elsewhere, at(1)), None);
        assert_eq!(throttle.wait("bob", &elsewhere, at(0)), None);
        for _ in 0..40 {
            throttle.failed("ann", &elsewhere, at(0));
        }
        assert_eq!(throttle.wait("ann", &address("10.8.8.8"), at(0)), Some(ACCOUNT_WAIT_MAX));
        throttle.succeeded("ANN", &elsewhere);
        assert_eq!(throttle.wait("ann", &address("10.8.8.8"), at(0)), None);
    }

    #[test]
    fn guessing_elsewhere_does_not_keep_the_owner_out_at_home() {
        let throttle = Throttle::default();
        let home = address("192.0.2.1");
        throttle.failed("ann", &home, at(0));
        throttle.succeeded("ann", &home);
        for _ in 0..40 {
            throttle.failed("ann", &address("203.0.113.9"), at(0));
        }
        assert_eq!(throttle.wait("ann", &home, at(0)), None);
        assert_eq!(throttle.wait("ann", &address("192.0.2.2"), at(0)), Some(ACCOUNT_WAIT_MAX));
        for _ in 0..30 {
            throttle.failed("ann", &home, at(0));
        }
        assert!(throttle.wait("ann", &home, at(0)).is_some(), "guessing at home is slowed as well");
    }

    #[test]
    fn an_address_that_tries_many_names_is_slowed_for_all_of_them() {
        let throttle = Throttle::default();
        for guess in 0..30 {
            throttle.failed(&format!("user{guess}"), &address("2001:db8:1:2::aaaa"), at(0));
        }
        let neighbour = address("2001:db8:1:2::bbbb");
        assert_eq!(throttle.wait("ann", &neighbour, at(0)), Some(ADDRESS_WAIT_MAX), "the whole /64 is one");
        assert_eq!(throttle.wait("ann", &address("2001:db8:1:3::1"), at(0)), None);
        assert_eq!(throttle.wait("ann", &neighbour, at(600)), None);
    }

    #[test]
    fn made_up_names_do_not_fill_the_memory() {
        let throttle = Throttle::default();
        for guess in 0..ENTRIES_MAX + 100 {
            throttle.failed(&format!("user{guess}"), &address("10.0.0.1"), at(0));
        }
        assert!(throttle.failures.lock().unwrap().len() <= ENTRIES_MAX);
        assert!(throttle.wait("ann", &address("10.0.0.1"), at(0)).is_some());
    }
}
