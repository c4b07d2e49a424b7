//! Pair with virtual time, fault injection, forges, vectors (development only)
