//! The shell around the core: the handle through which front ends read, ask for changes and follow events.
//!
//! A read takes the newest snapshot; what changes something waits in the queue of the one [`Writer`]. Nothing is decided here.

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread;

use arc_swap::ArcSwap;
use futures_util::Stream;
use futures_util::future::Either;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::api_keys;
use super::committer::Committer;
use super::event::{Event, EventError};
use super::group::Command;
use super::meter::Meter;
use super::nested::nested;
use super::operations::Admitted;
use super::options::Options;
use super::output::{self, Output, UnderWay};
use super::page::Paging;
use super::received::{Held, Received};
use super::replay::replay;
use super::report::{Reported, Selection, Telling};
use super::request::{
    Candidate, Content, Datastore, EditReply, EditRequest, Found, Invocation, LockedPart, Locking,
    Management, Refused,
};
use super::secrets::{self, Vault};
use super::sessions::{Session, Sessions};
use super::state::{State, applied};
use super::stepper::Entropy;
use super::subscribers::{Seat, Subscribers};
use super::subscription::{Shared, Subscription, Tail};
use super::txid::Txids;
use super::unknown::Unknown;
use super::writer::Writer;
use super::{
    Filter, audited, datastores, operations, policies, report, subscription, subscriptions, view, visible,
};
use crate::access::{self, Access, At, Principal, Reference, Rules};
use crate::audit::Trail;
use crate::clock::{Clock, Timestamp};
use crate::datastore::validate::VALIDATOR;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::log::{Journal, Log, LogError};
use crate::yang::error::{Error, Tag};
use crate::yang::generated::ietf_netconf::{CommitInput, nodes as netconf};
use crate::yang::generated::ietf_netconf_monitoring::identities::Transport;
use crate::yang::generated::magent_access::nodes::CREATE_API_KEY;
use crate::yang::generated::magent_task::{AssignTaskInput, AssignTaskOutput, nodes};
use crate::yang::model::Modelled;
use crate::yang::path::InstancePath;
use crate::yang::schema::Node;
use crate::yang::tree::{Child, Container};
use crate::yang::value::Value;

/// Most updates of subscribed data that are made at a time.
const UPDATES_AT_ONCE: usize = 4;

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record is not understood.
    #[error(transparent)]
    Event(#[from] EventError),
    /// There is data that the modules of this program do not have.
    #[error(
        "there is data that the YANG modules of this program do not have, or not with such values: {0}; nothing was changed: a \
         program with the modules that it was written with can remove it, and after that this one can start"
    )]
    Unknown(Unknown),
    /// A record cannot be applied to the state before it.
    #[error("record {position} does not fit what is before it: {source}")]
    Apply {
        /// Log position.
        position: u64,
        /// Why.
        source: Error,
    },
    /// The startup datastore cannot be made the running one.
    #[error("the startup datastore cannot be loaded: {0}")]
    Startup(#[source] Error),
    /// The server's own agent cannot be registered.
    #[error("the server's own agent cannot be registered: {0}")]
    Agent(#[source] Error),
    /// A snapshot cannot be held against the records.
    #[error("a snapshot cannot be held against the records: {0}")]
    Compare(#[source] std::io::Error),
    /// A thread cannot be started.
    #[error("the writer and the committer cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A handle to the engine; cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) subscribers: Arc<Subscribers>,
}

impl Engine {
    /// Replays the log and starts the writer and the committer. Returns when the state is complete.
    ///
    /// # Errors
    /// The log is damaged, or was written by another version.
    pub fn open(log: Log, options: Options) -> Result<Self, OpenError> {
        let (engine, writer, committer) = Engine::prepare(Box::new(log), options, Entropy::system())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (to_committer, groups) = sync_channel(1);
        let (landed, outcomes) = mpsc::channel(1);
        begin("committer", move || committer.run(&groups, &landed))?;
        begin("writer", move || runtime.block_on(writer.run(to_committer, outcomes)))?;
        Ok(engine)
    }

    /// Replays the log and does what a start does; what is asked for then waits for a step of the writer.
    pub(super) fn prepare(
        log: Box<dyn Journal>,
        options: Options,
        entropy: Entropy,
    ) -> Result<(Self, Writer, Committer), OpenError> {
        let state = replay(&log.reader(), u64::MAX)?;
        tracing::info!(position = state.position, "replayed");
        // It is set once, and the first start of these options counts.
        let _ = options.capabilities.statistics.since.set(options.clock.now());
        let (committed, _) = watch::channel(state.position);
        let (commands, queue) = mpsc::channel(options.limits.request_queue_max);
        // Each session says once that it ends: those that there are, and as many that were killed and are about to go.
        let (ending, ended) =
            mpsc::channel(options.limits.sessions_max.saturating_mul(2).clamp(1, Semaphore::MAX_PERMITS));
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(state.clone()),
            sessions: ArcSwap::default(),
            ended: ending,
            rebuilding: Arc::new(Semaphore::new(1)),
            updating: Arc::new(Semaphore::new(UPDATES_AT_ONCE)),
            large_answers: UnderWay::new(&options.limits),
            received: Received::new(&options.limits),
            committed,
            ending: watch::Sender::new(false),
            tail: Tail::default(),
            reader: log.reader(),
            options,
            entropy,
            meter: Meter::default(),
            is_valid: OnceLock::new(),
        });
        let mut committer = Committer::new(shared.clone(), log);
        let writer = Writer::begin(shared.clone(), &mut committer, state, queue, ended)?;
        Ok((Engine { shared, commands, subscribers: Arc::default() }, writer, committer))
    }

    /// The newest state. It never changes; take another one to see newer events.
    pub fn snapshot(&self) -> Arc<State> {
        self.shared.snapshot.load_full()
    }

    /// The limits in force.
    pub(super) fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Limits on what can grow.
    pub fn limits(&self) -> &Limits {
        &self.shared.options.limits
    }

    /// NETCONF's capability URIs, as a hello has them.
    pub fn netconf_capabilities(&self) -> &[String] {
        &self.shared.options.capabilities.netconf
    }

    /// Where front ends note what was asked and refused.
    pub fn trail(&self) -> &Trail {
        &self.shared.options.trail
    }

    /// The time that everything here is judged by.
    pub fn clock(&self) -> &Clock {
        &self.shared.options.clock
    }

    /// Reads a node of the newest snapshot, without what the principal may not see.
    ///
    /// # Errors
    /// `data-missing` if there is no such instance for this principal.
    pub fn read(
        &self,
        principal: &Principal,
        datastore: Datastore,
        path: &InstancePath,
        content: Content,
    ) -> Result<Found, Error> {
        let sessions = self.shared.sessions.load();
        view::read(&self.from(&self.snapshot(), &sessions, datastore), principal, path, content)
    }

    /// Reads one node and tells what is asked for of its defaults and origins.
    ///
    /// # Errors
    /// `data-missing` if there is no such instance for this principal, by default or otherwise.
    pub fn report(
        &self,
        principal: &Principal,
        datastore: Datastore,
        path: &InstancePath,
        content: Content,
        telling: Telling,
    ) -> Result<Reported, Error> {
        self.report_page(principal, datastore, path, content, telling, &Paging::default())
    }

    /// Reads what is selected of a whole datastore. Work that looks at much is done beside the runtime, and in turn.
    ///
    /// # Errors
    /// `resource-denied` if the filter takes too many steps, `invalid-value` if it selects no nodes but has another value.
    pub async fn select(
        &self,
        principal: &Principal,
        datastore: Datastore,
        selection: Selection,
    ) -> Result<Reported, Error> {
        let (engine, user) = (self.clone(), principal.clone());
        let work = move || {
            let (state, sessions) = (engine.snapshot(), engine.shared.sessions.load());
            report::selected(&engine.from(&state, &sessions, datastore), &user, &selection)
        };
        output::in_turn(&self.shared.large_answers, principal, work).await?
    }

    /// The same of a page of a list or leaf-list. What looks at many entries is done beside the runtime, and at
    /// most so many at a time.
    ///
    /// # Errors
    /// `data-missing` as before; `invalid-value` or `operation-not-supported` for what does not fit the node;
    /// `resource-denied` for what would cost too much, with the app-tag `busy` if that is done for others now.
    pub async fn page(
        &self,
        principal: &Principal,
        datastore: Datastore,
        path: &InstancePath,
        content: Content,
        telling: Telling,
        paging: &Paging,
    ) -> Result<Reported, Error> {
        if !paging.is_costly() {
            return self.report_page(principal, datastore, path, content, telling, paging);
        }
        let (engine, user, path, paging) = (self.clone(), principal.clone(), path.clone(), paging.clone());
        let work = move || engine.report_page(&user, datastore, &path, content, telling, &paging);
        output::apart(&self.shared.large_answers, principal, work).await?
    }

    /// The same as it stands in the datastore; a list without entries is none there. Of what is wanted of the datastore,
    /// what is filtered has no meaning here.
    ///
    /// # Errors
    /// As for [`Engine::page`], but for `data-missing`.
    pub async fn page_in_place(
        &self,
        principal: &Principal,
        datastore: Datastore,
        path: &InstancePath,
        selection: &Selection,
        paging: &Paging,
    ) -> Result<Reported, Error> {
        let Selection { content, telling, known, .. } = selection;
        let txids = known.as_ref().map(|_| Txids::ATTRIBUTE);
        let telling = Telling { txids, ..*telling };
        match self.page(principal, datastore, path, *content, telling, paging).await {
            Ok(page) => Ok(nested(path, page)),
            Err(error) if error.tag == Tag::DataMissing => {
                paging.of_nothing()?;
                let root = InstancePath::default();
                let found = self.read(principal, datastore, &root, *content)?;
                let child = Child::Container(Arc::default());
                Ok(Reported { found: Found { child, ..found }, metadata: None })
            }
            Err(error) => Err(error),
        }
    }

    fn report_page(
        &self,
        principal: &Principal,
        datastore: Datastore,
        path: &InstancePath,
        content: Content,
        telling: Telling,
        paging: &Paging,
    ) -> Result<Reported, Error> {
        let (state, sessions) = (self.snapshot(), self.shared.sessions.load());
        let from = self.from(&state, &sessions, datastore);
        report::report(&from, principal, path, content, telling, paging)
    }

    fn from<'a>(
        &'a self,
        state: &'a Arc<State>,
        sessions: &'a Sessions,
        datastore: Datastore,
    ) -> view::From<'a> {
        let options = &self.shared.options;
        view::From { state, sessions, options, datastore, now: options.clock.now() }
    }

    /// Whether the server has the datastore.
    pub fn has(&self, datastore: Datastore) -> bool {
        datastore != Datastore::Startup || self.shared.options.startup
    }

    /// The whole configuration in a datastore, whoever may see it.
    ///
    /// # Errors
    /// `operation-not-supported` if the server does not have the datastore.
    pub(super) fn configuration(&self, datastore: Datastore) -> Result<Arc<Container>, Error> {
        let candidates = &self.shared.sessions.load().candidates;
        datastores::content(&self.snapshot(), candidates, &self.shared.options, datastore)
    }

    /// Checks that the configuration in a datastore can be made the running one.
    ///
    /// # Errors
    /// The first constraint that it violates.
    pub async fn validate(&self, principal: &Principal, datastore: Datastore) -> Result<(), Error> {
        self.validate_tree(principal, self.configuration(datastore)?).await
    }

    /// Checks that a configuration can be made the running one.
    ///
    /// # Errors
    /// The first constraint that it violates.
    pub async fn validate_content(&self, principal: &Principal, content: Container) -> Result<(), Error> {
        let content = Arc::new(content);
        if principal.is_reader() || !secrets::are_in_tree(&content) {
            return self.validate_tree(principal, content).await;
        }
        let take = |vault: &dyn Vault, rules: &Arc<Rules>| secrets::taken_out_of_tree(vault, rules, content);
        self.validate_tree(principal, self.taking(principal, take).await??).await
    }

    async fn validate_tree(&self, principal: &Principal, content: Arc<Container>) -> Result<(), Error> {
        let state = self.snapshot();
        let rules = state.rules(principal);
        let engine = self.clone();
        let valid = move || {
            datastores::valid(&state, engine.options(), &content)?;
            // A commit does not look at what stays, and that can be wrong by a module that has changed since it was written.
            let wrong = |content| Error::first(VALIDATOR.datastore(content)).map_or(Ok(()), Err);
            match engine.shared.is_valid.get() {
                None if wrong(state.config.content()).is_err() => wrong(&content),
                None => {
                    let _ = engine.shared.is_valid.set(());
                    Ok(())
                }
                Some(()) => Ok(()),
            }
        };
        self.apart(principal, valid).await?.map_err(|error| visible::told(&rules, &[], error))
    }

    /// Does work that takes long beside the runtime, as one of the large answers.
    ///
    /// # Errors
    /// `resource-denied` if too many are under way.
    pub async fn apart<T: Send + 'static>(
        &self,
        principal: &Principal,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        output::apart(&self.shared.large_answers, principal, work).await
    }

    /// The running configuration as it was at a log position. One that is not among the newest is
    /// rebuilt from the log.
    ///
    /// # Errors
    /// `invalid-value` for a position that is not reached yet, `operation-failed` if the log cannot
    /// be read.
    pub async fn revision(&self, position: u64) -> Result<Arc<Container>, Error> {
        let state = self.snapshot();
        if position > state.position {
            let message = format!("position {position} is not reached yet; the newest is {}", state.position);
            return Err(Error::application(Tag::InvalidValue, message));
        }
        if let Some((_, revision)) = state.revisions.get_prev(&position) {
            return Ok(revision.content.clone());
        }
        let unreadable = |reason: String| {
            tracing::error!(reason, position, "an old revision could not be rebuilt");
            Error::application(Tag::OperationFailed, "the event log cannot be read")
        };
        let one = self.shared.rebuilding.clone().acquire_owned().await.map_err(|_| stopping())?;
        let reader = self.shared.reader.clone();
        let rebuilt = tokio::task::spawn_blocking(move || {
            // Held by the work itself: who asked may go before it is done.
            let _one = one;
            if reader.first().map_err(|e| e.to_string())?.position > 0 {
                let state = replay(&reader, position).map_err(|e| e.to_string())?;
                return Ok(state.config.content().clone());
            }
            let (mut content, mut unknown) = (Arc::default(), Unknown::default());
            for record in reader.scan(0) {
                let record = record.map_err(|e| e.to_string())?;
                if record.position > position {
                    break;
                }
                let event = unknown.read(record.position, record.kind, record.version, &record.payload);
                let event = event.map_err(|e| e.to_string())?;
                if let Event::Edited(edits) = event {
                    content = applied(&content, &edits, record.position).map_err(|e| e.to_string())?;
                }
            }
            Ok(content)
        });
        rebuilt.await.map_err(|e| e.to_string()).and_then(|result| result).map_err(unreadable)
    }

    /// Does something to whole datastores; the answer comes when what it changed is durable.
    ///
    /// # Errors
    /// What the new configuration violates, or why the datastore cannot be written; nothing has
    /// changed then.
    pub async fn manage(&self, principal: &Principal, management: Management) -> Result<EditReply, Error> {
        let management = match management {
            Management::Put { content, to } if !principal.is_reader() && secrets::are_in_tree(&content) => {
                let take =
                    |vault: &dyn Vault, rules: &Arc<Rules>| secrets::taken_out_of_tree(vault, rules, content);
                Management::Put { content: self.taking(principal, take).await??, to }
            }
            other => other,
        };
        self.command(|answer| Command::Manage(principal.traced(), management, answer)).await
    }

    /// Locks and unlocks datastores and parts of them.
    ///
    /// # Errors
    /// `lock-denied` at once, with the session that holds what is in the way; what is wrong with the request.
    pub async fn lock(&self, principal: &Principal, locking: Locking) -> Result<Option<LockedPart>, Error> {
        self.command(|answer| Command::Lock(principal.traced(), locking, answer)).await
    }

    /// Begins a NETCONF session for a user who comes from a host over a transport.
    ///
    /// # Errors
    /// `resource-denied` if there are too many.
    pub async fn session(
        &self,
        principal: &Principal,
        host: Option<IpAddr>,
        transport: Transport,
    ) -> Result<Session, Error> {
        let who = Box::new((principal.clone(), host, transport));
        self.command(|answer| Command::Begin(who, answer)).await
    }

    /// Refuses an operation that the principal may not invoke, in a session or without one. What is invoked with
    /// [`Engine::invoke`] is judged there.
    ///
    /// # Errors
    /// `access-denied`.
    pub fn admit(&self, principal: &Principal, operation: &'static Node) -> Result<(), Error> {
        let state = self.snapshot();
        // What is in a private candidate is its user's alone, and the commit asks for each of its edits.
        let is_own = [&netconf::COMMIT, &netconf::DISCARD_CHANGES].contains(&operation)
            && self.candidate(principal) != Candidate::Shared;
        if is_own && state.rules(principal).may_invoke(operation) {
            return Ok(());
        }
        operations::may_invoke(&state, &self.shared.options, principal, operation, None)
    }

    /// Checks the input of an operation.
    ///
    /// # Errors
    /// What it violates.
    pub fn check_input(&self, operation: &'static Node, input: &Container) -> Result<(), Error> {
        let (running, input) = (self.snapshot().config.content().clone(), Arc::new(input.clone()));
        Error::first(VALIDATOR.input(running, None, operation, input)).map_or(Ok(()), Err)
    }

    /// The candidate that a principal means.
    pub fn candidate(&self, principal: &Principal) -> Candidate {
        self.shared.sessions.load().candidate(principal)
    }

    /// The datastore that a principal means by one: in a session with a private candidate, that is the candidate.
    pub fn meant(&self, principal: &Principal, datastore: Datastore) -> Datastore {
        match datastore {
            Datastore::Candidate(_) => Datastore::Candidate(self.candidate(principal)),
            other => other,
        }
    }

    /// What the input of `commit` asks for (RFC 6241 section 8.4.5.1).
    pub fn committing(&self, principal: &Principal, input: &CommitInput) -> Management {
        datastores::committing(input, self.candidate(principal))
    }

    /// Ends another session, and releases all that it holds before the answer comes (RFC 6241 section 7.9).
    ///
    /// # Errors
    /// `invalid-value` if there is no such session or it is the principal's own.
    pub async fn kill_session(&self, principal: &Principal, session: u32) -> Result<(), Error> {
        self.command(|answer| Command::Kill(principal.traced(), session, answer)).await
    }

    /// Does work that writes much beside the runtime, as a stream of what it writes; the last piece is what it
    /// gives back.
    ///
    /// # Errors
    /// `resource-denied` if too many such answers are under way.
    pub fn produce(
        &self,
        principal: &Principal,
        work: impl FnOnce(&Output) -> Vec<u8> + Send + 'static,
    ) -> Result<impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static, Error> {
        output::produce(&self.shared.large_answers, principal, work)
    }

    /// Edits the running configuration or a candidate; the answer comes when the edit is durable. It has its place in the
    /// order of all that changes something as soon as this returns, whether or not the answer is waited for.
    ///
    /// # Errors
    /// What the edit violates; nothing has changed then.
    pub fn edit(
        &self,
        principal: &Principal,
        request: EditRequest,
    ) -> impl Future<Output = Result<EditReply, Refused>> + Send + use<> {
        let (engine, principal) = (self.clone(), principal.traced());
        // A credential for reading is refused where all changes pass, and keeps nothing.
        if principal.is_reader() || !secrets::are_in(&request.edits) {
            return Either::Left(self.command(|answer| Command::Edit(principal, request, answer)));
        }
        Either::Right(Box::pin(async move {
            let EditRequest { edits, .. } = request;
            let taken = engine.taking(&principal, |vault, rules| secrets::taken_out(vault, rules, edits));
            let request = EditRequest { edits: taken.await??, ..request };
            engine.command(|answer| Command::Edit(principal, request, answer)).await
        }))
    }

    /// Takes secrets out of what a user writes, beside the runtime and in turn.
    async fn taking<T: Send + 'static>(
        &self,
        principal: &Principal,
        take: impl FnOnce(&dyn Vault, &Arc<Rules>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (rules, vault) = (self.snapshot().rules(principal), self.shared.options.vault.clone());
        output::in_turn(&self.shared.large_answers, principal, move || take(vault.as_ref(), &rules)).await
    }

    /// What is held of a request, of which nothing has arrived yet.
    pub fn holding(&self) -> Held {
        self.shared.received.begin()
    }

    /// Whether less than half of the places before the writer are taken, so that who waits for one answer may ask for more.
    pub fn has_room(&self) -> bool {
        self.commands.capacity() > self.commands.max_capacity() / 2
    }

    /// Invokes an rpc or action; the answer comes when its effects are durable.
    ///
    /// # Errors
    /// Why the operation was refused; nothing has changed then.
    pub async fn invoke(&self, principal: &Principal, invocation: Invocation) -> Result<Container, Error> {
        if datastores::is_about_datastores(invocation.operation) {
            return datastores::invoke(self, principal, &invocation).await;
        }
        if invocation.operation == &CREATE_API_KEY {
            return api_keys::create(self, principal, &invocation).await;
        }
        if subscriptions::is_about_subscriptions(invocation.operation) {
            return subscriptions::invoke(&self.shared, principal, &invocation).await;
        }
        if audited::is_about_audit(invocation.operation) {
            return Box::pin(audited::invoke(self, principal, &invocation)).await;
        }
        if invocation.operation == &nodes::PUT_DATA {
            return Box::pin(self.put(principal, invocation)).await;
        }
        if invocation.operation == &nodes::INTERACTION_DATA_OBJECTS_DATA_OBJECT_READ
            && self.shared.options.blobs.is_some()
        {
            // It can wait for the disk.
            let (engine, user) = (self.clone(), principal.clone());
            let read = move || engine.query(&user, &invocation);
            return output::in_turn(&self.shared.large_answers, principal, read).await?;
        }
        if operations::is_query(invocation.operation) {
            return self.query(principal, &invocation);
        }
        let is_synchronous = invocation.operation == &nodes::ASSIGN_TASK
            && invocation.input.leaf(&nodes::ASSIGN_TASK_INPUT_ASYNCHRONOUS) == Some(&Value::Bool(false));
        let wait = is_synchronous.then(|| AssignTaskInput::from_data(&invocation.input)).and_then(Result::ok);
        let admitted = self.admitted(principal, &invocation)?;
        if admitted.is_some() && policies::takes_long(invocation.operation) {
            let (engine, user, asked) = (self.clone(), principal.clone(), invocation.clone());
            let prepare = move || policies::prepare(&engine.snapshot(), engine.options(), &user, &asked);
            output::in_turn(&self.shared.large_answers, principal, prepare).await??;
        }
        let invocation = self.with_token_kept(principal, invocation).await?;
        let output =
            self.command(|answer| Command::Invoke(principal.traced(), invocation, admitted, answer)).await?;
        match wait {
            Some(input) => Ok(self.settled(&input, output).await),
            None => Ok(output),
        }
    }

    /// Admits what the writer is to decide. It tells itself who may only read, whatever was given.
    pub(super) fn admitted(
        &self,
        principal: &Principal,
        invocation: &Invocation,
    ) -> Result<Option<Admitted>, Error> {
        let admit = || operations::admitted(&self.snapshot(), &self.shared.options, principal, invocation);
        (!principal.is_reader()).then(admit).transpose()
    }

    /// Answers an operation that changes nothing, on the newest snapshot.
    fn query(&self, principal: &Principal, invocation: &Invocation) -> Result<Container, Error> {
        let now = self.shared.options.clock.now();
        operations::query(&self.snapshot(), &self.shared.options, principal, invocation, now)
    }

    /// The same with what its bearer token is kept under in the place of that, if it has one and its user may ask for it.
    async fn with_token_kept(
        &self,
        principal: &Principal,
        mut invocation: Invocation,
    ) -> Result<Invocation, Error> {
        let Some((token, url)) = secrets::token(&invocation) else { return Ok(invocation) };
        if principal.is_reader() {
            return Err(operations::only_reads(principal));
        }
        operations::admit(&self.snapshot(), &self.shared.options, principal, &invocation)?;
        operations::may_report_to(&self.shared.options, &url)?;
        // One that is kept for this receiver already is not kept once more, however often it is given.
        let present = operations::receiver(&invocation).and_then(|(task, receiver)| {
            let state = self.snapshot();
            let (_, callback) = state.tasks.callbacks().same(&task, &receiver)?;
            Reference::read(callback.receiver.token.as_deref()?)
        });
        let keep = move |vault: &dyn Vault, _: &Arc<Rules>| match present {
            Some(present) if present.is_for(&url) && vault.is(&present, &token) => Ok(present),
            _ => secrets::keep_token(vault, &token, &url),
        };
        let reference = self.taking(principal, keep).await??;
        secrets::replace_token(&mut invocation, &reference);
        Ok(invocation)
    }

    /// Waits until a synchronous task is blocked or has ended, or its time is over.
    async fn settled(&self, input: &AssignTaskInput, assigned: Container) -> Container {
        let Ok(task) = AssignTaskOutput::from_data(&assigned) else { return assigned };
        let limit = self.limits().synchronous_wait_s;
        let seconds = input.timeout.map_or(limit, |timeout| limit.min(timeout.into()));
        let clock = &self.shared.options.clock;
        let until = clock.now().saturating_add_seconds(i64::from(seconds));
        let mut committed = self.shared.committed.subscribe();
        // Who waits when the server stops is told how the task stands, and does not hold the stop up.
        let mut ending = self.shared.ending.subscribe();
        loop {
            committed.borrow_and_update();
            if let Some(output) = self.snapshot().tasks.settled(&task.id) {
                return output.to_data();
            }
            tokio::select! {
                () = clock.sleep_until(until) => break,
                _ = ending.wait_for(|ends| *ends) => break,
                changed = committed.changed() => if changed.is_err() { break },
            }
        }
        let state = self.snapshot();
        state.tasks.standing(&task.id).map_or(assigned, |output| output.to_data())
    }

    /// Whether the principal may read any instance of this node; front ends that list nodes leave the others out.
    pub fn may_read(&self, principal: &Principal, node: &'static Node) -> bool {
        // Whether an order of others stands is nothing that a list of nodes tells.
        visible::any(&At::root(self.snapshot().nacm.rules(principal)), Access::Read, node)
    }

    /// Whether the principal may edit any instance of this node.
    pub fn may_write(&self, principal: &Principal, node: &'static Node) -> bool {
        let root = At::root(self.snapshot().nacm.rules(principal));
        [Access::Create, Access::Update, Access::Delete]
            .iter()
            .any(|access| visible::any(&root, *access, node))
    }

    /// Whether the principal may invoke this operation at all; front ends that list operations
    /// leave the others out.
    pub fn may_execute(&self, principal: &Principal, operation: &'static Node) -> bool {
        let rules = self.snapshot().rules(principal);
        let may = match operation.data_parent() {
            Some(_) => visible::any(&At::root(rules), Access::Exec, operation),
            None => access::may_invoke(&rules, principal, operation),
        };
        may && !datastores::needs_session(operation)
    }

    /// Follows the events that the principal may see and that pass the filter.
    ///
    /// # Errors
    /// `resource-denied` if there are too many subscribers, `operation-failed` if the log
    /// cannot be read.
    pub fn subscribe(
        &self,
        principal: &Principal,
        filter: Option<Filter>,
        from: subscription::From,
        until: Option<Timestamp>,
    ) -> Result<Subscription, Error> {
        let seat = self.seat(principal)?;
        Subscription::start(self.shared.clone(), principal.clone(), filter, from, until, seat)
    }

    /// A place for one more subscriber.
    pub(super) fn seat(&self, principal: &Principal) -> Result<Seat, Error> {
        let quotas = self.snapshot().quotas(self.limits(), principal);
        self.subscribers.admit(principal, self.limits(), quotas.streams)
    }

    /// Ends all subscriptions, so that their connections can be closed.
    pub fn end_subscriptions(&self) {
        self.shared.ending.send_replace(true);
    }

    /// Commits what is queued, closes the log and stops the writer.
    ///
    /// # Errors
    /// The log could not be closed cleanly; nothing that was acknowledged is lost.
    pub async fn stop(&self) -> Result<(), LogError> {
        let (answer, stopped) = oneshot::channel();
        match self.commands.send(Command::Stop(answer)).await {
            Ok(()) => stopped.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Puts a command into the queue of the writer at once; the answer is what is waited for.
    pub(super) fn command<T, E: From<Error>, F>(
        &self,
        command: F,
    ) -> impl Future<Output = Result<T, E>> + use<T, E, F>
    where
        F: FnOnce(oneshot::Sender<Result<T, E>>) -> Command,
    {
        let (answer, answered) = oneshot::channel();
        let command = command(answer);
        if let Some(trace) = command.trace() {
            trace.queued();
        }
        let queued = self.commands.try_send(command).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => E::from(busy()),
            mpsc::error::TrySendError::Closed(_) => E::from(stopping()),
        });
        async move {
            queued?;
            answered.await.map_err(|_| E::from(stopping()))?
        }
    }
}

/// Begins a thread that the server cannot be without: it would refuse everything for ever. What was acknowledged is durable, and
/// a new start replays it.
fn begin(name: &'static str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let guarded = move || {
        if catch_unwind(AssertUnwindSafe(work)).is_err() {
            tracing::error!("the {name} failed; the process ends, to be started anew");
            std::process::abort();
        }
    };
    thread::Builder::new().name(name.into()).spawn(guarded).map(drop)
}

fn busy() -> Error {
    Error::protocol(Tag::ResourceDenied, "too many requests wait for the writer, try again later")
        .app_tag("busy")
}

fn stopping() -> Error {
    Error::protocol(Tag::ResourceDenied, "the server is stopping").app_tag("stopping")
}

impl Shared {
    /// The time and new randomness for one decision.
    pub(super) fn fresh(&self) -> Fresh {
        Fresh::new(self.options.clock.now(), self.entropy.next())
    }
}
