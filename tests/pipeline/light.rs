//! One LIGHT analysis, cold and cached.

use anyhow::{Context, Result};
use oslira_tests::{Stack, Upstream, User};
use serde_json::Value;

#[tokio::test]
async fn a_cold_run_ends_with_an_explained_score() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("cold");
    let (run, progress) = user.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    assert_eq!(progress["progress"], 100, "{progress}");

    let reply = user.result(&run).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let data = reply.data();
    assert_eq!(data["username"], username);
    assert_eq!(data["analysisType"], "light");
    assert_eq!(data["cacheHit"], false, "cacheHit");
    assert_eq!(data["creditsCharged"], 1, "creditsCharged");
    assert!((0..=100).contains(&data["score"].as_i64().context("score")?));
    assert!((0.0..=1.0).contains(&data["confidence"].as_f64().context("confidence")?));
    assert!(!data["summary"].as_str().context("summary")?.is_empty());

    let sub_scores = data["subScores"].as_array().context("subScores")?;
    assert!(sub_scores.iter().any(|sub| sub["name"] == "aiFit" && sub["evidence"][0].is_string()));
    let weights: f64 = sub_scores.iter().filter_map(|sub| sub["weight"].as_f64()).sum();
    assert!((weights - 1.0).abs() < 1e-6, "the weights sum to {weights}");
    assert!(data["metrics"].is_object());
    let tenths = |line: &Value| (line["points"].as_f64().unwrap_or(f64::NAN) * 10.0).round();
    let parts = ["subScores", "qualityFlags", "adjustments"].map(|part| data[part].as_array());
    let column: Vec<f64> = parts.into_iter().flatten().flatten().map(tenths).collect();
    assert_eq!(Some(column.iter().sum::<f64>() / 10.0), data["score"].as_f64(), "{column:?}");

    let calls = stack.calls(&run).await?;
    let providers: Vec<&Value> = calls.iter().map(|call| &call["provider"]).collect();
    assert_eq!(providers, ["apify", "openai"]);
    let total: f64 = calls.iter().filter_map(|call| call["cost_usd"].as_f64()).sum();
    assert!(total > 0.0 && total < 0.97, "{total}");

    let steps = data["timing"]["steps"].as_array().context("steps")?;
    let names: Vec<&Value> = steps.iter().map(|step| &step["name"]).collect();
    assert_eq!(names, ["queued", "scraping", "analyzing", "saving"]);
    assert!(data["timing"]["totalMs"].as_i64().context("totalMs")? > 0);
    assert!(data["timing"]["slowestStep"].is_string());

    let lead = stack
        .database
        .row("select lead_id, score, tier, followers from public.leads where username = $1", &[&username])
        .await?;
    assert_eq!(lead["lead_id"], data["leadId"], "lead_id");
    assert_eq!(lead["score"], data["score"], "score");
    assert_eq!(lead["tier"], "light", "tier");
    assert_eq!(user.balance().await?, 9);
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    Ok(())
}

#[tokio::test]
async fn another_tenant_gets_the_cached_profile_and_an_answer_of_their_own() -> Result<()> {
    let stack = Stack::connect().await?;
    let (first, second) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let username = first.username("shared");
    let (cold, _) = first.analyze(&username).await?;
    let (cached, _) = second.analyze(&username).await?;
    assert_eq!(stack.calls(&cached).await?.len(), 1, "the scrape was the first one's");
    let (cold, cached) = (first.result(&cold).await?, second.result(&cached).await?);
    assert_eq!(cold.data()["cacheHit"], false, "{}", cold.body);
    assert_eq!(cached.data()["cacheHit"], true, "{}", cached.body);
    assert_eq!(cold.data()["dataAsOf"], cached.data()["dataAsOf"]);
    assert_ne!(cold.data()["leadId"], cached.data()["leadId"]);
    assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_second_analysis_updates_the_same_lead() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("again");
    let (first, _) = user.analyze(&username).await?;
    stack.age(&first).await?;
    let (second, _) = user.analyze(&username).await?;
    let (first, second) = (user.result(&first).await?, user.result(&second).await?);
    assert_eq!(first.data()["leadId"], second.data()["leadId"]);
    assert_eq!(user.balance().await?, 8);
    Ok(())
}

#[tokio::test]
async fn the_same_question_is_answered_from_the_first_answer_and_costs_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("twice");
    let (first, _) = user.analyze(&username).await?;
    stack.age(&first).await?;
    let (second, progress) = user.analyze(&username).await?;
    assert_eq!(progress["status"], "complete", "{progress}");
    let (paid, kept) = (stack.calls(&first).await?, stack.calls(&second).await?);
    assert_eq!(paid[1]["is_cache_hit"], false, "{paid:?}");
    let [call] = kept.as_slice() else { anyhow::bail!("one call, to no vendor: {kept:?}") };
    assert_eq!(call["is_cache_hit"], true, "{call}");
    assert_eq!(call["outcome"], "answered", "{call}");
    assert_eq!(call["provider"], "openai", "{call}");
    assert_eq!(call["model"], "gpt-6-luna", "{call}");
    let counts = ["input_tokens", "cached_tokens", "output_tokens"].map(|name| call[name].as_i64());
    assert_eq!(counts, [Some(0); 3], "tokens");
    assert_eq!(call["cost_usd"].as_f64(), Some(0.0), "{call}");
    let (first, second) = (user.result(&first).await?, user.result(&second).await?);
    for field in ["score", "summary", "confidence", "subScores"] {
        assert_eq!(first.data()[field], second.data()[field], "{field}");
    }
    assert_eq!(stack.stand_ins.requests(Upstream::OpenAi, &username).await?, 1);
    assert_eq!(user.balance().await?, 8, "an analysis is what is sold, not a call");

    // Another business is another question.
    let stranger = User::sign_up(&stack, 10).await?;
    stranger.analyze(&username).await?;
    assert_eq!(stack.stand_ins.requests(Upstream::OpenAi, &username).await?, 2);
    Ok(())
}

#[tokio::test]
async fn profiles_with_little_in_them_are_scored_all_the_same() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let without_posts = user.username("noposts");
    for username in [&without_posts, &user.username("newborn"), &user.username("restricted")] {
        let (run, progress) = user.analyze(username).await?;
        assert_eq!(progress["status"], "complete", "{username}: {progress}");
        assert_eq!(user.result(&run).await?.status, 200, "{username}");
    }
    assert_eq!(stack.stand_ins.actor_runs(&without_posts).await?, 2, "asked for the missing posts once more");
    Ok(())
}
