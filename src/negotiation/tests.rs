//! Negotiations by their own door: every move, every end, and a replay that gives the same.
//!
//! Nothing here knows the engine.

use serde_json::json;

use super::*;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::error::{Error, Tag};
use crate::yang::generated::SCHEMA;
use crate::yang::generated::magent_task::{
    OpenNegotiationInput, OpenNegotiationOutput, RespondInput, RespondOutput, Round,
    identities::NegotiationType,
};
use crate::yang::generated::magent_types::NegotiationMove;
use crate::yang::json as codec;

fn read<T: Modelled>(json: &serde_json::Value) -> T {
    let text = json.to_string();
    let data = codec::decode_children(text.as_bytes(), Some(T::node()), &SCHEMA, &codec::STORED).unwrap();
    T::from_data(&data).unwrap()
}

fn opening(more: serde_json::Value) -> OpenNegotiationInput {
    let mut input = json!({
        "id": "n", "type": "feasibility", "from": "ann", "to": "bob", "content": "Can you?",
        "term": [{"name": "downtime", "number": "10.0", "unit": "minutes"}],
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(&input)
}

fn answer(from: &str, in_reply_to: u32, made: &str, more: serde_json::Value) -> RespondInput {
    let mut input = json!({"from": from, "in-reply-to": in_reply_to, "move": made});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    read(&input)
}

/// Negotiations with the log that they are made of.
#[derive(Default)]
struct World {
    negotiations: Negotiations,
    seconds: i64,
    log: Vec<(Timestamp, String)>,
    told: Vec<Notification>,
    limits: Limits,
}

impl World {
    fn fresh(&self) -> Fresh {
        Fresh::new(Timestamp::from_seconds(1_800_000_000 + self.seconds).unwrap(), [self.log.len() as u8; 10])
    }

    fn now(&self) -> Timestamp {
        self.fresh().now
    }

    fn commit(&mut self, events: Vec<Event>) -> usize {
        let count = events.len();
        for event in events {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
            self.told.extend(Negotiations::announce(&event, self.now()));
            self.log.push((self.now(), text));
            self.negotiations.apply(self.log.len() as u64, self.now(), &event);
        }
        count
    }

    fn open_about(
        &mut self,
        input: OpenNegotiationInput,
        task: Option<TaskFacts<'_>>,
    ) -> Result<OpenNegotiationOutput, Error> {
        let (events, output) = self.negotiations.open(&mut self.fresh(), input, task, &self.limits)?;
        self.commit(events);
        Ok(output)
    }

    fn open(&mut self, more: serde_json::Value) -> Result<OpenNegotiationOutput, Error> {
        self.open_about(opening(more), None)
    }

    fn respond(&mut self, input: RespondInput) -> Result<RespondOutput, Error> {
        let (events, output) = self.negotiations.respond(&self.fresh(), "n", input, &self.limits)?;
        self.commit(events);
        Ok(output)
    }

    /// A move that says something where it has to.
    fn says(&mut self, from: &str, in_reply_to: u32, made: &str) -> Result<RespondOutput, Error> {
        self.respond(answer(from, in_reply_to, made, json!({"content": "..."})))
    }

    fn expire(&mut self) -> usize {
        let due = self.negotiations.expire(self.now(), 100);
        self.commit(due)
    }

    /// The round whose proposal was accepted.
    fn agreed(&self) -> Option<Round> {
        let number = self.n().agreed_round?;
        self.n().round.into_iter().find(|round| round.number == number)
    }

    fn n(&self) -> Negotiation {
        self.negotiations.get("n").unwrap().whole()
    }

    fn replayed(&self) -> Negotiations {
        let mut negotiations = Negotiations::default();
        for (position, (at, text)) in self.log.iter().enumerate() {
            negotiations.apply(position as u64 + 1, *at, &serde_json::from_str(text).unwrap());
        }
        negotiations
    }
}

fn app_tag<T>(result: Result<T, Error>) -> String {
    match result {
        Ok(_) => panic!("not refused"),
        Err(error) => error.app_tag.as_deref().unwrap_or(error.tag.as_str()).to_owned(),
    }
}

#[test]
fn a_counter_proposal_is_accepted() {
    let mut world = World::default();
    let opened = world.open(json!({"context": "c", "data": [{"id": "d1"}]})).unwrap();
    assert_eq!((opened.id.as_str(), opened.status), ("n", NegotiationStatus::Open));
    assert_eq!(world.n().turn.as_deref(), Some("bob"));
    assert_eq!(world.n().round[0].data, ["d1"]);
    let terms = json!({"term": [{"name": "downtime", "number": "20.0", "unit": "minutes"}]});
    let countered = world.respond(answer("bob", 1, "counter", terms)).unwrap();
    assert_eq!((countered.number, countered.status), (2, NegotiationStatus::Open));
    world.says("ann", 2, "clarify").unwrap();
    world.says("bob", 3, "clarify").unwrap();
    assert!(world.agreed().is_none());
    let accepted = world.respond(answer("ann", 4, "accept", json!({}))).unwrap();
    assert_eq!((accepted.number, accepted.status), (5, NegotiationStatus::Agreed));
    let agreed = world.agreed().unwrap();
    assert_eq!((agreed.number, agreed.from.as_str()), (2, "bob"));
    assert_eq!(agreed.term[0].number.unwrap().to_string(), "20.0");
    assert_eq!((&world.n().turn, &world.n().expires_at), (&None, &None));
    assert_eq!(world.negotiations.next_deadline(), None);
    assert_eq!(world.negotiations, world.replayed());

    assert_eq!(world.told.len(), 5);
    let last = NegotiationEvent::from_data(&world.told[4].data).unwrap();
    assert_eq!(world.told[4].parties, ["ann", "bob"]);
    assert_eq!((last.agreed_round, last.status), (Some(2), NegotiationStatus::Agreed));
    assert_eq!(last.round.unwrap().move_, NegotiationMove::Accept);
    let first = NegotiationEvent::from_data(&world.told[0].data).unwrap().round.unwrap();
    assert_eq!((first.number, first.term[0].unit.as_deref()), (1, Some("minutes")));
}

#[test]
fn of_crossing_moves_the_first_one_stands() {
    let mut world = World::default();
    world.open(json!({})).unwrap();
    world.says("bob", 1, "counter").unwrap();
    assert_eq!(app_tag(world.says("bob", 1, "reject")), "stale-round");
    assert_eq!(app_tag(world.says("ann", 1, "accept")), "stale-round");
    assert_eq!(app_tag(world.says("ann", 3, "accept")), "stale-round");
    assert_eq!(app_tag(world.says("bob", 2, "accept")), "not-your-turn");
    // A withdrawal need not have seen the latest round.
    let withdrawn = world.respond(answer("ann", 1, "withdraw", json!({}))).unwrap();
    assert_eq!((withdrawn.number, withdrawn.status), (3, NegotiationStatus::Withdrawn));
    for made in ["propose", "counter", "clarify", "accept", "reject", "withdraw"] {
        for from in ["ann", "bob"] {
            assert_eq!(app_tag(world.says(from, 3, made)), "bad-transition");
        }
    }
    assert_eq!(world.negotiations, world.replayed());
}

#[test]
fn moves_that_do_not_fit_are_refused_by_name() {
    let mut world = World::default();
    world.open(json!({"max-rounds": 3})).unwrap();
    assert_eq!(app_tag(world.says("bob", 1, "propose")), "bad-move");
    assert_eq!(app_tag(world.says("bob", 1, "withdraw")), "bad-move");
    assert_eq!(app_tag(world.says("eve", 1, "accept")), "not-authorized");
    assert_eq!(app_tag(world.respond(answer("bob", 1, "counter", json!({})))), "content-missing");
    assert_eq!(app_tag(world.respond(answer("bob", 1, "clarify", json!({})))), "content-missing");
    let terms = json!({"content": "?", "term": [{"name": "t", "text": "x"}]});
    assert_eq!(app_tag(world.respond(answer("bob", 1, "accept", terms.clone()))), "bad-terms");
    assert_eq!(app_tag(world.respond(answer("bob", 1, "clarify", terms))), "bad-terms");
    world.says("bob", 1, "counter").unwrap();
    for made in ["counter", "clarify"] {
        assert_eq!(app_tag(world.says("ann", 2, made)), "last-round");
    }
    world.says("ann", 2, "reject").unwrap();
    assert_eq!(world.n().status, NegotiationStatus::Rejected);
    let input = answer("ann", 1, "accept", json!({}));
    let missing = world.negotiations.respond(&world.fresh(), "other", input, &world.limits);
    assert_eq!(missing.unwrap_err().tag, Tag::DataMissing);
}

#[test]
fn terms_have_distinct_names_one_value_and_windows_that_end_later() {
    let mut world = World::default();
    let window =
        |start: &str, end: &str| json!({"term": [{"name": "w", "window": {"start": start, "end": end}}]});
    for (start, end) in [
        ("2026-11-21T05:00:00Z", "2026-11-21T05:00:00Z"),
        ("2026-11-21T05:00:00Z", "2026-11-21T04:00:00-00:30"),
        ("2026-11-21T05:00:00Z", "2026-11-21T05:30:00+01:00"),
    ] {
        assert_eq!(app_tag(world.open(window(start, end))), "bad-terms", "{start} {end}");
    }
    world.open(window("2026-11-21T05:00:00+02:00", "2026-11-21T03:00:01Z")).unwrap();
    let mut twice = opening(json!({"id": "m"}));
    twice.term.push(twice.term[0].clone());
    assert_eq!(app_tag(world.open_about(twice, None)), "bad-terms");
    let mut two_values = opening(json!({"id": "m"}));
    two_values.term[0].text = Some("ten".to_owned());
    assert_eq!(app_tag(world.open_about(two_values, None)), "bad-terms");
    let mut none = opening(json!({"id": "m"}));
    none.term[0].number = None;
    assert_eq!(app_tag(world.open_about(none, None)), "bad-terms");
}

#[test]
fn a_negotiation_expires_when_no_move_comes_or_its_deadline_passes() {
    let deadline = Timestamp::from_seconds(1_800_000_000 + 150).unwrap();
    let mut world = World::default();
    world.open(json!({"lifetime": 100, "deadline": deadline.to_string()})).unwrap();
    assert_eq!(world.negotiations.next_deadline(), Timestamp::from_seconds(1_800_000_100));
    world.seconds = 99;
    assert_eq!(world.expire(), 0);
    world.says("bob", 1, "counter").unwrap();
    assert_eq!(world.negotiations.next_deadline(), Some(deadline));
    world.seconds = 150;
    // Too late, even if nobody has said so yet.
    assert_eq!(app_tag(world.says("ann", 2, "accept")), "bad-transition");
    assert!(
        world.negotiations.find_open("ann", "bob", NegotiationType::Feasibility, None, world.now()).is_none()
    );
    assert_eq!(world.expire(), 1);
    assert_eq!((world.n().status, world.n().round.len()), (NegotiationStatus::Expired, 2));
    let told = NegotiationEvent::from_data(&world.told.last().unwrap().data).unwrap();
    assert_eq!((told.status, told.round, told.turn), (NegotiationStatus::Expired, None, None));
    assert_eq!((world.expire(), world.negotiations.next_deadline()), (0, None));
    assert_eq!(app_tag(world.open(json!({"id": "m", "deadline": deadline.to_string()}))), "deadline-passed");
    assert_eq!(world.negotiations, world.replayed());
}

#[test]
fn opening_can_be_repeated_with_the_same_content_alone() {
    let mut world = World::default();
    let input = json!({"deadline": "2027-06-01T00:00:00Z"});
    world.open(input.clone()).unwrap();
    world.says("bob", 1, "reject").unwrap();
    world.seconds = 10;
    // The same point in time in another form is the same content.
    for again in [input, json!({"deadline": "2027-06-01T02:00:00.0+02:00"})] {
        let output = world.open(again).unwrap();
        assert_eq!((output.id.as_str(), output.status), ("n", NegotiationStatus::Rejected));
    }
    assert_eq!(world.log.len(), 2);
    for other in [
        json!({}),
        json!({"deadline": "2027-06-01T00:00:00Z", "content": "Could you?"}),
        json!({"deadline": "2027-06-01T00:00:00Z", "from": "eve"}),
        json!({"deadline": "2027-06-01T00:00:00Z", "term": []}),
        json!({"deadline": "2027-06-01T00:00:00Z", "data": [{"id": "d"}]}),
    ] {
        assert_eq!(app_tag(world.open(other)), "id-in-use");
    }
    let mut unnamed = opening(json!({}));
    unnamed.id = None;
    let first = world.open_about(unnamed.clone(), None).unwrap();
    let second = world.open_about(unnamed, None).unwrap();
    assert_ne!(first.id, second.id);
}

#[test]
fn fulfillment_is_negotiated_by_the_executing_agent_of_a_task_under_way() {
    let mut world = World::default();
    let input = |more: serde_json::Value| {
        let mut input = opening(json!({"type": "fulfillment", "task": "t"}));
        input.id = more.get("id").and_then(|id| id.as_str()).map(str::to_owned);
        input
    };
    let facts =
        |from: &'static str, to: &'static str, is_under_way| Some(TaskFacts { from, to, is_under_way });
    assert_eq!(app_tag(world.open_about(input(json!({})), None)), "unknown-reference");
    assert_eq!(app_tag(world.open_about(input(json!({})), facts("ann", "bob", true))), "not-authorized");
    assert_eq!(app_tag(world.open_about(input(json!({})), facts("bob", "ann", false))), "bad-transition");
    let mut without = input(json!({}));
    without.task = None;
    assert_eq!(app_tag(world.open_about(without, None)), "missing-element");
    world.open_about(input(json!({"id": "f"})), facts("bob", "ann", true)).unwrap();
    let found =
        |task| world.negotiations.find_open("ann", "bob", NegotiationType::Fulfillment, task, world.now());
    assert_eq!(found(Some("t")).map(|course| course.head.id.as_str()), Some("f"));
    assert!(found(None).is_none() && found(Some("u")).is_none());
    assert!(
        world
            .negotiations
            .find_open("bob", "ann", NegotiationType::Fulfillment, Some("t"), world.now())
            .is_none()
    );
}

#[test]
fn the_latest_open_negotiation_is_found() {
    let mut world = World::default();
    for id in ["z", "a", "m"] {
        world.seconds += 1;
        world.open(json!({"id": id, "task": "t"})).unwrap();
    }
    let found =
        world.negotiations.find_open("ann", "bob", NegotiationType::Feasibility, Some("t"), world.now());
    assert_eq!(found.map(|course| course.head.id.as_str()), Some("m"));
    assert_eq!(
        world.negotiations.of_agent("bob").map(|course| course.head.id.as_str()).collect::<Vec<_>>(),
        ["a", "m", "z"]
    );
}

#[test]
fn negotiations_have_limits() {
    let limits = Limits {
        negotiations_max: 3,
        negotiations_open_max: 2,
        negotiation_rounds_max: 4,
        negotiation_move_max_s: 60,
        move_bytes_max: 1000,
        ..Limits::default()
    };
    let mut world = World { limits, ..World::default() };
    world.open(json!({"max-rounds": 99, "lifetime": 99})).unwrap();
    assert_eq!((world.n().max_rounds, world.n().lifetime), (4, 60));
    world.open(json!({"id": "m"})).unwrap();
    assert_eq!(app_tag(world.open(json!({"id": "o"}))), "too-many");
    assert_eq!(app_tag(world.open(json!({"id": "o", "to": "ann"}))), "invalid-value");
    assert_eq!(
        app_tag(world.open(json!({"id": "o", "from": "eve", "content": "x".repeat(1000)}))),
        "too-big"
    );
    world.open(json!({"id": "o", "from": "eve"})).unwrap();
    assert_eq!(app_tag(world.open(json!({"id": "p", "from": "eve"}))), "too-many");
    world.says("bob", 1, "reject").unwrap();
    // The one that has ended makes room.
    world.open(json!({"id": "p", "from": "eve"})).unwrap();
    assert!(world.negotiations.get("n").is_none());
    assert_eq!(world.negotiations.of_agent("bob").count(), 3);
    assert_eq!(world.negotiations.entries().len(), 3);
    assert_eq!(world.negotiations, world.replayed());
}

#[test]
fn who_opens_many_has_its_own_forgotten_first() {
    let mut world = World { limits: Limits { negotiations_max: 2, ..Limits::default() }, ..World::default() };
    world.open(json!({"id": "n"})).unwrap();
    world.says("bob", 1, "accept").unwrap();
    world.open(json!({"id": "e1", "from": "eve"})).unwrap();
    let withdraw = answer("eve", 1, "withdraw", json!({}));
    let (events, _) = world.negotiations.respond(&world.fresh(), "e1", withdraw, &world.limits).unwrap();
    world.commit(events);
    world.open(json!({"id": "e2", "from": "eve"})).unwrap();
    assert!(world.negotiations.get("n").is_some() && world.negotiations.get("e1").is_none());
    // One who has nothing to be forgotten has the oldest forgotten.
    world.open(json!({"id": "c", "from": "cat"})).unwrap();
    assert!(world.negotiations.get("n").is_none());
}

#[test]
fn any_sequence_of_moves_keeps_the_rules() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut ends = std::collections::BTreeMap::new();
    let mut refusals = std::collections::BTreeMap::new();
    for _ in 0..400 {
        let mut world = World::default();
        world.open(json!({"max-rounds": 2 + below(8), "lifetime": 100})).unwrap();
        for _ in 0..below(40) {
            let before = world.n();
            let made = NegotiationMove::ALL[below(6) as usize];
            let from = ["ann", "bob"][below(2) as usize];
            let latest = before.round.len() as u32;
            let in_reply_to = if below(5) == 0 { 1 + below(9) as u32 } else { latest };
            world.seconds += below(30) as i64;
            let expected = expected(&before, world.now(), made, from, in_reply_to);
            let result = world.says(from, in_reply_to, made.as_str());
            let told = result.as_ref().map(|output| output.status);
            let told = told.map_err(|error| {
                (error.tag.as_str().to_owned(), error.app_tag.as_deref().unwrap().to_owned())
            });
            if let Err((tag, app_tag)) = &told {
                *refusals.entry(app_tag.clone()).or_insert(0) += 1;
                assert_eq!(tag, "operation-failed");
            }
            assert_eq!(
                told.map_err(|(_, app_tag)| app_tag),
                expected.map_err(str::to_owned),
                "{made:?} by {from}"
            );
            if below(3) == 0 {
                world.expire();
            }
            check(&world, &before, made, from, in_reply_to, result);
        }
        *ends.entry(world.n().status).or_insert(0) += 1;
        assert_eq!(world.negotiations, world.replayed());
    }
    assert_eq!(ends.len(), 5, "every end is reached: {ends:?}");
    assert_eq!(refusals.len(), 5, "every refusal is met: {refusals:?}");
}

/// What the description of `negotiation-move` says of a move: the status after it, or the app-tag of its refusal.
fn expected(
    before: &Negotiation,
    now: Timestamp,
    made: NegotiationMove,
    from: &str,
    in_reply_to: u32,
) -> Result<NegotiationStatus, &'static str> {
    use NegotiationMove::{Accept, Clarify, Counter, Propose, Reject, Withdraw};
    let expires: Option<Timestamp> = before.expires_at.as_ref().map(|at| at.parse().unwrap());
    if before.status != NegotiationStatus::Open || expires.unwrap() <= now {
        return Err("bad-transition");
    }
    if made == Withdraw {
        return if from == "ann" { Ok(NegotiationStatus::Withdrawn) } else { Err("bad-move") };
    }
    let latest = before.round.last().unwrap();
    if in_reply_to != latest.number {
        return Err("stale-round");
    }
    if latest.from == from {
        return Err("not-your-turn");
    }
    let proposal = before.round.iter().rev().find(|round| matches!(round.move_, Propose | Counter)).unwrap();
    let is_possible = match made {
        Propose => proposal.from == from,
        Counter | Accept => proposal.from != from,
        Clarify | Reject | Withdraw => true,
    };
    match made {
        _ if !is_possible => Err("bad-move"),
        Accept => Ok(NegotiationStatus::Agreed),
        Reject => Ok(NegotiationStatus::Rejected),
        _ if latest.number + 1 == before.max_rounds => Err("last-round"),
        _ => Ok(NegotiationStatus::Open),
    }
}

/// What holds after any attempt to move.
fn check(
    world: &World,
    before: &Negotiation,
    made: NegotiationMove,
    from: &str,
    in_reply_to: u32,
    result: Result<RespondOutput, Error>,
) {
    let after = world.n();
    let open = after.status == NegotiationStatus::Open;
    assert!(after.round.iter().map(|round| round.number).eq(1..=after.round.len() as u32));
    assert!(after.round.len() as u32 <= after.max_rounds - u32::from(open));
    assert_eq!((after.turn.is_some(), after.expires_at.is_some()), (open, open));
    assert_eq!(after.agreed_round.is_some(), after.status == NegotiationStatus::Agreed);
    if before.status != NegotiationStatus::Open {
        assert!(result.is_err());
        assert_eq!(after, *before, "what has ended stays as it is");
        return;
    }
    match result {
        Ok(output) => {
            assert_eq!(output.number as usize, after.round.len());
            assert_eq!(after.round[..after.round.len() - 1], before.round[..]);
            if made != NegotiationMove::Withdraw {
                assert_eq!((before.turn.as_deref(), in_reply_to), (Some(from), output.number - 1));
            }
            if open {
                assert_ne!(after.turn.as_deref(), Some(from), "then it is the turn of the other one");
            }
        }
        Err(_) => assert_eq!(after.round, before.round, "a refused move changes nothing"),
    }
    if let Some(agreed) = world.agreed() {
        assert!(matches!(agreed.move_, NegotiationMove::Propose | NegotiationMove::Counter));
        assert_ne!(agreed.from, after.round.last().unwrap().from, "the other party's proposal");
        let later = &after.round[agreed.number as usize..];
        assert!(
            !later.iter().any(|r| matches!(r.move_, NegotiationMove::Propose | NegotiationMove::Counter))
        );
    }
}
