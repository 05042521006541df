//! `logcafe check`: reads everything that is stored, says what is damaged, and repairs it where that is wanted.

use std::io::{IsTerminal, Write, stderr};
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use anyhow::{Context as _, bail};

use crate::cli::data::{DataFolder, day};
use crate::model::harmless::harmless;
use crate::store::check::{Checked, Finding, Lost, Progress, Weight};
use crate::{db, ingest, server, store};

/// Something is damaged.
const DAMAGED: u8 = 1;
/// It could not be looked at.
const FAILED: u8 = 2;
/// Streams of lost lines that are named.
const STREAMS_MAX: usize = 3;
/// How often the bar is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(100);
const BAR_CHARS: u64 = 24;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  logcafe check                                  looks, and changes nothing
  logcafe check --data /var/lib/logcafe
  logcafe check --repair                         makes good what can be made good

Stop the server first: systemctl stop logcafe. A check reads every block to its last line, about as fast as the disk
and two cores allow, and changes nothing. A repair makes indexes, filters and labels again from what is there, takes
days that were put aside back in, and takes damaged blocks out of the index, so that answers carry no more warnings.
Damaged bytes are kept in logs/lost/, and a damaged database beside the new one. It may be stopped and begun again at
any moment. Back up the data folder first where the lines are dear.

Exit code: 0 nothing is damaged (any more), 1 something is damaged, 2 it could not be looked at.")]
pub(crate) struct Arguments {
    /// Repair what is damaged
    #[arg(long)]
    repair: bool,

    #[command(flatten)]
    data: DataFolder,
}

pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match check(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DAMAGED),
        Err(error) => {
            anstream::eprintln!("logcafe: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Whether all is well in the end.
fn check(arguments: Arguments) -> anyhow::Result<bool> {
    let config = arguments.data.config()?;
    let root = config.data.clone();
    let checked = check_all(&config, arguments.repair);
    // also what a repair left that came to no good end
    if arguments.repair && root.is_dir() {
        hand_over(&root).with_context(|| {
            format!("files in {} may belong to root; give them to whom the server runs as (chown -R)", root.display())
        })?;
    }
    checked
}

fn check_all(config: &server::Config, repair: bool) -> anyhow::Result<bool> {
    let (root, logs, database) = (&config.data, &config.store.dir, server::db_path(&config.data));
    if !logs.is_dir() {
        bail!("there are no logs in {}; name the server's data folder with --data", root.display());
    }
    let mut bar = Bar::new();
    let mut each = |progress: &Progress<'_>| bar.show(progress);
    let (found, left) = if repair {
        let (found, left) =
            store::check::repair(config.store.clone(), &ingest::replay, &mut each).map_err(explained)?;
        (found, Some(left))
    } else {
        (store::check::check(logs, &ingest::replay, &mut each).map_err(explained)?, None)
    };
    bar.clear();
    for finding in &found.findings {
        print(finding, root, found.logged_entry_count);
    }
    let is_database_whole = check_database(&database, root, repair)?;
    summarize(&found, left.as_ref());
    let last = left.unwrap_or(found);
    if !last.is_clean() && !repair {
        anstream::println!("logcafe check --repair makes good what can be made good.");
    }
    Ok(last.is_clean() && is_database_whole)
}

/// Gives what root made in the data folder to the folder's owner, who runs the server.
fn hand_over(root: &Path) -> std::io::Result<()> {
    let owner = std::fs::metadata(root)?;
    if owner.uid() == 0 {
        return Ok(());
    }
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.uid() == 0 {
                lchown(entry.path(), Some(owner.uid()), Some(owner.gid()))?;
            }
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}

fn explained(error: store::Error) -> anyhow::Error {
    match error {
        store::Error::InUse { .. } => anyhow::Error::new(error)
            .context("a server has these logs open; stop it first (systemctl stop logcafe), then check again"),
        error => anyhow::Error::new(error).context("the logs cannot be checked"),
    }
}

/// Checks the database, and repairs it; whether it is whole in the end.
fn check_database(path: &Path, root: &Path, repair: bool) -> anyhow::Result<bool> {
    let found = db::check::check(path)?;
    if found.is_empty() {
        return Ok(true);
    }
    let name = shown(path, root);
    for what in &found {
        line(AnsiColor::Red, "damaged", &format!("{name}: {}", harmless(what)));
    }
    if !repair {
        say("people, tokens, saved queries and requests to delete are in it; repair carries over what can be read");
        return Ok(false);
    }
    let repaired = db::check::repair(path).context("the database cannot be repaired; restore it from a backup")?;
    let rows: Vec<String> = repaired.rows.iter().map(|(table, count)| format!("{table} {count}")).collect();
    say(&format!("made anew, with these rows: {}; the damaged file is {}", rows.join(", "), repaired.kept.display()));
    if repaired.rows.iter().all(|(table, count)| table != "users" || *count == 0) {
        say("no account is left: the next start of the server prints where to make the first");
    }
    Ok(db::check::check(path)?.is_empty())
}

fn summarize(found: &Checked, left: Option<&Checked>) {
    let Checked { day_count, block_count, entry_count, logged_entry_count, .. } = left.unwrap_or(found);
    anstream::println!(
        "{} in {}, {}; {} in the write-ahead log",
        counted(*entry_count, "line"),
        counted(*block_count, "block"),
        counted(*day_count, "day"),
        counted(*logged_entry_count, "line"),
    );
    let damages =
        |checked: &Checked| checked.findings.iter().filter(|finding| finding.weight == Weight::Damage).count() as u64;
    let (bold, count) = (Style::new().bold(), damages(found));
    match left {
        None if count == 0 => anstream::println!("{bold}nothing is damaged{bold:#}"),
        None => anstream::println!("{bold}{}{bold:#}", counted(count, "damage")),
        Some(_) if count == 0 => anstream::println!("{bold}nothing is damaged{bold:#}; nothing was changed"),
        Some(left) => anstream::println!("{bold}{}, {} left{bold:#}", counted(count, "damage"), damages(left)),
    }
}

/// `1 line`, `1,234 lines`.
fn counted(count: u64, noun: &str) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {noun}{}", if count == 1 { "" } else { "s" })
}

fn print(finding: &Finding, root: &Path, logged_entry_count: u64) {
    let text = format!("{}: {}", shown(&finding.path, root), harmless(&finding.what));
    match finding.weight {
        Weight::Note => line(AnsiColor::Cyan, "note", &text),
        Weight::Damage => line(AnsiColor::Red, "damaged", &text),
    }
    if let Some(lost) = &finding.lost {
        let may_be_logged = if logged_entry_count > 0 { ", unless the write-ahead log still has them" } else { "" };
        say(&format!("lost: {}{may_be_logged}", lost_text(lost)));
    }
    if !finding.cure.is_empty() {
        say(finding.cure);
    }
}

fn lost_text(lost: &Lost) -> String {
    let mut text = lost.entry_count.map_or("lines, nobody knows how many".to_owned(), |count| counted(count, "line"));
    let named: Vec<String> =
        lost.streams.iter().take(STREAMS_MAX).map(|labels| harmless(&labels.to_string())).collect();
    if !named.is_empty() {
        text.push_str(&format!(" of {}", named.join(", ")));
    }
    if lost.streams.len() > STREAMS_MAX {
        text.push_str(&format!(" and {} more", counted((lost.streams.len() - STREAMS_MAX) as u64, "stream")));
    }
    if let Some((from, to)) = lost.span {
        text.push_str(&format!(", from {} to {}", day(from), day(to)));
    }
    text
}

fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn line(colour: AnsiColor, word: &str, text: &str) {
    let style = Style::new().fg_color(Some(colour.into())).bold();
    anstream::println!("{style}{word:<8}{style:#} {text}");
}

fn say(text: &str) {
    let dim = Style::new().dimmed();
    anstream::println!("         {dim}{text}{dim:#}");
}

/// How far it is, on a terminal.
struct Bar {
    is_terminal: bool,
    drawn_at: Option<Instant>,
}

impl Bar {
    fn new() -> Bar {
        Bar { is_terminal: stderr().is_terminal(), drawn_at: None }
    }

    fn show(&mut self, progress: &Progress<'_>) {
        if !self.is_terminal || self.drawn_at.is_some_and(|at| at.elapsed() < DRAW_EVERY) {
            return;
        }
        self.drawn_at = Some(Instant::now());
        let Progress { what, done_bytes, all_bytes } = *progress;
        let part = |whole: u64| (done_bytes.min(all_bytes) * whole).checked_div(all_bytes).unwrap_or(0);
        let full = part(BAR_CHARS) as usize;
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR_CHARS as usize - full));
        // a terminal that is gone is no reason to stop
        let _ = write!(stderr(), "\r\x1b[2K{bar} {:>3} % {what}", part(100));
        let _ = stderr().flush();
    }

    fn clear(&mut self) {
        if self.drawn_at.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::check::{counted, lost_text};
    use crate::model::{Labels, Timestamp};
    use crate::store::check::Lost;

    #[test]
    fn what_is_lost_is_told_in_words() {
        assert_eq!(
            [counted(0, "line"), counted(1, "line"), counted(1_234_567, "line")],
            ["0 lines", "1 line", "1,234,567 lines"]
        );
        let streams = (0..5).map(|n| Labels::from([("app", n.to_string().as_str())])).collect();
        let span = Some((Timestamp::from_secs(0), Timestamp::from_secs(60)));
        let text = lost_text(&Lost { entry_count: Some(2), streams, span });
        assert!(
            text.starts_with("2 lines of {app=\"0\"}, {app=\"1\"}, {app=\"2\"} and 2 streams more, from 19"),
            "{text}"
        );
        assert_eq!(
            lost_text(&Lost { entry_count: None, streams: Vec::new(), span: None }),
            "lines, nobody knows how many"
        );
    }
}
