//! A restart from a snapshot: all is as it would be had every event been read again.

use std::path::Path;

use agentconf::clock::Timestamp;
use agentconf::engine::{
    Content, Datastore, ForgetError, From, State, WrongSnapshot, forget, prove, replay, write_snapshot,
};
use agentconf::limits::Limits;
use agentconf::log::{LogReader, snapshots};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::bench::{Bench, plain, principal};
use agentconf::yang::generated::magent_task::nodes as n;

/// All that an administrator sees, with its revision.
fn everything(bench: &Bench) -> String {
    let all = bench.read("admin", &plain(&[])).expect("it is read");
    let engine = &bench.engine;
    let found = engine.read(&principal("admin"), Datastore::Running, &plain(&[]), Content::All);
    let snapshot = engine.snapshot();
    let revisions: Vec<u64> = snapshot.revisions.keys().copied().collect();
    let usage = (snapshot.usage("oss"), snapshot.usage("ip"));
    format!("{all} {} {revisions:?} {usage:?}", found.expect("it is read").revision)
}

/// Agents, tasks in several states with contexts and data, a negotiation, a delegation, several revisions.
async fn lived_in() -> Bench {
    let bench = Bench::limited(Limits { snapshot_events_min: 1, ..Limits::default() }).await;
    let order = |id: &str| {
        json!({"id": id, "from": "oss-agent", "to": "ip-agent", "content": "find it", "context": "c-1", "asynchronous": true,
            "deadline": "2027-02-01T00:00:00Z", "data": [{"id": format!("d-{id}"), "text": "one"}]})
    };
    for id in ["t-1", "t-2", "t-3"] {
        bench.assign("oss", order(id)).await.expect("it is assigned");
    }
    let report = &n::INTERACTION_TASKS_TASK_REPORT;
    let asked = json!({"status": "blocked", "input-request": {"content": "which?"}});
    for (id, said) in [
        ("t-1", json!({"status": "processing", "progress": 5})),
        ("t-2", json!({"status": "processing"})),
        ("t-2", asked),
    ] {
        bench.act("ip", report, Some(crate::bench::task(id)), said).await.expect("it is reported");
    }
    let open = json!({"id": "n-1", "from": "oss-agent", "to": "ip-agent", "type": "feasibility", "content": "can you?"});
    bench.call("oss", &n::OPEN_NEGOTIATION, open).await.expect("it is opened");
    for id in ["a", "b", "c"] {
        bench.put_data("oss", id).await.expect("it is written");
    }
    bench
}

#[tokio::test]
async fn a_restart_from_a_snapshot_is_one_from_all_events() {
    let bench = lived_in().await;
    let before = everything(&bench);
    let bench = bench.restart().await;
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let newest = snapshots::list(bench.directory.path()).expect("they are read").remove(0);
    assert_eq!(newest.head.position, bench.engine.snapshot().position, "nothing came after it");
    assert_eq!(everything(&bench), before);
    // What comes next is folded in as ever.
    bench.put_data("oss", "d").await.expect("it is written");
    bench
        .assign(
            "oss",
            json!({"id": "t-9", "from": "oss-agent", "to": "ip-agent", "content": "x", "asynchronous": true}),
        )
        .await
        .expect("it is assigned");
    let folded = everything(&bench);
    std::fs::remove_dir_all(bench.directory.path().join(snapshots::DIRECTORY)).expect("they are removed");
    let whole = replay(&log, u64::MAX).expect("it is replayed");
    assert_eq!(format!("{:?}", whole.tasks), format!("{:?}", bench.engine.snapshot().tasks));
    assert_eq!(
        (&whole.registry, &whole.negotiations),
        (&bench.engine.snapshot().registry, &bench.engine.snapshot().negotiations)
    );
    assert_eq!(everything(&bench.restart().await), folded);
}

#[tokio::test]
async fn what_came_before_a_snapshot_can_leave_the_log() {
    let bench = lived_in().await;
    let (before, position) = (everything(&bench), bench.engine.snapshot().position);
    let bench = bench.restart().await;
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let first = log.compactor().expect("it opens").archive(position - 1, |_| {}).expect("it is archived");
    assert_eq!(first, position - 1);
    assert_eq!(everything(&bench), before);
    assert!(bench.engine.revision(3).await.is_ok(), "old revisions are rebuilt from the archives");
    std::fs::remove_dir_all(bench.directory.path().join("archive")).expect("it is removed");
    bench.put_data("oss", "e").await.expect("it is written");
    let after = everything(&bench);
    // One revision is kept of those whose records are gone.
    let without = |text: &str| text.split_once('[').map(|(all, _)| all.to_owned());
    let bench = bench.restart().await;
    assert_eq!(without(&everything(&bench)), without(&after));
    let gone = bench.engine.revision(3).await.expect_err("it is kept no longer");
    assert_eq!(gone.tag, agentconf::yang::error::Tag::OperationFailed);
    // And there are snapshots as before.
    bench.put_data("oss", "f").await.expect("it is written");
    let bench = bench.restart().await;
    let newest = snapshots::list(bench.directory.path()).expect("they are read").remove(0);
    assert_eq!(newest.head.position, bench.engine.snapshot().position);
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let proved = prove(&log, &mut |_| {}).expect("it is folded");
    assert!(proved.from.is_some_and(|from| from < newest.head.position), "{:?}", proved.from);
    assert_eq!((proved.snapshots, proved.wrong.len()), (1, 0), "{:?}", proved.wrong);
}

#[tokio::test]
async fn a_snapshot_that_is_not_what_the_records_come_to_is_named() {
    let bench = lived_in().await.restart().await;
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let proved = prove(&log, &mut |_| {}).expect("it is folded");
    assert_eq!((proved.from, proved.wrong.len()), (None, 0), "{:?}", proved.wrong);
    assert!(proved.snapshots > 0);
    // As somebody does who can write this one file, and knows how.
    let mut altered = State::clone(&bench.engine.snapshot());
    altered.registry = Default::default();
    write_snapshot(&log, &altered).expect("it is written");
    let proved = prove(&log, &mut |_| {}).expect("it is folded");
    let [(path, WrongSnapshot::Altered { position, from: None })] = &proved.wrong[..] else {
        panic!("{:?}", proved.wrong)
    };
    assert_eq!(*position, altered.position);
    assert_eq!(format!("{:?}", proved.state.registry), format!("{:?}", bench.engine.snapshot().registry));
    // One that is damaged is named too.
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("it is there");
    file.set_len(file.metadata().expect("it is there").len() * 2 / 3).expect("it is cut");
    let proved = prove(&log, &mut |_| {}).expect("it is folded");
    assert!(matches!(&proved.wrong[..], [(_, WrongSnapshot::Unusable(_))]), "{:?}", proved.wrong);
    // And one that does not even say of which record it is.
    std::fs::write(path, "agentconf snapshot\n").expect("it is written");
    let proved = prove(&log, &mut |_| {}).expect("it is folded");
    let [(named, WrongSnapshot::Unusable(_))] = &proved.wrong[..] else { panic!("{:?}", proved.wrong) };
    assert_eq!(named, path);
}

#[tokio::test]
async fn a_damaged_snapshot_takes_the_place_of_no_whole_one() {
    let bench = Bench::new().await;
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let written = async |id: &str| {
        bench.put_data("oss", id).await.expect("it is written");
        let state = bench.engine.snapshot();
        write_snapshot(&log, &state).expect("it is written");
        state.position
    };
    let there = || {
        let found = snapshots::list(bench.directory.path()).expect("they are read");
        found.iter().map(|snapshot| snapshot.head.position).collect::<Vec<_>>()
    };
    let (one, two) = (written("d").await, written("e").await);
    assert_eq!(there(), [two, one]);
    let newest = snapshots::list(bench.directory.path()).expect("they are read").remove(0);
    let file = std::fs::OpenOptions::new().write(true).open(newest.path()).expect("it is there");
    file.set_len(file.metadata().expect("it is there").len() * 2 / 3).expect("it is cut");
    let three = written("f").await;
    assert_eq!(there(), [three, two, one], "there are two whole ones");
    let four = written("g").await;
    assert_eq!(there(), [four, three], "and again, so that the damaged one goes");
}

/// Writes a snapshot with other octets, and a checksum that fits them.
fn forge(path: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let octets = std::fs::read(path).expect("it is read");
    let lines: usize = octets.split_inclusive(|octet| *octet == b'\n').take(2).map(<[u8]>::len).sum();
    let (head, frame) = octets[..octets.len() - 32].split_at(lines);
    let content = change(zstd::decode_all(frame).expect("it is a frame"));
    let forged = [head, &zstd::encode_all(&content[..], 1).expect("it is compressed")].concat();
    std::fs::write(path, [&forged[..], &Sha256::digest(&forged)].concat()).expect("it is written");
}

#[tokio::test]
async fn an_edit_that_a_snapshot_tells_otherwise_is_found() {
    let bench = lived_in().await.restart().await;
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let path = snapshots::list(bench.directory.path()).expect("they are read").remove(0).path().to_owned();
    let said = std::fs::read(&path).expect("it is read");
    let wrong = || {
        let proved = prove(&log, &mut |_| {}).expect("it is folded");
        proved.wrong.into_iter().map(|(_, wrong)| wrong.to_string()).collect::<Vec<_>>()
    };
    forge(&path, |content| content);
    assert!(wrong().is_empty(), "as it was: {:?}", wrong());
    // The edits between the revisions of the configuration are read at a start, and are in the log too.
    let alter: fn(&mut Vec<u8>) = |content| {
        let is_edit = |at: &usize| content[*at..].starts_with(br#""op":"#);
        let last = (0..content.len()).rev().find(is_edit).expect("there are edits");
        let value = content[last..].windows(6).position(|six| six == b"\"text\"").expect("it has a text");
        content[last + value + 1] = b'T';
    };
    forge(&path, |mut content| {
        alter(&mut content);
        content
    });
    assert!(wrong()[0].contains("it is not what the records up to position"), "{:?}", wrong());
    // As if another version had written it, whose nodes have other places: it is read by names then, and told from an altered one.
    let of_another = |change: fn(&mut Vec<u8>)| {
        std::fs::write(&path, &said).expect("it is written");
        forge(&path, |content| {
            let (length, octets) =
                content.iter().enumerate().fold((0, None), |(length, octets), (at, octet)| match octets {
                    Some(_) => (length, octets),
                    None => {
                        let length = length | usize::from(octet & 0x7f) << (7 * at);
                        (length, (*octet < 0x80).then_some(at + 1))
                    }
                });
            let begin = octets.expect("it begins with a length");
            let layout = [&content[begin..begin + length], b"0 60000 other:node\n"].concat();
            let mut rest = content[begin + length..].to_vec();
            change(&mut rest);
            let mut octets = Vec::new();
            let mut length = layout.len();
            while length >= 0x80 {
                octets.push((length & 0x7f) as u8 | 0x80);
                length >>= 7;
            }
            octets.push(length as u8);
            [octets, layout, rest].concat()
        });
    };
    of_another(|_| {});
    assert!(wrong().is_empty(), "{:?}", wrong());
    of_another(alter);
    assert_eq!(wrong().len(), 1, "{:?}", wrong());
    // Nor is it one if something is in it twice.
    std::fs::write(&path, &said).expect("it is written");
    forge(&path, |content| {
        let end = content.len() - 2;
        let mut written = vec![9, 0];
        written.splice(0..0, content[..end].iter().copied());
        [&written[..], &content[end..]].concat()
    });
    assert_eq!(wrong().len(), 1, "{:?}", wrong());
}

#[tokio::test]
async fn what_an_event_told_is_told_no_more_when_it_is_forgotten() {
    let bench = Bench::new().await;
    let order = json!({"id": "t", "from": "oss-agent", "to": "ip-agent", "content": "do"});
    bench.assign("oss", order).await.expect("it is assigned");
    let position = bench.engine.snapshot().position;
    assert!(bench.engine.told(position, false).expect("it is read").is_some());
    for id in ["one", "two"] {
        bench.put_data("oss", id).await.expect("it is written");
    }
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    write_snapshot(&log, &bench.engine.snapshot()).expect("it is written");
    let mut compactor = log.compactor().expect("it opens");
    assert_eq!(compactor.archive(position + 1, |_| {}).expect("it is archived"), position + 1);
    let trail = agentconf::audit::Trail::default();
    assert_eq!(forget(&log, &compactor, &trail, i64::MAX).expect("it is forgotten"), 1);
    assert!(bench.engine.told(position, false).expect("that is no failure").is_none());
}

#[tokio::test]
async fn records_are_forgotten_when_a_snapshot_that_can_be_read_stands_for_them() {
    let bench = lived_in().await;
    let path = bench.directory.path().to_owned();
    let log = LogReader::open(&path).expect("the log is there");
    bench.engine.stop().await.expect("the log closes");
    let of_all = || snapshots::list(&path).expect("they are read");
    of_all().iter().for_each(|old| std::fs::remove_file(old.path()).expect("it is removed"));
    let mut compactor = log.compactor().expect("it opens");
    compactor.archive(3, |_| {}).expect("it is archived");
    let end = compactor.archive(6, |_| {}).expect("it is archived");
    let trail = agentconf::audit::Trail::default();
    let forgotten = || forget(&log, &compactor, &trail, i64::MAX);
    assert!(matches!(forgotten(), Err(ForgetError::NoSnapshot(position)) if position == end));
    // One of another log stands for nothing.
    let other = Bench::limited(Limits { snapshot_events_min: 0, ..Limits::default() }).await;
    other.put_data("oss", "other").await.expect("it is written");
    let to = path.join(snapshots::DIRECTORY);
    write_snapshot(&LogReader::open(other.directory.path()).expect("it is there"), &other.engine.snapshot())
        .expect("it is written");
    let foreign = snapshots::list(other.directory.path()).expect("they are read").remove(0);
    std::fs::copy(foreign.path(), to.join(foreign.path().file_name().expect("a name")))
        .expect("it is copied");
    assert!(matches!(forgotten(), Err(ForgetError::NoSnapshot(position)) if position == end));
    std::fs::remove_file(of_all()[0].path()).expect("it is removed");

    write_snapshot(&log, &replay(&log, u64::MAX).expect("it is replayed")).expect("it is written");
    let snapshot = of_all().remove(0);
    let whole = std::fs::read(snapshot.path()).expect("it is read");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 4;
    std::fs::write(snapshot.path(), damaged).expect("it is written");
    assert!(matches!(forgotten(), Err(ForgetError::Snapshot { .. })));
    assert_eq!(log.first().expect("it is read").position, 0, "nothing has gone");
    std::fs::write(snapshot.path(), whole).expect("it is written");
    assert_eq!(forgotten().expect("it is forgotten"), 2);
    assert_eq!(log.first().expect("it is read").position, end);
}

#[tokio::test]
async fn a_state_is_rebuilt_beside_archives_and_from_what_is_kept_of_them() {
    let bench = lived_in().await;
    let bench = bench.restart().await;
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let position = bench.engine.snapshot().position;
    let whole = format!("{:?}", replay(&log, position).expect("it is replayed").tasks);
    // The position of the snapshot is in an archive by now.
    bench.put_data("oss", "d").await.expect("it is written");
    let mut compactor = log.compactor().expect("it opens");
    assert!(compactor.archive(5, |_| {}).expect("it is archived") <= 5);
    assert!(compactor.archive(position, |_| {}).expect("it is archived") <= position);
    let state = replay(&log, position).expect("it is replayed");
    assert_eq!((state.position, format!("{:?}", state.tasks)), (position, whole));
    assert!(log.head_at(position).expect("it is read").is_some());

    // What follows an older snapshot is kept no longer.
    let newest = snapshots::list(bench.directory.path()).expect("they are read").remove(0);
    let older = newest.path().with_file_name("00000000000000000001.snapshot");
    let content = std::fs::read(newest.path()).expect("it is read");
    let line = content.iter().position(|octet| *octet == b'\n').expect("it has lines") + 1;
    let named = [&content[..line], b"1 ", &content[line + position.to_string().len() + 1..]].concat();
    std::fs::write(older, named).expect("it is written");
    std::fs::remove_dir_all(bench.directory.path().join("archive")).expect("it is removed");
    let at = log.base().expect("it is read").position;
    assert!(replay(&log, u64::MAX).expect("it is replayed").position > at);
    let gone = replay(&log, 2).expect_err("it is kept no longer").to_string();
    assert!(gone.starts_with("the log begins at position"), "{gone}");
}

#[tokio::test]
async fn a_replay_begins_with_what_is_kept_and_is_looked_up_by_who_reads_it() {
    let bench = lived_in().await;
    let bench = bench.restart().await;
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let position = bench.engine.snapshot().position;
    log.compactor().expect("it opens").archive(position - 1, |_| {}).expect("it is archived");
    let order =
        json!({"id": "t-9", "from": "oss-agent", "to": "ip-agent", "content": "x", "asynchronous": true});
    bench.assign("oss", order).await.expect("it is assigned");
    let begin = |from| bench.engine.subscribe(&principal("oss"), None, from, None).expect("there is a place");
    let froms = [From::Behind(0), From::After { position: 1, part: 900 }, From::Time(Timestamp::EPOCH)];

    let archives = bench.directory.path().join("archive");
    let file =
        std::fs::read_dir(&archives).expect("it is read").next().expect("there is one").expect("a file");
    let content = std::fs::read(file.path()).expect("it is read");
    std::fs::write(file.path(), b"none").expect("it is written");
    for from in froms {
        assert!(begin(from).next().await.is_err(), "{from:?} finds the damage when it is read");
    }
    std::fs::write(file.path(), content).expect("it is written");
    for from in froms {
        let first = begin(from).next().await.expect("the log is read").expect("there is one");
        assert!(first.position < position, "{from:?} begins at {}", first.position);
    }
    std::fs::remove_dir_all(archives).expect("it is removed");
    let kept = log.base().expect("it is read").position;
    for from in froms {
        let first = begin(from).next().await.expect("the log is read").expect("there is one");
        assert!(first.position > kept && first.part == 0, "{from:?} begins at {}", first.position);
    }
}

#[tokio::test]
async fn a_snapshot_of_another_log_or_one_that_is_damaged_is_left_out() {
    let other = Bench::limited(Limits { snapshot_events_min: 0, ..Limits::default() }).await;
    // After a start nothing happens that the server would write one of.
    let one = lived_in().await.restart().await;
    let log = LogReader::open(one.directory.path()).expect("the log is there");
    write_snapshot(&log, &one.engine.snapshot()).expect("it is written");
    let foreign = snapshots::list(one.directory.path()).expect("they are read").remove(0);
    let to = other.directory.path().join(snapshots::DIRECTORY);
    std::fs::create_dir(&to).expect("it is made");
    std::fs::copy(foreign.path(), to.join(foreign.path().file_name().expect("a name")))
        .expect("it is copied");
    let before = everything(&other);
    assert_eq!(everything(&other.restart().await), before);

    let mut bytes = std::fs::read(foreign.path()).expect("it is read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(foreign.path(), bytes).expect("it is written");
    let state = replay(&log, u64::MAX).expect("it is replayed");
    assert_eq!(state.position, one.engine.snapshot().position);
}

#[tokio::test]
async fn archives_that_are_old_enough_go_where_nothing_is_archived_by_the_server() {
    let limits = Limits { snapshot_events_min: 1, archives_kept_s: 60, ..Limits::default() };
    let bench = Bench::limited(limits).await;
    bench.put_data("oss", "a").await.expect("it is written");
    let log = LogReader::open(bench.directory.path()).expect("the log is there");
    let end = log.compactor().expect("it opens").archive(2, |_| {}).expect("it is archived");
    bench.clock.advance_seconds(120);
    // Each write is followed by a look; the archive goes when a snapshot stands for it.
    for n in 0.. {
        bench.put_data("oss", &format!("b-{n}")).await.expect("it is written");
        if log.first().expect("it is read").position == end {
            break;
        }
        assert!(n < 5000, "the archive stays");
    }
    assert!(end > 0 && log.scan(end).all(|record| record.is_ok()));
}
