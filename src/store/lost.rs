//! The folder of damaged bytes: what could not be read is kept there, in files that say where it was.
//!
//! Promises: nothing that somebody might still read something from is thrown away; keeping the same bytes again changes
//! nothing, so that whatever keeps them may be cut short and begin anew. Of days whose blocks are gone it has the rest.
//! Never: a day that can be read, and nothing reads it here.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::store::error::{Error, io_error};
use crate::store::fault;
use crate::store::layout::Layout;
use crate::store::wal::sync_dir;

/// Writes damaged bytes into a file of their own, synced; gives the file. `name` says what they are and where they were.
pub(crate) fn keep(layout: &Layout, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
    let dir = layout.lost();
    fs::create_dir_all(&dir).map_err(io_error("create", &dir))?;
    let mut path = dir.join(name);
    for number in 2.. {
        match fs::read(&path) {
            Ok(kept) if kept == bytes => return Ok(path),
            Ok(_) => path = dir.join(format!("{name}.{number}")),
            Err(_) => break,
        }
    }
    let failed = |path: &Path| io_error("write", path);
    fault::at("lost.keep").map_err(failed(&path))?;
    let mut file = tempfile::NamedTempFile::new_in(&dir).map_err(failed(&path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed(&path))?;
    file.persist(&path).map_err(|error| failed(&path)(error.error))?;
    sync_dir(&dir)?;
    sync_dir(layout.root())?;
    Ok(path)
}

/// Moves a folder here, whole; gives where it is now.
pub(crate) fn keep_dir(layout: &Layout, dir: &Path) -> Result<PathBuf, Error> {
    let lost = layout.lost();
    fs::create_dir_all(&lost).map_err(io_error("create", &lost))?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let mut path = lost.join(&*name);
    for number in 2.. {
        if !path.try_exists().map_err(io_error("look at", &path))? {
            break;
        }
        path = lost.join(format!("{name}.{number}"));
    }
    fs::rename(dir, &path).map_err(io_error("move away", dir))?;
    // it is moved: after a power cut it may be back in its place, and is moved again
    let synced = [&lost, layout.root(), &layout.days()].into_iter().try_for_each(sync_dir);
    synced.unwrap_or_else(|error| tracing::warn!(%error, "a folder that was moved may be back after a power cut"));
    Ok(path)
}

#[cfg(test)]
mod tests {
    use crate::store::layout::Layout;
    use crate::store::lost::keep;

    #[test]
    fn the_same_bytes_are_kept_once_and_others_beside_them() {
        let dir = tempfile::tempdir().expect("a temp folder");
        let layout = Layout::new(dir.path().to_owned());
        let kept = [b"one", b"one", b"two", b"two"].map(|bytes| keep(&layout, "a-7", bytes).expect("it is kept"));
        assert_eq!(kept, ["a-7", "a-7", "a-7.2", "a-7.2"].map(|name| layout.lost().join(name)));
        assert_eq!(std::fs::read(&kept[2]).expect("it is there"), b"two");
    }
}
