//! `deploy`: the stages that run on AWS itself.

use crate::{
    process::Cmd,
    stack::{self, Stack, template},
    ui::Ui,
    workspace::{ROOT, packages},
};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use toml::Table;

/// Names the secrets of a stage that have no value yet, one a line.
const MISSING_SECRETS: &str = include_str!("missing_secrets.py");

/// A stage of `infra/samconfig.toml`.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Stage {
    /// For trying a release.
    Staging,
    /// For customers.
    Production,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// What the secrets of a stage look like.
#[derive(PartialEq, Eq)]
enum Secrets {
    /// None is there: the template that makes them has not been deployed yet.
    None,
    /// These have no value.
    Missing(Vec<String>),
    /// All have a value.
    Complete,
}

/// Builds for release, deploys, and migrates the database.
pub(crate) fn deploy(stage: Stage, x86_64: bool, ui: &Ui) -> Result<()> {
    let files = &Stack::local();
    let name = stage.name();
    let region = &region(name, &std::fs::read_to_string(ROOT.join("infra/samconfig.toml"))?)?;
    ui.phase("tools", |phase| stack::ensure_venv(files, phase))?;
    let before = ui.phase("secrets", |_| secrets(name, region))?;
    if let Secrets::Missing(missing) = &before {
        bail!("{}", how_to_set(name, missing));
    }
    // Only the functions: with the whole workspace, features that the test tools ask for would get into them.
    let packages = packages()?;
    let functions = packages.iter().filter(|package| package.is_function());
    ui.phase("build for release", |phase| {
        Cmd::new(stack::program("cargo-lambda"))
            .args(["lambda", "build", "--release", "--output-format", "zip"])
            .args(functions.flat_map(|package| ["--package", &package.name]))
            .args([if x86_64 { "--x86-64" } else { "--arm64" }])
            .log(files.log("release-build"))
            .hint("is the target's standard library installed? rustup target add aarch64-unknown-linux-gnu")
            .run("cargo lambda build", phase)
    })?;
    ui.phase("sam deploy", |phase| {
        sam(name, &["deploy"])
            .arg("--template-file", template())
            .log(files.log("release-deploy"))
            .hint("CloudFormation's console shows the stack's events")
            .run("sam deploy", phase)
    })?;
    if before == Secrets::None
        && let Secrets::Missing(missing) = secrets(name, region)?
    {
        bail!("the stack is there, and its secrets are empty.\n{}", how_to_set(name, &missing));
    }
    ui.phase("migrate the database", |_| {
        let answer = sam(name, &["remote", "invoke", "MigrateDatabase"])
            .arg("--stack-name", format!("oslira-{name}"))
            .args(["--event", "{}", "--output", "json"])
            .log(files.log("release-migrate"))
            .hint("its log is in CloudWatch Logs; `cargo xtask logs` shows the local stack only")
            .output("migrate-database")?;
        migrated(&answer)
    })
}

/// `sam remote invoke` counts a Lambda that failed as invoked: whether it failed is in what it prints.
fn migrated(answer: &str) -> Result<()> {
    let answer: Value = serde_json::from_str(answer).context("the answer of migrate-database")?;
    if !answer["FunctionError"].is_null() {
        bail!("the new code is in place and the database was not migrated: {}", answer["Payload"]);
    }
    Ok(())
}

/// `sam` with the developer's own AWS configuration, and the settings of a stage.
fn sam(stage: &str, subcommand: &[&str]) -> Cmd {
    Cmd::new(stack::program("sam"))
        .env("SAM_CLI_TELEMETRY", "0")
        .directory(&ROOT.join("infra"))
        .args(subcommand)
        .args(["--config-env", stage])
}

/// The region of a stage, from `infra/samconfig.toml`. Its settings are examples until someone fills them in.
fn region(stage: &str, settings: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct Settings {
        deploy: Deploy,
    }
    #[derive(Deserialize)]
    struct Deploy {
        parameters: Parameters,
    }
    #[derive(Deserialize)]
    struct Parameters {
        region: String,
        parameter_overrides: Vec<String>,
    }
    let settings: Table = settings.parse().context("infra/samconfig.toml")?;
    let settings = settings.get(stage).with_context(|| format!("infra/samconfig.toml has no {stage}"))?;
    let Settings { deploy: Deploy { parameters } } =
        settings.clone().try_into().with_context(|| format!("{stage} in infra/samconfig.toml"))?;
    if parameters.parameter_overrides.iter().any(|setting| setting.contains("CHANGE-ME")) {
        bail!(
            "infra/samconfig.toml still says CHANGE-ME for {stage}: fill in the Supabase project and the origins"
        );
    }
    Ok(parameters.region)
}

fn secrets(stage: &str, region: &str) -> Result<Secrets> {
    let answer = Cmd::new(stack::program("python3"))
        .args(["-", stage, region])
        .input(MISSING_SECRETS)
        .output("reading the secrets' state")?;
    let missing: Vec<String> = answer.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    match missing.first().map(String::as_str) {
        None => Ok(Secrets::Complete),
        Some("none") => Ok(Secrets::None),
        Some(_) => Ok(Secrets::Missing(missing)),
    }
}

fn how_to_set(stage: &str, missing: &[String]) -> String {
    let names = missing.iter().map(|name| format!("  {name}\n")).collect::<String>();
    let optional = if missing.iter().any(|name| name.ends_with("/jwt-secret")) {
        "jwt-secret: projects without a legacy secret put any placeholder shorter than 32 characters there; HS256 tokens \
         are then refused.\n"
    } else {
        ""
    };
    format!(
        "these secrets of {stage} have no value yet:\n{names}{optional}What to do: put each value into a file of your own and \
         run\n\n  aws secretsmanager put-secret-value --secret-id NAME --secret-string file://FILE\n\nthen deploy again."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stages_region_is_read_once_its_settings_are_filled_in() {
        let settings = |issuer: &str| {
            format!(
                "version = 0.1\n[staging.deploy.parameters]\nregion = \"eu-west-1\"\nparameter_overrides = [\"{issuer}\"]\n\
                 [production.deploy.parameters]\nparameter_overrides = [\"JwtIssuer=CHANGE-ME\"]\n"
            )
        };
        assert_eq!(region("staging", &settings("JwtIssuer=https://a.example")).unwrap(), "eu-west-1");
        assert!(region("staging", &settings("JwtIssuer=CHANGE-ME")).is_err());
        assert!(region("elsewhere", &settings("")).is_err());
        assert!(
            region("staging", "[staging.deploy.parameters]\nparameter_overrides = []\n").is_err(),
            "no region"
        );
    }

    #[test]
    fn a_missing_secret_comes_with_what_to_put_there() {
        assert!(how_to_set("staging", &["oslira/staging/jwt-secret".into()]).contains("any placeholder"));
        assert!(!how_to_set("staging", &["oslira/staging/apify-token".into()]).contains("any placeholder"));
    }

    #[test]
    fn a_migration_that_failed_is_told() {
        assert!(migrated(r#"{"StatusCode": 200, "Payload": {"applied": []}}"#).is_ok());
        let failed =
            r#"{"StatusCode": 200, "FunctionError": "Unhandled", "Payload": {"errorType": "InternalError"}}"#;
        assert!(migrated(failed).unwrap_err().to_string().contains("InternalError"));
    }
}
