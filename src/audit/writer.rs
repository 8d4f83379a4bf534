//! The thread that writes the trail: entries in groups, checkpoints, new segments, and the removal of old ones.
//!
//! It never has anybody wait for it, but for who ends it. What it cannot write is counted, and it goes on.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::Settings;
use super::checkpoint::{Checkpoint, Signer};
use super::forgotten::{self, Forgotten};
use super::note::Entry;
use super::segments::{Discontinuity, Item, Link, Reader, Removed, Start};
use super::trail::{Book, Order, QUEUE_MAX, Trail};
use crate::clock::{Clock, Timestamp};
use crate::log::{self, Hash, Head, Log, LogError, NewRecord};

/// How long an entry waits for another one, and for as many as there may be in one commit.
const GATHER: Duration = Duration::from_millis(50);
const GATHER_S: i64 = 1;
const GROUP_MAX: usize = 512;
/// How often it looks what time has brought about.
const TICK: Duration = Duration::from_secs(1);
/// How often it looks for what is too old, in seconds.
const RETAIN_S: i64 = 3600;
/// Octets that the store has for a record beside its texts, about.
const RECORD_BYTES: usize = 120;

/// Why there is no trail.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A segment cannot be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The directory cannot be read, or the thread not be started.
    #[error("the audit trail cannot be opened: {0}")]
    Io(#[from] io::Error),
    /// A record cannot be written.
    #[error("the audit trail cannot be begun: {0}")]
    Payload(#[from] serde_json::Error),
}

impl Trail {
    /// Goes on with the trail in a directory, or begins one, and starts its writer. `has_lived` says that there was one
    /// before, by what is elsewhere. Where the end is not what the checkpoint that was kept says, the trail goes on with a
    /// record of that, which is signed.
    ///
    /// # Errors
    /// The newest segment is damaged, or the system refuses something.
    pub fn open(
        directory: &Path,
        settings: Settings,
        signer: Signer,
        clock: Clock,
        has_lived: bool,
    ) -> Result<Trail, OpenError> {
        let book = Arc::new(Book::new(clock.clone(), settings));
        let reader = Reader::new(directory);
        reader.clear()?;
        let newest = reader.numbers()?.last().copied();
        if let Some(number) = newest {
            // What SQLite would forget of it is not to be forgotten by reading.
            log::check_ahead(&reader.place(number))?;
        }
        let broken = reader.discontinuity(has_lived)?;
        let number = match newest {
            Some(number) => number,
            None => {
                reader.make(1, first_of(1, None, clock.now())?)?;
                1
            }
        };
        let log = Log::open(&reader.place(number))?;
        let mut writer = Writer {
            book: Arc::clone(&book),
            reader: reader.clone(),
            signer,
            log,
            number,
            began: clock.now(),
            bytes: 0,
            unsigned: 0,
            before: Head::EMPTY,
            signed: None,
            retained: Timestamp::MIN,
            is_failing: false,
        };
        writer.began = reader.start(number)?.map_or(clock.now(), |(_, at)| at);
        writer.bytes = reader.size(number)?;
        match broken {
            Some(broken) => writer.goes_on(broken)?,
            // From the first record on a start knows that there was a trail.
            None if newest.is_none() => reader.keep(&writer.checkpoint(clock.now(), false))?,
            None => {
                let kept = reader.kept()?.filter(|kept| writer.signer.public().signed(kept));
                if let Some(Checkpoint { log_position: position, log_hash: hash, .. }) = kept {
                    writer.before = Head { position, hash, ..Head::EMPTY };
                }
            }
        }
        let (queue, orders) = sync_channel(QUEUE_MAX);
        let thread = thread::Builder::new().name("audit".into()).spawn(move || writer.run(&orders))?;
        Ok(Trail::new(book, queue, thread, reader))
    }
}

struct Writer {
    book: Arc<Book>,
    reader: Reader,
    signer: Signer,
    log: Log,
    /// Of the segment.
    number: u64,
    /// When the segment began.
    began: Timestamp,
    /// How much is in it, about.
    bytes: u64,
    /// Entries since the newest checkpoint.
    unsigned: u32,
    /// Where the event log ended by the checkpoint that was kept: who is stopped before it is open signs no less.
    before: Head,
    /// When that was made, and the position of the event log in it; `None` since the start.
    signed: Option<(Timestamp, u64)>,
    /// When old segments were looked for.
    retained: Timestamp,
    is_failing: bool,
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut stop = false;
        while !stop {
            let mut entries = Vec::new();
            match orders.recv_timeout(TICK) {
                Ok(Order::Write(entry)) => {
                    self.book.waits_no_more(&entry);
                    entries.push(entry);
                    stop = self.gather(orders, &mut entries);
                }
                Ok(Order::Forget(first, done)) => self.forgets(&first, &done),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => stop = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = self.book.clock.now();
            let mut items: Vec<Item> =
                entries.into_iter().map(|entry| Item::Entry(Box::new(Arc::unwrap_or_clone(entry)))).collect();
            items.extend(self.book.sweep(now, stop).into_iter().map(|entry| Item::Entry(Box::new(entry))));
            let count = items.len();
            let written = self.write(now, items);
            match &written {
                Ok(()) => {
                    self.unsigned = self.unsigned.saturating_add(u32::try_from(count).unwrap_or(u32::MAX))
                }
                Err(_) => (0..count).for_each(|_| self.book.drop_one()),
            }
            match written.and_then(|()| self.keep_house(now, stop)) {
                Ok(()) => self.is_failing = false,
                Err(error) => {
                    if !self.is_failing {
                        tracing::error!(%error, "the audit trail cannot be written at present");
                    }
                    self.is_failing = true;
                }
            }
        }
        if let Err(error) = self.log.close() {
            tracing::error!(%error, "the audit trail was not closed cleanly");
        }
    }

    /// Records that the trail is not what was there when the server ended, and signs that.
    fn goes_on(&mut self, broken: Discontinuity) -> Result<(), OpenError> {
        tracing::error!(
            expected = broken.expected.as_ref().map(|link| format!("{}.{}", link.segment, link.position)),
            found = broken.found.as_ref().map(|link| format!("{}.{}", link.segment, link.position)),
            "the audit trail is not as it was left"
        );
        let now = self.book.clock.now();
        self.reader.set_aside(now)?;
        self.write(now, vec![Item::Discontinuity(broken)])?;
        self.sign(now, false)?;
        // The event log is signed as soon as it is open.
        self.signed = None;
        Ok(())
    }

    /// Waits for what comes soon after an entry, for one commit. True if it is the end.
    fn gather(&mut self, orders: &Receiver<Order>, entries: &mut Vec<Arc<Entry>>) -> bool {
        let until = self.book.clock.now().saturating_add_seconds(GATHER_S);
        while entries.len() < GROUP_MAX && self.book.clock.now() < until {
            match orders.recv_timeout(GATHER) {
                Ok(Order::Write(entry)) => {
                    self.book.waits_no_more(&entry);
                    entries.push(entry);
                }
                Ok(Order::Forget(first, done)) => self.forgets(&first, &done),
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        false
    }

    /// Notes that the beginning of the event log is kept no longer, and tells who waits for it whether that is done.
    fn forgets(&mut self, first: &Head, done: &SyncSender<bool>) {
        let now = self.book.clock.now();
        let entry = Item::Entry(Box::new(forgotten::entry(first, now, self.book.log().position)));
        let written = self
            .write(now, vec![entry])
            .and_then(|()| self.note_forgotten(now, now, (first.position, first.hash)))
            .and_then(|()| self.sign(now, false));
        if let Err(error) = &written {
            tracing::error!(%error, "what is kept no longer cannot be noted in the audit trail");
        }
        // Who does not wait any more does not go on either.
        let _ = done.send(written.is_ok());
    }

    fn note_forgotten(&mut self, now: Timestamp, at: Timestamp, up_to: (u64, Hash)) -> Result<(), OpenError> {
        let Head { position, hash, .. } = self.log.last();
        let before = Link { segment: self.number, position, hash };
        self.write(now, vec![Item::Forgotten(Forgotten::new(at, before, up_to, &self.signer))])
    }

    /// What time has brought about.
    fn keep_house(&mut self, now: Timestamp, stop: bool) -> Result<(), OpenError> {
        let log = self.book.log().position;
        let is_due = match self.signed {
            None => log > 0,
            Some((at, signed)) => {
                let is_time =
                    at.saturating_add_seconds(self.book.settings.load().checkpoint_seconds.into()) <= now;
                let is_new = self.unsigned > 0 || log != signed;
                (is_new && is_time) || self.unsigned >= self.book.settings.load().checkpoint_entries
            }
        };
        if is_due || stop {
            self.sign(now, stop)?;
        }
        let hours = i64::from(self.book.settings.load().segment_hours) * 3600;
        let is_old = self.began.saturating_add_seconds(hours) <= now && self.log.last().position > 1;
        if (self.bytes >= self.book.settings.load().segment_bytes || is_old) && !stop {
            self.next_segment(now)?;
            self.retained = Timestamp::MIN;
        }
        if self.retained.saturating_add_seconds(RETAIN_S) <= now && !stop {
            self.retained = now;
            self.retain(now)?;
        }
        Ok(())
    }

    fn write(&mut self, now: Timestamp, items: Vec<Item>) -> Result<(), OpenError> {
        if items.is_empty() {
            return Ok(());
        }
        let mut records = Vec::with_capacity(items.len());
        for item in items {
            let record = item.to_record(now)?;
            let texts = record.actor.len() + record.origin.len() + record.payload.len();
            self.bytes = self.bytes.saturating_add((texts + RECORD_BYTES) as u64);
            records.push(vec![record]);
        }
        self.log.append(&records)?;
        Ok(())
    }

    /// Signs what both logs hold.
    fn sign(&mut self, now: Timestamp, stop: bool) -> Result<(), OpenError> {
        let checkpoint = self.checkpoint(now, stop);
        self.write(now, vec![Item::Checkpoint(checkpoint.clone())])?;
        (self.unsigned, self.signed) = (0, Some((now, checkpoint.log_position)));
        Ok(self.reader.keep(&checkpoint)?)
    }

    fn checkpoint(&self, now: Timestamp, stop: bool) -> Checkpoint {
        let trail = self.log.last();
        let log = Some(self.book.log()).filter(|log| log.position > 0).unwrap_or(self.before);
        self.signer.sign(Checkpoint {
            at: now,
            segment: self.number,
            position: trail.position,
            hash: trail.hash,
            log_position: log.position,
            log_hash: log.hash,
            stop,
            key: String::new(),
            signature: String::new(),
        })
    }

    fn next_segment(&mut self, now: Timestamp) -> Result<(), OpenError> {
        self.sign(now, false)?;
        let last = self.log.last();
        let before = Link { segment: self.number, position: last.position, hash: last.hash };
        let (number, began) = (self.number + 1, self.book.clock.now());
        self.reader.make(number, first_of(number, Some(before), began)?)?;
        let log = Log::open(&self.reader.place(number))?;
        let full = std::mem::replace(&mut self.log, log);
        (self.number, self.began, self.bytes) = (number, began, 0);
        Ok(full.close()?)
    }

    /// Removes segments that are too old, or one too many.
    fn retain(&mut self, now: Timestamp) -> Result<(), OpenError> {
        let numbers = self.reader.numbers()?;
        let mut total = 0;
        for number in &numbers {
            total += self.reader.size(*number)?;
        }
        let days = i64::from(self.book.settings.load().retention_days);
        for (number, next) in numbers.iter().zip(numbers.iter().skip(1)) {
            // A segment ends when the next begins, which says where.
            let Some((Start { before: Some(last), .. }, at)) = self.reader.start(*next)? else { break };
            let is_old = days > 0 && at.saturating_add_seconds(days * 24 * 3600) <= now;
            if !is_old && total <= self.book.settings.load().bytes_max {
                break;
            }
            total = total.saturating_sub(self.reader.size(*number)?);
            tracing::info!(number, "a segment of the audit trail is removed for its age or size");
            // This has to be known as long as the event log is there.
            let stands = self.reader.forgotten(*number, self.signer.public())?;
            if let Some(Forgotten { at, log_position, log_hash, .. }) = stands {
                self.note_forgotten(now, at, (log_position, log_hash))?;
            }
            // Told of each one before it goes, so that what is there is always what was told.
            self.write(now, vec![Item::Removed(Removed { first: *number, last })])?;
            self.reader.remove(*number)?;
        }
        Ok(())
    }
}

/// The first record of a segment.
fn first_of(segment: u64, before: Option<Link>, at: Timestamp) -> Result<NewRecord, serde_json::Error> {
    Item::Segment(Start { segment, before }).to_record(at)
}
