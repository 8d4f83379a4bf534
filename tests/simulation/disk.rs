//! Storage that fails, crashes and tears when it is told to. Beneath is the real log; what a power failure leaves of its
//! files is made by copying them and spoiling what no sync had covered. It never spoils anything else, unless it is mutated.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agentconf::log::{Head, Journal, Log, LogError, LogReader, NewRecord, archive, snapshots};

use super::mutation::Mutation;

const DATABASE: &str = "log.sqlite3";
const WRITE_AHEAD: &str = "log.sqlite3-wal";

/// What becomes of the group that is being written when the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tear {
    /// It never reached the disk.
    Nothing,
    /// All of it did, and nobody was told.
    Whole,
    /// It ends after so many thousandths.
    Cut(u64),
    /// A sector in it is zeros, so many thousandths from its beginning.
    Hole(u64),
}

/// How the storage is to behave.
#[derive(Debug, Default)]
pub struct Orders {
    /// So many appends fail from now on.
    pub failing: u32,
    /// The power fails during the next append that writes something.
    pub crash: Option<(Tear, PathBuf)>,
    /// The power has failed: what it left is at that place.
    pub crashed: bool,
    pub mutation: Option<Mutation>,
    /// Octets of the write-ahead log that a sync has covered, and those before the newest sync.
    synced: u64,
    synced_before: u64,
    appends: u64,
}

/// The storage and who commands it share this.
#[derive(Debug, Clone, Default)]
pub struct Command(Arc<Mutex<Orders>>);

impl Command {
    pub fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log, with its faults.
#[derive(Debug)]
pub struct Disk {
    log: Log,
    directory: PathBuf,
    command: Command,
}

impl Disk {
    pub fn open(directory: &Path, command: &Command) -> Result<Disk, LogError> {
        let log = Log::open(directory)?;
        let disk = Disk { log, directory: directory.to_owned(), command: command.clone() };
        synced(command, directory);
        let mut orders = command.orders();
        (orders.failing, orders.crash, orders.crashed) = (0, None, false);
        drop(orders);
        Ok(disk)
    }
}

/// All that is written is synced: not by an append.
pub fn synced(command: &Command, directory: &Path) {
    let length = written(directory);
    let mut orders = command.orders();
    (orders.synced, orders.synced_before) = (length, length);
}

/// What the power failure leaves of the files between two appends.
pub fn leave(command: &Command, from: &Path, to: &Path) {
    let orders = command.orders();
    copy(from, to, orders.mutation);
    if orders.mutation == Some(Mutation::DiskForgetsASync) {
        cut(to, orders.synced_before);
    }
}

/// What it leaves of archives.
pub fn leave_archives(command: &Command, from: &Path, to: &Path) {
    if command.orders().mutation != Some(Mutation::DiskForgetsArchives) {
        copy_all(from, to, archive::DIRECTORY);
    }
}

fn written(directory: &Path) -> u64 {
    fs::metadata(directory.join(WRITE_AHEAD)).map_or(0, |file| file.len())
}

fn copy(from: &Path, to: &Path, mutation: Option<Mutation>) {
    fs::create_dir_all(to).expect("a directory");
    for name in [DATABASE, WRITE_AHEAD] {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).expect("it is copied");
        }
    }
    copy_all(from, to, snapshots::DIRECTORY);
    if mutation != Some(Mutation::DiskForgetsArchives) {
        copy_all(from, to, archive::DIRECTORY);
    }
}

/// What a directory in both has.
fn copy_all(from: &Path, to: &Path, directory: &str) {
    let (from, to) = (from.join(directory), to.join(directory));
    if !from.exists() {
        return;
    }
    fs::create_dir_all(&to).expect("a directory");
    for file in fs::read_dir(from).expect("it is read") {
        let file = file.expect("it is read");
        fs::copy(file.path(), to.join(file.file_name())).expect("it is copied");
    }
}

/// Cuts the newest snapshot off, as a disk does that loses what it has.
pub fn cut_snapshot(directory: &Path) {
    let found = snapshots::list(directory).expect("they are read");
    if let Some(newest) = found.first() {
        let file = fs::OpenOptions::new().write(true).open(newest.path()).expect("it is there");
        let length = file.metadata().expect("it is there").len();
        file.set_len(length * 2 / 3).expect("it is cut");
    }
}

fn cut(directory: &Path, length: u64) {
    let file = fs::OpenOptions::new().write(true).open(directory.join(WRITE_AHEAD)).expect("it is there");
    file.set_len(length).expect("it is cut");
}

fn spoil(directory: &Path, synced: u64, tear: Tear) {
    let end = written(directory);
    // If it began anew, nothing says where; then all of it arrived.
    let Some(unsynced) = end.checked_sub(synced).filter(|octets| *octets > 0) else { return };
    match tear {
        Tear::Whole => {}
        Tear::Nothing => cut(directory, synced),
        Tear::Cut(at) => cut(directory, synced + unsynced * at / 1000),
        Tear::Hole(at) => {
            let path = directory.join(WRITE_AHEAD);
            let mut bytes = fs::read(&path).expect("it is read");
            let from = synced + unsynced * at / 1000;
            let hole =
                usize::try_from(from).expect("small")..usize::try_from((from + 512).min(end)).expect("small");
            bytes[hole].fill(0);
            fs::write(&path, bytes).expect("it is written");
        }
    }
}

impl Journal for Disk {
    fn append(&mut self, transactions: &[Vec<NewRecord>]) -> Result<u64, LogError> {
        let full = || LogError::File {
            path: self.directory.join(DATABASE),
            source: std::io::Error::from(std::io::ErrorKind::StorageFull),
        };
        if transactions.iter().all(Vec::is_empty) {
            return Ok(0);
        }
        let mut orders = self.command.orders();
        if orders.failing > 0 {
            orders.failing -= 1;
            return Err(full());
        }
        orders.appends += 1;
        let is_turn = orders.appends.is_multiple_of(7);
        match orders.mutation {
            Some(Mutation::DiskAcknowledgesNothing) if is_turn => return Ok(0),
            Some(Mutation::DiskSplitsTransactions) if is_turn => {
                let halves: Vec<_> = transactions.iter().map(|t| t[..t.len().div_ceil(2)].to_vec()).collect();
                return self.log.append(&halves);
            }
            _ => {}
        }
        let done = self.log.append(transactions)?;
        if let Some((tear, to)) = orders.crash.take() {
            copy(&self.directory, &to, orders.mutation);
            spoil(&to, orders.synced, tear);
            orders.crashed = true;
            return Err(full());
        }
        orders.synced_before = orders.synced;
        orders.synced = written(&self.directory);
        if orders.mutation == Some(Mutation::DiskFailsAfterWriting) && is_turn {
            return Err(full());
        }
        Ok(done)
    }

    fn last(&self) -> Head {
        self.log.last()
    }

    fn reader(&self) -> LogReader {
        self.log.reader()
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.log.close()
    }
}
