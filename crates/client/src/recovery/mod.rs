//! Back in when all devices are lost: a recovery key on paper, made in time, and used (docs/group.md, section 9).
//!
//! - [`code`]: what is on the paper.
//! - [`record`]: the recovery key as the server keeps it, sealed by code and password.
//! - [`make`]: a device makes a recovery key.
//! - [`mod@recover`]: who has code and password becomes a device.
//! - [`rooms`]: others add that device to the rooms.

mod code;
mod make;
mod record;
mod recover;
mod rooms;

use pki::Name;
use session::login::LoginSecret;
use session::message::SealedRecovery;

use crate::ClientError;
use crate::account::{LoggedIn, log_in};
use crate::engine::Core;

pub use code::{BadCode, RecoveryCode};
pub use make::RecoverySheet;
pub use recover::recover;

impl Core {
    /// Puts the records of this user's recovery keys under the export key of another password (SE-17).
    pub(crate) async fn seal_recoveries(
        &self,
        mut recoveries: Vec<SealedRecovery>,
        now: &LoginSecret,
    ) -> Result<Vec<SealedRecovery>, ClientError> {
        if recoveries.is_empty() {
            return Ok(recoveries);
        }
        let LoggedIn { connection, export_key, .. } =
            log_in(&self.owner, &self.address, self.password(), self.clock).await?;
        connection.close().await;
        let context = context(&pki::sha256(&self.owner.root), &self.owner.user);
        for recovery in &mut recoveries {
            // One that does not open is of no use, and no reason to keep a password that somebody else may have.
            match record::seal_anew(&recovery.sealed, &export_key, now, &context) {
                Ok(sealed) => recovery.sealed = sealed,
                Err(error) => tracing::warn!(
                    "the recovery key with certificate {} is of no use any more, revoke it: {error}",
                    hex::encode(*recovery.certificate)
                ),
            }
        }
        Ok(recoveries)
    }
}

/// Whose recovery key it is: the root's fingerprint and the user's name (GR-31).
fn context(root: &[u8; 32], user: &Name) -> Vec<u8> {
    [root, user.as_str().as_bytes()].concat()
}
