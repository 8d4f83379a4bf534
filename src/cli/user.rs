//! `agentconf user …`: changes the user file, whether or not a server runs. It never shows a hash or a key.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read, Write as _};
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
    Add(Change),
    /// Change what is given of a user and leave the rest.
    Set(Change),
    /// Remove a user; their tokens end too.
    Remove(Remove),
    /// List the users: name, groups and how they can log in.
    List(Place),
}

/// The arguments of `user add` and `user set`.
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
            User::Add(change) => change.run(true),
            User::Set(change) => change.run(false),
            User::Remove(Remove { name, place }) => {
                let data = place.load_own()?.data;
                Ok(users::edit(&data, |users| {
                    users.remove(&name).map(drop).ok_or(UserError::Unknown(name.clone()))
                })?)
            }
            User::List(place) => list(&place.load_existing()?.data),
        }
    }
}

impl Change {
    fn run(self, is_new: bool) -> Result<(), Box<dyn Error>> {
        let data = if is_new { self.place.load()?.data } else { self.place.load_existing()?.data };
        check_user(&data)?;
        let is_new_directory = !data.exists();
        users::check_name(&self.name)?;
        self.groups.iter().try_for_each(|group| users::check_name(group))?;
        let groups: Option<BTreeSet<String>> =
            (!self.groups.is_empty()).then(|| self.groups.into_iter().collect());
        let ssh_keys = self.ssh_key.as_deref().map(read_ssh_keys).transpose()?;
        let password =
            if self.password_stdin { Some(users::hash_password(&read_password()?)?) } else { None };

        files::create_directory(&data)?;
        let name = self.name;
        users::edit(&data, |users| {
            let user = match (users.get(&name), is_new) {
                (Some(_), true) => return Err(UserError::Exists(name)),
                (None, false) => return Err(UserError::Unknown(name)),
                (Some(old), false) => users::User {
                    groups: groups.unwrap_or_else(|| old.groups.clone()),
                    password: password.or_else(|| old.password.clone()),
                    ssh_keys: ssh_keys.unwrap_or_else(|| old.ssh_keys.clone()),
                    created: old.created,
                },
                (None, true) => users::User {
                    groups: groups.unwrap_or_default(),
                    password,
                    ssh_keys: ssh_keys.unwrap_or_default(),
                    created: Clock::system().now(),
                },
            };
            users.insert(name, user);
            Ok(())
        })?;
        if is_new_directory {
            // Likely the wrong place, unless the server is yet to be started for the first time.
            let _ = writeln!(std::io::stderr(), "agentconf: made the directory {}", data.display());
        }
        Ok(())
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
