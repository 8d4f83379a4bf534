//! What an update of a profile has changed, and whether those who relied on the profile can go on.
//!
//! The rule is in the description of `compatible` in the module: what was removed, or is reached otherwise, breaks; what was
//! added or is only said in other words does not; and the version may say more. Nothing here is changed.

use std::collections::BTreeMap;

use super::versions::Version;
use crate::clock::Timestamp;
use crate::yang::generated::magent_registry::{Agent, Change, Difference, How, ProfileAspect as Aspect};

/// How many updates an agent's registration keeps, the newest. It is no setting: a log has to give the same state at every
/// start.
pub(super) const CHANGES_MAX: usize = 8;
/// How many differences one update lists.
const DIFFERENCES_MAX: usize = 32;

/// A longer value is cut off.
const VALUE_CHARS_MAX: usize = 255;

/// A part of a profile: which it is, of which skill, and its name.
type Part = (Aspect, Option<String>, Option<String>);

/// The update that replaces `old` by `new` at a time.
pub(super) fn between(old: &Agent, new: &Agent, at: Timestamp) -> Change {
    let number = old.registration.change.last().map_or(0, |last| last.number).saturating_add(1);
    let (before, after) = (parts(old), parts(new));
    let mut differences = Vec::new();
    for (part, content) in &before {
        match after.get(part) {
            None => differences.push(difference(part, How::Removed)),
            Some(now) if now != content => differences.push(difference(part, How::Changed)),
            Some(_) => {}
        }
    }
    differences.extend(
        after.keys().filter(|part| !before.contains_key(*part)).map(|part| difference(part, How::Added)),
    );
    // The modes of a skill come and go with it.
    let in_both = |skill: &String| {
        let part = (Aspect::Skill, None, Some(skill.clone()));
        before.contains_key(&part) && after.contains_key(&part)
    };
    differences.retain(|difference| difference.skill.as_ref().is_none_or(in_both));
    let compatible = is_successor(&old.version, &new.version) && !differences.iter().any(breaks);
    // What breaks comes first, so that it is listed.
    differences.sort_by_key(|difference| !breaks(difference));
    let more = u32::try_from(differences.len().saturating_sub(DIFFERENCES_MAX)).unwrap_or(u32::MAX);
    differences.truncate(DIFFERENCES_MAX);
    Change {
        difference: differences,
        more_differences: (more > 0).then_some(more),
        ..Change::new(number, at.to_string(), &old.version, &new.version, compatible)
    }
}

fn difference((aspect, skill, value): &Part, how: How) -> Difference {
    let cut = |text: &String| text.chars().take(VALUE_CHARS_MAX).collect();
    Difference { aspect: *aspect, skill: skill.as_ref().map(cut), value: value.as_ref().map(cut), how }
}

/// Whether who relied on a part of the profile cannot any more.
fn breaks(difference: &Difference) -> bool {
    match difference.aspect {
        Aspect::Domain
        | Aspect::ManagementObject
        | Aspect::Skill
        | Aspect::InputMode
        | Aspect::OutputMode
        | Aspect::Streaming
        | Aspect::PushNotifications
        | Aspect::Negotiate => difference.how == How::Removed,
        Aspect::Authentication | Aspect::Protocol => difference.how != How::Added,
        Aspect::Alias | Aspect::Description | Aspect::Type | Aspect::Version | Aspect::Provider => false,
    }
}

/// Whether one version can follow another without breaking anything, as far as they say.
fn is_successor(old: &str, new: &str) -> bool {
    match (Version::read(old), Version::read(new)) {
        (Some(old), Some(new)) => old.family() == new.family() && old <= new,
        // What is no version says nothing.
        _ => true,
    }
}

/// The parts of a profile, with what can change of each.
fn parts(agent: &Agent) -> BTreeMap<Part, String> {
    let mut parts = BTreeMap::new();
    let mut add = |aspect: Aspect, skill: Option<&str>, value: Option<&str>, content: String| {
        parts.insert((aspect, skill.map(str::to_owned), value.map(str::to_owned)), content);
    };
    add(Aspect::Description, None, None, agent.description.clone());
    add(Aspect::Version, None, None, agent.version.clone());
    add(Aspect::Provider, None, None, agent.provider.clone());
    agent.alias.iter().for_each(|alias| add(Aspect::Alias, None, None, alias.clone()));
    agent.type_.iter().for_each(|type_| add(Aspect::Type, None, None, type_.clone()));
    agent.domain.iter().for_each(|value| add(Aspect::Domain, None, Some(value), String::new()));
    agent
        .management_object
        .iter()
        .for_each(|value| add(Aspect::ManagementObject, None, Some(value), String::new()));
    for skill in &agent.skills.skill {
        let name = skill.skill_name.as_str();
        let content = format!("{:?}", (&skill.skill_description, &skill.skill_tags, &skill.examples));
        add(Aspect::Skill, None, Some(name), content);
        skill
            .input_modes
            .iter()
            .for_each(|mode| add(Aspect::InputMode, Some(name), Some(mode), String::new()));
        skill
            .output_modes
            .iter()
            .for_each(|mode| add(Aspect::OutputMode, Some(name), Some(mode), String::new()));
    }
    let capability = &agent.capability;
    let supported = |supported: Option<bool>| supported == Some(true);
    if supported(capability.streaming) {
        add(Aspect::Streaming, None, None, String::new());
    }
    if supported(capability.push_notifications) {
        add(Aspect::PushNotifications, None, None, String::new());
    }
    capability.negotiate.iter().for_each(|kind| add(Aspect::Negotiate, None, Some(kind), String::new()));
    for method in &agent.authentication.authentication_methods {
        let content = format!("{:?}", (&method.scheme, &method.jwt_info, &method.oauth));
        add(Aspect::Authentication, None, Some(&method.accessinfo_id), content);
    }
    for endpoint in &agent.endpoints.endpoint {
        let protocol = endpoint.protocol.clone().unwrap_or_default();
        add(Aspect::Protocol, None, Some(&endpoint.url), protocol);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_follow_one_another_within_a_family() {
        for (old, new, can) in [
            ("1.0.0", "1.0.0", true),
            ("1.0.0", "1.1.0", true),
            ("1.0.0", "2.0.0", false),
            ("1.1.0", "1.0.9", false),
            ("0.1.0", "0.1.1", true),
            ("0.1.1", "0.2.0", false),
            ("1.0.0-rc.1", "1.0.0", true),
            ("spring", "summer", true),
        ] {
            assert_eq!(is_successor(old, new), can, "{old} {new}");
        }
    }
}
