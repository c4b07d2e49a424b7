//! How many connections may be open that nobody has logged in on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections in one pool, all addresses together.
pub const MAX_UNAUTHENTICATED: usize = 1024;
/// Connections in one pool from one address.
pub const MAX_UNAUTHENTICATED_PER_ADDRESS: usize = 128;

/// What the handshake has shown of a peer. Each has places of its own, so that peers without a certificate cannot take
/// those of devices that log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pool {
    /// The handshake is under way.
    Handshake,
    /// It had no certificate: joiners and new devices.
    Anonymous,
    /// It had one: devices that log in.
    Certified,
}

#[derive(Default)]
struct Counts {
    by_pool: HashMap<Pool, usize>,
    by_address: HashMap<(Pool, IpAddr), usize>,
}

/// The count of connections that are not logged in.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Counts>>);

/// A counted connection; dropping it, at login or at its end, frees its place.
pub struct ConnectionPermit {
    connections: Connections,
    pool: Pool,
    address: IpAddr,
}

impl Connections {
    /// A place for one more handshake, if there is one.
    pub fn admit(&self, address: IpAddr) -> Option<ConnectionPermit> {
        let pool = Pool::Handshake;
        self.lock().take(pool, address).then(|| ConnectionPermit { connections: self.clone(), pool, address })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionPermit {
    /// A place in another pool for this one, if there is one.
    pub fn into_pool(mut self, pool: Pool) -> Option<Self> {
        let moved = {
            let mut counts = self.connections.lock();
            let moved = counts.take(pool, self.address);
            if moved {
                counts.free(self.pool, self.address);
            }
            moved
        };
        moved.then(|| {
            self.pool = pool;
            self
        })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.lock().free(self.pool, self.address);
    }
}

impl Counts {
    fn take(&mut self, pool: Pool, address: IpAddr) -> bool {
        let all = self.by_pool.get(&pool).copied().unwrap_or(0);
        let here = self.by_address.get(&(pool, address)).copied().unwrap_or(0);
        if all >= MAX_UNAUTHENTICATED || here >= MAX_UNAUTHENTICATED_PER_ADDRESS {
            return false;
        }
        self.by_pool.insert(pool, all + 1);
        self.by_address.insert((pool, address), here + 1);
        true
    }

    fn free(&mut self, pool: Pool, address: IpAddr) {
        if let Some(all) = self.by_pool.get_mut(&pool) {
            *all = all.saturating_sub(1);
        }
        if let Some(here) = self.by_address.get_mut(&(pool, address)) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                self.by_address.remove(&(pool, address));
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

    #[test]
    fn anonymous_connections_leave_the_places_of_certified_ones_alone() {
        let connections = Connections::default();
        let address = |n: usize| IpAddr::from(std::net::Ipv4Addr::from(u32::try_from(n).unwrap()));
        let anonymous: Vec<_> = (0..MAX_UNAUTHENTICATED)
            .map(|n| connections.admit(address(n)).unwrap().into_pool(Pool::Anonymous).unwrap())
            .collect();
        assert!(connections.admit(address(0)).unwrap().into_pool(Pool::Anonymous).is_none());
        assert!(connections.admit(address(0)).unwrap().into_pool(Pool::Certified).is_some());
        drop(anonymous);
        assert!(connections.admit(address(0)).unwrap().into_pool(Pool::Anonymous).is_some());
        assert!(connections.lock().by_address.is_empty());
    }
}
