//! `sam deploy` to the emulator, with the same template as production.

use crate::{
    process::Cmd,
    stack::{
        Need, Options, Stack,
        aws::Aws,
        build, gateway_responses,
        ministack::aws_environment,
        stand_ins::{Keys, StandIns},
        tools,
        upstreams::VendorKeys,
    },
    ui::Phase,
    workspace::{ROOT, host_architecture, lambdas},
};
use anyhow::Result;
use serde_json::{Value, json};
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

/// The name of the stack in CloudFormation.
pub(crate) const STACK_NAME: &str = "oslira-local";
/// The bucket that `sam deploy` puts the zips into.
const ARTIFACTS: &str = "oslira-artifacts";

pub(crate) fn template() -> PathBuf {
    ROOT.join("infra/template.yaml")
}

/// The local stack's values for the template's parameters. Secrets are never parameters.
pub(crate) fn parameters(options: &Options, stand_ins: &StandIns, keys: &Keys, authority: &str) -> Value {
    let [apify, open_ai, anthropic] = options.upstreams.base_urls(&stand_ins.url);
    let mut parameters = json!({
        "Stage": "local",
        "Architecture": host_architecture(),
        "ApifyBaseUrl": apify,
        "OpenAiBaseUrl": open_ai,
        "AnthropicBaseUrl": anthropic,
        "JwtIssuer": keys.issuer,
        "JwksUrl": keys.jwks_url,
        "AllowedOrigins": "http://localhost:3000",
        "DatabaseCaCertificate": authority,
        "S3ForcePathStyle": "true",
    });
    // A load test comes from one address and one account. The tests have a user for load, too, and the limits
    // of production.
    if options.load && options.need != Need::Tests {
        parameters["AnonymousPerHour"] = json!("1000");
        parameters["AnonymousPerDay"] = json!("5000");
        parameters["DailyAiSpendLimitUsd"] = json!("10000");
    }
    // One user of a test or of a load test asks as often as many people do.
    if options.load {
        parameters["ReadsPerMinute"] = json!("1000000");
        parameters["WritesPerMinute"] = json!("1000000");
    }
    parameters
}

/// Deploys, unless the same was deployed last, with the same values of the secrets. The returned stamp is for
/// [`finish`], once everything else is done. `None` when nothing has changed.
pub(crate) fn deploy(
    stack: &Stack,
    port: u16,
    parameters: &Value,
    secrets: &VendorKeys,
    phase: &Phase,
) -> Result<Option<String>> {
    let wanted = fingerprint(parameters, secrets)?;
    let stamp = stack.path("deployed");
    if fs::read_to_string(&stamp).is_ok_and(|deployed| deployed == wanted) {
        phase.detail("nothing has changed");
        return Ok(None);
    }
    // A deploy that breaks off leaves an unknown mixture. So the stamp is removed first and written last.
    let _there_was_none = fs::remove_file(&stamp);
    Aws::at(port).create_bucket(ARTIFACTS)?;
    let file = stack.path("parameters.yaml");
    fs::write(&file, serde_json::to_string_pretty(parameters)?)?;
    sam()
        .args(["deploy", "--stack-name", STACK_NAME, "--s3-bucket", ARTIFACTS])
        .arg("--template-file", template())
        .arg("--parameter-overrides", format!("file://{}", file.display()))
        .args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"])
        .args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar"])
        .envs(aws_environment(port))
        .log(stack.log("sam-deploy"))
        .hint("see also the emulator's own log, ministack.log beside it")
        .run("sam deploy", phase)?;
    gateway_responses::set(&Aws::at(port), STACK_NAME)?;
    Ok(Some(wanted))
}

/// Notes what was deployed. Without this note, the next `up` does everything again.
pub(crate) fn finish(stack: &Stack, stamp: &str) -> Result<()> {
    Ok(fs::write(stack.path("deployed"), stamp)?)
}

/// `sam` without the developer's AWS configuration. It writes nothing outside `target/`.
pub(crate) fn sam() -> Cmd {
    let home = crate::workspace::tools().join("sam");
    apart(Cmd::new(tools::program("sam")))
        .env("SAM_CLI_TELEMETRY", "0")
        // Seconds between two checks of a deployment. The emulator is done long before the usual 5.
        .env("SAM_CLI_POLL_DELAY", "0.1")
        .env("__SAM_CLI_APP_DIR", &home)
}

/// Hides the developer's AWS configuration from an AWS tool.
pub(super) fn apart(command: Cmd) -> Cmd {
    command
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .remove_env("AWS_PROFILE")
        .remove_env("AWS_SESSION_TOKEN")
}

/// A value that changes with the template, the state machines, the parameters, the vendors' keys and the
/// Lambdas' zips.
fn fingerprint(parameters: &Value, secrets: &VendorKeys) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    secrets.hash(&mut hasher);
    parameters.to_string().hash(&mut hasher);
    fs::read(template())?.hash(&mut hasher);
    let mut machines: Vec<PathBuf> =
        fs::read_dir(ROOT.join("statemachines"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    machines.sort();
    for machine in machines.into_iter().filter(|path| path.is_file()) {
        fs::read(machine)?.hash(&mut hasher);
    }
    for lambda in lambdas()? {
        lambda.hash(&mut hasher);
        fs::read(build::zip(&lambda))?.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}
