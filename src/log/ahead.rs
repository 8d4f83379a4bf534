//! The check of SQLite's write-ahead log before SQLite reads it: a torn end is told from damage in the middle.
//!
//! SQLite takes the frames up to the first whose checksum is wrong and forgets the rest. That is right for a commit that
//! the power cut off, and it would lose durable commits without a word if a frame before them has been altered. Each commit
//! is synced before the next is begun; so a whole commit and the beginning of another one behind a wrong frame prove that the
//! wrong one was durable once. The file by which processes share an index of it says how many frames were durable, since SQLite
//! writes that after each sync: it proves the same of the end, if it has outlasted the process. It does so when a process is killed,
//! and need not when the power fails; what is left of it then says no more than was durable. Without it a last commit that has been
//! altered or cut off looks like one that was never finished, and what shows it is a checkpoint of the audit trail.
//!
//! The formats: <https://www.sqlite.org/fileformat2.html#walformat> and <https://www.sqlite.org/walformat.html#walidxfmt>. Never
//! writes, and never looks into a page.

use std::io::{self, ErrorKind, Read};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const MAGIC: u32 = 0x377f_0682;
/// A header of an index, what of it the checksum at its end is over, and its version.
const INDEX_HEADER: usize = 48;
const INDEX_SUMMED: usize = 40;
const INDEX_VERSION: u32 = 3_007_000;
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;

/// A pair of checksums, each over all that is before.
type Sums = (u32, u32);

/// What an index says of the file that it is of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// So many frames are durable in the file.
    frames: u32,
    /// So many of them are durable in the database too.
    moved: u32,
    /// Those of the file.
    salts: [u8; 8],
}

impl Index {
    /// Octets that are read of it: its header twice, and how far frames were moved.
    pub(super) const BYTES: usize = 2 * INDEX_HEADER + 4;

    /// What it begins with; `None` if that is not whole.
    pub(super) fn read(octets: &[u8]) -> Option<Index> {
        let (first, rest) = octets.split_at_checked(INDEX_HEADER)?;
        let (second, rest) = rest.split_at_checked(INDEX_HEADER)?;
        // It is as the machine has its numbers.
        let word = |octets: &[u8], at: usize| octets.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
        let (summed, sums) = first.split_at_checked(INDEX_SUMMED)?;
        let is_whole =
            checksum(cfg!(target_endian = "big"), (0, 0), summed) == (word(sums, 0)?, word(sums, 4)?);
        let is_index = first == second && is_whole && word(first, 0)? == INDEX_VERSION;
        let salts = summed.get(32..)?.try_into().ok()?;
        is_index.then_some(Index { frames: word(first, 16)?, moved: word(rest, 0)?, salts })
    }

    /// Whether something is durable in the file alone.
    pub(super) fn is_ahead(&self) -> bool {
        self.moved < self.frames
    }
}

/// The number of the first wrong frame, from 1, if durable commits stand behind it or it was durable itself; 0 is the file's header.
///
/// # Errors
/// The file cannot be read.
pub(super) fn damaged_frame(file: &mut impl Read, index: Option<&Index>) -> io::Result<Option<u64>> {
    let mut header = [0; HEADER];
    if !filled(file, &mut header)? {
        return Ok(None);
    }
    let word = |bytes: &[u8], at: usize| {
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(bytes.iter().skip(at)) {
            *to = *from;
        }
        u32::from_be_bytes(word)
    };
    let is_big = word(&header, 0) == MAGIC | 1;
    let page = usize::try_from(word(&header, 8)).unwrap_or_default();
    let stored: Sums = (word(&header, 24), word(&header, 28));
    let sums = checksum(is_big, (0, 0), header.split_at(24).0);
    // It is within one sector, which a disk writes whole or not at all; one of which nothing was written holds zeros.
    if word(&header, 0) & !1 != MAGIC || sums != stored || !PAGE_BYTES.contains(&page) {
        return Ok(header.iter().any(|octet| *octet != 0).then_some(0));
    }
    let salts = (word(&header, 16), word(&header, 20));
    let salts_stored = header.split_at(16).1.split_at(8).0;
    let mut frame = vec![0; FRAME_HEADER + page];
    let (mut before, mut wrong, mut number, mut committed) = (sums, None, 0_u64, 0_u64);
    // Whether the frame before is the last of a commit that stands behind the wrong one.
    let mut is_behind_commit = false;
    while filled(file, &mut frame)? {
        number += 1;
        let (head, content) = frame.split_at(FRAME_HEADER);
        let sums = checksum(is_big, checksum(is_big, before, head.split_at(8).0), content);
        let stored: Sums = (word(head, 16), word(head, 20));
        // What an earlier use of the file has left has other salts.
        let is_whole = salts == (word(head, 8), word(head, 12)) && sums == stored;
        if is_whole && is_behind_commit {
            return Ok(wrong);
        }
        if !is_whole && wrong.is_none() {
            wrong = Some(number);
        }
        let is_commit = is_whole && word(head, 4) != 0;
        match wrong {
            None if is_commit => committed = number,
            _ => is_behind_commit = wrong.is_some() && is_commit,
        }
        before = stored;
    }
    let is_lost = index.is_some_and(|index| index.salts == salts_stored && committed < index.frames.into());
    Ok(is_lost.then(|| wrong.unwrap_or(number + 1)))
}

/// Reads so many bytes; false if the file ends before.
fn filled(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(is_big: bool, sums: Sums, bytes: &[u8]) -> Sums {
    let (words, _) = bytes.as_chunks::<4>();
    let read = |word: &[u8; 4]| if is_big { u32::from_be_bytes(*word) } else { u32::from_le_bytes(*word) };
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().fold(sums, |(first, second), [even, odd]| {
        let first = first.wrapping_add(read(even)).wrapping_add(second);
        (first, second.wrapping_add(read(odd)).wrapping_add(first))
    })
}
