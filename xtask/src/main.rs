//! Oslira's own commands: `cargo xtask --help`.
#![allow(clippy::disallowed_methods, reason = "a command-line tool may block its thread")]

mod api;
mod bench;
mod client;
mod demo;
mod fuzz;
mod http;
mod intake;
mod invoke;
mod openapi;
mod process;
mod procfs;
mod release;
mod report;
mod resume;
mod run;
mod stack;
mod status;
mod test;
mod ui;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use demo::Demo;
use oslira_domain::RunId;
use release::Stage;
use stack::{Latency, Need, Options, Stack, Upstreams};
use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};
use ui::Ui;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Oslira on this machine: start it, try it, check it",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the local stack, or bring the running one up to date
    Up(Up),
    /// Stop the local stack and leave nothing running
    Down,
    /// Show whether the local stack runs, and where
    Status,
    /// Run the main job through the public API and explain its result; starts the stack if need be
    Demo {
        /// Use the real Apify, OpenAI and Anthropic, with APIFY_TOKEN, OPENAI_API_KEY and ANTHROPIC_API_KEY
        #[arg(long)]
        live: bool,
        /// Print the results as JSON on standard output
        #[arg(long)]
        json: bool,
        /// Analyse this Instagram account
        #[arg(long)]
        username: Option<String>,
    },
    /// Run every check, from nothing, on a stack of its own
    Test {
        /// Run only these checks
        #[arg(value_name = "CHECK")]
        checks: Vec<String>,
        /// Run only tests whose name contains this
        #[arg(last = true)]
        name: Option<String>,
        /// Print the checks' names and run none
        #[arg(long)]
        list: bool,
        /// Run them on this major version of PostgreSQL instead of the machine's own
        #[arg(long, value_parser = ["17"])]
        postgres: Option<String>,
    },
    /// Measure the release build: zips, start-up, memory, and the handlers that users wait for
    Bench {
        #[command(subcommand)]
        other: Option<OtherBench>,
    },
    /// Call a deployed Lambda of the local stack and print its answer and its log
    Invoke {
        /// The Lambda, for example check-health
        function: String,
        /// The event; without it, each of events/FUNCTION/*.json
        #[arg(long, value_name = "FILE")]
        event: Option<PathBuf>,
    },
    /// Resume a run whose execution ended without settling it; what was paid for is not paid again
    Resume {
        /// The run's id
        #[arg(value_parser = run_id)]
        run_id: RunId,
    },
    /// Show everything about one run: its rows, progress, execution, upstream calls, what it cost us, and its
    /// log lines
    Run {
        /// The run's id, which is its execution's name too
        #[arg(value_parser = run_id)]
        run_id: RunId,
        /// Look at a stage on AWS instead of the local stack, with the AWS credentials of the environment
        #[arg(long, value_enum)]
        stage: Option<Stage>,
        /// Print it as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Refuse new analyses on the local stack; those under way go on
    Pause {
        /// For this many minutes; without it, until `unpause`
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: Option<u32>,
        /// Why, for other operators
        #[arg(long)]
        note: Option<String>,
    },
    /// Accept new analyses on the local stack again
    Unpause,
    /// Print the past hour's log of a Lambda of the local stack
    Logs {
        /// The Lambda, for example check-health
        function: String,
        /// Keep printing what is added
        #[arg(long, short)]
        follow: bool,
    },
    /// Write docs/openapi.yaml from the routes and types in Rust, and the TypeScript client from that
    Openapi,
    /// Deploy to AWS: build for release, sam deploy, migrate the database
    Deploy {
        /// The stage to deploy to, with its settings of infra/samconfig.toml
        #[arg(long, value_enum)]
        stage: Stage,
        /// Build for x86-64 instead of arm64
        #[arg(long)]
        x86_64: bool,
    },
}

#[derive(Subcommand)]
enum OtherBench {
    /// Measure, on a stack of its own, an analysis's own time beside that of Lambdas that do nothing, and the
    /// AI call among slow calls with hedging and without
    Pipeline {
        /// Analyses per tier, cold and again from the cache
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        runs: u32,
        /// AI calls among slow ones, with hedging and without
        #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(20..=10_000))]
        calls: u32,
        /// Measure the debug build, which needs no long build: for trying out the measurement itself
        #[arg(long)]
        debug: bool,
    },
    /// Measure, on a stack of its own, the statements of lists and details on a database of a million leads
    Db {
        /// How many leads, of a thousand accounts; one of them has a tenth
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10_000..=10_000_000))]
        leads: u32,
        /// Print the figures as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Measure, on a stack of its own, how long one account's LIGHT analysis takes while another account floods the system
    Fairness {
        /// How many analyses the one account makes on the idle system, one at a time
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
        runs: u32,
        /// How many LIGHT analyses the other account starts at once
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        flood: u32,
        /// How many floods to make
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
        floods: u32,
        /// Measure the debug build, which needs no long build
        #[arg(long)]
        debug: bool,
    },
    /// Try, on a stack of its own, the API by its description, for longer than `test fuzz` does
    Fuzz {
        /// Cases for each route and way of making them
        #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        cases: u32,
        /// Make up the same cases as a former run
        #[arg(long)]
        seed: Option<u64>,
    },
}

#[derive(clap::Args)]
struct Up {
    /// Add the user `load` with 10,000 credits, and raise the limits for anonymous analyses from one address
    /// and for a day's spending
    #[arg(long)]
    load: bool,
    /// Use other servers in place of our stand-ins: URL/apify, URL/openai, URL/anthropic
    #[arg(long, value_name = "URL", conflicts_with = "live")]
    upstreams: Option<String>,
    /// Use the real Apify, OpenAI and Anthropic, with APIFY_TOKEN, OPENAI_API_KEY and ANTHROPIC_API_KEY
    #[arg(long)]
    live: bool,
    /// How quickly the stand-ins answer
    #[arg(long, value_enum, default_value_t = Latency::Realistic)]
    latency: Latency,
}

impl Up {
    fn options(self) -> Result<Options> {
        let upstreams = Upstreams::new(self.upstreams, self.live)?;
        Ok(Options {
            load: self.load,
            upstreams,
            latency: self.latency,
            need: Need::Viewer,
            postgres_17: false,
        })
    }
}

/// Reads a run's id, as the command line gives it.
fn run_id(text: &str) -> Result<RunId, &'static str> {
    text.parse().map_err(|_| "a run's id is a UUID, such as 01932a5f-11aa-7c20-8f10-5e6f7a8b9c0d")
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let result = process::handle_signals().and_then(|()| execute(command));
    process::wait_if_interrupted();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<()> {
    let ui = &Ui::new();
    let stack = &Stack::local();
    match command {
        Command::Up(up) => {
            stack::up(stack, &up.options()?, ui)?;
            status::print_started(stack)
        }
        Command::Down => status::down(stack, ui),
        Command::Status => status::print(stack),
        Command::Demo { live, json, username } => demo::demo(stack, &Demo { live, json, username }, ui),
        Command::Test { list: true, .. } => test::list(),
        Command::Test { checks, name, postgres, .. } => {
            test::test(&checks, name.as_deref(), postgres.is_some(), ui)
        }
        Command::Bench { other: None } => bench::lambdas(stack, ui),
        Command::Bench { other: Some(OtherBench::Pipeline { runs, calls, debug }) } => {
            bench::pipeline(&bench::Pipeline { runs, calls, debug }, ui)
        }
        Command::Bench { other: Some(OtherBench::Db { leads, json }) } => bench::db(leads, json, ui),
        Command::Bench { other: Some(OtherBench::Fairness { runs, flood, floods, debug }) } => {
            bench::fairness(&bench::Fairness { runs, flood, floods, debug }, ui)
        }
        Command::Bench { other: Some(OtherBench::Fuzz { cases, seed }) } => {
            let seed = seed.unwrap_or_else(|| {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| u64::from(it.subsec_nanos()))
            });
            bench::fuzz(&fuzz::Effort { cases, seed }, ui)
        }
        Command::Invoke { function, event } => invoke::invoke(stack, &function, event.as_deref()),
        Command::Resume { run_id } => resume::resume(&Stack::chosen(), run_id, ui),
        Command::Run { run_id, stage, json } => run::run(&Stack::chosen(), stage, run_id, json, ui),
        Command::Pause { minutes, note } => intake::pause(&Stack::chosen(), minutes, note.as_deref()),
        Command::Unpause => intake::unpause(&Stack::chosen()),
        Command::Logs { function, follow } => invoke::logs(stack, &function, follow),
        Command::Openapi => openapi::write(stack, ui),
        Command::Deploy { stage, x86_64 } => release::deploy(stage, x86_64, ui),
    }
}
