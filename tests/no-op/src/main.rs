//! A Lambda that does nothing, and answers what its input says. Not in the template: `cargo xtask bench pipeline` puts it
//! in the place of every step, and what the same steps cost then is the platform's time, not ours.

use oslira_lambda::{Invocation, RuntimeError, init, serve_stage};
use serde::Deserialize;
use serde_json::Value;

/// What every step passes on of the execution's input.
#[derive(Deserialize)]
struct Input {
    /// An answer that suits every state.
    answer: Value,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), RuntimeError> {
    let env = &init!().await;
    serve_stage(env, |invocation: Invocation<Input>| async { Ok(invocation.input.answer) }).await
}
