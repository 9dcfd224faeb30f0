//! `deploy`: the stages that run on AWS itself.

use crate::{
    process::Cmd,
    stack::{self, Stack, template},
    ui::Ui,
    workspace::{ROOT, packages},
};
use anyhow::{Context, Result, bail};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use oslira_models::Catalogue;
use serde::Deserialize;
use serde_json::Value;
use toml::Table;

/// A script that prints the secrets of a stage that have no value yet, one per line.
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
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The name of its stack in CloudFormation.
    pub(crate) fn stack_name(self) -> String {
        format!("oslira-{}", self.name())
    }

    /// Its AWS region, from `infra/samconfig.toml`.
    pub(crate) fn region(self) -> Result<String> {
        Ok(Settings::read(self.name(), &settings_file()?)?.region)
    }
}

/// The state of a stage's secrets.
#[derive(PartialEq, Eq)]
enum Secrets {
    /// There are none, because the template that makes them has not been deployed yet.
    None,
    /// These have no value.
    Missing(Vec<String>),
    /// All secrets have a value.
    Complete,
}

/// Builds for release, deploys, and migrates the database.
pub(crate) fn deploy(stage: Stage, x86_64: bool, ui: &Ui) -> Result<()> {
    let files = &Stack::local();
    let name = stage.name();
    let settings = Settings::read(name, &settings_file()?)?;
    settings.check_filled_in(name)?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    for warning in check_models(name, &Catalogue::embedded(), settings.parameter("AiRoles"), today)? {
        ui.line(&format!("warning: {warning}"));
    }
    let region = &settings.region;
    ui.phase("tools", |phase| stack::ensure_venv(files, phase))?;
    let before = ui.phase("secrets", |_| secrets(name, region))?;
    if let Secrets::Missing(missing) = &before {
        bail!("{}", how_to_set(name, missing));
    }
    // Builds the functions only. In a build of the whole workspace, they would get features that only the
    // test tools ask for.
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
            .arg("--stack-name", stage.stack_name())
            .args(["--event", "{}", "--output", "json"])
            .log(files.log("release-migrate"))
            .hint("its log is in CloudWatch Logs; `cargo xtask logs` shows the local stack only")
            .output("migrate-database")?;
        migrated(&answer)
    })
}

/// Checks the printed answer, since `sam remote invoke` succeeds even when the Lambda failed.
fn migrated(answer: &str) -> Result<()> {
    let answer: Value = serde_json::from_str(answer).context("the answer of migrate-database")?;
    if !answer["FunctionError"].is_null() {
        bail!("the new code is in place and the database was not migrated: {}", answer["Payload"]);
    }
    Ok(())
}

/// `sam` with the developer's own AWS configuration and the settings of a stage.
fn sam(stage: &str, subcommand: &[&str]) -> Cmd {
    Cmd::new(stack::program("sam"))
        .env("SAM_CLI_TELEMETRY", "0")
        .directory(&ROOT.join("infra"))
        .args(subcommand)
        .args(["--config-env", stage])
}

fn settings_file() -> Result<String> {
    std::fs::read_to_string(ROOT.join("infra/samconfig.toml")).context("infra/samconfig.toml")
}

/// A stage's settings in `infra/samconfig.toml`.
struct Settings {
    region: String,
    /// Each of the form `Name=value`.
    parameters: Vec<String>,
}

impl Settings {
    fn read(stage: &str, settings: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
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
        let File { deploy: Deploy { parameters: Parameters { region, parameter_overrides: parameters } } } =
            settings.clone().try_into().with_context(|| format!("{stage} in infra/samconfig.toml"))?;
        Ok(Self { region, parameters })
    }

    /// The settings are examples until someone fills them in, so a deploy checks for that.
    fn check_filled_in(&self, stage: &str) -> Result<()> {
        if self.parameters.iter().any(|setting| setting.contains("CHANGE-ME")) {
            bail!(
                "infra/samconfig.toml still says CHANGE-ME for {stage}: fill in the Supabase project and the origins"
            );
        }
        Ok(())
    }

    /// Returns a parameter's value, or an empty text when the template's default applies.
    fn parameter(&self, name: &str) -> &str {
        let named = |setting: &&str| setting.split('=').next() == Some(name);
        let setting = self.parameters.iter().map(String::as_str).find(named);
        setting.and_then(|setting| setting.split_once('=')).map_or("", |(_, value)| value.trim_matches('"'))
    }
}

/// Refuses to deploy a model that is shut down. Returns warnings about models that will be shut down within
/// 30 days.
fn check_models(stage: &str, catalogue: &Catalogue, roles: &str, today: Date) -> Result<Vec<String>> {
    let place = format!("AiRoles of {stage} in infra/samconfig.toml");
    let catalogue = catalogue.with_roles(roles).with_context(|| place.clone())?;
    let (past, near): (Vec<_>, Vec<_>) = catalogue.ending(today).partition(|ending| ending.is_past());
    if !past.is_empty() {
        let past = past.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        bail!("{past}. Give the role another model, in crates/models/models.toml or by {place}");
    }
    Ok(near.iter().map(|ending| format!("{ending}. Give the role another model soon")).collect())
}

fn secrets(stage: &str, region: &str) -> Result<Secrets> {
    let answer = Cmd::new(stack::program("python3"))
        // Isolated: the folder that this is run in must not bring modules of its own.
        .args(["-I", "-", stage, region])
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
    fn a_stages_settings_are_read_once_they_are_filled_in() {
        let settings = |issuer: &str| {
            format!(
                "version = 0.1\n[staging.deploy.parameters]\nregion = \"eu-west-1\"\nparameter_overrides = [\"{issuer}\", \
                 \"AiRoles=fast=a/b,premium=c/d\"]\n\
                 [production.deploy.parameters]\nparameter_overrides = [\"JwtIssuer=CHANGE-ME\"]\n"
            )
        };
        let staging = Settings::read("staging", &settings("JwtIssuer=https://a.example")).unwrap();
        assert_eq!(staging.region, "eu-west-1");
        assert_eq!(staging.parameter("AiRoles"), "fast=a/b,premium=c/d");
        assert_eq!(staging.parameter("AiHedging"), "");
        assert!(staging.check_filled_in("staging").is_ok());
        let example = Settings::read("staging", &settings("JwtIssuer=CHANGE-ME")).unwrap();
        assert!(example.check_filled_in("staging").is_err());
        assert!(Settings::read("elsewhere", &settings("")).is_err());
        assert!(
            Settings::read("staging", "[staging.deploy.parameters]\nparameter_overrides = []\n").is_err(),
            "no region"
        );
    }

    #[test]
    fn a_model_that_is_shut_down_is_not_deployed() {
        let day = |day: &str| day.parse::<Date>().unwrap();
        let check = |roles, today| check_models("staging", &Catalogue::embedded(), roles, day(today));
        assert!(check("", "2026-11-21").unwrap().is_empty());

        let roles = "premium=claude-sonnet-5-5/gpt-5";
        assert!(check(roles, "2026-11-10").unwrap().is_empty());
        let warned = check(roles, "2026-11-21").unwrap();
        assert_eq!(warned.len(), 1);
        assert!(
            warned[0].contains("gpt-5, the fallback of the role premium, is shut down in 20 days"),
            "{warned:?}"
        );
        let refused = check(roles, "2026-12-11").unwrap_err().to_string();
        assert_eq!(
            refused,
            "gpt-5, the fallback of the role premium, was shut down on 2026-12-11. Give the role another model, in \
             crates/models/models.toml or by AiRoles of staging in infra/samconfig.toml"
        );

        let unknown = format!("{:#}", check("fast=gpt-9/claude-haiku-5-5", "2026-11-21").unwrap_err());
        assert!(
            unknown.contains("AiRoles of staging") && unknown.contains("unknown model \"gpt-9\""),
            "{unknown}"
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
