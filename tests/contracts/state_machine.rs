//! A state machine's definition, as far as contracts are about it.

use crate::{
    declared::{MachineInput, StageInput},
    files::{self, list, map, string},
    template::{Resource, Template},
};
use oslira_domain::Code;
use serde_json::Value;

/// A definition in `statemachines/`.
pub(crate) struct StateMachine {
    /// The file's name without `.asl.json`.
    pub(crate) name: String,
    definition: Value,
}

/// A task, wherever it is nested.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    /// The state's name.
    pub(crate) name: &'a str,
    /// The state.
    pub(crate) state: &'a Value,
    /// The state of the top level that it is, or is in.
    pub(crate) outermost: &'a Value,
}

impl StateMachine {
    pub(crate) fn all() -> Vec<Self> {
        let names = files::stems("statemachines", ".asl.json").into_iter();
        names
            .map(|name| Self { definition: files::json(format!("statemachines/{name}.asl.json")), name })
            .collect()
    }

    /// The one whose executions begin with this.
    pub(crate) fn beginning_with(input: MachineInput) -> Self {
        let template = Template::read();
        let mut machines = Self::all().into_iter();
        machines.find(|machine| machine.resource(&template).machine().input == input).unwrap_or_else(|| {
            panic!("no state machine of infra/template.yaml has {input:?} as Input in its Metadata")
        })
    }

    /// What the template says of it.
    pub(crate) fn resource<'a>(&self, template: &'a Template) -> Resource<'a> {
        let file = format!("../statemachines/{}.asl.json", self.name);
        let found =
            template.machines().find(|resource| resource.properties["DefinitionUri"] == file.as_str());
        found.unwrap_or_else(|| {
            panic!("{file}: add a state machine with this DefinitionUri to infra/template.yaml")
        })
    }

    pub(crate) fn tasks(&self) -> Vec<Task<'_>> {
        let mut tasks = Vec::new();
        for (name, state) in map(&self.definition["States"]) {
            collect(name, state, state, &mut tasks);
        }
        tasks
    }

    /// How many tasks follow each other on the way from the start to the end, where every choice is made by these
    /// values of its variables. Branches that run at the same time count as their longest.
    pub(crate) fn hops(&self, variables: &[(&str, &str)]) -> usize {
        hops(&self.definition, variables)
    }

    /// The tasks on that way, those of all branches included.
    pub(crate) fn tasks_on_the_way(&self, variables: &[(&str, &str)]) -> Vec<Task<'_>> {
        let mut tasks = Vec::new();
        for (name, state) in way(&self.definition, variables) {
            follow(name, state, state, variables, &mut tasks);
        }
        tasks
    }
}

impl Task<'_> {
    /// The placeholder of the function that it calls, without its braces: `ScoreLeadArn`.
    pub(crate) fn placeholder(&self) -> &str {
        let name = string(&self.state["Arguments"]["FunctionName"]);
        name.strip_prefix("${").and_then(|name| name.strip_suffix('}')).unwrap_or(name)
    }

    /// The text that its payload has under this name, if it is written there: `scoring` of `{'task': 'scoring'}`.
    pub(crate) fn passes(&self, name: &str) -> Option<&str> {
        let (_, rest) = string(&self.state["Arguments"]["Payload"]).split_once(&format!("'{name}': '"))?;
        Some(rest.split_once('\'')?.0)
    }

    /// What of the execution its payload holds, beside what it adds.
    pub(crate) fn input(&self) -> Option<StageInput> {
        let payload = string(&self.state["Arguments"]["Payload"]);
        if payload == "{% $states.input %}"
            || payload.starts_with("{% $merge([$run,")
            || payload.starts_with("{% $merge([$run]")
            || payload.starts_with("{% $merge([$states.input,")
        {
            Some(StageInput::Execution)
        } else if payload.starts_with("{% {'executionName': $states.context.Execution.Name, 'error': ") {
            Some(StageInput::Failure)
        } else {
            None
        }
    }

    /// It scrapes: only a scrape has others to wait for.
    pub(crate) fn is_scrape(&self) -> bool {
        self.retried().any(|name| name == Code::ScrapeUnderWay.as_str())
    }

    /// The errors on which it is tried again.
    pub(crate) fn retried(&self) -> impl Iterator<Item = &str> {
        list(&self.state["Retry"]).flat_map(|retry| list(&retry["ErrorEquals"])).map(string)
    }

    /// The longest that it pauses between two tries, in seconds.
    pub(crate) fn longest_pause(&self) -> f64 {
        let pauses = list(&self.state["Retry"]).map(|retry| {
            let number = |name: &str, default: f64| retry[name].as_f64().unwrap_or(default);
            let last = number("MaxAttempts", 3.0) - 1.0;
            let pause = number("IntervalSeconds", 1.0) * number("BackoffRate", 2.0).powf(last);
            pause.min(number("MaxDelaySeconds", f64::INFINITY))
        });
        pauses.fold(0.0, f64::max)
    }

    /// The errors on which it goes on itself, whatever the state catches that it is in.
    pub(crate) fn caught(&self) -> impl Iterator<Item = &str> {
        list(&self.state["Catch"]).flat_map(|catch| list(&catch["ErrorEquals"])).map(string)
    }

    /// All error names that it reacts to.
    pub(crate) fn named_errors(&self) -> impl Iterator<Item = &str> {
        let states = [self.state, self.outermost];
        let rules = states.into_iter().flat_map(|state| list(&state["Retry"]).chain(list(&state["Catch"])));
        rules.flat_map(|rule| list(&rule["ErrorEquals"])).map(string)
    }

    /// Where it goes on after any error that is not tried again.
    pub(crate) fn after_any_error(&self) -> Option<&str> {
        let catches = list(&self.state["Catch"]).chain(list(&self.outermost["Catch"]));
        let mut all = catches.filter(|catch| list(&catch["ErrorEquals"]).any(|name| name == "States.ALL"));
        all.next().map(|catch| string(&catch["Next"]))
    }
}

fn collect<'a>(name: &'a str, state: &'a Value, outermost: &'a Value, tasks: &mut Vec<Task<'a>>) {
    if state["Type"] == "Task" {
        tasks.push(Task { name, state, outermost });
    }
    let inner = list(&state["Branches"]).chain(state.get("ItemProcessor"));
    for (name, state) in inner.flat_map(|machine| map(&machine["States"])) {
        collect(name, state, outermost, tasks);
    }
}

/// Like [`collect`], but choices inside branches are made too.
fn follow<'a>(
    name: &'a str,
    state: &'a Value,
    outermost: &'a Value,
    variables: &[(&str, &str)],
    tasks: &mut Vec<Task<'a>>,
) {
    if state["Type"] == "Task" {
        tasks.push(Task { name, state, outermost });
    }
    for branch in list(&state["Branches"]) {
        for (name, state) in way(branch, variables) {
            follow(name, state, outermost, variables, tasks);
        }
    }
}

fn hops(machine: &Value, variables: &[(&str, &str)]) -> usize {
    let longest = |state: &Value| list(&state["Branches"]).map(|branch| hops(branch, variables)).max();
    way(machine, variables)
        .into_iter()
        .map(|(_, state)| match string(&state["Type"]) {
            "Task" => 1,
            "Parallel" => longest(state).unwrap_or_default(),
            _ => 0,
        })
        .sum()
}

/// The states from the start to the end, where every choice is made by these values of variables.
fn way<'a>(machine: &'a Value, variables: &[(&str, &str)]) -> Vec<(&'a str, &'a Value)> {
    let mut next = string(&machine["StartAt"]);
    let mut way = Vec::new();
    // No way through a machine passes more states than it has.
    for _ in map(&machine["States"]) {
        let state = &machine["States"][next];
        way.push((next, state));
        next = match string(&state["Type"]) {
            "Choice" => {
                let mut choices = list(&state["Choices"]);
                let chosen = choices.find(|choice| holds(string(&choice["Condition"]), variables));
                string(chosen.map_or(&state["Default"], |choice| &choice["Next"]))
            }
            "Fail" | "Succeed" => return way,
            _ if state["End"] == true => return way,
            _ => string(&state["Next"]),
        };
    }
    panic!("the machine goes round in circles");
}

/// Whether `{% $a.b = 'c' %}` holds.
fn holds(condition: &str, variables: &[(&str, &str)]) -> bool {
    let inner = condition.strip_prefix("{%").and_then(|text| text.strip_suffix("%}"));
    let equation = inner.and_then(|text| text.split_once(" = "));
    let (variable, literal) = equation.unwrap_or_else(|| panic!("teach this test to read {condition:?}"));
    let known = variables.iter().find(|(name, _)| *name == variable.trim());
    let (_, value) = known.unwrap_or_else(|| panic!("tell this test what {variable} is"));
    literal.trim().trim_matches('\'') == *value
}
