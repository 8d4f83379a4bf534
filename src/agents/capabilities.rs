//! `negotiate-capabilities`: what two agents have in common, and why something is missing.
//!
//! A pure function of the profile that is asked and of what the other side says. It changes nothing.

use super::decide::unknown;
use super::{Registry, Shown, versions};
use crate::clock::Timestamp;
use crate::yang::error::Error;
use crate::yang::generated::magent_registry::{
    Agent, NegotiateCapabilitiesInput as Input, NegotiateCapabilitiesOutput as Output,
    NegotiateCapabilitiesOutputMissing as Missing, NegotiateCapabilitiesOutputOutcome as Outcome,
    NegotiateCapabilitiesOutputSkill as CommonSkill, ProfileAspect as Aspect, Skill,
};

impl Registry {
    /// `negotiate-capabilities`, of agents that are registered at the time `now` and `shown`.
    ///
    /// # Errors
    /// `agent-unknown`.
    pub fn negotiate_capabilities(
        &self,
        now: Timestamp,
        input: &Input,
        shown: Shown<'_>,
    ) -> Result<Output, Error> {
        let agent = |name: &String| {
            let agent = self.get(name, now).filter(|_| shown.is_none_or(|shown| shown(name)));
            agent.ok_or_else(|| unknown(name))
        };
        let from = input.from.as_ref().map(agent).transpose()?;
        Ok(negotiate(agent(&input.to)?, from, input))
    }
}

/// What `to` has in common with who asks: with the profile `from`, if it is one, and with what the input says in place of it.
fn negotiate(to: &Agent, from: Option<&Agent>, input: &Input) -> Output {
    let mut missing = Vec::new();
    let skill = skills(to, from, input, &mut missing);
    let negotiate = {
        let theirs = &to.capability.negotiate;
        let (asked, ours) = asked(&input.negotiate, from, |from| from.capability.negotiate.clone());
        let common = versions::common(theirs, &ours);
        if asked {
            for kind in
                ours.iter().filter(|kind| versions::common(theirs, std::slice::from_ref(kind)).is_empty())
            {
                missing.push(lacking(
                    Aspect::Negotiate,
                    Some(kind),
                    why(kind, theirs, "kind of negotiation"),
                ));
            }
        } else if common.is_empty() && !ours.is_empty() && !theirs.is_empty() {
            missing.push(lacking(Aspect::Negotiate, None, differ("kinds of negotiation", theirs, &ours)));
        }
        common
    };
    let protocols = |agent: &Agent| -> Vec<String> {
        agent.endpoints.endpoint.iter().filter_map(|endpoint| endpoint.protocol.clone()).collect()
    };
    let schemes = |agent: &Agent| -> Vec<String> {
        let methods = agent.authentication.authentication_methods.iter();
        methods.filter_map(|method| method.scheme.clone()).collect()
    };
    let mut one_of =
        |aspect, what: &str, theirs: Vec<String>, said: &[String], of: fn(&Agent) -> Vec<String>| {
            let (asked, ours) = asked(said, from, of);
            let common = versions::common(&theirs, &ours);
            // Who says nothing of it rules nothing out, but gives nothing that was asked for either.
            if common.is_empty() && !ours.is_empty() && (asked || !theirs.is_empty()) {
                missing.push(lacking(aspect, None, differ(what, &theirs, &ours)));
            }
            common
        };
    let protocol = one_of(Aspect::Protocol, "protocols", protocols(to), &input.protocol, protocols);
    let said = &input.authentication_scheme;
    let authentication_scheme =
        one_of(Aspect::Authentication, "authentication schemes", schemes(to), said, schemes);
    let mut both =
        |aspect, what: &str, theirs: Option<bool>, asked: Option<bool>, ours: Option<Option<bool>>| {
            if asked == Some(true) && theirs != Some(true) {
                missing.push(lacking(aspect, None, format!("{} does not support {what}", to.name)));
            }
            let ours = asked.or_else(|| ours.map(|ours| ours == Some(true))).unwrap_or(true);
            ours && theirs == Some(true)
        };
    let theirs = &to.capability;
    let ours = from.map(|from| &from.capability);
    let streaming = both(
        Aspect::Streaming,
        "streaming",
        theirs.streaming,
        input.streaming,
        ours.map(|ours| ours.streaming),
    );
    let push_notifications = both(
        Aspect::PushNotifications,
        "push notifications",
        theirs.push_notifications,
        input.push_notifications,
        ours.map(|ours| ours.push_notifications),
    );
    let is_unskilled = input.skill_name.is_empty() && to.skills.skill.is_empty();
    let has_other = !(negotiate.is_empty() && protocol.is_empty() && authentication_scheme.is_empty());
    let outcome = match missing.is_empty() {
        true => Outcome::All,
        false if !skill.is_empty() => Outcome::Some,
        false if is_unskilled && (has_other || streaming || push_notifications) => Outcome::Some,
        false => Outcome::Nothing,
    };
    Output {
        skill,
        negotiate,
        protocol,
        authentication_scheme,
        missing,
        ..Output::new(outcome, &to.version, streaming, push_notifications)
    }
}

/// What is asked for, or else what the profile says; and whether it was asked for.
fn asked(said: &[String], from: Option<&Agent>, of: impl Fn(&Agent) -> Vec<String>) -> (bool, Vec<String>) {
    match said {
        [] => (false, from.map(of).unwrap_or_default()),
        said => (true, said.to_vec()),
    }
}

/// The skills that can be used.
fn skills(to: &Agent, from: Option<&Agent>, input: &Input, missing: &mut Vec<Missing>) -> Vec<CommonSkill> {
    let modes = |of: fn(&Skill) -> &Vec<String>| {
        move |from: &Agent| from.skills.skill.iter().flat_map(of).cloned().collect::<Vec<_>>()
    };
    // What the one gives the other takes.
    let (_, given) = asked(&input.input_mode, from, modes(|skill| &skill.output_modes));
    let (_, taken) = asked(&input.output_mode, from, modes(|skill| &skill.input_modes));
    let names: Vec<String> = to.skills.skill.iter().map(|skill| skill.skill_name.clone()).collect();
    let named = |name: &String| to.skills.skill.iter().find(|skill| &skill.skill_name == name);
    let mut usable = Vec::new();
    let mut unfit = Vec::new();
    let use_skill = |skill: &Skill, common_name: String| {
        let (input_mode, output_mode) =
            (common_modes(&given, &skill.input_modes), common_modes(&skill.output_modes, &taken));
        let clash = |aspect, verb: &str, theirs: &[String], ours: &[String]| {
            let reason = format!("the skill {verb} {}, not {}", listed(theirs), listed(ours));
            lacking(aspect, Some(&skill.skill_name), reason)
        };
        match (input_mode, output_mode) {
            (None, _) => Err(clash(Aspect::InputMode, "takes", &skill.input_modes, &given)),
            (_, None) => Err(clash(Aspect::OutputMode, "gives", &skill.output_modes, &taken)),
            (Some(input_mode), Some(output_mode)) => {
                Ok(CommonSkill { input_mode, output_mode, ..CommonSkill::new(common_name) })
            }
        }
    };
    for asked in &input.skill_name {
        // The highest version of the name that has one in common with what is asked for, and whose modes fit.
        let fitting = names.iter().filter_map(|name| {
            let common = versions::common(std::slice::from_ref(name), std::slice::from_ref(asked)).pop()?;
            Some((versions::split(name).1, name, common))
        });
        let mut fitting: Vec<_> = fitting.collect();
        if fitting.is_empty() {
            missing.push(lacking(Aspect::Skill, Some(asked), why(asked, &names, "skill")));
        }
        fitting.sort_by(|a, b| b.0.cmp(&a.0));
        let mut highest = None;
        for (_, name, common) in fitting {
            match named(name).map(|skill| use_skill(skill, common)) {
                Some(Ok(skill)) => {
                    usable.push(skill);
                    highest = None;
                    break;
                }
                Some(Err(clash)) => drop(highest.get_or_insert(clash)),
                None => {}
            }
        }
        unfit.extend(highest);
    }
    if input.skill_name.is_empty() {
        for skill in &to.skills.skill {
            match use_skill(skill, skill.skill_name.clone()) {
                Ok(skill) => usable.push(skill),
                Err(clash) => unfit.push(clash),
            }
        }
    }
    if !input.skill_name.is_empty() || usable.is_empty() {
        missing.extend(unfit);
    }
    // Two versions that were asked for can come to the same skill.
    usable.sort_by(|a, b| a.skill_name.cmp(&b.skill_name));
    usable.dedup_by(|a, b| a.skill_name == b.skill_name);
    usable
}

/// The modes that one side gives and the other takes; who names none has no preference. `None` if none fits.
fn common_modes(given: &[String], taken: &[String]) -> Option<Vec<String>> {
    if given.is_empty() || taken.is_empty() {
        return Some(given.iter().chain(taken).cloned().collect());
    }
    let pairs = given.iter().flat_map(|given| taken.iter().filter_map(move |taken| narrower(given, taken)));
    let mut common: Vec<String> = pairs.map(str::to_owned).collect();
    common.sort_unstable();
    common.dedup();
    (!common.is_empty()).then_some(common)
}

/// Of two modes that fit, the one that says more: `image/png` of `image`, `image/*` and itself.
fn narrower<'a>(a: &'a str, b: &'a str) -> Option<&'a str> {
    let plain = |mode: &str| {
        let mode = mode.split(';').next().unwrap_or_default().trim().to_lowercase();
        mode.strip_suffix("/*").map(str::to_owned).unwrap_or(mode)
    };
    let (plain_a, plain_b) = (plain(a), plain(b));
    let holds = |wide: &str, narrow: &str| {
        wide == "*" || narrow.strip_prefix(wide).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if holds(&plain_a, &plain_b) { Some(b) } else { holds(&plain_b, &plain_a).then_some(a) }
}

fn lacking(aspect: Aspect, value: Option<&String>, reason: String) -> Missing {
    Missing { value: value.cloned(), ..Missing::new(aspect, reason) }
}

/// Why there is none of `theirs` for what is asked for.
fn why(asked: &str, theirs: &[String], what: &str) -> String {
    let (name, _) = versions::split(asked);
    let others: Vec<String> = theirs.iter().filter(|text| versions::split(text).0 == name).cloned().collect();
    match others.is_empty() {
        true => format!("there is no such {what}"),
        false => format!("there is {}, which is not compatible", listed(&others)),
    }
}

fn differ(what: &str, theirs: &[String], ours: &[String]) -> String {
    format!("the {what} are {}, not {}", listed(theirs), listed(ours))
}

/// Some of the texts, for a sentence.
fn listed(texts: &[String]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut shown = texts.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ");
    if texts.len() > SHOWN_MAX {
        shown.push_str(" and others");
    }
    if shown.is_empty() { "none".to_owned() } else { shown }
}
