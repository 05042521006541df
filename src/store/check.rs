//! Checks a store's folder from end to end while nobody has it open, and repairs what can be.
//!
//! Promises: a check changes nothing; it reads every byte that lines depend on, and names each damage with its file, its
//! place and what it costs. A repair throws no byte away that somebody might still read something from, and may be cut
//! short at any moment and begun anew. Never: while a server has the store open.

mod day;
mod report;
mod wal;

use std::fs;
use std::path::Path;
use std::sync::Arc;

pub use report::{Checked, Finding, Lost, Progress, Weight};

use crate::store::error::{Error, damaged, io_error};
use crate::store::keeper::Keeper;
use crate::store::layout::{FORMAT_VERSION, Layout};
use crate::store::{Config, Replay, day_folders, format_text, lock, lost};

use report::Reporter;

/// Reads all of a store and tells what is wrong. `each` is told how far it is.
pub fn check(dir: &Path, replay: &Replay<'_>, each: &mut dyn FnMut(&Progress<'_>)) -> Result<Checked, Error> {
    let layout = existing(dir)?;
    let _lock = lock(&layout)?;
    check_locked(&layout, replay, each)
}

/// Repairs what a check finds. Gives what was found before, and what is left.
pub fn repair(
    config: Config,
    replay: &Replay<'_>,
    each: &mut dyn FnMut(&Progress<'_>),
) -> Result<(Checked, Checked), Error> {
    let layout = existing(&config.dir)?;
    let _lock = lock(&layout)?;
    let before = check_locked(&layout, replay, each)?;
    if before.is_clean() {
        let same = before.clone();
        return Ok((before, same));
    }
    // a newer version's is refused: what it wrote would be taken for damage
    match crate::store::check_format(&layout) {
        Err(error) if error.is_damage() => mend_format(&layout)?,
        checked => checked?,
    }
    for day in &before.days_to_make_again {
        // an index that is not to be believed is as good as none
        crate::store::keeper::put_aside(
            &layout,
            *day,
            &damaged(&layout.day(*day), "its index misses what it should have"),
        )?;
    }
    let keeper = Arc::new(Keeper::open(config, layout.clone())?);
    keeper.replay(replay)?;
    each(&Progress { what: "repair", done_bytes: 0, all_bytes: 0 });
    while keeper.has_aside() {
        keeper.take_back_alone()?;
    }
    keeper.mend()?;
    keeper.stop();
    keeper.finish()?;
    drop(keeper);
    let after = check_locked(&layout, replay, each)?;
    Ok((before, after))
}

/// A folder that is not there is more likely a slip than an empty store.
fn existing(dir: &Path) -> Result<Layout, Error> {
    let layout = Layout::new(dir.to_owned());
    fs::metadata(layout.days()).map_err(io_error("find a store in", dir))?;
    Ok(layout)
}

fn check_locked(layout: &Layout, replay: &Replay<'_>, each: &mut dyn FnMut(&Progress<'_>)) -> Result<Checked, Error> {
    let mut reporter = Reporter::new(each, bytes_of(layout));
    check_format(layout, &mut reporter)?;
    wal::check(layout, replay, &mut reporter)?;
    for day in day_folders(layout)? {
        if day::check(layout, day, &mut reporter)? == day::Index::MakeAgain {
            reporter.checked.days_to_make_again.push(day);
        }
    }
    day::check_others(layout, &mut reporter)?;
    Ok(reporter.checked)
}

/// What is read: blocks, filters and the write-ahead log.
fn bytes_of(layout: &Layout) -> u64 {
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let list = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let wal: u64 = list(&layout.wal()).map(|path| size(&path)).sum();
    wal + list(&layout.days()).map(|day| size(&day.join("blocks.dat"))).sum::<u64>()
}

fn check_format(layout: &Layout, reporter: &mut Reporter<'_>) -> Result<(), Error> {
    let path = layout.format();
    let cure = "repair writes it again";
    match fs::read(&path) {
        Ok(found) if found == format_text().as_bytes() => {}
        Ok(found) => {
            let found = String::from_utf8_lossy(&found).into_owned();
            let what = format!("it says {found:?}, which is not format {FORMAT_VERSION}");
            reporter.damage(&path, what, cure);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            reporter.damage(&path, "it is missing".to_owned(), cure);
        }
        Err(error) => return Err(io_error("read", &path)(error)),
    }
    Ok(())
}

/// Writes the version again. Blocks and segments have marks of their own: those of another version are no blocks here, and
/// a repair that meets them keeps them.
fn mend_format(layout: &Layout) -> Result<(), Error> {
    let path = layout.format();
    match fs::read(&path) {
        Ok(found) if found == format_text().as_bytes() => return Ok(()),
        Ok(found) => drop(lost::keep(layout, "FORMAT", &found)?),
        Err(_) => {}
    }
    crate::store::write_format(layout)
}
