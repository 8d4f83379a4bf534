//! A vault in memory, which numbers what it is given. It never tells, unless it is mutated.

use std::sync::atomic::{AtomicU64, Ordering};

use agentconf::access::{Reference, Settings};
use agentconf::engine::{Secret, Vault};
use agentconf::yang::error::Error;

#[derive(Debug, Default)]
pub struct Numbers {
    kept: AtomicU64,
    tells: bool,
}

impl Numbers {
    pub fn new(tells: bool) -> Self {
        Numbers { tells, ..Numbers::default() }
    }
}

impl Vault for Numbers {
    fn keep(&self, secret: Secret<'_>, purpose: &str) -> Result<Reference, Error> {
        let number = self.kept.fetch_add(1, Ordering::Relaxed);
        Ok(match secret {
            Secret::Password(text) if self.tells => Reference::new(purpose, text),
            _ => Reference::new(purpose, &format!("{number}")),
        })
    }

    fn keep_key(&self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn random(&self) -> Result<String, Error> {
        Ok(self.kept.fetch_add(1, Ordering::Relaxed).to_string())
    }

    fn is(&self, _: &Reference, _: &str) -> bool {
        false
    }

    fn uses(&self, _: &Reference) -> Result<(), Error> {
        Ok(())
    }

    fn check(&self, _: &Settings) -> Result<(), Error> {
        Ok(())
    }
}
