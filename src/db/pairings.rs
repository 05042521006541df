//! The `pairings` table: one-time codes by which a signed-in browser lets another device in.
//!
//! Promises: a code is good once, for [`AGE_SECS_MAX`] seconds, and while the session that showed it holds; a session
//! has one code, the newest. The code itself is only in what that browser shows.

use rusqlite::OptionalExtension;

use crate::db::users::User;
use crate::db::{Db, Error, Secret, seconds, secret};
use crate::model::Timestamp;

/// Time to take the phone out and scan, and little for whoever photographed the screen.
pub const AGE_SECS_MAX: i64 = 120;

/// How far a code has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nobody used it; it holds for as many seconds.
    Waits {
        seconds: i64,
    },
    /// This device came in with it.
    Used {
        device: String,
    },
    Over,
}

/// A new code for a session, in place of its older one.
pub fn begin(db: &Db, session_id: i64, now: Timestamp) -> Result<Secret, Error> {
    let code = Secret::random("");
    db.write(|transaction| {
        let sql = "insert or replace into pairings (session_id, secret_hash, created_at) values (?1, ?2, ?3)";
        transaction.execute(sql, (session_id, secret::hash(code.reveal()), seconds(now)))?;
        Ok(())
    })?;
    Ok(code)
}

/// Whom a code lets in, if it still does; it is not used up.
pub fn find(db: &Db, code: &str, now: Timestamp) -> Result<Option<User>, Error> {
    let hash = secret::hash(code);
    db.read(|connection| {
        Ok(connection.query_row(&open(), (hash, oldest(now)), |row| User::from_row(row, 1)).optional()?)
    })
}

/// Uses a code up for a device.
pub fn redeem(db: &Db, code: &str, device: &str, now: Timestamp) -> Result<Option<User>, Error> {
    let hash = secret::hash(code);
    db.write(|transaction| {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, User::from_row(row, 1)?));
        let found = transaction.query_row(&open(), (hash, oldest(now)), read).optional()?;
        let Some((id, user)) = found else { return Ok(None) };
        transaction.execute("update pairings set device = ?2 where id = ?1", (id, device))?;
        Ok(Some(user))
    })
}

/// How far the code of a session has come.
pub fn progress(db: &Db, session_id: i64, now: Timestamp) -> Result<Progress, Error> {
    db.read(|connection| {
        let sql = "select created_at, device from pairings where session_id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?));
        Ok(match connection.query_row(sql, [session_id], read).optional()? {
            Some((_, Some(device))) => Progress::Used { device },
            Some((created_at, None)) if created_at > oldest(now) => {
                Progress::Waits { seconds: created_at - oldest(now) }
            }
            Some(_) | None => Progress::Over,
        })
    })
}

fn oldest(now: Timestamp) -> i64 {
    seconds(now) - AGE_SECS_MAX
}

/// A code that nobody used, by its hash, and whom it lets in.
fn open() -> String {
    format!(
        "select pairings.id, {} from pairings join sessions on sessions.id = session_id join users on users.id = user_id \
         where pairings.secret_hash = ?1 and pairings.created_at > ?2 and pairings.device is null",
        User::COLUMNS
    )
}

#[cfg(test)]
mod tests {
    use crate::db::pairings::*;
    use crate::db::sessions;
    use crate::db::tests::scratch;
    use crate::db::users::{self, Role};

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn later(secs: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + secs)
    }

    #[test]
    fn a_code_lets_one_device_in_once_and_for_a_short_time() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Reader, NOW).unwrap();
        let secret = sessions::start(db, ann.id, "desk", NOW).unwrap();
        let desk = sessions::find(db, secret.reveal(), NOW).unwrap().unwrap();
        assert_eq!(progress(db, desk.id, NOW).unwrap(), Progress::Over);

        let older = begin(db, desk.id, NOW).unwrap();
        let code = begin(db, desk.id, NOW).unwrap();
        assert_eq!(find(db, older.reveal(), NOW).unwrap(), None, "only the newest code holds");
        assert_eq!(find(db, "made up", NOW).unwrap(), None);
        assert_eq!(find(db, code.reveal(), later(AGE_SECS_MAX)).unwrap(), None, "too late");
        assert_eq!(progress(db, desk.id, later(AGE_SECS_MAX - 1)).unwrap(), Progress::Waits { seconds: 1 });
        assert_eq!(progress(db, desk.id, later(AGE_SECS_MAX)).unwrap(), Progress::Over);

        assert_eq!(redeem(db, code.reveal(), "phone", later(1)).unwrap().unwrap().name, "ann");
        assert_eq!(progress(db, desk.id, later(2)).unwrap(), Progress::Used { device: "phone".to_owned() });
        assert_eq!(redeem(db, code.reveal(), "thief", later(1)).unwrap(), None, "it is used up");
    }

    #[test]
    fn a_code_ends_with_the_session_that_showed_it() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Reader, NOW).unwrap();
        let secret = sessions::start(db, ann.id, "desk", NOW).unwrap();
        let desk = sessions::find(db, secret.reveal(), NOW).unwrap().unwrap();
        let code = begin(db, desk.id, NOW).unwrap();
        sessions::revoke(db, ann.id, desk.id).unwrap();
        assert_eq!(find(db, code.reveal(), NOW).unwrap(), None);
        assert_eq!(redeem(db, code.reveal(), "phone", NOW).unwrap(), None);
    }
}
