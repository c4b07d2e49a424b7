//! What was erased is overwritten in the database's files too (SE-50): once it was dropped, and at the start what an earlier run left of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::error;

use crate::failure;
use crate::listener::stopped;
use crate::shared::Shared;

/// Between two steps: others write meanwhile, and readers get done with what they began to read.
const PAUSE: Duration = Duration::from_millis(100);
/// After the store has failed.
const RETRY: Duration = Duration::from_secs(10);

/// Sweeps at the start and whenever something was erased, until the server stops.
pub(crate) async fn follow(shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    loop {
        let step = async {
            match shared.store.sweep().await {
                Ok(true) => shared.erased.notified().await,
                Ok(false) => tokio::time::sleep(PAUSE).await,
                Err(e) => {
                    error!("what was erased cannot be overwritten now: {}", failure::chain(&e));
                    tokio::time::sleep(RETRY).await;
                }
            }
        };
        tokio::select! {
            () = stopped(&mut stopping) => return,
            () = step => {}
        }
    }
}
