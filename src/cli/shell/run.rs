//! Commands carried out on a server. Over NETCONF, edits go to the candidate at once; where there is none they are kept
//! and sent as one edit at the commit, so that both feel the same. It never reads a line and never prints.

use std::sync::Arc;

use super::edits;
use super::grammar::{Command, Place, Source};
use super::help;
use super::watch::Watching;
use crate::cli::connection::Connection;
use crate::cli::output::{self, Format};
use crate::client::schema::{Kind, NodeId, Schema};
use crate::client::{
    Change, ClientError, Commit, Content, Datastore, Edit, Element, Get, Path, Push, Scheme, Session, Step,
    Subscribe, TestOption, Url, resolve,
};

/// The other side: the session and what its YANG texts say.
#[derive(Debug)]
pub struct Server {
    /// The session.
    pub session: Session,
    /// The schema.
    pub schema: Arc<Schema>,
    /// Where it is.
    pub url: Url,
    /// Whether edits go to a candidate of the server.
    pub has_candidate: bool,
}

impl Server {
    /// The server of a session.
    pub fn new(session: Session, schema: Arc<Schema>, url: Url) -> Server {
        let candidate = "urn:ietf:params:netconf:capability:candidate:1.0";
        let has_candidate = url.scheme != Scheme::Https
            && session.capabilities().any(|uri| uri.split('?').next() == Some(candidate));
        Server { session, schema, url, has_candidate }
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
        Shell { server, here, connection, format, has_candidate, pending, is_changed: false, watching: None }
    }

    /// Carries out a command. `tell` takes what a subscription brings later.
    ///
    /// # Errors
    /// The server refuses, or lacks what is needed.
    pub async fn run(&mut self, command: Command, tell: impl Fn(String) + Send + 'static) -> Outcome {
        let session = &self.server.session;
        match command {
            Command::Nothing => say(""),
            Command::Help(one) => say(help::commands(one)),
            Command::Exit => Ok(Answer { ends: true, ..Answer::default() }),
            Command::Show { source, place, format } => self.show(source, &place, format).await,
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
                let (before, after) = self.configurations(&place).await?;
                let paths = |data: &[Element]| output::shown(&self.server.schema, None, data, Format::Paths);
                say(edits::difference(&paths(&before), &paths(&after)))
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
                    true => session.commit(&Commit::default()).await?,
                    false => self.send(None).await?,
                }
                self.forget();
                say("committed\n")
            }
            Command::CommitConfirmed(timeout) => {
                self.needs_candidate("confirmed commit")?;
                session.commit(&Commit { confirmed: true, timeout, ..Commit::default() }).await?;
                self.forget();
                let seconds = timeout.unwrap_or(600);
                say(format!(
                    "committed; it is taken back in {seconds} s, unless \"commit confirm\" comes before\n"
                ))
            }
            Command::CommitConfirm => {
                self.needs_candidate("confirmed commit")?;
                session.commit(&Commit::default()).await?;
                say("confirmed\n")
            }
            Command::CommitCancel => {
                self.needs_candidate("confirmed commit")?;
                session.cancel_commit(None).await?;
                say("taken back\n")
            }
            Command::Discard | Command::Rollback(None) => {
                if self.has_candidate {
                    session.discard().await?;
                }
                self.forget();
                say("the changes are discarded\n")
            }
            Command::Rollback(Some(revision)) => self.roll_back(&revision).await,
            Command::Lock(datastore) => {
                session.lock(datastore).await?;
                say(format!("{} is locked\n", datastore.name()))
            }
            Command::Unlock(datastore) => {
                session.unlock(datastore).await?;
                say(format!("{} is unlocked\n", datastore.name()))
            }
            Command::Call { path, operation, input, format } => {
                let answer = session.call(&path, input).await?;
                let output = self.server.schema.output(operation);
                match answer.is_empty() {
                    true => say("done\n"),
                    false => say(self.shown(output, &answer, format)),
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

    fn shown(&self, parent: Option<NodeId>, data: &[Element], format: Option<Format>) -> String {
        output::shown(&self.server.schema, parent, data, format.unwrap_or(self.format))
    }

    async fn show(&self, source: Source, place: &Place, format: Option<Format>) -> Outcome {
        let is_ours = source.datastore == Some(Datastore::Candidate) && !self.has_candidate;
        let found = match is_ours {
            true => self.configurations(place).await?.1,
            false => self.read(source.datastore, source.content, place).await?,
        };
        match found.is_empty() {
            true => say("nothing is there\n"),
            false => say(self.shown(None, &found, format)),
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
        self.server.session.get(&Get { datastore, paths, content, ..Get::default() }).await
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
            match self.server.session.edit(&edit).await {
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

    /// Sends what is pending.
    async fn send(&self, test: Option<TestOption>) -> Result<(), ClientError> {
        if self.pending.is_empty() {
            return Err(ClientError::Request("there is nothing to commit".to_owned()));
        }
        let changes = self.pending.clone();
        self.server.session.edit(&Edit { datastore: Datastore::Running, changes, test, error: None }).await
    }

    fn forget(&mut self) {
        self.pending.clear();
        self.is_changed = false;
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

    async fn roll_back(&mut self, revision: &str) -> Outcome {
        let schema = &self.server.schema;
        let mut operations = schema.of_kind(None, Kind::Rpc);
        let is_it = |id: &NodeId| {
            schema.node(*id).name == "rollback" && schema.module_name(*id) == "magent-datastores"
        };
        let Some(operation) = operations.find(is_it) else {
            let message = "the server keeps no revisions; rollback alone discards the changes";
            return Err(ClientError::Unsupported(message.to_owned()));
        };
        let leaf = schema
            .input(operation)
            .and_then(|input| schema.child(Some(input), "magent-datastores", "revision"));
        let input = leaf.map(|leaf| super::place::leaf_element(schema, leaf, revision));
        let path = Path::top("magent-datastores", "rollback");
        let answer = self.server.session.call(&path, input.into_iter().collect()).await?;
        let new =
            answer.iter().find(|element| element.name == "revision").map(|element| element.text.clone());
        say(format!("running is what it was at {revision}; it is now {}\n", new.unwrap_or_default()))
    }

    /// A session of its own for what is followed: that of the commands stays free, whatever the server can interleave.
    async fn second(&self) -> Result<Session, ClientError> {
        let opened = self.connection.open(&self.server.url).await;
        opened.map_err(|error| match error.downcast::<ClientError>() {
            Ok(error) => *error,
            Err(error) => ClientError::Request(error.to_string()),
        })
    }

    /// Says goodbye.
    pub async fn close(self) {
        drop(self.watching);
        if let Some(server) = Arc::into_inner(self.server) {
            // Everything was done before, whatever the goodbye.
            let _ = server.session.close().await;
        }
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
