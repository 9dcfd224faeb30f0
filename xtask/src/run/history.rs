//! How long each step of an execution took.

use super::gathered::Event;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// A state of the machine, with all the times that it was entered.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Step {
    pub(super) state: String,
    /// `Task`, `Parallel`, `Choice`, `Wait`, …
    pub(super) kind: String,
    /// How often it was entered.
    pub(super) times: usize,
    /// When it was first entered.
    pub(super) started_at: Timestamp,
    /// From entering to leaving the state, summed over all times.
    pub(super) duration_ms: i64,
    /// How many tasks were started in it, repeated tries included. For a Parallel, the tasks that the history
    /// does not assign to a state of its branches: in the emulator's history all of them, in that of AWS
    /// none.
    pub(super) tasks: usize,
    /// How often tasks failed, by error.
    pub(super) failures: BTreeMap<String, usize>,
    /// Whether it has not been left yet.
    pub(super) is_open: bool,
}

impl Step {
    /// Whether the state does something that takes time, and does not only decide or reshape.
    pub(super) fn takes_time(&self) -> bool {
        matches!(&*self.kind, "Task" | "Parallel" | "Map" | "Wait")
    }
}

/// One visit to a state.
struct Visit<'a> {
    state: &'a str,
    kind: &'a str,
    entered_at: Timestamp,
    left_at: Option<Timestamp>,
    tasks: usize,
    errors: Vec<&'a str>,
}

/// Returns the steps in the order in which they were first entered. A state that was not left lasts until
/// `end`.
pub(super) fn steps(events: &[Event], end: Timestamp) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for visit in visits(events) {
        let index = steps.iter().position(|step| step.state == visit.state).unwrap_or_else(|| {
            steps.push(Step {
                state: visit.state.to_owned(),
                kind: visit.kind.to_owned(),
                times: 0,
                started_at: visit.entered_at,
                duration_ms: 0,
                tasks: 0,
                failures: BTreeMap::new(),
                is_open: false,
            });
            steps.len() - 1
        });
        let step = &mut steps[index];
        step.times += 1;
        // The emulator goes on with a task even when its execution was stopped.
        let left_at = visit.left_at.unwrap_or(end).min(end);
        step.duration_ms += left_at.as_millisecond() - visit.entered_at.as_millisecond();
        step.tasks += visit.tasks;
        step.is_open |= visit.left_at.is_none();
        for error in visit.errors {
            *step.failures.entry(error.to_owned()).or_default() += 1;
        }
    }
    steps
}

fn visits(events: &[Event]) -> Vec<Visit<'_>> {
    let mut visits: Vec<Visit> = Vec::new();
    // The visit of each event, by the event's id.
    let mut owners: HashMap<u64, usize> = HashMap::new();
    for event in events {
        if let (Some(kind), Some(state)) = (event.kind.strip_suffix("StateEntered"), &event.state) {
            owners.insert(event.id, visits.len());
            visits.push(Visit {
                state,
                kind,
                entered_at: event.at,
                left_at: None,
                tasks: 0,
                errors: Vec::new(),
            });
            continue;
        }
        let is_open = |visit: &Visit| visit.left_at.is_none();
        if let (true, Some(state)) = (event.kind.ends_with("StateExited"), &event.state) {
            // A state's name is unique in the whole machine, so this finds the right one in a Parallel as
            // well.
            if let Some(index) = visits.iter().position(|visit| is_open(visit) && visit.state == *state) {
                visits[index].left_at = Some(event.at);
                if visits[index].kind == "Parallel" {
                    close(&mut visits[index + 1..], event.at);
                }
            }
            continue;
        }
        let followed = event.previous.and_then(|previous| owners.get(&previous).copied());
        if let Some((kind, is_left)) = end_without_exit(&event.kind) {
            let of_kind = |visit: &Visit| visit.kind == kind;
            let ended = followed
                .filter(|&index| of_kind(&visits[index]))
                .or_else(|| visits.iter().rposition(|visit| of_kind(visit) && is_open(visit)));
            if let Some(index) = ended {
                owners.insert(event.id, index);
                let inside = if kind == "Parallel" { visits.len() } else { index + 1 };
                let first = if is_left { index } else { index + 1 };
                close(&mut visits[first..inside], event.at);
            }
            continue;
        }
        let Some(owner) = followed.or_else(|| visits.iter().rposition(is_open)) else { continue };
        owners.insert(event.id, owner);
        let visit = &mut visits[owner];
        match &*event.kind {
            "TaskScheduled" | "LambdaFunctionScheduled" => visit.tasks += 1,
            kind if kind.starts_with("Execution") => {}
            _ => visit.errors.extend(event.error.as_deref()),
        }
    }
    visits
}

/// Returns the kind of a state that ends with this event, and whether the state is left with it. Such events
/// do not name their state. A Parallel that failed is left later: it may be tried again, and an exit follows
/// when it was caught.
fn end_without_exit(event: &str) -> Option<(&str, bool)> {
    match event.strip_suffix("StateAborted") {
        Some(kind) => Some((kind, true)),
        None => (event == "ParallelStateFailed").then_some(("Parallel", false)),
    }
}

/// Closes what is still open of these. After a Parallel's end nothing goes on in its branches. No machine has
/// a Parallel inside another, so all that was entered after it is in its branches.
fn close(visits: &mut [Visit<'_>], at: Timestamp) {
    for visit in visits {
        visit.left_at.get_or_insert(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    /// Makes an event from its id, previous event, time, type, and the state or error.
    fn event(id: u64, previous: u64, ms: i64, kind: &str, name: &str) -> Event {
        let is_about_a_state = kind.contains("State");
        let name = (!name.is_empty()).then(|| name.to_owned());
        Event {
            id,
            previous: (previous > 0).then_some(previous),
            at: at(ms),
            kind: kind.to_owned(),
            state: name.clone().filter(|_| is_about_a_state),
            error: name.filter(|_| !is_about_a_state),
        }
    }

    fn told(steps: &[Step]) -> Vec<(&str, usize, i64, usize)> {
        steps.iter().map(|step| (&*step.state, step.times, step.duration_ms, step.tasks)).collect()
    }

    #[test]
    fn branches_are_told_apart_by_what_their_events_follow() {
        let events = [
            event(1, 0, 0, "ExecutionStarted", ""),
            event(2, 1, 10, "ParallelStateEntered", "Scrape"),
            event(3, 2, 10, "ParallelStateStarted", ""),
            event(4, 3, 20, "TaskStateEntered", "Scrape Profile"),
            event(5, 3, 20, "TaskStateEntered", "Scrape Posts"),
            event(6, 4, 30, "TaskScheduled", ""),
            event(7, 5, 30, "TaskScheduled", ""),
            event(8, 6, 530, "TaskFailed", "ApifyBusy"),
            event(9, 8, 700, "TaskScheduled", ""),
            event(10, 7, 800, "TaskSucceeded", ""),
            event(11, 10, 810, "TaskStateExited", "Scrape Posts"),
            event(12, 9, 900, "TaskSucceeded", ""),
            event(13, 12, 910, "TaskStateExited", "Scrape Profile"),
            event(14, 13, 920, "ParallelStateExited", "Scrape"),
            event(15, 14, 920, "ChoiceStateEntered", "Choose"),
            event(16, 15, 921, "ChoiceStateExited", "Choose"),
        ];
        let steps = steps(&events, at(5_000));
        assert_eq!(
            told(&steps),
            [
                ("Scrape", 1, 910, 0),
                ("Scrape Profile", 1, 890, 2),
                ("Scrape Posts", 1, 790, 1),
                ("Choose", 1, 1, 0)
            ]
        );
        assert_eq!(steps[1].failures, BTreeMap::from([("ApifyBusy".to_owned(), 1)]));
        assert!(steps.iter().all(|step| !step.is_open && step.failures.len() <= 1));
        assert_eq!(steps.iter().map(Step::takes_time).collect::<Vec<_>>(), [true, true, true, false]);
    }

    /// A branch fails at 500 ms. AWS writes no exit for the states in the branches.
    #[test]
    fn what_is_in_a_failed_parallel_lasts_until_its_end() {
        let begun = [
            event(1, 0, 0, "ExecutionStarted", ""),
            event(2, 1, 10, "ParallelStateEntered", "Scrape"),
            event(3, 2, 10, "ParallelStateStarted", ""),
            event(4, 3, 20, "TaskStateEntered", "Scrape Profile"),
            event(5, 3, 20, "WaitStateEntered", "Wait"),
            event(6, 3, 20, "TaskStateEntered", "Scrape Posts"),
            event(7, 4, 30, "TaskScheduled", ""),
            event(8, 6, 30, "TaskScheduled", ""),
            event(9, 7, 500, "TaskFailed", "ProfilePrivate"),
        ];
        let caught = [
            event(10, 5, 500, "WaitStateAborted", ""),
            event(11, 8, 510, "TaskStateAborted", ""),
            event(12, 9, 520, "ParallelStateFailed", ""),
            event(13, 12, 530, "ParallelStateExited", "Scrape"),
            event(14, 13, 530, "TaskStateEntered", "Refund Credits"),
            event(15, 14, 900, "TaskStateExited", "Refund Credits"),
            event(16, 15, 900, "FailStateEntered", "Run Failed"),
        ];
        let times = |rest: &[Event]| {
            let events: Vec<Event> = begun.iter().chain(rest).cloned().collect();
            let steps = steps(&events, at(5_000));
            let open: Vec<String> =
                steps.iter().filter(|step| step.is_open).map(|step| step.state.clone()).collect();
            let times: Vec<i64> = steps.iter().map(|step| step.duration_ms).collect();
            (times, open)
        };
        let last = vec!["Run Failed".to_owned()];
        assert_eq!(times(&caught), (vec![520, 500, 480, 490, 370, 4_100], last.clone()));
        // The exit alone says enough.
        assert_eq!(times(&caught[3..]), (vec![520, 510, 510, 510, 370, 4_100], last));
        // The next try of a failed Parallel belongs to it.
        let again = [caught[2].clone(), event(13, 12, 600, "TaskStateEntered", "Scrape Profile")];
        let open = vec!["Scrape".to_owned(), "Scrape Profile".to_owned()];
        assert_eq!(times(&again), (vec![4_990, 500 + 4_400, 500, 500], open));
        // The execution was stopped.
        let aborted =
            [event(10, 8, 600, "TaskStateAborted", ""), event(11, 3, 610, "ParallelStateAborted", "")];
        assert_eq!(times(&aborted), (vec![600, 590, 590, 580], vec![]));
    }

    #[test]
    fn in_the_emulators_history_tasks_belong_to_the_state_that_is_open() {
        let events = [
            event(1, 0, 0, "ExecutionStarted", ""),
            event(2, 0, 5, "ParallelStateEntered", "Analyze"),
            event(3, 0, 6, "TaskScheduled", ""),
            event(4, 0, 6, "TaskScheduled", ""),
            event(5, 0, 90, "TaskFailed", "AiUnavailable"),
            event(6, 0, 100, "TaskSucceeded", ""),
            event(7, 0, 100, "ParallelStateExited", "Analyze"),
            event(8, 0, 100, "FailStateEntered", "Run Failed"),
            event(9, 0, 100, "ExecutionFailed", "AiUnavailable"),
        ];
        let steps = steps(&events, at(100));
        assert_eq!(told(&steps), [("Analyze", 1, 95, 2), ("Run Failed", 1, 0, 0)]);
        assert_eq!(steps[0].failures, BTreeMap::from([("AiUnavailable".to_owned(), 1)]));
        assert!(steps[1].failures.is_empty(), "how the execution ended is no task's");
    }

    #[test]
    fn a_loop_is_one_step_and_what_is_open_lasts_until_now() {
        let events = [
            event(1, 0, 0, "ExecutionStarted", ""),
            event(2, 1, 0, "TaskStateEntered", "Look"),
            event(3, 2, 100, "TaskStateExited", "Look"),
            event(4, 3, 100, "WaitStateEntered", "Wait"),
            event(5, 4, 2_100, "WaitStateExited", "Wait"),
            event(6, 5, 2_100, "TaskStateEntered", "Look"),
            event(7, 6, 2_101, "TaskScheduled", ""),
        ];
        let steps = steps(&events, at(3_000));
        assert_eq!(told(&steps), [("Look", 2, 1_000, 1), ("Wait", 1, 2_000, 0)]);
        assert!(steps[0].is_open && !steps[1].is_open);
        assert_eq!(steps[0].started_at, at(0));
        assert!(super::steps(&[], at(0)).is_empty());
    }
}
