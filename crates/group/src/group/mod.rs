//! One room's group.

mod change;
mod join;
mod message;

use openmls::prelude::{
    GroupId, LeafNodeIndex, MlsGroup, MlsGroupCreateConfig, MlsGroupJoinConfig, MlsMessageBodyIn,
    MlsMessageIn, ProtocolMessage, SenderRatchetConfiguration,
};
use openmls_traits::OpenMlsProvider;
use tls_codec::{DeserializeBytes, Serialize};

pub use change::{Change, Commit};
pub use join::Place;
pub use message::context;

use crate::credential::{Device, certificate_hash};
use crate::error::{GroupError, Refusal};
use crate::limits::{MAX_FORWARD_DISTANCE, MAX_GROUP_MESSAGE, OUT_OF_ORDER, PADDING};
use crate::package::capabilities;
use crate::provider::{Provider, SUITE};

/// A room's MLS group as this device holds it. What it changes is in the provider's store until it is taken from there and written.
pub struct Group {
    group: MlsGroup,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("epoch", &self.epoch())
            .field("active", &self.is_active())
            .finish_non_exhaustive()
    }
}

impl Group {
    /// A new group with this device alone in it, at epoch 0.
    ///
    /// # Errors
    /// [`GroupError::Library`], among others if the group exists already.
    pub fn create(
        provider: &Provider,
        device: &Device<'_>,
        room: &[u8; 32],
        generation: u32,
    ) -> Result<Self, GroupError> {
        let config = MlsGroupCreateConfig::builder()
            .ciphersuite(SUITE)
            .capabilities(capabilities())
            .padding_size(PADDING)
            .max_past_epochs(0)
            .sender_ratchet_configuration(ratchet())
            .build();
        let group = MlsGroup::new_with_group_id(
            provider,
            device,
            &config,
            group_id(room, generation),
            device.credential()?,
        )
        .map_err(library)?;
        Ok(Self { group })
    }

    /// The group as it was stored, if it was.
    ///
    /// # Errors
    /// [`GroupError::Storage`].
    pub fn load(provider: &Provider, room: &[u8; 32], generation: u32) -> Result<Option<Self>, GroupError> {
        let group = MlsGroup::load(provider.storage(), &group_id(room, generation)).map_err(storage)?;
        Ok(group.map(|group| Self { group }))
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.group.epoch().as_u64()
    }

    /// Whether a commit of this device is pending.
    pub fn has_pending(&self) -> bool {
        self.group.pending_commit().is_some()
    }

    /// Removes all that is kept of the group (GR-9).
    ///
    /// # Errors
    /// [`GroupError::Storage`].
    pub fn forget(self, provider: &Provider) -> Result<(), GroupError> {
        provider.store().forget(self.group.group_id()).map_err(storage)
    }

    /// Whether this device is in the group.
    pub fn is_active(&self) -> bool {
        self.group.is_active()
    }

    /// The devices in the group, by the hashes of their certificates.
    ///
    /// # Errors
    /// [`Refusal::Leaf`], which no group that was joined by these rules gives.
    pub fn members(&self) -> Result<Vec<[u8; 32]>, GroupError> {
        self.group.members().map(|member| Ok(certificate_hash(&member.credential)?)).collect()
    }

    fn index_of(&self, certificate: &[u8; 32]) -> Result<LeafNodeIndex, GroupError> {
        self.group
            .members()
            .find(|member| certificate_hash(&member.credential).is_ok_and(|hash| hash == *certificate))
            .map(|member| member.index)
            .ok_or(GroupError::Refused(Refusal::Membership))
    }
}

fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .padding_size(PADDING)
        .max_past_epochs(0)
        .sender_ratchet_configuration(ratchet())
        .build()
}

fn ratchet() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER, MAX_FORWARD_DISTANCE)
}

/// The scope of the records of a room's group (GR-16).
///
/// # Errors
/// [`GroupError::Storage`].
pub fn scope(room: &[u8; 32], generation: u32) -> Result<[u8; 32], GroupError> {
    crate::store::scope(&group_id(room, generation)).map_err(storage)
}

/// GR-3: the room's id and the generation, 36 bytes.
fn group_id(room: &[u8; 32], generation: u32) -> GroupId {
    GroupId::from_slice(&[room.as_slice(), &generation.to_be_bytes()].concat())
}

impl Group {
    /// Whether a message is of this group and epoch (GR-9).
    fn check_place(&self, message: &ProtocolMessage) -> Result<(), Refusal> {
        if !self.group.is_active() {
            return Err(Refusal::Membership);
        }
        if message.group_id() != self.group.group_id() {
            return Err(Refusal::OtherGroup);
        }
        (message.epoch() == self.group.epoch()).then_some(()).ok_or(Refusal::OtherEpoch)
    }
}

/// What is undone where something is refused must not hold anything else (GR-16).
fn check_clean(provider: &Provider) -> Result<(), GroupError> {
    provider
        .store()
        .is_clean()
        .then_some(())
        .ok_or_else(|| GroupError::Storage("what was changed before was not taken from the store".to_owned()))
}

/// Parses what was received as one MLS message.
fn parse(bytes: &[u8], what: &'static str) -> Result<MlsMessageBodyIn, GroupError> {
    if bytes.len() > MAX_GROUP_MESSAGE {
        return Err(GroupError::Malformed(what));
    }
    let message =
        MlsMessageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| GroupError::Malformed(what))?;
    Ok(message.extract())
}

fn bytes_of(value: &impl Serialize) -> Result<Vec<u8>, GroupError> {
    value.tls_serialize_detached().map_err(library)
}

fn library(error: impl std::fmt::Display) -> GroupError {
    GroupError::Library(error.to_string())
}

fn storage(error: impl std::fmt::Display) -> GroupError {
    GroupError::Storage(error.to_string())
}
