//! Commands carried out on a server. Over NETCONF, edits go to the candidate at once; where there is none they are kept
//! and sent as one edit at the commit, so that both feel the same. It never reads a line and never prints.

use std::sync::{Arc, Mutex, PoisonError};

use super::edits;
use super::grammar::{Command, Output, Place, Source};
use super::help;
use super::revisions;
use super::waiting::Waiting;
use super::watch::Watching;
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::client::schema::{Kind, NodeId, Schema};
use crate::client::{
    Change, ClientError, Commit, Content, Datastore, Edit, Element, Get, Path, Push, Scheme, Session, Step,
    Subscribe, TestOption, Url, resolve,
};

/// What the name of a capability begins with (RFC 6241 section 10.4).
const CAPABILITY: &str = "urn:ietf:params:netconf:capability:";
/// How long a confirmed commit waits, in seconds, if nothing is said (RFC 6241 section 8.4.1).
const CONFIRM_S: u32 = 600;

/// The other side: the session and what its YANG texts say.
#[derive(Debug)]
pub struct Server {
    session: Mutex<Arc<Session>>,
    /// The schema.
    pub schema: Arc<Schema>,
    /// Where it is.
    pub url: Url,
    /// Whether edits go to a candidate of the server.
    pub has_candidate: bool,
    /// Whether that candidate is the session's own.
    pub is_private: bool,
}

impl Server {
    /// The server of a session.
    pub fn new(session: Session, schema: Arc<Schema>, url: Url) -> Server {
        let can = |name: &str| {
            let named = |uri: &str| {
                uri.strip_prefix(CAPABILITY).and_then(|rest| rest.split('?').next()) == Some(name)
            };
            url.scheme != Scheme::Https && session.capabilities().any(named)
        };
        let is_private = can("private-candidate:1.0");
        let has_candidate = is_private || can("candidate:1.0");
        Server { session: Mutex::new(Arc::new(session)), schema, url, has_candidate, is_private }
    }

    /// The session.
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a shell holds between two lines.
#[derive(Debug)]
pub struct Shell {
    /// The other side.
    pub server: Arc<Server>,
    /// Where paths begin.
    pub here: Place,
    connection: Connection,
    format: Format,
    /// Whether edits go to the candidate: there is one, and the user may edit it.
    has_candidate: bool,
    /// What will be sent at the commit, if they do not.
    pending: Vec<Change>,
    /// Whether something was edited that is not committed.
    pub is_changed: bool,
    /// How many lines of the candidate were others' at the start, who may be editing it.
    pub foreign: usize,
    waiting: Option<Waiting>,
    watching: Option<Watching>,
}

/// What a command brings.
#[derive(Debug, Default, PartialEq)]
pub struct Answer {
    /// What is shown.
    pub text: String,
    /// Whether the shell ends.
    pub ends: bool,
}

type Outcome = Result<Answer, ClientError>;

fn say(text: impl Into<String>) -> Outcome {
    Ok(Answer { text: text.into(), ends: false })
}

impl Shell {
    /// A shell at the top of the data.
    pub fn new(server: Arc<Server>, connection: Connection, format: Format) -> Shell {
        let (here, pending) = (Place::default(), Vec::new());
        let has_candidate = server.has_candidate;
        Shell {
            server,
            here,
            connection,
            format,
            has_candidate,
            pending,
            is_changed: false,
            foreign: 0,
            waiting: None,
            watching: None,
        }
    }

    /// Looks at the candidate that it shares with others; what there is to say of it.
    pub async fn arrive(&mut self) -> Option<String> {
        if !self.has_candidate || self.server.is_private {
            return None;
        }
        // Who may not read it is told so at the first edit.
        let (before, after) = self.configurations(&Place::default()).await.ok()?;
        self.foreign = self.difference(&before, &after).lines().count();
        let message = "the candidate, which all sessions share, has changes that are not yours (\"diff\" shows them): a \
                       \"commit\" makes them too, a \"discard\" loses them";
        (self.foreign > 0).then(|| message.to_owned())
    }

    /// Whether a confirmed commit waits to be confirmed.
    pub fn is_waiting(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| !waiting.is_over())
    }

    /// Whether one waits that is taken back with the session.
    pub fn is_bound(&self) -> bool {
        self.is_waiting() && self.waiting.as_ref().is_some_and(|waiting| waiting.persist.is_none())
    }

    /// Whether the session has ended, so that a new one is needed.
    pub fn has_ended(&self) -> bool {
        self.server.session().ended().is_some()
    }

    /// Opens a new session in place of one that has ended; what there is to say of it, and whether edits were lost.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn reconnect(&mut self) -> Result<(String, bool), ClientError> {
        let opened = self.connection.open_private(&self.server.url).await.map_err(of_client)?;
        *self.server.session.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened);
        let is_lost = self.has_candidate && self.is_changed;
        if is_lost {
            self.forget();
        }
        let mut text = "a new session is open\n".to_owned();
        if is_lost {
            text = "a new session is open; the edits that were not committed are lost\n".to_owned();
        }
        if self.is_bound() {
            self.waiting = None;
            text += "the confirmed commit has ended with its session: it is taken back\n";
        }
        Ok((text, is_lost))
    }

    /// Gives up what this session has edited and not committed.
    pub async fn give_up(&mut self) {
        if self.has_candidate && self.is_changed && self.foreign == 0 {
            // Where the session has ended, so has what was its own.
            let _ = self.server.session().discard().await;
        }
        self.forget();
    }

    fn difference(&self, before: &[Element], after: &[Element]) -> String {
        let paths = |data: &[Element]| output::shown(&self.server.schema, None, data, Format::Paths);
        edits::difference(&paths(before), &paths(after))
    }

    /// Takes over into a private candidate what others have done meanwhile, so that only what is ours differs.
    async fn follow_running(&self) {
        if self.server.is_private && self.has_candidate && self.is_changed {
            // What conflicts is said at the commit.
            let _ = self.update(None).await;
        }
    }

    async fn update(&self, resolution: Option<&'static str>) -> Result<(), ClientError> {
        if !self.server.is_private || !self.has_candidate {
            let message = "there is nothing to update: the candidate is not this session's own";
            return Err(ClientError::Unsupported(message.to_owned()));
        }
        let namespace = Arc::from("urn:ietf:params:xml:ns:yang:ietf-netconf-private-candidate");
        let mode = resolution.map(|mode| Element::leaf("resolution-mode", &namespace, mode));
        let path = Path::top("ietf-netconf-private-candidate", "update");
        self.server.session().call(&path, mode.into_iter().collect()).await.map(drop).map_err(conflicting)
    }

    /// Carries out a command. `tell` takes what a subscription brings later.
    ///
    /// # Errors
    /// The server refuses, or lacks what is needed.
    pub async fn run(&mut self, command: Command, tell: impl Fn(String) + Send + 'static) -> Outcome {
        let session = self.server.session();
        let session = &session;
        match command {
            Command::Nothing => say(""),
            Command::Help(one) => say(help::commands(one)),
            Command::Exit => Ok(Answer { ends: true, ..Answer::default() }),
            Command::Show { source, place, output } => self.show(source, &place, &output).await,
            Command::Set(assignments) => {
                let change =
                    |assignment| edits::set(&self.server.schema, assignment).map_err(ClientError::Request);
                let changes = assignments.iter().map(change).collect::<Result<Vec<_>, _>>()?;
                self.edit(changes).await
            }
            Command::SetFormat(format) => {
                self.format = format;
                say("")
            }
            Command::Delete(place) => self.edit(vec![edits::delete(&place)]).await,
            Command::Edit(place) => {
                let is_inner =
                    |id: NodeId| matches!(self.server.schema.node(id).kind, Kind::Container | Kind::List);
                if !place.node.is_none_or(is_inner) {
                    return Err(ClientError::Request(
                        "a leaf has nothing inside to edit: use set".to_owned(),
                    ));
                }
                self.here = place;
                say("")
            }
            Command::Up => {
                let path = self.here.path.parent().unwrap_or_default();
                let node = self.here.node.and_then(|id| self.server.schema.data_parent(id));
                self.here = Place { path, node };
                say("")
            }
            Command::Top => {
                self.here = Place::default();
                say("")
            }
            Command::Diff(place) => {
                self.follow_running().await;
                let (before, after) = self.configurations(&place).await?;
                say(self.difference(&before, &after))
            }
            Command::Validate => {
                match self.has_candidate {
                    true => session.validate(Datastore::Candidate).await?,
                    false => self.send(Some(TestOption::TestOnly)).await?,
                }
                say("it is valid\n")
            }
            Command::Commit => {
                match self.has_candidate {
                    true => session.commit(&self.confirming(None)).await.map_err(conflicting)?,
                    false => self.send(None).await?,
                }
                self.forget();
                match self.waiting.take().is_some_and(|waiting| !waiting.is_over()) {
                    true => say("committed; the commit before, which waited, is confirmed with it\n"),
                    false => say("committed\n"),
                }
            }
            Command::CommitConfirmed(timeout, persist) => {
                self.needs_candidate("confirmed commit")?;
                let commit =
                    Commit { confirmed: true, timeout, persist: persist.clone(), ..self.confirming(None) };
                session.commit(&commit).await.map_err(conflicting)?;
                self.forget();
                let seconds = timeout.unwrap_or(CONFIRM_S);
                let whoever = match &persist {
                    Some(name) => format!(" {name}\", from whatever session,"),
                    None => "\"".to_owned(),
                };
                self.waiting = Some(Waiting::start(seconds, persist, tell));
                say(format!(
                    "committed; it is taken back in {seconds} s, unless \"commit confirm{whoever} comes before\n"
                ))
            }
            Command::CommitConfirm(name) => {
                self.needs_candidate("confirmed commit")?;
                if name.is_none() && !self.is_waiting() {
                    let message = "no confirmed commit of this shell waits: that of another session has a name, or cannot be \
                                   confirmed by others";
                    return Err(ClientError::Request(message.to_owned()));
                }
                if self.is_changed {
                    let message = "there are edits made after the confirmed commit, which would be committed with it: \"discard\" \
                                   them first, or \"commit\" both";
                    return Err(ClientError::Request(message.to_owned()));
                }
                session.commit(&self.confirming(name)).await?;
                self.waiting = None;
                say("confirmed\n")
            }
            Command::CommitCancel(name) => {
                self.needs_candidate("confirmed commit")?;
                session.cancel_commit(self.confirming(name).persist_id.as_deref()).await?;
                self.waiting = None;
                say("taken back\n")
            }
            Command::Discard | Command::Rollback(None) => {
                if self.has_candidate {
                    session.discard().await?;
                }
                let is_ours = self.is_changed || self.foreign > 0;
                self.forget();
                match is_ours {
                    true => say("the changes are discarded; running stays as it is\n"),
                    false => say("there were no changes to discard\n"),
                }
            }
            Command::Update(resolution) => {
                self.update(resolution).await?;
                say("the candidate has what others have committed\n")
            }
            Command::Reconnect => self.reconnect().await.and_then(|(text, _)| say(text)),
            Command::Rollback(Some(revision)) => self.roll_back(&revision).await,
            Command::Lock(datastore) => {
                session.lock(datastore).await?;
                say(format!("{} is locked\n", datastore.name()))
            }
            Command::Unlock(datastore) => {
                session.unlock(datastore).await?;
                say(format!("{} is unlocked\n", datastore.name()))
            }
            Command::Call { path, operation, input, output: how } => {
                let answer = session.call(&path, input).await?;
                let output = self.server.schema.output(operation);
                match answer.is_empty() {
                    true => say("done\n"),
                    false => say(self.shown(output, &answer, &how)),
                }
            }
            Command::WatchStop => match self.watching.take() {
                Some(_) => say("nothing is followed any more\n"),
                None => Err(ClientError::Request("nothing is followed".to_owned())),
            },
            Command::WatchStream(stream) => {
                let session = self.second().await?;
                let name = stream.clone().unwrap_or_else(|| "NETCONF".to_owned());
                let subscription = session.subscribe(&Subscribe { stream, ..Subscribe::default() }).await?;
                self.watching =
                    Some(Watching::start(Arc::clone(&self.server.schema), session, subscription, tell));
                say(format!("following the stream {name}; \"watch stop\" ends it\n"))
            }
            Command::WatchData(place) => {
                let session = self.second().await?;
                let path = place.path.clone();
                let push = Push { datastore: Datastore::Operational, path: place.path, period: None };
                let subscription = session.push(&push).await?;
                self.watching =
                    Some(Watching::start(Arc::clone(&self.server.schema), session, subscription, tell));
                say(format!("following {path}; \"watch stop\" ends it\n"))
            }
        }
    }

    fn shown(&self, parent: Option<NodeId>, data: &[Element], how: &Output) -> String {
        let format = how.format.unwrap_or(self.format);
        let text = match how.as_set {
            true => edits::commands(&output::shown(&self.server.schema, parent, data, Format::Paths)),
            false => output::shown(&self.server.schema, parent, data, format),
        };
        let lines = text.lines().filter(|line| how.matches.iter().all(|text| line.contains(text.as_str())));
        match how.is_count {
            true => format!("{}\n", lines.count()),
            false if how.matches.is_empty() => text,
            false => lines.map(|line| format!("{line}\n")).collect(),
        }
    }

    async fn show(&self, source: Source, place: &Place, how: &Output) -> Outcome {
        let is_ours = source.datastore == Some(Datastore::Candidate) && !self.has_candidate;
        let found = match is_ours {
            true => self.configurations(place).await?.1,
            false => self.read(source.datastore, source.content, place).await?,
        };
        let schema = &self.server.schema;
        // As `agentconf get` has it: a list can be empty, what is named as one is there or is missing.
        let is_missing =
            resolve::is_one(schema, &place.path) && !resolve::is_in(schema, None, &found, &place.path.steps);
        if is_missing && !how.is_count {
            return Err(ClientError::Request(format!("{}: nothing is there", place.path)));
        }
        // What is around it was not asked for.
        let found = if is_missing { Vec::new() } else { found };
        // What programs read says it in its own form.
        let is_for_people = *how == Output::default() && self.format == Format::Table;
        match found.is_empty() && is_for_people {
            true => say("nothing is there\n"),
            false => say(self.shown(None, &found, how)),
        }
    }

    async fn read(
        &self,
        datastore: Option<Datastore>,
        content: Content,
        place: &Place,
    ) -> Result<Vec<Element>, ClientError> {
        let paths = match place.node {
            Some(_) => resolve::with_keys(&self.server.schema, &place.path),
            None => Vec::new(),
        };
        self.server.session().get(&Get { datastore, paths, content, ..Get::default() }).await
    }

    /// The running configuration at a place, and what it would be after a commit.
    async fn configurations(&self, place: &Place) -> Result<(Vec<Element>, Vec<Element>), ClientError> {
        let running = self.read(Some(Datastore::Running), Content::Config, place).await?;
        if self.has_candidate {
            let candidate = self.read(Some(Datastore::Candidate), Content::Config, place).await?;
            return Ok((running, candidate));
        }
        let pending: Vec<Change> =
            self.pending.iter().filter(|change| touches(&change.path, &place.path)).cloned().collect();
        let candidate = edits::apply(&self.server.schema, &running, &pending);
        Ok((running, candidate))
    }

    async fn edit(&mut self, changes: Vec<Change>) -> Outcome {
        let mut note = "";
        if self.has_candidate {
            let edit =
                Edit { datastore: Datastore::Candidate, changes: changes.clone(), test: None, error: None };
            match self.server.session().edit(&edit).await {
                Ok(()) => {}
                // Who may not prepare changes on the server may be allowed to make them.
                Err(ClientError::Refused(errors))
                    if !self.is_changed && errors.iter().any(|error| error.tag == "access-denied") =>
                {
                    self.has_candidate = false;
                    note = "the candidate is closed to you: changes wait here until \"commit\"\n";
                }
                Err(error) => return Err(error),
            }
        }
        if !self.has_candidate {
            self.pending.extend(changes);
        }
        self.is_changed = true;
        say(note)
    }

    /// A final commit, which confirms the one of this name, or else the one of this shell.
    fn confirming(&self, name: Option<String>) -> Commit {
        let ours = self.waiting.as_ref().filter(|waiting| !waiting.is_over());
        Commit { persist_id: name.or_else(|| ours?.persist.clone()), ..Commit::default() }
    }

    /// Sends what is pending.
    async fn send(&self, test: Option<TestOption>) -> Result<(), ClientError> {
        if self.pending.is_empty() {
            return Err(ClientError::Request("there is nothing to commit".to_owned()));
        }
        let changes = self.pending.clone();
        self.server.session().edit(&Edit { datastore: Datastore::Running, changes, test, error: None }).await
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.is_changed = false;
        self.foreign = 0;
    }

    fn needs_candidate(&self, what: &str) -> Result<(), ClientError> {
        match (self.has_candidate, self.server.url.scheme) {
            (true, _) => Ok(()),
            (_, Scheme::Https) => Err(ClientError::Unsupported(format!(
                "RESTCONF has no candidate of a session, so no {what}: use ssh:// or tls://"
            ))),
            _ => Err(ClientError::Unsupported(format!("there is no candidate to edit here, so no {what}"))),
        }
    }

    /// Prepares what leads back to a revision, as edits.
    async fn roll_back(&mut self, revision: &str) -> Outcome {
        if self.is_changed || self.foreign > 0 {
            let message = "there are changes that are not committed: \"commit\" or \"discard\" them first";
            return Err(ClientError::Request(message.to_owned()));
        }
        let changes = revisions::changes(&self.server.session(), &self.server.schema, revision).await?;
        if changes.is_empty() {
            return say(format!("running is what it was at {revision} already\n"));
        }
        let note = self.edit(changes).await?.text;
        say(format!(
            "{note}what leads back to {revision} is prepared: \"diff\" shows it, \"commit\" makes it\n"
        ))
    }

    /// A session of its own for what is followed: that of the commands stays free, whatever the server can interleave.
    async fn second(&self) -> Result<Session, ClientError> {
        let opened = self.connection.open(&self.server.url).await;
        opened.map_err(of_client)
    }

    /// Says goodbye.
    pub async fn close(self) {
        drop(self.watching);
        let session = self.server.session();
        drop(self.server);
        if let Some(session) = Arc::into_inner(session) {
            // Everything was done before, whatever the goodbye.
            let _ = session.close().await;
        }
    }
}

fn of_client(error: Box<dyn std::error::Error>) -> ClientError {
    match error.downcast::<ClientError>() {
        Ok(error) => *error,
        Err(error) => ClientError::Request(error.to_string()),
    }
}

/// An error with what can be done if it says that others have changed the same.
fn conflicting(error: ClientError) -> ClientError {
    match &error {
        ClientError::Refused(errors) if errors.iter().any(|e| e.app_tag.as_deref() == Some("conflict")) => {
            ClientError::Request(format!(
                "{error}\nothers have changed the same meanwhile: \"update prefer-candidate\" keeps what is yours there, \"update \
                 prefer-running\" what is theirs; then \"commit\""
            ))
        }
        _ => error,
    }
}

/// Whether a change is of a place or of something in it. A place without keys is all entries.
fn touches(change: &Path, place: &Path) -> bool {
    let is_in = |(step, of): (&Step, &Step)| {
        step.module == of.module
            && step.name == of.name
            && of.predicates.iter().all(|predicate| step.predicates.contains(predicate))
    };
    change.steps.len() >= place.steps.len() && change.steps.iter().zip(&place.steps).all(is_in)
}

/// The path of a node without keys.
pub fn path_of(schema: &Schema, id: NodeId) -> Path {
    let above = std::iter::successors(Some(id), |id| schema.data_parent(*id));
    let step = |id: NodeId| Step {
        module: schema.module_name(id).to_owned(),
        name: schema.node(id).name.clone(),
        predicates: Vec::new(),
    };
    let mut steps: Vec<Step> = above.map(step).collect();
    steps.reverse();
    Path { steps }
}
