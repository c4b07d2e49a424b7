//! A message that begins and does not end: exhibit 11.

use super::Found;
use crate::LabError;
use crate::stage::{ClassicServer, Peer, errors};

/// What is sent at once, in bytes.
const CHUNK: usize = 64 * 1024;
/// All that the attacker sends, in bytes: more than any limit.
const MOST: usize = 1024 * 1024;

/// Sends `begin` and then one byte again and again, as the server's first client, until the server closes or all is sent.
pub(super) async fn run(
    mut attacker: Peer,
    mut server: ClassicServer,
    begin: &[u8],
) -> Result<Found, LabError> {
    let mut sent = 0;
    let mut open = attacker.send(begin, Some("a message begins that does not end")).await;
    while open && sent < MOST {
        open = attacker.send(&[b'a'; CHUNK], None).await;
        sent += CHUNK;
    }
    if !matches!(attacker.receive().await, Ok(None)) {
        return Ok(Found::succeeds(format!("The server took {sent} bytes of a message and waits for more.")));
    }
    let told = server.events.session(1).await?;
    Ok(Found::refused(format!("The server closed the connection: {}.", errors(&told).join("; "))))
}
