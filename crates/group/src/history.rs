//! What a user's devices share of the past: the history key, given from one to another, and pieces of history under it (GR-26 to GR-29).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use pki::trust::VerifiedCertificate;
use zeroize::Zeroizing;

use crate::credential::Device;
use crate::error::{GroupError, Refusal};
use crate::group::{Group, Place};
use crate::provider::Provider;
use crate::store::Store;

/// Bytes of a history key.
const HISTORY_KEY: usize = 32;

const BOX_CONTEXT: &[u8] = b"countersign v1 history box";
const ID_CONTEXT: &[u8] = b"countersign v1 history id";
const PIECE_CONTEXT: &[u8] = b"countersign v1 history piece";
const VERSION: u8 = 1;
const ID: usize = 8;
const SALT: usize = 32;
/// Both are of the first generation and the epoch after its one commit.
const GENERATION: u32 = 0;
const EPOCH: u64 = 1;

/// Most history keys in one box.
pub const MAX_HISTORY_KEYS: usize = 256;

/// A key under which a device keeps what it read for its user's other devices.
pub struct HistoryKey(Zeroizing<[u8; HISTORY_KEY]>);

/// History keys on their way to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryBox {
    /// The welcome into the group of the two.
    pub welcome: Vec<u8>,
    /// Its ratchet tree.
    pub tree: Vec<u8>,
    /// The message that holds the keys.
    pub message: Vec<u8>,
}

/// Where a piece of history belongs: it opens in no other place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PiecePlace {
    /// The room's id.
    pub room: [u8; 32],
    /// SHA-256 of the certificate of the device that handed it in.
    pub device: [u8; 32],
    /// Log index of the first entry that it is about.
    pub first: u64,
    /// Log index after the last one.
    pub end: u64,
}

impl HistoryKey {
    /// A new one.
    ///
    /// # Errors
    /// [`GroupError::Library`] without randomness.
    pub fn generate() -> Result<Self, GroupError> {
        let mut key = Zeroizing::new([0; HISTORY_KEY]);
        aws_lc_rs::rand::fill(key.as_mut_slice()).map_err(|_| failed())?;
        Ok(Self(key))
    }

    /// The one with these bytes; none if they are not as many as a key has.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; HISTORY_KEY]);
        (bytes.len() == HISTORY_KEY).then(|| key.copy_from_slice(bytes))?;
        Some(Self(key))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; HISTORY_KEY] {
        &self.0
    }

    /// What a piece under it is known by.
    pub fn id(&self) -> [u8; ID] {
        let hash = pki::sha256(&[ID_CONTEXT, self.0.as_slice()].concat());
        hash.first_chunk().copied().unwrap_or_default()
    }

    /// Seals a piece of history (GR-28).
    ///
    /// # Errors
    /// [`GroupError::Library`].
    pub fn seal(&self, place: &PiecePlace, contents: &[u8]) -> Result<Vec<u8>, GroupError> {
        let mut salt = [0; SALT];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| failed())?;
        let mut sealed = contents.to_vec();
        self.cipher(&salt, place)?
            .seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed)
            .map_err(|_| failed())?;
        Ok([&[VERSION][..], &self.id(), &salt, &sealed].concat())
    }

    /// Opens a piece of history.
    ///
    /// # Errors
    /// [`Refusal::Undecryptable`] if it is of another key or place, or was changed.
    pub fn open(&self, place: &PiecePlace, piece: &[u8]) -> Result<Vec<u8>, GroupError> {
        let opened = || {
            let rest = piece.strip_prefix(&[VERSION])?.strip_prefix(&self.id())?;
            let (salt, sealed) = rest.split_first_chunk::<SALT>()?;
            let mut bytes = sealed.to_vec();
            let cipher = self.cipher(salt, place).ok()?;
            let length = cipher.open_in_place(nonce(), Aad::empty(), &mut bytes).ok()?.len();
            bytes.truncate(length);
            Some(bytes)
        };
        opened().ok_or(GroupError::Refused(Refusal::Undecryptable))
    }

    fn cipher(&self, salt: &[u8; SALT], place: &PiecePlace) -> Result<LessSafeKey, GroupError> {
        let info =
            [PIECE_CONTEXT, &place.room, &place.device, &place.first.to_be_bytes(), &place.end.to_be_bytes()];
        let key = Salt::new(HKDF_SHA256, salt).extract(self.0.as_slice());
        let key = key.expand(&info, &AES_256_GCM).map_err(|_| failed())?;
        Ok(LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// The id of the key under which a piece is sealed.
pub fn key_id_of(piece: &[u8]) -> Option<[u8; ID]> {
    piece.strip_prefix(&[VERSION])?.first_chunk().copied()
}

impl HistoryBox {
    /// Seals keys for a device of the same user by one of its key packages, which was checked (GR-27).
    ///
    /// # Errors
    /// [`GroupError::Refused`] if the key package is not good; [`GroupError::Library`], also for more than [`MAX_HISTORY_KEYS`].
    pub fn give<'a>(
        keys: impl IntoIterator<Item = &'a HistoryKey>,
        user: &str,
        from: &Device<'_>,
        to: &VerifiedCertificate,
        package: &[u8],
        now_ms: u64,
    ) -> Result<Self, GroupError> {
        let mut content = Zeroizing::new(Vec::with_capacity(MAX_HISTORY_KEYS * HISTORY_KEY));
        keys.into_iter().for_each(|key| content.extend_from_slice(key.0.as_slice()));
        if content.len() > MAX_HISTORY_KEYS * HISTORY_KEY {
            return Err(failed());
        }
        let provider = Provider::new(Store::default())?;
        let mut group = Group::create(&provider, from, &group_of(user), GENERATION)?;
        let commit = group.commit(&provider, from, &[(to, package)], &[], now_ms)?;
        group.confirm(&provider)?;
        let context = context(from.certificate, to);
        let message = group.seal(&provider, from, &context, &content)?;
        Ok(Self { welcome: commit.welcome.ok_or_else(failed)?, tree: commit.tree, message })
    }

    /// Opens what another device of the same user has sealed for this one; `provider` holds its key packages, of which one is used up. Nothing
    /// of the group stays.
    ///
    /// # Errors
    /// [`GroupError::Malformed`], [`GroupError::Refused`].
    pub fn take(
        &self,
        provider: &Provider,
        user: &str,
        from: &VerifiedCertificate,
        to: &VerifiedCertificate,
    ) -> Result<Vec<HistoryKey>, GroupError> {
        let members = [from.clone(), to.clone()];
        let place = Place { room: &group_of(user), generation: GENERATION, epoch: EPOCH, members: &members };
        let mut group = Group::join(provider, &self.welcome, &self.tree, place)?;
        let opened = group.open(provider, &self.message, &context(from, to), &from.hash());
        group.forget(provider)?;
        let opened = opened?;
        let keys = opened.chunks(HISTORY_KEY).take(MAX_HISTORY_KEYS).map(HistoryKey::from_bytes);
        keys.collect::<Option<_>>().ok_or(GroupError::Malformed("history keys"))
    }
}

impl std::fmt::Debug for HistoryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HistoryKey(..)")
    }
}

fn group_of(user: &str) -> [u8; 32] {
    pki::sha256(&[BOX_CONTEXT, user.as_bytes()].concat())
}

fn context(from: &VerifiedCertificate, to: &VerifiedCertificate) -> Vec<u8> {
    [BOX_CONTEXT, &from.hash(), &to.hash()].concat()
}

/// Each piece has a key of its own.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn failed() -> GroupError {
    GroupError::Library("the history key cannot be used".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: PiecePlace = PiecePlace { room: [1; 32], device: [2; 32], first: 3, end: 9 };

    #[test]
    fn a_piece_opens_in_its_place_under_its_key_alone() {
        let key = HistoryKey::from_bytes(&[7; HISTORY_KEY]).unwrap();
        let piece = key.seal(&PLACE, b"what was said").unwrap();
        assert_ne!(piece, key.seal(&PLACE, b"what was said").unwrap());
        assert_eq!(key.open(&PLACE, &piece).unwrap(), b"what was said");
        for place in [
            PiecePlace { room: [9; 32], ..PLACE },
            PiecePlace { device: [9; 32], ..PLACE },
            PiecePlace { first: 2, ..PLACE },
            PiecePlace { end: 10, ..PLACE },
        ] {
            assert!(key.open(&place, &piece).is_err());
        }
        assert!(HistoryKey::from_bytes(&[8; HISTORY_KEY]).unwrap().open(&PLACE, &piece).is_err());
        for at in 0..piece.len() {
            let mut changed = piece.clone();
            changed[at] ^= 1;
            assert!(key.open(&PLACE, &changed).is_err(), "{at}");
            assert!(key.open(&PLACE, &piece[..at]).is_err(), "{at}");
        }
        assert!(!format!("{key:?}").contains('7'));
        assert_eq!(key_id_of(&piece), Some(key.id()));
        assert!(HistoryKey::from_bytes(&[7; 31]).is_none());
    }
}
