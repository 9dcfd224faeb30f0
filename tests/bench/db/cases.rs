//! The statements that are measured: each by a request to its handler.

use super::Large;
use anyhow::{Context, Result, ensure};
use futures::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use oslira_accounts::{get_account, list_invitations, list_members};
use oslira_analysis::{get_analysis_result, list_runs};
use oslira_auth::verify_token;
use oslira_business_profiles::{get_business_profile, list_business_profiles};
use oslira_credits::{get_credit_balance, list_credit_transactions};
use oslira_domain::Code;
use oslira_lambda::{Caller, Reply, Request};
use oslira_leads::{get_lead, list_lead_analyses, list_leads};
use oslira_postgres::UserDb;
use oslira_tests::Stack;
use std::{collections::HashMap, future::Future};

/// How long a statement may take.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// Milliseconds, for the median.
    Ms(f64),
    /// Its figure is of interest, and has no limit.
    None,
}

/// Details, balance, and the first page of a list in its default order.
const FIRST: Goal = Goal::Ms(2.0);
/// Other orders and filters.
const OTHER: Goal = Goal::Ms(20.0);

type Ask<'a> = Box<dyn Fn(&'a UserDb) -> BoxFuture<'a, oslira_domain::Result<Reply>> + 'a>;

/// One statement.
pub(crate) struct Case<'a> {
    pub(crate) what: &'static str,
    pub(crate) goal: Goal,
    ask: Ask<'a>,
}

impl<'a> Case<'a> {
    /// Runs the handler once. A CSV may be refused as too large: that has its cost, too.
    pub(crate) async fn run(&self, db: &'a UserDb) -> Result<()> {
        match (self.ask)(db).await {
            Ok(_) => Ok(()),
            Err(error) => {
                ensure!(error.code == Code::ExportTooLarge, "{}: {error}: {}", self.what, error.chain());
                Ok(())
            }
        }
    }
}

fn case<'a, F: Future<Output = oslira_domain::Result<Reply>> + Send + 'a>(
    what: &'static str,
    goal: Goal,
    handler: impl Fn(&'a UserDb, Request) -> F + 'a,
    request: impl Fn() -> Request + 'a,
) -> Case<'a> {
    Case { what, goal, ask: Box::new(move |db| handler(db, request()).boxed()) }
}

/// A list or a detail that is not there is missing here: add it.
pub(crate) async fn cases<'a>(stack: &Stack, large: &'a Large) -> Result<Vec<Case<'a>>> {
    let sql = "select l.lead_id::text, a.run_id::text, l.business_profile_id::text
                 from public.leads l join public.analyses a using (lead_id)
                 where l.account_id = $1::text::uuid and l.deleted_at is null
                 order by l.analyzed_at desc, a.created_at desc limit 1";
    let one = stack.database.row(sql, &[&large.account_id.to_string()]).await?;
    let id = |name: &str| one[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"));
    let (lead_id, run_id, profile_id) = (id("lead_id")?, id("run_id")?, id("business_profile_id")?);

    let query = |query: &str| {
        let query = query.to_owned();
        move || request(large, &[], &query)
    };
    let one = |name: &'static str, id: &str| {
        let id = id.to_owned();
        move || request(large, &[(name, &id)], "")
    };
    let of_profile = |filters: &str| format!("businessProfileId={profile_id}&{filters}");
    let csv = |filters: &str| {
        let filters = filters.to_owned();
        move || {
            let mut request = request(large, &[], &filters);
            request.headers = [("accept".to_owned(), "text/csv".to_owned())].into_iter().collect();
            request
        }
    };
    let last_week = format!("analyzedSince={}", Timestamp::now() - jiff::SignedDuration::from_hours(7 * 24));

    Ok(vec![
        case("the caller's accounts", FIRST, verify_token, || request(large, &[], "")),
        case("the account", FIRST, get_account, query("")),
        case("members", FIRST, list_members, query("")),
        case("invitations", FIRST, list_invitations, query("")),
        case("balance", FIRST, get_credit_balance, query("")),
        case("one business profile", FIRST, get_business_profile, one("businessProfileId", &profile_id)),
        case("one result", FIRST, get_analysis_result, one("runId", &run_id)),
        case("one lead", FIRST, get_lead, one("leadId", &lead_id)),
        case("business profiles", FIRST, list_business_profiles, query("")),
        case("ledger", FIRST, list_credit_transactions, query("")),
        case("ledger: charges", OTHER, list_credit_transactions, query("kind=charge")),
        case("ledger: refunds", OTHER, list_credit_transactions, query("kind=refund")),
        case("ledger: sign-up (1 row)", OTHER, list_credit_transactions, query("kind=signup")),
        case(
            "ledger: a month",
            OTHER,
            list_credit_transactions,
            query("since=2026-08-01T00:00:00Z&until=2026-09-01T00:00:00Z"),
        ),
        case("ledger: page 200", OTHER, list_credit_transactions, query("page=200")),
        case("runs", FIRST, list_runs, query("")),
        case("runs: status=failed", OTHER, list_runs, query("status=failed")),
        case("runs: tier=xray", OTHER, list_runs, query("tier=xray")),
        case("runs: page 200", OTHER, list_runs, query("page=200")),
        case("a lead's 201 analyses", FIRST, list_lead_analyses, one("leadId", &lead_id)),
        case("leads", FIRST, list_leads, query("")),
        case("leads: analyzedAt", OTHER, list_leads, query("sort=analyzedAt")),
        case("leads: -score", OTHER, list_leads, query("sort=-score")),
        case("leads: score", OTHER, list_leads, query("sort=score")),
        case("leads: -followers", OTHER, list_leads, query("sort=-followers")),
        case("leads: followers", OTHER, list_leads, query("sort=followers")),
        case("leads: -username", OTHER, list_leads, query("sort=-username")),
        case("leads: username", OTHER, list_leads, query("sort=username")),
        case("leads: page 200", OTHER, list_leads, query("page=200")),
        case("leads: -followers, page 200", OTHER, list_leads, query("sort=-followers&page=200")),
        case("leads: tier=light", OTHER, list_leads, query("tier=light")),
        case("leads: tier=xray", OTHER, list_leads, query("tier=xray")),
        case("leads: tier=xray, -followers", OTHER, list_leads, query("tier=xray&sort=-followers")),
        case(
            "leads: tier=xray, -followers, last page",
            OTHER,
            list_leads,
            query("tier=xray&sort=-followers&page=90"),
        ),
        case("leads: minScore=90, -score", OTHER, list_leads, query("minScore=90&sort=-score")),
        case("leads: minScore=90", OTHER, list_leads, query("minScore=90")),
        case(
            "leads: score 40 to 60, username",
            OTHER,
            list_leads,
            query("minScore=40&maxScore=60&sort=username"),
        ),
        case("leads: usernamePrefix=ab", OTHER, list_leads, query("usernamePrefix=ab")),
        case(
            "leads: usernamePrefix=ab, username",
            OTHER,
            list_leads,
            query("usernamePrefix=ab&sort=username"),
        ),
        case(
            "leads: usernamePrefix of none, -followers",
            OTHER,
            list_leads,
            query("usernamePrefix=zz&sort=-followers"),
        ),
        case("leads: one profile", OTHER, list_leads, query(&of_profile(""))),
        case("leads: one profile, -followers", OTHER, list_leads, query(&of_profile("sort=-followers"))),
        case("leads: the last week", OTHER, list_leads, query(&last_week)),
        case("leads: the last week, -score", OTHER, list_leads, query(&format!("{last_week}&sort=-score"))),
        case(
            "leads: all filters, -followers",
            OTHER,
            list_leads,
            query(&of_profile(
                "tier=deep,xray&minScore=70&maxScore=95&usernamePrefix=a&analyzedSince=2026-01-01T00:00:00Z&sort=-followers",
            )),
        ),
        case(
            "leads: filters that none match, -followers",
            OTHER,
            list_leads,
            query("tier=xray&minScore=99&usernamePrefix=abc&sort=-followers"),
        ),
        case("leads as CSV: usernamePrefix=a", Goal::None, list_leads, csv("usernamePrefix=a")),
        case("leads as CSV: too many", Goal::None, list_leads, csv("")),
    ])
}

/// A request of the large account's owner, as API Gateway hands it on.
fn request(large: &Large, path: &[(&str, &str)], query: &str) -> Request {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Request {
        caller: Some(Caller {
            user_id: large.user_id,
            email: None,
            default_account_id: Some(large.account_id),
            analyses_per_hour: HashMap::new(),
            expires_at: Timestamp::MAX,
        }),
        path: path.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect(),
        query: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..Request::default()
    }
}
