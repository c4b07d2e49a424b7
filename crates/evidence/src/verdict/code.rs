//! Stable codes (EV-41).

use serde::Serialize;

/// What kind of problem was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// No archive of EV-33, or its first part is another.
    NotABundle,
    /// The file ends before its end.
    Cut,
    /// Bytes after the end.
    Trailing,
    /// A part that is odd, doubled or out of order.
    UnknownPart,
    /// A part that must be there is not.
    MissingPart,
    /// A limit is passed.
    TooLarge,
    /// A part is not encoded as it must be.
    Malformed,
    /// A part has another hash than the manifest says.
    Manifest,
    /// The bundle's root is not the pinned one.
    RootMismatch,
    /// A chain does not verify, or its holder is not of this organisation or usage.
    Certificate,
    /// Directory checkpoint or proof does not verify, or its leaf contradicts the certificate.
    Directory,
    /// A certificate has no issue leaf.
    NotInDirectory,
    /// A second device without a good device statement.
    Unvouched,
    /// A checkpoint's text or signatures do not verify.
    Checkpoint,
    /// The entries are not those of the tree that the checkpoint signs.
    Log,
    /// A checkpoint, or one that a sender saw, is no prefix of the log.
    Fork,
    /// An index of the range is not there.
    Missing,
    /// An entry is not encoded as it must be.
    Statement,
    /// An entry's signature does not verify.
    Signature,
    /// An entry's signer's certificate is not in the bundle.
    UnknownSender,
    /// An entry is of another room.
    WrongRoom,
    /// Its signer was no member at its index.
    NotAMember,
    /// Its signer's certificate was revoked before.
    Revoked,
    /// Its number does not fit.
    Sequence,
    /// Its epoch does not fit: a change of membership is missing or false.
    Epoch,
    /// A change of membership that does not fit, a false room id, or an entry its place does not allow.
    Membership,
    /// An erasure of what its signer's user did not say, of what is no message, or a second one of the same.
    Erasure,
    /// Its time does not fit its anchor, or its certificate was not valid then.
    Time,
    /// An opening does not fit the commitment.
    Opening,
    /// The content is not what the statement's ciphertext hash names in content suite 0, or is that in suite 1.
    Ciphertext,
    /// A receipt or its cosignature does not verify or is not of this log.
    Receipt,
}

/// What kind of thing a reader should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoteCode {
    /// No root was pinned.
    Unpinned,
    /// Content suite 0.
    ServerCanRead,
    /// Content suite 1.
    EndToEnd,
    /// Up to which directory size revocations are known.
    DirectoryHead,
    /// Checkpoints seen that this bundle does not allow to check.
    SeenUnchecked,
    /// A certificate was revoked about when, or after, it was used.
    Disputed,
    /// Logged-by times are the server's own, signed times the senders'.
    NoWitness,
    /// What no evidence of this kind shows.
    Limits,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

impl std::fmt::Display for NoteCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}
