//! A provider is away, for all or at times; what all runs share is turned: circuit breakers, counts, the intake's switches.
//! These tests run one at a time and after the others: what they do would strike any run that is under way.

mod ai_calls;
mod ai_usage;
mod breakers;
mod intake;
mod providers_down;
mod shares;
mod strangers;
mod transient_faults;
mod upstream_faults;
