//! Decisions, purely: a state, a time and a request give events and an answer, or a refusal.
//!
//! Nothing here changes a state that is seen by anybody, waits, or does I/O.

use std::sync::Arc;

use super::denied::Denied;
use super::event::{Actor, Event, Startup};
use super::locks::Locks;
use super::options::Options;
use super::request::{
    Candidate, Content, Datastore, EditReply, EditRequest, Found, PRECONDITION_FAILED, Precondition, Refused,
    Test,
};
use super::sessions::Sessions;
use super::state::{Made, State};
use super::view::{self, From};
use super::{beside, confirm, datastores, draft, secrets, txid, visible, writable};
use crate::access::{Principal, Rules, Withheld};
use crate::clock::Timestamp;
use crate::datastore::edit::{self, Edit, Operation};
use crate::datastore::validate::VALIDATOR;
use crate::datastore::when;
use crate::ids::Fresh;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf::EditOperationType;
use crate::yang::generated::ietf_netconf_notifications::{
    self as base, NetconfConfigChangeDatastore as ConfigDatastore,
};
use crate::yang::generated::irtf_agent::nodes::TASKS;
use crate::yang::model::Modelled;
use crate::yang::notification::Notification;
use crate::yang::path::InstancePath;
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;
use crate::{agents, negotiation, tasks};

/// Decides edits of the running configuration or of a candidate, which is changed at once.
pub(super) fn edit(
    state: &State,
    sessions: &mut Sessions,
    options: &Options,
    principal: &Principal,
    request: &EditRequest,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, EditReply), Refused> {
    let before = match request.datastore {
        Datastore::Candidate(which) => sessions.candidates.get(which).map(|working| working.content.clone()),
        _ => None,
    };
    let decided = edited(state, sessions, options, principal, request, fresh)?;
    // What is there may be hidden from who may write it. Who may not has been told that, and nothing of what is there.
    let content = before.as_ref().unwrap_or(state.config.content());
    let is_there = |precondition: &&Precondition| match precondition {
        Precondition::MatchesNone(path, unwanted) => unwanted.is_empty() && path.find(content).is_some(),
        _ => false,
    };
    match request.preconditions.iter().find(is_there) {
        Some(Precondition::MatchesNone(path, _)) => Err(precondition_failed(EXISTS, Some(path)).into()),
        _ => Ok(decided),
    }
}

fn edited(
    state: &State,
    sessions: &mut Sessions,
    options: &Options,
    principal: &Principal,
    request: &EditRequest,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, EditReply), Refused> {
    secrets::refuse(principal, &request.edits)?;
    let is_later = |precondition: &&Precondition| {
        matches!(
            (precondition, request.datastore),
            (Precondition::TxidOfRunning(..), Datastore::Candidate(_))
        )
    };
    for precondition in request.preconditions.iter().filter(|precondition| !is_later(precondition)) {
        let read = |path: &InstancePath| {
            let state = Arc::new(state.clone());
            let from =
                From { state: &state, sessions, options, datastore: request.datastore, now: fresh.now };
            view::read(&from, principal, path, Content::All)
        };
        let working = match request.datastore {
            Datastore::Candidate(which) => sessions.candidates.get(which),
            _ => None,
        };
        let changed_at = working.map_or(state.config_changed_at, |working| working.changed_at);
        check(precondition, changed_at, state.position, read)?;
    }
    sessions.locks.leave(request.datastore, principal)?;
    let which = match request.datastore {
        Datastore::Running | Datastore::Unified => {
            // RFC 8040 section 1.4: what is edited over RESTCONF outlasts a start.
            let is_saved = request.datastore == Datastore::Unified && options.startup;
            if is_saved {
                sessions.locks.leave(Datastore::Startup, principal)?;
            }
            let (edits, locks) = (&request.edits, &sessions.locks);
            let (mut events, reply) =
                edit_running(state, locks, options, principal, edits, Judged::Each, fresh)?;
            if request.test == Test::Only {
                events.clear();
            } else if is_saved && !events.is_empty() {
                events.push(Event::Startup(Startup::Saved));
            }
            return Ok((events, reply));
        }
        Datastore::Candidate(Candidate::Shared) if state.rules(principal).keeps_shared() => {
            let message = "the candidate that all share is edited by administrators";
            return Err(Error::application(Tag::AccessDenied, message).into());
        }
        Datastore::Candidate(which) => which,
        Datastore::Startup | Datastore::Intended | Datastore::Operational => {
            let message = "only the running datastore and candidates can be edited";
            return Err(Error::protocol(Tag::OperationNotSupported, message).into());
        }
    };
    if let Some(order) = request.edits.iter().position(draft::is_order) {
        let message = "a task is given in the running datastore: an order cannot be prepared in a candidate";
        let error = Error::protocol(Tag::OperationNotSupported, message);
        return Err(Refused { edit: Some(order), error });
    }
    let now = fresh.now;
    let before = sessions.candidates.get(which).map_or(state.config.content(), |working| &working.content);
    let revision = sessions.candidates.next_revision(now);
    let (content, created) = made(before, state, options, principal, &request.edits, Judged::Each, revision)?;
    let content = Arc::new(content);
    if request.test != Test::AtCommit {
        datastores::valid(state, options, &content)?;
    }
    if request.test != Test::Only && request.edits.iter().any(|edit| edit.operation != Operation::None) {
        let added = request.edits.iter().filter_map(|edit| edit.value.as_ref()).map(Child::size).sum();
        sessions.put(which, state, content, now, added, &options.limits)?;
        let txid = |precondition: &Precondition| match precondition {
            Precondition::TxidOfRunning(path, txid) => Some((path.clone(), txid.clone())),
            _ => None,
        };
        sessions.candidates.depend(which, request.preconditions.iter().filter_map(txid))?;
    }
    let revision = sessions.candidates.get(which).map_or(state.config_revision, |working| working.revision);
    Ok((Vec::new(), EditReply { revision, created, changed_at: now, made: None }))
}

/// What edits that the principal may make, make of a tree; and for each whether its node was new.
fn made(
    before: &Container,
    state: &State,
    options: &Options,
    principal: &Principal,
    edits: &[Edit],
    judged: Judged,
    revision: u64,
) -> Result<(Container, Vec<bool>), Refused> {
    let rules = state.rules(principal);
    let refused = |error| {
        Denied::count(&options.capabilities.denied.data_writes);
        error
    };
    let mut content = before.clone();
    let mut created = Vec::with_capacity(edits.len());
    for (number, edit) in edits.iter().enumerate() {
        let at_fault = |error| Refused { edit: Some(number), error };
        writable::configured(edit).map_err(at_fault)?;
        created.push(edit.path.find(&content).is_none());
        let after = edit::apply(&content, edit, revision).map_err(|error| {
            // Who may neither see nor make nor remove it, learns nothing of whether it is there.
            at_fault(match writable::hidden(&rules, principal, edit, error) {
                Ok(error) => error,
                Err(denied) => refused(denied),
            })
        })?;
        if judged == Judged::Each {
            writable::edited(&rules, principal, edit, &content, &after)
                .map_err(|error| at_fault(refused(error)))?;
        }
        content = after;
    }
    if judged == Judged::Together {
        writable::replaced(&rules, principal, before, &content).map_err(refused)?;
    }
    writable::within(principal, before, &content).map_err(refused)?;
    Ok((content, created))
}

/// How it is judged whether a principal may make edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// Each by what it changes: they are what the client asked for.
    Each,
    /// By what they come to: they were found by comparing.
    Together,
}

/// Decides edits of the running configuration, and what a write of the draft's `tasks` orders.
///
/// Who is not shown all of the order that stands gives another in its place, and can keep or remove nothing of it: else the
/// new one would have what is withheld of the old one.
pub(super) fn edit_running(
    state: &State,
    locks: &Locks,
    options: &Options,
    principal: &Principal,
    edits: &[Edit],
    judged: Judged,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, EditReply), Refused> {
    let withheld = draft::withheld(state, principal);
    if withheld != Withheld::Nothing && edits.iter().any(draft::is_order) {
        let (without, taken_away) = draft::taken_away(state, principal, fresh.now)?;
        match edit_order(&without, locks, options, principal, edits, judged, fresh) {
            Ok((mut events, reply))
                if reply.made.as_ref().is_some_and(|made| draft::has_order(made.config.content())) =>
            {
                events.insert(0, taken_away);
                return Ok((events, reply));
            }
            Ok((events, _)) if !events.is_empty() => {}
            // To who sees something of the order it says that it cannot be removed.
            Err(Refused { error, .. }) if withheld != Withheld::Order && error.tag == Tag::DataMissing => {}
            Ok(_) if withheld != Withheld::Order => {}
            // For who sees nothing of the order there is none.
            decided => return decided,
        }
    }
    edit_order(state, locks, options, principal, edits, judged, fresh)
}

/// The same, by whoever may see the order that stands.
fn edit_order(
    state: &State,
    locks: &Locks,
    options: &Options,
    principal: &Principal,
    edits: &[Edit],
    judged: Judged,
    fresh: &mut Fresh,
) -> Result<(Vec<Event>, EditReply), Refused> {
    let revision = state.position + 1;
    let (config, created) = made(state.config.content(), state, options, principal, edits, judged, revision)?;
    let settled = when::settle(&VALIDATOR, state.config.content(), Arc::new(config), edits, revision)?;
    let (config, changes) = (settled.content, settled.changes);
    let (newest, changed_at) = (state.config_revision, state.config_changed_at);
    let mut reply = EditReply { revision: newest, created, changed_at, made: None };
    if changes.is_empty() {
        return Ok((Vec::new(), reply));
    }
    locks.leave_parts(&changes, principal)?;
    let is_restored = judged == Judged::Together && principal.is_admin();
    draft::may_write(state, principal, &config, &changes, is_restored, fresh.now)?;
    let config = VALIDATOR.changes(&state.config, config, &changes).map_err(|errors| {
        let unnamed = || Error::application(Tag::OperationFailed, "the configuration would not be valid");
        Error::first(errors).unwrap_or_else(unnamed)
    })?;
    let made = Made { of: state.config.content().clone(), revision, config, changes };
    let after = state.edited(&made, fresh.now, &principal.name)?;
    after.is_usable(state, options)?;
    let asked = edits.iter().filter(|edit| edit.operation != Operation::None).cloned();
    let mut events = vec![Event::Edited(asked.chain(settled.deletions).collect())];
    reply.made = Some(Box::new(made));
    events.extend(draft::carry_out(&after, state, options, principal, fresh)?);
    Ok((events, reply))
}

/// What takes the confirmed commit back that waits for its confirmation, if there is one; `how` says why. What others wrote
/// since stays. Nobody's locks keep the server from it.
pub(super) fn take_back(
    state: &State,
    options: &Options,
    how: impl FnOnce(&confirm::Pending) -> confirm::Event,
    fresh: &mut Fresh,
) -> Vec<Event> {
    let Some(pending) = &state.pending else { return Vec::new() };
    let mut events = vec![Event::Commit(how(pending))];
    let (running, before, begun_with) = (state.config.content(), &pending.before, &pending.begun_with);
    // What others wrote can depend on what the commit made. The least is given up then, and never what others wrote of who
    // gets in and what they may do.
    let with_access_of = |content: &Container, access| Arc::new(beside::with_access_of(content, access));
    let ways = [
        (before.clone(), ""),
        (
            with_access_of(begun_with, before),
            "what others changed meanwhile, except of access control, cannot be kept",
        ),
        (with_access_of(before, running), "what the commit changed of access control stays"),
        (
            with_access_of(begun_with, running),
            "what others changed meanwhile, except of access control, cannot be kept; what the commit changed of that stays",
        ),
    ];
    let ((user, session), principal) = (pending.made_by(), Principal::server());
    let mut refusal = None;
    for (content, lost) in ways {
        let edits = datastores::replacing(running, &content);
        let locks = Locks::default();
        match edit_running(state, &locks, options, &principal, &edits, Judged::Together, fresh) {
            Ok((edited, _)) => {
                if let Some(error) = refusal {
                    tracing::error!(%error, user, session, lost, "a confirmed commit cannot be taken back by itself");
                }
                events.extend(edited);
                return events;
            }
            Err(Refused { error, .. }) => refusal = refusal.or(Some(error)),
        }
    }
    if let Some(error) = refusal {
        tracing::error!(%error, user, session, "a confirmed commit cannot be taken back: its configuration stays");
    }
    events
}

/// What is due by now, in the order of the siblings; at most `at_most` of each.
pub(super) fn due(state: &State, now: Timestamp, at_most: usize) -> Vec<Event> {
    let agents = state.registry.expire(now, at_most).into_iter().map(Event::Agents);
    let tasks = state.tasks.expire(now, at_most).into_iter().map(Event::Tasks);
    let negotiations = state.negotiations.expire(now, at_most).into_iter().map(Event::Negotiation);
    agents.chain(tasks).chain(negotiations).collect()
}

/// The notifications that an event brings about. It depends on the event alone, so a replay
/// says what was said at first.
pub(super) fn announce(event: &Event, at: Timestamp, actor: Actor<'_>) -> Vec<Notification> {
    match event {
        Event::Edited(edits) => vec![config_change(ConfigDatastore::Running, edits, actor)],
        // A copy is a change of the whole datastore (RFC 6470 section 2.2).
        Event::Startup(Startup::Saved) => {
            let edit = Edit {
                operation: Operation::Replace,
                path: InstancePath::default(),
                value: None,
                insert: None,
            };
            vec![config_change(ConfigDatastore::Startup, &[edit], actor)]
        }
        Event::Startup(Startup::Edited(edits)) => {
            vec![config_change(ConfigDatastore::Startup, edits, actor)]
        }
        Event::Agents(event) => agents::Registry::announce(event, at),
        Event::Tasks(event) => {
            let mut notifications = tasks::Tasks::announce(event, at);
            let drafts: Vec<Notification> =
                notifications.iter().filter_map(|n| draft::condition(n, at)).collect();
            notifications.extend(drafts);
            notifications
        }
        Event::Negotiation(event) => negotiation::Negotiations::announce(event, at),
        Event::Session(event) => vec![event.announce()],
        Event::Commit(event) => vec![event.announce(at, &actor)],
    }
}

/// `netconf-config-change` (RFC 6470 section 2.2).
fn config_change(datastore: ConfigDatastore, edits: &[Edit], actor: Actor<'_>) -> Notification {
    let operation = |operation| match operation {
        Operation::Create => EditOperationType::Create,
        Operation::Merge | Operation::Move | Operation::None => EditOperationType::Merge,
        Operation::Replace => EditOperationType::Replace,
        Operation::Delete => EditOperationType::Delete,
        Operation::Remove => EditOperationType::Remove,
    };
    let edit = edits.iter().map(|edit| base::NetconfConfigChangeEdit {
        // An instance-identifier has at least one step; the whole datastore has none to name.
        target: (!edit.path.steps.is_empty()).then(|| edit.path.clone()),
        operation: operation(edit.operation),
    });
    let changed_by = match actor {
        Actor { by_server: true, .. } => base::NetconfConfigChangeChangedBy {
            server: Some(()),
            ..base::NetconfConfigChangeChangedBy::default()
        },
        Actor { user, session, .. } => base::NetconfConfigChangeChangedBy {
            username: Some(user.to_owned()),
            // RFC 6470 section 2.2: 0 stands for no NETCONF session.
            session_id: Some(session.unwrap_or_default()),
            ..base::NetconfConfigChangeChangedBy::default()
        },
    };
    let change = base::NetconfConfigChange { changed_by, datastore, edit: edit.collect() };
    Notification { node: base::NetconfConfigChange::node(), data: change.to_data(), parties: Vec::new() }
}

/// What a reader may be told of a `netconf-config-change`: the edits whose targets it may read, since a target names keys, and
/// of orders its own. A target that no instance-identifier can name is told by what it is in (RFC 6470 section 2.2 allows an
/// ancestor), to those who may read the target. `None` if that is all, or it is another notification; `Some(None)` if it is
/// nothing.
pub(super) fn readable_change(
    rules: &Arc<Rules>,
    principal: &Principal,
    told: &Notification,
) -> Option<Option<Notification>> {
    if told.node != base::NetconfConfigChange::node() {
        return None;
    }
    let is_named = has_nameable_targets(told);
    if is_named && principal.is_admin() {
        return None;
    }
    let change = base::NetconfConfigChange::from_data(&told.data).ok()?;
    let all = change.edit.len();
    let is_told_of_orders =
        principal.sees_all() || change.changed_by.username.as_deref() == Some(&principal.name);
    let is_order = |target: &InstancePath| target.steps.first().is_some_and(|step| step.node == &TASKS);
    let may = |edit: &base::NetconfConfigChangeEdit| {
        edit.target.as_ref().is_none_or(|target| {
            (is_told_of_orders || !is_order(target)) && visible::readable(rules, target) == *target
        })
    };
    let mut edit: Vec<_> = change.edit.into_iter().filter(may).collect();
    if edit.len() == all && is_named {
        return None;
    }
    for edit in &mut edit {
        if let Some(target) = edit.target.take_if(|target| target.nameable().is_none()) {
            let mut above = target.as_far_as_nameable();
            // A list as a whole is no instance.
            above.steps.pop();
            edit.target = Some(above).filter(|above| !above.steps.is_empty());
        }
    }
    let data = base::NetconfConfigChange { edit, ..change };
    Some((!data.edit.is_empty()).then(|| Notification { data: data.to_data(), ..told.clone() }))
}

/// Whether instance-identifiers can name all that a `netconf-config-change` is about.
fn has_nameable_targets(told: &Notification) -> bool {
    let is_nameable = |edit: Arc<Container>| match edit.leaf(&base::nodes::NETCONF_CONFIG_CHANGE_EDIT_TARGET)
    {
        Some(Value::Instance(target)) => target.nameable().is_some(),
        _ => true,
    };
    told.data.list(&base::nodes::NETCONF_CONFIG_CHANGE_EDIT).is_none_or(|edits| edits.iter().all(is_nameable))
}

/// Refuses a commit of a candidate that depends on what is not so any more.
///
/// # Errors
/// The first txid that is not that of the running datastore.
pub(super) fn depends(
    state: &State,
    sessions: &Sessions,
    options: &Options,
    principal: &Principal,
    which: Candidate,
) -> Result<(), Error> {
    let Some(working) = sessions.candidates.get(which).filter(|working| !working.txids.is_empty()) else {
        return Ok(());
    };
    let state = Arc::new(state.clone());
    let now = options.clock.now();
    let from = From { state: &state, sessions, options, datastore: Datastore::Running, now };
    let read = |path: &InstancePath| view::read(&from, principal, path, Content::All);
    working.txids.iter().try_for_each(|(path, txid)| {
        let condition = Precondition::TxidOfRunning(path.clone(), txid.clone());
        check(&condition, state.config_changed_at, state.position, read)
    })
}

/// Whether a precondition holds, judged by what the principal can `read`.
fn check(
    precondition: &Precondition,
    changed_at: Timestamp,
    newest: u64,
    read: impl Fn(&InstancePath) -> Result<Found, Error>,
) -> Result<(), Error> {
    let revision = |path: &InstancePath| read(path).ok().map(|found| found.revision);
    let (holds, path, what) = match precondition {
        Precondition::Matches(path, wanted) => {
            let holds = revision(path).is_some_and(|r| wanted.is_empty() || wanted.contains(&r));
            (holds, Some(path), "it is not, or no longer, what the request is based on")
        }
        Precondition::MatchesNone(path, unwanted) => {
            let holds = revision(path).is_none_or(|r| !unwanted.is_empty() && !unwanted.contains(&r));
            (holds, Some(path), EXISTS)
        }
        Precondition::Txid(path, txid) | Precondition::TxidOfRunning(path, txid) => {
            return txid::check(path, txid, revision(&txid::versioned(path)), newest);
        }
        Precondition::UnmodifiedSince(time) => {
            (changed_at.as_seconds() <= time.as_seconds(), None, "the datastore was changed since")
        }
    };
    if holds {
        return Ok(());
    }
    Err(precondition_failed(what, path))
}

/// What is said of something that was to be new.
const EXISTS: &str = "it exists already";

fn precondition_failed(what: &str, path: Option<&InstancePath>) -> Error {
    let error = Error::protocol(Tag::OperationFailed, what).app_tag(PRECONDITION_FAILED);
    match path {
        Some(path) => error.at(path.clone()),
        None => error,
    }
}
