//! The state: a fold over the log. Start-up replay and the writer use the same `apply`.

use std::sync::Arc;

use super::draft;
use super::event::Event;
use super::moves;
use crate::agents::Registry;
use crate::clock::Timestamp;
use crate::datastore::edit;
use crate::datastore::index::Datastore;
use crate::datastore::validate::VALIDATOR;
use crate::negotiation::Negotiations;
use crate::tasks::Tasks;
use crate::yang::error::Error;

/// Everything the server knows; cloning it costs nothing that grows.
#[derive(Debug, Clone)]
pub struct State {
    /// The log position of the newest event; 0 before the first.
    pub position: u64,
    /// The running configuration.
    pub config: Datastore,
    /// The log position of the newest edit of the configuration.
    pub config_revision: u64,
    /// When the configuration was last edited.
    pub config_changed_at: Timestamp,
    /// The agents.
    pub registry: Registry,
    /// Tasks, contexts and data objects.
    pub tasks: Tasks,
    /// Negotiations.
    pub negotiations: Negotiations,
    /// What became of the newest write of the draft's `tasks`.
    pub dispatch: draft::Dispatch,
}

impl Default for State {
    fn default() -> Self {
        State {
            position: 0,
            config: VALIDATOR.empty(),
            config_revision: 0,
            config_changed_at: Timestamp::EPOCH,
            registry: Registry::default(),
            tasks: Tasks::default(),
            negotiations: Negotiations::default(),
            dispatch: draft::Dispatch::default(),
        }
    }
}

impl State {
    /// Folds in the next event. It never refuses what was decided: an error means that the log
    /// does not fit this program.
    ///
    /// # Errors
    /// An edit that cannot be applied to the configuration.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), Error> {
        self.position += 1;
        let revision = self.position;
        if revision == 1 {
            // The configuration is as old as the log.
            self.config_changed_at = at;
        }
        match event {
            Event::Edited(edits) => {
                let old = self.config.content().clone();
                let mut config = old.as_ref().clone();
                for edit in edits {
                    config = edit::apply(&config, edit, revision)?;
                }
                self.config = self.config.replaced(Arc::new(config));
                self.config_revision = revision;
                self.config_changed_at = at;
                draft::edited(self, &old, at);
            }
            Event::Agents(event) => self.registry.apply(revision, at, event),
            Event::Tasks(event) => {
                self.tasks.apply(revision, at, event);
                draft::dispatched(self, event);
            }
            Event::Negotiation(event) => {
                self.negotiations.apply(revision, at, event);
                moves::recorded(self, revision, at, event);
            }
        }
        Ok(())
    }

    /// When something is due that no request brings about.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines =
            [self.registry.next_deadline(), self.tasks.next_deadline(), self.negotiations.next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}
