//! A session from its hello to its end: requests are answered in their order, and what it follows is sent between the replies.
//! Edits that a client has sent ahead become durable together; anything else waits for what was asked before it.
//!
//! It never knows what a request means.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, FuturesOrdered, FuturesUnordered, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::NAMESPACE;
use super::answer::{self, Next, Reply, answer};
use super::framing::FramingError;
use super::hello::{BASE_1_0, BASE_1_1, Version};
use super::message::{self, NoRequest};
use super::request::{self, Called, Read};
use super::session::{self, Incoming, Outgoing, Peer, SessionError, Transport};
use super::url::Urls;
use crate::access::Standing;
use crate::audit::Who;
use crate::engine::{
    CONTENT_ID, Counters, Delivered, DynamicSubscription, Engine, Reason, Session, Subscription, features,
    has_secrets,
};
use crate::trace::{self, Attribute};
use crate::yang::error::{Error, Layer, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::ietf_netconf_monitoring::identities::Transport as Carrier;
use crate::yang::generated::ietf_subscribed_notifications::nodes::ESTABLISH_SUBSCRIPTION;
use crate::yang::generated::ietf_yang_library::MODULE as YANG_LIBRARY;
use crate::yang::generated::nc_notifications::nodes as completions;
use crate::yang::notification;
use crate::yang::path::InstancePath;
use crate::yang::schema::{Conformance, Node};

/// What the name of a capability begins with (RFC 6241 section 10.4).
const CAPABILITY: &str = "urn:ietf:params:netconf:capability:";
/// What a client says in its hello for a candidate of its own (draft-ietf-netconf-privcand section 4.4).
const PRIVATE_CANDIDATE: &str = "private-candidate:1.0";

/// What the server says of itself in a hello: the versions of the protocol, and its capabilities (RFC 6241 section 8).
pub fn capabilities(startup: bool, schemes: &str) -> Vec<String> {
    let ours = [
        "writable-running:1.0",
        "candidate:1.0",
        "confirmed-commit:1.1",
        "rollback-on-error:1.0",
        "validate:1.1",
        "xpath:1.0",
        "with-defaults:1.0?basic-mode=explicit&also-supported=report-all,report-all-tagged,trim",
        "notification:1.0",
        "interleave:1.0",
        "partial-lock:1.0",
        "txid:etag:1.0",
        "w3ctc:1.0",
        PRIVATE_CANDIDATE,
    ];
    let of_startup = startup.then_some("startup:1.0");
    let ours = ours.into_iter().chain(of_startup).map(|name| format!("{CAPABILITY}{name}"));
    let library = format!(
        "{CAPABILITY}yang-library:1.1?revision={}&content-id={}",
        YANG_LIBRARY.revision,
        CONTENT_ID.as_str()
    );
    // RFC 6020 section 5.6.4: modules of the first version of YANG are named here too.
    let modules = SCHEMA.modules.iter().filter(|module| {
        module.conformance == Conformance::Implement
            && !module.source.contains("yang-version 1.1")
            && !module.source.contains("yang-version \"1.1\"")
    });
    let modules = modules.map(|module| {
        let mut uri = format!("{}?module={}", module.namespace, module.name);
        let mut parameter = |name: &str, value: &str| {
            if !value.is_empty() {
                uri.push_str(&format!("&{name}={value}"));
            }
        };
        parameter("revision", module.revision);
        parameter("features", &features(module, startup).collect::<Vec<_>>().join(","));
        parameter("deviations", &module.deviations.join(","));
        uri
    });
    let url = format!("{CAPABILITY}url:1.0?scheme={schemes}");
    let versions = [BASE_1_0, BASE_1_1].map(str::to_owned);
    versions.into_iter().chain(ours).chain([url, library]).chain(modules).collect()
}

/// What a session follows.
enum Followed {
    /// The stream of events, from `create-subscription` (RFC 5277).
    Events {
        events: Box<Subscription>,
        /// The last position of the replay that is going on.
        replay: Option<u64>,
    },
    /// A dynamic subscription (RFC 8639).
    Dynamic(Box<DynamicSubscription>),
}

/// What one of them has to tell; `None` when it is over.
struct Told {
    notification: Option<Vec<u8>>,
    followed: Option<Followed>,
    /// Whether the stream of events is followed no longer.
    events_over: bool,
}

/// Serves a session until it ends.
pub async fn serve<S: AsyncRead + AsyncWrite + Send>(
    engine: Engine,
    urls: Arc<dyn Urls>,
    stream: S,
    peer: Peer,
    stopping: impl Future<Output = ()>,
) {
    let carrier = match peer.transport {
        Transport::Ssh => Carrier::NetconfSsh,
        Transport::Tls => Carrier::NetconfTls,
    };
    let host = Some(peer.address.ip());
    let own = match engine.session(&peer.principal, host, carrier).await {
        Ok(own) => own,
        Err(error) => return tracing::warn!(peer = %peer.address, %error, "no session"),
    };
    let address = peer.address;
    let opened = session::open(stream, peer, own.id(), engine.netconf_capabilities(), engine.limits());
    tokio::pin!(stopping);
    // Who has not said hello is not waited for.
    let opened = tokio::select! {
        opened = opened => opened,
        () = own.killed() => return own.end(Reason::Killed),
        () = &mut stopping => return own.end(Reason::Other),
    };
    let (session, mut incoming, outgoing) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::info!(peer = %address, %error, "a session did not begin");
            let bad = matches!(error, SessionError::Hello(_) | SessionError::Framing(_) | SessionError::Late);
            return own.end(if bad { Reason::BadHello } else { Reason::Dropped });
        }
    };
    let asks = |uri: &String| {
        uri.split('?').next().and_then(|uri| uri.strip_prefix(CAPABILITY)) == Some(PRIVATE_CANDIDATE)
    };
    if session.capabilities.iter().any(asks) {
        own.use_private_candidate();
    }
    incoming.count(engine.holding(), session.peer.principal.clone());
    let standing = session.peer.standing.clone();
    let (ahead, followed) = (FuturesOrdered::new(), FuturesUnordered::new());
    let mut conversation =
        Conversation { engine, urls, own: &own, session, outgoing, ahead, followed, events: false };
    // Whatever it does, also while it sends to a client that does not read. What it asked of the engine is done even so.
    let ended = tokio::select! {
        biased;
        () = own.killed() => Ok(Reason::Killed),
        () = lapse(standing) => Ok(Reason::Other),
        () = stopping => Ok(Reason::Other),
        ended = conversation.run(incoming) => ended,
    };
    let reason = match ended {
        Ok(reason) => reason,
        Err(error) => {
            tracing::info!(peer = %address, %error, "a session ended early");
            match error {
                SessionError::Io(_) => Reason::Dropped,
                _ => Reason::Other,
            }
        }
    };
    let Conversation { outgoing, followed, .. } = conversation;
    // Before the session is said to have ended, as its subscriptions end with it (RFC 8640 section 5).
    drop(followed);
    own.end(reason);
    // Who has gone does not mind.
    let _ = timeout(CLOSE, outgoing.close()).await;
}

/// Waits until what proved the user's identity no longer does; it is looked at every so often.
async fn lapse(standing: Standing) {
    while standing.holds() {
        tokio::time::sleep(STANDING).await;
    }
}

/// How often it is looked whether the user of a quiet session still may have it.
const STANDING: Duration = Duration::from_secs(5);
/// How long the end of a stream may take.
const CLOSE: Duration = Duration::from_secs(5);
/// Most edits of a session that become durable at a time.
const AHEAD_MAX: usize = 128;
/// An edit of more octets than this is not one of them.
const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// A request that is answered before those after it: how its reply starts, what it is called, and what follows.
type Ahead = Pin<Box<dyn Future<Output = (String, Called, Result<Reply, Vec<Error>>)> + Send>>;

struct Conversation<'a, S> {
    engine: Engine,
    urls: Arc<dyn Urls>,
    own: &'a Session,
    session: session::Session,
    outgoing: Outgoing<S>,
    /// Edits that are done and not durable yet, in order.
    ahead: FuturesOrdered<Ahead>,
    followed: FuturesUnordered<Pin<Box<dyn Future<Output = Told> + Send>>>,
    /// Whether the stream of events is followed.
    events: bool,
}

impl<S: AsyncRead + AsyncWrite + Send> Conversation<'_, S> {
    async fn run(&mut self, mut incoming: Incoming<S>) -> Result<Reason, SessionError> {
        loop {
            let idle = Duration::from_secs(self.engine.limits().session_idle_s);
            let patience = Duration::from_secs(self.engine.limits().body_timeout_s);
            // Whichever is ready, in no order: a client that always asks is still told what it follows.
            tokio::select! {
                message = incoming.next(patience) => match message {
                    Err(error) => return self.give_up(error).await,
                    Ok(None) => return self.settle(0).await.map(|()| Reason::Dropped),
                    Ok(Some(_)) if !self.session.peer.standing.holds() => return Ok(Reason::Other),
                    Ok(Some(message)) => {
                        if let Some(reason) = self.request(&message).await? {
                            return Ok(reason);
                        }
                    }
                },
                Some((start, called, result)) = self.ahead.next(), if !self.ahead.is_empty() => {
                    self.reply(start, &called, result).await?;
                }
                Some(told) = self.followed.next(), if !self.followed.is_empty() => {
                    if !self.session.peer.standing.holds() {
                        return Ok(Reason::Other);
                    }
                    self.tell(told).await?;
                }
                // RFC 6470 section 2.2: a session that is subscribed is not idle.
                () = tokio::time::sleep(idle), if self.followed.is_empty() && self.ahead.is_empty() => return Ok(Reason::Timeout),
            }
        }
    }

    /// Says why no more is taken, if the client can know.
    async fn give_up(&mut self, error: SessionError) -> Result<Reason, SessionError> {
        self.settle(0).await?;
        let refusal = match &error {
            SessionError::TooMuch(refusal) => Error::clone(refusal),
            SessionError::Slow => Error::protocol(Tag::OperationFailed, error.to_string()),
            SessionError::Framing(too_long @ FramingError::TooLong(_)) => {
                Error { layer: Layer::Rpc, ..Error::protocol(Tag::TooBig, too_long.to_string()) }
            }
            _ => return Err(error),
        };
        Counters::count(&self.own.counters().in_bad_rpcs);
        // What its message-id was is not known, as the message is not complete.
        self.refuse(&format!("<rpc-reply xmlns=\"{NAMESPACE}\">"), &[refusal]).await.and(Err(error))
    }

    /// Answers a message; the reason if the session ends with it.
    async fn request(&mut self, message: &[u8]) -> Result<Option<Reason>, SessionError> {
        let read = message::parse(message, self.engine.limits().depth_max)
            .map(|rpc| request::of(&self.engine, self.own.principal(), rpc));
        let counters = self.own.counters();
        if let Ok(Read { start, called, request: Ok(request) }) = &read
            && !matches!(request, request::Request::Close)
            && !self.session.peer.pace.allows()
        {
            Counters::count(&counters.in_rpcs);
            self.settle(0).await?;
            let error = Error::protocol(Tag::ResourceDenied, "too many requests, try again later");
            let error = error.app_tag("too-many-requests");
            let name = called.operation.map(Node::qualified_name).unwrap_or_default();
            let who = Who::Known(self.own.principal());
            self.engine.trail().too_many(who, &name, "too-many-requests");
            return self.refuse(start, &[error]).await.map(|()| None);
        }
        let Read { start, called, request } = match read {
            Ok(Read { start, called, request: Ok(request::Request::Edit(edit)) })
                if message.len() <= AHEAD_BYTES_MAX
                    && answer::is_tried_once(&edit)
                    && !has_secrets(&edit.edits)
                    && self.engine.has_room() =>
            {
                Counters::count(&counters.in_rpcs);
                self.settle(AHEAD_MAX - 1).await?;
                let edited =
                    trace::beside(&called.trace, || answer::edit_ahead(&self.engine, self.own, edit));
                self.ahead.push_back(Box::pin(async { (start, called, edited.await) }));
                return Ok(None);
            }
            Ok(read) => read,
            Err(NoRequest { reply, error, can_go_on }) => {
                Counters::count(&counters.in_bad_rpcs);
                self.settle(0).await?;
                // RFC 6241 appendix A: a client of base:1.0 does not know "malformed-message".
                if error.tag != Tag::MalformedMessage || self.session.version == Version::Base11 {
                    self.refuse(&reply, &[*error]).await?;
                }
                return Ok((!can_go_on).then_some(Reason::Other));
            }
        };
        self.settle(0).await?;
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                Counters::count(&counters.in_bad_rpcs);
                self.note(&called, Some(&error));
                return self.refuse(&start, &[error]).await.map(|()| None);
            }
        };
        Counters::count(&counters.in_rpcs);
        let (result, next) = match request {
            request::Request::Subscribe { .. } if self.events => {
                let message = "this session has subscribed to the stream already";
                (Err(vec![Error::protocol(Tag::InUse, message)]), Next::GoOn)
            }
            request if self.is_of_the_other_kind(&request) => {
                let message = "a session has subscriptions of RFC 5277 or of RFC 8639, not of both";
                (Err(vec![Error::application(Tag::OperationNotSupported, message)]), Next::GoOn)
            }
            request => {
                let answered = answer(&self.engine, self.urls.as_ref(), self.own, request);
                trace::within(called.trace.clone(), answered).await
            }
        };
        self.reply(start, &called, result).await?;
        match next {
            Next::GoOn => {}
            Next::Close => return Ok(Some(Reason::Closed)),
            Next::Events { events, replay } => {
                self.events = true;
                self.follow(Followed::Events { events, replay });
            }
            Next::Subscription(subscription) => self.follow(Followed::Dynamic(subscription)),
        }
        Ok(None)
    }

    /// Waits until so many edits at most are ahead of what is done next, and answers the others.
    async fn settle(&mut self, at_most: usize) -> Result<(), SessionError> {
        while self.ahead.len() > at_most
            && let Some((start, called, result)) = self.ahead.next().await
        {
            self.reply(start, &called, result).await?;
        }
        Ok(())
    }

    /// Notes in the audit trail what was asked for, and what became of it, and counts it.
    fn note(&self, called: &Called, error: Option<&Error>) {
        self.engine.meter().rpc(called.operation, error.is_none(), called.since);
        let name = called.operation.map(Node::qualified_name).unwrap_or_default();
        // An edit that is refused names its place itself.
        let instance = called.target.as_ref().or(error.and_then(|error| error.path.as_ref()));
        let instance = instance.map(InstancePath::to_string);
        trace::beside(&called.trace, || {
            self.engine.trail().invoked(self.own.principal(), &name, instance.as_deref(), error);
        });
        if let Some(trace) = &called.trace {
            let has_failed = error.is_some_and(|error| error.tag == Tag::OperationFailed);
            trace.end(has_failed, || {
                let name = called.operation.map_or("unknown", |operation| operation.name);
                let outcome = error.map_or("ok", |error| error.tag.as_str());
                let text = |text: &'static str| Attribute::Text(text.into());
                let attributes = vec![
                    ("rpc.system", text("netconf")),
                    ("rpc.method", text(name)),
                    ("network.transport", Attribute::Text(self.session.peer.transport.to_string().into())),
                    ("agentconf.user.class", text(self.own.principal().class())),
                    ("agentconf.outcome", text(outcome)),
                ];
                (format!("netconf {name}").into(), attributes)
            });
        }
    }

    async fn reply(
        &mut self,
        start: String,
        called: &Called,
        result: Result<Reply, Vec<Error>>,
    ) -> Result<(), SessionError> {
        self.note(called, result.as_ref().err().and_then(|errors| errors.first()));
        match result {
            Ok(Reply::Whole(content)) => {
                let mut reply = start.into_bytes();
                reply.extend_from_slice(&content);
                reply.extend_from_slice(b"</rpc-reply>");
                self.outgoing.send(&reply).await
            }
            Ok(Reply::Pieces(pieces)) => {
                let standing = self.session.peer.standing.clone();
                let pieces = pieces.map(|piece| match standing.holds() {
                    true => piece,
                    false => Err(io::ErrorKind::PermissionDenied.into()),
                });
                let around = |text: Vec<u8>| stream::iter([Ok(text)]);
                let pieces = around(start.into_bytes()).chain(pieces).chain(around(b"</rpc-reply>".to_vec()));
                self.outgoing.send_pieces(pieces).await
            }
            Err(errors) => self.refuse(&start, &errors).await,
        }
    }

    /// Whether a subscription is asked for beside others that it cannot be beside (RFC 8640 section 3).
    fn is_of_the_other_kind(&self, request: &request::Request) -> bool {
        match request {
            request::Request::Subscribe { .. } => !self.followed.is_empty() && !self.events,
            request::Request::Invoke(invocation) => {
                self.events && invocation.operation == &ESTABLISH_SUBSCRIPTION
            }
            _ => false,
        }
    }

    async fn refuse(&mut self, start: &str, errors: &[Error]) -> Result<(), SessionError> {
        Counters::count(&self.own.counters().out_rpc_errors);
        let reply = format!("{start}{}</rpc-reply>", answer::errors(errors));
        self.outgoing.send(reply.as_bytes()).await
    }

    fn follow(&self, followed: Followed) {
        self.followed.push(Box::pin(next(followed)));
    }

    async fn tell(&mut self, told: Told) -> Result<(), SessionError> {
        if let Some(notification) = told.notification {
            Counters::count(&self.own.counters().out_notifications);
            self.outgoing.send(&notification).await?;
        }
        if told.events_over {
            // RFC 5277 section 2.1.1, `stopTime`: the session is as it was before, and can subscribe again.
            self.events = false;
        }
        if let Some(followed) = told.followed {
            self.follow(followed);
        }
        Ok(())
    }
}

/// The next that a subscription tells.
async fn next(mut followed: Followed) -> Told {
    let delivered = match &mut followed {
        Followed::Dynamic(subscription) => Ok(subscription.next().await),
        Followed::Events { events, replay } => match *replay {
            None => events.next().await,
            Some(last) => match events.next_until(last).await {
                Ok(None) => {
                    *replay = None;
                    // RFC 5277 section 2.1.1, `startTime`.
                    let told = completed(&completions::REPLAY_COMPLETE, events.now());
                    return Told { notification: Some(told), followed: Some(followed), events_over: false };
                }
                delivered => delivered,
            },
        },
    };
    let is_events = matches!(followed, Followed::Events { .. });
    match delivered {
        Ok(Some(Delivered { at, notification, .. })) => {
            let notification = Some(notification::xml(at, &notification));
            Told { notification, followed: Some(followed), events_over: false }
        }
        Ok(None) => {
            let told = match &followed {
                // RFC 5277 section 2.1.1, `stopTime`.
                Followed::Events { events, .. } => {
                    Some(completed(&completions::NOTIFICATION_COMPLETE, events.now()))
                }
                Followed::Dynamic(_) => None,
            };
            Told { notification: told, followed: None, events_over: is_events }
        }
        Err(error) => {
            tracing::error!(%error, "a session's subscription was ended");
            Told { notification: None, followed: None, events_over: is_events }
        }
    }
}

fn completed(node: &'static crate::yang::schema::Node, at: crate::clock::Timestamp) -> Vec<u8> {
    let notification = notification::Notification { node, data: Default::default(), parties: Vec::new() };
    notification::xml(at, &notification)
}
