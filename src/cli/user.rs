//! `logcafe user`: the people who may sign in. Works on the data folder, also while the server runs.

use std::time::SystemTime;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};

use crate::cli::data::DataFolder;
use crate::cli::password;
use crate::db::users::{self, Role};
use crate::model::Timestamp;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  logcafe user add ann                                asks for a password; ann may read
  logcafe user add ann --role admin --data /var/lib/logcafe
  pwgen 20 1 | logcafe user add bob --password-stdin
  logcafe user passwd ann                             also ends ann's sessions")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add someone
    Add {
        name: String,
        /// What they may do: admins manage people and tokens
        #[arg(long, value_enum, default_value = "reader")]
        role: RoleName,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Show who there is
    List {
        #[command(flatten)]
        data: DataFolder,
    },
    /// Set a new password and end all sessions of the old one
    Passwd {
        name: String,
        /// Read the password from standard input instead of asking for it
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        data: DataFolder,
    },
    /// Remove someone with their sessions and saved queries
    Remove {
        name: String,
        #[command(flatten)]
        data: DataFolder,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Admin,
    Reader,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        Command::Add { name, role, password_stdin, data } => {
            let role = match role {
                RoleName::Admin => Role::Admin,
                RoleName::Reader => Role::Reader,
            };
            let db = data.open()?;
            if users::find(&db, &name)?.is_some() {
                bail!("there is a user {name} already; `logcafe user passwd {name}` sets a new password");
            }
            let password = password::choose(&name, password_stdin)?;
            let user = users::add(&db, &name, &password, role, Timestamp::from(SystemTime::now()))?;
            anstream::println!("added {} ({})", user.name, user.role.as_str());
        }
        Command::List { data } => {
            for user in users::list(&data.open()?)? {
                anstream::println!(
                    "{:<24} {:<8} {}",
                    user.name,
                    user.role.as_str(),
                    crate::cli::data::day(user.created_at)
                );
            }
        }
        Command::Passwd { name, password_stdin, data } => {
            let db = data.open()?;
            if users::find(&db, &name)?.is_none() {
                bail!("there is no user {name}; `logcafe user list` shows who there is");
            }
            let password = password::choose(&name, password_stdin)?;
            users::set_password(&db, &name, &password, None)?;
            anstream::println!("{name} has a new password; all sessions were ended");
        }
        Command::Remove { name, data } => {
            users::remove(&data.open()?, &name)?;
            anstream::println!("removed {name}");
        }
    }
    Ok(())
}
