//! Files as they are found on machines: growing, rotated, copied, linked, compressed, in odd encodings.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;

use crate::agent::recorder::Recorder;
use crate::agent::{Ground, Server, job, wait_for};

/// A folder whose logs of a pattern are read and recorded.
fn watched(pattern: &str, stages: &str) -> (Ground, Recorder) {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.configure_logs(&[&recorder.url()], pattern, stages);
    (ground, recorder)
}

/// The same with other keys of the job.
fn watched_with(pattern: &str, keys: &str) -> (Ground, Recorder) {
    let (ground, recorder) = (Ground::new(), Recorder::start());
    ground.configure(&[&recorder.url()], &format!("{}{keys}", job(pattern, "")));
    (ground, recorder)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).expect("it is in memory");
    writer.finish().expect("it is in memory")
}

#[test]
fn a_file_is_read_and_the_server_has_each_line_once_in_order() {
    let (ground, server) = (Ground::new(), Server::start());
    ground.append("app.log", "one\ntwo\n");
    ground.configure_clients(&server.client_yaml(), &job("*.log", ""));
    let agent = ground.agent();
    server.expect("{job=\"test\"}", &["one", "two"]);
    ground.append("app.log", "three\n");
    server.expect("{job=\"test\"}", &["one", "two", "three"]);
    agent.terminate();
    assert!(ground.positions().contains("app.log: \"14\""), "{}", ground.positions());
}

#[test]
fn what_was_answered_for_is_not_sent_again_by_the_next_run() {
    let (ground, recorder) = watched("*.log", "");
    ground.append("app.log", "one\ntwo\n");
    let agent = ground.agent();
    recorder.expect(&["one", "two"]);
    agent.terminate();
    ground.append("app.log", "three\n");
    let agent = ground.agent();
    recorder.expect(&["one", "two", "three"]);
    agent.terminate();
    let expected = format!("{{filename=\"{}\", job=\"test\"}}", ground.log("app.log").display());
    assert_eq!(recorder.lines()[0].labels, expected);
}

#[test]
fn the_positions_of_promtail_are_continued_whatever_the_names() {
    let (ground, recorder) = watched("*.log", "");
    let names = ["app.log", "it's: odd # 1.log", "a \"b\" c.log", "한국.log", "-.log", "new\nline.log"];
    for name in names {
        ground.append(name, format!("old\nnew of {name:?}\n"));
    }
    // as Go's YAML writes them: plain, in single and in double quotes, and a cursor of the journal
    ground.write(
        "positions.yaml",
        "positions:\n  FOLDER/logs/-.log: \"4\"\n  'FOLDER/logs/a \"b\" c.log': \"4\"\n  FOLDER/logs/app.log: \"4\"\n  \
         'FOLDER/logs/it''s: odd # 1.log': \"4\"\n  \"FOLDER/logs/new\\nline.log\": \"4\"\n  \
         FOLDER/logs/한국.log: \"4\"\n  cursor-journal: s=ab;i=1f;b=c\n",
    );
    let agent = ground.agent();
    recorder.wait_for("a new line of each", |recorder| recorder.texts().len() >= names.len());
    let mut texts = recorder.texts();
    texts.sort();
    let mut expected: Vec<String> = names.iter().map(|name| format!("new of {name:?}")).collect();
    expected.sort();
    assert_eq!(texts, expected);
    agent.terminate();
    assert!(ground.positions().contains("s=ab;i=1f;b=c"), "{}", ground.positions());
    // what we wrote there ourselves is understood as well
    names.iter().for_each(|name| ground.append(name, "third\n"));
    let agent = ground.agent();
    recorder.wait_for("a third line of each", |recorder| recorder.texts().len() >= 2 * names.len());
    assert!(recorder.texts()[names.len()..].iter().all(|text| text == "third"), "{:?}", recorder.texts());
    agent.terminate();
}

#[test]
fn logs_are_rotated_by_renaming_copying_and_compressing_and_no_line_is_lost_or_doubled() {
    let (ground, recorder) =
        watched_with("app.log*", "  decompression: {enabled: true, initial_delay: 0s, format: gz}\n");
    let old = ground.log("app.log.1");
    ground.append("app.log", "1\n2\n");
    let agent = ground.agent();
    recorder.expect(&["1", "2"]);
    // renamed, with a daemon that writes on for a while
    fs::rename(ground.log("app.log"), &old).unwrap();
    ground.append("app.log.1", "3\n");
    recorder.expect(&["1", "2", "3"]);
    ground.append("app.log", "4\n");
    recorder.expect(&["1", "2", "3", "4"]);
    // what was rotated is compressed
    fs::write(ground.log("app.log.1.gz"), gzip(&fs::read(&old).unwrap())).unwrap();
    fs::remove_file(&old).unwrap();
    ground.append("app.log", "5\n");
    recorder.expect(&["1", "2", "3", "4", "5"]);
    // copied and truncated
    fs::copy(ground.log("app.log"), ground.log("app.log.2")).unwrap();
    fs::write(ground.log("app.log"), "").unwrap();
    ground.append("app.log", "6, and it is longer than all that was there before\n");
    recorder.wait_for("the line after the truncation", |recorder| recorder.texts().len() >= 6);
    agent.terminate();
    // renamed and compressed while nobody looks, with lines that nobody read
    ground.append("app.log", "7\n");
    fs::write(ground.log("app.log.3.gz"), gzip(&fs::read(ground.log("app.log")).unwrap())).unwrap();
    fs::remove_file(ground.log("app.log")).unwrap();
    ground.append("app.log", "8\n");
    let agent = ground.agent();
    recorder.wait_for("8", |recorder| recorder.texts().len() >= 8);
    ground.append("app.log", "9\n");
    recorder.wait_for("9", |recorder| recorder.texts().contains(&"9".to_owned()));
    agent.terminate();
    let begins: Vec<String> = recorder.texts().iter().map(|text| text.chars().take(1).collect()).collect();
    assert_eq!(begins.concat(), "123456789");
}

#[test]
fn a_pattern_that_nothing_matches_is_said_and_read_when_something_does() {
    let (ground, recorder) = watched("*.log", "");
    let agent = ground.agent();
    agent.wait_for_log("/logs/*.log yet; it is read as soon as there is one");
    ground.append("a.log", "one\n");
    recorder.expect(&["one"]);
    agent.terminate();
}

#[test]
fn files_appear_and_vanish_also_behind_links_that_are_swapped() {
    let (ground, recorder) = watched("**/*.log", "");
    // as Kubernetes mounts a volume: the name is a link into ..data, which is a link to a folder with a date
    let version = |number: u32| ground.log(&format!("..2026_{number}"));
    for number in [1, 2] {
        fs::create_dir(version(number)).unwrap();
        fs::write(version(number).join("a.log"), format!("version {number}\n")).unwrap();
    }
    symlink(version(1), ground.log("..data")).unwrap();
    symlink("..data/a.log", ground.log("link.log")).unwrap();
    ground.configure_logs(&[&recorder.url()], "link.log", "");
    let agent = ground.agent();
    recorder.expect(&["version 1"]);
    symlink(version(2), ground.log("..new")).unwrap();
    fs::rename(ground.log("..new"), ground.log("..data")).unwrap();
    recorder.expect(&["version 1", "version 2"]);
    let mut grown = fs::OpenOptions::new().append(true).open(version(2).join("a.log")).unwrap();
    grown.write_all(b"grown\n").unwrap();
    recorder.expect(&["version 1", "version 2", "grown"]);
    fs::remove_file(ground.log("link.log")).unwrap();
    agent.terminate();

    ground.configure_logs(&[&recorder.url()], "later/*/x.log", "");
    let agent = ground.agent();
    fs::create_dir_all(ground.log("later/one")).unwrap();
    ground.append("later/one/x.log", "in a new folder\n");
    recorder.wait_for("the new folder", |recorder| recorder.texts().len() == 4);
    fs::remove_dir_all(ground.log("later/one")).unwrap();
    fs::create_dir_all(ground.log("later/one")).unwrap();
    ground.append("later/one/x.log", "in a folder made anew\n");
    recorder.wait_for("the folder made anew", |recorder| recorder.texts().len() == 5);
    let expected = format!("filename=\"{}\"", ground.log("later/one/x.log").display());
    assert!(recorder.lines()[4].labels.contains(&expected), "{:?}", recorder.lines()[4]);
    agent.terminate();
}

#[test]
fn a_new_file_with_the_inode_of_a_removed_one_is_read_from_its_start() {
    use std::os::unix::fs::MetadataExt as _;
    let (ground, recorder) = watched("app.log", "");
    let agent = ground.agent();
    let mut inodes = Vec::new();
    for round in 0..20 {
        // of one length, so that nothing but their content tells them
        ground.append("app.log", format!("round {round:02}\n"));
        inodes.push(fs::metadata(ground.log("app.log")).unwrap().ino());
        recorder.wait_for(&format!("round {round}"), |recorder| recorder.texts().len() > round);
        fs::remove_file(ground.log("app.log")).unwrap();
    }
    agent.terminate();
    let expected: Vec<String> = (0..20).map(|round| format!("round {round:02}")).collect();
    assert_eq!(recorder.texts(), expected, "{inodes:?}");
    // while nobody looks
    ground.append("app.log", "anew 0\n");
    let agent = ground.agent();
    recorder.wait_for("anew 0", |recorder| recorder.texts().len() == 21);
    agent.terminate();
    fs::write(ground.log("app.log"), "anew 1\n").unwrap();
    let agent = ground.agent();
    recorder.wait_for("anew 1", |recorder| recorder.texts().len() == 22);
    agent.terminate();
}

#[test]
fn lines_without_end_long_lines_and_odd_bytes_arrive() {
    let (ground, recorder) = watched("app.log", "");
    let long = "x".repeat(1 << 20);
    let agent = ground.agent();
    ground.append("app.log", "be");
    ground.append("app.log", "gun\n");
    ground.append("app.log", format!("{long}\n"));
    ground.append("app.log", b"odd \xff\xfe bytes \xed\xa0\x80 and \xf0\x9f\x92\xa9\r\n");
    ground.append("app.log", "\n한국어\nno end");
    recorder.wait_for("the lines", |recorder| recorder.texts().contains(&"한국어".to_owned()));
    let texts = recorder.texts();
    assert_eq!(texts[0], "begun");
    assert!(texts[1] == long, "{}", texts[1].len());
    assert!(texts[2].starts_with("odd \u{fffd}\u{fffd} bytes \u{fffd}") && texts[2].ends_with("💩"), "{:?}", texts[2]);
    assert!(!texts.contains(&"no end".to_owned()));
    // a rotated file gets no more, and the end of the file is that of the line
    fs::rename(ground.log("app.log"), ground.log("gone")).unwrap();
    recorder.wait_for("the last line", |recorder| recorder.texts().contains(&"no end".to_owned()));
    agent.terminate();
}

#[test]
fn files_in_other_encodings_are_read_as_text() {
    let (ground, recorder) = watched_with("*.log", "  encoding: utf-16le\n");
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let agent = ground.agent();
    let bytes = wide("\u{feff}one\r\n한국 💩\nhalf");
    ground.append("wide.log", &bytes[..bytes.len() - 3]);
    recorder.expect(&["one", "한국 💩"]);
    ground.append("wide.log", &bytes[bytes.len() - 3..]);
    ground.append("wide.log", wide(" and half\n"));
    recorder.expect(&["one", "한국 💩", "half and half"]);
    agent.terminate();
}

#[test]
fn compressed_files_are_unpacked_and_read_once() {
    let packed: [(&str, Vec<u8>); 3] = [
        ("gz", gzip(b"gz one\ngz two\n")),
        ("bz2", {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            writer.write_all(b"bz2 one\nbz2 two\n").unwrap();
            writer.finish().unwrap()
        }),
        ("z", {
            let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(b"z one\nz two\n").unwrap();
            writer.finish().unwrap()
        }),
    ];
    for (format, bytes) in packed {
        let keys = format!("  decompression: {{enabled: true, initial_delay: 50ms, format: {format}}}\n");
        let (ground, recorder) = watched_with(&format!("*.{format}"), &keys);
        fs::write(ground.log(&format!("app.{format}")), bytes).unwrap();
        let agent = ground.agent();
        recorder.expect(&[&format!("{format} one"), &format!("{format} two")]);
        agent.terminate();
        let agent = ground.agent();
        // that one is there says that the folder was looked through
        fs::write(ground.log(&format!("other.{format}")), gzip(b"other\n")).unwrap();
        if format == "gz" {
            recorder.wait_for("another file", |recorder| recorder.texts().len() > 2);
            assert_eq!(recorder.texts()[2..], ["other"]);
        } else {
            agent.wait_for_log(&format!("other.{format}"));
            assert_eq!(recorder.texts().len(), 2);
        }
        agent.terminate();
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_what_to_do() {
    let (ground, recorder) = watched("*", "");
    fs::write(ground.log("app.log.gz"), gzip(b"one\n")).unwrap();
    symlink("round", ground.log("round")).unwrap();
    ground.append("b.log", "b\n");
    let agent = ground.agent();
    recorder.expect(&["b"]);
    agent.wait_for_log("set `decompression`");
    agent.wait_for_log("logs/round");
    agent.terminate();
}

#[test]
fn lines_are_joined_over_batches_and_restarts() {
    let stages = "  - multiline: {firstline: '^\\S', max_wait_time: 3s}\n";
    let (ground, recorder) = watched("*.log", stages);
    let agent = ground.agent();
    ground.append("app.log", "first\n  of first\nsecond\n  of second\n");
    recorder.expect(&["first\n  of first"]);
    // the second one is not whole when the agent ends, in order and without
    agent.terminate();
    ground.append("app.log", "  more of second\nthird\n");
    let agent = ground.agent();
    recorder.expect(&["first\n  of first", "second\n  of second\n  more of second"]);
    agent.kill();
    ground.append("app.log", "  of third\nfourth\n");
    let agent = ground.agent();
    recorder.wait_for("the third", |recorder| recorder.lines_once().len() >= 3);
    let texts: Vec<String> = recorder.lines_once().into_iter().map(|line| line.text).collect();
    assert_eq!(texts[2..], ["third\n  of third"]);
    agent.kill();

    // batches of some lines: what is joined is in one of them
    let (ground, recorder) = (Ground::new(), Recorder::start());
    let client = format!("- {{url: '{}', batchwait: 5ms, batchsize: 300}}\n", recorder.url());
    ground.configure_clients(&client, &job("*.log", "  - multiline: {firstline: '^\\S', max_wait_time: 100ms}\n"));
    let entry = |number: usize| format!("entry {number}\n{}", "  at some place\n".repeat(number % 30));
    let entries: Vec<String> = (0..200).map(entry).collect();
    let agent = ground.agent();
    for part in entries.concat().as_bytes().chunks(997) {
        ground.append("app.log", part);
    }
    wait_for("all entries", || recorder.texts().len() >= entries.len(), || recorder.texts().len().to_string());
    let texts = recorder.texts();
    assert!(texts.iter().zip(&entries).all(|(text, entry)| text == entry.trim_end()) && texts.len() == entries.len());
    assert!(recorder.push_count() > 20, "{}", recorder.push_count());
    agent.terminate();
}

#[test]
fn a_limit_that_waits_slows_a_job_down_and_loses_nothing() {
    let (ground, recorder) = watched("*.log", "  - limit: {rate: 200, burst: 10}\n");
    let lines: Vec<String> = (0..150).map(|number| format!("line {number}")).collect();
    ground.append("app.log", lines.join("\n") + "\n");
    let begun = std::time::Instant::now();
    let agent = ground.agent();
    recorder.wait_for("all lines", |recorder| recorder.texts().len() >= lines.len());
    assert!(begun.elapsed() > std::time::Duration::from_millis(690), "{:?}", begun.elapsed());
    assert_eq!(recorder.texts(), lines);
    agent.terminate();
}
