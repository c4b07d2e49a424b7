//! The signed note (C2SP signed-note and tlog-checkpoint) with its two signature lines.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pki::ed25519::{PublicKey, SigningKey};
use pki::{Usage, VerifiedCertificate};

use super::cosignature::{Cosignature, cosigner_name};
use super::{Checkpoint, Origin};
use crate::hash::hash_parts;
use crate::limits::MAX_NOTE;
use crate::log::{MAX_SIZE, TreeHead};

/// Type of a log's key in the key id (C2SP signed-note, Ed25519).
const TYPE_ED25519: u8 = 0x01;
const SIGNATURE_PREFIX: &str = "— ";
const SIGNATURE_LEN: usize = 64;

/// Why a checkpoint is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCheckpoint {
    /// Longer than [`MAX_NOTE`], or not the five lines of EV-24 to EV-26.
    #[error("not a checkpoint")]
    Malformed,
    /// Of another log.
    #[error("a checkpoint of another log")]
    Origin,
    /// The certificate is not one of a log or cosigner of the organisation, as wanted.
    #[error("the certificate is not one of a log or cosigner of the organisation")]
    Usage,
    /// A signature line is by another key or does not verify.
    #[error("a signature of the checkpoint does not verify")]
    Signature,
}

/// A checkpoint as a note, signed by the log and cosigned with the time. What [`SignedCheckpoint::verify`] returns is
/// verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    time_s: u64,
    text: String,
}

impl Checkpoint {
    /// The signed part of the note: three lines.
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin.as_str(), self.head.size, STANDARD.encode(self.head.root))
    }

    /// Signs with the log's key and cosigns with the cosigner's at `time_s` (Unix seconds).
    pub fn sign(self, log: &SigningKey, cosigner: &SigningKey, time_s: u64) -> SignedCheckpoint {
        let body = self.body();
        let id = key_id(self.origin.as_str(), TYPE_ED25519, log.public());
        let signature = [&id[..], &log.sign(body.as_bytes())].concat();
        let name = cosigner_name(self.origin.organisation());
        let cosignature = Cosignature::sign(&self, &name, cosigner, time_s);
        let text = format!(
            "{body}\n{}{}",
            line(self.origin.as_str(), &signature),
            line(&name, cosignature.as_bytes())
        );
        SignedCheckpoint { checkpoint: self, time_s, text }
    }
}

impl SignedCheckpoint {
    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Size and root.
    pub fn head(&self) -> TreeHead {
        self.checkpoint.head
    }

    /// Time of the cosignature, Unix seconds.
    pub fn time_s(&self) -> u64 {
        self.time_s
    }

    /// The note.
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// Reads a note and checks that it is of the log `origin`, signed by `log` and cosigned by `cosigner`, both of the
    /// organisation of their certificates.
    ///
    /// # Errors
    /// [`BadCheckpoint`], by the first thing found wrong.
    pub fn verify(
        text: &[u8],
        origin: &Origin,
        log: &VerifiedCertificate,
        cosigner: &VerifiedCertificate,
    ) -> Result<Self, BadCheckpoint> {
        let ours = |certificate: &VerifiedCertificate, usage| {
            certificate.usage() == usage && certificate.identity().organisation == *origin.organisation()
        };
        if !ours(log, Usage::Log) || !ours(cosigner, Usage::Cosigner) {
            return Err(BadCheckpoint::Usage);
        }
        let note = Note::read(text).ok_or(BadCheckpoint::Malformed)?;
        if note.origin != origin.as_str() {
            return Err(BadCheckpoint::Origin);
        }
        let checkpoint = Checkpoint { origin: origin.clone(), head: note.head };
        // EV-25
        let id = key_id(origin.as_str(), TYPE_ED25519, log.key());
        let (found_id, signature) = note.log.split_first_chunk::<4>().ok_or(BadCheckpoint::Malformed)?;
        let signature: &[u8; SIGNATURE_LEN] = signature.try_into().map_err(|_| BadCheckpoint::Malformed)?;
        if note.log_name != origin.as_str() || *found_id != id {
            return Err(BadCheckpoint::Signature);
        }
        let body = checkpoint.body();
        log.key().verify(body.as_bytes(), signature).map_err(|_| BadCheckpoint::Signature)?;
        // EV-26
        let name = cosigner_name(origin.organisation());
        let cosignature = Cosignature::from_bytes(&note.cosignature).ok_or(BadCheckpoint::Malformed)?;
        if note.cosigner_name != name {
            return Err(BadCheckpoint::Signature);
        }
        let time_s = cosignature.verify(&checkpoint, &name, cosigner.key())?;
        let text = format!("{body}\n{}{}", line(note.log_name, &note.log), line(&name, &note.cosignature));
        if text.as_bytes() != note.text.as_bytes() {
            return Err(BadCheckpoint::Malformed);
        }
        Ok(Self { checkpoint, time_s, text })
    }
}

/// A note read, nothing verified.
struct Note<'a> {
    text: &'a str,
    origin: &'a str,
    head: TreeHead,
    log_name: &'a str,
    log: Vec<u8>,
    cosigner_name: &'a str,
    cosignature: Vec<u8>,
}

impl<'a> Note<'a> {
    fn read(text: &'a [u8]) -> Option<Self> {
        if text.len() > MAX_NOTE {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let mut next = || lines.next();
        let (origin, size, root, blank) = (next()?, next()?, next()?, next()?);
        let (log_name, log) = signature_line(next()?)?;
        let (cosigner_name, cosignature) = signature_line(next()?)?;
        let number: u64 = size.parse().ok().filter(|size| *size <= MAX_SIZE)?;
        if next().is_some() || !blank.is_empty() || number.to_string() != size {
            return None;
        }
        let root = STANDARD.decode(root).ok()?.try_into().ok()?;
        let head = TreeHead { size: number, root };
        Some(Self { text, origin, head, log_name, log, cosigner_name, cosignature })
    }
}

fn signature_line(line: &str) -> Option<(&str, Vec<u8>)> {
    let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
    Some((name, STANDARD.decode(signature).ok()?))
}

fn line(name: &str, signature: &[u8]) -> String {
    format!("{SIGNATURE_PREFIX}{name} {}\n", STANDARD.encode(signature))
}

/// The first four bytes of `SHA-256(name | 0x0a | type | key)` (C2SP signed-note).
pub(super) fn key_id(name: &str, kind: u8, key: &PublicKey) -> [u8; 4] {
    let hash = hash_parts(&[name.as_bytes(), &[0x0a, kind], key.as_bytes()]);
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}
