//! What must not be seen: secrets and strangers' words in histories and logs, one tenant's business in another's prompt.

use anyhow::Result;
use jiff::Timestamp;
use oslira_tests::{Fault, Stack, Upstream, User};

#[tokio::test]
async fn an_executions_history_holds_ids_and_keys_only() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("history")).await?;
    let sql = "select full_name, biography from public.leads where username = $1";
    let lead = stack.database.row(sql, &[&run.username]).await?;
    let history = stack.history(&run).await?.to_string();
    assert!(history.contains(&run.run_id), "this is the run's history");
    for (what, canary) in [
        ("the token", user.token.as_str()),
        ("the e-mail address", user.email.as_str()),
        ("the bio", lead["biography"].as_str().unwrap_or_default()),
        ("the display name", lead["full_name"].as_str().unwrap_or_default()),
        ("the business", "Roasts coffee"),
        ("OpenAI's key", "sk-local"),
        ("Apify's token", "apify_api_local"),
    ] {
        assert!(!canary.is_empty() && !history.contains(canary), "{what} is in the history");
    }
    Ok(())
}

/// What a vendor's error may quote: the key it was sent, and what it was asked about.
const QUOTED: [&str; 4] =
    ["canary_of_a_token", "canary of a prompt", "canary of a bio", "canary@example.test"];

#[tokio::test]
async fn what_vendors_say_in_errors_is_in_no_log_no_history_and_no_answer() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let message = format!("The key {} is not valid. You sent: {}", QUOTED[0], QUOTED[1..].join(" "));
    for (upstreams, failed) in [(&[Upstream::Apify][..], "ApifyRejected"), (&Upstream::AI, "AiRejected")] {
        // The first is the vendor's usual code. The second looks like one.
        for (code, shown) in [(None, " invalid"), (Some(QUOTED[0]), "(unknown)")] {
            let username = user.username("quoted");
            for upstream in upstreams {
                // A 400 is held against nobody.
                let fault = Fault::status(*upstream, 400).of(&username).with_message(&message);
                let fault = match code {
                    Some(code) => fault.with_code(code),
                    None => fault,
                };
                stack.stand_ins.fault(fault).await?;
            }
            let since = Timestamp::now().as_millisecond();
            let (run, progress) = user.analyze(&username).await?;
            assert_eq!(progress["code"], failed, "{progress}");
            let mut logs = String::new();
            for function in stack.description.functions.values() {
                logs.push_str(&stack.aws.logs(function, since).await?);
            }
            for upstream in upstreams {
                let answered = format!("{upstream} answered 400");
                let told =
                    logs.lines().any(|line| line.to_lowercase().contains(&answered) && line.contains(shown));
                assert!(told, "the log tells of {upstream}:\n{logs}");
            }
            let machine = &stack.description.state_machines["analysis"];
            let history = stack.aws.history(machine, &run.run_id).await?.to_string();
            let result = user.result(&run).await?.body.to_string();
            let seen = [
                ("logs", logs),
                ("history", history),
                ("progress", progress.to_string()),
                ("result", result),
            ];
            for (place, text) in seen {
                let told = QUOTED.iter().find(|quoted| text.contains(**quoted));
                assert_eq!(told, None, "of {upstreams:?} in the {place}:\n{text}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_prompt_holds_the_callers_business_and_nobody_elses() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    let describe = |user: &User<'_>, text: &str| {
        format!(
            "update public.business_profiles set description = '{text}' where business_profile_id = '{}'",
            user.business_profile_id
        )
    };
    stack.database.run(&describe(&user, "canary-of-the-caller")).await?;
    stack.database.run(&describe(&stranger, "canary-of-the-stranger")).await?;
    let username = user.username("prompted");
    stranger.analyze(&username).await?;
    user.analyze(&username).await?;
    let bodies = stack.stand_ins.bodies(Upstream::OpenAi, "canary-of-the-caller").await?;
    assert_eq!(bodies.len(), 1);
    let prompt = bodies.iter().map(ToString::to_string).collect::<String>();
    assert!(prompt.contains(&username) && !prompt.contains("canary-of-the-stranger"));
    assert!(!prompt.contains(&user.email) && !prompt.contains(&user.account_id));
    Ok(())
}
