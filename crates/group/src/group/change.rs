//! Commits: who is in the group, and fresh keys (GR-8 to GR-12).

use std::collections::BTreeSet;

use openmls::prelude::{
    CommitMessageBundle, MlsGroup, MlsMessageBodyIn, ProcessMessageError, ProcessedMessageContent, Proposal,
    ProtocolMessage, Sender, StagedCommit, ValidationError,
};
use openmls::treesync::RatchetTree;
use openmls_traits::OpenMlsProvider;
use pki::VerifiedCertificate;

use super::{Group, bytes_of, library, parse, storage};
use crate::credential::{Device, certificate_hash, check_leaf};
use crate::error::{GroupError, Refusal};
use crate::limits::MAX_DEVICES;
use crate::package;
use crate::provider::Provider;

/// What a membership statement says that a commit does.
pub struct Change<'a> {
    /// The device that signed the statement and makes the commit.
    pub by: &'a VerifiedCertificate,
    /// Devices added.
    pub added: &'a [VerifiedCertificate],
    /// Devices removed, by the hashes of their certificates.
    pub removed: &'a [[u8; 32]],
}

/// A commit of this device, until the log has one for its epoch.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The commit, for the members.
    pub message: Vec<u8>,
    /// The welcome, for those added.
    pub welcome: Option<Vec<u8>>,
    /// The group info after the commit, for those who come in by an external commit.
    pub group_info: Vec<u8>,
    /// The ratchet tree after the commit, which welcome and group info fix by its hash.
    pub tree: Vec<u8>,
}

impl Commit {
    pub(super) fn new(bundle: CommitMessageBundle, tree: &RatchetTree) -> Result<Self, GroupError> {
        let (message, welcome, group_info) = bundle.into_messages();
        Ok(Self {
            message: bytes_of(&message)?,
            welcome: welcome.as_ref().map(bytes_of).transpose()?,
            group_info: bytes_of(&group_info.ok_or_else(|| library("no group info"))?)?,
            tree: bytes_of(tree)?,
        })
    }
}

impl Group {
    /// Makes a commit that adds and removes devices, and gives this device fresh keys; with nothing to add or to remove it does the latter alone.
    /// It is pending until [`Group::confirm`] or [`Group::discard`].
    ///
    /// # Errors
    /// [`Refusal::Package`] and others of a key package, [`Refusal::Membership`], [`Refusal::Pending`] if one is.
    pub fn commit(
        &mut self,
        provider: &Provider,
        device: &Device<'_>,
        added: &[(&VerifiedCertificate, &[u8])],
        removed: &[[u8; 32]],
        now_ms: u64,
    ) -> Result<Commit, GroupError> {
        if self.group.pending_commit().is_some() {
            return Err(Refusal::Pending.into());
        }
        let mut held: BTreeSet<[u8; 32]> = self.members()?.into_iter().collect();
        let leaves = removed.iter().map(|hash| self.index_of(hash)).collect::<Result<Vec<_>, _>>()?;
        for hash in removed {
            held.remove(hash);
        }
        let mut packages = Vec::with_capacity(added.len());
        for (certificate, bytes) in added {
            if !held.insert(certificate.hash()) {
                return Err(Refusal::Membership.into());
            }
            packages.push(package::check(provider, bytes, certificate, now_ms)?);
        }
        if held.len() > MAX_DEVICES || !held.contains(&device.certificate.hash()) {
            return Err(Refusal::Membership.into());
        }
        let bundle = self
            .group
            .commit_builder()
            .propose_adds(packages)
            .propose_removals(leaves)
            .leaf_node_parameters(package::leaf())
            .force_self_update(true)
            .load_psks(provider.storage())
            .map_err(library)?
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), device, |_| true)
            .map_err(library)?
            .stage_commit(provider)
            .map_err(library)?;
        let before = self.group.export_ratchet_tree();
        let tree = match self.group.pending_commit() {
            Some(staged) => staged.export_ratchet_tree(provider.crypto(), before).map_err(library)?,
            None => None,
        };
        Commit::new(bundle, &tree.ok_or_else(|| library("no tree"))?)
    }

    /// The log has this device's own commit: the group goes into the epoch that it makes.
    ///
    /// # Errors
    /// [`Refusal::Pending`] if none is, [`GroupError::Library`].
    pub fn confirm(&mut self, provider: &Provider) -> Result<(), GroupError> {
        if self.group.pending_commit().is_none() {
            return Err(Refusal::Pending.into());
        }
        self.group.merge_pending_commit(provider).map_err(library)
    }

    /// Another commit came first, or this one was refused: it is as if it had never been made.
    ///
    /// # Errors
    /// [`GroupError::Storage`].
    pub fn discard(&mut self, provider: &Provider) -> Result<(), GroupError> {
        self.group.clear_pending_commit(provider.storage()).map_err(storage)
    }

    /// Takes another device's commit, if it does what its statement says and nothing else (GR-10). A pending one of this device is
    /// discarded.
    ///
    /// # Errors
    /// [`GroupError::Malformed`], [`GroupError::Refused`]; the group is then as it was.
    pub fn apply(
        &mut self,
        provider: &Provider,
        message: &[u8],
        change: &Change<'_>,
    ) -> Result<(), GroupError> {
        const WHAT: &str = "commit";
        let message = match parse(message, WHAT)? {
            MlsMessageBodyIn::PrivateMessage(message) => ProtocolMessage::from(message),
            MlsMessageBodyIn::PublicMessage(message) => ProtocolMessage::from(message),
            _ => return Err(GroupError::Malformed(WHAT)),
        };
        self.check_place(&message)?;
        if !message.is_handshake_message() {
            return Err(GroupError::Malformed(WHAT));
        }
        super::check_clean(provider)?;
        let applied = self.stage_and_merge(provider, message, change);
        if applied.is_err() {
            // A key of the handshake's was used to read it.
            provider.store().undo();
            let stored = MlsGroup::load(provider.storage(), self.group.group_id()).map_err(storage)?;
            self.group = stored.ok_or_else(|| GroupError::Storage("the group is gone".to_owned()))?;
        }
        applied
    }

    fn stage_and_merge(
        &mut self,
        provider: &Provider,
        message: ProtocolMessage,
        change: &Change<'_>,
    ) -> Result<(), GroupError> {
        let processed = self.group.process_message(provider, message).map_err(refused)?;
        // GR-7
        if !processed.aad().is_empty() {
            return Err(Refusal::Context.into());
        }
        let sender = processed.sender().clone();
        let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
            return Err(GroupError::Malformed("commit"));
        };
        self.check(&sender, &staged, change)?;
        self.group.merge_staged_commit(provider, *staged).map_err(library)?;
        if !self.group.is_active() {
            provider.store().forget(self.group.group_id()).map_err(storage)?;
        }
        Ok(())
    }

    fn check(&self, sender: &Sender, staged: &StagedCommit, change: &Change<'_>) -> Result<(), Refusal> {
        if self.group.members().count() + change.added.len() > MAX_DEVICES + change.removed.len() {
            return Err(Refusal::Change);
        }
        let mut added: BTreeSet<[u8; 32]> = change.added.iter().map(VerifiedCertificate::hash).collect();
        let mut removed: BTreeSet<[u8; 32]> = change.removed.iter().copied().collect();
        match sender {
            Sender::Member(index) => {
                let leaf = self.group.public_group().leaf(*index).ok_or(Refusal::Sender)?;
                if certificate_hash(leaf.credential())? != change.by.hash() {
                    return Err(Refusal::Sender);
                }
            }
            // GR-12: it comes back into its own place, and its old leaf goes.
            Sender::NewMemberCommit => {
                removed.insert(change.by.hash());
            }
            _ => return Err(Refusal::Sender),
        }
        // GR-8: every commit has a path, so that it gives its maker fresh keys.
        check_leaf(staged.update_path_leaf_node().ok_or(Refusal::Change)?, change.by)?;
        for proposal in staged.queued_proposals() {
            match proposal.proposal() {
                Proposal::Add(add) => {
                    let leaf = add.key_package().leaf_node();
                    let hash = certificate_hash(leaf.credential())?;
                    let certificate = change.added.iter().find(|certificate| certificate.hash() == hash);
                    check_leaf(leaf, certificate.ok_or(Refusal::Change)?)?;
                    if !added.remove(&hash) {
                        return Err(Refusal::Change);
                    }
                }
                Proposal::Remove(remove) => {
                    let leaf = self.group.public_group().leaf(remove.removed()).ok_or(Refusal::Change)?;
                    if !removed.remove(&certificate_hash(leaf.credential())?) {
                        return Err(Refusal::Change);
                    }
                }
                Proposal::ExternalInit(_) if matches!(sender, Sender::NewMemberCommit) => {}
                _ => return Err(Refusal::Change),
            }
        }
        (added.is_empty() && removed.is_empty()).then_some(()).ok_or(Refusal::Change)
    }
}

/// What a message that is not taken is told apart by.
pub(super) fn refused<E: std::error::Error>(error: ProcessMessageError<E>) -> GroupError {
    match error {
        ProcessMessageError::StorageError(error) => storage(error),
        ProcessMessageError::ValidationError(ValidationError::UnknownMember) => Refusal::Sender.into(),
        ProcessMessageError::InvalidCommit(_) => Refusal::Change.into(),
        _ => Refusal::Undecryptable.into(),
    }
}
