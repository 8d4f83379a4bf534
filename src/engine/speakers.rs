//! Who speaks for which agent, and who sees what is private to agents: the questions of `access`, asked of a state at a time.
//!
//! It never asks what the rules of NACM say: they hold besides.

use super::draft;
use super::state::State;
use crate::access::{self, Deed, Principal, Speakers};
use crate::clock::Timestamp;
use crate::tasks::Refusal;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_registry::{DelegatedRight, Delegation, DelegationChange};
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;

impl Speakers for State {
    fn owner(&self, agent: &str) -> Option<&str> {
        self.registry.owner(agent)
    }

    fn is_delegated(&self, agent: &str, user: &str, right: DelegatedRight, now: Timestamp) -> bool {
        self.registry.is_delegated(agent, user, right, now)
    }
}

/// Whether the principal may do for the agent what can be delegated.
pub(super) fn may(
    state: &State,
    principal: &Principal,
    agent: &str,
    right: DelegatedRight,
    now: Timestamp,
) -> bool {
    access::may_act_for(principal, agent, Deed::May(right), now, state)
}

/// Refuses unless the principal may do this for the agent.
///
/// # Errors
/// `access-denied` with the app-tag `not-authorized`.
pub(super) fn acts_for(
    state: &State,
    principal: &Principal,
    agent: &str,
    deed: Deed,
    now: Timestamp,
) -> Result<(), Error> {
    if access::may_act_for(principal, agent, deed, now, state) {
        return Ok(());
    }
    let what = match deed {
        Deed::May(right) => format!("act for the agent \"{agent}\" ({})", right.as_str()),
        Deed::Delegate => format!("delegate for the agent \"{agent}\""),
    };
    Err(not_authorized(format!("the user {} may not {what}", principal.name)))
}

/// The user as whom the principal registers an agent of this name: its owner, if it may do that for it. A name that nobody
/// has registered but is that of a user (`names_user`), or was used as one, is taken by nobody else: what goes with a name is seen
/// by its owner.
///
/// # Errors
/// `access-denied` with the app-tag `not-authorized`.
pub(super) fn registers_as<'a>(
    state: &'a State,
    principal: &'a Principal,
    name: &str,
    names_user: bool,
    now: Timestamp,
) -> Result<&'a str, Error> {
    let own = principal.name.as_str();
    match state.registry.owner(name) {
        _ if principal.is_bound_to_another(name) => {
            let message = format!("this credential of {own} is not good for the agent \"{name}\"");
            Err(not_authorized(message))
        }
        Some(owner) if !principal.is_admin() && may(state, principal, name, DelegatedRight::Profile, now) => {
            Ok(owner)
        }
        None if !principal.is_admin()
            && name != own
            && (names_user
                || state.tasks.is_known(name)
                || state.negotiations.of_agent(name).next().is_some()
                || state.negotiations.represents(name)) =>
        {
            Err(not_authorized(format!("the agent name \"{name}\" is in use by the user of that name")))
        }
        // An owner is refused by the registry, and an administrator takes over.
        Some(_) | None => Ok(own),
    }
}

/// Whether the principal negotiates for the agent itself, so that it may know what is private to that side: its owner, and who
/// may negotiate by a delegation that the owner granted. That one is an administrator is no reason, but for the server's own
/// agent, and what an administrator delegates is none either.
pub(super) fn is_own_side(state: &State, principal: &Principal, agent: &str, now: Timestamp) -> bool {
    let user = principal.name.as_str();
    let owns = match state.registry.owner(agent) {
        Some("") => principal.is_admin(),
        owner => owner.unwrap_or(agent) == user,
    };
    let is_delegated = || state.registry.is_delegated_by_owner(agent, user, DelegatedRight::Negotiate, now);
    !principal.is_bound_to_another(agent) && (owns || is_delegated())
}

/// Refuses unless the principal negotiates for the agent itself.
///
/// # Errors
/// `access-denied` with the app-tag `not-authorized`.
pub(super) fn of_own_side(
    state: &State,
    principal: &Principal,
    agent: &str,
    now: Timestamp,
) -> Result<(), Error> {
    match is_own_side(state, principal, agent, now) {
        true => Ok(()),
        false => {
            Err(not_authorized(format!("the user {} is not of the side of \"{agent}\"", principal.name)))
        }
    }
}

/// The refusal of what the principal may not do for an agent.
pub(super) fn not_authorized(message: String) -> Error {
    Error::application(Tag::AccessDenied, message).app_tag("not-authorized")
}

/// Whether the principal may see what is private to these agents.
pub(super) fn sees(state: &State, principal: &Principal, parties: &[String], now: Timestamp) -> bool {
    access::may_see(principal, parties, now, state)
}

/// Whether the principal may see a delegation: the owner of the agent, the delegate, who granted it, and who sees all.
fn sees_grant(state: &State, principal: &Principal, agent: &str, users: [&str; 2]) -> bool {
    let user = principal.name.as_str();
    principal.sees_all()
        || !principal.is_bound_to_another(agent)
            && (users.contains(&user) || state.registry.owner(agent) == Some(user))
}

/// Whether the principal may see a delegation that there is.
pub(super) fn sees_delegation(state: &State, principal: &Principal, delegation: &Delegation) -> bool {
    let Delegation { agent, delegate, granted_by, .. } = delegation;
    sees_grant(state, principal, agent, [delegate, granted_by])
}

/// Whether what a notification says is not private to others.
pub(super) fn concerns(
    state: &State,
    principal: &Principal,
    notification: &Notification,
    now: Timestamp,
) -> bool {
    if notification.node != DelegationChange::node() {
        return sees(state, principal, &notification.parties, now);
    }
    DelegationChange::from_data(&notification.data).is_ok_and(|change| {
        sees_grant(state, principal, &change.agent, [&change.delegate, &change.granted_by])
    })
}

/// Refuses to give the other party data that the agent may read and who speaks for it may not, which looks as if there were
/// none; and an entry of the draft's `data-params` that says itself that more of it is to come.
///
/// # Errors
/// `unknown-reference`, `data-incomplete`.
pub(super) fn gives<'a>(
    state: &State,
    principal: &Principal,
    agent: &str,
    mut given: impl Iterator<Item = &'a String> + Clone,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(id) = given.clone().find(|id| draft::is_piece(state, id)) {
        let message = format!("The data object \"{id}\" is a piece of what is not finished.");
        return Err(Refusal::DataIncomplete.error(message));
    }
    if may(state, principal, agent, DelegatedRight::Read, now) {
        return Ok(());
    }
    let hidden = given.find(|id| !sees(state, principal, &state.tasks.readers(id), now));
    hidden.map_or(Ok(()), |id| Err(no_data(id)))
}

/// Refuses to read a data object that is private to others. One that is nobody's is everybody's. Who audits sees what is
/// said of it and not what is in it.
///
/// # Errors
/// `unknown-reference` in the words of an object that is not there; `access-denied` for an auditor.
pub(super) fn reads_data(
    state: &State,
    principal: &Principal,
    id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let readers = state.tasks.readers(id);
    let own = |agent: &String| may(state, principal, agent, DelegatedRight::Read, now);
    if readers.is_empty() || principal.is_admin() || readers.iter().any(own) {
        Ok(())
    } else if principal.sees_all() {
        Err(not_authorized(format!("{} may see that there is data, and not what is in it", principal.name)))
    } else {
        Err(no_data(id))
    }
}

fn no_data(id: &str) -> Error {
    Refusal::UnknownReference.error(format!("There is no data object with the identifier \"{id}\"."))
}
