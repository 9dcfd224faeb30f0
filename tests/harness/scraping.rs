//! Who scrapes what: actors, their slots, and the flights by which runs share them.

use crate::{Fault, Lambda, Reply, Run, Stack, User, eventually, paths};
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

/// What was scraped of a username, to compare.
#[derive(Debug, PartialEq, Eq)]
pub struct Scraped {
    /// Actor runs that were started.
    pub actors: u64,
    /// Slots that are held for it at present.
    pub slots: usize,
}

/// Which run a scrape was put down to, to compare.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Payer {
    run_id: String,
    task: String,
}

impl Payer {
    /// That of a profile, to this run.
    pub fn of_profile(run: &Run) -> Self {
        Self { run_id: run.run_id.clone(), task: "scrape".to_owned() }
    }

    /// That of its posts, to this run.
    pub fn of_posts(run: &Run) -> Self {
        Self { run_id: run.run_id.clone(), task: "scrape_posts".to_owned() }
    }
}

impl Stack {
    /// From now on, actors take as long for usernames with this text as it takes until they are released.
    pub async fn hold_actors(&self, text: &str) -> Result<()> {
        self.stand_ins.fault(Fault::held_actor().of(text)).await
    }

    /// Waits until so many actors have been started for a username.
    pub async fn actors_started(&self, username: &str, count: u64) -> Result<()> {
        eventually("the actors", || async {
            Ok((self.stand_ins.actor_runs(username).await? == count).then_some(()))
        })
        .await
    }

    /// Actors and slots of a username's profile.
    pub async fn scraped(&self, username: &str) -> Result<Scraped> {
        let (actors, slots) = (self.stand_ins.actor_runs(username).await?, self.slots_of(username).await?);
        Ok(Scraped { actors, slots })
    }

    /// How many slots what is wanted has.
    pub async fn slots_of(&self, wanted: &str) -> Result<usize> {
        let slots = self.slots().await?;
        Ok(slots.iter().filter(|slot| slot["holder"]["S"] == wanted).count())
    }

    /// The slot that what is wanted has.
    pub async fn slot_of(&self, wanted: &str) -> Result<Value> {
        let slots = self.slots().await?;
        slots.into_iter().find(|slot| slot["holder"]["S"] == wanted).context("no slot")
    }

    /// Waits until an actor run is noted in a slot of what is wanted.
    pub async fn actor_noted(&self, wanted: &str) -> Result<()> {
        eventually("the actor run to be noted", || async {
            let slots = self.slots().await?;
            let of_wanted =
                |slot: &&Value| slot["holder"]["S"] == wanted && slot["actorRunId"]["S"].is_string();
            Ok(slots.iter().find(of_wanted).map(drop))
        })
        .await
    }

    /// The actor run in the slot of what is wanted.
    pub async fn actor_run_id(&self, wanted: &str) -> Result<String> {
        let slot = self.slot_of(wanted).await?;
        Ok(slot["actorRunId"]["S"].as_str().context("no actor")?.to_owned())
    }

    /// Where Apify shows what the actor run of what is wanted has found.
    pub async fn dataset(&self, wanted: &str) -> Result<String> {
        let (url, id) = (&self.description.stand_ins_url, self.actor_run_id(wanted).await?);
        let request = self.http.get(format!("{url}/apify/v2/actor-runs/{id}")).bearer_auth("apify_api_tests");
        let run: Value = serde_json::from_slice(&request.send().await?.bytes().await?)?;
        let id = run["data"]["defaultDatasetId"].as_str().with_context(|| format!("no dataset in {run}"))?;
        Ok(format!("/datasets/{id}/"))
    }

    /// What is noted of a flight, if there is one.
    pub async fn flight(&self, wanted: &str) -> Result<Option<Value>> {
        self.aws.item(&self.description.tables["scrape-flights"], flight_key(wanted)).await
    }

    /// As if the run in charge had given no sign of life for long.
    pub async fn seem_dead(&self, wanted: &str) -> Result<()> {
        let flights = &self.description.tables["scrape-flights"];
        self.aws.set_number(flights, flight_key(wanted), "aliveUntil", 0).await
    }

    /// As if there had never been a flight.
    pub async fn forget_flight(&self, wanted: &str) -> Result<()> {
        self.aws.delete_item(&self.description.tables["scrape-flights"], flight_key(wanted)).await
    }

    /// Waits until so many runs wait for another one's scrape of what is wanted.
    pub async fn runs_waiting(&self, wanted: &str, count: usize) -> Result<()> {
        eventually("the runs to wait", || async {
            let flight = self.flight(wanted).await?;
            let names =
                flight.as_ref().and_then(Value::as_object).into_iter().flat_map(|flight| flight.keys());
            Ok((names.filter(|name| name.starts_with("waits_")).count() == count).then_some(()))
        })
        .await
    }

    /// Waits until a run is in charge of a scrape.
    pub async fn run_in_charge(&self, run: &Run) -> Result<()> {
        eventually("the run to be in charge", || async {
            let flights = self.aws.items(&self.description.tables["scrape-flights"]).await?;
            Ok(flights.iter().find(|flight| flight["starter"]["S"] == run.run_id.as_str()).map(drop))
        })
        .await
    }

    /// Which run each scrape of a username was put down to, that of its profile before that of its posts.
    pub async fn payers(&self, username: &str) -> Result<Vec<Payer>> {
        let sql = "select l.run_id, l.task from public.ai_usage_logs l join public.runs r using (run_id)
                     where r.username = $1 and l.provider = 'apify' order by l.task";
        let rows = self.database.rows(sql, &[username]).await?;
        rows.into_iter().map(|row| Ok(serde_json::from_value(row)?)).collect()
    }
}

/// An execution's input with what the state machines add to it for the stage that scrapes.
pub fn with_scrape(mut input: Value, username: &str, run_kind: &str) -> Value {
    input["usernames"] = json!([username]);
    input["runKind"] = json!(run_kind);
    input["want"] = json!("profiles");
    input
}

impl User<'_> {
    /// The input of the stage that scrapes a run's profile.
    pub fn scrape_of(&self, run: &Run) -> Value {
        with_scrape(self.execution_input(run), &run.username, "single")
    }

    /// A run whose scraper died when its actor was at work; the actor is held.
    pub async fn orphan(&self, username: &str) -> Result<Run> {
        let stack = self.stack();
        stack.hold_actors(username).await?;
        let run = self.accept(username).await?;
        let mut lambda = Lambda::start(stack, "scrape-profiles", &[]).await?;
        lambda.send(&self.scrape_of(&run))?;
        stack.actor_noted(username).await?;
        lambda.kill().await?;
        Ok(run)
    }

    /// Asks for a run to stop.
    pub async fn cancel(&self, run: &Run) -> Result<Reply> {
        self.request(reqwest::Method::POST, &paths::cancel(&run.run_id), &[], None).await
    }
}

fn flight_key(wanted: &str) -> Value {
    json!({"wanted": {"S": wanted}})
}
