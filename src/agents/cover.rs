//! Smallest teams: sets of candidates that together meet all demands, where a candidate meets some of 16 needs.
//!
//! Looks for teams of one, of two, and so on, by branching on the need that the fewest can meet, and stops after a number of
//! steps; then a greedy choice is better than nothing. It never knows what a candidate is.

use std::cmp::Reverse;

/// The needs that a candidate meets, as bits.
pub(super) type Needs = u16;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Teams, as places among the candidates, the smallest first; nobody in a team can be done without.
    pub teams: Vec<Vec<usize>>,
    /// Whether there is certainly no smaller one than the first.
    pub smallest: bool,
}

struct Looking<'a> {
    candidates: &'a [Needs],
    /// How many more candidates each need demands; negative if there are more than it demands.
    open: Vec<i32>,
    /// For each need the candidates that meet it.
    meeting: Vec<Vec<usize>>,
    /// Candidates that are in the team, or that the teams at hand are to do without.
    taken: Vec<bool>,
    team: Vec<usize>,
    teams: Vec<Vec<usize>>,
    teams_max: usize,
    steps: usize,
}

/// The smallest teams, `teams_max` at most, after `steps` steps at most. Each demand can be met.
pub(super) fn smallest(demands: &[u8], candidates: &[Needs], teams_max: usize, steps: usize) -> Found {
    let meeting = (0..demands.len()).map(|need| meeting(candidates, need)).collect();
    let mut looking = Looking {
        candidates,
        open: demands.iter().map(|demand| i32::from(*demand)).collect(),
        meeting,
        taken: vec![false; candidates.len()],
        team: Vec::new(),
        teams: Vec::new(),
        teams_max,
        steps,
    };
    let largest: usize = demands.iter().map(|demand| usize::from(*demand)).sum();
    for size in 1..=largest {
        looking.look(size);
        if looking.is_over() {
            break;
        }
    }
    if !looking.teams.is_empty() || largest == 0 {
        return Found { teams: looking.teams, smallest: true };
    }
    Found { teams: vec![greedy(demands, candidates)], smallest: false }
}

fn meeting(candidates: &[Needs], need: usize) -> Vec<usize> {
    (0..candidates.len())
        .filter(|at| candidates.get(*at).is_some_and(|needs| needs & (1 << need) != 0))
        .collect()
}

/// The needs of a candidate as numbers.
fn needs(of: Needs) -> impl Iterator<Item = usize> {
    (0..Needs::BITS as usize).filter(move |need| of & (1 << need) != 0)
}

impl Looking<'_> {
    fn is_over(&self) -> bool {
        self.teams.len() >= self.teams_max || self.steps == 0
    }

    /// Looks for teams that have `left` members more, exactly; whether there is one.
    fn look(&mut self, left: usize) -> bool {
        let open = self.open.iter().zip(&self.meeting).filter(|(open, _)| **open > 0);
        let Some(meeting) = open.map(|(_, meeting)| meeting).min_by_key(|meeting| meeting.len()).cloned()
        else {
            let is_team = left == 0 && self.is_lean();
            if is_team {
                self.teams.push(self.team.clone());
            }
            return is_team;
        };
        let open = self.open.iter().filter_map(|open| usize::try_from(*open).ok());
        let (open, deepest) = (open.clone().sum::<usize>(), open.max().unwrap_or_default());
        let open_needs = self.open.iter().enumerate().filter(|(_, open)| **open > 0);
        let open_needs = open_needs.fold(0, |of, (need, _)| of | 1 << need);
        let free = self.candidates.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        let most = free.map(|(of, _)| (of & open_needs).count_ones() as usize).max();
        // Whoever comes meets no more than `most` demands, and each demand of a need takes another one.
        if most.is_none_or(|most| most == 0 || open.div_ceil(most) > left) || deepest > left {
            return false;
        }
        let (mut found, mut tried, mut fruitless) = (false, Vec::new(), Vec::new());
        for at in meeting {
            let Some(of) = self.candidates.get(at).copied() else { continue };
            // One who meets just what another one meets who leads nowhere leads nowhere either.
            if self.taken.get(at) != Some(&false) || fruitless.contains(&of) {
                continue;
            }
            if self.is_over() {
                break;
            }
            self.steps -= 1;
            self.set(at, true);
            self.team.push(at);
            self.count(of, -1);
            let leads = self.look(left - 1);
            self.count(of, 1);
            self.team.pop();
            found |= leads;
            if !leads {
                fruitless.push(of);
            }
            // Teams with this one have been seen; those that follow are without.
            tried.push(at);
        }
        tried.into_iter().for_each(|at| self.set(at, false));
        found
    }

    /// Whether each member meets a demand that would be open without it.
    fn is_lean(&self) -> bool {
        let is_needed = |at: &usize| {
            let of = self.candidates.get(*at).copied().unwrap_or_default();
            needs(of).any(|need| self.open.get(need) == Some(&0))
        };
        self.team.iter().all(is_needed)
    }

    fn set(&mut self, at: usize, taken: bool) {
        self.taken.get_mut(at).into_iter().for_each(|held| *held = taken);
    }

    fn count(&mut self, of: Needs, change: i32) {
        for need in needs(of) {
            self.open.get_mut(need).into_iter().for_each(|open| *open += change);
        }
    }
}

/// A team of those who meet the most open demands, one after the other.
fn greedy(demands: &[u8], candidates: &[Needs]) -> Vec<usize> {
    let mut open: Vec<i32> = demands.iter().map(|demand| i32::from(*demand)).collect();
    let mut team = Vec::new();
    while open.iter().any(|open| *open > 0) {
        let meets =
            |of: Needs| needs(of).filter(|need| open.get(*need).is_some_and(|open| *open > 0)).count();
        let free = candidates.iter().enumerate().filter(|(at, _)| !team.contains(at));
        let best = free.max_by_key(|(at, of)| (meets(**of), Reverse(*at))).filter(|(_, of)| meets(**of) > 0);
        let Some((at, of)) = best else { break };
        team.push(at);
        for need in needs(*of) {
            open.get_mut(need).into_iter().for_each(|open| *open -= 1);
        }
    }
    team
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn meets_all(demands: &[u8], candidates: &[Needs], team: impl Iterator<Item = usize> + Clone) -> bool {
        demands.iter().enumerate().all(|(need, demand)| {
            team.clone().filter(|at| candidates[*at] & (1 << need) != 0).count() >= usize::from(*demand)
        })
    }

    /// All teams in which nobody can be done without, by trying every set.
    fn tried(demands: &[u8], candidates: &[Needs]) -> Vec<BTreeSet<usize>> {
        let mut teams = Vec::new();
        for set in 1_u32..1 << candidates.len() {
            let team: BTreeSet<usize> = (0..candidates.len()).filter(|at| set & (1 << at) != 0).collect();
            let is_lean = || {
                team.iter().all(|out| {
                    !meets_all(demands, candidates, team.iter().copied().filter(move |at| at != out))
                })
            };
            if meets_all(demands, candidates, team.iter().copied()) && is_lean() {
                teams.push(team);
            }
        }
        teams.sort_by_key(|team| (team.len(), team.clone()));
        teams
    }

    #[test]
    fn the_smallest_teams_are_those_that_trying_every_set_finds() {
        let mut random = 0x2545_F491_4F6C_DD1D_u64;
        let mut below = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let mut found_some = 0;
        for _ in 0..400 {
            let demands: Vec<u8> = (0..1 + below(5)).map(|_| 1 + (below(4) / 3) as u8).collect();
            let bound = 1 << demands.len();
            let candidates: Vec<Needs> = (0..1 + below(9)).map(|_| below(bound) as Needs).collect();
            let expected = tried(&demands, &candidates);
            if expected.is_empty() {
                continue;
            }
            found_some += 1;
            for teams_max in [1, 4, 1000] {
                let found = smallest(&demands, &candidates, teams_max, 1_000_000);
                assert!(found.smallest);
                let sizes: Vec<usize> = found.teams.iter().map(Vec::len).collect();
                let wanted: Vec<usize> = expected.iter().map(BTreeSet::len).take(teams_max).collect();
                // One is as good as another that meets the same and is left out if that leads nowhere, so all are found.
                assert_eq!(sizes, wanted, "{demands:?} {candidates:?}");
                let found: BTreeSet<BTreeSet<usize>> =
                    found.teams.iter().map(|team| team.iter().copied().collect()).collect();
                assert_eq!(found.len(), sizes.len(), "no team twice");
                assert!(found.iter().all(|team| expected.contains(team)));
            }
        }
        assert!(found_some > 200, "{found_some}");
    }

    #[test]
    fn without_the_time_to_look_the_team_is_good_and_said_not_to_be_the_smallest() {
        // The greedy choice begins with the one that meets most, and needs three.
        let (demands, candidates) = ([1; 6], [0b111_100, 0b110_001, 0b001_110_u16, 0b000_011]);
        let found = smallest(&demands, &candidates, 1, 1_000_000);
        assert_eq!(found, Found { teams: vec![vec![1, 2]], smallest: true });
        let found = smallest(&demands, &candidates, 1, 1);
        assert!(!found.smallest);
        assert!(meets_all(&demands, &candidates, found.teams[0].iter().copied()));
    }

    #[test]
    fn hard_cases_end_after_the_steps_that_they_may_take() {
        let mut random = 7_u64;
        let candidates: Vec<Needs> = (0..500)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let bits = random >> 48;
                (bits & (bits >> 3) & 0xffff) as Needs | 1 << (random % 16)
            })
            .collect();
        let found = smallest(&[3; 16], &candidates, 4, 2000);
        assert!(meets_all(&[3; 16], &candidates, found.teams[0].iter().copied()));
    }
}
