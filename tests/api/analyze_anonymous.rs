//! `POST /api/analyze/anonymous` and `GET /api/analyze/anonymous/{runToken}`

use anyhow::{Context, Result};
use oslira_tests::{
    AnonymousCaller, AnonymousRun, Ending, Fault, Lambda, ORIGIN, Stack, Upstream, User, paths, refused,
};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_anonymous_caller_gets_an_explained_result_without_an_account() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let mut body = caller.analysis_of(&caller.username("guest"));
    body["business"]["icp"] = json!({
        "followerRange": {"min": 1_000, "max": 500_000}, "engagementMin": 1.5,
        "contentThemes": ["coffee"], "geoFocus": [],
    });
    let reply = caller.post(&body).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    assert_eq!(reply.headers["access-control-allow-origin"], ORIGIN);
    let data = reply.data();
    let token = data["runToken"].as_str().context("no token")?;
    assert_eq!(token.len(), 32, "{token}");
    assert_eq!(data["status"], "queued");
    assert_eq!(data["statusUrl"], paths::anonymous_run(token));
    let [accepted, expires] = [&reply.body["timestamp"], &data["expiresAt"]]
        .map(|time| time.as_str().unwrap_or_default().parse::<jiff::Timestamp>());
    let lifetime = expires?.duration_since(accepted?).as_secs();
    assert!((86_300..=86_400).contains(&lifetime), "{lifetime} s");

    let run = AnonymousRun::of(data, body["username"].as_str().unwrap_or_default())?;
    let ended = caller.finished(&run).await?;
    assert_eq!(ended["status"], "complete", "{ended}");
    assert_eq!(ended["progress"], 100, "{ended}");
    let result = &ended["result"];
    let fields: Vec<&str> = result.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let wanted = [
        "username",
        "analysisType",
        "score",
        "confidence",
        "subScores",
        "qualityFlags",
        "adjustments",
        "metrics",
        "summary",
        "timing",
        "dataAsOf",
        "cacheHit",
    ];
    assert_eq!(fields, wanted, "that of a LIGHT analysis, without what belongs to an account");
    assert_eq!(result["analysisType"], "light");
    assert_eq!(result["cacheHit"], false, "nothing was in the cache");
    let evidence = |name: &str| {
        let parts = result["subScores"].as_array().into_iter().flatten();
        parts
            .filter(|part| part["name"] == name)
            .flat_map(|part| part["evidence"].as_array())
            .flatten()
            .count()
    };
    for part in ["aiFit", "contentThemes", "followerRange"] {
        assert!(evidence(part) > 0, "{part}: {}", result["subScores"]);
    }
    let steps: Vec<&Value> =
        result["timing"]["steps"].as_array().into_iter().flatten().map(|step| &step["name"]).collect();
    assert_eq!(steps, ["queued", "scraping", "analyzing"]);
    assert_eq!(caller.show(&run.token).await?.data()["elapsedMs"], ended["elapsedMs"], "it stands still");
    let item =
        stack.aws.item(&stack.description.tables["run-progress"], run.key()).await?.context("no item")?;
    let promised = data["expiresAt"].as_str().unwrap_or_default().parse::<jiff::Timestamp>()?.as_second();
    assert_eq!(item["expiresAt"]["N"], promised.to_string(), "the end of the run does not shorten it");
    Ok(())
}

#[tokio::test]
async fn without_criteria_the_models_fit_is_the_score() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let (_, ended) = caller.analyze(&caller.username("nocriteria")).await?;
    let parts = ended["result"]["subScores"].as_array().context("no parts")?;
    let names: Vec<&Value> = parts.iter().map(|part| &part["name"]).collect();
    assert_eq!(names, ["aiFit"], "{ended}");
    assert_eq!(parts[0]["weight"], 1.0, "{ended}");
    Ok(())
}

#[tokio::test]
async fn nothing_of_an_anonymous_run_is_in_postgres() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let (run, ended) = caller.analyze(&caller.username("nowhere")).await?;
    assert_eq!(ended["status"], "complete");
    // Other tests write rows at the same time: so not their number, but all that they say.
    let sql = "select format('%I.%I', table_schema, table_name) as name from information_schema.tables
                 where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')";
    let tables = stack.database.rows(sql, &[]).await?;
    assert!(tables.len() > 10, "{tables:?}");
    for table in &tables {
        let table = table["name"].as_str().context("no name")?;
        let found = format!("select count(*) as n from {table} t where strpos(t::text, $1) > 0");
        for text in [&run.username, &run.run_id, &run.token, &caller.address] {
            assert_eq!(stack.database.row(&found, &[text]).await?["n"], 0, "{text} is in {table}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn bad_bodies_are_explained_and_cost_nothing() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let good = caller.analysis_of("nasa");
    let change = |pointer: &str, value: Value| {
        let mut body = good.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap_or_default();
        let parent = body.pointer_mut(parent).and_then(Value::as_object_mut);
        parent.map(|parent| parent.insert(field.to_owned(), value));
        body
    };
    let icp = |min: i64, max: i64| {
        json!({"followerRange": {"min": min, "max": max}, "engagementMin": 0,
        "contentThemes": [], "geoFocus": []})
    };
    let icp_of = |theme: &str| {
        let mut icp = icp(0, 1);
        icp["contentThemes"] = json!([theme]);
        icp
    };
    for (body, field) in [
        (json!({}), "username"),
        (json!({"username": "nasa"}), "business"),
        (change("/username", json!("p")), "username"),
        (change("/username", json!("na sa")), "username"),
        (change("/analysisType", json!("xray")), "analysisType"),
        (change("/accountId", json!("00000000-0000-4000-8000-0000000000a1")), "accountId"),
        (change("/business/summary", json!("  ")), "business.summary"),
        (change("/business/summary", json!("é".repeat(501))), "business.summary"),
        (change("/business/summary", json!("a\0b")), "business.summary"),
        (change("/business/icp", icp_of("a\0b")), "business.icp.contentThemes"),
        (change("/business/icp", icp(-1, 1)), "business.icp.followerRange.min"),
        (change("/business/name", json!("Brew & Co")), "business.name"),
        (change("/business/icp", icp(9, 1)), "business.icp.followerRange"),
        (change("/business/icp", json!({})), "business.icp.engagementMin"),
    ] {
        let reply = caller.post(&body).await?;
        assert_eq!(reply.refusal(), refused(400, "ValidationFailed"), "{body}: {}", reply.body);
        assert!(reply.body["details"][field].is_string(), "{field}: {}", reply.body);
    }
    let reply = caller.post(&change("/business/summary", json!("x".repeat(70_000)))).await?;
    assert_eq!(reply.refusal(), refused(413, "PayloadTooLarge"), "{}", reply.body);
    assert_eq!(caller.limit().await?, None, "none of them counts");
    let reply = caller.post(&change("/business/summary", json!(format!(" {} ", "é".repeat(500))))).await?;
    assert_eq!(reply.status, 202, "{}", reply.body);
    Ok(())
}

#[tokio::test]
async fn a_token_that_opens_nothing_does_not_tell_why() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    let user = User::sign_up(&stack, 10).await?;
    let (users_run, _) = user.analyze(&user.username("notyours")).await?;
    let (run, _) = caller.analyze(&caller.username("expired")).await?;
    assert_eq!(caller.show(&run.token).await?.status, 200);
    stack.aws.set_number(&stack.description.tables["run-progress"], run.key(), "expiresAt", 1_000).await?;

    let other = if run.token.starts_with('0') { "1" } else { "0" };
    let tokens = [
        run.token.clone(),
        run.token.to_uppercase().replace('0', "A"),
        format!("{other}{}", &run.token[1..]),
        run.run_id.clone(),
        run.run_id.replace('-', ""),
        users_run.run_id.clone(),
        users_run.run_id.replace('-', ""),
        "1".to_owned(),
        "%27%3B--".to_owned(),
    ];
    for token in tokens {
        let reply = caller.show(&token).await?;
        assert_eq!(reply.refusal(), refused(404, "RunNotFound"), "{token}: {}", reply.body);
        assert_eq!(reply.body["error"], "There is no such analysis. An anonymous one is kept for a day.");
        assert_eq!(reply.headers["access-control-allow-origin"], ORIGIN);
        assert_eq!(reply.body.get("details"), None);
    }
    Ok(())
}

#[tokio::test]
async fn signed_in_users_neither_see_nor_cancel_an_anonymous_run() -> Result<()> {
    let stack = Stack::connect().await?;
    let (caller, user) = (AnonymousCaller::arrive(&stack), User::sign_up(&stack, 10).await?);
    let username = caller.username("untouched");
    let slow = Fault::slow(Upstream::Apify, Duration::from_millis(1_500)).of(&username).times(1);
    stack.stand_ins.fault(slow).await?;
    let run = caller.start(&username).await?;
    for path in [paths::progress(&run.run_id), paths::result(&run.run_id)] {
        let reply = user.get(&path).await?;
        assert_eq!(reply.refusal(), refused(404, "RunNotFound"), "{path}: {}", reply.body);
    }
    let path = paths::cancel(&run.run_id);
    let reply = user.request(reqwest::Method::POST, &path, &[], None).await?;
    assert_eq!(reply.refusal(), refused(404, "RunNotFound"), "{}", reply.body);
    assert_eq!(caller.finished(&run).await?["status"], "complete");
    Ok(())
}

#[tokio::test]
async fn a_run_without_a_result_says_why() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    for (word, code) in [("private", "ProfilePrivate"), ("missing", "ProfileNotFound")] {
        let (_, ended) = caller.analyze(&caller.username(word)).await?;
        assert_eq!(Ending::of(&ended), Ending::failed(code), "{ended}");
        assert!(ended["reason"].as_str().is_some_and(|reason| reason.ends_with('.')), "{ended}");
        assert_eq!(ended["currentStep"], "Failed");
        assert_eq!(ended.get("result"), None);
    }
    Ok(())
}

#[tokio::test]
async fn a_paused_intake_turns_anonymous_callers_away_and_does_not_count_them() -> Result<()> {
    let stack = Stack::connect().await?;
    let caller = AnonymousCaller::arrive(&stack);
    // What this one costs is all that may be spent in a day.
    caller.analyze(&caller.username("costly")).await?;
    let caller = AnonymousCaller::arrive(&stack);
    let limit = [("DAILY_AI_SPEND_LIMIT_USD", "0.000000001")];
    let mut lambda = Lambda::start(&stack, "start-anonymous-analysis", &limit).await?;
    let reply = lambda.invoke(&caller.event(&caller.analysis_of("nasa"))).await?.http()?;
    assert_eq!(reply.refusal(), refused(503, "Paused"), "{}", reply.body);
    assert_eq!(reply.body["details"], json!({"reason": "dailySpend"}));
    assert_eq!(caller.limit().await?, None);
    Ok(())
}
