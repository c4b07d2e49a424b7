//! Coming in: by a welcome, or by an external commit (GR-11, GR-12).

use std::collections::BTreeMap;

use openmls::prelude::{
    GroupContext, JoinBuilder, MlsGroup, MlsMessageBodyIn, ProcessedWelcome, RatchetTreeIn, WelcomeError,
};
use openmls_traits::OpenMlsProvider;
use pki::VerifiedCertificate;
use tls_codec::{DeserializeBytes, Size};

use super::{Commit, Group, check_clean, group_id, join_config, library, parse, storage};
use crate::credential::{Device, certificate_hash, check_leaf};
use crate::error::{GroupError, Refusal};
use crate::limits::{MAX_DEVICES, MAX_GROUP_MESSAGE};
use crate::package;
use crate::provider::{Provider, SUITE};

/// Bytes that say how long a tree is, at most (RFC 9420, section 2.1.2).
const LENGTH_OF_LENGTH: usize = 4;

/// Which group the log says it is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The room's id.
    pub room: &'a [u8; 32],
    /// The generation of its group.
    pub generation: u32,
    /// The epoch.
    pub epoch: u64,
    /// The certificates of the devices that are in it, each once.
    pub members: &'a [VerifiedCertificate],
}

impl Group {
    /// Joins by a welcome, if the group is the one of that place and its devices are exactly those (GR-11). If not, nothing is changed.
    ///
    /// # Errors
    /// [`GroupError::Malformed`], [`GroupError::Refused`]: [`Refusal::Package`] if the welcome is for none of the key packages in the store.
    pub fn join(
        provider: &Provider,
        welcome: &[u8],
        tree: &[u8],
        place: Place<'_>,
    ) -> Result<Self, GroupError> {
        check_clean(provider)?;
        let joined = welcomed(provider, welcome, tree, place);
        if joined.is_err() {
            provider.store().undo();
        }
        joined
    }

    /// Comes back by an external commit into the group of that place, in which this device's old leaf goes (GR-12). The group that is returned is already in the
    /// epoch that the commit makes: what it changes may be taken from the store once the log has the commit; if another comes first it is undone and this is done anew.
    ///
    /// # Errors
    /// As [`Group::join`].
    pub fn rejoin(
        provider: &Provider,
        device: &Device<'_>,
        group_info: &[u8],
        tree: &[u8],
        place: Place<'_>,
    ) -> Result<(Self, Commit), GroupError> {
        check_clean(provider)?;
        let back = external(provider, device, group_info, tree, place);
        if back.is_err() {
            provider.store().undo();
        }
        back
    }
}

fn welcomed(provider: &Provider, welcome: &[u8], tree: &[u8], place: Place<'_>) -> Result<Group, GroupError> {
    const WHAT: &str = "welcome";
    let MlsMessageBodyIn::Welcome(welcome) = parse(welcome, WHAT)? else {
        return Err(GroupError::Malformed(WHAT));
    };
    let tree = read_tree(tree)?;
    let processed = ProcessedWelcome::new_from_welcome(provider, &join_config(), welcome).map_err(refused)?;
    let info = processed.unverified_group_info();
    place.check(info.group_context(), info.extensions().ratchet_tree().is_some())?;
    let own = processed.own_key_package().map(|package| package.leaf_node().clone());
    provider.store().forget(&group_id(place.room, place.generation)).map_err(storage)?;
    let staged = JoinBuilder::new(provider, processed)
        .with_ratchet_tree(tree)
        // A leaf ends with its certificate (GR-6), which is asked of the certificate.
        .skip_lifetime_validation()
        .replace_old_group()
        .build()
        .map_err(refused)?;
    if staged.own_leaf_node() != own.as_ref() {
        return Err(Refusal::Leaf.into());
    }
    let group = staged.into_group(provider).map_err(refused)?;
    check_members(&group, place.members)?;
    Ok(Group { group })
}

fn external(
    provider: &Provider,
    device: &Device<'_>,
    group_info: &[u8],
    tree: &[u8],
    place: Place<'_>,
) -> Result<(Group, Commit), GroupError> {
    const WHAT: &str = "group info";
    let MlsMessageBodyIn::GroupInfo(info) = parse(group_info, WHAT)? else {
        return Err(GroupError::Malformed(WHAT));
    };
    place.check(info.group_context(), info.extensions().ratchet_tree().is_some())?;
    let tree = read_tree(tree)?;
    provider.store().forget(&group_id(place.room, place.generation)).map_err(storage)?;
    let builder = MlsGroup::external_commit_builder()
        .with_ratchet_tree(tree)
        .with_config(join_config())
        .skip_lifetime_validation()
        .build_group(provider, info, device.credential()?)
        .map_err(|_| Refusal::Undecryptable)?;
    let (group, bundle) = builder
        .leaf_node_parameters(package::leaf())
        .load_psks(provider.storage())
        .map_err(library)?
        .create_group_info(true)
        .build(provider.rand(), provider.crypto(), device, |_| true)
        .map_err(library)?
        .finalize(provider)
        .map_err(library)?;
    check_members(&group, place.members)?;
    let commit = Commit::new(bundle, &group.export_ratchet_tree())?;
    Ok((Group { group }, commit))
}

impl Place<'_> {
    fn check(&self, context: &GroupContext, has_tree: bool) -> Result<(), Refusal> {
        if *context.group_id() != group_id(self.room, self.generation) || context.ciphersuite() != SUITE {
            return Err(Refusal::OtherGroup);
        }
        if context.epoch().as_u64() != self.epoch {
            return Err(Refusal::OtherEpoch);
        }
        // A tree inside would take the place of the one beside; extensions no commit may bring (GR-8).
        let bare = !has_tree && context.extensions().iter().next().is_none();
        bare.then_some(()).ok_or(Refusal::Change)
    }
}

/// Reads a tree whose nodes are no more than those of [`MAX_DEVICES`]: one that is blank is one byte here and a hundred in memory.
fn read_tree(bytes: &[u8]) -> Result<RatchetTreeIn, GroupError> {
    const WHAT: &str = "ratchet tree";
    if bytes.len() > MAX_GROUP_MESSAGE {
        return Err(GroupError::Malformed(WHAT));
    }
    let tree = RatchetTreeIn::tls_deserialize_exact_bytes(bytes).map_err(|_| GroupError::Malformed(WHAT))?;
    let (full, size) =
        tree.nodes().fold((0, 0), |(full, size), node| (full + 1, size + 1 + node.tls_serialized_len()));
    let blank = bytes.len().saturating_sub(size);
    (full + blank <= 2 * MAX_DEVICES + LENGTH_OF_LENGTH).then_some(tree).ok_or(GroupError::Malformed(WHAT))
}

/// GR-11: every leaf is that of one of the certificates, and each of them has one.
fn check_members(group: &MlsGroup, members: &[VerifiedCertificate]) -> Result<(), GroupError> {
    let mut missing: BTreeMap<[u8; 32], &VerifiedCertificate> =
        members.iter().map(|member| (member.hash(), member)).collect();
    for (_, leaf) in group.treesync().full_leaves() {
        let certificate = missing.remove(&certificate_hash(leaf.credential())?).ok_or(Refusal::Change)?;
        check_leaf(leaf, certificate)?;
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
