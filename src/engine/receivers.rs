//! What only the server knows of those that it reports to: which URLs it may send to, and what it signs with.
//!
//! Nothing is sent here.

use std::fmt;

use crate::clock::Timestamp;
use crate::log::LogError;
use crate::tasks::callbacks::{Place, Progress};
use crate::yang::error::Error;
use crate::yang::generated::irtf_agent::ConditionNotifications;
use crate::yang::generated::magent_task::{CallbackKey, TaskEvent};
use crate::yang::model::Modelled as _;
use crate::yang::notification::Notification;

use super::core;
use super::driver::Engine;
use super::event::Actor;
use super::group::Command;
use super::unknown::known;

/// Those that the server reports to.
pub trait Receivers: fmt::Debug + Send + Sync {
    /// Whether it may send to a URL, as far as that can be told without asking where its host is.
    ///
    /// # Errors
    /// Why not, as the predicate of a sentence whose subject is the URL.
    fn admits(&self, url: &str) -> Result<(), &'static str>;

    /// What it signs with; `None` if it reports to nobody.
    fn key(&self) -> Option<CallbackKey>;
}

/// No receivers: no report leaves the server.
#[derive(Debug)]
pub struct NoReceivers;

impl Receivers for NoReceivers {
    fn admits(&self, _: &str) -> Result<(), &'static str> {
        Err("is not asked: this server reports to no URL")
    }

    fn key(&self) -> Option<CallbackKey> {
        None
    }
}

impl Engine {
    /// What is told of a task by the event at a position, and when that happened; `None` if it is not kept any more or tells of
    /// no task. `drafts` says whether it is told in the words of the draft.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn told(&self, position: u64, drafts: bool) -> Result<Option<(Timestamp, Notification)>, LogError> {
        let records = match self.shared.reader.read(position.saturating_sub(1), 1) {
            Err(LogError::Gone { .. }) => return Ok(None),
            read => read?,
        };
        let Some(record) = records.first().filter(|record| record.position == position) else {
            return Ok(None);
        };
        let at = Timestamp::from_micros(record.at).unwrap_or(Timestamp::EPOCH);
        // It was read before by whoever made the state that names it.
        let Ok(event) = known(record) else { return Ok(None) };
        let node = if drafts { ConditionNotifications::node() } else { TaskEvent::node() };
        let told = core::announce(&event, at, Actor::recorded(record)).into_iter();
        Ok(told.filter(|told| told.node == node).map(|told| (at, told)).next())
    }

    /// Makes durable how far deliveries have come.
    ///
    /// # Errors
    /// The log cannot be written, or the writer has no room for it now.
    pub async fn delivered(&self, progress: Vec<(Place, Progress)>) -> Result<(), Error> {
        self.command(|answer| Command::Delivered(progress, answer)).await
    }

    /// Waits until something has become durable since a position, and gives the newest.
    pub async fn committed_after(&self, position: u64) -> u64 {
        let mut committed = self.shared.committed.subscribe();
        // It fails if the engine is gone, and so does who waits.
        committed.wait_for(|newest| *newest > position).await.map_or(position, |newest| *newest)
    }
}
