//! The writer and the committer without their threads: they take a step when they are told to, so that a simulation decides what happens when.
//!
//! A step calls the very functions that the threads call. Nothing here waits, or reads a clock or a random source by itself.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ring::rand::{SecureRandom, SystemRandom};

use super::committer::Committer;
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

/// The writer and the committer of an engine that has no threads. Dropping it is a crash: what is queued is lost, and the log is not closed.
pub struct Stepper(Writer, Committer);

impl fmt::Debug for Stepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stepper")
    }
}

impl Stepper {
    /// What [`Engine::open`] does, but for the threads: nothing that changes something is answered before a [`Stepper::step`].
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub fn open(
        journal: Box<dyn Journal>,
        options: Options,
        entropy: Entropy,
    ) -> Result<(Engine, Stepper), OpenError> {
        let (engine, writer, committer) = Engine::prepare(journal, options, entropy)?;
        Ok((engine, Stepper(writer, committer)))
    }

    /// Commits two groups: the sessions that have ended, what is due, and at most so many of the requests that are queued in each.
    /// As it is where there are threads, the second is decided before the first is committed.
    /// False if not all of that could be recorded and committed.
    pub fn step(&mut self, at_most: usize) -> bool {
        let Stepper(writer, committer) = self;
        let mut is_complete = writer.gather(None, at_most);
        let Some(first) = writer.hand_on() else { return is_complete };
        is_complete &= writer.gather(None, at_most);
        let mut next = Some(first);
        while let Some(group) = next {
            let _ = committer.commit(group, |outcome| {
                if let Err(error) = outcome {
                    is_complete = false;
                    writer.refused(&error);
                }
            });
            next = writer.hand_on();
        }
        is_complete
    }

    /// How many requests are queued.
    pub fn queued(&self) -> usize {
        self.0.queue.len()
    }
}
