//! How many connections may be open that nobody has logged in on.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::counted;

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

/// A handshake that is under way.
struct HalfOpen {
    address: IpAddr,
    evicted: Arc<Notify>,
}

#[derive(Default)]
struct Counts {
    by_pool: HashMap<Pool, usize>,
    by_address: HashMap<(Pool, IpAddr), usize>,
    /// By the number of the connection, so the oldest first.
    half_open: BTreeMap<u64, HalfOpen>,
    connections: u64,
}

/// The count of connections that are not logged in.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Counts>>);

/// A counted connection; dropping it, at login or at its end, frees its place.
pub struct ConnectionPermit {
    connections: Connections,
    number: u64,
    pool: Pool,
    address: IpAddr,
    evicted: Arc<Notify>,
}

impl Connections {
    /// A place for one more handshake. When all are taken, the oldest handshake of the address that has most of them
    /// makes room; none when this address has all that it may have.
    pub fn admit(&self, address: IpAddr) -> Option<ConnectionPermit> {
        let (pool, address) = (Pool::Handshake, counted(address));
        let mut counts = self.lock();
        if counts.is_full(pool) && !counts.is_full_for(pool, address) {
            counts.evict();
        }
        if !counts.take(pool, address) {
            return None;
        }
        counts.connections += 1;
        let number = counts.connections;
        let evicted = Arc::new(Notify::new());
        counts.half_open.insert(number, HalfOpen { address, evicted: Arc::clone(&evicted) });
        Some(ConnectionPermit { connections: self.clone(), number, pool, address, evicted })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionPermit {
    /// Number of the connection, ascending from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Told when the handshake has to make room for another.
    pub fn evicted(&self) -> Arc<Notify> {
        Arc::clone(&self.evicted)
    }

    /// A place in another pool for this one, if there is one.
    pub fn into_pool(mut self, pool: Pool) -> Option<Self> {
        let moved = {
            let mut counts = self.connections.lock();
            let moved = counts.take(pool, self.address);
            if moved {
                counts.leave(&self);
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
        self.connections.lock().leave(self);
    }
}

impl Counts {
    fn is_full(&self, pool: Pool) -> bool {
        self.by_pool.get(&pool).is_some_and(|all| *all >= MAX_UNAUTHENTICATED)
    }

    fn is_full_for(&self, pool: Pool, address: IpAddr) -> bool {
        self.by_address.get(&(pool, address)).is_some_and(|here| *here >= MAX_UNAUTHENTICATED_PER_ADDRESS)
    }

    fn take(&mut self, pool: Pool, address: IpAddr) -> bool {
        if self.is_full(pool) || self.is_full_for(pool, address) {
            return false;
        }
        *self.by_pool.entry(pool).or_default() += 1;
        *self.by_address.entry((pool, address)).or_default() += 1;
        true
    }

    /// Ends the oldest handshake of the address that has most; of several such, the oldest of all.
    fn evict(&mut self) {
        let here = |half_open: &HalfOpen| self.by_address.get(&(Pool::Handshake, half_open.address));
        let most = self.half_open.values().filter_map(here).max();
        let oldest = self.half_open.iter().find(|(_, half_open)| here(half_open) == most);
        let Some(number) = oldest.map(|(number, _)| *number) else { return };
        if let Some(HalfOpen { address, evicted }) = self.half_open.remove(&number) {
            self.free(Pool::Handshake, address);
            evicted.notify_one();
        }
    }

    /// Frees the place of a connection, unless it was evicted from it.
    fn leave(&mut self, permit: &ConnectionPermit) {
        if permit.pool != Pool::Handshake || self.half_open.remove(&permit.number).is_some() {
            self.free(permit.pool, permit.address);
        }
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

    #[tokio::test]
    async fn when_all_places_are_taken_the_oldest_of_the_address_with_most_makes_room() {
        let connections = Connections::default();
        let admit = |last: u8| connections.admit(IpAddr::from([192, 0, 2, last]));
        let older: Vec<_> = (0..MAX_UNAUTHENTICATED_PER_ADDRESS - 1).map(|_| admit(1).unwrap()).collect();
        let most: Vec<_> = (0..MAX_UNAUTHENTICATED_PER_ADDRESS).map(|_| admit(2).unwrap()).collect();
        let others: Vec<_> = (0..MAX_UNAUTHENTICATED - older.len() - most.len())
            .map(|n| admit(3 + (n / 120) as u8).unwrap())
            .collect();
        assert!(admit(2).is_none(), "who has all that it may have makes no room for itself");
        let newcomer = admit(200).unwrap();
        most[0].evicted().notified().await;
        let moved = newcomer.into_pool(Pool::Certified).unwrap();
        drop((older, most, others, moved));
        let counts = connections.lock();
        assert!(counts.by_address.is_empty() && counts.half_open.is_empty());
        assert!(counts.by_pool.values().all(|all| *all == 0), "{:?}", counts.by_pool);
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let connections = Connections::default();
        let of = |n: u64| IpAddr::from(std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n)));
        let held: Vec<_> =
            (0..MAX_UNAUTHENTICATED_PER_ADDRESS as u64).map(|n| connections.admit(of(n)).unwrap()).collect();
        assert!(connections.admit(of(u64::MAX)).is_none());
        drop(held);
        assert!(connections.admit(of(u64::MAX)).is_some());
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
