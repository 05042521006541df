//! The `sessions` table: browsers that are signed in.
//!
//! Promises: a session ends when it is revoked, when it was not used for [`IDLE_DAYS_MAX`] days, and after
//! [`AGE_DAYS_MAX`] days in any case; a person has at most `PER_PERSON_MAX` of them; the secret is only in the
//! browser's cookie.

use rusqlite::OptionalExtension;

use crate::db::users::User;
use crate::db::{Db, Error, Secret, seconds, secret};
use crate::model::Timestamp;

/// The name of the cookie that holds a session's secret where the browser came over TLS: no plain HTTP and no neighbour
/// domain can plant or read it.
pub const COOKIE_OVER_TLS: &str = "__Host-logcafe";
/// Its name elsewhere.
pub const COOKIE: &str = "logcafe";

/// A phone that reads logs once a month stays signed in.
pub const IDLE_DAYS_MAX: i64 = 30;
pub const AGE_DAYS_MAX: i64 = 90;
/// Sessions of one person: a script that signs in and never out pushes its own oldest ones out.
const PER_PERSON_MAX: i64 = 50;
/// How exact `seen_at` is: not every request should write.
const SEEN_EXACT_TO_SECS: i64 = 60;
const DEVICE_CHARS_MAX: usize = 200;
const DAY_SECS: i64 = 86_400;

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: i64,
    pub user: User,
    /// What the browser says it is.
    pub device: String,
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub seen_at: Timestamp,
}

/// Signs a browser in; the secret goes into its cookie. Sweeps sessions that are over, and this person's least used
/// ones where there are too many.
pub fn start(db: &Db, user_id: i64, device: &str, now: Timestamp) -> Result<Secret, Error> {
    let secret = Secret::random("");
    let device: String = device.chars().filter(|letter| !letter.is_control()).take(DEVICE_CHARS_MAX).collect();
    db.write(|transaction| {
        let over = "delete from sessions where seen_at <= ?1 or created_at <= ?2";
        transaction.execute(over, (idle_since(now), aged_since(now)))?;
        let excess = "delete from sessions where id in (select id from sessions where user_id = ?1 \
                      order by seen_at desc, id desc limit -1 offset ?2)";
        transaction.execute(excess, (user_id, PER_PERSON_MAX - 1))?;
        let sql =
            "insert into sessions (user_id, secret_hash, device, created_at, seen_at) values (?1, ?2, ?3, ?4, ?4)";
        transaction.execute(sql, (user_id, secret::hash(secret.reveal()), device, seconds(now)))?;
        Ok(())
    })?;
    Ok(secret)
}

/// The session of a cookie, if it still holds; marks it as seen.
pub fn find(db: &Db, secret: &str, now: Timestamp) -> Result<Option<Session>, Error> {
    let found = peek(db, secret, now)?;
    if let Some(session) = &found
        && seconds(now) - seconds(session.seen_at) >= SEEN_EXACT_TO_SECS
    {
        db.write(|transaction| {
            transaction.execute("update sessions set seen_at = ?2 where id = ?1", (session.id, seconds(now)))?;
            Ok(())
        })?;
    }
    Ok(found)
}

/// The session of a cookie, if it still holds, without marking it as seen: for what a browser asks by itself, which keeps
/// no session alive.
pub fn peek(db: &Db, secret: &str, now: Timestamp) -> Result<Option<Session>, Error> {
    let hash = secret::hash(secret);
    db.read(|connection| {
        let sql = select("secret_hash = ?1 and seen_at > ?2 and sessions.created_at > ?3");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_row((hash, idle_since(now), aged_since(now)), from_row).optional()?)
    })
}

/// A person's sessions, the last used first.
pub fn list(db: &Db, user_id: i64, now: Timestamp) -> Result<Vec<Session>, Error> {
    db.read(|connection| {
        let sql = select("users.id = ?1 and seen_at > ?2 and sessions.created_at > ?3");
        let mut statement = connection.prepare_cached(&format!("{sql} order by seen_at desc, sessions.id desc"))?;
        let rows = statement.query_map((user_id, idle_since(now), aged_since(now)), from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    })
}

/// Ends a session of this person. Whether it was there.
pub fn revoke(db: &Db, user_id: i64, session_id: i64) -> Result<bool, Error> {
    db.write(|transaction| {
        let sql = "delete from sessions where user_id = ?1 and id = ?2";
        Ok(transaction.execute(sql, (user_id, session_id))? > 0)
    })
}

/// Ends all sessions of this person, but for `keep`. How many there were.
pub fn revoke_all(db: &Db, user_id: i64, keep: Option<i64>) -> Result<usize, Error> {
    db.write(|transaction| {
        let sql = "delete from sessions where user_id = ?1 and id is not ?2";
        Ok(transaction.execute(sql, (user_id, keep))?)
    })
}

fn idle_since(now: Timestamp) -> i64 {
    seconds(now) - IDLE_DAYS_MAX * DAY_SECS
}

fn aged_since(now: Timestamp) -> i64 {
    seconds(now) - AGE_DAYS_MAX * DAY_SECS
}

fn select(condition: &str) -> String {
    format!(
        "select sessions.id, device, sessions.created_at, seen_at, {} from sessions join users on users.id = user_id \
         where {condition}",
        User::COLUMNS
    )
}

fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get(0)?,
        device: row.get(1)?,
        created_at: Timestamp::from_secs(row.get(2)?),
        seen_at: Timestamp::from_secs(row.get(3)?),
        user: User::from_row(row, 4)?,
    })
}

#[cfg(test)]
mod tests {
    use crate::db::sessions::*;
    use crate::db::tests::scratch;
    use crate::db::users::{self, Role};

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn days_later(days: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + days * DAY_SECS)
    }

    #[test]
    fn a_session_is_found_until_it_is_revoked() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap();
        let secret = start(db, ann.id, "Firefox\non a phone", NOW).unwrap();
        let session = find(db, secret.reveal(), NOW).unwrap().unwrap();
        assert_eq!((session.user.name.as_str(), session.device.as_str()), ("ann", "Firefoxon a phone"));
        assert_eq!(find(db, "made up", NOW).unwrap(), None);
        assert!(!revoke(db, bob.id, session.id).unwrap(), "nobody ends another's session");
        assert!(revoke(db, ann.id, session.id).unwrap());
        assert_eq!(find(db, secret.reveal(), NOW).unwrap(), None);
    }

    #[test]
    fn a_session_ends_when_it_is_unused_or_old() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        let secret = start(db, ann.id, "", NOW).unwrap();
        assert_eq!(find(db, secret.reveal(), days_later(IDLE_DAYS_MAX)).unwrap(), None);
        for day in (0..AGE_DAYS_MAX).step_by(20) {
            assert!(find(db, secret.reveal(), days_later(day)).unwrap().is_some(), "used on day {day}");
        }
        assert_eq!(find(db, secret.reveal(), days_later(AGE_DAYS_MAX)).unwrap(), None);
        assert_eq!(list(db, ann.id, days_later(AGE_DAYS_MAX)).unwrap(), []);
    }

    #[test]
    fn who_is_only_looked_for_is_not_seen() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        let secret = start(db, ann.id, "an open page", NOW).unwrap();
        let found = peek(db, secret.reveal(), days_later(IDLE_DAYS_MAX - 1)).unwrap().unwrap();
        assert_eq!(found.seen_at, NOW);
        assert_eq!(peek(db, secret.reveal(), days_later(IDLE_DAYS_MAX)).unwrap(), None, "it ends like any other");
    }

    #[test]
    fn a_person_keeps_the_sessions_last_used() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap();
        let others = start(db, bob.id, "", NOW).unwrap();
        let phone = start(db, ann.id, "phone", NOW).unwrap();
        let unused = start(db, ann.id, "unused", NOW).unwrap();
        find(db, phone.reveal(), days_later(1)).unwrap();
        for _ in 0..PER_PERSON_MAX {
            let new = start(db, ann.id, "script", NOW).unwrap();
            assert!(find(db, new.reveal(), NOW).unwrap().is_some(), "the new one is always kept");
        }
        assert_eq!(list(db, ann.id, NOW).unwrap().len(), usize::try_from(PER_PERSON_MAX).unwrap());
        assert!(find(db, phone.reveal(), days_later(1)).unwrap().is_some());
        assert_eq!(find(db, unused.reveal(), NOW).unwrap(), None);
        assert!(find(db, others.reveal(), NOW).unwrap().is_some(), "others are let be");
    }

    #[test]
    fn a_new_password_or_removal_ends_the_sessions() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        users::add(db, "bob", "a long password", Role::Admin, NOW).unwrap();
        let phone = start(db, ann.id, "phone", NOW).unwrap();
        let desk = start(db, ann.id, "desk", NOW).unwrap();
        let here = find(db, desk.reveal(), NOW).unwrap().unwrap();
        users::set_password(db, "ann", "another password", Some(here.id)).unwrap();
        assert_eq!(find(db, phone.reveal(), NOW).unwrap(), None);
        assert!(find(db, desk.reveal(), NOW).unwrap().is_some());
        users::remove(db, "ann").unwrap();
        assert_eq!(find(db, desk.reveal(), NOW).unwrap(), None);
    }
}
