//! The order that stands in the draft's `tasks`: whose it is, what of it is kept from others, and how another takes its place.
//!
//! The draft has one `tasks` for all, so one user's order takes the place of another's. It is never mixed with it: who is not
//! shown the order that stands gives one as if there were none.

use std::sync::Arc;

use super::super::event::{Actor, Event};
use super::super::speakers;
use super::super::state::State;
use super::nodes;
use crate::access::{Principal, Withheld};
use crate::clock::Timestamp;
use crate::datastore::edit::{Edit, Operation};
use crate::yang::error::Error;
use crate::yang::path::{InstancePath, Step};
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

/// What of the order that stands is kept from the principal: nothing from who wrote it and who may read for the agent that
/// gives the task; from the agent that gets it, and from auditors, to whom it is reported; all of it from anybody else.
pub(in super::super) fn withheld(state: &State, principal: &Principal) -> Withheld {
    let Some(written) = state.config.content().container(&nodes::TASKS) else { return Withheld::Nothing };
    let wrote = |author: &str| principal.agent.is_none() && author == principal.name;
    if principal.is_admin() || state.ledger.author(&nodes::TASKS, None).is_some_and(wrote) {
        return Withheld::Nothing;
    }
    if principal.sees_all() {
        return Withheld::Receiver;
    }
    let named = |leaf| written.leaf(leaf).and_then(Value::as_str);
    let task = state.dispatch.task.as_deref().and_then(|id| state.tasks.parties(id));
    let (from, to) = match task {
        Some([from, to]) => (Some(from), Some(to)),
        None => (named(&nodes::TASKS_TASK_SEND_FROM), named(&nodes::TASKS_TASK_SEND_TO)),
    };
    // No time is known here: a delegation counts until it is said that it has ended.
    let sees = |agent: Option<&str>| {
        agent.is_some_and(|agent| speakers::sees(state, principal, &[agent.to_owned()], Timestamp::EPOCH))
    };
    match (sees(from), sees(to)) {
        (true, _) => Withheld::Nothing,
        (false, true) => Withheld::Receiver,
        (false, false) => Withheld::Order,
    }
}

/// The state without the order that stands, and the event by which it went.
///
/// # Errors
/// Those of [`State::apply`].
pub(in super::super) fn taken_away(
    state: &State,
    principal: &Principal,
    now: Timestamp,
) -> Result<(State, Event), Error> {
    let path = InstancePath { steps: vec![Step::plain(&nodes::TASKS)] };
    let edit = Edit { operation: Operation::Remove, path, value: None, insert: None };
    let event = Event::Edited(vec![edit]);
    let mut without = state.clone();
    without.apply(now, Actor::from(principal), &event)?;
    Ok((without, event))
}

/// Whether there is an order in a configuration.
pub(in super::super) fn is_in(config: &Container) -> bool {
    config.get(&nodes::TASKS).is_some()
}

/// A configuration that was prepared, saved or replaced, with the order that stands: one that was given before is not shown
/// again to whoever may see a later one, and none of them is given or taken back with it.
pub(in super::super) fn with_present(state: &State, content: Arc<Container>) -> Arc<Container> {
    let present = state.config.content().get(&nodes::TASKS);
    if content.get(&nodes::TASKS) == present {
        return content;
    }
    let mut shown = Container::clone(&content);
    match present {
        Some(present) => shown.set(&nodes::TASKS, Child::clone(present)),
        None => drop(shown.remove(&nodes::TASKS)),
    }
    Arc::new(shown)
}
