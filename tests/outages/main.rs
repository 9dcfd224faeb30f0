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

use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Config, Credentials, Region};

/// The settings of a client of the stack's tables.
fn dynamodb(endpoint: &str) -> Builder {
    let credentials =
        Credentials::builder().access_key_id("test").secret_access_key("test").provider_name("test");
    Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials.build())
}
