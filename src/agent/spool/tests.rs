//! Tests of the spool over runs of the agent.

use std::os::unix::fs::FileExt as _;

use crate::agent::outlet::Ledger as _;
use crate::agent::positions;
use crate::agent::source::{Progress, Source};
use crate::agent::spool::*;

/// One run of an agent, as far as spools are concerned.
struct Run {
    positions: Arc<Positions>,
    bell: Arc<Bell>,
    status: Status,
    spools: Spools,
}

/// A spool of a run, and who reads it.
struct Job {
    spool: Spool,
    reading: Box<dyn Source>,
}

/// A line as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    end: u64,
    timestamp: Timestamp,
    labels: String,
    tenant: Option<String>,
    structured: Vec<(String, String)>,
    line: String,
}

impl Run {
    fn start(folder: &Path, bytes_max: u64) -> Run {
        Run::try_start(folder, bytes_max).unwrap()
    }

    fn try_start(folder: &Path, bytes_max: u64) -> Result<Run, SpoolError> {
        let path = folder.join("positions.yaml");
        let options = positions::Options { path, sync_period: Duration::ZERO, ignore_invalid_yaml: false };
        let positions = Arc::new(Positions::open(options).unwrap());
        let (bell, status) = (Arc::default(), Status::default());
        let mut options = SpoolOptions::new(folder.join("spool"), bytes_max);
        options.bytes_per_segment = 4096;
        let spools = Spools::open(options, &bell, &positions, &status, &Arc::default())?;
        Ok(Run { positions, bell, status, spools })
    }

    fn job(&self, name: &str) -> Job {
        let spool = self.spools.begin(name, 0, &Labels::default()).unwrap();
        let others = self.bell.wait(Duration::ZERO).others;
        let other = others.into_iter().find(|other| other.source == spool.source()).unwrap();
        Job { spool, reading: other.reading }
    }

    fn answer(&self, job: &Job, place: u64) {
        self.positions.answered(job.spool.source(), place);
    }
}

impl Job {
    fn append(&self, lines: &[&str]) -> Result<(), SpoolError> {
        let labels = Labels::from([("app", "shop")]);
        let lines: Vec<Received<'_>> =
            lines.iter().map(|line| Received { timestamp: None, labels: &labels, line, structured: &[] }).collect();
        self.spool.append(&lines)
    }

    /// One part, of which there may be more.
    fn read_part(&mut self, lines: &mut Vec<Line>) -> Progress {
        let mut last = self.reading.place();
        let progress = self.reading.read(&mut |record| {
            assert!(record.start >= last && record.end > record.start, "in order");
            last = record.end;
            lines.push(Line {
                end: record.end,
                timestamp: record.timestamp.unwrap(),
                labels: record.labels.unwrap().to_string(),
                tenant: record.tenant.map(str::to_owned),
                structured: record.structured.to_vec(),
                line: record.line.to_owned(),
            });
        });
        progress.unwrap()
    }

    fn read(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        while self.read_part(&mut lines) == Progress::More {}
        lines
    }
}

fn texts(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.line.as_str()).collect()
}

/// Files of the segments of the first spool, in order.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder.join("spool")).unwrap().flatten();
    let files = folders.filter(|entry| entry.path().is_dir()).flat_map(|entry| fs::read_dir(entry.path()).unwrap());
    let paths = files.flatten().map(|file| file.path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "spool")).collect();
    paths.sort();
    paths
}

fn bytes(folder: &Path) -> u64 {
    segments(folder).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

#[test]
fn a_line_comes_out_as_it_went_in() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    let mut job = run.job("syslog one");
    let labels = Labels::from([("app", "shop"), ("__tenant_id__", "t1"), ("__other", "x")]);
    let structured = [("trace".to_owned(), "abc".to_owned())];
    let at = Timestamp::from_secs(5);
    let one = Received { timestamp: Some(at), labels: &labels, line: "한글\nand more", structured: &structured };
    job.spool.append(&[one]).unwrap();
    assert!(run.bell.wait(Duration::ZERO).sources.contains(&job.spool.source()));
    let lines = job.read();
    assert_eq!((lines[0].line.as_str(), lines[0].timestamp), ("한글\nand more", at));
    assert_eq!((lines[0].labels.as_str(), lines[0].tenant.as_deref()), (r#"{app="shop"}"#, Some("t1")));
    assert_eq!(lines[0].structured, structured);
    assert!(job.spool.is_read() && !job.spool.is_answered());
    run.answer(&job, lines[0].end);
    assert!(job.spool.is_answered());
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn runs_that_are_killed_lose_nothing_and_read_nothing_twice_that_was_answered() {
    for seed in 0..12 {
        let folder = tempfile::tempdir().unwrap();
        let mut dice = Dice(seed);
        // what was appended, as it was first read: end, time and text stay the same
        let mut known: Vec<Line> = Vec::new();
        let mut appended = 0;
        let mut answered = 0;
        for _ in 0..12 {
            let run = Run::start(folder.path(), 1 << 20);
            let mut job = run.job("killed");
            // how many of the known ones this run begins behind
            let mut next = usize::MAX;
            for _ in 0..dice.roll(30) {
                let lines: Vec<String> = (0..dice.roll(20))
                    .map(|index| format!("{} {}", appended + index, "x".repeat(dice.roll(400) as usize)))
                    .collect();
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                job.append(&lines).unwrap();
                appended += lines.len() as u64;
                let mut read = Vec::new();
                if dice.roll(2) == 0 {
                    job.read_part(&mut read);
                }
                for line in read {
                    let number: usize = line.line.split(' ').next().unwrap().parse().unwrap();
                    if next == usize::MAX {
                        assert!(number <= answered, "{number} after {answered} were answered for");
                        next = number;
                    }
                    assert_eq!(number, next, "in order, none missing");
                    match known.get(number) {
                        Some(before) => assert_eq!(*before, line, "read again, it is the same"),
                        None => known.push(line),
                    }
                    next += 1;
                }
                if next != usize::MAX && dice.roll(3) == 0 {
                    answered = answered.max(next - dice.roll(next as u64 - answered.min(next) as u64 + 1) as usize);
                    if answered > 0 {
                        run.answer(&job, known[answered - 1].end);
                    }
                    run.positions.write().unwrap();
                    job.spool.0.remove_answered();
                }
            }
            drop(job);
            drop(run);
            // a kill within a write
            if let Some(last) = segments(folder.path()).last() {
                let file = File::options().write(true).open(last).unwrap();
                let half = [vec![40, 0, 0, 0], vec![7; dice.roll(30) as usize]].concat();
                file.write_all_at(&half, file.metadata().unwrap().len()).unwrap();
            }
        }
        let run = Run::start(folder.path(), 1 << 20);
        let rest = run.job("killed").read();
        let last = rest.last().map(|line| line.line.split(' ').next().unwrap().parse::<u64>().unwrap());
        assert!(last.is_none_or(|last| last + 1 == appended) && (last.is_some() || answered as u64 == appended));
        let times: Vec<Timestamp> = known.iter().map(|line| line.timestamp).collect();
        assert!(times.is_sorted_by(|one, two| one < two), "each has a time of its own");
    }
}

#[test]
fn the_bound_holds_and_room_comes_with_answers() {
    let folder = tempfile::tempdir().unwrap();
    let max = 64 << 10;
    let run = Run::start(folder.path(), max);
    let mut job = run.job("bounded");
    let line = "x".repeat(500);
    let mut count = 0;
    while job.append(&[&line]).is_ok() {
        count += 1;
    }
    assert!((100..140).contains(&count), "{count}");
    assert!(bytes(folder.path()) <= max && !job.spool.has_room());
    assert!(run.status.problems().iter().any(|(_, reason)| reason.contains("is full")));
    let lines = job.read();
    assert_eq!(lines.len(), count);
    run.answer(&job, lines[count / 2].end);
    assert!(job.spool.has_room());
    job.append(&[&line]).unwrap();
    assert!(run.status.problems().is_empty());
    // more than all there is room for goes in once half of it is free
    run.answer(&job, lines[count - 1].end);
    let huge = "y".repeat(max as usize * 2);
    job.append(&[&huge]).unwrap();
    assert!(job.append(&[&line]).is_err());
    let lines = job.read();
    assert_eq!((lines[0].line.len(), lines[1].line.len()), (500, huge.len()));
    run.answer(&job, lines[1].end);
    job.append(&["small"]).unwrap();
    assert_eq!(texts(&job.read()), ["small"]);
}

#[test]
fn what_was_answered_for_leaves_the_disk_and_places_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    let mut job = run.job("quiet");
    job.append(&["one"]).unwrap();
    let place = job.read()[0].end;
    run.answer(&job, place);
    run.positions.write().unwrap();
    drop((job, run));
    let run = Run::start(folder.path(), 1 << 20);
    let mut job = run.job("quiet");
    assert_eq!((segments(folder.path()).len(), job.reading.place()), (0, place));
    assert_eq!(job.read(), []);
    job.append(&["two"]).unwrap();
    let lines = job.read();
    assert_eq!(texts(&lines), ["two"]);
    assert!(lines[0].end > place);
}

#[test]
fn damage_is_passed_over_and_what_follows_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    let mut job = run.job("damaged");
    let lines: Vec<String> = (0..30).map(|number| format!("{number} {}", "x".repeat(400))).collect();
    for line in &lines {
        job.append(&[line]).unwrap();
    }
    let files = segments(folder.path());
    assert_eq!(files.len(), 3);
    for file in [&files[0], &files[2]] {
        File::options().write(true).open(file).unwrap().write_all_at(b"?", 1000).unwrap();
    }
    let found = job.read();
    let numbers: Vec<&str> = found.iter().map(|line| line.line.split(' ').next().unwrap()).collect();
    assert_eq!(numbers[..4], ["0", "1", "10", "11"]);
    job.append(&["later"]).unwrap();
    assert_eq!(texts(&job.read()), ["later"]);
}

#[test]
fn label_sets_without_end_cost_no_memory_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 8 << 20);
    let mut job = run.job("many");
    let sets: Vec<Labels> = (0..9000).map(|number| Labels::from([("id", format!("{number}").as_str())])).collect();
    for labels in &sets {
        job.spool.append(&[Received { timestamp: None, labels, line: "x", structured: &[] }]).unwrap();
    }
    let lines = job.read();
    assert!(lines.iter().zip(&sets).all(|(line, labels)| line.labels == labels.to_string()));
    assert_eq!(lines.len(), sets.len());
}

#[test]
fn a_folder_belongs_to_one_agent() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    drop(run.job("one"));
    let error = Run::try_start(folder.path(), 1 << 20).err().unwrap();
    assert!(error.to_string().contains("in use by another agent"), "{error}");
    drop(run);
    Run::start(folder.path(), 1 << 20);
}

#[test]
fn what_no_job_reads_any_more_is_named_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    run.job("syslog a/b").append(&["one"]).unwrap();
    drop(run.job("empty"));
    drop(run);
    let run = Run::start(folder.path(), 1 << 20);
    let left: Vec<String> = run.spools.left_behind().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(left, ["syslog a/b"]);
    assert_eq!(texts(&run.job("syslog a/b").read()), ["one"]);
    assert!(run.spools.left_behind().is_empty());
}

#[test]
fn a_disk_that_fails_is_a_spool_that_is_full_until_it_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    let job = run.job("disk");
    let home =
        fs::read_dir(folder.path().join("spool")).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap();
    let away = folder.path().join("away");
    fs::rename(home.path(), &away).unwrap();
    assert!(matches!(job.append(&["one"]), Err(SpoolError::Full)));
    assert!(run.status.problems()[0].1.contains("cannot write to the spool"));
    fs::rename(&away, home.path()).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while !job.spool.has_room() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    job.append(&["one"]).unwrap();
    assert!(run.status.problems().is_empty());
}

#[test]
fn a_spool_is_read_while_it_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 8 << 20);
    let mut job = run.job("busy");
    let spool = job.spool.clone();
    let writer = std::thread::spawn(move || {
        let labels = Labels::from([("app", "shop")]);
        for number in 0..20_000 {
            let line = number.to_string();
            spool.append(&[Received { timestamp: None, labels: &labels, line: &line, structured: &[] }]).unwrap();
        }
    });
    let mut lines = Vec::new();
    let until = Instant::now() + Duration::from_secs(60);
    while lines.len() < 20_000 {
        job.read_part(&mut lines);
        if let Some(line) = lines.last() {
            run.answer(&job, line.end);
        }
        assert!(Instant::now() < until, "{} of 20000", lines.len());
    }
    writer.join().unwrap();
    assert!(lines.iter().enumerate().all(|(number, line)| line.line == number.to_string()));
}

#[test]
fn what_comes_after_the_end_is_refused_and_what_comes_at_the_end_goes_beyond_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(6000);
    {
        let run = Run::start(folder.path(), 16 << 10);
        let job = run.job("a");
        while job.append(&[&long]).is_ok() {}
        let labels = Labels::from([("app", "shop")]);
        let last = Received { timestamp: None, labels: &labels, line: "last", structured: &[] };
        job.spool.append_last(&[Received { line: &long, ..last }, last]).unwrap();
        run.spools.close();
        assert!(job.append(&["late"]).is_err() && job.spool.append_last(&[last]).is_err());
    }
    let run = Run::start(folder.path(), 16 << 10);
    let mut job = run.job("a");
    let mut lines = Vec::new();
    while job.read_part(&mut lines) == Progress::More {}
    assert_eq!(lines.last().unwrap().line, "last");
}

#[test]
fn what_a_bad_disk_spoils_is_kept_beside_the_segment() {
    let folder = tempfile::tempdir().unwrap();
    {
        let run = Run::start(folder.path(), 1 << 20);
        run.job("a").append(&["one", "two"]).unwrap();
    }
    let all = |suffix: &str| -> Vec<PathBuf> {
        let spools = fs::read_dir(folder.path().join("spool")).unwrap().map(|spool| spool.unwrap().path());
        let files = spools.filter(|path| path.is_dir()).flat_map(|path| fs::read_dir(path).unwrap());
        files
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|own| own == suffix))
            .collect()
    };
    let segment = all("spool").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    let mut job = run.job("a");
    let mut lines = Vec::new();
    while job.read_part(&mut lines) == Progress::More {}
    assert_eq!(lines.iter().map(|line| line.line.as_str()).collect::<Vec<_>>(), ["one"]);
    assert_eq!(fs::read(&all("damaged")[0]).unwrap(), bytes);
}

#[test]
fn what_a_cursor_tells_of_is_on_the_disk_before_the_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::start(folder.path(), 1 << 20);
    let job = run.job("journal");
    let count_unsynced = |job: &Job| {
        let mut segments = job.spool.0.lock();
        let (files, folder) = segments.take_unsynced();
        files.len() + usize::from(folder.is_some())
    };
    let received =
        Received { timestamp: None, labels: &Labels::from([("job", "journal")]), line: "x", structured: &[] };
    job.spool.append(&[received]).unwrap();
    run.positions.set_text("journal-main", "s=2");
    run.positions.write().unwrap();
    assert_eq!(count_unsynced(&job), 0);
}
