//! Answers, taken apart.

use std::future::Future;

use session::message::{FailureCode, Reply};

use crate::ClientError;

/// The error of a request that failed, or of an answer that is not the one named beside the command (SE-4).
pub(crate) fn refused(reply: Reply) -> ClientError {
    match reply {
        Reply::Failed { code: FailureCode::Credentials, .. } => ClientError::Login,
        Reply::Failed { code, message, retry_ms } => ClientError::Failed { code, message, retry_ms },
        _ => ClientError::unexpected(),
    }
}

/// Takes the fields of the one reply that fits.
macro_rules! expect_reply {
    ($reply:expr, $pattern:pat => $value:expr) => {
        match $reply {
            $pattern => Ok($value),
            other => Err($crate::reply::refused(other)),
        }
    };
}

pub(crate) use expect_reply;

/// Reads a list to its end, page by page, each of the entries behind the `position` of the last one (SE-18).
pub(crate) async fn read_pages<T, P, F>(
    position: impl Fn(&T) -> P,
    page: impl Fn(P) -> F,
) -> Result<Vec<T>, ClientError>
where
    P: Clone + Default + Ord,
    F: Future<Output = Result<Vec<T>, ClientError>>,
{
    let (mut all, mut after) = (Vec::new(), P::default());
    loop {
        let entries = page(after.clone()).await?;
        match entries.last().map(&position) {
            Some(last) if last > after => after = last,
            Some(_) => return Err(ClientError::unexpected()),
            None => return Ok(all),
        }
        all.extend(entries);
    }
}
