//! What agents are found by: the conditions of `discover-agents` as pairs of facet and value.
//!
//! Owns the map from such a pair to the agents that have it. It never looks at the time or at
//! who asks.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::yang::generated::magent_registry::Agent;

/// A property that an agent can have several values of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Facet {
    /// `name`, which the registry's own map is the index of.
    Name,
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
    /// `negotiate` of the capabilities.
    Negotiate,
}

impl Facet {
    /// Whether the index has it. Modes are left out: there are a few, and nearly every agent has them all.
    fn is_indexed(self) -> bool {
        match self {
            Facet::Type
            | Facet::Provider
            | Facet::Domain
            | Facet::ManagementObject
            | Facet::SkillName
            | Facet::SkillTag
            | Facet::Negotiate => true,
            Facet::Name | Facet::InputMode | Facet::OutputMode => false,
        }
    }
}

/// The pairs that an agent has.
pub(super) fn facets(agent: &Agent) -> impl Iterator<Item = (Facet, &str)> {
    let single = [(Facet::Name, agent.name.as_str()), (Facet::Provider, agent.provider.as_str())];
    let skills = agent.skills.skill.iter().flat_map(|skill| {
        std::iter::once((Facet::SkillName, skill.skill_name.as_str()))
            .chain(all(Facet::SkillTag, &skill.skill_tags))
            .chain(all(Facet::InputMode, &skill.input_modes))
            .chain(all(Facet::OutputMode, &skill.output_modes))
    });
    single
        .into_iter()
        .chain(agent.type_.as_deref().map(|value| (Facet::Type, value)))
        .chain(all(Facet::Domain, &agent.domain))
        .chain(all(Facet::ManagementObject, &agent.management_object))
        .chain(all(Facet::Negotiate, &agent.capability.negotiate))
        .chain(skills)
}

fn all(facet: Facet, values: &[String]) -> impl Iterator<Item = (Facet, &str)> {
    values.iter().map(move |value| (facet, value.as_str()))
}

/// The names of the agents that have a pair.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Index(OrdMap<(Facet, Arc<str>), OrdSet<Arc<str>>>);

impl Index {
    /// Adds an agent.
    pub(super) fn insert(&mut self, name: &Arc<str>, agent: &Agent) {
        for (facet, value) in facets(agent).filter(|(facet, _)| facet.is_indexed()) {
            self.0.entry((facet, value.into())).or_default().insert(name.clone());
        }
    }

    /// Removes an agent that was added with the same content.
    pub(super) fn remove(&mut self, name: &str, agent: &Agent) {
        for (facet, value) in facets(agent).filter(|(facet, _)| facet.is_indexed()) {
            let key = (facet, Arc::from(value));
            let Some(names) = self.0.get_mut(&key) else { continue };
            names.remove(name);
            if names.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// For each of the values, the names of the agents that have it; `None` if the index does not know.
    pub(super) fn names<'a>(
        &'a self,
        facet: Facet,
        values: impl Iterator<Item = &'a str>,
    ) -> Option<Vec<&'a OrdSet<Arc<str>>>> {
        let found = |value: &str| self.0.get(&(facet, Arc::from(value)));
        facet.is_indexed().then(|| values.filter_map(found).collect())
    }
}
