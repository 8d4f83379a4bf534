//! `agentconf shell`: an interactive session with a server, or a script of the same commands. What lines mean is in
//! `grammar` and `place`, what they do in `run`; this file reads and prints them. It never edits data itself.

mod complete;
mod edits;
mod grammar;
mod help;
mod keys;
mod manual;
mod place;
mod revisions;
mod run;
mod terminal;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod waiting;
mod watch;
mod words;

use std::error::Error;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use rustyline::ExternalPrinter;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use self::keys::Keys;
use self::run::{Answer, Server};
use self::terminal::{Terminal, Typed};
use super::connection::Connection;
use super::output::{self, Format};
use super::{UsageError, library};
use crate::client::ClientError;

/// Longest line of a script.
const LINE_MAX: usize = 1024 * 1024;

/// The arguments of `shell`.
#[derive(Debug, Args)]
#[command(after_help = "Lines that are piped in are carried out as a script.

Examples:
  agentconf shell ssh://admin@127.0.0.1:8830
  echo 'show running /irtf-agent:data-params' | agentconf shell")]
pub struct Shell {
    /// The server's URL (ssh://, tls:// or https://; default: AGENTCONF_URL, or else the server on this machine).
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// How data is shown first.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Go on with a script after a line that failed.
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Shell {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let (url, more) = self.connection.place(self.url.iter().cloned().collect())?;
        if let Some(more) = more.first() {
            return Err(UsageError::of(format!("{more:?} is no URL")).into());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let server = runtime.block_on(async {
            let session = self.connection.open_private(&url).await?;
            let schema = Arc::clone(&library(&session).await?.schema);
            Ok::<Server, Box<dyn Error>>(Server::new(session, schema, url))
        })?;
        let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let mut shell = run::Shell::new(Arc::new(server), self.connection, self.format);
        if let Some(message) = runtime.block_on(shell.arrive()) {
            complain(&message);
        }
        let result = match is_terminal {
            true => converse(&mut shell, &runtime),
            false => read_script(&mut shell, &runtime, self.keep_going),
        };
        runtime.block_on(shell.close());
        result
    }
}

/// Reads lines from a person until they leave.
fn converse(shell: &mut run::Shell, runtime: &Runtime) -> Result<(), Box<dyn Error>> {
    let server = Arc::clone(&shell.server);
    let keys = Keys::new(Arc::clone(&server), runtime.handle().clone());
    let mut terminal = Terminal::new(&server, keys, history())?;
    let printer = Arc::new(Mutex::new(terminal.printer()?));
    for problem in server.schema.problems().iter().take(10) {
        complain(problem);
    }
    let mut begun = (String::new(), String::new());
    let mut is_warned = false;
    let mut watched = watch_session(shell, runtime, &printer);
    loop {
        let prompt = prompt(shell);
        let typed = terminal.read(&prompt, &shell.here, (&begun.0, &begun.1))?;
        begun = (String::new(), String::new());
        let line = match typed {
            Typed::Line(line) => line,
            Typed::Interrupt => continue,
            Typed::End => "exit".to_owned(),
            Typed::Help(line, at) => {
                let (before, after) = line.split_at_checked(at).unwrap_or((&line, ""));
                output::put(&help::help(&server.schema, &shell.here, before))?;
                begun = (before.to_owned(), after.to_owned());
                continue;
            }
        };
        let first = line.split_whitespace().next().unwrap_or_default();
        if is_warned
            && !first.is_empty()
            && first != "quit"
            && !grammar::COMMANDS.iter().any(|(name, _)| first == *name)
        {
            complain("after this warning a command is written in full");
            continue;
        }
        if shell.has_ended() && first != "reconnect" && !first.is_empty() {
            // The same as "reconnect", before what was asked for.
            match runtime.block_on(shell.reconnect()) {
                Ok((text, is_lost)) => {
                    complain(text.trim_end());
                    watched = watch_session(shell, runtime, &printer);
                    if is_lost {
                        complain("so nothing else was done");
                        continue;
                    }
                }
                Err(_) if matches!(first, "exit" | "quit") => return Ok(()),
                Err(error) => {
                    complain(&format!("the session has ended, and there is no new one: {error}"));
                    continue;
                }
            }
        }
        let tell = {
            let printer = Arc::clone(&printer);
            move |text: String| print(&printer, &text)
        };
        let answer = carry_out(shell, runtime, &line, &prompt, tell);
        if first == "reconnect" && answer.is_ok() {
            watched = watch_session(shell, runtime, &printer);
        }
        match answer {
            Ok(Answer { ends: true, .. }) if let (Some(warning), false) = (warning(shell), is_warned) => {
                complain(warning);
                is_warned = true;
            }
            Ok(Answer { ends: true, .. }) => {
                watched.abort();
                return Ok(());
            }
            Ok(answer) => {
                is_warned = false;
                output::put(&answer.text)?;
            }
            Err(message) => complain(&message),
        }
    }
}

/// What a person who leaves would lose.
fn warning(shell: &run::Shell) -> Option<&'static str> {
    match (shell.is_changed, shell.is_bound()) {
        (true, _) => {
            Some("there are changes that are not committed: \"commit\" or \"discard\" them, or leave again")
        }
        (_, true) => Some(
            "a commit waits to be confirmed, and leaving takes it back: \"commit confirm\", or leave again",
        ),
        (false, false) => None,
    }
}

/// Tells when the session ends.
fn watch_session<P: ExternalPrinter + Send + 'static>(
    shell: &run::Shell,
    runtime: &Runtime,
    printer: &Arc<Mutex<P>>,
) -> JoinHandle<()> {
    let (session, printer, is_private) =
        (shell.server.session(), Arc::clone(printer), shell.server.is_private);
    runtime.spawn(async move {
        let reason = session.end().await;
        let lost = if is_private { "what was not committed is lost; " } else { "" };
        print(
            &printer,
            &format!(
                "the session has ended: {reason}; {lost}\"reconnect\", or any command, opens a new one\n"
            ),
        );
    })
}

/// Prints above the line that is being typed.
fn print<P: ExternalPrinter>(printer: &Mutex<P>, text: &str) {
    // Who has closed the terminal is not told.
    let _ = printer.lock().unwrap_or_else(PoisonError::into_inner).print(output::plain(text).into_owned());
}

/// Carries out the lines of standard input. What is not committed or not confirmed at the end is given up, and is a
/// failure: the server takes a confirmed commit back with the session that made it (RFC 6241 section 8.4.1).
fn read_script(shell: &mut run::Shell, runtime: &Runtime, keep_going: bool) -> Result<(), Box<dyn Error>> {
    let result = read_lines(shell, runtime, keep_going);
    let unconfirmed = "the script has ended without \"commit confirm\": its confirmed commit ends with the session, and is taken back";
    let uncommitted = "the script has ended without \"commit\" or \"discard\": its changes are given up";
    let lost = [(shell.is_changed, uncommitted), (shell.is_bound(), unconfirmed)];
    runtime.block_on(shell.give_up());
    let lost = lost.iter().filter(|(is_so, _)| *is_so).map(|(_, message)| *message);
    let lost: Vec<&str> = lost.collect();
    match result {
        _ if lost.is_empty() => result,
        Ok(()) => Err(lost.join("\n").into()),
        Err(_) => {
            complain(&lost.join("\n"));
            result
        }
    }
}

fn read_lines(shell: &mut run::Shell, runtime: &Runtime, keep_going: bool) -> Result<(), Box<dyn Error>> {
    let mut input = std::io::stdin().lock();
    let mut failed = 0_usize;
    for number in 1_u64.. {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut input, LINE_MAX as u64 + 1);
        if limited.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let line = String::from_utf8(line).map_err(|_| format!("line {number}: it is no UTF-8"))?;
        if line.len() > LINE_MAX {
            return Err(format!("line {number}: it is longer than {LINE_MAX} octets").into());
        }
        let line = line.trim_end_matches(['\n', '\r']);
        let tell = |text: String| {
            // Who reads no more is not told.
            let _ = output::put(&text);
        };
        let before = format!("line {number}: ");
        match carry_out(shell, runtime, line, &before, tell) {
            Ok(answer) => {
                output::put(&answer.text)?;
                if answer.ends {
                    break;
                }
            }
            Err(message) => {
                let message = format!("{before}{line}\n{message}");
                failed += 1;
                match keep_going {
                    true => complain(&message),
                    false => return Err(ClientError::Request(message).into()),
                }
            }
        }
    }
    match failed {
        0 => Ok(()),
        1 => Err("a line failed".into()),
        _ => Err(format!("{failed} lines failed").into()),
    }
}

/// Carries out a line; what went wrong, with carets below the word that it is about.
fn carry_out(
    shell: &mut run::Shell,
    runtime: &Runtime,
    line: &str,
    prompt: &str,
    tell: impl Fn(String) + Send + 'static,
) -> Result<Answer, String> {
    let words = words::split(line);
    let command = grammar::parse(&shell.server.schema, &shell.here, line, &words);
    let command = command.map_err(|wrong| wrong.show(line, prompt))?;
    runtime.block_on(async {
        tokio::select! {
            answer = shell.run(command, tell) => answer.map_err(|error| error.to_string()),
            _ = tokio::signal::ctrl_c() => Err("interrupted: the server may have done it all the same".to_owned()),
        }
    })
}

/// What stands before a line: the host, the place, and a star while there are changes that are not
/// committed, and what else is to be done or feared.
fn prompt(shell: &run::Shell) -> String {
    let place = match shell.here.node {
        Some(_) => format!(" {}", shell.here.path),
        None => String::new(),
    };
    let star = if shell.is_changed { "*" } else { "" };
    let foreign = if shell.foreign > 0 { " (changes of others)" } else { "" };
    let waiting = if shell.is_waiting() { " (commit to be confirmed)" } else { "" };
    format!("{}{place}{star}{foreign}{waiting}> ", shell.server.url.host)
}

/// The file of the history, as far as there is a home.
fn history() -> Option<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = from("XDG_STATE_HOME").or_else(|| Some(from("HOME")?.join(".local/state")))?;
    let folder = state.join("agentconf");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn complain(message: &str) {
    // Nobody is left to be told if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{}", output::plain(message));
}
