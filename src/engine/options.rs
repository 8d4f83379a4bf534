//! What the engine is told at its start and never changes.

use std::fmt;
use std::sync::Arc;

use super::judges::Judges;
use super::library::Capabilities;
use super::receivers::Receivers;
use super::secrets::Vault;
use crate::audit::Trail;
use crate::clock::Clock;
use crate::limits::InForce;
use crate::tasks::Blobs;
use crate::trace::Spans;
use crate::yang::generated::irtf_agent;

/// What the engine needs besides the log.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// Limits on what can grow.
    pub limits: InForce,
    /// Whether there is a startup datastore, which is made the running one at each start.
    pub startup: bool,
    /// The profile of the server's own agent, at `/irtf-agent:agent`.
    pub profile: irtf_agent::Agent,
    /// What the server says of itself.
    pub capabilities: Capabilities,
    /// Where secrets are kept.
    pub vault: Arc<dyn Vault>,
    /// Those that it reports to.
    pub receivers: Arc<dyn Receivers>,
    /// Who is asked where a policy leaves something to a model.
    pub judges: Arc<dyn Judges>,
    /// Where the parts of large data objects are kept; without it they are in the log, and in memory.
    pub blobs: Option<Arc<dyn Blobs>>,
    /// Where it is noted what was asked and refused.
    pub trail: Trail,
    /// Where spans go.
    pub spans: Spans,
    /// Who is a user, though nothing of the log tells of it.
    pub accounts: Accounts,
}

/// Tells whether there is a user of a name. Nobody is known by default.
#[derive(Clone, Default)]
pub struct Accounts(Option<Arc<Has>>);

/// Says whether it is one.
type Has = dyn Fn(&str) -> bool + Send + Sync;

impl Accounts {
    /// Those for whom it is true.
    pub fn new(has: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Accounts(Some(Arc::new(has)))
    }

    /// Whether this is one.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|has| has(name))
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Accounts").finish_non_exhaustive()
    }
}
