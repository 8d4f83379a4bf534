//! Every limit that a peer can run into, with its default.
//!
//! A limit is never a number in the middle of the code: what can grow is bounded by a field here.

use std::ops::Deref;
use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// How many changes of its status a task keeps, the newest. It is no setting: a log has to give the same state at every
/// start.
pub const TASK_HISTORY_MAX: usize = 100;

/// How many reports with keys a task remembers, the newest.
pub const TASK_KEYS_MAX: usize = 32;

/// How many notifications of one task wait for one receiver; of more the oldest are given up.
pub const CALLBACK_UNDELIVERED_MAX: usize = 1000;

/// How many revisions of the running configuration are kept in memory, the newest. Older ones are read from the log.
pub const REVISIONS_MAX: usize = 100;

/// How many nodes these revisions may have that the newest has not; older revisions are dropped before.
pub const REVISIONS_NODES_MAX: usize = 1_000_000;

/// Users, and places in the schema, whose access rules are kept ready; more are made anew when they are asked for.
pub const NACM_KEPT_MAX: usize = 10_000;

/// About how many octets what is made of policies and negotiators may have that are kept ready between two moves; more are made
/// anew when they are asked.
pub const PREPARED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The largest value of a limit, by what it is of: with more some of what counts with it would not start, or would overflow.
fn largest(name: &str) -> u64 {
    match name {
        // As deep as the stack of a thread bears in each encoding, and as what was stored can be read again.
        "depth_max" => 100,
        // As many as the HTTP library has room for.
        "header_fields_max" => 10_000,
        // As many as there are threads for them.
        "password_checks_max" => 512,
        _ if name.contains("_bytes_") => 1 << 50,
        _ if name.ends_with("_per_s") => COUNT_LARGEST,
        // A hundred years, and one.
        _ if name.ends_with("_s") => 100 * 366 * 24 * 3600,
        _ if name.ends_with("_cs") => 366 * 24 * 3600 * 100,
        _ => COUNT_LARGEST,
    }
}

const COUNT_LARGEST: u64 = 1_000_000_000;

/// The limits of one server: the section `[limits]` of the configuration file. The unit is the end of a field's name;
/// fields without one are counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest request body. A longer one is answered with 413.
    pub body_bytes_max: usize,
    /// Longest time for a request body, or a message of NETCONF, to arrive completely.
    pub body_timeout_s: u64,
    /// Longest request target (path and query). A longer one is answered with 414. Above 65534 bytes the HTTP library
    /// refuses by itself, so a greater value has no effect.
    pub url_bytes_max: usize,
    /// Longest head of a request: its request line and header fields. A longer one is answered with 431.
    pub header_bytes_max: usize,
    /// Most header fields of a request. More are answered with 431.
    pub header_fields_max: usize,
    /// Longest time for the head of a request to arrive; also how long an idle HTTP/1.1 connection is kept.
    pub header_timeout_s: u64,
    /// Deepest nesting of JSON and XML input, and of paths and filters.
    pub depth_max: usize,

    /// Most octets of requests that are held at a time, from their arrival until they are answered: bodies of HTTP and messages
    /// of NETCONF. An eighth is kept for administrators, and one for requests of up to 64 KiB. A request with which there would
    /// be more is answered with 503; a session of NETCONF is not read until there is room. The first 64 KiB of its message are
    /// taken in any case. While it is decided a request takes several times its octets.
    /// As much may have arrived over SSH, on all channels together, for sessions that are busy with something else.
    pub received_bytes_max: usize,
    /// Most of them of one user; an eighth is kept for requests of up to 64 KiB. More are answered with 503, in NETCONF with
    /// `resource-denied` and the end of the session.
    pub received_bytes_user_max: usize,
    /// Most connections at a time, over all listeners. More wait in the queue of the operating system.
    pub connections_max: usize,
    /// Longest TLS handshake.
    pub handshake_timeout_s: u64,
    /// A connection on which no byte moves in either direction for so long is closed.
    pub idle_timeout_s: u64,
    /// Longest time from the beginning of an SSH connection until a user has logged in.
    pub login_timeout_s: u64,
    /// How often a client of SSH may try to log in on one connection.
    pub login_attempts_max: usize,
    /// Most NETCONF sessions on one SSH connection.
    pub sessions_per_connection_max: usize,
    /// Most NETCONF sessions at a time.
    pub sessions_max: usize,
    /// Longest time from the beginning of a NETCONF session until the client has said hello.
    pub hello_timeout_s: u64,
    /// Longest hello of a NETCONF client. Later messages may be as long as a request body.
    pub hello_bytes_max: usize,
    /// Most requests at a time on one HTTP/2 connection.
    pub streams_max: u32,
    /// How long a connection that was answered before its request was complete goes on taking (and dropping) input, so
    /// that the client reads the answer and not a reset.
    pub linger_s: u64,
    /// Longest time between two attempts to connect to a client that is called home to. It doubles from one second.
    pub call_home_wait_max_s: u32,
    /// How long requests that are being answered may take to end after SIGTERM or SIGINT.
    pub drain_s: u64,

    /// Most subscribers of event streams at a time.
    pub subscribers_max: usize,
    /// Most of them of one user.
    pub subscribers_user_max: usize,
    /// Longest filter of events or data that a client gives.
    pub filter_bytes_max: usize,
    /// Most steps that a filter may take for one event. An event that needs more does not pass.
    pub filter_steps_max: u64,
    /// Most dynamic subscriptions at a time.
    pub subscriptions_max: usize,
    /// Most dynamic subscriptions of one user at a time.
    pub subscriptions_user_max: usize,
    /// How long a dynamic subscription is kept for its subscriber to open its stream.
    pub subscription_open_s: u32,
    /// Shortest period of a datastore subscription, in hundredths of a second.
    pub push_period_min_cs: u32,
    /// Most nodes in one update of a datastore subscription.
    pub push_nodes_max: usize,
    /// Most octets of the names and values in one update of a datastore subscription.
    pub push_bytes_max: usize,
    /// Most steps that a filter of data may take for one update or answer.
    pub push_steps_max: u64,
    /// Most states within a dampening period that are kept to tell what came and went; of more it is not told.
    pub push_states_max: usize,
    /// Most answers at a time that are too large to be made at once. More are answered with 503.
    pub large_answers_max: usize,
    /// Most of them for one user.
    pub large_answers_user_max: usize,
    /// Most entries of one page of a list, and most that `where` and `sort-by` look at for it. Where there are more, the
    /// request is refused.
    pub page_entries_max: usize,
    /// Most entries that `offset` skips: they are walked past, where a cursor is looked up.
    pub page_offset_max: usize,
    /// Most steps that the evaluations of `where` take together for one page.
    pub page_steps_max: u64,
    /// Most candidate configurations of sessions at a time, beside the one that all share.
    pub candidates_max: usize,
    /// Candidates of sessions of one user.
    pub candidates_user_max: usize,
    /// Nodes that the edits of one candidate can bring before it is committed or discarded.
    pub candidate_nodes_max: usize,
    /// A NETCONF session without a request or a subscription for so long is ended.
    pub session_idle_s: u64,
    /// Most octets of configuration at a URL (RFC 6241 section 8.8).
    pub url_content_bytes_max: usize,
    /// Most files that clients can have the server write at URLs.
    pub url_files_max: usize,
    /// Longest time for what is asked of the server of a URL.
    pub url_timeout_s: u64,
    /// Most NETCONF sessions of one user at a time.
    pub sessions_user_max: usize,
    /// Most partial locks at a time.
    pub partial_locks_max: usize,
    /// Longest time that a confirmed commit may wait for its confirmation.
    pub confirm_timeout_max_s: u32,
    /// Most nodes that one partial lock names.
    pub locked_nodes_max: usize,
    /// How many requests may wait for the engine. More are answered with 503.
    pub request_queue_max: usize,
    /// How long the answer to a synchronous `assign-task` waits for the result at most.
    pub synchronous_wait_s: u32,

    /// How many passwords are hashed at a time. One takes some 20 MB of memory and tens of milliseconds.
    pub password_checks_max: usize,
    /// How many password checks may wait for their turn, a quarter of them from one source. The last quarter is for users who
    /// have logged in from there lately. More are answered with 429.
    pub password_queue_max: usize,
    /// How many checked credentials are remembered, so that not every request has to hash a password.
    pub credentials_remembered_max: usize,
    /// How long checked credentials are remembered.
    pub credentials_remembered_s: u64,
    /// How many wrong passwords one source address may give for one user name before it has to wait.
    pub login_failures_max: u32,
    /// How long it then has to wait, and how long a failure is remembered.
    pub login_wait_s: u64,
    /// Most secrets that are kept for the configuration, those of earlier configurations included.
    pub secrets_max: usize,
    /// For how many pairs of source address and user name failures are remembered.
    pub login_sources_max: usize,
    /// How many wrong passwords may come for one user name from all addresses together before those from which the user has
    /// not logged in lately have to take turns: one in `login_wait_s`.
    pub login_failures_user_max: u32,
    /// How long an address from which a user has logged in counts as theirs.
    pub login_known_s: u64,
    /// How many different wrong bearer tokens and API keys one source address may give before each further one is answered
    /// with 429, until none has been added for `login_wait_s`. Those that are right are taken all the same.
    pub token_failures_max: usize,
    /// Longest time for what is asked of an issuer of tokens.
    pub issuer_timeout_s: u64,
    /// Longest answer of an issuer.
    pub issuer_bytes_max: usize,
    /// Shortest time between two questions for the keys of an issuer.
    pub issuer_again_s: u64,
    /// How long keys of an issuer are fresh at least, whatever it says.
    pub issuer_keys_min_s: u64,
    /// How long they are fresh at most.
    pub issuer_keys_max_s: u64,
    /// How long they are used after that if the issuer cannot be reached.
    pub issuer_stale_s: u64,
    /// Most questions about tokens (RFC 7662) that an issuer is asked at a time.
    pub introspections_max: usize,
    /// How long an answer counts that a token is not valid.
    pub introspection_refused_s: u64,

    /// Most agents that are registered at a time.
    pub agents_max: usize,
    /// Most names of agents that are kept for their owners, those of ended registrations included.
    pub agent_names_max: usize,
    /// Largest profile of an agent, as JSON.
    pub agent_profile_bytes_max: usize,
    /// How long a registration lasts if the agent does not say.
    pub agent_lifetime_default_s: u32,
    /// How long a registration lasts at most.
    pub agent_lifetime_max_s: u32,
    /// Most agents of one user who is no administrator; so are the other limits of a user.
    pub agents_user_max: usize,
    /// Most open negotiations that the agents of one user have opened.
    pub negotiations_open_user_max: usize,
    /// Most tasks that the agents of one user have assigned and that have not ended.
    pub tasks_open_user_max: usize,
    /// Most contexts that the agents of one user have begun.
    pub contexts_user_max: usize,
    /// Most data of the agents of one user.
    pub data_user_bytes_max: u64,
    /// Most octets of names and values that one user has written in the draft's tree.
    pub config_user_bytes_max: u64,
    /// Most delegations of one agent.
    pub delegations_agent_max: usize,
    /// Most delegations of all agents together.
    pub delegations_max: usize,
    /// How long a delegation lasts if who grants it does not say.
    pub delegation_lifetime_default_s: u32,
    /// How long a delegation lasts at most.
    pub delegation_lifetime_max_s: u32,
    /// Most agents in one answer to `discover-agents`.
    pub discover_agents_max: usize,
    /// Most words that `discover-agents` looks for at a time.
    pub search_words_max: usize,
    /// Most agents that `find-team` puts teams together from, beside those that a need cannot be met without. Where there are
    /// more, those who meet the most needs are taken.
    pub team_candidates_max: usize,
    /// How often `find-team` tries an agent in a team before it takes what it has.
    pub team_steps_max: usize,

    /// Most negotiations that are kept. To make room for one more, one that has ended is forgotten: of the same initiator, or else
    /// the one that ended first.
    pub negotiations_max: usize,
    /// Most open negotiations that one agent has opened.
    pub negotiations_open_max: usize,
    /// Most rounds of a negotiation.
    pub negotiation_rounds_max: u32,
    /// A negotiation whose rounds have about so many octets can only be ended.
    pub negotiation_bytes_max: usize,
    /// Most moves that the server makes by policies before it answers a request; it goes on afterwards.
    pub negotiation_moves_at_once_max: usize,
    /// In how many negotiations the answer of a model is awaited at a time. In others the server moves without one.
    pub judgements_waiting_max: usize,
    /// Most policies of one agent.
    pub policies_agent_max: usize,
    /// Largest policy.
    pub policy_bytes_max: u64,
    /// Most policies of the agents of one user.
    pub policies_user_bytes_max: u64,
    /// Most promises of one agent that count at a time.
    pub commitments_agent_max: usize,
    /// How long the agents have for a move if the one that opens the negotiation does not say.
    pub negotiation_move_default_s: u32,
    /// How long they have at most.
    pub negotiation_move_max_s: u32,
    /// Largest move, as JSON and without its data objects.
    pub move_bytes_max: usize,

    /// Events after which a snapshot of the state is written at the least, which spares a start reading those before; it is
    /// written later the more entries there are. No snapshots are written with 0.
    pub snapshot_events_min: u64,

    /// How long events stay in the log at least. What is older is moved into compressed archives beside it when a snapshot was
    /// written, and is read from there; so that needs `snapshot_events_min`. The room is used again, and only `log compact` makes the
    /// file of the log smaller. With 0 everything stays.
    pub log_kept_s: u64,
    /// How long archived events are kept at least, from when they happened; for ever with 0.
    pub archives_kept_s: u64,

    /// Most tasks that are kept. To make room for one more, one that has ended is forgotten: of the same agent, or else the one
    /// that was not touched for longest.
    pub tasks_max: usize,
    /// Most tasks that one agent has assigned and that have not ended.
    pub tasks_open_max: usize,
    /// Most requests for input of one task.
    pub task_requests_max: usize,
    /// Largest order, report, answer or comment of a task, as JSON and without its data objects.
    pub task_message_bytes_max: usize,
    /// How often the result of one task is sent back for rework at most.
    pub task_rework_max: u32,
    /// How many levels of tasks there are at most, where one is a part of another.
    pub task_depth_max: usize,
    /// Most tasks below one that is no part itself, of all levels together.
    pub task_parts_max: usize,
    /// Most receivers that are told of one task by requests of the server.
    pub callbacks_task_max: usize,
    /// Most receivers of the tasks that the agents of one user have assigned.
    pub callbacks_user_max: usize,
    /// Most receivers in all.
    pub callbacks_max: usize,
    /// Most requests to receivers that are under way at a time.
    pub callbacks_sending_max: usize,
    /// Most of them for the agents of one user.
    pub callbacks_sending_user_max: usize,
    /// How long a receiver has for one request, in all.
    pub callback_timeout_s: u32,
    /// How often a notification is sent at most until its receiver is given up, in a row.
    pub callback_attempts_max: u32,
    /// How long it is waited after the first failure at most; after each further one it is twice as long.
    pub callback_wait_min_s: u32,
    /// How long it is waited at most in any case.
    pub callback_wait_max_s: u32,
    /// Most messages in one answer to `query-messages`.
    pub query_messages_max: usize,
    /// Most tasks in one answer to `query-tasks`.
    pub query_tasks_max: usize,
    /// Most tasks that one call of `query-tasks` looks at.
    pub query_scan_max: usize,
    /// Most contexts.
    pub contexts_max: usize,
    /// Most messages of one context. When it has as many, what is under way in it can only be ended.
    pub context_messages_max: usize,
    /// Most data objects.
    pub data_objects_max: usize,
    /// Longest data object.
    pub data_object_bytes_max: u64,
    /// Most data of one agent.
    pub data_owner_bytes_max: u64,
    /// Most data of all agents together.
    pub data_bytes_max: u64,
    /// Longest data object that is in memory and in the log. Of a longer one the parts that make it longer are files.
    pub data_inline_bytes_max: u64,
    /// Most data that is in memory.
    pub data_memory_bytes_max: u64,
    /// Most parts of one data object; small ones are put together.
    pub data_parts_max: usize,
    /// Longest part of a data object in one answer to `read`. At least the four octets of the longest character.
    pub data_read_bytes_max: u64,

    /// How much one user, or one source, may ask for.
    pub rates: RateLimits,
}

/// What one user may ask for, and what may come from one source, which is an IPv4 address or an IPv6 network of 64 bits: the
/// section `[limits.rates]`. For all but the bursts and `sources_max`, 0 is no limit. Requests are those of HTTP and the rpcs of
/// NETCONF together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Requests of one user in a second. More are answered with 429, or `resource-denied` in NETCONF.
    pub user_requests_per_s: u32,
    /// How many of them may come at once after a pause.
    pub user_requests_burst: u32,
    /// Requests from one source in a second.
    pub source_requests_per_s: u32,
    /// How many of them may come at once after a pause.
    pub source_requests_burst: u32,
    /// Connections that one source may make in a second. More are closed before the handshake.
    pub source_handshakes_per_s: u32,
    /// How many of them it may make at once after a pause.
    pub source_handshakes_burst: u32,
    /// Connections of SSH that one source may make in a second without logging in. Further ones wait before the key exchange,
    /// which costs a server more than its client; a login gives its connection back.
    pub source_logins_per_s: u32,
    /// How many of them it may make at once after a pause.
    pub source_logins_burst: u32,
    /// Most connections from one source at a time. More are closed before the handshake.
    pub source_connections_max: u32,
    /// Most NETCONF sessions from one source at a time.
    pub source_sessions_max: u32,
    /// For how many sources, and users, this is remembered, beside those that are connected.
    pub sources_max: u32,
}

/// Names fields, and copies them from one set of limits to another.
macro_rules! at_start {
    ($($name:ident),* $(,)?) => {
        /// Limits that are read at the start alone, as room was made for as many then.
        const AT_START: &[&str] = &[$(stringify!($name)),*];

        fn keep_at_start(limits: &mut Limits, first: &Limits) {
            $(limits.$name = first.$name;)*
        }
    };
}

at_start! {
    connections_max,
    sessions_max,
    large_answers_max,
    large_answers_user_max,
    request_queue_max,
    login_attempts_max,
    url_content_bytes_max,
    url_files_max,
    url_timeout_s,
    password_checks_max,
    password_queue_max,
    credentials_remembered_max,
    credentials_remembered_s,
    login_failures_max,
    login_wait_s,
    login_sources_max,
    login_failures_user_max,
    login_known_s,
    token_failures_max,
    secrets_max,
    issuer_timeout_s,
    issuer_bytes_max,
    issuer_again_s,
    issuer_keys_min_s,
    issuer_keys_max_s,
    issuer_stale_s,
    introspections_max,
    introspection_refused_s,
}

/// The limits in force. Copies are the same ones, and whoever looks sees the newest.
#[derive(Clone, Debug)]
pub struct InForce(Arc<Kept>);

/// Each set of limits that there was since the start, as whoever looks at some is not asked to give them back. An operator
/// makes them, one for each change.
#[derive(Debug)]
struct Kept {
    first: Limits,
    /// How many there have been after the first.
    changes: AtomicUsize,
    /// Twice as many in each as in the one before: all there can be.
    later: [OnceLock<Row>; usize::BITS as usize],
    changing: Mutex<()>,
}

/// Places for limits, which are filled one after another.
type Row = Box<[OnceLock<Box<Limits>>]>;

impl Kept {
    /// Where the change with that number is, from 1.
    fn place(number: usize) -> (usize, usize) {
        let row = number.max(1).ilog2();
        (row as usize, number - (1 << row))
    }

    fn newest(&self) -> Option<&Limits> {
        let number = Some(self.changes.load(Acquire)).filter(|number| *number > 0)?;
        let (row, place) = Kept::place(number);
        self.later.get(row)?.get()?.get(place)?.get().map(|limits| &**limits)
    }

    fn push(&self, limits: Limits) {
        let number = self.changes.load(Acquire).saturating_add(1);
        let (row, place) = Kept::place(number);
        let row = self.later.get(row).map(|of_row| {
            of_row.get_or_init(|| std::iter::repeat_with(OnceLock::new).take(1 << row).collect())
        });
        // It is empty: one at a time changes them.
        if let Some(empty) = row.and_then(|row| row.get(place)) {
            let _ = empty.set(Box::new(limits));
            self.changes.store(number, Release);
        }
    }
}

/// What a replacement of limits comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// The limits that are others now.
    pub now: Vec<String>,
    /// Those that will be with the next start.
    pub at_start: Vec<String>,
}

impl InForce {
    /// Sets the limits from now on. Those that a start alone sets stay what they are.
    pub fn replace(&self, limits: &Limits) -> Changed {
        let _one = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, at_start): (Vec<_>, Vec<_>) =
            self.differing(limits).into_iter().partition(|name| !AT_START.contains(&name.as_str()));
        if !now.is_empty() {
            let mut next = limits.clone();
            keep_at_start(&mut next, &self.0.first);
            self.0.push(next);
        }
        Changed { now, at_start }
    }

    /// The names of those that differ; of the rates as `rates.NAME`.
    fn differing(&self, limits: &Limits) -> Vec<String> {
        let before = self.named();
        let after = limits.named().into_iter();
        after.filter(|(name, value)| before.get(name) != Some(value)).map(|(name, _)| name).collect()
    }
}

impl From<Limits> for InForce {
    fn from(first: Limits) -> InForce {
        let later = std::array::from_fn(|_| OnceLock::new());
        InForce(Arc::new(Kept { first, changes: AtomicUsize::new(0), later, changing: Mutex::default() }))
    }
}

impl Deref for InForce {
    type Target = Limits;

    fn deref(&self) -> &Limits {
        self.0.newest().unwrap_or(&self.0.first)
    }
}

impl Default for RateLimits {
    fn default() -> RateLimits {
        RateLimits {
            user_requests_per_s: 0,
            user_requests_burst: 1000,
            source_requests_per_s: 0,
            source_requests_burst: 1000,
            source_handshakes_per_s: 1000,
            source_handshakes_burst: 4000,
            source_logins_per_s: 5,
            source_logins_burst: 16,
            source_connections_max: 4096,
            source_sessions_max: 1024,
            sources_max: 65_536,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes_max: 16 * 1024 * 1024,
            body_timeout_s: 60,
            url_bytes_max: 16 * 1024,
            header_bytes_max: 64 * 1024,
            header_fields_max: 100,
            header_timeout_s: 30,
            depth_max: 64,
            received_bytes_max: 256 * 1024 * 1024,
            received_bytes_user_max: 64 * 1024 * 1024,
            connections_max: 8192,
            handshake_timeout_s: 10,
            idle_timeout_s: 120,
            login_timeout_s: 60,
            login_attempts_max: 6,
            sessions_per_connection_max: 16,
            sessions_max: 2048,
            hello_timeout_s: 30,
            hello_bytes_max: 1024 * 1024,
            streams_max: 128,
            linger_s: 10,
            call_home_wait_max_s: 60,
            drain_s: 10,
            subscribers_max: 4096,
            subscribers_user_max: 2048,
            filter_bytes_max: 8192,
            filter_steps_max: 100_000,
            subscriptions_max: 4096,
            subscriptions_user_max: 256,
            subscription_open_s: 60,
            push_period_min_cs: 10,
            push_nodes_max: 100_000,
            push_bytes_max: 16 * 1024 * 1024,
            push_steps_max: 1_000_000,
            push_states_max: 16,
            large_answers_max: 64,
            large_answers_user_max: 16,
            page_entries_max: 100_000,
            page_offset_max: 1_000_000,
            page_steps_max: 5_000_000,
            candidates_max: 256,
            candidates_user_max: 16,
            candidate_nodes_max: 500_000,
            session_idle_s: 3600,
            url_content_bytes_max: 64 << 20,
            url_files_max: 1000,
            url_timeout_s: 60,
            sessions_user_max: 128,
            partial_locks_max: 256,
            confirm_timeout_max_s: 24 * 3600,
            locked_nodes_max: 1024,
            request_queue_max: 1024,
            synchronous_wait_s: 60,
            password_checks_max: 2,
            password_queue_max: 64,
            credentials_remembered_max: 1024,
            credentials_remembered_s: 300,
            login_failures_max: 10,
            login_wait_s: 30,
            secrets_max: 100_000,
            login_sources_max: 10_000,
            login_failures_user_max: 100,
            login_known_s: 30 * 24 * 3600,
            token_failures_max: 50,
            issuer_timeout_s: 10,
            issuer_bytes_max: 256 * 1024,
            issuer_again_s: 10,
            issuer_keys_min_s: 60,
            issuer_keys_max_s: 24 * 3600,
            issuer_stale_s: 24 * 3600,
            introspections_max: 32,
            introspection_refused_s: 10,
            agents_max: 1_000_000,
            agent_names_max: 2_000_000,
            agent_profile_bytes_max: 64 * 1024,
            agent_lifetime_default_s: 3600,
            agent_lifetime_max_s: 30 * 24 * 3600,
            agents_user_max: 10_000,
            negotiations_open_user_max: 10_000,
            tasks_open_user_max: 200_000,
            contexts_user_max: 200_000,
            data_user_bytes_max: 8 * 1024 * 1024 * 1024,
            config_user_bytes_max: 256 * 1024 * 1024,
            delegations_agent_max: 32,
            delegations_max: 100_000,
            delegation_lifetime_default_s: 3600,
            delegation_lifetime_max_s: 30 * 24 * 3600,
            discover_agents_max: 100,
            search_words_max: 32,
            team_candidates_max: 500,
            team_steps_max: 20_000,
            negotiations_max: 1_000_000,
            negotiations_open_max: 1000,
            negotiation_rounds_max: 1000,
            negotiation_bytes_max: 1024 * 1024,
            negotiation_moves_at_once_max: 32,
            judgements_waiting_max: 1000,
            policies_agent_max: 32,
            policy_bytes_max: 4 * 1024 * 1024,
            policies_user_bytes_max: 64 * 1024 * 1024,
            commitments_agent_max: 1000,
            negotiation_move_default_s: 3600,
            negotiation_move_max_s: 30 * 24 * 3600,
            move_bytes_max: 256 * 1024,
            snapshot_events_min: 10_000,
            log_kept_s: 0,
            archives_kept_s: 0,
            tasks_max: 5_000_000,
            tasks_open_max: 100_000,
            task_requests_max: 100,
            task_message_bytes_max: 1024 * 1024,
            task_rework_max: 10,
            task_depth_max: 16,
            task_parts_max: 1000,
            callbacks_task_max: 8,
            callbacks_user_max: 10_000,
            callbacks_max: 100_000,
            callbacks_sending_max: 256,
            callbacks_sending_user_max: 32,
            callback_timeout_s: 10,
            callback_attempts_max: 16,
            callback_wait_min_s: 1,
            callback_wait_max_s: 300,
            query_messages_max: 500,
            query_tasks_max: 500,
            query_scan_max: 10_000,
            contexts_max: 1_000_000,
            context_messages_max: 10_000,
            data_objects_max: 1_000_000,
            data_object_bytes_max: 1024 * 1024 * 1024,
            data_owner_bytes_max: 4 * 1024 * 1024 * 1024,
            data_bytes_max: 64 * 1024 * 1024 * 1024,
            data_inline_bytes_max: 256 * 1024,
            data_memory_bytes_max: 1024 * 1024 * 1024,
            data_parts_max: 10_000,
            data_read_bytes_max: 1024 * 1024,
            rates: RateLimits::default(),
        }
    }
}

impl Limits {
    /// Each limit at the largest value that it can have.
    pub fn largest() -> Limits {
        fn raise(section: &mut Map<String, Json>) {
            for (name, value) in section {
                match value {
                    Json::Object(inner) => raise(inner),
                    number => *number = largest(name).into(),
                }
            }
        }
        let limits = Limits::default();
        let Ok(Json::Object(mut all)) = serde_json::to_value(&limits) else { return limits };
        raise(&mut all);
        serde_json::from_value(Json::Object(all)).unwrap_or(limits)
    }

    /// All of them by their names; those of the rates as `rates.NAME`.
    fn named(&self) -> Map<String, Json> {
        let Ok(Json::Object(mut all)) = serde_json::to_value(self) else { return Map::new() };
        if let Some(Json::Object(rates)) = all.remove("rates") {
            all.extend(rates.into_iter().map(|(name, value)| (format!("rates.{name}"), value)));
        }
        all
    }

    /// The first limit that makes no sense: its name and what is wrong with it.
    pub fn nonsense(&self) -> Option<(String, String)> {
        let largest = |name: &str| largest(name.trim_start_matches("rates."));
        let is_large = |(name, value): &(String, Json)| value.as_u64().is_none_or(|n| n > largest(name));
        let large = self.named().into_iter().find(is_large).map(|(name, _)| {
            let reason = format!("has to be at most {}", largest(&name));
            (name, reason)
        });
        large.or_else(|| self.too_small().map(|(name, reason)| (name.to_owned(), reason.to_owned())))
    }

    fn too_small(&self) -> Option<(&'static str, &'static str)> {
        let positive = [
            ("body_bytes_max", self.body_bytes_max as u64),
            ("body_timeout_s", self.body_timeout_s),
            ("url_bytes_max", self.url_bytes_max as u64),
            ("header_fields_max", self.header_fields_max as u64),
            ("header_timeout_s", self.header_timeout_s),
            ("depth_max", self.depth_max as u64),
            ("received_bytes_max", self.received_bytes_max as u64),
            ("received_bytes_user_max", self.received_bytes_user_max as u64),
            ("connections_max", self.connections_max as u64),
            ("handshake_timeout_s", self.handshake_timeout_s),
            ("idle_timeout_s", self.idle_timeout_s),
            ("login_timeout_s", self.login_timeout_s),
            ("login_attempts_max", self.login_attempts_max as u64),
            ("sessions_per_connection_max", self.sessions_per_connection_max as u64),
            ("sessions_max", self.sessions_max as u64),
            ("hello_timeout_s", self.hello_timeout_s),
            ("streams_max", self.streams_max as u64),
            ("call_home_wait_max_s", self.call_home_wait_max_s.into()),
            ("subscription_open_s", self.subscription_open_s.into()),
            ("push_period_min_cs", self.push_period_min_cs.into()),
            ("large_answers_max", self.large_answers_max as u64),
            ("large_answers_user_max", self.large_answers_user_max as u64),
            ("page_entries_max", self.page_entries_max as u64),
            ("page_steps_max", self.page_steps_max),
            ("candidates_max", self.candidates_max as u64),
            ("candidates_user_max", self.candidates_user_max as u64),
            ("candidate_nodes_max", self.candidate_nodes_max as u64),
            ("session_idle_s", self.session_idle_s),
            ("url_content_bytes_max", self.url_content_bytes_max as u64),
            ("url_files_max", self.url_files_max as u64),
            ("url_timeout_s", self.url_timeout_s),
            ("sessions_user_max", self.sessions_user_max as u64),
            ("partial_locks_max", self.partial_locks_max as u64),
            ("locked_nodes_max", self.locked_nodes_max as u64),
            ("request_queue_max", self.request_queue_max as u64),
            ("password_checks_max", self.password_checks_max as u64),
            ("password_queue_max", self.password_queue_max as u64),
            ("credentials_remembered_max", self.credentials_remembered_max as u64),
            ("login_failures_max", self.login_failures_max as u64),
            ("login_sources_max", self.login_sources_max as u64),
            ("login_failures_user_max", self.login_failures_user_max.into()),
            ("token_failures_max", self.token_failures_max as u64),
            ("issuer_timeout_s", self.issuer_timeout_s),
            ("issuer_again_s", self.issuer_again_s),
            ("issuer_keys_min_s", self.issuer_keys_min_s),
            ("introspections_max", self.introspections_max as u64),
            ("agent_lifetime_default_s", self.agent_lifetime_default_s.into()),
            ("agent_lifetime_max_s", self.agent_lifetime_max_s.into()),
            ("delegation_lifetime_default_s", self.delegation_lifetime_default_s.into()),
            ("delegation_lifetime_max_s", self.delegation_lifetime_max_s.into()),
            ("discover_agents_max", self.discover_agents_max as u64),
            ("search_words_max", self.search_words_max as u64),
            ("team_candidates_max", self.team_candidates_max as u64),
            ("team_steps_max", self.team_steps_max as u64),
            ("negotiation_move_default_s", self.negotiation_move_default_s.into()),
            ("negotiation_move_max_s", self.negotiation_move_max_s.into()),
            ("callbacks_sending_max", self.callbacks_sending_max as u64),
            ("callbacks_sending_user_max", self.callbacks_sending_user_max as u64),
            ("callback_timeout_s", self.callback_timeout_s.into()),
            ("callback_attempts_max", self.callback_attempts_max.into()),
            ("callback_wait_min_s", self.callback_wait_min_s.into()),
            ("callback_wait_max_s", self.callback_wait_max_s.into()),
            ("query_messages_max", self.query_messages_max as u64),
            ("negotiation_moves_at_once_max", self.negotiation_moves_at_once_max as u64),
            ("query_tasks_max", self.query_tasks_max as u64),
            ("query_scan_max", self.query_scan_max as u64),
            ("rates.user_requests_burst", self.rates.user_requests_burst.into()),
            ("rates.source_requests_burst", self.rates.source_requests_burst.into()),
            ("rates.source_handshakes_burst", self.rates.source_handshakes_burst.into()),
            ("rates.sources_max", self.rates.sources_max.into()),
        ];
        let zero = positive
            .into_iter()
            .find(|(_, value)| *value == 0)
            .map(|(name, _)| (name, "has to be at least 1"));
        let small = (self.header_bytes_max < 8192).then_some(("header_bytes_max", "has to be at least 8192"));
        let rounds =
            (self.negotiation_rounds_max < 2).then_some(("negotiation_rounds_max", "has to be at least 2"));
        let keys = (self.issuer_keys_max_s < self.issuer_keys_min_s)
            .then_some(("issuer_keys_max_s", "has to be at least issuer_keys_min_s"));
        let part = (self.data_read_bytes_max < 4).then_some(("data_read_bytes_max", "has to be at least 4"));
        let kept = (self.log_kept_s > 0 && self.snapshot_events_min == 0).then_some((
            "log_kept_s",
            "needs snapshot_events_min: only what a snapshot stands for leaves the log",
        ));
        zero.or(small).or(rounds).or(keys).or(part).or(kept)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_seen_by_all_who_look_and_what_does_not_is_named() {
        let limits = InForce::from(Limits::default());
        let other = limits.clone();
        let rates = RateLimits { user_requests_per_s: 7, ..RateLimits::default() };
        let next = Limits { depth_max: 9, sessions_max: 3, rates, ..Limits::default() };
        let changed = limits.replace(&next);
        assert_eq!((other.depth_max, other.rates.user_requests_per_s), (9, 7));
        assert_eq!(changed.now, ["depth_max", "rates.user_requests_per_s"]);
        assert_eq!(changed.at_start, ["sessions_max"]);
        assert_eq!(other.sessions_max, Limits::default().sessions_max, "it is not in force");
        let again = Changed { now: Vec::new(), at_start: vec!["sessions_max".to_owned()] };
        assert_eq!(limits.replace(&next), again, "as long as it needs a restart that is said");
        for depth_max in 10..1034 {
            assert_eq!(limits.replace(&Limits { depth_max, ..next.clone() }).now, ["depth_max"]);
            assert_eq!(other.depth_max, depth_max);
        }
        assert_eq!(
            limits.replace(&Limits { depth_max: 1033, rates: next.rates, ..Limits::default() }),
            Changed::default()
        );
    }

    #[test]
    fn events_that_no_snapshot_stands_for_cannot_leave_the_log() {
        let limits =
            |log_kept_s, snapshot_events_min| Limits { log_kept_s, snapshot_events_min, ..Limits::default() };
        assert_eq!((limits(9, 1).nonsense(), limits(0, 0).nonsense()), (None, None));
        let (limit, why) = limits(9, 0).nonsense().unwrap_or_default();
        assert!(limit == "log_kept_s" && why.contains("snapshot_events_min"), "{limit} {why}");
    }

    #[test]
    fn a_limit_beyond_its_largest_value_is_refused_with_that_value() {
        assert_eq!(Limits::largest().nonsense(), None);
        assert_eq!(Limits::default().nonsense(), None);
        let all = Limits::largest().named();
        assert!(all.len() > 100);
        for (name, most) in all {
            let more = most.as_u64().unwrap() + 1;
            let mut limits = serde_json::to_value(Limits::default()).unwrap();
            match name.strip_prefix("rates.") {
                Some(rate) => limits["rates"][rate] = more.into(),
                None => limits[&name] = more.into(),
            }
            let limits: Limits = serde_json::from_value(limits).unwrap();
            let told = limits.nonsense();
            assert_eq!(told, Some((name, format!("has to be at most {most}"))));
        }
    }
}
