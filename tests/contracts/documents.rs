//! Documents: commands that exist, links that lead somewhere, and nothing about where this was written.

use crate::{declared::Kind, files, none, template::Template};
use std::{collections::BTreeSet, path::Path};

#[test]
fn the_readmes_test_command_is_what_ci_runs() {
    let script = files::text(".ci/run");
    let last = script.lines().rev().find(|line| !line.trim().is_empty()).expect(".ci/run runs something");
    let command = last.trim().strip_prefix("exec ").unwrap_or(last);
    let readme = files::text("README.md");
    let commands = readme.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    assert!(
        commands.into_iter().any(|line| line == command),
        "README.md must give {command:?}, the command of .ci/run, on a line of a code block"
    );
}

#[test]
fn the_readme_has_every_route_and_no_other() {
    let text = files::text("README.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains(" `/"));
    let told: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(1)?.trim().strip_suffix('`')?.split_once(" `"))
        .flat_map(|(methods, path)| methods.split(", ").map(move |method| format!("{method} {path}")))
        .collect();
    let template = Template::read();
    let routes = template.functions().flat_map(|function| function.routes());
    let deployed: BTreeSet<String> =
        routes.map(|route| format!("{} {}", route.method.to_uppercase(), route.path)).collect();
    none(told.symmetric_difference(&deployed).map(|route| {
        format!("{route}: README's \"The API at a glance\" must have the routes of infra/template.yaml, and no other")
    }));
}

#[test]
fn every_kind_of_function_is_explained() {
    let text = files::text("docs/adding-a-function.md");
    let rows = text.lines().filter_map(|line| line.trim().strip_prefix("| `")?.split('`').next());
    let explained: BTreeSet<String> = rows.map(str::to_owned).collect();
    let kinds: BTreeSet<String> = Kind::ALL.iter().map(ToString::to_string).collect();
    none(explained.symmetric_difference(&kinds).map(|kind| {
        format!("{kind}: docs/adding-a-function.md must explain every Kind of tests/contracts/declared.rs, and no other")
    }));
}

#[test]
fn what_costs_nothing_is_tested_where_the_table_says() {
    let text = files::text("docs/credits.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`: `"));
    let tests: Vec<(&str, &str)> = rows
        .filter_map(|row| row.trim_end_matches(" |").rsplit("| ").next()?.split_once(": "))
        .map(|(file, test)| (file.trim_matches('`'), test.trim_matches('`')))
        .collect();
    assert!(tests.len() >= 20, "the table of docs/credits.md is not found");
    none(tests.into_iter().filter_map(|(file, test)| {
        let text = files::text(Path::new("tests").join(file));
        let is_test = text.contains(&format!("\nasync fn {test}("));
        (!is_test).then(|| format!("docs/credits.md: there is no test {test} in tests/{file}"))
    }));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let is_document = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "md");
    none(files::all().into_iter().filter(is_document).flat_map(|path| {
        let text = files::text(&path);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        links
            .filter(|link| !link.contains("://") && !link.starts_with(['#', '<']))
            .filter(|link| {
                let file = link.split('#').next().unwrap_or_default();
                let folder = path.parent().unwrap_or(Path::new(""));
                !files::root().join(folder).join(file).exists()
            })
            .map(|link| format!("{}: the link to {link} leads nowhere", path.display()))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn no_merge_was_left_half_done() {
    none(files::all().into_iter().flat_map(|path| {
        let bytes = std::fs::read(files::root().join(&path)).unwrap();
        let text = String::from_utf8(bytes).unwrap_or_default();
        let is_marker = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
        let marked = text.lines().enumerate().filter(|(_, line)| is_marker(line));
        marked.map(|(at, _)| format!("{}:{}: a conflict", path.display(), at + 1)).collect::<Vec<_>>()
    }));
}

#[test]
fn nothing_tells_of_the_place_where_it_was_written() {
    // Put together, or this file would be found.
    let places = [["/wo", "rk"].concat(), ["../sha", "red"].concat(), ["sub", "agent"].concat()];
    let is_word_end = |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric());
    none(files::all().into_iter().flat_map(|path| {
        let bytes = std::fs::read(files::root().join(&path)).unwrap();
        let text = String::from_utf8(bytes).unwrap_or_default().to_lowercase();
        let found = places.iter().filter(|place| text.split(place.as_str()).skip(1).any(is_word_end));
        found.map(|place| format!("{}: remove {place:?}", path.display())).collect::<Vec<_>>()
    }));
}
