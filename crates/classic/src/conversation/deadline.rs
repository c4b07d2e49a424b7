//! How long something may take.

use std::time::Duration;

use tokio::time::timeout;

use crate::ClassicError;

/// Waits for what the other side has to do within a time.
///
/// # Errors
/// [`ClassicError::Late`], which says what was waited for; those of `future`.
pub async fn within<T>(
    deadline: Duration,
    what: &'static str,
    future: impl Future<Output = Result<T, ClassicError>>,
) -> Result<T, ClassicError> {
    let late = ClassicError::Late { what, seconds: deadline.as_secs() };
    timeout(deadline, future).await.unwrap_or(Err(late))
}
