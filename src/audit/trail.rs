//! The handle by which everything is noted: cheap, never waiting, and never more than there is room for.
//!
//! The same thing within a minute is one entry, and at its end another one with a count; so is what is left when somebody
//! does many different things. What finds no room is counted. It never touches a file: the writer does.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;

use super::Settings;
use super::note::{Changed, Entry, Kind, Note, Who};
use super::segments::Reader;
use crate::access::{AuthError, Method, Principal, Source};
use crate::clock::{Clock, Timestamp};
use crate::log::Head;
use crate::yang::error::{Error, Tag};

/// How long the same thing is counted instead of written, in seconds.
pub(super) const WINDOW_S: i64 = 60;
/// Different things that are remembered for that long, of users; and of strangers, who take no room of theirs.
const SEEN_MAX: usize = 16 * 1024;
/// Different things that one user, or all unknown ones, from one network may do in that time before they are collapsed.
const OF_ONE_MAX: u32 = 512;
/// Entries that wait for the writer; and of them, those that are about strangers.
pub(super) const QUEUE_MAX: usize = 8 * 1024;
const STRANGERS_WAIT_MAX: usize = QUEUE_MAX / 2;

/// The handle. Without a writer it notes nothing: for programs that have the engine alone.
#[derive(Clone, Default)]
pub struct Trail(Option<Arc<Handle>>);

struct Handle {
    book: Arc<Book>,
    queue: SyncSender<Order>,
    writer: Mutex<Option<JoinHandle<()>>>,
    reader: Reader,
}

/// What the writer gets.
pub(super) enum Order {
    Write(Arc<Entry>),
    /// The beginning of the event log goes, up to there; who waits is told whether that is written.
    Forget(Head, SyncSender<bool>),
    Stop,
}

/// What handle and writer share.
pub(super) struct Book {
    pub(super) clock: Clock,
    pub(super) settings: ArcSwap<Settings>,
    hasher: RandomState,
    /// Of users, and of strangers.
    seen: [Mutex<Seen>; 2],
    /// Entries about strangers that wait for the writer.
    strangers: AtomicUsize,
    dropped: AtomicU64,
    /// Those of them that an entry tells of.
    told: AtomicU64,
    log: Mutex<Head>,
}

struct Seen {
    things: HashMap<u64, Arc<Thing>>,
    /// How many things each has done, for a window.
    spent: HashMap<u64, u32>,
    spent_since: Timestamp,
}

/// Something that was written a short time ago.
struct Thing {
    entry: Arc<Entry>,
    /// How often it was repeated since, or [`OVER`].
    repeats: AtomicU64,
}

/// Something that has to be in the trail before it is done could not be written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it cannot be noted in the audit trail")]
pub struct NotNoted;

/// It is counted no more.
const OVER: u64 = 1 << 63;

/// Something that was noted, to be noted again by who notes the same often.
#[derive(Clone, Default)]
pub struct Noted(Option<Arc<Thing>>);

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noted")
    }
}

impl Trail {
    pub(super) fn new(
        book: Arc<Book>,
        queue: SyncSender<Order>,
        writer: JoinHandle<()>,
        reader: Reader,
    ) -> Trail {
        Trail(Some(Arc::new(Handle { book, queue, writer: Mutex::new(Some(writer)), reader })))
    }

    /// Notes something.
    pub fn note(&self, note: &Note<'_>) -> Noted {
        let Some(handle) = &self.0 else { return Noted(None) };
        let book = &handle.book;
        let (thing, is_new) = book.note(note);
        if let Some(thing) = thing.as_ref().filter(|_| is_new) {
            handle.write(&thing.entry);
        }
        Noted(thing)
    }

    /// Somebody has proved who they are.
    pub fn authenticated(&self, principal: &Principal) -> Noted {
        let kind = Kind::Authentication;
        let who = Who::Known(principal);
        self.note(&Note { kind, who, operation: "", path: None, outcome: "ok", app_tag: None })
    }

    /// The same by who has noted it before, or has noted nothing yet.
    pub fn authenticated_again(&self, principal: &Principal, noted: &mut Noted) {
        if !noted.0.as_ref().is_some_and(|thing| thing.repeat()) {
            *noted = self.authenticated(principal);
        }
    }

    /// Somebody has not; `user` is who they say they are.
    pub fn not_authenticated(&self, user: &str, method: Option<Method>, source: Source, error: &AuthError) {
        let (kind, who) = (Kind::Authentication, Who::Claimed { user, method, source });
        self.note(&Note { kind, who, operation: "", path: None, outcome: error.reason(), app_tag: None });
    }

    /// A user has invoked something, or was refused it.
    pub fn invoked(&self, principal: &Principal, operation: &str, path: Option<&str>, error: Option<&Error>) {
        let kind = match error {
            Some(error) if error.tag == Tag::AccessDenied => Kind::Refusal,
            _ => Kind::Invocation,
        };
        let outcome = error.map_or("ok", |error| error.tag.as_str());
        let app_tag = error.and_then(|error| error.app_tag.as_deref());
        self.note(&Note { kind, who: Who::Known(principal), operation, path, outcome, app_tag });
    }

    /// Something was refused because there are too many of its kind; `app_tag` says which limit it is.
    pub fn too_many(&self, who: Who<'_>, operation: &str, app_tag: &str) {
        let (outcome, app_tag) = (Tag::ResourceDenied.as_str(), Some(app_tag));
        self.note(&Note { kind: Kind::Refusal, who, operation, path: None, outcome, app_tag });
    }

    /// The server has taken up what an administrator did.
    pub fn administered(&self, operation: &str, path: &str) {
        let (kind, who, path) = (Kind::Administration, Who::Server, Some(path));
        self.note(&Note { kind, who, operation, path, outcome: "ok", app_tag: None });
    }

    /// The server has seen that an administrator changed who gets in.
    pub fn changed(&self, operation: &str, changed: Changed<'_>) {
        let (kind, who) = (Kind::Administration, Who::Administered(changed));
        self.note(&Note { kind, who, operation, path: None, outcome: "ok", app_tag: None });
    }

    /// The event log ends there now.
    pub fn committed(&self, head: Head) {
        if let Some(handle) = &self.0 {
            *handle.book.log.lock().unwrap_or_else(PoisonError::into_inner) = head;
        }
    }

    /// Writes that what the event log has up to there is kept no longer, and signs it. Waits for that; to be done before it goes.
    ///
    /// # Errors
    /// It is not written.
    pub fn forgetting(&self, first: Head) -> Result<(), NotNoted> {
        let Some(handle) = &self.0 else { return Ok(()) };
        let (done, is_done) = sync_channel(1);
        handle.queue.send(Order::Forget(first, done)).map_err(|_| NotNoted)?;
        match is_done.recv() {
            Ok(true) => Ok(()),
            _ => Err(NotNoted),
        }
    }

    /// How the trail is kept from now on.
    pub fn keep_as(&self, settings: &Settings) {
        if let Some(handle) = &self.0 {
            handle.book.settings.store(Arc::new(settings.clone()));
        }
    }

    /// How many notes have become no entry since the start.
    pub fn dropped(&self) -> u64 {
        let of = |book: &Book| book.told.load(Relaxed).saturating_add(book.dropped.load(Relaxed));
        self.0.as_ref().map_or(0, |handle| of(&handle.book))
    }

    /// What is written; `None` without a writer.
    pub fn reader(&self) -> Option<&Reader> {
        self.0.as_deref().map(|handle| &handle.reader)
    }

    /// Writes what is noted, signs it and ends the writer. Waits for that.
    pub fn stop(&self) {
        if let Some(handle) = &self.0 {
            handle.stop();
        }
    }
}

impl Thing {
    /// Counts it once more; false if its time is over.
    fn repeat(&self) -> bool {
        let counted = |repeats: u64| (repeats < OVER).then(|| repeats + 1);
        self.repeats.fetch_update(Relaxed, Relaxed, counted).is_ok()
    }
}

impl Handle {
    /// Has an entry written, if there is room for it.
    fn write(&self, entry: &Arc<Entry>) {
        let book = &self.book;
        if !book.may_wait(entry) {
            return book.drop_one();
        }
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Order::Write(Arc::clone(entry))) {
            book.waits_no_more(entry);
            book.drop_one();
        }
    }

    fn stop(&self) {
        let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // Who is not there any more has done it.
        let _ = self.queue.send(Order::Stop);
        if writer.join().is_err() {
            tracing::error!("the writer of the audit trail failed");
        }
    }
}

impl Drop for Handle {
    /// Whoever does not come to stop it, because a start fails, leaves no thread that holds its files.
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trail")
    }
}

impl Book {
    pub(super) fn new(clock: Clock, settings: Settings) -> Book {
        let settings = ArcSwap::from_pointee(settings);
        let (hasher, spent_since) = (RandomState::new(), clock.now());
        let seen = || Mutex::new(Seen { things: HashMap::new(), spent: HashMap::new(), spent_since });
        let (seen, strangers) = ([seen(), seen()], AtomicUsize::new(0));
        let (dropped, told) = (AtomicU64::new(0), AtomicU64::new(0));
        Book { clock, settings, hasher, seen, strangers, dropped, told, log: Mutex::new(Head::EMPTY) }
    }

    /// Where the event log ends.
    pub(super) fn log(&self) -> Head {
        *self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a note that becomes no entry.
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// Whether an entry may wait for the writer. If so it has to be said when it does no more.
    fn may_wait(&self, entry: &Entry) -> bool {
        if !entry.is_of_a_stranger() {
            return true;
        }
        let waits = self.strangers.fetch_add(1, Relaxed) < STRANGERS_WAIT_MAX;
        if !waits {
            self.waits_no_more(entry);
        }
        waits
    }

    /// The writer has taken an entry.
    pub(super) fn waits_no_more(&self, entry: &Entry) {
        if entry.is_of_a_stranger() {
            self.strangers.fetch_sub(1, Relaxed);
        }
    }

    fn seen(&self, is_known: bool) -> MutexGuard<'_, Seen> {
        let [users, strangers] = &self.seen;
        let seen = if is_known { users } else { strangers };
        seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a note tells of, and whether an entry is to be written of it; else it is counted.
    fn note(&self, note: &Note<'_>) -> (Option<Arc<Thing>>, bool) {
        let Note { kind, who, operation, path, outcome, app_tag } = note;
        let network = who.source().map(|source| (source.protocol, source.network()));
        let is_known = !matches!(who, Who::Claimed { .. });
        let what = (kind, who.method(), network, outcome, app_tag);
        // Who comes with other rights, or by another key, is told of again.
        let by = (who.groups(), who.credential(), who.changed());
        let key = self.hasher.hash_one((what, by, who.user(), is_known, operation, path));
        let mut seen = self.seen(is_known);
        if let Some(thing) = seen.again(key) {
            return (Some(thing), false);
        }
        let someone = if is_known { who.user() } else { "" };
        let spender = self.hasher.hash_one((network, someone, is_known));
        if !seen.spend(spender) {
            // Whoever does so many different things is not told apart by them any more.
            let groups = who.groups().filter(|_| matches!(who, Who::Known(_)));
            let operation = if is_known { operation } else { "" };
            let key = self.hasher.hash_one((what, groups, someone, is_known, operation));
            if seen.again(key).is_some() {
                // What it tells of is less than what was noted.
                return (None, false);
            }
            return (self.begin(&mut seen, key, note, true), true);
        }
        (self.begin(&mut seen, key, note, false), true)
    }

    fn begin(&self, seen: &mut Seen, key: u64, note: &Note<'_>, collapsed: bool) -> Option<Arc<Thing>> {
        if seen.things.len() >= SEEN_MAX {
            self.drop_one();
            return None;
        }
        let entry = Arc::new(Entry::of(note, self.clock.now(), self.log().position, collapsed));
        let thing = Arc::new(Thing { entry, repeats: AtomicU64::new(0) });
        seen.things.insert(key, Arc::clone(&thing));
        Some(thing)
    }

    /// What has to be written as time has passed, or of everything: how often things were repeated, and how many notes became
    /// no entry.
    pub(super) fn sweep(&self, now: Timestamp, all: bool) -> Vec<Entry> {
        let mut entries = Vec::new();
        let is_over = |since: Timestamp| all || since.saturating_add_seconds(WINDOW_S) <= now || now < since;
        for is_known in [true, false] {
            let mut seen = self.seen(is_known);
            seen.things.retain(|_, thing| {
                let over = is_over(thing.entry.at);
                let repeats = if over { thing.repeats.swap(OVER, Relaxed) } else { 0 };
                if repeats > 0 {
                    entries.push(thing.entry.repeated(repeats, now));
                }
                !over
            });
            if is_over(seen.spent_since) {
                seen.spent.clear();
                seen.spent_since = now;
            }
        }
        let dropped = self.dropped.swap(0, Relaxed);
        self.told.fetch_add(dropped, Relaxed);
        entries.extend((dropped > 0).then(|| Entry::dropped(dropped, now, self.log().position)));
        entries
    }
}

impl Seen {
    /// Counts a thing once more, if it was written a short time ago.
    fn again(&self, key: u64) -> Option<Arc<Thing>> {
        self.things.get(&key).filter(|thing| thing.repeat()).cloned()
    }

    /// Whether one who has done so many different things may do one more.
    fn spend(&mut self, spender: u64) -> bool {
        let is_full = self.spent.len() >= SEEN_MAX;
        match self.spent.get_mut(&spender) {
            Some(count) => {
                *count += 1;
                *count <= OF_ONE_MAX
            }
            None if is_full => false,
            None => {
                self.spent.insert(spender, 1);
                true
            }
        }
    }
}
