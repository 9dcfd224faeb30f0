//! State machines: nothing hangs, nothing is given up too early, nothing is lost, nothing takes a detour.

use crate::{
    declared::{MachineInput, StageInput},
    files::{list, map, string},
    none,
    state_machine::{StateMachine, Task},
    template::{Resource, Template, target},
};
use oslira_domain::{Cached, Code, Tier};
use oslira_scraping::RunKind;
use std::collections::BTreeSet;

/// What the platform itself may do to any task; none of it is the run's fault.
const PLATFORM_ERRORS: [&str; 9] = [
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "States.Timeout",
];

/// The function that a task calls.
fn called<'a>(template: &'a Template, machine: &StateMachine, task: &Task<'_>) -> Option<Resource<'a>> {
    let substitutions = &machine.resource(template).properties["DefinitionSubstitutions"];
    target(&substitutions[task.placeholder()]).and_then(|name| template.resource(name))
}

/// The way of a run through the machine of accounts' analyses.
#[derive(Clone, Copy)]
struct Way {
    tier: Tier,
    profile: Cached,
    posts: Cached,
    is_stopped: bool,
}

impl Way {
    /// Of a run that finds nothing in the cache of what its tier reads.
    fn cold(tier: Tier) -> Self {
        let posts = if tier.needs_more_posts() { Cached::Miss } else { Cached::Unneeded };
        Self { tier, profile: Cached::Miss, posts, is_stopped: false }
    }

    /// Of a run that finds all of it.
    fn cached(tier: Tier) -> Self {
        let posts = if tier.needs_more_posts() { Cached::Hit } else { Cached::Unneeded };
        Self { tier, profile: Cached::Hit, posts, is_stopped: false }
    }

    /// What the machine's variables are on it.
    fn variables(self) -> Vec<(&'static str, &'static str)> {
        let text = |is: bool| if is { "true" } else { "false" };
        let of_cache = |cached| match cached {
            Cached::Hit => "hit",
            Cached::Miss => "miss",
            Cached::Unneeded => "unneeded",
        };
        let needs_scrape = self.profile == Cached::Miss || self.posts == Cached::Miss;
        let mut variables = vec![
            ("$run.tier", self.tier.as_str()),
            ("$source.cacheHit", text(!needs_scrape)),
            ("$source.profile", of_cache(self.profile)),
            ("$source.posts", of_cache(self.posts)),
            ("$source.isStopped", text(self.is_stopped)),
        ];
        if self.is_stopped {
            variables.push(("$states.input.status", "cancelled"));
        }
        variables
    }
}

/// The names of tasks, to compare.
fn names<'a>(tasks: &[Task<'a>]) -> Vec<&'a str> {
    tasks.iter().map(|task| task.name).collect()
}

/// Runs a check over every task of every state machine.
fn every_task(check: impl Fn(&Task<'_>) -> Vec<String>) {
    let machines = StateMachine::all();
    let tasks: Vec<Task<'_>> = machines.iter().flat_map(StateMachine::tasks).collect();
    assert!(!tasks.is_empty(), "there are no tasks in statemachines/");
    none(tasks.iter().flat_map(|task| {
        check(task).into_iter().map(|problem| format!("{}: {problem}", task.name)).collect::<Vec<_>>()
    }));
}

#[test]
fn every_task_is_retried_when_the_platform_fails_it() {
    every_task(|task| {
        let retried: BTreeSet<&str> = task.retried().collect();
        let missing: Vec<&str> = if retried.contains("States.ALL") {
            Vec::new()
        } else {
            PLATFORM_ERRORS.into_iter().filter(|name| !retried.contains(name)).collect()
        };
        if missing.is_empty() {
            Vec::new()
        } else {
            vec![format!("its Retry must name {}", missing.join(", "))]
        }
    });
}

#[test]
fn every_failure_ends_in_the_machines_last_step() {
    let template = Template::read();
    none(StateMachine::all().iter().flat_map(|machine| {
        let (name, last) = (&machine.name, machine.resource(&template).machine().last_step);
        let tasks = machine.tasks();
        assert!(
            tasks.iter().any(|task| task.name == last),
            "{name} has no task {last:?}, which the template's Metadata says is its LastStep"
        );
        let loose = tasks.into_iter().filter(|task| task.name != last && task.after_any_error() != Some(&last));
        loose
            .map(|task| {
                let state = task.name;
                format!("{name}, {state}: it, or the Parallel it is in, must catch States.ALL and go on to {last:?}")
            })
            .collect::<Vec<_>>()
    }));
}

#[test]
fn a_function_is_tried_as_often_in_every_machine() {
    let machines = StateMachine::all();
    let tasks: Vec<Task<'_>> = machines.iter().flat_map(StateMachine::tasks).collect();
    none(tasks.iter().filter_map(|task| {
        let first = tasks.iter().find(|other| other.placeholder() == task.placeholder())?;
        let same = ["Retry", "TimeoutSeconds"].iter().all(|part| first.state[part] == task.state[part]);
        (!same).then(|| {
            format!(
                "{}: give it the Retry and TimeoutSeconds of {}, which calls the same function",
                task.name, first.name
            )
        })
    }));
}

#[test]
fn a_run_between_two_tries_of_a_scrape_is_still_believed_to_wait() {
    let believed = oslira_scraping::WAITER_BELIEVED.as_secs_f64();
    let machines = StateMachine::all();
    let mut scrapes: Vec<Task<'_>> = machines.iter().flat_map(StateMachine::tasks).collect();
    scrapes.retain(Task::is_scrape);
    assert!(!scrapes.is_empty(), "no task retries ScrapeUnderWay");
    // The way there and back, with a start of the Lambda.
    let late = scrapes.iter().filter(|task| task.longest_pause() + 5.0 > believed);
    none(late.map(|task| {
        let pause = task.longest_pause();
        format!("{}: it pauses for {pause} s, and WAITER_BELIEVED must be 5 s more: {believed} s", task.name)
    }));
}

#[test]
fn a_run_waits_for_its_accounts_share_half_an_hour() {
    let machines = StateMachine::all();
    let tasks: Vec<Task<'_>> = machines.iter().flat_map(StateMachine::tasks).collect();
    none(tasks.iter().flat_map(|task| {
        let retries = list(&task.state["Retry"]);
        let waits = retries.filter(|retry| list(&retry["ErrorEquals"]).any(|name| name == Code::ShareTaken.as_str()));
        waits.filter_map(|retry| {
            if retry["BackoffRate"] != 1 || retry["JitterStrategy"] != "FULL" {
                return Some(format!("{}: its Retry of ShareTaken must have BackoffRate 1 and JitterStrategy FULL", task.name));
            }
            // With full jitter a pause is half as long, and so is the one before a scraper's second look.
            let inside = if task.is_scrape() { oslira_scraping::SECOND_LOOK.as_secs_f64() / 2.0 } else { 0.0 };
            let number = |name: &str| retry[name].as_f64().unwrap_or(0.0);
            let seconds = number("MaxAttempts") * (number("IntervalSeconds") / 2.0 + inside);
            (seconds != 1_800.0).then(|| {
                format!(
                    "{}: change the IntervalSeconds or MaxAttempts of its Retry of ShareTaken: errors.md promises 1,800 s, and it waits {seconds} s",
                    task.name
                )
            })
        }).collect::<Vec<_>>()
    }));
}

#[test]
fn a_cancelled_run_leaves_all_that_is_scraped_for_it() {
    let machines = StateMachine::all();
    let tasks = machines.iter().flat_map(StateMachine::tasks);
    let in_branches = tasks.filter(|task| task.outermost != task.state);
    let scrapes: Vec<_> = in_branches.filter(Task::is_scrape).collect();
    assert!(!scrapes.is_empty(), "no scrapes are side by side");
    let problems = scrapes.iter().filter_map(|task| {
        let caught: BTreeSet<&str> = task.caught().collect();
        let is_told = list(&task.state["Catch"]).all(|catch| string(&catch["Output"]).contains("'isStopped': true"));
        (!is_told || caught != BTreeSet::from(["RunCancelled", "RunSettled"])).then(|| {
            format!(
                "{}: it must catch RunCancelled and RunSettled, or the other branch is stopped, and put out isStopped",
                task.name
            )
        })
    });
    none(problems.collect::<Vec<_>>());

    let machine = StateMachine::beginning_with(MachineInput::Analysis);
    let stopped = Way { is_stopped: true, ..Way::cold(Tier::Deep) };
    assert_eq!(
        names(&machine.tasks_on_the_way(&stopped.variables())),
        ["Check Profile Cache", "Scrape Profile", "Scrape Posts", "Refund Credits"],
        "the way of a run that is cancelled while it is scraped for"
    );
}

#[test]
fn every_task_outlives_its_function() {
    let template = Template::read();
    let machines = StateMachine::all();
    none(machines.iter().flat_map(|machine| {
        let template = &template;
        machine.tasks().into_iter().filter_map(move |task| {
            let Some(function) = called(template, machine, &task) else {
                return Some(format!(
                    "{}: its DefinitionSubstitutions must have a function of the template as {}",
                    machine.name,
                    task.placeholder()
                ));
            };
            let (limit, timeout) = (task.state["TimeoutSeconds"].as_u64(), template.timeout(function));
            (limit.is_none_or(|limit| limit <= timeout)).then(|| {
                format!(
                    "{}: its TimeoutSeconds must be more than the {timeout} s of {}",
                    task.name, function.name
                )
            })
        })
    }));
}

#[test]
fn a_state_machine_may_call_the_functions_it_names_and_no_other() {
    let template = Template::read();
    none(StateMachine::all().iter().flat_map(|machine| {
        let resource = machine.resource(&template);
        let tasks = machine.tasks();
        let used: BTreeSet<&str> = tasks.iter().map(Task::placeholder).collect();
        let given: BTreeSet<&str> =
            map(&resource.properties["DefinitionSubstitutions"]).map(|(name, _)| name).collect();
        let substitutions = used.symmetric_difference(&given).map(|name| {
            format!(
                "{}: ${{{name}}} must be both used in its definition and in DefinitionSubstitutions",
                machine.name
            )
        });
        let named: BTreeSet<&str> = map(&resource.properties["DefinitionSubstitutions"])
            .filter_map(|(_, function)| target(function))
            .collect();
        let may: BTreeSet<&str> = resource.may("lambda:InvokeFunction").collect();
        let permissions = named.symmetric_difference(&may).map(|name| {
            format!("{}: lambda:InvokeFunction and the functions it names differ in {name}", machine.name)
        });
        substitutions.chain(permissions).collect::<Vec<_>>()
    }));
}

#[test]
fn a_task_passes_what_its_function_says_that_it_gets() {
    let template = Template::read();
    none(StateMachine::all().iter().flat_map(|machine| {
        let tasks = machine.tasks().into_iter();
        let problem = |task: Task<'_>| {
            let function = called(&template, machine, &task)?;
            let said = function.function().input?;
            (task.input() != Some(said)).then(|| {
                format!(
                    "{}, {}: the Metadata of {} says Input: {said:?}, so its Payload must be {}",
                    machine.name,
                    task.name,
                    function.name,
                    match said {
                        StageInput::Execution =>
                            "$states.input, $merge([$states.input, …]) or $merge([$run, …])",
                        StageInput::Failure =>
                            "{'executionName': $states.context.Execution.Name, 'error': …}",
                    }
                )
            })
        };
        tasks.filter_map(problem).collect::<Vec<_>>()
    }));
}

#[test]
fn a_tier_runs_its_ai_tasks_and_no_other() {
    let machine = StateMachine::beginning_with(MachineInput::Analysis);
    for tier in Tier::ALL {
        let on_the_way = machine.tasks_on_the_way(&Way::cached(tier).variables());
        let mut run: Vec<&str> = on_the_way.iter().filter_map(|task| task.passes("task")).collect();
        let mut wanted: Vec<&str> = tier.tasks().iter().map(|task| task.as_str()).collect();
        run.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(
            run, wanted,
            "what statemachines/analysis.asl.json runs for a {tier} analysis, and what oslira_domain::Tier::tasks() says"
        );
    }
}

#[test]
fn an_anonymous_analysis_takes_no_detour() {
    let machine = StateMachine::beginning_with(MachineInput::AnonymousAnalysis);
    let way = |hit| names(&machine.tasks_on_the_way(&[("$source.cacheHit", hit)]));
    assert_eq!(way("false"), ["Check Profile Cache", "Scrape Profile", "Score Profile"], "with a cold cache");
    assert_eq!(way("true"), ["Check Profile Cache", "Score Profile"], "with a cached profile");
}

#[test]
fn a_refresh_check_scrapes_a_profile_alone_and_takes_a_missing_one_for_an_answer() {
    let machine = StateMachine::beginning_with(MachineInput::RefreshCheck);
    let way = machine.tasks_on_the_way(&[]);
    assert_eq!(names(&way), ["Scrape Profile", "Answer Check"], "the way of a check");
    let scrape = way.first().expect("the scrape");
    assert_eq!((scrape.passes("want"), scrape.passes("runKind")), (Some("profiles"), Some("single")));
    let answers = list(&scrape.state["Catch"]).find(|catch| catch["Next"] == "Answer Check");
    let answers: BTreeSet<&str> =
        answers.into_iter().flat_map(|catch| list(&catch["ErrorEquals"])).map(string).collect();
    assert_eq!(answers, BTreeSet::from(["ProfileNotFound", "ProfilePrivate"]), "what a check answers");
}

#[test]
fn anonymous_runs_and_no_others_scrape_as_such() {
    let template = Template::read();
    none(StateMachine::all().iter().flat_map(|machine| {
        let is_anonymous = !machine.resource(&template).machine().input.has_account();
        let scrapes = machine.tasks().into_iter().filter(Task::is_scrape);
        let problem = |task: Task<'_>| {
            let kind = task.passes("runKind").map(|kind| serde_json::from_value::<RunKind>(kind.into()));
            let kind = kind.and_then(Result::ok);
            let is_right = kind.is_some_and(|kind| (kind == RunKind::Anonymous) == is_anonymous);
            (!is_right).then(|| {
                format!(
                    "{}, {}: its runKind must be {}: anonymous runs leave seven slots to accounts",
                    machine.name,
                    task.name,
                    if is_anonymous { "anonymous" } else { "an account's" }
                )
            })
        };
        scrapes.filter_map(problem).collect::<Vec<_>>()
    }));
}

#[test]
fn a_tier_scrapes_what_it_reads_and_the_cache_lacks() {
    let machine = StateMachine::beginning_with(MachineInput::Analysis);
    let scrapes = |way: Way| {
        let mut tasks = machine.tasks_on_the_way(&way.variables());
        tasks.retain(Task::is_scrape);
        names(&tasks)
    };
    for tier in Tier::ALL {
        assert_eq!(scrapes(Way::cached(tier)), Vec::<&str>::new(), "{tier} with all of it in the cache");
    }
    assert_eq!(scrapes(Way::cold(Tier::Light)), ["Scrape Profile"], "light with a cold cache");
    assert_eq!(scrapes(Way::cold(Tier::Deep)), ["Scrape Profile", "Scrape Posts"], "deep with a cold cache");
    let posts_alone = Way { profile: Cached::Hit, ..Way::cold(Tier::Xray) };
    assert_eq!(scrapes(posts_alone), ["Scrape Posts"], "xray with a cached profile");
}

#[test]
fn an_analysis_takes_no_detour() {
    let machine = StateMachine::beginning_with(MachineInput::Analysis);
    for tier in Tier::ALL {
        let cold = machine.hops(&Way::cold(tier).variables());
        let cached = machine.hops(&Way::cached(tier).variables());
        assert!(
            cold <= 4,
            "{tier}: {cold} Lambdas in a row with a cold cache: each costs about 150 ms, so 4 at most"
        );
        assert!(cached <= 3, "{tier}: {cached} Lambdas in a row with a cached profile: 3 at most");
        assert!(cached < cold, "{tier}: a cached profile must save a step");
    }
}
