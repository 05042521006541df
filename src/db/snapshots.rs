//! The `snapshots` table: frozen results behind public links.
//!
//! Promises: only who has the link reads one, and only until it ends or is revoked; of the link's secret (256 bits) only
//! a hash is stored; who guesses links is slowed down; the maker and the admins list and revoke; what is over is
//! overwritten on the disk.
//!
//! The content lies in the table as packed bytes, not in files of its own: a snapshot and its link come and go in one
//! transaction, so no crash leaves lines of a log behind that no list shows; packed, it is some hundred kilobytes.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row};

use crate::db::error::on_full;
use crate::db::users::User;
use crate::db::{Address, Db, Error, Kept, Secret, seconds, secret};
use crate::model::Timestamp;

/// How long a snapshot may be kept, in seconds: an hour, a day, a week, a month.
pub const AGES_SECS: [i64; 4] = [3600, 86_400, 7 * 86_400, 30 * 86_400];
/// Bytes of one content, packed.
const CONTENT_BYTES_MAX: usize = 6 << 20;
/// Bytes of all contents.
const ALL_BYTES_MAX: i64 = 512 << 20;
const PER_PERSON_MAX: i64 = 200;

/// What is to be frozen.
#[derive(Clone, Debug)]
pub struct New {
    pub title: String,
    pub query: String,
    pub line_count: u32,
    pub age_secs: i64,
    /// Packed by the caller, and given back as it came.
    pub content: Vec<u8>,
}

/// A snapshot in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub id: i64,
    pub user_id: i64,
    pub maker: String,
    pub title: String,
    pub query: String,
    pub line_count: u32,
    /// Packed.
    pub bytes: u32,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub view_count: u32,
    pub viewed_at: Option<Timestamp>,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    Found {
        content: Vec<u8>,
        expires_at: Timestamp,
    },
    /// There never was one, it is over, or it was revoked: which of them is not told.
    Nothing,
    /// Nothing, and too many wrong links came from this address.
    Slowed {
        retry_after: Duration,
    },
}

/// Keeps a snapshot; the secret goes into its link and is not kept.
pub fn create(db: &Db, user_id: i64, new: &New, now: Timestamp) -> Result<(i64, Secret), Error> {
    if !AGES_SECS.contains(&new.age_secs) {
        return Err(Error::SnapshotAgeInvalid);
    }
    if new.content.len() > CONTENT_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Snapshot, max: CONTENT_BYTES_MAX });
    }
    sweep(db, now)?;
    let secret = Secret::random("");
    let create = |transaction: &rusqlite::Transaction<'_>| {
        let sql = "select coalesce(sum(length(content)), 0), coalesce(sum(user_id = ?1), 0) from snapshots";
        let (bytes, own_count): (i64, i64) =
            transaction.query_row(sql, [user_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if bytes + new.content.len() as i64 > ALL_BYTES_MAX || own_count >= PER_PERSON_MAX {
            return Err(Error::SnapshotsFull);
        }
        let sql = "insert into snapshots (secret_hash, user_id, title, query, line_count, created_at, expires_at, \
                   content) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let (created_at, hash) = (seconds(now), secret::hash(secret.reveal()));
        let New { title, query, line_count, age_secs, content } = new;
        let values = (hash, user_id, title, query, line_count, created_at, created_at + age_secs, content);
        transaction.execute(sql, values)?;
        Ok(transaction.last_insert_rowid())
    };
    let id = db.write(create).map_err(on_full)?;
    Ok((id, secret))
}

/// What the link with this secret leads to, for someone at `address`; counts the view.
pub fn open(db: &Db, secret: &str, address: &Address, now: Timestamp) -> Result<Opened, Error> {
    let found = db.read(|connection| {
        let sql = "select id, content, expires_at from snapshots where secret_hash = ?1 and expires_at > ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let row = statement.query_row((secret::hash(secret), seconds(now)), |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, Timestamp::from_secs(row.get(2)?)))
        });
        Ok(row.optional()?)
    })?;
    let Some((id, content, expires_at)) = found else {
        // only who has no right link waits: many people may come from one address, and 256 bits are not guessed
        let guesses = &db.shared.guesses;
        if let Some(retry_after) = guesses.wait_of_address(address, now) {
            return Ok(Opened::Slowed { retry_after });
        }
        guesses.address_failed(address, now);
        return Ok(Opened::Nothing);
    };
    // A view that cannot be counted, as on a full disk, is shown all the same.
    let count = "update snapshots set view_count = view_count + 1, viewed_at = ?2 where id = ?1";
    let counted = db.write(|transaction| Ok(transaction.execute(count, (id, seconds(now)))?));
    if let Err(error) = counted {
        tracing::warn!(%error, "a view of a snapshot was not counted");
    }
    Ok(Opened::Found { content, expires_at })
}

/// Those that the person made, and for admins everyone's; the newest first.
pub fn list(db: &Db, viewer: &User, now: Timestamp) -> Result<Vec<Snapshot>, Error> {
    db.read(|connection| {
        let sql = "select snapshots.id, user_id, users.name, title, query, line_count, length(content), \
                   snapshots.created_at, expires_at, view_count, viewed_at from snapshots join users \
                   on users.id = user_id where (user_id = ?1 or ?2) and expires_at > ?3 \
                   order by (user_id = ?1) desc, snapshots.created_at desc, snapshots.id desc";
        let mut statement = connection.prepare_cached(sql)?;
        let values = (viewer.id, viewer.is_admin(), seconds(now));
        let found = statement.query_map(values, from_row)?.collect::<Result<_, _>>()?;
        Ok(found)
    })
}

/// Ends a snapshot at once, for its maker or an admin.
pub fn revoke(db: &Db, viewer: &User, id: i64) -> Result<(), Error> {
    db.write(|transaction| {
        let sql = "delete from snapshots where id = ?3 and (user_id = ?1 or ?2)";
        match transaction.execute(sql, (viewer.id, viewer.is_admin(), id))? {
            0 => Err(Error::SnapshotUnknown),
            _ => Ok(()),
        }
    })?;
    db.scrub();
    Ok(())
}

/// Removes what is over.
pub fn sweep(db: &Db, now: Timestamp) -> Result<usize, Error> {
    let sql = "delete from snapshots where expires_at <= ?1";
    let count = db.write(|transaction| Ok(transaction.execute(sql, [seconds(now)])?))?;
    if count > 0 {
        db.scrub();
    }
    Ok(count)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Snapshot> {
    Ok(Snapshot {
        id: row.get(0)?,
        user_id: row.get(1)?,
        maker: row.get(2)?,
        title: row.get(3)?,
        query: row.get(4)?,
        line_count: row.get(5)?,
        bytes: row.get(6)?,
        created_at: Timestamp::from_secs(row.get(7)?),
        expires_at: Timestamp::from_secs(row.get(8)?),
        view_count: row.get(9)?,
        viewed_at: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_secs),
    })
}

#[cfg(test)]
mod tests {
    use crate::db::snapshots::*;
    use crate::db::tests::scratch;
    use crate::db::users::{self, Role};

    const START: i64 = 1_700_000_000;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(START + secs)
    }

    fn anywhere() -> Address {
        Address::new(Some("192.0.2.1".parse().unwrap()))
    }

    fn new(content: &[u8]) -> New {
        let (title, query) = ("errors".to_owned(), "{}".to_owned());
        New { title, query, line_count: 2, age_secs: 3600, content: content.to_vec() }
    }

    #[test]
    fn a_snapshot_is_read_by_its_link_until_it_ends() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Reader, at(0)).unwrap();
        let (_, secret) = create(db, ann.id, &new(b"lines"), at(0)).unwrap();
        assert!(secret.reveal().len() >= 43);
        let opened = open(db, secret.reveal(), &anywhere(), at(3599)).unwrap();
        assert_eq!(opened, Opened::Found { content: b"lines".to_vec(), expires_at: at(3600) });
        let listed = &list(db, &ann, at(3599)).unwrap()[0];
        assert_eq!((listed.view_count, listed.viewed_at, listed.bytes), (1, Some(at(3599)), 5));
        assert_eq!(open(db, secret.reveal(), &anywhere(), at(3600)).unwrap(), Opened::Nothing);
        assert_eq!(list(db, &ann, at(3600)).unwrap(), []);
        assert_eq!(sweep(db, at(3600)).unwrap(), 1);
        let file = std::fs::read(db.path()).unwrap();
        assert!(!file.windows(43).any(|bytes| bytes == secret.reveal().as_bytes()));
    }

    #[test]
    fn only_the_maker_and_admins_list_and_revoke() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at(0)).unwrap();
        let bob = users::add(db, "bob", "a long password", Role::Reader, at(0)).unwrap();
        let eve = users::add(db, "eve", "a long password", Role::Reader, at(0)).unwrap();
        let (id, secret) = create(db, bob.id, &new(b"x"), at(0)).unwrap();
        let (second, _) = create(db, bob.id, &new(b"y"), at(0)).unwrap();
        assert_eq!(list(db, &eve, at(1)).unwrap(), []);
        assert_eq!(list(db, &ann, at(1)).unwrap()[0].maker, "bob");
        assert!(matches!(revoke(db, &eve, id), Err(Error::SnapshotUnknown)));
        revoke(db, &bob, id).unwrap();
        assert_eq!(open(db, secret.reveal(), &anywhere(), at(1)).unwrap(), Opened::Nothing);
        revoke(db, &ann, second).unwrap();
        let (_, secret) = create(db, bob.id, &new(b"z"), at(1)).unwrap();
        users::remove(db, "bob").unwrap();
        assert_eq!(open(db, secret.reveal(), &anywhere(), at(1)).unwrap(), Opened::Nothing, "gone with its maker");
    }

    #[test]
    fn what_is_taken_back_is_in_no_file() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at(0)).unwrap();
        let bob = users::add(db, "bob", "a long password", Role::Reader, at(0)).unwrap();
        let make = |user: &User, secs: i64| create(db, user.id, &new(b"a frozen line"), at(secs)).unwrap().0;
        let revoked = make(&ann, 0);
        assert!(scratch.holds(b"a frozen line"));
        revoke(db, &ann, revoked).unwrap();
        assert!(!scratch.holds(b"a frozen line"), "revoked");
        make(&ann, 0);
        assert_eq!(sweep(db, at(3600)).unwrap(), 1);
        assert!(!scratch.holds(b"a frozen line"), "over");
        make(&ann, 0);
        create(db, ann.id, &new(b"another"), at(3600)).unwrap();
        assert!(!scratch.holds(b"a frozen line"), "over, before anybody swept");
        make(&bob, 3600);
        users::remove(db, "bob").unwrap();
        assert!(!scratch.holds(b"a frozen line"), "gone with its maker");
    }

    #[test]
    fn guessing_is_slowed_for_the_guesser_alone_and_not_at_the_login() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Reader, at(0)).unwrap();
        let (_, secret) = create(db, ann.id, &new(b"x"), at(0)).unwrap();
        let opened: Vec<_> = (0..30).map(|guess| open(db, &guess.to_string(), &anywhere(), at(0)).unwrap()).collect();
        assert_eq!(opened[0], Opened::Nothing);
        assert!(matches!(opened[29], Opened::Slowed { .. }));
        let elsewhere = Address::new(Some("192.0.2.2".parse().unwrap()));
        assert_eq!(open(db, "guess", &elsewhere, at(0)).unwrap(), Opened::Nothing);
        let right = open(db, secret.reveal(), &anywhere(), at(0)).unwrap();
        assert!(matches!(right, Opened::Found { .. }), "who has the right link is not kept out by a neighbour");
        let login = crate::db::logins::attempt(db, "ann", "a long password", &anywhere(), at(0)).unwrap();
        assert!(matches!(login, crate::db::logins::Login::Welcome(_)));
    }

    #[test]
    fn bounds_and_a_full_disk_are_said_and_nothing_is_half_kept() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Reader, at(0)).unwrap();
        let odd = New { age_secs: 5, ..new(b"x") };
        assert!(matches!(create(db, ann.id, &odd, at(0)), Err(Error::SnapshotAgeInvalid)));
        let large = new(&vec![0; CONTENT_BYTES_MAX + 1]);
        assert!(matches!(create(db, ann.id, &large, at(0)), Err(Error::SavedTooLarge { .. })));
        db.read(|connection| Ok(connection.pragma_update(None, "max_page_count", 60)?)).unwrap();
        let outcome = create(db, ann.id, &new(&vec![7; 2 << 20]), at(0));
        assert!(matches!(outcome, Err(Error::DiskFull)), "{outcome:?}");
        assert_eq!(list(db, &ann, at(0)).unwrap(), []);
        create(db, ann.id, &new(b"small"), at(0)).unwrap();
    }
}
