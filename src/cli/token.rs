//! `agentconf token`: makes a bearer token with the key of the data directory. It never asks a server.

use std::error::Error;

use clap::Args;

use super::{Place, print};
use crate::clock::Clock;
use crate::server::tokens::Tokens;
use crate::server::users::{self, UserError};

/// The arguments of `token`.
#[derive(Debug, Args)]
pub struct Token {
    /// Name of the user, who must exist.
    name: String,
    /// How long the token is valid, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30 * 24 * 60 * 60)]
    lifetime: u64,
    #[command(flatten)]
    place: Place,
}

impl Token {
    pub(super) fn run(self) -> Result<(), Box<dyn Error>> {
        let config = self.place.load_existing()?;
        let user = users::list(&config.data)?
            .remove(&self.name)
            .ok_or_else(|| UserError::Unknown(self.name.clone()))?;
        let random = rustls::crypto::ring::default_provider().secure_random;
        let tokens = Tokens::open(&config.data, Clock::system(), &config.limits, random)?;
        print(tokens.issue(&self.name, user.groups.into_iter().collect(), self.lifetime)?)?;
        Ok(())
    }
}
