//! `openapi`: writes the description of the API from the Rust code's declarations.

use crate::{
    process::Cmd,
    stack::{self, Stack},
    ui::{self, Ui},
    workspace::{ROOT, cargo, host_triple, shown},
};
use anyhow::Result;
use std::fs;

/// Writes `docs/openapi.yaml` if the file differs from the code.
pub(crate) fn write(stack: &Stack, ui: &Ui) -> Result<()> {
    let host = host_triple()?;
    ui.phase("compile what describes the API", |phase| {
        cargo("build", &host)
            .args(["--bin", "openapi"])
            .log(stack.log("openapi-compile"))
            .run("cargo build", phase)
    })?;
    let yaml = Cmd::new(stack::binary("openapi", &host)).output("the description of the API")?;
    let file = ROOT.join("docs/openapi.yaml");
    let is_current = fs::read_to_string(&file).is_ok_and(|text| text.trim_end() == yaml.trim_end());
    if !is_current {
        fs::write(&file, format!("{}\n", yaml.trim_end()))?;
    }
    let what = if is_current { "is current" } else { "is written" };
    Ok(ui::print(format!("{} {what}.", shown(&file)))?)
}
