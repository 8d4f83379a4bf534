//! Large answers: work that writes much, done beside the runtime and taken away piece by piece.
//!
//! A reader that is slow stops the work and nothing else: what is read is a snapshot. Nothing here knows
//! what is written.

use std::io;
use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::yang::encode::Drain;
use crate::yang::error::{Error, Tag};

/// Octets that are written before they are passed on.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that wait for a slow reader.
const PIECES_MAX: usize = 4;

/// Where the work puts what it writes.
#[derive(Debug)]
pub struct Output(mpsc::Sender<Piece>);

#[derive(Debug)]
enum Piece {
    Some(Vec<u8>),
    /// The work is complete.
    Last(Vec<u8>),
}

impl Drain for Output {
    fn drain(&self, written: &mut Vec<u8>) -> bool {
        if written.len() < PIECE_BYTES {
            return true;
        }
        let piece = std::mem::replace(written, Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8));
        self.0.blocking_send(Piece::Some(piece)).is_ok()
    }
}

fn permit(permits: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    permits.clone().try_acquire_owned().map_err(|_| {
        Error::protocol(Tag::ResourceDenied, "too many large answers are under way, try again later")
            .app_tag("busy")
    })
}

/// Does work that takes long beside the runtime.
///
/// # Errors
/// `resource-denied` if as much of it as `permits` is under way.
pub(super) async fn apart<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let permit = permit(permits)?;
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|_| Error::protocol(Tag::OperationFailed, "the answer could not be completed"))
}

/// The same, but what finds too many under way waits for its turn.
///
/// # Errors
/// `operation-failed` if the work does not come to its end.
pub(super) async fn in_turn<T: Send + 'static>(
    permits: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let failed = || Error::protocol(Tag::OperationFailed, "the answer could not be completed");
    let permit = permits.clone().acquire_owned().await.map_err(|_| failed())?;
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|_| failed())
}

/// Does the work on a thread of its own. The stream fails if the work does not come to its end.
///
/// # Errors
/// `resource-denied` if as many such answers as `permits` are under way.
pub(super) fn produce(
    permits: &Arc<Semaphore>,
    work: impl FnOnce(&Output) -> Vec<u8> + Send + 'static,
) -> Result<impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static, Error> {
    let permit = permit(permits)?;
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let output = Output(sender);
        let rest = work(&output);
        // Who asked may have gone.
        let _ = output.0.blocking_send(Piece::Last(rest));
    });
    Ok(unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::Some(piece)) => Some((Ok(piece), Some(pieces))),
            Some(Piece::Last(piece)) => Some((Ok(piece), None)),
            None => Some((Err(io::Error::other("the answer could not be completed")), None)),
        }
    }))
}
