//! The writer without its thread: it takes a step when it is told to, so that a simulation decides what happens when.
//!
//! A step is the very function that the thread calls. Nothing here waits, or reads a clock or a random source by itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};

use super::driver::{Engine, OpenError};
use super::options::Options;
use super::writer::Writer;
use crate::log::Journal;

/// Where the randomness of decisions comes from.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> [u8; 10] + Send + Sync>);

impl Entropy {
    /// Randomness from a function, which is called once for each decision.
    pub fn new(source: impl Fn() -> [u8; 10] + Send + Sync + 'static) -> Self {
        Entropy(Arc::new(source))
    }

    /// That of the operating system.
    pub(super) fn system() -> Self {
        // The system is asked for many at a time: a call of it costs as much as a decision.
        let drawn = Mutex::new(Vec::<[u8; 10]>::new());
        Entropy::new(move || {
            let mut drawn = drawn.lock().unwrap_or_else(PoisonError::into_inner);
            if drawn.is_empty() {
                let mut random = [0; 640];
                if SystemRandom::new().fill(&mut random).is_ok() {
                    drawn.extend(random.as_chunks::<10>().0);
                }
            }
            // An identifier that repeats is refused, so this is an outage and no danger.
            drawn.pop().unwrap_or_default()
        })
    }

    /// What no other decision gets.
    pub(super) fn next(&self) -> [u8; 10] {
        (self.0)()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entropy")
    }
}

/// The writer of an engine that has no thread. Dropping it is a crash: what is queued is lost, and the log is not closed.
pub struct Stepper(Writer);

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stepper")
    }
}

impl Stepper {
    /// What [`Engine::open`] does, but for the thread: nothing that changes something is answered before a [`Stepper::step`].
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open(
        journal: Box<dyn Journal>,
        options: Options,
        entropy: Entropy,
    ) -> Result<(Engine, Stepper), OpenError> {
        let (engine, writer) = Engine::prepare(journal, options, entropy)?;
        Ok((engine, Stepper(writer)))
    }

    /// Commits one group: the sessions that have ended, what is due, and at most so many of the requests that are queued.
    /// False if not all of that could be recorded and committed.
    pub fn step(&mut self, at_most: usize) -> bool {
        self.0.step(None, at_most).complete
    }

    /// How many requests are queued.
    pub fn queued(&self) -> usize {
        self.0.queue.len()
    }
}
