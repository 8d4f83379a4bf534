//! The write-ahead log that a killed process or a loss of power leaves: whole, cut off, damaged in the middle or at its end.

use std::fs;
use std::path::PathBuf;

use agentconf::log::{Log, LogError, LogReader, verify};

use super::{Directory, transaction};

/// A log of ten commits, one record each, all of them in the write-ahead log, as SIGKILL or the power leaves it.
fn ten_ahead(test: &str) -> (Directory, PathBuf, Vec<u8>) {
    let directory = Directory::new(test);
    let mut log = directory.open();
    for position in 1..=10 {
        log.append(&[transaction(position, 1)]).unwrap();
    }
    let kept = directory.0.join("kept");
    fs::create_dir(&kept).unwrap();
    for file in ["log.sqlite3", "log.sqlite3-wal", "log.lock"] {
        fs::copy(directory.log().join(file), kept.join(file)).unwrap();
    }
    drop(log);
    fs::remove_dir_all(directory.log()).unwrap();
    fs::rename(kept, directory.log()).unwrap();
    let ahead = directory.log().join("log.sqlite3-wal");
    let bytes = fs::read(&ahead).unwrap();
    (directory, ahead, bytes)
}

/// Octets of the header and of a frame.
const AHEAD: (usize, usize) = (32, 24 + 4096);

#[test]
fn an_end_that_was_cut_off_is_forgotten_and_what_was_durable_before_it_is_there() {
    let (directory, ahead, bytes) = ten_ahead("torn");
    let frames = (bytes.len() - AHEAD.0) / AHEAD.1;
    assert_eq!((bytes.len() - AHEAD.0) % AHEAD.1, 0);
    let mut kept = Vec::new();
    for cut in (0..=frames).rev() {
        for torn in [0, 1, 100, 4000] {
            let mut bytes = bytes[..AHEAD.0 + cut * AHEAD.1].to_vec();
            // The beginning of the next frame, and zeros as a file system leaves them.
            bytes.extend(vec![0; torn]);
            fs::write(&ahead, &bytes).unwrap();
            let log = directory.open();
            let records = verify(&log.reader()).unwrap().records;
            assert_eq!(log.next_position(), records + 1);
            kept.push(records);
            // It stays as it was left: this copy alone is read again.
            drop(log);
            let _ = fs::remove_file(directory.log().join("log.sqlite3-shm"));
            let empty = directory.log().join("log.sqlite3");
            fs::write(&empty, b"").unwrap();
        }
    }
    assert_eq!((kept[0], kept[kept.len() - 1]), (10, 0));
    assert!(kept.is_sorted_by(|before, after| before >= after));
}

#[test]
fn damage_before_durable_commits_is_no_torn_end_and_refuses_to_open() {
    let (directory, ahead, bytes) = ten_ahead("middle");
    let frames = (bytes.len() - AHEAD.0) / AHEAD.1;
    let database = fs::read(directory.log().join("log.sqlite3")).unwrap();
    let with = |place: usize| {
        let mut bytes = bytes.clone();
        bytes[place] ^= 1;
        fs::write(&ahead, &bytes).unwrap();
        fs::write(directory.log().join("log.sqlite3"), &database).unwrap();
        let _ = fs::remove_file(directory.log().join("log.sqlite3-shm"));
        let opened = Log::open(&directory.log());
        // A refusal has changed nothing.
        assert!(opened.is_ok() || fs::read(&ahead).unwrap() == bytes);
        opened
    };
    // The first two frames make the table; then each record is a commit of one frame.
    for damaged in 1..=frames - 4 {
        for offset in [3, 10, 20, 24, 4000] {
            let place = AHEAD.0 + (damaged - 1) * AHEAD.1 + offset;
            let refusal = with(place).unwrap_err();
            let LogError::DamagedAhead { frame, .. } = refusal else { panic!("{refusal}") };
            assert_eq!(frame, damaged as u64, "{offset}");
        }
    }
    let header = with(9).unwrap_err();
    assert!(
        header
            .to_string()
            .contains("in its header, and what was kept from there on cannot be read; nothing was changed")
    );
    // The last commit, altered, is what one that was never finished looks like.
    assert_eq!(with(bytes.len() - 1).unwrap().next_position(), 10);
}

#[test]
fn what_was_durable_when_a_process_was_killed_is_not_forgotten_at_the_end_either() {
    let directory = Directory::new("killed-end");
    let mut log = directory.open();
    let names = ["log.sqlite3", "log.sqlite3-wal", "log.sqlite3-shm"];
    let copied = |name: &str| {
        let to = directory.0.join(name);
        fs::create_dir(&to).unwrap();
        // What is mapped into the memory of the process is in the file as others read it.
        for file in names {
            fs::copy(directory.log().join(file), to.join(file)).unwrap();
        }
        to
    };
    for position in 1..=10 {
        log.append(&[transaction(position, 1)]).unwrap();
    }
    let killed = copied("killed");
    let bytes = fs::read(killed.join("log.sqlite3-wal")).unwrap();
    let all: Vec<Vec<u8>> = names.iter().map(|file| fs::read(killed.join(file)).unwrap()).collect();
    let opened_with = |ahead: Option<&[u8]>| {
        for (file, content) in names.iter().zip(&all) {
            fs::write(killed.join(file), content).unwrap();
        }
        let path = killed.join("log.sqlite3-wal");
        match ahead {
            Some(ahead) => fs::write(path, ahead).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        assert_eq!(LogReader::open_checked(&killed).is_err(), Log::open(&killed).is_err());
        Log::open(&killed).map(|log| log.next_position() - 1)
    };
    assert_eq!(opened_with(Some(&bytes)).unwrap(), 10);
    let frames = (bytes.len() - AHEAD.0) / AHEAD.1;
    for cut in 0..frames {
        for torn in [0, 100] {
            let cut_off = &bytes[..AHEAD.0 + cut * AHEAD.1 + torn];
            let refusal = opened_with(Some(cut_off)).unwrap_err();
            assert!(
                matches!(refusal, LogError::DamagedAhead { frame, .. } if frame == cut as u64 + 1),
                "{refusal}"
            );
        }
        let mut flipped = bytes.clone();
        flipped[AHEAD.0 + cut * AHEAD.1 + 2000] ^= 1;
        assert!(matches!(opened_with(Some(&flipped)), Err(LogError::DamagedAhead { .. })), "{cut}");
    }
    assert!(matches!(opened_with(None), Err(LogError::DamagedAhead { frame: 0, .. })));
    // A later use of the file begins with other salts: of that an old index says nothing.
    log.close().unwrap();
    let mut log = directory.open();
    log.append(&[transaction(11, 1)]).unwrap();
    fs::write(directory.log().join("old"), &all[2]).unwrap();
    let again = copied("again");
    fs::copy(directory.log().join("old"), again.join("log.sqlite3-shm")).unwrap();
    assert_eq!(Log::open(&again).unwrap().next_position(), 12);
    // Half of one says nothing.
    fs::write(killed.join("log.sqlite3-shm"), &all[2][..60]).unwrap();
    fs::write(killed.join("log.sqlite3"), &all[0]).unwrap();
    fs::write(killed.join("log.sqlite3-wal"), &bytes[..AHEAD.0 + (frames - 1) * AHEAD.1]).unwrap();
    assert_eq!(Log::open(&killed).unwrap().next_position(), 10);
}
