//! Gathers what browsers load into `$OUT_DIR/assets`: our own files of `static/`, and two libraries from npm.
//!
//! A folder of `static/` is one asset of each kind: its files one after the other, in the order of their names; scripts
//! each in a block of its own, so that none sees another's names.
//!
//! Promises: a library's file is exactly the one whose SHA-256 stands here; each asset has its content's hash in its
//! name, and lies there plain, as `.br` and as `.gz`. `asset_urls.rs` holds one constant per asset with its address,
//! so that a page that names a missing asset does not compile.
//! A build needs npm only where `static/node_modules` is missing.
//!
//! And it tells the linker which functions an agent runs (`benches/order/trace`), so that they lie side by side.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// From npm: name of the asset, file in `node_modules`, its SHA-256.
const LIBRARIES: [(&str, &str, &str); 3] = [
    ("htmx.js", "htmx.org/dist/htmx.min.js", "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"),
    ("uplot.js", "uplot/dist/uPlot.iife.min.js", "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
    ("uplot.css", "uplot/dist/uPlot.min.css", "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
];

/// The licences of the libraries, which go with them.
const LICENSES: [(&str, &str); 2] = [("htmx 4.0.1", "htmx.org/LICENSE"), ("uPlot 1.6.32", "uplot/LICENSE")];

/// Kinds of our own files in `static/` that are assets.
const OWN_KINDS: [&str; 4] = ["css", "js", "svg", "png"];

const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW: u32 = 22;

/// The functions that an agent runs, in the order in which they are to lie.
const ORDER: &str = "benches/order/agent.gz";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let source = root.join("static");
    let modules = source.join("node_modules");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=static/package-lock.json");
    // A folder counts as changed when a file in it was added or removed; the files themselves are named below.
    println!("cargo::rerun-if-changed=static");

    fetch_libraries(&source, &modules);
    let folder = out.join("assets");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));

    let mut urls = String::new();
    let mut all = Vec::new();
    for (name, content) in libraries(&modules).into_iter().chain(own_files(&source)) {
        let hashed = write_asset(&folder, &name, &content);
        let constant = name.to_uppercase().replace(['.', '-'], "_");
        writeln!(urls, "pub(crate) const {constant}: &str = \"/assets/{hashed}\";").expect("a string takes all");
        all.push(constant);
    }
    writeln!(urls, "/// All of them.\npub(crate) const ALL: &[&str] = &[{}];", all.join(", "))
        .expect("a string takes all");
    fs::write(out.join("asset_urls.rs"), urls).expect("OUT_DIR is writable");
    order_functions(&root.join(ORDER), &out);
}

/// The list has names of one target and profile, and only the linker that Rust itself brings there is known to take it.
fn order_functions(list: &Path, out: &Path) {
    println!("cargo::rerun-if-changed={ORDER}");
    let said = |name: &str| env::var(name).unwrap_or_default();
    let is_meant = said("TARGET") == "x86_64-unknown-linux-gnu" && said("PROFILE") == "release";
    let is_own_linker = env::var_os("RUSTC_LINKER").is_none() && !said("CARGO_ENCODED_RUSTFLAGS").contains("link");
    let linker = || {
        let sysroot = Command::new(said("RUSTC")).args(["--print", "sysroot"]).output().ok()?;
        let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).ok()?.trim());
        Some(sysroot.join("lib/rustlib/x86_64-unknown-linux-gnu/bin/gcc-ld/ld.lld")).filter(|path| path.exists())
    };
    if !(is_meant && is_own_linker) || linker().is_none() {
        return;
    }
    let packed = fs::File::open(list).unwrap_or_else(|error| panic!("cannot read {}: {error}", list.display()));
    let order = out.join("agent.order");
    let mut file = fs::File::create(&order).expect("OUT_DIR is writable");
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut file).expect("the list is whole");
    println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={}", order.display());
    println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
}

/// Runs `npm ci` where the libraries are not there in the versions of the lock file.
fn fetch_libraries(source: &Path, modules: &Path) {
    let intact = LIBRARIES
        .iter()
        .all(|(_, file, sha256)| fs::read(modules.join(file)).is_ok_and(|content| sha256_hex(&content) == *sha256));
    if intact {
        return;
    }
    let outcome =
        Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(source).output();
    match outcome {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("`npm ci` failed in static/:\n{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            panic!("the build needs htmx and uPlot from npm, but npm does not run ({error}); install Node.js")
        }
    }
}

fn libraries(modules: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |file: &str| {
        let path = modules.join(file);
        fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    };
    let mut found = Vec::new();
    for (name, file, expected) in LIBRARIES {
        let content = read(file);
        let sha256 = sha256_hex(&content);
        assert_eq!(sha256, expected, "static/node_modules/{file} is not the file that was reviewed");
        found.push((name.to_owned(), content));
    }
    let mut licenses = String::new();
    for (library, file) in LICENSES {
        let text = read(file);
        write!(licenses, "{library}\n\n{}\n\n", String::from_utf8_lossy(&text).trim()).expect("a string takes all");
    }
    found.push(("licenses.txt".to_owned(), licenses.into_bytes()));
    found
}

fn own_files(source: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for path in listed(source) {
        let name = name_of(&path);
        if path.is_dir() && name != "node_modules" {
            println!("cargo::rerun-if-changed={}", path.display());
            found.extend(OWN_KINDS.iter().filter_map(|kind| bundle(&path, kind)));
        } else if path.is_file() && OWN_KINDS.contains(&kind_of(&path)) {
            let content = read_own(&path);
            found.push((name, if kind_of(&path) == "css" { without_comments(&content) } else { content }));
        }
    }
    found
}

/// The files of one kind in a folder, as one asset with the folder's name.
fn bundle(folder: &Path, kind: &str) -> Option<(String, Vec<u8>)> {
    let files: Vec<PathBuf> = listed(folder).into_iter().filter(|path| kind_of(path) == kind).collect();
    if files.is_empty() {
        return None;
    }
    let is_script = kind == "js";
    let mut content = if is_script { b"\"use strict\";\n".to_vec() } else { Vec::new() };
    for path in files {
        let text = if kind == "css" { without_comments(&read_own(&path)) } else { read_own(&path) };
        if is_script {
            content.extend_from_slice(b"{\n");
        }
        content.extend_from_slice(&text);
        if is_script {
            content.extend_from_slice(b"}\n");
        }
    }
    Some((format!("{}.{kind}", name_of(folder)), content))
}

/// A style sheet without its comments, which browsers do not need and a first visit would wait for.
fn without_comments(css: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(css);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, comment)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain.into_bytes()
}

/// What lies in a folder, by name.
fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("our file names are ASCII").to_owned()
}

fn kind_of(path: &Path) -> &str {
    path.extension().and_then(|kind| kind.to_str()).unwrap_or("")
}

fn read_own(path: &Path) -> Vec<u8> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Writes one asset three times. Answers its name with the hash in it.
fn write_asset(folder: &Path, name: &str, content: &[u8]) -> String {
    let (stem, kind) = name.rsplit_once('.').expect("assets have an extension");
    let hashed = format!("{stem}-{}.{kind}", &sha256_hex(content)[..12]);
    let write = |suffix: &str, bytes: &[u8]| {
        let path = folder.join(format!("{hashed}{suffix}"));
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    };
    write("", content);
    if kind == "png" {
        return hashed;
    }
    let mut brotli = Vec::new();
    brotli::CompressorWriter::new(&mut brotli, 4096, BROTLI_QUALITY, BROTLI_WINDOW)
        .write_all(content)
        .expect("memory takes all");
    write(".br", &brotli);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(content).expect("memory takes all");
    write(".gz", &gzip.finish().expect("memory takes all"));
    hashed
}

fn sha256_hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
