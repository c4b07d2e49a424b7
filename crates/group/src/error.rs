//! Why something of a group was not done.

/// An error of a group, by who is to blame.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Bytes from elsewhere are not an MLS message of the kind that belongs here, or over a limit.
    #[error("not a well-formed {0}")]
    Malformed(&'static str),
    /// A message that is well-formed and not acceptable; the group is as it was.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// What is stored of this group does not fit together, or cannot be written.
    #[error("the stored state of the group cannot be used: {0}")]
    Storage(String),
    /// The library could not do it.
    #[error("group encryption failed: {0}")]
    Library(String),
}

/// Why a message of somebody else is not taken. The rules are those of `docs/group.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is of another group (GR-9).
    #[error("it belongs to another group")]
    OtherGroup,
    /// It is of another epoch (GR-9).
    #[error("it belongs to another epoch of this group")]
    OtherEpoch,
    /// It does not decrypt: changed on its way, already opened, or not for this device (GR-14).
    #[error("it does not decrypt")]
    Undecryptable,
    /// The device that MLS names is not the one that the statement names (GR-10, GR-15).
    #[error("its sender is not the one that its statement names")]
    Sender,
    /// A leaf's credential is not the certificate that the log names, or its key another (GR-4).
    #[error("a leaf is not that of the certificate")]
    Leaf,
    /// The commit does other than its membership statement says (GR-10).
    #[error("it changes the group otherwise than its statement says")]
    Change,
    /// Authenticated data are not those of the statement (GR-13).
    #[error("it was sealed for another statement")]
    Context,
    /// The key package is expired, of another suite, or its signatures do not verify (GR-6).
    #[error("the key package cannot be used")]
    Package,
    /// A commit of this device is pending where none may be, or none where one must be.
    #[error("a commit of this device is pending, or the one that was is not")]
    Pending,
    /// The device is in the group already, or is not in it.
    #[error("the device's membership does not allow it")]
    Membership,
}
