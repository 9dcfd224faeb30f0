//! `score-anonymous-analysis`: asks a model, puts the result together, and ends the run.

use crate::{
    asking::{Asking, Matter, SharedState},
    assemble::{self, assemble},
};
use jiff::Timestamp;
use oslira_api::{AnonymousResult, Findings};
use oslira_domain::{
    Business, Code, Error, ProfileSource, Result, RunId, RunStatus, Snapshot, Step, Tier, Username,
};
use oslira_lambda::{Invocation, note_run};
use oslira_llm::{Call, Llm};
use oslira_stores::{AnonymousStore, InFlight, ProfileStore, Progress, ProgressStore};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::time::Instant;

/// The part of the invocation's time that is kept for writing the result down.
const RESERVE: Duration = Duration::from_secs(8);

/// The state machine's input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreAnonymousAnalysis {
    run_id: RunId,
    username: Username,
    tier: Tier,
    #[serde(flatten)]
    source: ProfileSource,
}

/// The output. The result itself stays in S3.
#[derive(Debug, Serialize)]
pub struct Scored {
    status: RunStatus,
}

#[derive(Debug)]
pub struct ScoreAnonymousTools {
    pub asking: Asking,
    pub profiles: ProfileStore,
    pub progress: ProgressStore,
    /// For the request and the result.
    pub store: AnonymousStore,
}

/// Scores the profile. When the result is kept already, no model is asked: an earlier try of this step wrote
/// it, and then died or lost its answer. When the run was already shown as failed, the step is refused.
pub async fn score_anonymous_analysis(
    tools: &ScoreAnonymousTools,
    invocation: Invocation<ScoreAnonymousAnalysis>,
) -> Result<Scored> {
    let Invocation { input, deadline } = invocation;
    note_run(input.run_id);
    let begin = async { tools.asking.begin(tools.asking.look(None).await?).await };
    let (in_flight, begun, kept, business, snapshot, llm) = tokio::join!(
        begin,
        tools.progress.advance(input.run_id, None, Step::Analyzing),
        tools.store.result::<AnonymousResult>(input.run_id),
        tools.store.request(input.run_id),
        tools.profiles.read(&input.source),
        tools.asking.llm()
    );
    let is_complete = begun.as_ref().is_ok_and(|begun| begun.status == RunStatus::Complete);
    let material = begun.and_then(|begun| match begun.status {
        RunStatus::Complete => Ok(None),
        status if status.is_terminal() => {
            Err(Error::new(Code::RunSettled, format!("The analysis was {status} before this step.")))
        }
        _ if kept?.is_some() => Ok(None),
        _ => Ok(Some((begun, business?, snapshot?, llm?))),
    });
    match material {
        Ok(Some((begun, business, snapshot, llm))) => {
            let material = Material { begun: &begun, business: &business, snapshot: &snapshot };
            score(tools, &llm, &input, material, in_flight?, deadline - RESERVE).await?;
        }
        nothing_to_ask => {
            if let Ok(in_flight) = in_flight {
                tools.asking.end(in_flight, None, &[]).await;
            }
            nothing_to_ask?;
        }
    }
    if !is_complete {
        tools.progress.finish(input.run_id, None, RunStatus::Complete).await?;
    }
    Ok(Scored { status: RunStatus::Complete })
}

/// What the score is made from.
struct Material<'a> {
    begun: &'a Progress,
    business: &'a Business,
    snapshot: &'a Snapshot,
}

/// Asks the model and keeps the result. The other work that is due at this point runs beside it.
async fn score(
    tools: &ScoreAnonymousTools,
    llm: &Llm<'_, SharedState>,
    input: &ScoreAnonymousAnalysis,
    material: Material<'_>,
    in_flight: Option<InFlight>,
    deadline: Instant,
) -> Result<()> {
    let Material { begun, business, snapshot } = material;
    let [task] = *input.tier.tasks() else {
        return Err(Error::internal(format!("{} is more than anonymous runs get", input.tier)));
    };
    let matter = Matter { tier: input.tier, task, business_key: "anonymous", business, snapshot };
    let outcome = tools.asking.ask(llm, matter, deadline).await;
    log(input.run_id, &outcome.calls);
    let kept = async {
        let answers = Map::from_iter([(task.to_string(), outcome.answer?)]);
        let result = result(input, begun, business, snapshot, &answers)?;
        tools.store.keep_result(input.run_id, &result).await
    };
    let (kept, (), ()) =
        tokio::join!(kept, tools.asking.end(in_flight, None, &outcome.calls), outcome.afterwards);
    kept
}

/// The result of a LIGHT analysis, without the parts that belong to an account.
fn result(
    input: &ScoreAnonymousAnalysis,
    begun: &Progress,
    business: &Business,
    snapshot: &Snapshot,
    answers: &Map<String, Value>,
) -> Result<AnonymousResult> {
    let material = assemble::Material {
        tier: input.tier,
        snapshot,
        icp: business.icp.as_ref(),
        answers,
        created_at: begun.created_at,
        progress: Some(begun),
    };
    let Findings { assessment, summary, timing, .. } = assemble(&material, Timestamp::now())?;
    Ok(AnonymousResult {
        username: input.username.clone(),
        analysis_type: input.tier,
        assessment,
        summary,
        timing,
        data_as_of: snapshot.scraped_at,
        cache_hit: input.source.cache_hit,
    })
}

/// Logs what the calls cost. There is no account for which Postgres could record them.
fn log(run_id: RunId, calls: &[Call]) {
    for call in calls {
        tracing::info!(
            runId = %run_id,
            provider = call.provider.as_str(),
            model = %call.model,
            inputTokens = call.input_tokens,
            cachedTokens = call.cached_tokens,
            outputTokens = call.output_tokens,
            costUsd = call.cost_usd,
            durationMs = call.duration_ms,
            isFallback = call.is_fallback,
            isCacheHit = call.cache_hit,
            outcome = ?call.outcome,
            "anonymous AI call"
        );
    }
}
