//! One TCP connection with two manners that sockets lack: it ends when nothing moves, and it closes gently.
//!
//! It never looks at the bytes.

#![expect(
    clippy::disallowed_methods,
    reason = "how long a socket is silent is measured by the runtime's clock"
)]

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::shutdown::Shutdown;

/// Input that stops for so long while we linger has ended.
const QUIET: Duration = Duration::from_secs(1);

/// A connection that fails with [`io::ErrorKind::TimedOut`] when no byte has moved for too long.
///
/// Closing it sends the end of our side and then drops what still comes in, for `linger` at most. A socket that is
/// closed with unread input sends a reset instead, and the client may lose the answer that says why its upload was refused.
pub struct Stream {
    tcp: TcpStream,
    idle: Duration,
    linger: Duration,
    last_move: Instant,
    timer: Pin<Box<Sleep>>,
    linger_until: Option<Instant>,
    shutdown: Shutdown,
}

impl Stream {
    /// Takes a connection, which ends when no byte has moved for `idle`. When `shutdown` has begun, closing it does not
    /// linger.
    pub fn new(tcp: TcpStream, idle: Duration, linger: Duration, shutdown: Shutdown) -> Stream {
        let timer = Box::pin(tokio::time::sleep(idle));
        Stream { tcp, idle, linger, last_move: Instant::now(), timer, linger_until: None, shutdown }
    }

    /// Passes a result on; where the socket has to wait, looks whether it has waited for too long.
    fn watch<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.last_move = Instant::now();
            return result;
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let end = self.last_move + self.idle;
            if end <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.tcp).poll_read(cx, buf);
        self.watch(cx, result)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.watch(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs);
        self.watch(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let until = match this.linger_until {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
                let until = Instant::now() + this.linger;
                this.timer.as_mut().reset(until.min(Instant::now() + QUIET));
                *this.linger_until.insert(until)
            }
        };
        let mut dropped = [0; 8192];
        loop {
            if this.shutdown.has_begun() || this.timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut this.tcp).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    this.timer.as_mut().reset(until.min(Instant::now() + QUIET));
                }
                // The client has closed its side too, or is gone.
                _ => return Poll::Ready(Ok(())),
            }
        }
    }
}
