//! The signature algorithms that certificates may be signed with (ID-24).

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use webpki::aws_lc_rs::{
    ECDSA_P256_SHA256, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
};

use crate::ed25519::PublicKey;

// ID-24
/// Strict Ed25519, and what operators' own roots are likely to use.
pub(super) static ACCEPTED: [&dyn SignatureVerificationAlgorithm; 5] = [
    &StrictEd25519,
    ECDSA_P256_SHA256,
    RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512,
];

/// Ed25519 through [`crate::ed25519`], so that a certificate's signature is as strict as any other (ID-21).
#[derive(Debug)]
struct StrictEd25519;

impl SignatureVerificationAlgorithm for StrictEd25519 {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        // ID-21
        let key = PublicKey::try_from(public_key).map_err(|_| InvalidSignature)?;
        let signature = signature.try_into().map_err(|_| InvalidSignature)?;
        key.verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }
}
