//! Connects, logs in, and does it again after what heals by itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::follow::follow;
use super::{Core, Session};
use crate::ClientError;
use crate::account::{LoggedIn, log_in};
use crate::event::Event;

/// First and longest wait before another try.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A session that lasted this long starts the waits anew.
const STEADY_MS: u64 = 10_000;

/// Runs until the client is closed or cannot go on.
pub(crate) async fn supervise(core: Arc<Core>) {
    let mut wait = FIRST_WAIT;
    loop {
        let began = (core.clock)();
        let outcome = one_session(&core).await;
        core.session.send_replace(None);
        let error = match outcome {
            Ok(()) => return core.end(ClientError::Closed),
            Err(error) if !error.heals() => return core.end(error),
            Err(error) => error,
        };
        if (core.clock)().saturating_sub(began) >= STEADY_MS {
            wait = FIRST_WAIT;
        }
        let retry_in = match &error {
            ClientError::Failed { retry_ms: Some(ms), .. } => Duration::from_millis(*ms).min(LONGEST_WAIT),
            _ => jittered(wait),
        };
        tracing::info!("disconnected: {error}");
        core.emit(Event::Disconnected { why: error.to_string(), retry_in });
        wait = (wait * 2).min(LONGEST_WAIT);
        tokio::select! {
            () = sleep(retry_in) => {}
            () = core.closed() => return core.end(ClientError::Closed),
        }
    }
}

async fn one_session(core: &Arc<Core>) -> Result<(), ClientError> {
    let entered = tokio::select! {
        entered = enter(core) => entered?,
        () = core.closed() => return Ok(()),
    };
    let LoggedIn { connection, events, role, log, cosigner, skew_ms, .. } = entered;
    if skew_ms.unsigned_abs() > evidence::limits::MAX_SKEW_MS {
        tracing::warn!("this machine's clock is {} s away from the server's", skew_ms / 1000);
    }
    core.certificates.keep_server_keys([&log, &cosigner], (core.clock)(), &core.vault).await?;
    let session = Arc::new(Session {
        connection,
        role,
        log: log.1,
        cosigner: cosigner.1,
        last_checkpoint: Mutex::default(),
    });
    core.session.send_replace(Some(Arc::clone(&session)));
    core.outbox_bell.notify_one();
    core.emit(Event::Connected);
    let outcome = tokio::select! {
        outcome = follow(core, &session, events) => outcome,
        error = core.follow_directory(&session) => Err(error),
    };
    session.connection.close().await;
    outcome
}

/// Logs in; if a change of the password was interrupted, with whichever of the two the server has.
async fn enter(core: &Core) -> Result<LoggedIn, ClientError> {
    let log_in = |password| log_in(&core.owner, &core.address, password, core.clock);
    match log_in(core.password()).await {
        Err(ClientError::Login) => {
            let next = core.vault.next_password().await?.ok_or(ClientError::Login)?;
            let next = Arc::new(next);
            let logged_in = log_in(Arc::clone(&next)).await?;
            core.adopt_password(next).await?;
            Ok(logged_in)
        }
        other => other,
    }
}

/// Between half of the wait and all of it, so that not all clients come back at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the wait is merely not spread.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    let [byte] = byte;
    wait / 2 + wait / 2 * u32::from(byte) / 255
}
