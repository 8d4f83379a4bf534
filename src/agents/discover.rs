//! `discover-agents`: which agents meet the conditions, in pages.
//!
//! Without a text to look for, agents come in the order of their names; with one, those with the
//! most hits come first. A cursor says after which agent the next part begins, so registrations
//! that come and go between two parts neither repeat nor hide another agent. Nothing is changed
//! here.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use imbl::OrdSet;

use super::Registry;
use super::index::{Facet, facets};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::magent_registry::{
    Agent, DiscoverAgentsInput, DiscoverAgentsOutput, DiscoverAgentsOutputAgent,
};
use crate::yang::recast::recast;

/// A condition with more values than this is not looked up in the index: it selects little.
const INDEXED_VALUES_MAX: usize = 64;

impl Registry {
    /// `discover-agents`: the agents that are registered at the time `now`, meet the conditions
    /// and for which `shown` says yes.
    ///
    /// # Errors
    /// `bad-cursor`; `too-big` if the text has too many words.
    pub fn discover(
        &self,
        now: Timestamp,
        input: &DiscoverAgentsInput,
        shown: &dyn Fn(&Agent) -> bool,
        limits: &Limits,
    ) -> Result<DiscoverAgentsOutput, Error> {
        let conditions = conditions(input);
        let words = words(input.text.as_deref().unwrap_or_default(), limits)?;
        let start = input
            .cursor
            .as_deref()
            .map(|cursor| Place::from_cursor(cursor, !words.is_empty()))
            .transpose()?;
        let asked = input.limit.map_or(limits.discover_agents_max, usize::from);
        let count = asked.min(limits.discover_agents_max);

        let first_name = start.as_ref().filter(|_| words.is_empty()).map(|place| place.name.as_str());
        // Those whose time has passed and nobody has said so yet: few, and it is cheaper to have them
        // at hand than to ask each agent for its time.
        let past = self.expiry.iter().take_while(|(at, _)| *at <= now);
        let past: HashSet<&str> = past.map(|(_, name)| name.as_ref()).collect();
        let candidates = self.candidates(&conditions, first_name).filter(|name| !past.contains(name));
        let found = candidates.filter_map(|name| self.agents.get(name)).map(|held| &held.entry);
        let found = found.filter(|agent| conditions.iter().all(|c| c.is_met_by(agent)) && shown(agent));
        let mut places = if words.is_empty() {
            found.take(count + 1).map(|agent| Place { hits: 0, name: agent.name.clone() }).collect()
        } else {
            best(found, &words, start.as_ref(), count + 1)
        };
        let more = places.len() > count;
        places.truncate(count);
        let next_cursor = places.last().filter(|_| more).map(|place| place.to_cursor(!words.is_empty()));
        let agents = places.iter().filter_map(|place| self.agents.get(place.name.as_str()));
        let agents: Result<Vec<_>, Error> = agents.map(|held| output(&held.entry)).collect();
        Ok(DiscoverAgentsOutput { agent: agents?, next_cursor })
    }

    /// Names in ascending order, from after `first` on, among which all agents are that meet the
    /// conditions: by the condition that the fewest agents meet, or else everybody.
    fn candidates<'a>(
        &'a self,
        conditions: &'a [Condition<'a>],
        first: Option<&'a str>,
    ) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        let start = first.map_or(Bound::Unbounded, Bound::Excluded);
        if let Some(named) = conditions.iter().find(|condition| condition.facet == Facet::Name) {
            let names: BTreeSet<&str> =
                named.values.iter().copied().filter(|name| first < Some(*name)).collect();
            return Box::new(names.into_iter());
        }
        let indexed = conditions.iter().filter(|condition| condition.values.len() <= INDEXED_VALUES_MAX);
        let sets = indexed.filter_map(|c| self.index.names(c.facet, c.values.iter().copied()));
        match sets.min_by_key(|sets| sets.iter().map(|set| set.len()).sum::<usize>()) {
            Some(sets) => Box::new(merged(sets, start)),
            None => {
                let names = self.agents.range::<(Bound<&str>, Bound<&str>), str>((start, Bound::Unbounded));
                Box::new(names.map(|(name, _)| name.as_ref()))
            }
        }
    }
}

/// The members of all sets in ascending order, each once.
fn merged<'a>(sets: Vec<&'a OrdSet<Arc<str>>>, mut after: Bound<&'a str>) -> impl Iterator<Item = &'a str> {
    std::iter::from_fn(move || {
        let next = sets.iter().filter_map(|set| set.range::<_, str>((after, Bound::Unbounded)).next()).min();
        let next: &'a str = next?.as_ref();
        after = Bound::Excluded(next);
        Some(next)
    })
}

/// One leaf-list of the input that has values.
struct Condition<'a> {
    facet: Facet,
    values: HashSet<&'a str>,
}

impl Condition<'_> {
    fn is_met_by(&self, agent: &Agent) -> bool {
        facets(agent).any(|(facet, value)| facet == self.facet && self.values.contains(value))
    }
}

fn conditions(input: &DiscoverAgentsInput) -> Vec<Condition<'_>> {
    let all = [
        (Facet::Name, &input.name),
        (Facet::Type, &input.type_),
        (Facet::Provider, &input.provider),
        (Facet::Domain, &input.domain),
        (Facet::ManagementObject, &input.management_object),
        (Facet::SkillName, &input.skill_name),
        (Facet::SkillTag, &input.skill_tag),
        (Facet::InputMode, &input.input_mode),
        (Facet::OutputMode, &input.output_mode),
        (Facet::Negotiate, &input.negotiate),
    ];
    let given = all.into_iter().filter(|(_, values)| !values.is_empty());
    given
        .map(|(facet, values)| Condition { facet, values: values.iter().map(String::as_str).collect() })
        .collect()
}

/// The words that are looked for, in lower case.
fn words(text: &str, limits: &Limits) -> Result<BTreeSet<String>, Error> {
    let mut words = BTreeSet::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        words.insert(word.to_lowercase());
        if words.len() > limits.search_words_max {
            let message = format!("'text' has more than {} words", limits.search_words_max);
            return Err(Error::application(Tag::TooBig, message));
        }
    }
    Ok(words)
}

/// The best places after `start`: no more than `count` of them are ever held.
fn best<'a>(
    found: impl Iterator<Item = &'a Agent>,
    words: &BTreeSet<String>,
    start: Option<&Place>,
    count: usize,
) -> Vec<Place> {
    let mut best: BTreeSet<(Reverse<u64>, &str)> = BTreeSet::new();
    let start = start.map(|place| (Reverse(place.hits), place.name.as_str()));
    for agent in found {
        let Some(hits) = hits(agent, words) else { continue };
        let place = (Reverse(hits), agent.name.as_str());
        if start.is_none_or(|start| place > start) {
            best.insert(place);
            if best.len() > count {
                best.pop_last();
            }
        }
    }
    best.into_iter().map(|(Reverse(hits), name)| Place { hits, name: name.to_owned() }).collect()
}

/// How often the words stand in what the agent says of itself; `None` if one of them does not.
fn hits(agent: &Agent, words: &BTreeSet<String>) -> Option<u64> {
    let mut text = String::new();
    let mut add = |part: &str| {
        text.push_str(&part.to_lowercase());
        text.push('\n');
    };
    add(&agent.name);
    agent.alias.iter().for_each(|alias| add(alias));
    add(&agent.description);
    for skill in &agent.skills.skill {
        add(&skill.skill_name);
        skill
            .skill_description
            .iter()
            .chain(&skill.skill_tags)
            .chain(&skill.examples)
            .for_each(|part| add(part));
    }
    words.iter().try_fold(0, |sum, word| match text.matches(word.as_str()).count() {
        0 => None,
        count => Some(sum + count as u64),
    })
}

/// Where an agent stands in the order of a search.
struct Place {
    hits: u64,
    name: String,
}

impl Place {
    /// The cursor for the part that begins after this place.
    fn to_cursor(&self, by_hits: bool) -> String {
        let place =
            if by_hits { format!("hits:{}:{}", self.hits, self.name) } else { format!("name:{}", self.name) };
        URL_SAFE_NO_PAD.encode(place)
    }

    fn from_cursor(cursor: &str, by_hits: bool) -> Result<Place, Error> {
        let read = || {
            let place = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
            match (by_hits, place.split_once(':')?) {
                (false, ("name", name)) => Some(Place { hits: 0, name: name.to_owned() }),
                (true, ("hits", rest)) => {
                    let (hits, name) = rest.split_once(':')?;
                    Some(Place { hits: hits.parse().ok()?, name: name.to_owned() })
                }
                _ => None,
            }
        };
        read().ok_or_else(|| {
            let message = "'cursor' is not the 'next-cursor' of an earlier part of this search";
            Error::application(Tag::InvalidValue, message).app_tag("bad-cursor")
        })
    }
}

fn output(agent: &Agent) -> Result<DiscoverAgentsOutputAgent, Error> {
    let mut found: DiscoverAgentsOutputAgent =
        recast(agent).map_err(|e| Error::application(Tag::OperationFailed, e.to_string()))?;
    found.expires_at.clone_from(&agent.registration.expires_at);
    Ok(found)
}
