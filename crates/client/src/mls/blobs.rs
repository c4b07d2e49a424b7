//! Commits, welcomes, group infos and trees, to and from the server (SE-35, SE-36).

use std::collections::HashMap;

use evidence::Hash;
use evidence::entry::UnverifiedEntry;
use evidence::membership::{Change, MlsHashes};
use minicbor::bytes::ByteArray;
use session::limits::{BLOB_PIECE, MAX_BLOB};
use session::message::{Command, FailureCode, Reply};

use crate::ClientError;
use crate::connection::Connection;
use crate::engine::{Core, Session};
use crate::reply::expect_reply;
use crate::room::Room;

/// Bytes of blobs from which on entries wait for another transaction.
const BATCH_BYTES: usize = 32 * 1024 * 1024;
/// Blobs asked for at once.
const WINDOW: usize = 8;
/// Pieces sent of one blob before it is given up: twice as many as the largest has.
const TRIES: u64 = 2 * MAX_BLOB / BLOB_PIECE as u64;

/// Blobs by hash, as far as the server gave them.
#[derive(Default)]
pub(crate) struct Blobs(HashMap<Hash, Vec<u8>>);

impl Blobs {
    /// The blob with this hash.
    pub(crate) fn get(&self, hash: &Hash) -> Option<&[u8]> {
        self.0.get(hash).map(Vec::as_slice)
    }
}

impl Core {
    /// Fetches what entries name and this device needs to follow them, besides what is there; `member` is whether it is one before the first.
    /// Says of how many of the entries all is there.
    pub(crate) async fn fetch_needed<'a>(
        &self,
        room: &Room,
        session: &Session,
        member: bool,
        entries: impl Iterator<Item = &'a UnverifiedEntry>,
        blobs: &mut Blobs,
    ) -> Result<usize, ClientError> {
        let (mut member, mut bytes, mut count, mut hashes) = (member, 0, 0, Vec::new());
        for entry in entries {
            hashes.extend(self.named_by(entry, &mut member));
            count += 1;
            if hashes.len() >= WINDOW {
                bytes += self.fetch_blobs(room, session, &std::mem::take(&mut hashes), blobs).await?;
            }
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        self.fetch_blobs(room, session, &hashes, blobs).await?;
        Ok(count)
    }

    /// The blobs that this device needs to follow an entry; keeps up whether it is a member.
    fn named_by(&self, entry: &UnverifiedEntry, member: &mut bool) -> Vec<Hash> {
        let own = self.owner.certificate.hash();
        match entry {
            UnverifiedEntry::Statement(_) | UnverifiedEntry::Erasure(_) => Vec::new(),
            UnverifiedEntry::Revocation(revocation) => {
                *member &= revocation.claim().revoked != own;
                Vec::new()
            }
            UnverifiedEntry::Membership(membership) => {
                let claim = membership.claim();
                let MlsHashes { commit, welcome, group } = claim.mls;
                let was = *member;
                let names = |devices: &[evidence::membership::DeviceRef]| {
                    devices.iter().any(|device| device.certificate == own)
                };
                *member = (was && !names(claim.change.removed())) || names(claim.change.added());
                if claim.certificate == own || matches!(claim.change, Change::Leave(_)) {
                    Vec::new()
                } else if *member && (!was || matches!(claim.change, Change::Renew(_))) {
                    welcome.into_iter().chain(group.map(|group| group.tree)).collect()
                } else if was {
                    commit.into_iter().collect()
                } else {
                    Vec::new()
                }
            }
        }
    }

    /// Fetches blobs; those that the server does not give are left out. Says how many bytes came.
    pub(crate) async fn fetch_blobs(
        &self,
        room: &Room,
        session: &Session,
        hashes: &[Hash],
        blobs: &mut Blobs,
    ) -> Result<usize, ClientError> {
        let mut asked = Vec::new();
        for hash in hashes {
            if !blobs.0.contains_key(hash) {
                asked.push((*hash, session.connection.request(piece(room, hash, 0)).await));
            }
        }
        let mut bytes = 0;
        for (hash, mut answer) in asked {
            let first = answer.wait().await?;
            if let Some(blob) = fetch(room, &session.connection, hash, first).await? {
                bytes += blob.len();
                blobs.0.insert(hash, blob);
            } else {
                tracing::warn!(room = %room.id, "the server does not give {}", hex::encode(hash));
            }
        }
        Ok(bytes)
    }
}

fn piece(room: &Room, hash: &Hash, offset: u64) -> Command {
    Command::BlobGet { room: ByteArray::from(room.id.0), hash: ByteArray::from(*hash), offset }
}

/// The rest of a blob, whose first piece was answered.
async fn fetch(
    room: &Room,
    connection: &Connection,
    hash: Hash,
    first: Reply,
) -> Result<Option<Vec<u8>>, ClientError> {
    let (mut blob, mut reply): (Vec<u8>, Reply) = (Vec::new(), first);
    loop {
        let (size, bytes) = match reply {
            Reply::Failed { code: FailureCode::NotFound | FailureCode::NotAllowed, .. } => return Ok(None),
            reply => expect_reply!(reply, Reply::Blob { size, bytes } => (size, bytes))?,
        };
        blob.extend_from_slice(&bytes);
        let held = u64::try_from(blob.len()).unwrap_or(u64::MAX);
        if size > MAX_BLOB || bytes.is_empty() || held > size {
            return Ok(None);
        }
        if held == size {
            return Ok(Some(blob).filter(|blob| pki::sha256(blob) == hash));
        }
        reply = connection.ask(piece(room, &hash, held)).await?;
    }
}

/// Hands in a blob, from where an earlier try ended.
pub(crate) async fn upload(connection: &Connection, blob: &[u8]) -> Result<(), ClientError> {
    let hash = ByteArray::from(pki::sha256(blob));
    let size = u64::try_from(blob.len()).unwrap_or(u64::MAX);
    let mut held = 0;
    for _ in 0..TRIES {
        let rest = usize::try_from(held).ok().and_then(|held| blob.get(held..)).unwrap_or_default();
        let bytes = rest.get(..rest.len().min(BLOB_PIECE)).unwrap_or_default().to_vec();
        let put = Command::BlobPut { hash, size, offset: held, bytes };
        held = expect_reply!(connection.ask(put).await?, Reply::BlobHeld { held } => held)?;
        if held >= size {
            return Ok(());
        }
    }
    Err(ClientError::unexpected())
}
