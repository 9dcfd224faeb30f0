//! What `cargo xtask bench` runs: measurements of single Lambdas, under a runtime API of this program's own, and of statements on
//! a large database.
#![allow(clippy::print_stdout, reason = "a command-line tool: standard output is where its results go")]

mod aws_stub;
mod db;
mod hedging;
mod lambdas;
mod table;

use anyhow::Result;
use clap::Parser;
use oslira_tests::Stack;

/// Measures single Lambdas, and statements
#[derive(Parser)]
enum Measurement {
    /// Size, start-up, memory and handler times
    Lambdas(lambdas::Options),
    /// The AI call among slow calls, with hedging and without
    Hedging(hedging::Options),
    /// The statements of lists and details on a large database
    Db(db::Options),
}

#[tokio::main]
async fn main() -> Result<()> {
    let measurement = Measurement::parse();
    let stack = &Stack::connect().await?;
    match measurement {
        Measurement::Lambdas(options) => {
            println!("{}", lambdas::starts(&options, stack).await?);
            println!("{}", lambdas::handlers(&options, stack).await?);
        }
        Measurement::Hedging(options) => println!("{}", hedging::measure(&options, stack).await?),
        Measurement::Db(options) => println!("{}", db::measure(&options, stack).await?),
    }
    Ok(())
}
