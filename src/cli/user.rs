//! `agentconf user …`: changes the user file, whether or not a server runs. It never shows a hash or a key.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read, Write as _};
use std::mem;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{Place, check_user, tell};
use crate::clock::Clock;
use crate::server::files::{self, FileError};
use crate::server::users::{self, UserError};

/// The verbs of `user`.
#[derive(Debug, Subcommand)]
pub enum User {
    /// Add a user.
    Add(Add),
    /// Change what is given of a user and leave the rest.
    Set(Change),
    /// Remove a user; their tokens end too. What belongs to the name stays with it.
    Remove(Remove),
    /// List the users: name, groups and how they can log in.
    List(Place),
}

/// The arguments of `user add`.
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    user: Change,
    /// A removed user had this name, and the new one is the same person again, or a successor who takes over: the agents, tasks,
    /// data objects and delegations of that name are the new user's.
    #[arg(long)]
    again: bool,
}

/// The arguments of `user set`, which `user add` has too.
#[derive(Debug, Args)]
pub struct Change {
    /// Name of the user.
    name: String,
    /// Group that the user is in; may be repeated. Members of `admin` may do everything.
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
    /// Read the password from standard input, without the line end. A user without a password has tokens only.
    #[arg(long)]
    password_stdin: bool,
    /// File with public keys for SSH, one a line.
    #[arg(long, value_name = "FILE")]
    ssh_key: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// The arguments of `user remove`.
#[derive(Debug, Args)]
pub struct Remove {
    /// Name of the user.
    name: String,
    #[command(flatten)]
    place: Place,
}

impl User {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            User::Add(Add { user, again }) => user.add(again),
            User::Set(change) => change.set(),
            User::Remove(Remove { name, place }) => {
                let data = place.load_own()?.data;
                Ok(users::remove(&data, &name, Clock::system().now())?)
            }
            User::List(place) => list(&place.load_existing()?.data),
        }
    }
}

/// What is given of a user.
struct Given {
    groups: Option<BTreeSet<String>>,
    password: Option<String>,
    ssh_keys: Option<Vec<String>>,
}

impl Change {
    fn add(self, again: bool) -> Result<(), Box<dyn Error>> {
        let data = self.place.load()?.data;
        let is_new_directory = !data.exists();
        let Given { groups, password, ssh_keys } = self.given(&data)?;
        files::create_directory(&data)?;
        let (groups, ssh_keys) = (groups.unwrap_or_default(), ssh_keys.unwrap_or_default());
        let user = users::User { groups, password, ssh_keys, created: Clock::system().now() };
        users::add(&data, &self.name, user, again)?;
        if is_new_directory {
            // Likely the wrong place, unless the server is yet to be started for the first time.
            let _ = writeln!(std::io::stderr(), "agentconf: made the directory {}", data.display());
        }
        Ok(())
    }

    fn set(self) -> Result<(), Box<dyn Error>> {
        let data = self.place.load_existing()?.data;
        let Given { groups, password, ssh_keys } = self.given(&data)?;
        Ok(users::edit(&data, |users| {
            let user = users.get_mut(&self.name).ok_or(UserError::Unknown(self.name))?;
            user.groups = groups.unwrap_or_else(|| mem::take(&mut user.groups));
            user.password = password.or_else(|| user.password.take());
            user.ssh_keys = ssh_keys.unwrap_or_else(|| mem::take(&mut user.ssh_keys));
            Ok(())
        })?)
    }

    fn given(&self, data: &Path) -> Result<Given, Box<dyn Error>> {
        check_user(data)?;
        users::check_name(&self.name)?;
        self.groups.iter().try_for_each(|group| users::check_name(group))?;
        let groups = (!self.groups.is_empty()).then(|| self.groups.iter().cloned().collect());
        let ssh_keys = self.ssh_key.as_deref().map(read_ssh_keys).transpose()?;
        let password =
            if self.password_stdin { Some(users::hash_password(&read_password()?)?) } else { None };
        Ok(Given { groups, password, ssh_keys })
    }
}

fn read_ssh_keys(file: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(FileError::of("read", file))?;
    Ok(users::parse_ssh_keys(&text)?)
}

fn read_password() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    Ok(password.strip_suffix('\r').unwrap_or(password).to_owned())
}

fn list(data: &Path) -> Result<(), Box<dyn Error>> {
    for (name, user) in users::list(data)? {
        let groups: Vec<_> = user.groups.into_iter().collect();
        let password = if user.password.is_some() { "password" } else { "no password" };
        tell(format_args!("{name}\t{}\t{password}, {} SSH keys", groups.join(","), user.ssh_keys.len()))?;
    }
    Ok(())
}
