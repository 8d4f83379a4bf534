//! The event log through its public interface: what it keeps, what it refuses, and what it survives.

#![allow(clippy::unwrap_used, clippy::panic)]

mod ahead;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use agentconf::log::{
    Damage, Fault, Head, Log, LogError, LogReader, NewRecord, Point, Record, RecordError, archive, snapshots,
    verify,
};
use rusqlite::Connection;

/// Set for the process that a test starts to be killed or starved: the directory to append to.
const CHILD_DIRECTORY: &str = "AGENTCONF_TEST_LOG_DIRECTORY";

/// A directory of one test, gone at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Self {
        let path = env::temp_dir().join(format!("agentconf-log-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where the log is; opening makes it.
    fn log(&self) -> PathBuf {
        self.0.join("data")
    }

    fn open(&self) -> Log {
        Log::open(&self.log()).unwrap()
    }

    /// The database of a closed log, to be tampered with.
    fn database(&self) -> Connection {
        Connection::open(self.log().join("log.sqlite3")).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn event(at: i64, payload: &str) -> NewRecord {
    NewRecord {
        at,
        kind: 7,
        version: 1,
        actor: "admin".into(),
        origin: "token restconf 192.0.2.1".into(),
        payload: payload.into(),
    }
}

/// A transaction whose every payload says how many records belong to it: `{"first":4,"size":3}`.
fn transaction(first: u64, size: u64) -> Vec<NewRecord> {
    (0..size).map(|_| event(1, &format!(r#"{{"first":{first},"size":{size}}}"#))).collect()
}

/// Checks that the records from the first position on are whole transactions as [`transaction`] makes them.
fn assert_whole_transactions(records: &[Record]) {
    let mut rest = records;
    while let [first, ..] = rest {
        let size = 1 + rest.iter().position(|record| record.transaction_end).unwrap();
        let payload = format!(r#"{{"first":{},"size":{size}}}"#, first.position);
        for record in &rest[..size] {
            assert_eq!(String::from_utf8_lossy(&record.payload), payload, "position {}", record.position);
        }
        rest = &rest[size..];
    }
}

/// A closed log of ten records, the last three one transaction.
fn ten_records(test: &str) -> Directory {
    let directory = Directory::new(test);
    let mut log = directory.open();
    let mut group: Vec<_> = (1..=7).map(|position| transaction(position, 1)).collect();
    group.push(transaction(8, 3));
    log.append(&group).unwrap();
    log.close().unwrap();
    directory
}

fn damage(directory: &Directory) -> Damage {
    verify(&LogReader::open(&directory.log()).unwrap()).unwrap_err()
}

#[test]
fn appended_records_are_read_back_after_reopening() {
    let directory = Directory::new("reopen");
    let mut log = directory.open();
    assert_eq!((log.next_position(), log.last()), (1, Head::EMPTY));
    assert_eq!(verify(&log.reader()).unwrap().records, 0);

    assert_eq!(log.append(&[vec![event(5, "{}")], vec![], transaction(2, 2)]).unwrap(), 3);
    assert_eq!(log.append(&[transaction(4, 1)]).unwrap(), 1);
    assert_eq!(log.append(&[vec![]]).unwrap(), 0);
    let written = log.reader().read(0, 100).unwrap();
    let ends: Vec<_> = written.iter().map(|record| (record.position, record.transaction_end)).collect();
    assert_eq!(ends, [(1, true), (2, false), (3, true), (4, true)]);
    log.close().unwrap();
    let ahead = fs::metadata(directory.log().join("log.sqlite3-wal"));
    assert!(ahead.is_err() || ahead.unwrap().len() == 0, "closing empties the write-ahead log");

    let mut log = directory.open();
    let last = Head { position: 4, hash: written[3].hash, latest_at: 5 };
    assert_eq!((log.next_position(), log.last()), (5, last));
    let reader = log.reader();
    assert_eq!(reader.read(0, 100).unwrap(), written);
    assert_eq!(reader.read(1, 2).unwrap(), written[1..3]);
    assert_eq!(reader.read(0, 0).unwrap(), []);
    for beyond in [4, 5, u64::MAX] {
        assert_eq!(reader.read(beyond, 100).unwrap(), []);
        assert_eq!(reader.scan(beyond).count(), 0);
    }
    assert_eq!((log.append(&[transaction(5, 1)]).unwrap(), log.last().position), (1, 5));
    let summary = verify(&reader).unwrap();
    assert_eq!((summary.records, summary.transactions, summary.hash), (5, 4, log.last().hash));
}

#[test]
fn the_log_is_private() {
    let directory = Directory::new("private");
    let mut log = directory.open();
    log.append(&[transaction(1, 1)]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory.log()), 0o700);
    for file in fs::read_dir(directory.log()).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_second_server_is_refused_and_a_reader_is_not() {
    let directory = Directory::new("second");
    let mut log = directory.open();
    let refusal = Log::open(&directory.log()).unwrap_err();
    assert!(matches!(refusal, LogError::Locked(_)));
    assert!(refusal.to_string().ends_with("data is in use by another server"), "{refusal}");

    let reader = LogReader::open(&directory.log()).unwrap();
    log.append(&[transaction(1, 3)]).unwrap();
    assert_eq!(reader.read(0, 10).unwrap().len(), 3);
    drop(log);
    assert_eq!(directory.open().next_position(), 4);
}

#[test]
fn files_that_are_not_this_version_of_the_log_are_refused_unchanged() {
    let directory = Directory::new("foreign");
    fs::create_dir_all(directory.log()).unwrap();
    let file = directory.log().join("log.sqlite3");
    let refusal = || {
        let before = fs::read(&file).unwrap();
        let refusals =
            [Log::open(&directory.log()).unwrap_err(), LogReader::open(&directory.log()).unwrap_err()];
        assert_eq!(fs::read(&file).unwrap(), before);
        assert_eq!(refusals[0].to_string(), refusals[1].to_string());
        refusals.into_iter().next().unwrap()
    };
    fs::write(&file, "not a database, whatever its name says; ".repeat(100)).unwrap();
    assert!(matches!(refusal(), LogError::Foreign(_)));

    fs::remove_file(&file).unwrap();
    directory.database().execute_batch("CREATE TABLE record (position)").unwrap();
    assert!(matches!(refusal(), LogError::Foreign(_)));

    fs::remove_file(&file).unwrap();
    directory.open().close().unwrap();
    directory.database().execute_batch("PRAGMA user_version = 9").unwrap();
    assert!(matches!(refusal(), LogError::Version { found: 9, .. }));

    let nowhere = LogReader::open(&directory.0.join("nowhere")).unwrap_err();
    assert!(matches!(nowhere, LogError::File { .. }));
}

#[test]
fn an_event_too_large_refuses_its_whole_group() {
    let directory = Directory::new("large");
    let mut log = directory.open();
    let large = NewRecord { actor: "a".repeat(1025), ..event(1, "{}") };
    let refusal = log.append(&[transaction(1, 1), vec![event(1, "{}"), large]]).unwrap_err();
    let LogError::Refused { position: 3, source: RecordError::TooLong { field: "actor", .. } } = refusal
    else {
        panic!("{refusal}");
    };
    assert_eq!(log.next_position(), 1);
    assert_eq!(log.reader().read(0, 10).unwrap(), []);
}

#[test]
fn large_records_come_in_parts_that_lose_none() {
    let directory = Directory::new("parts");
    let mut log = directory.open();
    let megabyte = "x".repeat(1 << 20);
    log.append(&[(0..20).map(|at| event(at, &megabyte)).collect()]).unwrap();
    let reader = log.reader();
    let part = reader.read(0, 100).unwrap();
    assert!((1..20).contains(&part.len()), "{} records in one part", part.len());
    let positions: Vec<_> = reader.scan(0).map(|record| record.unwrap().position).collect();
    assert_eq!(positions, (1..=20).collect::<Vec<_>>());
}

#[test]
fn times_are_found_though_the_clock_went_back() {
    let directory = Directory::new("times");
    let mut log = directory.open();
    assert_eq!(log.reader().position_at_time(0).unwrap(), None);
    let times = [-5, 10, 20, 7, 7, 20, 30, 1, 40];
    for at in times {
        log.append(&[vec![event(at, "{}")]]).unwrap();
    }
    for at in -10..50 {
        let expected = times.iter().position(|&time| time >= at).map(|index| index as u64 + 1);
        assert_eq!(log.reader().position_at_time(at).unwrap(), expected, "at {at}");
    }
}

#[test]
fn readers_beside_the_writer_see_whole_transactions_only() {
    let directory = Directory::new("beside");
    let mut log = directory.open();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let reader = log.reader();
            thread::spawn(move || {
                let mut seen = Vec::new();
                while seen.len() < 600 {
                    let after = seen.last().map_or(0, |record: &Record| record.position);
                    seen.extend(reader.scan(after).map(Result::unwrap));
                    assert_whole_transactions(&seen);
                }
                seen
            })
        })
        .collect();
    while log.next_position() <= 600 {
        let first = log.next_position();
        log.append(&[transaction(first, 4), transaction(first + 4, 1)]).unwrap();
    }
    let all = log.reader().read(0, 1000).unwrap();
    for reader in readers {
        assert_eq!(reader.join().unwrap(), all);
    }
}

#[test]
fn a_changed_byte_is_found_at_its_position() {
    let original = ten_records("byte");
    let whole = original.log().join("log.sqlite3");
    let clean = fs::read(&whole).unwrap();
    for position in 1..=10_i64 {
        fs::write(&whole, &clean).unwrap();
        let database = original.database();
        let select = "SELECT bytes FROM record WHERE position = ?1";
        let mut bytes: Vec<u8> = database.query_row(select, [position], |row| row.get(0)).unwrap();
        let payload = bytes.len() - 32 - 3;
        bytes[payload] ^= 1;
        database.execute("UPDATE record SET bytes = ?1 WHERE position = ?2", (bytes, position)).unwrap();
        drop(database);
        let expected = Damage { position: position.unsigned_abs(), fault: Fault::HashMismatch };
        assert_eq!(damage(&original), expected);
        let reader = LogReader::open(&original.log()).unwrap();
        let before = expected.position - 1;
        assert!(matches!(reader.read(before, 100), Err(LogError::Damaged(damage)) if damage == expected));
        assert_eq!(reader.scan(0).filter(Result::is_ok).count() as u64, before);
        assert_eq!(reader.scan(0).count() as u64, expected.position);
    }
}

#[test]
fn every_kind_of_damage_is_named_with_its_position() {
    let cases = [
        ("DELETE FROM record WHERE position = 4", 4, Fault::Missing { found: 5 }),
        ("DELETE FROM record WHERE position < 3", 1, Fault::Missing { found: 3 }),
        ("DELETE FROM record WHERE position = 10", 9, Fault::HalfTransaction),
        (
            "UPDATE record SET bytes = (SELECT bytes FROM record WHERE position = 6) WHERE position = 5",
            5,
            Fault::Misplaced { claimed: 6 },
        ),
        (
            "UPDATE record SET bytes = substr(bytes, 1, 20) WHERE position = 2",
            2,
            Fault::Undecodable(RecordError::Truncated("time")),
        ),
        (
            "UPDATE record SET bytes = CAST('0' || bytes AS BLOB) WHERE position = 2",
            2,
            Fault::Undecodable(RecordError::Format(0x30)),
        ),
        ("UPDATE record SET latest_at = 3 WHERE position = 6", 6, Fault::LatestTime { stored: 3, right: 1 }),
    ];
    for (index, (tampering, position, fault)) in cases.into_iter().enumerate() {
        let directory = ten_records(&format!("damage-{index}"));
        directory.database().execute_batch(tampering).unwrap();
        assert_eq!(damage(&directory), Damage { position, fault }, "{tampering}");
    }
}

#[test]
fn damage_in_the_last_record_or_the_file_refuses_to_open_or_read() {
    let directory = ten_records("last");
    directory.database().execute_batch("DELETE FROM record WHERE position = 10").unwrap();
    let half = Damage { position: 9, fault: Fault::HalfTransaction };
    assert!(matches!(Log::open(&directory.log()), Err(LogError::Damaged(damage)) if damage == half));

    let file = directory.log().join("log.sqlite3");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096..].fill(0xff);
    fs::write(&file, bytes).unwrap();
    assert!(matches!(damage(&directory), Damage { position: 1, fault: Fault::Unreadable(_) }));
    assert!(matches!(Log::open(&directory.log()), Err(LogError::Unusable { is_full: false, .. })));
}

/// Not a test of its own: what the tests below run in another process. Appends transactions of changing sizes until it is
/// killed or fails, and says `acknowledged N` once everything up to N is durable.
#[test]
fn child_appends_until_it_is_stopped() {
    let Some(directory) = env::var_os(CHILD_DIRECTORY) else { return };
    // Not `println!`, which the test harness would keep to itself.
    let mut output = std::io::stdout().lock();
    writeln!(output, "opening").unwrap();
    let mut log = Log::open(Path::new(&directory)).unwrap();
    loop {
        let mut first = log.next_position();
        let mut group = Vec::new();
        for _ in 0..1 + first % 5 {
            let size = 1 + first % 7;
            group.push(transaction(first, size));
            first += size;
        }
        match log.append(&group) {
            Ok(_) => writeln!(output, "acknowledged {}", first - 1).unwrap(),
            Err(error) => {
                let end = log.reader().scan(0).map(Result::unwrap).last().map_or(0, |record| record.position);
                writeln!(output, "failed at {} with {end} kept: {error}", log.next_position()).unwrap();
                return;
            }
        }
    }
}

/// Starts [`child_appends_until_it_is_stopped`], through a command that ends by running its arguments.
fn child(directory: &Directory, mut command: Command) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut child = command
        .args(["--exact", "child_appends_until_it_is_stopped", "--nocapture"])
        .env(CHILD_DIRECTORY, directory.log())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    (child, lines.skip_while(|line| line != "opening").skip(1))
}

#[test]
fn whatever_was_acknowledged_survives_kill_at_any_moment() {
    let directory = Directory::new("kill");
    let (mut kept, mut seed) = (0, 0x2545_F491_4F6C_DD1D_u64);
    for round in 0..50 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let (mut child, mut lines) = child(&directory, Command::new(env::current_exe().unwrap()));
        // The moment: after some acknowledgements (none in every fourth round: then often while opening) and some spinning.
        let count = if round % 4 == 0 { 0 } else { seed % 40 };
        let before: Vec<_> = lines.by_ref().take(count as usize).collect();
        for _ in 0..(seed >> 32) % 1_000_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        let after: Vec<_> = lines.collect();
        child.wait().unwrap();
        let mut acknowledged =
            before.iter().chain(&after).filter_map(|line| line.strip_prefix("acknowledged "));
        let acknowledged = acknowledged.next_back().map_or(kept, |position| position.parse().unwrap());

        // Half of the rounds look at what the kill left before the log is opened and so repaired.
        if round % 2 == 0 && kept > 0 {
            let left = verify(&LogReader::open(&directory.log()).unwrap()).unwrap();
            assert!(left.records >= acknowledged, "round {round}");
        }
        let log = directory.open();
        let summary = verify(&log.reader()).unwrap();
        assert!(summary.records >= acknowledged, "round {round}: {} of {acknowledged}", summary.records);
        assert_eq!((summary.records, summary.hash), (log.last().position, log.last().hash));
        kept = summary.records;
    }
    let records: Vec<_> = LogReader::open(&directory.log()).unwrap().scan(0).map(Result::unwrap).collect();
    assert!(records.len() > 100, "only {} records were appended", records.len());
    assert_whole_transactions(&records);
}

/// The path of the only archive.
fn only_archive(directory: &Directory) -> PathBuf {
    let archives = archive::list(&directory.log()).unwrap();
    assert_eq!(archives.len(), 1, "{archives:?}");
    archives.into_iter().next().unwrap().path
}

#[test]
fn archived_records_are_read_as_if_they_were_in_the_log() {
    let directory = ten_records("archive");
    let before: Vec<Record> = directory.open().reader().scan(0).map(Result::unwrap).collect();
    let mut log = directory.open();
    let mut reached = Vec::new();
    assert_eq!(log.reader().compactor().unwrap().archive(7, |to| reached.push(to)).unwrap(), 7);
    assert_eq!(reached, [7]);

    let in_database: i64 =
        directory.database().query_row("SELECT count(*) FROM record", (), |r| r.get(0)).unwrap();
    assert_eq!(in_database, 3);
    let reader = log.reader();
    assert_eq!((reader.base().unwrap().position, reader.first().unwrap()), (7, Head::EMPTY));
    for after in 0..=10_u64 {
        let rest: Vec<Record> = reader.scan(after).map(Result::unwrap).collect();
        assert_eq!(rest, before[usize::try_from(after).unwrap()..], "after {after}");
    }
    assert_eq!(reader.read(2, 3).unwrap(), before[2..5]);
    assert_eq!(reader.read(8, 9).unwrap(), before[8..]);
    assert_eq!((log.append(&[transaction(11, 1)]).unwrap(), log.last().position), (1, 11));
    log.close().unwrap();

    let log = directory.open();
    assert_eq!(log.last().position, 11);
    let summary = verify(&log.reader()).unwrap();
    assert_eq!((summary.after, summary.records, summary.transactions), (0, 11, 9));
}

#[test]
fn archives_hold_whole_transactions_without_the_last_one_and_what_was_archived_is_not_archived_again() {
    let directory = ten_records("archive-last");
    let log = directory.open();
    let mut compactor = log.reader().compactor().unwrap();
    assert_eq!(compactor.archive(4, |_| {}).unwrap(), 4);
    assert_eq!(compactor.archive(9, |_| {}).unwrap(), 7, "the transaction of the last three is one");
    assert_eq!(compactor.archive(u64::MAX, |_| {}).unwrap(), 7);
    let places: Vec<_> = archive::list(&directory.log()).unwrap().iter().map(|a| (a.first, a.last)).collect();
    assert_eq!(places, [(1, 4), (5, 7)]);
    compactor.shrink().unwrap();
    assert_eq!(verify(&log.reader()).unwrap().records, 10);
}

#[test]
fn what_was_interrupted_before_records_left_the_log_is_done_again() {
    let directory = ten_records("archive-again");
    let log = directory.open();
    log.reader().compactor().unwrap().archive(5, |_| {}).unwrap();
    drop(log);
    // As if the power had failed when the archive was durable, and the removal was not.
    let copy = ten_records("archive-again-copy");
    fs::create_dir(copy.log().join(archive::DIRECTORY)).unwrap();
    let archived = only_archive(&directory);
    fs::copy(&archived, copy.log().join(archive::DIRECTORY).join(archived.file_name().unwrap())).unwrap();
    let log = copy.open();
    assert_eq!(log.reader().first().unwrap(), Head::EMPTY);
    assert_eq!(log.reader().compactor().unwrap().archive(7, |_| {}).unwrap(), 7);
    let whole: Vec<u64> = log.reader().scan(0).map(|record| record.unwrap().position).collect();
    assert_eq!(whole, (1..=10).collect::<Vec<_>>());
}

#[test]
fn archives_that_are_gone_are_said_to_be_and_the_rest_is_proved() {
    let directory = ten_records("archive-gone");
    let log = directory.open();
    log.reader().compactor().unwrap().archive(6, |_| {}).unwrap();
    fs::remove_file(only_archive(&directory)).unwrap();
    let reader = log.reader();
    assert!(matches!(reader.scan(0).next(), Some(Err(LogError::Gone { first: 7 }))));
    assert!(matches!(reader.read(3, 1), Err(LogError::Gone { first: 7 })));
    assert_eq!(reader.first().unwrap().position, 6);
    let summary = verify(&reader).unwrap();
    assert_eq!((summary.after, summary.records), (6, 10));
    drop(log);
    assert_eq!(directory.open().last().position, 10);
}

#[test]
fn a_changed_byte_in_an_archive_is_damage_at_its_position() {
    let directory = ten_records("archive-damage");
    let before: Vec<Record> = directory.open().reader().scan(0).map(Result::unwrap).collect();
    directory.open().reader().compactor().unwrap().archive(6, |_| {}).unwrap();
    let path = only_archive(&directory);
    let whole = fs::read(&path).unwrap();
    let mut found_out = 0;
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let found: Result<Vec<Record>, LogError> =
            LogReader::open(&directory.log()).unwrap().scan(0).collect();
        match found {
            // Of the frame's head some bits decide nothing.
            Ok(records) => assert_eq!(records, before, "octet {place}"),
            Err(_) => found_out += 1,
        }
    }
    assert!(found_out > whole.len() - 8, "{found_out} of {}", whole.len());
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(damage(&directory).position <= 7);
}

#[test]
fn an_archive_that_the_system_does_not_give_is_unread_and_not_damaged() {
    let directory = ten_records("archive-unread");
    directory.open().reader().compactor().unwrap().archive(6, |_| {}).unwrap();
    let path = only_archive(&directory);
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    // Opening it succeeds, and reading fails, as on a disk that has errors.
    fs::create_dir(&path).unwrap();
    let reader = LogReader::open(&directory.log()).unwrap();
    let error = reader.scan(0).next().unwrap().unwrap_err();
    assert!(error.is_unread() && !error.is_damage(), "{error:?}");
    let Damage { position, fault: Fault::Unread(why) } = damage(&directory) else { panic!("{error}") };
    assert!(position == 1 && why.contains(path.to_str().unwrap()) && why.contains("irectory"), "{why}");
    fs::remove_dir(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(reader.scan(0).filter(Result::is_ok).count(), 10);
}

#[test]
fn who_read_a_log_that_nobody_wrote_sees_what_is_written_then() {
    let directory = ten_records("immutable");
    // As where nobody may write: the memory that SQLite shares among processes cannot be made.
    let shared = directory.log().join("log.sqlite3-shm");
    std::os::unix::fs::symlink("/nowhere/shared", &shared).unwrap();
    let reader = LogReader::open(&directory.log()).unwrap();
    assert_eq!(reader.last().unwrap().position, 10);
    fs::remove_file(&shared).unwrap();
    let mut log = directory.open();
    log.append(&[transaction(11, 4)]).unwrap();
    log.close().unwrap();
    assert_eq!((reader.last().unwrap().position, verify(&reader).unwrap().records), (14, 14));
}

#[test]
fn what_is_before_damage_is_given_and_nothing_after_what_is_wanted_is_read() {
    let directory = ten_records("before-damage");
    directory.database().execute_batch("UPDATE record SET bytes = x'00' WHERE position = 7").unwrap();
    let archived = ten_records("before-damage-archive");
    archived.open().reader().compactor().unwrap().archive(6, |_| {}).unwrap();
    fs::rename(archive_of(&archived, 1, 6), archive_of(&archived, 1, 7)).unwrap();
    for directory in [directory, archived] {
        let reader = LogReader::open(&directory.log()).unwrap();
        let read = |to: u64| {
            let found: Vec<_> = reader.scan(0).up_to(to).collect();
            let whole = found.iter().map_while(|record| record.as_ref().ok()).count();
            (whole, found.len() - whole)
        };
        assert_eq!([7, 6, 2, 0].map(read), [(6, 1), (6, 0), (2, 0), (0, 0)]);
        assert_eq!(reader.read(0, 100).unwrap().len(), 6);
        assert_eq!(damage(&directory).position, 7);
    }
}

/// Where the archive of these records is.
fn archive_of(directory: &Directory, first: u64, last: u64) -> PathBuf {
    directory.log().join(archive::DIRECTORY).join(format!("{first:020}-{last:020}.records"))
}

/// Two logs of ten records with other contents, whose first seven are in archives up to the positions given.
fn two_archived(test: &str, to: [u64; 2]) -> [Directory; 2] {
    let one = ten_records(&format!("{test}-one"));
    let other = Directory::new(&format!("{test}-other"));
    let transactions: Vec<_> = (0..10).map(|_| vec![event(1, r#"{"other":true}"#)]).collect();
    other.open().append(&transactions).unwrap();
    for directory in [&one, &other] {
        let mut compactor = directory.open().reader().compactor().unwrap();
        to.into_iter().for_each(|to| assert_eq!(compactor.archive(to, |_| {}).unwrap(), to));
    }
    [one, other]
}

#[test]
fn an_archive_of_another_log_does_not_follow_the_one_before_it() {
    let [one, other] = two_archived("archive-exchanged", [3, 6]);
    fs::copy(archive_of(&other, 4, 6), archive_of(&one, 4, 6)).unwrap();
    assert_eq!(damage(&one), Damage { position: 4, fault: Fault::HashMismatch });
    let reader = LogReader::open(&one.log()).unwrap();
    assert_eq!(reader.scan(0).filter(Result::is_ok).count(), 3);
}

#[test]
fn the_database_goes_on_where_the_last_archive_ends() {
    let [one, other] = two_archived("archive-last-exchanged", [3, 6]);
    for (first, last) in [(1, 3), (4, 6)] {
        fs::copy(archive_of(&other, first, last), archive_of(&one, first, last)).unwrap();
    }
    assert_eq!(damage(&one), Damage { position: 7, fault: Fault::HashMismatch });
}

#[test]
fn an_archive_with_other_records_than_its_name_says_is_damage() {
    let directory = ten_records("archive-name");
    let log = directory.open();
    log.reader().compactor().unwrap().archive(5, |_| {}).unwrap();
    let whole = archive_of(&directory, 1, 5);
    for (first, last, position) in [(1, 6, 6), (1, 4, 5), (2, 5, 2), (1, 7, 6)] {
        let named = archive_of(&directory, first, last);
        fs::rename(&whole, &named).unwrap();
        let reader = log.reader();
        let found = reader.scan(first - 1).find_map(Result::err).unwrap();
        let LogError::Damaged(found) = found else { panic!("{first}-{last}: {found}") };
        assert_eq!(found.position, position, "{first}-{last}");
        let found = reader.scan(0).filter(Result::is_ok).count();
        assert!(found < 6, "{first}-{last}: {found}");
        fs::rename(&named, &whole).unwrap();
    }
    assert_eq!(verify(&log.reader()).unwrap().records, 10);
}

#[test]
fn the_chain_is_known_after_each_record_be_it_archived() {
    let directory = ten_records("archive-heads");
    let log = directory.open();
    let reader = log.reader();
    let heads = || (0..=11).map(|position| reader.head_at(position).unwrap()).collect::<Vec<_>>();
    let before = heads();
    assert_eq!((before[0], before[11]), (Some(Head::EMPTY), None));
    let mut compactor = reader.compactor().unwrap();
    for to in [3, 7] {
        compactor.archive(to, |_| {}).unwrap();
    }
    assert_eq!(heads(), before);
    fs::remove_file(archive_of(&directory, 1, 3)).unwrap();
    assert!(matches!(reader.head_at(2), Err(LogError::Gone { first: 4 })));
    assert_eq!(reader.head_at(3).unwrap(), before[3], "the next archive says it");
}

#[test]
fn readers_beside_compaction_read_everything() {
    let directory = Directory::new("archive-beside");
    let mut log = directory.open();
    for first in (1..=6000).step_by(100) {
        log.append(&(first..first + 100).map(|n| vec![event(n, "{}")]).collect::<Vec<_>>()).unwrap();
    }
    let reader = log.reader();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|turn| {
                let (reader, done) = (&reader, &done);
                scope.spawn(move || {
                    let mut at = turn * 700;
                    while !done.load(Ordering::Acquire) {
                        assert_eq!(verify(reader).unwrap().records, 6000);
                        for _ in 0..50 {
                            at = (at + 37) % 6000;
                            let next = at + 1;
                            assert_eq!(reader.read(at, 1).unwrap()[0].position, next);
                            assert_eq!(reader.head_at(next).unwrap().unwrap().position, next);
                            let time = i64::try_from(next).unwrap();
                            assert_eq!(reader.position_at_time(time).unwrap(), Some(next));
                        }
                    }
                })
            })
            .collect();
        let mut compactor = reader.compactor().unwrap();
        for to in (100..=5900).step_by(100) {
            assert_eq!(compactor.archive(to, |_| {}).unwrap(), to);
        }
        done.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn old_archives_are_forgotten_by_the_time_of_their_records() {
    let directory = Directory::new("archive-old");
    let mut log = directory.open();
    for at in 1..=9 {
        log.append(&[vec![event(at * 10, "{}")]]).unwrap();
    }
    let mut compactor = log.reader().compactor().unwrap();
    for to in [2, 4, 6] {
        compactor.archive(to, |_| {}).unwrap();
    }
    assert_eq!(compactor.forget_before(20).unwrap(), 0, "its last record is not older");
    assert_eq!(compactor.forget_before(41).unwrap(), 2);
    assert_eq!(log.reader().first().unwrap().position, 4);
    let at = |time| log.reader().position_at_time(time).unwrap();
    let found = [at(75), at(61), at(60), at(51), at(50), at(5), at(91)];
    assert_eq!(found, [Some(8), Some(7), Some(6), Some(6), Some(5), Some(5), None]);
    assert_eq!(compactor.forget_before(60).unwrap(), 0, "nor is that of the newest");
    assert_eq!(compactor.forget_before(61).unwrap(), 1);
    assert_eq!(archive::list(&directory.log()).unwrap(), []);
    assert_eq!((verify(&log.reader()).unwrap().after, at(5)), (6, Some(7)));
    assert_eq!(Point::Position(6).position(&log.reader()).unwrap(), 6, "what came to it ended there");
}

#[test]
fn a_time_is_found_though_later_ones_are_archived_or_forgotten() {
    let directory = Directory::new("archive-time");
    let mut log = directory.open();
    for at in [10, 90, 20, 30, 40, 50, 95] {
        log.append(&[vec![event(at, "{}")]]).unwrap();
    }
    let reader = log.reader();
    let found = || [5, 10, 11, 20, 90, 91, 96].map(|time| reader.position_at_time(time).unwrap());
    let before = found();
    assert_eq!(before, [Some(1), Some(1), Some(2), Some(2), Some(2), Some(7), None]);
    let mut compactor = reader.compactor().unwrap();
    for to in [1, 3, 4, 6] {
        compactor.archive(to, |_| {}).unwrap();
        assert_eq!(found(), before, "{to} are archived");
    }
    // What the first of those that are left was made after was made later than it.
    fs::remove_file(archive_of(&directory, 1, 1)).unwrap();
    fs::remove_file(archive_of(&directory, 2, 3)).unwrap();
    assert_eq!(found(), [4, 4, 4, 4, 4, 7, 0].map(|position| (position > 0).then_some(position)));
}

#[test]
fn a_snapshot_is_read_back_as_it_was_written_or_not_at_all() {
    let directory = ten_records("snapshot");
    let head = directory.open().last();
    let content = b"what the records come to ".repeat(5000);
    snapshots::write(&directory.log(), &head, |_| true, |out| out.write_all(&content)).unwrap();
    let [snapshot] = snapshots::list(&directory.log()).unwrap().try_into().unwrap();
    let read = || {
        snapshot.read(|from| {
            let mut content = Vec::new();
            from.read_to_end(&mut content).map(|_| content)
        })
    };
    assert_eq!((snapshot.head, read().unwrap()), (head, content.clone()));
    let mode = fs::metadata(snapshot.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let whole = fs::read(snapshot.path()).unwrap();
    for place in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(snapshot.path(), &bytes).unwrap();
        assert!(read().is_err(), "octet {place}");
    }
    fs::write(snapshot.path(), &whole[..whole.len() - 1]).unwrap();
    assert!(read().is_err());
}

#[test]
fn two_snapshots_are_kept_and_one_that_fails_leaves_no_trace() {
    let directory = ten_records("snapshots");
    let mut head = directory.open().last();
    for position in 1..=4 {
        head.position = position;
        snapshots::write(&directory.log(), &head, |_| true, |out| out.write_all(b"x")).unwrap();
    }
    head.position = 5;
    let failed = snapshots::write(&directory.log(), &head, |_| true, |_| Err(std::io::Error::other("no")));
    assert_eq!(failed.unwrap_err().to_string(), "no");
    let kept: Vec<_> =
        snapshots::list(&directory.log()).unwrap().iter().map(|found| found.head.position).collect();
    assert_eq!(kept, [4, 3]);
    let place = directory.log().join(snapshots::DIRECTORY);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 2);

    // A directory is not removed as a file is.
    fs::create_dir(place.join("00000000000000000001.unfinished")).unwrap();
    head.position = 6;
    snapshots::write(&directory.log(), &head, |_| true, |out| out.write_all(b"x")).unwrap();
    let kept: Vec<_> =
        snapshots::list(&directory.log()).unwrap().iter().map(|found| found.head.position).collect();
    assert_eq!(kept, [6, 4], "it is there, and what can be removed is removed");

    // One that cannot be used does not count.
    head.position = 7;
    snapshots::write(&directory.log(), &head, |head| head.position != 6, |out| out.write_all(b"x")).unwrap();
    let kept: Vec<_> =
        snapshots::list(&directory.log()).unwrap().iter().map(|found| found.head.position).collect();
    assert_eq!(kept, [7, 6, 4]);
}

#[test]
fn a_write_that_the_system_refuses_is_an_error_that_leaves_nothing() {
    let directory = Directory::new("starved");
    let mut command = Command::new("sh");
    // Files may grow to 300 blocks; with the signal ignored, writing beyond is an error.
    command.args(["-c", r#"trap "" XFSZ; ulimit -f 300; exec "$@""#, "sh"]).arg(env::current_exe().unwrap());
    let (mut child, lines) = child(&directory, command);
    let lines: Vec<_> = lines.collect();
    child.wait().unwrap();
    let (failure, acknowledged) = lines
        .iter()
        .enumerate()
        .find_map(|(index, line)| {
            Some((line.strip_prefix("failed at ")?, lines[index - 1].strip_prefix("acknowledged ")?))
        })
        .unwrap();
    let kept: u64 = acknowledged.parse().unwrap();
    let expected = format!("{} with {kept} kept: the event log's store failed: ", kept + 1);
    assert!(failure.starts_with(&expected), "{failure}");

    let mut log = directory.open();
    assert_eq!((verify(&log.reader()).unwrap().records, log.next_position()), (kept, kept + 1));
    log.append(&[transaction(kept + 1, 2)]).unwrap();
    assert_eq!(verify(&log.reader()).unwrap().records, kept + 2);
}
