//! The vault's key: random, wrapped under a key stretched from the password.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac, rand};
use pki::password::Password;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::VaultError;

const KEY_LEN: usize = 32;
const SALT_LEN: usize = 16;
const WRAP_CONTEXT: &[u8] = b"countersign vault key v1\0";

/// Cost of a new wrapping: 64 MiB, 3 passes, 1 lane (RFC 9106, section 4, with less parallelism).
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;
/// Most memory and passes that a stored wrapping may ask for, so that a changed file cannot exhaust the machine.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;

/// Bytes of a [`Tag`].
pub(crate) const TAG_LEN: usize = 16;

/// A name under which a value can be found again without showing it: a keyed hash.
pub(crate) type Tag = [u8; TAG_LEN];

/// The random key that all else in the vault hangs on.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct VaultKey([u8; KEY_LEN]);

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultKey(..)")
    }
}

/// A [`VaultKey`] under a password, as stored.
#[derive(Debug, Clone)]
pub(crate) struct Wrapped {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
    pub(crate) salt: Vec<u8>,
    /// Nonce, sealed key, tag.
    pub(crate) sealed: Vec<u8>,
}

impl VaultKey {
    pub(crate) fn generate() -> Result<Self, VaultError> {
        let mut key = Self([0; KEY_LEN]);
        rand::fill(&mut key.0).map_err(|_| VaultError::Cryptography)?;
        Ok(key)
    }

    /// Wraps the key under a password. Takes the time of one Argon2id.
    pub(crate) fn wrap(&self, password: &Password) -> Result<Wrapped, VaultError> {
        let mut salt = vec![0; SALT_LEN];
        rand::fill(&mut salt).map_err(|_| VaultError::Cryptography)?;
        let mut wrapped =
            Wrapped { memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES, salt, sealed: Vec::new() };
        wrapped.sealed = seal(&wrapped.stretch(password)?, &wrapped.context(), &self.0)?;
        Ok(wrapped)
    }

    /// The same key, for work on another thread.
    pub(crate) fn copy(&self) -> Self {
        Self(self.0)
    }

    /// The keys for values and for tags.
    pub(crate) fn keys(&self) -> Result<Keys, VaultError> {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&self.0);
        let derive = |label: &[u8]| {
            let mut out = Zeroizing::new([0; KEY_LEN]);
            secret
                .expand(&[label], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(out.as_mut()))
                .map(|()| out)
                .map_err(|_| VaultError::Cryptography)
        };
        let values = aead_key(&*derive(b"countersign vault values v1")?)?;
        let tags = hmac::Key::new(hmac::HMAC_SHA256, &*derive(b"countersign vault tags v1")?);
        Ok(Keys { values, tags })
    }
}

impl Wrapped {
    /// Opens the key. Takes the time of one Argon2id.
    pub(crate) fn unwrap(&self, password: &Password) -> Result<VaultKey, VaultError> {
        let opened =
            open(&self.stretch(password)?, &self.context(), &self.sealed).ok_or(VaultError::WrongPassword)?;
        let mut key = VaultKey([0; KEY_LEN]);
        if opened.len() != KEY_LEN {
            return Err(VaultError::Damaged("its key"));
        }
        key.0.copy_from_slice(&opened);
        Ok(key)
    }

    fn stretch(&self, password: &Password) -> Result<LessSafeKey, VaultError> {
        if self.memory_kib > MAX_MEMORY_KIB || self.passes > MAX_PASSES || self.lanes > MAX_LANES {
            return Err(VaultError::Damaged("the cost of its password"));
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(KEY_LEN))
            .map_err(|_| VaultError::Damaged("the cost of its password"))?;
        let mut out = Zeroizing::new([0; KEY_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.expose().as_bytes(), &self.salt, out.as_mut())
            .map_err(|_| VaultError::Cryptography)?;
        aead_key(&out)
    }

    fn context(&self) -> Vec<u8> {
        let mut out = WRAP_CONTEXT.to_vec();
        for number in [self.memory_kib, self.passes, self.lanes] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.salt);
        out
    }
}

/// What seals values and makes tags.
pub(crate) struct Keys {
    values: LessSafeKey,
    tags: hmac::Key,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Where a value stands; it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    table: &'static str,
    /// Primary key: the table's numbers, zeros behind them, then bytes.
    numbers: [u64; 3],
    bytes: &'a [u8],
}

/// Version of every sealed value.
const VALUE_VERSION: u8 = 1;

impl<'a> Place<'a> {
    /// A place whose primary key is numbers alone.
    pub(crate) fn at<const N: usize>(table: &'static str, numbers: [u64; N]) -> Self {
        Self::with_bytes(table, numbers, &[])
    }

    /// A place whose primary key is numbers and bytes.
    pub(crate) fn with_bytes<const N: usize>(
        table: &'static str,
        numbers: [u64; N],
        bytes: &'a [u8],
    ) -> Self {
        let mut place = Self { table, numbers: [0; 3], bytes };
        for (to, from) in place.numbers.iter_mut().zip(numbers) {
            *to = from;
        }
        place
    }

    fn associated_data(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(self.table.as_bytes());
        out.extend_from_slice(&[0, VALUE_VERSION]);
        for number in self.numbers {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(self.bytes);
        out
    }
}

impl Keys {
    /// Seals a value for its place.
    pub(crate) fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<Vec<u8>, VaultError> {
        seal(&self.values, &place.associated_data(), value)
    }

    /// Opens a value from its place.
    pub(crate) fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        open(&self.values, &place.associated_data(), sealed).ok_or(VaultError::Damaged(place.table))
    }

    /// The tag of a value within a table.
    pub(crate) fn tag(&self, table: &'static str, value: &[u8]) -> Tag {
        let mut context = hmac::Context::with_key(&self.tags);
        context.update(table.as_bytes());
        context.update(&[0]);
        context.update(value);
        let mut tag = [0; TAG_LEN];
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        tag
    }
}

fn aead_key(bytes: &[u8; KEY_LEN]) -> Result<LessSafeKey, VaultError> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| VaultError::Cryptography)?))
}

fn seal(key: &LessSafeKey, associated: &[u8], value: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut nonce = [0; NONCE_LEN];
    rand::fill(&mut nonce).map_err(|_| VaultError::Cryptography)?;
    let mut out = Vec::with_capacity(NONCE_LEN + value.len() + AES_256_GCM.tag_len());
    out.extend_from_slice(&nonce);
    out.extend_from_slice(value);
    let (_, body) = out.split_at_mut(NONCE_LEN);
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), body)
        .map_err(|_| VaultError::Cryptography)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

fn open(key: &LessSafeKey, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut body = Zeroizing::new(body.to_vec());
    let length =
        key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(associated), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[test]
    fn a_wrapped_key_opens_with_its_password_alone() {
        let key = VaultKey::generate().unwrap();
        let mut wrapped = key.wrap(&password("correct horse")).unwrap();
        assert_eq!(wrapped.unwrap(&password("correct horse")).unwrap().0, key.0);
        assert!(matches!(wrapped.unwrap(&password("wrong horse")), Err(VaultError::WrongPassword)));
        wrapped.passes += 1;
        assert!(matches!(wrapped.unwrap(&password("correct horse")), Err(VaultError::WrongPassword)));
        wrapped.memory_kib = u32::MAX;
        assert!(matches!(wrapped.unwrap(&password("correct horse")), Err(VaultError::Damaged(_))));
    }

    #[test]
    fn a_value_opens_in_its_place_alone() {
        let keys = VaultKey::generate().unwrap().keys().unwrap();
        let place = Place::at("segment", [1, 2]);
        let sealed = keys.seal(place, b"value").unwrap();
        assert_eq!(&**keys.open(place, &sealed).unwrap(), b"value");
        for other in [
            Place::at("segment", [1, 3]),
            Place::at("outbox", [1, 2]),
            Place::with_bytes("segment", [1, 2], &[0]),
        ] {
            assert!(keys.open(other, &sealed).is_err());
        }
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(keys.open(place, &changed).is_err());
        }
        assert!(keys.open(place, &[]).is_err());
    }

    #[test]
    fn secrets_do_not_show() {
        let key = VaultKey::generate().unwrap();
        assert_eq!(format!("{key:?} {:?}", key.keys().unwrap()), "VaultKey(..) Keys(..)");
    }
}
