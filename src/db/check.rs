//! Whether the database file is whole, and a new one made of what can be read of a damaged one.
//!
//! Promises: a check changes nothing; a repair keeps the damaged file, and may be cut short at any moment.

use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::db::{Error, migrate};

/// What is said of a damage at most: one page of it tells as much as all.
const FINDINGS_MAX: usize = 20;

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Where the damaged file is now.
    pub kept: PathBuf,
    /// Rows that were carried over, by table.
    pub rows: Vec<(String, usize)>,
}

/// What is wrong with the file; nothing where it is whole. One that is not there is not damaged.
pub fn check(path: &Path) -> Result<Vec<String>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut findings = match integrity(path) {
        Ok(findings) => findings,
        Err(error) => vec![error.to_string()],
    };
    findings.truncate(FINDINGS_MAX);
    Ok(findings)
}

fn integrity(path: &Path) -> rusqlite::Result<Vec<String>> {
    // side files of a crash are read only where they may be written
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let lines = |pragma: &str| -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare(pragma)?;
        statement.query_map([], |row| row.get::<_, String>(0))?.collect()
    };
    let mut findings = lines("pragma integrity_check")?;
    findings.retain(|line| line != "ok");
    findings.extend(
        lines("pragma foreign_key_check")?.into_iter().map(|table| format!("{table} names rows that are not there")),
    );
    if findings.is_empty() {
        // a table that is gone as a whole leaves no trace in the file
        let wanted = Connection::open_in_memory().and_then(tables_of_this_version)?;
        let found = tables(&connection)?;
        findings.extend(
            wanted
                .into_iter()
                .filter(|table| !found.contains(table))
                .map(|table| format!("the table {table} is missing")),
        );
    }
    Ok(findings)
}

fn tables_of_this_version(mut fresh: Connection) -> rusqlite::Result<Vec<String>> {
    migrate::tables(&mut fresh)?;
    tables(&fresh)
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection
        .prepare("select name from sqlite_master where type = 'table' and name not like 'sqlite_%' order by name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Makes a new file of the rows that can be read, and keeps the damaged one beside it.
pub fn repair(path: &Path) -> Result<Repaired, Error> {
    let failed = |source| Error::Create { path: path.to_owned(), source };
    let new_path = with_suffix(path, ".repair");
    for side in ["", "-wal", "-shm"] {
        let left = with_suffix(&new_path, side);
        if left.exists() {
            std::fs::remove_file(&left).map_err(failed)?;
        }
    }
    let kept = (1..).map(|number| with_suffix(path, &format!(".damaged-{number}"))).find(|path| !path.exists());
    let kept = kept.unwrap_or_default();
    let new = migrate::connect(&new_path)?;
    let rows = carry_over(path, &new)?;
    // one file alone: what is in its log goes into it
    new.pragma_update(None, "journal_mode", "delete")?;
    new.close().map_err(|(_, source)| Error::Sql(source))?;
    std::fs::copy(path, &kept).map_err(failed)?;
    for side in ["-wal", "-shm"] {
        let (from, to) = (with_suffix(path, side), with_suffix(&kept, side));
        if from.exists() {
            std::fs::copy(&from, &to).and_then(|_| std::fs::remove_file(&from)).map_err(failed)?;
        }
    }
    std::fs::rename(&new_path, path).map_err(failed)?;
    Ok(Repaired { kept, rows })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Copies what can be read, table by table; a row that does not fit the new file's rules is left out.
fn carry_over(path: &Path, new: &Connection) -> Result<Vec<(String, usize)>, Error> {
    let mut carried = Vec::new();
    let Ok(old) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE) else { return Ok(carried) };
    new.pragma_update(None, "foreign_keys", "off")?;
    for table in tables(new)?.into_iter().filter(|table| table != "migrations") {
        let mut count = 0;
        // from both ends: between them may lie a page that cannot be read
        for order in ["", " order by rowid desc"] {
            count += copy_rows(&old, new, &table, order);
        }
        carried.push((table, count));
    }
    // rows whose owner is lost
    loop {
        let mut statement = new.prepare("pragma foreign_key_check")?;
        let broken: Vec<(String, Option<i64>)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let mut removed = 0;
        for (table, rowid) in &broken {
            removed += match rowid {
                Some(rowid) => new.execute(&format!("delete from \"{table}\" where rowid = ?1"), [rowid])?,
                None => new.execute(&format!("delete from \"{table}\""), [])?,
            };
        }
        if removed == 0 {
            return Ok(carried);
        }
    }
}

/// Copies rows until one cannot be read; gives how many were new.
fn copy_rows(old: &Connection, new: &Connection, table: &str, order: &str) -> usize {
    let Ok(mut statement) = old.prepare(&format!("select * from \"{table}\"{order}")) else { return 0 };
    let names: Vec<String> = statement.column_names().into_iter().map(|name| format!("\"{name}\"")).collect();
    let places: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
    let insert = format!("insert or ignore into \"{table}\" ({}) values ({})", names.join(", "), places.join(", "));
    let Ok(mut rows) = statement.query([]) else { return 0 };
    let mut count = 0;
    while let Ok(Some(row)) = rows.next() {
        let values: rusqlite::Result<Vec<Value>> = (0..names.len()).map(|place| row.get(place)).collect();
        let inserted = values.and_then(|values| new.execute(&insert, params_from_iter(values)));
        count += inserted.unwrap_or(0);
    }
    count
}

#[cfg(test)]
mod tests {
    use crate::db::check::{check, repair};
    use crate::db::tests::scratch;
    use crate::db::{Db, users};
    use crate::model::Timestamp;

    #[test]
    fn a_damaged_page_is_found_and_what_can_be_read_is_carried_over() {
        let scratch = scratch();
        let path = scratch.db.path().to_owned();
        for name in ["ann", "bob"] {
            users::add(&scratch.db, name, "a long password", users::Role::Reader, Timestamp::from_secs(1)).unwrap();
        }
        drop(scratch.db);
        assert_eq!(check(&path).unwrap(), Vec::<String>::new());
        let whole = std::fs::read(&path).unwrap();
        let (mut found, mut kept) = (0, 0);
        for page in 0..whole.len() / 4096 {
            let mut damaged = whole.clone();
            // the header of a page, and some of its cells
            damaged[page * 4096..][..if page == 0 { 16 } else { 12 }].fill(0xff);
            std::fs::write(&path, &damaged).unwrap();
            if check(&path).unwrap().is_empty() {
                continue;
            }
            found += 1;
            let repaired = repair(&path).unwrap();
            assert_eq!(std::fs::read(&repaired.kept).unwrap(), damaged);
            assert_eq!(check(&path).unwrap(), Vec::<String>::new(), "page {page}");
            let db = Db::open(&path).unwrap();
            kept += users::list(&db).unwrap().len();
            drop(db);
            std::fs::remove_file(&repaired.kept).unwrap();
        }
        assert!(found > 3 && kept > found, "{found} damages found, {kept} users kept");
    }
}
