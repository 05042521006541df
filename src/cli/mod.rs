//! The commands. Each file is one command: its arguments, and what it does.

mod agent;
mod check;
mod data;
mod demo;
mod moment;
mod password;
mod query;
mod serve;
mod settings;
mod systemd;
mod token;
mod user;
mod values;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Takes log pushes, indexes them, and serves a login-protected page to read them.
#[derive(Debug, Parser)]
#[command(
    name = "logcafe",
    version,
    arg_required_else_help = true,
    after_help = "\
Begin here:
  logcafe demo                     a server with sample services: see it work
  logcafe serve                    the server; it prints where to make the first account
  logcafe token add web-server     what an agent on web-server pushes with
  logcafe agent --to https://logs.example.com --label job=shop '/var/log/shop/*.log'
  logcafe query '{app=\"web\"} |= \"error\"' --since 10m

Each command tells more: logcafe help serve"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<serve::Arguments>),
    /// See it work: a server with sample services logging into it
    Demo(demo::Arguments),
    /// Read logs where they are written and push them to a server, in Promtail's place
    Agent(Box<agent::Arguments>),
    /// Look for lines, or count them, on a running server
    Query(query::Arguments),
    /// Manage the people who may sign in
    User(user::Arguments),
    /// Manage the tokens that machines push and read with
    Token(token::Arguments),
    /// Look for damage in what is stored, and repair it
    Check(check::Arguments),
}

/// Does what the command line says; the result is what the process exits with.
pub fn run() -> ExitCode {
    let outcome = match Arguments::parse_from(agent::with_two_dashes(std::env::args_os())).command {
        Command::Serve(arguments) => serve::run(*arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Agent(arguments) => agent::run(&arguments),
        Command::Query(arguments) => query::run(&arguments),
        Command::User(arguments) => user::run(arguments),
        Command::Token(arguments) => token::run(arguments),
        Command::Check(arguments) => return check::run(arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("logcafe: {error:#}");
            ExitCode::FAILURE
        }
    }
}
