//! `query-messages`: what was said in contexts, in order and a part at a time.
//!
//! It looks at no more messages at a time than a limit allows, and never at a context that its reader may not see; not even a
//! cursor tells that there is one.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::contexts::Recorded;
use super::{Refusal, Tasks};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{Message, QueryMessagesInput, QueryMessagesOutput, nodes};
use crate::yang::parameter;

/// A part that has as many octets of messages, as they are kept, has no more messages.
const PART_BYTES: usize = 1 << 20;

impl Tasks {
    /// Answers `query-messages`. `visible` says whether the user has read access to a context.
    ///
    /// A cursor is good as long as the context in it is visible. The answer can be short or empty and still have a cursor.
    ///
    /// # Errors
    /// `bad-cursor`; `since` or `until` is no time.
    pub fn query_messages(
        &self,
        input: &QueryMessagesInput,
        limits: &Limits,
        visible: impl Fn(&str) -> bool,
    ) -> Result<QueryMessagesOutput, Error> {
        let mut place = match &input.cursor {
            Some(cursor) => Place::read(cursor, |id| self.contexts.contexts.contains_key(id) && visible(id))?,
            None => Place { context: "", first: 1, after: 0 },
        };
        let since = parameter::optional_time(input.since.as_deref(), &nodes::QUERY_MESSAGES_INPUT_SINCE)?;
        let until = parameter::optional_time(input.until.as_deref(), &nodes::QUERY_MESSAGES_INPUT_UNTIL)?;
        let most = input
            .limit
            .map_or(limits.query_messages_max, |limit| limits.query_messages_max.min(usize::from(limit)));
        let (mut looked_at, mut octets) = (0, 0);
        let mut output = QueryMessagesOutput { message: Vec::new(), next_cursor: None };
        let among = self.contexts_among(input);
        let start = (place.context, place.after);
        for (id, context) in self.contexts_from(start, among.as_deref()) {
            let first = if place.after == 0 && id.as_ref() == place.context { place.first } else { 1 };
            if looked_at >= limits.query_scan_max {
                output.next_cursor = Some(place.to_string());
                return Ok(output);
            }
            let is_wanted = since.is_none_or(|since| context.updated_at >= since)
                && (input.agent.is_empty()
                    || input.agent.iter().any(|agent| context.parties.contains(agent.as_str())));
            if !is_wanted || !visible(id) {
                looked_at += 1;
                place.after = place.after.saturating_add(1);
                continue;
            }
            for (number, message) in context.messages.from(first) {
                place = Place { context: id, first: number, after: 0 };
                let is_full = output.message.len() >= most || octets >= PART_BYTES;
                if is_full || looked_at >= limits.query_scan_max {
                    output.next_cursor = Some(place.to_string());
                    return Ok(output);
                }
                looked_at += 1;
                let size = message.octets().len();
                if message.unpacked().is_some_and(|message| is_met(input, &message, since, until)) {
                    octets = octets.saturating_add(size);
                    output.message.extend(context.messages.found(id, number));
                }
            }
            place = Place { context: id, first: 1, after: 1 };
        }
        Ok(output)
    }

    /// The contexts from a place on, in the order of their identifiers: so many after the first of them that is not before it.
    fn contexts_from<'a>(
        &'a self,
        (from, after): (&'a str, usize),
        among: Option<&'a [String]>,
    ) -> Box<dyn Iterator<Item = (&'a Arc<str>, &'a Recorded)> + 'a> {
        let all = &self.contexts.contexts;
        match among {
            Some(among) => {
                let among = among.iter().map(String::as_str).skip_while(move |id| *id < from);
                Box::new(among.filter_map(|id| all.get_key_value(id)).skip(after))
            }
            None => Box::new(all.range::<_, str>((Bound::Included(from), Bound::Unbounded)).skip(after)),
        }
    }

    /// The contexts that the input names, by themselves or by tasks, in their order; `None`: all.
    fn contexts_among(&self, input: &QueryMessagesInput) -> Option<Vec<String>> {
        if !input.context.is_empty() {
            return Some(in_order(input.context.clone()));
        }
        let tasks = input.task.iter().map(|task| self.get(task));
        // A task that is not kept any more is still spoken of somewhere.
        let contexts: Option<Vec<String>> =
            tasks.map(|task| task.map(|task| task.context.unwrap_or_default())).collect();
        contexts.filter(|contexts| !contexts.is_empty()).map(in_order)
    }
}

fn in_order(mut contexts: Vec<String>) -> Vec<String> {
    contexts.sort_unstable();
    contexts.dedup();
    contexts
}

fn is_met(
    input: &QueryMessagesInput,
    message: &Message,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> bool {
    let at: Option<Timestamp> = message.at.parse().ok();
    let is_of_task =
        input.task.is_empty() || message.task.as_ref().is_some_and(|task| input.task.contains(task));
    let is_of_agent = input.agent.is_empty()
        || [&message.from, &message.to].iter().any(|agent| input.agent.contains(agent));
    is_of_task
        && is_of_agent
        && since.is_none_or(|since| at.is_some_and(|at| at >= since))
        && until.is_none_or(|until| at.is_some_and(|at| at < until))
}

/// What is looked at next, as a cursor says it: a context that its reader may see, or none.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    context: &'a str,
    /// The number of the message in it.
    first: u32,
    /// How many contexts further it is. None is ever dropped, so that none is passed over.
    after: usize,
}

impl<'a> Place<'a> {
    /// # Errors
    /// `bad-cursor`: it cannot have been given to who sees what is visible.
    fn read(cursor: &'a str, visible: impl FnOnce(&str) -> bool) -> Result<Place<'a>, Error> {
        let read = || {
            let (place, context) = cursor.split_once(' ')?;
            let (first, after) = place.split_once('+').unwrap_or((place, "0"));
            let first = first.parse().ok().filter(|first| *first > 0)?;
            let place = Place { context, first, after: after.parse().ok()? };
            (context.is_empty() || visible(context)).then_some(place)
        };
        read().ok_or_else(|| {
            Refusal::BadCursor
                .error(format!("\"{cursor}\" is not a value of \"next-cursor\" that this server gave."))
        })
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after {
            0 => write!(f, "{} {}", self.first, self.context),
            after => write!(f, "{}+{after} {}", self.first, self.context),
        }
    }
}
