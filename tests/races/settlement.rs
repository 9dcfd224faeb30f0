//! Finishing and refunding a run, raced.

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use oslira_lambda::CachedSecret;
use oslira_postgres::{SystemDb, Type};
use oslira_tests::{Stack, User, eventually};
use serde_json::json;
use uuid::Uuid;

const RUNS: i64 = 1_000;

async fn system_db(stack: &Stack) -> Result<SystemDb> {
    let secret = stack.secret("SYSTEM_DATABASE_SECRET").await?;
    let root = BASE64_STANDARD.decode(&stack.functions_env["DATABASE_CA_CERTIFICATE"])?;
    Ok(SystemDb::lazy(CachedSecret::fixed(&secret), Some(root))?)
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what the requirement asks for")]
async fn a_thousand_runs_finished_and_refunded_at_once_are_each_settled_once() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, i32::try_from(RUNS)?).await?;
    let (account_id, business_profile_id) = (&user.account_id, &user.business_profile_id);
    stack
        .database
        .run(&format!(
            "begin;
             insert into public.leads (lead_id, account_id, business_profile_id, username, followers, following, posts_count,
                 is_verified, is_business, profile_as_of)
               select gen_random_uuid(), '{account_id}', '{business_profile_id}', 'raced' || n, 1, 1, 1, false, false, now()
                 from generate_series(1, {RUNS}) n;
             insert into public.runs (run_id, account_id, business_profile_id, requested_by, username, tier, credits_charged)
               select gen_random_uuid(), '{account_id}', '{business_profile_id}', '{}', 'raced' || n, 'light', 1
                 from generate_series(1, {RUNS}) n;
             select oslira.deduct_credits_atomic(account_id, 1, 'light', run_id) from public.runs
               where account_id = '{account_id}';
             commit;",
            user.user_id
        ))
        .await?;
    assert_eq!(user.balance().await?, 0);

    let (finisher, refunder) = (system_db(&stack).await?, system_db(&stack).await?);
    let runs = stack
        .database
        .rows(
            "select r.run_id, l.lead_id from public.runs r join public.leads l using (account_id, username)
               where account_id = $1::text::uuid",
            &[account_id],
        )
        .await?;
    let result = json!({});
    let (mut completed, mut refunded) = (0, 0);
    for run in &runs {
        let run_id: Uuid = run["run_id"].as_str().context("run")?.parse()?;
        let lead_id: Uuid = run["lead_id"].as_str().context("lead")?.parse()?;
        let finish = async {
            let now = jiff::Timestamp::now();
            let sql = "select oslira.complete_run($1, $2, 50, 0.5, $3, $4, false, 1) as status";
            let params = [
                (&run_id as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
                (&lead_id, Type::UUID),
                (&result, Type::JSONB),
                (&now, Type::TIMESTAMPTZ),
            ];
            finisher.query(sql, &params).await
        };
        let refund = async {
            let sql =
                "select status, settled_now from oslira.refund_run($1, 'failed', 'InternalError', 'raced')";
            refunder.query(sql, &[(&run_id, Type::UUID)]).await
        };
        // Each side is sent first in half of the races.
        let (finished, refund) = if (completed + refunded) % 2 == 0 {
            tokio::try_join!(finish, refund)?
        } else {
            let (refund, finished) = tokio::try_join!(refund, finish)?;
            (finished, refund)
        };
        let finished: String = finished.first().context("no row")?.get("status");
        let refund = refund.first().context("no row")?;
        let (status, settled_now): (String, bool) = (refund.get("status"), refund.get("settled_now"));
        assert_eq!(finished, status, "both sides tell the same end");
        assert_eq!(settled_now, status == "failed");
        if settled_now { refunded += 1 } else { completed += 1 }
    }
    let sql = "select count(*) filter (where status = 'complete') as complete, count(*) filter (where status = 'failed') as failed,
                      count(a.run_id) as analyses
                 from public.runs r left join public.analyses a using (run_id) where r.account_id = $1::text::uuid";
    let counted = stack.database.row(sql, &[account_id]).await?;
    assert_eq!(counted, json!({"complete": completed, "failed": refunded, "analyses": completed}));
    assert_eq!(completed + refunded, RUNS);
    assert!(completed > 0 && refunded > 0, "one side always won: this was no race");
    assert_eq!(user.balance().await?, refunded);
    println!("note: of {RUNS} races, finishing won {completed} and refunding {refunded}");
    Ok(())
}

/// The same with the Lambdas themselves: a save and three compensations of one run at once.
#[tokio::test]
async fn a_save_and_three_compensations_at_once_agree() -> Result<()> {
    let stack = Stack::connect().await?;
    for round in 0..10 {
        let user = User::sign_up(&stack, 10).await?;
        let run = user.start(&user.username("agree")).await?;
        let functions = &stack.description.functions;
        // As soon as the lead is there, the answer is too, or will be: the save then fails for want of it, or wins.
        let lead = eventually("the answer", || async {
            let sql =
                "select l.lead_id from public.leads l join oslira.task_answers t on t.run_id = $2::text::uuid
                         where l.username = $1";
            Ok(stack.database.rows(sql, &[&run.username, &run.run_id]).await?.pop())
        })
        .await?;
        let key = stack.snapshot_key(&run).await?;
        let input = json!({
            "runId": run.run_id, "accountId": user.account_id, "tier": "light", "leadId": lead["lead_id"],
            "snapshotKey": key, "cacheHit": false,
        });
        let save = stack.aws.invoke(&functions["save-analysis"], &input);
        let compensate = || stack.compensate(&run);
        let (_, a, b, c) = tokio::try_join!(save, compensate(), compensate(), compensate())?;
        let status = user.finished(&run).await?["status"].clone();
        let refunds = [&a, &b, &c].iter().filter(|answer| answer["refundedNow"] == true).count();
        let (wanted, balance) = if status == "complete" { (0, 9) } else { (1, 10) };
        assert_eq!(
            (refunds, user.balance().await?),
            (wanted, balance),
            "round {round}: {status} {a} {b} {c}"
        );
        assert!(
            [&a, &b, &c].iter().all(|answer| answer["status"] == status),
            "round {round}: {status} {a} {b} {c}"
        );
    }
    Ok(())
}
