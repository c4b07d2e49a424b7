//! Checks evidence offline, for people who have nothing else of ours
fn main() {}
