//! Measures candidate stores for the event log: durable appends in groups, then reopen and scan.
//!
//! Owns nothing of the server and never uses its code: it compares engines on equal terms (500 bytes a record, one sync a
//! commit, one writer). The passes of the engines are interleaved and the median is shown, because a shared disk is noisy.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};

const RECORD_BYTES: usize = 500;
const GROUPS: [usize; 3] = [1, 16, 256];
/// Records per commit while the store for the scan is filled.
const FILL_GROUP: usize = 4096;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One engine under test. `append` returns once the records are durable, all or none.
trait Store {
    fn append(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()>;
    /// Reads every record in order; returns how many and the sum of their bytes.
    fn scan(&mut self) -> Outcome<(u64, u64)>;
}

type Open = fn(&Path) -> Outcome<Box<dyn Store>>;

const ENGINES: [(&str, Open); 4] = [
    ("own file, CRC, fdatasync", |dir| Ok(Box::new(Own::open(dir)?))),
    ("SQLite, WAL, synchronous=FULL", |dir| Ok(Box::new(Sqlite::open(dir)?))),
    ("fjall", |dir| Ok(Box::new(Fjall::open(dir)?))),
    ("redb", |dir| Ok(Box::new(Redb::open(dir)?))),
];

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().ok_or("usage: stores DIR [RECORDS [PASSES [SECONDS]]]")?);
    let records: usize = arguments.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let passes: usize = arguments.next().map_or(Ok(5), |n| n.parse())?;
    let seconds: f64 = arguments.next().map_or(Ok(1.0), |n| n.parse())?;
    let payload = noise(FILL_GROUP);

    let mut rates = vec![vec![Vec::new(); GROUPS.len()]; ENGINES.len()];
    for pass in 0..passes {
        for (column, group) in GROUPS.into_iter().enumerate() {
            for turn in 0..ENGINES.len() {
                let engine = (turn + pass) % ENGINES.len();
                let dir = fresh(&root)?;
                let mut store = ENGINES[engine].1(&dir)?;
                rates[engine][column].push(commits(
                    store.as_mut(),
                    &payload[..group],
                    Duration::from_secs_f64(seconds),
                )?);
            }
        }
    }

    println!(
        "| store | commits/s at 1 / 16 / 256 records | records/s at 256 | reopen and scan {records} | bytes on disk |"
    );
    println!("|---|---|---|---|---|");
    for (engine, (name, open)) in ENGINES.into_iter().enumerate() {
        let dir = fresh(&root)?;
        let mut store = open(&dir)?;
        let mut first = 1;
        while first <= records {
            let count = FILL_GROUP.min(records + 1 - first);
            store.append(first as u64, &payload[..count])?;
            first += count;
        }
        drop(store);
        let bytes = size(&dir)?;
        let mut scans = Vec::new();
        for _ in 0..passes {
            let start = Instant::now();
            let (count, sum) = open(&dir)?.scan()?;
            scans.push(start.elapsed().as_secs_f64());
            assert_eq!((count, sum > 0), (records as u64, true), "{name} lost records");
        }
        let [one, sixteen, many] = [0, 1, 2].map(|column| median(&mut rates[engine][column]));
        println!(
            "| {name} | {one:.0} / {sixteen:.0} / {many:.0} | {:.0} k | {:.2} s | {} MB |",
            many * GROUPS[2] as f64 / 1e3,
            median(&mut scans),
            bytes / 1_000_000
        );
    }
    fs::remove_dir_all(root.join("stores-bench"))?;
    Ok(())
}

/// Commits groups for `time` and returns commits per second.
fn commits(store: &mut dyn Store, group: &[Vec<u8>], time: Duration) -> Outcome<f64> {
    let mut position = 1;
    let mut commits = 0;
    let start = Instant::now();
    while start.elapsed() < time {
        store.append(position, group)?;
        position += group.len() as u64;
        commits += 1;
    }
    Ok(f64::from(commits) / start.elapsed().as_secs_f64())
}

/// Incompressible records, so that an engine that compresses gains nothing that a log would not.
fn noise(count: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| (0..RECORD_BYTES).map(|_| byte()).collect()).collect()
}

fn fresh(root: &Path) -> Outcome<PathBuf> {
    let dir = root.join("stores-bench");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn size(dir: &Path) -> Outcome<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { size(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The plainest segment file: length, CRC, position, bytes; one write and one fdatasync a commit.
struct Own {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
}

impl Own {
    fn open(dir: &Path) -> Outcome<Self> {
        let path = dir.join("segment");
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { path, file, buffer: Vec::new() })
    }
}

impl Store for Own {
    fn append(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        self.buffer.clear();
        for (position, record) in (first..).zip(records) {
            self.buffer.extend((record.len() as u32).to_le_bytes());
            self.buffer.extend(crc32fast::hash(record).to_le_bytes());
            self.buffer.extend(position.to_le_bytes());
            self.buffer.extend(record);
        }
        self.file.write_all(&self.buffer)?;
        self.file.sync_data()?;
        Ok(())
    }

    fn scan(&mut self) -> Outcome<(u64, u64)> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(&self.path)?);
        let (mut count, mut sum, mut header, mut record) = (0, 0, [0; 16], Vec::new());
        while reader.read_exact(&mut header).is_ok() {
            record.resize(u32::from_le_bytes(header[..4].try_into()?) as usize, 0);
            reader.read_exact(&mut record)?;
            if crc32fast::hash(&record).to_le_bytes() != header[4..8] {
                return Err("damaged".into());
            }
            count += 1;
            sum += total(&record);
        }
        Ok((count, sum))
    }
}

struct Sqlite(rusqlite::Connection);

impl Sqlite {
    fn open(dir: &Path) -> Outcome<Self> {
        let connection = rusqlite::Connection::open(dir.join("log.sqlite3"))?;
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;
             CREATE TABLE IF NOT EXISTS record (position INTEGER PRIMARY KEY, bytes BLOB NOT NULL);",
        )?;
        Ok(Self(connection))
    }
}

impl Store for Sqlite {
    fn append(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO record VALUES (?1, ?2)")?;
            for (position, record) in (first as i64..).zip(records) {
                insert.execute((position, record))?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn scan(&mut self) -> Outcome<(u64, u64)> {
        let mut select = self.0.prepare("SELECT bytes FROM record ORDER BY position")?;
        let mut rows = select.query(())?;
        let (mut count, mut sum) = (0, 0);
        while let Some(row) = rows.next()? {
            count += 1;
            sum += total(row.get_ref(0)?.as_blob()?);
        }
        Ok((count, sum))
    }
}

struct Fjall {
    database: fjall::Database,
    records: fjall::Keyspace,
}

impl Fjall {
    fn open(dir: &Path) -> Outcome<Self> {
        let database = fjall::Database::builder(dir).open()?;
        let records = database.keyspace("records", fjall::KeyspaceCreateOptions::default)?;
        Ok(Self { database, records })
    }
}

impl Store for Fjall {
    fn append(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        let mut batch = self.database.batch().durability(Some(fjall::PersistMode::SyncData));
        for (position, record) in (first..).zip(records) {
            batch.insert(&self.records, position.to_be_bytes(), record.as_slice());
        }
        Ok(batch.commit()?)
    }

    fn scan(&mut self) -> Outcome<(u64, u64)> {
        let (mut count, mut sum) = (0, 0);
        for item in self.records.iter() {
            count += 1;
            sum += total(&item.value()?);
        }
        Ok((count, sum))
    }
}

const RECORDS: TableDefinition<u64, &[u8]> = TableDefinition::new("records");

struct Redb(redb::Database);

impl Redb {
    fn open(dir: &Path) -> Outcome<Self> {
        Ok(Self(redb::Database::create(dir.join("log.redb"))?))
    }
}

impl Store for Redb {
    fn append(&mut self, first: u64, records: &[Vec<u8>]) -> Outcome<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut table = transaction.open_table(RECORDS)?;
            for (position, record) in (first..).zip(records) {
                table.insert(position, record.as_slice())?;
            }
        }
        Ok(transaction.commit()?)
    }

    fn scan(&mut self) -> Outcome<(u64, u64)> {
        let transaction = self.0.begin_read()?;
        let table = transaction.open_table(RECORDS)?;
        let (mut count, mut sum) = (0, 0);
        for item in table.iter()? {
            count += 1;
            sum += total(item?.1.value());
        }
        Ok((count, sum))
    }
}

/// Touches every byte, so that no engine gets away with handing out a pointer.
fn total(record: &[u8]) -> u64 {
    record.iter().map(|&byte| u64::from(byte)).sum()
}
