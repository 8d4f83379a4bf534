//! `query-messages`: what was said in contexts, in order and a part at a time.
//!
//! It looks at no more messages at a time than a limit allows, and never at a context that its reader may not see.

use std::sync::Arc;

use super::assign::time;
use super::{Refusal, Tasks};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::{Message, QueryMessagesInput, QueryMessagesOutput};

impl Tasks {
    /// Answers `query-messages`. `visible` says whether the user has read access to a context.
    ///
    /// A cursor is good for ever: it is the context and the number of the next message to look at. The answer can be short or
    /// empty and still have a cursor.
    ///
    /// # Errors
    /// `bad-cursor`; `since` or `until` is no time.
    pub fn query_messages(
        &self,
        input: &QueryMessagesInput,
        limits: &Limits,
        visible: impl Fn(&str) -> bool,
    ) -> Result<QueryMessagesOutput, Error> {
        let (from, mut first) = match &input.cursor {
            Some(cursor) => place(cursor)?,
            None => ("", 1),
        };
        let since = input.since.as_deref().map(time).transpose()?;
        let until = input.until.as_deref().map(time).transpose()?;
        let most = input
            .limit
            .map_or(limits.query_messages_max, |limit| limits.query_messages_max.min(usize::from(limit)));
        let mut looked_at = 0;
        let mut output = QueryMessagesOutput { message: Vec::new(), next_cursor: None };
        let among = self.contexts_among(input);
        let contexts = self.contexts.contexts.range(Arc::<str>::from(from)..);
        for (id, context) in contexts {
            if id.as_ref() != from {
                first = 1;
            }
            looked_at += 1;
            if looked_at > limits.query_scan_max {
                output.next_cursor = Some(format!("1 {id}"));
                return Ok(output);
            }
            let is_wanted = among.as_ref().is_none_or(|among| among.iter().any(|one| one == id.as_ref()))
                && since.is_none_or(|since| context.updated_at >= since)
                && (input.agent.is_empty()
                    || input.agent.iter().any(|agent| context.parties.contains(agent.as_str())));
            if !is_wanted || !visible(id) {
                continue;
            }
            for (number, message) in context.messages.from(first) {
                if output.message.len() >= most || looked_at >= limits.query_scan_max {
                    output.next_cursor = Some(format!("{number} {id}"));
                    return Ok(output);
                }
                looked_at += 1;
                if message.unpacked().is_some_and(|message| is_met(input, &message, since, until)) {
                    output.message.extend(context.messages.found(id, number));
                }
            }
        }
        Ok(output)
    }

    /// The contexts that the input names, by themselves or by tasks; `None`: all.
    fn contexts_among(&self, input: &QueryMessagesInput) -> Option<Vec<String>> {
        if !input.context.is_empty() {
            return Some(input.context.clone());
        }
        let tasks = input.task.iter().map(|task| self.get(task));
        // A task that is not kept any more is still spoken of somewhere.
        let contexts: Option<Vec<String>> =
            tasks.map(|task| task.map(|task| task.context.unwrap_or_default())).collect();
        contexts.filter(|contexts| !contexts.is_empty())
    }
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

/// The context and the number that a cursor stands for.
fn place(cursor: &str) -> Result<(&str, u32), Error> {
    let wrong = || {
        Refusal::BadCursor
            .error(format!("\"{cursor}\" is not a value of \"next-cursor\" that this server gave."))
    };
    let (number, context) = cursor.split_once(' ').ok_or_else(wrong)?;
    Ok((context, number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?))
}
