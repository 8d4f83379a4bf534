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
