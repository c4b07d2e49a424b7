//! How long the salt of an RSA-PSS signature is.
//!
//! The library verifies under a length that it is told. This reads the length off the encoded message; whether the
//! signature is good is left to the library.

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use x509_parser::der_parser::asn1_rs::{FromDer, Integer, Sequence};

/// The salt's length in bytes, if the signature looks like one by this key (RFC 8017, section 9.1.2).
pub(super) fn length(pkcs1: &[u8], signature: &[u8]) -> Option<usize> {
    let (modulus, exponent) = components(pkcs1)?;
    let bits = modulus.bit_width_vartime();
    if signature.len() != modulus.to_be_bytes_trimmed_vartime().len() {
        return None;
    }
    let precision = modulus.bits_precision();
    let value = BoxedUint::from_be_slice(signature, precision).ok().filter(|s| *s < modulus)?;
    let params = BoxedMontyParams::new_vartime(Odd::new(modulus).into_option()?);
    let encoded = BoxedMontyForm::new(value, &params)
        .pow_bounded_exp(&exponent, exponent.bit_width_vartime())
        .retrieve();
    let encoded = encoded.to_be_bytes();
    let length = usize::try_from(bits.checked_sub(1)?.div_ceil(8)).ok()?;
    let encoded = encoded.get(encoded.len().checked_sub(length)?..)?;
    let (body, trailer) = encoded.split_at_checked(length.checked_sub(SHA256_OUTPUT_LEN + 1)?)?;
    let mask = mgf1(trailer.get(..SHA256_OUTPUT_LEN)?, body.len());
    let mut data = body.iter().zip(mask).map(|(byte, mask)| byte ^ mask).skip(1);
    // The first byte holds bits that are cleared; behind it stand zeros, a one and the salt.
    let zeros = data.by_ref().position(|byte| byte != 0)?;
    body.len().checked_sub(zeros + 2)
}

fn components(pkcs1: &[u8]) -> Option<(BoxedUint, BoxedUint)> {
    let (_, sequence) = Sequence::from_der(pkcs1).ok()?;
    let (rest, modulus) = Integer::from_der(&sequence.content).ok()?;
    let (_, exponent) = Integer::from_der(rest).ok()?;
    let number = |integer: &Integer<'_>| BoxedUint::from_be_slice_vartime(integer.as_ref());
    Some((number(&modulus), number(&exponent)))
}

/// MGF1 with SHA-256 (RFC 8017, appendix B.2.1).
fn mgf1(seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + SHA256_OUTPUT_LEN);
    let mut counter = 0_u32;
    while mask.len() < length {
        mask.extend_from_slice(digest(&SHA256, &[seed, &counter.to_be_bytes()].concat()).as_ref());
        counter += 1;
    }
    mask.truncate(length);
    mask
}
