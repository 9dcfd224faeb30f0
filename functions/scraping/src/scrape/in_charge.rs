//! The run in charge of a flight: it gets what is wanted into the cache, for all waiting runs.

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
    /// Gets what is wanted, and ends the flight. When another run took this one for dead and is in charge,
    /// this run waits.
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

    /// Uses what was stored since the run began. An earlier try of this step stored it and lost its answer,
    /// or another run stored it that wanted the same. Whatever is missing is scraped.
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
        let mut entries = self.found_and_kept(in_charge).await?;
        if !cache.are_new_enough(&entries) {
            // It came from an actor that had ended before the account asked for newer data. Other runs may read it.
            actors.forget().await;
            entries = self.found_and_kept(InCharge { ended: None }).await?;
        }
        if entries.is_empty() {
            actors.forget().await;
            return Err(Error::new(Code::ApifyUnavailable, "Instagram did not let the scraper in."));
        }
        Ok(entries)
    }

    async fn found_and_kept(&self, in_charge: InCharge) -> Result<Vec<(Username, Entry)>> {
        let (run, found) = self.found(in_charge).await?;
        self.cache.keep(&run, found).await
    }

    /// Returns what an actor found: the actor that the flight notes as ended, the actor in the slot, or a new
    /// one. When a profile has posts but came without them, a second actor is asked once, and its answer is
    /// final.
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
            // Without this note, each try that gets no slot for the second actor would read the first one
            // again, and in the end start it again.
            actors.note(&EndedActor { lacks_posts: true, ..ended }, &run).await?;
        }
        let (ended, run) = actors.run(true).await?;
        let found = actors.read(&ended, &run).await?;
        Ok((run, found))
    }

    /// Ends the flight with this error for all waiting runs, or hands it over so that another run can go on.
    async fn pass_on(&self, error: &Error) -> Result<()> {
        let flight = &self.actors.flight;
        if self.is_for_all(error).await && flight.fail(error).await? {
            return Ok(());
        }
        flight.hand_over(error.code.is_retried()).await
    }

    /// Whether the waiting runs share this error. Otherwise only this run had bad luck: another run may
    /// succeed, or have slots of its own. And while an actor is still in its slot, its finds are still
    /// wanted.
    async fn is_for_all(&self, error: &Error) -> bool {
        matches!(error.code, Code::ApifyUnavailable | Code::ApifyRejected)
            && matches!(self.actors.in_slot().await, Ok(None))
    }
}
