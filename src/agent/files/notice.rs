//! The system's word about changes in folders.
//!
//! Promises: a folder that cannot be watched, and one on the network, whose other writers the system does not hear of, is
//! named, so that it is polled. Reading goes on without any of this.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use crate::agent::files::Hearing;
use crate::agent::files::bell::Bell;
use crate::agent::files::identity::Node;

/// File systems that others write to behind our back, by the number that `statfs` has for them.
const NETWORK: [u32; 19] = [
    0x6969,      // nfs
    0x517b,      // smb
    0xff53_4d42, // cifs
    0xfe53_4d42, // smb2
    0x0102_1997, // 9p
    0x6573_5546, // fuse: sshfs, s3fs, glusterfs
    0x00c3_6400, // ceph
    0x0bd0_0bd0, // lustre
    0x5346_414f, // afs
    0x7461_636f, // ocfs2
    0x0116_1970, // gfs2
    0x4750_4653, // gpfs
    0x786f_4256, // vboxsf
    0xbacb_acbc, // vmhgfs
    0x7c7c_6673, // prl_fs
    0x1983_0326, // beegfs
    0x2003_0528, // orangefs
    0xaad7_aaea, // panfs
    0x7375_7245, // coda
];

/// Folders, and which ones they are: a folder that was made anew is watched anew.
type Folders = BTreeMap<PathBuf, Node>;

/// Asks for word about folders.
#[derive(Debug)]
pub(crate) struct Notice {
    /// All folders that are to be watched; what changed is found by the thread.
    wanted: Sender<Folders>,
    last: Folders,
}

impl Notice {
    pub(crate) fn new(bell: &Arc<Bell>, hearing: Hearing) -> Notice {
        let (wanted, receiver) = channel();
        let bell = bell.clone();
        // its own thread, because the watcher answers only when it has told all that happened
        let run = move || run(&receiver, &bell, hearing);
        if let Err(error) = thread::Builder::new().name("agent-watch".to_owned()).spawn(run) {
            tracing::warn!("cannot start the thread that watches folders: {error}; files are polled instead");
        }
        Notice { wanted, last: Folders::new() }
    }

    /// These folders are watched from now on.
    pub(crate) fn watch(&mut self, folders: &BTreeSet<PathBuf>) {
        let with_node = |folder: &PathBuf| Some((folder.clone(), Node::of(&fs::metadata(folder).ok()?)));
        let folders: Folders = folders.iter().filter_map(with_node).collect();
        if folders != self.last {
            self.last.clone_from(&folders);
            // without the thread there is nobody to hear it, and files are polled
            let _ = self.wanted.send(folders);
        }
    }
}

fn run(wanted: &Receiver<Folders>, bell: &Arc<Bell>, hearing: Hearing) {
    let mut watcher = match hearing {
        Hearing::Asked => watcher(bell),
        Hearing::Never => None,
    };
    let mut watched = Folders::new();
    while let Ok(mut folders) = wanted.recv() {
        while let Ok(later) = wanted.try_recv() {
            folders = later;
        }
        for (folder, _) in watched.iter().filter(|(folder, node)| folders.get(*folder) != Some(node)) {
            if let Some(watcher) = &mut watcher {
                // a folder that is gone is watched no more
                let _ = watcher.unwatch(folder);
            }
        }
        let mut has_new = false;
        let mut silent = Vec::new();
        for (folder, _) in folders.iter().filter(|(folder, node)| watched.get(*folder) != Some(node)) {
            has_new = true;
            if let Some(watcher) = watcher.as_mut()
                && let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive)
            {
                silent.push((folder, error));
            } else if watcher.is_some() && !is_on_network(folder) {
                continue;
            }
            bell.unwatched(folder.clone());
        }
        complain(&silent);
        // what happened before the watch began was not told
        if has_new {
            bell.missed();
        }
        watched = folders;
    }
}

fn watcher(bell: &Arc<Bell>) -> Option<RecommendedWatcher> {
    let bell = bell.clone();
    match notify::recommended_watcher(move |event| told(&bell, event)) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!("the system does not tell when files change ({error}); files are polled instead");
            None
        }
    }
}

/// Says in one line what thousands of folders may have in common.
fn complain(silent: &[(&PathBuf, notify::Error)]) {
    let Some((folder, error)) = silent.first() else { return };
    let others = if silent.len() == 1 { String::new() } else { format!(" and {} more", silent.len() - 1) };
    let reason = match &error.kind {
        notify::ErrorKind::Io(error) => error.to_string(),
        notify::ErrorKind::MaxFilesWatch => {
            "no more may be watched; raise the sysctl fs.inotify.max_user_watches".to_owned()
        }
        _ => error.to_string(),
    };
    tracing::warn!(
        "the system tells of no changes in the folder {}{others} ({reason}); files are polled there",
        folder.display()
    );
}

fn is_on_network(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|stat| u32::try_from(stat.f_type).is_ok_and(|kind| NETWORK.contains(&kind)))
}

fn told(bell: &Bell, event: notify::Result<Event>) {
    let event = match event {
        Ok(event) if event.need_rescan() => return bell.missed(),
        Ok(event) => event,
        Err(_) => return bell.missed(),
    };
    match event.kind {
        // our own reading is among these
        EventKind::Access(_) => {}
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Create(_) | EventKind::Remove(_) => bell.named_anew(),
        EventKind::Modify(_) | EventKind::Any | EventKind::Other => {
            event.paths.iter().for_each(|path| bell.changed(path));
        }
    }
}
