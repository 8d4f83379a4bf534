//! Who writes an entry of the draft's lists: what is an agent's, and what a task refers to, is not changed under it by others.

use super::super::speakers;
use super::super::state::State;
use super::nodes;
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::datastore::diff::Change;
use crate::tasks::Refusal;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_registry::DelegatedRight;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::tree::{Container, Key};
use crate::yang::value::Value;

/// Refuses changes of entries that are not the principal's to change. What is restored, by an administrator's commit, copy or
/// rollback, is not kept back by the identifier of an object that came since: nobody could restore anything then.
///
/// # Errors
/// `access-denied` with the app-tag `not-authorized`, `id-in-use`, `data-in-use`.
pub(in super::super) fn may_write(
    state: &State,
    principal: &Principal,
    after: &Container,
    changes: &[Change],
    is_restored: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let mut last = None;
    for change in changes {
        let Some(Step { node, selector: Selector::Key(key) }) = change.path.steps.first() else { continue };
        let Some(id) = key.values().first().and_then(Value::as_str) else { continue };
        if last.replace((*node, key)) == Some((*node, key)) {
            continue;
        }
        let judged = if *node == &nodes::CONTEXT {
            may_write_context(state, principal, after, (key, id), now)
        } else if *node == &nodes::DATA_PARAMS {
            may_write_data(state, principal, after, (key, id), is_restored)
        } else {
            Ok(())
        };
        let place = || InstancePath { steps: change.path.steps.iter().take(1).cloned().collect() };
        judged.map_err(|error| error.at(place()))?;
    }
    Ok(())
}

/// An entry of `context` says what two agents said, so it is written by who speaks for one of them, and in place of another
/// entry, or of what agents have said here, only by who has a part in that too.
fn may_write_context(
    state: &State,
    principal: &Principal,
    after: &Container,
    (key, id): (&Key, &str),
    now: Timestamp,
) -> Result<(), Error> {
    const SPEAKING: [DelegatedRight; 3] =
        [DelegatedRight::Assign, DelegatedRight::Work, DelegatedRight::Negotiate];
    let speaks =
        |agent: &str| SPEAKING.iter().any(|right| speakers::may(state, principal, agent, *right, now));
    let entry =
        |config: &Container| config.list(&nodes::CONTEXT).and_then(|list| list.get(&nodes::CONTEXT, key));
    let has_part = |entry: &Container| {
        let agents = [&nodes::CONTEXT_SEND_FROM, &nodes::CONTEXT_SEND_TO];
        agents.iter().filter_map(|leaf| entry.leaf(leaf).and_then(Value::as_str)).any(speaks)
    };
    let (old, new) = (entry(state.config.content()), entry(after));
    if let Some(new) = &new {
        if !has_part(new) {
            return Err(not_authorized(principal, "act for neither agent of this context"));
        }
        let parties = state.tasks.context_parties(id);
        if !parties.is_empty() && !parties.iter().any(|agent| speaks(agent)) {
            let message = format!("There is a context of other agents with the identifier \"{id}\".");
            return Err(Refusal::IdInUse.error(message));
        }
    }
    let wrote = state.ledger.author(&nodes::CONTEXT, Some(key)) == Some(principal.name.as_str());
    match &old {
        Some(old) if !wrote && !has_part(old) => {
            Err(not_authorized(principal, "change no context of other agents"))
        }
        _ => Ok(()),
    }
}

/// An entry of `data-params` is no second form of an agent's object, and what a task or negotiation refers to is changed by
/// who wrote it. The rest is common ground.
fn may_write_data(
    state: &State,
    principal: &Principal,
    after: &Container,
    (key, id): (&Key, &str),
    is_restored: bool,
) -> Result<(), Error> {
    let is_there = |config: &Container| {
        config.list(&nodes::DATA_PARAMS).is_some_and(|list| list.get(&nodes::DATA_PARAMS, key).is_some())
    };
    if state.tasks.data_owner(id).is_some() {
        if !is_there(after) || is_restored {
            return Ok(());
        }
        let message = format!("There is another data object with the identifier \"{id}\".");
        return Err(Refusal::IdInUse.error(message));
    }
    let wrote = state.ledger.author(&nodes::DATA_PARAMS, Some(key)) == Some(principal.name.as_str());
    if wrote || principal.is_admin() || !state.tasks.is_data_shared(id) {
        return Ok(());
    }
    Err(match is_there(state.config.content()) {
        true => Refusal::DataInUse.error(format!(
            "A task or negotiation refers to the data object \"{id}\", so who wrote it alone may change it."
        )),
        // It was removed here, and who was given it keeps it.
        false => Refusal::IdInUse.error(format!(
            "A task or negotiation still refers to a data object with the identifier \"{id}\" that was here before."
        )),
    })
}

fn not_authorized(principal: &Principal, what: &str) -> Error {
    let message = format!("the user {} may {what}", principal.name);
    Error::application(Tag::AccessDenied, message).app_tag("not-authorized")
}
