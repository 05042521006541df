//! The `history` table: what each person asked in Explore, to find it again.
//!
//! Promises: it is read, changed and cleared by its person alone, admins included; each query is there once per kind of
//! range; nothing is remembered of whoever switched it off; at most [`PER_PERSON_MAX`] entries of [`AGE_DAYS_MAX`] days.

use rusqlite::{OptionalExtension, Row};

use crate::db::{Db, Error, seconds};
use crate::model::Timestamp;

/// Enough to find what one asked in a week of trouble, and a bound for the page.
pub const PER_PERSON_MAX: u32 = 500;
pub const AGE_DAYS_MAX: i64 = 90;
/// As long as Loki takes a query; a longer one is not remembered.
const QUERY_BYTES_MAX: usize = 5120;
const MORE_BYTES_MAX: usize = 2048;
/// A typed time is a few words.
const TIME_BYTES_MAX: usize = 256;
const DAY_SECS: i64 = 86_400;

/// What was asked, in the words of Explore's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub query: String,
    pub from: String,
    pub to: String,
    /// The further parameters of the address, encoded.
    pub more: String,
}

impl Question {
    /// Ranges that move with the clock are told apart; fixed ones are all of one kind, or each zoom would be an entry.
    fn range_kind(&self) -> String {
        let moves = |text: &str| text.starts_with("now");
        if moves(&self.from) && moves(&self.to) { format!("{} {}", self.from, self.to) } else { "fixed".to_owned() }
    }
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub id: i64,
    pub question: Question,
    /// When it was asked last.
    pub asked_at: Timestamp,
    pub ask_count: u32,
}

/// Whether what a person asks is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    On,
    Off,
}

/// Notes a question, unless its person switched that off; drops what is old or too much.
pub fn note(db: &Db, user_id: i64, question: &Question, now: Timestamp) -> Result<(), Error> {
    let Question { query, from, to, more } = question;
    let is_long =
        query.len() > QUERY_BYTES_MAX || more.len() > MORE_BYTES_MAX || from.len().max(to.len()) > TIME_BYTES_MAX;
    if is_long || memory(db, user_id)? == Memory::Off {
        return Ok(());
    }
    db.write(|transaction| {
        let sql = "insert into history (user_id, query, range_kind, from_text, to_text, more, asked_at) \
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (user_id, query, range_kind) do update set \
                   from_text = ?4, to_text = ?5, more = ?6, asked_at = ?7, ask_count = ask_count + 1";
        let (Question { query, from, to, more }, kind) = (question, question.range_kind());
        transaction.execute(sql, (user_id, query, kind, from, to, more, seconds(now)))?;
        let sql = "delete from history where user_id = ?1 and (asked_at <= ?2 or id in (select id from history \
                   where user_id = ?1 order by asked_at desc, id desc limit -1 offset ?3))";
        transaction.execute(sql, (user_id, oldest(now), PER_PERSON_MAX))?;
        Ok(())
    })
}

/// A person's entries, the last asked first.
pub fn list(db: &Db, user_id: i64, now: Timestamp) -> Result<Vec<Asked>, Error> {
    db.read(|connection| {
        let sql = format!("{SELECT} where user_id = ?1 and asked_at > ?2 order by asked_at desc, id desc");
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_map((user_id, oldest(now)), from_row)?.collect::<Result<_, _>>()?;
        Ok(found)
    })
}

/// One entry of this person.
pub fn find(db: &Db, user_id: i64, id: i64) -> Result<Asked, Error> {
    db.read(|connection| {
        let mut statement = connection.prepare_cached(&format!("{SELECT} where user_id = ?1 and id = ?2"))?;
        statement.query_row((user_id, id), from_row).optional()?.ok_or(Error::HistoryUnknown)
    })
}

/// Forgets one entry.
pub fn forget(db: &Db, user_id: i64, id: i64) -> Result<(), Error> {
    db.write(|transaction| {
        match transaction.execute("delete from history where user_id = ?1 and id = ?2", (user_id, id))? {
            0 => Err(Error::HistoryUnknown),
            _ => Ok(()),
        }
    })?;
    db.scrub();
    Ok(())
}

/// Forgets all that a person asked.
pub fn clear(db: &Db, user_id: i64) -> Result<(), Error> {
    db.write(|transaction| {
        transaction.execute("delete from history where user_id = ?1", [user_id])?;
        Ok(())
    })?;
    db.scrub();
    Ok(())
}

/// Whether what this person asks is remembered.
pub fn memory(db: &Db, user_id: i64) -> Result<Memory, Error> {
    db.read(|connection| {
        let mut statement = connection.prepare_cached("select history from users where id = ?1")?;
        let on = statement.query_row([user_id], |row| row.get::<_, bool>(0)).optional()?;
        Ok(if on == Some(true) { Memory::On } else { Memory::Off })
    })
}

pub fn set_memory(db: &Db, user_id: i64, memory: Memory) -> Result<(), Error> {
    db.write(|transaction| {
        transaction.execute("update users set history = ?2 where id = ?1", (user_id, memory == Memory::On))?;
        Ok(())
    })
}

/// Drops everyone's entries that are too old.
pub fn sweep(db: &Db, now: Timestamp) -> Result<usize, Error> {
    db.write(|transaction| Ok(transaction.execute("delete from history where asked_at <= ?1", [oldest(now)])?))
}

const SELECT: &str = "select id, query, from_text, to_text, more, asked_at, ask_count from history";

fn oldest(now: Timestamp) -> i64 {
    seconds(now) - AGE_DAYS_MAX * DAY_SECS
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Asked> {
    Ok(Asked {
        id: row.get(0)?,
        question: Question { query: row.get(1)?, from: row.get(2)?, to: row.get(3)?, more: row.get(4)? },
        asked_at: Timestamp::from_secs(row.get(5)?),
        ask_count: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use crate::db::history::*;
    use crate::db::tests::scratch;
    use crate::db::users::{self, Role};

    const START: i64 = 1_700_000_000;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(START + secs)
    }

    fn question(query: &str, from: &str, to: &str) -> Question {
        Question { query: query.to_owned(), from: from.to_owned(), to: to.to_owned(), more: String::new() }
    }

    fn queries(db: &Db, user_id: i64, now: Timestamp) -> Vec<String> {
        list(db, user_id, now).unwrap().into_iter().map(|asked| asked.question.query).collect()
    }

    #[test]
    fn a_question_is_there_once_per_kind_of_range_the_newest_first() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at(0)).unwrap().id;
        let ask =
            |query: &str, from: &str, to: &str, secs| note(db, ann, &question(query, from, to), at(secs)).unwrap();
        ask("a", "now-1h", "now", 1);
        ask("b", "now-1h", "now", 2);
        ask("a", "now-6h", "now", 3);
        ask("a", "2023-11-14T22:00:00Z", "2023-11-14T23:00:00Z", 4);
        ask("a", "2023-11-15T22:00:00Z", "now", 5);
        ask("a", "now-1h", "now", 6);
        let found = list(db, ann, at(7)).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|asked| format!("{} {} {}", asked.question.query, asked.question.from, asked.ask_count))
            .collect();
        assert_eq!(told, ["a now-1h 2", "a 2023-11-15T22:00:00Z 2", "a now-6h 1", "b now-1h 1"]);
    }

    #[test]
    fn it_is_bounded_in_number_and_age_and_can_be_switched_off() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at(0)).unwrap().id;
        for number in 0..PER_PERSON_MAX + 5 {
            note(db, ann, &question(&number.to_string(), "now-1h", "now"), at(i64::from(number))).unwrap();
        }
        let kept = queries(db, ann, at(1000));
        assert_eq!((kept.len(), kept[0].as_str()), (500, "504"));
        assert_eq!(kept[499], "5");
        let later = at(AGE_DAYS_MAX * DAY_SECS + 100);
        assert_eq!(queries(db, ann, later).len(), 404);
        assert_eq!(sweep(db, later).unwrap(), 96);
        set_memory(db, ann, Memory::Off).unwrap();
        note(db, ann, &question("unseen", "now-1h", "now"), later).unwrap();
        assert!(!queries(db, ann, later).contains(&"unseen".to_owned()));
        clear(db, ann).unwrap();
        assert_eq!(queries(db, ann, later), [""; 0]);
    }

    #[test]
    fn what_is_forgotten_is_in_no_file() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at(0)).unwrap().id;
        let ask = || note(db, ann, &question("a private question", "now-1h", "now"), at(1)).unwrap();
        ask();
        assert!(scratch.holds(b"a private question"));
        forget(db, ann, list(db, ann, at(1)).unwrap()[0].id).unwrap();
        assert!(!scratch.holds(b"a private question"), "one by one");
        ask();
        clear(db, ann).unwrap();
        assert!(!scratch.holds(b"a private question"), "all at once");
    }

    #[test]
    fn another_persons_history_is_out_of_reach() {
        let scratch = scratch();
        let db = &scratch.db;
        let ann = users::add(db, "ann", "a long password", Role::Admin, at(0)).unwrap().id;
        let bob = users::add(db, "bob", "a long password", Role::Reader, at(0)).unwrap().id;
        note(db, bob, &question("mine", "now-1h", "now"), at(1)).unwrap();
        let id = list(db, bob, at(1)).unwrap()[0].id;
        assert_eq!(queries(db, ann, at(1)), [""; 0]);
        assert!(matches!(find(db, ann, id), Err(Error::HistoryUnknown)));
        assert!(matches!(forget(db, ann, id), Err(Error::HistoryUnknown)));
        clear(db, ann).unwrap();
        assert_eq!(queries(db, bob, at(1)), ["mine"]);
        users::remove(db, "bob").unwrap();
        assert_eq!(sweep(db, at(AGE_DAYS_MAX * DAY_SECS * 2)).unwrap(), 0, "it went with its person");
    }
}
