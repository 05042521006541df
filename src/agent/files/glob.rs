//! Which files a pattern means: Promtail's patterns, with `**` for any folders, `*`, `?`, `[…]`, `{a,b}` and `\`.
//!
//! Promises: reads only folders that may hold a match. Follows links, and goes round no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::agent::files::identity::Node;

/// How many patterns one with braces may stand for: nobody writes more by hand.
const VARIANTS_MAX: usize = 1024;
/// How deep `**` looks, so that odd file systems end.
const DEPTH_MAX: usize = 64;

/// A pattern for paths.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    text: String,
    /// A file of just this name is meant, whatever its signs would mean in a pattern; it is called as it is written.
    literal: PathBuf,
    whole: GlobMatcher,
    variants: Vec<Vec<Part>>,
}

/// What stands between two slashes.
#[derive(Clone, Debug)]
enum Part {
    Name(String),
    Pattern(GlobMatcher),
    /// `**`
    AnyFolders,
}

/// What is there for a pattern.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: BTreeMap<PathBuf, Metadata>,
    /// Where a file may appear.
    pub(crate) folders: BTreeSet<PathBuf>,
    /// What could not be looked into.
    pub(crate) problems: BTreeMap<PathBuf, io::Error>,
}

impl Glob {
    /// # Errors
    ///
    /// It is no pattern; the text says why.
    pub(crate) fn parse(text: &str) -> Result<Glob, String> {
        let absolute = std::path::absolute(text).map_err(|error| format!("`{text}` is no path: {error}"))?;
        let path = cleaned(absolute.to_str().ok_or_else(|| format!("`{text}` is no UTF-8"))?);
        let literal = PathBuf::from(if text.starts_with('/') { text } else { &path });
        let whole = matcher(&path)?;
        let mut variants = Vec::new();
        expand(&path, &mut variants)?;
        let variants = variants.iter().map(|variant| parts(variant)).collect::<Result<_, String>>()?;
        Ok(Glob { text: path, literal, whole, variants })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_match(&self, path: &Path) -> bool {
        self.whole.is_match(path) || path == self.literal
    }

    /// Looks for files.
    pub(crate) fn find(&self, found: &mut Found) {
        if let Some(metadata) = fs::metadata(&self.literal).ok().filter(Metadata::is_file) {
            found.folders.extend(self.literal.parent().map(Path::to_owned));
            found.files.insert(self.literal.clone(), metadata);
            return;
        }
        for variant in &self.variants {
            look(Path::new("/"), variant, &mut Vec::new(), found);
        }
    }
}

/// A path without the parts that lead back, `a/../b`.
fn cleaned(path: &str) -> String {
    let mut names = Vec::new();
    for name in path.split('/').filter(|name| !name.is_empty() && *name != ".") {
        match name {
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let end = if path.ends_with('/') && !names.is_empty() { "/" } else { "" };
    format!("/{}{end}", names.join("/"))
}

fn matcher(pattern: &str) -> Result<GlobMatcher, String> {
    let mut builder = GlobBuilder::new(pattern);
    builder.literal_separator(true).backslash_escape(true).empty_alternates(true);
    let glob = builder.build().map_err(|error| format!("`{pattern}` is no pattern: {}", error.kind()))?;
    Ok(glob.compile_matcher())
}

/// One pattern for each choice between braces.
fn expand(pattern: &str, variants: &mut Vec<String>) -> Result<(), String> {
    let Some((start, commas, end)) = first_braces(pattern) else {
        if variants.len() == VARIANTS_MAX {
            return Err(format!("the braces stand for more than {VARIANTS_MAX} patterns"));
        }
        variants.push(pattern.to_owned());
        return Ok(());
    };
    let starts = std::iter::once(start).chain(commas.iter().copied());
    let ends = commas.iter().copied().chain(std::iter::once(end));
    for (from, to) in starts.zip(ends) {
        expand(&format!("{}{}{}", &pattern[..start], &pattern[from + 1..to], &pattern[end + 1..]), variants)?;
    }
    Ok(())
}

/// Where the first braces open, their own commas, and where they close.
fn first_braces(pattern: &str) -> Option<(usize, Vec<usize>, usize)> {
    let (mut depth, mut start, mut commas) = (0, 0, Vec::new());
    let (mut is_escaped, mut is_class) = (false, false);
    for (at, letter) in pattern.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ']' => is_class = false,
            _ if is_class => {}
            '[' => is_class = true,
            '{' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            ',' if depth == 1 => commas.push(at),
            '}' if depth == 1 => return Some((start, commas, at)),
            '}' if depth > 1 => depth -= 1,
            _ => {}
        }
    }
    None
}

fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let names = pattern.split('/').filter(|name| !name.is_empty());
    let part = |name: &str| match name {
        "**" => Ok(Part::AnyFolders),
        name if name.contains(['*', '?', '[', '\\']) => Ok(Part::Pattern(matcher(name)?)),
        name => Ok(Part::Name(name.to_owned())),
    };
    names.map(part).collect()
}

fn look(folder: &Path, parts: &[Part], above: &mut Vec<Node>, found: &mut Found) {
    let Some((part, rest)) = parts.split_first() else { return };
    match part {
        Part::Name(name) => {
            let path = folder.join(name);
            let metadata = fs::metadata(&path);
            if rest.is_empty() || metadata.is_err() {
                found.folders.insert(folder.to_owned());
            }
            meet(path, metadata, rest, above, found);
        }
        Part::Pattern(pattern) => {
            for (name, path) in entries(folder, found) {
                if pattern.is_match(&name) {
                    let metadata = fs::metadata(&path);
                    meet(path, metadata, rest, above, found);
                }
            }
        }
        Part::AnyFolders => {
            // no folder at all, then each with the same pattern again
            if !rest.is_empty() {
                look(folder, rest, above, found);
            }
            for (_, path) in entries(folder, found) {
                let Ok(metadata) = fs::metadata(&path) else { continue };
                if metadata.is_dir() {
                    let node = Node::of(&metadata);
                    if above.len() < DEPTH_MAX && !above.contains(&node) {
                        above.push(node);
                        look(&path, parts, above, found);
                        above.pop();
                    }
                } else if rest.is_empty() && metadata.is_file() {
                    found.files.insert(path, metadata);
                }
            }
        }
    }
}

/// Something whose name fits: a file at the end of the pattern, a folder before.
fn meet(path: PathBuf, metadata: io::Result<Metadata>, rest: &[Part], above: &mut Vec<Node>, found: &mut Found) {
    match metadata {
        Ok(metadata) if metadata.is_dir() => look(&path, rest, above, found),
        Ok(metadata) if rest.is_empty() && metadata.is_file() => drop(found.files.insert(path, metadata)),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => drop(found.problems.insert(path, error)),
    }
}

/// Names and paths of what is in a folder.
fn entries(folder: &Path, found: &mut Found) -> Vec<(String, PathBuf)> {
    found.folders.insert(folder.to_owned());
    match fs::read_dir(folder) {
        Ok(entries) => {
            let named = |entry: fs::DirEntry| (entry.file_name().to_string_lossy().into_owned(), entry.path());
            entries.flatten().map(named).collect()
        }
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                found.problems.insert(folder.to_owned(), error);
            }
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::agent::files::glob::*;

    const FILES: [&str; 12] = [
        "a.log",
        "b.log",
        "c.txt",
        ".hidden.log",
        "x/a.log",
        "x/y/a.log",
        "x/y/z/b.log",
        "app1/app.log",
        "app2/app.log",
        "app2/other.log",
        "odd/[x].log",
        "odd/한국.log",
    ];

    fn check(pattern: &str, expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        for file in FILES {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        // a circle, a folder that is a link, and a link to nothing
        std::os::unix::fs::symlink(folder.path().join("x"), folder.path().join("x/y/round")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("app1"), folder.path().join("link")).unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("dead.log")).unwrap();
        let glob = Glob::parse(&folder.path().join(pattern).to_string_lossy()).unwrap();
        let mut found = Found::default();
        glob.find(&mut found);
        let names = found.files.keys().map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap());
        let names: Vec<&str> = names.filter(|name| !name.contains("round")).collect();
        assert_eq!(names, expected, "{pattern}");
        assert!(found.files.keys().all(|path| glob.is_match(path)), "{pattern}");
    }

    #[test]
    fn patterns_mean_what_they_mean_to_promtail() {
        check("*.log", &[".hidden.log", "a.log", "b.log"]);
        check("?.{log,txt}", &["a.log", "b.log", "c.txt"]);
        check("[!a].log", &["b.log"]);
        check("[^a].log", &["b.log"]);
        check("[a-b].log", &["a.log", "b.log"]);
        check("x/**/a.log", &["x/a.log", "x/y/a.log"]);
        check("x/**", &["x/a.log", "x/y/a.log", "x/y/z/b.log"]);
        check("app*/app.log", &["app1/app.log", "app2/app.log"]);
        check("{app1/app,app2/{other,none}}.log", &["app1/app.log", "app2/other.log"]);
        check("{link,x}/a*.log", &["link/app.log", "x/a.log"]);
        check("odd/\\[x\\].log", &["odd/[x].log"]);
        check("odd/*국.log", &["odd/한국.log"]);
        check("none/*.log", &[]);
        check("a.log", &["a.log"]);
        check("x", &[]);
    }

    #[test]
    fn where_a_file_may_appear_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let mut found = Found::default();
        Glob::parse(&folder.path().join("later/*.log").to_string_lossy()).unwrap().find(&mut found);
        assert_eq!(found.folders.into_iter().collect::<Vec<_>>(), [folder.path()]);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["/a/[", "/a/{b", "/a/[z-a]"] {
            assert!(Glob::parse(pattern).unwrap_err().contains("pattern"), "{pattern}");
        }
        assert!(Glob::parse(&"{a,b}".repeat(11)).is_err());
    }

    #[test]
    fn a_file_of_just_that_name_is_meant_and_called_so() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().to_string_lossy().into_owned();
        for name in ["[ab].log", "a.log"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        for (pattern, expected) in [
            ("/[ab].log", "/[ab].log"),
            ("//a.log", "//a.log"),
            ("/./a.log", "/./a.log"),
            ("//./x/../a*.log", "/a.log"),
            ("/[ac].log", "/a.log"),
        ] {
            let glob = Glob::parse(&format!("{top}{pattern}")).unwrap();
            let mut found = Found::default();
            glob.find(&mut found);
            let names: Vec<_> = found.files.keys().map(|path| path.to_string_lossy().into_owned()).collect();
            assert_eq!(names, [format!("{top}{expected}")], "{pattern}");
            assert!(found.files.keys().all(|path| glob.is_match(path)), "{pattern}");
        }
    }
}
