//! A recovery key as the server keeps it: sealed by the code, and that by the password (GR-31).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use group::Record;
use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};
use pki::Chain;
use pki::ed25519::SigningKey;
use session::limits::MAX_RECOVERY;
use session::login::LoginSecret;
use zeroize::{Zeroize as _, Zeroizing};

use super::RecoveryCode;
use crate::ClientError;

const CODE_CONTEXT: &[u8] = b"countersign v1 recovery code key";
const PASSWORD_CONTEXT: &[u8] = b"countersign v1 recovery password key";
const VERSION: u8 = 1;
const SALT: usize = 32;

/// A recovery key, with what it needs to act.
pub(super) struct RecoveryKey {
    pub(super) key: SigningKey,
    pub(super) chain: Chain,
    /// The records of its key package.
    pub(super) packages: Vec<(Record, Zeroizing<Vec<u8>>)>,
}

#[derive(Encode, Decode)]
struct Encoded {
    #[cbor(n(0), with = "minicbor::bytes")]
    key: Vec<u8>,
    #[n(1)]
    chain: Vec<ByteVec>,
    #[n(2)]
    packages: Vec<(ByteArray<32>, ByteArray<33>, ByteVec)>,
}

impl Drop for Encoded {
    fn drop(&mut self) {
        self.key.zeroize();
        self.packages.iter_mut().for_each(|(_, _, bytes)| bytes.zeroize());
    }
}

impl RecoveryKey {
    /// Seals it under a code and a password's export key.
    pub(super) fn seal(
        &self,
        code: &RecoveryCode,
        export_key: &LoginSecret,
        context: &[u8],
    ) -> Result<Vec<u8>, ClientError> {
        let packages = self
            .packages
            .iter()
            .map(|(record, bytes)| (record.scope.into(), record.item.into(), ByteVec::from(bytes.to_vec())));
        let encoded = Encoded {
            key: self.key.to_pkcs8()?.to_vec(),
            chain: self.chain.0.iter().map(|der| der.clone().into()).collect(),
            packages: packages.collect(),
        };
        let plain = Zeroizing::new(wire::cbor::to_vec(&encoded));
        let inner = seal(code.as_bytes(), CODE_CONTEXT, context, &plain)?;
        seal_password(export_key, context, &inner)
    }

    /// Opens it.
    pub(super) fn open(
        sealed: &[u8],
        code: &RecoveryCode,
        export_key: &LoginSecret,
        context: &[u8],
    ) -> Result<Self, ClientError> {
        let inner = open_password(sealed, export_key, context)?;
        let plain = open(code.as_bytes(), CODE_CONTEXT, context, &inner)?;
        let encoded: Encoded = wire::cbor::from_slice(&plain, MAX_RECOVERY).map_err(|_| damaged())?;
        let packages = encoded.packages.iter().map(|(scope, item, bytes)| {
            (Record { scope: **scope, item: **item }, Zeroizing::new(bytes.to_vec()))
        });
        Ok(Self {
            key: SigningKey::from_pkcs8(&encoded.key).map_err(|_| damaged())?,
            chain: Chain(encoded.chain.iter().map(|der| der.to_vec()).collect()),
            packages: packages.collect(),
        })
    }
}

/// Puts a record under another password.
pub(super) fn seal_anew(
    sealed: &[u8],
    before: &LoginSecret,
    now: &LoginSecret,
    context: &[u8],
) -> Result<Vec<u8>, ClientError> {
    seal_password(now, context, &open_password(sealed, before, context)?)
}

fn seal_password(export_key: &LoginSecret, context: &[u8], inner: &[u8]) -> Result<Vec<u8>, ClientError> {
    let sealed = seal(export_key.as_bytes(), PASSWORD_CONTEXT, context, inner)?;
    Ok([&[VERSION], sealed.as_slice()].concat())
}

fn open_password(
    sealed: &[u8],
    export_key: &LoginSecret,
    context: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let sealed = sealed.strip_prefix(&[VERSION]).ok_or_else(damaged)?;
    open(export_key.as_bytes(), PASSWORD_CONTEXT, context, sealed)
}

fn seal(secret: &[u8], what: &[u8], context: &[u8], plain: &[u8]) -> Result<Vec<u8>, ClientError> {
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| ClientError::Cryptography)?;
    let mut sealed = plain.to_vec();
    cipher(secret, &salt, what, context)?
        .seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed)
        .map_err(|_| ClientError::Cryptography)?;
    Ok([&salt, sealed.as_slice()].concat())
}

fn open(
    secret: &[u8],
    what: &[u8],
    context: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, ClientError> {
    let (salt, sealed) = sealed.split_first_chunk::<SALT>().ok_or_else(damaged)?;
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let opened = cipher(secret, salt, what, context)?.open_in_place(nonce(), Aad::empty(), &mut bytes);
    let length = opened.map_err(|_| damaged())?.len();
    bytes.truncate(length);
    Ok(bytes)
}

fn cipher(secret: &[u8], salt: &[u8; SALT], what: &[u8], context: &[u8]) -> Result<LessSafeKey, ClientError> {
    let info = [what, context];
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    let key = key.expand(&info, &AES_256_GCM).map_err(|_| ClientError::Cryptography)?;
    Ok(LessSafeKey::new(UnboundKey::from(key)))
}

/// Each key seals once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn damaged() -> ClientError {
    ClientError::Untrusted(
        "what the server keeps of this recovery key does not open: it was changed".to_owned(),
    )
}
