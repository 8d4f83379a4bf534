//! The command line: what each verb is called, and how errors are shown.
//!
//! It never holds logic that the library could not do without it.

pub mod audit;
pub mod backup;
pub mod call;
pub mod connection;
pub mod edit;
pub mod get;
mod input;
pub mod key;
pub mod log;
pub mod manual;
pub mod output;
mod progress;
pub mod schema;
pub mod serve;
pub mod shell;
pub mod token;
pub mod user;
pub mod watch;

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::client::library::Library;
use crate::client::{ClientError, Session};
use crate::config::{Config, ConfigError};
use crate::server::{Application, ApplicationError, Prepared, telemetry};

/// The server where a network's agents meet.
#[derive(Debug, Parser)]
#[command(name = "agentconf", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the server.
    Serve(serve::Serve),
    /// Add, change, remove and list users; a running server notices at once.
    #[command(subcommand)]
    User(user::User),
    /// Make a bearer token of a user and write it to standard output.
    Token(token::Token),
    /// Make, list and revoke API keys; a running server notices at once.
    #[command(subcommand)]
    Key(key::Key),
    /// Look at the event log.
    #[command(subcommand)]
    Log(log::Log),
    /// Write who did what, from the event log and the audit trail.
    #[command(subcommand)]
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(backup::Restore),
    /// Read data of a server, over NETCONF or RESTCONF.
    Get(get::Get),
    /// Change data of a server.
    Edit(edit::Edit),
    /// Invoke an operation of a server.
    Call(call::Call),
    /// Follow the events of a server, or its data.
    Watch(watch::Watch),
    /// Show the modules of a server, their text, or help on a node.
    Schema(schema::Schema),
    /// Work with a server: completion from its schema, edits with diff and commit, live events.
    Shell(shell::Shell),
    /// Write completions for a shell.
    Completions(manual::Completions),
    /// Write manual pages.
    Man(manual::Man),
}

/// Where the server's files are.
#[derive(Debug, Args)]
pub struct Place {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory that holds everything the server keeps [default: ./agentconf-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Place {
    /// The settings of the file, or the defaults, with the directory of the command line.
    fn load(&self) -> Result<Config, ConfigError> {
        let mut config = self.config.as_deref().map_or_else(|| Ok(Config::default()), Config::load)?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }

    /// As [`Self::load`], for what needs a directory that is there already.
    fn load_existing(&self) -> Result<Config, Box<dyn Error>> {
        let config = self.load()?;
        match config.data.is_dir() {
            true => Ok(config),
            false => Err(format!(
                "there is no directory {}; start a server first, or name its directory with --data",
                config.data.display()
            )
            .into()),
        }
    }

    /// As [`Self::load_existing`], for what writes there.
    fn load_own(&self) -> Result<Config, Box<dyn Error>> {
        let config = self.load_existing()?;
        check_user(&config.data)?;
        Ok(config)
    }
}

/// That the server can read the files which are made: it runs as the user whose directory it is, or, where that is another's
/// and it may write there, as the one whose lock is in it. One that is not there is of whoever makes it.
fn check_user(data: &Path) -> Result<(), String> {
    let user = |path: &Path| fs::metadata(path).map(|of| of.uid()).ok();
    // Linux says there whose process this is.
    match (user(&data.join(crate::server::LOCK)).or_else(|| user(data)), user(Path::new("/proc/self"))) {
        (Some(owner), Some(own)) => check_owner(data, owner, own),
        _ => Ok(()),
    }
}

fn check_owner(data: &Path, owner: u32, own: u32) -> Result<(), String> {
    match owner == own {
        true => Ok(()),
        false => Err(format!(
            "{} is of the user with uid {owner}, who could not read what uid {own} makes: run this as uid {owner}",
            data.display()
        )),
    }
}

/// Runs the command line of this process. `build` makes what `serve` serves.
///
/// Exit code: 0 if it was done, 1 if it failed, 2 if the command line or the configuration is wrong.
pub fn main(build: impl AsyncFnOnce(&Prepared) -> Result<Application, ApplicationError>) -> ExitCode {
    let result = match Arguments::parse().verb {
        Verb::Serve(serve) => serve.run(build),
        Verb::User(user) => user.run(),
        Verb::Token(token) => token.run(),
        Verb::Key(key) => key.run(),
        Verb::Log(log) => log.run(),
        Verb::Audit(audit) => audit.run(),
        Verb::Backup(backup) => backup.run(),
        Verb::Restore(restore) => restore.run(),
        Verb::Get(get) => get.run(),
        Verb::Edit(edit) => edit.run(),
        Verb::Call(call) => call.run(),
        Verb::Watch(watch) => watch.run(),
        Verb::Schema(schema) => schema.run(),
        Verb::Shell(shell) => shell.run(),
        Verb::Completions(completions) => completions.run(),
        Verb::Man(man) => man.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            chain(error.as_ref()).lines().for_each(telemetry::say);
            if is_usage(error.as_ref()) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// The error and its causes, in one line but for several errors of a server.
fn chain(error: &(dyn Error + 'static)) -> String {
    let line = telemetry::chain(error);
    match error.is::<ClientError>() {
        // What a server says is not for the terminal to obey.
        true => output::plain(&line).into_owned(),
        false => line.replace('\n', " "),
    }
}

/// The command line makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

impl UsageError {
    fn of(reason: impl std::fmt::Display) -> UsageError {
        UsageError(reason.to_string())
    }
}

/// Runs a client verb.
fn block_on(verb: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(verb)
}

/// What the server's YANG texts say, as far as it gives them.
async fn library(session: &Session) -> Result<&Library, ClientError> {
    let library = session.library().await?;
    for (module, error) in &library.missing {
        // Nobody is left to be told if standard error is closed.
        let _ = writeln!(std::io::stderr(), "agentconf: without the module {module}: {error}");
    }
    Ok(library)
}

fn is_usage(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<ConfigError>() || error.is::<UsageError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether it failed because nobody reads any more: `| head` has seen enough.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let json = error.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
    io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
}

/// Writes a line for whoever still reads.
fn tell(line: impl std::fmt::Display) -> std::io::Result<()> {
    output::put(&format!("{line}\n")).map(drop)
}

/// Writes a line that a script may read; an error if nobody takes it.
fn print(line: impl std::fmt::Display) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn who_is_not_the_user_of_the_directory_is_told_both() {
        let data = Path::new("/var/lib/agentconf");
        assert_eq!(check_owner(data, 990, 990), Ok(()));
        let refused = check_owner(data, 990, 0).unwrap_err();
        assert!(refused.contains("uid 990") && refused.contains("uid 0 makes"), "{refused}");
        assert_eq!(check_user(&std::env::temp_dir().join("none-of-this-name")), Ok(()));
    }

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        let place = Place { config: Some("/nonexistent/agentconf.toml".into()), data: None };
        let error: Box<dyn Error> = place.load().unwrap_err().into();
        let line = chain(error.as_ref());
        assert!(line.starts_with("cannot read /nonexistent/agentconf.toml: No such file"), "{line}");
        assert!(is_usage(error.as_ref()));
    }
}
