//! The audit trail through its public interface: what becomes an entry, what is counted, what a restart and the removal of old
//! segments leave, and that whoever alters something is found out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

use std::fs;
use std::path::{Path, PathBuf};

use agentconf::access::{AuthError, Method, Principal, Protocol, Source};
use agentconf::audit::restored::Restore;
use agentconf::audit::{
    Altered, Checkpoint, Entry, Kind, Noted, Proof, PublicKey, Reader, Settings, Signer, Trail, verify,
};
use agentconf::clock::{ManualClock, Timestamp};
use agentconf::log::{Head, Log, LogReader, NO_HASH, NewRecord, Record};
use rusqlite::Connection;

const SEED: [u8; 32] = [7; 32];
const DAY_S: i64 = 24 * 3600;
/// The kind of record that says that the event log was put back.
const RESTORED: u16 = 6;
/// The kind of record that says that its beginning is kept no longer.
const FORGOTTEN: u16 = 7;

/// A data directory with an event log and a trail.
struct Place {
    directory: tempfile::TempDir,
    clock: ManualClock,
    settings: Settings,
}

impl Place {
    fn new(settings: Settings) -> Place {
        let directory = tempfile::tempdir().unwrap();
        Place {
            directory,
            clock: ManualClock::new(Timestamp::from_seconds(1_700_000_000).unwrap()),
            settings,
        }
    }

    fn trail_directory(&self) -> PathBuf {
        self.directory.path().join("audit")
    }

    fn log_directory(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn open(&self) -> Trail {
        self.open_after(self.trail_directory().exists())
    }

    fn open_after(&self, has_lived: bool) -> Trail {
        let signer = Signer::from_pem(&Signer::pem(&SEED)).unwrap();
        fs::create_dir_all(self.trail_directory()).unwrap();
        Trail::open(&self.trail_directory(), self.settings.clone(), signer, self.clock.clock(), has_lived)
            .unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::new(&self.trail_directory())
    }

    fn entries(&self) -> Vec<Entry> {
        self.reader().entries((0, 0), None).map(|entry| entry.unwrap().1).collect()
    }

    /// Two starts of a server, each with changes and notes.
    fn lived() -> Place {
        let place = Place::new(Settings::default());
        for start in 0..2 {
            let trail = place.open();
            let mut log = Log::open(&place.log_directory()).unwrap();
            for change in 0..5 {
                log.append(&[vec![event(&format!("{{\"start\":{start},\"change\":{change}}}"))]]).unwrap();
            }
            trail.committed(log.last());
            for user in ["ann", "bob", "eve"] {
                trail.authenticated(&principal(user, 1));
            }
            trail.stop();
            log.close().unwrap();
            place.clock.advance_seconds(10);
        }
        place
    }

    fn check(&self) -> Result<Proof, Vec<Altered>> {
        self.check_with(&[])
    }

    fn check_with(&self, kept: &[Checkpoint]) -> Result<Proof, Vec<Altered>> {
        let log = LogReader::open(&self.log_directory()).unwrap();
        verify(&self.reader(), &log, &key(), kept, None)
    }

    /// What is wrong, in one text.
    fn wrong(&self) -> String {
        let altered = self.check().expect_err("something is wrong");
        altered.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }

    /// Waits until a segment has begun.
    fn wait_for_segment(&self, number: u64) {
        let begun = || {
            self.reader()
                .segment(number)
                .is_ok_and(|segment| !segment.read(0, 1).unwrap_or_default().is_empty())
        };
        wait_while(|| !begun());
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.trail_directory().join(format!("{number:06}"))
    }
}

fn key() -> PublicKey {
    Signer::from_pem(&Signer::pem(&SEED)).unwrap().public()
}

fn event(payload: &str) -> NewRecord {
    let (actor, origin) = ("ann".to_owned(), "token restconf 192.0.2.1:1".to_owned());
    NewRecord { at: 1, kind: 7, version: 1, actor, origin, payload: payload.into() }
}

fn source(host: u32) -> Source {
    let address = (std::net::Ipv4Addr::from(0x0a00_0000 + host), 4711).into();
    Source { protocol: Protocol::Restconf, address }
}

fn principal(user: &str, host: u32) -> Principal {
    Principal::new(user, ["ops".to_owned()].into(), Method::Token).from(source(host))
}

fn total(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.body.count).sum()
}

/// Waits for the writer, which looks at the clock each second.
fn wait_while(condition: impl Fn() -> bool) {
    while condition() {
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_restart_goes_on_with_the_chain() {
    let place = Place::lived();
    let proof = place.check().unwrap();
    assert_eq!((proof.log.records, proof.segments, proof.unsigned), (10, 1, 0));
    assert!(proof.checkpoints >= 2 && proof.newest.unwrap().stop);
    let entries = place.entries();
    let users: Vec<&str> = entries.iter().map(|entry| entry.user.as_str()).collect();
    assert_eq!(users, ["ann", "bob", "eve", "ann", "bob", "eve"]);
    assert_eq!(entries[0].origin.unwrap().to_string(), "token restconf 10.0.0.1:4711");
    assert_eq!(entries[0].body.log_position, 5);
    assert!(entries[0].body.groups.contains("ops"));
}

#[test]
fn the_same_thing_within_a_minute_is_counted() {
    let place = Place::new(Settings::default());
    let trail = place.open();
    for _ in 0..1000 {
        trail.authenticated(&principal("ann", 1));
        trail.not_authenticated("ann", Some(Method::Password), source(1), &AuthError::WrongPassword);
    }
    trail.stop();
    let entries = place.entries();
    let shape = |entry: &Entry| (entry.body.outcome.clone(), entry.body.count, entry.body.since.is_some());
    let mut shapes: Vec<_> = entries.iter().map(shape).collect();
    shapes.sort();
    let expected =
        [("ok", 1, false), ("ok", 999, true), ("wrong-password", 1, false), ("wrong-password", 999, true)];
    assert_eq!(shapes, expected.map(|(outcome, count, since)| (outcome.to_owned(), count, since)));
}

#[test]
fn after_a_minute_it_is_written_again() {
    let place = Place::new(Settings::default());
    let trail = place.open();
    trail.authenticated(&principal("ann", 1));
    trail.authenticated(&principal("ann", 1));
    place.clock.advance_seconds(60);
    // The writer looks at the clock by itself.
    wait_while(|| place.entries().len() < 2);
    trail.authenticated(&principal("ann", 1));
    trail.stop();
    let counts: Vec<(u64, bool)> =
        place.entries().iter().map(|entry| (entry.body.count, entry.body.since.is_some())).collect();
    assert_eq!(counts, [(1, false), (1, true), (1, false)]);
}

#[test]
fn who_notes_the_same_again_and_again_is_counted_and_after_a_minute_written_again() {
    let place = Place::new(Settings::default());
    let (trail, ann) = (place.open(), principal("ann", 1));
    let mut of_connections = [Noted::default(), Noted::default()];
    let mut come = |trail: &Trail| {
        for noted in &mut of_connections {
            for _ in 0..3 {
                trail.authenticated_again(&ann, noted);
            }
        }
    };
    come(&trail);
    place.clock.advance_seconds(60);
    // The writer looks at the clock by itself.
    wait_while(|| place.entries().len() < 2);
    come(&trail);
    trail.stop();
    let counts: Vec<(u64, bool)> =
        place.entries().iter().map(|entry| (entry.body.count, entry.body.since.is_some())).collect();
    assert_eq!(counts, [(1, false), (5, true), (1, false), (5, true)]);
}

#[test]
fn who_comes_with_other_groups_or_by_another_key_is_told_of_again() {
    let place = Place::new(Settings::default());
    let trail = place.open();
    let ann = |groups: &[&str]| {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        Principal::new("ann", groups, Method::ApiKey).from(source(1))
    };
    let all = [ann(&[]), ann(&["admin"]), ann(&["admin"]).by_key("one"), ann(&["admin"]).by_key("other")];
    for principal in all.iter().chain(&all) {
        trail.authenticated(principal);
    }
    // One who has done too many different things is told of with other groups all the same.
    for number in 0..600 {
        trail.invoked(&all[0], "m:report", Some(&format!("/m:task[id='{number}']")), None);
    }
    trail.invoked(&ann(&["auditor"]).by_key("third"), "m:report", None, None);
    trail.stop();
    let entries = place.entries();
    let told = |entry: &Entry| {
        (entry.body.groups.iter().cloned().collect::<String>(), entry.body.credential.clone())
    };
    let key = |id: &str| Some(id.to_owned());
    let (admin, first) = ("admin".to_owned(), entries.iter().take(4).map(told).collect::<Vec<_>>());
    assert_eq!(
        first,
        [(String::new(), None), (admin.clone(), None), (admin.clone(), key("one")), (admin, key("other"))]
    );
    let of_auditor = entries.iter().find(|entry| entry.body.groups.contains("auditor")).unwrap();
    assert!(of_auditor.body.collapsed && of_auditor.body.credential.is_none(), "{of_auditor:?}");
    assert_eq!(total(&entries), 8 + 601);
}

#[test]
fn whoever_does_many_different_things_takes_little_room_and_nothing_is_uncounted() {
    let place = Place::new(Settings::default());
    let trail = place.open();
    let notes: u64 = 5000;
    for number in 0..notes {
        let user = format!("user-{number}");
        trail.not_authenticated(&user, Some(Method::Password), source(1), &AuthError::WrongPassword);
    }
    // Others are not in the way of a user.
    trail.invoked(&principal("ann", 1), "m:report", Some("/m:tasks/task[id='1']"), None);
    trail.stop();
    let entries = place.entries();
    assert!(entries.len() < 520, "{}", entries.len());
    assert_eq!(total(&entries), notes + 1);
    let collapsed: Vec<&Entry> = entries.iter().filter(|entry| entry.body.collapsed).collect();
    assert!(!collapsed.is_empty() && collapsed.iter().all(|entry| entry.user.is_empty()));
    let ann = entries.iter().find(|entry| entry.user == "ann").unwrap();
    assert_eq!(ann.body.path.as_deref(), Some("/m:tasks/task[id='1']"));
}

#[test]
fn what_finds_no_room_is_counted() {
    let place = Place::new(Settings::default());
    let trail = place.open();
    let notes: u32 = 40_000;
    for number in 0..notes {
        trail.not_authenticated("x", Some(Method::Token), source(number), &AuthError::WrongToken);
    }
    trail.stop();
    let entries = place.entries();
    let dropped: Vec<&Entry> = entries.iter().filter(|entry| entry.body.kind == Kind::Dropped).collect();
    assert!(!dropped.is_empty());
    assert_eq!(total(&entries), u64::from(notes));
}

#[test]
fn a_full_segment_is_followed_by_another_and_the_oldest_go() {
    let settings = Settings { segment_bytes: 20_000, bytes_max: 150_000, ..Settings::default() };
    let place = Place::new(settings);
    drop(Log::open(&place.log_directory()).unwrap());
    let mut reached = 0;
    for start in 0..40 {
        let trail = place.open();
        for number in 0..100 {
            trail.invoked(&principal("ann", start), &format!("m:operation-{number}"), None, None);
        }
        wait_while(|| {
            place.entries().iter().filter(|entry| entry.at == place.clock.clock().now()).count() < 100
        });
        trail.stop();
        place.clock.advance_seconds(61);
        reached = place.reader().numbers().unwrap().last().copied().unwrap();
    }
    let numbers = place.reader().numbers().unwrap();
    assert!(reached > 5 && numbers[0] > 1 && numbers.len() > 1, "{numbers:?}");
    let proof = place.check().unwrap();
    assert_eq!(proof.segments, numbers.len() as u64);

    // Who removes one more by hand is found out.
    fs::remove_dir_all(place.segment(numbers[0])).unwrap();
    assert!(place.wrong().contains(&format!("segment {} of the audit trail is altered", numbers[0])));
}

#[test]
fn segments_go_for_their_age_and_the_newest_stays() {
    let settings = Settings { segment_hours: 24, retention_days: 7, ..Settings::default() };
    let place = Place::new(settings);
    drop(Log::open(&place.log_directory()).unwrap());
    for day in 0..20 {
        let trail = place.open();
        let before = place.entries().len();
        trail.authenticated(&principal("ann", 1));
        wait_while(|| place.entries().len() == before);
        place.clock.advance_seconds(DAY_S);
        place.wait_for_segment(day + 2);
        trail.stop();
    }
    let numbers = place.reader().numbers().unwrap();
    assert!((7..=9).contains(&numbers.len()) && numbers.last() == Some(&21), "{numbers:?}");
    place.check().unwrap();
}

#[test]
fn a_segment_that_was_being_made_or_removed_at_a_crash_is_in_nobodys_way() {
    let place = Place::lived();
    for half in ["begun", "removed"] {
        fs::create_dir(place.trail_directory().join(half)).unwrap();
        fs::write(place.trail_directory().join(half).join("log.sqlite3"), "half").unwrap();
    }
    place.check().unwrap();
    let trail = place.open();
    trail.authenticated(&principal("ann", 1));
    wait_while(|| place.entries().len() < 7);
    place.clock.advance_seconds(DAY_S * 8);
    place.wait_for_segment(2);
    trail.stop();
    assert_eq!(place.check().unwrap().segments, 2);
    assert!(["begun", "removed"].iter().all(|half| !place.trail_directory().join(half).exists()));
}

#[test]
fn who_reads_and_verifies_meanwhile_meets_no_half_segment() {
    let settings = Settings { segment_bytes: 2_000, bytes_max: 30_000, ..Settings::default() };
    let place = Place::new(settings);
    drop(Log::open(&place.log_directory()).unwrap());
    let ended = std::sync::atomic::AtomicBool::new(false);
    let is_over = || ended.load(std::sync::atomic::Ordering::Relaxed);
    let trail = place.open();
    let removed = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over() {
                    place.entries();
                }
            });
        }
        scope.spawn(|| {
            while !is_over() {
                place.check().unwrap();
            }
        });
        let mut host = 0;
        let removed = loop {
            let first = place.reader().numbers().unwrap().first().copied().unwrap();
            if first > 20 {
                break first;
            }
            host += 1;
            trail.authenticated(&principal("ann", host));
            if host % 1000 == 0 {
                // What was done within a minute is remembered, and there is room for so much.
                place.clock.advance_seconds(61);
            }
            std::thread::yield_now();
        };
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        removed
    });
    trail.stop();
    assert!(removed > 20, "{removed}");
    place.check().unwrap();
}

// Tampering.

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("log.sqlite3")).unwrap()
}

fn records(directory: &Path) -> Vec<Record> {
    LogReader::open(directory).unwrap().scan(0).collect::<Result<_, _>>().unwrap()
}

/// Writes a log anew with records whose chain is right.
fn rechain(directory: &Path, mut change: impl FnMut(&mut NewRecord, u64)) {
    let (old, database) = (records(directory), database(directory));
    let (mut previous, mut latest) = (NO_HASH, i64::MIN);
    for record in old {
        let Record { at, kind, version, actor, origin, payload, .. } = record;
        let mut new = NewRecord { at, kind, version, actor, origin, payload };
        change(&mut new, record.position);
        let sealed = Record::seal(&new, record.position, record.transaction_end, &previous).unwrap();
        (previous, latest) = (sealed.hash, latest.max(sealed.at));
        let update = "UPDATE record SET bytes = ?1, latest_at = ?2 WHERE position = ?3";
        database.execute(update, (sealed.encode().unwrap(), latest, record.position as i64)).unwrap();
    }
}

#[test]
fn a_flipped_byte_is_named() {
    let place = Place::lived();
    let flip_bytes = |directory: &Path| {
        let database = database(directory);
        let read = "SELECT bytes FROM record WHERE position = 3";
        let mut bytes: Vec<u8> = database.query_row(read, (), |row| row.get(0)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        database.execute("UPDATE record SET bytes = ?1 WHERE position = 3", [bytes]).unwrap();
    };
    flip_bytes(&place.log_directory());
    let wrong = place.wrong();
    assert!(
        wrong.starts_with("the event log is altered at position 3, after 1970-01-01T00:00:00.000001Z: "),
        "{wrong}"
    );
    flip_bytes(&place.segment(1));
    let wrong = place.wrong();
    assert!(wrong.contains("segment 1 of the audit trail is altered at position 3, after 20"), "{wrong}");
    assert!(wrong.contains("; the event log is altered at position 3"), "{wrong}");
}

#[test]
fn a_record_that_was_deleted_or_swapped_is_named() {
    let swap = "UPDATE record SET position = 100 WHERE position = 4;
        UPDATE record SET position = 4 WHERE position = 5;
        UPDATE record SET position = 5 WHERE position = 100";
    for statement in ["DELETE FROM record WHERE position = 4", swap] {
        for is_log in [true, false] {
            let place = Place::lived();
            let directory = if is_log { place.log_directory() } else { place.segment(1) };
            database(&directory).execute_batch(statement).unwrap();
            let wrong = place.wrong();
            assert!(wrong.contains("altered at position 4"), "{statement}: {wrong}");
            assert_eq!(wrong.contains("the event log is altered"), is_log, "{wrong}");
        }
    }
}

#[test]
fn an_end_that_was_cut_off_is_named() {
    let place = Place::lived();
    database(&place.log_directory()).execute("DELETE FROM record WHERE position > 8", ()).unwrap();
    let wrong = place.wrong();
    assert!(wrong.contains("the event log is altered at position 9") && wrong.contains("cut off"), "{wrong}");

    let place = Place::lived();
    let kept = place.reader().kept().unwrap().unwrap();
    database(&place.segment(1)).execute("DELETE FROM record WHERE position > 4", ()).unwrap();
    let altered = place.check_with(&[kept]).unwrap_err();
    let wrong = altered[0].to_string();
    assert!(wrong.contains("segment 1 of the audit trail is altered at position 5"), "{wrong}");
}

#[test]
fn a_log_that_was_put_back_is_whole_if_the_key_says_so_and_cut_if_another_one_does() {
    let cut = |place: &Place, after: u64| {
        let log = LogReader::open(&place.log_directory()).unwrap();
        let to = log.head_at(after).unwrap().unwrap();
        database(&place.log_directory())
            .execute("DELETE FROM record WHERE position > ?1", [after as i64])
            .unwrap();
        let at = place.clock.clock().now();
        let first = Head::EMPTY;
        Restore { at, by: "uid 0".to_owned(), first, to, of_position: 10, of_time: at }
    };
    let own = Signer::from_pem(&Signer::pem(&SEED)).unwrap();
    let place = Place::lived();
    let restore = cut(&place, 3);
    assert!(place.wrong().contains("the event log is altered at position 4"));
    restore.note(&place.trail_directory(), &own).unwrap();
    let proof = place.check().unwrap();
    assert_eq!((proof.log.records, proof.unsigned, proof.restored.len()), (3, 0, 1));
    let told = &proof.restored[0];
    assert_eq!((told.log_position, told.of_position, told.by.as_str()), (3, 10, "uid 0"));
    assert!(place.entries().iter().any(|entry| entry.body.operation == "event-log-restored"));

    // The server goes on with other records at the positions that were signed before.
    let trail = place.open();
    let mut log = Log::open(&place.log_directory()).unwrap();
    for change in 0..5 {
        log.append(&[vec![event(&format!("{{\"start\":2,\"change\":{change}}}"))]]).unwrap();
    }
    trail.committed(log.last());
    trail.stop();
    log.close().unwrap();
    assert_eq!(place.check().unwrap().log.records, 8);
    cut(&place, 6);
    assert!(place.wrong().contains("the event log is altered at position 7"), "{}", place.wrong());
    cut(&place, 2);
    assert!(place.wrong().contains("the event log is altered at position 3"), "{}", place.wrong());

    let place = Place::lived();
    let restore = cut(&place, 3);
    restore.note(&place.trail_directory(), &Signer::from_pem(&Signer::pem(&[8; 32])).unwrap()).unwrap();
    let wrong = place.wrong();
    assert!(wrong.contains("was put back is not signed with this key"), "{wrong}");
    assert!(wrong.contains("the event log is altered at position 4"), "{wrong}");

    // What was signed of one place says nothing of another.
    let place = Place::lived();
    cut(&place, 3).note(&place.trail_directory(), &own).unwrap();
    let moved = records(&place.segment(1)).into_iter().find(|record| record.kind == RESTORED).unwrap();
    let place = Place::lived();
    cut(&place, 3);
    let mut segment = Log::open(&place.segment(1)).unwrap();
    let Record { at, kind, version, actor, origin, payload, .. } = moved;
    segment.append(&[vec![NewRecord { at, kind, version, actor, origin, payload }]]).unwrap();
    segment.close().unwrap();
    assert!(place.wrong().contains("the event log is altered at position 4"), "{}", place.wrong());
}

/// Has a log say that it begins after a position, with this hash.
fn forge(directory: &Path, position: u64, hash: [u8; 32]) {
    Log::open(directory).unwrap().close().unwrap();
    let log = LogReader::open(directory).unwrap();
    let latest_at = log.head_at(position).unwrap().unwrap().latest_at;
    let kept: Vec<NewRecord> = log.scan(position).map(|record| new(record.unwrap())).collect();
    drop(log);
    for entry in fs::read_dir(directory).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut log = Log::open_after(directory, &Head { position, hash, latest_at }).unwrap();
    log.append(&kept.into_iter().map(|record| vec![record]).collect::<Vec<_>>()).unwrap();
    log.close().unwrap();
}

fn new(Record { at, kind, version, actor, origin, payload, .. }: Record) -> NewRecord {
    NewRecord { at, kind, version, actor, origin, payload }
}

#[test]
fn a_log_may_begin_only_where_a_signed_note_says_so() {
    // The beginning is gone, be it with the hash that was there.
    for hash in [None, Some([9; 32])] {
        let place = Place::lived();
        let head = LogReader::open(&place.log_directory()).unwrap().head_at(10).unwrap().unwrap();
        forge(&place.log_directory(), 10, hash.unwrap_or(head.hash));
        let wrong = place.wrong();
        assert!(wrong.contains("up to position 10 is missing, and nothing says"), "{wrong}");
    }
    // It was noted, and nothing is accepted that goes further, or has another hash.
    let noted = |seed: &[u8; 32]| {
        let place = Place::lived();
        let head = LogReader::open(&place.log_directory()).unwrap().head_at(4).unwrap().unwrap();
        let signer = Signer::from_pem(&Signer::pem(seed)).unwrap();
        let clock = place.clock.clock();
        let trail = Trail::open(&place.trail_directory(), Settings::default(), signer, clock, true).unwrap();
        trail.committed(LogReader::open(&place.log_directory()).unwrap().last().unwrap());
        trail.forgetting(head).unwrap();
        trail.stop();
        (place, head)
    };
    let (place, head) = noted(&SEED);
    assert_eq!(place.check().unwrap().log.after, 0, "it has not gone yet");
    assert!(place.entries().iter().any(|entry| entry.body.operation == "events-forgotten"));
    forge(
        &place.log_directory(),
        2,
        LogReader::open(&place.log_directory()).unwrap().head_at(2).unwrap().unwrap().hash,
    );
    assert_eq!(place.check().unwrap().log.after, 2, "not all of it has gone");
    forge(&place.log_directory(), 4, head.hash);
    let proof = place.check().unwrap();
    assert_eq!((proof.log.after, proof.log.records, proof.forgotten.unwrap().log_position), (4, 10, 4));
    let (place, _) = noted(&SEED);
    forge(&place.log_directory(), 4, [9; 32]);
    assert!(place.wrong().contains("follows another record than was signed"), "{}", place.wrong());
    let (place, _) = noted(&SEED);
    forge(&place.log_directory(), 2, [9; 32]);
    assert!(place.wrong().contains("what is there is not what was signed"), "{}", place.wrong());
    let (place, head) = noted(&[8; 32]);
    forge(&place.log_directory(), 4, head.hash);
    assert!(place.wrong().contains("is not signed with this key"), "{}", place.wrong());
    assert!(place.wrong().contains("up to position 4 is missing"), "{}", place.wrong());
}

#[test]
fn where_the_log_may_begin_is_known_when_the_segment_that_said_so_has_gone() {
    let settings = Settings { segment_hours: 1, retention_days: 1, ..Settings::default() };
    let place = Place { settings, ..Place::lived() };
    let head = LogReader::open(&place.log_directory()).unwrap().head_at(4).unwrap().unwrap();
    let trail = place.open();
    trail.committed(LogReader::open(&place.log_directory()).unwrap().last().unwrap());
    trail.forgetting(head).unwrap();
    for segment in 2..=3 {
        place.clock.advance_seconds(2 * DAY_S);
        trail.authenticated(&principal("ann", segment));
        place.wait_for_segment(u64::from(segment));
    }
    wait_while(|| place.segment(1).exists());
    trail.stop();
    forge(&place.log_directory(), 4, head.hash);
    assert_eq!(place.check().unwrap().log.after, 4);
}

#[test]
fn a_note_that_nobody_has_signed_is_not_signed_when_its_segment_goes() {
    let settings = Settings { segment_hours: 1, retention_days: 1, ..Settings::default() };
    let place = Place { settings, ..Place::lived() };
    let log = LogReader::open(&place.log_directory()).unwrap();
    let head = log.head_at(4).unwrap().unwrap();
    // Who may write to the directory puts a note behind what was signed last.
    let mut segment = Log::open(&place.segment(1)).unwrap();
    let Head { position, hash, .. } = segment.last();
    let note = serde_json::json!({
        "at": "2023-11-14T22:13:20Z",
        "before": {"segment": 1, "position": position, "hash": agentconf::ids::hexadecimal(&hash)},
        "log-position": 4,
        "log-hash": agentconf::ids::hexadecimal(&head.hash),
        "signature": "AAAA",
    });
    let new = NewRecord { kind: FORGOTTEN, ..event(&note.to_string()) };
    segment.append(&[vec![new]]).unwrap();
    segment.close().unwrap();
    let trail = place.open();
    trail.committed(log.last().unwrap());
    for segment in 2..=3 {
        place.clock.advance_seconds(2 * DAY_S);
        trail.authenticated(&principal("ann", segment));
        place.wait_for_segment(u64::from(segment));
    }
    wait_while(|| place.segment(1).exists());
    trail.stop();
    drop(log);
    forge(&place.log_directory(), 4, head.hash);
    let wrong = place.wrong();
    assert!(wrong.contains("up to position 4 is missing, and nothing says"), "{wrong}");
}

#[test]
fn a_segment_without_its_beginning_is_named() {
    let place = Place::lived();
    let segment = place.segment(1);
    let head = LogReader::open(&segment).unwrap().head_at(2).unwrap().unwrap();
    forge(&segment, 2, head.hash);
    assert!(place.wrong().contains("its beginning is missing"), "{}", place.wrong());
}

#[test]
fn a_chain_made_anew_without_the_key_is_named() {
    let place = Place::lived();
    rechain(&place.log_directory(), |record, position| {
        if position == 7 {
            record.payload = b"{\"start\":1,\"change\":9}".to_vec();
        }
    });
    agentconf::log::verify(&LogReader::open(&place.log_directory()).unwrap())
        .expect("the chain alone is right");
    let wrong = place.wrong();
    // What was signed last and is still right is the end of the first start.
    assert!(wrong.starts_with("the event log is altered at position 6, after "), "{wrong}");
    assert!(wrong.contains("not what was signed"), "{wrong}");

    let place = Place::lived();
    rechain(&place.segment(1), |record, position| {
        if position == 3 {
            record.actor = "nobody".into();
        }
    });
    let wrong = place.wrong();
    assert!(wrong.contains("segment 1 of the audit trail is altered at position"), "{wrong}");
    assert!(wrong.contains("not what was signed"), "{wrong}");

    // Nor can checkpoints be made with another key.
    let forger = Signer::from_pem(&Signer::pem(&[8; 32])).unwrap();
    let place = Place::lived();
    let log = LogReader::open(&place.log_directory()).unwrap();
    let altered = verify(&place.reader(), &log, &forger.public(), &[], None).unwrap_err();
    assert!(altered[0].to_string().contains("not signed with this key"), "{}", altered[0]);
}

#[test]
fn a_trail_or_a_segment_that_is_gone_is_named() {
    let place = Place::lived();
    fs::remove_dir_all(place.segment(1)).unwrap();
    assert!(
        place
            .wrong()
            .contains("segment 1 of the audit trail is altered at position 1: the segment is missing")
    );

    let settings = Settings { segment_hours: 1, ..Settings::default() };
    let place = Place::new(settings);
    drop(Log::open(&place.log_directory()).unwrap());
    let trail = place.open();
    for number in 2..=4 {
        trail.authenticated(&principal("ann", number));
        place.clock.advance_seconds(3600);
        place.wait_for_segment(number.into());
    }
    trail.stop();
    place.check().unwrap();
    fs::remove_dir_all(place.segment(2)).unwrap();
    assert!(
        place.wrong().contains("segment 2 of the audit trail is altered at position 1"),
        "{}",
        place.wrong()
    );
}

#[test]
fn a_restart_does_not_make_a_trail_whole_that_was_cut() {
    let cut = |place: &Place| {
        database(&place.segment(1)).execute("DELETE FROM record WHERE position > 4", ()).unwrap();
    };
    let all = |place: &Place| fs::remove_dir_all(place.trail_directory()).unwrap();
    let checkpoint =
        |place: &Place| fs::remove_file(place.trail_directory().join("checkpoint.json")).unwrap();
    let both = |place: &Place| {
        database(&place.segment(1)).execute("DELETE FROM record WHERE position > 1", ()).unwrap();
        checkpoint(place);
    };
    type Damage<'a> = (&'a dyn Fn(&Place), &'a str);
    let damages: [Damage<'_>; 4] = [
        (&cut, " was expected, and nothing was found"),
        (&all, "a checkpoint was expected, and nothing was found"),
        (&checkpoint, "a checkpoint was expected, and position "),
        (&both, "a checkpoint was expected, and nothing was found"),
    ];
    for (damage, why) in damages {
        let place = Place::lived();
        let kept = place.reader().kept().unwrap().unwrap();
        damage(&place);
        for _ in 0..2 {
            place.open_after(true).stop();
            let wrong = place.wrong();
            assert!(wrong.contains("discontinuity: at a start ") && wrong.contains(why), "{wrong}");
            assert_eq!(wrong.matches("discontinuity").count(), 1, "{wrong}");
        }
        // Who has looked into it goes on from there, and not from what was kept before.
        let log = LogReader::open(&place.log_directory()).unwrap();
        let newest = place.reader().kept().unwrap().unwrap();
        verify(&place.reader(), &log, &key(), &[], Some(&newest)).unwrap();
        let forged = Checkpoint { position: 1 << 40, ..newest };
        verify(&place.reader(), &log, &key(), &[], Some(&forged)).unwrap_err();
        if why.starts_with(" was") {
            let aside = fs::read_dir(place.trail_directory()).unwrap().map(|entry| entry.unwrap().path());
            let aside =
                aside.filter(|path| path.to_string_lossy().contains("checkpoint-")).collect::<Vec<_>>();
            let text = fs::read_to_string(&aside[0]).unwrap();
            assert_eq!(serde_json::from_str::<Checkpoint>(&text).unwrap(), kept);
        }
    }
}

#[test]
fn strangers_take_no_room_of_users() {
    let place = Place::new(Settings::default());
    let trail = place.open();
    for number in 0..40_000 {
        trail.not_authenticated("x", Some(Method::Token), source(number), &AuthError::WrongToken);
    }
    trail.authenticated(&principal("ann", 1));
    trail.invoked(&principal("ann", 1), "m:report", None, None);
    trail.stop();
    let entries = place.entries();
    let of_ann: Vec<Kind> =
        entries.iter().filter(|entry| entry.user == "ann").map(|entry| entry.body.kind).collect();
    assert_eq!(of_ann, [Kind::Authentication, Kind::Invocation]);
    assert!(entries.iter().any(|entry| entry.body.kind == Kind::Dropped));
}

#[test]
fn a_name_is_not_taken_for_a_session() {
    let place = Place::new(Settings::default());
    let trail = place.open();
    for user in ["bob#+5", "bob#05", "bob#x", "bob"] {
        trail.invoked(&principal(user, 1), "m:report", None, None);
    }
    trail.stop();
    let entries = place.entries();
    let told =
        |user: &str, session| entries.iter().any(|entry| entry.user == user && entry.session == session);
    for user in ["bob#+5", "bob#05", "bob#x", "bob"] {
        assert!(told(user, None), "{user}");
    }
}

#[test]
fn a_log_that_may_only_be_read_is_proved_and_one_that_cannot_be_read_is_not_called_altered() {
    let place = Place::lived();
    let segment = place.reader().place(1);
    // As where nobody may write: the memory that SQLite shares among processes cannot be made.
    for directory in [&segment, &place.log_directory()] {
        std::os::unix::fs::symlink("/nowhere/shared", directory.join("log.sqlite3-shm")).unwrap();
    }
    assert_eq!(place.check().unwrap().segments, 1);
    let whole = LogReader::open(&place.log_directory()).unwrap();
    // What is in there is not to be left out.
    fs::write(segment.join("log.sqlite3-wal"), "ahead").unwrap();
    let unread = verify(&place.reader(), &whole, &key(), &[], None).unwrap_err();
    assert!(unread.iter().all(|what| what.is_unread), "{unread:?}");
    let told = unread[0].to_string();
    assert!(told.starts_with("segment 1 of the audit trail cannot be read at position 1: "), "{told}");
    fs::remove_file(segment.join("log.sqlite3")).unwrap();
    assert!(place.wrong().starts_with("segment 1 of the audit trail is altered at position 1"));
}
