//! A stack for one piece of work: the running one, or one that is started for it.

use crate::{
    stack::{Description, Latency, Need, Options, Stack, Upstreams, up},
    ui::Ui,
};
use anyhow::{Context, Result};

/// Does some work on a stack with these upstreams, and leaves the stack as it was: stopped, or running with
/// its earlier upstreams.
pub(crate) fn borrow<T>(
    stack: &Stack,
    upstreams: Upstreams,
    ui: &Ui,
    work: impl FnOnce(&Description) -> Result<T>,
) -> Result<T> {
    if !stack.is_up() {
        let options = Options {
            load: false,
            upstreams,
            latency: Latency::Realistic,
            need: Need::Stack,
            postgres_17: false,
        };
        let description = up(stack, &options, ui)?;
        stack.stop_when_interrupted(true);
        let result = work(&description);
        ui.phase("stop the stack", |_| stack.stop())?;
        ui.line("The stack was started for this and is stopped again; `cargo xtask up` keeps one running.");
        return result;
    }
    if stack.runs_with(&upstreams)? {
        let result = work(&stack.signed_in()?);
        ui.line("The stack was up before and stays up.");
        return result;
    }
    let former = Options::of(stack)?;
    ui.line(&format!("The stack is up with the upstreams {}; this needs {upstreams}.", former.upstreams));
    let result = up(stack, &Options { upstreams, ..former.clone() }, ui).and_then(|description| {
        // On an interrupt the stack is stopped. Otherwise it would keep upstreams that nobody chose for it.
        stack.stop_when_interrupted(true);
        work(&description)
    });
    if stack.runs_with(&former.upstreams)? {
        return result;
    }
    let restored = up(stack, &former, ui)
        .with_context(|| format!("the stack does not have its upstreams {} back", former.upstreams));
    // The result of the work counts more.
    let result = result?;
    restored?;
    ui.line(&format!("The stack was up before and stays up, with the upstreams {} again.", former.upstreams));
    Ok(result)
}
