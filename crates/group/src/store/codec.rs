//! Names and bytes of records.

use std::io::Write;

use openmls_traits::storage::Key;
use pki::sha256;
use rmp_serde::config::BytesMode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::Record;

/// Stored with every record, so that another encoding can follow.
const VERSION: u8 = 1;

/// A record could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A key or value cannot be encoded.
    #[error("a record of the group cannot be encoded: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// A value does not fit into memory.
    #[error("a record of the group does not fit into memory: {0}")]
    Memory(#[from] std::io::Error),
    /// A stored value is damaged.
    #[error("a stored record of the group is damaged: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
    /// A stored value has a version that this program does not know.
    #[error("a stored record of the group is of a later version of this program")]
    Version,
    /// Something that no rule of `docs/group.md` uses.
    #[error("the group asked to keep something that is not used here")]
    Unused,
}

/// What a record holds. Numbers are stored; none is used again for something else.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    JoinConfig = 1,
    Tree = 2,
    InterimTranscriptHash = 3,
    Context = 4,
    ConfirmationTag = 5,
    State = 6,
    MessageSecrets = 7,
    ResumptionPsks = 8,
    OwnLeafIndex = 9,
    EpochSecrets = 10,
    EpochKeyPairs = 11,
    EncryptionKeyPair = 12,
    KeyPackage = 13,
}

/// The record of a group.
pub(super) fn of_group<const V: u16>(kind: Kind, group: &impl Key<V>) -> Result<Record, StoreError> {
    of_group_and(kind, group, &())
}

/// One of several records of a group.
pub(super) fn of_group_and<const V: u16>(
    kind: Kind,
    group: &impl Key<V>,
    key: &impl Serialize,
) -> Result<Record, StoreError> {
    Ok(Record { scope: scope(group)?, item: item(kind, key)? })
}

/// Whose a record of a group is.
pub(crate) fn scope(group: &impl Serialize) -> Result<[u8; 32], StoreError> {
    Ok(sha256(&rmp_serde::to_vec(group)?))
}

/// A record of no group.
pub(super) fn alone(kind: Kind, key: &impl Serialize) -> Result<Record, StoreError> {
    Ok(Record { scope: [0; 32], item: item(kind, key)? })
}

fn item(kind: Kind, key: &impl Serialize) -> Result<[u8; 33], StoreError> {
    let mut item = [kind as u8; 33];
    let hash = sha256(&rmp_serde::to_vec(key)?);
    for (to, from) in item.iter_mut().skip(1).zip(hash) {
        *to = from;
    }
    Ok(item)
}

/// Version and MessagePack, in the memory given.
pub(super) fn encode(
    value: &impl Serialize,
    mut memory: Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let before = memory.len();
    memory.clear();
    let mut secret = Secret(memory);
    secret.write_all(&[VERSION])?;
    let mut serializer = rmp_serde::Serializer::new(&mut secret).with_bytes(BytesMode::ForceIterables);
    value.serialize(&mut serializer)?;
    let Secret(mut bytes) = secret;
    // What was longer before is written over.
    let after = bytes.len();
    bytes.resize(before.max(after), 0);
    bytes.truncate(after);
    Ok(bytes)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rmp_serde::from_slice(rest)?),
        _ => Err(StoreError::Version),
    }
}

/// Bytes that leave no copy behind in memory where they grow.
struct Secret(Zeroizing<Vec<u8>>);

impl Write for Secret {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(2 * self.0.capacity())));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
