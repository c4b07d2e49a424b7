//! What the entries of a log do to a room's group, one after the other, in the transaction that stores them.

use std::collections::HashMap;

use evidence::Hash;
use evidence::content::Content;
use evidence::entry::Entry;
use evidence::membership::{Change, Membership};
use evidence::receipt::Unopened;
use evidence::room::RoomState;
use evidence::statement::Statement;
use group::{Group, GroupError, Refusal};
use pki::VerifiedCertificate;

use super::{Blobs, OpenGroup};
use crate::ClientError;
use crate::engine::Core;
use crate::room::{Log, Room};
use crate::vault::{OutboxRow, WriteTransaction};

/// Told when this device has said what this home did not make.
const COPIED: &str = "another copy of this home has spoken in this room: use one of them, and add the other machine as a device of its own";

/// What an entry found.
pub(crate) struct Before<'a> {
    /// Whether this device was a member.
    pub(crate) member: bool,
    /// The devices that lingered (EV-45).
    pub(crate) lingering: Vec<Hash>,
    /// What entries name, as far as the server gave it.
    pub(crate) blobs: &'a Blobs,
    /// What this device has in its outbox, by number.
    pub(crate) own: &'a HashMap<u64, OutboxRow>,
}

impl Core {
    /// Opens the content of a statement that stands in the log.
    pub(crate) fn open_content(
        &self,
        room: &Room,
        open: &mut OpenGroup,
        statement: &Statement,
        ciphertext: Option<&[u8]>,
        own: &HashMap<u64, OutboxRow>,
    ) -> Result<Result<Vec<u8>, Unopened>, ClientError> {
        if statement.certificate == self.owner.certificate.hash() {
            // GR-14: what this device said it cannot open, and has kept.
            let row = own.get(&statement.place.seq).filter(|row| row.parcel.entry == statement.bytes());
            let kept = row.and_then(|row| row.parcel.content.clone());
            if kept.is_none() {
                // GR-22: a copy of this home has used keys that this one holds too.
                tracing::warn!(room = %room.id, "{COPIED}");
                open.forget()?;
            }
            return Ok(kept.ok_or(Unopened::NotDecryptable));
        }
        let Some(ciphertext) = ciphertext else { return Ok(Err(Unopened::Withheld)) };
        let claim = &**statement;
        let context = group::context(&room.id.0, &claim.certificate, claim.place.seq, &claim.commitment);
        let Some(group) = open.group.as_mut() else { return Ok(Err(Unopened::NotDecryptable)) };
        let opened = group.open(&open.provider, ciphertext, &context, &claim.certificate);
        open.collect();
        let bytes = match opened {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(room = %room.id, seq = claim.place.seq, "a message does not open: {error}");
                return Ok(Err(Unopened::NotDecryptable));
            }
        };
        let content = Content::from_bytes(&bytes);
        let sender = self.certificates.accepted(&claim.certificate);
        let user = sender.as_ref().and_then(|known| known.certificate.identity().user());
        let committed = user
            .zip(content.ok().as_ref())
            .is_some_and(|(user, content)| claim.is_commitment_to(user, content));
        Ok(if committed { Ok(bytes.to_vec()) } else { Err(Unopened::Mismatch) })
    }

    /// Takes the group over a change of membership that `log` has accepted. What cannot be followed loses the group, which this device
    /// then comes back into (GR-12).
    pub(crate) async fn follow_change(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        open: &mut OpenGroup,
        log: &Log,
        entry: &Entry,
        before: &Before<'_>,
    ) -> Result<(), ClientError> {
        let own = self.owner.certificate.hash();
        if log.member_since(&own).is_none() {
            // GR-9: whoever is out keeps nothing.
            return open.forget();
        }
        let Entry::Membership(membership) = entry else { return Ok(()) };
        let change = &membership.change;
        let added = change.added().iter().any(|device| device.certificate == own);
        let followed = match change {
            Change::Leave(_) => return Ok(()),
            _ if membership.certificate == own => {
                // What is pending is what the last row made: another entry of this device is not it.
                let row = before.own.get(&membership.place.seq);
                if row.is_none_or(|row| row.parcel.entry != membership.bytes()) {
                    // GR-22: that copy may do the same at once, so this one waits until it has something to say.
                    tracing::warn!(room = %room.id, "{COPIED}");
                    room.set_copied(true);
                    Err(Refusal::Pending.into())
                } else if matches!(change, Change::Return | Change::Renew(_)) {
                    let at = log.state().and_then(RoomState::key_epoch).ok_or(ClientError::Cryptography)?;
                    return self.adopt_return(transaction, room, open, at.generation).await;
                } else {
                    confirm(open, change)
                }
            }
            _ if added => {
                let at = log.state().and_then(RoomState::key_epoch).ok_or(ClientError::Cryptography)?;
                self.drop_group(transaction, room, open, at.generation).await?;
                self.load_packages(transaction, open).await?;
                self.join_group(room, open, log, membership, before.blobs)
            }
            // GR-35: what there was is of no use any more.
            Change::Renew(_) => {
                let at = log.state().and_then(RoomState::key_epoch).ok_or(ClientError::Cryptography)?;
                self.drop_group(transaction, room, open, at.generation).await?;
                self.load_packages(transaction, open).await?;
                self.join_group(room, open, log, membership, before.blobs)
            }
            _ if before.member => self.apply(open, membership, before),
            _ => return Ok(()),
        };
        open.collect();
        match followed {
            Ok(()) => Ok(()),
            Err(error @ GroupError::Storage(_)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(room = %room.id, "the room's keys are lost: {error}");
                open.forget()
            }
        }
    }

    /// This device's external commit, or its renewal of the group, is in the log.
    async fn adopt_return(
        &self,
        transaction: &mut WriteTransaction,
        room: &Room,
        open: &mut OpenGroup,
        generation: u32,
    ) -> Result<(), ClientError> {
        room.set_copied(false);
        self.store_group(transaction, room, open).await?;
        self.vault.adopt_returning(transaction, room.key).await?;
        *open = OpenGroup::new(self.vault.raise_group_version(transaction, room.key, generation).await?)?;
        self.load_group(transaction, room, open).await
    }

    fn join_group(
        &self,
        room: &Room,
        open: &mut OpenGroup,
        log: &Log,
        membership: &Membership,
        blobs: &Blobs,
    ) -> Result<(), GroupError> {
        let state = log.state().ok_or(Refusal::Membership)?;
        let members: Option<Vec<VerifiedCertificate>> =
            state.members().map(|(hash, _)| Some(self.certificates.accepted(hash)?.certificate)).collect();
        let at = state.key_epoch().ok_or(Refusal::OtherEpoch)?;
        let place = group::Place {
            room: &room.id.0,
            generation: at.generation,
            epoch: at.epoch,
            members: &members.ok_or(Refusal::Membership)?,
        };
        let welcome = membership.mls.welcome.and_then(|hash| blobs.get(&hash));
        let tree = membership.mls.group.and_then(|group| blobs.get(&group.tree));
        let (welcome, tree) = welcome.zip(tree).ok_or(GroupError::Malformed("welcome"))?;
        open.group = Some(Group::join(&open.provider, welcome, tree, place)?);
        Ok(())
    }

    fn apply(
        &self,
        open: &mut OpenGroup,
        membership: &Membership,
        before: &Before<'_>,
    ) -> Result<(), GroupError> {
        let change = &membership.change;
        let commit = membership.mls.commit.and_then(|hash| before.blobs.get(&hash));
        let commit = commit.ok_or(GroupError::Malformed("commit"))?;
        let by = self.certificates.accepted(&membership.certificate).ok_or(Refusal::Sender)?.certificate;
        let added: Option<Vec<VerifiedCertificate>> = change
            .added()
            .iter()
            .map(|device| Some(self.certificates.accepted(&device.certificate)?.certificate))
            .collect();
        let lingering = if matches!(change, Change::Return) { [].as_slice() } else { &before.lingering };
        let removed = change.removed().iter().map(|device| device.certificate);
        let removed: Vec<Hash> = removed.chain(lingering.iter().copied()).collect();
        let change = group::Change { by: &by, added: &added.ok_or(Refusal::Membership)?, removed: &removed };
        let group = open.group.as_mut().ok_or(Refusal::Membership)?;
        group.apply(&open.provider, commit, &change)
    }
}

/// This device's own commit is in the log. That of a create was confirmed when it was made (EV-45).
fn confirm(open: &mut OpenGroup, change: &Change) -> Result<(), GroupError> {
    let group = open.group.as_mut().ok_or(Refusal::Membership)?;
    if matches!(change, Change::Create { .. }) {
        return Ok(());
    }
    group.confirm(&open.provider)
}
