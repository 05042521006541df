//! Files that are written, renamed, copied and truncated, removed and made anew at random, while the reader is killed and
//! started again at random: every line arrives, and what arrives twice has the same time.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::agent::reader::rig::{Answers, Line, Rig, append};

/// A daemon and the rotation of its log.
struct Writer {
    random: StdRng,
    folder: std::path::PathBuf,
    count: u32,
    generation: u32,
    lines: Vec<String>,
    /// A line that was begun and has no end yet.
    begun: Option<String>,
    rotation: Arc<Rotation>,
}

/// When the log may be rotated.
struct Rotation {
    /// How many times, until more are allowed.
    allowed: AtomicU32,
    /// What the lines begin with now.
    generation: AtomicU32,
}

impl Writer {
    fn path(&self) -> std::path::PathBuf {
        self.folder.join("app.log")
    }

    fn write(&mut self) {
        for _ in 0..self.random.random_range(1..40) {
            self.count += 1;
            let length = if self.random.random_range(0..50) == 0 { 200_000 } else { self.random.random_range(0..200) };
            let line = format!("{} {} {}", self.generation, self.count, "x".repeat(length));
            match self.begun.take() {
                Some(begun) => {
                    append(&self.path(), format!(" end {line}\n"));
                    self.lines.push(format!("{begun} end {line}"));
                }
                None if self.random.random_range(0..20) == 0 => {
                    append(&self.path(), &line);
                    self.begun = Some(line);
                }
                None => {
                    append(&self.path(), format!("{line}\n"));
                    self.lines.push(line);
                }
            }
        }
    }

    /// The old log ends, be it with a line that has no end.
    fn end(&mut self) -> std::path::PathBuf {
        self.lines.extend(self.begun.take());
        self.generation += 1;
        self.rotation.generation.store(self.generation, Ordering::SeqCst);
        self.folder.join(format!("app.log.{}", self.generation))
    }

    fn may_rotate(&self) -> bool {
        let less = |allowed: u32| allowed.checked_sub(1);
        self.path().exists() && self.rotation.allowed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    fn act(&mut self) {
        match self.random.random_range(0..12) {
            0 | 1 if self.may_rotate() => {
                let old = self.end();
                fs::rename(self.path(), &old).unwrap();
                if self.random.random_range(0..2) == 0 {
                    let line = format!("late {}", self.count);
                    // its last line has its end, then
                    let text = fs::read(&old).unwrap();
                    let start = if text.last().is_some_and(|last| *last != b'\n') { "\n" } else { "" };
                    append(&old, format!("{start}{line}\n"));
                    self.lines.push(line);
                }
            }
            2 | 3 if self.may_rotate() => {
                let old = self.end();
                fs::copy(self.path(), old).unwrap();
                fs::write(self.path(), "").unwrap();
            }
            _ => self.write(),
        }
    }
}

/// With a pattern that does not match what was rotated, the log is rotated once after each of its lives was seen: of one
/// that nobody saw nobody knows.
fn check(seed: u64, pattern: &str, handles: usize) {
    let is_blind = pattern == "app.log";
    let allowed = AtomicU32::new(if is_blind { 0 } else { u32::MAX });
    let rotation = Arc::new(Rotation { allowed, generation: AtomicU32::new(0) });
    let mut rig = Rig::new();
    rig.handles = handles;
    let mut random = StdRng::seed_from_u64(seed);
    let is_over = Arc::new(AtomicBool::new(false));
    let writer = Writer {
        random: StdRng::seed_from_u64(seed + 1),
        folder: rig.path(""),
        count: 0,
        generation: 0,
        lines: Vec::new(),
        begun: None,
        rotation: rotation.clone(),
    };
    let thread = {
        let is_over = is_over.clone();
        let mut writer = writer;
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                writer.act();
                let pause = writer.random.random_range(0..15);
                std::thread::park_timeout(Duration::from_millis(pause));
            }
            // daemons go on
            let last = writer.begun.take().unwrap_or_default() + " last";
            append(&writer.path(), " last\n");
            writer.lines.push(last);
            writer.lines
        })
    };
    for _ in 0..8 {
        rig.answers = Answers::Sometimes(random.random_range(1..5));
        rig.start(vec![rig.target(pattern)]);
        if is_blind {
            let generation = rotation.generation.load(Ordering::SeqCst);
            rig.wait_quietly(
                "the new log is seen",
                |rig| rig.texts().iter().any(|line| line.starts_with(&format!("{generation} "))),
                || format!("seed {seed}: not {generation}"),
            );
            rotation.allowed.store(1, Ordering::SeqCst);
        }
        std::thread::park_timeout(Duration::from_millis(random.random_range(0..300)));
        rig.kill();
        std::thread::park_timeout(Duration::from_millis(random.random_range(0..60)));
    }
    is_over.store(true, Ordering::Relaxed);
    let written = thread.join().unwrap();
    wait_for_all(&mut rig, pattern, seed, &written);
    rig.kill();
    check_times(&rig.taken(), &written, &format!("seed {seed} {pattern}"));
}

/// A last run gets the rest.
fn wait_for_all(rig: &mut Rig, pattern: &str, seed: u64, written: &[String]) {
    rig.answers = Answers::AtOnce;
    rig.start(vec![rig.target(pattern)]);
    let missing = |rig: &Rig| {
        let lines = rig.lines.lock().unwrap();
        let read: HashSet<&str> = lines.iter().map(|line| line.line.as_str()).collect();
        written.iter().filter(|line| !read.contains(line.as_str())).count()
    };
    rig.wait_quietly(
        &format!("every line, seed {seed} {pattern}"),
        |rig| missing(rig) == 0,
        || {
            let read: HashSet<String> = rig.texts().into_iter().collect();
            let short = |line: &String| line.chars().take(60).collect::<String>();
            let lost: Vec<String> = written.iter().filter(|line| !read.contains(*line)).map(short).collect();
            let places: Vec<String> = lost.iter().map(|line| where_is(rig, line)).collect();
            format!(
                "{} of {} are missing: {lost:#?} {places:#?} {:#?}",
                lost.len(),
                written.len(),
                rig.status.sources()
            )
        },
    );
}

/// What came twice came with the same time and labels.
fn check_times(lines: &[Line], written: &[String], what: &str) {
    let mut times: HashMap<&str, &Line> = HashMap::new();
    let mut repeated = Vec::new();
    let whole: HashSet<&str> = written.iter().map(String::as_str).collect();
    for line in lines.iter().filter(|line| whole.contains(line.line.as_str())) {
        let first = times.entry(&line.line).or_insert(line);
        if (first.timestamp, &first.labels) != (line.timestamp, &line.labels) {
            let short = |line: &Line| line.line.chars().take(40).collect::<String>();
            repeated.push((short(line), first.timestamp, line.timestamp, first.labels.clone(), line.labels.clone()));
        }
    }
    assert!(repeated.is_empty(), "{what}: came again with another time or label: {repeated:#?}");
}

/// In which file a line is, and what is known of that.
fn where_is(rig: &Rig, start: &str) -> String {
    for entry in fs::read_dir(rig.path("")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap();
        if let Some(at) = text.find(start) {
            let end = text[at..].find('\n').map(|end| at + end);
            return format!("{:?} at {at} to {end:?} of {}", entry.path(), text.len());
        }
    }
    "in no file".to_owned()
}

#[test]
fn every_line_arrives_and_what_arrives_twice_has_the_same_time() {
    for seed in std::env::var("FIRST").map_or(0, |s| s.parse().unwrap())
        ..std::env::var("SEEDS").map_or(2, |s| s.parse().unwrap())
    {
        check(seed, "app.log", 1000);
        check(seed + 100, "app.log*", 1000);
    }
}
