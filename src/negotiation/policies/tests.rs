//! Moves by policies, and capacity that is not promised twice, compared with a reference that counts second by second.
//!
//! Nothing here knows the engine.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::negotiation::memory::Memory;
use crate::negotiation::policies::{Answer, Turn};
use crate::negotiation::{Event, Negotiations};
use crate::yang::error::Error;
use crate::yang::generated::SCHEMA;
use crate::yang::generated::magent_task::{OpenNegotiationInput, RespondInput};
use crate::yang::generated::magent_types::NegotiationStatus;
use crate::yang::json as codec;
use crate::yang::model::Modelled;

mod judgement;

const START: i64 = 1_800_000_000;

fn read<T: Modelled>(json: &Json) -> T {
    let data = codec::decode_children(json.to_string().as_bytes(), Some(T::node()), &SCHEMA, &codec::STORED)
        .unwrap();
    T::from_data(&data).unwrap()
}

#[derive(Clone, Default)]
struct World {
    negotiations: Negotiations,
    seconds: i64,
    /// How long a model has to answer, if there is one.
    patience: Option<Duration>,
    log: Vec<(Timestamp, String)>,
}

impl World {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(START + self.seconds).unwrap()
    }

    fn fresh(&self) -> Fresh {
        Fresh::new(self.now(), [self.log.len() as u8; 10])
    }

    fn commit(&mut self, events: Vec<Event>) {
        for event in events {
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
            self.log.push((self.now(), text));
            self.negotiations.apply(self.log.len() as u64, self.now(), &event);
        }
    }

    fn replayed(&self) -> Negotiations {
        let mut negotiations = Negotiations::default();
        for (position, (at, text)) in self.log.iter().enumerate() {
            negotiations.apply(position as u64 + 1, *at, &serde_json::from_str(text).unwrap());
        }
        negotiations
    }

    fn policy(&mut self, agent: &str, more: Json) -> Result<(), Error> {
        let mut input = json!({"agent": agent, "name": "p"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let events = self.negotiations.set_policy(&read(&input), &Limits::default())?;
        self.commit(events);
        Ok(())
    }

    fn capacity(&mut self, agent: &str, capacity: Json) {
        let input = read(&json!({"agent": agent, "capacity": capacity}));
        let events = self.negotiations.set_capacity(&input, self.now()).unwrap();
        self.commit(events);
    }

    fn open(&mut self, id: &str, terms: Json) -> Result<(), Error> {
        let input: OpenNegotiationInput = read(&json!({
            "id": id, "type": "feasibility", "from": "ann", "to": "bob", "max-rounds": 40, "term": terms,
        }));
        let (events, _) = self.negotiations.open(&mut self.fresh(), input, None, &Limits::default())?;
        self.commit(events);
        Ok(())
    }

    fn respond(&mut self, id: &str, from: &str, made: &str, terms: Json) -> Result<NegotiationStatus, Error> {
        let latest = self.negotiations.get(id).unwrap().latest();
        let input: RespondInput =
            read(&json!({"from": from, "in-reply-to": latest, "move": made, "term": terms}));
        let (events, output) = self.negotiations.respond(&self.fresh(), id, input, &Limits::default())?;
        self.commit(events);
        Ok(output.status)
    }

    /// What the server does next.
    fn next(&self, id: &str) -> Option<Answer> {
        self.negotiations.answer(id, self.now(), self.patience, &Limits::default())
    }

    /// The server's next move, made.
    fn answer(&mut self, id: &str) -> Option<String> {
        match self.next(id)? {
            Answer::Move(turn) => self.made(id, turn),
            Answer::Ask(asked) => {
                self.commit(vec![Event::Asked { id: id.to_owned(), asked }]);
                None
            }
        }
    }

    /// The other party asks something.
    fn asks(&mut self, id: &str, from: &str) {
        let latest = self.negotiations.get(id).unwrap().latest();
        let input: RespondInput =
            read(&json!({"from": from, "in-reply-to": latest, "move": "clarify", "content": "why?"}));
        let (events, _) = self.negotiations.respond(&self.fresh(), id, input, &Limits::default()).unwrap();
        self.commit(events);
    }

    fn made(&mut self, id: &str, turn: Turn) -> Option<String> {
        let Some(response) = turn.response().unwrap() else {
            self.commit(vec![Event::Left { id: id.to_owned(), account: turn.account }]);
            return None;
        };
        let made = response.move_.as_str().to_owned();
        let (mut events, _) =
            self.negotiations.respond(&self.fresh(), id, response, &Limits::default()).unwrap();
        if let Some(Event::Moved { account, .. }) = events.last_mut() {
            *account = Some(turn.account);
        }
        self.commit(events);
        Some(made)
    }
}

fn price(worth_at_10: &str, worth_at_100: &str) -> Json {
    json!([{"name": "price", "number": {"min": "10", "max": "100", "step": "1", "point": [
        {"at": "10", "worth": worth_at_10}, {"at": "100", "worth": worth_at_100}]}}])
}

/// The same with a unit.
fn unit(mut terms: Json) -> Json {
    terms[0]["unit"] = json!("EUR");
    terms
}

fn app_tag<T>(result: Result<T, Error>) -> String {
    result.err().and_then(|error| error.app_tag.map(|tag| tag.to_string())).unwrap_or_default()
}

#[test]
fn two_policies_come_to_an_agreement_that_both_can_stand() {
    let mut world = World::default();
    world
        .policy("bob", json!({"term": price("0", "1"), "reservation": "0.3", "strategy": "time-dependent"}))
        .unwrap();
    world.open("n", json!([{"name": "price", "number": "10"}])).unwrap();
    world
        .policy("ann", json!({"term": price("1", "0"), "reservation": "0.3", "strategy": "time-dependent"}))
        .unwrap();
    while world.negotiations.has_to_answer("n") {
        world.answer("n");
    }
    let course = world.negotiations.get("n").unwrap();
    assert_eq!(course.head.status, NegotiationStatus::Agreed, "{:?} {:?}", course.rounds, course.accounts);
    let agreed = course.agreed().unwrap()[0].number.unwrap().digits;
    // 37 is worth 0.3 to bob, and 73 to ann.
    assert!((37_000_000..=73_000_000).contains(&agreed), "{agreed}");
    for round in course.rounds.iter().skip(1).filter(|round| !round.term.is_empty()) {
        let offered = round.term[0].number.unwrap().digits;
        let stands = if round.from == "bob" { offered >= 37_000_000 } else { offered <= 73_000_000 };
        assert!(stands, "{} offered {offered} in round {}", round.from, round.number);
    }
    let told = |agent: &str| {
        world.negotiations.explain(&read(&json!({"agent": agent, "negotiation": "n"}))).unwrap()
    };
    assert_eq!(told("ann").account.len() + told("bob").account.len(), course.rounds.len() - 1);
    assert!(
        told("bob")
            .account
            .iter()
            .all(|account| account.round % 2 == 0 && account.policy.as_deref() == Some("p"))
    );
    assert_eq!(world.negotiations, world.replayed());
}

#[test]
fn who_opens_by_a_policy_asks_for_the_most_however_many_rounds_there_are() {
    for strategy in ["default", "time-dependent", "micro"] {
        let mut world = World::default();
        let mut policy = json!({"term": price("0", "1"), "reservation": "0.1"});
        if strategy != "default" {
            policy["strategy"] = json!(strategy);
        }
        world.policy("ann", policy).unwrap();
        for rounds in [None, Some(2), Some(3), Some(4), Some(6), Some(50)] {
            let mut input = json!({"type": "magent-task:feasibility", "from": "ann", "to": "bob"});
            if let Some(rounds) = rounds {
                input["max-rounds"] = json!(rounds);
            }
            let first = world.negotiations.first_offer(&read(&input), &Limits::default(), world.now());
            let number = first.unwrap().terms.first().and_then(|term| term.number);
            assert_eq!(
                number.map(|number| number.to_string()).as_deref(),
                Some("100.0"),
                "{strategy} {rounds:?}"
            );
        }
    }
}

#[test]
fn what_is_remembered_changes_no_decision() {
    let mut world = World::default();
    world.policy("bob", json!({"term": price("0", "1")})).unwrap();
    world.open("n", json!([{"name": "price", "number": "10"}])).unwrap();
    for step in 0..15 {
        let forgetful = Negotiations { memory: Memory::default(), ..world.negotiations.clone() };
        let remembered = world.next("n");
        assert_eq!(remembered, forgetful.answer("n", world.now(), None, &Limits::default()));
        if world.answer("n").as_deref() != Some("counter") {
            break;
        }
        world
            .respond("n", "ann", "counter", json!([{"name": "price", "number": (11 + step).to_string()}]))
            .unwrap();
    }
    assert!(world.negotiations.get("n").unwrap().rounds.len() > 10);
}

#[test]
fn a_policy_that_does_not_apply_or_only_advises_moves_nothing() {
    for (policy, is_due) in [
        (json!({"term": price("0", "1")}), true),
        (json!({"term": price("0", "1"), "mode": "advise"}), false),
        (json!({"term": price("0", "1"), "applies": {"other": ["eve"]}}), false),
        (json!({"term": price("0", "1"), "applies": {"other": ["eve", "ann"]}}), true),
        (json!({"term": price("0", "1"), "applies": {"role": "initiator"}}), false),
        (json!({"term": price("0", "1"), "applies": {"type": ["magent-task:fulfillment"]}}), false),
        (json!({"term": price("0", "1"), "applies": {"type": ["magent-task:feasibility"]}}), true),
        (json!({"term": price("0", "1"), "applies": {"task-type": ["x"]}}), false),
        (json!({"term": price("0", "1"), "applies": {"term-name": ["price", "level"]}}), false),
        (json!({"term": [{"name": "level", "option": [{"text": "gold"}]}]}), false),
    ] {
        let mut world = World::default();
        world.policy("bob", policy.clone()).unwrap();
        world.open("n", json!([{"name": "price", "number": "10"}])).unwrap();
        assert_eq!(world.negotiations.has_to_answer("n"), is_due, "{policy}");
        let advice = world.negotiations.advise(
            &read(&json!({"agent": "bob", "negotiation": "n", "policy": "p"})),
            world.now(),
            &Limits::default(),
        );
        assert!(advice.is_ok(), "{policy}");
        assert_eq!(world.negotiations, world.replayed());
    }
}

#[test]
fn a_question_is_answered_with_the_proposal_that_stands_and_nothing_else() {
    let mut world = World::default();
    world.policy("ann", json!({"term": price("1", "0"), "reservation": "0.37"})).unwrap();
    world.open("n", json!([{"name": "price", "number": "10.50", "unit": "EUR"}])).unwrap();
    world.policy("ann", json!({"term": unit(price("1", "0")), "reservation": "0.37"})).unwrap();
    for _ in 0..3 {
        world.asks("n", "bob");
        assert_eq!(world.answer("n").as_deref(), Some("clarify"));
        let answered = world.negotiations.get("n").unwrap().rounds.last().unwrap().clone();
        let content = answered.content.as_deref();
        assert_eq!(content, Some("The proposal of round 1 stands: price 10.5 EUR."));
        assert!(answered.term.is_empty());
    }
    // A question in answer to a question is none about a proposal: it is decided as ever.
    world.policy("bob", json!({"term": unit(price("0", "1"))})).unwrap();
    assert_eq!(world.answer("n").as_deref(), Some("counter"));
    assert_eq!(world.negotiations, world.replayed());
}

#[test]
fn questions_are_answered_as_long_as_there_are_rounds() {
    let mut world = World::default();
    world.policy("ann", json!({"term": price("1", "0")})).unwrap();
    world.open("n", json!([{"name": "price", "number": "10"}])).unwrap();
    for _ in 0..19 {
        world.asks("n", "bob");
        assert_eq!(world.answer("n").as_deref(), Some("clarify"));
    }
    assert_eq!(
        app_tag(world.respond("n", "bob", "counter", json!([{"name": "price", "number": "1"}]))),
        "last-round"
    );
}

#[test]
fn a_policy_that_contradicts_itself_is_refused() {
    let mut world = World::default();
    for policy in [
        json!({"term": [{"name": "a", "number": {"min": "5", "max": "1"}}]}),
        json!({"term": price("0", "1"), "reservation": "2"}),
        json!({"term": [{"name": "w", "window": {"earliest": "2027-01-02T00:00:00Z", "latest": "2027-01-01T00:00:00Z", "shortest": 60}}]}),
    ] {
        assert_eq!(app_tag(world.policy("bob", policy.clone())), "bad-policy", "{policy}");
    }
    assert!(world.log.is_empty());
}

#[test]
fn an_offer_that_is_no_longer_covered_is_refused_and_loses_nothing() {
    let mut world = World::default();
    world.capacity("bob", json!([{"term": "bandwidth", "amount": "100"}]));
    let takes = |amount: &str| json!([{"name": "bandwidth", "number": amount}]);
    for id in ["n", "m"] {
        world.open(id, takes("500")).unwrap();
        assert_eq!(app_tag(world.respond(id, "bob", "accept", json!([]))), "capacity-exceeded");
        assert_eq!(app_tag(world.respond(id, "bob", "counter", takes("100.1"))), "capacity-exceeded");
        // Each is within what is free, together they are not.
        world.respond(id, "bob", "counter", takes("60")).unwrap();
    }
    assert_eq!(world.respond("n", "ann", "accept", json!([])).unwrap(), NegotiationStatus::Agreed);
    let before = world.negotiations.clone();
    assert_eq!(app_tag(world.respond("m", "ann", "accept", json!([]))), "offer-not-covered");
    assert_eq!(world.negotiations, before);
    world.respond("m", "ann", "counter", takes("40")).unwrap();
    assert_eq!(world.respond("m", "bob", "accept", json!([])).unwrap(), NegotiationStatus::Agreed);
    // What is released can be promised again.
    let released = world.negotiations.release(read(&json!({"agent": "bob", "negotiation": "n"}))).unwrap();
    world.commit(released);
    world.open("o", takes("60")).unwrap();
    world.respond("o", "bob", "accept", json!([])).unwrap();
    assert_eq!(world.negotiations, world.replayed());
}

#[test]
fn a_policy_offers_no_more_than_is_free_when() {
    let mut world = World::default();
    let hour = |from: i64, to: i64| {
        let time = |hours: i64| Timestamp::from_seconds(START + hours * 3600).unwrap().to_string();
        json!({"start": time(from), "end": time(to)})
    };
    world.capacity("bob", json!([{"term": "crews", "amount": "3", "window-term": "when"}]));
    let takes = |crews: i64, from, to| json!([{"name": "crews", "number": crews.to_string()}, {"name": "when", "window": hour(from, to)}]);
    world.open("a", takes(2, 2, 4)).unwrap();
    world.respond("a", "bob", "accept", json!([])).unwrap();
    let window = json!({"earliest": hour(0, 1)["start"], "latest": hour(9, 10)["end"], "step": 3600, "shortest": 7200});
    world
        .policy("bob", json!({"term": [
            {"name": "crews", "number": {"min": "1", "max": "3", "step": "1", "point": [{"at": "1", "worth": "0"}, {"at": "3", "worth": "1"}]}},
            {"name": "when", "window": window}]}))
        .unwrap();
    world.open("b", takes(1, 2, 4)).unwrap();
    for _ in 0..12 {
        if world.answer("b").as_deref() != Some("counter") {
            break;
        }
        world.respond("b", "ann", "counter", takes(2, 3, 5)).unwrap();
    }
    let course = world.negotiations.get("b").unwrap();
    assert!(course.rounds.len() > 4);
    for round in course.rounds.iter().filter(|round| round.from == "bob" && !round.term.is_empty()) {
        let crews = round.term.iter().find_map(|term| term.number).unwrap().digits / 1_000_000;
        let window = round.term.iter().find_map(|term| term.window.clone()).unwrap();
        let hours = |text: &str| (text.parse::<Timestamp>().unwrap().as_seconds() - START) / 3600;
        let overlaps = hours(&window.start) < 4 && hours(&window.end) > 2;
        assert!(crews <= if overlaps { 1 } else { 3 }, "{crews} in {window:?}");
    }
}

#[test]
fn nothing_is_promised_twice_whatever_is_agreed() {
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut below = |bound: i64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as i64
    };
    let time = |seconds: i64| Timestamp::from_seconds(START + seconds).unwrap().to_string();
    let (mut agreed, mut refused) = (0, 0);
    for _ in 0..20 {
        let mut world = World::default();
        let least = 20 + below(80);
        world.capacity(
            "bob",
            json!([{"term": "x", "amount": "100", "window-term": "when",
            "window": [{"start": time(300), "end": time(500), "amount": least.to_string()}]}]),
        );
        // What was promised: amount, from, to.
        let mut promised: Vec<(String, i64, i64, i64)> = Vec::new();
        for number in 0..60 {
            world.seconds += below(10);
            let (amount, from) = (1 + below(60), world.seconds + below(600));
            let to = from + 1 + below(200);
            let id = format!("n{number}");
            let window = json!({"start": time(from), "end": time(to)});
            let terms =
                json!([{"name": "x", "number": amount.to_string()}, {"name": "when", "window": window}]);
            world.open(&id, terms).unwrap();
            let has = |at: i64| if (300..500).contains(&at) { least.min(100) } else { 100 };
            let taken = |at: i64| promised.iter().filter(|p| p.2 <= at && at < p.3).map(|p| p.1).sum::<i64>();
            let is_free = (from..to).all(|at| taken(at) + amount <= has(at));
            let result = world.respond(&id, "bob", "accept", json!([]));
            assert_eq!(result.is_ok(), is_free, "{id}: {amount} from {from} to {to}");
            if is_free {
                agreed += 1;
                promised.push((id, amount, from, to));
            } else {
                refused += 1;
                assert_eq!(app_tag(result), "capacity-exceeded");
            }
            if below(6) == 0 && !promised.is_empty() {
                let (id, ..) = promised.remove(below(promised.len() as i64) as usize);
                if let Ok(events) =
                    world.negotiations.release(read(&json!({"agent": "bob", "negotiation": id})))
                {
                    world.commit(events);
                }
            }
        }
        assert_eq!(world.negotiations, world.replayed());
    }
    assert!(agreed > 200 && refused > 200, "{agreed} {refused}");
}
