//! A subscriber that loses its connection and comes back with the last event it was given. It never reads what was before.

use agentconf::access::Principal;
use agentconf::engine::{Delivered, Engine, From, Subscription};
use tokio::runtime::Runtime;

use super::mutation::Mutation;
use super::witness::{Violation, hold};

const RULE: &str = "a subscriber gets every event once, in order";

/// The stream of one user.
pub struct Follower {
    stream: Option<Subscription>,
    /// What was delivered last.
    last: Option<(u64, usize)>,
    /// Up to where a stream that is held has looked.
    looked: u64,
    pub received: Vec<(u64, usize)>,
    mutation: Option<Mutation>,
}

impl Follower {
    pub fn new(mutation: Option<Mutation>) -> Self {
        Follower { stream: None, last: None, looked: 0, received: Vec::new(), mutation }
    }

    pub fn disconnect(&mut self) {
        self.stream = None;
    }

    fn connect(&self, engine: &Engine, principal: &Principal) -> Result<Subscription, Violation> {
        let from = match (self.last, self.mutation) {
            (None, _) => From::Behind(0),
            (Some((position, _)), Some(Mutation::SubscriberSkips)) => From::Behind(position + 1),
            (Some((position, _)), Some(Mutation::SubscriberRepeats)) => From::Behind(position - 1),
            (Some((position, part)), _) => From::After { position, part },
        };
        let stream = engine.subscribe(principal, None, from, None);
        // What was told is durable, so a start has it.
        stream.map_err(|e| Violation { rule: RULE, detail: format!("{from:?} is refused: {e}") })
    }

    /// Takes what there is, at most so many; what is left is for the next connection.
    pub fn take(
        &mut self,
        runtime: &Runtime,
        engine: &Engine,
        principal: &Principal,
        most: usize,
    ) -> Result<Vec<Delivered>, Violation> {
        let newest = engine.snapshot().position;
        // What another stream says of the same time at the same moment.
        let (from, seen) = match (&self.stream, self.last) {
            (Some(_), last) => (self.looked, last),
            (None, Some((position, part))) => (position - 1, Some((position, part))),
            (None, None) => (0, None),
        };
        let refused = |e: &dyn std::fmt::Display| Violation { rule: RULE, detail: e.to_string() };
        let reference =
            engine.subscribe(principal, None, From::Behind(from), None).map_err(|e| refused(&e))?;
        let mut expected = drain(runtime, reference, newest, usize::MAX)?.0;
        expected.retain(|told| seen.is_none_or(|seen| (told.position, told.part) > seen));
        expected.truncate(most);
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect(engine, principal)?,
        };
        let (taken, stream) = drain(runtime, stream, newest, most)?;
        let places = |told: &[Delivered]| told.iter().map(|d| (d.position, d.part)).collect::<Vec<_>>();
        hold(RULE, places(&taken) == places(&expected), || {
            format!("{} was told {:?} and not {:?}", principal.name, places(&taken), places(&expected))
        })?;
        for place in places(&taken) {
            hold(RULE, self.last.is_none_or(|last| last < place), || {
                format!("{place:?} after {:?}", self.last)
            })?;
            self.last = Some(place);
            self.received.push(place);
        }
        if taken.len() < most {
            self.stream = Some(stream);
            self.looked = newest;
        }
        Ok(taken)
    }
}

fn drain(
    runtime: &Runtime,
    mut stream: Subscription,
    newest: u64,
    most: usize,
) -> Result<(Vec<Delivered>, Subscription), Violation> {
    let mut all = Vec::new();
    while all.len() < most {
        match runtime.block_on(stream.next_until(newest)) {
            Ok(Some(told)) => all.push(told),
            Ok(None) => break,
            Err(e) => return Err(Violation { rule: RULE, detail: e.to_string() }),
        }
    }
    Ok((all, stream))
}
