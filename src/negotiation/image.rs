//! What is saved of negotiations, and how they are made of it again.
//!
//! It saves each as it is, and the accounts and means beside; what they are found by is built anew.

use std::io;

use std::sync::Arc;

use super::Negotiations;
use super::course::{Accounted, Course};
use super::policies::capacity::Commitment;
use super::policies::{Asked, Means, Possible, Stored};
use crate::yang::generated::magent_policy::{Agent, ExplainMovesOutputAccount};
use crate::yang::generated::magent_task::Negotiation;
use crate::yang::model::Modelled;
use crate::yang::packed::{self, Origin, PackedError, Reader, Sink, put_number, put_octets};

/// The kinds of items that are saved here.
pub const KINDS: std::ops::RangeInclusive<u8> = 30..=39;

/// Whether a task carries the agreement of a negotiation out, which is then the one that is shown, and whether the negotiation
/// had named it.
const NOT_CARRIED_OUT: u64 = 0;
const CARRIED_OUT: u64 = 1;
const CARRIED_OUT_AS_NAMED: u64 = 2;

const NUMBERS: u8 = 30;
const NEGOTIATION: u8 = 31;
const ACCOUNT: u8 = 32;
const MEANS: u8 = 33;
const ASKED: u8 = 34;

impl Negotiations {
    /// Saves all of it.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn save(&self, sink: &mut Sink<'_>) -> io::Result<()> {
        let (mut out, mut entry) = (Vec::new(), Vec::new());
        put_number(&mut out, self.revision);
        sink(NUMBERS, &out)?;
        for course in self.all.values() {
            out.clear();
            entry.clear();
            packed::pack(&course.whole().to_data(), &mut entry);
            put_number(&mut out, course.revision);
            put_octets(&mut out, &entry);
            let task = match (&course.carried_out_by, &course.head.task) {
                (None, _) => NOT_CARRIED_OUT,
                (Some(_), None) => CARRIED_OUT,
                (Some(_), Some(_)) => CARRIED_OUT_AS_NAMED,
            };
            if task != NOT_CARRIED_OUT || course.reconsidered > 0 {
                put_number(&mut out, task);
            }
            if course.reconsidered > 0 {
                put_number(&mut out, course.reconsidered as u64);
            }
            sink(NEGOTIATION, &out)?;
            for accounted in &course.accounts {
                out.clear();
                entry.clear();
                packed::pack(&accounted.account.to_data(), &mut entry);
                put_octets(&mut out, course.head.id.as_bytes());
                put_octets(&mut out, accounted.agent.as_bytes());
                put_octets(&mut out, &entry);
                sink(ACCOUNT, &out)?;
            }
        }
        for means in self.means.values() {
            out.clear();
            entry.clear();
            packed::pack(&means.entry().to_data(), &mut entry);
            put_number(&mut out, means.revision);
            put_octets(&mut out, &entry);
            sink(MEANS, &out)?;
        }
        // After the policies: one that comes ends what was asked before.
        for course in self.asked.iter().filter_map(|(_, id)| self.get(id)) {
            let Some((position, asked)) = course.asked() else { continue };
            out.clear();
            put_octets(&mut out, course.head.id.as_bytes());
            put_number(&mut out, position);
            put_octets(&mut out, asked.agent.as_bytes());
            put_octets(&mut out, asked.until.to_string().as_bytes());
            put_number(&mut out, asked.is_worded.into());
            for option in &asked.options {
                entry.clear();
                packed::pack(&option.0.to_data(), &mut entry);
                put_octets(&mut out, &entry);
            }
            sink(ASKED, &out)?;
        }
        Ok(())
    }

    /// Takes one saved item back; what is taken back stands for all events up to then.
    ///
    /// # Errors
    /// It is none of [`KINDS`], or this program cannot have saved it.
    pub fn load(&mut self, kind: u8, octets: &[u8], origin: Origin<'_>) -> Result<(), PackedError> {
        let mut saved = Reader::new(octets);
        match kind {
            NUMBERS => self.revision = saved.number()?,
            NEGOTIATION => {
                let revision = saved.number()?;
                let mut course = Course::new(origin.value::<Negotiation>(saved.octets()?)?, revision);
                let carried_out = if saved.is_at_end() { NOT_CARRIED_OUT } else { saved.number()? };
                if carried_out != NOT_CARRIED_OUT {
                    course.carried_out_by = course.head.task.as_deref().map(Arc::from);
                }
                if carried_out == CARRIED_OUT {
                    course.head.task = None;
                }
                if !saved.is_at_end() {
                    course.reconsidered = usize::try_from(saved.number()?).unwrap_or_default();
                }
                self.put(course);
            }
            ACCOUNT => {
                let id = saved.text()?;
                let course = self.get(id).cloned();
                let unknown = || PackedError::new(format!("there is no negotiation {id:?}"));
                let mut course = course.ok_or_else(unknown)?;
                let agent = saved.text()?.to_owned();
                let account = origin.value::<ExplainMovesOutputAccount>(saved.octets()?)?;
                course.account(Accounted { agent, account });
                self.put(course);
            }
            MEANS => {
                let revision = saved.number()?;
                let agent = origin.value::<Agent>(saved.octets()?)?;
                let mut means =
                    Means { revision, capacity: Arc::new(agent.capacity), ..Means::new(&agent.name) };
                for policy in agent.policy {
                    let name = policy.name.as_str().into();
                    means.policies.insert(name, Arc::new(Stored::new(policy, self.memory.clone())));
                }
                for shown in agent.commitment {
                    let commitment = Commitment::read(&shown).map_err(|e| PackedError::new(e.to_string()))?;
                    means.commitments.put(&shown.term, &shown.negotiation, commitment);
                }
                self.put_means(means);
            }
            ASKED => {
                let id = saved.text()?;
                let course = self.get(id).cloned();
                let unknown = || PackedError::new(format!("there is no negotiation {id:?}"));
                let mut course = course.ok_or_else(unknown)?;
                let position = saved.number()?;
                let agent = saved.text()?.to_owned();
                let until = saved.text()?.parse().map_err(|e| PackedError::new(format!("{e}")))?;
                let is_worded = saved.number()? == 1;
                let mut options = Vec::new();
                while !saved.is_at_end() {
                    options.push(Possible(origin.value(saved.octets()?)?));
                }
                course.asked = Some((position, Arc::new(Asked { agent, until, is_worded, options })));
                self.put(course);
            }
            other => {
                return Err(PackedError::new(format!("{other} is no kind of what is saved of negotiations")));
            }
        }
        saved.end()
    }
}
