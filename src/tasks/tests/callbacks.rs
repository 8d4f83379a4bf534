//! Who is told of tasks by requests of the server, as far as it is state.

use super::super::callbacks::{Callback, Place, Progress, Receiver};
use super::*;

fn receiver(url: &str) -> Receiver {
    Receiver { url: url.into(), protocol: None, method: None, drafts: None, token: None }
}

impl World {
    fn tells(&mut self, task: &str, receiver: Receiver) -> Place {
        let decided = self.tasks.call_back(&mut self.fresh(), task, "oss", receiver, &self.limits);
        let id = self.done(decided);
        (task.into(), id.as_str().into())
    }

    fn callback(&self, place: &Place) -> Callback {
        self.tasks.callbacks().get(place).unwrap().as_ref().clone()
    }

    fn went_on(&mut self, place: &Place, progress: Progress) {
        self.happen(self.tasks.delivered(vec![(place.clone(), progress)]));
    }
}

#[test]
fn a_receiver_is_told_of_everything_from_the_creation_on() {
    let mut world = World::new();
    let place = world.tells("t-1", receiver("https://r.example/"));
    world.assign(order("t-1"));
    world.assign(order("t-2"));
    world.reports(&[TaskStatus::Processing]);
    assert_eq!(world.callback(&place).undelivered, [2, 4]);
    assert_eq!(world.tasks.callbacks().waiting().collect::<Vec<_>>(), [&place]);
    world.went_on(&place, Progress::Delivered(2));
    assert_eq!((world.callback(&place).undelivered, world.callback(&place).delivered), (vec![4], Some(2)));
    world.went_on(&place, Progress::Delivered(4));
    assert_eq!(world.tasks.callbacks().waiting().count(), 0);
    world.finish();
    assert_eq!(world.callback(&place).undelivered, [7]);
    let shown = Task::from_data(&world.tasks.tasks().get(&Key::string("t-1")).unwrap()).unwrap();
    let shown = &shown.subscriptions.subscription[0];
    assert_eq!((shown.last_delivered, shown.undelivered.as_slice()), (Some(4), [7].as_slice()));
    assert!(world.tasks.tasks().get(&Key::string("t-1")).unwrap().revision >= 7);
}

#[test]
fn a_receiver_that_was_given_up_keeps_all_in_order_until_it_is_told_again() {
    let mut world = World::new();
    world.assign(order("t-1"));
    let place = world.tells("t-1", receiver("https://r.example/"));
    world.reports(&[TaskStatus::Processing]);
    world.went_on(&place, Progress::Stopped("it answered 500".into()));
    world.finish();
    assert_eq!(world.tasks.callbacks().waiting().count(), 0);
    assert_eq!(world.callback(&place).undelivered, [3, 5]);
    world.went_on(&place, Progress::Delivered(5));
    assert_eq!(world.callback(&place).undelivered, [3, 5], "nothing is told to who was given up");
    world.happen(world.tasks.redeliver("t-1", &place.1).unwrap());
    assert!(world.callback(&place).is_waiting());
    assert!(world.tasks.redeliver("t-1", &place.1).unwrap().is_empty());
    world.went_on(&place, Progress::Lost(3));
    assert_eq!((world.callback(&place).undelivered, world.callback(&place).lost), (vec![5], 1));
    world.happen(world.tasks.unsubscribe("t-1", &place.1).unwrap());
    assert!(world.tasks.callbacks().is_empty() && world.tasks.callbacks().of_agent("oss") == 0);
    refused(world.tasks.redeliver("t-1", &place.1), "unknown-reference");
}

#[test]
fn the_same_receiver_is_one_and_its_token_can_be_replaced() {
    let mut world = World::new();
    world.assign(order("t-1"));
    let place = world.tells("t-1", receiver("https://r.example/"));
    world.reports(&[TaskStatus::Processing]);
    assert_eq!(
        world.tells("t-1", Receiver { method: Some("post".into()), ..receiver("https://r.example/") }),
        place
    );
    let with_token = Receiver { token: Some("$kept$1".into()), ..receiver("https://r.example/") };
    assert_eq!(world.tells("t-1", with_token.clone()), place);
    assert_eq!(world.callback(&place).receiver, with_token);
    assert_eq!(world.callback(&place).undelivered, [3], "it is told what it was to be told");
    let other = Receiver { drafts: Some(true), ..receiver("https://r.example/") };
    assert_ne!(world.tells("t-1", other), place);
    world.limits.callbacks_task_max = 2;
    let one_more = world.tasks.call_back(
        &mut world.fresh(),
        "t-1",
        "oss",
        receiver("https://s.example/"),
        &world.limits,
    );
    refused(one_more, "too-many");
    for wrong in [
        Receiver { method: Some("DELETE".into()), ..receiver("https://r.example/") },
        Receiver { protocol: Some("mqtt".into()), ..receiver("https://r.example/") },
    ] {
        refused(
            world.tasks.call_back(&mut world.fresh(), "t-1", "oss", wrong, &world.limits),
            "bad-callback",
        );
    }
}

#[test]
fn too_much_that_is_not_delivered_loses_the_oldest_and_says_so() {
    let mut world = World::new();
    world.assign(order("t-1"));
    let place = world.tells("t-1", receiver("https://r.example/"));
    world.reports(&[TaskStatus::Processing]);
    for number in 0..crate::limits::CALLBACK_UNDELIVERED_MAX {
        let progress = Some(if number % 2 == 0 { 1 } else { 2 });
        world.report(ReportInput { progress, ..ReportInput::default() });
    }
    let callback = world.callback(&place);
    assert_eq!((callback.undelivered.len(), callback.lost), (crate::limits::CALLBACK_UNDELIVERED_MAX, 1));
    assert_eq!(callback.undelivered[0], 4);
}

#[test]
fn a_task_is_not_forgotten_while_somebody_waits_for_what_became_of_it() {
    let mut world = World::new();
    world.limits.tasks_max = 2;
    world.assign(order("t-1"));
    let place = world.tells("t-1", receiver("https://r.example/"));
    world.cancel();
    world.assign(order("t-2"));
    refused(world.try_assign(order("t-3")), "too-many");
    world.went_on(&place, Progress::Delivered(3));
    world.assign(order("t-3"));
    assert!(!world.tasks.contains("t-1") && world.tasks.callbacks().is_empty());
}

#[test]
fn a_receiver_ends_when_it_has_taken_the_last_that_is_told_of_a_task() {
    let mut world = World::new();
    world.assign(order("t-1"));
    let place = world.tells("t-1", receiver("https://r.example/"));
    world.reports(&[TaskStatus::Processing]);
    world.finish();
    world.went_on(&place, Progress::Delivered(4));
    assert!(world.callback(&place).undelivered.is_empty(), "it can go back for rework");
    world.verify(ResultVerdict::Accepted);
    world.went_on(&place, Progress::Delivered(5));
    assert!(!world.tasks.callbacks().is_empty(), "there is more to take");
    world.went_on(&place, Progress::Delivered(6));
    assert!(world.tasks.callbacks().is_empty() && world.tasks.callbacks().of_agent("oss") == 0);
    let late = receiver("https://r.example/");
    refused(world.tasks.call_back(&mut world.fresh(), "t-1", "oss", late, &world.limits), "task-ended");
    world.assign(order("t-2"));
    let place = world.tells("t-2", receiver("https://r.example/"));
    let (events, _) = world.tasks.cancel(world.now, "t-2", CancelInput::default(), &world.limits).unwrap();
    world.happen(events);
    let last = world.log.len() as u64;
    world.went_on(&place, Progress::Lost(last));
    assert_eq!(world.callback(&place).lost, 1, "it can be seen that something was lost");
}

#[test]
fn a_task_that_is_forgotten_takes_its_receivers_out_of_the_account_of_who_wanted_them() {
    let mut world = World::new();
    world.limits.tasks_max = 1;
    world.assign(order("t-1"));
    let place = world.tells("t-1", receiver("https://r.example/"));
    world.cancel();
    world.went_on(&place, Progress::Stopped("it answered 500".into()));
    let (events, _) = world.try_assign(order("t-2")).unwrap();
    assert!(matches!(&events[1], Event::TaskForgotten { .. }), "{events:?}");
    assert!(matches!(&events[0], Event::CallbackEnded { .. }) && events[0].account() == Some("oss"));
    world.happen(events);
    assert_eq!(world.tasks.callbacks().of_agent("oss"), 0);
}

#[test]
fn who_subscribes_again_starts_what_was_given_up_and_keeps_its_token() {
    let mut world = World::new();
    world.assign(order("t-1"));
    let with_token = Receiver { token: Some("$kept$1".into()), ..receiver("https://r.example/") };
    let place = world.tells("t-1", with_token.clone());
    world.reports(&[TaskStatus::Processing]);
    world.went_on(&place, Progress::Stopped("it answered 500".into()));
    assert_eq!(world.tells("t-1", receiver("https://r.example/")), place);
    assert!(world.callback(&place).is_waiting());
    assert_eq!(world.callback(&place).receiver, with_token);
    let before = world.log.len();
    assert_eq!((world.tells("t-1", with_token), world.log.len()), (place.clone(), before));
    world.went_on(&place, Progress::Stopped("its token is not kept any more".into()));
    let other = Receiver { token: Some("$kept$2".into()), ..receiver("https://r.example/") };
    world.tells("t-1", other.clone());
    assert!(world.callback(&place).is_waiting() && world.callback(&place).receiver == other);
}
