//! What is saved of the registry, and how it is made of it again.
//!
//! It saves registrations, whose each name is, and delegations; what they are found by is built anew.

use std::io;

use super::Registry;
use crate::yang::generated::magent_registry::{Agent, Delegation};
use crate::yang::model::Modelled;
use crate::yang::packed::{self, Origin, PackedError, Reader, Sink, put_number, put_octets};

/// The kinds of items that are saved here.
pub const KINDS: std::ops::RangeInclusive<u8> = 10..=19;

const NUMBERS: u8 = 10;
const NAME: u8 = 11;
/// Of earlier programs, which gave agents no numbers.
const AGENT: u8 = 12;
const DELEGATION: u8 = 13;
const NUMBERED_AGENT: u8 = 14;

impl Registry {
    /// Saves all of it.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn save(&self, sink: &mut Sink<'_>) -> io::Result<()> {
        let (mut out, mut entry) = (Vec::new(), Vec::new());
        put_number(&mut out, self.revision);
        put_number(&mut out, u64::from(self.delegations.newest()));
        sink(NUMBERS, &out)?;
        // Names first: that of an agent who is registered is in there already when the agent comes.
        for (name, owner) in &self.owners {
            out.clear();
            put_octets(&mut out, name.as_bytes());
            put_octets(&mut out, owner.as_bytes());
            sink(NAME, &out)?;
        }
        let agents = self.agents.iter().map(|(name, held)| {
            (NUMBERED_AGENT, self.index.number(name), held.entry.to_data(), held.revision)
        });
        let delegations = self.delegations.all();
        let delegations =
            delegations.map(|(delegation, revision)| (DELEGATION, None, delegation.to_data(), revision));
        for (kind, number, data, revision) in agents.chain(delegations) {
            out.clear();
            entry.clear();
            packed::pack(&data, &mut entry);
            number.into_iter().for_each(|number| put_number(&mut out, u64::from(number)));
            put_number(&mut out, revision);
            put_octets(&mut out, &entry);
            sink(kind, &out)?;
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
            NUMBERS => {
                self.revision = saved.number()?;
                self.delegations.begin_after(saved.small()?);
            }
            NAME => {
                let name = saved.text()?.into();
                self.own(&name, saved.text()?);
            }
            AGENT | NUMBERED_AGENT => {
                let number = if kind == NUMBERED_AGENT { Some(saved.small()?) } else { None };
                let revision = saved.number()?;
                if !self.put(origin.value::<Agent>(saved.octets()?)?, number, revision) {
                    return Err(PackedError::new("two agents have one number"));
                }
            }
            DELEGATION => {
                let revision = saved.number()?;
                self.delegations.grant(revision, &origin.value::<Delegation>(saved.octets()?)?);
            }
            other => {
                return Err(PackedError::new(format!("{other} is no kind of what is saved of the registry")));
            }
        }
        saved.end()
    }
}
