//! Whether an index can be believed: its files against their checksums, what it says of blocks against the data files.
//!
//! A damaged index would not only fail: it could rule out a block that holds what is wanted, and nobody would know. Its
//! files are small (a quarter of a mebibyte for a gibibyte of lines), so they are read whole each time it is opened.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use tantivy::directory::error::OpenReadError;
use tantivy::fastfield::Column;
use tantivy::{Directory, Index, IndexReader, ReloadPolicy};

use crate::store::error::{Error, damaged};
use crate::store::index::{BlockIndex, IndexView, Segment, schema};

/// What each part of an index has a file of; one with deletions has one more.
const EXTENSIONS: [&str; 6] = ["fast", "fieldnorm", "idx", "pos", "store", "term"];

/// The first file of the index that does not agree with its checksum, or is missing, and why.
pub(crate) fn damaged_file(index: &Index) -> tantivy::Result<Option<(PathBuf, String)>> {
    let metas = index.load_metas()?;
    let mut files: Vec<PathBuf> = metas.list_segment_files().into_iter().collect();
    files.sort();
    let has_deletes = metas.segments.iter().any(|segment| segment.has_deletes());
    for file in files {
        let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !index.directory().exists(&file)? {
            if EXTENSIONS.contains(&extension) {
                return Ok(Some((file, "it is missing".to_owned())));
            }
            continue;
        }
        if extension == "del" && !has_deletes {
            continue;
        }
        match index.directory().validate_checksum(&file) {
            Ok(true) => {}
            Ok(false) => return Ok(Some((file, "it does not agree with its checksum".to_owned()))),
            Err(OpenReadError::IoError { io_error, .. }) if io_error.raw_os_error().is_none() => {
                return Ok(Some((file, io_error.to_string())));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

impl BlockIndex {
    /// Reads the index of a folder, and changes nothing; also gives the payload of its last commit.
    pub(crate) fn read(dir: &Path) -> Result<(IndexView, Option<String>), Error> {
        let failed = |source| Error::Index { path: dir.to_owned(), source };
        if !BlockIndex::exists(dir) {
            return Err(damaged(dir, "it is missing, or what it says of itself"));
        }
        let index = Index::open_in_dir(dir).map_err(failed)?;
        let (known, fields) = schema();
        if index.schema() != known {
            return Err(damaged(dir, "it has other fields than ours"));
        }
        let payload = index.load_metas().map_err(failed)?.payload;
        if let Some((file, why)) = damaged_file(&index).map_err(failed)? {
            return Err(damaged(&dir.join(file), why));
        }
        let reader: IndexReader =
            index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(failed)?;
        Ok((IndexView { dir: dir.to_owned(), searcher: reader.searcher(), fields }, payload))
    }
}

impl IndexView {
    /// The numbers of the streams of each block, by its sequence.
    pub(crate) fn streams_of(&self) -> Result<HashMap<u64, Vec<u64>>, Error> {
        let mut streams_of = HashMap::<u64, Vec<u64>>::new();
        for reader in self.searcher.segment_readers() {
            let walked = Segment::open(reader, self.fields).and_then(|segment| {
                segment.each_stream(&mut |number, place| streams_of.entry(place.sequence).or_default().push(number))
            });
            walked.map_err(|source| Error::Index { path: self.dir.clone(), source })?;
        }
        Ok(streams_of)
    }

    /// Why what it says of blocks cannot be, if it cannot: data files with so many bytes, and so many blocks ever made.
    pub(crate) fn nonsense(&self, blocks: u64, skip: u64, sequence: u64) -> tantivy::Result<Option<String>> {
        let mut seen = HashSet::new();
        for reader in self.searcher.segment_readers() {
            let segment = Segment::open(reader, self.fields)?;
            let mut counts =
                segment.numbers.iter().map(Column::num_docs).chain([segment.min.num_docs(), segment.max.num_docs()]);
            if let Some(count) = counts.find(|count| *count != reader.max_doc()) {
                return Ok(Some(format!("a part of it has {} blocks and facts of {count}", reader.max_doc())));
            }
            for doc in (0..reader.max_doc()).filter(|doc| !reader.is_deleted(*doc)) {
                let place = segment.place(doc);
                let ends = |offset: u64, len: u64, file: u64| offset.checked_add(len).is_some_and(|end| end <= file);
                let fits = ends(place.offset, place.len, blocks) && ends(place.skip_offset, place.skip_len, skip);
                if !fits || place.lead_len > place.len || place.min > place.max || place.sequence >= sequence {
                    return Ok(Some(format!("it names a block that cannot be: {place:?}")));
                }
                seen.insert(place.sequence);
            }
        }
        let known = self.searcher.num_docs();
        let found = seen.len() as u64;
        Ok((found > known).then(|| format!("it has {found} blocks, and counts {known}")))
    }
}
