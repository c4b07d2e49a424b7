//! One line of a timeline.

use std::collections::BTreeSet;

use evidence::Hash;
use evidence::content::{Attachment, AttachmentInfo, Content, Field};
use evidence::entry::{Entry, Place, RevocationClaim, UnverifiedEntry};
use evidence::erasure::ErasureClaim;
use evidence::membership::{Change, DeviceRef, MembershipClaim};
use evidence::receipt::Unopened;
use evidence::relation::{Edited, Relations};
use evidence::statement::StatementClaim;
use pki::VerifiedCertificate;

/// How far a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageState {
    /// In the log, under a verified checkpoint.
    Logged,
    /// Devices of these users, in order of their names, have given receipts.
    Received {
        /// Users other than the sender.
        by: Vec<String>,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody said something.
    Said {
        /// The text; `None` if the content has none.
        text: Option<String>,
        /// When it was composed, Unix milliseconds.
        composed_ms: Option<u64>,
        /// Time of a script's line, in milliseconds of the script's own clock.
        script_ms: Option<i64>,
        /// Its files; [`crate::Client::attachments`] has their bytes.
        attachments: Vec<AttachmentInfo>,
        /// What it says of earlier messages and of people.
        relations: Relations,
        /// The text that stands instead, if its user has edited it.
        edited: Option<Edited>,
        /// Log index of the deletion, if its user asked that it is not shown any more; of an edit, the deletion of what
        /// it edits.
        deleted: Option<u64>,
    },
    /// Somebody said something before this device was a member.
    Earlier,
    /// Somebody said something that this device could not open.
    Unopened(Unopened),
    /// Somebody said something that its user has erased since: what it was is gone.
    Erased {
        /// Log index of the erasure.
        at: u64,
        /// Why, in the user's words.
        reason: String,
    },
    /// The sender erased what it had said.
    Erasure {
        /// Log indices of what it erased, ascending.
        erased: Vec<u64>,
        /// Why, in the sender's words.
        reason: String,
    },
    /// The room was created with these users.
    Created {
        /// Its name; none for a direct room.
        name: Option<String>,
        /// Users, in order of their names.
        users: Vec<String>,
    },
    /// Users, or more devices of theirs, became members.
    Added {
        /// Users, in order of their names.
        users: Vec<String>,
    },
    /// Users, or devices of theirs, are members no longer.
    Removed {
        /// Users, in order of their names.
        users: Vec<String>,
    },
    /// The sender left.
    Left,
    /// The sender gave the room fresh keys.
    Keys,
    /// The sender began the room's keys anew, without these.
    Renewed {
        /// Users of devices that did not come along, in order of their names.
        without: Vec<String>,
    },
    /// A device's certificate was revoked.
    Revoked {
        /// SHA-256 of the certificate.
        certificate: Hash,
        /// The device, as `USER/DEVICE`, if its certificate is known.
        device: Option<String>,
        /// Why, in a word.
        reason: &'static str,
    },
}

/// One entry of a room's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineItem {
    /// Log index, from 0.
    pub index: u64,
    /// User who signed; the log's name for a revocation.
    pub from: String,
    /// Device that signed; empty for a revocation.
    pub device: String,
    /// When it was signed, Unix milliseconds.
    pub time_ms: u64,
    /// SHA-256 of the signed entry.
    pub statement: Hash,
    /// What it says.
    pub what: What,
    /// How far it is.
    pub state: MessageState,
}

impl TimelineItem {
    /// The text of a message.
    pub fn text(&self) -> Option<&str> {
        match &self.what {
            What::Said { text, .. } => text.as_deref(),
            _ => None,
        }
    }

    /// What a message says of earlier ones and of people; none for other entries.
    pub fn relations(&self) -> Option<&Relations> {
        match &self.what {
            What::Said { relations, .. } => Some(relations),
            _ => None,
        }
    }

    /// The text that stands instead of the message's own.
    pub fn edited(&self) -> Option<&Edited> {
        match &self.what {
            What::Said { edited, .. } => edited.as_ref(),
            _ => None,
        }
    }

    /// Log index of the deletion: what the message says is not to be shown any more.
    pub fn deleted(&self) -> Option<u64> {
        match &self.what {
            What::Said { deleted, .. } => *deleted,
            _ => None,
        }
    }

    pub(crate) fn refers(&self) -> bool {
        self.relations().is_some_and(Relations::refer)
    }

    /// The files of a message.
    pub fn attachments(&self) -> &[AttachmentInfo] {
        match &self.what {
            What::Said { attachments, .. } => attachments,
            _ => &[],
        }
    }

    /// A line for people about anything that is not a message.
    pub fn notice(&self) -> Option<String> {
        let from = &self.from;
        Some(match &self.what {
            What::Said { .. } => return None,
            What::Earlier => "said before this device was a member".to_owned(),
            What::Unopened(Unopened::Withheld) => {
                "the server did not give the content of this message".to_owned()
            }
            What::Unopened(Unopened::Mismatch) => {
                "the content that came is not the one that was signed: its sender or the server is at fault"
                    .to_owned()
            }
            What::Unopened(Unopened::NotDecryptable) => "this message could not be decrypted".to_owned(),
            What::Unopened(Unopened::Erased) => "this message was erased".to_owned(),
            What::Erased { reason, .. } => format!("erased by {from}: {reason}"),
            What::Erasure { erased, reason } => {
                let indices: Vec<String> = erased.iter().map(u64::to_string).collect();
                format!("{from} erased {}: {reason}", list(&indices))
            }
            What::Created { name: Some(name), users } => {
                format!("{from} created the room {name} with {}", list(users))
            }
            What::Created { name: None, users } => format!("{from} opened a direct room of {}", list(users)),
            What::Added { users } => format!("{from} added {}", list(users)),
            What::Removed { users } => format!("{from} removed {}", list(users)),
            What::Left => format!("{from} left"),
            What::Keys => format!("{from} gave the room fresh keys"),
            What::Renewed { without } if without.is_empty() => format!("{from} began the room's keys anew"),
            What::Renewed { without } => {
                format!("{from} began the room's keys anew, without {}", list(without))
            }
            What::Revoked { device: Some(device), reason, .. } => format!("{device} was revoked: {reason}"),
            What::Revoked { device: None, reason, .. } => format!("a device was revoked: {reason}"),
        })
    }
}

fn list(users: &[String]) -> String {
    match users {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        other => other.concat(),
    }
}

/// What an entry says, verified or read back from the vault.
pub(crate) enum Claims<'a> {
    Statement(&'a StatementClaim),
    Membership(&'a MembershipClaim),
    Revocation(&'a RevocationClaim),
    Erasure(&'a ErasureClaim),
}

impl<'a> From<&'a Entry> for Claims<'a> {
    fn from(entry: &'a Entry) -> Self {
        match entry {
            Entry::Statement(entry) => Self::Statement(entry),
            Entry::Membership(entry) => Self::Membership(entry),
            Entry::Revocation(entry) => Self::Revocation(entry),
            Entry::Erasure(entry) => Self::Erasure(entry),
        }
    }
}

impl<'a> From<&'a UnverifiedEntry> for Claims<'a> {
    fn from(entry: &'a UnverifiedEntry) -> Self {
        match entry {
            UnverifiedEntry::Statement(entry) => Self::Statement(entry.claim()),
            UnverifiedEntry::Membership(entry) => Self::Membership(entry.claim()),
            UnverifiedEntry::Revocation(entry) => Self::Revocation(entry.claim()),
            UnverifiedEntry::Erasure(entry) => Self::Erasure(entry.claim()),
        }
    }
}

impl Claims<'_> {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Self::Statement(claim) => &claim.place,
            Self::Membership(claim) => &claim.place,
            Self::Revocation(claim) => &claim.place,
            Self::Erasure(claim) => &claim.place,
        }
    }

    pub(crate) fn certificate(&self) -> Hash {
        match self {
            Self::Statement(claim) => claim.certificate,
            Self::Membership(claim) => claim.certificate,
            Self::Revocation(claim) => claim.certificate,
            Self::Erasure(claim) => claim.certificate,
        }
    }
}

/// Makes the line of an entry; `certificate` finds those that are known.
pub(crate) fn item(
    index: u64,
    claims: &Claims<'_>,
    bytes: &[u8],
    content: Option<&[u8]>,
    unopened: Option<u8>,
    certificate: impl Fn(&Hash) -> Option<VerifiedCertificate>,
) -> TimelineItem {
    let signer = certificate(&claims.certificate());
    let name = |of: fn(&pki::Identity) -> Option<&pki::Name>| {
        signer.as_ref().and_then(|signer| of(signer.identity())).map(ToString::to_string)
    };
    let what = match claims {
        Claims::Statement(_) => said(content, unopened),
        Claims::Membership(claim) => changed(&claim.change),
        Claims::Revocation(claim) => What::Revoked {
            certificate: claim.revoked,
            device: certificate(&claim.revoked).and_then(|revoked| {
                let identity = revoked.identity();
                Some(format!("{}/{}", identity.user()?, identity.device()?))
            }),
            reason: claim.reason.word(),
        },
        Claims::Erasure(claim) => What::Erasure {
            erased: claim.erased.indices().collect(),
            reason: claim.reason.as_str().to_owned(),
        },
    };
    TimelineItem {
        index,
        from: name(pki::Identity::user).or_else(|| name(pki::Identity::server)).unwrap_or_default(),
        device: name(pki::Identity::device).unwrap_or_default(),
        time_ms: claims.place().time_ms,
        statement: pki::sha256(bytes),
        what,
        state: MessageState::Logged,
    }
}

fn said(content: Option<&[u8]>, unopened: Option<u8>) -> What {
    let Some(content) = content.and_then(|bytes| Content::from_bytes(bytes).ok()) else {
        return match unopened {
            Some(1) => What::Unopened(Unopened::Withheld),
            Some(2) => What::Unopened(Unopened::Mismatch),
            Some(_) => What::Unopened(Unopened::NotDecryptable),
            None => What::Earlier,
        };
    };
    let (mut composed_ms, mut script_ms) = (None, None);
    for field in content.fields() {
        match field {
            Field::Composed(at) => composed_ms = Some(*at),
            Field::Script(at) => script_ms = Some(*at),
            _ => {}
        }
    }
    What::Said {
        text: content.text().map(str::to_owned),
        composed_ms,
        script_ms,
        attachments: content.attachments().iter().map(Attachment::info).collect(),
        relations: Relations::new(content.fields(), None),
        edited: None,
        deleted: None,
    }
}

fn changed(change: &Change) -> What {
    let users = |devices: &[DeviceRef]| {
        let names: BTreeSet<String> = devices.iter().map(|device| device.user.to_string()).collect();
        names.into_iter().collect()
    };
    match change {
        Change::Create { name, devices, .. } => {
            What::Created { name: name.as_ref().map(|name| name.as_str().to_owned()), users: users(devices) }
        }
        Change::Add(devices) => What::Added { users: users(devices) },
        Change::Remove(devices) => What::Removed { users: users(devices) },
        Change::Leave(_) => What::Left,
        Change::Update | Change::Return => What::Keys,
        Change::Renew(devices) => What::Renewed { without: users(devices) },
    }
}
