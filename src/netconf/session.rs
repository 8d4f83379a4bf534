//! One session on one stream: the exchange of hellos, and then messages both ways.
//!
//! It never knows what a message after the hello means.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Sleep, timeout};

use super::framing::{self, Decoder, Framing, FramingError};
use super::hello::{self, HelloError, Version};
use crate::access::{Principal, Standing};
use crate::engine::Held;
use crate::limits::Limits;
use crate::yang::error::Error;

/// How much is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// What carries a session: the identities of `transport` in `ietf-netconf-monitoring` (RFC 6022 section 2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// RFC 6242.
    Ssh,
    /// RFC 7589.
    Tls,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Ssh => "netconf-ssh",
            Transport::Tls => "netconf-tls",
        })
    }
}

/// Who is at the other end of a stream, as its transport found out.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The user.
    pub principal: Principal,
    /// Whether what proved that still does.
    pub standing: Standing,
    /// How often they may ask.
    pub pace: Pace,
    /// Where they are.
    pub address: SocketAddr,
    /// How they came.
    pub transport: Transport,
}

/// Whether one more request may be answered now; it is asked once for each.
#[derive(Clone)]
pub struct Pace(Arc<dyn Fn() -> bool + Send + Sync>);

impl Pace {
    /// From the question to be asked.
    pub fn new(allows: impl Fn() -> bool + Send + Sync + 'static) -> Pace {
        Pace(Arc::new(allows))
    }

    /// Counts a request; false if it is one too many.
    pub fn allows(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pace")
    }
}

/// A session whose hellos have been exchanged.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its `session-id`.
    pub id: u32,
    /// Who is at the other end.
    pub peer: Peer,
    /// The version of the protocol that both sides have.
    pub version: Version,
    /// The capabilities of the client.
    pub capabilities: BTreeSet<String>,
}

/// Why a session ended without being closed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The stream failed, or ended inside of a message.
    #[error("the stream failed")]
    Io(#[from] io::Error),
    /// The bytes are no messages.
    #[error(transparent)]
    Framing(#[from] FramingError),
    /// With this message the server would hold too much.
    #[error("{0}")]
    TooMuch(Box<Error>),
    /// The hello of the client cannot be used.
    #[error(transparent)]
    Hello(#[from] HelloError),
    /// A message did not come to its end in time.
    #[error("the message took too long to arrive")]
    Slow,
    /// No hello came in time.
    #[error("no hello came in time")]
    Late,
}

/// The messages of the client.
#[derive(Debug)]
pub struct Incoming<S> {
    stream: ReadHalf<S>,
    decoder: Decoder,
    /// Counts the octets of the message that arrives, or is answered, for this user.
    held: Option<(Held, Principal)>,
    /// Until when the message that has begun to arrive has to be complete.
    arriving: Option<Pin<Box<Sleep>>>,
}

/// The messages to the client.
#[derive(Debug)]
pub struct Outgoing<S> {
    stream: WriteHalf<S>,
    framing: Framing,
    /// How long the client may take no byte.
    patience: Duration,
}

/// Begins a session: says hello, and waits for the client's at most `hello_timeout_s`. What the halves are for is the caller's
/// affair from then on; dropping both closes the stream.
///
/// # Errors
/// The session cannot be: the stream has to be dropped without another word (RFC 6241 section 8.1).
pub async fn open<S: AsyncRead + AsyncWrite + Send>(
    stream: S,
    peer: Peer,
    id: u32,
    capabilities: &[String],
    limits: &Limits,
) -> Result<(Session, Incoming<S>, Outgoing<S>), SessionError> {
    let (reading, writing) = tokio::io::split(stream);
    let patience = Duration::from_secs(limits.idle_timeout_s);
    let mut outgoing = Outgoing { stream: writing, framing: Framing::EndOfMessage, patience };
    let mut incoming = Incoming {
        stream: reading,
        decoder: Decoder::new(limits.hello_bytes_max),
        held: None,
        arriving: None,
    };
    let ours = hello::write(capabilities.iter().map(String::as_str), id);
    let hello_timeout = Duration::from_secs(limits.hello_timeout_s);
    let exchange = async {
        // Both sides speak at once: a client that writes first and reads later must not wait for us to read.
        let (sent, theirs) = tokio::join!(outgoing.send(ours.as_bytes()), incoming.next(hello_timeout));
        sent.and(theirs)
    };
    let message = timeout(hello_timeout, exchange);
    let message = message.await.map_err(|_| SessionError::Late)?.map_err(|error| match error {
        SessionError::Slow => SessionError::Late,
        error => error,
    })?;
    let message = message.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let hello::Hello { version, capabilities } = hello::read(&message)?;
    outgoing.framing = version.framing();
    incoming.decoder.set(version.framing(), limits.body_bytes_max);
    Ok((Session { id, peer, version, capabilities }, incoming, outgoing))
}

impl<S: AsyncRead> Incoming<S> {
    /// Has the octets of each message count for a user, from its arrival until the next one is asked for.
    pub fn count(&mut self, held: Held, principal: Principal) {
        self.held = Some((held, principal));
    }

    /// The next message, an XML document that nobody has looked at; `None` if the client has ended the stream between two. From
    /// its first octet on a message may take `patience` to arrive. While the server has no room for it no more is read.
    ///
    /// What has arrived is kept if this is dropped before it is ready.
    ///
    /// # Errors
    /// The bytes are no message, or too slow or too many, or the stream failed: the session has to end.
    pub async fn next(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, SessionError> {
        loop {
            if let Some((held, principal)) = &mut self.held {
                let octets = self.decoder.octets();
                let counted = within(&mut self.arriving, held.wait(principal, octets)).await;
                counted
                    .unwrap_or_else(|Elapsed| Err(held.too_long()))
                    .map_err(|error| SessionError::TooMuch(Box::new(error)))?;
            }
            if let Some(message) = self.decoder.take()? {
                self.arriving = None;
                return Ok(Some(message));
            }
            match self.decoder.is_inside() {
                true => {
                    self.arriving.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                }
                false => self.arriving = None,
            }
            let mut bytes = Vec::with_capacity(READ_BYTES);
            let read = within(&mut self.arriving, self.stream.read_buf(&mut bytes)).await;
            if read.map_err(|Elapsed| SessionError::Slow)?? == 0 {
                return match self.decoder.is_inside() {
                    true => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                    false => Ok(None),
                };
            }
            self.decoder.feed(&bytes);
        }
    }
}

/// The time is over.
struct Elapsed;

/// What a future comes to, unless the time is over before; what is ready is taken even then.
async fn within<T>(
    time: &mut Option<Pin<Box<Sleep>>>,
    future: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let over = async {
        match time {
            Some(time) => time.await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        output = future => Ok(output),
        () = over => Err(Elapsed),
    }
}

impl<S: AsyncWrite> Outgoing<S> {
    /// Writes a message.
    ///
    /// # Errors
    /// It cannot be framed, or the stream failed, or took nothing for `idle_timeout_s`. If this is dropped before it is ready the session has to end.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), SessionError> {
        let mut bytes = Vec::with_capacity(message.len() + 32);
        framing::encode(self.framing, message, &mut bytes)?;
        self.write(&bytes).await?;
        self.flush().await
    }

    /// Writes a message that comes in pieces: XML in which every `>` is escaped.
    ///
    /// # Errors
    /// The stream failed, or took nothing for `idle_timeout_s`, or the pieces failed. The session has to end, as has one in which this is dropped before it is ready.
    pub async fn send_pieces(
        &mut self,
        mut pieces: impl Stream<Item = io::Result<Vec<u8>>> + Unpin,
    ) -> Result<(), SessionError> {
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            bytes.clear();
            framing::piece(self.framing, &piece?, &mut bytes);
            self.write(&bytes).await?;
        }
        bytes.clear();
        framing::end(self.framing, &mut bytes);
        self.write(&bytes).await?;
        self.flush().await
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            let written =
                timeout(self.patience, self.stream.write(bytes)).await.map_err(io::Error::from)??;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        Ok(timeout(self.patience, self.stream.flush()).await.map_err(io::Error::from)??)
    }

    /// Ends the stream in order.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn close(mut self) -> Result<(), SessionError> {
        Ok(self.stream.shutdown().await?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::access::Method;
    use crate::netconf::NAMESPACE;
    use tokio::io::DuplexStream;

    fn peer() -> Peer {
        Peer {
            principal: Principal::new("ann", Default::default(), Method::Password),
            standing: Standing::new(|| true),
            pace: Pace::new(|| true),
            address: "192.0.2.1:1".parse().unwrap(),
            transport: Transport::Ssh,
        }
    }

    type Opened = Result<(Session, Incoming<DuplexStream>, Outgoing<DuplexStream>), SessionError>;

    /// The session that follows from what a client writes, and all that it gets.
    async fn opened(written: &str, limits: Limits) -> (Opened, DuplexStream) {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        theirs.write_all(written.as_bytes()).await.unwrap();
        (open(ours, peer(), 7, &["urn:a".to_owned()], &limits).await, theirs)
    }

    fn hello(version: &str) -> String {
        let uri = format!("urn:ietf:params:netconf:base:{version}");
        format!(
            "<hello xmlns='{NAMESPACE}'><capabilities><capability>{uri}</capability></capabilities></hello>]]>]]>"
        )
    }

    #[tokio::test]
    async fn messages_follow_in_the_framing_of_the_version() {
        for (version, asked, answered) in
            [("1.0", "<rpc/>]]>]]>", "<ok/>]]>]]>"), ("1.1", "\n#6\n<rpc/>\n##\n", "\n#5\n<ok/>\n##\n")]
        {
            // The client does not wait for our hello before it goes on.
            let written = hello(version) + asked;
            let (opened, mut theirs) = opened(&written, Limits::default()).await;
            let (session, mut incoming, mut outgoing) = opened.unwrap();
            assert_eq!((session.id, session.peer.principal.name.as_str()), (7, "ann"));
            assert_eq!(incoming.next(PATIENCE).await.unwrap().unwrap(), b"<rpc/>");
            outgoing.send(b"<ok/>").await.unwrap();
            outgoing.close().await.unwrap();
            theirs.shutdown().await.unwrap();
            assert_eq!(incoming.next(PATIENCE).await.unwrap(), None);
            drop(incoming);
            let mut got = String::new();
            theirs.read_to_string(&mut got).await.unwrap();
            let (hello, rest) = got.split_once("]]>]]>").unwrap();
            assert!(hello.contains("<session-id>7</session-id>") && hello.contains("<capability>urn:a<"));
            assert_eq!(rest, answered);
        }
    }

    #[tokio::test]
    async fn a_session_without_a_good_hello_is_none() {
        let limits = || Limits { hello_bytes_max: 1000, ..Limits::default() };
        let written = hello("3.0");
        assert!(matches!(opened(&written, limits()).await.0, Err(SessionError::Hello(HelloError::Version))));
        let long = format!("<hello>{}", "x".repeat(2000));
        assert!(matches!(
            opened(&long, limits()).await.0,
            Err(SessionError::Framing(FramingError::TooLong(1000)))
        ));
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        drop(theirs);
        assert!(matches!(open(ours, peer(), 1, &[], &limits()).await, Err(SessionError::Io(_))));
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_client_that_says_no_hello_is_not_waited_for() {
        let unfinished = hello("1.1").replace("]]>]]>", "]]>]]");
        let limits = Limits { hello_timeout_s: 0, ..Limits::default() };
        let (opened, _theirs) = opened(&unfinished, limits).await;
        assert!(matches!(opened, Err(SessionError::Late)));
    }

    #[tokio::test]
    async fn a_stream_that_ends_inside_of_a_message_is_an_error() {
        let written = hello("1.1") + "\n#6\n<rpc";
        let (opened, theirs) = opened(&written, Limits::default()).await;
        let (_, mut incoming, _outgoing) = opened.unwrap();
        drop(theirs);
        assert!(matches!(incoming.next(PATIENCE).await, Err(SessionError::Io(_))));
    }

    #[tokio::test]
    async fn a_message_that_has_begun_has_to_end_in_time_and_a_quiet_session_has_not() {
        let patience = Duration::from_millis(50);
        for begun in ["\n", "\n#6", "\n#6\n<rpc", "\n#6\n<rpc/>"] {
            let (opened, mut theirs) = opened(&hello("1.1"), Limits::default()).await;
            let (_, mut incoming, _outgoing) = opened.unwrap();
            assert!(timeout(patience * 2, incoming.next(patience)).await.is_err(), "nothing has begun");
            theirs.write_all(begun.as_bytes()).await.unwrap();
            // Whoever waits for something else too asks again and again.
            let asked = async {
                loop {
                    if let Ok(ended) = timeout(patience / 10, incoming.next(patience)).await {
                        break ended;
                    }
                }
            };
            let ended = timeout(PATIENCE, asked).await.unwrap();
            assert!(matches!(ended, Err(SessionError::Slow)), "{begun}");
        }
    }

    #[tokio::test]
    async fn what_has_arrived_in_time_is_taken_though_nobody_asked_for_it_before() {
        let (opened, mut theirs) = opened(&hello("1.1"), Limits::default()).await;
        let (_, mut incoming, _outgoing) = opened.unwrap();
        theirs.write_all(b"\n#6\n<rpc").await.unwrap();
        assert!(timeout(Duration::ZERO, incoming.next(PATIENCE)).await.is_err());
        theirs.write_all(b"/>\n##\n").await.unwrap();
        // The time is over before anybody asks again.
        incoming.arriving = Some(Box::pin(tokio::time::sleep(Duration::ZERO)));
        assert_eq!(incoming.next(PATIENCE).await.unwrap().unwrap(), b"<rpc/>");
    }
}
