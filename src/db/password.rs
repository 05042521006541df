//! Passwords: argon2id hashes, and a check that costs the same for names that do not exist.
//!
//! Promises: never more than [`HASHES_AT_ONCE_MAX`] hashes are computed at the same time (each takes 19 MiB), so a flood
//! of logins cannot take the memory, and few wait for that, so it cannot take the threads; a password that was right a moment ago is checked cheaply, because Basic
//! credentials come with every request.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};

use crate::db::Error;

/// The least length of a password, in characters. Length beats character classes.
pub const PASSWORD_CHARS_MIN: usize = 10;
/// The greatest length of a password; longer ones only make hashing slow.
pub const PASSWORD_BYTES_MAX: usize = 1024;

const HASHES_AT_ONCE_MAX: usize = 4;
/// Logins that wait for their turn, each on a thread that others need; more are refused at once.
const WAITING_MAX: usize = 16;
/// How long a login waits for its turn to be hashed.
const TURN_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a right password is remembered, as a keyed hash.
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
const REMEMBERED_MAX: usize = 256;

/// Whether a password may be chosen.
pub(in crate::db) fn check_strength(password: &str) -> Result<(), Error> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Error::PasswordShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Error::PasswordLong);
    }
    Ok(())
}

/// How a password fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::db) enum Outcome {
    Right,
    Wrong,
    /// Too many others are being checked.
    NoTurn,
}

/// Hashes and checks passwords, a few at a time.
pub(in crate::db) struct Checker {
    queue: Mutex<Queue>,
    turn: Condvar,
    /// Right passwords of the last minutes, by a hash with a key that dies with the process.
    remembered: Mutex<HashMap<[u8; 32], Instant>>,
    key: [u8; 32],
    /// The hash of a password that nobody has, for names that do not exist. Made when it is first wanted.
    nobody: OnceLock<String>,
}

#[derive(Debug, Default)]
struct Queue {
    running: usize,
    waiting: usize,
}

impl Checker {
    pub(in crate::db) fn new() -> Checker {
        Checker {
            queue: Mutex::default(),
            turn: Condvar::new(),
            remembered: Mutex::default(),
            key: rand::random(),
            nobody: OnceLock::new(),
        }
    }

    /// A PHC string with a fresh salt.
    pub(in crate::db) fn hash(&self, password: &str) -> Result<String, Error> {
        check_strength(password)?;
        let Some(_turn) = self.wait_for_turn() else {
            return Err(Error::Hash("too many logins are being checked; try again in a moment".to_owned()));
        };
        let hashed = Argon2::default().hash_password(password.as_bytes());
        hashed.map(|hash| hash.to_string()).map_err(|error| Error::Hash(error.to_string()))
    }

    /// Checks a password against the stored hash; `None` (no such name) takes as long and is wrong.
    pub(in crate::db) fn check(&self, password: &str, stored: Option<&str>) -> Outcome {
        if password.len() > PASSWORD_BYTES_MAX {
            return Outcome::Wrong;
        }
        let mark = stored.map(|stored| self.mark(password, stored));
        if mark.is_some_and(|mark| self.remembers(&mark)) {
            return Outcome::Right;
        }
        let Some(_turn) = self.wait_for_turn() else { return Outcome::NoTurn };
        // Made for any name, so that the time it takes tells nothing.
        let nobody = self.nobody.get_or_init(|| {
            let unguessable: [u8; 32] = rand::random();
            Argon2::default().hash_password(&unguessable).expect("the default parameters are valid").to_string()
        });
        let parsed = PasswordHash::new(stored.unwrap_or(nobody));
        let right = parsed.is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
        match mark {
            Some(mark) if right => {
                self.remember(mark);
                Outcome::Right
            }
            Some(_) | None => Outcome::Wrong,
        }
    }

    /// Holds for exactly this password and stored hash, so a changed password is forgotten by itself.
    fn mark(&self, password: &str, stored: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(stored.len().to_le_bytes());
        hasher.update(stored);
        hasher.update(password);
        hasher.finalize().into()
    }

    fn remembers(&self, mark: &[u8; 32]) -> bool {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(mark).is_some_and(|since| since.elapsed() < REMEMBERED_FOR)
    }

    fn remember(&self, mark: [u8; 32]) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, since| since.elapsed() < REMEMBERED_FOR);
        }
        if remembered.len() < REMEMBERED_MAX {
            remembered.insert(mark, Instant::now());
        }
    }

    fn wait_for_turn(&self) -> Option<Turn<'_>> {
        let full = |queue: &mut Queue| queue.running >= HASHES_AT_ONCE_MAX;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if full(&mut queue) {
            if queue.waiting >= WAITING_MAX {
                return None;
            }
            queue.waiting += 1;
            let waited = self.turn.wait_timeout_while(queue, TURN_WAIT_MAX, full);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = after;
            queue.waiting -= 1;
            if timeout.timed_out() {
                return None;
            }
        }
        queue.running += 1;
        Some(Turn { checker: self })
    }
}

struct Turn<'c> {
    checker: &'c Checker,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.checker.queue.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        self.checker.turn.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use crate::db::password::*;

    #[test]
    fn a_hash_is_argon2id_salted_and_checks_only_its_password() {
        let checker = Checker::new();
        let stored = checker.hash("correct horse").unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(stored, checker.hash("correct horse").unwrap());
        assert_eq!(checker.check("correct horse", Some(&stored)), Outcome::Right);
        assert_eq!(checker.check("correct horse", Some(&stored)), Outcome::Right, "remembered");
        assert_eq!(checker.check("wrong horse!", Some(&stored)), Outcome::Wrong);
        assert_eq!(checker.check("correct horse", None), Outcome::Wrong);
    }

    #[test]
    fn a_remembered_password_is_forgotten_when_the_stored_hash_changes() {
        let checker = Checker::new();
        let old = checker.hash("correct horse").unwrap();
        assert_eq!(checker.check("correct horse", Some(&old)), Outcome::Right);
        let new = checker.hash("another horse").unwrap();
        assert_eq!(checker.check("correct horse", Some(&new)), Outcome::Wrong);
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(matches!(check_strength("123456789"), Err(Error::PasswordShort)));
        assert!(check_strength("비밀번호는열글자이상").is_ok(), "characters count, not bytes");
        assert!(matches!(check_strength(&"x".repeat(PASSWORD_BYTES_MAX + 1)), Err(Error::PasswordLong)));
    }

    #[test]
    fn turns_are_bounded_and_given_back() {
        let checker = Checker::new();
        let turns: Vec<_> = (0..HASHES_AT_ONCE_MAX).map(|_| checker.wait_for_turn().unwrap()).collect();
        assert_eq!(checker.queue.lock().unwrap().running, HASHES_AT_ONCE_MAX);
        drop(turns);
        assert_eq!(checker.queue.lock().unwrap().running, 0);
    }

    #[test]
    fn few_wait_for_a_turn_and_the_others_are_refused_at_once() {
        let checker = Checker::new();
        let turns: Vec<_> = (0..HASHES_AT_ONCE_MAX).map(|_| checker.wait_for_turn().unwrap()).collect();
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..WAITING_MAX).map(|_| scope.spawn(|| checker.wait_for_turn().is_some())).collect();
            while checker.queue.lock().unwrap().waiting < WAITING_MAX {
                std::thread::yield_now();
            }
            let asked = Instant::now();
            assert!(checker.wait_for_turn().is_none());
            assert!(asked.elapsed() < TURN_WAIT_MAX);
            drop(turns);
            assert!(waiting.into_iter().all(|thread| thread.join().unwrap()), "who waits gets a turn");
        });
    }
}
