//! Who is asked where a policy leaves something to a model, and how the answer comes back.
//!
//! Nobody is asked here, and an answer decides nothing: it is a request like others, judged by the rules.

use std::fmt;
use std::time::Duration;

use crate::negotiation::policies::Said;
use crate::yang::error::Error;
use crate::yang::generated::magent_policy::SetAside;

use super::driver::Engine;
use super::group::Command;

/// Those that can be asked.
pub trait Judges: fmt::Debug + Send + Sync {
    /// How long an answer is awaited; `None` if nobody can be asked now.
    fn patience(&self) -> Option<Duration>;
}

/// Nobody can be asked.
#[derive(Debug)]
pub struct NoJudges;

impl Judges for NoJudges {
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// What came of asking a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The negotiation.
    pub negotiation: String,
    /// The position of the log at which it was asked.
    pub asked_at: u64,
    /// What it said.
    pub said: Said,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that it was asked for was used.
    Used,
    /// Something of it was set aside.
    SetAside(SetAside),
}

impl Engine {
    /// Makes the move that a model was asked about; `None` if nobody waits for it any more.
    ///
    /// # Errors
    /// The log cannot be written, or the writer has no room for it now.
    pub async fn judged(&self, verdict: Verdict) -> Result<Option<Outcome>, Error> {
        self.command(|answer| Command::Judged(Box::new(verdict), answer)).await
    }
}
