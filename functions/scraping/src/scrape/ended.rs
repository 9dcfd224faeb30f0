//! An actor that has ended: its finds are read, its slot is given back, and its cost is recorded.

use super::{actor::Actors, cost::ActorCost};
use crate::{
    flights::{EndedActor, InCharge},
    want::Found,
};
use oslira_apify::ActorRun;
use oslira_domain::{Code, Error, Result, RunId, Username};
use oslira_stores::Permit;
use std::time::Duration;

/// The error when Apify says that an ended actor has not ended. Some of its servers learn of the end later
/// than others.
fn behind() -> Error {
    Error::new(Code::ApifyUnavailable, "Instagram could not be read at the moment.")
}

impl Actors<'_> {
    /// Asks Apify for the actor run that the flight notes as ended. Before that it gives the slot back, if
    /// that was not done yet.
    pub(super) async fn ask_about(&self, ended: &EndedActor) -> Result<ActorRun> {
        match self.in_slot().await? {
            Some((lease, id)) if id == ended.actor_run_id => self.tools.slots.release(&lease).await?,
            _ => {}
        }
        match self.apify.wait_for_run(&ended.actor_run_id, Duration::ZERO).await {
            Ok(run) if run.status.is_terminal() => Ok(run),
            Ok(_) => Err(behind()),
            Err(error) => Err(self.not_read(error).await),
        }
    }

    /// Reads what an actor run found. The finds are paid for, so after a temporary failure the next try reads
    /// them.
    pub(super) async fn read(&self, ended: &EndedActor, run: &ActorRun) -> Result<Vec<(Username, Found)>> {
        let Self { apify, request, .. } = self;
        self.record(run, ended.payer).await?;
        match request.want.read(apify, run, &request.usernames).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.not_read(error).await),
        }
    }

    /// Reports the failure to the circuit breaker. Forgets the actor when its finds will never be readable.
    async fn not_read(&self, error: Error) -> Error {
        self.report(Permit::unasked(), Some(&error)).await;
        if oslira_apify::is_lost(&error) {
            self.forget().await;
        }
        error
    }

    /// Forgets the actor that the flight notes. The next try starts another one.
    pub(super) async fn forget(&self) {
        if let Err(failure) = self.flight.forget().await {
            tracing::warn!(
                cause = failure.chain(),
                "an actor is not forgotten; the next try reads it in vain"
            );
        }
    }

    /// Finishes what an earlier try did not get done for an actor that has ended: gives its slot back, and
    /// records its cost.
    pub(super) async fn settle(&self, in_charge: InCharge) -> Result<()> {
        let Some((lease, actor_run_id)) = self.in_slot().await? else {
            return self.record_ended(in_charge).await;
        };
        let run = match self.apify.wait_for_run(&actor_run_id, Duration::ZERO).await {
            Ok(run) => run,
            Err(error) => return Err(self.release_if_unknown(&lease, error).await),
        };
        if !run.status.is_terminal() {
            return Ok(());
        }
        let recorded = self.record(&run, lease.payer).await;
        self.tools.slots.release(&lease).await?;
        recorded
    }

    /// Records what the noted actor cost, if Apify still knows the actor.
    pub(super) async fn record_ended(&self, in_charge: InCharge) -> Result<()> {
        let Some(ended) = in_charge.ended else { return Ok(()) };
        match self.apify.wait_for_run(&ended.actor_run_id, Duration::ZERO).await {
            Ok(run) if run.status.is_terminal() => self.record(&run, ended.payer).await,
            Ok(_) => Err(behind()),
            Err(error) if oslira_apify::is_lost(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn record(&self, run: &ActorRun, payer: RunId) -> Result<()> {
        ActorCost { run, payer, request: self.request }.record(&self.tools.db).await
    }
}
