//! Whom a limit is for.

use std::net::{IpAddr, Ipv6Addr};

/// The key of a source address' limit: an IPv4 address, or the /64 of an IPv6 one, which is what a household or a server
/// gets and may choose from as it likes. An IPv4 address written as IPv6 is the same address.
pub(super) fn limit_key(address: IpAddr) -> String {
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
