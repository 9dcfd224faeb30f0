//! How many analyses one address may start.

use oslira_domain::{Error, Result, RunId};
use oslira_lambda::{Env, Variable};
use oslira_stores::{Limit, Pass, RateLimits};
use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// An address's limits per hour and per day.
#[derive(Debug)]
pub struct AddressLimits {
    rate_limits: RateLimits,
    limits: [Limit; 2],
}

impl AddressLimits {
    /// Needs the variables of [`RateLimits`], `ANONYMOUS_PER_HOUR` and `ANONYMOUS_PER_DAY`.
    pub fn new(env: &Env) -> Result<Self> {
        let hour = Duration::from_secs(60 * 60);
        let limits = [
            Limit { count: count(env, Variable::AnonymousPerHour)?, window: hour },
            Limit { count: count(env, Variable::AnonymousPerDay)?, window: 24 * hour },
        ];
        Ok(Self { rate_limits: RateLimits::new(env)?, limits })
    }

    /// Counts a request from this address, for this run.
    ///
    /// # Errors
    /// `TooManyRequests` when it has asked too often.
    pub(super) async fn take(&self, address: IpAddr, run_id: RunId) -> Result<Pass> {
        self.rate_limits.take(&limit_key(address), run_id.0, &self.limits).await
    }

    /// Takes back the count of a request that led to nothing.
    pub(super) async fn give_back(&self, pass: Pass) -> Result<()> {
        self.rate_limits.give_back(pass).await
    }
}

fn count(env: &Env, variable: Variable) -> Result<u32> {
    let text = env.var(variable)?;
    text.parse().map_err(|_| Error::internal(format!("{variable} must be a whole number, not {text:?}")))
}

/// The key of an address's limits: the IPv4 address itself, or the /64 network of an IPv6 address. A
/// household or a server gets a whole /64 and may use any address in it. An IPv4 address in IPv6 form counts
/// as the IPv4 address.
fn limit_key(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("anonymous#{address}"),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() >> 64 << 64);
            format!("anonymous#{network}/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_key_and_a_network_of_ipv6_shares_one() {
        let key = |address: &str| limit_key(address.parse().unwrap());
        assert_eq!(key("203.0.113.7"), "anonymous#203.0.113.7");
        assert_eq!(key("::ffff:203.0.113.7"), key("203.0.113.7"));
        assert_ne!(key("203.0.113.8"), key("203.0.113.7"));
        assert_eq!(key("2001:db8:1:2:3:4:5:6"), "anonymous#2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2::1"), key("2001:0DB8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
    }
}
