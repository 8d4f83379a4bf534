//! What is saved of negotiations, and how they are made of it again.
//!
//! It saves each as it is; what it is found by is built anew.

use std::io;

use super::Negotiations;
use crate::yang::generated::magent_task::Negotiation;
use crate::yang::model::Modelled;
use crate::yang::packed::{self, Origin, PackedError, Reader, Sink, put_number, put_octets};

/// The kinds of items that are saved here.
pub const KINDS: std::ops::RangeInclusive<u8> = 30..=39;

const NUMBERS: u8 = 30;
const NEGOTIATION: u8 = 31;

impl Negotiations {
    /// Saves all of it.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn save(&self, sink: &mut Sink<'_>) -> io::Result<()> {
        let (mut out, mut entry) = (Vec::new(), Vec::new());
        put_number(&mut out, self.revision);
        sink(NUMBERS, &out)?;
        for held in self.all.values() {
            out.clear();
            entry.clear();
            packed::pack(&held.entry.to_data(), &mut entry);
            put_number(&mut out, held.revision);
            put_octets(&mut out, &entry);
            sink(NEGOTIATION, &out)?;
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
                self.put(origin.value::<Negotiation>(saved.octets()?)?, revision);
            }
            other => {
                return Err(PackedError::new(format!("{other} is no kind of what is saved of negotiations")));
            }
        }
        saved.end()
    }
}
