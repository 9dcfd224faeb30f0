//! One name per Lambda: its binary, its resource, its zip. And the variables that Lambdas read.

use crate::{
    files::{self, map},
    none,
    template::{Resource, Template},
};
use oslira_lambda::Variable;
use std::collections::BTreeSet;

/// The names of all binaries: `start-analysis`.
pub(crate) fn binaries() -> BTreeSet<String> {
    let features = files::stems("functions", "").into_iter();
    features.flat_map(|feature| files::stems(format!("functions/{feature}/src/bin"), ".rs")).collect()
}

/// `start-analysis` → `StartAnalysis`.
fn pascal_case(name: &str) -> String {
    let word =
        |word: &str| word.get(..1).unwrap_or_default().to_uppercase() + word.get(1..).unwrap_or_default();
    name.split('-').map(word).collect()
}

pub(crate) fn resource<'a>(template: &'a Template, lambda: &str) -> Resource<'a> {
    let name = pascal_case(lambda);
    let resource = template.functions().find(|function| function.name == name);
    resource.unwrap_or_else(|| panic!("{lambda}: add the function {name} to infra/template.yaml"))
}

#[test]
fn every_binary_is_deployed_under_its_name() {
    let template = Template::read();
    let binaries = binaries();
    assert!(!binaries.is_empty(), "no functions/*/src/bin/*.rs");
    let deployed: BTreeSet<String> = template.functions().map(|function| function.name.to_owned()).collect();
    let built: BTreeSet<String> = binaries.iter().map(|name| pascal_case(name)).collect();
    none(deployed.symmetric_difference(&built).map(|name| {
        format!("{name}: a function of infra/template.yaml and a functions/*/src/bin/<name>.rs go together")
    }));
    none(binaries.iter().filter_map(|lambda| {
        let expected = format!("../target/lambda/{lambda}/bootstrap.zip");
        let function = resource(&template, lambda);
        (function.properties["CodeUri"] != expected.as_str())
            .then(|| format!("{}: set its CodeUri to {expected}", function.name))
    }));
}

#[test]
fn every_variable_that_the_code_knows_is_set_and_no_other_is() {
    let template = Template::read();
    let globals = map(&template.globals()["Environment"]["Variables"]);
    let own = template.functions().flat_map(|function| function.environment().collect::<Vec<_>>());
    let set: BTreeSet<&str> = globals.chain(own).map(|(name, _)| name).collect();
    let known: BTreeSet<&str> = Variable::all().map(Variable::name).collect();
    let unset = known.difference(&set).map(|name| {
        format!("{name}: set it in infra/template.yaml, or remove it from oslira_lambda::Variable")
    });
    let unknown = set.difference(&known).map(|name| {
        format!(
            "{name}: remove it from infra/template.yaml, or add it to oslira_lambda::Variable and read it"
        )
    });
    none(unset.chain(unknown));
}
