//! What a server answers, and what it says unasked (section 6 of docs/session.md).

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::{
    DeviceInfo, Entry, HistoryBox, HistoryKeysGiven, HistoryPiece, InviteInfo, KnownCertificate,
    PendingDevice, ProvenLeaf, ReceiptItem, Role, RoomInfo, SealedRecovery, UserInfo,
};

/// What a server sends (SE-2).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ServerMessage {
    /// Answers the request of that id.
    #[n(0)]
    Reply {
        /// The request's id.
        #[n(0)]
        id: u32,
        /// The answer.
        #[n(1)]
        reply: Reply,
    },
    /// Comes unasked.
    #[n(1)]
    Event {
        /// What happened.
        #[n(0)]
        event: Event,
    },
}

/// Why a request failed (SE-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FailureCode {
    /// The request cannot be read, or a field is out of its range.
    #[n(1)]
    Malformed,
    /// This peer may not do this now.
    #[n(2)]
    NotAllowed,
    /// Wrong password, unknown user, disabled account or bad token: one answer for all.
    #[n(3)]
    Credentials,
    /// The name is taken.
    #[n(4)]
    Exists,
    /// Not there, or not visible to this user.
    #[n(5)]
    NotFound,
    /// Too many tries.
    #[n(6)]
    RateLimited,
    /// The room changed under the request.
    #[n(7)]
    Conflict,
    /// A named limit is passed.
    #[n(8)]
    TooLarge,
    /// The server cannot do it now; after a failure of its store it may have been done.
    #[n(9)]
    Unavailable,
}

impl FailureCode {
    /// The stable name of SE-4.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::NotAllowed => "not-allowed",
            Self::Credentials => "credentials",
            Self::Exists => "exists",
            Self::NotFound => "not-found",
            Self::RateLimited => "rate-limited",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::Unavailable => "unavailable",
        }
    }
}

/// An answer, its fields in the order of section 6.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[expect(missing_docs, reason = "fields are the specification's, in its words (docs/session.md, section 6)")]
pub enum Reply {
    /// The request failed. It changed nothing, unless the code is [`FailureCode::Unavailable`].
    #[n(0)]
    Failed {
        #[n(0)]
        code: FailureCode,
        #[n(1)]
        message: String,
        #[n(2)]
        retry_ms: Option<u64>,
    },
    /// Done; there is nothing to tell.
    #[n(1)]
    Done,
    /// The server's clock.
    #[n(2)]
    Time {
        #[n(0)]
        time: u64,
    },
    /// OPAQUE's second message.
    #[n(3)]
    LoginChallenge {
        #[cbor(n(0), with = "minicbor::bytes")]
        ke2: Vec<u8>,
    },
    /// Login succeeded; epoch 1 comes next (SE-8).
    #[n(4)]
    Welcome {
        #[n(0)]
        time: u64,
        #[n(1)]
        user: String,
        #[n(2)]
        device: String,
        #[n(3)]
        role: Role,
        #[n(4)]
        log: Vec<ByteVec>,
        #[n(5)]
        cosigner: Vec<ByteVec>,
    },
    /// The invite is good and the names are free.
    #[n(5)]
    JoinChallenge {
        #[cbor(n(0), with = "minicbor::bytes")]
        registration_response: Vec<u8>,
        #[n(1)]
        organisation: String,
    },
    /// The certificate, its chain without the root, and the root.
    #[n(6)]
    Joined {
        #[n(0)]
        chain: Vec<ByteVec>,
        #[cbor(n(1), with = "minicbor::bytes")]
        root: Vec<u8>,
        #[n(2)]
        role: Role,
        #[n(3)]
        user: String,
    },
    /// Waits for an earlier device's word.
    #[n(7)]
    DevicePending {
        #[n(0)]
        id: ByteArray<32>,
    },
    /// The token for a new device's link.
    #[n(8)]
    DeviceLink {
        #[cbor(n(0), with = "minicbor::bytes")]
        token: Vec<u8>,
        #[n(1)]
        expires: u64,
    },
    /// New devices that wait.
    #[n(9)]
    DeviceRequests {
        #[n(0)]
        requests: Vec<PendingDevice>,
    },
    /// The new device's certificate and chain.
    #[n(10)]
    DeviceApproved {
        #[n(0)]
        chain: Vec<ByteVec>,
    },
    /// Devices of a user.
    #[n(11)]
    Devices {
        #[n(0)]
        devices: Vec<DeviceInfo>,
    },
    /// OPAQUE's answer to a registration request.
    #[n(12)]
    PasswordChallenge {
        #[cbor(n(0), with = "minicbor::bytes")]
        registration_response: Vec<u8>,
        #[n(1)]
        recoveries: Vec<SealedRecovery>,
    },
    /// A new invite's token and id.
    #[n(13)]
    Invite {
        #[cbor(n(0), with = "minicbor::bytes")]
        token: Vec<u8>,
        #[n(1)]
        id: ByteArray<32>,
    },
    /// Invites that can still be used.
    #[n(14)]
    Invites {
        #[n(0)]
        invites: Vec<InviteInfo>,
    },
    /// The organisation's users.
    #[n(15)]
    Users {
        #[n(0)]
        users: Vec<UserInfo>,
    },
    /// The user's rooms.
    #[n(16)]
    Rooms {
        #[n(0)]
        rooms: Vec<RoomInfo>,
    },
    /// On disk, synced, at this index (SE-20).
    #[n(17)]
    Appended {
        #[n(0)]
        index: u64,
        #[cbor(n(1), with = "minicbor::bytes")]
        checkpoint: Vec<u8>,
        #[n(2)]
        proof: Vec<ByteArray<32>>,
    },
    /// A signed, final refusal (SE-20).
    #[n(18)]
    Refused {
        #[cbor(n(0), with = "minicbor::bytes")]
        refusal: Vec<u8>,
    },
    /// A part of a room's log, with its newest checkpoint.
    #[n(19)]
    Entries {
        #[n(0)]
        room: ByteArray<32>,
        #[n(1)]
        first: u64,
        #[n(2)]
        entries: Vec<Entry>,
        #[cbor(n(3), with = "minicbor::bytes")]
        checkpoint: Vec<u8>,
    },
    /// Receipts of a room.
    #[n(21)]
    Receipts {
        #[n(0)]
        receipts: Vec<ReceiptItem>,
    },
    /// Certificates that the server knows; unknown hashes are left out.
    #[n(22)]
    Certificates {
        #[n(0)]
        certificates: Vec<KnownCertificate>,
    },
    /// Directory leaves with their proofs under one checkpoint.
    #[n(23)]
    DirectoryProof {
        #[cbor(n(0), with = "minicbor::bytes")]
        checkpoint: Vec<u8>,
        #[n(1)]
        leaves: Vec<ProvenLeaf>,
    },
    /// A salt of an earlier system, real or not (SE-30).
    #[n(25)]
    ImportChallenge {
        #[cbor(n(0), with = "minicbor::bytes")]
        salt: Vec<u8>,
        #[n(1)]
        organisation: String,
    },
    /// Who has logged in by what it had in an earlier system, and OPAQUE's answer to a registration request (SE-29).
    #[n(26)]
    ImportAccepted {
        #[n(0)]
        user: String,
        #[cbor(n(1), with = "minicbor::bytes")]
        registration_response: Vec<u8>,
    },
    /// Key packages of this device that are left (SE-33).
    #[n(27)]
    KeyPackageCount {
        #[n(0)]
        count: u64,
        #[n(1)]
        last_resort: bool,
    },
    /// A key package of each device asked for, in that order (SE-34).
    #[n(28)]
    KeyPackages {
        #[n(0)]
        packages: Vec<Option<ByteVec>>,
    },
    /// How many of a blob's bytes the server has, from its start (SE-35).
    #[n(29)]
    BlobHeld {
        #[n(0)]
        held: u64,
    },
    /// A piece of a blob (SE-36).
    #[n(30)]
    Blob {
        #[n(0)]
        size: u64,
        #[cbor(n(1), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
    /// To which devices this one gave how many history keys of its own (SE-38).
    #[n(31)]
    HistoryKeys {
        #[n(0)]
        given: Vec<HistoryKeysGiven>,
    },
    /// Boxes with history keys (SE-38).
    #[n(32)]
    HistoryBoxes {
        #[n(0)]
        boxes: Vec<HistoryBox>,
    },
    /// Up to which log index this device has handed in history (SE-39).
    #[n(33)]
    HistoryHeld {
        #[n(0)]
        end: u64,
    },
    /// Pieces of history (SE-39).
    #[n(34)]
    History {
        #[n(0)]
        last: u64,
        #[n(1)]
        pieces: Vec<HistoryPiece>,
    },
    /// A part of the directory, with its newest checkpoint (SE-25).
    #[n(35)]
    Directory {
        #[cbor(n(0), with = "minicbor::bytes")]
        checkpoint: Vec<u8>,
        #[n(1)]
        leaves: Vec<ByteVec>,
    },
    /// The record of a recovery key (SE-42).
    #[n(36)]
    Recovery {
        #[cbor(n(0), with = "minicbor::bytes")]
        sealed: Vec<u8>,
    },
}

/// What a server says unasked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[expect(missing_docs, reason = "fields are the specification's, in its words (docs/session.md, section 6)")]
pub enum Event {
    /// A room grew.
    #[n(0)]
    Entries {
        #[n(0)]
        room: ByteArray<32>,
        #[n(1)]
        first: u64,
        #[n(2)]
        entries: Vec<Entry>,
        #[cbor(n(3), with = "minicbor::bytes")]
        checkpoint: Vec<u8>,
    },
    /// The user became a member of a room.
    #[n(1)]
    RoomAdded {
        #[n(0)]
        room: ByteArray<32>,
    },
    /// A member's device gave a receipt.
    #[n(2)]
    Receipt {
        #[n(0)]
        room: ByteArray<32>,
        #[cbor(n(1), with = "minicbor::bytes")]
        receipt: Vec<u8>,
        #[cbor(n(2), with = "minicbor::bytes")]
        cosignature: Vec<u8>,
    },
    /// A new device of this user waits for a word (SE-13).
    #[n(3)]
    DeviceRequested {
        #[n(0)]
        id: ByteArray<32>,
        #[n(1)]
        device: String,
        #[cbor(n(2), with = "minicbor::bytes")]
        request: Vec<u8>,
    },
    /// The server is about to end this session.
    #[n(4)]
    Closing {
        #[n(0)]
        reason: String,
    },
}
