//! One NETCONF connection after the transport: messages out, replies to whom they belong, notifications to who follows. It
//! knows no operation but the message around it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::hello::{self, Hello};
use crate::client::data::{Attribute, Element};
use crate::client::error::{ClientError, RpcError};
use crate::client::limits::Limits;
use crate::client::request::Notification;
use crate::client::tree;
use crate::netconf::framing::{self, Decoder, Framing};
use crate::netconf::{NAMESPACE, TRACE_CONTEXT};

/// The namespace of `<notification>` (RFC 5277 section 4).
const NOTIFICATION: &str = "urn:ietf:params:xml:ns:netconf:notification:1.0";
const SUBSCRIBED: &str = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications";
const PUSH: &str = "urn:ietf:params:xml:ns:yang:ietf-yang-push";
const NETMOD: &str = "urn:ietf:params:xml:ns:netmod:notification";
/// How many messages wait to be written.
const WRITES_MAX: usize = 16;
const READ_BYTES: usize = 16 << 10;

/// A stream of bytes, both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

pub type Follower = mpsc::Sender<Result<Notification, ClientError>>;

/// A connection on which both sides have said hello.
#[derive(Debug)]
pub struct Wire {
    outgoing: mpsc::Sender<Vec<u8>>,
    framing: Framing,
    shared: Arc<Shared>,
    next_id: AtomicU64,
    limits: Limits,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Told when nothing comes any more.
    over: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<u64, Waiting>,
    /// Who follows a stream, and the number of the subscription if it has one.
    events: Option<(Option<u32>, Follower)>,
    /// Who follows data, by the numbers of their subscriptions.
    pushes: HashMap<u32, Follower>,
    /// Why nothing comes any more.
    ended: Option<String>,
}

#[derive(Debug)]
struct Waiting {
    reply: oneshot::Sender<Result<Element, ClientError>>,
    /// Who follows if it is granted; the reader registers them before it reads on, so that no notification is missed.
    follows: Option<(Follows, Follower)>,
}

/// What a request asks to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// A stream.
    Events,
    /// Data.
    Push,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and the state is whole between any two lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, reason: &str) {
        let (waiting, followers) = {
            let mut state = self.state();
            state.ended.get_or_insert_with(|| reason.to_owned());
            let mut followers: Vec<Follower> = state.pushes.drain().map(|(_, follower)| follower).collect();
            followers.extend(state.events.take().map(|(_, follower)| follower));
            (std::mem::take(&mut state.waiting), followers)
        };
        self.over.notify_waiters();
        for (_, waiting) in waiting {
            // Who asked may have given up.
            let _ = waiting.reply.send(Err(ClientError::Ended(reason.to_owned())));
        }
        for follower in followers {
            // Who has no room knows it from the end of the queue.
            let _ = follower.try_send(Err(ClientError::Ended(reason.to_owned())));
        }
    }
}

impl Wire {
    /// Says hello and reads the server's; with `is_private`, it asks for a candidate of its own.
    ///
    /// # Errors
    /// The server says something else, or nothing in time.
    pub async fn open(
        stream: Box<dyn Duplex>,
        limits: &Limits,
        is_private: bool,
    ) -> Result<(Wire, Hello), ClientError> {
        let (mut reading, mut writing) = tokio::io::split(stream);
        let mut decoder = Decoder::new(limits.hello_bytes_max);
        let exchange = async {
            let mut ours = Vec::new();
            framing::encode(Framing::EndOfMessage, hello::write(is_private).as_bytes(), &mut ours)
                .map_err(|error| ClientError::Protocol(error.to_string()))?;
            writing.write_all(&ours).await.map_err(|error| ClientError::Ended(error.to_string()))?;
            writing.flush().await.map_err(|error| ClientError::Ended(error.to_string()))?;
            match next(&mut reading, &mut decoder).await {
                Ok(Some(message)) => hello::read(&message, limits.depth_max),
                Ok(None) => Err(ClientError::Ended("the server closed it before its hello".into())),
                Err(reason) => Err(ClientError::Ended(reason)),
            }
        };
        let late = |_| ClientError::Timeout { what: "hello of the server", limit: limits.connect };
        let hello = timeout(limits.connect, exchange).await.map_err(late)??;
        decoder.set(hello.framing, limits.message_bytes_max);
        let (outgoing, queue) = mpsc::channel(WRITES_MAX);
        let shared = Arc::new(Shared::default());
        let tasks = [
            tokio::spawn(read(reading, decoder, Arc::clone(&shared), limits.clone())),
            tokio::spawn(write(writing, queue, Arc::clone(&shared))),
        ];
        let (limits, next_id) = (limits.clone(), AtomicU64::new(1));
        Ok((Wire { outgoing, framing: hello.framing, shared, next_id, limits, tasks }, hello))
    }

    /// Sends an operation and waits for its reply, which is one without errors.
    ///
    /// # Errors
    /// The server refuses, does not answer in time, or the session has ended.
    pub async fn request(&self, operation: Element) -> Result<Element, ClientError> {
        self.exchange(operation, None).await
    }

    /// Sends an operation that asks for notifications.
    ///
    /// # Errors
    /// As those of [`Wire::request`].
    pub async fn follow(&self, operation: Element, follows: Follows) -> Result<super::Incoming, ClientError> {
        let (follower, incoming) = mpsc::channel(self.limits.notifications_max.max(1));
        self.exchange(operation, Some((follows, follower))).await?;
        Ok(incoming)
    }

    /// Why nothing comes any more, once it is so.
    pub fn ended(&self) -> Option<String> {
        self.shared.state().ended.clone()
    }

    /// Waits until nothing comes any more; gives the reason.
    pub async fn end(&self) -> String {
        loop {
            let over = self.shared.over.notified();
            if let Some(reason) = self.ended() {
                return reason;
            }
            over.await;
        }
    }

    /// Whether events are followed, by somebody who is still there.
    pub fn has_events(&self) -> bool {
        self.shared.state().events.as_ref().is_some_and(|(_, follower)| !follower.is_closed())
    }

    /// Subscriptions whose followers have gone, which are forgotten here. None stands for one that cannot be ended.
    pub fn abandoned(&self) -> Vec<Option<u32>> {
        let mut state = self.shared.state();
        let mut found = Vec::new();
        if let Some((id, _)) = state.events.take_if(|(_, follower)| follower.is_closed()) {
            found.push(id);
        }
        found.extend(state.pushes.extract_if(|_, follower| follower.is_closed()).map(|(id, _)| Some(id)));
        found
    }

    async fn exchange(
        &self,
        operation: Element,
        follows: Option<(Follows, Follower)>,
    ) -> Result<Element, ClientError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let attribute = |namespace: &str, name: &str, value: String| Attribute {
            name: name.to_owned(),
            namespace: namespace.into(),
            value,
        };
        let trace = super::super::trace().map(|(name, value)| attribute(TRACE_CONTEXT, name, value));
        let attributes = std::iter::once(attribute("", "message-id", id.to_string())).chain(trace).collect();
        let rpc = Element { attributes, ..tree::base("rpc", "") };
        let mut bytes = Vec::new();
        framing::encode(self.framing, rpc.with([operation]).to_xml().as_bytes(), &mut bytes)
            .map_err(|error| ClientError::Request(error.to_string()))?;
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.shared.state();
            if let Some(reason) = &state.ended {
                return Err(ClientError::Ended(reason.clone()));
            }
            state.waiting.insert(id, Waiting { reply, follows });
        }
        let _forgotten = Forgotten { id, shared: &self.shared };
        let sent_and_answered = async {
            // If the writer has ended, so has the session, which the answer tells.
            let _ = self.outgoing.send(bytes).await;
            answer.await
        };
        match timeout(self.limits.reply, sent_and_answered).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Err(ClientError::Ended("the connection was lost".into())),
            Err(_) => Err(ClientError::Timeout { what: "answer", limit: self.limits.reply }),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.shared.end("it was closed");
    }
}

/// Takes a request that nobody waits for any more off the list.
struct Forgotten<'s> {
    id: u64,
    shared: &'s Shared,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.shared.state().waiting.remove(&self.id);
    }
}

/// The next message; none at the end of the stream.
async fn next(
    stream: &mut ReadHalf<Box<dyn Duplex>>,
    decoder: &mut Decoder,
) -> Result<Option<Vec<u8>>, String> {
    loop {
        if let Some(message) = decoder.take().map_err(|error| error.to_string())? {
            return Ok(Some(message));
        }
        let mut bytes = Vec::with_capacity(READ_BYTES);
        match stream.read_buf(&mut bytes).await {
            Ok(0) if decoder.is_inside() => return Err("the connection broke inside of a message".into()),
            Ok(0) => return Ok(None),
            Ok(_) => decoder.feed(&bytes),
            Err(error) => return Err(error.to_string()),
        }
    }
}

async fn write(
    mut stream: WriteHalf<Box<dyn Duplex>>,
    mut queue: mpsc::Receiver<Vec<u8>>,
    shared: Arc<Shared>,
) {
    while let Some(bytes) = queue.recv().await {
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        if let Err(error) = written.await {
            shared.end(&error.to_string());
            return;
        }
    }
}

async fn read(
    mut stream: ReadHalf<Box<dyn Duplex>>,
    mut decoder: Decoder,
    shared: Arc<Shared>,
    limits: Limits,
) {
    let reason = loop {
        let message = match next(&mut stream, &mut decoder).await {
            Ok(Some(message)) => message,
            Ok(None) => break "the server closed it".to_owned(),
            Err(reason) => break reason,
        };
        let element = match Element::parse(&message, limits.depth_max) {
            Ok(element) => element,
            Err(error) => break format!("a message of the server is {error}"),
        };
        drop(message);
        match (element.name.as_str(), &*element.namespace) {
            ("rpc-reply", NAMESPACE) => shared.reply(element),
            ("notification", NOTIFICATION) => shared.notify(element).await,
            (name, namespace) => {
                break format!("<{name} xmlns=\"{namespace}\"> is no message of a server");
            }
        }
    };
    shared.end(&reason);
}

impl Shared {
    fn reply(&self, reply: Element) {
        let mut state = self.state();
        let id = reply.attribute("message-id").and_then(|id| id.parse().ok());
        // A server that could not read a request may not know its number (RFC 6241 section 4.2); the oldest waits longest.
        let id = id.or_else(|| state.waiting.keys().next().copied());
        let Some(Waiting { reply: waiting, follows }) = id.and_then(|id| state.waiting.remove(&id)) else {
            return;
        };
        let errors: Vec<RpcError> = reply
            .children
            .iter()
            .filter(|child| child.name == "rpc-error" && child.text_of("error-severity") != Some("warning"))
            .map(RpcError::read)
            .collect();
        if !errors.is_empty() {
            // Who asked may have given up.
            let _ = waiting.send(Err(ClientError::Refused(errors)));
            return;
        }
        let id =
            reply.children.iter().find(|child| child.name == "id").and_then(|id| id.text.trim().parse().ok());
        match (follows, id) {
            (Some((Follows::Push, follower)), Some(id)) => {
                state.pushes.insert(id, follower);
            }
            (Some((Follows::Push, _)), None) => {
                let _ = waiting.send(Err(ClientError::Protocol("a subscription has no id".into())));
                return;
            }
            (Some((Follows::Events, follower)), id) => state.events = Some((id, follower)),
            (None, _) => {}
        }
        let _ = waiting.send(Ok(reply));
    }

    async fn notify(&self, notification: Element) {
        let time = notification.text_of("eventTime").unwrap_or_default().to_owned();
        let event = notification.children.into_iter().find(|child| &*child.namespace != NOTIFICATION);
        let Some(event) = event else { return };
        let has_id = matches!(&*event.namespace, SUBSCRIBED | PUSH);
        let id: Option<u32> = if has_id { event.text_of("id").and_then(|id| id.parse().ok()) } else { None };
        let follower = {
            let state = self.state();
            let of_events = state.events.as_ref();
            match id {
                Some(number) => state
                    .pushes
                    .get(&number)
                    .or_else(|| of_events.filter(|(own, _)| *own == id).map(|(_, follower)| follower)),
                None => of_events.map(|(_, follower)| follower),
            }
            .cloned()
        };
        let Some(follower) = follower else { return };
        // What tells of the subscription and not of the server is known from how it goes on.
        let (is_last, is_told) = match (&*event.namespace, event.name.as_str()) {
            (SUBSCRIBED, "subscription-completed") | (NETMOD, "notificationComplete") => (true, false),
            (SUBSCRIBED, "subscription-terminated") => (true, true),
            (SUBSCRIBED, "replay-completed") | (NETMOD, "replayComplete") => (false, false),
            _ => (false, true),
        };
        if is_told {
            // Nobody may be there any more; a later request finds that out.
            let _ = follower.send(Ok(Notification { time, id: None, event })).await;
        }
        if is_last {
            let mut state = self.state();
            match id.filter(|id| state.pushes.contains_key(id)) {
                Some(id) => drop(state.pushes.remove(&id)),
                None => state.events = None,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::DuplexStream;

    /// A server that says hello and then what the test wants.
    struct Server {
        stream: DuplexStream,
        decoder: Decoder,
        framing: Framing,
    }

    impl Server {
        async fn next(&mut self) -> String {
            loop {
                if let Some(message) = self.decoder.take().unwrap() {
                    return String::from_utf8(message).unwrap();
                }
                let mut bytes = Vec::new();
                assert_ne!(self.stream.read_buf(&mut bytes).await.unwrap(), 0);
                self.decoder.feed(&bytes);
            }
        }

        async fn say(&mut self, message: &str) {
            let mut bytes = Vec::new();
            framing::encode(self.framing, message.as_bytes(), &mut bytes).unwrap();
            self.stream.write_all(&bytes).await.unwrap();
        }

        async fn reply(&mut self, id: &str, inside: &str) {
            self.say(&format!("<rpc-reply xmlns='{NAMESPACE}' message-id='{id}'>{inside}</rpc-reply>")).await;
        }

        async fn event(&mut self, inside: &str) {
            let time = "<eventTime>2026-01-01T00:00:00Z</eventTime>";
            self.say(&format!("<notification xmlns='{NOTIFICATION}'>{time}{inside}</notification>")).await;
        }
    }

    async fn opened(version: &str, limits: &Limits) -> (Wire, Server) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let mut server =
            Server { stream: theirs, decoder: Decoder::new(1000), framing: Framing::EndOfMessage };
        server
            .say(&format!(
                "<hello xmlns='{NAMESPACE}'><capabilities><capability>urn:ietf:params:netconf:base:{version}</capability>\
                 </capabilities><session-id>1</session-id></hello>"
            ))
            .await;
        let (wire, hello) = Wire::open(Box::new(ours), limits, false).await.unwrap();
        assert!(server.next().await.contains("<hello"));
        server.framing = hello.framing;
        server.decoder.set(hello.framing, 1000);
        (wire, server)
    }

    fn operation(name: &str) -> Element {
        tree::base(name, "")
    }

    #[tokio::test]
    async fn replies_go_to_who_asked_in_whatever_order_they_come() {
        for version in ["1.0", "1.1"] {
            let (wire, mut server) = opened(version, &Limits::default()).await;
            let answers = async {
                assert!(server.next().await.contains("message-id=\"1\""));
                assert!(server.next().await.contains("message-id=\"2\""));
                server.reply("7", "<ok/>").await;
                server.reply("2", "<b/>").await;
                server.reply("1", "<a/>").await;
            };
            let (first, second, ()) =
                tokio::join!(wire.request(operation("get")), wire.request(operation("get")), answers);
            assert_eq!(first.unwrap().children[0].name, "a");
            assert_eq!(second.unwrap().children[0].name, "b");
            let refused = "<rpc-error><error-type>rpc</error-type><error-tag>lock-denied</error-tag><error-severity>error\
                           </error-severity><error-info><session-id>4</session-id></error-info></rpc-error>";
            let answers = async {
                server.next().await;
                server.reply("3", refused).await;
            };
            let (refused, ()) = tokio::join!(wire.request(operation("lock")), answers);
            assert_eq!(refused.unwrap_err().to_string(), "lock-denied [session-id: 4]");
            drop(server);
            let ended = wire.request(operation("get")).await.unwrap_err();
            assert!(matches!(ended, ClientError::Ended(_)), "{ended}");
        }
    }

    #[tokio::test]
    async fn notifications_go_to_who_follows_and_end_with_their_subscription() {
        let (wire, mut server) = opened("1.1", &Limits::default()).await;
        let grant = async {
            server.next().await;
            server.reply("1", &format!("<id xmlns='{SUBSCRIBED}'>5</id>")).await;
            server.event("<first xmlns='urn:e'/>").await;
            server.next().await;
            server.reply("2", &format!("<id xmlns='{SUBSCRIBED}'>6</id>")).await;
            server.event(&format!("<push-update xmlns='{PUSH}'><id>6</id></push-update>")).await;
            server
                .event(&format!("<replay-completed xmlns='{SUBSCRIBED}'><id>5</id></replay-completed>"))
                .await;
            server.event("<second xmlns='urn:e'/>").await;
            server
                .event(&format!(
                    "<subscription-terminated xmlns='{SUBSCRIBED}'><id>6</id></subscription-terminated>"
                ))
                .await;
        };
        let follow = async {
            let events = wire.follow(operation("establish"), Follows::Events).await.unwrap();
            (events, wire.follow(operation("establish"), Follows::Push).await.unwrap())
        };
        let ((mut events, mut push), ()) = tokio::join!(follow, grant);
        let name = |next: Option<Result<Notification, ClientError>>| next.unwrap().unwrap().event.name;
        assert_eq!(name(events.recv().await), "first");
        assert_eq!(name(events.recv().await), "second");
        assert_eq!(name(push.recv().await), "push-update");
        assert_eq!(name(push.recv().await), "subscription-terminated");
        assert!(push.recv().await.is_none());
        assert!(wire.has_events());
        drop(events);
        assert_eq!(wire.abandoned(), [Some(5)]);
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_or_talks_nonsense_is_not_waited_for() {
        let limits = Limits { reply: Duration::from_millis(1), ..Limits::default() };
        let (wire, mut server) = opened("1.1", &limits).await;
        let late = wire.request(operation("get")).await.unwrap_err();
        assert!(matches!(late, ClientError::Timeout { .. }), "{late}");
        server.reply("1", "<ok/>").await;
        let (wire, mut server) = opened("1.1", &Limits::default()).await;
        let nonsense = async {
            server.next().await;
            server.say("<unfinished").await;
        };
        let (ended, ()) = tokio::join!(wire.request(operation("get")), nonsense);
        assert!(ended.unwrap_err().to_string().contains("not valid XML"));
        let limits = Limits { message_bytes_max: 10, ..Limits::default() };
        let (wire, mut server) = opened("1.1", &limits).await;
        let (ended, ()) = tokio::join!(wire.request(operation("get")), server.reply("1", "<ok/>"));
        assert!(matches!(ended, Err(ClientError::Ended(_))));
    }
}
