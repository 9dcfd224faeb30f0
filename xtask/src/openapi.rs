//! `openapi`: writes the description of the API from the Rust code's declarations, and the TypeScript client from that.

use crate::{
    client,
    process::Cmd,
    stack::{self, Stack},
    ui::{self, Ui},
    workspace::{ROOT, cargo, host_triple, shown},
};
use anyhow::Result;
use std::fs;

/// Writes `docs/openapi.yaml` and what is made of it in `clients/typescript`, each if it differs from what it is made from.
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
    let client_differed = ui.phase("make the TypeScript client", |phase| client::write(stack, phase))?;
    for (what, is_current) in [(&file, is_current), (&client::folder(), !client_differed)] {
        let state = if is_current { "is current" } else { "is written" };
        ui::print(format!("{} {state}.", shown(what)))?;
    }
    Ok(())
}
