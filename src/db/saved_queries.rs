//! The `saved_queries` table: views of Explore under a name.
//!
//! Promises: only the owner changes a saved query; others see it once it is shared; what is shared outlives its owner:
//! it goes to an admin, and keeps the name of who made it.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::db::error::{on_full, on_taken};
use crate::db::{Db, Error, Kept, seconds};
use crate::model::{Direction, Timestamp};

const NAME_CHARS_MAX: usize = 80;
/// As long as Loki takes a query.
const QUERY_BYTES_MAX: usize = 5120;
const TIME_BYTES_MAX: usize = 64;
/// Twelve columns of long names have room in it.
const MORE_BYTES_MAX: usize = 2048;
const DESCRIPTION_CHARS_MAX: usize = 500;
const TAG_CHARS_MAX: usize = 32;
const TAGS_MAX: usize = 8;
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
    /// The further parameters of the address, encoded: zone, columns and whatever else there is.
    pub more: String,
}

/// What a saved query is called and what it is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    pub name: String,
    pub description: String,
    /// In the order given; see [`parse_tags`].
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedQuery {
    pub id: i64,
    pub owner_id: i64,
    /// Who made it: the owner, or someone who is not there any more and whose shared views an admin owns.
    pub owner_name: String,
    pub name: String,
    pub description: String,
    pub tags: Vec<String>,
    pub view: View,
    pub sharing: Sharing,
    pub pinned: bool,
    pub created_at: Timestamp,
}

/// Tags as people type them, between commas. What is there twice, whatever the case, counts once.
pub fn parse_tags(text: &str) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in text.split(',').map(|tag| tag.trim().trim_start_matches('#')).filter(|tag| !tag.is_empty()) {
        if !tags.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

/// Saves a view under a name that its owner has not used yet.
pub fn create(
    db: &Db,
    owner_id: i64,
    title: &Title,
    view: &View,
    sharing: Sharing,
    now: Timestamp,
) -> Result<SavedQuery, Error> {
    let name = checked(title)?;
    check_view(view)?;
    let create = |transaction: &Transaction<'_>| {
        let sql = "select count(*) from saved_queries where owner_id = ?1";
        let count: i64 = transaction.query_row(sql, [owner_id], |row| row.get(0))?;
        if count >= PER_OWNER_MAX as i64 {
            return Err(Error::SavedTooLarge { what: Kept::List, max: PER_OWNER_MAX });
        }
        let sql = "insert into saved_queries (owner_id, name, query, from_text, to_text, row_limit, direction, more, \
                   shared, tags, description, created_at) \
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let shared = sharing == Sharing::Team;
        let direction = direction_text(view.direction);
        let (tags, description) = (title.tags.join(","), title.description.trim());
        let values = rusqlite::params![
            owner_id,
            name,
            view.query,
            view.from,
            view.to,
            view.limit,
            direction,
            view.more,
            shared,
            tags,
            description,
            seconds(now)
        ];
        transaction.execute(sql, values).map_err(|error| on_taken(error, || Error::SavedNameTaken(name.to_owned())))?;
        let id = transaction.last_insert_rowid();
        visible_to(transaction, owner_id, id)?.ok_or(Error::SavedUnknown)
    };
    db.write(create).map_err(on_full)
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

/// The one that the person has under a name.
pub fn find_named(db: &Db, owner_id: i64, name: &str) -> Result<Option<SavedQuery>, Error> {
    db.read(|connection| {
        let mut statement = connection.prepare_cached(&select("owner_id = ?1 and saved_queries.name = ?2"))?;
        Ok(statement.query_row((owner_id, name.trim()), from_row).optional()?)
    })
}

/// Gives it another name, description and tags.
pub fn retitle(db: &Db, owner_id: i64, id: i64, title: &Title) -> Result<(), Error> {
    let name = checked(title)?;
    let sql = "update saved_queries set name = ?3, description = ?4, tags = ?5 where id = ?2 and owner_id = ?1";
    let (description, tags) = (title.description.trim(), title.tags.join(","));
    db.write(|transaction| {
        let changed = transaction
            .execute(sql, (owner_id, id, name, description, tags))
            .map_err(|error| on_taken(error, || Error::SavedNameTaken(name.to_owned())))?;
        one_changed(changed)
    })
}

/// Puts another view under the same name.
pub fn replace(db: &Db, owner_id: i64, id: i64, view: &View) -> Result<(), Error> {
    check_view(view)?;
    let sql = "update saved_queries set query = ?3, from_text = ?4, to_text = ?5, row_limit = ?6, direction = ?7, \
               more = ?8 where id = ?2 and owner_id = ?1";
    db.write(|transaction| {
        let direction = direction_text(view.direction);
        let values = (owner_id, id, &view.query, &view.from, &view.to, view.limit, direction, &view.more);
        one_changed(transaction.execute(sql, values)?)
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

/// Gives what a person shares to the admin of longest standing, before that person is removed. A name that the admin
/// uses already is told apart by the one of who made it.
pub(in crate::db) fn hand_over(transaction: &Transaction<'_>, owner_id: i64, owner_name: &str) -> Result<(), Error> {
    let sql = "select id from users where role = 'admin' and id <> ?1 order by created_at, id limit 1";
    let Some(admin_id) = transaction.query_row(sql, [owner_id], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(());
    };
    let shared: Vec<(i64, String)> = {
        let mut statement =
            transaction.prepare("select id, name from saved_queries where owner_id = ?1 and shared = 1")?;
        statement.query_map([owner_id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?
    };
    for (id, name) in shared {
        let name = free_name(transaction, admin_id, &name, owner_name)?;
        let sql = "update saved_queries set owner_id = ?2, name = ?3, pinned = 0, author = coalesce(author, ?4) \
                   where id = ?1";
        transaction.execute(sql, (id, admin_id, name, owner_name))?;
    }
    Ok(())
}

fn free_name(connection: &Connection, owner_id: i64, name: &str, author: &str) -> Result<String, Error> {
    let mut statement = connection.prepare_cached("select 1 from saved_queries where owner_id = ?1 and name = ?2")?;
    let mut wanted = name.to_owned();
    let mut number = 1;
    while statement.exists((owner_id, &wanted))? {
        let mark = if number == 1 { format!(" ({author})") } else { format!(" ({author} {number})") };
        let room = NAME_CHARS_MAX.saturating_sub(mark.chars().count());
        wanted = name.chars().take(room).collect::<String>() + &mark;
        number += 1;
    }
    Ok(wanted)
}

fn one_changed(changed: usize) -> Result<(), Error> {
    if changed == 0 { Err(Error::SavedUnknown) } else { Ok(()) }
}

/// The name to store, where all of the title may be stored.
fn checked(title: &Title) -> Result<&str, Error> {
    let name = title.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Error::SavedNameInvalid);
    }
    let is_tag = |tag: &String| {
        !tag.is_empty() && tag.chars().count() <= TAG_CHARS_MAX && !tag.contains(|c: char| c == ',' || c.is_control())
    };
    if title.tags.len() > TAGS_MAX || !title.tags.iter().all(is_tag) {
        return Err(Error::SavedTagInvalid);
    }
    if title.description.chars().count() > DESCRIPTION_CHARS_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Description, max: DESCRIPTION_CHARS_MAX });
    }
    Ok(name)
}

fn check_view(view: &View) -> Result<(), Error> {
    if view.query.len() > QUERY_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Query, max: QUERY_BYTES_MAX });
    }
    if view.from.len() > TIME_BYTES_MAX || view.to.len() > TIME_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Time, max: TIME_BYTES_MAX });
    }
    if view.more.len() > MORE_BYTES_MAX {
        return Err(Error::SavedTooLarge { what: Kept::Look, max: MORE_BYTES_MAX });
    }
    Ok(())
}

fn visible_to(connection: &Connection, user_id: i64, id: i64) -> Result<Option<SavedQuery>, Error> {
    let mut statement =
        connection.prepare_cached(&select("saved_queries.id = ?2 and (owner_id = ?1 or shared = 1)"))?;
    Ok(statement.query_row((user_id, id), from_row).optional()?)
}

fn select(condition: &str) -> String {
    format!(
        "select saved_queries.id, owner_id, coalesce(author, users.name), saved_queries.name, query, from_text, \
         to_text, row_limit, direction, shared, pinned, saved_queries.created_at, more, tags, description \
         from saved_queries join users on users.id = owner_id where ({condition})"
    )
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<SavedQuery> {
    let direction: String = row.get(8)?;
    let shared: bool = row.get(9)?;
    let tags: String = row.get(13)?;
    Ok(SavedQuery {
        id: row.get(0)?,
        owner_id: row.get(1)?,
        owner_name: row.get(2)?,
        name: row.get(3)?,
        description: row.get(14)?,
        tags: parse_tags(&tags),
        view: View {
            query: row.get(4)?,
            from: row.get(5)?,
            to: row.get(6)?,
            limit: row.get(7)?,
            direction: if direction == "forward" { Direction::Forward } else { Direction::Backward },
            more: row.get(12)?,
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
            more: "columns=status%2Cpath".to_owned(),
        }
    }

    fn title(name: &str) -> Title {
        Title { name: name.to_owned(), ..Title::default() }
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
        let saved =
            create(db, ann, &title(" Errors "), &view(r#"{job="x"} |= "error""#), Sharing::Private, NOW).unwrap();
        assert_eq!((saved.name.as_str(), saved.owner_name.as_str()), ("Errors", "ann"));
        assert_eq!(find(db, bob, saved.id).unwrap(), None);
        set_sharing(db, ann, saved.id, Sharing::Team).unwrap();
        assert_eq!(find(db, bob, saved.id).unwrap().unwrap().view, saved.view);
        assert_eq!(names(db, bob), ["Errors"]);
        assert!(matches!(retitle(db, bob, saved.id, &title("mine")), Err(Error::SavedUnknown)));
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
        create(db, ann, &title("a"), &view("{}"), Sharing::Team, NOW).unwrap();
        let b = create(db, ann, &title("b"), &view("{}"), Sharing::Team, NOW).unwrap();
        assert!(matches!(create(db, ann, &title("b"), &view("{}"), Sharing::Team, NOW), Err(Error::SavedNameTaken(_))));
        assert!(matches!(retitle(db, ann, b.id, &title("a")), Err(Error::SavedNameTaken(_))));
        create(db, bob, &title("b"), &view("{}"), Sharing::Private, NOW).unwrap();
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
            let outcome = create(db, ann, &title(bad), &view("{}"), Sharing::Private, NOW);
            assert!(matches!(outcome, Err(Error::SavedNameInvalid)), "{bad:?}");
        }
        let long = view(&"x".repeat(QUERY_BYTES_MAX + 1));
        assert!(matches!(create(db, ann, &title("a"), &long, Sharing::Private, NOW), Err(Error::SavedTooLarge { .. })));
    }

    #[test]
    fn tags_are_few_short_and_each_there_once() {
        assert_eq!(parse_tags(" payments, #oncall,,Payments , 결제 "), ["payments", "oncall", "결제"]);
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let tagged = |tags: &str| Title { tags: parse_tags(tags), description: " why ".to_owned(), ..title("a") };
        let many = (0..9).map(|number| number.to_string()).collect::<Vec<_>>().join(",");
        for bad in [many, "x".repeat(33)] {
            let outcome = create(db, ann, &tagged(&bad), &view("{}"), Sharing::Private, NOW);
            assert!(matches!(outcome, Err(Error::SavedTagInvalid)), "{bad}");
        }
        create(db, ann, &tagged("b,a"), &view("{}"), Sharing::Private, NOW).unwrap();
        let saved = find_named(db, ann, " a ").unwrap().unwrap();
        assert_eq!(
            (saved.tags.join(" "), saved.description.as_str(), saved.view),
            ("b a".to_owned(), "why", view("{}"))
        );
    }

    #[test]
    fn shared_views_of_a_removed_person_go_to_an_admin_under_their_name() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, NOW).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, NOW).unwrap().id;
        create(db, ann, &title("errors"), &view("{}"), Sharing::Private, NOW).unwrap();
        create(db, bob, &title("errors"), &view(r#"{job="x"}"#), Sharing::Team, NOW).unwrap();
        create(db, bob, &title("secret"), &view("{}"), Sharing::Private, NOW).unwrap();
        users::remove(db, "bob").unwrap();
        assert_eq!(names(db, ann), ["errors", "errors (bob)"]);
        let kept = &list(db, ann).unwrap()[1];
        assert_eq!((kept.owner_id, kept.owner_name.as_str(), kept.sharing), (ann, "bob", Sharing::Team));
        delete(db, ann, kept.id).unwrap();
    }
}
