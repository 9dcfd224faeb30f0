//! Finishing, cancelling and giving up a run, raced.

use anyhow::{Context, Result};
use oslira_lambda::{CachedSecret, Secret};
use oslira_postgres::SystemDb;
use oslira_tests::{Stack, User, eventually, paths};
use serde_json::json;
use std::collections::BTreeMap;
use uuid::Uuid;

const RUNS: i64 = 1_000;

/// What one of those who give a run up was told, to compare.
#[derive(Debug, PartialEq)]
struct Settled {
    status: String,
    settled_now: bool,
}

async fn system_db(stack: &Stack) -> Result<SystemDb> {
    let secret = stack.secret(Secret::SystemDatabase).await?;
    let root = stack.database_root()?;
    Ok(SystemDb::lazy(CachedSecret::fixed(&secret), Some(root))?)
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what the requirement asks for")]
async fn a_thousand_runs_finished_cancelled_and_given_up_at_once_are_each_settled_once() -> Result<()> {
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
             select oslira.keep_business_profile_version(p) from public.business_profiles p
               where business_profile_id = '{business_profile_id}';
             insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by, username,
                 tier, credits_charged)
               select gen_random_uuid(), account_id, business_profile_id, version, '{}', 'raced' || n, 'light', 1
                 from public.business_profiles cross join generate_series(1, {RUNS}) n
                 where business_profile_id = '{business_profile_id}';
             select oslira.deduct_credits_atomic(account_id, 1, 'light', run_id) from public.runs
               where account_id = '{account_id}';
             commit;",
            user.user_id
        ))
        .await?;
    assert_eq!(user.balance().await?, 0);

    // The stage that saves, the state machine's refund after a cancel, and the job that gives stale runs up.
    let finisher = system_db(&stack).await?;
    let refunders = [
        (system_db(&stack).await?, "cancelled", "RunCancelled"),
        (system_db(&stack).await?, "failed", "ExecutionStopped"),
    ];
    let runs = stack
        .database
        .rows(
            "select r.run_id, l.lead_id from public.runs r join public.leads l using (account_id, username)
               where account_id = $1::text::uuid",
            &[account_id],
        )
        .await?;
    let result = json!({});
    let mut ends: BTreeMap<String, i64> = BTreeMap::new();
    for (n, run) in runs.iter().enumerate() {
        let run_id: Uuid = run["run_id"].as_str().context("run")?.parse()?;
        let lead_id: Uuid = run["lead_id"].as_str().context("lead")?.parse()?;
        let finish = async {
            let now = jiff::Timestamp::now();
            let sql = "select oslira.complete_run($1, $2, 50, 0.5, $3, $4, false, 1) as status";
            let row = finisher.one(sql, &[&run_id, &lead_id, &result, &now]).await?;
            anyhow::Ok(row.read::<String>("status")?)
        };
        let refund = async |(db, status, code): &(SystemDb, &str, &str)| {
            let sql = "select status, settled_now from oslira.refund_run($1, $2, $3, 'raced')";
            let row = db.one(sql, &[&run_id, status, code]).await?;
            anyhow::Ok(Settled { status: row.read("status")?, settled_now: row.read("settled_now")? })
        };
        let (cancel, give_up) = (refund(&refunders[0]), refund(&refunders[1]));
        // Each side is sent first in a third of the races.
        let (finished, cancelled, given_up) = match n % 3 {
            0 => tokio::try_join!(finish, cancel, give_up)?,
            1 => {
                let (cancelled, given_up, finished) = tokio::try_join!(cancel, give_up, finish)?;
                (finished, cancelled, given_up)
            }
            _ => {
                let (given_up, finished, cancelled) = tokio::try_join!(give_up, finish, cancel)?;
                (finished, cancelled, given_up)
            }
        };
        let status = finished;
        // All sides tell the same end, and one of them has settled it.
        let settled = |by: &str| Settled { status: status.clone(), settled_now: status == by };
        assert_eq!(cancelled, settled("cancelled"), "the cancel");
        assert_eq!(given_up, settled("failed"), "the job that gives up");
        *ends.entry(status).or_default() += 1;
    }
    let won = |status: &str| ends.get(status).copied().unwrap_or_default();
    let (complete, cancelled, failed) = (won("complete"), won("cancelled"), won("failed"));
    let sql = "select count(*) filter (where status = 'complete') as complete, count(*) filter (where status = 'cancelled') as cancelled,
                      count(*) filter (where status = 'failed') as failed, count(a.run_id) as analyses
                 from public.runs r left join public.analyses a using (run_id) where r.account_id = $1::text::uuid";
    let counted = stack.database.row(sql, &[account_id]).await?;
    assert_eq!(
        counted,
        json!({"complete": complete, "cancelled": cancelled, "failed": failed, "analyses": complete})
    );
    assert_eq!(complete + cancelled + failed, RUNS);
    assert!(complete > 0 && cancelled > 0 && failed > 0, "one side never won: this was no race");
    assert_eq!(user.balance().await?, cancelled + failed);
    println!(
        "note: of {RUNS} races, finishing won {complete}, cancelling {cancelled} and giving up {failed}"
    );
    Ok(())
}

/// The same with the Lambdas themselves: a save and three refunds of one run at once.
#[tokio::test]
async fn a_save_and_three_refunds_at_once_agree() -> Result<()> {
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
        let refund = || stack.refund(&run);
        let (_, a, b, c) = tokio::try_join!(save, refund(), refund(), refund())?;
        let status = user.finished(&run).await?["status"].clone();
        let refunds = [&a, &b, &c].iter().filter(|answer| answer["refundedNow"] == true).count();
        let (wanted, balance) = if status == "complete" { (0, 9) } else { (1, 10) };
        assert_eq!(refunds, wanted, "refunds: round {round}: {status} {a} {b} {c}");
        assert_eq!(user.balance().await?, balance, "the balance: round {round}: {status} {a} {b} {c}");
        assert!(
            [&a, &b, &c].iter().all(|answer| answer["status"] == status),
            "round {round}: {status} {a} {b} {c}"
        );
    }
    Ok(())
}

/// A cancel over the API at any moment of a run's life: it is cancelled and refunded, or complete and charged.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the spread shows that the race was one")]
async fn a_cancel_at_any_moment_leaves_one_end() -> Result<()> {
    let stack = Stack::connect().await?;
    let mut ends: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for polls in 0..24 {
        let user = User::sign_up(&stack, 10).await?;
        let run = user.start(&user.username("moment")).await?;
        for _ in 0..2 * polls {
            user.get(&paths::progress(&run.run_id)).await?;
        }
        let cancel = || user.cancel(&run);
        let (a, b, c) = tokio::try_join!(cancel(), cancel(), cancel())?;
        let status = user.finished(&run).await?["status"].as_str().context("status")?.to_owned();
        let balance = user.balance().await?;
        match status.as_str() {
            "complete" => assert_eq!(balance, 9, "{polls}"),
            "cancelled" => assert_eq!(balance, 10, "{polls}"),
            other => panic!("{polls}: {other}"),
        }
        for reply in [&a, &b, &c] {
            assert!([202, 409].contains(&reply.status), "{}", reply.body);
            // What the refusal says is how it ended.
            if reply.status == 409 {
                assert_eq!(reply.body["details"], json!({"status": status}), "{}", reply.body);
            }
        }
        *ends.entry((a.status, status)).or_default() += 1;
    }
    let cancelled = ends.iter().filter(|((_, status), _)| status == "cancelled").count();
    assert!(cancelled > 0 && ends.len() > 1, "always the same end: {ends:?}");
    println!("note: 24 cancels at as many moments came to {ends:?}");
    Ok(())
}
