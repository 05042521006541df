//! Holds what the compiler does not: which area may know which, and how the code is to look.
//!
//! Reads the sources as text and builds nothing of the crate, so it runs in a moment. Each rule is a table or a
//! constant here, and each finding names the place and the reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// Area, the areas it may import, and why no more.
const ARROWS: [(&str, &[&str], &str); 11] = [
    ("model", &[], "the nouns know nobody"),
    ("logql", &["model"], "the language is pure: it does not know where lines come from"),
    ("store", &["model"], "the store does not know LogQL; `query` lowers an expression to a selection"),
    ("db", &["model"], "small SQL state, apart from the logs"),
    ("ingest", &["model", "store"], "bytes in; it does not ask questions"),
    ("query", &["model", "logql", "store"], "answers out; it does not write"),
    ("agent", &["model", "logql", "ingest"], "what reads files and pushes knows a server by its address alone"),
    ("api", &["model", "logql", "ingest", "query", "db"], "machines come through the doors of ingest and query"),
    ("web", &["model", "logql", "query", "db"], "people read through query, and write nothing to the logs"),
    ("server", &["model", "store", "ingest", "query", "db", "api", "web"], "builds everything, decides nothing"),
    ("cli", &["model", "logql", "store", "ingest", "agent", "query", "db", "api", "web", "server"], "the commands"),
];

/// Crate, the areas that may name it, and why only they.
const OUTSIDE: [(&str, &[&str], &str); 7] = [
    ("tantivy", &["store"], "the index is an inner matter of the store"),
    ("rusqlite", &["db"], "only `db` speaks SQL"),
    ("axum", &["api", "web", "server", "agent"], "HTTP ends at the two faces, and at the agent's own"),
    ("askama", &["web", "agent"], "HTML is for people, who look at the agent too"),
    ("clap", &["cli"], "a library does not read command lines"),
    ("reqwest", &["cli", "agent"], "the server calls nobody"),
    ("tokio_tungstenite", &["cli"], "the server's end of a WebSocket is axum's"),
];

#[test]
fn areas_import_only_what_the_arrows_allow() {
    let mut findings = Findings::default();
    for file in sources("src") {
        let Some(area) = file.area() else { continue };
        let Some((_, allowed, reason)) = ARROWS.iter().find(|(name, ..)| *name == area) else {
            findings.add(&file, 1, format!("the area {area} has no line in ARROWS; add one and say why"));
            continue;
        };
        for (line, target) in file.crate_paths() {
            let is_area = ARROWS.iter().any(|(name, ..)| *name == target);
            if is_area && target != area && !allowed.contains(&target.as_str()) {
                findings.add(&file, line, format!("{area} must not know {target}: {reason}"));
            }
        }
    }
    findings.check();
}

#[test]
fn outside_crates_are_named_only_where_they_are_at_home() {
    let mut findings = Findings::default();
    for file in sources("src") {
        let area = file.area().unwrap_or_default();
        for (name, homes, reason) in OUTSIDE {
            if homes.contains(&area.as_str()) {
                continue;
            }
            for at in file.paths_of(name) {
                findings.add(&file, file.line_at(at), format!("{name} is at home in {homes:?}: {reason}"));
            }
        }
    }
    findings.check();
}

#[test]
fn files_and_functions_fit_a_reader() {
    let mut findings = Findings::default();
    for file in sources("src").into_iter().chain(sources("tests")).chain(sources("benches")) {
        let line_count = file.text.lines().count();
        if line_count > FILE_LINES_MAX {
            findings.add(&file, 1, format!("{line_count} lines; {FILE_LINES_MAX} is the end: split it by its nouns"));
        }
        for (line, name, length) in file.functions() {
            if length > FUNCTION_LINES_MAX {
                findings.add(&file, line, format!("fn {name} has {length} lines; {FUNCTION_LINES_MAX} fit a screen"));
            }
        }
    }
    findings.check();
}

#[test]
fn every_module_says_what_it_is() {
    let mut findings = Findings::default();
    for file in sources("src").into_iter().chain(sources("tests")) {
        if !file.text.starts_with("//!") {
            findings.add(&file, 1, "open with `//!`: what it is, what it promises, what it never does");
        }
    }
    findings.check();
}

#[test]
fn nothing_is_left_lying_about() {
    let mut findings = Findings::default();
    for file in sources("src").into_iter().chain(sources("tests")) {
        for at in file.paths_of("super") {
            findings.add(&file, file.line_at(at), "write the whole path, `crate::…`, instead of `super::`");
        }
        // in two pieces, so that this file does not find itself
        for (left, right, why) in [
            ("FIX", "ME", "finish it, or say in plain words what does not work"),
            ("TO", "DO", "finish it, or say in plain words what does not work"),
            ("dbg", "!(", "a leftover of a search for a fault"),
            ("todo", "!(", "nothing unfinished is shipped"),
            ("unimplemented", "!(", "nothing unfinished is shipped"),
        ] {
            let word = format!("{left}{right}");
            for (at, _) in file.text.match_indices(&word) {
                findings.add(&file, file.line_at(at), format!("{word}: {why}"));
            }
        }
    }
    findings.check();
}

/// What a page says stands in `src/web/language`, where a language that is missing does not compile.
#[test]
fn templates_say_nothing_by_themselves() {
    /// Names, which are the same in every language.
    const NAMES: [&str; 8] = ["logcafe", "LogQL", "Enter", "Esc", "UTC", "JSON", "CSV", "ns"];
    /// It speaks to who keeps the machine, in the language of the agent's log, errors and help: English.
    const OF_THE_AGENT: &str = "templates/agent_targets.html";
    let mut findings = Findings::default();
    let is_of_server = |path: &Path| path.starts_with("templates") && path != Path::new(OF_THE_AGENT);
    for file in every_text_file().into_iter().filter(|file| is_of_server(&file.path)) {
        for (at, said) in said_by_markup(&file.text) {
            // an example to type, or the name of a time zone
            if !said.trim().contains(' ') && said.contains(|letter: char| letter == '/' || letter.is_ascii_digit()) {
                continue;
            }
            let is_foreign = |word: &&str| word.chars().filter(|letter| letter.is_alphabetic()).count() > 1;
            let words = said.split(|letter: char| !letter.is_alphanumeric() && letter != '\'');
            for word in words.filter(is_foreign).filter(|word| !NAMES.contains(word)) {
                findings.add(&file, file.line_at(at), format!("“{word}”: give it a name in src/web/language"));
            }
        }
    }
    findings.check();
}

/// The texts between tags, and those in attributes that people read or hear, without what askama puts in.
fn said_by_markup(template: &str) -> Vec<(usize, String)> {
    const SPOKEN: [&str; 6] = ["aria-label", "title", "placeholder", "alt", "data-copied", "data-key-label"];
    let mut said = Vec::new();
    let plain = without_askama(template);
    let mut silent: Option<&str> = None;
    let mut at = 0;
    while at < plain.len() {
        let rest = &plain[at..];
        if rest.starts_with('<') {
            let end = rest.find('>').map_or(rest.len(), |end| end + 1);
            let tag = &rest[1..end.saturating_sub(1).max(1)];
            let name = tag.split([' ', '\n', '/']).next().unwrap_or("");
            // what is copied into files of machines, and drawings
            if ["pre", "script", "style"].contains(&name) {
                silent = Some(if name == "pre" { "/pre" } else { "" });
            } else if silent.is_some_and(|closing| tag.starts_with(closing)) {
                silent = None;
            }
            for name in SPOKEN {
                let Some(begin) = tag.find(&format!(" {name}=\"")) else { continue };
                let value = tag[begin + name.len() + 3..].split('"').next().unwrap_or("");
                said.push((at, value.to_owned()));
            }
            at += end;
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            if silent.is_none() {
                said.push((at, rest[..end].to_owned()));
            }
            at += end;
        }
    }
    said
}

/// The markup with spaces in place of askama's parts and HTML's entities, so that places stay.
fn without_askama(template: &str) -> String {
    let mut plain = template.to_owned();
    for (open, close) in [
        ("{% block main_class %}", "{% endblock %}"),
        ("{{", "}}"),
        ("{%", "%}"),
        ("{#", "#}"),
        ("<!--", "-->"),
        ("<!", ">"),
    ] {
        while let Some(begin) = plain.find(open) {
            let end = plain[begin..].find(close).map_or(plain.len(), |end| begin + end + close.len());
            let blank: String = plain[begin..end].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
            plain.replace_range(begin..end, &blank);
        }
    }
    plain
}

/// A path or a host of the machine that something was written on works nowhere else.
#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let foreign = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    let mut findings = Findings::default();
    for file in every_text_file() {
        for prefix in &foreign {
            for (at, _) in file.text.match_indices(prefix.as_str()) {
                findings.add(&file, file.line_at(at), format!("the path {prefix} exists on one machine only"));
            }
        }
        for (number, line) in file.text.lines().enumerate() {
            let at_home = match file.path.file_name().and_then(|name| name.to_str()) {
                Some("Cargo.lock") if line.starts_with("source = ") => {
                    line.contains("\"registry+https://github.com/rust-lang/crates.io-index\"")
                }
                Some("package-lock.json") if line.trim_start().starts_with("\"resolved\"") => {
                    line.contains("\"https://registry.npmjs.org/")
                }
                _ => true,
            };
            if !at_home {
                findings.add(&file, number + 1, "packages come from the public registry");
            }
        }
    }
    findings.check();
}

/// What is wrong, one line each.
#[derive(Default)]
struct Findings(String);

impl Findings {
    fn add(&mut self, file: &Source, line: usize, what: impl AsRef<str>) {
        writeln!(self.0, "{}:{line}: {}", file.path.display(), what.as_ref()).expect("a string takes all");
    }

    #[track_caller]
    fn check(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

/// A file, as it is and without its comments and literals.
struct Source {
    /// Seen from the top of the project.
    path: PathBuf,
    text: String,
    /// As long as `text`, line for line; comments, strings and character literals are blank.
    code: String,
}

impl Source {
    fn read(path: &Path) -> Option<Source> {
        let text = std::fs::read_to_string(path).ok()?;
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let code =
            if path.extension().is_some_and(|extension| extension == "rs") { blank(&text) } else { String::new() };
        Some(Source { path: path.strip_prefix(top).unwrap_or(path).to_owned(), text, code })
    }

    /// `src/store/wal.rs` is of the area `store`; `src/lib.rs` and `src/main.rs` are of none.
    fn area(&self) -> Option<String> {
        let below = self.path.strip_prefix("src").ok()?;
        let first = below.components().next()?.as_os_str().to_str()?;
        (!["lib.rs", "main.rs"].contains(&first)).then(|| first.trim_end_matches(".rs").to_owned())
    }

    fn line_at(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Where `name::` begins a path.
    fn paths_of(&self, name: &str) -> Vec<usize> {
        let code = &self.code;
        let begins = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let goes_on = |at: usize| code[at + name.len()..].starts_with("::");
        code.match_indices(name).map(|(at, _)| at).filter(|at| begins(*at) && goes_on(*at)).collect()
    }

    /// Line and first segment of every `crate::…`, those in `crate::{a, b::c}` included.
    fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in self.paths_of("crate") {
            let rest = &self.code[at + "crate::".len()..];
            let Some(group) = rest.strip_prefix('{') else {
                found.push((self.line_at(at), first_word(rest)));
                continue;
            };
            let mut depth = 1;
            let mut paths = vec![String::new()];
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => paths.push(String::new()),
                    _ if depth == 1 => paths.last_mut().expect("one from the start").push(c),
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
            let named = paths.iter().map(|path| first_word(path.trim())).filter(|word| !word.is_empty());
            found.extend(named.map(|word| (self.line_at(at), word)));
        }
        found
    }

    /// Line, name and length in lines of every function with a body.
    fn functions(&self) -> Vec<(usize, String, usize)> {
        let code = &self.code;
        let mut found = Vec::new();
        for (at, _) in code.match_indices("fn ") {
            let starts_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let name = first_word(&code[at + 3..]);
            let mut brackets = 0;
            let head_end = code[at..].char_indices().find(|(_, c)| {
                brackets += match c {
                    '(' | '[' => 1,
                    ')' | ']' => -1,
                    _ => 0,
                };
                brackets == 0 && ['{', ';'].contains(c)
            });
            let Some((offset, '{')) = head_end else { continue };
            if !starts_word || name.is_empty() {
                continue;
            }
            let open = at + offset;
            let mut depth = 0;
            let end = code[open..].char_indices().find(|(_, c)| {
                depth += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                depth == 0
            });
            if let Some((offset, _)) = end {
                found.push((self.line_at(at), name, code[at..=open + offset].lines().count()));
            }
        }
        found
    }
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The text with comments, strings and character literals replaced by blanks; newlines stay.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = blank_length(&bytes[at..], at.checked_sub(1).map(|before| bytes[before]));
        if length == 0 {
            // bytes of a longer character are blanked one by one: only code that is ASCII matters here
            out.push(if bytes[at].is_ascii() { char::from(bytes[at]) } else { ' ' });
            at += 1;
            continue;
        }
        out.extend(bytes[at..at + length].iter().map(|byte| if *byte == b'\n' { '\n' } else { ' ' }));
        at += length;
    }
    out
}

/// How many bytes from here on are a comment or a literal; 0 when here is code.
fn blank_length(rest: &[u8], before: Option<u8>) -> usize {
    let until = |start: usize, end: &[u8]| {
        let found = rest[start..].windows(end.len()).position(|window| window == end);
        found.map_or(rest.len(), |offset| start + offset + end.len())
    };
    let in_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match rest {
        [b'/', b'/', ..] => until(2, b"\n"),
        [b'/', b'*', ..] => until(2, b"*/"),
        [b'"', ..] => quoted_length(rest),
        [b'r', next @ (b'"' | b'#'), ..] if !in_word || before == Some(b'b') => {
            let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
            if rest.get(1 + hashes) != Some(&b'"') || (*next == b'#' && hashes == 0) {
                return 0;
            }
            let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
            until(2 + hashes, &end)
        }
        [b'\'', b'\\', _, ..] => until(3, b"'"),
        // one character between two quotes; anything else after a quote is a lifetime
        [b'\'', first, ..] if !in_word || before == Some(b'b') => {
            let width = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xff => 4,
            };
            if rest.get(1 + width) == Some(&b'\'') { 2 + width } else { 0 }
        }
        _ => 0,
    }
}

fn quoted_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The Rust files below a folder of the project.
fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut paths);
    let rust = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.filter_map(|path| Source::read(path)).collect()
}

/// Every file of the project that is UTF-8, captured data of others aside.
fn every_text_file() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "tests", "templates", "static", "migrations", "docs", "benches", ".ci"] {
        walk(&top.join(folder), &mut paths);
    }
    let single = ["Cargo.toml", "Cargo.lock", "README.md", "build.rs", "clippy.toml", "rustfmt.toml"];
    paths.extend(single.map(|name| top.join(name)));
    let captured = top.join("tests/data");
    paths.iter().filter(|path| !path.starts_with(&captured)).filter_map(|path| Source::read(path)).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let sorted: BTreeMap<PathBuf, bool> = entries
        .filter_map(Result::ok)
        .map(|entry| (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir())))
        .collect();
    for (path, is_folder) in sorted {
        match is_folder {
            true if path.ends_with("node_modules") => {}
            true => walk(&path, paths),
            false => paths.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Source, blank};

    fn source(text: &str) -> Source {
        Source { path: "src/api/x.rs".into(), text: text.to_owned(), code: blank(text) }
    }

    #[test]
    fn comments_and_literals_do_not_count() {
        let text =
            "a(\"crate::store \\\" x\"); // crate::store\nb('\"'); r#\"crate::web \"\"#; c::<'a>(b'\\''); /* d */ 한";
        assert_eq!(
            blank(text).lines().map(str::trim_end).collect::<Vec<_>>(),
            ["a(                   );", "b(   );                  ; c::<'a>(b    );"]
        );
        assert_eq!(blank(text).len(), text.len());
    }

    #[test]
    fn grouped_imports_are_seen() {
        let file = source("use crate::{\n  query::{Engine, Limits},\n  store,\n};\nfn f() { crate::db::open() }");
        let areas: Vec<String> = file.crate_paths().into_iter().map(|(_, area)| area).collect();
        assert_eq!(areas, ["query", "store", "db"]);
    }

    #[test]
    fn functions_are_measured_from_name_to_brace() {
        let file = source("fn a(x: [u8; 2]) -> u8 {\n  1\n}\nimpl T { fn b(); fn c() { if x { y } } }");
        let found: Vec<(String, usize)> =
            file.functions().into_iter().map(|(_, name, length)| (name, length)).collect();
        assert_eq!(found, [("a".to_owned(), 3), ("c".to_owned(), 1)]);
    }
}
