//! Ext and Exp: HKDF with SHA-256 (RFC 5869) and labels.

use std::fmt;

use aws_lc_rs::{hkdf, hmac};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::LocalFailure;

/// What stands before every label.
const LABEL_PREFIX: &str = "countersign v1 ";

/// 32 secret bytes, erased when dropped. Each kind of secret wraps one.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    pub(crate) const ZERO: Self = Self([0; 32]);

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second copy, for another owner that erases it too.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0)
    }

    #[cfg(test)]
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// HKDF-Extract (RFC 5869, section 2.2).
pub(crate) fn extract(salt: &Secret, input: &[u8]) -> Result<Secret, LocalFailure> {
    mac(salt, input)
}

/// `Exp(secret, label, context)`, 32 bytes.
pub(crate) fn expand(secret: &Secret, label: &str, context: &[u8]) -> Result<Secret, LocalFailure> {
    let mut out = Secret([0; 32]);
    expand_into(secret, label, context, &mut out.0)?;
    Ok(out)
}

/// `Exp(secret, label, context, L)` with L the length of `out`.
pub(crate) fn expand_into(
    secret: &Secret,
    label: &str,
    context: &[u8],
    out: &mut [u8],
) -> Result<(), LocalFailure> {
    let number = |n: usize| u8::try_from(n).map_err(|_| LocalFailure::Cryptography);
    let length = u16::try_from(out.len()).map_err(|_| LocalFailure::Cryptography)?.to_be_bytes();
    let label_length = [number(LABEL_PREFIX.len() + label.len())?];
    let context_length = [number(context.len())?];
    let info =
        [&length[..], &label_length, LABEL_PREFIX.as_bytes(), label.as_bytes(), &context_length, context];
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &secret.0)
        .expand(&info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|_| LocalFailure::Cryptography)
}

/// HMAC-SHA-256 of `message` under `key`.
pub(crate) fn mac(key: &Secret, message: &[u8]) -> Result<Secret, LocalFailure> {
    let mut out = Secret([0; 32]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key.0);
    hmac::sign_to_buffer(&key, message, &mut out.0).map_err(|_| LocalFailure::Cryptography)?;
    Ok(out)
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}
