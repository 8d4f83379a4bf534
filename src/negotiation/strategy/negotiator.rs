//! The one who decides in a negotiation: remembers its offers and says what to do next.
//!
//! It never makes or accepts an offer that is infeasible or below the reservation, whatever the strategy says.

use std::collections::HashSet;
use std::sync::Arc;

use super::choice::{Choice, Estimates, REPEATED};
use super::concession::{Progress, imitated, target};
use super::model::Opponent;
use super::preferences::{Domain, Offer, Region};
use super::prepared::Prepared;
use super::space::Mask;
use super::{Account, Action, Decision, Model, Side, Situation, Strategy};

/// How many of the best offers of the other party are remembered.
const REMEMBERED: usize = 16;
/// In so many last moves the default proposes what the other party once proposed itself, if that is worth less by no more than
/// `GIVEN`; in the last `RETURNED` anyway.
const RETURNS: f64 = 4.0;
const GIVEN: f64 = 0.1;
const RETURNED: f64 = 2.0;
/// With its last move a party takes what stands if it gains this share of what its own proposal would gain, which can be
/// refused.
const CERTAIN: f64 = 0.8;
/// After this share of the time a party that has hardly moved takes its move for one of the last.
const LATE: f64 = 0.9;
/// How many of the latest offers count for what was conceded.
const LATEST: usize = 5;
/// By how much proposals can differ in utility that are as good as each other, and among how many such ones is chosen.
const SIMILAR: f64 = 0.01;
const CONSIDERED: usize = 4096;
/// What two utilities can differ that are meant to be the same.
const ROUNDING: f64 = 1e-9;

/// Decides for one party in one negotiation.
#[derive(Debug, Clone)]
pub struct Negotiator {
    prepared: Arc<Prepared>,
    strategy: Strategy,
    opponent: Opponent,
    estimates: Estimates,
    /// The outcomes nearest to the different offers of each side.
    offered: HashSet<Vec<u16>>,
    received: HashSet<Vec<u16>>,
    /// How many offers the party made.
    made: u32,
    /// The utility of each offer of the other party, 0 where it is infeasible.
    utilities: Vec<f64>,
    latest: Option<Vec<u16>>,
    /// The best offers of the other party that are feasible, the best first.
    best: Vec<(f64, Offer)>,
    /// The target of tit-for-tat.
    imitated: f64,
}

/// What the party would propose.
struct Proposal {
    offer: Offer,
    utility: f64,
    /// What the other party is believed to gain.
    other: f64,
}

impl Negotiator {
    /// At the beginning of a negotiation.
    pub fn new(prepared: Arc<Prepared>, strategy: Strategy) -> Self {
        let model = match strategy {
            Strategy::Modelled { model, .. } => model,
            _ => Model::Frequency,
        };
        let terms = prepared.preferences.terms.iter().zip(&prepared.tastes);
        let terms = terms.map(|(term, own)| (own.as_slice(), !matches!(term.domain, Domain::Choice(_))));
        Negotiator {
            opponent: Opponent::new(model, terms),
            prepared,
            strategy,
            estimates: Estimates::default(),
            offered: HashSet::new(),
            received: HashSet::new(),
            made: 0,
            utilities: Vec::new(),
            latest: None,
            best: Vec::new(),
            imitated: 1.0,
        }
    }

    /// About how many octets it takes beside what was prepared.
    pub fn octets(&self) -> usize {
        let terms = self.prepared.preferences.terms.len();
        let outcomes = (self.offered.len() + self.received.len()) * (64 + 2 * terms);
        let offers = self.best.len() * (64 + 128 * terms);
        self.opponent.octets() + self.estimates.octets() + outcomes + offers + self.utilities.len() * 8 + 512
    }

    /// Tells it an offer that was made, also one of its own party, in the order in which they are made.
    pub fn saw(&mut self, side: Side, offer: &Offer) {
        let outcome =
            self.prepared.space.outcome(&self.prepared.preferences, offer).map(|(outcome, _)| outcome);
        if side == Side::Own {
            self.made = self.made.saturating_add(1);
            self.offered.extend(outcome);
            return;
        }
        let utility = self.prepared.utility(offer);
        self.utilities.push(utility.unwrap_or(0.0));
        let utility = utility.filter(|_| self.prepared.is_acceptable(offer, &[]));
        if let Some(utility) = utility
            && !self.best.iter().any(|(_, other)| other == offer)
        {
            let place = self.best.partition_point(|(other, _)| *other >= utility);
            self.best.insert(place, (utility, offer.clone()));
            self.best.truncate(REMEMBERED);
        }
        if let Some(outcome) = outcome {
            self.opponent.saw(&outcome);
            self.received.insert(outcome.clone());
            self.latest = Some(outcome);
        }
        if let Strategy::TitForTat(kind) = self.strategy {
            let next = imitated(kind, self.imitated, &self.utilities);
            self.imitated = next.clamp(self.prepared.reservation(), 1.0);
        }
    }

    /// What the party, whose turn it is, should do. It is not told to the negotiator by this; [`Negotiator::saw`] does that.
    pub fn decide(&mut self, now: &Situation<'_>) -> Decision {
        let prepared = self.prepared.clone();
        self.opponent.settle();
        if matches!(self.strategy, Strategy::Default) {
            self.estimates.refresh(&prepared, &self.opponent);
        }
        let progress = self.progress(now);
        let standing = now.standing.filter(|offer| prepared.is_acceptable(offer, now.infeasible));
        let standing = standing.and_then(|offer| Some((prepared.utility(offer)?, offer)));
        let infeasible: Vec<Mask> =
            now.infeasible.iter().map(|region| prepared.space.mask(&prepared.preferences, region)).collect();
        let mut account = Account {
            target: self.target(&progress),
            reservation: progress.reservation,
            standing: standing.map(|(utility, _)| utility),
            ..Account::default()
        };
        let proposal = match now.can_offer && now.can_be_answered {
            true => self.proposal(account.target, &progress, &infeasible, now.infeasible),
            false => None,
        };
        let Some(proposal) = proposal else {
            let chance = if now.can_offer && now.can_be_answered {
                "nothing else is feasible"
            } else {
                "it is the last chance"
            };
            return match standing {
                Some((utility, offer)) => {
                    account.other = Some(self.believed(offer));
                    account.reason = format!("Accepts what is worth {utility:.3}, since {chance}.");
                    Decision { action: Action::Accept, account }
                }
                None => {
                    account.reason = "Ends it: nothing is left that could be agreed to.".to_owned();
                    Decision { action: Action::End, account }
                }
            };
        };
        if let Some((utility, offer)) = standing
            && let Some(reason) = accepts(utility, account.target, proposal.utility, &progress)
        {
            account.other = Some(self.believed(offer));
            account.reason = format!("Accepts what is worth {utility:.3}, since {reason}.");
            return Decision { action: Action::Accept, account };
        }
        account.proposed = Some(proposal.utility);
        account.other = Some(proposal.other);
        account.reason = proposes(&account);
        Decision { action: Action::Offer(proposal.offer), account }
    }

    /// Other proposals that are as good to the party as the one of a decision, those best for the other party first: worth no
    /// less than is asked for, feasible, and not made yet. There are none where the strategy is in what is proposed: in MiCRO's order,
    /// and where the other party gets back what it proposed itself.
    pub fn equivalents(&self, decision: &Decision, now: &Situation<'_>, at_most: usize) -> Vec<Decision> {
        let (Action::Offer(decided), Some(utility)) = (&decision.action, decision.account.proposed) else {
            return Vec::new();
        };
        let is_returned = self.best.iter().any(|(_, offer)| offer == decided);
        if matches!(self.strategy, Strategy::Micro) || is_returned {
            return Vec::new();
        }
        let prepared = &self.prepared;
        let least = (utility - SIMILAR).max(decision.account.target);
        let places = prepared.at_least(utility + SIMILAR)..prepared.at_least(least);
        let outcomes = places.take(CONSIDERED).filter_map(|place| prepared.outcomes.get(place));
        let new = outcomes.filter(|outcome| !self.offered.contains(*outcome));
        let mut new: Vec<_> = new.map(|outcome| (self.opponent.worth(outcome), outcome)).collect();
        new.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let offers = new
            .into_iter()
            .map(|(other, outcome)| (other, outcome, prepared.space.offer(&prepared.preferences, outcome)));
        let fit =
            offers.filter(|(_, _, offer)| offer != decided && prepared.is_acceptable(offer, now.infeasible));
        let decisions = fit.map(|(other, outcome, offer)| {
            let utility = prepared.utility_of(outcome);
            let mut account =
                Account { proposed: Some(utility), other: Some(other), ..decision.account.clone() };
            account.reason = proposes(&account);
            Decision { action: Action::Offer(offer), account }
        });
        decisions.take(at_most).collect()
    }

    fn progress(&self, now: &Situation<'_>) -> Progress {
        let time = if now.time.is_finite() { now.time.clamp(0.0, 1.0) } else { 1.0 };
        let made = f64::from(self.made);
        // As many moves as there will be at the pace so far, if time ends before rounds do. One move shows no pace.
        let is_paced = made >= 2.0 || time > LATE;
        let at_pace = if is_paced { ((made + 1.0) * (1.0 - time) / time).ceil() } else { f64::INFINITY };
        let moves_left = now.moves_left.map_or(f64::INFINITY, f64::from).min(at_pace).max(1.0);
        Progress {
            time,
            moves_left,
            moves_made: made,
            begins: self.made == 0 && self.utilities.is_empty(),
            reservation: self.prepared.reservation(),
            conceded: self.conceded(),
            fair: self.fair(),
            met: self.met(),
            can_take: now.moves_left == Some(2) && self.has_last_word(time) && self.repeats(),
            discount: self.prepared.preferences.discount,
        }
    }

    /// What the other party has conceded, as a share of what it could have: from the first of its offers to the best of the
    /// latest.
    fn conceded(&self) -> f64 {
        let first = self.utilities.first().copied().unwrap_or(0.0);
        let latest = self.utilities.iter().rev().take(LATEST).copied().fold(first, f64::max);
        if first < 1.0 { (latest - first) / (1.0 - first) } else { 1.0 }
    }

    /// Whether three rounds are left, so that the other party answers the next proposal and the party can take the answer. Where
    /// time ends before rounds do, it is not known.
    fn has_last_word(&self, time: f64) -> bool {
        let made = f64::from(self.made) + self.utilities.len() as f64;
        (made / time - made - 3.0).abs() < 0.25
    }

    /// Whether what the other party offered lately can all be accepted, and its next offer is so likely hardly worse than its best.
    fn repeats(&self) -> bool {
        let mut latest = self.utilities.iter().rev().take(LATEST);
        let least = |best: &f64| (best - GIVEN).max(self.prepared.reservation());
        self.best.first().is_some_and(|(best, _)| latest.all(|utility| *utility >= least(best)))
    }

    /// What is fair, as a share of what can be gained.
    fn fair(&self) -> f64 {
        let reservation = self.prepared.reservation();
        let fair = self.estimates.fair(&self.prepared).filter(|_| reservation < 1.0);
        fair.map_or(1.0, |fair| (fair - reservation) / (1.0 - reservation))
    }

    /// How far the latest offers of the other party are from its first to what is fair.
    fn met(&self) -> f64 {
        let (Some(first), Some(fair)) = (self.utilities.first(), self.estimates.fair(&self.prepared)) else {
            return 0.0;
        };
        let latest = self.utilities.len().min(LATEST);
        let mean = self.utilities.iter().rev().take(latest).sum::<f64>() / latest as f64;
        match (latest < 2, fair > *first) {
            (true, _) => 0.0,
            (_, true) => ((mean - first) / (fair - first)).clamp(0.0, 1.0),
            (_, false) => 1.0,
        }
    }

    fn target(&self, progress: &Progress) -> f64 {
        let asked = target(self.strategy, progress).unwrap_or_else(|| match self.strategy {
            Strategy::Micro => {
                let places = self.prepared.outcomes.len().saturating_sub(1);
                self.prepared.utility_at(self.micro_place().min(places))
            }
            _ => self.imitated,
        });
        asked.min(self.prepared.aspiration()).clamp(progress.reservation, 1.0)
    }

    /// The place of the next offer by MiCRO: a new one if the other party made as many.
    fn micro_place(&self) -> usize {
        let is_new = self.offered.len() <= self.received.len();
        if is_new { self.offered.len() } else { self.offered.len().saturating_sub(1) }
    }

    fn proposal(
        &mut self,
        target: f64,
        progress: &Progress,
        infeasible: &[Mask],
        regions: &[Region],
    ) -> Option<Proposal> {
        let prepared = self.prepared.clone();
        let choice = Choice { prepared: &prepared, infeasible, target };
        let outcome = match self.strategy {
            Strategy::Default => {
                choice.best_for_other(&self.opponent, &mut self.estimates, &self.offered, REPEATED)
            }
            Strategy::Modelled { .. } => {
                choice.best_for_other(&self.opponent, &mut self.estimates, &self.offered, 0.0)
            }
            Strategy::Micro => {
                let is_new = self.offered.len() <= self.received.len();
                choice.next(self.offered.len(), is_new, u64::from(self.made))
            }
            Strategy::Time { .. } | Strategy::TitForTat(_) => choice.nearest(self.latest.as_deref()),
        }?;
        let utility = prepared.utility_of(&outcome);
        if matches!(self.strategy, Strategy::Default)
            && let Some((given, offer)) = self.returned(utility, progress, regions)
        {
            return Some(Proposal { offer: offer.clone(), utility: given, other: self.believed(offer) });
        }
        Some(Proposal {
            offer: prepared.space.offer(&prepared.preferences, &outcome),
            utility,
            other: self.opponent.worth(&outcome),
        })
    }

    /// The best offer of the other party, if it is to be proposed to it instead of one that is worth `utility`: near the end,
    /// what it proposed itself it hardly refuses.
    fn returned(&self, utility: f64, progress: &Progress, regions: &[Region]) -> Option<(f64, &Offer)> {
        let (given, offer) =
            self.best.iter().find(|(_, offer)| self.prepared.is_acceptable(offer, regions))?;
        let is_near = progress.moves_left <= RETURNS && *given >= utility - GIVEN;
        let is_returned = match progress.can_take {
            true => *given >= utility,
            false => is_near || progress.moves_left <= RETURNED,
        };
        is_returned.then_some((*given, offer))
    }

    fn believed(&self, offer: &Offer) -> f64 {
        let outcome = self.prepared.space.outcome(&self.prepared.preferences, offer);
        outcome.map_or(0.0, |(outcome, _)| self.opponent.worth(&outcome))
    }
}

/// What is said of a proposal.
fn proposes(account: &Account) -> String {
    format!(
        "Asks for at least {:.3}; proposes what is worth {:.3}, and to the other party perhaps {:.3}.",
        account.target,
        account.proposed.unwrap_or_default(),
        account.other.unwrap_or_default()
    )
}

/// Why an offer that stands and is worth `utility` is accepted; `None` if it is not.
fn accepts(utility: f64, target: f64, proposed: f64, progress: &Progress) -> Option<&'static str> {
    let gain = |utility: f64| utility - progress.reservation;
    if utility >= target - ROUNDING {
        Some("no more is asked for")
    } else if utility >= proposed - ROUNDING {
        Some("its own next proposal is worth no more")
    } else if progress.moves_left <= 1.0 && gain(utility) >= CERTAIN * gain(proposed) {
        Some("it is nearly as good as its own last proposal, which could be refused")
    } else {
        None
    }
}
