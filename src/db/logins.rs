//! The one door for names and passwords, for browsers and for Basic credentials alike: checked and slowed.

use std::time::Duration;

use crate::db::password::Outcome;
use crate::db::throttle::Address;
use crate::db::users::{self, User};
use crate::db::{Db, Error};
use crate::model::Timestamp;

/// What became of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    Welcome(User),
    /// Whether the name or the password was wrong is not told.
    Wrong,
    /// Not looked at: too many failures before, or too many others at this moment.
    Slowed {
        retry_after: Duration,
    },
}

/// Checks a name and a password that came from `address`. Blocks for the time of an argon2 hash.
pub fn attempt(db: &Db, name: &str, password: &str, address: &Address, now: Timestamp) -> Result<Login, Error> {
    let throttle = &db.shared.throttle;
    if let Some(retry_after) = throttle.wait(name, address, now) {
        return Ok(Login::Slowed { retry_after });
    }
    // Counted before the check and taken back after it, so that parallel guesses cannot all pass as the first one.
    throttle.failed(name, address, now);
    let (outcome, user) = users::verify(db, name, password)?;
    match (outcome, user) {
        (Outcome::Right, Some(user)) => {
            throttle.succeeded(name, address);
            Ok(Login::Welcome(user))
        }
        (Outcome::NoTurn, _) => {
            throttle.take_back(name, address);
            Ok(Login::Slowed { retry_after: Duration::from_secs(5) })
        }
        (Outcome::Right | Outcome::Wrong, _) => Ok(Login::Wrong),
    }
}

#[cfg(test)]
mod tests {
    use crate::db::logins::*;
    use crate::db::tests::scratch;
    use crate::db::users::Role;

    #[test]
    fn guessing_is_slowed_and_the_owner_gets_in_after_the_wait() {
        let scratch = scratch();
        let db = &scratch.db;
        let start = Timestamp::from_secs(1_700_000_000);
        let home = Address::new(Some("192.0.2.1".parse().unwrap()));
        users::add(db, "ann", "a long password", Role::Admin, start).unwrap();
        for _ in 0..5 {
            assert_eq!(attempt(db, "ann", "guess", &home, start).unwrap(), Login::Wrong);
        }
        let slowed = attempt(db, "ann", "a long password", &home, start).unwrap();
        assert_eq!(slowed, Login::Slowed { retry_after: Duration::from_secs(1) });
        let later = start.plus_nanos(1_000_000_000);
        assert!(matches!(attempt(db, "ann", "a long password", &home, later).unwrap(), Login::Welcome(_)));
        assert_eq!(attempt(db, "nobody", "guess", &home, later).unwrap(), Login::Wrong);
    }

    #[test]
    fn right_passwords_never_slow_an_address_down() {
        let scratch = scratch();
        let db = &scratch.db;
        let now = Timestamp::from_secs(1_700_000_000);
        let home = Address::new(Some("192.0.2.1".parse().unwrap()));
        users::add(db, "ann", "a long password", Role::Admin, now).unwrap();
        for _ in 0..100 {
            assert!(matches!(attempt(db, "ann", "a long password", &home, now).unwrap(), Login::Welcome(_)));
        }
    }
}
