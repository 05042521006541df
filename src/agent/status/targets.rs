//! `/targets`: what is read and how far, where it goes, and what is wrong, for people.

use std::time::{Duration, SystemTime};

use askama::Template;

use crate::agent::files::status::FileStatus;
use crate::agent::push::status::Answered;
use crate::agent::status::board::{Board, JobTold, ServerTold, Spooled};

/// Sources of a job that are shown unless more are asked for.
const SHOWN_MAX: usize = 100;
/// Sources that are shown when they are asked for; a page beyond that helps nobody.
const ASKED_MAX: usize = 10_000;

#[derive(Template)]
#[template(path = "agent_targets.html")]
struct Page<'a> {
    base: &'a str,
    version: &'static str,
    uptime: String,
    positions: String,
    lines_sent: String,
    unread: String,
    /// What waits in the spool, where there is one.
    spooled: Option<String>,
    problem_count: usize,
    /// Where one job alone is shown.
    is_one: bool,
    servers: Vec<Server>,
    problems: Vec<(String, String)>,
    jobs: Vec<Job>,
}

struct Server {
    name: String,
    address: String,
    state: State,
    last: String,
    waiting: String,
    sent: String,
    lost: u64,
    /// Why it does not take lines, since when, and what to try.
    problem: Option<(String, String, &'static str)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    Bad,
    Unknown,
}

struct Job {
    index: usize,
    name: String,
    reads: Vec<String>,
    /// What it reads, counted.
    amount: String,
    hidden_count: usize,
    /// In words, where there is nothing.
    nothing: &'static str,
    sources: Vec<Source>,
}

struct Source {
    name: String,
    /// How far, where it has an end that is known.
    part: Option<Part>,
    amount: String,
    lines: String,
    ago: String,
    labels: String,
    problem: Option<String>,
}

/// Of a thousand.
struct Part {
    thousandths: u64,
    text: String,
}

/// The page as HTML.
pub(in crate::agent::status) fn page(board: &Board, base: &str, asked: Option<usize>) -> Result<String, askama::Error> {
    let now = SystemTime::now();
    let told = board.told();
    let servers: Vec<Server> = told.servers.iter().map(|server| server_of(server, now)).collect();
    let sources = told.status.sources();
    let problems: Vec<(String, String)> =
        told.status.unread().into_iter().map(|(path, why)| (path.display().to_string(), why)).collect();
    let failed_count = sources.iter().filter(|source| source.problem.is_some()).count();
    let bad_count = servers.iter().filter(|server| server.state == State::Bad).count();
    let jobs = told.jobs.iter().enumerate().filter(|(index, _)| asked.is_none_or(|asked| asked == *index));
    let shown_max = if asked.is_some() { ASKED_MAX } else { SHOWN_MAX };
    let page = Page {
        base,
        version: env!("CARGO_PKG_VERSION"),
        uptime: span(now.duration_since(board.started).unwrap_or_default()),
        positions: told.positions.clone(),
        lines_sent: told.servers.iter().map(|server| count(server.status.get().sent_lines)).max().unwrap_or_default(),
        unread: size(sources.iter().map(|source| source.size.saturating_sub(source.place)).sum()),
        spooled: told.spools.as_ref().map(Spooled::bytes).filter(|bytes| *bytes > 0).map(size),
        problem_count: problems.len() + failed_count + bad_count,
        is_one: asked.is_some(),
        servers,
        problems,
        jobs: jobs.map(|(index, job)| job_of(index, job, &sources, shown_max, now)).collect(),
    };
    page.render()
}

fn server_of(server: &ServerTold, now: SystemTime) -> Server {
    let Answered { name, address, last, failing_since, failed, sent_lines, sent_bytes, lost_lines } =
        server.status.get();
    let (batches, bytes) = server.waiting.get();
    let problem = failing_since.map(|since| {
        let reason = failed.map(|(_, reason)| reason).unwrap_or_default();
        let advice = advice(&reason);
        (reason, span(now.duration_since(since).unwrap_or_default()), advice)
    });
    Server {
        state: match (&problem, &last) {
            (Some(_), _) => State::Bad,
            (None, Some(_)) => State::Good,
            (None, None) => State::Unknown,
        },
        address: if name == address { String::new() } else { address },
        name,
        last: last.map(|(at, words)| format!("{words}, {}", ago(at, now))).unwrap_or_default(),
        waiting: match batches {
            0 => "nothing".to_owned(),
            1 => format!("1 batch, {}", size(bytes)),
            batches => format!("{batches} batches, {}", size(bytes)),
        },
        sent: format!("{} lines, {}", count(sent_lines), size(sent_bytes)),
        lost: lost_lines,
        problem,
    }
}

/// What to try when a server does not take lines.
fn advice(reason: &str) -> &'static str {
    let reason = reason.to_ascii_lowercase();
    let knows = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if knows(&["401", "403"]) {
        return "Look at the token or password under clients: the server does not know it, or it may not push.";
    }
    if knows(&["404", "405", "301", "302", "307", "308"]) {
        return "Look at the url under clients: it ends with /loki/api/v1/push, and http or https is as the server wants it.";
    }
    if knows(&["429"]) {
        return "The server takes no more for now. It catches up by itself, or its limits are to be raised.";
    }
    if knows(&["certificate", "tls", "ssl"]) {
        return "Look at tls_config under clients: ca_file names the certificate that the server's is signed with.";
    }
    if knows(&["refused", "unreachable", "no route"]) {
        return "Nothing listens there: is the server running, and are host and port right?";
    }
    if knows(&["dns", "lookup", "resolve", "name or service"]) {
        return "The name of the server is not known here: look at the url under clients, and at DNS.";
    }
    if knows(&["in time"]) {
        return "It is slow or behind a firewall that swallows connections; timeout under clients says how long is waited.";
    }
    "Nothing is lost: lines wait where they are, and are tried again."
}

fn job_of(index: usize, job: &JobTold, sources: &[FileStatus], shown_max: usize, now: SystemTime) -> Job {
    let mut own: Vec<&FileStatus> = sources.iter().filter(|source| source.job_index == index).collect();
    // what is wrong first, then what is behind
    own.sort_by_cached_key(|source| {
        let behind = source.size.saturating_sub(source.place);
        (source.problem.is_none(), std::cmp::Reverse(behind), source.path.clone())
    });
    Job {
        index,
        name: job.name.clone(),
        reads: job.reads.clone(),
        amount: match (job.kind, own.len()) {
            ("files", 1) => "1 file".to_owned(),
            ("files", files) => format!("{} files", count(files as u64)),
            (kind, _) => kind.to_owned(),
        },
        hidden_count: own.len().saturating_sub(shown_max),
        nothing: match job.kind {
            "files" => "No file is there that matches.",
            "docker" => "No container is there.",
            _ => "Nothing has come yet.",
        },
        sources: own.into_iter().take(shown_max).map(|source| source_of(source, job.kind, now)).collect(),
    }
}

fn source_of(source: &FileStatus, kind: &str, now: SystemTime) -> Source {
    let FileStatus { path, labels, place, size: whole, lines, bytes, read, problem, .. } = source;
    let part = (*whole > 0).then(|| Part {
        thousandths: place.saturating_mul(1000) / (*whole).max(1),
        text: match whole.saturating_sub(*place) {
            0 => format!("read to its end, {}", size(*whole)),
            behind => format!("{} of {}, {} to go", size(*place), size(*whole), size(behind)),
        },
    });
    Source {
        // what is no file is called by what it is
        name: if path.as_os_str().is_empty() { kind.to_owned() } else { path.display().to_string() },
        part,
        amount: size(*bytes),
        lines: if *lines == 1 { "1 line".to_owned() } else { format!("{} lines", count(*lines)) },
        ago: read.map(|at| ago(at, now)).unwrap_or_default(),
        labels: labels.clone(),
        problem: problem.clone(),
    }
}

fn ago(at: SystemTime, now: SystemTime) -> String {
    match now.duration_since(at) {
        Ok(past) if past >= Duration::from_secs(1) => format!("{} ago", span(past)),
        Ok(_) | Err(_) => "just now".to_owned(),
    }
}

/// A length of time, as people say it: its largest unit or two.
fn span(long: Duration) -> String {
    let secs = long.as_secs();
    match secs {
        0..60 => format!("{secs} s"),
        60..3600 => format!("{} min", secs / 60),
        3600..86_400 => format!("{} h {} min", secs / 3600, secs / 60 % 60),
        _ => format!("{} d {} h", secs / 86_400, secs / 3600 % 24),
    }
}

/// An amount of bytes, as people say it.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut amount = bytes as f64;
    let mut unit = 0;
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && amount < 10.0);
    format!("{amount:.digits$} {}", UNITS[unit])
}

/// A number with its thousands apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use crate::agent::Config;
    use crate::agent::config::{Secrets, Variables};
    use crate::agent::push::status::{ServerStatus, Waiting};
    use crate::agent::status::board::Told;
    use crate::agent::status::targets::*;

    fn board() -> Board {
        let text = "clients: [{url: 'http://ann:geheim@logs:3100/loki/api/v1/push', bearer_token: lc_geheim}]\n\
                    scrape_configs: [{job_name: 'shop<b>', static_configs: [{labels: {__path__: /var/log/*.log}}]}]\n";
        let config = Config::parse("test", &text.replace("ann:geheim@", ""), Variables::Keep).unwrap();
        let status = crate::agent::files::status::Status::default();
        let mut told = Told::of(&config, &status, config.to_yaml(Secrets::Hide));
        let server = ServerStatus::new("http://logs:3100", "http://logs:3100");
        told.servers.push(ServerTold { status: server, waiting: Arc::<Waiting>::default() });
        let (board, _) = Board::new(Arc::default());
        board.tell(told);
        board
    }

    #[test]
    fn what_is_read_and_what_is_wrong_is_on_the_page_as_text() {
        let board = board();
        let told = board.told();
        assert!(told.unready().is_some());
        told.status.set(3, |source| {
            source.path = PathBuf::from("/var/log/<script>.log");
            (source.place, source.size, source.lines) = (512, 2048, 1234);
            source.problem = Some("it & I".to_owned());
        });
        told.servers[0].status.set(|answered| {
            answered.failing_since = Some(SystemTime::now());
            answered.failed = Some((SystemTime::now(), "401 Unauthorized: <b>no</b>".to_owned()));
        });
        let html = page(&board, "/agent", None).unwrap();
        for words in ["512 B of 2.0 KiB", "1,234", "401 Unauthorized", "Look at the token", "href=\"/agent/config\""] {
            assert!(html.contains(words), "{words} is not in\n{html}");
        }
        for raw in ["<script>", "<b>no", "shop<b>", "it & I", "geheim"] {
            assert!(!html.contains(raw), "{raw} is in\n{html}");
        }
        assert!(told.unready().is_none());
        assert!(!told.yaml.contains("geheim"), "{}", told.yaml);
    }

    #[test]
    fn many_sources_are_counted_and_shown_when_asked_for() {
        let board = board();
        for source in 0..250 {
            board.told().status.set(source, |file| file.path = PathBuf::from(format!("/var/log/{source:03}.log")));
        }
        let html = page(&board, "", None).unwrap();
        assert_eq!(html.matches("<li class=\"source").count(), SHOWN_MAX);
        assert!(html.contains("150 more") && html.contains("?job=0"));
        assert_eq!(page(&board, "", Some(0)).unwrap().matches("<li class=\"source").count(), 250);
    }

    #[test]
    fn amounts_are_as_people_say_them() {
        assert_eq!([size(0), size(1023), size(1536), size(300 << 30)], ["0 B", "1023 B", "1.5 KiB", "300 GiB"]);
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        let span = |secs| span(Duration::from_secs(secs));
        assert_eq!([span(5), span(90), span(3700), span(90_000)], ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
    }
}
