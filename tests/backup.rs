//! Backups of a log whose oldest records were moved out of it or are kept no longer, through the public interface.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use std::fs;
use std::path::Path;

use agentconf::audit::{self, PublicKey, Reader, Settings, Trail};
use agentconf::backup::{BackupError, Wanted, make, restore, verify};
use agentconf::clock::{ManualClock, Timestamp};
use agentconf::engine::{replay, write_snapshot};
use agentconf::log::{Log, LogReader, NewRecord, Point, Record};
use agentconf::server::audit as of_server;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// An edit that a server could have made, at this second.
fn edit(second: i64) -> NewRecord {
    let payload = format!(
        r#"[{{"op":"replace","path":[{{"node":"irtf-agent:data-params","key":["e"]}}],"value":{{"irtf-agent:data-params":[{{"id":"e","dataType":"text","data":"{second}"}}]}}}}]"#
    );
    let (actor, origin) = ("ann".to_owned(), String::new());
    NewRecord { at: second * 1_000_000, kind: 1, version: 1, actor, origin, payload: payload.into() }
}

fn append(data: &Path, seconds: std::ops::RangeInclusive<i64>) {
    let mut log = Log::open(data).unwrap();
    log.append(&seconds.map(|second| vec![edit(second)]).collect::<Vec<_>>()).unwrap();
    log.close().unwrap();
}

fn records(data: &Path, after: u64) -> Vec<Record> {
    LogReader::open(data).unwrap().scan(after).collect::<Result<_, _>>().unwrap()
}

fn backed_up(data: &Path, target: &Path) -> Result<u64, Box<BackupError>> {
    let made = make(data, None, target, Timestamp::EPOCH, &mut |_, _, _| {})?;
    assert_eq!(verify(target, &mut |_, _, _| {}).unwrap(), made.manifest);
    Ok(made.manifest.log.position)
}

fn restored(target: &Path, data: &Path, to: Option<Point>) -> Result<u64, Box<BackupError>> {
    let wanted = Wanted { data, to, force: false, at: Timestamp::EPOCH };
    Ok(restore(target, &wanted, &mut |_, _, _| {})?.position)
}

#[test]
fn records_in_archives_are_in_a_backup_as_all_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (data, target) = (place("data"), place("backup"));
    append(&data, 1..=10);
    assert_eq!(backed_up(&data, &target).unwrap(), 10);
    let all = records(&data, 0);
    let log = LogReader::open(&data).unwrap();
    write_snapshot(&log, &replay(&log, 10).unwrap()).unwrap();
    log.compactor().unwrap().archive(8, |_| {}).unwrap();

    // One that began after that, and one whose end is in an archive by now.
    let later = place("later");
    assert_eq!(backed_up(&data, &later).unwrap(), 10);
    append(&data, 11..=20);
    LogReader::open(&data).unwrap().compactor().unwrap().archive(18, |_| {}).unwrap();
    assert_eq!(backed_up(&data, &target).unwrap(), 20);
    for (number, target) in [&target, &later].into_iter().enumerate() {
        let data = place(&format!("restored-{number}"));
        assert_eq!(restored(target, &data, Some(Point::Position(10))).unwrap(), 10);
        assert_eq!(records(&data, 0), all);
        assert!(!data.join("archive").exists(), "they are in the log again");
        assert!(!data.join("snapshots").exists(), "all records are there");
    }
}

#[test]
fn a_log_whose_beginning_is_kept_no_longer_is_restored_from_where_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (data, early, target) = (place("data"), place("early"), place("backup"));
    append(&data, 1..=4);
    assert_eq!(backed_up(&data, &early).unwrap(), 4);
    append(&data, 5..=20);
    let log = LogReader::open(&data).unwrap();
    let mut compactor = log.compactor().unwrap();
    compactor.archive(6, |_| {}).unwrap();
    compactor.archive(12, |_| {}).unwrap();
    write_snapshot(&log, &replay(&log, 15).unwrap()).unwrap();
    assert_eq!(compactor.forget_before(10_000_000).unwrap(), 1);
    assert_eq!(log.first().unwrap().position, 6);

    let made = make(&data, None, &place("counted"), Timestamp::EPOCH, &mut |_, _, _| {}).unwrap();
    assert_eq!(made.new_records(), 14, "there are no more");
    assert_eq!(backed_up(&data, &target).unwrap(), 20);
    let again = place("again");
    assert_eq!(restored(&target, &again, Some(Point::Position(17))).unwrap(), 17);
    assert_eq!(records(&again, 6), records(&data, 6)[..11]);
    assert_eq!(LogReader::open(&again).unwrap().first().unwrap(), log.first().unwrap());
    let state = replay(&LogReader::open(&again).unwrap(), u64::MAX).unwrap();
    assert_eq!(state.position, 17);
    append(&data, 21..=22);
    assert_eq!(backed_up(&data, &target).unwrap(), 22);
    // Of what was before the snapshot there are records and no state; and the earlier backup has a gap behind it.
    let before = restored(&target, &place("before"), Some(Point::Position(14)));
    assert!(
        matches!(before, Err(ref error) if matches!(**error, BackupError::BeforeSnapshot(15))),
        "{before:?}"
    );
    // What stands for it stays in the backup when the server has newer ones.
    append(&data, 23..=24);
    for at in [21, 22] {
        write_snapshot(&log, &replay(&log, at).unwrap()).unwrap();
    }
    assert_eq!(backed_up(&data, &target).unwrap(), 24);
    assert_eq!(restored(&target, &place("first"), Some(Point::Position(15))).unwrap(), 15);
    // Without one there is no finished backup.
    std::fs::remove_dir_all(data.join("snapshots")).unwrap();
    let none = backed_up(&data, &place("none"));
    assert!(matches!(none, Err(ref error) if matches!(**error, BackupError::NoSnapshot(6))), "{none:?}");
    assert!(!place("none").join("backup.json").exists());
    let gap = backed_up(&data, &early);
    let told = "ends at position 4, and the log begins at position 7: what was between them is kept no longer. Make a new";
    assert!(gap.as_ref().is_err_and(|error| error.to_string().contains(told)), "{gap:?}");
    assert_eq!(verify(&early, &mut |_, _, _| {}).unwrap().log.position, 4);
}

#[test]
fn a_directory_with_other_files_is_refused_and_no_file_of_others_is_removed_from_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (data, other, target) = (place("data"), place("other"), place("backup"));
    append(&data, 1..=3);
    // What a server has in its own directory, and what anybody has.
    for name in ["log/syslog", "files/readme", "audit/000001/log.sqlite3", "server.lock"] {
        fs::create_dir_all(other.join(name).parent().unwrap()).unwrap();
        fs::write(other.join(name), name).unwrap();
    }
    let refused = backed_up(&data, &other);
    assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("no backup")), "{refused:?}");
    assert_eq!(fs::read_dir(&other).unwrap().count(), 4, "nothing is made there");
    assert_eq!(fs::read_to_string(other.join("log/syslog")).unwrap(), "log/syslog");

    // One that was cut short at its first run goes on; so does one that came no further than its lock.
    for name in ["log", "files"] {
        fs::create_dir_all(target.join(name)).unwrap();
    }
    fs::write(target.join("log/unfinished"), "agentconf").unwrap();
    fs::write(target.join("server.lock"), "").unwrap();
    assert!(backed_up(&data, &target).is_err(), "nobody knows whose it is");
    fs::write(target.join("backup.begun"), "").unwrap();
    assert_eq!(backed_up(&data, &target).unwrap(), 3);
    assert!(!target.join("backup.begun").exists() && !target.join("log/unfinished").exists());
    fs::create_dir_all(place("locked")).unwrap();
    fs::write(place("locked/server.lock"), "").unwrap();
    assert_eq!(backed_up(&data, &place("locked")).unwrap(), 3);

    let kept = ["log/notes", "log/1-2.records", "files/notes"].map(|name| target.join(name));
    for path in &kept {
        fs::write(path, "kept").unwrap();
    }
    append(&data, 4..=6);
    assert_eq!(backed_up(&data, &target).unwrap(), 6);
    assert!(kept.iter().all(|path| path.exists()));
    let old = |name: fs::DirEntry| name.file_name().to_string_lossy().starts_with("00000000000000000001-");
    let logs = fs::read_dir(target.join("log")).unwrap().map(Result::unwrap);
    assert_eq!(logs.filter_map(|name| old(name).then_some(())).count(), 1, "its own are removed");
}

/// The audit trail of a server that has written so much of the log.
fn trail(data: &Path) -> Trail {
    let random = rustls::crypto::ring::default_provider().secure_random;
    let clock = ManualClock::new(Timestamp::EPOCH).clock();
    let trail = of_server::open(data, &Settings::default(), &clock, random).unwrap();
    trail.committed(LogReader::open(data).unwrap().last().unwrap());
    trail
}

fn proved(data: &Path) -> Result<audit::Proof, Vec<audit::Altered>> {
    let key = PublicKey::from_pem(&fs::read_to_string(data.join("audit.pub")).unwrap()).unwrap();
    audit::verify(&Reader::new(&data.join("audit")), &LogReader::open(data).unwrap(), &key, &[], None)
}

#[test]
fn a_beginning_that_went_without_a_note_is_not_made_good_by_a_backup_or_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let (data, target) = (place("data"), place("backup"));
    append(&data, 1..=20);
    trail(&data).stop();
    let log = LogReader::open(&data).unwrap();
    let mut compactor = log.compactor().unwrap();
    compactor.archive(6, |_| {}).unwrap();
    compactor.archive(12, |_| {}).unwrap();
    write_snapshot(&log, &replay(&log, 15).unwrap()).unwrap();
    assert_eq!(backed_up(&data, &place("whole")).unwrap(), 20);

    let first = data.join("archive/00000000000000000001-00000000000000000006.records");
    let octets = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    assert!(proved(&data).is_err());
    let is_missing = |made: Result<u64, Box<BackupError>>| match made {
        Err(error) if matches!(*error, BackupError::Missing(6)) => error.to_string().contains("log verify"),
        _ => false,
    };
    assert!(is_missing(backed_up(&data, &target)) && is_missing(backed_up(&data, &place("whole"))));
    assert!(!target.join("backup.json").exists());

    // The same that is meant.
    fs::write(&first, octets).unwrap();
    let noting = trail(&data);
    noting.forgetting(compactor.first_after(6_500_000).unwrap().unwrap()).unwrap();
    assert_eq!(compactor.forget_before(6_500_000).unwrap(), 1);
    noting.stop();
    assert_eq!(backed_up(&data, &target).unwrap(), 20);
    assert_eq!(restored(&target, &place("restored"), None).unwrap(), 20);
    assert_eq!(proved(&place("restored")).unwrap().forgotten.unwrap().log_position, 6);

    // A backup of an earlier version may be without the note.
    let path = target.join("backup.json");
    let mut sealed: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    sealed["backup"]["trail"] = json!([]);
    let digest = Sha256::digest(sealed["backup"].to_string());
    sealed["sha256"] = json!(digest.iter().map(|octet| format!("{octet:02x}")).collect::<String>());
    fs::write(&path, sealed.to_string()).unwrap();
    verify(&target, &mut |_, _, _| {}).unwrap();
    assert!(is_missing(restored(&target, &place("signed"), None)) && !place("signed").exists());
    assert!(!place("signed.restoring").exists());
}

#[test]
fn a_backup_with_a_damaged_file_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (data, target) = (folder.path().join("data"), folder.path().join("backup"));
    append(&data, 1..=10);
    fs::create_dir(data.join("blobs")).unwrap();
    fs::write(data.join("blobs/part"), "octets").unwrap();
    let made = make(&data, None, &target, Timestamp::EPOCH, &mut |_, _, _| {}).unwrap();
    // It stays in the backup when the server has it no more.
    fs::remove_file(data.join("blobs/part")).unwrap();
    let part = made.manifest.files.iter().find(|kept| kept.name == "blobs/part").unwrap();
    for name in [format!("files/{}", part.sha256), made.manifest.log.chunks[0].file.clone()] {
        let path = target.join(name);
        let whole = fs::read(&path).unwrap();
        for damaged in [Some(&whole[..whole.len() - 1]), Some(&[whole.as_slice(), b"x"].concat()), None] {
            fs::remove_file(&path).unwrap();
            damaged.map_or(Ok(()), |octets| fs::write(&path, octets)).unwrap();
            let refused = make(&data, None, &target, Timestamp::EPOCH, &mut |_, _, _| {});
            let refused = refused.unwrap_err().to_string();
            let is_told = refused.contains(path.to_str().unwrap()) && refused.contains("make a new backup");
            assert!(is_told, "{refused}");
        }
        fs::write(&path, &whole).unwrap();
    }
    append(&data, 11..=12);
    assert_eq!(backed_up(&data, &target).unwrap(), 12);
}
