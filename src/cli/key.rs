//! `agentconf key …`: API keys of users, whether or not a server runs. It shows a key once, when it is made.

use std::error::Error;

use clap::{Args, Subcommand};

use super::{Place, print, tell};
use crate::access::{Bounds, Scope};
use crate::clock::Clock;
use crate::server::api_keys;
use crate::server::users::{self, UserError};

/// The verbs of `key`.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make an API key of a user and write it to standard output. It is never shown again.
    Add(Add),
    /// List the API keys: identifier, user, scope, when they were made, when they end, the agent that they are bound to, and
    /// whether they ended with their user.
    List(Place),
    /// End an API key, and what was begun with it.
    Revoke(Revoke),
}

/// The arguments of `key add`.
#[derive(Debug, Args)]
pub struct Add {
    /// Name of the user, who must exist.
    user: String,
    /// How long the key is valid, in seconds.
    #[arg(long, value_name = "S", default_value_t = 90 * 24 * 60 * 60)]
    lifetime: u64,
    /// What it is good for: `full` for all that the user may do, `read` for reading, searching and following alone.
    #[arg(long, default_value_t = Scope::Full)]
    scope: Scope,
    /// The agent in whose name alone it is good.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// The arguments of `key revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Identifier of the key, as `key list` tells it.
    id: String,
    #[command(flatten)]
    place: Place,
}

impl Key {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        match self {
            Key::Add(Add { user, lifetime, scope, agent, place }) => {
                let data = place.load_own()?.data;
                if !users::list(&data)?.contains_key(&user) {
                    return Err(UserError::Unknown(user).into());
                }
                let random = rustls::crypto::ring::default_provider().secure_random;
                let bounds = Bounds { scope, agent };
                print(api_keys::add(&data, &user, bounds, lifetime, Clock::system().now(), random)?)?;
            }
            Key::List(place) => {
                let data = place.load_existing()?.data;
                let users = users::list(&data)?;
                for (id, key) in api_keys::list(&data)? {
                    let (user, scope) = (&key.user, key.scope);
                    let of_another = users.get(user).is_some_and(|user| user.created > key.created);
                    let ended = of_another.then_some("ended: its user was removed, and made anew");
                    let agent = key.agent.as_deref().or(ended.map(|_| ""));
                    let more: String =
                        agent.into_iter().chain(ended).map(|text| format!("\t{text}")).collect();
                    tell(format_args!("{id}\t{user}\t{scope}\t{}\t{}{more}", key.created, key.ends))?;
                }
            }
            Key::Revoke(Revoke { id, place }) => api_keys::revoke(&place.load_own()?.data, &id)?,
        }
        Ok(())
    }
}
