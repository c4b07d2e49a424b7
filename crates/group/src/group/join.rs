//! Coming in: by a welcome, or by an external commit (GR-11, GR-12).

use std::collections::BTreeMap;

use openmls::prelude::{
    JoinBuilder, LeafNodeParameters, Member, MlsGroup, MlsMessageBodyIn, ProcessedWelcome, RatchetTreeIn,
    WelcomeError,
};
use openmls_traits::OpenMlsProvider;
use pki::VerifiedCertificate;
use tls_codec::DeserializeBytes;

use super::{Commit, Group, bytes_of, group_id, join_config, library, parse, storage};
use crate::credential::{Device, certificate_hash, check_holder};
use crate::error::{GroupError, Refusal};
use crate::limits::MAX_GROUP_MESSAGE;
use crate::package;
use crate::provider::{Provider, SUITE};

impl Group {
    /// Joins by a welcome, if the group is the room's, its epoch the one that the log says, and its devices exactly those whose certificates are given.
    ///
    /// # Errors
    /// [`GroupError::Malformed`], [`GroupError::Refused`]: [`Refusal::Package`] if the welcome is for none of the key packages in the store.
    pub fn join(
        provider: &Provider,
        welcome: &[u8],
        tree: &[u8],
        room: (&[u8; 32], u32, u64),
        members: &[VerifiedCertificate],
    ) -> Result<Self, GroupError> {
        const WHAT: &str = "welcome";
        let MlsMessageBodyIn::Welcome(welcome) = parse(welcome, WHAT)? else {
            return Err(GroupError::Malformed(WHAT));
        };
        let tree = read_tree(tree)?;
        let (id, generation, epoch) = room;
        let processed =
            ProcessedWelcome::new_from_welcome(provider, &join_config(), welcome).map_err(refused)?;
        let context = processed.unverified_group_info().group_context();
        if *context.group_id() != group_id(id, generation) || context.ciphersuite() != SUITE {
            return Err(Refusal::OtherGroup.into());
        }
        if context.epoch().as_u64() != epoch {
            return Err(Refusal::OtherEpoch.into());
        }
        let staged = JoinBuilder::new(provider, processed)
            .with_ratchet_tree(tree)
            // A leaf ends with its certificate (GR-6), not with the key package that it came from.
            .skip_lifetime_validation()
            .replace_old_group()
            .build()
            .map_err(refused)?;
        check_members(staged.members(), members)?;
        let group = staged.into_group(provider).map_err(refused)?;
        Ok(Self { group })
    }

    /// Comes back by an external commit into the place that the log gives this device's certificate; its old leaf goes.
    ///
    /// # Errors
    /// As [`Group::join`].
    pub fn rejoin(
        provider: &Provider,
        device: &Device<'_>,
        group_info: &[u8],
        tree: &[u8],
        room: (&[u8; 32], u32, u64),
        members: &[VerifiedCertificate],
    ) -> Result<(Self, Commit), GroupError> {
        const WHAT: &str = "group info";
        let MlsMessageBodyIn::GroupInfo(info) = parse(group_info, WHAT)? else {
            return Err(GroupError::Malformed(WHAT));
        };
        let (id, generation, epoch) = room;
        if *info.group_id() != group_id(id, generation) || info.ciphersuite() != SUITE {
            return Err(Refusal::OtherGroup.into());
        }
        if info.epoch().as_u64() != epoch {
            return Err(Refusal::OtherEpoch.into());
        }
        let builder = MlsGroup::external_commit_builder()
            .with_ratchet_tree(read_tree(tree)?)
            .with_config(join_config())
            .skip_lifetime_validation()
            .build_group(provider, info, device.credential()?)
            .map_err(|_| Refusal::Undecryptable)?;
        let (group, bundle) = builder
            .leaf_node_parameters(
                LeafNodeParameters::builder().with_capabilities(package::capabilities()).build(),
            )
            .load_psks(provider.storage())
            .map_err(library)?
            .create_group_info(true)
            .build(provider.rand(), provider.crypto(), device, |_| true)
            .map_err(library)?
            .finalize(provider)
            .map_err(library)?;
        check_members(group.members(), members)?;
        let (message, _, group_info) = bundle.into_messages();
        let commit = Commit {
            message: bytes_of(&message)?,
            welcome: None,
            group_info: bytes_of(&group_info.ok_or_else(|| library("no group info"))?)?,
            tree: bytes_of(&group.export_ratchet_tree())?,
        };
        Ok((Self { group }, commit))
    }
}

fn read_tree(bytes: &[u8]) -> Result<RatchetTreeIn, GroupError> {
    if bytes.len() > MAX_GROUP_MESSAGE {
        return Err(GroupError::Malformed("ratchet tree"));
    }
    RatchetTreeIn::tls_deserialize_exact_bytes(bytes).map_err(|_| GroupError::Malformed("ratchet tree"))
}

/// GR-11: every leaf is that of one of the certificates, and each of them has one.
fn check_members(
    leaves: impl Iterator<Item = Member>,
    members: &[VerifiedCertificate],
) -> Result<(), GroupError> {
    let mut missing: BTreeMap<[u8; 32], &VerifiedCertificate> =
        members.iter().map(|member| (member.hash(), member)).collect();
    for leaf in leaves {
        let certificate = missing.remove(&certificate_hash(&leaf.credential)?).ok_or(Refusal::Change)?;
        check_holder(&leaf.credential, &leaf.signature_key, certificate)?;
    }
    missing.is_empty().then_some(()).ok_or(GroupError::Refused(Refusal::Change))
}

fn refused<E: std::error::Error>(error: WelcomeError<E>) -> GroupError {
    match error {
        WelcomeError::StorageError(error) => storage(error),
        WelcomeError::NoMatchingKeyPackage | WelcomeError::JoinerSecretNotFound => Refusal::Package.into(),
        _ => Refusal::Undecryptable.into(),
    }
}
