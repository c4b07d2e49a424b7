//! The transactions of a backend, grouped by noun. Each method is one transaction; a method that writes returns
//! `Ok` only after the write is synced to disk. Pages are cut to [`crate::limits`].

use std::path::Path;

use async_trait::async_trait;

use crate::records::{
    Account, BlobPiece, Certificate, Depth, Device, DeviceEnrolment, DeviceLink, DirectoryAppend,
    DirectoryEntry, DirectoryHead, Enrolment, Entry, Equivocation, FinalRefusal, History, Import,
    ImportEnrolment, Invite, KeyPackageCount, Member, NewDeviceLink, NewEquivocation, NewHistory, NewImport,
    NewInvite, NewPiece, NewReceipt, NewRoom, OpaqueRecord, PieceOutcome, Receipt, ReceiptOutcome, Recovery,
    Report, Role, Room, RoomAppend, RoomHead, RoomListing,
};
use crate::{AppendError, Hash, StoreError};

type Result<T> = std::result::Result<T, StoreError>;

/// Everything the server makes of a database. Used as `dyn Store`.
pub trait Store:
    Settings
    + Invites
    + Accounts
    + Imports
    + Devices
    + Directory
    + Rooms
    + Log
    + Receipts
    + KeyPackages
    + Blobs
    + Histories
    + Recoveries
    + Upkeep
    + 'static
{
}

impl<T> Store for T where
    T: Settings
        + Invites
        + Accounts
        + Imports
        + Devices
        + Directory
        + Rooms
        + Log
        + Receipts
        + KeyPackages
        + Blobs
        + Histories
        + Recoveries
        + Upkeep
        + 'static
{
}

/// Small named values. What is secret comes sealed by the caller.
#[async_trait]
pub trait Settings: Send + Sync {
    /// The value of `name`.
    async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Sets `name`, whatever it was.
    async fn put_setting(&self, name: &str, value: &[u8]) -> Result<()>;

    /// Sets `name` unless it is set, and returns what it is then: of two that race, both get the winner's.
    async fn put_setting_if_absent(&self, name: &str, value: &[u8]) -> Result<Vec<u8>>;
}

/// Invites.
#[async_trait]
pub trait Invites: Send + Sync {
    /// Makes an invite.
    ///
    /// # Errors
    /// [`StoreError::Exists`] of [`crate::Unique::Token`].
    async fn create_invite(&self, invite: NewInvite) -> Result<()>;

    /// Invites with an id above `after`, in order of making.
    async fn invites(&self, after: u64, limit: u32) -> Result<Vec<Invite>>;

    /// Revokes an invite; again is no error.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of [`crate::Thing::Invite`].
    async fn revoke_invite(&self, token_hash: &Hash) -> Result<()>;

    /// The invite, if it admits somebody at `now_ms`. Uses none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when it is expired, revoked or used up.
    async fn peek_invite(&self, token_hash: &Hash, now_ms: u64) -> Result<Invite>;

    /// Uses an invite, makes the account with its first device, and grows the directory.
    ///
    /// # Errors
    /// As [`Self::peek_invite`]; [`StoreError::Refused`] for another name or address than the invite's;
    /// [`StoreError::Exists`] of the user name, its skeleton or the address; those of [`Directory::append_directory`];
    /// [`StoreError::NotFound`] of [`crate::Thing::Certificate`] if the directory does not issue the device's.
    async fn enrol(&self, enrolment: Enrolment) -> Result<()>;
}

/// Accounts.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account of a canonical user name.
    async fn account(&self, user: &str) -> Result<Option<Account>>;

    /// The account whose name has this skeleton.
    async fn account_by_skeleton(&self, skeleton: &str) -> Result<Option<Account>>;

    /// The account of a canonical e-mail address.
    async fn account_by_email(&self, email: &str) -> Result<Option<Account>>;

    /// Accounts in order of name, those above `after` (`""` for all).
    async fn accounts(&self, after: &str, limit: u32) -> Result<Vec<Account>>;

    /// Enables or disables an account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of [`crate::Thing::Account`].
    async fn set_account_enabled(&self, user: &str, enabled: bool) -> Result<()>;

    /// Changes a role.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of [`crate::Thing::Account`].
    async fn set_account_role(&self, user: &str, role: Role) -> Result<()>;

    /// Replaces the password file, and with it the records of the user's recovery keys, each by its certificate.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of [`crate::Thing::Account`]; [`StoreError::Refused`] if the records are not of exactly those that there are.
    async fn set_opaque_record(
        &self,
        user: &str,
        record: OpaqueRecord,
        recoveries: Vec<(Hash, Vec<u8>)>,
    ) -> Result<()>;
}

/// Users of an earlier system, whose accounts wait until they join.
#[async_trait]
pub trait Imports: Send + Sync {
    /// Makes an account that waits, role member; of one that waits already, replaces address, salt and record.
    ///
    /// # Errors
    /// [`StoreError::Exists`] of the user name if its account does not wait, of its skeleton or the address.
    async fn put_import(&self, import: NewImport) -> Result<()>;

    /// What is kept of an account that waits.
    async fn import(&self, user: &str) -> Result<Option<Import>>;

    /// Whether any account waits.
    async fn any_import(&self) -> Result<bool>;

    /// Uses an invite for an account that waits: gives it its password file, the invite's role and its first device, deletes
    /// what was kept of the earlier system, and grows the directory.
    ///
    /// # Errors
    /// As [`Invites::enrol`]; [`StoreError::NotFound`] of [`crate::Thing::Account`] if it does not wait;
    /// [`StoreError::Refused`] if it is disabled.
    async fn enrol_import(&self, enrolment: ImportEnrolment) -> Result<()>;
}

/// Devices and the links by which further ones join.
#[async_trait]
pub trait Devices: Send + Sync {
    /// The device of a certificate.
    async fn device(&self, certificate: &Hash) -> Result<Option<Device>>;

    /// A user's devices, revoked ones too, in order of issuing.
    async fn devices_of(&self, user: &str) -> Result<Vec<Device>>;

    /// Makes a device link.
    ///
    /// # Errors
    /// [`StoreError::Exists`] of [`crate::Unique::Token`]; [`StoreError::NotFound`] of the account, or of the
    /// device if it is not the user's; [`StoreError::Refused`] when the account is disabled, the device revoked
    /// or too many links are open.
    async fn create_device_link(&self, link: NewDeviceLink) -> Result<()>;

    /// A device link, whatever its state and time.
    async fn device_link(&self, token_hash: &Hash) -> Result<Option<DeviceLink>>;

    /// A user's links that are not enrolled, revoked or expired at `now_ms`, in order of making.
    async fn open_device_links(&self, user: &str, now_ms: u64) -> Result<Vec<DeviceLink>>;

    /// Puts a new device's request on a link. The same again is no error.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when the link is expired, revoked, used up or taken by
    /// another request, or the account disabled.
    async fn put_device_request(&self, link: &Hash, name: &str, request: &[u8], now_ms: u64) -> Result<()>;

    /// Puts an earlier device's vouching statement on a link. A repeat keeps the first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the link, or of the device if it is not of the link's user;
    /// [`StoreError::Refused`] when the link is expired, revoked, used up or without request, the account
    /// disabled or the device revoked.
    async fn approve_device(
        &self,
        link: &Hash,
        approved_by: &Hash,
        vouching: &[u8],
        now_ms: u64,
    ) -> Result<()>;

    /// Withdraws a link that is not enrolled; again is no error.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] with [`crate::Refusal::UsedUp`].
    async fn revoke_device_link(&self, link: &Hash) -> Result<()>;

    /// Uses an approved link, makes the device, and grows the directory.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] when the link is expired, revoked, used up or not
    /// approved, or the account disabled; [`StoreError::Exists`] of the device name; those of
    /// [`Directory::append_directory`].
    async fn add_device(&self, enrolment: DeviceEnrolment) -> Result<()>;
}

/// The organisation's directory. A device is revoked by the leaf that says so.
#[async_trait]
pub trait Directory: Send + Sync {
    /// Size, frontier and newest checkpoint.
    async fn directory_head(&self) -> Result<DirectoryHead>;

    /// Leaves from index `from` on.
    async fn directory_entries(&self, from: u64, limit: u32) -> Result<Vec<DirectoryEntry>>;

    /// Leaf hashes of the indices from `from` up to and without `to`, at most
    /// [`crate::limits::MAX_LEAF_HASHES`]; fewer when the directory ends before.
    async fn directory_leaf_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>>;

    /// Grows the directory, with the certificates that its leaves issue and revoke.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]; [`StoreError::Exists`] of a certificate; [`StoreError::NotFound`] of a
    /// certificate to revoke, [`StoreError::Refused`] with [`crate::Refusal::Revoked`] if it is revoked already.
    async fn append_directory(&self, append: DirectoryAppend) -> Result<()>;

    /// A certificate by its hash.
    async fn certificate(&self, hash: &Hash) -> Result<Option<Certificate>>;

    /// Certificates revoked at directory index `from` or later, in that order.
    async fn revoked_certificates(&self, from: u64, limit: u32) -> Result<Vec<Certificate>>;
}

/// Rooms and members.
#[async_trait]
pub trait Rooms: Send + Sync {
    /// Makes a room with its first entries (`first.expected_size` is 0, `first.room` the room's id).
    ///
    /// # Errors
    /// [`StoreError::Exists`] of the room or the direct room; [`StoreError::Append`].
    async fn create_room(&self, room: NewRoom, first: RoomAppend) -> Result<()>;

    /// A room by its id.
    async fn room(&self, id: &Hash) -> Result<Option<Room>>;

    /// The direct room of a pair.
    async fn direct_room(&self, pair: &Hash) -> Result<Option<Room>>;

    /// Rooms in which a device of `user` is or was a member, those of a position above `after`, in that order.
    async fn rooms_of(&self, user: &str, after: u64, limit: u32) -> Result<Vec<RoomListing>>;

    /// Those of them that have the name, in order of making; more than one says that the name is ambiguous.
    async fn rooms_of_by_name(&self, user: &str, name: &str) -> Result<Vec<RoomListing>>;

    /// Ids of the rooms of which a device is a member now.
    async fn rooms_of_device(&self, certificate: &Hash) -> Result<Vec<Hash>>;

    /// Everybody who is or was a member, in order of joining; none if there is no such room.
    async fn members(&self, room: &Hash) -> Result<Vec<Member>>;

    /// Those of them that are one device's, in order of joining; none if there is no such room.
    async fn memberships(&self, room: &Hash, certificate: &Hash) -> Result<Vec<Member>>;
}

/// The logs of rooms.
#[async_trait]
pub trait Log: Send + Sync {
    /// Grows many rooms in one transaction and one sync; the answers stand in the order of the batch. A room
    /// that is refused stays as it was and the others go on. A room may come several times: each append expects
    /// the size that the one before leaves.
    ///
    /// # Errors
    /// Outside: nothing is known to have happened ([`StoreError::Unavailable`]), or the batch was above its
    /// limit. Inside: why one room was refused.
    async fn append(&self, batch: Vec<RoomAppend>) -> Result<Vec<std::result::Result<(), AppendError>>>;

    /// Size, epoch, frontier and newest checkpoint of a room.
    async fn room_head(&self, room: &Hash) -> Result<Option<RoomHead>>;

    /// Entries from index `from` on: at most `max_count`, and no more once their statements and ciphertexts
    /// would exceed `max_bytes`, but always one if there is one.
    async fn entries(&self, room: &Hash, from: u64, max_count: u32, max_bytes: u64) -> Result<Vec<Entry>>;

    /// The entry of a device's sequence number: tells whether an append of unknown outcome happened, and what
    /// stands in its place.
    async fn entry_by_seq(&self, room: &Hash, sender: &Hash, seq: u64) -> Result<Option<Entry>>;

    /// The last sequence number of a sender in a room, 0 if there is none.
    async fn last_seq(&self, room: &Hash, sender: &Hash) -> Result<u64>;

    /// The last sequence number of every sender in a room.
    async fn last_seqs(&self, room: &Hash) -> Result<Vec<(Hash, u64)>>;
}

/// What recipients signed, what the server refused, and what contradicts itself.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Keeps those receipts that cover more of a room than any before of their device and level, in one
    /// transaction; the answers stand in the order of the batch. Kept receipts stay: they show when each part
    /// was received.
    async fn put_receipts(&self, batch: Vec<NewReceipt>) -> Result<Vec<ReceiptOutcome>>;

    /// Receipts of a room with an id above `after`.
    async fn receipts(&self, room: &Hash, after: u64, limit: u32) -> Result<Vec<Receipt>>;

    /// The receipt that covers most, of each device and level of a room.
    async fn newest_receipts(&self, room: &Hash) -> Result<Vec<Receipt>>;

    /// Keeps a final refusal and returns the one that stands: the first of its room, device, number and
    /// statement.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the room or device.
    async fn put_final_refusal(&self, refusal: FinalRefusal) -> Result<FinalRefusal>;

    /// The final refusals of a device's sequence number in a room.
    async fn final_refusals(&self, room: &Hash, device: &Hash, seq: u64) -> Result<Vec<FinalRefusal>>;

    /// Hashes of the statements that were finally refused in a room: none of them may enter its log.
    async fn refused_statements(&self, room: &Hash) -> Result<Vec<Hash>>;

    /// Keeps a proof of equivocation; the first of its room, device and number stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the room or device.
    async fn put_equivocation(&self, equivocation: NewEquivocation) -> Result<()>;

    /// Proofs of equivocation in a room with an id above `after`.
    async fn equivocations(&self, room: &Hash, after: u64, limit: u32) -> Result<Vec<Equivocation>>;
}

/// Key packages, by which others add a device to a group.
#[async_trait]
pub trait KeyPackages: Send + Sync {
    /// Adds key packages of a device, the last one the newest, and replaces the one of last resort if one is given; what is there
    /// already stays as old as it is. Of more than [`crate::limits::MAX_KEY_PACKAGES`] the oldest go.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if so many are given at once, or one is larger than [`crate::limits::MAX_KEY_PACKAGE`];
    /// [`StoreError::NotFound`] of the device; [`StoreError::Refused`] if it is revoked.
    async fn put_key_packages(
        &self,
        device: &Hash,
        packages: Vec<Vec<u8>>,
        last_resort: Option<Vec<u8>>,
    ) -> Result<KeyPackageCount>;

    /// How many a device has.
    async fn key_package_count(&self, device: &Hash) -> Result<KeyPackageCount>;

    /// One of each device, in that order: the newest, which is deleted, or the one of last resort, which stays. A revoked device has
    /// none.
    async fn take_key_packages(&self, certificates: &[Hash]) -> Result<Vec<Option<Vec<u8>>>>;
}

/// What statements name by its hash: pending, a device's, until an entry names it; then its room's.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps the next piece of a pending blob; any other changes nothing. Of one that is older than [`crate::limits::PENDING_BLOB_MS`] any
    /// piece makes a new one of as many bytes. Deletes some of those that are older by [`crate::limits::BLOB_GRACE_MS`] than that.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if it is the first piece of one more than [`crate::limits::MAX_PENDING_BLOBS`] allow;
    /// [`StoreError::NotFound`] of the device; [`StoreError::Refused`] if it is revoked.
    async fn put_piece(&self, piece: NewPiece) -> Result<PieceOutcome>;

    /// A pending blob of a device, if it is whole, of any age, and has at most `most` bytes.
    async fn pending_blob(&self, device: &Hash, hash: &Hash, most: usize) -> Result<Option<Vec<u8>>>;

    /// Whether all of these are pending blobs of a device, whole, and at `now_ms` not older than [`crate::limits::PENDING_BLOB_MS`]: then an
    /// entry can take them for [`crate::limits::BLOB_GRACE_MS`] from now on, unless another one does.
    async fn has_pending_blobs(&self, device: &Hash, hashes: &[Hash], now_ms: u64) -> Result<bool>;

    /// Deletes a device's pending blobs with these hashes, whole or not. What is a room's stays.
    async fn discard_pending_blobs(&self, device: &Hash, hashes: &[Hash]) -> Result<()>;

    /// The piece of a room's blob that begins at `offset`.
    async fn room_blob_piece(&self, room: &Hash, hash: &Hash, offset: u64) -> Result<Option<BlobPiece>>;
}

/// Records of recovery keys. That of a certificate that is revoked goes with it.
#[async_trait]
pub trait Recoveries: Send + Sync {
    /// Keeps the record of a recovery key, in the place of an earlier one of the same.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if the user has [`crate::limits::MAX_RECOVERIES`] others; [`StoreError::Exists`] of the token;
    /// [`StoreError::NotFound`] of the device; [`StoreError::Refused`] if it is revoked.
    async fn put_recovery(&self, certificate: &Hash, token_hash: &Hash, sealed: &[u8]) -> Result<()>;

    /// The record that a token opens.
    async fn recovery(&self, token_hash: &Hash) -> Result<Option<Recovery>>;

    /// The records of a user, each with its certificate.
    async fn recoveries(&self, user: &str) -> Result<Vec<(Hash, Vec<u8>)>>;
}

/// What a user's devices keep for each other.
#[async_trait]
pub trait Histories: Send + Sync {
    /// To which devices a device gave how many history keys of its own.
    async fn history_keys_given(&self, giver: &Hash) -> Result<Vec<(Hash, u32)>>;

    /// Keeps a box with history keys for a device, in the place of an earlier one of that giver.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] of the device; [`StoreError::Refused`] if it is revoked.
    async fn put_history_box(&self, device: &Hash, giver: &Hash, keys: u32, sealed: &[u8]) -> Result<()>;

    /// The boxes for a device that it has not taken, each with its giver and how many keys of that one's are in it.
    async fn history_boxes(&self, device: &Hash) -> Result<Vec<(Hash, u32, Vec<u8>)>>;

    /// Deletes a box with so many keys that was taken, and that it was given if it could not be opened; another box stays.
    async fn take_history_box(&self, device: &Hash, giver: &Hash, keys: u32, opened: bool) -> Result<()>;

    /// Keeps a piece of history that does not begin before the end of what the device has of this room; any other, and none, changes nothing.
    /// Returns that end, 0 if it has nothing.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if the device has more than [`crate::limits::MAX_HISTORY`] with it;
    /// [`StoreError::NotFound`] of the device; [`StoreError::Refused`] if it is revoked.
    async fn put_history(&self, piece: NewHistory) -> Result<u64>;

    /// The last position that any piece was given.
    async fn last_history(&self) -> Result<u64>;

    /// Pieces of a room of a user's devices other than `device`, behind position `after`, in order, up to `bytes` and one at least.
    async fn history(
        &self,
        user: &str,
        device: &Hash,
        room: &Hash,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<History>>;
}

/// Looking after the database.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Checks that what is stored agrees with itself. Changes nothing.
    async fn check(&self, depth: Depth) -> Result<Report>;

    /// Writes a copy of the whole database, as of one moment and while writes go on, to a new file (mode 0600), synced.
    async fn backup(&self, to: &Path) -> Result<()>;

    /// Deletes a part of what was dropped and is too much for one transaction, or, if nothing of it is left, moves what a log beside the
    /// database still has of it out of there. Whether all of that is done; else call it again a little later.
    async fn sweep(&self) -> Result<bool>;

    /// Whether a write that returned is on disk, as the database itself said when it was opened.
    fn syncs_commits(&self) -> bool;

    /// Finishes what runs and closes; later calls fail with [`StoreError::Unavailable`].
    async fn close(&self);
}
