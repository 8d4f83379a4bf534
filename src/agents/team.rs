//! `find-team`: the smallest set of agents that together have what a task needs.
//!
//! The index says who meets which needs; of those who meet the same needs a few stand for all. What is
//! looked at has a bound for any number of agents. Nothing is changed here.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::cover::{self, Needs};
use super::index::{Facet, flag, of_skill};
use super::postings::{BLOCK, Bits, places};
use super::search::{Search, Union};
use super::{Registry, Shown};
use crate::clock::Timestamp;
use crate::limits::Limits;
use crate::yang::generated::magent_registry::{
    FindTeamInput, FindTeamInputNeed, FindTeamOutput, FindTeamOutputMember, FindTeamOutputMissing,
    FindTeamOutputTeam,
};

/// The agents that meet just the same needs, those of the smallest numbers.
type Alike = BTreeMap<Needs, Vec<u32>>;

/// A need, the search for those who meet it, and the block of numbers that it found next.
type Searched<'a> = (Needs, Search<'a>, Option<(u32, Bits)>);

impl Registry {
    /// `find-team`, of the agents that are registered at the time `now` and `shown`.
    pub fn find_team(
        &self,
        now: Timestamp,
        input: &FindTeamInput,
        shown: Shown<'_>,
        limits: &Limits,
    ) -> FindTeamOutput {
        let is_wanted = |number: u32| {
            let is_out = |name: &str| input.without.iter().any(|out| out == name);
            self.is_shown(number, now, shown)
                && (input.without.is_empty() || self.index.name(number).is_none_or(|name| !is_out(name)))
        };
        // No team has more who are alike than one need demands; others are for the other teams.
        let demanded = input.need.iter().map(|need| usize::from(need.count)).max().unwrap_or_default();
        let alike_max = demanded + usize::from(input.alternatives);
        let alike = self.alike(&input.need, alike_max, is_wanted);

        let mut candidates: Vec<(Needs, u32)> = alike
            .into_iter()
            .flat_map(|(needs, numbers)| numbers.into_iter().map(move |n| (needs, n)))
            .collect();
        candidates.sort_by_key(|(needs, number)| (Reverse(needs.count_ones()), *number));
        let meeting = |need: usize| candidates.iter().filter(move |(needs, _)| needs & (1 << need) != 0);
        let found: Vec<u8> = (0..input.need.len())
            .map(|need| u8::try_from(meeting(need).count()).unwrap_or(u8::MAX))
            .collect();
        let demands: Vec<u8> =
            input.need.iter().zip(&found).map(|(need, found)| need.count.min(*found)).collect();
        // Those who meet the most come first; each need keeps as many as it demands.
        let mut met = vec![0_u8; input.need.len()];
        let (candidates, left_out): (Vec<_>, Vec<_>) =
            candidates.into_iter().enumerate().partition(|(at, (needs, _))| {
                let mut is_demanded = false;
                for ((need, met), demand) in met.iter_mut().enumerate().zip(&demands) {
                    if needs & (1 << need) != 0 {
                        is_demanded |= *met < *demand;
                        *met = met.saturating_add(1);
                    }
                }
                *at < limits.team_candidates_max || is_demanded
            });
        let candidates: Vec<(Needs, u32)> = candidates.into_iter().map(|(_, candidate)| candidate).collect();
        let masks: Vec<Needs> = candidates.iter().map(|(needs, _)| *needs).collect();
        // Nobody misses one for whom there are enough others who meet the same and more.
        let mut left_out: Vec<Needs> = left_out.into_iter().map(|(_, (needs, _))| needs).collect();
        left_out.dedup();
        let is_replaced =
            |of: &Needs| masks.iter().filter(|needs| *needs & of == *of).take(demanded).count() == demanded;
        let all_taken = left_out.iter().all(is_replaced);
        let teams_max = usize::from(input.alternatives) + 1;
        let cover = cover::smallest(&demands, &masks, teams_max, limits.team_steps_max);

        let member = |at: &usize| {
            let (needs, number) = candidates.get(*at)?;
            let met = input.need.iter().enumerate().filter(|(need, _)| needs & (1 << need) != 0);
            let need = met.map(|(_, need)| need.id.clone()).collect();
            Some(FindTeamOutputMember {
                need,
                ..FindTeamOutputMember::new(self.index.name(*number)?.as_ref())
            })
        };
        let team = (1..).zip(&cover.teams).filter(|(_, team)| !team.is_empty()).map(|(rank, team)| {
            let member = team.iter().filter_map(member).collect();
            FindTeamOutputTeam { rank, member }
        });
        let missing = input.need.iter().zip(&found).filter(|(need, found)| **found < need.count);
        let missing: Vec<_> = missing
            .map(|(need, found)| FindTeamOutputMissing {
                need: need.id.clone(),
                needed: need.count,
                found: *found,
            })
            .collect();
        FindTeamOutput {
            team: team.collect(),
            complete: missing.is_empty(),
            missing,
            smallest: cover.smallest && all_taken,
        }
    }

    /// The agents by the needs that they meet, of each kind no more than `alike_max`.
    fn alike(&self, needs: &[FindTeamInputNeed], alike_max: usize, is_wanted: impl Fn(u32) -> bool) -> Alike {
        let mut searches: Vec<Searched<'_>> = needs
            .iter()
            .zip(0..Needs::BITS)
            .map(|(need, at)| (1 << at, Search { required: self.meeting(need), ..Search::default() }, None))
            .collect();
        searches.iter_mut().for_each(|(_, search, next)| *next = search.next(0));
        let mut alike = Alike::new();
        while let Some(block) =
            searches.iter().filter_map(|(_, _, next)| next.as_ref().map(|next| next.0)).min()
        {
            let mut here: Vec<(Needs, Bits)> = Vec::new();
            for (need, search, next) in &mut searches {
                if let Some((_, bits)) = next.take_if(|(at, _)| *at == block) {
                    here.push((*need, bits));
                    *next = search.next(block + 1);
                }
            }
            let mut any = Bits::default();
            here.iter().for_each(|(_, bits)| any.or(bits));
            for (word, (first, bits)) in any.parts().enumerate() {
                // The agents of 64 numbers are divided by one need after the other.
                let mut kinds: Vec<(Needs, u64)> = vec![(0, bits)];
                for (need, of) in &here {
                    let of = of.word(word);
                    let divided =
                        kinds.iter().flat_map(|(kind, bits)| [(kind | need, bits & of), (*kind, bits & !of)]);
                    kinds = divided.filter(|(_, bits)| *bits != 0).collect();
                }
                for (kind, bits) in kinds {
                    let held = alike.entry(kind).or_default();
                    let numbers = places(first, bits).map(|place| block * BLOCK as u32 + u32::from(place));
                    if held.len() < alike_max {
                        held.extend(numbers.filter(|number| is_wanted(*number)).take(alike_max - held.len()));
                    }
                }
            }
        }
        alike
    }

    /// The agents that meet each condition of a need.
    fn meeting(&self, need: &FindTeamInputNeed) -> Vec<Union<'_>> {
        let mut unions = Vec::new();
        let mut add = |facet: Facet, value: &str| unions.push(Union::of(self.index.with(facet, value)));
        let plain = [
            (Facet::Type, &need.type_),
            (Facet::Provider, &need.provider),
            (Facet::Domain, &need.domain),
            (Facet::ManagementObject, &need.management_object),
            (Facet::SkillName, &need.skill_name),
            (Facet::SkillTag, &need.skill_tag),
            (Facet::Negotiate, &need.negotiate),
            (Facet::Protocol, &need.protocol),
            (Facet::AuthenticationScheme, &need.authentication_scheme),
        ];
        for (facet, value) in plain {
            value.iter().for_each(|value| add(facet, value));
        }
        for (facet, value) in
            [(Facet::Streaming, need.streaming), (Facet::PushNotifications, need.push_notifications)]
        {
            value.into_iter().for_each(|value| add(facet, flag(Some(value))));
        }
        let modes = [
            (Facet::InputMode, Facet::SkillInput, &need.input_mode),
            (Facet::OutputMode, Facet::SkillOutput, &need.output_mode),
        ];
        for (of_agent, of_its_skill, mode) in modes {
            match (&need.skill_name, mode) {
                (Some(skill), Some(mode)) => add(of_its_skill, &of_skill(skill, mode)),
                (None, Some(mode)) => add(of_agent, mode),
                (_, None) => {}
            }
        }
        add(Facet::Any, "");
        unions
    }
}
