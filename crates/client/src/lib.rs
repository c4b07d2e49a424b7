//! The SDK: connection, sync, vault, outbox
