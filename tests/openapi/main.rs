//! Prints `docs/openapi.yaml`, as `cargo xtask openapi` writes it.

use anyhow::Result;
use oslira_tests::openapi;

fn main() -> Result<()> {
    use std::io::Write;
    Ok(std::io::stdout().write_all(openapi::yaml()?.as_bytes())?)
}
