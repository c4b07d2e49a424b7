//! Statements, Merkle log, checkpoints, receipts, bundles, verification (no I/O, no clock)
