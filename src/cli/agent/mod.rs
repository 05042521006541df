//! `logcafe agent`: reads logs where they are written and pushes them, with Promtail's configuration or a few flags.
//!
//! The flags of Promtail are understood as it has them, with one dash or two.

mod logfmt;
mod overrides;
mod simple;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::builder::BoolishValueParser;
use tracing_subscriber::EnvFilter;

use crate::agent::config::server::{LogFormat, LogLevel};
use crate::agent::config::{Secrets, Variables};
use crate::agent::discovery::Discovery;
use crate::agent::{Config, Mode};
use crate::cli::agent::overrides::Overrides;
use crate::cli::agent::simple::Simple;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  logcafe agent --config promtail.yaml                    in Promtail's place, with its file and its positions
  logcafe agent --config promtail.yaml --check-syntax     only look for mistakes in it
  logcafe agent --to https://logs.example.com --label job=shop --multiline java '/var/log/shop/*.log'
  journalctl -f | logcafe agent --to https://logs.example.com --label job=journal -

Promtail's own flags are understood too: -config.file=promtail.yaml, -config.expand-env, -client.url …
The token is better in the variable LOGCAFE_TOKEN or in a file than in --token, which others on the machine can see.")]
pub(crate) struct Arguments {
    /// Read Promtail's configuration from this file
    #[arg(long, alias = "config.file", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Put variables into it: ${NAME}, ${NAME:-default}
    #[arg(long, alias = "config.expand-env", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_parser = BoolishValueParser::new())]
    expand_env: Option<bool>,

    /// Only say whether the configuration is right, and where it is not
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    check_syntax: Option<bool>,

    /// Print the configuration that all of this amounts to, secrets included, and end
    #[arg(long)]
    print_config: bool,

    /// Print what would be sent, and send nothing
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    dry_run: Option<bool>,

    /// Print what each stage changes of each line, and send nothing
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_parser = BoolishValueParser::new())]
    inspect: Option<bool>,

    #[command(flatten)]
    simple: Simple,

    #[command(flatten)]
    overrides: Overrides,

    /// Files and patterns to read, or - for standard input; with --to
    #[arg(value_name = "FILES")]
    files: Vec<String>,
}

/// Go knows one dash before the names of flags, as in `-config.file`: such a flag gets its second one.
pub(crate) fn with_two_dashes(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut all: Vec<OsString> = arguments.collect();
    if all.get(1).is_none_or(|command| command != "agent") {
        return all;
    }
    for argument in all.iter_mut().skip(2) {
        let Some(text) = argument.to_str() else { continue };
        if text == "--" {
            break;
        }
        let Some(flag) = text.strip_prefix('-') else { continue };
        let name = flag.split('=').next().unwrap_or_default();
        if name.len() > 1 && name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
            *argument = format!("-{text}").into();
        }
    }
    all
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.overrides.version {
        anstream::println!("logcafe {}", env!("CARGO_PKG_VERSION"));
        return Ok(());
    }
    let (config, simple) = arguments.config()?;
    if arguments.print_config {
        anstream::print!("{}", simple.unwrap_or_else(|| config.to_yaml(Secrets::Show)));
        return Ok(());
    }
    let mode = arguments.mode();
    config.check(mode).map_err(anyhow::Error::msg).with_context(|| match &arguments.config {
        Some(path) => path.display().to_string(),
        None => "what was asked for".to_owned(),
    })?;
    let remarks = config.remarks().into_iter().chain(arguments.overrides.remarks());
    if arguments.check_syntax == Some(true) {
        Discovery::begin(&config, &Arc::default(), &Arc::default())?;
        for remark in remarks {
            anstream::eprintln!("note: {remark}");
        }
        let (jobs, servers) = (config.scrape_configs.len(), config.clients.len());
        anstream::println!("ok: {}, {}", counted(jobs, "job"), counted(servers, "server"));
        return Ok(());
    }
    if arguments.overrides.prints_config() {
        anstream::eprint!("{}", config.to_yaml(Secrets::Hide));
    }
    init_logs(config.server.log_level, config.server.log_format)?;
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    let reread = || {
        let (config, _) = arguments.config()?;
        config.check(mode).map_err(anyhow::Error::msg)?;
        for remark in config.remarks() {
            tracing::warn!("{remark}");
        }
        Ok(config)
    };
    crate::agent::run::run(config, mode, &reread)
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

impl Arguments {
    /// The configuration, and its text where flags alone make it up.
    fn config(&self) -> anyhow::Result<(Config, Option<String>)> {
        let (mut config, mut text) = match (&self.config, &self.simple.to) {
            (Some(_), Some(_)) => {
                bail!(
                    "--config and --to both say where to push: name another server under clients, or with -client.url"
                )
            }
            // as Promtail's own documentation tries things out: `… | promtail -stdin -dry-run -client.url …`
            (None, None) if self.overrides.reads_stdin() => {
                self.simple.check_unused()?;
                (Config::parse("the flags", "{}", Variables::Keep)?, None)
            }
            (None, None) => bail!(
                "what to read and where to push is not said: give --config promtail.yaml, or --to \
                 https://logs.example.com and files; logcafe help agent has examples"
            ),
            (Some(path), None) => {
                self.simple.check_unused()?;
                if let Some(file) = self.files.first() {
                    bail!("{file:?} beside --config: files to read are named in it, under scrape_configs");
                }
                let variables = if self.expand_env == Some(true) { Variables::Expand } else { Variables::Keep };
                (Config::read(path, variables)?, None)
            }
            (None, Some(to)) => {
                let text = self.simple.to_yaml(to, &self.files, self.overrides.positions_file())?;
                (Config::parse("the flags", &text, Variables::Keep)?, Some(text))
            }
        };
        if self.overrides.apply(&mut config)? {
            text = None;
        }
        Ok((config, text))
    }

    fn mode(&self) -> Mode {
        match (self.inspect == Some(true), self.dry_run == Some(true)) {
            (true, _) => Mode::Inspect,
            (false, true) => Mode::DryRun,
            (false, false) => Mode::Run,
        }
    }
}

/// The agent logs to standard error; `LOGCAFE_LOG` wins over the configuration.
fn init_logs(level: LogLevel, format: LogFormat) -> anyhow::Result<()> {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    let filter = match std::env::var("LOGCAFE_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter).with_context(|| format!("LOGCAFE_LOG is wrong: {filter:?}"))?,
        Err(_) => EnvFilter::new(format!("warn,logcafe={level}")),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    let done = match format {
        LogFormat::Json => builder.json().try_init(),
        // people at a terminal get colours in its place
        LogFormat::Logfmt if std::io::IsTerminal::is_terminal(&std::io::stderr()) => builder.try_init(),
        LogFormat::Logfmt => builder.with_ansi(false).event_format(logfmt::Logfmt).try_init(),
    };
    done.map_err(|error| anyhow::anyhow!("cannot log: {error}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::agent::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(subcommand)]
        command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        Agent(Box<Arguments>),
    }

    fn parse(line: &str) -> Result<Arguments, String> {
        let words = with_two_dashes(line.split(' ').map(OsString::from));
        match Program::try_parse_from(words) {
            Ok(Program { command: Command::Agent(arguments) }) => Ok(*arguments),
            Err(error) => Err(error.to_string()),
        }
    }

    fn config(line: &str) -> Config {
        let arguments = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        arguments.config().unwrap_or_else(|error| panic!("{line}: {error:#}")).0
    }

    const YAML: &str = "clients: [{url: 'http://a/push', external_labels: {dc: one}}]\n\
                        scrape_configs: [{static_configs: [{labels: {__path__: '${LOGS_ARE_HERE:-/var/log/x}'}}]}]\n";

    #[test]
    fn flags_are_understood_as_promtail_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("promtail.yaml");
        std::fs::write(&path, YAML).unwrap();
        let path = path.display();
        for line in [
            format!("logcafe agent -config.file={path} -config.expand-env=true"),
            format!("logcafe agent -config.file {path} -config.expand-env"),
            format!("logcafe agent --config {path} --expand-env"),
        ] {
            let config = config(&line);
            assert_eq!(config.scrape_configs[0].static_configs[0].labels.get("__path__"), Some("/var/log/x"));
        }
        let config = config(&format!(
            "logcafe agent -config.file={path} -client.url=http://b/push -client.external-labels=dc=two,host=h \
             -server.http-listen-port=9081 -positions.file /tmp/p.yaml -log.level=debug -client.batch-wait=5s \
             -server.grpc-listen-port=0"
        ));
        assert_eq!((config.clients.len(), config.server.http_listen_port), (2, 9081));
        let labels = |index: usize| config.clients[index].external_labels.to_string();
        assert_eq!((labels(0).as_str(), labels(1).as_str()), (r#"{dc="one", host="h"}"#, r#"{dc="two", host="h"}"#));
        assert_eq!(config.clients[1].batchwait.to_string(), "5s");
        assert_eq!(
            (config.positions.filename.to_str(), config.server.log_level),
            (Some("/tmp/p.yaml"), LogLevel::Debug)
        );
    }

    #[test]
    fn flags_that_do_nothing_are_passed_over_and_those_for_safety_refused() {
        let parsed = parse(
            "logcafe agent --to http://a -tracing.enabled -server.grpc.keepalive.time=2h -server.grpc-conn-limit 5 \
             -server.log-request-headers=false -server.log-source-ips-full -file-watch.min_poll_frequency=1s x",
        );
        assert_eq!(parsed.unwrap().files, ["x"]);
        for flag in
            ["-server.http-tls-cert-path=a", "-server.proxy-protocol-enabled", "-server.tls-min-version VersionTLS12"]
        {
            let error = parse(&format!("logcafe agent --to http://a {flag}")).unwrap_err();
            assert!(error.contains("a proxy on the machine"), "{error}");
        }
    }

    #[test]
    fn flags_for_the_server_of_another_flag_are_said_where_that_is_not_given() {
        let remarks = |flags: &str| {
            let line = format!("logcafe agent -config.file=x -client.external-labels=a=b{flags}");
            parse(&line).unwrap().overrides.remarks()
        };
        let all = [
            ("tenant-id=t", "set tenant_id under"),
            ("batch-wait=5s", "set batchwait under"),
            ("batch-size-bytes=100", "set batchsize under"),
            ("timeout=5s", "set timeout under"),
            ("min-backoff=1s", "set backoff_config.min_period under"),
            ("max-backoff=1s", "set backoff_config.max_period under"),
            ("drop-rate-limited-batches", "set drop_rate_limited_batches under"),
        ];
        for (flag, advice) in all {
            let said = remarks(&format!(" -client.{flag}"));
            let name = flag.split('=').next().unwrap();
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].starts_with(&format!("-client.{name} is given")) && said[0].contains(advice), "{said:?}");
            assert_eq!(remarks(&format!(" -client.{flag} -client.url=http://a/push")), [""; 0]);
        }
        // labels are for all servers
        assert_eq!(remarks(""), [""; 0]);
    }

    #[test]
    fn modes_are_switched_as_go_switches_them() {
        let mode = |flags: &str| parse(&format!("logcafe agent --to http://a{flags} x")).unwrap().mode();
        assert_eq!(mode(""), Mode::Run);
        assert_eq!(mode(" -dry-run"), Mode::DryRun);
        assert_eq!(mode(" -dry-run=false"), Mode::Run);
        assert_eq!(mode(" -dry-run --inspect=true"), Mode::Inspect);
    }

    #[test]
    fn a_flag_that_is_unknown_is_refused_with_one_that_is_near() {
        let error = parse("logcafe agent -config.fil=x").unwrap_err();
        assert!(error.contains("--config.file") || error.contains("--config"), "{error}");
        let error = parse("logcafe agent -client.urll=x").unwrap_err();
        assert!(error.contains("--client.url"), "{error}");
    }

    #[test]
    fn standard_input_needs_no_file_with_promtails_flags() {
        let config = config("logcafe agent -stdin -client.url=http://b/push -dry-run");
        assert!(config.target_config.stdin && config.scrape_configs.is_empty());
        assert_eq!(config.clients.len(), 1);
        assert!(config.check(Mode::DryRun).is_ok());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let refused = |line: &str| parse(line).unwrap().config().map(|_| ()).unwrap_err().to_string();
        assert!(refused("logcafe agent").contains("give --config promtail.yaml"));
        assert!(refused("logcafe agent --to http://a --config b.yaml").contains("both say where to push"));
        assert!(refused("logcafe agent --config b.yaml x.log").contains("under scrape_configs"));
        assert!(refused("logcafe agent --config b.yaml --label a=b").contains("--label"));
        assert!(refused("logcafe agent --to http://a").contains("name files"));
        assert!(refused("logcafe agent --config /none/b.yaml").contains("/none/b.yaml: cannot read it"));
    }
}
