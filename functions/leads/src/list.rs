//! `GET /api/leads`.

use crate::stored;
use oslira_api::{Lead, LeadFilters, LeadSort, Route, Tag};
use oslira_domain::Result;
use oslira_lambda::{Reply, Request};
use oslira_postgres::{List, UserDb};

pub(crate) fn list_route() -> Route {
    let leads = vec![stored::example_lead()];
    Route::get("/api/leads", "listLeads", Tag::Leads, "The account's leads, the last analysed first")
        .describe(
            "Deleted leads are not among them. A lead is there from the moment when its profile was scraped, with `null` for \
             its score until its first analysis is complete.",
        )
        .in_account()
        .query::<LeadFilters>()
        .answers_csv_of::<Lead>(&leads)
        .answers_pages_of::<Lead>("A page of the leads, or all of them as CSV.", leads)
}

/// Answers with a page of the account's leads, or with all that match as CSV.
pub async fn list_leads(db: &UserDb, request: Request) -> Result<Reply> {
    let (caller, account_id) = (request.caller()?, request.account_id()?);
    let (filters, page) = request.page::<LeadFilters>()?;
    let LeadFilters {
        business_profile_id,
        min_score,
        max_score,
        tier,
        username_prefix,
        analyzed_since,
        sort,
    } = filters;
    let tiers: Vec<String> = tier.into_iter().map(|tier| tier.as_str().to_owned()).collect();
    // `{` comes after every character of a username.
    let beyond_prefix = username_prefix.as_ref().map(|prefix| format!("{prefix}{{"));
    let select = format!(
        "select {} from public.leads
           where account_id = $1 and deleted_at is null
             and ($2 is null or business_profile_id = $2)
             and ($3 is null or score >= $3)
             and ($4 is null or score <= $4)
             and (cardinality($5) = 0 or tier = any ($5))
             and ($6 is null or username collate \"C\" >= $6 and username collate \"C\" < $7)
             and ($8 is null or analyzed_at >= $8)",
        stored::COLUMNS
    );
    let list = List {
        select: &select,
        order: order(sort),
        parameters: &[
            &business_profile_id,
            &min_score,
            &max_score,
            &tiers,
            &username_prefix,
            &beyond_prefix,
            &analyzed_since,
        ],
    };
    if request.wants_csv() {
        let leads = db.whole(caller.user_id, account_id, list, stored::lead).await?;
        return Reply::csv("leads", &leads);
    }
    Ok(Reply::ok(db.page(caller.user_id, account_id, list, page, stored::lead).await?))
}

/// Each order has an index, which is read in one direction or the other.
fn order(sort: LeadSort) -> &'static str {
    match sort {
        LeadSort::AnalyzedLast => "analyzed_at desc nulls last, lead_id desc",
        LeadSort::AnalyzedFirst => "analyzed_at nulls first, lead_id",
        LeadSort::HighestScore => "score desc nulls last, lead_id desc",
        LeadSort::LowestScore => "score nulls first, lead_id",
        LeadSort::MostFollowers => "followers desc, lead_id desc",
        LeadSort::FewestFollowers => "followers, lead_id",
        LeadSort::UsernameDown => "username collate \"C\" desc, lead_id desc",
        LeadSort::UsernameUp => "username collate \"C\", lead_id",
    }
}
