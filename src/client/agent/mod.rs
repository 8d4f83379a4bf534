//! A server as an agent uses it: the operations of the registry, of tasks and of negotiations as calls that take and give the
//! generated structs, whatever the protocol, and its events. `events` follows them, `modelled` translates.
//!
//! It never repeats a request by itself: what a lost connection leaves open, who asked finds out by looking, as
//! [`Agent::until_reached`] has it.

mod events;
mod modelled;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::sleep;
use uuid::Uuid;

use self::modelled::{elements, of_children, parsed, place};
use super::credentials::Credentials;
use super::error::ClientError;
use super::limits::Limits;
use super::request::Get;
use super::session::Session;
use super::url::Url;
use crate::clock::Timestamp;
use crate::yang::generated::{magent_registry as registry, magent_task as task};
use crate::yang::model::Modelled;
use crate::yang::schema::Kind;

pub use events::{Event, Events, Position};

/// How often a server that is not reached is tried, and how long to wait in between.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// The wait after the first attempt; it doubles with each one.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// Most attempts in a row.
    pub attempts_max: u32,
}

impl Default for Retry {
    /// For about ten minutes.
    fn default() -> Retry {
        Retry { first: Duration::from_millis(50), longest: Duration::from_secs(10), attempts_max: 64 }
    }
}

impl Retry {
    /// The wait after an attempt, counted from 0: up to a half less, so that those who lost a server together do not come back
    /// together.
    fn wait(&self, attempt: u32) -> Duration {
        let whole = self.first.saturating_mul(1 << attempt.min(20)).min(self.longest);
        let [random, ..] = *Uuid::new_v4().as_bytes();
        whole.mul_f64(1.0 - f64::from(random) / 512.0)
    }
}

/// An agent's way to a server.
#[derive(Debug)]
pub struct Agent {
    /// Its name in the registry.
    pub name: String,
    url: Url,
    credentials: Credentials,
    limits: Limits,
    retry: Retry,
    session: Mutex<Option<Arc<Session>>>,
}

impl Agent {
    /// Nothing is connected yet.
    pub fn new(name: &str, url: Url, credentials: Credentials, limits: Limits, retry: Retry) -> Arc<Agent> {
        let session = Mutex::default();
        Arc::new(Agent { name: name.to_owned(), url, credentials, limits, retry, session })
    }

    /// The server's events after a position, on a connection of their own.
    pub fn follow(self: &Arc<Self>, after: Position) -> Events {
        Events::new(Arc::clone(self), after)
    }

    /// Does something with the server, again and again as long as what stands in the way may pass
    /// ([`ClientError::may_pass`]). Each time it has to look first how things stand, since the last time may have done more
    /// than it heard of.
    ///
    /// # Errors
    /// Those of `act` that do not pass, and those that do once there were more than [`Retry`] allows.
    pub async fn until_reached<T>(
        &self,
        mut act: impl AsyncFnMut() -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut attempt = 0;
        loop {
            match act().await {
                Ok(done) => return Ok(done),
                Err(error) => self.wait_after(error, &mut attempt).await?,
            }
        }
    }

    /// Waits for the time of the next attempt, if there is to be one after this error.
    async fn wait_after(&self, error: ClientError, attempt: &mut u32) -> Result<(), ClientError> {
        if !error.may_pass() || *attempt + 1 >= self.retry.attempts_max {
            return Err(error);
        }
        sleep(self.retry.wait(*attempt)).await;
        *attempt += 1;
        Ok(())
    }

    /// Registers, and keeps the registration from running out: it is repeated when half of the time that the server gave is
    /// over, which renews it, or makes it anew if it has ended all the same. It goes on until it is dropped.
    ///
    /// # Errors
    /// The server refuses, or is not reached any more.
    pub async fn stay(&self, profile: &registry::RegisterAgentInput) -> Result<(), ClientError> {
        let time = |text: &str| {
            text.parse::<Timestamp>().map_err(|error| ClientError::Protocol(format!("{text:?} is {error}")))
        };
        let mut attempt = 0;
        loop {
            match self.register(profile).await {
                Ok(registry::RegisterAgentOutput { updated_at, expires_at: Some(end), .. }) => {
                    attempt = 0;
                    let half = time(&updated_at)?.until(time(&end)?) / 2;
                    sleep(half.max(self.retry.first)).await;
                }
                Ok(_) => return pending().await, // it does not end by itself
                Err(error) => self.wait_after(error, &mut attempt).await?,
            }
        }
    }

    /// Invokes the rpc or action that `I` is the input of, and `O` the output; of the lists above an action, `keys` are the keys
    /// from the top.
    ///
    /// # Errors
    /// The server refuses, or is not reached, or `I` is no input.
    pub async fn call<I: Modelled, O: Modelled>(&self, keys: &[&str], input: &I) -> Result<O, ClientError> {
        let depth_max = self.limits.depth_max;
        let operation = I::node().parent.filter(|node| matches!(node.kind, Kind::Rpc { .. }));
        let operation = operation.ok_or_else(|| {
            ClientError::Request(format!("\"{}\" is the input of no operation", I::node().name))
        })?;
        let (path, input) = (place(operation, keys), elements(input, depth_max)?);
        let session = self.session().await?;
        let answer = session.call(&path, input).await;
        of_children(self.answered(&session, answer).await?, depth_max)
    }

    /// Reads the container or list entry that `T` stands for; of the lists on the way, `keys` are the keys from the top.
    ///
    /// # Errors
    /// The server refuses, or is not reached.
    pub async fn read<T: Modelled>(&self, keys: &[&str]) -> Result<Option<T>, ClientError> {
        let path = place(T::node(), keys);
        let get = Get { paths: vec![path.clone()], ..Get::default() };
        let session = self.session().await?;
        let found = session.get(&get).await;
        let found = self.answered(&session, found).await?;
        let mut names = path.steps.iter().map(|step| &step.name);
        let top = names.next().and_then(|name| found.iter().find(|element| element.name == *name));
        let element = names.fold(top, |above, name| above.and_then(|above| above.child(name)));
        element.map(|element| parsed(element, self.limits.depth_max)).transpose()
    }

    /// The session for requests: the one that is there, or a new one.
    async fn session(&self) -> Result<Arc<Session>, ClientError> {
        let mut kept = self.session.lock().await;
        if let Some(session) = kept.as_ref().filter(|session| session.ended().is_none()) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.connect().await?);
        *kept = Some(Arc::clone(&session));
        Ok(session)
    }

    /// What came of a request. Over NETCONF all that follows on a link that has gone silent would be lost as well, so a
    /// session that has not answered is used no more.
    async fn answered<T>(
        &self,
        session: &Arc<Session>,
        answer: Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        if matches!(answer, Err(ClientError::Timeout { .. })) {
            self.session.lock().await.take_if(|kept| Arc::ptr_eq(kept, session));
        }
        answer
    }

    async fn connect(&self) -> Result<Session, ClientError> {
        Session::connect(&self.url, &self.credentials, &self.limits).await
    }
}

/// The operations by name. The errors of each are those of [`Agent::call`] and [`Agent::read`].
impl Agent {
    /// `register-agent`; it can be repeated.
    pub async fn register(
        &self,
        profile: &registry::RegisterAgentInput,
    ) -> Result<registry::RegisterAgentOutput, ClientError> {
        self.call(&[], profile).await
    }

    /// `renew` of the own registration.
    pub async fn renew(&self, renew: &registry::RenewInput) -> Result<registry::RenewOutput, ClientError> {
        self.call(&[&self.name], renew).await
    }

    /// `deregister` of the agent itself.
    pub async fn deregister(&self, reason: &str) -> Result<registry::DeregisterOutput, ClientError> {
        let input = registry::DeregisterInput { reason: Some(reason.to_owned()) };
        self.call(&[&self.name], &input).await
    }

    /// `discover-agents`.
    pub async fn discover(
        &self,
        wanted: &registry::DiscoverAgentsInput,
    ) -> Result<registry::DiscoverAgentsOutput, ClientError> {
        self.call(&[], wanted).await
    }

    /// `assign-task`; with an identifier it can be repeated.
    pub async fn assign(&self, order: &task::AssignTaskInput) -> Result<task::AssignTaskOutput, ClientError> {
        self.call(&[], order).await
    }

    /// `query-tasks`.
    pub async fn query(&self, wanted: &task::QueryTasksInput) -> Result<task::QueryTasksOutput, ClientError> {
        self.call(&[], wanted).await
    }

    /// A task, if there is one.
    pub async fn task(&self, id: &str) -> Result<Option<task::Task>, ClientError> {
        self.read(&[id]).await
    }

    /// `report` on a task that it executes.
    pub async fn report(
        &self,
        task: &str,
        report: &task::ReportInput,
    ) -> Result<task::ReportOutput, ClientError> {
        self.call(&[task], report).await
    }

    /// `answer` to a request for input of a task that it assigned.
    pub async fn answer(
        &self,
        task: &str,
        answer: &task::AnswerInput,
    ) -> Result<task::AnswerOutput, ClientError> {
        self.call(&[task], answer).await
    }

    /// `verify` the result of a task that it assigned.
    pub async fn verify(
        &self,
        task: &str,
        verdict: &task::VerifyInput,
    ) -> Result<task::VerifyOutput, ClientError> {
        self.call(&[task], verdict).await
    }

    /// `cancel` a task that it assigned.
    pub async fn cancel(&self, task: &str, reason: &str) -> Result<task::CancelOutput, ClientError> {
        self.call(&[task], &task::CancelInput { reason: Some(reason.to_owned()) }).await
    }

    /// `open-negotiation`.
    pub async fn open_negotiation(
        &self,
        proposal: &task::OpenNegotiationInput,
    ) -> Result<task::OpenNegotiationOutput, ClientError> {
        self.call(&[], proposal).await
    }

    /// A negotiation, if there is one.
    pub async fn negotiation(&self, id: &str) -> Result<Option<task::Negotiation>, ClientError> {
        self.read(&[id]).await
    }

    /// `respond` in a negotiation.
    pub async fn respond(
        &self,
        negotiation: &str,
        step: &task::RespondInput,
    ) -> Result<task::RespondOutput, ClientError> {
        self.call(&[negotiation], step).await
    }

    /// `put-data`.
    pub async fn put_data(&self, data: &task::PutDataInput) -> Result<task::PutDataOutput, ClientError> {
        self.call(&[], data).await
    }

    /// `read` a part of a data object.
    pub async fn read_data(
        &self,
        object: &str,
        part: &task::ReadInput,
    ) -> Result<task::ReadOutput, ClientError> {
        self.call(&[object], part).await
    }
}
