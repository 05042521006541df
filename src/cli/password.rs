//! Asks for passwords without showing them.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A new password for `name`: the first line of standard input if so wished, else asked for twice.
pub(crate) fn choose(name: &str, from_stdin: bool) -> anyhow::Result<String> {
    if from_stdin {
        return read_line().context("no password came on standard input");
    }
    if !stdin().is_terminal() {
        bail!("standard input is no terminal to ask for a password on; use --password-stdin");
    }
    let password = ask(&format!("Password for {name}: "))?;
    if password != ask("The same again: ")? {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(password)
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    write!(stderr(), "{prompt}")?;
    let silence = Silence::begin()?;
    let line = read_line();
    drop(silence);
    writeln!(stderr())?;
    line.context("no password was typed")
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    if stdin().lock().read_line(&mut line)? == 0 {
        bail!("the input ended");
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// The terminal does not show what is typed while this lives.
struct Silence {
    before: Termios,
}

impl Silence {
    fn begin() -> anyhow::Result<Silence> {
        let before = tcgetattr(stdin()).context("cannot read the terminal's settings")?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(stdin(), OptionalActions::Flush, &silent).context("cannot switch the terminal's echo off")?;
        Ok(Silence { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // nothing is left to be done about a terminal that went away
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.before);
    }
}
