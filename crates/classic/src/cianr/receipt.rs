//! Receipts: what goes over the wire at the end of a session, and the file that is kept of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Dialect, Role};
use crate::ClassicError;
use crate::json::{base64, from_base64};
use crate::rsa::{SigningKey, VerifyingKey};

/// A receipt as it stands on the wire (CL-26, CL-36).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// `receipt`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The other side, but for `cianr-line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Number of the signer's first message, 0 if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// Number of the signer's last message, 0 if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// Hash of the transcript, 64 hexadecimal characters: what is signed.
    pub transcript_sha256: String,
    /// The signature, base64.
    pub sig: String,
}

impl Receipt {
    /// Signs a transcript's hash.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`].
    pub fn make(
        dialect: Dialect,
        signer: &SigningKey,
        side: Role,
        last_seq: u64,
        transcript_sha256: String,
    ) -> Result<Self, ClassicError> {
        let sig = base64(dialect.sign(signer, transcript_sha256.as_bytes())?);
        let numbered = dialect != Dialect::Line;
        Ok(Self {
            kind: "receipt".to_owned(),
            peer: numbered.then(|| side.peer().name().to_owned()),
            first_seq: numbered.then_some(last_seq.min(1)),
            last_seq: numbered.then_some(last_seq),
            transcript_sha256,
            sig,
        })
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`ClassicError::BadSignature`].
    pub fn check(&self, dialect: Dialect, signer: &VerifyingKey) -> Result<(), ClassicError> {
        let signature = from_base64(&self.sig).map_err(|_| ClassicError::BadSignature)?;
        dialect.verify(signer, self.transcript_sha256.as_bytes(), &signature)
    }
}

/// A receipt as it is kept (CL-27).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptFile {
    /// Hash of the transcript, hex.
    pub receipt_hash: String,
    /// The signature, base64.
    pub signature_b64: String,
    /// Certificate of who signed the receipt.
    pub our_cert_file: PathBuf,
    /// Certificate of the other side.
    pub peer_cert_file: PathBuf,
    /// The transcript.
    pub transcript_file: PathBuf,
}
