//! Logs: JSON on stderr, one line per invocation and further lines where they matter.
//!
//! The lines go to stderr because it is unbuffered and the platform collects it at once. Identifiers are
//! fields of the line. Bodies, tokens, secrets and e-mail addresses are never logged.

use crate::Variable;
use oslira_domain::{AccountId, Class, Error, RunId};
use std::{
    cell::{Cell, RefCell},
    time::Instant,
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

pub(crate) fn init() {
    let wanted: Option<Targets> = Variable::RustLog.value().and_then(|wanted| wanted.parse().ok());
    let filter = wanted.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    // The runtime would log each error a second time, in its own words.
    let filter = filter.with_target("lambda_runtime::layers", LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
    let lines = lines.with_current_span(false).with_span_list(false).with_writer(std::io::stderr);
    // A second init in one process (in a test) keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

#[derive(Default)]
struct Notes {
    account_id: Option<AccountId>,
    run_id: Option<RunId>,
}

thread_local! {
    // An execution environment serves one invocation at a time on one thread. So a handler's notes belong to
    // the invocation under way.
    static NOTES: RefCell<Notes> = RefCell::default();
    static IS_WARM: Cell<bool> = const { Cell::new(false) };
}

/// Puts the account on this invocation's log line.
pub fn note_account(account_id: AccountId) {
    NOTES.with_borrow_mut(|notes| notes.account_id = Some(account_id));
}

/// Puts the run on this invocation's log line.
pub fn note_run(run_id: RunId) {
    NOTES.with_borrow_mut(|notes| notes.run_id = Some(run_id));
}

/// One invocation, from its start to its log line.
pub(crate) struct InvocationLog {
    function: &'static str,
    request_id: String,
    started_at: Instant,
    is_cold_start: bool,
}

impl InvocationLog {
    pub(crate) fn start(function: &'static str, request_id: &str) -> Self {
        NOTES.take();
        let is_cold_start = !IS_WARM.replace(true);
        Self { function, request_id: request_id.to_owned(), started_at: Instant::now(), is_cold_start }
    }

    /// Writes the line. `outcome` is `ok` or the error's code.
    pub(crate) fn finish(self, http_status: Option<u16>, error: Option<&Error>) {
        let notes = NOTES.take();
        let run_id = notes.run_id.map(|id| id.to_string());
        let account_id = notes.account_id.map(|id| id.to_string());
        let duration_ms = u64::try_from(self.started_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let outcome = error.map_or("ok", |error| error.code.as_str());
        let class = match (error, http_status) {
            (Some(error), _) => error.code.class(),
            // An error status without an error, such as a degraded health check, is answered on purpose and
            // still a failure.
            (None, Some(500..)) => Class::Error,
            (None, _) => Class::Info,
        };
        let cause = error.map(Error::chain).filter(|chain| !chain.is_empty());
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    function = self.function,
                    requestId = self.request_id,
                    runId = run_id,
                    accountId = account_id,
                    coldStart = self.is_cold_start,
                    durationMs = duration_ms,
                    status = http_status,
                    outcome,
                    class = class.as_str(),
                    cause,
                    "invocation"
                )
            };
        }
        match class {
            Class::Info => line!(info),
            Class::Warn => line!(warn),
            Class::Error | Class::Critical => line!(error),
        }
    }
}
