//! Answers, taken apart.

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
