//! `demo`: the main job from beginning to end, as a front end would do it. It makes analyses over the public
//! API, watches them and explains them.

use crate::{
    api::Api,
    report,
    run::{Money, money_of},
    stack::{self, Description, Stack, Upstreams},
    ui::{self, Ui},
};
use anyhow::{Context, Result, bail};
use oslira_api::AnalysisResult;
use oslira_domain::{RunId, RunStatus, Tier};
use serde::Serialize;
use serde_json::json;
use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The tiers that are shown, each with its own username. Otherwise the second tier would find the first one's
/// profile in the cache.
const TIERS: [(Tier, &str); 3] =
    [(Tier::Light, "maya.fitness"), (Tier::Deep, "leo.coffee"), (Tier::Xray, "atelier.nord")];

/// The users who ask, one after the other, for the same profile. The second one is another tenant: the first
/// one would be refused as a duplicate, and the cache is shared anyway.
const ASKERS: [(&str, &str); 2] = [("demo-1", "cold"), ("demo-2", "cached")];

const POLL: Duration = Duration::from_millis(200);
/// A run that takes longer than this counts as stuck.
const LIMIT: Duration = Duration::from_secs(180);

/// The options of the command line.
pub(crate) struct Demo {
    /// Whether to use the real Apify, OpenAI and Anthropic.
    pub(crate) live: bool,
    /// Whether to print the results as JSON on standard output.
    pub(crate) json: bool,
    /// An Instagram account to use in place of the usual ones.
    pub(crate) username: Option<String>,
}

/// One finished analysis of the demo.
#[derive(Serialize)]
pub(crate) struct Run {
    user: String,
    /// `cold` or `cached`: the case that this analysis shows.
    pub(crate) label: &'static str,
    /// From the request to the result, as the user waits for it.
    pub(crate) seconds: f64,
    pub(crate) result: AnalysisResult,
    /// What the run cost us, which the API does not show.
    pub(crate) money: Money,
}

/// The same, as far as a user can see it.
struct Seen {
    run_id: RunId,
    user: String,
    label: &'static str,
    seconds: f64,
    result: AnalysisResult,
}

/// Starts the stack if it is not running, runs the analyses, prints them, and leaves the stack as it was.
pub(crate) fn demo(stack: &Stack, demo: &Demo, ui: &Ui) -> Result<()> {
    let upstreams = Upstreams::new(None, demo.live)?;
    let runs = stack::borrow(stack, upstreams, ui, |description| {
        let seen = run_all(description, demo, ui)?;
        with_money(stack, seen, ui)
    })?;
    if demo.json {
        ui::print(serde_json::to_string_pretty(&json!({ "runs": runs }))?)?;
    } else {
        report::print(&runs)?;
    }
    Ok(())
}

/// Adds what an operator can see of each run.
fn with_money(stack: &Stack, seen: Vec<Seen>, ui: &Ui) -> Result<Vec<Run>> {
    let run_ids: Vec<String> = seen.iter().map(|run| run.run_id.to_string()).collect();
    let mut money = money_of(stack, &run_ids, ui)?;
    let with_its_own = |Seen { run_id, user, label, seconds, result }: Seen| {
        let money =
            money.remove(&run_id.to_string()).with_context(|| format!("the database has no run {run_id}"))?;
        Ok(Run { user, label, seconds, result, money })
    };
    seen.into_iter().map(with_its_own).collect()
}

fn run_all(description: &Description, demo: &Demo, ui: &Ui) -> Result<Vec<Seen>> {
    let mut runs = Vec::new();
    for (tier, username) in TIERS {
        let username = match &demo.username {
            Some(username) => username.clone(),
            // A name that no cache holds yet. The stand-ins make a profile for any name.
            None if !demo.live => {
                format!("{username}{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() % 1_000_000)
            }
            None => "nasa".to_owned(),
        };
        for (user, label) in ASKERS {
            let api = Api { url: &description.api_url, user: description.user(user)? };
            runs.push(
                analyze(&api, tier, &username, label, ui)
                    .with_context(|| format!("{tier} analysis of @{username} ({label})"))?,
            );
        }
    }
    Ok(runs)
}

/// Runs one analysis as a front end does: starts it, watches it, and fetches the result.
fn analyze(api: &Api, tier: Tier, username: &str, label: &'static str, ui: &Ui) -> Result<Seen> {
    let bar = ui.percent(&format!("{} @{username} ({label})", tier.as_str().to_uppercase()));
    let started = Instant::now();
    let run_id = api.start(tier, username)?;
    loop {
        let progress = api.progress(run_id)?;
        bar.set_position(progress.progress.into());
        bar.set_message(progress.current_step);
        match progress.status {
            RunStatus::Complete => break,
            RunStatus::Failed | RunStatus::Cancelled => {
                let reason = api.result(run_id).err();
                bail!(
                    "the run is {}: {}",
                    progress.status,
                    reason.map(|e| e.to_string()).unwrap_or_default()
                );
            }
            _ if started.elapsed() > LIMIT => bail!(
                "still {} after {} s: `cargo xtask logs FUNCTION` may tell why (run {})",
                progress.status,
                LIMIT.as_secs(),
                run_id
            ),
            _ => thread::sleep(POLL),
        }
    }
    let result = api.result(run_id)?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    ui.line(&format!(
        "✓ {} @{username} ({label}): score {} in {seconds:.1} s",
        tier.as_str().to_uppercase(),
        result.findings.assessment.score
    ));
    Ok(Seen { run_id, user: api.user.name.clone(), label, seconds, result })
}
