//! What agents are found by: the numbers of the agents, and for each term the agents that have it.
//!
//! A term is a value of a facet (what the conditions of operations are about) or a word of the texts of a profile. An agent keeps
//! its number as long as it is registered; the smallest that is free is given next, so that the numbers stay dense. It
//! never looks at the time or at who asks.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::postings::Postings;
use super::text;
use crate::yang::generated::magent_registry::Agent;

/// There are no greater numbers.
const NUMBER_MAX: u32 = 1 << 24;

/// A property that an agent can have several values of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Facet {
    /// That it is there; the value is empty.
    Any,
    /// `type`.
    Type,
    /// `provider`.
    Provider,
    /// `domain`.
    Domain,
    /// `management-object`.
    ManagementObject,
    /// `skill-name` of a skill.
    SkillName,
    /// `skill-tags` of a skill.
    SkillTag,
    /// `input-modes` of a skill.
    InputMode,
    /// `output-modes` of a skill.
    OutputMode,
    /// `input-modes` of the skill of a name: see [`of_skill`].
    SkillInput,
    /// `output-modes` of the skill of a name.
    SkillOutput,
    /// `negotiate` of the capabilities.
    Negotiate,
    /// `streaming` of the capabilities: `true` or `false`.
    Streaming,
    /// `push-notifications` of the capabilities: `true` or `false`.
    PushNotifications,
    /// `protocol` of an endpoint.
    Protocol,
    /// `scheme` of an authentication method.
    AuthenticationScheme,
    /// A word of the texts, without its ending.
    Word,
}

/// The key of a term.
fn term(facet: Facet, value: &str) -> String {
    let mut term = String::with_capacity(value.len() + 1);
    term.push(char::from(b'A' + facet as u8));
    term.push_str(value);
    term
}

/// The value for a mode of a skill: of both together.
pub(super) fn of_skill(skill: &str, mode: &str) -> String {
    format!("{skill}\n{mode}")
}

/// Whether a capability is there, as the value of a facet.
pub(super) fn flag(is_supported: Option<bool>) -> &'static str {
    if is_supported == Some(true) { "true" } else { "false" }
}

/// The terms of an agent but its words, each once.
fn facets(agent: &Agent) -> BTreeSet<String> {
    let mut terms = BTreeSet::new();
    let mut add = |facet: Facet, value: &str| {
        terms.insert(term(facet, value));
    };
    add(Facet::Any, "");
    add(Facet::Provider, &agent.provider);
    agent.type_.iter().for_each(|value| add(Facet::Type, value));
    agent.domain.iter().for_each(|value| add(Facet::Domain, value));
    agent.management_object.iter().for_each(|value| add(Facet::ManagementObject, value));
    for skill in &agent.skills.skill {
        add(Facet::SkillName, &skill.skill_name);
        skill.skill_tags.iter().for_each(|tag| add(Facet::SkillTag, tag));
        for mode in &skill.input_modes {
            add(Facet::InputMode, mode);
            add(Facet::SkillInput, &of_skill(&skill.skill_name, mode));
        }
        for mode in &skill.output_modes {
            add(Facet::OutputMode, mode);
            add(Facet::SkillOutput, &of_skill(&skill.skill_name, mode));
        }
    }
    let capability = &agent.capability;
    capability.negotiate.iter().for_each(|value| add(Facet::Negotiate, value));
    add(Facet::Streaming, flag(capability.streaming));
    add(Facet::PushNotifications, flag(capability.push_notifications));
    let endpoints = agent.endpoints.endpoint.iter().filter_map(|endpoint| endpoint.protocol.as_deref());
    endpoints.for_each(|protocol| add(Facet::Protocol, protocol));
    let methods = agent.authentication.authentication_methods.iter();
    methods
        .filter_map(|method| method.scheme.as_deref())
        .for_each(|scheme| add(Facet::AuthenticationScheme, scheme));
    terms
}

/// The agents by number and by term. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Index {
    numbers: OrdMap<Arc<str>, u32>,
    names: OrdMap<u32, Arc<str>>,
    /// The numbers below the greatest one in use that nobody has.
    free: OrdSet<u32>,
    terms: OrdMap<Arc<str>, Postings>,
}

impl Index {
    /// The number of an agent.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The agent with a number.
    pub(super) fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.names.get(&number)
    }

    /// The smallest number that nobody has.
    fn next(&self) -> u32 {
        let beyond = self.names.get_max().map_or(0, |(greatest, _)| greatest + 1);
        self.free.get_min().copied().unwrap_or(beyond)
    }

    /// Adds an agent that is not there, with a number that nobody has, or the next one; whether that could be.
    pub(super) fn insert(&mut self, name: &Arc<str>, number: Option<u32>, agent: &Agent) -> bool {
        let number = number.unwrap_or_else(|| self.next());
        if number > NUMBER_MAX || self.names.contains_key(&number) {
            return false;
        }
        if self.free.remove(&number).is_none() {
            let beyond = self.names.get_max().map_or(0, |(greatest, _)| greatest + 1);
            self.free.extend(beyond..number);
        }
        self.numbers.insert(name.clone(), number);
        self.names.insert(number, name.clone());
        facets(agent).iter().for_each(|term| self.put(term, number, 1));
        for (word, level) in text::of_profile(agent) {
            self.put(&term(Facet::Word, &word), number, level);
        }
        true
    }

    /// Removes an agent that was added with the same content.
    pub(super) fn remove(&mut self, name: &str, agent: &Agent) {
        let Some(number) = self.numbers.remove(name) else { return };
        self.names.remove(&number);
        self.free.insert(number);
        let beyond = self.names.get_max().map_or(0, |(greatest, _)| greatest + 1);
        while self.free.get_max().is_some_and(|greatest| *greatest >= beyond) {
            self.free.remove_max();
        }
        facets(agent).iter().for_each(|term| self.take(term, number));
        text::of_profile(agent).keys().for_each(|word| self.take(&term(Facet::Word, word), number));
    }

    /// The profile of an agent that was added with the content `old` is replaced.
    pub(super) fn replace(&mut self, name: &str, old: &Agent, new: &Agent) {
        let Some(number) = self.number(name) else { return };
        let (before, after) = (facets(old), facets(new));
        before.difference(&after).for_each(|term| self.take(term, number));
        after.difference(&before).for_each(|term| self.put(term, number, 1));
        let (before, after) = (text::of_profile(old), text::of_profile(new));
        for word in before.keys().filter(|word| !after.contains_key(*word)) {
            self.take(&term(Facet::Word, word), number);
        }
        for (word, level) in after.iter().filter(|(word, level)| before.get(*word) != Some(level)) {
            self.put(&term(Facet::Word, word), number, *level);
        }
    }

    fn put(&mut self, term: &str, number: u32, level: u8) {
        match self.terms.get_mut(term) {
            Some(postings) => postings.insert(number, level),
            None => {
                self.terms.insert(term.into(), Postings::One(number, level));
            }
        }
    }

    fn take(&mut self, term: &str, number: u32) {
        let Some(postings) = self.terms.get_mut(term) else { return };
        postings.remove(number);
        if postings.len() == 0 {
            self.terms.remove(term);
        }
    }

    /// The agents that have a term, if any has.
    pub(super) fn with(&self, facet: Facet, value: &str) -> Option<&Postings> {
        self.terms.get(term(facet, value).as_str())
    }

    /// The words that begin so, in ascending order.
    pub(super) fn beginning_with(&self, beginning: &str) -> impl Iterator<Item = (&str, &Postings)> {
        let first = term(Facet::Word, beginning);
        let words =
            self.terms.range::<(Bound<&str>, Bound<&str>), str>((Bound::Included(&first), Bound::Unbounded));
        let words: Vec<_> = words
            .map(|(term, postings)| (term.as_ref(), postings))
            .take_while(|(term, _): &(&str, _)| term.starts_with(&first))
            .take(EXPANSIONS_SEEN_MAX)
            .collect();
        words.into_iter().filter_map(|(term, postings)| Some((term.get(1..)?, postings)))
    }
}

/// So many words with one beginning are looked at.
const EXPANSIONS_SEEN_MAX: usize = 256;
