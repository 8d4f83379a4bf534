//! What a loss of power leaves of a data directory: a copy in which the newest commit of the event log is cut off or spoilt,
//! if nobody was told of anything in it. Commits are synced one after another, and told of after that, so all before was synced.

use std::fs;
use std::path::Path;

use agentconf::audit::Reader;
use agentconf::log::{LogReader, Record};

use crate::random::Random;

const DATABASE: &str = "log.sqlite3";
const WRITE_AHEAD: &str = "log.sqlite3-wal";
/// The format of the file: <https://www.sqlite.org/fileformat2.html#walformat>.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// What clients know, as far as it bears on what may be lost.
pub struct Told<'a> {
    /// Whether a client knows that this record is there.
    pub of_record: &'a dyn Fn(&Record) -> bool,
    /// Whether what was told is cut off all the same, as no disk may.
    pub is_ignored: bool,
}

/// Copies a directory as it is.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("it is read") {
        let entry = entry.expect("it is read");
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if entry.file_type().expect("it is known").is_dir() {
            copy(&entry.path(), &target);
        } else if !name.to_string_lossy().ends_with("-shm") {
            // Memory that processes share, which no power failure leaves.
            fs::copy(entry.path(), target).expect("it is copied");
        }
    }
}

/// Makes a copy, as the power left it; how many records are gone.
pub fn fail(from: &Path, to: &Path, told: &Told<'_>, random: &mut Random) -> u64 {
    copy(from, to);
    let path = to.join(WRITE_AHEAD);
    let Some(((start, end), octets)) =
        fs::read(&path).ok().and_then(|octets| Some((newest(&octets)?, octets)))
    else {
        return 0;
    };
    // What follows the newest commit was never synced.
    let rest = random.below((octets.len() - end) as u64 + 1) as usize;
    let (left, all) = (records(to, &octets[..start]), records(to, &octets[..end]));
    // What it cut off need not be an append: records that are in archives are removed.
    let last = left.last().map_or(0, |record| record.position);
    let new: Vec<&Record> = all.iter().filter(|record| record.position > last).collect();
    let is_told = new.iter().any(|record| (told.of_record)(record));
    let trail = Reader::new(&to.join("audit"));
    let noted = trail.entries((0, 0), None).flatten().map(|(_, entry)| entry.body.log_position).max();
    let signed = trail.kept().ok().flatten().map(|checkpoint| checkpoint.log_position);
    let is_known = is_told || noted.max(signed).is_some_and(|known| known > last);
    let spoilt = match random.below(3) {
        _ if is_known && !told.is_ignored => octets[..end + rest].to_vec(),
        0 => octets[..start].to_vec(),
        1 => octets[..start + random.below((end - start) as u64) as usize].to_vec(),
        _ => {
            let mut octets = octets[..end].to_vec();
            let hole = start + random.below((end - start) as u64) as usize;
            octets[hole..(hole + 512).min(end)].fill(0);
            octets
        }
    };
    let lost = if is_known && !told.is_ignored { 0 } else { new.len() };
    fs::write(&path, spoilt).expect("it is written");
    lost as u64
}

/// Where the newest commit begins and ends; `None` if there is none in the file.
fn newest(octets: &[u8]) -> Option<(usize, usize)> {
    let word = |at: usize| {
        octets.get(at..at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    };
    let frame = FRAME_HEADER + word(8)? as usize;
    let (mut start, mut end) = (HEADER, HEADER);
    let mut at = HEADER;
    // Frames with other salts are left from an earlier use of the file.
    while at + frame <= octets.len() && (word(at + 8), word(at + 12)) == (word(16), word(20)) {
        at += frame;
        if word(at - frame + 4)? != 0 {
            (start, end) = (end, at);
        }
    }
    (end > HEADER).then_some((start, end))
}

/// The records that are in the log with so much of what is written ahead.
fn records(data: &Path, ahead: &[u8]) -> Vec<Record> {
    let probe = tempfile::tempdir().expect("a directory");
    fs::copy(data.join(DATABASE), probe.path().join(DATABASE)).expect("it is copied");
    fs::write(probe.path().join(WRITE_AHEAD), ahead).expect("it is written");
    let reader = LogReader::open(probe.path()).expect("it is opened");
    let base = reader.base().expect("it is read").position;
    reader.scan(base).map(|record| record.expect("it is read")).collect()
}
