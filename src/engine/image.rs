//! The state as octets, and the state of them: what a snapshot of the log holds.
//!
//! It saves what the fold has made of the events up to a position, so that what follows can be folded in as if all had been.
//! What follows from the rest (indexes, rules, settings) is made anew. It never decides when a snapshot is made.
//!
//! The content is the [`Layout`] of the program that saved it, then items, each the number of its kind and octets with their
//! length, and a kind 0 at the end. Numbers of kinds are never used again for anything else: 1 to 9 stand here, the others in
//! the siblings' `image`.

use std::io::{self, BufRead, Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::confirm::Pending;
use super::draft::Dispatch;
use super::event::Event;
use super::state::{Revision, State, applied};
use crate::access::{Nacm, Settings};
use crate::clock::Timestamp;
use crate::datastore::diff::diff_along;
use crate::datastore::validate::VALIDATOR;
use crate::log::{LogError, LogReader, Record};
use crate::yang::packed::{
    Layout, Origin, PackedError, Reader, Sink, pack, put_number, put_octets, put_time,
};
use crate::yang::tree::Container;
use crate::{agents, negotiation, tasks};

const END: u8 = 0;
const NUMBERS: u8 = 1;
const OLDEST_REVISION: u8 = 2;
const EDITED: u8 = 3;
const STARTUP: u8 = 4;
const DISPATCH: u8 = 5;
const PENDING: u8 = 6;
const USER: u8 = 7;
const USAGE: u8 = 8;
const WRITTEN: u8 = 9;

/// The longest item: longer than any record that could have made it.
const ITEM_BYTES_MAX: u64 = 4 << 30;

/// Saves a state. The log is asked for the edits between the revisions of the configuration that are kept; of those whose
/// records are gone the newest alone is saved.
///
/// # Errors
/// Those of `out`; of the log if it cannot be read.
pub(super) fn save(state: &State, log: &LogReader, out: &mut dyn Write) -> io::Result<()> {
    let mut frame = Vec::new();
    put_octets(&mut frame, Layout::own().as_bytes());
    out.write_all(&frame)?;
    let mut sink = |kind: u8, octets: &[u8]| {
        frame.clear();
        frame.push(kind);
        let length = octets.len() as u64;
        if length > ITEM_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "an item is too long to be read again"));
        }
        put_number(&mut frame, length);
        out.write_all(&frame)?;
        out.write_all(octets)
    };
    numbers(state, &mut sink)?;
    revisions(state, log, 0, &mut sink)?;
    rest(state, &mut sink)
}

/// What stands for what a snapshot holds. The revisions of the configuration stand apart: how many are saved depends on the
/// records that are there at the time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held {
    revisions: [u8; 32],
    /// The number of the oldest of them.
    oldest: Option<u64>,
    rest: [u8; 32],
}

/// What a snapshot holds; `None` if another version has written it, whose items are others.
///
/// # Errors
/// Those of `from`, and `InvalidData` if it is none.
pub(super) fn held(from: &mut dyn BufRead) -> io::Result<Option<Held>> {
    let mut item = Vec::new();
    octets(from, &mut item)?;
    if item != Layout::own().as_bytes() {
        return Ok(None);
    }
    let (mut revisions, mut rest, mut oldest) = (Sum::default(), Sum::default(), None);
    loop {
        let mut kind = [0];
        from.read_exact(&mut kind)?;
        item.clear();
        octets(from, &mut item)?;
        let [kind] = kind;
        match kind {
            OLDEST_REVISION | EDITED => {
                if kind == OLDEST_REVISION {
                    oldest = Some(Reader::new(&item).number().map_err(invalid)?);
                }
                revisions.item(kind, &item)?;
            }
            kind => rest.item(kind, &item)?,
        }
        if kind == END {
            return Ok(Some(Held { revisions: revisions.end(), oldest, rest: rest.end() }));
        }
    }
}

/// Whether a program with these modules has written a snapshot.
///
/// # Errors
/// As [`held`].
pub(super) fn is_own(from: &mut dyn BufRead) -> io::Result<bool> {
    let mut item = Vec::new();
    octets(from, &mut item)?;
    Ok(item == Layout::own().as_bytes())
}

/// Whether a snapshot of this state would hold the same; `None` if all else is the same, and some of the edits between the
/// revisions that it holds are in the log no longer.
///
/// # Errors
/// Those of the log.
pub(super) fn holds(state: &State, log: &LogReader, held: &Held) -> io::Result<Option<bool>> {
    if sum_of_rest(state)? != held.rest {
        return Ok(Some(false));
    }
    let mut sum = Sum::default();
    let from = held.oldest.unwrap_or_default();
    let oldest = revisions(state, log, from, &mut |kind, octets| sum.item(kind, octets))?;
    Ok((oldest == held.oldest).then(|| sum.end() == held.revisions))
}

/// Whether two states are the same, but for older revisions of the configuration.
///
/// # Errors
/// What cannot be saved.
pub(super) fn is_same(one: &State, other: &State) -> io::Result<bool> {
    let packed = |state: &State| {
        let mut octets = Vec::new();
        pack(state.config.content(), &mut octets);
        octets
    };
    Ok(sum_of_rest(one)? == sum_of_rest(other)? && packed(one) == packed(other))
}

/// All but the revisions of the configuration.
fn sum_of_rest(state: &State) -> io::Result<[u8; 32]> {
    let mut sum = Sum::default();
    let mut sink = |kind: u8, octets: &[u8]| sum.item(kind, octets);
    numbers(state, &mut sink)?;
    rest(state, &mut sink)?;
    Ok(sum.end())
}

/// A sum of items.
#[derive(Default)]
struct Sum(Sha256);

impl Sum {
    fn item(&mut self, kind: u8, octets: &[u8]) -> io::Result<()> {
        self.0.update([kind]);
        self.0.update((octets.len() as u64).to_be_bytes());
        self.0.update(octets);
        Ok(())
    }

    fn end(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

fn rest(state: &State, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut item = Vec::new();
    if let Some(startup) = &state.startup {
        pack(startup, &mut item);
        sink(STARTUP, &item)?;
    }
    item.clear();
    state.dispatch.save(&mut item);
    sink(DISPATCH, &item)?;
    if let Some(pending) = &state.pending {
        item.clear();
        pending.save(&mut item)?;
        sink(PENDING, &item)?;
    }
    for (name, user) in &state.settings.users {
        item.clear();
        put_octets(&mut item, name.as_bytes());
        put_time(&mut item, user.created);
        sink(USER, &item)?;
    }
    state.ledger.save(&mut |is_usage, octets| sink(if is_usage { USAGE } else { WRITTEN }, octets))?;
    state.registry.save(sink)?;
    state.tasks.save(sink)?;
    state.negotiations.save(sink)?;
    sink(END, &[])
}

fn numbers(state: &State, sink: &mut Sink<'_>) -> io::Result<()> {
    let mut item = Vec::new();
    let numbers = [state.position, state.config_revision, u64::from(state.newest_session)];
    numbers.into_iter().for_each(|number| put_number(&mut item, number));
    put_time(&mut item, state.config_changed_at);
    put_time(&mut item, state.startup_changed_at);
    sink(NUMBERS, &item)
}

/// The revisions of the configuration that are kept, from a number on: the oldest as it is, and of each other what was edited.
/// Returns the number of the oldest.
fn revisions(state: &State, log: &LogReader, from: u64, sink: &mut Sink<'_>) -> io::Result<Option<u64>> {
    let mut item = Vec::new();
    // How far back there are records; they are read once more when they are saved, or all would be in memory.
    let mut edits = Vec::new();
    let mut oldest = state.revisions.get_max().map(|(number, newest)| (number, newest));
    for before in state.revisions.iter().rev().skip(1) {
        let Some((number, after)) = oldest.map(|(number, after)| (*number, after.at)) else { break };
        if *before.0 < from {
            break;
        }
        if record_at(log, number)?.is_none() {
            break;
        }
        edits.push((number, after));
        oldest = Some((before.0, before.1));
    }
    if let Some((number, oldest)) = oldest {
        item.clear();
        put_number(&mut item, *number);
        put_time(&mut item, oldest.at);
        let mut content = Vec::new();
        pack(&oldest.content, &mut content);
        put_octets(&mut item, &content);
        sink(OLDEST_REVISION, &item)?;
    }
    for (number, at) in edits.into_iter().rev() {
        let gone = || io::Error::other(format!("the record at position {number} has gone meanwhile"));
        let record = record_at(log, number)?.ok_or_else(gone)?;
        item.clear();
        put_number(&mut item, number);
        put_time(&mut item, at);
        item.push(record.version);
        put_number(&mut item, u64::from(record.kind));
        put_octets(&mut item, &record.payload);
        sink(EDITED, &item)?;
    }
    Ok(oldest.map(|(number, _)| *number))
}

/// The record at a position, unless it is kept no longer.
fn record_at(log: &LogReader, number: u64) -> io::Result<Option<Record>> {
    match log.read(number.saturating_sub(1), 1) {
        Ok(records) => Ok(records.into_iter().next().filter(|record| record.position == number)),
        Err(LogError::Gone { .. }) => Ok(None),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The state that was saved.
///
/// # Errors
/// Those of `from`; `InvalidData` if this program cannot have saved it and is no later version of one that has.
pub(super) fn load(from: &mut dyn BufRead) -> io::Result<State> {
    let mut text = Vec::new();
    octets(from, &mut text)?;
    let layout = match text == Layout::own().as_bytes() {
        true => None,
        false => {
            let text = std::str::from_utf8(&text).map_err(invalid)?;
            Some(Layout::read(text).map_err(invalid)?)
        }
    };
    let origin = Origin(layout.as_ref());
    let (state, deferred) = (State::default(), tasks::image::Deferred::default());
    let mut loading = Loading { state, users: Vec::new(), deferred, origin };
    let mut item = Vec::new();
    loop {
        let mut kind = [0];
        from.read_exact(&mut kind)?;
        item.clear();
        octets(from, &mut item)?;
        match kind {
            [END] => break,
            [kind] => loading.item(kind, &item).map_err(invalid)?,
        }
    }
    loading.finish().map_err(invalid)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Reads octets with their length, and appends them.
fn octets(from: &mut dyn BufRead, into: &mut Vec<u8>) -> io::Result<()> {
    let mut length = Vec::new();
    loop {
        let mut octet = [0];
        from.read_exact(&mut octet)?;
        length.extend(octet);
        if octet[0] < 0x80 || length.len() > 9 {
            break;
        }
    }
    let length = Reader::new(&length).number().map_err(invalid)?;
    if length > ITEM_BYTES_MAX {
        return Err(invalid(PackedError::new("an item is too long")));
    }
    // What the file does not have is not allocated either.
    match from.take(length).read_to_end(into)? as u64 == length {
        true => Ok(()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

struct Loading<'a> {
    state: State,
    /// Since when there are users.
    users: Vec<(String, Timestamp)>,
    deferred: tasks::image::Deferred,
    origin: Origin<'a>,
}

impl Loading<'_> {
    fn item(&mut self, kind: u8, octets: &[u8]) -> Result<(), PackedError> {
        let Loading { state, users, deferred, origin } = self;
        if agents::image::KINDS.contains(&kind) {
            return state.registry.load(kind, octets, *origin);
        }
        if tasks::image::KINDS.contains(&kind) {
            return state.tasks.load(kind, octets, *origin, deferred);
        }
        if negotiation::image::KINDS.contains(&kind) {
            return state.negotiations.load(kind, octets, *origin);
        }
        let mut saved = Reader::new(octets);
        match kind {
            NUMBERS => {
                state.position = saved.number()?;
                state.config_revision = saved.number()?;
                state.newest_session = saved.small()?;
                state.config_changed_at = saved.time()?;
                state.startup_changed_at = saved.time()?;
            }
            OLDEST_REVISION => {
                let (number, at) = (saved.number()?, saved.time()?);
                let content = Arc::new(origin.data(saved.octets()?, None)?);
                state.config = VALIDATOR.empty().replaced(content.clone());
                state.revisions.insert(number, Revision::new(at, content));
            }
            EDITED => {
                let (number, at) = (saved.number()?, saved.time()?);
                let (version, kind) = (saved.octet()?, saved.small()?);
                let event = Event::read(number, kind, version, saved.octets()?).map_err(wrong)?;
                let Event::Edited(edits) = event else {
                    return Err(PackedError::new("a revision of the configuration is no edit"));
                };
                let old = state.config.content().clone();
                let new = applied(&old, &edits, number).map_err(wrong)?;
                let changes = diff_along(&old, &new, edits.iter().map(|edit| &edit.path));
                state.config = state.config.changed(new, &changes);
                state.remember(&changes, number, at);
            }
            STARTUP => {
                state.startup = Some(Arc::new(origin.data(octets, None)?));
                return Ok(());
            }
            DISPATCH => state.dispatch = Dispatch::load(&mut saved)?,
            PENDING => state.pending = Some(Pending::load(&mut saved, *origin)?),
            USER => {
                let name = saved.text()?.to_owned();
                users.push((name, saved.time()?));
            }
            USAGE => state.ledger.load_usage(&mut saved)?,
            WRITTEN => state.ledger.load_written(&mut saved)?,
            other => return Err(PackedError::new(format!("{other} is no kind of item"))),
        }
        saved.end()
    }

    fn finish(self) -> Result<State, PackedError> {
        let mut state = self.state;
        state.tasks.loaded(self.deferred);
        let config: &Container = state.config.content();
        state.nacm = Arc::new(Nacm::read(config).map_err(wrong)?);
        let settings = Settings::read(config, &Settings::default(), Timestamp::EPOCH).map_err(wrong)?;
        state.settings = Arc::new(settings.since(self.users));
        Ok(state)
    }
}

fn wrong(error: impl std::fmt::Display) -> PackedError {
    PackedError::new(error.to_string())
}
