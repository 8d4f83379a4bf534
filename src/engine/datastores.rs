//! What is done to whole datastores: commit, discard, copy, delete, validate, compare, roll back.
//!
//! All of it comes to edits of the datastore that changes, judged and recorded like any edits.
//! Nothing here knows how a protocol names a datastore.

use std::cell::Cell;
use std::sync::Arc;

use super::candidate::Candidates;
use super::confirm::{self, Confirm};
use super::core::{self, Judged};
use super::denied::Denied;
use super::draft;
use super::driver::Engine;
use super::event::{Event, Startup};
use super::filter::Filter;
use super::locks::{Lockable, PartialLock};
use super::operations::{admit, input};
use super::options::Options;
use super::patch;
use super::request::{Candidate, Datastore, EditReply, Form, Invocation, LockedPart, Locking, Management};
use super::sessions::Sessions;
use super::state::{Made, State};
use super::{visible, writable};
use crate::access::{Access, At, Principal, Rules};
use crate::clock::Timestamp;
use crate::datastore::diff::diff;
use crate::datastore::edit::{Edit, Operation};
use crate::datastore::transform;
use crate::datastore::validate::VALIDATOR;
use crate::datastore::when;
use crate::ids::Fresh;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_datastores::identities as names;
use crate::yang::generated::ietf_netconf::{
    CancelCommitInput, CommitInput, CopyConfigInput, DeleteConfigInput, ValidateInput, nodes as netconf,
};
use crate::yang::generated::ietf_netconf_nmda::nodes as nmda;
use crate::yang::generated::ietf_netconf_partial_lock::nodes as partial_lock;
use crate::yang::generated::ietf_netconf_private_candidate::nodes::UPDATE;
use crate::yang::generated::magent_datastores::{
    CompareInput, CompareOutput, CompareOutputDifferences, CompareOutputYangPatch, RollbackInput,
    RollbackOutput, nodes as revisions,
};
use crate::yang::generated::notifications::nodes as notifications;
use crate::yang::model::Modelled;
use crate::yang::path::InstancePath;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};

/// Decides what is done to whole datastores. Candidates are changed at once.
pub(super) fn manage(
    state: &State,
    sessions: &mut Sessions,
    options: &Options,
    principal: &Principal,
    management: &Management,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, EditReply), Error> {
    let now = fresh.now;
    if let Management::Commit(which, confirm) = management {
        if matches!(which, Candidate::Session(_))
            && state.rules(principal).keeps_shared()
            && *confirm != Confirm::default()
        {
            let message = "confirmed commits are the administrators'";
            return Err(Error::application(Tag::AccessDenied, message));
        }
        core::depends(state, sessions, options, principal, *which)?;
    }
    let Sessions { candidates, locks, .. } = sessions;
    let mut running = |content: &Container| {
        locks.leave(Datastore::Running, principal)?;
        let edits = replacing(state.config.content(), content);
        core::edit_running(state, locks, options, principal, &edits, Judged::Together, fresh)
            .map_err(|refused| refused.error)
    };
    match management {
        Management::Commit(which, confirm) => {
            locks.leave(Datastore::Candidate(*which), principal)?;
            let most_s = options.limits.confirm_timeout_max_s;
            let confirmed = confirm::committed(state.pending.as_ref(), principal, confirm, now, most_s)?;
            let (edited, reply) = running(candidates.committed(*which, state)?.as_ref())?;
            candidates.discard(*which);
            let confirmed = confirmed.map(|event| event.followed(!edited.is_empty()));
            Ok((confirmed.map(Event::Commit).into_iter().chain(edited).collect(), reply))
        }
        Management::CancelCommit { persist_id } => {
            let pending = confirm::cancelled(state.pending.as_ref(), principal, persist_id.as_deref())?;
            // Others who know its name take back what they could undo by hand.
            if !pending.is_by(principal)
                && let Err(error) = running(&pending.before)
                && error.tag == Tag::AccessDenied
            {
                return Err(error);
            }
            let by = |_: &confirm::Pending| confirm::Event::Cancelled {
                user: principal.name.clone(),
                session: principal.session,
            };
            Ok((core::take_back(state, options, by, fresh), unchanged(state)))
        }
        Management::Update(Candidate::Shared, _) => {
            let message = "only a private candidate is updated: the client has to ask for one in its hello";
            Err(Error::protocol(Tag::OperationNotSupported, message))
        }
        Management::Update(which, resolution) => {
            candidates.update(*which, state, *resolution, now)?;
            Ok((Vec::new(), unchanged(state)))
        }
        Management::Discard(which) => {
            locks.leave(Datastore::Candidate(*which), principal)?;
            candidates.discard(*which);
            Ok((Vec::new(), unchanged(state)))
        }
        Management::DeleteStartup => {
            let edit = Edit {
                operation: Operation::Remove,
                path: InstancePath::default(),
                value: None,
                insert: None,
            };
            startup(options)?;
            locks.leave(Datastore::Startup, principal)?;
            Ok((vec![Event::Startup(Startup::Edited(vec![edit]))], unchanged(state)))
        }
        Management::Copy { from, to } if from == to => {
            let message = "the source and the target are the same datastore";
            Err(Error::protocol(Tag::InvalidValue, message))
        }
        Management::Copy { .. } | Management::Put { .. } => {
            let (from, content, to) = match management {
                Management::Copy { from, to } => {
                    let content = content(state, candidates, options, *from)?;
                    // RFC 8341 section 3.2.6: what may not be read is left out.
                    let seen = visible::stored(&At::root(state.rules(principal)), &content);
                    (Some(*from), seen, to)
                }
                Management::Put { content, to } => (None, content.clone(), to),
                _ => return Ok((Vec::new(), unchanged(state))),
            };
            locks.leave(*to, principal)?;
            if *to == Datastore::Candidate(Candidate::Shared) && state.rules(principal).keeps_shared() {
                let message = "the candidate that all share is edited by administrators";
                return Err(Error::application(Tag::AccessDenied, message));
            }
            match to {
                Datastore::Running | Datastore::Unified => running(&content),
                Datastore::Candidate(which) => {
                    let old =
                        candidates.get(*which).map_or(state.config.content(), |working| &working.content);
                    replaceable(state, options, principal, old, &content)?;
                    let added = if from.is_none() { Child::Container(content.clone()).size() } else { 0 };
                    sessions.put(*which, state, content, now, added, &options.limits)?;
                    Ok((Vec::new(), unchanged(state)))
                }
                Datastore::Startup => {
                    startup(options)?;
                    save(state, options, principal, from, &content)
                        .map(|event| (vec![event], unchanged(state)))
                }
                Datastore::Intended | Datastore::Operational => {
                    Err(Error::protocol(Tag::OperationNotSupported, "this datastore cannot be written"))
                }
            }
        }
    }
}

/// The edits that make the running datastore what another is. Orders are given by a write of `tasks` itself, and
/// neither given nor taken back by putting old or prepared data in its place.
pub(super) fn replacing(running: &Container, content: &Container) -> Vec<Edit> {
    let mut edits = transform::edits(&diff(running, content));
    edits.retain(|edit| !draft::is_order(edit));
    edits
}

/// Whoever may copy may save the running configuration (RFC 8341 section 3.2.2); anything else has
/// to be what it may write, and valid.
fn save(
    state: &State,
    options: &Options,
    principal: &Principal,
    from: Option<Datastore>,
    content: &Arc<Container>,
) -> Result<Event, Error> {
    if matches!(from, Some(Datastore::Running | Datastore::Unified | Datastore::Intended)) {
        return Ok(Event::Startup(Startup::Saved));
    }
    let old = state.startup.clone().unwrap_or_default();
    replaceable(state, options, principal, &old, content)?;
    valid(state, options, content)?;
    Ok(Event::Startup(Startup::Edited(transform::edits(&diff(&old, content)))))
}

fn replaceable(
    state: &State,
    options: &Options,
    principal: &Principal,
    old: &Container,
    new: &Container,
) -> Result<(), Error> {
    // The draft's order stays as it is, whoever may see it.
    let judged = writable::replaced(&state.nacm.rules(principal), principal, old, new);
    judged.inspect_err(|_| Denied::count(&options.capabilities.denied.data_writes))
}

fn unchanged(state: &State) -> EditReply {
    let (revision, changed_at) = (state.config_revision, state.config_changed_at);
    EditReply { revision, created: Vec::new(), changed_at, made: None }
}

fn startup(options: &Options) -> Result<(), Error> {
    match options.startup {
        true => Ok(()),
        false => Err(Error::protocol(
            Tag::OperationNotSupported,
            "this server has no startup datastore: it keeps the running one",
        )),
    }
}

/// The configuration in a datastore, with the draft's order that stands: none is prepared, saved or taken back.
pub(super) fn content(
    state: &State,
    candidates: &Candidates,
    options: &Options,
    datastore: Datastore,
) -> Result<Arc<Container>, Error> {
    let content = match datastore {
        Datastore::Candidate(which) => {
            candidates.get(which).map_or(state.config.content(), |working| &working.content).clone()
        }
        Datastore::Startup => startup(options).map(|()| state.startup.clone().unwrap_or_default())?,
        _ => state.config.content().clone(),
    };
    Ok(draft::with_present_order(state, content))
}

/// Checks a configuration that differs from the running one as a commit would.
///
/// # Errors
/// The first constraint that it violates.
pub(super) fn valid(state: &State, options: &Options, content: &Arc<Container>) -> Result<(), Error> {
    let (of, revision) = (state.config.content().clone(), state.position + 1);
    let edits = replacing(&of, content);
    let settled = when::settle(&VALIDATOR, &of, content.clone(), &edits, revision)?;
    match VALIDATOR.changes(&state.config, settled.content, &settled.changes) {
        Ok(config) => {
            let made = Made { of, revision, config, changes: settled.changes };
            state.edited(&made, state.config_changed_at, "")?.is_usable(state, options)
        }
        Err(errors) => Error::first(errors).map_or(Ok(()), Err),
    }
}

/// What has to happen at a start so that the running configuration is that of the startup datastore.
/// One that was never written is begun with what is there.
pub(super) fn begin(state: &State, options: &Options) -> Vec<Event> {
    if !options.startup {
        return Vec::new();
    }
    let Some(startup) = &state.startup else { return vec![Event::Startup(Startup::Saved)] };
    let edits = replacing(state.config.content(), startup);
    if edits.is_empty() {
        return Vec::new();
    }
    match valid(state, options, startup) {
        Ok(()) => vec![Event::Edited(edits)],
        Err(error) => {
            tracing::error!(%error, "the startup datastore is not valid any more; the server goes on with the running one");
            Vec::new()
        }
    }
}

/// The operations that need a NETCONF session, and cannot be invoked without one.
pub(super) fn needs_session(operation: &Node) -> bool {
    const OF_SESSIONS: [&Node; 13] = [
        &UPDATE,
        &netconf::GET,
        &netconf::GET_CONFIG,
        &netconf::EDIT_CONFIG,
        &netconf::LOCK,
        &netconf::UNLOCK,
        &netconf::CLOSE_SESSION,
        &netconf::KILL_SESSION,
        &nmda::GET_DATA,
        &nmda::EDIT_DATA,
        &partial_lock::PARTIAL_LOCK,
        &partial_lock::PARTIAL_UNLOCK,
        &notifications::CREATE_SUBSCRIPTION,
    ];
    OF_SESSIONS.contains(&operation)
}

/// Whether an operation is about datastores as a whole.
pub(super) fn is_about_datastores(operation: &Node) -> bool {
    operation.module.name == "ietf-netconf"
        || operation == &UPDATE
        || operation == &revisions::COMPARE
        || operation == &revisions::ROLLBACK
}

/// Carries out an operation about datastores as a whole.
pub(super) async fn invoke(
    engine: &Engine,
    principal: &Principal,
    invocation: &Invocation,
) -> Result<Container, Error> {
    admit(&engine.snapshot(), engine.options(), principal, invocation)?;
    let operation = invocation.operation;
    let own = engine.candidate(principal);
    let named = |chosen| named(chosen, own);
    let management = if operation == &netconf::COMMIT {
        committing(&input(invocation)?, own)
    } else if operation == &netconf::CANCEL_COMMIT {
        let CancelCommitInput { persist_id } = input(invocation)?;
        Management::CancelCommit { persist_id }
    } else if operation == &netconf::DISCARD_CHANGES {
        Management::Discard(own)
    } else if operation == &netconf::COPY_CONFIG {
        // RFC 6243 section 4.5.1: between datastores, "with-defaults" says nothing.
        let CopyConfigInput { target, source, .. } = input(invocation)?;
        let to = named([target.candidate, target.running, target.startup])?;
        let from = named([source.candidate, source.running, source.startup])?;
        Management::Copy { from, to }
    } else if operation == &netconf::DELETE_CONFIG {
        let DeleteConfigInput { target } = input(invocation)?;
        target.startup.ok_or_else(outside)?;
        Management::DeleteStartup
    } else if operation == &netconf::VALIDATE {
        let ValidateInput { source } = input(invocation)?;
        engine.validate(principal, named([source.candidate, source.running, source.startup])?).await?;
        return Ok(Container::default());
    } else if operation == &revisions::COMPARE {
        let CompareInput { source, target } = input(invocation)?;
        let source = version(engine, principal, source.datastore, source.revision).await?;
        let target = version(engine, principal, target.datastore, target.revision).await?;
        let (rules, form) = (engine.snapshot().rules(principal), invocation.form);
        return engine.apart(principal, move || compared(&rules, &source, &target, form).to_data()).await;
    } else if operation == &revisions::ROLLBACK {
        let RollbackInput { revision } = input(invocation)?;
        let content = engine.revision(revision).await?;
        let reply = engine.manage(principal, Management::Put { content, to: Datastore::Running }).await?;
        return Ok(RollbackOutput { revision: reply.revision }.to_data());
    } else {
        let message = format!("\"{}\" needs a NETCONF session", operation.name);
        return Err(Error::protocol(Tag::OperationNotSupported, message));
    };
    engine.manage(principal, management).await.map(|_| Container::default())
}

/// The parameters of `commit` (RFC 6241 section 8.4.5.1).
pub(super) fn committing(input: &CommitInput, which: Candidate) -> Management {
    let within_s = input.confirmed.map(|()| input.confirm_timeout);
    let confirm = Confirm { within_s, persist: input.persist.clone(), persist_id: input.persist_id.clone() };
    Management::Commit(which, confirm)
}

/// Decides what is asked of locks, which are changed at once.
pub(super) fn lock(
    state: &State,
    sessions: &mut Sessions,
    options: &Options,
    principal: &Principal,
    locking: &Locking,
    now: Timestamp,
) -> Result<Option<LockedPart>, Error> {
    let session = principal.session.ok_or_else(|| {
        Error::protocol(Tag::OperationNotSupported, "only a NETCONF session can hold a lock")
    })?;
    let is_own = sessions.candidate(principal) != Candidate::Shared;
    if let (true, Locking::Lock(Lockable::Candidate) | Locking::Unlock(Lockable::Candidate)) =
        (is_own, locking)
    {
        // draft-ietf-netconf-privcand: nobody else can edit a private candidate, so that its lock is nothing.
        return Ok(None);
    }
    let takes = matches!(locking, Locking::Lock(_) | Locking::LockPart(_));
    if takes && state.rules(principal).keeps_shared() {
        let message = "locks are taken by administrators";
        return Err(Error::application(Tag::AccessDenied, message));
    }
    match locking {
        Locking::Lock(datastore) => {
            match datastore {
                Lockable::Running => others_commit(state, session)?,
                Lockable::Startup => startup(options)?,
                // RFC 6241 section 7.5: else the changes of others would be discarded with the lock.
                Lockable::Candidate if is_modified(state, sessions) => {
                    let message = "the candidate was changed, and neither committed nor discarded";
                    return Err(Error::protocol(Tag::LockDenied, message).info("session-id", "0"));
                }
                Lockable::Candidate => {}
            }
            sessions.locks.lock(*datastore, session, now).map(|()| None)
        }
        Locking::Unlock(datastore) => {
            sessions.locks.unlock(*datastore, session)?;
            if *datastore == Lockable::Candidate {
                // RFC 6241 section 8.3.5.2.
                sessions.candidates.discard(Candidate::Shared);
            }
            Ok(None)
        }
        Locking::LockPart(select) => {
            others_commit(state, session)?;
            let mut nodes = Vec::new();
            let quotas = state.quotas(&options.limits, principal);
            let budget = Cell::new(quotas.event_filter_steps);
            let nodes_max = options.limits.locked_nodes_max;
            let rules = state.rules(principal);
            let seen = visible::content(&At::root(rules.clone()), state.config.content());
            for expression in select {
                let filter = Filter::xpath(expression, &options.limits)?;
                // RFC 5717 section 2.1.1: nodes of the configuration. RFC 8341 section 3.2.4: as far as they may be read.
                let found = filter.instances(&seen, &budget)?;
                let lockable = |path: &InstancePath| {
                    path.steps.iter().all(|step| step.node.config) && rules.may(Access::Read, path)
                };
                nodes.extend(found.into_iter().filter(lockable));
                if nodes.len() > nodes_max {
                    let message = format!("a partial lock is of at most {nodes_max} nodes");
                    return Err(Error::protocol(Tag::TooBig, message));
                }
            }
            nodes.sort();
            nodes.dedup();
            if nodes.is_empty() {
                let message = "no expression selects a node of the running datastore";
                return Err(Error::protocol(Tag::OperationFailed, message).app_tag("no-matches"));
            }
            let lock = PartialLock { session, at: now, select: select.clone(), nodes: nodes.clone() };
            let id = sessions.locks.lock_part(lock, options.limits.partial_locks_max)?;
            Ok(Some(LockedPart { id, nodes }))
        }
        Locking::UnlockPart(id) => sessions.locks.unlock_part(*id, session).map(|()| None),
    }
}

/// Whether the candidate that all share differs from the running datastore.
fn is_modified(state: &State, sessions: &Sessions) -> bool {
    let working = sessions.candidates.get(Candidate::Shared);
    working.is_some_and(|working| !diff(state.config.content(), &working.content).is_empty())
}

/// Refuses a lock of the running datastore while others' confirmed commit may take it back (RFC 6241 section 7.5).
fn others_commit(state: &State, session: u32) -> Result<(), Error> {
    match &state.pending {
        Some(pending) if pending.is_of_others(session) => {
            let message = "a confirmed commit of another session waits for its confirmation";
            let holder = pending.session().unwrap_or_default().to_string();
            Err(Error::protocol(Tag::LockDenied, message).info("session-id", holder.as_str()))
        }
        _ => Ok(()),
    }
}

/// The datastore that a choice of `ietf-netconf` names: candidate, running or startup.
fn named(chosen: [Option<()>; 3], own: Candidate) -> Result<Datastore, Error> {
    match chosen {
        [Some(()), ..] => Ok(Datastore::Candidate(own)),
        [_, Some(()), _] => Ok(Datastore::Running),
        [.., Some(())] => Ok(Datastore::Startup),
        _ => Err(outside()),
    }
}

fn outside() -> Error {
    let message = "inline configuration and URLs are taken in a NETCONF session only";
    Error::protocol(Tag::OperationNotSupported, message)
}

/// The configuration that an input of `compare` means.
async fn version(
    engine: &Engine,
    principal: &Principal,
    datastore: Option<names::Datastore>,
    revision: Option<u64>,
) -> Result<Arc<Container>, Error> {
    match (datastore, revision) {
        (_, Some(revision)) => {
            let content = engine.revision(revision).await?;
            Ok(draft::with_present_order(&engine.snapshot(), content))
        }
        (Some(name), None) => {
            let datastore = Datastore::named(name).ok_or_else(|| {
                let message = format!("there is no datastore \"{name}\"");
                Error::application(Tag::InvalidValue, message)
            })?;
            engine.configuration(engine.meant(principal, datastore))
        }
        // The choice is mandatory, so validation has refused it.
        (None, None) => Err(Error::application(Tag::MissingElement, "no version is named")),
    }
}

impl Datastore {
    /// The datastore of this name; `None` if there is none.
    pub fn named(name: names::Datastore) -> Option<Self> {
        match name {
            names::Datastore::Running => Some(Datastore::Running),
            names::Datastore::Candidate => Some(Datastore::Candidate(Candidate::Shared)),
            names::Datastore::Startup => Some(Datastore::Startup),
            names::Datastore::Intended => Some(Datastore::Intended),
            names::Datastore::Operational => Some(Datastore::Operational),
            names::Datastore::Conventional | names::Datastore::Dynamic | names::Datastore::Unlisted(_) => {
                None
            }
        }
    }
}

/// The edits that make `target` of `source`, as far as the principal may read them.
fn compared(
    rules: &Arc<Rules>,
    source: &Arc<Container>,
    target: &Arc<Container>,
    form: Form,
) -> CompareOutput {
    let seen = |tree: &Arc<Container>| visible::stored(&At::root(rules.clone()), tree);
    let (source, target) = (seen(source), seen(target));
    let edit = transform::edits(&diff(&source, &target))
        .into_iter()
        .flat_map(|edit| patch::of_entries(&source, edit))
        .enumerate()
        .map(|(number, edit)| patch::compared(&source, edit, number + 1, form))
        .collect();
    let yang_patch = CompareOutputYangPatch { edit, ..CompareOutputYangPatch::new("differences") };
    CompareOutput { differences: CompareOutputDifferences { yang_patch } }
}
