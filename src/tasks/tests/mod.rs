//! Tasks as clients see them: each rule of the module, refusals included.
//!
//! Every fact goes through its text in the log before it is applied, and the invariants are checked after each.

mod callbacks;
mod data;
mod family;
mod invariants;
mod random;
mod transitions;

use super::{Event, Tasks};
use crate::clock::Timestamp;
use crate::ids::Fresh;
use crate::limits::Limits;
use crate::yang::error::Error;
use crate::yang::generated::magent_task::identities::MessageType;
use crate::yang::generated::magent_task::*;
use crate::yang::generated::magent_types::{ResultVerdict, TaskStatus};
use crate::yang::model::Modelled;
use crate::yang::tree::Key;

/// Two agents and a server.
struct World {
    tasks: Tasks,
    limits: Limits,
    now: Timestamp,
    log: Vec<(Timestamp, String)>,
    announced: invariants::Announced,
}

impl World {
    fn new() -> World {
        World {
            tasks: Tasks::default(),
            limits: Limits::default(),
            now: Timestamp::from_seconds(1_800_000_000).unwrap(),
            log: Vec::new(),
            announced: invariants::Announced::default(),
        }
    }

    fn happen(&mut self, events: Vec<Event>) {
        for event in events {
            let text = serde_json::to_string(&event).unwrap();
            let read: Event = serde_json::from_str(&text).unwrap();
            assert_eq!(read, event, "{text}");
            let before = self.tasks.clone();
            self.log.push((self.now, text));
            self.tasks.apply(self.log.len() as u64, self.now, &read);
            self.announced.check(&before, &self.tasks, &event);
        }
        invariants::no_part_outlives_its_whole(&self.tasks);
    }

    fn done<T>(&mut self, decided: Result<(Vec<Event>, T), Error>) -> T {
        let (events, output) = decided.unwrap();
        self.happen(events);
        output
    }

    fn assign(&mut self, input: AssignTaskInput) -> AssignTaskOutput {
        let decided = self.try_assign(input);
        self.done(decided)
    }

    fn try_assign(&self, input: AssignTaskInput) -> Result<(Vec<Event>, AssignTaskOutput), Error> {
        self.tasks.assign(&mut self.fresh(), input, &self.limits)
    }

    fn fresh(&self) -> Fresh {
        let mut entropy = [7; 10];
        entropy[..8].copy_from_slice(&(self.log.len() as u64).to_be_bytes());
        Fresh::new(self.now, entropy)
    }

    fn report(&mut self, input: ReportInput) -> ReportOutput {
        let decided = self.tasks.report(self.now, "t-1", input, &self.limits);
        self.done(decided)
    }

    fn reports(&mut self, statuses: &[TaskStatus]) {
        for status in statuses {
            self.report(status_report(*status));
        }
    }

    fn finish(&mut self) {
        self.report(finished("rerouted"));
    }

    fn cancel(&mut self) -> CancelOutput {
        let decided =
            self.tasks.cancel(self.now, "t-1", CancelInput { reason: Some("too late".into()) }, &self.limits);
        self.done(decided)
    }

    fn answer(&mut self, request: u32) -> AnswerOutput {
        let input = AnswerInput { content: Some("the first".into()), ..AnswerInput::new(request) };
        let decided = self.tasks.answer(self.now, "t-1", input, &self.limits);
        self.done(decided)
    }

    fn verify(&mut self, verdict: ResultVerdict) -> VerifyOutput {
        let decided = self.try_verify(verdict);
        self.done(decided)
    }

    fn try_verify(&self, verdict: ResultVerdict) -> Result<(Vec<Event>, VerifyOutput), Error> {
        let input = VerifyInput { verdict, comment: Some("measured".into()) };
        self.tasks.verify(self.now, "t-1", input, &self.limits)
    }

    fn task(&self) -> Task {
        self.tasks.get("t-1").unwrap()
    }

    fn messages(&self, context: &str) -> Vec<Message> {
        let entry = self.tasks.contexts().get(&Key::string(context)).unwrap();
        Context::from_data(&entry).unwrap().message
    }

    fn query(&self, input: QueryTasksInput) -> Result<QueryTasksOutput, Error> {
        self.tasks.query(&input, &self.limits, |_| true)
    }

    fn found(&self, input: QueryTasksInput) -> Vec<String> {
        self.query(input).unwrap().task.into_iter().map(|task| task.id).collect()
    }
}

fn order(id: &str) -> AssignTaskInput {
    AssignTaskInput {
        id: Some(id.into()),
        content: Some("diagnose link 17".into()),
        asynchronous: true,
        ..AssignTaskInput::new("oss", "ip")
    }
}

fn in_context(id: &str) -> AssignTaskInput {
    AssignTaskInput { context: Some("c-1".into()), ..order(id) }
}

fn status_report(status: TaskStatus) -> ReportInput {
    ReportInput { status: Some(status), ..ReportInput::default() }
}

fn finished(content: &str) -> ReportInput {
    let result = ReportInputResult { content: Some(content.into()), ..ReportInputResult::default() };
    ReportInput { result: Some(result), ..status_report(TaskStatus::Finished) }
}

fn question(content: &str) -> ReportInput {
    let input_request = ReportInputInputRequest { content: Some(content.into()), structured_content: None };
    ReportInput { input_request: Some(input_request), ..status_report(TaskStatus::Blocked) }
}

#[track_caller]
fn refused<T>(decided: Result<T, Error>, app_tag: &str) {
    match decided {
        Ok(_) => panic!("not refused: {app_tag}"),
        Err(error) => assert_eq!(error.app_tag.as_deref(), Some(app_tag), "{error}"),
    }
}

fn started() -> World {
    let mut world = World::new();
    world.assign(in_context("t-1"));
    world.reports(&[TaskStatus::Processing]);
    world
}

#[test]
fn a_task_goes_from_assignment_to_a_verified_result() {
    let mut world = World::new();
    let output = world.assign(order("t-1"));
    assert_eq!((output.id.as_str(), output.status), ("t-1", TaskStatus::Created));
    assert_eq!(world.tasks.settled("t-1"), None);
    world.reports(&[TaskStatus::Processing]);
    world.report(ReportInput {
        progress: Some(40),
        reason: Some("on site".into()),
        ..ReportInput::default()
    });
    assert_eq!((world.task().progress, world.task().reason.as_deref()), (Some(40), Some("on site")));
    world.finish();
    let settled = world.tasks.settled("t-1").unwrap();
    assert_eq!(settled.result.unwrap().content.as_deref(), Some("rerouted"));
    assert_eq!(settled.reason, None, "the reason of another status");
    assert_eq!(world.verify(ResultVerdict::Accepted).status, TaskStatus::Finished);
    let verification = world.task().result.unwrap().verification.unwrap();
    assert_eq!(
        (verification.verdict, verification.comment.as_deref()),
        (ResultVerdict::Accepted, Some("measured"))
    );
    refused(world.try_verify(ResultVerdict::Rework), "bad-transition");
    assert_eq!(world.task().event_sequence, 5);
    let task = world.task();
    let by: Vec<_> =
        task.history.change.iter().map(|c| (c.status.as_str(), c.by.as_deref().unwrap())).collect();
    assert_eq!(by, [("created", "oss"), ("processing", "ip"), ("finished", "ip")]);
}

#[test]
fn the_same_assignment_twice_makes_one_task() {
    let mut world = World::new();
    let explained = |term: &str| AssignTaskInputTermExplains { term: term.into(), explanation: None };
    let input = AssignTaskInput {
        deadline: Some("2027-01-15T10:00:00Z".into()),
        term_explains: vec![explained("LOS"), explained("RRU")],
        ..order("t-1")
    };
    world.assign(input.clone());
    world.reports(&[TaskStatus::Processing]);
    let again = AssignTaskInput {
        deadline: Some("2027-01-15T12:00:00.0+02:00".into()),
        term_explains: vec![explained("RRU"), explained("LOS")],
        ..input.clone()
    };
    world.now = "2027-02-01T00:00:00Z".parse().unwrap();
    let (events, output) = world.try_assign(again).unwrap();
    assert!(events.is_empty(), "even when the deadline is over");
    assert_eq!(output.status, TaskStatus::Processing);
    for other in [
        AssignTaskInput { content: Some("reroute".into()), ..input.clone() },
        AssignTaskInput { from: "noc".into(), ..input.clone() },
        AssignTaskInput { deadline: None, ..input.clone() },
        AssignTaskInput { term_explains: vec![explained("LOS")], ..input },
    ] {
        refused(world.try_assign(other), "id-in-use");
    }
}

#[test]
fn an_assignment_is_refused_for_what_it_refers_to_or_lacks() {
    let world = World::new();
    refused(world.try_assign(AssignTaskInput { content: None, ..order("t-1") }), "content-missing");
    refused(
        world.try_assign(AssignTaskInput { parent: Some("t-0".into()), ..order("t-1") }),
        "unknown-reference",
    );
    let late = AssignTaskInput { deadline: Some(world.now.to_string()), ..order("t-1") };
    refused(world.try_assign(late), "deadline-passed");
    let missing = AssignTaskInputData::new("d-1");
    refused(world.try_assign(AssignTaskInput { data: vec![missing], ..order("t-1") }), "unknown-reference");
    let long = AssignTaskInput { content: Some("x".repeat(2_000_000)), ..order("t-1") };
    assert_eq!(world.try_assign(long).map(drop).unwrap_err().tag, crate::yang::error::Tag::TooBig);
}

#[test]
fn a_report_keeps_to_the_life_cycle() {
    let mut world = World::new();
    world.assign(order("t-1"));
    let report = |world: &World, input| world.tasks.report(world.now, "t-1", input, &world.limits);
    refused(report(&world, finished("at once")), "bad-transition");
    refused(report(&world, status_report(TaskStatus::Cancelled)), "bad-transition");
    refused(report(&world, status_report(TaskStatus::Suspended)), "bad-transition");
    world.reports(&[TaskStatus::Processing]);
    refused(report(&world, status_report(TaskStatus::Rejected)), "bad-transition");
    refused(report(&world, status_report(TaskStatus::Finished)), "bad-transition");
    refused(report(&world, ReportInput { status: None, ..finished("x") }), "bad-transition");
    refused(report(&world, ReportInput { status: None, ..question("x") }), "bad-transition");
    let empty = ReportInput { result: Some(ReportInputResult::default()), ..finished("x") };
    refused(report(&world, empty), "content-missing");
    let empty = ReportInput { input_request: Some(ReportInputInputRequest::default()), ..question("x") };
    refused(report(&world, empty), "content-missing");
    refused(world.tasks.report(world.now, "t-2", ReportInput::default(), &world.limits), "unknown-reference");
    assert!(report(&world, ReportInput::default()).unwrap().0.is_empty(), "nothing new");
    let error = report(&world, status_report(TaskStatus::Created)).map(drop).unwrap_err();
    assert_eq!(
        error.message,
        "The task \"t-1\" is processing; \"report\" cannot make it created, only one of: processing, blocked, finished, failed."
    );
    world.finish();
    refused(report(&world, finished("again")), "task-ended");
}

#[test]
fn a_task_goes_on_when_its_last_request_is_answered() {
    let mut world = started();
    assert_eq!(world.report(question("Which site first?")).request, Some(1));
    assert_eq!(world.report(question("Who has the key?")).request, Some(2));
    let asked = world.tasks.settled("t-1").unwrap().input_request.unwrap();
    assert_eq!((asked.id, asked.content.as_deref()), (1, Some("Which site first?")));
    assert_eq!(world.answer(1).status, TaskStatus::Blocked);
    assert_eq!(world.tasks.settled("t-1").unwrap().input_request.unwrap().id, 2);
    let answer = |request| AnswerInput { content: Some("x".into()), ..AnswerInput::new(request) };
    refused(world.tasks.answer(world.now, "t-1", answer(1), &world.limits), "bad-transition");
    refused(world.tasks.answer(world.now, "t-1", answer(3), &world.limits), "unknown-reference");
    refused(
        world.tasks.answer(world.now, "t-1", AnswerInput { content: None, ..answer(2) }, &world.limits),
        "content-missing",
    );
    assert_eq!(world.answer(2).status, TaskStatus::Processing);
    let messages = world.messages("c-1");
    let replies: Vec<_> = messages.iter().map(|m| (m.type_, m.in_reply_to)).collect();
    assert_eq!(
        replies,
        [
            (MessageType::TaskAssign, None),
            (MessageType::TaskStatusNotify, Some(1)),
            (MessageType::InputRequest, Some(1)),
            (MessageType::InputRequest, Some(1)),
            (MessageType::InputAnswer, Some(3)),
            (MessageType::InputAnswer, Some(4)),
        ]
    );
    world.limits.task_requests_max = 2;
    refused(world.tasks.report(world.now, "t-1", question("More?"), &world.limits), "too-many");
}

#[test]
fn an_answer_to_a_suspended_task_does_not_resume_it() {
    let mut world = started();
    world.report(question("Which site first?"));
    let decided = world.tasks.suspend(world.now, "t-1", SuspendInput { reason: None }, &world.limits);
    assert_eq!(world.done(decided).status, TaskStatus::Suspended);
    assert_eq!(world.answer(1).status, TaskStatus::Suspended);
    let decided = world.tasks.resume(world.now, "t-1", &world.limits);
    assert_eq!(world.done(decided).status, TaskStatus::Processing);
    refused(world.tasks.resume(world.now, "t-1", &world.limits), "bad-transition");
    assert_eq!(world.cancel().status, TaskStatus::Cancelled);
    refused(world.tasks.cancel(world.now, "t-1", CancelInput::default(), &world.limits), "bad-transition");
}

#[test]
fn rework_keeps_the_result_until_there_is_another() {
    let mut world = started();
    refused(world.try_verify(ResultVerdict::Accepted), "bad-transition");
    world.finish();
    assert_eq!(world.verify(ResultVerdict::Rework).status, TaskStatus::Processing);
    assert_eq!(world.task().reason.as_deref(), Some("measured"));
    assert!(world.task().result.is_some());
    assert_eq!(world.tasks.settled("t-1"), None);
    refused(world.try_verify(ResultVerdict::Rework), "bad-transition");
    world.report(finished("rerouted over link 18"));
    let result = world.task().result.unwrap();
    assert_eq!((result.content.as_deref(), &result.verification), (Some("rerouted over link 18"), &None));
    world.verify(ResultVerdict::Rejected);
    let said: Vec<_> =
        world.messages("c-1").into_iter().map(|m| (m.type_, m.content.unwrap(), m.in_reply_to)).collect();
    assert_eq!(
        said[2..],
        [
            (MessageType::TaskResultNotify, "rerouted".to_owned(), Some(1)),
            (MessageType::TaskResultVerify, "rework: measured".to_owned(), Some(3)),
            (MessageType::TaskResultNotify, "rerouted over link 18".to_owned(), Some(1)),
            (MessageType::TaskResultVerify, "rejected: measured".to_owned(), Some(5)),
        ]
    );
}

#[test]
fn a_deadline_that_passes_is_told_once() {
    let mut world = World::new();
    let deadline = world.now.saturating_add_seconds(60);
    world.assign(AssignTaskInput { deadline: Some(deadline.to_string()), ..order("t-1") });
    assert_eq!(world.task().overdue, Some(false));
    assert_eq!(world.tasks.next_deadline(), Some(deadline));
    assert!(world.tasks.expire(world.now, 10).is_empty());
    world.now = deadline;
    let events = world.tasks.expire(world.now, 10);
    let notice = TaskEvent::from_data(&Tasks::announce(&events[0], world.now)[0].data).unwrap();
    assert_eq!(
        (notice.event, notice.status, notice.overdue),
        (TaskEventEvent::DeadlinePassed, TaskStatus::Created, Some(true))
    );
    world.happen(events);
    assert_eq!(world.tasks.next_deadline(), None);
    world.reports(&[TaskStatus::Processing]);
    world.finish();
    assert_eq!(world.task().overdue, Some(true), "it stays so");
}

#[test]
fn a_decision_after_the_deadline_tells_of_it_first() {
    let mut world = World::new();
    let deadline = world.now.saturating_add_seconds(60);
    world.assign(AssignTaskInput { deadline: Some(deadline.to_string()), ..order("t-1") });
    world.reports(&[TaskStatus::Processing]);
    world.now = deadline;
    world.finish();
    assert_eq!((world.task().overdue, world.task().event_sequence), (Some(true), 4));
}

#[test]
fn a_deadline_that_passes_while_a_task_has_ended_does_not_matter_to_its_rework() {
    let mut world = World::new();
    let deadline = world.now.saturating_add_seconds(60);
    world.assign(AssignTaskInput { deadline: Some(deadline.to_string()), ..order("t-1") });
    world.reports(&[TaskStatus::Processing]);
    world.finish();
    assert_eq!(world.tasks.next_deadline(), None);
    world.verify(ResultVerdict::Rework);
    assert_eq!(world.tasks.next_deadline(), Some(deadline), "rework before the deadline");
    world.finish();
    world.now = deadline;
    world.verify(ResultVerdict::Rework);
    assert_eq!((world.tasks.next_deadline(), world.task().overdue), (None, Some(false)));
}

#[test]
fn a_context_is_for_its_parties() {
    let mut world = started();
    world.assign(AssignTaskInput { from: "ip".into(), to: "field".into(), ..in_context("t-2") });
    world.assign(AssignTaskInput { from: "field".into(), to: "oss".into(), ..in_context("t-3") });
    assert_eq!(world.tasks.context_parties("c-1"), ["field", "ip", "oss"]);
    refused(world.try_assign(AssignTaskInput { from: "spy".into(), ..in_context("t-4") }), "id-in-use");
}

#[test]
fn what_is_under_way_in_a_full_context_can_be_ended() {
    let mut world = started();
    world.limits.context_messages_max = 2;
    refused(world.try_assign(in_context("t-2")), "too-many");
    refused(world.tasks.report(world.now, "t-1", question("Where?"), &world.limits), "too-many");
    refused(world.tasks.suspend(world.now, "t-1", SuspendInput::default(), &world.limits), "too-many");
    world.report(ReportInput { progress: Some(50), ..ReportInput::default() });
    world.finish();
    refused(world.try_verify(ResultVerdict::Rework), "too-many");
    world.verify(ResultVerdict::Accepted);
    assert_eq!(world.messages("c-1").len(), 4);
    world.limits.contexts_max = 1;
    refused(world.try_assign(AssignTaskInput { context: Some("c-2".into()), ..order("t-2") }), "too-many");
}

#[test]
fn progress_alone_is_no_message() {
    let mut world = started();
    world.report(ReportInput { progress: Some(50), ..ReportInput::default() });
    assert_eq!(world.messages("c-1").len(), 2);
    world.report(ReportInput { reason: Some("on site".into()), ..ReportInput::default() });
    assert_eq!(world.messages("c-1")[2].content.as_deref(), Some("processing: on site"));
}

#[test]
fn announcements_are_private_to_the_two_agents() {
    let mut world = World::new();
    let (events, _) = world.try_assign(in_context("t-1")).unwrap();
    let announced = Tasks::announce(&events[0], world.now);
    assert_eq!(announced[0].parties, ["oss", "ip"]);
    let notice = TaskEvent::from_data(&announced[0].data).unwrap();
    assert_eq!(
        (notice.sequence, notice.event, notice.context.as_deref()),
        (1, TaskEventEvent::Created, Some("c-1"))
    );
    world.happen(events);
    world.reports(&[TaskStatus::Processing]);
    let (events, _) = world.tasks.report(world.now, "t-1", question("Where?"), &world.limits).unwrap();
    let notice = TaskEvent::from_data(&Tasks::announce(&events[0], world.now)[0].data).unwrap();
    assert_eq!((notice.sequence, notice.event), (3, TaskEventEvent::InputRequested));
    assert_eq!((notice.previous_status, notice.status), (Some(TaskStatus::Processing), TaskStatus::Blocked));
    assert_eq!(notice.input_request.unwrap().content.as_deref(), Some("Where?"));
}

#[test]
fn queries_find_by_every_condition_in_the_order_of_creation() {
    let mut world = World::new();
    let kind = |kind: &str, input| AssignTaskInput { type_: Some(kind.into()), ..input };
    world.assign(kind("diagnose", in_context("t-1")));
    world.assign(AssignTaskInput { to: "radio".into(), ..order("t-0") });
    world.assign(AssignTaskInput {
        parent: Some("t-1".into()),
        from: "ip".into(),
        to: "field".into(),
        ..order("t-9")
    });
    world.now = world.now.saturating_add_seconds(5);
    world.reports(&[TaskStatus::Processing]);
    let input = QueryTasksInput::default;
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(world.found(input()), ["t-1", "t-0", "t-9"]);
    assert_eq!(world.found(QueryTasksInput { to: names(&["ip"]), ..input() }), ["t-1"]);
    assert_eq!(world.found(QueryTasksInput { to: names(&["field", "ip", "ip"]), ..input() }), ["t-1", "t-9"]);
    assert_eq!(world.found(QueryTasksInput { from: names(&["oss"]), ..input() }), ["t-1", "t-0"]);
    assert_eq!(
        world.found(QueryTasksInput { from: names(&["oss"]), to: names(&["radio"]), ..input() }),
        ["t-0"]
    );
    assert_eq!(world.found(QueryTasksInput { type_: names(&["diagnose", "x"]), ..input() }), ["t-1"]);
    assert_eq!(world.found(QueryTasksInput { status: vec![TaskStatus::Created], ..input() }), ["t-0", "t-9"]);
    assert_eq!(world.found(QueryTasksInput { context: names(&["c-1"]), ..input() }), ["t-1"]);
    assert_eq!(world.found(QueryTasksInput { parent: names(&["t-1"]), ..input() }), ["t-9"]);
    let changed_since = Some(world.now.to_string());
    assert_eq!(world.found(QueryTasksInput { changed_since, ..input() }), ["t-1"]);
    let seen = world.tasks.query(&input(), &world.limits, |task| task.to == "radio").unwrap();
    assert_eq!(seen.task.len(), 1, "what the user may not read is left out");
}

#[test]
fn a_search_goes_on_where_its_cursor_points() {
    let mut world = World::new();
    for number in 0..7 {
        world.assign(order(&format!("t-{number}")));
    }
    let page = |world: &World, cursor: Option<String>| {
        let to = vec!["ip".to_owned(), "radio".to_owned()];
        world.query(QueryTasksInput { to, limit: Some(3), cursor, ..QueryTasksInput::default() }).unwrap()
    };
    let first = page(&world, None);
    assert_eq!(first.task.len(), 3);
    world.assign(order("t-7"));
    let second = page(&world, first.next_cursor);
    let third = page(&world, second.next_cursor);
    let ids: Vec<_> = third.task.iter().map(|task| task.id.as_str()).collect();
    assert_eq!((ids, third.next_cursor), (vec!["t-6", "t-7"], None));
    world.limits.query_scan_max = 2;
    let none = world.tasks.query(&QueryTasksInput::default(), &world.limits, |_| false).unwrap();
    assert_eq!(
        (none.task.len(), none.next_cursor.as_deref()),
        (0, Some("2")),
        "it looks at so many and no more"
    );
    for cursor in ["", "-1", "+1", "01", "x", "99999999999999999999"] {
        refused(
            world.query(QueryTasksInput { cursor: Some(cursor.into()), ..QueryTasksInput::default() }),
            "bad-cursor",
        );
    }
}

#[test]
fn a_cursor_leads_to_another_task_that_its_reader_may_see() {
    let mut world = World::new();
    world.assign(order("own"));
    let to = |executor: &str, id: &str| AssignTaskInput { to: executor.into(), ..order(id) };
    world.assign(to("radio", "private"));
    let one = QueryTasksInput { limit: Some(1), ..QueryTasksInput::default() };
    let part = |world: &World, cursor: Option<String>| {
        let input = QueryTasksInput { cursor, ..one.clone() };
        world.tasks.query(&input, &world.limits, |task| task.to == "ip").unwrap()
    };
    let last = part(&world, None);
    assert_eq!((last.task.len(), last.next_cursor), (1, None), "nothing tells of what is private");
    world.assign(order("later"));
    world.assign(to("radio", "private-too"));
    let later = part(&world, part(&world, None).next_cursor);
    assert_eq!((later.task[0].id.as_str(), later.next_cursor), ("later", None));
}

#[test]
fn what_was_said_is_found_a_part_at_a_time_and_no_cursor_tells_of_what_is_private() {
    let mut world = World::new();
    for (number, context) in ["a", "hidden-1", "hidden-2", "hidden-3", "z"].into_iter().enumerate() {
        world.assign(AssignTaskInput { context: Some(context.into()), ..order(&format!("t-{number}")) });
    }
    world.limits.query_scan_max = 1;
    let visible = |id: &str| !id.starts_with("hidden");
    let part =
        |world: &World, input: &QueryMessagesInput| world.tasks.query_messages(input, &world.limits, visible);
    let all = |world: &World, mut input: QueryMessagesInput| {
        let (mut found, mut cursors) = (Vec::new(), Vec::new());
        loop {
            let output = part(world, &input).unwrap();
            found.extend(output.message.into_iter().map(|message| message.context));
            input.cursor = output.next_cursor;
            let Some(cursor) = &input.cursor else { return (found, cursors) };
            assert!(!cursors.contains(cursor) && cursors.len() < 20, "{cursors:?}");
            cursors.push(cursor.clone());
        }
    };
    let (found, cursors) = all(&world, QueryMessagesInput::default());
    assert_eq!(found, ["a", "z"]);
    assert_eq!(cursors, ["1+1 a", "1+2 a", "1+3 a", "1+4 a"]);
    for cursor in ["1 hidden-2", "1+1 hidden-2", "1+1 b", "1", "0 a", "1+ a", "+1 a", "x a"] {
        let input = QueryMessagesInput { cursor: Some(cursor.into()), ..QueryMessagesInput::default() };
        refused(part(&world, &input), "bad-cursor");
    }
    // Of contexts that are named no others are looked at.
    let named = ["z", "a", "z", "b"].map(str::to_owned).to_vec();
    let (found, cursors) =
        all(&world, QueryMessagesInput { context: named, ..QueryMessagesInput::default() });
    assert_eq!((found, cursors), (vec!["a".to_owned(), "z".to_owned()], vec!["1+1 a".to_owned()]));
}

#[test]
fn an_answer_with_messages_is_no_longer_than_it_has_to_be() {
    let mut world = World::new();
    for number in 0..4 {
        let content = Some("x".repeat(600_000));
        world.assign(AssignTaskInput { content, ..in_context(&format!("t-{number}")) });
    }
    let query = |cursor| {
        let input = QueryMessagesInput { cursor, ..QueryMessagesInput::default() };
        let output = world.tasks.query_messages(&input, &world.limits, |_| true).unwrap();
        (output.message.len(), output.next_cursor)
    };
    assert_eq!(query(None), (2, Some("3 c-1".to_owned())));
    assert_eq!(query(Some("3 c-1".to_owned())), (2, None));
}

#[test]
fn ended_tasks_make_room_and_open_ones_do_not() {
    let mut world = World::new();
    world.limits.tasks_max = 2;
    world.assign(order("t-1"));
    world.assign(order("t-2"));
    refused(world.try_assign(order("t-3")), "too-many");
    world.cancel();
    refused(world.try_assign(AssignTaskInput { parent: Some("t-1".into()), ..order("t-3") }), "task-ended");
    world.assign(order("t-3"));
    assert_eq!(world.found(QueryTasksInput::default()), ["t-2", "t-3"]);
    assert_eq!(world.tasks.get("t-1"), None);
    world.limits.tasks_max = 10;
    world.limits.tasks_open_max = 2;
    refused(world.try_assign(order("t-4")), "too-many");
    world.assign(AssignTaskInput { from: "noc".into(), ..order("t-4") });
}

#[test]
fn who_assigns_many_has_its_own_tasks_forgotten_first() {
    let mut world = World::new();
    world.limits.tasks_max = 2;
    world.assign(order("t-1"));
    world.cancel();
    let of_noc = |id: &str| AssignTaskInput { from: "noc".into(), parent: None, ..order(id) };
    world.assign(of_noc("t-2"));
    let decided = world.tasks.cancel(world.now, "t-2", CancelInput::default(), &world.limits);
    world.done(decided);
    world.assign(of_noc("t-3"));
    assert!(world.tasks.contains("t-1") && !world.tasks.contains("t-2"));
}

#[test]
fn the_history_keeps_its_newest_changes() {
    let mut world = started();
    for _ in 0..crate::limits::TASK_HISTORY_MAX {
        world.reports(&[TaskStatus::Blocked, TaskStatus::Processing]);
    }
    let changes = &world.task().history.change;
    assert_eq!(changes.len(), crate::limits::TASK_HISTORY_MAX);
    let last = u32::try_from(2 + 2 * crate::limits::TASK_HISTORY_MAX).unwrap();
    assert_eq!(changes.last().map(|change| change.number), Some(last));
}

#[test]
fn entries_carry_the_revision_that_touched_them() {
    let mut world = started();
    world.assign(order("t-2"));
    world.report(ReportInput { progress: Some(5), ..ReportInput::default() });
    let revision = |list: std::sync::Arc<dyn crate::yang::tree::StateList>, id| {
        list.get(&Key::string(id)).unwrap().revision
    };
    assert_eq!(revision(world.tasks.tasks(), "t-1"), 4);
    assert_eq!(revision(world.tasks.tasks(), "t-2"), 3);
    assert_eq!(revision(world.tasks.contexts(), "c-1"), 2);
    assert_eq!(world.tasks.revision(), 4);
    let ids: Vec<_> =
        world.tasks.tasks().after(Some(&Key::string("t-1")), 9).into_iter().map(|(key, _)| key).collect();
    assert_eq!(ids, [Key::string("t-2")]);
}
