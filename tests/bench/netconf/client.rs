//! A NETCONF session of base:1.1 that costs little beside the server it measures: it looks at no more of an answer than its
//! end and whether it has an error. It never retries.

use std::fmt;

use agentconf::netconf::NAMESPACE;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::Outcome;

/// What carries a session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Over {
    /// RFC 6242.
    Ssh,
    /// RFC 7589.
    Tls,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Over::Ssh => "SSH",
            Over::Tls => "TLS",
        })
    }
}

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

const END_OF_HELLO: &[u8] = b"]]>]]>";
const END_OF_CHUNKS: &[u8] = b"\n##\n";

/// A session that has begun.
pub struct Session {
    reading: Reading,
    writing: WriteHalf<Box<dyn Duplex>>,
    /// What has to live as long.
    _connection: Box<dyn Send>,
}

struct Reading {
    stream: ReadHalf<Box<dyn Duplex>>,
    read: Vec<u8>,
}

impl Session {
    /// Exchanges hellos on a stream. The connection is kept with it.
    pub async fn begin(stream: Box<dyn Duplex>, connection: Box<dyn Send>) -> Outcome<Session> {
        let (stream, mut writing) = split(stream);
        let mut reading = Reading { stream, read: Vec::new() };
        let versions =
            ["1.0", "1.1"].map(|v| format!("<capability>urn:ietf:params:netconf:base:{v}</capability>"));
        let capabilities = versions.concat();
        let hello =
            format!("<hello xmlns=\"{NAMESPACE}\"><capabilities>{capabilities}</capabilities></hello>");
        writing.write_all(&[hello.as_bytes(), END_OF_HELLO].concat()).await?;
        reading.until(END_OF_HELLO).await?;
        Ok(Session { reading, writing, _connection: connection })
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, operation: &str) -> Outcome<()> {
        self.writing.write_all(&message(operation)).await?;
        self.writing.flush().await?;
        self.reading.answer().await
    }

    /// Asks all without waiting, and waits for the answers meanwhile.
    pub async fn ask_ahead(&mut self, operations: Vec<String>) -> Outcome<()> {
        let (reading, writing) = (&mut self.reading, &mut self.writing);
        let answered = async {
            for _ in 0..operations.len() {
                reading.answer().await?;
            }
            Outcome::Ok(())
        };
        let asked = async {
            for some in operations.chunks(32) {
                let messages: Vec<u8> = some.iter().flat_map(|operation| message(operation)).collect();
                writing.write_all(&messages).await?;
            }
            Ok(writing.flush().await?)
        };
        let (answered, asked): (Outcome<()>, Outcome<()>) = tokio::join!(answered, asked);
        answered.and(asked)
    }
}

fn message(operation: &str) -> Vec<u8> {
    let rpc = format!("<rpc xmlns=\"{NAMESPACE}\" message-id=\"1\">{operation}</rpc>");
    format!("\n#{}\n{rpc}\n##\n", rpc.len()).into_bytes()
}

impl Reading {
    async fn answer(&mut self) -> Outcome<()> {
        let answer = self.until(END_OF_CHUNKS).await?;
        match answer.windows(10).any(|bytes| bytes == b"<rpc-error") {
            false => Ok(()),
            true => Err(String::from_utf8_lossy(&answer).into()),
        }
    }

    async fn until(&mut self, end: &[u8]) -> Outcome<Vec<u8>> {
        let mut looked = 0;
        loop {
            if let Some(at) = self.read[looked..].windows(end.len()).position(|bytes| bytes == end) {
                let rest = self.read.split_off(looked + at + end.len());
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            looked = self.read.len().saturating_sub(end.len());
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err("the server closed the session".into());
            }
        }
    }
}
