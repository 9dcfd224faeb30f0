//! The run in charge of a flight: it gets what is wanted into the cache, for all who wait for it.

use super::actor::Actors;
use crate::{
    cache::{Entry, RunsCache},
    flights::{EndedActor, InCharge, under_way},
    want::Found,
};
use oslira_apify::ActorRun;
use oslira_domain::{Code, Error, Result, Username};

pub(super) struct RunInCharge<'a> {
    pub(super) actors: &'a Actors<'a>,
    pub(super) cache: &'a RunsCache<'a>,
}

impl RunInCharge<'_> {
    /// Gets what is wanted, and ends the flight. When this run seems dead to another, which is in charge then, it waits.
    pub(super) async fn scrape(&self, in_charge: InCharge) -> Result<Vec<(Username, Entry)>> {
        let flight = &self.actors.flight;
        let outcome = tokio::select! {
            outcome = self.get(in_charge) => outcome,
            () = flight.stay_in_charge() => {
                flight.wait().await?;
                return Err(under_way());
            }
        };
        let told = match &outcome {
            Ok(_) => flight.end().await,
            Err(error) => self.pass_on(error).await,
        };
        if let Err(failure) = told {
            tracing::warn!(
                cause = failure.chain(),
                "{failure}; the runs that wait go on in a quarter of a minute"
            );
        }
        outcome
    }

    /// What was stored since the run began is used as it is. An earlier try of this very step stored it, and its answer was
    /// lost; or another run that wanted the same. What is not there is scraped.
    async fn get(&self, in_charge: InCharge) -> Result<Vec<(Username, Entry)>> {
        let Self { actors, cache } = self;
        if let Some(entries) = cache.read(actors.request.want, &actors.request.usernames).await? {
            if let Err(failure) = actors.settle(in_charge).await {
                tracing::warn!(
                    cause = failure.chain(),
                    "a slot, or a cost, is left over; the lease will expire"
                );
            }
            return Ok(entries);
        }
        let (run, found) = self.found(in_charge).await?;
        let entries = cache.keep(&run, found).await?;
        if entries.is_empty() {
            actors.forget().await;
            return Err(Error::new(Code::ApifyUnavailable, "Instagram did not let the scraper in."));
        }
        Ok(entries)
    }

    /// What an actor found: the one that the flight notes as ended, the one that is in a slot, or a new one. When a profile
    /// that has posts came without any, a second actor is asked once; its answer stands.
    async fn found(&self, in_charge: InCharge) -> Result<(ActorRun, Vec<(Username, Found)>)> {
        let actors = self.actors;
        let first = match in_charge.ended {
            None => Some(actors.run(false).await?),
            Some(ended) if ended.lacks_posts => None,
            Some(ended) => {
                let run = actors.ask_about(&ended).await?;
                Some((ended, run))
            }
        };
        if let Some((ended, run)) = first {
            let found = actors.read(&ended, &run).await?;
            if ended.is_second || !found.iter().any(|(_, found)| found.lacks_posts()) {
                return Ok((run, found));
            }
            // Otherwise each try that gets no slot for the second actor would read the first again, and in the end start
            // it again.
            actors.note(&EndedActor { lacks_posts: true, ..ended }, &run).await?;
        }
        let (ended, run) = actors.run(true).await?;
        let found = actors.read(&ended, &run).await?;
        Ok((run, found))
    }

    /// Lets the runs that wait share the failure, or go on where this run could not.
    async fn pass_on(&self, error: &Error) -> Result<()> {
        let flight = &self.actors.flight;
        if self.is_for_all(error).await && flight.fail(error).await? {
            return Ok(());
        }
        flight.hand_over(error.code.is_retried()).await
    }

    /// Whether the runs that wait share this failure. Otherwise it is this run's own misfortune, and another may be luckier or
    /// have slots of its own. And an actor that is still in its slot is still wanted.
    async fn is_for_all(&self, error: &Error) -> bool {
        matches!(error.code, Code::ApifyUnavailable | Code::ApifyRejected)
            && matches!(self.actors.in_slot().await, Ok(None))
    }
}
