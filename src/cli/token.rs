//! `agentconf token`: makes a bearer token with the newest key of the data directory, or another key. It never asks a server.

use std::error::Error;

use clap::Args;

use super::{Place, check_user, print};
use crate::access::{Bounds, Scope};
use crate::clock::Clock;
use crate::server::admin;
use crate::server::tokens::{self, KEY_FILE, Tokens};
use crate::server::users::{self, UserError};

/// The arguments of `token`.
#[derive(Debug, Args)]
pub struct Token {
    /// Name of the user, who must exist.
    #[arg(required_unless_present = "rotate")]
    name: Option<String>,
    /// How long the token is valid, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30 * 24 * 60 * 60)]
    lifetime: u64,
    /// What it is good for: `full` for all that the user may do, `read` for reading, searching and following alone.
    #[arg(long, default_value_t = Scope::Full)]
    scope: Scope,
    /// The agent in whose name alone it is good.
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Make no token but a new key, which signs from now on. Tokens of earlier keys stay valid until they end.
    #[arg(long, conflicts_with = "name")]
    rotate: bool,
    /// With --rotate: forget the earlier keys, so that their tokens end at once.
    #[arg(long, requires = "rotate", conflicts_with = "name")]
    forget: bool,
    #[command(flatten)]
    place: Place,
}

impl Token {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let config = self.place.load_existing()?;
        if self.rotate || !config.data.join(KEY_FILE).exists() {
            check_user(&config.data)?;
        }
        let random = rustls::crypto::ring::default_provider().secure_random;
        let clock = Clock::system();
        if self.rotate {
            tokens::rotate(&config.data, self.forget, random)?;
        }
        let tokens = Tokens::open(&config.data, clock.clone(), &config.limits, random)?;
        match self.name {
            Some(name) => {
                let user = users::list(&config.data)?
                    .remove(&name)
                    .ok_or_else(|| UserError::Unknown(name.clone()))?;
                let bounds = Bounds { scope: self.scope, agent: self.agent };
                print(tokens.issue(&name, user.groups.into_iter().collect(), bounds, self.lifetime)?)?;
            }
            // The administrator's token in the directory may have ended with the keys.
            None => admin::prepare(&config.data, &tokens, clock.now(), random)?,
        }
        Ok(())
    }
}
