//! State machines: nothing hangs, nothing is given up too early, nothing is lost, nothing takes a detour.

use crate::{
    files::{list, map, string},
    none,
    state_machine::{StateMachine, Task},
    template::{Resource, Template, target},
};
use oslira_domain::Tier;
use std::collections::BTreeSet;

/// By machine, the step that ends all that goes wrong, so it has nothing to fall back on itself.
const LAST_STEPS: [(&str, &str); 2] =
    [("analysis", "Refund Credits"), ("anonymous-analysis", "Show Failure")];

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

/// The template's resource of a state machine: `analysis` → `AnalysisStateMachine`.
fn resource<'a>(template: &'a Template, machine: &StateMachine) -> Resource<'a> {
    let file = format!("../statemachines/{}.asl.json", machine.name);
    let mut machines = template.of_kind("AWS::Serverless::StateMachine");
    let found = machines.find(|resource| resource.properties["DefinitionUri"] == file.as_str());
    found.unwrap_or_else(|| panic!("infra/template.yaml has no state machine with DefinitionUri {file}"))
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
    none(StateMachine::all().iter().flat_map(|machine| {
        let known = LAST_STEPS.iter().find(|(name, _)| *name == machine.name);
        let (name, last) = known.unwrap_or_else(|| panic!("tell this test the last step of {}", machine.name));
        let tasks = machine.tasks();
        assert!(tasks.iter().any(|task| task.name == *last), "{name} has no task {last:?}");
        let loose = tasks.into_iter().filter(|task| task.name != *last && task.after_any_error() != Some(*last));
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
    scrapes.retain(|task| task.placeholder() == "ScrapeProfilesArn");
    assert_eq!(scrapes.len(), 3);
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
    let waits = tasks.iter().flat_map(|task| {
        let retries = list(&task.state["Retry"]);
        retries.filter(|retry| list(&retry["ErrorEquals"]).any(|name| name == "ShareTaken")).map(|retry| {
            // With full jitter a pause is half of that. A scraper looks a second time, after one second on average.
            let inside = if task.placeholder() == "ScrapeProfilesArn" { 1.0 } else { 0.0 };
            let number = |name: &str| retry[name].as_f64().unwrap_or(0.0);
            let seconds = number("MaxAttempts") * (number("IntervalSeconds") / 2.0 + inside);
            (task.name, seconds, retry["BackoffRate"] == 1 && retry["JitterStrategy"] == "FULL")
        })
    });
    let wrong = waits.filter(|(_, seconds, is_even)| *seconds != 1_800.0 || !is_even);
    none(
        wrong.map(|(name, seconds, _)| {
            format!("{name}: errors.md promises 1,800 s, and it waits {seconds} s")
        }),
    );
}

#[test]
fn a_cancelled_run_leaves_all_that_is_scraped_for_it() {
    let machines = StateMachine::all();
    let tasks = machines.iter().flat_map(StateMachine::tasks);
    let in_branches = tasks.filter(|task| task.outermost != task.state);
    let scrapes: Vec<_> = in_branches.filter(|task| task.placeholder() == "ScrapeProfilesArn").collect();
    assert_eq!(scrapes.len(), 2, "tell this test which scrapes are side by side");
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

    // The first value of a variable counts.
    let mut stopped = vec![("$source.isStopped", "true"), ("$states.input.status", "cancelled")];
    stopped.extend(variables(Tier::Deep, false));
    let machine = StateMachine::read("analysis");
    let way: Vec<&str> = machine.tasks_on_the_way(&stopped).iter().map(|task| task.name).collect();
    assert_eq!(way, ["Check Profile Cache", "Scrape Profile", "Scrape Posts", "Refund Credits"]);
}

#[test]
fn every_task_outlives_its_function() {
    let template = Template::read();
    let machines = StateMachine::all();
    none(machines.iter().flat_map(|machine| {
        let substitutions = &resource(&template, machine).properties["DefinitionSubstitutions"];
        let template = &template;
        machine.tasks().into_iter().filter_map(move |task| {
            let function =
                target(&substitutions[task.placeholder()]).and_then(|name| template.resource(name));
            let Some(function) = function else {
                return Some(format!(
                    "{}: ${{{}}} is no function of the template",
                    task.name,
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
        let resource = resource(&template, machine);
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

/// The values of the machine's variables for a run of a tier that finds all it reads in the cache, or nothing of it.
fn variables(tier: Tier, is_cached: bool) -> [(&'static str, &'static str); 5] {
    let cached = if is_cached { "hit" } else { "miss" };
    [
        ("$run.tier", tier.as_str()),
        ("$source.cacheHit", if is_cached { "true" } else { "false" }),
        ("$source.profile", cached),
        ("$source.posts", if tier.needs_more_posts() { cached } else { "unneeded" }),
        ("$source.isStopped", "false"),
    ]
}

#[test]
fn a_tier_runs_its_ai_tasks_and_no_other() {
    let machine = StateMachine::read("analysis");
    for tier in Tier::ALL {
        let on_the_way = machine.tasks_on_the_way(&variables(tier, true));
        let mut run: Vec<&str> = on_the_way.iter().filter_map(Task::ai_task).collect();
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
    let machine = StateMachine::read("anonymous-analysis");
    let way = |hit| -> Vec<String> {
        let tasks = machine.tasks_on_the_way(&[("$source.cacheHit", hit)]);
        tasks.iter().map(|task| task.name.to_owned()).collect()
    };
    assert_eq!(way("false"), ["Check Profile Cache", "Scrape Profile", "Score Profile"]);
    assert_eq!(way("true"), ["Check Profile Cache", "Score Profile"]);
    let tasks = machine.tasks();
    let scrape = tasks.iter().find(|task| task.name == "Scrape Profile").expect("Scrape Profile");
    let payload = scrape.state["Arguments"]["Payload"].as_str().unwrap_or_default();
    assert!(
        payload.contains("'runKind': 'anonymous'"),
        "anonymous runs leave seven slots to accounts: {payload}"
    );
}

#[test]
fn a_tier_scrapes_what_it_reads_and_the_cache_lacks() {
    let machine = StateMachine::read("analysis");
    let scrapes = |variables: &[(&str, &str)]| -> Vec<String> {
        let tasks = machine.tasks_on_the_way(variables);
        tasks.iter().map(|task| task.name.to_owned()).filter(|name| name.starts_with("Scrape")).collect()
    };
    for tier in Tier::ALL {
        assert_eq!(scrapes(&variables(tier, true)), Vec::<String>::new(), "{tier}");
    }
    assert_eq!(scrapes(&variables(Tier::Light, false)), ["Scrape Profile"]);
    assert_eq!(scrapes(&variables(Tier::Deep, false)), ["Scrape Profile", "Scrape Posts"]);
    let mut posts_alone = variables(Tier::Xray, false);
    posts_alone[2] = ("$source.profile", "hit");
    assert_eq!(scrapes(&posts_alone), ["Scrape Posts"]);
}

#[test]
fn an_analysis_takes_no_detour() {
    let machine = StateMachine::read("analysis");
    for tier in Tier::ALL {
        let hops = |is_cached| machine.hops(&variables(tier, is_cached));
        let (cold, cached) = (hops(false), hops(true));
        assert!(
            cold <= 4,
            "{tier}: {cold} Lambdas in a row with a cold cache: each costs about 150 ms, so 4 at most"
        );
        assert!(cached <= 3, "{tier}: {cached} Lambdas in a row with a cached profile: 3 at most");
        assert!(cached < cold, "{tier}: a cached profile must save a step");
    }
}
