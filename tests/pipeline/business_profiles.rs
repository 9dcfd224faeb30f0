//! What a run judges by, when the business profile is changed or deleted before its stages look.

use anyhow::Result;
use oslira_domain::Tier;
use oslira_tests::{Stack, Upstream, User, paths, refused};
use serde_json::Value;

#[tokio::test]
async fn a_run_judges_by_the_business_profile_as_it_was_when_the_run_was_accepted() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("judged");
    // Accepted and charged, and not begun.
    let run = user.call_start_analysis(Tier::Light, &username).await?;

    let profile = &user.business_profile_id;
    stack
        .database
        .run(&format!(
            "update public.business_profiles set name = 'canary', description = 'canary of a later change',
                 follower_min = 1, follower_max = 2, content_themes = '{{canary}}', geo_focus = '{{canary}}'
               where business_profile_id = '{profile}';
             select public.delete_business_profile('{}', '{profile}')",
            user.account_id
        ))
        .await?;
    let gone = user.post(paths::ANALYZE, &user.analysis_of(&user.username("late"))).await?;
    assert_eq!(gone.refusal(), refused(404, "BusinessProfileNotFound"), "{}", gone.body);

    stack.start_execution(&user, &run).await?;
    assert_eq!(user.finished(&run).await?["status"], "complete");
    let prompts = stack.stand_ins.bodies(Upstream::OpenAi, &username).await?;
    let prompt = prompts.iter().map(Value::to_string).collect::<String>();
    assert!(prompt.contains("Roasts coffee") && !prompt.contains("canary"), "{prompt}");
    let reply = user.result(&run).await?;
    let result = reply.data().to_string();
    assert!(result.contains("1000 to 500000") && !result.contains("canary"), "{result}");
    assert_eq!(user.balance().await?, 9);
    Ok(())
}
