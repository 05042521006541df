//! `logcafe token`: what machines push and read with. Works on the data folder, also while the server runs.

use std::time::SystemTime;

use clap::{Subcommand, ValueEnum};

use crate::cli::data::{DataFolder, day};
use crate::db::tokens::{self, Scope};
use crate::model::Timestamp;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  logcafe token add web-server                        prints the token, once
  logcafe token add web-server > /etc/promtail/token  nothing else is on standard output
  logcafe token add grafana --scope read
  logcafe token revoke web-server                     ends it at once, also on a running server")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token and print it; it cannot be shown again
    Add {
        /// What you will know it by
        name: String,
        /// What it is good for
        #[arg(long, value_enum, default_value = "push")]
        scope: ScopeName,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Show which there are
    List {
        #[command(flatten)]
        data: DataFolder,
    },
    /// End a token
    Revoke {
        name: String,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScopeName {
    Push,
    Read,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Add { name, scope, data } => {
            let scope = match scope {
                ScopeName::Push => Scope::Push,
                ScopeName::Read => Scope::Read,
            };
            let secret = tokens::create(&data.open()?, &name, scope, Timestamp::from(SystemTime::now()))?;
            anstream::println!("{}", secret.reveal());
        }
        Command::List { data } => {
            for token in tokens::list(&data.open()?)? {
                let used = token.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", day(at)));
                let (scope, made) = (token.scope.as_str(), day(token.created_at));
                anstream::println!("{:<24} {scope:<8} made {made}  {used}", token.name);
            }
        }
        Command::Revoke { name, data } => {
            tokens::revoke(&data.open()?, &name)?;
            anstream::println!("revoked {name}");
        }
    }
    Ok(())
}
