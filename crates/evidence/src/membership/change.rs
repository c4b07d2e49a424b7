//! What a membership statement changes, and its payload.

use pki::Name;
use wire::cbor;

use crate::cose::Malformed;
use crate::hash::{Hash, HashBytes};
use crate::limits::{MAX_CHANGES, MAX_ENTRY};
use crate::room::creation::CreationParts;
use crate::room::{Creation, RoomName};

/// A device as membership statements name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRef {
    /// Its user.
    pub user: Name,
    /// SHA-256 of its certificate.
    pub certificate: Hash,
}

/// A change of the members of a room. Lists of devices are sorted when encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Index 0 of a room.
    Create {
        /// What the room id is computed from.
        creation: Creation,
        /// The room's name; none for a direct room.
        name: Option<RoomName>,
        /// The first devices, the signer's among them.
        devices: Vec<DeviceRef>,
    },
    /// Devices become members.
    Add(Vec<DeviceRef>),
    /// Devices are members no longer.
    Remove(Vec<DeviceRef>),
    /// All devices of the signer's user leave.
    Leave(Vec<DeviceRef>),
    /// Fresh keys for the signer.
    Update,
    /// The signer comes back into the group.
    Return,
    /// The next generation of the group begins, without these devices.
    Renew(Vec<DeviceRef>),
}

/// Hashes of what goes with a change in content suite 1 (EV-46).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MlsHashes {
    /// Of the commit.
    pub commit: Option<Hash>,
    /// Of the welcome.
    pub welcome: Option<Hash>,
    /// Of what others come in by.
    pub group: Option<GroupHashes>,
}

/// Hashes of what a device comes into a group by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupHashes {
    /// Of the group info.
    pub info: Hash,
    /// Of the ratchet tree.
    pub tree: Hash,
}

impl MlsHashes {
    /// All hashes that are there.
    pub fn named(&self) -> impl Iterator<Item = Hash> {
        let group = self.group.map(|group| [group.info, group.tree]);
        self.commit.into_iter().chain(self.welcome).chain(group.into_iter().flatten())
    }
}

const CREATE: u8 = 0;
const ADD: u8 = 1;
const REMOVE: u8 = 2;
const LEAVE: u8 = 3;
const UPDATE: u8 = 4;
const RETURN: u8 = 5;
const RENEW: u8 = 6;

type Devices<'a> = Vec<(&'a str, HashBytes)>;
type OptionalHash = Option<HashBytes>;
/// Kind, creation, name, commit, welcome, group info and tree, added, removed, old epoch, new epoch.
type Parts<'a> = (
    u8,
    Option<CreationParts<'a>>,
    Option<&'a str>,
    OptionalHash,
    OptionalHash,
    Option<(HashBytes, HashBytes)>,
    Devices<'a>,
    Devices<'a>,
    u64,
    u64,
);

impl Change {
    /// Devices that become members.
    pub fn added(&self) -> &[DeviceRef] {
        match self {
            Self::Create { devices, .. } | Self::Add(devices) => devices,
            _ => &[],
        }
    }

    /// Devices that are members no longer.
    pub fn removed(&self) -> &[DeviceRef] {
        match self {
            Self::Remove(devices) | Self::Leave(devices) | Self::Renew(devices) => devices,
            _ => &[],
        }
    }

    /// The room's epoch after the change, if it was `epoch` before.
    pub fn new_epoch(&self, epoch: u64) -> u64 {
        match self {
            Self::Create { .. } => epoch,
            _ => epoch.saturating_add(1),
        }
    }

    fn number(&self) -> u8 {
        match self {
            Self::Create { .. } => CREATE,
            Self::Add(_) => ADD,
            Self::Remove(_) => REMOVE,
            Self::Leave(_) => LEAVE,
            Self::Update => UPDATE,
            Self::Return => RETURN,
            Self::Renew(_) => RENEW,
        }
    }

    pub(super) fn encode(&self, epoch: u64, mls: &MlsHashes) -> Vec<u8> {
        let (creation, name) = match self {
            Self::Create { creation, name, .. } => {
                (Some(creation.parts()), name.as_ref().map(RoomName::as_str))
            }
            _ => (None, None),
        };
        let parts: Parts<'_> = (
            self.number(),
            creation,
            name,
            mls.commit.map(HashBytes),
            mls.welcome.map(HashBytes),
            mls.group.map(|group| (HashBytes(group.info), HashBytes(group.tree))),
            sorted(self.added()),
            sorted(self.removed()),
            epoch,
            self.new_epoch(epoch),
        );
        cbor::to_vec(&parts)
    }

    pub(super) fn decode(epoch: u64, payload: &[u8]) -> Result<(Self, MlsHashes), Malformed> {
        let wrong = Malformed::Payload("not that of a membership statement");
        let (kind, creation, name, commit, welcome, group, added, removed, old_epoch, new_epoch) =
            cbor::from_slice::<Parts<'_>>(payload, MAX_ENTRY).map_err(|_| wrong)?;
        let mls = MlsHashes {
            commit: commit.map(|hash| hash.0),
            welcome: welcome.map(|hash| hash.0),
            group: group.map(|(info, tree)| GroupHashes { info: info.0, tree: tree.0 }),
        };
        let (added, removed) = (devices(&added).ok_or(wrong)?, devices(&removed).ok_or(wrong)?);
        let name =
            name.map(RoomName::parse).transpose().map_err(|_| Malformed::Payload("the room's name"))?;
        let change = match (kind, creation, added.is_empty(), removed.is_empty()) {
            (CREATE, Some(parts), false, true) => {
                let creation = Creation::from_parts(parts).ok_or(Malformed::Payload("the creation"))?;
                if creation.parties.is_some() != name.is_none() {
                    return Err(Malformed::Payload("a room has a name, a direct room has none"));
                }
                Self::Create { creation, name, devices: added }
            }
            (ADD, None, false, true) if name.is_none() => Self::Add(added),
            (REMOVE, None, true, false) if name.is_none() => Self::Remove(removed),
            (LEAVE, None, true, false) if name.is_none() => Self::Leave(removed),
            (UPDATE, None, true, true) if name.is_none() => Self::Update,
            (RETURN, None, true, true) if name.is_none() => Self::Return,
            (RENEW, None, true, _) if name.is_none() => Self::Renew(removed),
            _ => return Err(wrong),
        };
        if old_epoch != epoch || epoch == u64::MAX || new_epoch != change.new_epoch(epoch) {
            return Err(Malformed::Payload("the epochs do not follow"));
        }
        Ok((change, mls))
    }
}

fn sorted(devices: &[DeviceRef]) -> Devices<'_> {
    let mut parts: Devices<'_> =
        devices.iter().map(|device| (device.user.as_str(), HashBytes(device.certificate))).collect();
    parts.sort_by_key(|(_, certificate)| *certificate);
    parts
}

fn devices(parts: &Devices<'_>) -> Option<Vec<DeviceRef>> {
    if parts.len() > MAX_CHANGES || !parts.is_sorted_by(|(_, a), (_, b)| a < b) {
        return None;
    }
    parts
        .iter()
        .map(|(user, certificate)| {
            Some(DeviceRef { user: Name::canonical(user).ok()?, certificate: certificate.0 })
        })
        .collect()
}
