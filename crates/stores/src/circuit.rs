//! The rules of a circuit breaker, with the time as an argument.
//!
//! Closed: calls pass, and failures in a row are counted. Open: no call passes. When the pause of an open
//! breaker is over, it is half-open: one call passes as a probe, and its end decides.

use crate::{Item, milliseconds, n, number, time};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};

/// How many failures in a row open the breaker. A provider that works has at most three in a bad minute. A
/// provider that is down causes five within seconds at any load that matters.
const FAILURES_TO_OPEN: u32 = 5;
/// Failures further apart than this are not in a row: at little load they only speak of single calls.
const IN_A_ROW: SignedDuration = SignedDuration::from_secs(60);
/// The first pause, while the breaker is open. Short faults of providers are over by then.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
/// The longest pause. The pause doubles from probe to probe. A provider that is back waits at most this long
/// for calls.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(5);
/// After this time a probe that reported nothing is given up. No Lambda makes a single call that lasts so
/// long.
const PROBE_LASTS: SignedDuration = SignedDuration::from_secs(90);

/// What is stored about one upstream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Circuit {
    Closed {
        /// How many failures in a row, and when the last one was.
        failures: Option<(u32, Timestamp)>,
        /// When a probe last closed it.
        closed_at: Option<Timestamp>,
    },
    Open {
        until: Timestamp,
        pause: SignedDuration,
        /// When the probe under way is given up.
        probe_until: Option<Timestamp>,
    },
}

/// A circuit breaker as a caller sees it at a given time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Closed,
    Open {
        until: Timestamp,
    },
    HalfOpen {
        /// Whether the one probe is under way.
        is_probed: bool,
    },
}

/// Whether a call may be made.
#[derive(Debug, PartialEq)]
pub(crate) enum Admission {
    Yes,
    /// As the one probe, for the caller whose write of this circuit succeeds.
    AsProbe(Circuit),
    No,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Succeeded,
    Failed,
}

impl Circuit {
    /// The state when nothing is stored.
    pub(crate) const CLEAN: Self = Self::Closed { failures: None, closed_at: None };

    pub(crate) fn state(&self, now: Timestamp) -> State {
        match *self {
            Self::Closed { .. } => State::Closed,
            Self::Open { until, .. } if until > now => State::Open { until },
            Self::Open { probe_until, .. } => {
                State::HalfOpen { is_probed: probe_until.is_some_and(|probe_until| probe_until > now) }
            }
        }
    }

    pub(crate) fn admit(&self, now: Timestamp) -> Admission {
        match *self {
            Self::Closed { .. } => Admission::Yes,
            Self::Open { .. } if self.state(now) != (State::HalfOpen { is_probed: false }) => Admission::No,
            Self::Open { until, pause, .. } => {
                Admission::AsProbe(Self::Open { until, pause, probe_until: Some(now + PROBE_LASTS) })
            }
        }
    }

    /// What to write after a call that was let through at `admitted_at`; `None` for nothing.
    ///
    /// A call from before the opening may end long after it. Such a call changes nothing, even when the
    /// breaker has closed again.
    pub(crate) fn after_call(&self, report: Report, admitted_at: Timestamp, now: Timestamp) -> Option<Self> {
        let Self::Closed { failures, closed_at } = *self else { return None };
        match report {
            Report::Succeeded => failures.map(|_| Self::Closed { failures: None, closed_at }),
            Report::Failed if closed_at.is_some_and(|closed_at| admitted_at < closed_at) => None,
            Report::Failed => {
                let before = failures.filter(|(_, last)| now.duration_since(*last) <= IN_A_ROW);
                let count = before.map_or(0, |(count, _)| count) + 1;
                Some(if count < FAILURES_TO_OPEN {
                    Self::Closed { failures: Some((count, now)), closed_at }
                } else {
                    Self::open(now, FIRST_PAUSE)
                })
            }
        }
    }

    /// What to write when the probe under way has ended.
    pub(crate) fn after_probe(&self, report: Report, now: Timestamp) -> Option<Self> {
        let Self::Open { pause, .. } = *self else { return None };
        Some(match report {
            Report::Succeeded => Self::Closed { failures: None, closed_at: Some(now) },
            Report::Failed => Self::open(now, (pause * 2).min(LONGEST_PAUSE)),
        })
    }

    fn open(now: Timestamp, pause: SignedDuration) -> Self {
        Self::Open { until: now + pause, pause, probe_until: None }
    }

    /// The circuit in a table's item.
    pub(crate) fn read(item: &Item) -> Self {
        match time(item, "openUntil") {
            Some(until) => Self::Open {
                until,
                pause: number(item, "openForMs").map_or(FIRST_PAUSE, SignedDuration::from_millis),
                probe_until: time(item, "probeUntil"),
            },
            None => Self::Closed {
                failures: number(item, "failures").zip(time(item, "failedAt")),
                closed_at: time(item, "closedAt"),
            },
        }
    }

    /// The attributes of the item for this circuit.
    pub(crate) fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
        let mut attributes = Vec::new();
        match *self {
            Self::Closed { failures, closed_at } => {
                if let Some((count, last)) = failures {
                    attributes.extend([("failures", n(count)), ("failedAt", milliseconds(last))]);
                }
                attributes.extend(closed_at.map(|at| ("closedAt", milliseconds(at))));
            }
            Self::Open { until, pause, probe_until } => {
                attributes.extend([("openUntil", milliseconds(until)), ("openForMs", n(pause.as_millis()))]);
                attributes.extend(probe_until.map(|at| ("probeUntil", milliseconds(at))));
            }
        }
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// A circuit after failures of calls that ended as soon as they were let through.
    fn failing(circuit: &Circuit, seconds: &[i64]) -> Circuit {
        seconds.iter().fold(circuit.clone(), |circuit, second| {
            circuit.after_call(Report::Failed, at(*second), at(*second)).unwrap()
        })
    }

    /// Begins a probe and ends it.
    fn probed(circuit: &Circuit, report: Report, second: i64) -> Circuit {
        let Admission::AsProbe(probing) = circuit.admit(at(second)) else {
            panic!("no probe at {second}: {circuit:?}")
        };
        probing.after_probe(report, at(second)).unwrap()
    }

    #[test]
    fn the_fifth_failure_in_a_row_opens_it() {
        let four = failing(&Circuit::CLEAN, &[0, 60, 120, 180]);
        assert_eq!((four.state(at(180)), four.admit(at(180))), (State::Closed, Admission::Yes));
        let open = failing(&four, &[181]);
        assert_eq!(
            (open.state(at(181)), open.admit(at(181))),
            (State::Open { until: at(211) }, Admission::No)
        );
    }

    #[test]
    fn a_success_or_a_quiet_minute_ends_the_row() {
        let four = failing(&Circuit::CLEAN, &[0, 1, 2, 3]);
        assert_eq!(four.after_call(Report::Succeeded, at(0), at(3)), Some(Circuit::CLEAN));
        assert_eq!(failing(&four, &[64]), Circuit::Closed { failures: Some((1, at(64))), closed_at: None });
    }

    #[test]
    fn success_while_it_is_clean_needs_no_write() {
        assert_eq!(Circuit::CLEAN.after_call(Report::Succeeded, at(0), at(1)), None);
        let closed_again = Circuit::Closed { failures: None, closed_at: Some(at(0)) };
        assert_eq!(closed_again.after_call(Report::Succeeded, at(1), at(2)), None);
    }

    #[test]
    fn one_probe_at_a_time_when_half_open() {
        let open = failing(&Circuit::CLEAN, &[0, 0, 0, 0, 0]);
        assert_eq!(open.admit(at(29)), Admission::No);
        assert_eq!(open.state(at(30)), State::HalfOpen { is_probed: false });
        let Admission::AsProbe(probing) = open.admit(at(30)) else { panic!("{open:?}") };
        assert_eq!(probing.state(at(119)), State::HalfOpen { is_probed: true });
        assert_eq!(probing.admit(at(119)), Admission::No);
        // A probe that reported nothing gives way to another.
        assert_eq!(probing.state(at(120)), State::HalfOpen { is_probed: false });
        assert!(matches!(probing.admit(at(120)), Admission::AsProbe(_)));
    }

    #[test]
    fn the_probe_decides() {
        let open = failing(&Circuit::CLEAN, &[0, 0, 0, 0, 0]);
        let closed = probed(&open, Report::Succeeded, 30);
        assert_eq!((closed.state(at(30)), closed.admit(at(30))), (State::Closed, Admission::Yes));
        let mut circuit = open;
        let mut second = 30;
        for pause in [60, 120, 240, 300, 300] {
            circuit = probed(&circuit, Report::Failed, second);
            assert_eq!(circuit.state(at(second)), State::Open { until: at(second + pause) });
            second += pause;
        }
        // Once closed, the breaker starts with the short pause again.
        let closed = probed(&circuit, Report::Succeeded, second);
        let open = failing(&closed, &[second, second, second, second, second]);
        assert_eq!(open.state(at(second)), State::Open { until: at(second + 30) });
    }

    #[test]
    fn late_results_change_nothing() {
        let open = failing(&Circuit::CLEAN, &[0, 0, 0, 0, 0]);
        for report in [Report::Succeeded, Report::Failed] {
            assert_eq!(open.after_call(report, at(-1), at(10)), None);
            assert_eq!(open.after_call(report, at(-1), at(40)), None);
        }
        let closed = probed(&open, Report::Succeeded, 31);
        assert_eq!(closed.after_call(Report::Failed, at(-1), at(50)), None);
        assert!(closed.after_call(Report::Failed, at(32), at(50)).is_some());
        assert_eq!(closed.after_probe(Report::Failed, at(50)), None);
    }

    #[test]
    fn an_item_says_it_all() {
        for circuit in [
            Circuit::CLEAN,
            failing(&Circuit::CLEAN, &[0]),
            Circuit::Closed { failures: Some((2, at(3))), closed_at: Some(at(1)) },
            Circuit::Open { until: at(30), pause: SignedDuration::from_secs(60), probe_until: None },
            Circuit::Open { until: at(30), pause: LONGEST_PAUSE, probe_until: Some(at(90)) },
        ] {
            let item =
                circuit.attributes().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            assert_eq!(Circuit::read(&item), circuit);
        }
    }
}
