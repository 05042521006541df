//! The `users` table: people and what they may do.
//!
//! Promises: there is always an admin once there was one; a new password ends the sessions that the old one opened.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::db::error::on_taken;
use crate::db::password::Outcome;
use crate::db::{Db, Error, saved_queries, seconds};
use crate::model::Timestamp;

const NAME_CHARS_MAX: usize = 64;

/// What a person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything, people and tokens included.
    Admin,
    /// Reads logs and keeps saved queries.
    Reader,
}

impl Role {
    /// As it is written in the table, on the command line and in forms.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Reader => "reader",
        }
    }

    pub fn parse(text: &str) -> Option<Role> {
        match text {
            "admin" => Some(Role::Admin),
            "reader" => Some(Role::Reader),
            _ => None,
        }
    }
}

/// Someone who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: i64,
    pub name: String,
    pub role: Role,
    pub created_at: Timestamp,
}

impl User {
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }

    pub(in crate::db) const COLUMNS: &'static str = "users.id, users.name, users.role, users.created_at";

    /// Reads [`User::COLUMNS`] that begin at `first`.
    pub(in crate::db) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<User> {
        let role: String = row.get(first + 2)?;
        Ok(User {
            id: row.get(first)?,
            name: row.get(first + 1)?,
            role: Role::parse(&role).ok_or_else(|| rusqlite::Error::InvalidColumnName(role))?,
            created_at: Timestamp::from_secs(row.get(first + 3)?),
        })
    }
}

/// Adds someone. Checks the name and the password's length.
pub fn add(db: &Db, name: &str, password: &str, role: Role, now: Timestamp) -> Result<User, Error> {
    check_name(name)?;
    let hash = db.shared.checker.hash(password)?;
    db.write(|transaction| insert(transaction, name, &hash, role, now))
}

pub(in crate::db) fn insert(
    transaction: &Transaction<'_>,
    name: &str,
    password_hash: &str,
    role: Role,
    now: Timestamp,
) -> Result<User, Error> {
    let sql = "insert into users (name, password_hash, role, created_at) values (?1, ?2, ?3, ?4)";
    transaction
        .execute(sql, (name, password_hash, role.as_str(), seconds(now)))
        .map_err(|error| on_taken(error, || Error::UserNameTaken(name.to_owned())))?;
    find_in(transaction, name)?.ok_or_else(|| Error::UserUnknown(name.to_owned()))
}

/// Everyone, by name.
pub fn list(db: &Db) -> Result<Vec<User>, Error> {
    db.read(|connection| {
        let sql = format!("select {} from users order by name", User::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        let users = statement.query_map([], |row| User::from_row(row, 0))?.collect::<Result<_, _>>()?;
        Ok(users)
    })
}

pub fn find(db: &Db, name: &str) -> Result<Option<User>, Error> {
    db.read(|connection| find_in(connection, name))
}

/// Whether there is someone who can manage the others.
pub fn admin_exists(db: &Db) -> Result<bool, Error> {
    db.read(|connection| Ok(admin_count(connection)? > 0))
}

/// Sets a new password and ends the person's sessions, but for `keep_session` (the one it was changed in).
pub fn set_password(db: &Db, name: &str, password: &str, keep_session: Option<i64>) -> Result<(), Error> {
    let hash = db.shared.checker.hash(password)?;
    db.write(|transaction| {
        let user = known(transaction, name)?;
        transaction.execute("update users set password_hash = ?2 where id = ?1", (user.id, hash))?;
        let sql = "delete from sessions where user_id = ?1 and id is not ?2";
        transaction.execute(sql, (user.id, keep_session))?;
        Ok(())
    })
}

/// Sets what someone may do; never takes the last admin away.
pub fn set_role(db: &Db, name: &str, role: Role) -> Result<(), Error> {
    db.write(|transaction| {
        let user = known(transaction, name)?;
        if role != Role::Admin {
            keep_an_admin(transaction, &user)?;
        }
        transaction.execute("update users set role = ?2 where id = ?1", (user.id, role.as_str()))?;
        Ok(())
    })
}

/// Removes someone with their sessions, history, snapshots and the saved queries that they did not share; never the last
/// admin.
pub fn remove(db: &Db, name: &str) -> Result<(), Error> {
    db.write(|transaction| {
        let user = known(transaction, name)?;
        keep_an_admin(transaction, &user)?;
        saved_queries::hand_over(transaction, user.id, &user.name)?;
        transaction.execute("delete from users where id = ?1", [user.id])?;
        Ok(())
    })?;
    db.scrub();
    Ok(())
}

/// The person, if the password is theirs. Takes as long for a name that does not exist. Unthrottled: the doors for
/// others are in [`crate::db::logins`].
pub(in crate::db) fn verify(db: &Db, name: &str, password: &str) -> Result<(Outcome, Option<User>), Error> {
    let row = db.read(|connection| {
        let sql = format!("select users.password_hash, {} from users where name = ?1", User::COLUMNS);
        let mut statement = connection.prepare_cached(&sql)?;
        let row = statement.query_row([name], |row| Ok((row.get::<_, String>(0)?, User::from_row(row, 1)?)));
        Ok(row.optional()?)
    })?;
    let (hash, user) = row.unzip();
    let outcome = db.shared.checker.check(password, hash.as_deref());
    Ok((outcome, user.filter(|_| outcome == Outcome::Right)))
}

pub(in crate::db) fn check_name(name: &str) -> Result<(), Error> {
    // Without a colon, which ends the name in Basic credentials, and without anything that could pass for another name.
    let allowed = |letter: char| letter.is_alphanumeric() || "._-+@".contains(letter);
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(allowed) {
        return Err(Error::UserNameInvalid);
    }
    Ok(())
}

fn find_in(connection: &Connection, name: &str) -> Result<Option<User>, Error> {
    let sql = format!("select {} from users where name = ?1", User::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([name], |row| User::from_row(row, 0)).optional()?)
}

fn known(connection: &Connection, name: &str) -> Result<User, Error> {
    find_in(connection, name)?.ok_or_else(|| Error::UserUnknown(name.to_owned()))
}

pub(in crate::db) fn admin_count(connection: &Connection) -> Result<i64, Error> {
    Ok(connection.query_row("select count(*) from users where role = 'admin'", [], |row| row.get(0))?)
}

fn keep_an_admin(connection: &Connection, user: &User) -> Result<(), Error> {
    if user.is_admin() && admin_count(connection)? <= 1 {
        return Err(Error::LastAdmin(user.name.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::db::tests::scratch;
    use crate::db::users::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn the_last_admin_stays() {
        let scratch = scratch();
        let db = &scratch.db;
        add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        add(db, "bob", "a long password", Role::Reader, NOW).unwrap();
        assert!(matches!(remove(db, "ann"), Err(Error::LastAdmin(_))));
        assert!(matches!(set_role(db, "ANN", Role::Reader), Err(Error::LastAdmin(_))));
        set_role(db, "bob", Role::Admin).unwrap();
        remove(db, "ann").unwrap();
        assert!(matches!(remove(db, "bob"), Err(Error::LastAdmin(_))));
        assert_eq!(list(db).unwrap().iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["bob"]);
    }

    #[test]
    fn names_are_unique_whatever_the_case_and_hold_no_odd_characters() {
        let scratch = scratch();
        let db = &scratch.db;
        add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        assert!(matches!(add(db, "Ann", "a long password", Role::Reader, NOW), Err(Error::UserNameTaken(_))));
        for bad in ["", "a:b", "a b", "a\nb", &"x".repeat(65)] {
            assert!(
                matches!(add(db, bad, "a long password", Role::Reader, NOW), Err(Error::UserNameInvalid)),
                "{bad:?}"
            );
        }
        add(db, "홍길동", "a long password", Role::Reader, NOW).unwrap();
    }

    #[test]
    fn a_new_password_works_at_once_and_the_old_one_no_more() {
        let scratch = scratch();
        let db = &scratch.db;
        add(db, "ann", "a long password", Role::Admin, NOW).unwrap();
        assert!(verify(db, "ann", "a long password").unwrap().1.is_some());
        set_password(db, "ann", "another password", None).unwrap();
        assert!(verify(db, "ann", "a long password").unwrap().1.is_none());
        assert!(verify(db, "ann", "another password").unwrap().1.is_some());
        assert!(matches!(set_password(db, "nobody", "another password", None), Err(Error::UserUnknown(_))));
    }
}
