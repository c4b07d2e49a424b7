//! Errors of the libraries as they end a command: a stable code, and what happened with its causes.

use std::error::Error;

use ::classic::users::UserStoreError;
use client::ClientError;
use pki::ed25519::KeyError;
use server::StartError;
use server::console::ConsoleError;
use server::organisation::{AuthorityError, FolderError};
use store::StoreError;

use crate::terminal::Failure;

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::new(error.code(), with_causes(&error))
    }
}

impl From<FolderError> for Failure {
    fn from(error: FolderError) -> Self {
        Self::new(folder_code(&error), with_causes(&error))
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        Self::new(authority_code(&error), with_causes(&error))
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(start_code(&error), with_causes(&error))
    }
}

impl From<ConsoleError> for Failure {
    fn from(error: ConsoleError) -> Self {
        let code = match &error {
            ConsoleError::Start(error) => start_code(error),
            ConsoleError::Authority(error) => authority_code(error),
            ConsoleError::Folder(error) => folder_code(error),
            ConsoleError::Store(error) => store_code(error),
            ConsoleError::Request(_) => "bad-request",
            ConsoleError::UnknownCertificate(_) => "not-found",
            ConsoleError::AlreadyRevoked => "revoked",
            ConsoleError::Taken(_) | ConsoleError::LooksAlike(_) => "exists",
            ConsoleError::OwnCertificate | ConsoleError::NeedsVoucher(_) | ConsoleError::Waits(_) => {
                "not-allowed"
            }
            ConsoleError::Ca(_) | ConsoleError::NoRandomness => "failed",
        };
        Self::new(code, with_causes(&error))
    }
}

impl From<UserStoreError> for Failure {
    fn from(error: UserStoreError) -> Self {
        let code = match &error {
            UserStoreError::BadPlace(_) | UserStoreError::BadUrl(_) => return Self::usage(error.to_string()),
            UserStoreError::Taken => "exists",
            UserStoreError::NoTable(_) => "not-found",
            UserStoreError::OtherShape { .. } => "other-schema",
            UserStoreError::BadFile { .. } | UserStoreError::Malformed(_) => "damaged",
            UserStoreError::Refused { .. } | UserStoreError::Unreachable { .. } => "store",
            UserStoreError::Io { .. } => "io",
            UserStoreError::OutOfBounds(_)
            | UserStoreError::NeedsEmail
            | UserStoreError::DoesNotFit { .. }
            | UserStoreError::Full(_)
            | UserStoreError::TooMany(_) => "failed",
        };
        Self::new(code, with_causes(&error))
    }
}

fn folder_code(error: &FolderError) -> &'static str {
    match error {
        FolderError::InUse(_) => "in-use",
        FolderError::Exists(_) => "exists",
        FolderError::Io { .. } => "io",
    }
}

fn authority_code(error: &AuthorityError) -> &'static str {
    match error {
        AuthorityError::Folder(error) => folder_code(error),
        AuthorityError::Key(_, KeyError::WrongPassword) => "wrong-passphrase",
        AuthorityError::Key(_, KeyError::NeedsPassword) => "keys-encrypted",
        AuthorityError::PlainKeys => "keys-plain",
        AuthorityError::Exists => "exists",
        AuthorityError::Unfinished | AuthorityError::Waiting(_) => "unfinished",
        AuthorityError::NoRootKey => "no-root-key",
        AuthorityError::Certificate(..) => "bad-certificate",
        AuthorityError::Key(..) | AuthorityError::Ca(_) | AuthorityError::Sealed => "failed",
    }
}

fn start_code(error: &StartError) -> &'static str {
    match error {
        StartError::Folder(error) => folder_code(error),
        StartError::Authority(error) => authority_code(error),
        StartError::Store(error) => store_code(error),
        StartError::DatabaseLost(_) => "damaged",
        StartError::UnknownStore(_) => "bad-store",
        StartError::Certificate(error) => error.code(),
        StartError::Listen(..) => "listen",
        StartError::Login(_) => "failed",
    }
}

fn store_code(error: &StoreError) -> &'static str {
    match error {
        StoreError::NotFound(_) => "not-found",
        StoreError::Exists(_) => "exists",
        StoreError::Corrupt(_) => "damaged",
        StoreError::NewerSchema { .. } => "newer-store",
        StoreError::Unavailable(_) => "store",
        _ => "failed",
    }
}

/// An error with those of its causes that it does not tell itself.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = e.source();
    }
    text
}
