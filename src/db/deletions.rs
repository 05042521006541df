//! The `deletions` table: requests to remove log lines, and a record of those that were carried out.
//!
//! Promises: a request stays open until `finish`, over restarts and crashes; one that was begun cannot be taken back.

use rusqlite::{OptionalExtension, Row};

use crate::db::{Db, Error, seconds};
use crate::model::Timestamp;

/// Requests that may wait at the same time; each is read whole at every look.
pub const OPEN_MAX: u32 = 100;
/// Requests that were carried out are remembered up to here.
const FINISHED_MAX: u32 = 1000;

/// Who wants which lines removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    pub id: i64,
    /// A log query: what it shows is removed.
    pub query: String,
    pub start: Timestamp,
    /// Included.
    pub end: Timestamp,
    pub requested_by: String,
    pub created_at: Timestamp,
    /// Whether it was begun.
    pub begun: bool,
    pub finished_at: Option<Timestamp>,
    /// Lines that were removed, by the attempt that finished it.
    pub line_count: u64,
}

const COLUMNS: &str = "id, query, start_nanos, end_nanos, requested_by, created_at, begun, finished_at, line_count";

/// Notes a request; gives its id.
pub fn add(
    db: &Db,
    query: &str,
    (start, end): (Timestamp, Timestamp),
    requested_by: &str,
    now: Timestamp,
) -> Result<i64, Error> {
    db.write(|transaction| {
        let sql = "select count(*) from deletions where finished_at is null";
        let open: u32 = transaction.query_row(sql, [], |row| row.get(0))?;
        if open >= OPEN_MAX {
            return Err(Error::DeletionsCrowded);
        }
        let sql = "insert into deletions (query, start_nanos, end_nanos, requested_by, created_at)
                   values (?1, ?2, ?3, ?4, ?5)";
        transaction.execute(sql, (query, start.nanos(), end.nanos(), requested_by, seconds(now)))?;
        let id = transaction.last_insert_rowid();
        let sql = "delete from deletions where finished_at is not null and id not in
                   (select id from deletions where finished_at is not null order by id desc limit ?1)";
        transaction.execute(sql, [FINISHED_MAX])?;
        Ok(id)
    })
}

/// All that are remembered, the oldest first.
pub fn list(db: &Db) -> Result<Vec<Deletion>, Error> {
    db.read(|connection| {
        let mut statement = connection.prepare_cached(&format!("select {COLUMNS} from deletions order by id"))?;
        let deletions = statement.query_map([], from_row)?.collect::<Result<_, _>>()?;
        Ok(deletions)
    })
}

/// The request that has waited longest, from now on begun; `None` where there is none.
pub fn begin_next(db: &Db) -> Result<Option<Deletion>, Error> {
    db.write(|transaction| {
        let sql = format!("select {COLUMNS} from deletions where finished_at is null order by id limit 1");
        let next = transaction.query_row(&sql, [], from_row).optional()?;
        if let Some(deletion) = &next {
            transaction.execute("update deletions set begun = 1 where id = ?1", [deletion.id])?;
        }
        Ok(next.map(|deletion| Deletion { begun: true, ..deletion }))
    })
}

/// Notes that a request was carried out, and how many lines that removed.
pub fn finish(db: &Db, id: i64, line_count: u64, now: Timestamp) -> Result<(), Error> {
    db.write(|transaction| {
        let sql = "update deletions set line_count = ?2, finished_at = ?3 where id = ?1";
        let line_count = i64::try_from(line_count).unwrap_or(i64::MAX);
        transaction.execute(sql, (id, line_count, seconds(now)))?;
        Ok(())
    })
}

/// Takes back a request that was not begun.
pub fn cancel(db: &Db, id: i64) -> Result<(), Error> {
    db.write(|transaction| {
        let sql = "select begun from deletions where id = ?1";
        let begun: Option<bool> = transaction.query_row(sql, [id], |row| row.get(0)).optional()?;
        match begun {
            None => Err(Error::DeletionUnknown),
            Some(true) => Err(Error::DeletionBegun),
            Some(false) => {
                transaction.execute("delete from deletions where id = ?1", [id])?;
                Ok(())
            }
        }
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Deletion> {
    let finished_at: Option<i64> = row.get(7)?;
    let line_count: i64 = row.get(8)?;
    Ok(Deletion {
        id: row.get(0)?,
        query: row.get(1)?,
        start: Timestamp::from_nanos(row.get(2)?),
        end: Timestamp::from_nanos(row.get(3)?),
        requested_by: row.get(4)?,
        created_at: Timestamp::from_secs(row.get(5)?),
        begun: row.get(6)?,
        finished_at: finished_at.map(Timestamp::from_secs),
        line_count: line_count.unsigned_abs(),
    })
}

#[cfg(test)]
mod tests {
    use crate::db::Error;
    use crate::db::deletions::{FINISHED_MAX, OPEN_MAX, add, begin_next, cancel, finish, list};
    use crate::db::tests::scratch;
    use crate::model::Timestamp;

    const SPAN: (Timestamp, Timestamp) = (Timestamp::from_nanos(1), Timestamp::from_nanos(2));

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    #[test]
    fn requests_are_done_in_their_order_and_stay_open_until_they_are_finished() {
        let scratch = scratch();
        let first = add(&scratch.db, "{a=\"1\"}", SPAN, "ann", at(10)).unwrap();
        let second = add(&scratch.db, "{a=\"2\"}", SPAN, "ann", at(11)).unwrap();
        for _ in 0..2 {
            let next = begin_next(&scratch.db).unwrap().expect("it is open");
            assert_eq!((next.id, next.begun, next.finished_at), (first, true, None));
        }
        finish(&scratch.db, first, 10, at(20)).unwrap();
        assert_eq!(begin_next(&scratch.db).unwrap().expect("it is open").id, second);
        let all = list(&scratch.db).unwrap();
        assert_eq!((all[0].line_count, all[0].finished_at, all[0].created_at), (10, Some(at(20)), at(10)));
        assert_eq!((all[1].begun, all[1].requested_by.as_str()), (true, "ann"));
    }

    #[test]
    fn only_what_was_not_begun_is_taken_back() {
        let scratch = scratch();
        let first = add(&scratch.db, "{}", SPAN, "ann", at(10)).unwrap();
        let second = add(&scratch.db, "{}", SPAN, "ann", at(10)).unwrap();
        begin_next(&scratch.db).unwrap();
        assert!(matches!(cancel(&scratch.db, first), Err(Error::DeletionBegun)));
        cancel(&scratch.db, second).unwrap();
        assert!(matches!(cancel(&scratch.db, second), Err(Error::DeletionUnknown)));
        assert_eq!(list(&scratch.db).unwrap().len(), 1);
    }

    #[test]
    fn neither_open_nor_finished_requests_pile_up() {
        let scratch = scratch();
        let sql = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500)
                   insert into deletions (query, start_nanos, end_nanos, requested_by, created_at, finished_at)
                   select '{}', 1, 2, 'ann', 3, 4 from n";
        scratch.db.write(|transaction| Ok(transaction.execute(sql, [])?)).unwrap();
        for _ in 0..OPEN_MAX {
            add(&scratch.db, "{}", SPAN, "ann", at(10)).unwrap();
        }
        assert!(matches!(add(&scratch.db, "{}", SPAN, "ann", at(10)), Err(Error::DeletionsCrowded)));
        assert_eq!(list(&scratch.db).unwrap().len(), (OPEN_MAX + FINISHED_MAX) as usize);
    }
}
