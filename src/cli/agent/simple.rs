//! The simple use: a server, a few labels and files, written out as the configuration that they amount to.
//!
//! Promises: what runs is what was written out, as the text is read like that of a file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use xxhash_rust::xxh3::xxh3_64;

use crate::agent::config::quoted;
use crate::agent::config::units::Address;
use crate::cli::agent::overrides::label;
use crate::model::re2;

/// How long a line may wait for more of its kind, and how many lines are joined: stack traces of Java are long.
const JOINED_LINES_MAX: u32 = 1000;

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Simple {
    /// Push to this server, as in `https://logs.example.com`
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,

    /// Show the server this token [default: what the variable LOGCAFE_TOKEN says]
    #[arg(long)]
    token: Option<String>,

    /// Show the server the token in this file
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,

    /// Give all lines this label; can be repeated
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,

    /// Join lines that belong together: java, python, go, node, timestamp, or a regex that first lines match
    #[arg(long, value_name = "KIND")]
    multiline: Option<String>,
}

/// What lines begin with that are no continuation of others: a date and a time in the usual forms, with a bracket or not.
const TIME: &str = r"[\[(<]?(?:\d{4}[-/.]\d{2}[-/.]\d{2}|\d{2}[-/.]\d{2}[-/.]\d{2,4}|\d{1,2}[-/ ][A-Z][a-z]{2}[-/ ]\d{4}|\d{2}:\d{2}:\d{2}|(?:[A-Z][a-z]{2},? )?[A-Z][a-z]{2} {1,2}\d{1,2},? |\d{10,19}\b)";

/// Kind, and what first lines begin with beside a time.
const PRESETS: [(&str, &str); 4] = [
    ("java", r#"\{"|\[|(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL|SEVERE)\b[^:]|Exception in thread "#),
    ("python", r#"\{"|\[|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\b"#),
    (
        "go",
        r#"\{"|\[|(?:level|time|ts|msg)=|[IWEF]\d{4} |(?:DEBU?G?|INFO?|WARN?|ERRO?R?|FATAL|PANIC)\b|panic: |fatal error: "#,
    ),
    ("timestamp", ""),
];

/// The pattern that the first of several lines matches.
fn first_line(kind: &str) -> anyhow::Result<String> {
    if matches!(kind, "node" | "js" | "javascript") {
        // stacks are indented, and objects end with a bracket at the margin
        return Ok(r"^[^\s}\])]".to_owned());
    }
    if let Some((_, begins)) = PRESETS.iter().find(|(name, _)| *name == kind) {
        return Ok(if begins.is_empty() { format!("^{TIME}") } else { format!("^(?:{TIME}|{begins})") });
    }
    if kind.chars().all(|letter| letter.is_ascii_alphabetic()) {
        bail!("--multiline {kind} is not known: give java, python, go, node, timestamp, or a regex as in '^\\d{{4}}-'");
    }
    match re2::compile(kind) {
        Ok(_) => Ok(kind.to_owned()),
        Err(error) => bail!("--multiline is no regular expression: {error}"),
    }
}

impl Simple {
    /// Says which of these flags stands beside `--config`, where it would do nothing.
    pub(crate) fn check_unused(&self) -> anyhow::Result<()> {
        let given = [
            ("--token", self.token.is_some()),
            ("--token-file", self.token_file.is_some()),
            ("--label", !self.labels.is_empty()),
            ("--multiline", self.multiline.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => bail!("{flag} goes with --to; beside --config write it into the file"),
            None => Ok(()),
        }
    }

    /// The configuration that reads these files, or standard input for `-`.
    pub(crate) fn to_yaml(&self, to: &str, files: &[String], positions: Option<&Path>) -> anyhow::Result<String> {
        let is_stdin = files.iter().any(|file| file == "-");
        if files.is_empty() {
            bail!("there is nothing to read: name files, as in '/var/log/shop/*.log', or - for standard input");
        }
        if is_stdin && files.len() > 1 {
            bail!("- reads standard input and nothing else: leave the files out, or start another agent for them");
        }
        let mut out = String::from("server:\n  disable: true\npositions:\n");
        let url = push_address(to)?;
        let positions = match positions {
            Some(positions) => positions.to_owned(),
            None => default_positions(&self.purpose(&url, files, is_stdin)?),
        };
        let _ = writeln!(out, "  filename: {}", quoted(text_of(&positions)?));
        let _ = writeln!(out, "clients:\n- url: {}", quoted(&url));
        self.write_token(&mut out)?;
        if is_stdin {
            out.push_str("target_config:\n  stdin: true\n");
        }
        let _ = writeln!(out, "scrape_configs:\n- job_name: {}", if is_stdin { "stdin" } else { "files" });
        if let Some(kind) = &self.multiline {
            let first_line = quoted(&first_line(kind)?);
            let _ = writeln!(out, "  pipeline_stages:\n  - multiline:\n      firstline: {first_line}");
            let _ = writeln!(out, "      max_lines: {JOINED_LINES_MAX}");
        }
        out.push_str("  static_configs:\n");
        let mut labels = self.labels.iter().map(|pair| label(pair)).collect::<anyhow::Result<Vec<_>>>()?;
        if is_stdin && labels.is_empty() {
            labels.push(("job".to_owned(), "stdin".to_owned()));
        }
        for file in files {
            out.push_str("  - targets: [localhost]\n    labels:\n");
            for (name, value) in &labels {
                let _ = writeln!(out, "      {name}: {}", quoted(value));
            }
            if !is_stdin {
                let _ = writeln!(out, "      __path__: {}", quoted(&pattern(file)?));
            }
        }
        Ok(out)
    }

    /// What tells this use from others that run at the same time: what is read, and where it goes. Lines of standard
    /// input are told by their labels, as nothing else tells them.
    fn purpose(&self, url: &str, files: &[String], is_stdin: bool) -> anyhow::Result<String> {
        let mut parts = if is_stdin {
            self.labels.clone()
        } else {
            files.iter().map(|file| pattern(file)).collect::<anyhow::Result<Vec<_>>>()?
        };
        parts.sort_unstable();
        parts.insert(0, if is_stdin { "-".to_owned() } else { String::new() });
        parts.insert(0, url.to_owned());
        Ok(parts.join("\n"))
    }

    fn write_token(&self, out: &mut String) -> anyhow::Result<()> {
        let variable = std::env::var("LOGCAFE_TOKEN").ok().filter(|token| !token.is_empty());
        match (&self.token_file, self.token.clone().or(variable)) {
            (Some(file), _) => {
                let file = std::path::absolute(file)?;
                let _ = writeln!(out, "  bearer_token_file: {}", quoted(text_of(&file)?));
            }
            (None, Some(token)) => {
                let _ = writeln!(out, "  bearer_token: {}", quoted(token.trim()));
            }
            (None, None) => {}
        }
        Ok(())
    }
}

fn text_of(path: &Path) -> anyhow::Result<&str> {
    match path.to_str() {
        Some(text) => Ok(text),
        None => bail!("{} is no UTF-8 text: name it by a pattern with * in its place", path.display()),
    }
}

/// Where pushes go, of a server that is named by its host alone or with the whole address.
fn push_address(to: &str) -> anyhow::Result<String> {
    if !to.contains("://") {
        bail!("--to {to} does not say how: write https://{to}, or http://{to} within your own network");
    }
    let address: Address = to.parse().map_err(anyhow::Error::msg)?;
    let mut url = address.url().clone();
    let path = url.path().trim_end_matches('/').to_owned();
    if !path.ends_with("/push") {
        url.set_path(&format!("{path}/loki/api/v1/push"));
    }
    Ok(url.into())
}

/// A file as a pattern from the root on. One that is there is meant by its name, whatever is in it.
fn pattern(file: &str) -> anyhow::Result<String> {
    let path = std::path::absolute(file)?;
    if path.is_dir() {
        bail!(
            "{file} is a folder: name files in it, as in '{}/*.log', or '{0}/**/*.log' for all below",
            path.display()
        );
    }
    let text = text_of(&path)?;
    if !path.exists() {
        return Ok(text.to_owned());
    }
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    Ok(pattern)
}

/// Where systemd says, else where programs keep such things; in a file of its own for each purpose.
fn default_positions(purpose: &str) -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd may name several, with colons between
    let first = |folders: PathBuf| folders.to_str().and_then(|text| text.split(':').next()).map(PathBuf::from);
    let folder = variable("STATE_DIRECTORY")
        .and_then(first)
        .or_else(|| variable("XDG_STATE_HOME").map(|state| state.join("logcafe")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state/logcafe")))
        .unwrap_or_else(|| PathBuf::from("/var/tmp/logcafe"));
    folder.join(format!("agent-{:016x}.yaml", xxh3_64(purpose.as_bytes())))
}

#[cfg(test)]
mod tests {
    use crate::agent::config::{Config, Secrets, Variables};
    use crate::cli::agent::simple::*;

    fn simple(labels: &[&str], multiline: Option<&str>) -> Simple {
        Simple {
            token: Some("lc_t".to_owned()),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            multiline: multiline.map(str::to_owned),
            ..Simple::default()
        }
    }

    #[test]
    fn flags_amount_to_a_configuration_that_reads_back() {
        let simple = simple(&["job=shop", "env=a: b"], Some("java"));
        let files = ["/var/log/app/*.log".to_owned(), "/var/log/one.log".to_owned()];
        let text = simple.to_yaml("https://host", &files, Some(Path::new("/tmp/p.yaml"))).unwrap();
        let config =
            Config::parse("flags", &text, Variables::Keep).unwrap_or_else(|problem| panic!("{problem}\n{text}"));
        let client = &config.clients[0];
        assert_eq!(client.url.as_ref().unwrap().url().as_str(), "https://host/loki/api/v1/push");
        assert_eq!(client.bearer_token.as_ref().unwrap().reveal(), "lc_t");
        let labels: Vec<String> =
            config.scrape_configs[0].static_configs.iter().map(|group| group.labels.to_string()).collect();
        assert_eq!(
            labels,
            [
                r#"{__path__="/var/log/app/*.log", env="a: b", job="shop"}"#,
                r#"{__path__="/var/log/one.log", env="a: b", job="shop"}"#
            ]
        );
        assert_eq!(config.scrape_configs[0].pipeline_stages.len(), 1);
        let again = Config::parse("printed", &config.to_yaml(Secrets::Show), Variables::Keep).unwrap();
        assert_eq!(format!("{again:?}"), format!("{config:?}"));
    }

    #[test]
    fn standard_input_is_read_alone() {
        let run = |files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            simple(&[], None).to_yaml("http://host:3100/", &files, None)
        };
        let config = Config::parse("flags", &run(&["-"]).unwrap(), Variables::Keep).unwrap();
        assert!(config.target_config.stdin && config.server.disable);
        assert_eq!(config.scrape_configs[0].static_configs[0].labels.to_string(), r#"{job="stdin"}"#);
        assert!(run(&["-", "a.log"]).unwrap_err().to_string().contains("nothing else"));
        assert!(run(&["/"]).unwrap_err().to_string().contains("is a folder"));
    }

    #[test]
    fn each_purpose_has_its_own_positions() {
        let of = |to: &str, files: &[&str], labels: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            let text = simple(labels, None).to_yaml(to, &files, None).unwrap();
            Config::parse("flags", &text, Variables::Keep).unwrap().positions.filename
        };
        let files = of("https://host", &["/a/*.log", "/b.log"], &["job=a"]);
        assert_eq!(
            files,
            of("https://host/", &["/b.log", "/a/*.log"], &["job=b"]),
            "the same files, however they are named"
        );
        let others = [
            of("https://other", &["/a/*.log", "/b.log"], &["job=a"]),
            of("https://host", &["/a/*.log"], &["job=a"]),
            of("https://host", &["-"], &["job=a"]),
            of("https://host", &["-"], &["job=b"]),
        ];
        for (index, other) in others.iter().enumerate() {
            assert!(*other != files && !others[..index].contains(other), "{other:?}");
        }
    }

    #[test]
    fn a_file_is_meant_by_its_name_and_a_pattern_by_what_it_matches() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a[1].log");
        std::fs::write(&file, "").unwrap();
        assert!(pattern(file.to_str().unwrap()).unwrap().ends_with("/a\\[1\\].log"));
        let glob = folder.path().join("*.log");
        assert_eq!(pattern(glob.to_str().unwrap()).unwrap(), glob.to_str().unwrap());
        assert!(pattern("logs/x.log").unwrap().starts_with('/'));
    }

    #[test]
    fn a_server_is_named_by_its_host_or_in_full() {
        let check = |to: &str, url: &str| assert_eq!(push_address(to).unwrap(), url);
        check("https://host", "https://host/loki/api/v1/push");
        check("http://host:3100/logs/", "http://host:3100/logs/loki/api/v1/push");
        check("http://host/loki/api/v1/push", "http://host/loki/api/v1/push");
        assert!(push_address("host:3100").unwrap_err().to_string().contains("write https://host:3100"));
    }

    /// Each text has lines that begin with `>` where a new entry does.
    #[track_caller]
    fn check_joins(kind: &str, text: &str) {
        let regex = re2::compile(&first_line(kind).unwrap()).unwrap();
        for line in text.lines() {
            let (is_first, line) = line.strip_prefix('>').map_or((false, &line[1..]), |line| (true, line));
            assert_eq!(regex.is_match(line), is_first, "{kind}: {line}");
        }
    }

    #[test]
    fn presets_know_where_entries_begin() {
        let java = ">2026-11-23 05:12:01,123 ERROR [main] c.x.Foo - failed\n java.lang.IllegalStateException: no\n \
                    \tat com.x.Foo.bar(Foo.java:12)\n Caused by: java.io.IOException: x\n \t... 12 more\n \
                    \n>[INFO] built\n>Nov 23, 2026 5:12:01 AM com.x.Foo bar\n SEVERE: it failed\n>{\"level\":\"info\"}\n\
                    >05:12:01.123 [main] INFO Foo\n>INFO  | jvm 1 | started";
        check_joins("java", java);
        let python = ">2026-11-23 05:12:01,123 - app - ERROR - failed\n Traceback (most recent call last):\n \
                      \x20 File \"a.py\", line 1, in f\n ValueError: no\n>ERROR:root:other\n>[2026-11-23] x\n \
                      \n During handling of the above exception, another exception occurred:";
        check_joins("python", python);
        let go = ">2026/11/23 05:12:01 started\n>panic: boom\n \n goroutine 1 [running]:\n main.main()\n \t/a/main.go:5 +0x1\n\
                  >level=info msg=x\n>I1123 05:12:01.1 1 a.go:1] x\n>{\"a\":1}";
        check_joins("go", go);
        check_joins("node", ">Error: boom\n     at f (/a.js:1:2)\n>{\n   code: 1\n }\n>listening");
        check_joins(
            "timestamp",
            ">Nov 23 05:12:01 host x\n more\n>1700000000 x\n>[23/Nov/2026:05:12:01 +0000] x\n ok 12",
        );
        assert_eq!(first_line("^START").unwrap(), "^START");
        assert!(first_line("jaba").unwrap_err().to_string().contains("is not known"));
        assert!(first_line("^(").unwrap_err().to_string().contains("no regular expression"));
    }
}
