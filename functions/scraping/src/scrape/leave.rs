//! A cancelled run leaves its flight. The last run to leave aborts the actor.

use super::actor::Actors;
use crate::flights::InCharge;
use oslira_domain::Result;

/// Leaves the flight for good. When no other run is in it, the actor that is still at work is aborted.
pub(super) async fn leave(actors: &Actors<'_>) -> Result<()> {
    let Some(in_charge) = actors.flight.leave().await? else { return Ok(()) };
    tokio::select! {
        stopped = stop(actors, in_charge) => stopped?,
        () = actors.flight.stay_in_charge() => return Ok(()),
    }
    actors.flight.end().await
}

/// Makes sure that no actor is at work any more, and that its cost is recorded.
async fn stop(actors: &Actors<'_>, in_charge: InCharge) -> Result<()> {
    match actors.in_slot().await? {
        Some((lease, actor_run_id)) => actors.abort(lease, actor_run_id, in_charge.ended).await,
        None => actors.record_ended(in_charge).await,
    }
}
