//! `bench fuzz`: tries the API by its description for longer than `test` does, on a stack of its own.

use super::on_a_stack_of_its_own;
use crate::{
    fuzz::{self, Effort},
    ui::{self, Ui},
};
use anyhow::Result;

/// Starts a stack of its own, tries the API, and stops the stack.
pub(crate) fn fuzz(effort: &Effort, ui: &Ui) -> Result<()> {
    on_a_stack_of_its_own(true, ui, |stack| {
        let tried = ui.phase("try the API", |phase| fuzz::fuzz(stack, effort, phase))?;
        Ok(ui::print(format!(
            "{} cases for {} routes and {} links between them, all answered as described; the seed was {}",
            tried.cases, tried.routes, tried.links, effort.seed
        ))?)
    })
}
