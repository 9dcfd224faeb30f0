//! `/api/leads`, but for the start of an analysis.

use anyhow::{Context, Result};
use oslira_domain::Tier;
use oslira_tests::{
    Reply, Stack, User,
    paths::{self, LEADS, with_query},
    refused,
};
use reqwest::Method;
use serde_json::{Value, json};

/// One value of each entry on a page.
fn each<'a>(page: &'a Value, name: &str) -> Vec<&'a Value> {
    page["data"].as_array().into_iter().flatten().map(|entry| &entry[name]).collect()
}

async fn delete(user: &User<'_>, id: &str) -> Result<Reply> {
    user.request(Method::DELETE, &paths::lead(id), &[], None).await
}

async fn restore(user: &User<'_>, id: &str) -> Result<Reply> {
    user.request(Method::POST, &paths::restore_lead(id), &[], None).await
}

/// A list as CSV.
async fn csv(user: &User<'_>, path: &str) -> Result<Reply> {
    user.request(Method::GET, path, &[("accept", "text/csv")], None).await
}

/// Adds leads as the pipeline leaves them: `rows` is a query of what differs.
async fn add_leads(stack: &Stack, user: &User<'_>, rows: &str) -> Result<()> {
    let sql = format!(
        "insert into public.leads (account_id, business_profile_id, username, full_name, followers, following, posts_count,
             is_verified, is_business, profile_as_of, score, tier, analyzed_at)
           select '{}', '{}', username, full_name, followers, 1, 1, false, false, '2026-01-01T00:00:00Z', score, tier, analyzed_at
             from ({rows}) r",
        user.account_id, user.business_profile_id
    );
    stack.database.run(&sql).await
}

/// A user with 30 leads. Many have the same score, followers or moment, and three were never analysed.
async fn with_leads(stack: &Stack) -> Result<User<'_>> {
    let user = User::sign_up(stack, 10).await?;
    let rows = "select (array['a.b', 'a1', 'a_b', 'ab'])[n % 4 + 1] || n as username, '' as full_name, n % 5 * 1000 as followers,
                       case when n > 3 then n % 7 * 10 end as score,
                       case when n > 3 then (array['light', 'deep', 'xray'])[n % 3 + 1] end as tier,
                       case when n > 3 then timestamptz '2026-01-01T00:00:00Z' + n / 2 * interval '1 minute' end as analyzed_at
                  from generate_series(1, 30) n";
    add_leads(stack, &user, rows).await?;
    Ok(user)
}

#[tokio::test]
async fn an_analysed_username_is_a_lead_with_its_last_analysis_in_brief() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("coffee");
    let (run, _) = user.analyze(&username).await?;
    let light = user.result(&run).await?;
    let (deep_run, _) = user.analyze_tier(Tier::Deep, &username).await?;
    let deep = user.result(&deep_run).await?;
    let id = light.data()["leadId"].as_str().context("no lead")?;
    assert_eq!(deep.data()["leadId"], id, "both analyses are of one lead");

    let reply = user.get(&paths::lead(id)).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let lead = reply.data();
    assert_eq!(lead["username"], username);
    assert_eq!(lead["businessProfileId"], user.business_profile_id);
    assert_eq!((&lead["score"], &lead["analysisType"]), (&deep.data()["score"], &json!("deep")));
    let latest = &lead["latestAnalysis"];
    assert_eq!(latest["runId"], deep_run.run_id);
    assert_eq!(latest["analyzedAt"], lead["analyzedAt"]);
    for of_both in ["score", "confidence", "summary", "analysisType", "dataAsOf"] {
        assert_eq!(latest[of_both], deep.data()[of_both], "{of_both}");
    }

    let analyses = user.get(&paths::lead_analyses(id)).await?;
    assert_eq!(each(analyses.data(), "runId"), [&json!(deep_run.run_id), &json!(run.run_id)], "newest first");
    assert_eq!(&analyses.data()["data"][0], latest);
    let second = user.get(&with_query(&paths::lead_analyses(id), "pageSize=1&page=2")).await?;
    assert_eq!(second.data()["total"], 2);
    assert_eq!(each(second.data(), "score"), [&light.data()["score"]]);

    let listed = user.get(LEADS).await?;
    assert_eq!(listed.data()["total"], 1);
    let mut without_analysis = lead.clone();
    without_analysis.as_object_mut().context("an object")?.remove("latestAnalysis");
    assert_eq!(listed.data()["data"][0], without_analysis);
    Ok(())
}

#[tokio::test]
async fn a_lead_is_shown_while_its_first_analysis_is_under_way() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    add_leads(&stack, &user, "select 'new' as username, '' as full_name, 1 as followers, null::integer as score, null as tier, null::timestamptz as analyzed_at").await?;
    let listed = user.get(LEADS).await?;
    assert_eq!(each(listed.data(), "score"), [&Value::Null]);
    let id = each(listed.data(), "id")[0].as_str().context("no id")?.to_owned();
    let lead = user.get(&paths::lead(&id)).await?;
    assert_eq!(lead.status, 200, "{}", lead.body);
    assert_eq!(lead.data()["latestAnalysis"], Value::Null);
    let analyses = user.get(&paths::lead_analyses(&id)).await?;
    assert_eq!(*analyses.data(), json!({"page": 1, "pageSize": 50, "total": 0, "data": []}));
    Ok(())
}

#[tokio::test]
async fn every_order_is_total_and_the_opposite_one_is_its_reverse() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_leads(&stack).await?;
    for (name, field) in [
        ("analyzedAt", "analyzedAt"),
        ("score", "score"),
        ("followers", "followers"),
        ("username", "username"),
    ] {
        let whole = user.get(&with_query(LEADS, &format!("sort={name}&pageSize=100"))).await?;
        assert_eq!(whole.status, 200, "{}", whole.body);
        let ids: Vec<&Value> = each(whole.data(), "id");
        assert_eq!(ids.len(), 30, "{name}");
        // Serialised, `null` is told apart; moments and usernames sort as texts, and numbers as numbers.
        let keys = each(whole.data(), field);
        let key = |value: &Value| (!value.is_null(), value.as_i64(), value.as_str().map(str::to_owned));
        assert!(keys.is_sorted_by_key(|value| key(value)), "{name}: {keys:?}");

        let down = user.get(&with_query(LEADS, &format!("sort=-{name}&pageSize=100"))).await?;
        assert_eq!(each(down.data(), "id").into_iter().rev().collect::<Vec<_>>(), ids, "-{name}");
        let mut paged = Vec::new();
        for page in 1..=5 {
            let reply = user.get(&with_query(LEADS, &format!("sort={name}&pageSize=7&page={page}"))).await?;
            assert_eq!(reply.data()["total"], 30);
            paged.extend(each(reply.data(), "id").into_iter().cloned());
        }
        assert_eq!(paged.iter().collect::<Vec<_>>(), ids, "{name} in pages");
    }
    let first = user.get(&with_query(LEADS, "pageSize=100")).await?;
    let named = user.get(&with_query(LEADS, "sort=-analyzedAt&pageSize=100")).await?;
    assert_eq!(first.data(), named.data(), "the last analysed comes first");
    Ok(())
}

#[tokio::test]
async fn filters_choose_leads() -> Result<()> {
    let stack = Stack::connect().await?;
    let (user, stranger) = (with_leads(&stack).await?, User::sign_up(&stack, 10).await?);
    let own = format!("businessProfileId={}", user.business_profile_id);
    let strangers = format!("businessProfileId={}", stranger.business_profile_id);
    let fits = |lead: &Value, test: &dyn Fn(&Value) -> bool| test(lead);
    let score = |lead: &Value| lead["score"].as_i64();
    let username = |lead: &Value| lead["username"].as_str().unwrap_or_default().to_owned();
    type Case<'a> = (&'a str, &'a dyn Fn(&Value) -> bool);
    let cases: [Case<'_>; 13] = [
        ("", &|_| true),
        (&own, &|_| true),
        (&strangers, &|_| false),
        ("minScore=30", &|lead| score(lead) >= Some(30)),
        ("maxScore=30", &|lead| score(lead).is_some_and(|score| score <= 30)),
        ("minScore=30&maxScore=30", &|lead| score(lead) == Some(30)),
        ("minScore=0", &|lead| score(lead).is_some()),
        ("tier=xray", &|lead| lead["analysisType"] == "xray"),
        ("tier=light,deep", &|lead| lead["analysisType"] == "light" || lead["analysisType"] == "deep"),
        ("usernamePrefix=a_", &|lead| username(lead).starts_with("a_")),
        ("usernamePrefix=%40A.B1", &|lead| username(lead).starts_with("a.b1")),
        ("analyzedSince=2026-01-01T00:10:00Z", &|lead| {
            lead["analyzedAt"].as_str() >= Some("2026-01-01T00:10:00Z")
        }),
        ("tier=light&minScore=20&usernamePrefix=a&sort=-score", &|lead| {
            lead["analysisType"] == "light" && score(lead) >= Some(20)
        }),
    ];
    let all = user.get(&with_query(LEADS, "pageSize=100")).await?;
    let all = all.data()["data"].as_array().context("no leads")?.clone();
    for (query, test) in cases {
        let reply =
            user.get(&with_query(LEADS, format!("{query}&pageSize=100").trim_start_matches('&'))).await?;
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        let mut expected: Vec<String> = all.iter().filter(|lead| fits(lead, test)).map(username).collect();
        let mut found: Vec<String> =
            reply.data()["data"].as_array().into_iter().flatten().map(username).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{query}");
        assert_eq!(reply.data()["total"], expected.len(), "{query}");
        // A filter that chooses all, or none by mistake, proves nothing.
        assert!(query == strangers || !expected.is_empty(), "{query} chooses none");
    }
    Ok(())
}

#[tokio::test]
async fn every_bad_parameter_is_named() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let query = "businessProfileId=mine&minScore=-1&maxScore=101&tier=gold&usernamePrefix=a%25&analyzedSince=today&sort=best&page=0&colour=blue";
    let reply = user.get(&with_query(LEADS, query)).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    let details = reply.body["details"].as_object().context("no details")?;
    let mut named: Vec<&str> = details.keys().map(String::as_str).collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "analyzedSince",
            "businessProfileId",
            "colour",
            "maxScore",
            "minScore",
            "page",
            "sort",
            "tier",
            "usernamePrefix"
        ]
    );
    let reply = user.get(&with_query(LEADS, "minScore=60&maxScore=50")).await?;
    assert_eq!(reply.body["details"], json!({"maxScore": "must not be lower than minScore"}));
    let reply = user.get(&with_query(&paths::lead(&user.user_id), "full=true")).await?;
    assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn a_csv_has_all_leads_that_match_and_nothing_that_a_spreadsheet_runs() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_leads(&stack).await?;
    let hostile =
        "select 'evil' as username, '=HYPERLINK(\"https://a.example\",\"b\")' as full_name, 7 as followers,
                          99 as score, 'light' as tier, now() as analyzed_at";
    add_leads(&stack, &user, hostile).await?;
    let reply = csv(&user, &with_query(LEADS, "sort=-score&page=7&pageSize=2")).await?;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"leads.csv\"");
    let text = reply.body.as_str().context("no text")?;
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 32, "{text}");
    assert!(lines[0].starts_with("id,businessProfileId,username,fullName,"), "{}", lines[0]);
    let name = "\"'=HYPERLINK(\"\"https://a.example\"\",\"\"b\"\")\"";
    assert!(
        lines[1].contains(&format!(",evil,{name},,,7,1,1,false,false,2026-01-01T00:00:00Z,99,light,")),
        "{}",
        lines[1]
    );
    let scored = csv(&user, &with_query(LEADS, "minScore=60&tier=light")).await?;
    let json = user.get(&with_query(LEADS, "minScore=60&tier=light")).await?;
    let ids =
        scored.body.as_str().context("no text")?.lines().skip(1).filter_map(|line| line.split(',').next());
    assert_eq!(ids.map(Value::from).collect::<Vec<_>>().iter().collect::<Vec<_>>(), each(json.data(), "id"));

    for accept in ["*/*", "application/json", "text/html, */*;q=0.8", "image/png"] {
        let reply = user.request(Method::GET, LEADS, &[("accept", accept)], None).await?;
        assert_eq!(reply.data()["total"], 31, "{accept}: {}", reply.body);
    }
    let refusal = csv(&user, &with_query(LEADS, "sort=best")).await?;
    assert_eq!(refusal.refusal(), refused(400, "ValidationFailed"), "a refusal is JSON: {}", refusal.body);
    Ok(())
}

#[tokio::test]
async fn a_csv_of_too_many_leads_or_bytes_is_refused() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let many = "select 'l' || n as username, '' as full_name, 1 as followers, 50 as score, 'light' as tier, now() as analyzed_at";
    add_leads(&stack, &user, &format!("{many} from generate_series(1, 10000) n")).await?;
    let reply = csv(&user, LEADS).await?;
    assert_eq!(reply.status, 200, "{}", reply.code());
    assert_eq!(reply.body.as_str().context("no text")?.lines().count(), 10_001);
    add_leads(&stack, &user, &format!("{many} from generate_series(10001, 10001) n")).await?;
    let reply = csv(&user, LEADS).await?;
    assert_eq!(reply.refusal(), refused(422, "ExportTooLarge"), "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"limitEntries": 10_000, "limitBytes": 5_000_000}));
    // The list of pages still works.
    assert_eq!(user.get(&with_query(LEADS, "page=200")).await?.data()["total"], 10_000);

    let reply = csv(&user, &with_query(LEADS, "usernamePrefix=l1")).await?;
    assert_eq!(reply.status, 200, "{}", reply.code());
    let sql = format!(
        "update public.leads set biography = repeat('x', 5000) where account_id = '{}'",
        user.account_id
    );
    stack.database.run(&sql).await?;
    let reply = csv(&user, &with_query(LEADS, "usernamePrefix=l1")).await?;
    assert_eq!(reply.refusal(), refused(422, "ExportTooLarge"), "{}", reply.code());
    Ok(())
}

#[tokio::test]
async fn a_deleted_lead_is_in_no_list_and_comes_back_whole() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let (run, _) = user.analyze(&user.username("bakery")).await?;
    let result = user.result(&run).await?;
    let id = result.data()["leadId"].as_str().context("no lead")?;
    let before = user.get(&paths::lead(id)).await?;

    let deleted = delete(&user, id).await?;
    assert_eq!((deleted.status, &deleted.data()["id"]), (200, &json!(id)), "{}", deleted.body);
    let again = delete(&user, id).await?;
    assert_eq!((again.status, again.data()), (200, deleted.data()), "deleted twice: {}", again.body);
    assert_eq!(user.get(LEADS).await?.data()["total"], 0);
    assert_eq!(csv(&user, LEADS).await?.body.as_str().context("no text")?.lines().count(), 1);
    for path in [paths::lead(id), paths::lead_analyses(id)] {
        let reply = user.get(&path).await?;
        assert_eq!(reply.refusal(), refused(404, "LeadNotFound"), "{path}: {}", reply.body);
    }
    assert_eq!(user.result(&run).await?.data(), result.data(), "the result is read by its run");

    let restored = restore(&user, id).await?;
    assert_eq!((restored.status, &restored.data()["id"]), (200, &json!(id)), "{}", restored.body);
    let again = restore(&user, id).await?;
    assert_eq!((again.status, again.data()), (200, restored.data()), "restored twice: {}", again.body);
    assert_eq!(user.get(&paths::lead(id)).await?.data(), before.data());
    assert_eq!(user.get(&paths::lead_analyses(id)).await?.data()["total"], 1);
    Ok(())
}

#[tokio::test]
async fn a_username_analysed_again_after_a_deletion_is_another_lead() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = User::sign_up(&stack, 10).await?;
    let username = user.username("bakery");
    let (run, _) = user.analyze(&username).await?;
    let old = user.result(&run).await?.data()["leadId"].as_str().context("no lead")?.to_owned();
    assert_eq!(delete(&user, &old).await?.status, 200);
    let (run, _) = user.analyze_tier(Tier::Deep, &username).await?;
    let new = user.result(&run).await?.data()["leadId"].as_str().context("no lead")?.to_owned();
    assert_ne!(new, old);

    let reply = restore(&user, &old).await?;
    assert_eq!(reply.refusal(), refused(409, "LeadExists"), "{}", reply.body);
    assert_eq!(each(user.get(LEADS).await?.data(), "id"), [&json!(new)]);
    assert_eq!(user.get(&paths::lead_analyses(&new)).await?.data()["total"], 1);
    assert_eq!(delete(&user, &new).await?.status, 200);
    let reply = restore(&user, &old).await?;
    assert_eq!((reply.status, &reply.data()["analysisType"]), (200, &json!("light")), "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn after_thirty_days_a_deleted_lead_does_not_exist() -> Result<()> {
    let stack = Stack::connect().await?;
    let user = with_leads(&stack).await?;
    let listed = user.get(LEADS).await?;
    let id = each(listed.data(), "id")[0].as_str().context("no id")?.to_owned();
    assert_eq!(delete(&user, &id).await?.status, 200);
    let sql =
        format!("update public.leads set deleted_at = now() - interval '30 days' where lead_id = '{id}'");
    stack.database.run(&sql).await?;
    for (what, reply) in [("restored", restore(&user, &id).await?), ("deleted", delete(&user, &id).await?)] {
        assert_eq!(reply.refusal(), refused(404, "LeadNotFound"), "{what}: {}", reply.body);
    }
    Ok(())
}

#[tokio::test]
async fn members_delete_and_restore_and_strangers_find_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let owner = with_leads(&stack).await?;
    let (member, stranger) = (User::sign_up(&stack, 10).await?, User::sign_up(&stack, 10).await?);
    owner.add_member(&member).await?;
    let listed = owner.get(LEADS).await?;
    let id = each(listed.data(), "id")[0].as_str().context("no id")?.to_owned();
    let theirs = [("x-account-id", owner.account_id.as_str())];
    for (what, method, path) in [
        ("read", Method::GET, paths::lead(&id)),
        ("analyses", Method::GET, paths::lead_analyses(&id)),
        ("deleted", Method::DELETE, paths::lead(&id)),
        ("restored", Method::POST, paths::restore_lead(&id)),
    ] {
        let reply = stranger.request(method.clone(), &path, &[], None).await?;
        assert_eq!(reply.refusal(), refused(404, "LeadNotFound"), "{what}: {}", reply.body);
        // Reading says of one lead of another account that there is no such lead; lists and writes, that there is no such account.
        let reply = stranger.request(method.clone(), &path, &theirs, None).await?;
        let code = if what == "read" { "LeadNotFound" } else { "AccountNotFound" };
        assert_eq!(reply.refusal(), refused(404, code), "{what}: {}", reply.body);
        let reply = member.request(method, &path, &theirs, None).await?;
        assert_eq!(reply.status, 200, "{what} by a member: {}", reply.body);
    }
    assert_eq!(owner.get(LEADS).await?.data()["total"], 30, "as many as before");
    for headers in [&theirs[..], &[theirs[0], ("accept", "text/csv")]] {
        let reply = stranger.request(Method::GET, LEADS, headers, None).await?;
        assert_eq!(reply.refusal(), refused(404, "AccountNotFound"), "{}", reply.body);
    }
    let no_id = owner.get(&paths::lead("mine")).await?;
    assert_eq!(no_id.refusal(), refused(404, "LeadNotFound"), "{}", no_id.body);
    Ok(())
}
