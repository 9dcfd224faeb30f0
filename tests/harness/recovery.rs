//! What it takes to bring a run into a state that hardly ever occurs, and out of it.

use crate::{Run, Stack, User, eventually, paths};
use anyhow::{Context, Result, ensure};
use jiff::{Timestamp, tz::TimeZone};
use oslira_domain::Tier;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

impl User<'_> {
    /// A run that was charged just now, and whose `start-analysis` died right after.
    pub async fn accept(&self, username: &str) -> Result<Run> {
        self.accept_earlier(username, Duration::ZERO).await
    }

    /// The same, this long ago.
    pub async fn accept_earlier(&self, username: &str, ago: Duration) -> Result<Run> {
        let run_id = Uuid::now_v7().to_string();
        self.stack()
            .database
            .run(&format!(
                "begin;
                 select oslira.keep_business_profile_version(p) from public.business_profiles p
                   where business_profile_id = '{1}';
                 insert into public.runs (run_id, account_id, business_profile_id, business_profile_version, requested_by,
                     username, tier, credits_charged, created_at)
                   select '{run_id}', '{0}', business_profile_id, version, '{2}', '{username}', 'light', 1, now() - {3}
                     from public.business_profiles where business_profile_id = '{1}';
                 select oslira.deduct_credits_atomic('{0}', 1, 'light', '{run_id}');
                 commit;",
                self.account_id,
                self.business_profile_id,
                self.user_id,
                interval(ago)
            ))
            .await?;
        Ok(Run { run_id, username: username.to_owned() })
    }

    /// A run that was charged just now by the function of the database, which any signed-in user can call; nothing begins it.
    pub async fn call_start_analysis(&self, tier: Tier, username: &str) -> Result<Run> {
        let database = &self.stack().database;
        let claims =
            format!(r#"select set_config('request.jwt.claims', '{{"sub":"{}"}}', false)"#, self.user_id);
        database.run(&claims).await?;
        let sql = "select outcome, (run).run_id from public.start_analysis($1::text::uuid, $2::text::uuid, gen_random_uuid(), $3, $4)";
        let row = database
            .row(sql, &[&self.account_id, &self.business_profile_id, username, tier.as_str()])
            .await?;
        ensure!(row["outcome"] == "accepted", "{row}");
        let run_id = row["run_id"].as_str().context("no run")?.to_owned();
        Ok(Run { run_id, username: username.to_owned() })
    }

    /// Gives this run, as whoever calls the function of the database themselves can, a key that repeats a request with that
    /// body.
    pub async fn plant_key(&self, run: &Run, key: &str, body: &Value) -> Result<()> {
        let sql = format!(
            "insert into oslira.idempotency_keys (account_id, route, idempotency_key, body_hash, resource_id)
               values ('{}', 'POST {}', '{key}', sha256(convert_to('{body}', 'UTF8')), '{}')",
            self.account_id,
            paths::ANALYZE,
            run.run_id
        );
        self.stack().database.run(&sql).await
    }

    /// The input of a run's execution, and of its first stage.
    pub fn execution_input(&self, run: &Run) -> Value {
        json!({
            "runId": run.run_id, "accountId": self.account_id, "businessProfileId": self.business_profile_id,
            "username": run.username, "tier": "light",
        })
    }
}

impl Stack {
    /// Lets a run have been accepted six minutes earlier: the rule on duplicates looks back for five.
    pub async fn age(&self, run: &Run) -> Result<()> {
        let sql = format!(
            "update public.runs set created_at = created_at - {} where run_id = '{}'",
            interval(Duration::from_mins(6)),
            run.run_id
        );
        self.database.run(&sql).await
    }

    /// As on a day whose second calls are used up: a slow AI call is not made again beside the first.
    pub async fn use_up_hedges(&self) -> Result<()> {
        let day = format!("day#{}", Timestamp::now().to_zoned(TimeZone::UTC).date());
        let table = &self.description.tables["ai-usage"];
        self.aws.put_number(table, json!({"period": {"S": day}}), "hedges", 1_000_000).await
    }
}

/// A length of time in SQL.
fn interval(length: Duration) -> String {
    format!("make_interval(secs => {})", length.as_secs_f64())
}

/// As long as nobody can mark a run as failed: how a database looks that is away just then.
#[derive(Debug)]
pub struct Unsettleable<'a> {
    stack: &'a Stack,
    name: String,
}

impl Stack {
    /// Starts the execution that is named by the run.
    pub async fn start_execution(&self, user: &User<'_>, run: &Run) -> Result<()> {
        let machine = &self.description.state_machines["analysis"];
        self.aws.start_execution(machine, &run.run_id, &user.execution_input(run)).await
    }

    /// From now on, marking this run as failed is an error.
    pub async fn refuse_failure_of(&self, run: &Run) -> Result<Unsettleable<'_>> {
        let name = format!("oslira.refuse_{}", run.run_id.replace('-', ""));
        let trigger = name.replace('.', "_");
        // A sequence counts what is rolled back, too.
        self.database
            .run(&format!(
                "create sequence {name}_tries;
                 create function {name}() returns trigger language plpgsql security definer as $$
                 begin
                   perform nextval('{name}_tries');
                   raise exception 'by a test';
                 end $$;
                 create trigger {trigger} before update on public.runs for each row
                   when (old.run_id = '{}' and new.status = 'failed') execute function {name}();",
                run.run_id
            ))
            .await?;
        Ok(Unsettleable { stack: self, name })
    }
}

impl Unsettleable<'_> {
    /// Waits until someone has tried.
    pub async fn tried(&self) -> Result<()> {
        eventually("a try to settle the run", || async {
            let sql = format!("select is_called from {}_tries", self.name);
            Ok((self.stack.database.row(&sql, &[]).await?["is_called"] == true).then_some(()))
        })
        .await
    }

    /// From now on it is possible again.
    pub async fn allow(self) -> Result<()> {
        let name = &self.name;
        self.stack.database.run(&format!("drop function {name}() cascade; drop sequence {name}_tries;")).await
    }
}

impl Stack {
    /// Loses a run's progress item, as when it has expired.
    pub async fn forget_progress(&self, run: &Run) -> Result<()> {
        self.aws
            .delete_item(&self.description.tables["run-progress"], json!({"runId": {"S": run.run_id}}))
            .await
    }

    /// Stops a run's first execution, as an operator would in the console.
    pub async fn stop_execution(&self, run: &Run) -> Result<()> {
        self.aws.stop_execution(&self.description.state_machines["analysis"], &run.run_id).await
    }

    /// The ARN of a secret of the test's own: the address of a database that refuses connections.
    pub async fn closed_database(&self) -> Result<String> {
        self.aws.create_secret("postgresql://nobody:x@127.0.0.1:9/postgres?sslmode=require").await
    }

    /// Takes the run's latest sign of life ten minutes back, as if nothing had happened since.
    pub async fn quieten(&self, run: &Run) -> Result<()> {
        let ago = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
        let table = &self.description.tables["run-progress"];
        self.aws
            .set_number(table, json!({"runId": {"S": run.run_id}}), "updatedAt", ago.as_millisecond())
            .await
    }

    /// What the job that looks for stale runs reports.
    pub async fn fail_stale_runs(&self) -> Result<Value> {
        let tick = json!({"source": "aws.scheduler", "time": "2026-11-20T10:00:00Z"});
        self.invoke("fail-stale-runs", &tick).await?.output()
    }
}
