//! What a client asks (SE-15).

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{Decode, Encode};

use super::record::SealedRecovery;

/// One request; its reply carries the same `id` (SE-2).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// Number chosen by the client, not in use by another request under way.
    #[n(0)]
    pub id: u32,
    /// What is asked.
    #[n(1)]
    pub command: Command,
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Role {
    /// Talks.
    #[n(0)]
    Member,
    /// Also invites, disables and revokes.
    #[n(1)]
    Admin,
}

/// A command, its fields in the order of SE-15.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[expect(missing_docs, reason = "fields are the specification's, in its words (docs/session.md, SE-15)")]
pub enum Command {
    /// Asks for the server's time; also the keep-alive.
    #[n(0)]
    Time,
    /// OPAQUE's first message (SE-7).
    #[n(1)]
    LoginStart {
        #[cbor(n(0), with = "minicbor::bytes")]
        ke1: Vec<u8>,
    },
    /// OPAQUE's third message (SE-7).
    #[n(2)]
    LoginFinish {
        #[cbor(n(0), with = "minicbor::bytes")]
        ke3: Vec<u8>,
    },
    /// Shows an invite and starts the password's registration (SE-12).
    #[n(3)]
    JoinStart {
        #[cbor(n(0), with = "minicbor::bytes")]
        token: Vec<u8>,
        #[n(1)]
        user: String,
        #[n(2)]
        email: Option<String>,
        #[n(3)]
        device: String,
        #[cbor(n(4), with = "minicbor::bytes")]
        registration_request: Vec<u8>,
    },
    /// Ends the registration and asks for a certificate (SE-12).
    #[n(4)]
    JoinFinish {
        #[cbor(n(0), with = "minicbor::bytes")]
        registration_upload: Vec<u8>,
        #[cbor(n(1), with = "minicbor::bytes")]
        request: Vec<u8>,
        #[cbor(n(2), with = "minicbor::bytes")]
        proof: Vec<u8>,
    },
    /// A new device shows its link and logs in without a certificate (SE-13).
    #[n(5)]
    DeviceStart {
        #[cbor(n(0), with = "minicbor::bytes")]
        token: Vec<u8>,
        #[n(1)]
        user: String,
        #[n(2)]
        device: String,
        #[cbor(n(3), with = "minicbor::bytes")]
        ke1: Vec<u8>,
    },
    /// A new device asks for a certificate (SE-13).
    #[n(6)]
    DeviceRequest {
        #[cbor(n(0), with = "minicbor::bytes")]
        ke3: Vec<u8>,
        #[cbor(n(1), with = "minicbor::bytes")]
        request: Vec<u8>,
        #[cbor(n(2), with = "minicbor::bytes")]
        proof: Vec<u8>,
    },
    /// A new device asks whether it was approved (SE-13).
    #[n(7)]
    DevicePoll,
    /// Makes a link for a new device of the same user (SE-13).
    #[n(8)]
    DeviceLinkCreate,
    /// Lists requests of new devices of the same user.
    #[n(9)]
    DeviceRequests,
    /// Vouches for a new device (SE-14).
    #[n(10)]
    DeviceApprove {
        #[n(0)]
        id: ByteArray<32>,
        #[cbor(n(1), with = "minicbor::bytes")]
        statement: Vec<u8>,
    },
    /// Turns a new device away (SE-14).
    #[n(11)]
    DeviceDeny {
        #[n(0)]
        id: ByteArray<32>,
    },
    /// Lists the devices of a user behind a position, a page at a time; one's own without a name.
    #[n(12)]
    DeviceList {
        #[n(0)]
        user: Option<String>,
        #[n(1)]
        after: u64,
    },
    /// Revokes a device by the hash of its certificate.
    #[n(13)]
    DeviceRevoke {
        #[n(0)]
        certificate: ByteArray<32>,
        #[n(1)]
        reason: String,
    },
    /// Starts a password change (SE-17).
    #[n(14)]
    PasswordStart {
        #[cbor(n(0), with = "minicbor::bytes")]
        registration_request: Vec<u8>,
    },
    /// Ends a password change (SE-17).
    #[n(15)]
    PasswordFinish {
        #[cbor(n(0), with = "minicbor::bytes")]
        registration_upload: Vec<u8>,
        #[n(1)]
        recoveries: Vec<SealedRecovery>,
    },
    /// Makes an invite.
    #[n(16)]
    InviteCreate {
        #[n(0)]
        user: Option<String>,
        #[n(1)]
        role: Role,
        #[n(2)]
        uses: u32,
        #[n(3)]
        expires: u64,
    },
    /// Lists invites behind a position, a page at a time.
    #[n(17)]
    InviteList {
        #[n(0)]
        after: u64,
    },
    /// Revokes an invite by its id (SHA-256 of its token).
    #[n(18)]
    InviteRevoke {
        #[n(0)]
        id: ByteArray<32>,
    },
    /// Lists users behind a name, a page at a time.
    #[n(19)]
    UserList {
        #[n(0)]
        after: String,
    },
    /// Enables or disables an account.
    #[n(20)]
    UserEnable {
        #[n(0)]
        user: String,
        #[n(1)]
        enabled: bool,
    },
    /// Lists the rooms of this user behind a position, a page at a time.
    #[n(21)]
    Rooms {
        #[n(0)]
        after: u64,
    },
    /// Appends index 0 of a new room (SE-21).
    #[n(22)]
    RoomCreate {
        #[n(0)]
        room: ByteArray<32>,
        #[cbor(n(1), with = "minicbor::bytes")]
        statement: Vec<u8>,
    },
    /// Appends a statement to a room's log (SE-20).
    #[n(23)]
    Append {
        #[n(0)]
        room: ByteArray<32>,
        #[cbor(n(1), with = "minicbor::bytes")]
        statement: Vec<u8>,
        #[cbor(n(2), with = "minicbor::bytes")]
        content: Option<Vec<u8>>,
        /// Hashes of the blobs that are its sealed files (SE-36).
        #[cbor(n(3), default)]
        files: Vec<ByteArray<32>>,
    },
    /// Reads a room's log (SE-18).
    #[n(24)]
    Fetch {
        #[n(0)]
        room: ByteArray<32>,
        #[n(1)]
        from: u64,
        #[n(2)]
        limit: u64,
    },
    /// Asks for events from now on.
    #[n(26)]
    Watch,
    /// Hands in a receipt and the cosignature beside it.
    #[n(27)]
    ReceiptPut {
        #[n(0)]
        room: ByteArray<32>,
        #[cbor(n(1), with = "minicbor::bytes")]
        receipt: Vec<u8>,
        #[cbor(n(2), with = "minicbor::bytes")]
        cosignature: Vec<u8>,
    },
    /// Reads a room's receipts with ids from `from`.
    #[n(28)]
    Receipts {
        #[n(0)]
        room: ByteArray<32>,
        #[n(1)]
        from: u64,
    },
    /// Asks for certificates by hash.
    #[n(29)]
    Certificates {
        #[n(0)]
        hashes: Vec<ByteArray<32>>,
    },
    /// Asks for proofs that certificates stand in the directory.
    #[n(30)]
    DirectoryProof {
        #[n(0)]
        certificates: Vec<ByteArray<32>>,
    },
    /// Shows an invite, to join as a user of an earlier system (SE-29).
    #[n(32)]
    ImportStart {
        #[cbor(n(0), with = "minicbor::bytes")]
        token: Vec<u8>,
        #[n(1)]
        user: String,
        #[n(2)]
        device: String,
    },
    /// OPAQUE's first message of a user of an earlier system (SE-29).
    #[n(33)]
    ImportLogin {
        #[cbor(n(0), with = "minicbor::bytes")]
        ke1: Vec<u8>,
    },
    /// OPAQUE's third message, and the start of the password's registration (SE-29).
    #[n(34)]
    ImportRegister {
        #[cbor(n(0), with = "minicbor::bytes")]
        ke3: Vec<u8>,
        #[cbor(n(1), with = "minicbor::bytes")]
        registration_request: Vec<u8>,
    },
    /// Ends the registration and asks for a certificate (SE-29).
    #[n(35)]
    ImportFinish {
        #[cbor(n(0), with = "minicbor::bytes")]
        registration_upload: Vec<u8>,
        #[cbor(n(1), with = "minicbor::bytes")]
        request: Vec<u8>,
        #[cbor(n(2), with = "minicbor::bytes")]
        proof: Vec<u8>,
    },
    /// Hands in key packages of this device (SE-33).
    #[n(36)]
    KeyPackagePut {
        #[n(0)]
        packages: Vec<ByteVec>,
        #[cbor(n(1), with = "minicbor::bytes")]
        last_resort: Option<Vec<u8>>,
    },
    /// How many key packages of this device are left (SE-33).
    #[n(37)]
    KeyPackageCount,
    /// Takes a key package of each device (SE-34).
    #[n(38)]
    KeyPackageTake {
        #[n(0)]
        certificates: Vec<ByteArray<32>>,
    },
    /// Hands in a piece of a blob (SE-35).
    #[n(39)]
    BlobPut {
        #[n(0)]
        hash: ByteArray<32>,
        #[n(1)]
        size: u64,
        #[n(2)]
        offset: u64,
        #[cbor(n(3), with = "minicbor::bytes")]
        bytes: Vec<u8>,
    },
    /// Reads a piece of a blob that an entry of the room names (SE-36).
    #[n(40)]
    BlobGet {
        #[n(0)]
        room: ByteArray<32>,
        #[n(1)]
        hash: ByteArray<32>,
        #[n(2)]
        offset: u64,
    },
    /// To which devices of the user this one gave how many history keys (SE-38).
    #[n(41)]
    HistoryKeys,
    /// Gives a device of the user history keys (SE-38).
    #[n(42)]
    HistoryKeyPut {
        #[n(0)]
        certificate: ByteArray<32>,
        #[n(1)]
        keys: u32,
        #[cbor(n(2), with = "minicbor::bytes")]
        sealed: Vec<u8>,
    },
    /// The history keys that were given to this device and not taken (SE-38).
    #[n(43)]
    HistoryKeyGet,
    /// Hands in a piece of history (SE-39).
    #[n(44)]
    HistoryPut {
        #[n(0)]
        room: ByteArray<32>,
        #[n(1)]
        first: u64,
        #[n(2)]
        end: u64,
        #[cbor(n(3), with = "minicbor::bytes")]
        piece: Vec<u8>,
    },
    /// Reads pieces of history of the user's other devices (SE-39).
    #[n(45)]
    HistoryGet {
        #[n(0)]
        room: ByteArray<32>,
        #[n(1)]
        after: u64,
    },
    /// Says whether a box with history keys could be opened (SE-38).
    #[n(46)]
    HistoryKeyTaken {
        #[n(0)]
        giver: ByteArray<32>,
        #[n(1)]
        keys: u32,
        #[n(2)]
        opened: bool,
    },
    /// Reads the directory's leaves (SE-25).
    #[n(47)]
    Directory {
        #[n(0)]
        from: u64,
        #[n(1)]
        limit: u64,
    },
    /// Hands in the record of the recovery key that this session is of (SE-41).
    #[n(48)]
    RecoveryPut {
        #[n(0)]
        token: ByteArray<32>,
        #[cbor(n(1), with = "minicbor::bytes")]
        sealed: Vec<u8>,
    },
    /// Whoever has a recovery code logs in without a certificate (SE-42).
    #[n(49)]
    RecoveryStart {
        #[cbor(n(0), with = "minicbor::bytes")]
        token: Vec<u8>,
        #[n(1)]
        user: String,
        #[cbor(n(2), with = "minicbor::bytes")]
        ke1: Vec<u8>,
    },
    /// Asks for the record of the recovery key (SE-42).
    #[n(50)]
    RecoveryOpen {
        #[cbor(n(0), with = "minicbor::bytes")]
        ke3: Vec<u8>,
    },
}
