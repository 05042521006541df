//! Thousands of files that are hardly ever written to, with few handles for them.

use std::fs;
use std::time::{Duration, Instant};

use crate::agent::recorder::Recorder;
use crate::agent::{Agent, Ground, job, wait_for};
use crate::harness::logcafe;

/// As many as a busy machine has; `LOGCAFE_TEST_FILES` says another number.
fn file_count() -> usize {
    std::env::var("LOGCAFE_TEST_FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000)
}

/// An agent that may open so many files.
fn with_handles(ground: &Ground, handles: u32) -> Agent {
    let own = logcafe(ground.folder());
    let mut shell = std::process::Command::new("/bin/sh");
    shell.current_dir(ground.folder()).env_clear().env("LANG", "C.UTF-8");
    shell.args(["-c", &format!("ulimit -n {handles}; exec \"$0\" \"$@\"")]);
    shell.arg(own.get_program()).args(["agent", "--config", "promtail.yaml"]);
    Agent::start(shell)
}

#[test]
fn many_files_with_few_handles_cost_little_and_each_is_heard() {
    for keys in ["", "global: {file_watch_config: {always_poll: true}}\n"] {
        let (ground, recorder) = (Ground::new(), Recorder::start());
        let sync = "target_config: {sync_period: 10s}\n";
        ground.configure(&[&recorder.url()], &format!("{keys}{sync}{}", job("*/*.log", "")));
        let count = file_count();
        let name = |number: usize| format!("{}/{number}.log", number % 20);
        (0..20).for_each(|folder| fs::create_dir(ground.log(&folder.to_string())).unwrap());
        (0..count).for_each(|number| ground.append(&name(number), format!("first of {number}\n")));
        let begun = Instant::now();
        let agent = with_handles(&ground, 256);
        let all = || recorder.lines().len() >= count;
        wait_for("the first line of each", all, || format!("{} are there; {}", recorder.lines().len(), agent.log()));
        let started = (begun.elapsed(), agent.cpu());
        let mut texts = recorder.texts();
        texts.sort();
        texts.dedup();
        assert_eq!((texts.len(), recorder.texts().len()), (count, count), "each once");
        let mut heard = Duration::ZERO;
        for round in 0..5 {
            let chosen = (round * 7919 + 13) % count;
            let begun = Instant::now();
            ground.append(&name(chosen), format!("second of {chosen}\n"));
            recorder.wait_for("its second line", |recorder| {
                recorder.push_count() > 0 && recorder.lines().len() > count + round
            });
            heard = heard.max(begun.elapsed());
            assert_eq!(recorder.texts()[count + round], format!("second of {chosen}"));
        }
        // of two that are rotated while they are not held open each line arrives
        for number in [count - 1, count - 2] {
            ground.append(&name(number), format!("late {number}\n"));
            fs::rename(ground.log(&name(number)), ground.log(&format!("{}.1", name(number)))).unwrap();
            ground.append(&name(number), format!("new {number}\n"));
        }
        let (cpu, since) = (agent.cpu(), Instant::now());
        recorder.wait_for("new lines", |recorder| {
            recorder.texts().iter().filter(|text| text.starts_with("new")).count() == 2
        });
        let idle = (agent.cpu().saturating_sub(cpu), since.elapsed());
        let rss = agent.rss_kib();
        println!("{count} files: start {started:?}, heard after {heard:?}, then {idle:?}, {rss} KiB");
        // a debug build holds more than the one that is shipped
        let most = (64 << 10) + 6 * u64::try_from(count).unwrap();
        assert!(rss < most, "{rss} KiB");
        agent.terminate();
    }
}
