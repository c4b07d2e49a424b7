//! Finite-field Diffie-Hellman: groups, and one side's share of an exchange (CL-10, CL-11).

mod group;
mod text;

pub use group::Group;
pub use text::Parameters;

use aws_lc_rs::digest::{SHA256, digest};
use crypto_bigint::modular::BoxedMontyForm;
use crypto_bigint::{BoxedUint, Resize};
use zeroize::{Zeroize, Zeroizing};

use crate::ClassicError;
use crate::cipher::CipherKey;
use crate::limits::MAX_DIGITS;

/// Size of a secret exponent, in bits: twice what the best attack on an exponent of this size costs, and some.
const EXPONENT_BITS: u32 = 512;

/// A number of a peer or a group: a prime, a generator or a public value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number(BoxedUint);

impl Number {
    /// Reads a decimal number of at most [`MAX_DIGITS`] digits.
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for anything but digits, [`ClassicError::Limit`] for too many.
    pub fn from_decimal(text: &str) -> Result<Self, ClassicError> {
        Self::from_radix(text, 10)
    }

    /// Reads `0x` and hexadecimal digits, at most [`MAX_DIGITS`].
    ///
    /// # Errors
    /// [`ClassicError::Malformed`] for anything else, [`ClassicError::Limit`] for too many.
    pub fn from_hex(text: &str) -> Result<Self, ClassicError> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        Self::from_radix(digits.ok_or_else(|| ClassicError::malformed("a number without 0x"))?, 16)
    }

    fn from_radix(digits: &str, radix: u32) -> Result<Self, ClassicError> {
        if digits.len() > MAX_DIGITS {
            return Err(ClassicError::Limit { what: "digits in a number", limit: MAX_DIGITS });
        }
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(ClassicError::malformed("a field that is no number"));
        }
        BoxedUint::from_str_radix_vartime(digits, radix)
            .map(Self)
            .map_err(|_| ClassicError::malformed("a field that is no number"))
    }

    /// Big-endian bytes, leading zeros or not.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(BoxedUint::from_be_slice_vartime(bytes))
    }

    /// Decimal digits.
    pub fn to_decimal(&self) -> String {
        self.0.to_string_radix_vartime(10)
    }

    /// `0x` and hexadecimal digits, as Python's `hex` writes them.
    pub fn to_hex(&self) -> String {
        format!("0x{}", self.0.to_string_radix_vartime(16))
    }

    /// Big-endian bytes without leading zeros.
    pub fn to_bytes(&self) -> Box<[u8]> {
        self.0.to_be_bytes_trimmed_vartime()
    }

    pub(crate) fn bits(&self) -> u32 {
        self.0.bit_width_vartime()
    }
}

/// One side's share: a secret exponent, and the value that the other side is sent.
pub struct Share {
    group: Group,
    exponent: BoxedUint,
    public: Number,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.exponent.zeroize();
    }
}

impl Share {
    /// A fresh share.
    ///
    /// # Errors
    /// [`ClassicError::Cryptography`] without randomness.
    pub fn generate(group: &Group) -> Result<Self, ClassicError> {
        let mut bytes = Zeroizing::new([0; EXPONENT_BITS as usize / 8]);
        aws_lc_rs::rand::fill(&mut *bytes)?;
        let exponent =
            BoxedUint::from_be_slice(&*bytes, EXPONENT_BITS).map_err(|_| ClassicError::Cryptography)?;
        let public = Number(group.power(&group.generator().0, &exponent));
        Ok(Self { group: group.clone(), exponent, public })
    }

    /// The value for the other side.
    pub fn public(&self) -> &Number {
        &self.public
    }

    /// Agrees with the other side's value.
    ///
    /// # Errors
    /// [`ClassicError::DiffieHellman`] for a value that is not between 2 and p − 2.
    pub fn agree(&self, peer: &Number) -> Result<Agreed, ClassicError> {
        self.group.check(peer)?;
        let secret = self.group.power(&peer.0, &self.exponent);
        Ok(Agreed(Zeroizing::new(secret.to_be_bytes().to_vec())))
    }
}

/// What both sides have after an exchange, big-endian, as wide as the prime.
pub struct Agreed(Zeroizing<Vec<u8>>);

impl Agreed {
    /// As wide as the prime (`cianr-line`, `broadcast`).
    pub fn fixed_width(&self) -> &[u8] {
        &self.0
    }

    /// Without leading zeros (`cianr-pss`, `cianr-pkcs1`): in one session of 256 it is another than the fixed width.
    pub fn minimal(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }
}

/// The first 16 bytes of SHA-256 over what was agreed.
pub fn session_key(agreed: &[u8]) -> CipherKey {
    let mut key = Zeroizing::new([0; 16]);
    for (to, from) in key.iter_mut().zip(digest(&SHA256, agreed).as_ref()) {
        *to = *from;
    }
    CipherKey::aes_128(&key)
}

impl Group {
    /// `base` to the power of `exponent`, in constant time.
    fn power(&self, base: &BoxedUint, exponent: &BoxedUint) -> BoxedUint {
        let base = base.clone().resize_unchecked(self.params().bits_precision());
        BoxedMontyForm::new(base, self.params()).pow_bounded_exp(exponent, EXPONENT_BITS).retrieve()
    }
}
