//! How many connections may be open that nobody has logged in on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections without login, all addresses together.
pub const MAX_UNAUTHENTICATED: usize = 1024;
/// Connections without login from one address.
pub const MAX_UNAUTHENTICATED_PER_ADDRESS: usize = 128;

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The count of connections that are not logged in.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Counts>>);

/// A counted connection; dropping it, at login or at its end, frees its place.
pub struct ConnectionPermit {
    counts: Arc<Mutex<Counts>>,
    address: IpAddr,
}

impl Connections {
    /// A place for one more connection, if there is one.
    pub fn admit(&self, address: IpAddr) -> Option<ConnectionPermit> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = counts.by_address.get(&address).copied().unwrap_or(0);
        if counts.all >= MAX_UNAUTHENTICATED || here >= MAX_UNAUTHENTICATED_PER_ADDRESS {
            return None;
        }
        counts.all += 1;
        counts.by_address.insert(address, here + 1);
        Some(ConnectionPermit { counts: Arc::clone(&self.0), address })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(here) = counts.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_every_place_and_places_come_back() {
        let connections = Connections::default();
        let one = IpAddr::from([127, 0, 0, 1]);
        let held: Vec<_> =
            (0..MAX_UNAUTHENTICATED_PER_ADDRESS).map(|_| connections.admit(one).unwrap()).collect();
        assert!(connections.admit(one).is_none());
        assert!(connections.admit(IpAddr::from([127, 0, 0, 2])).is_some());
        drop(held);
        assert!(connections.admit(one).is_some());
    }
}
