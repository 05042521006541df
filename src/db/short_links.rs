//! The `short_links` table: short addresses of views of Explore.
//!
//! Promises: a link leads to the view that it was made of until its maker deletes it or nobody used it for
//! [`UNUSED_DAYS_MAX`] days; only the maker lists and deletes it. Links of a person who is not there any more are the
//! admins'.
//! A code is no secret: whoever follows a link must be signed in.

use rusqlite::{OptionalExtension, Row};

use crate::db::error::on_full;
use crate::db::users::User;
use crate::db::{Db, Error, Kept, seconds};
use crate::model::Timestamp;

pub const UNUSED_DAYS_MAX: i64 = 365;
/// Room for a long query, encoded.
const PARAMS_BYTES_MAX: usize = 16 << 10;
/// Per person; the least used one goes first.
const PER_PERSON_MAX: u32 = 1000;
/// 40 bits: short enough to be read out, too many for two links to meet often.
const CODE_LETTERS: usize = 8;
/// How exact `used_at` is: not every visit should write.
const USED_EXACT_TO_SECS: i64 = 60;
const DAY_SECS: i64 = 86_400;

/// A link as its maker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortLink {
    pub id: i64,
    pub code: String,
    pub maker: String,
    /// The parameters of Explore's address.
    pub params: String,
    pub created_at: Timestamp,
    /// When it was last followed, to the minute, or made.
    pub used_at: Timestamp,
    pub use_count: u32,
}

/// A link to the view with these parameters: the one that the person has already, or a new one.
pub fn make(db: &Db, maker: &User, params: &str, now: Timestamp) -> Result<ShortLink, Error> {
    if params.len() > PARAMS_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Address, max: PARAMS_BYTES_MAX });
    }
    db.write(|transaction| {
        let known = transaction
            .prepare_cached(&format!("{SELECT} where user_id = ?1 and params = ?2"))?
            .query_row((maker.id, params), from_row)
            .optional()?;
        if let Some(link) = known {
            // handed out again, it lasts as long as a new one
            let used_at = seconds(now).max(seconds(link.used_at));
            transaction.execute("update short_links set used_at = ?2 where id = ?1", (link.id, used_at))?;
            return Ok(ShortLink { used_at: Timestamp::from_secs(used_at), ..link });
        }
        let sql = "delete from short_links where id in (select id from short_links where user_id = ?1 \
                   order by used_at desc, id desc limit -1 offset ?2)";
        transaction.execute(sql, (maker.id, PER_PERSON_MAX - 1))?;
        let sql = "insert into short_links (code, user_id, maker, params, created_at, used_at) \
                   values (?1, ?2, ?3, ?4, ?5, ?5) on conflict (code) do nothing";
        let mut code = random_code();
        while transaction.execute(sql, (&code, maker.id, &maker.name, params, seconds(now)))? == 0 {
            code = random_code();
        }
        let mut statement = transaction.prepare_cached(&format!("{SELECT} where code = ?1"))?;
        Ok(statement.query_row([code], from_row)?)
    })
    .map_err(on_full)
}

/// The parameters behind a code; notes that it was followed.
pub fn follow(db: &Db, code: &str, now: Timestamp) -> Result<Option<String>, Error> {
    let found = db.read(|connection| {
        let mut statement = connection.prepare_cached(&format!("{SELECT} where code = ?1 and used_at > ?2"))?;
        Ok(statement.query_row((code.to_ascii_lowercase(), unused_since(now)), from_row).optional()?)
    })?;
    let Some(link) = found else { return Ok(None) };
    if link.use_count == 0 || seconds(now) - seconds(link.used_at) >= USED_EXACT_TO_SECS {
        db.write(|transaction| {
            let sql = "update short_links set used_at = max(used_at, ?2), use_count = use_count + 1 where id = ?1";
            transaction.execute(sql, (link.id, seconds(now)))?;
            Ok(())
        })?;
    }
    Ok(Some(link.params))
}

/// The links that this person may delete, the newest first.
pub fn list(db: &Db, viewer: &User, now: Timestamp) -> Result<Vec<ShortLink>, Error> {
    db.read(|connection| {
        let sql = format!("{SELECT} where {OF_VIEWER} and used_at > ?3 order by created_at desc, id desc");
        let mut statement = connection.prepare_cached(&sql)?;
        let values = (viewer.id, viewer.is_admin(), unused_since(now));
        let found = statement.query_map(values, from_row)?.collect::<Result<_, _>>()?;
        Ok(found)
    })
}

pub fn delete(db: &Db, viewer: &User, id: i64) -> Result<(), Error> {
    db.write(|transaction| {
        let sql = format!("delete from short_links where {OF_VIEWER} and id = ?3");
        match transaction.execute(&sql, (viewer.id, viewer.is_admin(), id))? {
            0 => Err(Error::LinkUnknown),
            _ => Ok(()),
        }
    })
}

/// Drops the links that nobody uses.
pub fn sweep(db: &Db, now: Timestamp) -> Result<usize, Error> {
    db.write(|transaction| Ok(transaction.execute("delete from short_links where used_at <= ?1", [unused_since(now)])?))
}

const SELECT: &str = "select id, code, maker, params, created_at, used_at, use_count from short_links";
const OF_VIEWER: &str = "(user_id = ?1 or (user_id is null and ?2))";

fn unused_since(now: Timestamp) -> i64 {
    seconds(now) - UNUSED_DAYS_MAX * DAY_SECS
}

/// Letters and digits that do not look alike.
fn random_code() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    rand::random::<[u8; CODE_LETTERS]>().into_iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ShortLink> {
    Ok(ShortLink {
        id: row.get(0)?,
        code: row.get(1)?,
        maker: row.get(2)?,
        params: row.get(3)?,
        created_at: Timestamp::from_secs(row.get(4)?),
        used_at: Timestamp::from_secs(row.get(5)?),
        use_count: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use crate::db::short_links::*;
    use crate::db::tests::scratch;
    use crate::db::users::{self, Role};

    const START: i64 = 1_700_000_000;

    fn at_day(day: i64) -> Timestamp {
        Timestamp::from_secs(START + day * DAY_SECS)
    }

    #[test]
    fn a_link_leads_to_its_view_until_nobody_uses_it_for_a_year() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at_day(0)).unwrap();
        let link = make(db, &ann, "query=x", at_day(0)).unwrap();
        assert_eq!(link.code.len(), CODE_LETTERS);
        assert_eq!(make(db, &ann, "query=x", at_day(1)).unwrap().code, link.code, "the same view, the same link");
        assert_ne!(make(db, &ann, "query=y", at_day(1)).unwrap().code, link.code);
        assert_eq!(follow(db, &link.code.to_uppercase(), at_day(364)).unwrap().as_deref(), Some("query=x"));
        assert_eq!(follow(db, &link.code, at_day(364 + 364)).unwrap().as_deref(), Some("query=x"));
        assert_eq!(list(db, &ann, at_day(364 + 364)).unwrap().len(), 1);
        assert_eq!(follow(db, &link.code, at_day(364 + 364 + 365)).unwrap(), None);
        assert_eq!(sweep(db, at_day(364 + 364 + 365)).unwrap(), 2);
        assert_eq!(follow(db, "none", at_day(0)).unwrap(), None);
        let again = make(db, &ann, "query=z", at_day(2000)).unwrap();
        assert_eq!(make(db, &ann, "query=z", at_day(2364)).unwrap().code, again.code);
        assert!(follow(db, &again.code, at_day(2366)).unwrap().is_some(), "one that is handed out again begins anew");
    }

    #[test]
    fn only_the_maker_deletes_a_link_and_admins_those_of_who_is_gone() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at_day(0)).unwrap();
        let bob = users::add(db, "bob", "a long password", Role::Reader, at_day(0)).unwrap();
        let eve = users::add(db, "eve", "a long password", Role::Reader, at_day(0)).unwrap();
        let link = make(db, &bob, "query=x", at_day(0)).unwrap();
        for other in [&ann, &eve] {
            assert_eq!(list(db, other, at_day(0)).unwrap(), []);
            assert!(matches!(delete(db, other, link.id), Err(Error::LinkUnknown)));
        }
        users::remove(db, "bob").unwrap();
        assert_eq!(follow(db, &link.code, at_day(1)).unwrap().as_deref(), Some("query=x"));
        assert_eq!(list(db, &ann, at_day(1)).unwrap()[0].maker, "bob");
        assert!(matches!(delete(db, &eve, link.id), Err(Error::LinkUnknown)));
        delete(db, &ann, link.id).unwrap();
        assert_eq!(follow(db, &link.code, at_day(1)).unwrap(), None);
    }
}
