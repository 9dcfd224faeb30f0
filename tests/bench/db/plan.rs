//! How Postgres carried statements out, as `auto_explain` writes it to the server's log.

use super::cases::Case;
use anyhow::{Context, Result, ensure};
use oslira_postgres::UserDb;
use oslira_tests::Stack;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

/// How the statements of one request were carried out.
pub(crate) struct Carried {
    /// How long Postgres worked on them, without parsing and planning.
    pub(crate) duration: Duration,
    /// Milliseconds of it that counting took, if there was a clock around each step.
    pub(crate) count_ms: Option<f64>,
    pub(crate) reads: Reads,
}

/// What was read, and by what.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Reads {
    /// How many rows or index entries were looked at.
    pub(crate) rows: u64,
    /// Whether the accounts of the caller were asked for once and not for each row.
    is_init_plan: bool,
    /// Whether there is something that is evaluated for each row.
    has_subplan_per_row: bool,
    /// Which indexes were read.
    indexes: BTreeSet<String>,
    /// Which tables were read from one end to the other.
    scanned: BTreeSet<String>,
}

impl fmt::Display for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.indexes.iter().cloned().collect();
        words.extend(self.scanned.iter().map(|table| format!("ALL OF {table}")));
        if !self.is_init_plan {
            words.push("NO INIT PLAN".to_owned());
        }
        if self.has_subplan_per_row {
            words.push("SUBPLAN PER ROW".to_owned());
        }
        f.write_str(&words.join("\n"))
    }
}

/// The log of the server.
pub(crate) struct Plans(File);

impl Plans {
    /// From now on the server writes down how it carries out what the Lambdas' user role sends.
    pub(crate) async fn open(stack: &Stack, log: &Path) -> Result<Self> {
        let log = File::open(log).with_context(|| format!("no log at {}", log.display()))?;
        let settings = [
            ("session_preload_libraries", "auto_explain"),
            ("auto_explain.log_min_duration", "0"),
            ("auto_explain.log_analyze", "on"),
            ("auto_explain.log_format", "json"),
            ("auto_explain.log_timing", "off"),
        ];
        for (name, value) in settings {
            set(stack, name, value).await?;
        }
        begin_anew(stack).await?;
        Ok(Self(log))
    }

    /// From now on with a clock around each step, which makes a statement longer.
    pub(crate) async fn time_each_step(&self, stack: &Stack) -> Result<()> {
        set(stack, "auto_explain.log_timing", "on").await?;
        begin_anew(stack).await
    }

    /// From now on with a clock around the whole alone.
    pub(crate) async fn time_statements_only(&self, stack: &Stack) -> Result<()> {
        set(stack, "auto_explain.log_timing", "off").await?;
        begin_anew(stack).await
    }

    /// Runs each case so many times, after once to warm up.
    pub(crate) async fn of_each<'a>(
        &mut self,
        db: &'a UserDb,
        cases: &[Case<'a>],
        times: usize,
    ) -> Result<Vec<Vec<Carried>>> {
        let mut all = Vec::new();
        for case in cases {
            case.run(db).await?;
            let mut runs = Vec::new();
            for _ in 0..times {
                self.0.seek(SeekFrom::End(0))?;
                case.run(db).await?;
                let mut text = Vec::new();
                self.0.read_to_end(&mut text)?;
                let carried = carried(&String::from_utf8_lossy(&text)).with_context(|| case.what)?;
                runs.push(carried);
            }
            all.push(runs);
        }
        Ok(all)
    }
}

/// Sets something for the sessions of the Lambdas' user role.
async fn set(stack: &Stack, name: &str, value: &str) -> Result<()> {
    stack.database.run(&format!("alter role oslira_user set {name} = '{value}'")).await
}

/// Ends the pooler's connections: new ones have the new settings.
async fn begin_anew(stack: &Stack) -> Result<()> {
    stack
        .database
        .run("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'oslira_user'")
        .await
}

/// Reads what was written while one request was answered.
fn carried(log: &str) -> Result<Carried> {
    let mut whole = Carried { duration: Duration::ZERO, count_ms: None, reads: Reads::default() };
    let mut is_init_plan = true;
    let mut statements = 0;
    for (ms, plan) in plans(log)? {
        // The settings at the beginning of a transaction are no statement of a handler's.
        let is_of_a_handler = plan["Query Text"].as_str().is_some_and(|sql| sql.contains("public."));
        if !is_of_a_handler {
            continue;
        }
        statements += 1;
        whole.duration += Duration::from_secs_f64(ms / 1e3);
        let mut has_init_plan = false;
        walk(&plan["Plan"], &mut |node| {
            let number = |name: &str| node[name].as_f64().unwrap_or_default();
            let loops = number("Actual Loops");
            let kind = node["Node Type"].as_str().unwrap_or_default();
            if kind.ends_with("Scan") && !["CTE Scan", "Subquery Scan", "Function Scan"].contains(&kind) {
                let looked_at = number("Actual Rows")
                    + number("Rows Removed by Filter")
                    + number("Rows Removed by Index Recheck");
                // A bitmap's entries are looked at again in the table.
                if kind != "Bitmap Index Scan" {
                    whole.reads.rows += (looked_at * loops) as u64;
                }
                whole.reads.indexes.extend(node["Index Name"].as_str().map(str::to_owned));
            }
            if kind == "Seq Scan" {
                whole.reads.scanned.extend(node["Relation Name"].as_str().map(str::to_owned));
            }
            if kind == "Aggregate" && whole.count_ms.is_none() {
                whole.count_ms = node["Actual Total Time"].as_f64();
            }
            match node["Parent Relationship"].as_str() {
                // The other init plan is the ids of a page's entries, which is no `Result`.
                Some("InitPlan") => has_init_plan |= kind == "Result",
                Some("SubPlan") => whole.reads.has_subplan_per_row = true,
                _ => {}
            }
        });
        is_init_plan &= has_init_plan;
    }
    ensure!(statements > 0, "the log has no statement:\n{log}");
    whole.reads.is_init_plan = is_init_plan;
    Ok(whole)
}

/// Each plan in the log, with how many milliseconds it took. A plan begins with a line of its own and goes on in lines
/// that begin with a tab.
fn plans(log: &str) -> Result<Vec<(f64, Value)>> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((_, rest)) = line.split_once("LOG:  duration: ") else { continue };
        let Some(ms) = rest.strip_suffix(" ms  plan:") else { continue };
        let mut json = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            json.push_str(line);
            json.push('\n');
        }
        plans.push((ms.parse()?, serde_json::from_str(&json).context("a plan is not JSON")?));
    }
    Ok(plans)
}

fn walk(node: &Value, look: &mut impl FnMut(&Value)) {
    look(node);
    for below in node["Plans"].as_array().into_iter().flatten() {
        walk(below, look);
    }
}
