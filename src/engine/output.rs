//! Large answers: work that writes much, done beside the runtime and taken away piece by piece.
//!
//! A reader that is slow stops the work and nothing else: what is read is a snapshot, and no user has more than a share
//! of what can be under way. Nothing here knows what is written.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::access::Principal;
use crate::limits::Limits;
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

/// The large answers that are under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    all: Arc<Semaphore>,
    user_max: usize,
    /// Of each user that has some.
    users: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
struct Permit {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl UnderWay {
    /// None yet.
    pub(super) fn new(limits: &Limits) -> Arc<UnderWay> {
        let most = |limit: usize| limit.min(Semaphore::MAX_PERMITS);
        let all = Arc::new(Semaphore::new(most(limits.large_answers_max)));
        Arc::new(UnderWay { all, user_max: most(limits.large_answers_user_max), users: Mutex::default() })
    }

    /// The share of a user.
    fn own(&self, principal: &Principal) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        // Permits hold theirs; what nobody holds is full again.
        users.retain(|_, own| Arc::strong_count(own) > 1);
        let new = || Arc::new(Semaphore::new(self.user_max));
        users.entry(principal.name.clone()).or_insert_with(new).clone()
    }

    /// One more, if there can be.
    fn begin(&self, principal: &Principal) -> Result<Permit, Error> {
        let busy = |whose: &str| {
            let message = format!("{whose} large answers are under way, try again later");
            Error::protocol(Tag::ResourceDenied, message).app_tag("busy")
        };
        let own = self.own(principal).try_acquire_owned().map_err(|_| busy("too many of your"))?;
        let all = self.all.clone().try_acquire_owned().map_err(|_| busy("too many"))?;
        Ok(Permit { _all: all, _own: own })
    }

    /// One more, when there can be.
    async fn turn(&self, principal: &Principal) -> Result<Permit, AcquireError> {
        let own = self.own(principal).acquire_owned().await?;
        Ok(Permit { _all: self.all.clone().acquire_owned().await?, _own: own })
    }
}

/// Does work that takes long beside the runtime.
///
/// # Errors
/// `resource-denied` if as much of it is under way as can be, for all or for this principal.
pub(super) async fn apart<T: Send + 'static>(
    under_way: &Arc<UnderWay>,
    principal: &Principal,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let permit = under_way.begin(principal)?;
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
    under_way: &Arc<UnderWay>,
    principal: &Principal,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let failed = || Error::protocol(Tag::OperationFailed, "the answer could not be completed");
    let permit = under_way.turn(principal).await.map_err(|_| failed())?;
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|_| failed())
}

/// Does the work on a thread of its own. The stream fails if the work does not come to its end.
///
/// # Errors
/// `resource-denied` if as many such answers are under way as can be, for all or for this principal.
pub(super) fn produce(
    under_way: &Arc<UnderWay>,
    principal: &Principal,
    work: impl FnOnce(&Output) -> Vec<u8> + Send + 'static,
) -> Result<impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static, Error> {
    let permit = under_way.begin(principal)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::access::Method;

    #[test]
    fn no_user_takes_the_share_of_others() {
        let limits = Limits { large_answers_max: 3, large_answers_user_max: 2, ..Limits::default() };
        let all = UnderWay::new(&limits);
        let [ann, bob] = ["ann", "bob"].map(|name| Principal::new(name, Default::default(), Method::Local));
        let (first, _second) = (all.begin(&ann).unwrap(), all.begin(&ann).unwrap());
        assert!(all.begin(&ann).unwrap_err().message.contains("your"));
        let bobs = all.begin(&bob).unwrap();
        assert_eq!(all.begin(&bob).unwrap_err().app_tag.as_deref(), Some("busy"));
        drop(first);
        let _third = all.begin(&ann).unwrap();
        drop(bobs);
        all.own(&ann);
        assert_eq!(all.users.lock().unwrap().keys().collect::<Vec<_>>(), ["ann"]);
    }
}
