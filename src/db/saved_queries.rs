//! The `saved_queries` table: views of Explore under a name.
//!
//! Promises: only the owner changes a saved query; others see it once it is shared.

use rusqlite::{OptionalExtension, Row};

use crate::db::error::on_taken;
use crate::db::{Db, Error, seconds};
use crate::model::{Direction, Timestamp};

const NAME_CHARS_MAX: usize = 80;
/// As long as Loki takes a query.
const QUERY_BYTES_MAX: usize = 5120;
const TIME_BYTES_MAX: usize = 64;
/// Per person: enough for anyone, and a bound for the page that lists them.
const PER_OWNER_MAX: usize = 500;

/// Who sees a saved query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    #[default]
    Private,
    Team,
}

/// What Explore shows, in the words of its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub query: String,
    /// As typed: `now-1h`, or an absolute time.
    pub from: String,
    pub to: String,
    pub limit: u32,
    pub direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedQuery {
    pub id: i64,
    pub owner_id: i64,
    pub owner_name: String,
    pub name: String,
    pub view: View,
    pub sharing: Sharing,
    pub pinned: bool,
    pub created_at: Timestamp,
}

/// Saves a view under a name that its owner has not used yet.
pub fn create(
    db: &Db,
    owner_id: i64,
    name: &str,
    view: &View,
    sharing: Sharing,
    now: Timestamp,
) -> Result<SavedQuery, Error> {
    let name = checked_name(name)?;
    check_view(view)?;
    db.write(|transaction| {
        let count: i64 =
            transaction
                .query_row("select count(*) from saved_queries where owner_id = ?1", [owner_id], |row| row.get(0))?;
        if count >= PER_OWNER_MAX as i64 {
            return Err(Error::SavedTooLarge { what: "a person's list of saved queries", max: PER_OWNER_MAX });
        }
        let sql = "insert into saved_queries (owner_id, name, query, from_text, to_text, row_limit, direction, shared, \
                   created_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let shared = sharing == Sharing::Team;
        let direction = direction_text(view.direction);
        transaction
            .execute(
                sql,
                (owner_id, name, &view.query, &view.from, &view.to, view.limit, direction, shared, seconds(now)),
            )
            .map_err(|error| on_taken(error, || Error::SavedNameTaken(name.to_owned())))?;
        let id = transaction.last_insert_rowid();
        visible_to(transaction, owner_id, id)?.ok_or(Error::SavedUnknown)
    })
}

/// The person's own and the shared ones: pinned first, then by name.
pub fn list(db: &Db, user_id: i64) -> Result<Vec<SavedQuery>, Error> {
    db.read(|connection| {
        let sql = select("owner_id = ?1 or shared = 1");
        // Only one's own pins lift a query up.
        let order = "order by (pinned = 1 and owner_id = ?1) desc, saved_queries.name collate nocase, saved_queries.id";
        let mut statement = connection.prepare_cached(&format!("{sql} {order}"))?;
        let found = statement.query_map([user_id], from_row)?.collect::<Result<_, _>>()?;
        Ok(found)
    })
}

/// A saved query that this person may see.
pub fn find(db: &Db, user_id: i64, id: i64) -> Result<Option<SavedQuery>, Error> {
    db.read(|connection| visible_to(connection, user_id, id))
}

pub fn rename(db: &Db, owner_id: i64, id: i64, name: &str) -> Result<(), Error> {
    let name = checked_name(name)?;
    let sql = "update saved_queries set name = ?3 where id = ?2 and owner_id = ?1";
    db.write(|transaction| {
        let changed = transaction
            .execute(sql, (owner_id, id, name))
            .map_err(|error| on_taken(error, || Error::SavedNameTaken(name.to_owned())))?;
        one_changed(changed)
    })
}

/// Puts another view under the same name.
pub fn replace(db: &Db, owner_id: i64, id: i64, view: &View) -> Result<(), Error> {
    check_view(view)?;
    let sql = "update saved_queries set query = ?3, from_text = ?4, to_text = ?5, row_limit = ?6, direction = ?7 \
               where id = ?2 and owner_id = ?1";
    db.write(|transaction| {
        let direction = direction_text(view.direction);
        one_changed(transaction.execute(sql, (owner_id, id, &view.query, &view.from, &view.to, view.limit, direction))?)
    })
}

pub fn set_sharing(db: &Db, owner_id: i64, id: i64, sharing: Sharing) -> Result<(), Error> {
    let sql = "update saved_queries set shared = ?3 where id = ?2 and owner_id = ?1";
    db.write(|transaction| one_changed(transaction.execute(sql, (owner_id, id, sharing == Sharing::Team))?))
}

/// Where a saved query stands in its owner's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    OnTop,
    InLine,
}

pub fn set_pin(db: &Db, owner_id: i64, id: i64, pin: Pin) -> Result<(), Error> {
    let sql = "update saved_queries set pinned = ?3 where id = ?2 and owner_id = ?1";
    db.write(|transaction| one_changed(transaction.execute(sql, (owner_id, id, pin == Pin::OnTop))?))
}

pub fn delete(db: &Db, owner_id: i64, id: i64) -> Result<(), Error> {
    let sql = "delete from saved_queries where id = ?2 and owner_id = ?1";
    db.write(|transaction| one_changed(transaction.execute(sql, (owner_id, id))?))
}

fn one_changed(changed: usize) -> Result<(), Error> {
    if changed == 0 { Err(Error::SavedUnknown) } else { Ok(()) }
}

fn checked_name(name: &str) -> Result<&str, Error> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Error::SavedNameInvalid);
    }
    Ok(name)
}

fn check_view(view: &View) -> Result<(), Error> {
    if view.query.len() > QUERY_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: "a saved query, in bytes,", max: QUERY_BYTES_MAX });
    }
    if view.from.len() > TIME_BYTES_MAX || view.to.len() > TIME_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: "a saved time, in bytes,", max: TIME_BYTES_MAX });
    }
    Ok(())
}

fn visible_to(connection: &rusqlite::Connection, user_id: i64, id: i64) -> Result<Option<SavedQuery>, Error> {
    let mut statement =
        connection.prepare_cached(&select("saved_queries.id = ?2 and (owner_id = ?1 or shared = 1)"))?;
    Ok(statement.query_row((user_id, id), from_row).optional()?)
}

fn select(condition: &str) -> String {
    format!(
        "select saved_queries.id, owner_id, users.name, saved_queries.name, query, from_text, to_text, row_limit, \
         direction, shared, pinned, saved_queries.created_at from saved_queries join users on users.id = owner_id \
         where ({condition})"
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<SavedQuery> {
    let direction: String = row.get(8)?;
    let shared: bool = row.get(9)?;
    Ok(SavedQuery {
        id: row.get(0)?,
        owner_id: row.get(1)?,
        owner_name: row.get(2)?,
        name: row.get(3)?,
        view: View {
            query: row.get(4)?,
            from: row.get(5)?,
            to: row.get(6)?,
            limit: row.get(7)?,
            direction: if direction == "forward" { Direction::Forward } else { Direction::Backward },
        },
        sharing: if shared { Sharing::Team } else { Sharing::Private },
        pinned: row.get(10)?,
        created_at: Timestamp::from_secs(row.get(11)?),
    })
}

fn direction_text(direction: Direction) -> &'static str {
    match direction {
        Direction::Forward => "forward",
        Direction::Backward => "backward",
    }
}

#[cfg(test)]
mod tests {
    use crate::db::saved_queries::*;
    use crate::db::tests::scratch;
    use crate::db::users::{self, Role};

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn view(query: &str) -> View {
        View {
            query: query.to_owned(),
            from: "now-1h".to_owned(),
            to: "now".to_owned(),
            limit: 100,
            direction: Direction::Backward,
        }
    }

    fn names(db: &Db, user_id: i64) -> Vec<String> {
        list(db, user_id).unwrap().into_iter().map(|saved| saved.name).collect()
    }

    #[test]
    fn others_see_a_saved_query_once_it_is_shared_and_never_change_it() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap().id;
        let saved = create(db, ann, " Errors ", &view(r#"{job="x"} |= "error""#), Sharing::Private, NOW).unwrap();
        assert_eq!((saved.name.as_str(), saved.owner_name.as_str()), ("Errors", "ann"));
        assert_eq!(find(db, bob, saved.id).unwrap(), None);
        set_sharing(db, ann, saved.id, Sharing::Team).unwrap();
        assert_eq!(find(db, bob, saved.id).unwrap().unwrap().view, saved.view);
        assert_eq!(names(db, bob), ["Errors"]);
        assert!(matches!(rename(db, bob, saved.id, "mine"), Err(Error::SavedUnknown)));
        assert!(matches!(replace(db, bob, saved.id, &view("{}")), Err(Error::SavedUnknown)));
        assert!(matches!(set_pin(db, bob, saved.id, Pin::OnTop), Err(Error::SavedUnknown)));
        assert!(matches!(set_sharing(db, bob, saved.id, Sharing::Private), Err(Error::SavedUnknown)));
        assert!(matches!(delete(db, bob, saved.id), Err(Error::SavedUnknown)));
        delete(db, ann, saved.id).unwrap();
        assert_eq!(names(db, bob), [""; 0]);
    }

    #[test]
    fn names_are_unique_per_owner_and_pins_come_first() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap().id;
        create(db, ann, "a", &view("{}"), Sharing::Team, NOW).unwrap();
        let b = create(db, ann, "b", &view("{}"), Sharing::Team, NOW).unwrap();
        assert!(matches!(create(db, ann, "b", &view("{}"), Sharing::Team, NOW), Err(Error::SavedNameTaken(_))));
        assert!(matches!(rename(db, ann, b.id, "a"), Err(Error::SavedNameTaken(_))));
        create(db, bob, "b", &view("{}"), Sharing::Private, NOW).unwrap();
        set_pin(db, ann, b.id, Pin::OnTop).unwrap();
        assert_eq!(names(db, ann), ["b", "a"]);
        assert_eq!(names(db, bob), ["a", "b", "b"], "another's pin lifts nothing");
    }

    #[test]
    fn names_and_sizes_are_bounded() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        for bad in ["", "  ", "a\nb", &"x".repeat(81)] {
            let outcome = create(db, ann, bad, &view("{}"), Sharing::Private, NOW);
            assert!(matches!(outcome, Err(Error::SavedNameInvalid)), "{bad:?}");
        }
        let long = view(&"x".repeat(QUERY_BYTES_MAX + 1));
        assert!(matches!(create(db, ann, "a", &long, Sharing::Private, NOW), Err(Error::SavedTooLarge { .. })));
    }
}
