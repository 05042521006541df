//! Opens the SQLite file and runs the migrations that it has not seen yet.
//!
//! Promises: each migration runs once and whole, also when two processes open the file at the same time; a file made by
//! a newer version, or by other migrations than ours, is refused untouched.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest, Sha256};

use crate::db::{BUSY_TIMEOUT, Error};

/// All migrations, oldest first. See `migrations/README.md`.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_users", include_str!("../../migrations/0001_users.sql")),
    ("0002_sessions", include_str!("../../migrations/0002_sessions.sql")),
    ("0003_tokens", include_str!("../../migrations/0003_tokens.sql")),
    ("0004_saved_queries", include_str!("../../migrations/0004_saved_queries.sql")),
    ("0005_deletions", include_str!("../../migrations/0005_deletions.sql")),
    ("0006_saved_tags", include_str!("../../migrations/0006_saved_tags.sql")),
    ("0007_history", include_str!("../../migrations/0007_history.sql")),
    ("0008_short_links", include_str!("../../migrations/0008_short_links.sql")),
    ("0009_snapshots", include_str!("../../migrations/0009_snapshots.sql")),
    ("0010_panels", include_str!("../../migrations/0010_panels.sql")),
    ("0011_pairings", include_str!("../../migrations/0011_pairings.sql")),
    ("0012_ids_once", include_str!("../../migrations/0012_ids_once.sql")),
];

/// A connection with the tables of this version.
pub(in crate::db) fn connect(path: &Path) -> Result<Connection, Error> {
    let opened = || -> rusqlite::Result<Connection> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // A revoked token must stay revoked after a power cut, so every commit is synced.
        connection.pragma_update(None, "synchronous", "full")?;
        // What is taken back (a snapshot of log lines, a history) is overwritten, not only forgotten.
        connection.pragma_update(None, "secure_delete", "on")?;
        Ok(connection)
    };
    let mut connection = opened().map_err(|source| Error::Open { path: path.to_owned(), source })?;
    run(&mut connection, path, MIGRATIONS).map_err(|error| match error {
        Error::Sql(source) => Error::Open { path: path.to_owned(), source },
        other => other,
    })?;
    connection.pragma_update(None, "foreign_keys", "on")?;
    Ok(connection)
}

/// Makes the tables of this version in an empty database.
pub(in crate::db) fn tables(connection: &mut Connection) -> rusqlite::Result<()> {
    connection
        .execute_batch("create table migrations (name text primary key, sha256 text not null) strict, without rowid")?;
    MIGRATIONS.iter().try_for_each(|(_, sql)| connection.execute_batch(sql))
}

fn run(connection: &mut Connection, path: &Path, migrations: &[(&str, &str)]) -> Result<(), Error> {
    // a table that is made anew must not take the rows with it that name its rows
    connection.pragma_update(None, "foreign_keys", "off")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "create table if not exists migrations (name text primary key, sha256 text not null) strict, without rowid",
    )?;
    let done: Vec<(String, String)> = {
        let mut rows = transaction.prepare("select name, sha256 from migrations order by name")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?
    };
    for (index, (name, sha256)) in done.iter().enumerate() {
        let name = name.clone();
        match migrations.get(index) {
            Some((ours, sql)) if *ours == name && sha256_hex(sql) == *sha256 => {}
            Some(_) => return Err(Error::Foreign { path: path.to_owned(), migration: name }),
            None => return Err(Error::Newer { path: path.to_owned(), migration: name }),
        }
    }
    for (name, sql) in &migrations[done.len()..] {
        transaction.execute_batch(sql)?;
        transaction.execute("insert into migrations values (?1, ?2)", (name, sha256_hex(sql)))?;
    }
    transaction.commit()?;
    Ok(())
}

fn sha256_hex(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use crate::db::migrate::*;

    #[test]
    fn every_file_of_the_folder_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().file_name().to_str()?.strip_suffix(".sql")?.to_owned()))
            .collect();
        files.sort();
        assert_eq!(files, MIGRATIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_of_a_newer_version_or_with_other_migrations_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut connection = connect(&path).unwrap();
        let newer = run(&mut connection, &path, &MIGRATIONS[..1]).unwrap_err().to_string();
        assert!(newer.contains("0002_sessions") && newer.contains("newer"), "{newer}");
        let mut other = MIGRATIONS.to_vec();
        other[1].1 = "create table other (id integer)";
        assert!(matches!(run(&mut connection, &path, &other), Err(Error::Foreign { .. })));
        run(&mut connection, &path, MIGRATIONS).unwrap();
    }

    #[test]
    fn a_table_that_is_made_anew_keeps_its_rows_and_those_that_name_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut connection = Connection::open(&path).unwrap();
        run(&mut connection, &path, &MIGRATIONS[..11]).unwrap();
        connection
            .execute_batch(
                "insert into users values (1, 'ann', '', 'admin', 0, 1);
                 insert into saved_queries values
                     (7, 1, 'errors', '{}', 'now-1h', 'now', 50, 'forward', 1, 1, 5, 'a,b', 'why', 'zone=UTC', 'bob');
                 insert into panels values (1, 1, 0, 'count', '', '{}', 7, '1h', 'half');
                 insert into short_links values (3, 'abc', 1, 'ann', 'query=x', 5, 6, 2);
                 insert into snapshots values (4, x'01', 1, 'title', '{}', 9, 5, 6, 2, 3, x'0203');",
            )
            .unwrap();
        drop(connection);
        let connection = connect(&path).unwrap();
        let row = |sql: &str| -> String {
            connection
                .query_row(sql, [], |row| {
                    let value = |at| row.get::<_, rusqlite::types::Value>(at).unwrap();
                    Ok((0..row.as_ref().column_count()).map(|at| format!("{:?} ", value(at))).collect())
                })
                .unwrap()
        };
        assert!(row("select tags, description, more, author from saved_queries where id = 7").contains("zone=UTC"));
        assert_eq!(row("select saved_id from panels"), "Integer(7) ", "a panel goes on with its saved query");
        assert_eq!(row("select use_count from short_links where id = 3 and code = 'abc'"), "Integer(2) ");
        assert_eq!(row("select content from snapshots where id = 4"), "Blob([2, 3]) ");
        let broken = connection.prepare("pragma foreign_key_check").unwrap().exists([]).unwrap();
        assert!(!broken && row("pragma foreign_keys") == "Integer(1) ");
        connection.execute("delete from saved_queries", []).unwrap();
        assert_eq!(row("select saved_id from panels"), "Null ", "the rules hold again");
        connection
            .execute_batch(
                "insert into saved_queries (owner_id, name, query, from_text, to_text, row_limit, direction, created_at)
                 values (1, 'other', '{}', 'now-1h', 'now', 50, 'forward', 5)",
            )
            .unwrap();
        assert_eq!(row("select id from saved_queries"), "Integer(8) ", "no id is given twice");
    }

    #[test]
    fn a_failing_migration_leaves_the_file_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut connection = connect(&path).unwrap();
        let mut more = MIGRATIONS.to_vec();
        more.push(("0005_good", "create table good (id integer)"));
        more.push(("0006_bad", "create table bad (id integer); nonsense"));
        assert!(run(&mut connection, &path, &more).is_err());
        let tables: i64 = connection
            .query_row("select count(*) from sqlite_master where name in ('good', 'bad')", [], |row| row.get(0))
            .unwrap();
        assert_eq!(tables, 0);
    }
}
