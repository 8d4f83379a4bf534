//! A channel of SSH as a stream: what arrives is taken at once, up to a limit, so that nobody has to wait for its reader.
//!
//! It never asks for a channel nor closes one.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Room that is kept when everything has been read.
const KEPT_BYTES: usize = 16 * 1024;

/// The octets that wait to be read on all streams of a server together, and on those of each user.
#[derive(Debug, Default)]
pub struct Waiting {
    octets: AtomicUsize,
    users: Mutex<HashMap<String, Weak<AtomicUsize>>>,
}

/// How many octets may wait to be read.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// On one stream.
    pub stream: usize,
    /// On a stream whatever waits on others.
    pub always: usize,
    /// On all streams of one user.
    pub user: usize,
    /// On all streams together.
    pub all: usize,
}

impl Waiting {
    fn of_user(&self, name: &str) -> Arc<AtomicUsize> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(octets) = users.get(name).and_then(Weak::upgrade) {
            return octets;
        }
        users.retain(|_, octets| octets.strong_count() > 0);
        let octets = Arc::default();
        users.insert(name.to_owned(), Arc::downgrade(&octets));
        octets
    }
}

/// A stream of a user, and where what arrives for it has to be put. More octets that nobody reads than there is room for on the
/// stream end it; so does what is too much for the user or for all together, once more waits than is always taken.
pub fn stream(
    writer: impl AsyncWrite + Send + 'static,
    user: &str,
    room: Room,
    all: &Arc<Waiting>,
) -> (ChannelStream, Inlet) {
    let state = State { arrived: VecDeque::new(), end: None, reader: None, writer: None };
    let inbox = Inbox { room, all: Arc::clone(all), of_user: all.of_user(user), state: Mutex::new(state) };
    let inbox = Arc::new(inbox);
    let inlet = Inlet(Arc::downgrade(&inbox));
    (ChannelStream { inbox, writer: Box::pin(writer) }, inlet)
}

/// Why no more arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client sends no more, but it reads.
    Input,
    /// The channel is closed, or its connection.
    Gone,
    /// The client sent more than it may have waiting.
    TooMuch,
}

#[derive(Debug)]
struct State {
    arrived: VecDeque<u8>,
    end: Option<End>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Inbox {
    room: Room,
    all: Arc<Waiting>,
    of_user: Arc<AtomicUsize>,
    state: Mutex<State>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let left = self.state().arrived.len();
        self.take(left);
    }
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts octets beside those that wait; false if that is too much.
    fn add(&self, waiting: usize, count: usize) -> bool {
        let now = waiting.saturating_add(count);
        if now > self.room.stream {
            return false;
        }
        let bounded = |max: usize| {
            let is_taken = now <= self.room.always;
            move |octets: usize| octets.checked_add(count).filter(|octets| is_taken || *octets <= max)
        };
        if self.of_user.fetch_update(Relaxed, Relaxed, bounded(self.room.user)).is_err() {
            return false;
        }
        let is_room = self.all.octets.fetch_update(Relaxed, Relaxed, bounded(self.room.all)).is_ok();
        if !is_room {
            self.of_user.fetch_sub(count, Relaxed);
        }
        is_room
    }

    fn take(&self, count: usize) {
        self.of_user.fetch_sub(count, Relaxed);
        self.all.octets.fetch_sub(count, Relaxed);
    }
}

/// The side of a stream where what arrives is put. It never waits. When it is dropped the stream is gone.
#[derive(Debug)]
pub struct Inlet(Weak<Inbox>);

impl Inlet {
    /// Whether anybody has the stream.
    pub fn is_used(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Takes what arrived. False if that is too much, which ends the stream.
    pub fn put(&self, bytes: &[u8]) -> bool {
        let Some(inbox) = self.0.upgrade() else { return true };
        let mut state = inbox.state();
        if state.end.is_some() {
            return true;
        }
        if !inbox.add(state.arrived.len(), bytes.len()) {
            drop(state);
            self.end(End::TooMuch);
            return false;
        }
        state.arrived.extend(bytes);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
        true
    }

    /// The client sends no more.
    pub fn no_more(&self) {
        self.end(End::Input);
    }

    fn end(&self, end: End) {
        let Some(inbox) = self.0.upgrade() else { return };
        let mut state = inbox.state();
        if matches!(state.end, None | Some(End::Input)) {
            state.end = Some(end);
        }
        if end == End::TooMuch {
            inbox.take(state.arrived.len());
            state.arrived = VecDeque::new();
        }
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.end(End::Gone);
    }
}

/// The side of a stream that a session has.
pub struct ChannelStream {
    inbox: Arc<Inbox>,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
}

impl AsyncRead for ChannelStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.inbox.state();
        let (first, _) = state.arrived.as_slices();
        if let Some(next) = first.get(..first.len().min(buf.remaining()))
            && !next.is_empty()
        {
            buf.put_slice(next);
            let count = next.len();
            state.arrived.drain(..count);
            self.inbox.take(count);
            if state.arrived.is_empty() {
                state.arrived.shrink_to(KEPT_BYTES);
            }
            return Poll::Ready(Ok(()));
        }
        match state.end {
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            Some(End::Input | End::Gone) => Poll::Ready(Ok(())),
            Some(End::TooMuch) => {
                Poll::Ready(Err(io::Error::other("more was sent than may wait to be read")))
            }
        }
    }
}

impl AsyncWrite for ChannelStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        {
            // The library does not wake a writer that waits for a window when the channel is closed.
            let mut state = this.inbox.state();
            if matches!(state.end, Some(End::Gone | End::TooMuch)) {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            state.writer = Some(cx.waker().clone());
        }
        this.writer.as_mut().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.as_mut().poll_shutdown(cx)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const ROOM: Room = Room { stream: 10, always: 0, user: 100, all: 100 };

    #[tokio::test]
    async fn what_arrives_is_read_in_order_to_its_end() {
        let (mut stream, inlet) = stream(tokio::io::sink(), "ann", ROOM, &Arc::default());
        assert!(inlet.put(b"abc") && inlet.put(b"def"));
        let mut four = [0; 4];
        stream.read_exact(&mut four).await.unwrap();
        assert!(inlet.put(b"ghijklmn"));
        inlet.no_more();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!((&four, rest.as_str()), (b"abcd", "efghijklmn"));
        stream.write_all(b"a client that sends no more reads").await.unwrap();
    }

    #[tokio::test]
    async fn too_much_that_nobody_reads_ends_both_directions() {
        let (mut stream, inlet) = stream(tokio::io::sink(), "ann", ROOM, &Arc::default());
        assert!(inlet.put(b"0123456789") && !inlet.put(b"x"));
        assert!(stream.read_u8().await.is_err() && stream.write_all(b"x").await.is_err());
    }

    #[tokio::test]
    async fn too_much_on_all_streams_together_ends_the_one_that_brings_it() {
        let all = Arc::default();
        let room = Room { stream: 8, always: 0, user: 8, all: 10 };
        let (mut first, to_first) = stream(tokio::io::sink(), "ann", room, &all);
        let (mut second, to_second) = stream(tokio::io::sink(), "bob", room, &all);
        assert!(to_first.put(b"01234567") && !to_second.put(b"012"));
        assert!(second.read_u8().await.is_err());
        let (third, to_third) = stream(tokio::io::sink(), "bob", room, &all);
        let mut four = [0; 4];
        first.read_exact(&mut four).await.unwrap();
        assert!(to_third.put(b"012345"));
        drop((first, to_first, second, to_second, third, to_third));
        assert_eq!(all.octets.load(Relaxed), 0);
    }

    #[tokio::test]
    async fn a_user_with_too_much_on_many_streams_leaves_those_of_others_alone() {
        let all = Arc::default();
        let room = Room { stream: 8, always: 2, user: 12, all: 20 };
        let begin = |user: &str| stream(tokio::io::sink(), user, room, &all);
        let anns = [begin("ann"), begin("ann"), begin("ann")];
        assert!(anns[0].1.put(b"01234567") && !anns[1].1.put(b"01234") && anns[2].1.put(b"0123"));
        let bobs = [begin("bob"), begin("bob")];
        assert!(bobs[0].1.put(b"01234567"));
        // All together have no room for more, but what is always taken.
        assert!(bobs[1].1.put(b"01") && !bobs[1].1.put(b"2"));
        drop((anns, bobs));
        assert_eq!(all.octets.load(Relaxed), 0);
        let _cids = begin("cid");
        assert_eq!(all.users.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_writer_that_waits_learns_that_the_channel_is_gone() {
        let (full, _unread) = tokio::io::duplex(1);
        let (mut stream, inlet) = stream(full, "ann", ROOM, &Arc::default());
        let written = tokio::spawn(async move { stream.write_all(b"more than there is room for").await });
        drop(inlet);
        assert_eq!(written.await.unwrap().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
