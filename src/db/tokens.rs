//! The `tokens` table: machines that push or read.
//!
//! Promises: a token's secret is returned once, by [`create`], and stored only as a hash; a revoked token is gone.

use rusqlite::{OptionalExtension, Row};

use crate::db::error::on_taken;
use crate::db::{Db, Error, Secret, seconds, secret};
use crate::model::Timestamp;

/// Begins every token, so that people and secret scanners recognize one.
pub const PREFIX: &str = "lc_";
const NAME_CHARS_MAX: usize = 64;
/// How exact `last_used_at` is: not every push should write.
const USED_EXACT_TO_SECS: i64 = 60;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Push,
    Read,
}

impl Scope {
    /// As it is written in the table, on the command line and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Push => "push",
            Scope::Read => "read",
        }
    }

    pub fn parse(text: &str) -> Option<Scope> {
        match text {
            "push" => Some(Scope::Push),
            "read" => Some(Scope::Read),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: i64,
    pub name: String,
    pub scope: Scope,
    pub created_at: Timestamp,
    /// To the minute; `None` when it was never used.
    pub last_used_at: Option<Timestamp>,
}

const COLUMNS: &str = "id, name, scope, created_at, last_used_at";

/// Makes a token. The secret cannot be had again.
pub fn create(db: &Db, name: &str, scope: Scope, now: Timestamp) -> Result<Secret, Error> {
    let sound = !name.trim().is_empty() && name.trim() == name && !name.chars().any(char::is_control);
    if !sound || name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::TokenNameInvalid);
    }
    let secret = Secret::random(PREFIX);
    db.write(|transaction| {
        let sql = "insert into tokens (name, scope, secret_hash, created_at) values (?1, ?2, ?3, ?4)";
        transaction
            .execute(sql, (name, scope.as_str(), secret::hash(secret.reveal()), seconds(now)))
            .map_err(|error| on_taken(error, || Error::TokenNameTaken(name.to_owned())))?;
        Ok(())
    })?;
    Ok(secret)
}

/// Whether a text looks like a token's secret: what is a password and what a token can be told apart by it.
pub fn has_shape(text: &str) -> bool {
    text.len() == PREFIX.len() + 43 && text.starts_with(PREFIX)
}

/// The token of this secret, if there is one; marks it as used.
pub fn find(db: &Db, secret: &str, now: Timestamp) -> Result<Option<Token>, Error> {
    let found = db.read(|connection| {
        let mut statement =
            connection.prepare_cached(&format!("select {COLUMNS} from tokens where secret_hash = ?1"))?;
        Ok(statement.query_row([secret::hash(secret)], from_row).optional()?)
    })?;
    let stale = |used_at: Timestamp| seconds(now) - seconds(used_at) >= USED_EXACT_TO_SECS;
    if let Some(token) = &found
        && token.last_used_at.is_none_or(stale)
    {
        db.write(|transaction| {
            transaction.execute("update tokens set last_used_at = ?2 where id = ?1", (token.id, seconds(now)))?;
            Ok(())
        })?;
    }
    Ok(found)
}

/// All tokens, by name.
pub fn list(db: &Db) -> Result<Vec<Token>, Error> {
    db.read(|connection| {
        let mut statement = connection.prepare_cached(&format!("select {COLUMNS} from tokens order by name"))?;
        let tokens = statement.query_map([], from_row)?.collect::<Result<_, _>>()?;
        Ok(tokens)
    })
}

/// Ends a token at once.
pub fn revoke(db: &Db, name: &str) -> Result<(), Error> {
    db.write(|transaction| match transaction.execute("delete from tokens where name = ?1", [name])? {
        0 => Err(Error::TokenUnknown(name.to_owned())),
        _ => Ok(()),
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Token> {
    let scope: String = row.get(2)?;
    Ok(Token {
        id: row.get(0)?,
        name: row.get(1)?,
        scope: Scope::parse(&scope).ok_or_else(|| rusqlite::Error::InvalidColumnName(scope))?,
        created_at: Timestamp::from_secs(row.get(3)?),
        last_used_at: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_secs),
    })
}

#[cfg(test)]
mod tests {
    use crate::db::tests::scratch;
    use crate::db::tokens::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn a_token_is_found_by_its_secret_until_it_is_revoked_by_another_process() {
        let scratch = scratch();
        let db = &scratch.db;
        let secret = create(db, "web server", Scope::Push, NOW).unwrap();
        assert!(secret.reveal().starts_with("lc_") && has_shape(secret.reveal()));
        assert_eq!(list(db).unwrap()[0].last_used_at, None);
        let token = find(db, secret.reveal(), NOW).unwrap().unwrap();
        assert_eq!((token.name.as_str(), token.scope), ("web server", Scope::Push));
        assert_eq!(list(db).unwrap()[0].last_used_at, Some(NOW));
        let other_process = Db::open(db.path()).unwrap();
        revoke(&other_process, "web server").unwrap();
        assert_eq!(find(db, secret.reveal(), NOW).unwrap(), None);
        assert!(matches!(revoke(db, "web server"), Err(Error::TokenUnknown(_))));
    }

    #[test]
    fn a_name_is_taken_once_and_the_secret_is_not_in_the_file() {
        let scratch = scratch();
        let db = &scratch.db;
        let secret = create(db, "one", Scope::Read, NOW).unwrap();
        assert!(matches!(create(db, "One", Scope::Read, NOW), Err(Error::TokenNameTaken(_))));
        for bad in ["", " ", " one", "a\tb", &"x".repeat(65)] {
            assert!(matches!(create(db, bad, Scope::Read, NOW), Err(Error::TokenNameInvalid)), "{bad:?}");
        }
        for file in std::fs::read_dir(scratch.folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert_eq!(memchr::memmem::find(&bytes, secret.reveal().as_bytes()), None);
        }
    }
}
