//! The `setup` table: the one-time code that makes the first admin.
//!
//! Promises: a code is good while there is no admin and no newer code; it makes one admin, once.

use rusqlite::OptionalExtension;
use subtle::ConstantTimeEq;

use crate::db::users::{self, Role, User};
use crate::db::{Db, Error, Secret, seconds, secret};
use crate::model::Timestamp;

/// A new code, in place of any older one; `None` where there is an admin already.
pub fn new_code(db: &Db, now: Timestamp) -> Result<Option<Secret>, Error> {
    let code = Secret::typeable();
    db.write(|transaction| {
        if users::admin_count(transaction)? > 0 {
            transaction.execute("delete from setup", [])?;
            return Ok(None);
        }
        let sql = "insert or replace into setup (id, code_hash, created_at) values (1, ?1, ?2)";
        transaction.execute(sql, (secret::hash(code.reveal()), seconds(now)))?;
        Ok(Some(code))
    })
}

/// Whether a code is waited for: there is no admin yet.
pub fn is_open(db: &Db) -> Result<bool, Error> {
    Ok(!users::admin_exists(db)?)
}

/// Makes the first admin. The code is taken as people type it: in any case, with or without hyphens.
pub fn redeem(db: &Db, code: &str, name: &str, password: &str, now: Timestamp) -> Result<User, Error> {
    let hash = secret::hash(&normalized(code));
    if !db.read(|connection| holds(connection, &hash))? {
        return Err(Error::SetupCodeWrong);
    }
    users::check_name(name)?;
    let password_hash = db.shared.checker.hash(password)?;
    db.write(|transaction| {
        if !holds(transaction, &hash)? {
            return Err(Error::SetupCodeWrong);
        }
        transaction.execute("delete from setup", [])?;
        users::insert(transaction, name, &password_hash, Role::Admin, now)
    })
}

fn holds(connection: &rusqlite::Connection, hash: &[u8; 32]) -> Result<bool, Error> {
    let stored = connection.query_row("select code_hash from setup", [], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    let same = stored.is_some_and(|stored| bool::from(stored.as_slice().ct_eq(hash)));
    Ok(same && users::admin_count(connection)? == 0)
}

fn normalized(code: &str) -> String {
    let letters: Vec<char> =
        code.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    letters.chunks(5).map(String::from_iter).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use crate::db::setup::*;
    use crate::db::tests::scratch;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn a_code_makes_one_admin_once() {
        let scratch = scratch();
        let db = &scratch.db;
        let old = new_code(db, NOW).unwrap().unwrap();
        let code = new_code(db, NOW).unwrap().unwrap();
        let redeem_with = |code: &str| redeem(db, code, "ann", "a long password", NOW);
        assert!(matches!(redeem_with(old.reveal()), Err(Error::SetupCodeWrong)), "a newer code replaced it");
        assert!(matches!(redeem_with(""), Err(Error::SetupCodeWrong)));
        assert!(matches!(redeem(db, code.reveal(), "ann", "short", NOW), Err(Error::PasswordShort)));
        assert!(is_open(db).unwrap());
        let typed = code.reveal().to_uppercase().replace('-', " ");
        assert!(redeem_with(&typed).unwrap().is_admin());
        assert!(!is_open(db).unwrap());
        assert!(matches!(redeem_with(code.reveal()), Err(Error::SetupCodeWrong)));
        assert!(new_code(db, NOW).unwrap().is_none());
    }

    #[test]
    fn a_code_is_void_once_an_admin_came_another_way() {
        let scratch = scratch();
        let db = &scratch.db;
        let code = new_code(db, NOW).unwrap().unwrap();
        users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap();
        assert!(is_open(db).unwrap(), "a reader cannot manage anyone");
        users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        assert!(matches!(redeem(db, code.reveal(), "eve", "a long password", NOW), Err(Error::SetupCodeWrong)));
    }
}
