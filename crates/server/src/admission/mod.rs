//! Who may try: login tries are counted by device, account and address (SE-9), connections by kind and address.

mod connections;
mod tries;

use std::net::{IpAddr, Ipv6Addr};

pub use connections::{
    ConnectionPermit, Connections, MAX_UNAUTHENTICATED, MAX_UNAUTHENTICATED_PER_ADDRESS, Pool,
};
pub use tries::Tries;

/// What is counted of an address (SE-24): of IPv6 the first 64 bits, as whoever has one address has all of them; an
/// IPv4-mapped address is the IPv4 address.
pub fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_its_first_64_bits_and_mapped_ipv4_as_ipv4() {
        let of = |text: &str| counted(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("::ffff:192.0.2.1"), of("::ffff:192.0.2.2"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
