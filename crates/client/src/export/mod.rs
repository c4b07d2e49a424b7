//! Evidence of a room, written to a file (docs/evidence.md, section 9).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, Write};
use std::ops::RangeInclusive;

use evidence::Hash;
use evidence::bundle::{DirectoryProof, Export, Item, Scope, Writer};
use evidence::checkpoint::{Cosignature, Origin};
use evidence::directory::Leaf;
use evidence::entry::{Entry, UnverifiedEntry};
use evidence::log::{Tree, leaf_hash};
use evidence::membership::{Change, DeviceStatement};
use evidence::receipt::{self, Receipt};
use evidence::room::RoomId;
use minicbor::bytes::ByteArray;
use session::limits::MAX_HASHES;
use session::message::{Command, ProvenLeaf, Reply};

use crate::ClientError;
use crate::client::Client;
use crate::engine::{Core, Session};
use crate::reply::expect_reply;
use crate::room::Room;
use crate::vault::VaultError;

/// Entries read from the vault at once.
const PAGE: usize = 4096;
/// How often the directory may grow while its proofs are read.
const TRIES: usize = 5;

/// Which messages are opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Disclose {
    /// All that this device could open.
    #[default]
    All,
    /// None: who and when show, not what.
    None,
    /// Those at these log indices.
    Only(Vec<RangeInclusive<u64>>),
}

impl Disclose {
    fn opens(&self, index: u64) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(ranges) => ranges.iter().any(|range| range.contains(&index)),
        }
    }
}

/// What to export.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportOptions {
    /// First log index; 0 if none.
    pub from: Option<u64>,
    /// Last log index; the last one that is held if none.
    pub to: Option<u64>,
    /// Which messages are opened.
    pub disclose: Disclose,
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// First log index.
    pub from: u64,
    /// Last log index.
    pub to: u64,
    /// Entries of the log under the bundle's checkpoint.
    pub size: u64,
    /// Messages opened.
    pub disclosed: u64,
}

/// What the entries of a log need beside them.
#[derive(Default)]
struct Needed {
    tree: Tree,
    changes_before: Vec<u64>,
    certificates: BTreeSet<Hash>,
    name: Option<String>,
}

/// A former member exports what it holds.
fn former_member(error: ClientError) -> Result<(), ClientError> {
    match error {
        ClientError::Failed { .. } => Ok(()),
        other => Err(other),
    }
}

impl Client {
    /// Writes evidence of a room: entries, the chosen contents, checkpoints, receipts, certificates, proofs. Needs a
    /// connection, for the directory's proofs.
    ///
    /// # Errors
    /// [`ClientError::Offline`]; [`ClientError::Input`] for a range that is not held; [`ClientError::Bundle`].
    pub async fn export<W: Write + Seek + Send>(
        &self,
        room: RoomId,
        options: &ExportOptions,
        output: W,
    ) -> Result<Exported, ClientError> {
        let core = self.core();
        let session = core.session().map_err(|error| match error {
            ClientError::Offline => ClientError::Bundle(
                "the server is away, and the directory's proofs come from it; try again when it is back"
                    .to_owned(),
            ),
            other => other,
        })?;
        let room = self.room(&room)?;
        match core.catch_up(&room, &session).await {
            Ok(()) => {
                let given = core.give_receipt(&room, &session).await;
                given.and(core.fetch_receipts(&room, &session).await).or_else(former_member)?;
            }
            Err(error) => former_member(error)?,
        }
        let row = core.vault.room(&room.id.0).await?.ok_or(VaultError::Damaged("room"))?;
        let size = row.held;
        let from = options.from.unwrap_or(0);
        let to = options.to.unwrap_or_else(|| size.saturating_sub(1));
        if from > to || to >= size {
            return Err(ClientError::Input(format!(
                "this device holds entries 0 to {} of this room",
                size.saturating_sub(1)
            )));
        }
        let mut needed = core.needed(&room, from, to, size).await?;
        let receipts = core.receipts_of(&room, &mut needed).await?;
        let export = core.assemble(&room, &session, (from, to, size), &mut needed, receipts).await?;
        let bundle = |error: evidence::bundle::ExportError| match error {
            evidence::bundle::ExportError::Io(error) => ClientError::Write(error),
            other => ClientError::Bundle(other.to_string()),
        };
        let mut writer = Writer::start(output, &export, &needed.tree).map_err(bundle)?;
        for index in &needed.changes_before {
            for (index, entry) in core.vault.entries(room.key, *index, 1).await? {
                writer.item(&Item::Entry { index, entry: entry.entry }).map_err(bundle)?;
            }
        }
        let (mut next, mut disclosed) = (from, 0);
        while next <= to {
            let page = core.vault.entries(room.key, next, PAGE).await?;
            if page.is_empty() {
                return Err(VaultError::Damaged("segment").into());
            }
            for (index, entry) in page.into_iter().take_while(|(index, _)| *index <= to) {
                let content = entry.content.filter(|_| options.disclose.opens(index));
                disclosed += u64::from(content.is_some());
                let item = match content {
                    Some(content) => Item::Disclosed { index, entry: entry.entry, content },
                    None => Item::Entry { index, entry: entry.entry },
                };
                writer.item(&item).map_err(bundle)?;
                next = index + 1;
            }
        }
        writer.finish().map_err(bundle)?.flush()?;
        Ok(Exported { from, to, size, disclosed })
    }
}

impl Core {
    /// Goes through the whole log once: its tree, and what its entries refer to.
    async fn needed(&self, room: &Room, from: u64, to: u64, size: u64) -> Result<Needed, ClientError> {
        let mut needed = Needed::default();
        while needed.tree.size() < size {
            let page = self.vault.entries(room.key, needed.tree.size(), PAGE).await?;
            if page.is_empty() {
                return Err(VaultError::Damaged("segment").into());
            }
            for (index, entry) in page.into_iter().take_while(|(index, _)| *index < size) {
                needed.tree.push(leaf_hash(&entry.entry));
                let parsed = Entry::parse(&entry.entry).map_err(|_| VaultError::Damaged("segment"))?;
                let is_change = !matches!(parsed, UnverifiedEntry::Statement(_));
                if index < from && is_change {
                    needed.changes_before.push(index);
                }
                if index <= to && (is_change || index >= from) {
                    needed.certificates.insert(parsed.certificate());
                }
                if let (UnverifiedEntry::Membership(statement), true) = (&parsed, index <= to) {
                    let change = &statement.claim().change;
                    needed.certificates.extend(change.added().iter().map(|device| device.certificate));
                    if let Change::Create { name: Some(name), .. } = change {
                        needed.name = Some(name.as_str().to_owned());
                    }
                }
            }
        }
        Ok(needed)
    }

    /// The receipts stored for a room that a verifier takes.
    async fn receipts_of(
        &self,
        room: &Room,
        needed: &mut Needed,
    ) -> Result<Vec<(Vec<u8>, Cosignature)>, ClientError> {
        self.store_receipts(room).await?;
        let mut receipts = Vec::new();
        for stored in self.vault.receipts(room.key).await? {
            let receipt = Receipt::parse(&stored.receipt).map_err(|_| VaultError::Damaged("receipt"))?;
            let cosignature =
                Cosignature::from_bytes(&stored.cosignature).ok_or(VaultError::Damaged("receipt"))?;
            let giver = receipt.certificate();
            let stands = self.certificates.accepted(&giver).is_some_and(|known| {
                let organisation = &self.owner.organisation;
                receipt::check(receipt, &stored.cosignature, &known.certificate, organisation, room.id)
                    .is_ok()
            });
            // An earlier version kept some that no verifier takes.
            if !stands {
                tracing::warn!(room = %room.id, "a stored receipt does not verify and is left out");
                continue;
            }
            needed.certificates.insert(giver);
            receipts.push((stored.receipt, cosignature));
        }
        Ok(receipts)
    }

    async fn assemble(
        &self,
        room: &Room,
        session: &Session,
        (from, to, size): (u64, u64, u64),
        needed: &mut Needed,
        receipts: Vec<(Vec<u8>, Cosignature)>,
    ) -> Result<Export, ClientError> {
        let origin = Origin::room(&self.owner.organisation, room.id);
        let mut checkpoints = Vec::new();
        for (at, note) in self.vault.checkpoints(room.key).await? {
            // Those under keys that the server no longer uses cannot be shown beside the others.
            match session.verify_checkpoint(&origin, &note) {
                Ok(checkpoint) => checkpoints.push((*checkpoint).clone()),
                Err(error) if at == size => return Err(error),
                Err(_) => {}
            }
        }
        needed.certificates.insert(session.log.hash());
        needed.certificates.insert(session.cosigner.hash());
        let (mut chains, mut vouching) = (Vec::new(), BTreeMap::new());
        let mut open: Vec<Hash> = needed.certificates.iter().copied().collect();
        while let Some(hash) = open.pop() {
            let known = self.certificates.accepted(&hash).ok_or_else(|| {
                ClientError::Bundle("a certificate that it needs is not known here".to_owned())
            })?;
            chains.push(known.chain);
            let own = hash == self.owner.certificate.hash() && !self.owner.first;
            let statement = match known.vouching {
                None if own => self.own_voucher(session).await?,
                other => other,
            };
            if let Some(statement) = statement {
                let voucher = DeviceStatement::parse(&statement)
                    .map_err(|_| VaultError::Damaged("certificate"))?
                    .certificate();
                vouching.insert(hash, statement);
                if needed.certificates.insert(voucher) {
                    open.push(voucher);
                }
            }
        }
        let hashes: Vec<Hash> = needed.certificates.iter().copied().collect();
        let (directory, directory_proofs) = self.directory_proofs(session, &hashes).await?;
        Ok(Export {
            scope: Scope { organisation: self.owner.organisation.clone(), room: room.id, from, to, size },
            name: needed.name.clone(),
            root: self.owner.root.clone(),
            certificates: chains,
            directory,
            directory_proofs,
            vouching: vouching.into_values().collect(),
            checkpoints,
            receipts,
            changes_before: needed.changes_before.clone(),
        })
    }

    /// The statement that vouches for this device, which nobody here needed before.
    async fn own_voucher(&self, session: &Session) -> Result<Option<Vec<u8>>, ClientError> {
        let hashes = vec![ByteArray::from(self.owner.certificate.hash())];
        let reply = session.connection.ask(Command::Certificates { hashes }).await?;
        let known = expect_reply!(reply, Reply::Certificates { certificates } => certificates)?;
        let statement = known.into_iter().next().and_then(|known| known.vouching);
        if let Some(voucher) = statement.as_deref().and_then(|bytes| DeviceStatement::parse(bytes).ok()) {
            let wanted = [(voucher.certificate(), voucher.claim().time_ms)];
            self.certificates.fetch(&wanted, &self.owner, &self.vault, &session.connection).await?;
        }
        Ok(statement)
    }

    /// The directory's leaves of these certificates, all under one checkpoint of the directory.
    async fn directory_proofs(
        &self,
        session: &Session,
        hashes: &[Hash],
    ) -> Result<(String, Vec<DirectoryProof>), ClientError> {
        let origin = Origin::directory(&self.owner.organisation);
        for _ in 0..TRIES {
            let (mut notes, mut proofs) = (BTreeSet::new(), Vec::new());
            for part in hashes.chunks(MAX_HASHES) {
                let certificates = part.iter().map(|hash| ByteArray::from(*hash)).collect();
                let reply = session.connection.ask(Command::DirectoryProof { certificates }).await?;
                let (checkpoint, leaves) = expect_reply!(reply,
                    Reply::DirectoryProof { checkpoint, leaves } => (checkpoint, leaves))?;
                let signed = session.verify_checkpoint(&origin, &checkpoint)?;
                for leaf in leaves {
                    proofs.push(proven(leaf, signed.head())?);
                }
                notes.insert(signed.as_text().to_owned());
            }
            if let (Some(note), true) = (notes.pop_first(), notes.is_empty()) {
                return Ok((note, proofs));
            }
        }
        Err(ClientError::Bundle("the directory grows all the time: try again later".to_owned()))
    }
}

fn proven(leaf: ProvenLeaf, head: evidence::log::TreeHead) -> Result<DirectoryProof, ClientError> {
    let ProvenLeaf { index, leaf, proof } = leaf;
    let path: Vec<Hash> = proof.into_iter().map(|hash| *hash).collect();
    let untrusted = |error: String| ClientError::Untrusted(format!("the directory: {error}"));
    Leaf::from_bytes(&leaf).map_err(|error| untrusted(error.to_string()))?;
    let inclusion = evidence::log::InclusionProof { index, size: head.size, path };
    inclusion.verify(&leaf_hash(&leaf), &head.root).map_err(|error| untrusted(error.to_string()))?;
    Ok(DirectoryProof { index, leaf, path: inclusion.path })
}
