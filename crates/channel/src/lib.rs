//! The secure channel: handshake, key schedule, records (sans-IO)
