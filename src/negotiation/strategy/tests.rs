//! What every strategy keeps to, and what each is known for.

#![allow(clippy::expect_used, clippy::panic)] // tests

use std::sync::Arc;

use super::outcomes::Chance;
use super::*;

const ALL: [Strategy; 9] = [
    Strategy::Default,
    Strategy::Time { exponent: 0.2 },
    Strategy::Time { exponent: 3.0 },
    Strategy::TitForTat(TitForTat::Relative { steps: 1 }),
    Strategy::TitForTat(TitForTat::Absolute { steps: 1, seed: 7 }),
    Strategy::TitForTat(TitForTat::Averaged { window: 3 }),
    Strategy::Micro,
    Strategy::Modelled { exponent: 1.0, model: Model::Frequency },
    Strategy::Modelled { exponent: 1.0, model: Model::Bayesian },
];

fn name(number: usize) -> Arc<str> {
    format!("term-{number:02}").into()
}

fn text(number: usize) -> Arc<str> {
    format!("value-{number:02}").into()
}

/// Terms of texts, of which the first are the best if `is_falling`, and otherwise the last.
fn choices(sizes: &[usize], is_falling: bool) -> Preferences {
    let terms = sizes.iter().enumerate().map(|(number, size)| {
        let worth = |at: usize| (if is_falling { size - 1 - at } else { at }) as f64 / (size - 1) as f64;
        let domain = Domain::Choice((0..*size).map(|at| (text(at), worth(at))).collect());
        // The two parties find different terms important.
        let weight = if is_falling { number + 1 } else { sizes.len() - number };
        Term { name: name(number), weight: weight as f64, domain }
    });
    Preferences { terms: terms.collect(), discount: 1.0, ..Preferences::default() }
}

fn prepared(preferences: Preferences) -> Arc<Prepared> {
    Arc::new(Prepared::new(preferences).expect("they are sound"))
}

fn offer(values: &[usize]) -> Offer {
    values.iter().enumerate().map(|(number, value)| (name(number), Value::Text(text(*value)))).collect()
}

/// The situation before a move of one that begins, in a session of so many moves for each.
fn situation<'a>(step: u32, steps: u32, standing: Option<&'a Offer>) -> Situation<'a> {
    Situation {
        time: f64::from(step) / f64::from(steps),
        moves_left: Some(steps - step),
        can_offer: true,
        can_be_answered: true,
        standing,
        infeasible: &[],
    }
}

/// What one party offers while the other says what `other` gives; it ends early if the party accepts.
fn offers(
    prepared: &Arc<Prepared>,
    strategy: Strategy,
    steps: u32,
    other: impl Fn(u32) -> Offer,
) -> Vec<Offer> {
    let mut negotiator = Negotiator::new(prepared.clone(), strategy);
    let mut made = Vec::new();
    let mut standing = None;
    for step in 0..steps {
        let decision = negotiator.decide(&situation(step, steps, standing.as_ref()));
        let Action::Offer(own) = decision.action else { break };
        negotiator.saw(Side::Own, &own);
        made.push(own);
        let answer = other(step);
        negotiator.saw(Side::Other, &answer);
        standing = Some(answer);
    }
    made
}

/// What two parties agree to, in a session of so many moves for each; the second has the last word.
fn session(one: &mut Negotiator, two: &mut Negotiator, steps: u32) -> Option<Offer> {
    let mut standing: Option<Offer> = None;
    for step in 0..steps {
        let decision = one.decide(&situation(step, steps, standing.as_ref()));
        standing = match decision.action {
            Action::Accept => return standing,
            Action::End => return None,
            Action::Offer(offer) => Some(offer),
        };
        one.saw(Side::Own, standing.as_ref()?);
        two.saw(Side::Other, standing.as_ref()?);
        let is_last = step + 1 == steps;
        let now = situation(step, steps, standing.as_ref());
        let decision = two.decide(&Situation { can_offer: !is_last, can_be_answered: !is_last, ..now });
        standing = match decision.action {
            Action::Accept => return standing,
            Action::End => return None,
            Action::Offer(offer) => Some(offer),
        };
        two.saw(Side::Own, standing.as_ref()?);
        one.saw(Side::Other, standing.as_ref()?);
    }
    None
}

#[test]
fn whoever_meets_whom_they_agree_where_both_can_gain() {
    let (one, two) = (prepared(choices(&[4, 4, 4], true)), prepared(choices(&[4, 4, 4], false)));
    for mine in ALL {
        for theirs in ALL {
            let agreed = session(
                &mut Negotiator::new(one.clone(), mine),
                &mut Negotiator::new(two.clone(), theirs),
                60,
            );
            assert!(agreed.is_some(), "{mine:?} and {theirs:?} do not agree");
        }
    }
}

#[test]
fn two_of_the_default_find_what_is_good_for_both() {
    let (one, two) = (prepared(choices(&[5, 5, 5, 5], true)), prepared(choices(&[5, 5, 5, 5], false)));
    let mut parties =
        [Negotiator::new(one.clone(), Strategy::Default), Negotiator::new(two.clone(), Strategy::Default)];
    let [first, second] = &mut parties;
    let agreed = session(first, second, 100).expect("they agree");
    let gains = [one.utility(&agreed), two.utility(&agreed)].map(|utility| utility.expect("it is feasible"));
    // Splitting every term evenly gives both a half.
    assert!(gains.iter().sum::<f64>() > 1.2, "{gains:?}");
    assert!(gains.iter().all(|gain| *gain > 0.4), "{gains:?}");
}

#[test]
fn nothing_below_the_reservation_or_infeasible_is_offered_or_accepted() {
    let mut preferences = choices(&[4, 5, 6], true);
    let best = Prepared::new(preferences.clone()).expect("they are sound");
    preferences.reservation = Some(3.2);
    let condition = |term, values: &[usize]| Condition {
        term: name(term),
        values: Values::Texts(values.iter().map(|value| text(*value)).collect()),
    };
    preferences.infeasible = vec![Region { conditions: vec![condition(0, &[0]), condition(1, &[0, 1])] }];
    preferences.feasible = vec![
        Region { conditions: vec![condition(2, &[0, 1, 2])] },
        Region { conditions: vec![condition(1, &[0])] },
    ];
    let own = prepared(preferences.clone());
    assert!(best.reservation() < own.reservation());
    let now = [Region { conditions: vec![condition(0, &[1])] }];
    for strategy in ALL {
        for seed in 0..20 {
            let mut chance = Chance(seed);
            let mut negotiator = Negotiator::new(own.clone(), strategy);
            let mut standing: Option<Offer> = None;
            for step in 0..30 {
                let is_last = step == 29;
                let situation = Situation {
                    can_offer: !is_last,
                    infeasible: &now,
                    ..situation(step, 30, standing.as_ref())
                };
                let decision = negotiator.decide(&situation);
                let said = match &decision.action {
                    Action::Offer(offer) => offer.clone(),
                    Action::Accept => standing.clone().expect("something stands"),
                    Action::End => break,
                };
                assert!(own.is_acceptable(&said, &now), "{strategy:?}: {said:?}");
                assert!(own.utility(&said) >= Some(own.reservation() - 1e-9));
                if decision.action == Action::Accept {
                    break;
                }
                negotiator.saw(Side::Own, &said);
                let answer = offer(&[chance.below(4), chance.below(5), chance.below(6)]);
                negotiator.saw(Side::Other, &answer);
                standing = Some(answer);
            }
        }
    }
}

#[test]
fn the_last_chance_is_taken() {
    let own = prepared(choices(&[4, 4], true));
    for strategy in ALL {
        let poor = offer(&[3, 2]);
        let mut negotiator = Negotiator::new(own.clone(), strategy);
        negotiator.saw(Side::Other, &poor);
        for (can_offer, can_be_answered) in [(false, false), (true, false), (false, true)] {
            let now = Situation { can_offer, can_be_answered, ..situation(9, 10, Some(&poor)) };
            assert_eq!(negotiator.decide(&now).action, Action::Accept, "{strategy:?}");
        }
        let now = Situation { can_offer: false, ..situation(9, 10, None) };
        assert_eq!(negotiator.decide(&now).action, Action::End, "{strategy:?}");
    }
}

#[test]
fn by_time_targets_fall_and_never_rise() {
    let own = prepared(choices(&[6, 6, 6], true));
    for exponent in [0.1, 0.5, 1.0, 4.0] {
        let made = offers(&own, Strategy::Time { exponent }, 50, |_| offer(&[5, 5, 5]));
        let utilities: Vec<f64> = made.iter().filter_map(|offer| own.utility(offer)).collect();
        assert!(utilities.is_sorted_by(|a, b| *a >= *b - 0.011), "{exponent}: {utilities:?}");
        assert!(
            utilities.first() > Some(&0.99) && utilities.last() < Some(&0.5),
            "{exponent}: {utilities:?}"
        );
    }
    let sum = |exponent| -> f64 {
        let made = offers(&own, Strategy::Time { exponent }, 50, |_| offer(&[5, 5, 5]));
        made.iter().filter_map(|offer| own.utility(offer)).sum()
    };
    assert!(sum(0.2) > sum(1.0) && sum(1.0) > sum(5.0), "Boulware asks for more than Conceder");
}

#[test]
fn an_aspiration_is_all_that_is_asked_for() {
    let mut preferences = choices(&[6, 6, 6], true);
    preferences.aspiration = Some(4.0);
    let own = prepared(preferences);
    for strategy in [Strategy::Default, Strategy::Time { exponent: 0.1 }] {
        let mut negotiator = Negotiator::new(own.clone(), strategy);
        let enough = offer(&[0, 2, 2]);
        negotiator.saw(Side::Other, &enough);
        assert_eq!(
            negotiator.decide(&situation(1, 50, Some(&enough))).action,
            Action::Accept,
            "{strategy:?}"
        );
    }
}

#[test]
fn who_loses_by_waiting_concedes_sooner() {
    let mut preferences = choices(&[6, 6, 6], true);
    let patient = prepared(preferences.clone());
    preferences.discount = 0.5;
    let hurried = prepared(preferences);
    let asked = |own: &Arc<Prepared>| -> f64 {
        let made = offers(own, Strategy::Default, 40, |_| offer(&[5, 5, 5]));
        made.iter().filter_map(|offer| own.utility(offer)).sum()
    };
    assert!(asked(&hurried) < asked(&patient));
}

#[test]
fn tit_for_tat_concedes_what_the_other_party_does() {
    let own = prepared(choices(&[9, 9], true));
    let kinds = [TitForTat::Relative { steps: 1 }, TitForTat::Averaged { window: 2 }];
    for kind in kinds.map(Strategy::TitForTat) {
        let asked = |received: &[usize]| {
            let mut negotiator = Negotiator::new(own.clone(), kind);
            for value in received {
                negotiator.saw(Side::Other, &offer(&[*value, *value]));
            }
            negotiator.decide(&situation(5, 100, None)).account.target
        };
        assert!((asked(&[6, 6, 6, 6]) - 1.0).abs() < 1e-9, "{kind:?} does not concede to one who does not");
        let (little, much) = (asked(&[6, 6, 5, 5]), asked(&[6, 6, 4, 4]));
        assert!(much < little && little < 1.0, "{kind:?}: {much} and {little}");
        assert!(asked(&[6, 5, 4, 6, 7]) > asked(&[6, 5, 4, 4, 4]), "{kind:?} takes back what is taken back");
    }
    let exact = Strategy::TitForTat(TitForTat::Absolute { steps: 1, seed: 3 });
    let mut negotiator = Negotiator::new(own.clone(), exact);
    for value in [7, 5] {
        negotiator.saw(Side::Other, &offer(&[value, value]));
    }
    let target = negotiator.decide(&situation(5, 100, None)).account.target;
    assert!((target - 0.75).abs() <= 0.011, "a quarter was conceded, and is: {target}");
}

#[test]
fn micro_makes_a_new_offer_for_each_that_it_gets_and_repeats_itself_otherwise() {
    let own = prepared(choices(&[4, 4, 4], true));
    let answers = |step: u32| match step {
        0..5 => offer(&[3, 3, usize::try_from(step.min(3)).expect("it is small")]),
        _ => offer(&[3, 3, 3]),
    };
    let made = offers(&own, Strategy::Micro, 30, answers);
    let mut distinct = made.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 5, "four different offers were received");
    let utilities: Vec<f64> = made.iter().take(4).filter_map(|offer| own.utility(offer)).collect();
    assert!(utilities.is_sorted_by(|a, b| a >= b), "new offers are ever less good: {utilities:?}");
    let reply = offers(&own, Strategy::Micro, 30, |_| offer(&[3, 3, 3]));
    assert!(reply.iter().all(|offer| own.utility(offer) > Some(0.9)), "no concession without one");
}

#[test]
fn models_learn_what_the_other_party_insists_on() {
    let own = prepared(choices(&[5, 5, 5], true));
    for model in [Model::Frequency, Model::Bayesian] {
        let mut negotiator = Negotiator::new(own.clone(), Strategy::Modelled { exponent: 1.0, model });
        // It insists on the fourth value of the first term and gives way in the others.
        for value in [4, 3, 2, 1, 0] {
            negotiator.saw(Side::Other, &offer(&[3, value, 4 - value]));
        }
        let decision = negotiator.decide(&situation(50, 100, None));
        let Action::Offer(made) = decision.action else { panic!("{model:?}: {decision:?}") };
        assert_eq!(made.get(&name(0)), Some(&Value::Text(text(3))), "{model:?}: {made:?}");
    }
}

#[test]
fn before_offers_say_more_what_is_good_for_one_is_believed_to_be_bad_for_the_other() {
    let own = prepared(choices(&[5, 5], true));
    let believed = |seen: &[Offer]| {
        let mut negotiator = Negotiator::new(own.clone(), Strategy::Default);
        seen.iter().for_each(|offer| negotiator.saw(Side::Other, offer));
        let decision = negotiator.decide(&situation(0, 100, None));
        assert!(matches!(decision.action, Action::Offer(_)));
        decision.account.other.expect("something is proposed")
    };
    let best = offer(&[0, 0]);
    assert!(believed(&[]) < 0.01, "nothing was offered: {}", believed(&[]));
    assert!((believed(std::slice::from_ref(&best)) - 1.0).abs() < 0.01, "it wants the same");
    // It offered the best of the second term, and so of that only.
    let half = believed(&[offer(&[4, 0])]);
    assert!((0.3..0.7).contains(&half), "{half}");
}

#[test]
fn of_numbers_those_far_from_the_first_offer_are_believed_to_be_worth_little() {
    let worth = Curve { shape: Shape::Linear, points: vec![(0, 0.0), (20, 1.0)] };
    let domain = Domain::Number { min: 0, max: 20, step: 1, worth };
    let price = Term { name: name(0), weight: 1.0, domain };
    let own = prepared(Preferences { terms: vec![price], discount: 1.0, ..Preferences::default() });
    let number = |at| -> Offer { [(name(0), Value::Number(at))].into() };
    let mut negotiator = Negotiator::new(own, Strategy::Default);
    negotiator.saw(Side::Other, &number(2));
    for far in [16, 10, 4] {
        negotiator.saw(Side::Own, &number(far));
    }
    let asked = |time: f64, negotiator: &mut Negotiator| {
        negotiator.decide(&Situation { time, ..situation(0, 100, None) }).account.target
    };
    let early = asked(0.0, &mut negotiator);
    assert!((early - 1.0).abs() < 1e-9, "{early}");
    // It comes to the middle, where an even share of what is between both first offers is.
    for at in [5, 8, 11, 11, 11, 11, 11] {
        negotiator.saw(Side::Other, &number(at));
    }
    let late = asked(0.3, &mut negotiator);
    assert!((0.5..0.65).contains(&late), "{late}");
}

#[test]
fn from_one_that_concedes_no_more_is_asked_than_is_fair() {
    let own = prepared(choices(&[6, 6, 6], true));
    let asked = |other: &dyn Fn(usize) -> Offer| {
        let mut negotiator = Negotiator::new(own.clone(), Strategy::Default);
        (0..=20).for_each(|step| negotiator.saw(Side::Other, &other(step)));
        negotiator.decide(&situation(20, 100, None)).account.target
    };
    let still = asked(&|_| offer(&[5, 5, 5]));
    assert!(still > 0.95, "time alone changes little so early: {still}");
    // It gives way first where that costs it least, and by then more than half of what it can.
    let conceding = asked(&|step| offer(&[5, 5 - (step / 6).min(3), 5 - (step / 3).min(5)]));
    assert!((0.5..0.9).contains(&conceding), "{conceding}");
    let little = asked(&|step| offer(&[5, 5, 5 - (step / 10).min(1)]));
    assert!(conceding < little && little <= still, "{little} is between {conceding} and {still}");
}

#[test]
fn who_can_take_the_answer_asks_for_what_is_fair_with_the_last_proposal() {
    let own = prepared(choices(&[5, 5, 5], true));
    let poor = offer(&[4, 4, 3]);
    let poor_worth = own.utility(&poor).expect("it is feasible");
    let last = |rounds: u32, rises: bool| {
        let mut negotiator = Negotiator::new(own.clone(), Strategy::Default);
        let mut made = 0;
        loop {
            // The other party opens.
            let theirs = if rises && made == 30 { offer(&[4, 1, 1]) } else { poor.clone() };
            negotiator.saw(Side::Other, &theirs);
            made += 1;
            let left = rounds - made;
            let now = Situation {
                time: f64::from(made) / f64::from(rounds),
                moves_left: Some(left.div_ceil(2)),
                can_offer: left >= 2,
                can_be_answered: left >= 2,
                standing: Some(&poor),
                infeasible: &[],
            };
            let decision = negotiator.decide(&now);
            let said = match decision.action {
                Action::Offer(said) => said,
                Action::Accept if left <= 4 => poor.clone(),
                other => panic!("{other:?}"),
            };
            if now.moves_left <= Some(2) {
                return own.utility(&said).expect("it is feasible");
            }
            negotiator.saw(Side::Own, &said);
            made += 1;
        }
    };
    assert!(last(40, false) > 0.4, "what is fair: {}", last(40, false));
    assert!((last(41, false) - poor_worth).abs() < 1e-9, "the other party has the last word");
    let better = own.utility(&offer(&[4, 1, 1])).expect("it is feasible");
    assert!((last(40, true) - better).abs() < 1e-9, "its best is returned, as it may not offer that again");
}

#[test]
fn two_of_the_default_agree_near_nashs_solution() {
    for sizes in [&[6, 6][..], &[4, 4, 4], &[3, 5, 7, 3]] {
        let (one, two) = (prepared(choices(sizes, true)), prepared(choices(sizes, false)));
        let mut parties = [
            Negotiator::new(one.clone(), Strategy::Default),
            Negotiator::new(two.clone(), Strategy::Default),
        ];
        let [first, second] = &mut parties;
        let agreed = session(first, second, 100).expect("they agree");
        let gains = |place| {
            let outcome = one.outcomes.get(place).expect("it is listed");
            (one.utility_of(outcome), two.utility_of(outcome))
        };
        let best = (0..one.outcomes.len()).map(gains).max_by(|a, b| (a.0 * a.1).total_cmp(&(b.0 * b.1)));
        let best = best.expect("there are outcomes");
        let [a, b] = [&one, &two].map(|own| own.utility(&agreed).expect("it is feasible"));
        let off = (a - best.0).hypot(b - best.1);
        assert!(off < 0.2, "{sizes:?}: {a} and {b} instead of {best:?}");
    }
}

#[test]
fn the_same_offers_lead_to_the_same_decision_also_if_told_anew() {
    let own = prepared(choices(&[5, 5, 5], true));
    for strategy in ALL {
        let other = |step: u32| {
            let mut chance = Chance(u64::from(step));
            offer(&[2 + chance.below(3), 2 + chance.below(3), 2 + chance.below(3)])
        };
        let made = offers(&own, strategy, 40, other);
        assert_eq!(made, offers(&own, strategy, 40, other), "{strategy:?}");
        let mut anew = Negotiator::new(own.clone(), strategy);
        let steps = made.len().saturating_sub(1);
        for (step, own) in (0..).zip(made.iter().take(steps)) {
            anew.saw(Side::Own, own);
            anew.saw(Side::Other, &other(step));
        }
        let step = u32::try_from(steps).expect("it is small");
        let standing = step.checked_sub(1).map(other);
        let decision = anew.decide(&situation(step, 40, standing.as_ref()));
        assert_eq!(Some(decision.action), made.last().cloned().map(Action::Offer), "{strategy:?}");
    }
}

#[test]
fn a_table_says_what_every_outcome_is_worth() {
    let mut preferences = choices(&[3, 3], true);
    for term in &mut preferences.terms {
        term.weight = 0.0;
    }
    // What is good together is so against every order of single values.
    let worth = [[0.1, 0.9, 0.0], [0.2, 0.0, 1.0], [0.5, 0.3, 0.4]];
    for (first, row) in worth.iter().enumerate() {
        for (second, utility) in row.iter().enumerate() {
            let condition =
                |term, value| Condition { term: name(term), values: Values::Texts(vec![text(value)]) };
            let region = Region { conditions: vec![condition(0, first), condition(1, second)] };
            preferences.interactions.push(Interaction { region, utility: *utility });
        }
    }
    let own = prepared(preferences);
    for (first, row) in worth.iter().enumerate() {
        for (second, utility) in row.iter().enumerate() {
            let found = own.utility(&offer(&[first, second])).expect("it is feasible");
            assert!((found - utility).abs() < 1e-9, "{first} and {second}: {found}");
        }
    }
    let opening = Negotiator::new(own, Strategy::Default).decide(&situation(0, 10, None));
    assert_eq!(opening.action, Action::Offer(offer(&[1, 2])));
}

#[test]
fn numbers_between_the_steps_and_windows_have_a_utility() {
    let curve = |points: &[(i64, f64)]| Curve { shape: Shape::Linear, points: points.to_vec() };
    let preferences = Preferences {
        terms: vec![
            Term {
                name: "price".into(),
                weight: 1.0,
                domain: Domain::Number { min: 0, max: 100, step: 10, worth: curve(&[(0, 0.0), (100, 3.0)]) },
            },
            Term {
                name: "when".into(),
                weight: 1.0,
                domain: Domain::Window {
                    earliest: 0,
                    latest: 1000,
                    step: 100,
                    shortest: 200,
                    longest: 400,
                    by_start: curve(&[(0, 1.0), (800, 0.0)]),
                    by_length: Curve::default(),
                },
            },
        ],
        discount: 1.0,
        ..Preferences::default()
    };
    let own = prepared(preferences);
    let offer = |price, start, end| -> Offer {
        [("price".into(), Value::Number(price)), ("when".into(), Value::Window { start, end })].into()
    };
    assert_eq!(own.utility(&offer(100, 0, 200)), Some(1.0));
    assert_eq!(own.utility(&offer(55, 0, 200)).map(|utility| (utility * 1e6).round()), Some(662_500.0));
    assert_eq!(own.utility(&offer(101, 0, 200)), None, "no such price");
    assert_eq!(own.utility(&offer(100, 900, 1100)), None, "it ends too late");
    for strategy in ALL {
        let made = offers(&own, strategy, 20, |step| offer(i64::from(step) + 5, 700, 1000));
        assert!(made.iter().all(|offer| own.utility(offer).is_some()), "{strategy:?}");
    }
}

#[test]
fn a_space_that_cannot_be_listed_is_searched() {
    let sizes = [20; 12]; // 4 times 10 to the power of 15 outcomes
    let (one, two) = (prepared(choices(&sizes, true)), prepared(choices(&sizes, false)));
    assert!((one.utility(&offer(&[0; 12])).expect("it is feasible") - 1.0).abs() < 1e-9, "the best is found");
    let mut parties =
        [Negotiator::new(one.clone(), Strategy::Default), Negotiator::new(two.clone(), Strategy::Default)];
    let [first, second] = &mut parties;
    let agreed = session(first, second, 60).expect("they agree");
    let gains = [one.utility(&agreed), two.utility(&agreed)].map(|utility| utility.expect("it is feasible"));
    assert!(gains.iter().sum::<f64>() > 1.0, "more than an even split: {gains:?}");
}

#[test]
fn preferences_that_contradict_themselves_are_refused() {
    let wrong = |change: fn(&mut Preferences)| {
        let mut preferences = choices(&[3, 3], true);
        change(&mut preferences);
        Prepared::new(preferences).expect_err("it is wrong").to_string()
    };
    assert_eq!(wrong(|it| it.terms.clear()), "the preferences have no terms");
    assert_eq!(
        wrong(|it| it.discount = 0.0),
        "the preferences have a discount that is not above 0 and at most 1"
    );
    assert_eq!(
        wrong(|it| it.reservation = Some(99.0)),
        "the preferences have no feasible offer that reaches the reservation"
    );
    assert_eq!(wrong(|it| it.terms.extend(it.terms.clone())), "the term \"term-00\" stands twice");
    let condition = Condition { term: "other".into(), values: Values::Numbers(0, 1) };
    let mut preferences = choices(&[3], true);
    preferences.feasible = vec![Region { conditions: vec![condition] }];
    let error = Prepared::new(preferences).expect_err("it is wrong");
    assert_eq!(error.to_string(), "the term \"other\" has a condition and is none of the terms");
}

#[test]
fn what_is_as_good_is_new_feasible_and_worth_what_is_asked_for() {
    for strategy in ALL {
        let mut preferences = choices(&[6, 6, 6], true);
        for term in &mut preferences.terms {
            term.weight = 1.0;
        }
        preferences.reservation = Some(1.0);
        let prepared = prepared(preferences);
        let gone =
            Region { conditions: vec![Condition { term: name(0), values: Values::Texts(vec![text(1)]) }] };
        let mut negotiator = Negotiator::new(prepared.clone(), strategy);
        let (mut made, mut found) = (Vec::new(), 0);
        for step in 0..20 {
            let now = Situation { infeasible: std::slice::from_ref(&gone), ..situation(step, 20, None) };
            let decision = negotiator.decide(&now);
            let others = negotiator.equivalents(&decision, &now, 4);
            assert!(others.len() <= 4);
            let Action::Offer(own) = decision.action else { break };
            for other in &others {
                let Action::Offer(offer) = &other.action else { panic!("{other:?}") };
                assert!(*offer != own && !made.contains(offer), "{strategy:?}");
                assert!(prepared.is_acceptable(offer, now.infeasible), "{strategy:?}");
                let utility = prepared.utility(offer).expect("it is feasible");
                assert!(utility >= other.account.target - 1e-9, "{strategy:?}");
                assert!((utility - prepared.utility(&own).expect("it is feasible")).abs() < 0.011);
                assert_eq!(other.account.proposed, Some(utility));
            }
            found += others.len();
            negotiator.saw(Side::Own, &own);
            made.push(own);
            negotiator.saw(Side::Other, &offer(&[5, 5, 5]));
        }
        // Those that imitate do not concede to one that does not, and ask for the best.
        let concedes = !matches!(strategy, Strategy::Micro | Strategy::TitForTat(_));
        assert_eq!(found > 10, concedes, "{strategy:?}: {found}");
    }
}

#[test]
fn nothing_said_by_the_other_party_disturbs() {
    let own = prepared(choices(&[3, 3], true));
    let strange: [Offer; 3] = [
        Offer::new(),
        [("price".into(), Value::Number(i64::MIN))].into(),
        [(name(0), Value::Number(3)), (name(1), Value::Window { start: i64::MIN, end: i64::MAX })].into(),
    ];
    for strategy in ALL {
        let mut negotiator = Negotiator::new(own.clone(), strategy);
        for offer in &strange {
            negotiator.saw(Side::Other, offer);
            let now = Situation { time: f64::NAN, ..situation(0, 10, Some(offer)) };
            assert!(matches!(negotiator.decide(&now).action, Action::Offer(_)), "{strategy:?}");
        }
    }
}

#[test]
fn a_search_takes_so_many_steps_and_no_more_however_much_there_is_to_search() {
    let only = |term: usize, choices: &[usize]| Condition {
        term: name(term),
        values: Values::Texts(choices.iter().map(|choice| text(*choice)).collect()),
    };
    // Ten thousand choices of one term, of which each of many interactions names half.
    let mut wide = choices(&[10_000, 20, 20], true);
    let half: Vec<usize> = (0..5_000).collect();
    let region = Region { conditions: vec![only(0, &half), only(1, &[0, 1])] };
    wide.interactions = (0..200).map(|_| Interaction { region: region.clone(), utility: 1.0 }).collect();
    let prepared = Prepared::new(wide.clone()).unwrap();
    assert!(!prepared.outcomes.is_whole && prepared.outcomes.len() > 1000);
    // So many that nobody could look at them all.
    wide.interactions = (0..2_000).map(|_| Interaction { region: region.clone(), utility: 1.0 }).collect();
    let what = |of: Preferences| Prepared::new(of).map(drop).unwrap_err().what;
    assert_eq!(what(wide), "have too many conditions for so many choices");
    let mut deep = choices(&[3; 12], true);
    let region = Region { conditions: vec![only(0, &[0, 1]), only(1, &[0, 1])] };
    deep.interactions = (0..20_000).map(|_| Interaction { region: region.clone(), utility: 1.0 }).collect();
    assert_eq!(what(deep), "have too many interactions and regions to look at");
    assert_eq!(what(choices(&[10_000, 10_000], true)), "have too many choices");
    let table = |conditions| Interaction { region: Region { conditions }, utility: 1.0 };
    let mut tabled = choices(&[20, 20, 20, 20, 20], true);
    tabled.interactions =
        (0..20_000).map(|n| table(vec![only(0, &[n % 20]), only(1, &[n / 20 % 20])])).collect();
    assert!(Prepared::new(tabled).is_ok(), "what is looked up can be much");
}
