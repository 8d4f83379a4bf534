//! The state: a fold over the log. Start-up replay and the writer use the same `apply`.

use std::collections::BTreeSet;
use std::sync::Arc;

use imbl::OrdMap;

use super::confirm::{self, Pending};
use super::draft;
use super::event::{Actor, Event, Startup};
use super::moves;
use super::options::Options;
use super::quotas::{Account, Ledger};
use super::secrets;
use super::sessions;
use crate::access::settings::PrivateKeys;
use crate::access::{self, Nacm, Principal, Reference, Rules, Settings};
use crate::agents::Registry;
use crate::clock::Timestamp;
use crate::datastore::diff::{Change, diff_along};
use crate::datastore::edit::{self, Edit};
use crate::datastore::index::Configuration;
use crate::datastore::validate::VALIDATOR;
use crate::limits::{REVISIONS_MAX, REVISIONS_NODES_MAX};
use crate::negotiation::Negotiations;
use crate::tasks::Tasks;
use crate::yang::error::{Error, Tag};
use crate::yang::tree::{Child, Container};

/// Everything the server knows; cloning it costs nothing that grows.
#[derive(Debug, Clone)]
pub struct State {
    /// The log position of the newest event; 0 before the first.
    pub position: u64,
    /// The running configuration.
    pub config: Configuration,
    /// What is configured of access control.
    pub nacm: Arc<Nacm>,
    /// What is configured of who gets in.
    pub settings: Arc<Settings>,
    /// The log position of the newest edit of the configuration.
    pub config_revision: u64,
    /// When the configuration was last edited.
    pub config_changed_at: Timestamp,
    /// The newest revisions of the running configuration by log position, the present one included.
    pub revisions: OrdMap<u64, Revision>,
    /// How many nodes older revisions have that the one after them has not.
    dropped: usize,
    /// The configuration to start with, if it was ever written.
    pub startup: Option<Arc<Container>>,
    /// When it was written.
    pub startup_changed_at: Timestamp,
    /// The agents.
    pub registry: Registry,
    /// Tasks, contexts and data objects.
    pub tasks: Tasks,
    /// Negotiations.
    pub negotiations: Negotiations,
    /// What became of the newest write of the draft's `tasks`.
    pub dispatch: draft::Dispatch,
    /// The identifier of the newest NETCONF session: they go on where a start finds them.
    pub newest_session: u32,
    /// The confirmed commit that waits for its confirmation.
    pub pending: Option<Pending>,
    /// What each user uses.
    pub(super) ledger: Ledger,
}

/// What edits make of the running configuration, as it was found when they were decided.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// What it was before.
    pub(super) of: Arc<Container>,
    /// The log position of the edits.
    pub(super) revision: u64,
    /// What it is then.
    pub(super) config: Configuration,
    /// All changes between the two.
    pub(super) changes: Vec<Change>,
}

/// The running configuration after one edit.
#[derive(Debug, Clone)]
pub struct Revision {
    /// When the edit was made.
    pub at: Timestamp,
    /// The configuration.
    pub content: Arc<Container>,
    /// How many nodes it has that the revision after it has not.
    dropped: usize,
}

impl Revision {
    /// The newest one.
    pub(super) fn new(at: Timestamp, content: Arc<Container>) -> Self {
        Revision { at, content, dropped: 0 }
    }
}

impl Default for State {
    fn default() -> Self {
        State {
            position: 0,
            config: VALIDATOR.empty(),
            nacm: Arc::default(),
            settings: Arc::default(),
            config_revision: 0,
            config_changed_at: Timestamp::EPOCH,
            revisions: OrdMap::new(),
            dropped: 0,
            startup: None,
            startup_changed_at: Timestamp::EPOCH,
            registry: Registry::default(),
            tasks: Tasks::default(),
            negotiations: Negotiations::default(),
            dispatch: draft::Dispatch::default(),
            newest_session: 0,
            pending: None,
            ledger: Ledger::default(),
        }
    }
}

impl State {
    /// Folds in the next event, which `actor` brought about. It never refuses what was decided: an error means that the log
    /// does not fit this program.
    ///
    /// # Errors
    /// An edit that cannot be applied to the configuration.
    pub fn apply(&mut self, at: Timestamp, actor: Actor<'_>, event: &Event) -> Result<(), Error> {
        self.apply_made(at, actor, event, None)
    }

    /// As [`State::apply`]; what an edit made when it was decided is not made again.
    pub(super) fn apply_made(
        &mut self,
        at: Timestamp,
        actor: Actor<'_>,
        event: &Event,
        made: Option<Made>,
    ) -> Result<(), Error> {
        let account = event.account().map(|agent| Account::of(self, agent));
        let owned = match event {
            Event::Agents(event) => {
                event.agent().map(|agent| (agent, self.registry.owner(agent).map(Arc::<str>::from)))
            }
            _ => None,
        };
        self.position += 1;
        let revision = self.position;
        if revision == 1 {
            // The configuration is as old as the log.
            self.config_changed_at = at;
        }
        match event {
            Event::Edited(edits) => {
                let old = self.config.content().clone();
                let made = made.filter(|made| made.revision == revision && Arc::ptr_eq(&made.of, &old));
                let (config, changes) = match made {
                    Some(made) => {
                        debug_assert_eq!(applied(&old, edits, revision).as_ref(), Ok(made.config.content()));
                        (made.config, made.changes)
                    }
                    None => {
                        let new = applied(&old, edits, revision)?;
                        let changes = diff_along(&old, &new, edits.iter().map(|edit| &edit.path));
                        (self.config.changed(new, &changes), changes)
                    }
                };
                if let Some(pending) = &mut self.pending {
                    pending.edited(revision, at, &old, edits)?;
                }
                self.configured(config, changes, at, actor.author())?;
            }
            Event::Startup(change) => {
                self.startup = Some(match change {
                    Startup::Saved => self.config.content().clone(),
                    Startup::Edited(edits) => {
                        applied(self.startup.as_deref().unwrap_or(&Container::default()), edits, revision)?
                    }
                });
                self.startup_changed_at = at;
            }
            Event::Agents(event) => {
                self.registry.apply(revision, at, event);
                if let Some((agent, before)) = owned {
                    // Who has a name that nobody has registered is the user of that name.
                    let before = before.as_deref().unwrap_or(agent);
                    if self.registry.owner(agent).unwrap_or(agent) != before {
                        self.negotiations.drop_means(revision, agent);
                    }
                }
            }
            Event::Tasks(event) => {
                moves::carried_out(self, revision, at, event);
                self.tasks.apply(revision, at, event);
                draft::dispatched(self, event);
            }
            Event::Negotiation(event) => {
                self.negotiations.apply(revision, at, event);
                moves::recorded(self, revision, at, event);
            }
            Event::Session(sessions::Event::Started { session, .. }) => self.newest_session = *session,
            Event::Session(sessions::Event::Ended { .. }) => {}
            Event::Commit(event) => {
                confirm::apply(&mut self.pending, event, revision, at, self.config.content());
            }
        }
        if let Some(account) = &account {
            Ledger::settle(self, account);
        }
        Ok(())
    }

    /// The state after an edit that was decided on this one, as far as the rest of the decision looks at it: `config` differs
    /// from the configuration by `changes`. What an order is carried out on is complete; without one that is nobody's
    /// affair, and what is kept of users, revisions and data objects is made once, when the edit is applied.
    ///
    /// # Errors
    /// `invalid-value` for rules of access control that cannot be meant so.
    pub(super) fn edited(&self, made: &Made, at: Timestamp, user: &str) -> Result<State, Error> {
        let mut after = self.clone();
        after.position += 1;
        if draft::has_ordered(self.config.content(), made.config.content()) {
            after.configured(made.config.clone(), made.changes.clone(), at, user)?;
        } else {
            after.admits(&made.config, at)?;
            after.config = made.config.clone();
        }
        Ok(after)
    }

    /// The secrets that receivers are told with, and those that the configurations refer to that a start or a time-out can make
    /// the running one.
    pub fn references(&self) -> BTreeSet<Reference> {
        let read = |config: &Arc<Container>| Settings::read(config, &self.settings, Timestamp::EPOCH).ok();
        let of_others: Vec<Settings> = self.others().filter_map(read).collect();
        let tokens =
            self.tasks.callbacks().iter().filter_map(|(_, callback)| callback.receiver.token.as_deref());
        of_others
            .iter()
            .chain([self.settings.as_ref()])
            .flat_map(Settings::references)
            .map(|(reference, _)| reference)
            .chain(tokens.filter_map(Reference::read))
            .collect()
    }

    /// The private keys that the running configuration has in its keystore, and those configurations.
    pub fn private_keys(&self) -> PrivateKeys {
        PrivateKeys::of(self.others().chain([self.config.content()]).map(Arc::as_ref))
    }

    /// The configurations that a start or a time-out can make the running one.
    fn others(&self) -> impl Iterator<Item = &Arc<Container>> {
        let pending = self.pending.iter().flat_map(|pending| [&pending.before, &pending.begun_with]);
        self.startup.iter().chain(pending)
    }

    /// Whether all that is configured to let users in can be used, if it differs from what was before.
    ///
    /// # Errors
    /// What cannot.
    pub(super) fn is_usable(&self, before: &State, options: &Options) -> Result<(), Error> {
        if Arc::ptr_eq(&self.settings, &before.settings) {
            return Ok(());
        }
        if secrets::are_in_tree(self.config.content()) {
            let message = "a secret was not put where secrets are kept";
            return Err(Error::application(Tag::InvalidValue, message));
        }
        options.vault.check(&self.settings)
    }

    fn configured(
        &mut self,
        config: Configuration,
        changes: Vec<Change>,
        at: Timestamp,
        user: &str,
    ) -> Result<(), Error> {
        self.admits(&config, at)?;
        self.ledger.wrote(user, &changes, config.content());
        let old = std::mem::replace(&mut self.config, config);
        self.remember(&changes, self.position, at);
        self.config_revision = self.position;
        self.config_changed_at = at;
        draft::edited(self, old.content(), &changes, at);
        Ok(())
    }

    /// Takes over who gets in and who may do what.
    fn admits(&mut self, config: &Configuration, at: Timestamp) -> Result<(), Error> {
        if access::is_changed(self.config.content(), config.content()) {
            self.nacm = Arc::new(Nacm::read(config.content())?);
        }
        if Settings::are_changed(self.config.content(), config.content()) {
            self.settings = Arc::new(Settings::read(config.content(), &self.settings, at)?);
        }
        Ok(())
    }

    /// What the principal may do, by the rules and as far as it is not the order of others.
    pub(super) fn rules(&self, principal: &Principal) -> Arc<Rules> {
        self.nacm.rules_without(principal, draft::withheld(self, principal))
    }

    /// Keeps the configuration as the newest revision, and forgets the oldest ones that are too much.
    pub(super) fn remember(&mut self, changes: &[Change], revision: u64, at: Timestamp) {
        if let Some((number, before)) = self.revisions.get_max().cloned() {
            let dropped = changes.iter().filter_map(|change| change.old.as_ref()).map(Child::size).sum();
            self.dropped += dropped;
            self.revisions.insert(number, Revision { dropped, ..before });
        }
        let content = self.config.content().clone();
        self.revisions.insert(revision, Revision::new(at, content));
        while self.revisions.len() > REVISIONS_MAX
            || (self.dropped > REVISIONS_NODES_MAX && self.revisions.len() > 1)
        {
            match self.revisions.without_min() {
                (Some(oldest), rest) => {
                    self.dropped = self.dropped.saturating_sub(oldest.dropped);
                    self.revisions = rest;
                }
                (None, _) => break,
            }
        }
    }

    /// About how many entries there are.
    pub(super) fn entries(&self) -> u64 {
        let lists =
            [self.registry.entries(), self.tasks.tasks(), self.tasks.contexts(), self.tasks.data_objects()];
        let lists =
            lists.iter().chain([&self.negotiations.entries()]).map(|list| list.len() as u64).sum::<u64>();
        lists.saturating_add(self.ledger.written())
    }

    /// When something is due that no request brings about.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = [
            self.registry.next_deadline(),
            self.tasks.next_deadline(),
            self.negotiations.next_deadline(),
            self.pending.as_ref().map(Pending::until),
        ];
        deadlines.into_iter().flatten().min()
    }
}

/// A configuration with edits applied, all of which are stamped with the revision.
pub(super) fn applied(content: &Container, edits: &[Edit], revision: u64) -> Result<Arc<Container>, Error> {
    let applied = edits.iter().try_fold(content.clone(), |tree, one| edit::apply(&tree, one, revision));
    applied.map(Arc::new)
}
