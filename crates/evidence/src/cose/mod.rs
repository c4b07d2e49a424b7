//! Signed objects: COSE_Sign1 with one fixed shape (EV-9 to EV-11).
//!
//! A [`Kind`] says what one type of object claims; [`Object::parse`] reads it strictly and yields an [`Unverified`],
//! [`Unverified::verify`] turns that into an [`Object`], which cannot be had otherwise.

mod header;

pub use header::Header;
use minicbor::{Decoder, Encoder};
use pki::ed25519::SigningKey;
use pki::{Usage, VerifiedCertificate, sha256};

use crate::hash::Hash;
use crate::log::leaf_hash;

/// What is common to all `typ` values; a word follows.
pub const TYP_PREFIX: &str = "application/vnd.countersign.";

const TAG_SIGN1: u64 = 18;
const SIGNATURE_LEN: usize = 64;

/// Why bytes are not a signed object of the kind wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than the kind's limit.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not a tagged COSE_Sign1 with a 64-byte signature.
    #[error("not a COSE_Sign1 object")]
    NotCose,
    /// Its `typ` is that of another kind, or of none.
    #[error("an object of another type")]
    Type,
    /// The protected header lacks a label, or has an odd one.
    #[error("the protected header is not the one of its type")]
    Header,
    /// The payload is not what the kind has.
    #[error("the payload is not the one of its type: {0}")]
    Payload(&'static str),
    /// Right in content, in another encoding than the deterministic one.
    #[error("not deterministically encoded")]
    NotDeterministic,
}

/// Why a well-formed object is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// The certificate is not the one that the object names.
    #[error("signed under another certificate")]
    OtherCertificate,
    /// The certificate's usage does not sign this kind.
    #[error("a certificate for {} does not sign this", .0.description())]
    Usage(Usage),
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
}

/// One type of signed object: what it claims and how that is encoded.
pub trait Kind: Sized {
    /// Word behind [`TYP_PREFIX`].
    const TYP: &'static str;
    /// Longest object in bytes.
    const MAX: usize;
    /// The usage whose keys sign this.
    const USAGE: Usage;

    /// Header and payload.
    fn encode(&self) -> (Header, Vec<u8>);

    /// The claim that header and payload make. What `encode` does not give back is refused by the caller.
    ///
    /// # Errors
    /// [`Malformed::Header`], [`Malformed::Payload`] or [`Malformed::NotDeterministic`].
    fn decode(header: &Header, payload: &[u8]) -> Result<Self, Malformed>;
}

/// A well-formed object whose signature nobody has checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified<K> {
    claim: K,
    certificate: Hash,
    bytes: Vec<u8>,
    signed: Vec<u8>,
    signature: [u8; SIGNATURE_LEN],
}

/// A verified object: its signer's certificate stands to the claim, of which these are the exact bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<K> {
    claim: K,
    bytes: Vec<u8>,
}

impl<K: Kind> Object<K> {
    /// Signs `claim` and returns the object's bytes. The key is that of the certificate the claim names.
    pub fn sign(claim: &K, key: &SigningKey) -> Vec<u8> {
        let (header, payload) = claim.encode();
        let protected = header.encode(K::TYP);
        let signature = key.sign(&sig_structure(&protected, &payload));
        assemble(&protected, &payload, &signature)
    }

    /// Reads an object; `typ` is compared before anything else of the header (EV-10).
    ///
    /// # Errors
    /// [`Malformed`], by the first thing found wrong.
    pub fn parse(bytes: &[u8]) -> Result<Unverified<K>, Malformed> {
        if bytes.len() > K::MAX {
            return Err(Malformed::TooLong { limit: K::MAX });
        }
        let (protected, payload, signature) = split(bytes).ok_or(Malformed::NotCose)?;
        // EV-10
        if header::typ(protected) != Some(K::TYP) {
            return Err(Malformed::Type);
        }
        let header = Header::decode(protected)?;
        let claim = K::decode(&header, payload)?;
        let (own_header, own_payload) = claim.encode();
        if own_header != header {
            return Err(Malformed::Header);
        }
        // EV-1
        if own_payload != payload || assemble(&header.encode(K::TYP), payload, &signature) != bytes {
            return Err(Malformed::NotDeterministic);
        }
        let signed = sig_structure(protected, payload);
        Ok(Unverified { claim, certificate: header.certificate, bytes: bytes.to_vec(), signed, signature })
    }
}

impl<K> Object<K> {
    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the exact bytes.
    pub fn hash(&self) -> Hash {
        sha256(&self.bytes)
    }

    /// Leaf hash of the exact bytes in a log.
    pub fn leaf_hash(&self) -> Hash {
        leaf_hash(&self.bytes)
    }
}

impl<K> std::ops::Deref for Object<K> {
    type Target = K;

    fn deref(&self) -> &K {
        &self.claim
    }
}

impl<K: Kind> Unverified<K> {
    /// What it claims, which nobody has shown to be true.
    pub fn claim(&self) -> &K {
        &self.claim
    }

    /// Hash of the certificate under which it claims to be signed.
    pub fn certificate(&self) -> Hash {
        self.certificate
    }

    /// The exact bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Checks the signature, strictly, over the received bytes.
    ///
    /// # Errors
    /// [`Unsound`], by the first thing found wrong.
    pub fn verify(self, signer: &VerifiedCertificate) -> Result<Object<K>, Unsound> {
        if signer.hash() != self.certificate {
            return Err(Unsound::OtherCertificate);
        }
        if signer.usage() != K::USAGE {
            return Err(Unsound::Usage(signer.usage()));
        }
        signer.key().verify(&self.signed, &self.signature).map_err(|_| Unsound::Signature)?;
        Ok(Object { claim: self.claim, bytes: self.bytes })
    }
}

/// The word behind [`TYP_PREFIX`] in the `typ` of what may be a signed object.
pub fn typ(bytes: &[u8]) -> Option<&str> {
    header::typ(split(bytes)?.0)
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8], [u8; SIGNATURE_LEN])> {
    let mut d = Decoder::new(bytes);
    if d.tag().ok()?.as_u64() != TAG_SIGN1 || d.array().ok()? != Some(4) {
        return None;
    }
    let protected = d.bytes().ok()?;
    if d.map().ok()? != Some(0) {
        return None;
    }
    let payload = d.bytes().ok()?;
    let signature = d.bytes().ok()?.try_into().ok()?;
    (d.position() == bytes.len()).then_some((protected, payload, signature))
}

#[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
fn assemble(protected: &[u8], payload: &[u8], signature: &[u8; SIGNATURE_LEN]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::with_capacity(protected.len() + payload.len() + SIGNATURE_LEN + 16));
    e.tag(minicbor::data::Tag::new(TAG_SIGN1))
        .and_then(|e| e.array(4)?.bytes(protected)?.map(0)?.bytes(payload)?.bytes(signature))
        .expect("encoding to memory");
    e.into_writer()
}

/// What is signed (RFC 9052, section 4.4), without external data.
#[expect(clippy::expect_used, reason = "writing to a Vec cannot fail")]
fn sig_structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut e = Encoder::new(Vec::with_capacity(protected.len() + payload.len() + 32));
    e.array(4)
        .and_then(|e| e.str("Signature1")?.bytes(protected)?.bytes(&[])?.bytes(payload))
        .expect("encoding to memory");
    e.into_writer()
}
