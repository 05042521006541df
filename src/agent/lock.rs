//! That one agent alone has a positions file: two would overwrite what the other remembers.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Held as long as it lives; the system lets go of it when the agent is killed.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes a positions file, whether it is there or not.
    ///
    /// # Errors
    ///
    /// Another agent has it, or its folder cannot be written.
    pub(crate) fn take(positions: &Path) -> anyhow::Result<Lock> {
        let path = path_of(positions);
        let hint = || {
            let folder = path.parent().unwrap_or(Path::new(".")).display();
            format!(
                "cannot write positions to {folder}; let the agent write there, or name another file with --positions, or \
                 under positions.filename"
            )
        };
        let file = make(&path).with_context(hint)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { _file: file }),
            Err(fs::TryLockError::WouldBlock) => bail!(
                "another agent is running on the positions in {}: stop that one, or give this one a file of its own with \
                 --positions, or under positions.filename",
                positions.display()
            ),
            Err(fs::TryLockError::Error(error)) => Err(error).with_context(hint),
        }
    }
}

fn path_of(positions: &Path) -> PathBuf {
    let mut name = positions.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn make(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    File::options().write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use crate::agent::lock::Lock;

    #[test]
    fn a_second_agent_is_refused_and_one_that_follows_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/positions.yaml");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err().to_string();
        assert!(error.contains("another agent is running") && error.contains("positions.yaml"), "{error}");
        drop(first);
        Lock::take(&path).unwrap();
    }
}
