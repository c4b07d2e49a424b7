//! Sizes and times, each with its rule in `docs/channel.md`.

/// Most content of one record in bytes (CH-41).
pub const MAX_RECORD_CONTENT: usize = 16_384;

/// How long a handshake may take from its start, in milliseconds (CH-70).
pub const HANDSHAKE_TIMEOUT_MS: u64 = 10_000;

/// Most bytes of a user's or device's name in a login binding (CH-74).
pub(crate) const MAX_LOGIN_NAME: usize = 255;

/// When the keys of an epoch are used up (CH-72).
#[derive(Debug, Clone, Copy)]
pub(crate) struct EpochLimits {
    /// Records in one direction.
    pub(crate) records: u64,
    /// Bytes of plaintext, padding included, in one direction.
    pub(crate) bytes: u64,
    /// Milliseconds since the epoch began.
    pub(crate) age_ms: u64,
    /// Milliseconds since epoch 0 began: the time for a login.
    pub(crate) login_ms: u64,
}

impl EpochLimits {
    pub(crate) const DEFAULT: Self =
        Self { records: 1 << 24, bytes: 1 << 32, age_ms: 2 * 60 * 60 * 1000, login_ms: 10 * 60 * 1000 };

    /// Whether a direction has used so much that the client should start a rekey.
    pub(crate) fn wants_rekey(&self, records: u64, bytes: u64) -> bool {
        records >= self.records / 4 || bytes >= self.bytes / 4
    }

    /// The age in milliseconds at which the client starts a rekey.
    pub(crate) fn rekey_age_ms(&self) -> u64 {
        self.age_ms / 2
    }

    /// The age in milliseconds at which epoch `number` is used up.
    pub(crate) fn age_of(&self, number: u32) -> u64 {
        if number == 0 { self.login_ms } else { self.age_ms }
    }
}
