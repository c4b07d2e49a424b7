//! Evidence of a room, written to a file (docs/evidence.md, section 9). All of it comes from the home: a server that is
//! there is asked for what is newer, and one that is not, or is not to be believed, changes nothing
//! (docs/decisions/0012-evidence-without-the-server.md).

mod current;
mod signers;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek, Write};
use std::ops::RangeInclusive;

use evidence::Hash;
use evidence::bundle::{Export, Item, Scope, Writer};
use evidence::checkpoint::{Cosignature, Origin};
use evidence::entry::{Entry, UnverifiedEntry};
use evidence::log::{Tree, leaf_hash};
use evidence::membership::{Change, DeviceStatement};
use evidence::receipt::{self, Receipt};
use evidence::room::RoomId;

use crate::ClientError;
use crate::client::Client;
use crate::directory::Held;
use crate::engine::Core;
use crate::room::Room;
use crate::vault::VaultError;
use signers::{Signed, Signers};

/// Entries read from the vault at once.
const PAGE: usize = 4096;

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
    /// A place that is not exported cannot be opened, and was not meant.
    fn check(&self, from: u64, to: u64) -> Result<(), ClientError> {
        let Self::Only(ranges) = self else { return Ok(()) };
        match ranges.iter().find(|range| *range.start() > to || *range.end() < from) {
            Some(range) => Err(ClientError::Input(format!(
                "{} is to be disclosed, and is not among the entries {from} to {to}",
                range.start()
            ))),
            None => Ok(()),
        }
    }

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// First log index.
    pub from: u64,
    /// Last log index.
    pub to: u64,
    /// Entries of the log under the bundle's checkpoint.
    pub size: u64,
    /// Messages opened.
    pub disclosed: u64,
    /// Messages that were erased.
    pub erased: u64,
    /// Of these, those of which an entry behind `to` says so: the bundle does not show it, and to a reader they are withheld.
    pub erased_later: u64,
    /// When that checkpoint was cosigned, Unix milliseconds: nothing in the bundle is newer.
    pub until_ms: u64,
    /// Why the server was not asked for what is newer, or not believed; none if it has nothing newer for this device.
    pub behind: Option<String>,
}

/// What the entries of a log need beside them.
#[derive(Default)]
struct Needed {
    tree: Tree,
    changes_before: Vec<u64>,
    certificates: BTreeSet<Hash>,
    name: Option<String>,
}

impl Client {
    /// Writes evidence of a room: entries, the chosen contents, checkpoints, receipts, certificates, proofs. What the
    /// server has beyond that is read first, if it is there; without it the evidence is what this home holds.
    ///
    /// # Errors
    /// [`ClientError::Input`] for a range that is not held; [`ClientError::Bundle`]; [`ClientError::Vault`].
    pub async fn export<W: Write + Seek + Send>(
        &self,
        room: RoomId,
        options: &ExportOptions,
        output: W,
    ) -> Result<Exported, ClientError> {
        let core = self.core();
        let room = self.room(&room)?;
        let behind = current::bring_up_to_date(core, &room).await?;
        let signers = Signers::new(&core.certificates);
        let mut checkpoints = core.checkpoints(&room, &signers).await?;
        let Some(last) = checkpoints.last() else {
            return Err(ClientError::Bundle(
                "no signed checkpoint of this room is held yet: connect to the server once".to_owned(),
            ));
        };
        let (size, until_ms) = (last.checkpoint.head().size, last.checkpoint.time_s().saturating_mul(1_000));
        let from = options.from.unwrap_or(0);
        let to = options.to.unwrap_or_else(|| size.saturating_sub(1));
        if from > to || to >= size {
            return Err(ClientError::Input(format!(
                "this device holds entries 0 to {} of this room",
                size.saturating_sub(1)
            )));
        }
        options.disclose.check(from, to)?;
        let scope = Scope { organisation: core.owner.organisation.clone(), room: room.id, from, to, size };
        checkpoints.retain(|signed| scope.bounds_time_at(signed.checkpoint.head().size));
        // From the vault, not from whoever may be waiting for the server's answer with it.
        let directory = Held::new(core.vault.directory().await?);
        let mut needed = core.needed(&room, &scope).await?;
        let receipts = core.receipts_of(&room, &directory, &mut needed).await?;
        let export = core.assemble(scope, &directory, &signers, checkpoints, &mut needed, receipts)?;
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
        let erasures = core.vault.erased(room.key, from, to.saturating_add(1)).await?;
        let (erased, later) = (erasures.len(), erasures.values().filter(|by| **by > to).count());
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        let (erased, erased_later) = (count(erased), count(later));
        Ok(Exported { from, to, size, disclosed, erased, erased_later, until_ms, behind })
    }
}

impl Core {
    /// Goes through the whole log once: its tree, and what its entries refer to.
    async fn needed(&self, room: &Room, scope: &Scope) -> Result<Needed, ClientError> {
        let Scope { from, to, size, .. } = *scope;
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

    /// The receipts stored for a room that a verifier takes, and that can be proved.
    async fn receipts_of(
        &self,
        room: &Room,
        directory: &Held,
        needed: &mut Needed,
    ) -> Result<Vec<(Vec<u8>, Cosignature)>, ClientError> {
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
            if !directory.has_issue(&giver) {
                tracing::warn!(room = %room.id, "a receipt of a device whose place in the directory is not held is left out");
                continue;
            }
            needed.certificates.insert(giver);
            receipts.push((stored.receipt, cosignature));
        }
        Ok(receipts)
    }

    /// Puts together what stands before the entries.
    fn assemble(
        &self,
        scope: Scope,
        directory: &Held,
        signers: &Signers,
        checkpoints: Vec<Signed>,
        needed: &mut Needed,
        receipts: Vec<(Vec<u8>, Cosignature)>,
    ) -> Result<Export, ClientError> {
        let never_read = || {
            ClientError::Bundle(
                "this home has never read the organisation's directory: connect to the server once"
                    .to_owned(),
            )
        };
        let origin = Origin::directory(&self.owner.organisation);
        let note = directory.note().ok_or_else(never_read)?;
        let directory_head = signers.verify(&origin, note).ok_or(VaultError::Damaged("directory"))?;
        let signed_by = checkpoints.iter().chain([&directory_head]).flat_map(|signed| signed.by);
        needed.certificates.extend(signed_by);
        let (mut chains, mut vouching, mut proofs) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut open: Vec<Hash> = needed.certificates.iter().copied().collect();
        while let Some(hash) = open.pop() {
            let known = self.certificates.accepted(&hash).filter(|_| directory.has_issue(&hash));
            let known = known.ok_or_else(|| {
                ClientError::Bundle(format!(
                    "the place in the directory of a certificate that it needs, {}, is not held: connect to the server \
                     once, or leave out with --to what was said under it",
                    hex::encode(hash)
                ))
            })?;
            chains.push(known.chain);
            proofs.extend(directory.proofs(&hash));
            if let Some(statement) = known.vouching {
                let voucher = DeviceStatement::parse(&statement)
                    .map_err(|_| VaultError::Damaged("certificate"))?
                    .certificate();
                vouching.insert(hash, statement);
                if needed.certificates.insert(voucher) {
                    open.push(voucher);
                }
            }
        }
        Ok(Export {
            scope,
            name: needed.name.clone(),
            root: self.owner.root.clone(),
            certificates: chains,
            directory: directory_head.checkpoint.as_text().to_owned(),
            directory_proofs: proofs,
            vouching: vouching.into_values().collect(),
            checkpoints: checkpoints.into_iter().map(|signed| signed.checkpoint).collect(),
            receipts,
            changes_before: needed.changes_before.clone(),
        })
    }
}
