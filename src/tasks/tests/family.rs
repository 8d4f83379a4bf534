//! Tasks that are parts of others, results that are sent back, and reports that come twice or late.

use super::*;

fn part(id: &str, whole: &str) -> AssignTaskInput {
    AssignTaskInput { parent: Some(whole.into()), ..order(id) }
}

impl World {
    fn report_of(&mut self, id: &str, input: ReportInput) -> ReportOutput {
        let decided = self.tasks.report(self.now, id, input, &self.limits);
        self.done(decided)
    }

    fn status(&self, id: &str) -> TaskStatus {
        self.tasks.get(id).unwrap().status
    }

    fn entry(&self, id: &str) -> Task {
        Task::from_data(&self.tasks.tasks().get(&Key::string(id)).unwrap()).unwrap()
    }

    /// What was announced of a task last.
    fn last(&self, id: &str) -> TaskEvent {
        let told = self.log.iter().rev().map(|(_, text)| serde_json::from_str::<Event>(text).unwrap());
        let mut notices = told.filter_map(|event| event.notice().cloned());
        notices.find(|notice| notice.task == id).unwrap()
    }
}

/// `t-1` with the parts `a` and `b`, and `c`, a part of `a`; all are under way.
fn family(if_part_fails: Option<AssignTaskInputIfPartFails>) -> World {
    let mut world = World::new();
    world.assign(AssignTaskInput { if_part_fails, ..order("t-1") });
    for (id, whole) in [("a", "t-1"), ("b", "t-1"), ("c", "a")] {
        world.assign(part(id, whole));
    }
    for id in ["t-1", "a", "b", "c"] {
        world.report_of(id, status_report(TaskStatus::Processing));
    }
    world
}

#[test]
fn who_cancels_a_task_cancels_its_parts_at_every_level() {
    let mut world = family(None);
    world.report_of("b", finished("done"));
    world.cancel();
    assert_eq!(["t-1", "a", "b", "c"].map(|id| world.status(id)), {
        use TaskStatus::{Cancelled, Finished};
        [Cancelled, Cancelled, Finished, Cancelled]
    });
    let reason = world.tasks.get("c").unwrap().reason.unwrap();
    assert_eq!(reason, "the task \"a\", which it is a part of, is cancelled");
    assert_eq!(world.task().history.change.last().unwrap().by.as_deref(), Some("oss"));
    assert_eq!(world.tasks.get("a").unwrap().history.change.last().unwrap().by, None, "the server did it");
    refused(world.try_assign(part("d", "a")), "task-ended");
}

#[test]
fn a_task_is_told_how_its_parts_end_and_goes_on() {
    let mut world = family(None);
    world.report_of("b", ReportInput { progress: Some(50), ..ReportInput::default() });
    let parts = world.entry("t-1").parts.unwrap();
    assert_eq!((parts.total, parts.ended, parts.finished, parts.progress), (2, 0, 0, 25));
    world.report_of("a", status_report(TaskStatus::Failed));
    assert_eq!((world.status("t-1"), world.status("b")), (TaskStatus::Processing, TaskStatus::Processing));
    assert_eq!(world.status("c"), TaskStatus::Cancelled, "it was a part of what failed");
    let told = world.last("t-1");
    assert_eq!((told.event, told.part.as_deref()), (TaskEventEvent::PartEnded, Some("a")));
    assert_eq!(told.part_status, Some(TaskStatus::Failed));
    world.report_of("b", finished("done"));
    let parts = world.entry("t-1").parts.unwrap();
    assert_eq!((parts.total, parts.ended, parts.finished, parts.progress), (2, 2, 1, 100));
    assert_eq!(world.entry("b").parts, None);
}

#[test]
fn a_task_that_wants_it_fails_with_its_part_and_takes_the_others_along() {
    let mut world = family(Some(AssignTaskInputIfPartFails::Fail));
    world.report_of("a", status_report(TaskStatus::Failed));
    use TaskStatus::{Cancelled, Failed};
    assert_eq!(["t-1", "a", "b", "c"].map(|id| world.status(id)), [Failed, Failed, Cancelled, Cancelled]);
    let told = world.last("t-1");
    assert_eq!((told.event, told.part_status), (TaskEventEvent::StatusChanged, Some(Failed)));
    assert_eq!(told.reason.as_deref(), Some("its part \"a\" is failed"));
    let mut other = family(Some(AssignTaskInputIfPartFails::Fail));
    let decided = other.tasks.cancel(other.now, "a", CancelInput::default(), &other.limits);
    other.done(decided);
    assert_eq!(other.status("t-1"), TaskStatus::Processing, "who cancels a part does without it");
}

/// `t-1` anew, after the one with the parts `a` and `b` was forgotten.
fn with_a_namesake(if_part_fails: Option<AssignTaskInputIfPartFails>) -> World {
    let mut world = family(None);
    world.report(finished("done"));
    world.limits.tasks_max = 4;
    world.assign(AssignTaskInput { if_part_fails, ..order("x") });
    assert!(!world.tasks.contains("t-1"));
    world.limits.tasks_max = 9;
    world.assign(AssignTaskInput { if_part_fails, ..order("t-1") });
    world
}

#[test]
fn a_task_has_nothing_to_do_with_the_parts_of_one_that_was_forgotten() {
    let mut world = with_a_namesake(None);
    world.cancel();
    assert_eq!((world.status("a"), world.status("b")), (TaskStatus::Processing, TaskStatus::Processing));
    let mut world = with_a_namesake(Some(AssignTaskInputIfPartFails::Fail));
    world.report_of("a", status_report(TaskStatus::Failed));
    assert_eq!((world.status("t-1"), world.task().event_sequence), (TaskStatus::Created, 1));
    (world.limits.task_depth_max, world.limits.task_parts_max) = (2, 1);
    world.assign(part("d", "t-1"));
    world.assign(part("e", "b"));
    refused(world.try_assign(part("f", "e")), "too-deep");
}

#[test]
fn a_part_is_not_worked_on_again_once_its_whole_has_ended() {
    for end in [TaskStatus::Failed, TaskStatus::Finished] {
        let mut world = World::new();
        world.assign(order("w"));
        world.assign(part("t-1", "w"));
        world.reports(&[TaskStatus::Processing]);
        world.finish();
        world.report_of("w", status_report(TaskStatus::Processing));
        let ending = if end == TaskStatus::Finished { finished("all") } else { status_report(end) };
        world.report_of("w", ending);
        refused(world.try_verify(ResultVerdict::Rework), "task-ended");
        world.verify(ResultVerdict::Accepted);
    }
}

#[test]
fn parts_are_limited_in_number_and_depth_and_by_the_deadline_above() {
    let mut world = World::new();
    (world.limits.task_depth_max, world.limits.task_parts_max) = (3, 4);
    let late = world.now.saturating_add_seconds(60).to_string();
    world.assign(AssignTaskInput { deadline: Some(late.clone()), ..order("t-1") });
    world.assign(part("a", "t-1"));
    world.assign(part("b", "a"));
    refused(world.try_assign(part("c", "b")), "too-deep");
    assert_eq!(world.tasks.get("b").unwrap().deadline, Some(late));
    assert!(world.try_assign(part("b", "a")).unwrap().0.is_empty(), "the same order");
    let later = Some(world.now.saturating_add_seconds(61).to_string());
    refused(world.try_assign(AssignTaskInput { deadline: later, ..part("c", "a") }), "deadline-late");
    let sooner = Some(world.now.saturating_add_seconds(59).to_string());
    world.assign(AssignTaskInput { deadline: sooner.clone(), ..part("c", "a") });
    assert_eq!(world.tasks.get("c").unwrap().deadline, sooner);
    world.assign(part("d", "t-1"));
    refused(world.try_assign(part("e", "a")), "too-many");
    refused(world.try_assign(part("e", "nobody")), "unknown-reference");
}

#[test]
fn a_result_is_sent_back_only_so_often() {
    let mut world = World::new();
    world.assign(AssignTaskInput { max_rework: Some(2), ..order("t-1") });
    world.reports(&[TaskStatus::Processing]);
    for round in 1..=2 {
        world.finish();
        world.verify(ResultVerdict::Rework);
        assert_eq!(world.task().reworks, Some(round));
    }
    world.finish();
    refused(world.try_verify(ResultVerdict::Rework), "too-many");
    world.verify(ResultVerdict::Rejected);
    let mut world = started();
    world.limits.task_rework_max = 0;
    world.finish();
    refused(world.try_verify(ResultVerdict::Rework), "too-many");
}

#[test]
fn a_report_that_comes_again_is_answered_again_and_does_nothing() {
    let mut world = started();
    let keyed = |key: &str, input: ReportInput| ReportInput { key: Some(key.into()), ..input };
    let asked = keyed("1", question("which site?"));
    assert_eq!(world.report(asked.clone()).request, Some(1));
    let before = world.log.len();
    let again = world.report(asked.clone());
    assert_eq!((again.request, again.status, world.log.len()), (Some(1), TaskStatus::Blocked, before));
    refused(
        world.tasks.report(world.now, "t-1", keyed("1", question("another?")), &world.limits),
        "key-in-use",
    );
    world.answer(1);
    world.report(keyed("2", finished("rerouted")));
    assert_eq!(world.report(asked).request, Some(1), "also after the end");
    assert_eq!(world.report(keyed("2", finished("rerouted"))).status, TaskStatus::Finished);
    let mut other = started();
    let at = |progress| ReportInput { progress: Some(progress), ..ReportInput::default() };
    other.report(at(50));
    other.report(keyed("same", at(50)));
    other.report(keyed("next", at(60)));
    other.report(keyed("same", at(50)));
    assert_eq!(other.task().progress, Some(60), "what changed nothing is known when it comes again");
    let late = world.tasks.report(world.now, "t-1", keyed("3", finished("rerouted")), &world.limits);
    refused(late, "task-ended");
    assert_eq!(world.task().result.unwrap().content.as_deref(), Some("rerouted"));
}

#[test]
fn only_the_newest_keys_are_remembered() {
    let mut world = started();
    let report = |number: u8| ReportInput {
        key: Some(number.to_string()),
        progress: Some(number),
        ..ReportInput::default()
    };
    for number in 0..=32 {
        world.report(report(number));
    }
    let before = world.log.len();
    world.report(report(1));
    assert_eq!(world.log.len(), before);
    world.report(report(0));
    assert_eq!(world.log.len(), before + 1, "it was forgotten");
}
