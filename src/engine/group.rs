//! A group of requests: each is decided on what those before it made, and all become durable, and are answered, together.
//!
//! It is what the writer does while the group before is committed. It never waits, and never touches the log.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::blobs::KeptPart;
use super::event::{Actor, Event, EventError};
use super::judges::{Outcome, Verdict};
use super::operations::Admitted;
use super::quotas::Quotas;
use super::request::{EditReply, EditRequest, Invocation, LockedPart, Locking, Management, Refused};
use super::sessions::{Counters, Reason, Session, Sessions};
use super::state::{Made, State};
use super::subscription::{Announced, Shared};
use super::{confirm, core, datastores, operations, policies, visible};
use crate::access::Principal;
use crate::clock::Timestamp;
use crate::log::{LogError, NewRecord};
use crate::tasks::callbacks::{Place, Progress};
use crate::trace::{Attribute, Trace};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf_monitoring::identities::Transport;
use crate::yang::path::{InstancePath, Selector, Step};
use crate::yang::schema::Kind;
use crate::yang::tree::{Child, Container};

/// A group with more octets of records than this takes no further request.
const BYTES_MAX: usize = 16 << 20;

/// Most deadlines that one step of the clock handles; the next step follows at once.
const DUE_MAX: usize = 256;

/// Most negotiations in which one step goes on by policies while nobody asks for anything; deciding takes longer than noting
/// that a time has come. Otherwise it is one.
const DUE_ANSWERS_MAX: usize = 16;

/// Where the answer to a command goes.
type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What the writer is asked to do.
pub(super) enum Command {
    Edit(Principal, EditRequest, oneshot::Sender<Result<EditReply, Refused>>),
    Manage(Principal, Management, Answer<EditReply>),
    /// The input may have been held against the schema before.
    Invoke(Principal, Invocation, Option<Admitted>, Answer<Container>),
    /// `put-data` of a part that is kept aside.
    Keep(Principal, Box<(Invocation, KeptPart)>, Answer<Container>),
    Lock(Principal, Locking, Answer<Option<LockedPart>>),
    Begin(Box<(Principal, Option<IpAddr>, Transport)>, Answer<Session>),
    Kill(Principal, u32, Answer<()>),
    /// How far deliveries have come.
    Delivered(Vec<(Place, Progress)>, Answer<()>),
    /// What came of asking a model.
    Judged(Box<Verdict>, Answer<Option<Outcome>>),
    /// Nothing but an answer.
    Probe(Answer<()>),
    Stop(oneshot::Sender<Result<(), LogError>>),
}

impl Command {
    /// The trace that it belongs to.
    pub(super) fn trace(&self) -> Option<&Arc<Trace>> {
        self.principal().and_then(Principal::trace)
    }

    /// Who asks; `None` for what asks for itself.
    fn principal(&self) -> Option<&Principal> {
        match self {
            Command::Edit(principal, ..)
            | Command::Manage(principal, ..)
            | Command::Invoke(principal, ..)
            | Command::Keep(principal, ..)
            | Command::Lock(principal, ..)
            | Command::Kill(principal, ..) => Some(principal),
            Command::Begin(..)
            | Command::Delivered(..)
            | Command::Judged(..)
            | Command::Probe(_)
            | Command::Stop(_) => None,
        }
    }
}

/// An answer that is held back; it is called with the outcome of the commit.
type Held = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// A group that is being decided: the state after it, its records, and the answers to give
/// once it is durable.
pub(super) struct Group {
    begun_with: State,
    /// Whether something could not be applied: then each state is kept before the next is tried.
    is_careful: bool,
    pub(super) state: State,
    pub(super) sessions: Sessions,
    pub(super) transactions: Vec<Vec<NewRecord>>,
    /// Octets of the records.
    pub(super) size: usize,
    pub(super) answers: Vec<Held>,
    /// What the edit that is recorded next made when it was decided.
    made: Option<Made>,
    /// The traces of those requests of which spans are told, with the position before the first record of each and that of the
    /// last.
    traced: Vec<(Arc<Trace>, Range<u64>)>,
    /// Who waits for the log to be closed after it, if it is the last.
    pub(super) stop: Option<oneshot::Sender<Result<(), LogError>>>,
}

impl Group {
    pub(super) fn new(state: &State, sessions: &Sessions) -> Self {
        Group {
            begun_with: state.clone(),
            is_careful: false,
            state: state.clone(),
            sessions: sessions.clone(),
            transactions: Vec::new(),
            size: 0,
            answers: Vec::new(),
            made: None,
            traced: Vec::new(),
            stop: None,
        }
    }

    /// Whether it takes another request, so that there are so many.
    pub(super) fn has_room(&self, at_most: usize) -> bool {
        self.answers.len() < at_most && self.size <= BYTES_MAX && self.stop.is_none()
    }

    /// Whether there is nothing to commit, to publish or to answer; it began with these sessions.
    pub(super) fn is_empty(&self, sessions: &Sessions) -> bool {
        self.transactions.is_empty()
            && self.answers.is_empty()
            && self.stop.is_none()
            && self.sessions.same(sessions)
    }

    /// The time at which its commit begins, if it belongs to a trace.
    pub(super) fn begins_to_land(&self) -> Option<Timestamp> {
        self.traced.first().and_then(|(trace, _)| trace.now())
    }

    /// What was recorded, as subscribers see it: taken out once it is durable.
    pub(super) fn announced(&mut self) -> Vec<Announced> {
        let records = std::mem::take(&mut self.transactions).into_iter().flatten();
        let announced =
            (self.begun_with.position.saturating_add(1)..).zip(records).map(|(position, record)| {
                let request = self.traced.partition_point(|(_, made)| made.end < position);
                let request = self.traced.get(request).filter(|(_, made)| made.start < position);
                Announced::new(position, record, request.map(|(trace, _)| Arc::clone(trace)))
            });
        announced.collect()
    }

    /// Answers all that was asked, and tells of the commit, that began then, in the traces of those requests that belong to one.
    pub(super) fn answered(self, begun: Option<Timestamp>, outcome: Result<(), Error>) {
        let number = |number: u64| Attribute::Number(i64::try_from(number).unwrap_or(i64::MAX));
        for (trace, _) in &self.traced {
            let Some((begun, now)) = begun.zip(trace.now()) else { continue };
            let requests = ("agentconf.group.requests", number(self.answers.len() as u64));
            let position = ("agentconf.log.position", number(self.state.position));
            let attributes = [requests].into_iter().chain(outcome.is_ok().then_some(position)).collect();
            trace.outcome("commit", (begun, now), attributes, outcome.is_err());
            trace.answered();
        }
        for answer in self.answers {
            answer(outcome.clone());
        }
    }

    /// What the clock has brought about; `is_asked` if requests wait. False if something of it could not be recorded.
    pub(super) fn expire(&mut self, shared: &Shared, is_asked: bool) -> bool {
        let fresh = shared.fresh();
        let mut complete = true;
        for event in core::due(&self.state, fresh.now, DUE_MAX) {
            if let Err(e) = self.record(fresh.now, Actor::SERVER, vec![event], None) {
                tracing::error!(error = %e, "an event that was due was not recorded");
                complete = false;
            }
        }
        let at_most = if is_asked { 1 } else { DUE_ANSWERS_MAX };
        let due: Vec<_> = self.state.negotiations.due_answers(fresh.now, at_most).cloned().collect();
        for id in due {
            // Each looks at what those before it have promised.
            let followed = policies::go_on(&self.state, &shared.options, &id, &fresh);
            if let Err(e) = self.record(fresh.now, Actor::SERVER, followed, None) {
                tracing::error!(error = %e, "a move by a policy was not recorded");
                complete = false;
            }
        }
        if self.state.pending.as_ref().is_some_and(|pending| pending.until() <= fresh.now) {
            let mut fresh = shared.fresh();
            let events = core::take_back(&self.state, &shared.options, confirm::Pending::lapsed, &mut fresh);
            let (user, session) =
                self.state.pending.as_ref().map(confirm::Pending::made_by).unwrap_or_default();
            if let Err(e) = self.record(fresh.now, Actor::server_for(&user, session), events, None) {
                tracing::error!(error = %e, "a confirmed commit was not taken back");
                complete = false;
            }
        }
        complete
    }

    /// Ends a session with all that it holds, and takes its confirmed commit back (RFC 6241 section 8.4.1).
    pub(super) fn end(&mut self, shared: &Shared, session: u32, reason: Reason, by: Option<&Principal>) {
        let killed_by = by.map(|by| by.session.unwrap_or_default());
        let mut sessions = self.sessions.clone();
        let Some(ended) = sessions.end(session, reason, killed_by) else { return };
        if let Some(live) = self.sessions.get(session) {
            shared.options.capabilities.statistics.ended(live.counters(), reason);
        }
        let mut fresh = shared.fresh();
        let mut events = vec![Event::Session(ended)];
        if self.state.pending.as_ref().is_some_and(|pending| pending.ends_with(session)) {
            let given_up = confirm::Pending::given_up;
            events.extend(core::take_back(&self.state, &shared.options, given_up, &mut fresh));
        }
        let user = self.sessions.get(session).map(|live| live.principal.name.clone()).unwrap_or_default();
        let actor = by.map_or(Actor::server_for(&user, Some(session)), Actor::from);
        if let Err(e) = self.record(fresh.now, actor, events, None) {
            tracing::error!(error = %e, session, "the end of a session was not recorded");
        }
        self.sessions = sessions;
    }

    pub(super) fn decide(&mut self, shared: &Shared, command: Command) {
        let trace = command.trace().cloned();
        let Some((trace, begun)) = trace.and_then(|trace| trace.taken().map(|begun| (trace, begun))) else {
            return self.decide_alone(shared, command);
        };
        let before = self.state.position;
        self.decide_alone(shared, command);
        if let Some(now) = trace.now() {
            trace.part("decide", (begun, now), Vec::new());
        }
        self.traced.push((trace, before..self.state.position));
    }

    fn decide_alone(&mut self, shared: &Shared, command: Command) {
        let mut fresh = shared.fresh();
        let now = fresh.now;
        let session = command.principal().and_then(|principal| principal.session);
        let refusal = match command.principal() {
            // It was killed; what it has asked for meanwhile is not done any more.
            Some(_) if session.is_some_and(|session| self.sessions.get(session).is_none()) => {
                Some(Error::protocol(Tag::OperationFailed, "this session has ended"))
            }
            // All that changes something comes by here.
            Some(principal) if principal.is_reader() => Some(operations::only_reads(principal)),
            _ => None,
        };
        if let Some(error) = refusal {
            return match command {
                Command::Edit(.., answer) => self.answer(answer, Err(Refused::from(error))),
                Command::Manage(.., answer) => self.answer(answer, Err(error)),
                Command::Invoke(.., answer) | Command::Keep(.., answer) => self.answer(answer, Err(error)),
                Command::Lock(.., answer) => self.answer(answer, Err(error)),
                Command::Kill(.., answer) => self.answer(answer, Err(error)),
                Command::Begin(..)
                | Command::Delivered(..)
                | Command::Judged(..)
                | Command::Probe(_)
                | Command::Stop(_) => {}
            };
        }
        match command {
            Command::Edit(principal, request, answer) => {
                let mut sessions = self.sessions.clone();
                let (state, options) = (&self.state, &shared.options);
                let decided = core::edit(state, &mut sessions, options, &principal, &request, &mut fresh);
                let decided = decided.map_err(|Refused { edit, error }| {
                    let asked: Vec<_> = request.edits.iter().map(|edit| &edit.path).collect();
                    Refused { edit, error: visible::told(&state.rules(&principal), &asked, error) }
                });
                let reply = self.edited(shared, now, &principal, decided, sessions);
                self.answer(answer, reply);
            }
            Command::Manage(principal, management, answer) => {
                let mut sessions = self.sessions.clone();
                let (state, options) = (&self.state, &shared.options);
                let decided =
                    datastores::manage(state, &mut sessions, options, &principal, &management, &mut fresh)
                        .map_err(|error| visible::told(&state.rules(&principal), &[], error));
                let reply = self.edited(shared, now, &principal, decided, sessions);
                self.answer(answer, reply);
            }
            Command::Lock(principal, locking, answer) => {
                let mut sessions = self.sessions.clone();
                let (state, options) = (&self.state, &shared.options);
                let reply = datastores::lock(state, &mut sessions, options, &principal, &locking, now);
                if reply.is_ok() {
                    self.sessions = sessions;
                }
                self.answer(answer, reply);
            }
            Command::Begin(who, answer) => {
                let mut sessions = self.sessions.clone();
                let limits = &shared.options.limits;
                let statistics = &shared.options.capabilities.statistics;
                let begun = sessions.begin(self.state.newest_session, *who, now, limits);
                let reply = begun.and_then(|(id, live, event)| {
                    self.record(now, Actor::from(&live.principal), vec![Event::Session(event)], None)?;
                    self.sessions = sessions;
                    Counters::count(&statistics.in_sessions);
                    Ok(Session::new(id, live, shared.ended.clone()))
                });
                self.answer(answer, reply);
            }
            Command::Kill(principal, session, answer) => {
                let reply = match self.sessions.get(session) {
                    Some(_) if principal.session != Some(session) => {
                        self.end(shared, session, Reason::Killed, Some(&principal));
                        Ok(())
                    }
                    Some(_) => {
                        let message = "a session is closed with \"close-session\" by itself, and not killed";
                        Err(Error::protocol(Tag::InvalidValue, message))
                    }
                    None => {
                        let message = format!("there is no session {session}");
                        Err(Error::protocol(Tag::InvalidValue, message))
                    }
                };
                self.answer(answer, reply);
            }
            Command::Invoke(principal, invocation, admitted, answer) => {
                let (state, options) = (&self.state, &shared.options);
                let decided = operations::invoke(
                    state,
                    options,
                    &principal,
                    &invocation,
                    admitted.as_ref(),
                    &mut fresh,
                );
                let reply = self.invoked(shared, now, &principal, &invocation, decided);
                self.answer(answer, reply);
            }
            Command::Keep(principal, part, answer) => {
                let (invocation, part) = *part;
                let options = &shared.options;
                let decided =
                    operations::keep(&self.state, options, &principal, &invocation, &part, &mut fresh);
                let reply = self.invoked(shared, now, &principal, &invocation, decided);
                self.answer(answer, reply);
            }
            Command::Delivered(progress, answer) => {
                let events = self.state.tasks.delivered(progress).into_iter().map(Event::Tasks).collect();
                let reply = self.record(now, Actor::SERVER, events, None);
                self.answer(answer, reply);
            }
            Command::Judged(verdict, answer) => {
                let Verdict { negotiation, asked_at, said } = *verdict;
                let of = (asked_at, &said);
                let judged = policies::judged(&self.state, &shared.options, &negotiation, of, &fresh);
                let reply = match judged {
                    Some(policies::Judgement { events, set_aside }) => self
                        .record(now, Actor::SERVER, events, None)
                        .map(|()| Some(set_aside.map_or(Outcome::Used, Outcome::SetAside))),
                    None => Ok(None),
                };
                self.answer(answer, reply);
            }
            Command::Probe(answer) => self.answer(answer, Ok(())),
            Command::Stop(_) => {}
        }
    }

    /// Takes over what an operation was decided to do.
    fn invoked(
        &mut self,
        shared: &Shared,
        now: Timestamp,
        principal: &Principal,
        invocation: &Invocation,
        decided: Result<(Vec<Event>, Container), Error>,
    ) -> Result<Container, Error> {
        let (events, output) = decided?;
        let quotas = self.state.quotas(&shared.options.limits, principal);
        let recorded = self.record(now, Actor::from(principal), events, Some(&quotas));
        recorded.map_err(|error| match (error.tag, &error.path) {
            // What cannot be stored is content without a schema, and came with the input.
            (Tag::InvalidValue, None) => Error { path: content_in(invocation), ..error },
            _ => error,
        })?;
        Ok(output)
    }

    /// Takes over what was decided about datastores.
    fn edited<E: From<Error>>(
        &mut self,
        shared: &Shared,
        now: Timestamp,
        principal: &Principal,
        decided: Result<(Vec<Event>, EditReply), E>,
        sessions: Sessions,
    ) -> Result<EditReply, E> {
        let (events, mut reply) = decided?;
        let position = self.state.position;
        let quotas = self.state.quotas(&shared.options.limits, principal);
        self.made = reply.made.take().map(|made| *made);
        self.record(now, Actor::from(principal), events, Some(&quotas))?;
        self.sessions = sessions;
        if self.state.position > position {
            reply.revision = self.state.config_revision;
            reply.changed_at = self.state.config_changed_at;
        }
        Ok(reply)
    }

    /// Applies the events of one request and keeps them for the log: all or none. What is applied
    /// is what a start will read, so that it comes to the same state, and what it could not read
    /// is never written. What would use more than the quotas is refused as a whole.
    pub(super) fn record(
        &mut self,
        at: Timestamp,
        actor: Actor<'_>,
        events: Vec<Event>,
        quotas: Option<&Quotas>,
    ) -> Result<(), Error> {
        let mut made = self.made.take();
        let unwritable = |error: EventError| {
            // It has no position yet, and is not there to be read.
            let (why, path) = match error {
                EventError::Payload { reason, path, .. } => (reason, path),
                other => (other.to_string(), None),
            };
            let error = Error::application(Tag::InvalidValue, format!("this cannot be stored: {why}"));
            Error { path, ..error }
        };
        let actor_of = |event: &Event| match event.is_of_server() {
            true => Actor::server_for(actor.user, actor.session),
            false => actor,
        };
        let mut transaction = Vec::with_capacity(events.len());
        let mut read = Vec::with_capacity(events.len());
        for (position, event) in (self.state.position.saturating_add(1)..).zip(events) {
            let record = event.to_record(at, actor_of(&event)).map_err(unwritable)?;
            record.check().map_err(|e| Error::application(Tag::TooBig, format!("to be stored: {e}")))?;
            if event.has_any() {
                // What was made was made of what was said, and not of what is stored.
                made = None;
            }
            read.push(event.read_back(position, &record).map_err(unwritable)?);
            transaction.push(record);
        }
        // A state that nobody else has changes in place. To have it back as it was is dear, so that is done once.
        let kept = self.is_careful.then(|| self.state.clone());
        let before = self.state.ledger.usages();
        let applied = read.iter().try_for_each(|event| {
            let made = if matches!(event, Event::Edited(_)) { made.take() } else { None };
            self.state.apply_made(at, actor_of(event), event, made)
        });
        let permitted =
            applied.and_then(|()| quotas.map_or(Ok(()), |quotas| quotas.permit(&before, &self.state.ledger)));
        if let Err(error) = permitted {
            self.is_careful = true;
            self.state = kept.unwrap_or_else(|| self.decided());
            return Err(error);
        }
        self.size += transaction.iter().map(|record| record.payload.len()).sum::<usize>();
        if !transaction.is_empty() {
            self.transactions.push(transaction);
        }
        Ok(())
    }

    /// The state after all that is recorded, made from its beginning on.
    fn decided(&self) -> State {
        let mut state = self.begun_with.clone();
        for record in self.transactions.iter().flatten() {
            let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
            let actor = Actor::named(&record.actor, &record.origin);
            let event = Event::from_new_record(state.position + 1, record).map_err(|e| e.to_string());
            if let Err(error) = event.and_then(|e| state.apply(at, actor, &e).map_err(|e| e.to_string())) {
                // It was applied before, so this is a defect: better no server than one that tells what is not so.
                tracing::error!(error, "the state cannot be made anew; the process ends, to be started anew");
                std::process::abort();
            }
        }
        state
    }

    /// Keeps the answer until the group is durable. A refusal waits too: it may rest on an
    /// event of the same group.
    fn answer<T, E>(&mut self, answer: oneshot::Sender<Result<T, E>>, reply: Result<T, E>)
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.answers.push(Box::new(move |durable| {
            // Who asked may have gone.
            let _ = answer.send(durable.map_err(E::from).and(reply));
        }));
    }
}

/// Where in the input of an operation its only content without a schema is; the input, if there is more than one.
fn content_in(invocation: &Invocation) -> Option<InstancePath> {
    fn find(content: &Container, path: &InstancePath, found: &mut Vec<InstancePath>) {
        for (node, child) in content.iter() {
            match child {
                Child::Any(_) => found.push(path.child(Step::plain(node))),
                Child::Container(inside) => find(inside, &path.child(Step::plain(node)), found),
                Child::List(list) => {
                    for entry in list.iter() {
                        let selector = entry.key(node).map_or(Selector::None, Selector::Key);
                        find(&entry, &path.child(Step { node, selector }), found);
                    }
                }
                Child::Leaf(_) | Child::LeafList(_) => {}
            }
        }
    }
    let Kind::Rpc { input, .. } = invocation.operation.kind else { return None };
    let around = invocation.target.clone().unwrap_or_default();
    let path = around.child(Step::plain(invocation.operation)).child(Step::plain(input));
    let mut found = Vec::new();
    find(&invocation.input, &path, &mut found);
    Some(if found.len() == 1 { found.swap_remove(0) } else { path })
}
