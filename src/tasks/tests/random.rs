//! Agents that do anything at any time: the invariants hold, and the log gives the same state again.

use std::collections::BTreeSet;

use super::super::callbacks::{Progress, Receiver};
use super::super::image::Deferred;
use super::super::life_cycle::causes;
use super::super::{Event, Tasks};
use super::*;

/// SplitMix64: a seed gives the same numbers for ever.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap()]
    }

    fn maybe(&mut self, text: &str) -> Option<String> {
        (self.roll(2) == 0).then(|| text.to_owned())
    }

    fn name(&mut self, kind: &str, count: u64) -> String {
        format!("{kind}-{}", self.roll(count))
    }
}

/// One operation of some agent; refusals are as good as anything.
fn act(world: &mut World, dice: &mut Dice) {
    let (now, limits, tasks) = (world.now, world.limits.clone(), world.tasks.clone());
    let id = dice.name("t", 12);
    let decided: Result<Vec<Event>, _> = match dice.roll(14) {
        0 => {
            let deadline =
                (dice.roll(2) == 0).then(|| now.saturating_add_seconds(dice.roll(30) as i64).to_string());
            let data =
                AssignTaskInputData { text: dice.maybe("é"), ..AssignTaskInputData::new(dice.name("d", 4)) };
            let input = AssignTaskInput {
                id: Some(id),
                from: dice.name("agent", 3),
                to: dice.name("agent", 3),
                context: dice.maybe("c").map(|c| format!("{c}-{}", dice.roll(2))),
                parent: dice.maybe("t-1").map(|_| dice.name("t", 12)),
                if_part_fails: dice.maybe("").map(|_| AssignTaskInputIfPartFails::Fail),
                content: Some("do it".into()),
                data: if dice.roll(3) == 0 { vec![data] } else { Vec::new() },
                deadline,
                ..order("t")
            };
            tasks.assign(&mut world.fresh(), input, &limits).map(|done| done.0)
        }
        1..=4 => {
            let likely = &[TaskStatus::Processing, TaskStatus::Blocked, TaskStatus::Finished][..];
            let among = dice.pick(&[likely, likely, likely, TaskStatus::ALL]);
            let status = dice.pick(among);
            let input_request = (status == TaskStatus::Blocked && dice.roll(2) == 0)
                .then(|| ReportInputInputRequest { content: dice.maybe("which?"), structured_content: None });
            let data =
                ReportInputData { binary: Some(vec![1, 2]), ..ReportInputData::new(dice.name("d", 4)) };
            let result = (status == TaskStatus::Finished).then(|| ReportInputResult {
                content: dice.maybe("done"),
                data: if dice.roll(3) == 0 { vec![data] } else { Vec::new() },
                structured_content: None,
            });
            let progress = u8::try_from(dice.roll(101)).ok().filter(|p| p % 2 == 0);
            let input = ReportInput {
                key: dice.maybe("").map(|_| dice.name("k", 40)),
                status: Some(status),
                reason: dice.maybe("so"),
                progress,
                input_request,
                result,
            };
            tasks.report(now, &id, input, &limits).map(|done| done.0)
        }
        5 => {
            let request = u32::try_from(dice.roll(4)).unwrap();
            let input = AnswerInput { content: dice.maybe("this"), ..AnswerInput::new(request) };
            tasks.answer(now, &id, input, &limits).map(|done| done.0)
        }
        6 => {
            let verdict = dice.pick(ResultVerdict::ALL);
            tasks
                .verify(now, &id, VerifyInput { verdict, comment: dice.maybe("hm") }, &limits)
                .map(|done| done.0)
        }
        7 => match dice.roll(4) {
            0 => tasks.cancel(now, &id, CancelInput { reason: dice.maybe("no") }, &limits).map(|done| done.0),
            1 => tasks
                .suspend(now, &id, SuspendInput { reason: dice.maybe("wait") }, &limits)
                .map(|done| done.0),
            _ => tasks.resume(now, &id, &limits).map(|done| done.0),
        },
        8 => {
            let (id, from) = (dice.name("d", 4), dice.name("agent", 3));
            let input = PutDataInput {
                id: Some(id),
                text: Some("größer".into()),
                offset: dice.roll(3) * 8,
                more: dice.roll(2) == 0,
                lifetime: dice.maybe("").map(|_| 20),
                ..PutDataInput::new(from)
            };
            tasks.put_data(&mut world.fresh(), input, None, &limits).map(|done| done.0)
        }
        9 => {
            let given = Event::external(
                dice.name("d", 4),
                crate::yang::generated::magent_types::DataType::Text,
                None,
                None,
                dice.maybe("alarm"),
                dice.maybe("https://files.example/1"),
            );
            Ok(vec![given])
        }
        10 => tasks.remove_data(&dice.name("d", 4)).map(|done| vec![done.0]),
        11 => {
            let url = format!("https://{}.example/", dice.name("r", 2));
            let receiver = Receiver { url, protocol: None, method: None, drafts: None, token: None };
            tasks
                .call_back(&mut world.fresh(), &id, &dice.name("agent", 3), receiver, &limits)
                .map(|done| done.0)
        }
        12 => {
            let Some(place) = tasks.callbacks().of(&id).next().map(|(place, _)| place.clone()) else {
                return;
            };
            let position = world.log.len() as u64 - dice.roll(9).min(world.log.len() as u64);
            match dice.roll(5) {
                0 => tasks.unsubscribe(&id, &place.1),
                1 => tasks.redeliver(&id, &place.1),
                2 => Ok(tasks.delivered(vec![(place, Progress::Stopped("no".into()))])),
                3 => Ok(tasks.delivered(vec![(place, Progress::Lost(position))])),
                _ => Ok(tasks.delivered(vec![(place, Progress::Delivered(position))])),
            }
        }
        _ => {
            world.now = now.saturating_add_seconds(dice.roll(10) as i64);
            Ok(tasks.expire(world.now, 2))
        }
    };
    world.happen(decided.unwrap_or_default());
}

fn saved(tasks: &Tasks) -> Vec<(u8, Vec<u8>)> {
    let mut saved = Vec::new();
    let mut keep = |kind: u8, octets: &[u8]| {
        saved.push((kind, octets.to_vec()));
        Ok(())
    };
    tasks.save(&mut keep).unwrap();
    saved
}

#[test]
fn whatever_agents_do_the_invariants_hold_and_the_log_gives_the_same_state() {
    let mut seen = BTreeSet::new();
    for seed in 0..40 {
        let mut world = World::new();
        world.limits.tasks_max = 5;
        world.limits.context_messages_max = 100;
        let mut dice = Dice(seed);
        for _ in 0..600 {
            act(&mut world, &mut dice);
        }
        seen.extend(world.announced.transitions.iter().copied());
        let mut again = Tasks::default();
        for ((at, text), revision) in world.log.iter().zip(1..) {
            again.apply(revision, *at, &serde_json::from_str(text).unwrap());
        }
        assert_eq!(format!("{again:?}"), format!("{:?}", world.tasks), "seed {seed}");
        let before = saved(&world.tasks);
        let (mut loaded, mut deferred) = (Tasks::default(), Deferred::default());
        for (kind, octets) in &before {
            loaded.load(*kind, octets, crate::yang::packed::Origin(None), &mut deferred).unwrap();
        }
        loaded.loaded(deferred);
        // How a table stands in memory depends on what it once held; what is saved and what is seen do not.
        assert!(saved(&loaded) == before, "seed {seed}");
        let seen = |tasks: &Tasks| format!("{:?}", tasks.tasks().after(None, 99));
        assert_eq!(seen(&loaded), seen(&world.tasks), "seed {seed}");
        let mut found = world.found(QueryTasksInput::default());
        found.sort();
        let listed: Vec<String> =
            world.tasks.tasks().after(None, 99).iter().map(|(_, e)| Task::from_data(e).unwrap().id).collect();
        assert_eq!(found, listed, "seed {seed}");
    }
    for (from, to) in
        TaskStatus::ALL.iter().flat_map(|from| TaskStatus::ALL.iter().map(move |to| (*from, *to)))
    {
        let possible = from != to && !causes(Some(from), to).is_empty();
        assert_eq!(seen.contains(&(from, to)), possible, "{from:?} -> {to:?}");
    }
}
