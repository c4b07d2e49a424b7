//! What shows of a room's group messages without keys (EV-47): MLS messages (RFC 9420, section 6), read as far as the log's server
//! requires something of them. Called by the server, which has neither keys nor a library of MLS.

mod reader;
#[cfg(test)]
mod tests;

use crate::hash::Hash;
use crate::limits::MAX_GROUP_MESSAGE;
use crate::membership::{Change, MlsHashes};
use crate::room::KeyEpoch;
use reader::Reader;

/// Ciphersuite of content suite 1 (group.md, GR-1).
const SUITE: u16 = 0x004d;
/// `mls10`.
const VERSION: u16 = 1;

// RFC 9420, section 6: wire_format, sender_type and content_type.
const PUBLIC_MESSAGE: u16 = 1;
const PRIVATE_MESSAGE: u16 = 2;
const WELCOME: u16 = 3;
const GROUP_INFO: u16 = 4;
const NEW_MEMBER_COMMIT: u8 = 4;
const APPLICATION: u8 = 1;
const COMMIT: u8 = 3;
/// That an optional value is there (section 2.1.1).
const PRESENT: u8 = 1;
/// `leaf_node_source` of a commit's leaf (section 7.2).
const FROM_COMMIT: u8 = 3;

/// Which group a message is of, and which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupEpoch {
    /// The room whose group it is.
    pub room: Hash,
    /// Which of its groups, and the key epoch (EV-45).
    pub at: KeyEpoch,
}

/// A group message, by what shows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Sealed content.
    Content(GroupEpoch),
    /// A member's sealed commit.
    Commit(GroupEpoch),
    /// The commit of a device that comes back.
    Return(GroupEpoch),
    /// A welcome of the suite.
    Welcome,
    /// A group info of the suite.
    GroupInfo(GroupEpoch),
}

impl Message {
    /// Reads a message; `None` if it is of no kind that a room has.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_GROUP_MESSAGE {
            return None;
        }
        let mut reader = Reader::new(bytes);
        if reader.u16()? != VERSION {
            return None;
        }
        match reader.u16()? {
            PUBLIC_MESSAGE => public_message(reader),
            PRIVATE_MESSAGE => private_message(reader),
            WELCOME => welcome(reader),
            GROUP_INFO => group_info(reader),
            _ => None,
        }
    }
}

/// Whether this is sealed content of the room's group in this key epoch.
pub fn is_content(bytes: &[u8], room: &Hash, at: KeyEpoch) -> bool {
    Message::read(bytes) == Some(Message::Content(GroupEpoch { room: *room, at }))
}

/// Whether this is, as far as it shows, one ratchet tree (RFC 9420, section 12.4.3.3).
pub fn is_tree(bytes: &[u8]) -> bool {
    let mut reader = Reader::new(bytes);
    let nodes = reader.vector();
    bytes.len() <= MAX_GROUP_MESSAGE && reader.is_at_end() && nodes.is_some_and(|nodes| !nodes.is_empty())
}

/// What shows of the messages that a membership statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Named {
    /// Under the hash of the commit.
    pub commit: Option<Message>,
    /// Under that of the welcome.
    pub welcome: Option<Message>,
    /// Under that of the group info.
    pub info: Option<Message>,
    /// Whether what is under that of the tree is one.
    pub tree: bool,
}

impl Named {
    /// Whether these are what `change` asks for in the group of `room`, whose key epoch before is `at`, of which a create asks nothing.
    pub fn fit(&self, change: &Change, hashes: &MlsHashes, room: &Hash, at: KeyEpoch) -> bool {
        // EV-47
        let before = GroupEpoch { room: *room, at };
        let after = match change {
            Change::Create { .. } => KeyEpoch::FIRST,
            Change::Renew(_) => at.renewed(),
            _ => at.next(),
        };
        let after = GroupEpoch { at: after, ..before };
        let commit = match change {
            Change::Return => Message::Return(before),
            _ => Message::Commit(before),
        };
        let fits = |named: bool, found: Option<Message>, wanted| !named || found == Some(wanted);
        fits(hashes.commit.is_some(), self.commit, commit)
            && fits(hashes.welcome.is_some(), self.welcome, Message::Welcome)
            && fits(hashes.group.is_some(), self.info, Message::GroupInfo(after))
            && (hashes.group.is_none() || self.tree)
    }
}

fn vectors(reader: &mut Reader<'_>, count: usize) -> Option<()> {
    (0..count).try_for_each(|_| reader.vector().map(drop))
}

/// Group id and epoch, as most messages begin.
fn group_epoch(reader: &mut Reader<'_>) -> Option<GroupEpoch> {
    let (room, generation) = reader.vector()?.split_first_chunk::<32>()?;
    let generation = u32::from_be_bytes(generation.try_into().ok()?);
    let epoch = reader.u64()?;
    Some(GroupEpoch { room: *room, at: KeyEpoch { generation, epoch } })
}

/// RFC 9420, sections 6.2 and 12.4.3.2: an external commit has a path.
fn public_message(mut reader: Reader<'_>) -> Option<Message> {
    let place = group_epoch(&mut reader)?;
    let sender = reader.u8()?;
    let authenticated = reader.vector()?;
    let content = reader.u8()?;
    if sender != NEW_MEMBER_COMMIT || content != COMMIT || !authenticated.is_empty() {
        return None;
    }
    // Proposals, path.
    reader.vector()?;
    (reader.u8()? == PRESENT).then_some(())?;
    leaf(&mut reader)?;
    // Of the path its nodes; then signature, confirmation tag.
    vectors(&mut reader, 3)?;
    reader.is_at_end().then_some(Message::Return(place))
}

/// A leaf that comes with a commit (RFC 9420, section 7.2).
fn leaf(reader: &mut Reader<'_>) -> Option<()> {
    // Keys, credential.
    vectors(reader, 2)?;
    reader.u16()?;
    reader.vector()?;
    // Capabilities, and where the leaf is from.
    vectors(reader, 5)?;
    (reader.u8()? == FROM_COMMIT).then_some(())?;
    // Parent hash, extensions, signature.
    vectors(reader, 3)
}

/// RFC 9420, section 6.3.
fn private_message(mut reader: Reader<'_>) -> Option<Message> {
    let place = group_epoch(&mut reader)?;
    let content = reader.u8()?;
    let authenticated = reader.vector()?;
    // Encrypted sender data, ciphertext.
    vectors(&mut reader, 2)?;
    match content {
        APPLICATION if reader.is_at_end() => Some(Message::Content(place)),
        COMMIT if reader.is_at_end() && authenticated.is_empty() => Some(Message::Commit(place)),
        _ => None,
    }
}

/// RFC 9420, section 12.4.3.1.
fn welcome(mut reader: Reader<'_>) -> Option<Message> {
    let suite = reader.u16()?;
    // Secrets, encrypted group info.
    vectors(&mut reader, 2)?;
    (suite == SUITE && reader.is_at_end()).then_some(Message::Welcome)
}

/// RFC 9420, sections 8.1 and 12.4.3.
fn group_info(mut reader: Reader<'_>) -> Option<Message> {
    let (version, suite) = (reader.u16()?, reader.u16()?);
    let place = group_epoch(&mut reader)?;
    // Of the context tree hash, transcript hash, extensions; then extensions, confirmation tag.
    vectors(&mut reader, 5)?;
    // Signer, signature.
    reader.u32()?;
    reader.vector()?;
    (version == VERSION && suite == SUITE && reader.is_at_end()).then_some(Message::GroupInfo(place))
}
