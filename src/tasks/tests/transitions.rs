//! Every status with every operation: what is legal happens, all else is refused and changes nothing.

use super::*;

/// The operations that change the status of a task, or keep it, by the status that they lead to.
const LEGAL: &str = "
    created:    report created, report processing, report failed, report rejected, cancel cancelled
    processing: report processing, report blocked, report finished, report failed, suspend suspended, cancel cancelled
    blocked:    report blocked, report processing, report failed, answer processing, suspend suspended, cancel cancelled
    suspended:  report suspended, report failed, answer suspended, resume processing, cancel cancelled
    finished:   accept finished, reject finished, rework processing
    failed:
    cancelled:
    rejected:";

/// The task `t-1` in a status, with an open request for input where there can be one.
fn in_status(status: TaskStatus) -> World {
    use TaskStatus::{Blocked, Cancelled, Created, Failed, Finished, Processing, Rejected, Suspended};
    let mut world = World::new();
    world.assign(in_context("t-1"));
    match status {
        Created => {}
        Rejected => world.reports(&[Rejected]),
        Processing => world.reports(&[Processing]),
        Failed => world.reports(&[Processing, Failed]),
        Cancelled => drop(world.cancel()),
        Finished => {
            world.reports(&[Processing]);
            world.finish();
        }
        Blocked | Suspended => {
            world.reports(&[Processing]);
            world.report(question("which?"));
        }
    }
    if status == Suspended {
        let decided = world.tasks.suspend(world.now, "t-1", SuspendInput::default(), &world.limits);
        world.done(decided);
    }
    assert_eq!(world.task().status, status);
    world
}

/// Tries an operation that leads to a status: the facts, if it is carried out.
fn tried(world: &World, operation: &str, to: TaskStatus) -> Result<Vec<Event>, Error> {
    let (tasks, now, limits) = (&world.tasks, world.now, &world.limits);
    let verify =
        |verdict| tasks.verify(now, "t-1", VerifyInput { verdict, comment: None }, limits).map(|d| d.0);
    match operation {
        "report" => {
            let input = match to {
                TaskStatus::Finished => finished("done"),
                other => ReportInput { reason: Some("so".into()), ..status_report(other) },
            };
            tasks.report(now, "t-1", input, limits).map(|d| d.0)
        }
        "answer" => {
            let input = AnswerInput { content: Some("this".into()), ..AnswerInput::new(1) };
            tasks.answer(now, "t-1", input, limits).map(|d| d.0)
        }
        "cancel" => tasks.cancel(now, "t-1", CancelInput::default(), limits).map(|d| d.0),
        "suspend" => tasks.suspend(now, "t-1", SuspendInput::default(), limits).map(|d| d.0),
        "resume" => tasks.resume(now, "t-1", limits).map(|d| d.0),
        "accept" => verify(ResultVerdict::Accepted),
        "reject" => verify(ResultVerdict::Rejected),
        "rework" => verify(ResultVerdict::Rework),
        other => panic!("no operation {other}"),
    }
}

#[test]
fn every_operation_in_every_status_does_what_the_table_says() {
    let line = |status: TaskStatus| {
        let mut lines = LEGAL.lines().filter_map(|line| line.trim().split_once(':'));
        let (_, legal) = lines.find(|(name, _)| *name == status.as_str()).unwrap();
        legal.split(',').map(str::trim).filter(|one| !one.is_empty()).collect::<Vec<_>>()
    };
    let operations = ["report", "answer", "cancel", "suspend", "resume", "accept", "reject", "rework"];
    let mut carried_out = 0;
    for from in TaskStatus::ALL.iter().copied() {
        for operation in operations {
            let legal: Vec<&str> = line(from)
                .into_iter()
                .filter_map(|one| one.strip_prefix(operation)?.strip_prefix(' '))
                .collect();
            // What a report leads to is said in it, and what the others lead to is not.
            let targets: Vec<TaskStatus> = match operation {
                "report" => TaskStatus::ALL.to_vec(),
                _ => vec![TaskStatus::Created],
            };
            for to in targets {
                let mut world = in_status(from);
                let what = format!("{operation} to {} in {}", to.as_str(), from.as_str());
                let is_legal =
                    if operation == "report" { legal.contains(&to.as_str()) } else { !legal.is_empty() };
                match tried(&world, operation, to) {
                    Ok(events) => {
                        assert!(is_legal && !events.is_empty(), "{what}");
                        world.happen(events);
                        let expected = if operation == "report" { to.as_str() } else { legal[0] };
                        assert_eq!(world.task().status.as_str(), expected, "{what}");
                        carried_out += 1;
                    }
                    Err(error) => {
                        assert!(!is_legal, "{what}: {error}");
                        let ended = ["finished", "failed", "cancelled", "rejected"].contains(&from.as_str());
                        let app_tag = match operation {
                            "report" if ended => "task-ended",
                            // Nothing was asked then.
                            "answer" if !matches!(from, TaskStatus::Blocked | TaskStatus::Suspended) => {
                                "unknown-reference"
                            }
                            _ => "bad-transition",
                        };
                        assert_eq!(error.app_tag.as_deref(), Some(app_tag), "{what}");
                        let tag = match app_tag {
                            "unknown-reference" => crate::yang::error::Tag::DataMissing,
                            _ => crate::yang::error::Tag::OperationFailed,
                        };
                        assert_eq!(error.tag, tag, "{what}");
                    }
                }
            }
        }
    }
    let legal = LEGAL.lines().filter_map(|line| line.split_once(':')).flat_map(|(_, all)| all.split(','));
    assert_eq!(carried_out, legal.filter(|one| !one.trim().is_empty()).count());
}
