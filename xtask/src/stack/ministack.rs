//! The AWS emulator.

use crate::{
    http,
    process::Cmd,
    stack::{Stack, tools},
};
use anyhow::Result;
use std::fs;

/// The only region of the local stack.
pub(crate) const REGION: &str = "us-east-1";

/// The emulator's address.
pub(crate) fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// Starts the emulator. It passes its own environment on to the Lambdas. So that environment starts empty: no
/// real AWS credentials and no vendor keys of the developer's shell get into it.
pub(crate) fn start(stack: &Stack, port: u16) -> Result<()> {
    let temporary = stack.path("tmp");
    fs::create_dir_all(&temporary)?;
    let home = stack.path("home");
    fs::create_dir_all(&home)?;
    let health = format!("{}/_ministack/health", endpoint(port));
    let command = Cmd::new(tools::program("ministack"))
        .without_env()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("HOME", &home)
        // Lambdas are unpacked and run here.
        .env("TMPDIR", &temporary)
        .envs(aws_environment(port))
        .env("GATEWAY_PORT", port.to_string())
        .env("BIND_HOST", "127.0.0.1")
        .env("MINISTACK_HOST", "127.0.0.1")
        // Otherwise it would listen on a fixed port.
        .env("IOT_MTLS_ENABLED", "0")
        .env("LOG_LEVEL", "WARNING")
        .directory(&temporary);
    stack.daemons().start("ministack", port, "", command, || {
        http::get(&health, &[]).is_ok_and(|answer| answer.status == 200)
    })
}

/// The environment variables that make an AWS client call the emulator, and nothing else.
pub(crate) fn aws_environment(port: u16) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint(port)),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ]
}
