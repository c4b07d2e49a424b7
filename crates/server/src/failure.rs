//! Failures as the peer is told them: little, and nothing of other users (SE-4).

use session::message::{FailureCode, Reply};
use store::{AppendError, Refusal, StoreError, Unique};
use tracing::error;

/// A failure with a message for a person.
pub(crate) fn failed(code: FailureCode, message: impl Into<String>) -> Reply {
    Reply::Failed { code, message: message.into(), retry_ms: None }
}

/// One answer for a wrong password, an unknown user, a disabled account and a token that is not good.
pub(crate) fn credentials() -> Reply {
    failed(
        FailureCode::Credentials,
        "wrong user, password or link; check them, or ask an administrator for a new link",
    )
}

/// Too many failures of an account or address.
pub(crate) fn rate_limited(wait_ms: u64) -> Reply {
    too_often("too many failed logins", wait_ms)
}

/// `what` was done too often.
pub(crate) fn too_often(what: &str, wait_ms: u64) -> Reply {
    let minutes = wait_ms.div_ceil(60_000);
    Reply::Failed {
        code: FailureCode::RateLimited,
        message: format!("{what}; try again in {minutes} min"),
        retry_ms: Some(wait_ms),
    }
}

/// A statement names a blob that is not there, or not whole (SE-36).
pub(crate) fn missing_blob() -> Reply {
    failed(
        FailureCode::Conflict,
        "a blob that the statement names is not there; hand it in and send the statement again",
    )
}

/// A store's error as the peer is told it.
pub(crate) fn store(error: &StoreError) -> Reply {
    match error {
        StoreError::Exists(what) => failed(FailureCode::Exists, taken(*what)),
        StoreError::NotFound(what) => failed(FailureCode::NotFound, format!("there is no such {what}")),
        StoreError::Refused(
            Refusal::Expired
            | Refusal::Revoked
            | Refusal::UsedUp
            | Refusal::OtherUser
            | Refusal::OtherEmail
            | Refusal::Disabled
            | Refusal::DeviceRevoked,
        ) => credentials(),
        StoreError::Refused(why @ Refusal::OtherRecoveries) => failed(FailureCode::Conflict, why.to_string()),
        StoreError::Refused(why) => failed(FailureCode::NotAllowed, why.to_string()),
        StoreError::TooLarge(too) => failed(FailureCode::TooLarge, too.to_string()),
        StoreError::Append(AppendError::MissingBlob(_)) => missing_blob(),
        StoreError::Conflict { .. } => failed(FailureCode::Conflict, "somebody else was faster; try again"),
        _ => {
            error!("the store failed: {}", chain(error));
            failed(
                FailureCode::Unavailable,
                "the server's store failed; the operator's log says why; try again later",
            )
        }
    }
}

/// An error with its causes, for the operator's log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text.push_str(": ");
        text.push_str(&e.to_string());
        cause = e.source();
    }
    text
}

fn taken(what: Unique) -> &'static str {
    match what {
        Unique::UserName => "that user name is taken; choose another",
        Unique::Skeleton => "that user name reads like one that is taken; choose another",
        Unique::Email => "that e-mail address is taken; choose another, or none",
        Unique::DeviceName => "you have a device of that name; choose another",
        Unique::DirectRoom => "you have a direct room with that person already",
        Unique::Room => "there is such a room already",
        Unique::Token | Unique::Certificate => "that exists already",
    }
}

/// A stored role as it goes over the wire.
pub(crate) fn role(role: store::Role) -> session::message::Role {
    match role {
        store::Role::Member => session::message::Role::Member,
        store::Role::Admin => session::message::Role::Admin,
    }
}
