//! What a run judges by, when the business profile is changed or deleted before its stages look.

use anyhow::{Context, Result};
use oslira_tests::{Run, Stack, User};
use serde_json::Value;

#[tokio::test]
async fn a_run_judges_by_the_business_profile_as_it_was_when_the_run_was_accepted() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("judged");
    // Accepted and charged, and not begun.
    let claims = format!(r#"select set_config('request.jwt.claims', '{{"sub":"{}"}}', false)"#, user.user_id);
    stack.database.run(&claims).await?;
    let sql = "select outcome, (run).run_id
                 from public.start_analysis($1::text::uuid, $2::text::uuid, gen_random_uuid(), $3, 'light')";
    let row = stack.database.row(sql, &[&user.account_id, &user.business_profile_id, &username]).await?;
    assert_eq!(row["outcome"], "accepted");
    let run =
        Run { run_id: row["run_id"].as_str().context("no run")?.to_owned(), username: username.clone() };

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
    let gone = user.post("/api/leads/analyze", &user.analysis_of(&user.username("late"))).await?;
    assert_eq!((gone.status, gone.code()), (404, "BusinessProfileNotFound"), "{}", gone.body);

    stack.start_execution(&user, &run).await?;
    assert_eq!(user.finished(&run).await?["status"], "complete");
    let prompts = stack.stand_ins.bodies("openai", &username).await?;
    let prompt = prompts.iter().map(Value::to_string).collect::<String>();
    assert!(prompt.contains("Roasts coffee") && !prompt.contains("canary"), "{prompt}");
    let reply = user.result(&run).await?;
    let result = reply.data().to_string();
    assert!(result.contains("1000 to 500000") && !result.contains("canary"), "{result}");
    assert_eq!(user.balance().await?, 9);
    Ok(())
}
