//! A room in memory: its state and tree, and what was refused in it for good.

use std::collections::{HashMap, HashSet};

use evidence::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use evidence::entry::{Entry, Place, Revocation, RevocationClaim};
use evidence::log::{Tree, TreeHead};
use evidence::membership::Change;
use evidence::room::{Context, MembershipFault, RoomId, RoomState, Unacceptable};
use pki::{CertificateError, NoRevocations, TrustStore, Usage, VerifiedCertificate};
use store::{Hash, Store, StoreError};

use super::sequencer::RevokeJob;
use crate::organisation::Authority;
use crate::shared::{PAGE, decode_chain};

/// Bytes of entries read at a time when a room is opened.
const PAGE_BYTES: u64 = 4 * 1024 * 1024;

/// Certificates of the keys that sign checkpoints.
pub(crate) struct LogCertificates {
    pub(crate) log: VerifiedCertificate,
    pub(crate) cosigner: VerifiedCertificate,
}

/// A room as the sequencer holds it.
pub(crate) struct Room {
    pub(crate) state: RoomState,
    pub(crate) tree: Tree,
    /// SHA-256 of statements that were finally refused.
    pub(crate) refused: HashSet<Hash>,
    pub(crate) checkpoint: Option<SignedCheckpoint>,
    /// When it was used last, in batches of the sequencer.
    pub(crate) used: u64,
}

impl LogCertificates {
    /// The authority's, as they are now.
    ///
    /// # Errors
    /// [`CertificateError`] if one is not good at `now_ms`.
    pub(crate) fn current(
        authority: &Authority,
        trust: &TrustStore,
        now_ms: u64,
    ) -> Result<Self, CertificateError> {
        Ok(Self {
            log: trust.verify(&authority.log_chain(), Usage::Log, now_ms, &NoRevocations)?,
            cosigner: trust.verify(&authority.cosigner_chain(), Usage::Cosigner, now_ms, &NoRevocations)?,
        })
    }
}

/// Verifies certificates for the folding of rooms, each as of the time of the entry that names it.
pub(crate) struct CertificateReader<'a> {
    store: &'a dyn Store,
    trust: &'a TrustStore,
    known: HashMap<Hash, VerifiedCertificate>,
}

impl<'a> CertificateReader<'a> {
    pub(crate) fn new(store: &'a dyn Store, trust: &'a TrustStore) -> Self {
        Self { store, trust, known: HashMap::new() }
    }

    /// Makes the certificates that `entry` needs known, as far as they are good at `at_ms`.
    pub(crate) async fn learn(&mut self, entry: &Change, at_ms: u64) -> Result<(), StoreError> {
        for device in entry.added() {
            self.read(&device.certificate, Usage::Device, at_ms).await?;
        }
        Ok(())
    }

    /// The certificate with this hash, if the directory has it and it was good at `at_ms`.
    pub(crate) async fn read(
        &mut self,
        hash: &Hash,
        usage: Usage,
        at_ms: u64,
    ) -> Result<Option<VerifiedCertificate>, StoreError> {
        if let Some(known) = self.known.get(hash) {
            return Ok(Some(known.clone()));
        }
        let Some(found) = self.store.certificate(hash).await? else { return Ok(None) };
        let verified =
            decode_chain(&found.chain).and_then(|chain| self.trust.verify_as_of(&chain, usage, at_ms).ok());
        if let Some(verified) = &verified {
            self.known.insert(*hash, verified.clone());
        }
        Ok(verified)
    }

    pub(crate) fn known(&self) -> &HashMap<Hash, VerifiedCertificate> {
        &self.known
    }
}

impl Room {
    /// A room that `first` creates.
    pub(crate) fn create(first: &Entry, context: &Context<'_>) -> Result<Self, Unacceptable> {
        let Entry::Membership(create) = first else {
            return Err(Unacceptable::Membership(MembershipFault::Create));
        };
        let state = RoomState::create(create, context)?;
        let mut tree = Tree::default();
        tree.push(first.leaf_hash());
        Ok(Self { state, tree, refused: HashSet::new(), checkpoint: None, used: 0 })
    }

    /// Opens a stored room by folding its whole log through the rules by which it was made; `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if what is stored does not stand.
    pub(crate) async fn open(
        id: &Hash,
        store: &dyn Store,
        trust: &TrustStore,
        keys: &LogCertificates,
    ) -> Result<Option<Self>, StoreError> {
        let Some(head) = store.room_head(id).await? else { return Ok(None) };
        let mut reader = CertificateReader::new(store, trust);
        let mut room: Option<Self> = None;
        let mut next = 0;
        while next < head.size {
            let page = store.entries(id, next, PAGE, PAGE_BYTES).await?;
            if page.is_empty() {
                return Err(corrupt(id, next, "is missing"));
            }
            for stored in page {
                let unverified =
                    Entry::parse(&stored.statement).map_err(|e| corrupt(id, next, &e.to_string()))?;
                let at_ms = unverified.place().time_ms;
                let usage = match &unverified {
                    evidence::entry::UnverifiedEntry::Revocation(_) => Usage::Log,
                    _ => Usage::Device,
                };
                let signer = reader.read(&unverified.certificate(), usage, at_ms).await?;
                let signer = signer.ok_or_else(|| corrupt(id, next, "has an unknown signer"))?;
                let entry = unverified.verify(&signer).map_err(|e| corrupt(id, next, &e.to_string()))?;
                if let Entry::Membership(change) = &entry {
                    reader.learn(&change.change, at_ms).await?;
                }
                room = Some(match room {
                    None => {
                        let context =
                            Context { certificates: reader.known(), roots: &Tree::default(), now_ms: None };
                        Self::create(&entry, &context).map_err(|e| corrupt(id, next, &e.to_string()))?
                    }
                    Some(mut room) => {
                        room.accept(&entry, reader.known(), None)
                            .map_err(|e| corrupt(id, next, &e.to_string()))?;
                        room
                    }
                });
                next += 1;
            }
        }
        let Some(mut room) = room else { return Err(corrupt(id, 0, "is missing")) };
        room.refused = store.refused_statements(id).await?.into_iter().collect();
        let signed = room.signed(&head.checkpoint, keys);
        room.checkpoint =
            Some(signed.ok_or_else(|| corrupt(id, next, "is not under the room's checkpoint"))?);
        Ok(Some(room))
    }

    /// Whether an entry may stand at the next index.
    pub(crate) fn check(
        &self,
        entry: &Entry,
        certificates: &HashMap<Hash, VerifiedCertificate>,
        now_ms: Option<u64>,
    ) -> Result<(), Unacceptable> {
        self.state.check(entry, &Context { certificates, roots: &self.tree, now_ms }).map(drop)
    }

    /// Puts an entry at the next index, which is returned.
    pub(crate) fn accept(
        &mut self,
        entry: &Entry,
        certificates: &HashMap<Hash, VerifiedCertificate>,
        now_ms: Option<u64>,
    ) -> Result<u64, Unacceptable> {
        let context = Context { certificates, roots: &self.tree, now_ms };
        let (index, _) = self.state.accept(entry, &context)?;
        self.tree.push(entry.leaf_hash());
        Ok(index)
    }

    /// Signs the room's first `size` entries and returns the note.
    pub(crate) fn sign_at(&mut self, size: u64, authority: &Authority, now_ms: u64) -> Vec<u8> {
        let Some(root) = self.tree.root_at(size) else { return Vec::new() };
        let origin = Origin::room(authority.organisation(), self.state.id());
        let checkpoint = Checkpoint { origin, head: TreeHead { size, root } };
        let (log, cosigner) = (authority.log_key(), authority.cosigner_key());
        let signed = checkpoint.sign(log, cosigner, now_ms / 1000);
        let text = signed.as_text().as_bytes().to_vec();
        self.checkpoint = Some(signed);
        text
    }

    /// Makes and accepts the entry by which the log says that a member's certificate is revoked (EV-18).
    pub(crate) fn revocation(
        &mut self,
        job: &RevokeJob,
        log: &VerifiedCertificate,
        authority: &Authority,
        now_ms: u64,
    ) -> Result<(Entry, u64), Unacceptable> {
        let seen = self.checkpoint.as_ref().map_or_else(TreeHead::empty, SignedCheckpoint::head);
        let claim = RevocationClaim {
            certificate: log.hash(),
            place: Place {
                room: self.state.id(),
                seq: self.state.last_seq(&log.hash()) + 1,
                time_ms: now_ms,
                epoch: self.state.epoch(),
                seen,
            },
            revoked: job.certificate,
            reason: job.reason,
        };
        let bytes = Revocation::sign(&claim, authority.log_key());
        let unsound = Unacceptable::Membership(MembershipFault::Log);
        let entry = Entry::parse(&bytes).map_err(|_| unsound)?.verify(log).map_err(|_| unsound)?;
        let index = self.accept(&entry, &HashMap::from([(log.hash(), log.clone())]), None)?;
        Ok((entry, index))
    }

    /// The stored checkpoint, if it is this server's and of this tree.
    fn signed(&self, text: &[u8], keys: &LogCertificates) -> Option<SignedCheckpoint> {
        let origin = Origin::room(&keys.log.identity().organisation, self.state.id());
        let signed = SignedCheckpoint::verify(text, &origin, &keys.log, &keys.cosigner).ok()?;
        let head = TreeHead { size: self.tree.size(), root: self.tree.root() };
        (signed.head() == head).then_some(signed)
    }

    /// Certificates of the members.
    pub(crate) fn member_certificates(&self) -> Vec<Hash> {
        self.state.members().map(|(certificate, _)| *certificate).collect()
    }
}

fn corrupt(room: &Hash, index: u64, what: &str) -> StoreError {
    StoreError::Corrupt(format!("entry {index} of room {} {what}", RoomId(*room)))
}
