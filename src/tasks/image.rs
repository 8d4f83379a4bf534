//! What is saved of tasks, contexts and data objects, and how they are made of it again.
//!
//! It saves what the events have made, not how it is found: indexes are built anew.

use std::io;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::contexts::Recorded;
use super::data::{Chunk, Form, Held};
use super::family::Sum;
use super::life_cycle::has_ended;
use super::report::Keyed;
use super::table::Identifier;
use super::{Record, Said, Tasks};
use crate::yang::generated::magent_task::{DataObject, Task, Term};
use crate::yang::generated::magent_types::TaskStatus;
use crate::yang::model::Modelled;
use crate::yang::packed::{
    self, Origin, PackedError, Reader, Sink, put_number, put_octets, put_optional, put_time,
};

/// The kinds of items that are saved here.
pub const KINDS: std::ops::RangeInclusive<u8> = 20..=29;

const NUMBERS: u8 = 20;
const TASK: u8 = 21;
const CONTEXT: u8 = 22;
const BEGUN: u8 = 23;
const DATA_OBJECT: u8 = 24;
const SHARED: u8 = 25;
const OWNED: u8 = 26;
const CALLBACK: u8 = 27;
/// In the octet that says what the data of an object is: some of it is kept aside.
const ASIDE: u8 = 0x80;

/// What waits until all tasks are taken back: they are found by their identifiers only then.
#[derive(Debug, Default)]
pub struct Deferred {
    numbers: Vec<(Identifier, u64)>,
    /// Of each part its whole, its number, and what it adds.
    parts: Vec<(String, u64, Sum)>,
}

impl Tasks {
    /// Saves all of it.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn save(&self, sink: &mut Sink<'_>) -> io::Result<()> {
        let mut out = Vec::new();
        put_number(&mut out, self.created);
        put_number(&mut out, self.revision);
        sink(NUMBERS, &out)?;
        // In the order of their creation, in which most tables have them: adding to an end is cheap.
        for record in self.tasks.created_from(0) {
            out.clear();
            put_octets(&mut out, record.id.as_str().as_bytes());
            self.save_task(record, &mut out);
            sink(TASK, &out)?;
        }
        for (id, context) in &self.contexts.contexts {
            out.clear();
            put_octets(&mut out, id.as_bytes());
            put_time(&mut out, context.created_at);
            put_time(&mut out, context.updated_at);
            put_number(&mut out, context.revision);
            put_number(&mut out, context.parties.len() as u64);
            context.parties.iter().for_each(|party| put_octets(&mut out, party.as_bytes()));
            for (revision, message) in context.messages.iter() {
                put_number(&mut out, *revision);
                put_octets(&mut out, message.octets());
            }
            sink(CONTEXT, &out)?;
        }
        for (agent, count) in &self.contexts.begun {
            out.clear();
            put_octets(&mut out, agent.as_bytes());
            put_number(&mut out, *count as u64);
            sink(BEGUN, &out)?;
        }
        for held in self.data.objects.values() {
            out.clear();
            let mut object = Vec::new();
            packed::pack(&held.object.to_data(), &mut object);
            put_octets(&mut out, &object);
            put_number(&mut out, held.revision);
            let has_aside = held.chunks.values().any(|chunk| matches!(chunk, Chunk::Aside { .. }));
            out.push(held.form as u8 | if has_aside { ASIDE } else { 0 });
            for (start, chunk) in &held.chunks {
                put_number(&mut out, *start);
                match chunk {
                    Chunk::Here(octets) => put_octets(&mut out, octets),
                    // No piece is empty.
                    Chunk::Aside { sha256, size } => {
                        put_octets(&mut out, &[]);
                        put_octets(&mut out, sha256.as_bytes());
                        put_number(&mut out, *size);
                    }
                }
            }
            sink(DATA_OBJECT, &out)?;
        }
        for (object, agent) in &self.data.shared {
            out.clear();
            put_octets(&mut out, object.as_bytes());
            put_octets(&mut out, agent.as_bytes());
            sink(SHARED, &out)?;
        }
        for (owner, octets) in &self.data.owned {
            out.clear();
            put_octets(&mut out, owner.as_bytes());
            put_number(&mut out, *octets);
            sink(OWNED, &out)?;
        }
        for ((task, id), callback) in self.callbacks.iter() {
            out.clear();
            put_octets(&mut out, task.as_bytes());
            put_octets(&mut out, id.as_bytes());
            put_octets(&mut out, &serde_json::to_vec(callback.as_ref())?);
            sink(CALLBACK, &out)?;
        }
        Ok(())
    }

    fn save_task(&self, record: &Record, out: &mut Vec<u8>) {
        put_octets(out, record.from.as_bytes());
        put_octets(out, record.to.as_bytes());
        let task = record.task.unpacked();
        put_optional(out, task.as_ref().and_then(|task| task.context.as_deref()));
        put_optional(out, task.as_ref().and_then(|task| task.parent.as_deref()));
        put_octets(out, record.status.as_str().as_bytes());
        put_number(out, record.number);
        put_time(out, record.updated_at);
        put_number(out, record.revision);
        let (awaits, has_keys) = (self.awaits(record), !record.keys.is_empty());
        let has = [record.deadline.is_some(), awaits, has_keys, record.ordered.is_some()];
        out.push(has.into_iter().zip(0..).fold(0, |flags, (has, bit)| flags | u8::from(has) << bit));
        record.deadline.iter().for_each(|deadline| put_time(out, *deadline));
        if has_keys {
            put_number(out, record.keys.len() as u64);
        }
        for (status, Keyed { key, digest, request }) in record.keys.iter() {
            put_octets(out, status.as_str().as_bytes());
            put_octets(out, key.as_bytes());
            put_octets(out, digest.as_bytes());
            put_number(out, request.map_or(0, u64::from));
        }
        if let Some(terms) = &record.ordered {
            put_number(out, terms.len() as u64);
            for term in terms.iter() {
                let mut octets = Vec::new();
                packed::pack(&term.to_data(), &mut octets);
                put_octets(out, &octets);
            }
        }
        put_number(out, u64::from(record.said.assignment));
        put_number(out, u64::from(record.said.result));
        put_number(out, record.said.requests.len() as u64);
        record.said.requests.iter().for_each(|request| put_number(out, u64::from(*request)));
        put_octets(out, record.task.octets());
    }

    /// Takes one saved item back; what is taken back stands for all events up to then.
    ///
    /// # Errors
    /// It is none of [`KINDS`], or this program cannot have saved it.
    pub fn load(
        &mut self,
        kind: u8,
        octets: &[u8],
        origin: Origin<'_>,
        deferred: &mut Deferred,
    ) -> Result<(), PackedError> {
        let mut saved = Reader::new(octets);
        match kind {
            NUMBERS => {
                self.created = saved.number()?;
                self.revision = saved.number()?;
            }
            TASK => self.load_task(&mut saved, origin, deferred)?,
            CONTEXT => {
                let id: Arc<str> = saved.text()?.into();
                let (created_at, updated_at) = (saved.time()?, saved.time()?);
                let revision = saved.number()?;
                let mut parties = OrdSet::new();
                for _ in 0..saved.number()? {
                    parties.insert(saved.text()?.into());
                }
                let mut context =
                    Recorded { created_at, updated_at, parties, messages: Default::default(), revision };
                while !saved.is_at_end() {
                    let revision = saved.number()?;
                    context.messages.push(revision, origin.packed(saved.octets()?)?);
                }
                self.contexts.contexts.insert(id, context);
            }
            BEGUN => {
                let agent = saved.text()?.into();
                self.contexts.begun.insert(agent, saved.small()?);
            }
            DATA_OBJECT => {
                let object: DataObject = origin.value(saved.octets()?)?;
                let revision = saved.number()?;
                let flags = saved.octet()?;
                let form = match flags & !ASIDE {
                    0 => Form::Text,
                    1 => Form::Binary,
                    2 => Form::Elsewhere,
                    other => return Err(PackedError::new(format!("{other} is no form of data"))),
                };
                let mut chunks = OrdMap::new();
                while !saved.is_at_end() {
                    let (start, octets) = (saved.number()?, saved.octets()?);
                    let chunk = match octets.is_empty() && flags & ASIDE != 0 {
                        true => Chunk::Aside { sha256: saved.text()?.into(), size: saved.number()? },
                        false => Chunk::Here(octets.into()),
                    };
                    chunks.insert(start, chunk);
                }
                let held = Held { object, form, chunks, revision };
                self.data.octets = self.data.octets.saturating_add(held.object.size.unwrap_or(0));
                self.data.memory = self.data.memory.saturating_add(held.here());
                self.data.hold(held);
            }
            SHARED => {
                let object = saved.text()?.into();
                self.data.shared.insert((object, saved.text()?.into()));
            }
            OWNED => {
                let owner = saved.text()?.into();
                self.data.owned.insert(owner, saved.number()?);
            }
            CALLBACK => {
                let place = (saved.text()?.into(), saved.text()?.into());
                let callback = serde_json::from_slice(saved.octets()?);
                self.callbacks.hold(place, callback.map_err(|error| PackedError::new(error.to_string()))?);
            }
            other => return Err(PackedError::new(format!("{other} is no kind of what is saved of tasks"))),
        }
        saved.end()
    }

    /// Does what was deferred, once all is taken back.
    pub fn loaded(&mut self, deferred: Deferred) {
        self.tasks.name(deferred.numbers);
        for (whole, part, sum) in deferred.parts {
            self.load_part((&whole, part), sum);
        }
    }

    fn load_task(
        &mut self,
        saved: &mut Reader<'_>,
        origin: Origin<'_>,
        deferred: &mut Deferred,
    ) -> Result<(), PackedError> {
        let id = Identifier::from(saved.text()?);
        let (from, to) = (saved.text()?, saved.text()?);
        let (context, parent) = (saved.optional()?, saved.optional()?);
        let status = status(saved.text()?)?;
        let (number, updated_at, revision) = (saved.number()?, saved.time()?, saved.number()?);
        let flags = saved.octet()?;
        let deadline = (flags & 1 != 0).then(|| saved.time()).transpose()?;
        let keys = if flags & 4 != 0 { saved.number()? } else { 0 };
        let keys: Result<Vec<_>, PackedError> = (0..keys).map(|_| keyed(saved)).collect();
        let mut ordered = None;
        if flags & 8 != 0 {
            let terms = (0..saved.number()?).map(|_| origin.value(saved.octets()?));
            ordered = Some(terms.collect::<Result<Arc<[Term]>, _>>()?);
        }
        let (assignment, result) = (saved.small()?, saved.small()?);
        let requests: Result<Vec<u32>, _> = (0..saved.number()?).map(|_| saved.small()).collect();
        let said = Said { assignment, requests: requests?, result };
        let task = origin.packed(saved.octets()?)?;

        let (from, to) = (self.by_from.insert(from, number), self.by_to.insert(to, number));
        context.iter().for_each(|context| drop(self.by_context.insert(context, number)));
        parent.iter().for_each(|parent| drop(self.by_parent.insert(parent, number)));
        if let Some(deadline) = deadline.filter(|_| flags & 2 != 0) {
            self.deadlines.insert((deadline, number));
        }
        match has_ended(status) {
            true => drop(self.ended.insert((revision, number))),
            false => *self.open.entry(from.clone()).or_default() += 1,
        }
        let (parts, keys) = (Sum::default(), keys?.into());
        if let Some(whole) = parent {
            let progress = task.unpacked().and_then(|task: Task| task.progress);
            deferred.parts.push((whole.to_owned(), number, Sum::of(status, progress)));
        }
        deferred.numbers.push((id.clone(), number));
        let record = Record {
            id,
            task,
            from,
            to,
            status,
            number,
            deadline,
            updated_at,
            revision,
            said,
            parts,
            keys,
            ordered,
        };
        self.tasks.replace(record);
        Ok(())
    }
}

fn status(text: &str) -> Result<TaskStatus, PackedError> {
    let known = TaskStatus::ALL.iter().copied().find(|known| known.as_str() == text);
    known.ok_or_else(|| PackedError::new(format!("\"{text}\" is no status")))
}

/// A report that has a key, and the status that it was answered with.
fn keyed(saved: &mut Reader<'_>) -> Result<(TaskStatus, Keyed), PackedError> {
    let status = status(saved.text()?)?;
    let (key, digest) = (saved.text()?.to_owned(), saved.text()?.to_owned());
    let request = Some(saved.small()?).filter(|request| *request > 0);
    Ok((status, Keyed { key, digest, request }))
}
