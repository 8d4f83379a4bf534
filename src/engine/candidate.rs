//! Candidate configurations (RFC 6241 section 8.3): one that all share, and one for each session
//! that wants its own.
//!
//! They are working copies: an edit costs what an edit of the running datastore costs without its
//! record in the log, and a restart forgets them. Nothing here validates.

use std::sync::Arc;

use imbl::OrdMap;

use super::request::Candidate;
use super::state::State;
use crate::clock::Timestamp;
use crate::datastore::merge::{Resolution, merge};
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::path::InstancePath;
use crate::yang::tree::Container;

/// All candidates that differ, or may differ, from the running datastore.
#[derive(Debug, Clone, Default)]
pub(super) struct Candidates {
    open: OrdMap<Candidate, Working>,
    /// The revision of the newest edit of any of them.
    newest: u64,
}

/// A candidate that was edited.
#[derive(Debug, Clone)]
pub(super) struct Working {
    /// The running datastore when it was begun.
    base: Arc<Container>,
    pub(super) content: Arc<Container>,
    /// Like a log position it grows with every edit, but it is no position.
    pub(super) revision: u64,
    pub(super) changed_at: Timestamp,
    /// How many nodes its edits brought.
    nodes: usize,
    /// The txids that its client had of the running datastore, the newest of each node: the commit depends on them
    /// (draft-ietf-netconf-transaction-id-11 section 3.7).
    pub(super) txids: OrdMap<InstancePath, String>,
}

/// Most txids that the commit of a candidate can depend on.
const TXIDS_MAX: usize = 10_000;

impl Candidates {
    /// Whether these are the same as others of which they are a copy.
    pub(super) fn same(&self, other: &Candidates) -> bool {
        self.open.ptr_eq(&other.open)
    }

    /// A candidate that was edited. Any other is what the running datastore is.
    pub(super) fn get(&self, which: Candidate) -> Option<&Working> {
        self.open.get(&which)
    }

    /// What revision the next edit has. It is made of the time, so that a restart, which forgets
    /// the candidates, does not give the same revision to something else.
    pub(super) fn next_revision(&self, now: Timestamp) -> u64 {
        self.newest.saturating_add(1).max(u64::try_from(now.as_micros()).unwrap_or_default())
    }

    /// The candidates that were edited.
    pub(super) fn edited(&self) -> impl Iterator<Item = Candidate> {
        self.open.keys().copied()
    }

    /// Puts new content into a candidate, to which `added` nodes were brought.
    ///
    /// # Errors
    /// `resource-denied` if there are `candidates_max` of sessions already, or too many nodes in this one.
    pub(super) fn put(
        &mut self,
        which: Candidate,
        state: &State,
        content: Arc<Container>,
        now: Timestamp,
        added: usize,
        limits: &Limits,
    ) -> Result<(), Error> {
        let denied = |message: String| Err(Error::application(Tag::ResourceDenied, message));
        let of_sessions = self.open.len() - usize::from(self.open.contains_key(&Candidate::Shared));
        let (base, txids, nodes) = match self.open.get(&which) {
            Some(working) => (working.base.clone(), working.txids.clone(), working.nodes),
            // There is always room for the one that all share.
            None if which != Candidate::Shared && of_sessions >= limits.candidates_max => {
                return denied(format!("the server keeps at most {} candidates", limits.candidates_max));
            }
            None => (state.config.content().clone(), OrdMap::new(), 0),
        };
        let nodes = nodes.saturating_add(added);
        if nodes > limits.candidate_nodes_max {
            let most = limits.candidate_nodes_max;
            return denied(format!("edits of a candidate bring at most {most} nodes: commit or discard it"));
        }
        let revision = self.next_revision(now);
        self.newest = revision;
        self.open.insert(which, Working { base, content, revision, changed_at: now, nodes, txids });
        Ok(())
    }

    /// Makes the commit of a candidate depend on what its client knows of the running datastore.
    ///
    /// # Errors
    /// `resource-denied` if it depends on too much already.
    pub(super) fn depend(
        &mut self,
        which: Candidate,
        known: impl IntoIterator<Item = (InstancePath, String)>,
    ) -> Result<(), Error> {
        let Some(working) = self.open.get_mut(&which) else { return Ok(()) };
        working.txids.extend(known);
        if working.txids.len() > TXIDS_MAX {
            let message = format!("a commit depends on at most {TXIDS_MAX} transaction ids");
            return Err(Error::application(Tag::ResourceDenied, message));
        }
        Ok(())
    }

    /// Takes what others did since a candidate was begun, or updated last, over into it.
    ///
    /// # Errors
    /// `operation-failed` with the app-tag `conflict` for each place that both changed, unless `resolution` says what becomes
    /// of these.
    pub(super) fn update(
        &mut self,
        which: Candidate,
        state: &State,
        resolution: Resolution,
        now: Timestamp,
    ) -> Result<(), Error> {
        let revision = self.next_revision(now);
        let Some(working) = self.open.get_mut(&which) else { return Ok(()) };
        let running = state.config.content();
        let merged = merge(&working.base, &working.content, running, resolution, revision)?;
        let (base, content, txids) = (running.clone(), Arc::new(merged), working.txids.clone());
        *working = Working { base, content, revision, changed_at: now, nodes: working.nodes, txids };
        self.newest = revision;
        Ok(())
    }

    /// Makes a candidate what the running datastore is.
    pub(super) fn discard(&mut self, which: Candidate) {
        self.open.remove(&which);
    }

    /// What the running datastore is after a commit of the candidate. The shared candidate takes its
    /// place; a session's own is merged with what others did since it was begun.
    ///
    /// # Errors
    /// `operation-failed` with the app-tag `conflict` if both changed the same.
    pub(super) fn committed(&self, which: Candidate, state: &State) -> Result<Arc<Container>, Error> {
        let Some(working) = self.open.get(&which) else { return Ok(state.config.content().clone()) };
        match which {
            Candidate::Session(_) if !Arc::ptr_eq(&working.base, state.config.content()) => {
                let revision = state.position + 1;
                merge(&working.base, &working.content, state.config.content(), Resolution::Refuse, revision)
                    .map(Arc::new)
            }
            Candidate::Session(_) | Candidate::Shared => Ok(working.content.clone()),
        }
    }
}
