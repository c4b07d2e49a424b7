//! Random schedules: users with several devices each that come, go, talk, are offline, are added and revoked, lose their disks or are killed, on one log
//! with one commit an epoch. At the end each device holds exactly what was said while it was a member and had its group, in the order of the log, and
//! what was said was said once.
//!
//! A schedule is its seed (`testkit::dice`). Most have a few devices; one of 64, the first being seed 20, has hundreds.

mod end;
mod log;
mod node;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{available_parallelism, panicking, scope};

use testkit::authority::Authority;
use testkit::dice::seeds;

use world::World;

/// Schedules without a wish for more: one of them has hundreds of devices.
const SCHEDULES: u64 = 20;

/// Tells which schedule failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if panicking() {
            println!("seed {} fails", self.0);
        }
    }
}

fn run(authority: &Authority, seed: u64) {
    let seed = Seed(seed);
    let mut world = World::new(authority, seed.0, seed.0 % 64 == SCHEDULES);
    world.live();
    let told = world.end();
    println!("seed {}: {told}", seed.0);
}

#[test]
fn every_member_holds_the_same_and_nobody_else_holds_any() {
    let (authority, seeds) = (Authority::new(), seeds(SCHEDULES));
    // The longest first, so that nobody waits for it alone.
    let mut order: Vec<u64> = seeds.collect();
    order.sort_by_key(|seed| seed % 64 != SCHEDULES);
    let next = AtomicU64::new(0);
    scope(|scope| {
        for _ in 0..available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while let Some(seed) = order.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    run(&authority, *seed);
                }
            });
        }
    });
}
