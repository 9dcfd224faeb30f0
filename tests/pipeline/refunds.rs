//! Runs that go wrong end in one refund, whatever went wrong.

use anyhow::Result;
use oslira_tests::{Ending, Fault, Lambda, Message, Run, Stack, Upstream, User, eventually, refused};
use serde_json::json;
use std::time::Duration;

/// The run has failed for this reason and was refunded once.
async fn assert_refunded(stack: &Stack, user: &User<'_>, run: &Run, reason: &str) -> Result<()> {
    let progress = user.finished(run).await?;
    assert_eq!(Ending::of(&progress), Ending::failed(reason), "{progress}");
    let result = user.result(run).await?;
    assert_eq!(result.refusal(), refused(410, "RunFailed"), "{}", result.body);
    assert_eq!(result.body["details"], json!({"reason": reason, "creditsRefunded": 1}));
    assert!(!result.body["error"].as_str().unwrap_or_default().is_empty());
    assert_eq!(
        stack.moves(run).await?,
        [json!({"kind": "charge", "amount": -1}), json!({"kind": "refund", "amount": 1})]
    );
    assert_eq!(user.balance().await?, 10);
    Ok(())
}

#[tokio::test]
async fn a_profile_that_is_not_there_fails_plainly_and_is_remembered() -> Result<()> {
    let stack = Stack::connect().await?;
    for (word, reason) in [("missing", "ProfileNotFound"), ("private", "ProfilePrivate")] {
        let user = User::sign_up(&stack, 10).await?;
        let username = user.username(word);
        let run = user.start(&username).await?;
        assert_refunded(&stack, &user, &run, reason).await?;

        // A failed run is no duplicate, and the scraper is not asked again for ten minutes.
        let again = user.start(&username).await?;
        assert_refunded(&stack, &user, &again, reason).await?;
        assert_eq!(stack.stand_ins.actor_runs(&username).await?, 1, "{word}");
        assert_eq!(stack.stand_ins.requests(Upstream::OpenAi, &username).await?, 0, "{word}");
    }
    Ok(())
}

#[tokio::test]
async fn an_execution_stopped_in_the_console_is_settled_at_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("stopped");
    stack.stand_ins.fault(Fault::slow(Upstream::Apify, Duration::from_secs(5)).of(&username)).await?;
    let run = user.start(&username).await?;
    eventually("the scrape to begin", || async {
        Ok((stack.stand_ins.requests(Upstream::Apify, &username).await? > 0).then_some(()))
    })
    .await?;
    stack.stop_execution(&run).await?;
    assert_refunded(&stack, &user, &run, "ExecutionStopped").await
}

#[tokio::test]
async fn a_message_nobody_can_read_is_reported_as_failed_and_harms_no_other() -> Result<()> {
    let stack = Stack::connect().await?;
    let mut consumer = Lambda::start(&stack, "start-queued-run", &[]).await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("settled")).await?;
    let message = |id, body| Message { id, body, receive_count: 1 };
    let failed = consumer
        .work_off(&[
            message("good", json!({"runId": run.run_id}).to_string()),
            message("poison", "{".to_owned()),
            message("nobody", json!({"runId": "0190a5a0-0000-7000-8000-000000000001"}).to_string()),
        ])
        .await?;
    assert_eq!(failed, ["poison", "nobody"]);
    assert_eq!(user.balance().await?, 9, "a settled run is left as it is");
    Ok(())
}
