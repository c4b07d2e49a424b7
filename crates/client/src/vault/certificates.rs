//! Certificates of others, by hash.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use pki::Chain;
use sqlx::Row as _;

use super::{Place, Vault, VaultError, decode};

const TABLE: &str = "certificate";

/// A verified certificate as stored.
#[derive(Debug, Clone, Encode, Decode)]
#[cbor(map)]
pub(crate) struct StoredCertificate {
    /// Leaf and intermediates, DER.
    #[n(1)]
    chain: Vec<ByteVec>,
    /// The device statement that vouches for it, if it has one.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) vouching: Option<Vec<u8>>,
    /// A time, Unix milliseconds, at which its chain stood.
    #[n(3)]
    pub(crate) stood_at_ms: u64,
}

impl StoredCertificate {
    pub(crate) fn new(chain: &Chain, vouching: Option<Vec<u8>>, stood_at_ms: u64) -> Self {
        Self { chain: chain.0.iter().cloned().map(ByteVec::from).collect(), vouching, stood_at_ms }
    }

    pub(crate) fn chain(&self) -> Chain {
        Chain(self.chain.iter().map(|der| der.to_vec()).collect())
    }
}

impl Vault {
    /// Stores certificates whose chain was verified and, where that is needed, vouched for; known ones stay.
    pub(crate) async fn put_certificates(
        &self,
        certificates: &[StoredCertificate],
    ) -> Result<(), VaultError> {
        let mut transaction = self.begin().await?;
        for certificate in certificates {
            let hash = certificate.chain().leaf_hash().ok_or(VaultError::Damaged(TABLE))?;
            let tag = self.keys.tag(TABLE, &hash);
            let sealed = self.keys.seal(place(&tag), &wire::cbor::to_vec(certificate))?;
            sqlx::query("INSERT OR IGNORE INTO certificate (tag, sealed) VALUES (?, ?)")
                .bind(tag.as_slice())
                .bind(sealed)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// All certificates.
    pub(crate) async fn certificates(&self) -> Result<Vec<StoredCertificate>, VaultError> {
        let rows = sqlx::query("SELECT tag, sealed FROM certificate").fetch_all(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let opened = self.keys.open(place(row.try_get(0)?), row.try_get(1)?)?;
                decode(TABLE, &opened)
            })
            .collect()
    }
}

fn place(tag: &[u8]) -> Place<'_> {
    Place::with_bytes(TABLE, [], tag)
}
