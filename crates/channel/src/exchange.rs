//! The hybrid key agreement: ML-KEM-768 (FIPS 203) and X25519 (RFC 7748), in the handshake and each rekey (CH-15).
//!
//! The initiator is always the client. Both secrets are needed for anything derived from them.

use std::fmt;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Error, LocalFailure, Misbehaviour};

const DH_SIZE: usize = 32;
const ENCAPSULATION_KEY_SIZE: usize = 1184;
const CIPHERTEXT_SIZE: usize = 1088;

/// Size of `dh_c | ek` in bytes.
pub(crate) const REQUEST_SIZE: usize = DH_SIZE + ENCAPSULATION_KEY_SIZE;
/// Size of `dh_s | ct` in bytes.
pub(crate) const RESPONSE_SIZE: usize = DH_SIZE + CIPHERTEXT_SIZE;

/// `ss_kem | ss_dh`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SharedSecrets([u8; 64]);

impl SharedSecrets {
    fn new(kem: &[u8], dh: &[u8]) -> Self {
        let mut both = Self([0; 64]);
        for (to, from) in both.0.iter_mut().zip(kem.iter().chain(dh)) {
            *to = *from;
        }
        both
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for SharedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecrets(..)")
    }
}

/// The client's private shares. The library underneath erases them when they are dropped.
pub(crate) struct Initiator {
    dh: PrivateKey,
    kem: DecapsulationKey,
}

impl Initiator {
    /// Fresh shares, and the request `dh_c | ek`.
    pub(crate) fn generate() -> Result<(Self, [u8; REQUEST_SIZE]), LocalFailure> {
        let dh = PrivateKey::generate(&X25519).map_err(|_| LocalFailure::Cryptography)?;
        let kem = DecapsulationKey::generate(&ML_KEM_768).map_err(|_| LocalFailure::Cryptography)?;
        let public = dh.compute_public_key().map_err(|_| LocalFailure::Cryptography)?;
        let encapsulation_key = kem
            .encapsulation_key()
            .and_then(|key| key.key_bytes())
            .map_err(|_| LocalFailure::Cryptography)?;
        let request = join(public.as_ref(), encapsulation_key.as_ref()).ok_or(LocalFailure::Cryptography)?;
        Ok((Self { dh, kem }, request))
    }

    /// The shared secrets, from the server's response `dh_s | ct`.
    ///
    /// # Errors
    /// [`Misbehaviour::BadShare`] if a share is refused.
    pub(crate) fn finish(self, response: &[u8; RESPONSE_SIZE]) -> Result<SharedSecrets, Error> {
        let (dh, ciphertext) = response.split_at(DH_SIZE);
        let kem = self.kem.decapsulate(Ciphertext::from(ciphertext)).map_err(|_| Misbehaviour::BadShare)?;
        agree(&self.dh, dh, kem.as_ref())
    }

    #[cfg(test)]
    pub(crate) fn from_private(dh: &[u8; 32], kem: &[u8]) -> Self {
        Self {
            dh: PrivateKey::from_private_key(&X25519, dh).unwrap(),
            kem: DecapsulationKey::new(&ML_KEM_768, kem).unwrap(),
        }
    }

    #[cfg(test)]
    pub(crate) fn private(&self) -> ([u8; 32], Vec<u8>) {
        use aws_lc_rs::encoding::AsBigEndian;
        use aws_lc_rs::encoding::Curve25519SeedBin;
        let seed: Curve25519SeedBin<'_> = self.dh.as_be_bytes().unwrap();
        (seed.as_ref().try_into().unwrap(), self.kem.key_bytes().unwrap().as_ref().to_vec())
    }
}

impl fmt::Debug for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Initiator(..)")
    }
}

/// The server's part: fresh shares for a request `dh_c | ek`, giving the response `dh_s | ct`.
///
/// # Errors
/// [`Misbehaviour::BadShare`] if a share is refused.
pub(crate) fn respond(request: &[u8; REQUEST_SIZE]) -> Result<([u8; RESPONSE_SIZE], SharedSecrets), Error> {
    let (peer_dh, encapsulation_key) = request.split_at(DH_SIZE);
    let (ciphertext, kem) = EncapsulationKey::new(&ML_KEM_768, encapsulation_key)
        .map_err(|_| Misbehaviour::BadShare)?
        .encapsulate()
        .map_err(|_| Misbehaviour::BadShare)?;
    let dh = PrivateKey::generate(&X25519).map_err(|_| LocalFailure::Cryptography)?;
    let public = dh.compute_public_key().map_err(|_| LocalFailure::Cryptography)?;
    let shared = agree(&dh, peer_dh, kem.as_ref())?;
    let response = join(public.as_ref(), ciphertext.as_ref()).ok_or(LocalFailure::Cryptography)?;
    Ok((response, shared))
}

fn agree(own: &PrivateKey, peer: &[u8], kem: &[u8]) -> Result<SharedSecrets, Error> {
    agreement::agree(own, UnparsedPublicKey::new(&X25519, peer), Misbehaviour::BadShare.into(), |dh| {
        // CH-15
        if bool::from(dh.ct_eq(&[0; DH_SIZE])) {
            return Err(Misbehaviour::BadShare.into());
        }
        Ok(SharedSecrets::new(kem, dh))
    })
}

/// Both parts in one array, if together they have exactly its size.
fn join<const N: usize>(first: &[u8], second: &[u8]) -> Option<[u8; N]> {
    if first.len() + second.len() != N {
        return None;
    }
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(first.iter().chain(second)) {
        *to = *from;
    }
    Some(out)
}
