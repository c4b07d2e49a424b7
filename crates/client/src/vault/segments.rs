//! A room's log: entries that came together stand together in one sealed row.

use minicbor::{Decode, Encode};
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::{Place, RoomKey, Vault, VaultError, WriteTransaction, decode, int, uint};

const TABLE: &str = "segment";

/// Entries and bytes after which a segment is full.
const SEGMENT_ENTRIES: usize = 256;
const SEGMENT_BYTES: usize = 256 * 1024;

/// An entry whose signature, sender and place were verified.
#[derive(Debug, Clone, Decode)]
#[cbor(map)]
pub(crate) struct StoredEntry {
    /// The exact bytes of the entry.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) entry: Vec<u8>,
    /// Its content, verified against the statement.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) content: Option<Vec<u8>>,
    /// Why there is no content where there should be, by the reasons of EV-30.
    #[n(3)]
    pub(crate) unopened: Option<u8>,
}

impl StoredEntry {
    fn as_new(&self) -> NewStoredEntry<'_> {
        NewStoredEntry { entry: &self.entry, content: self.content.as_deref(), unopened: self.unopened }
    }
}

/// A [`StoredEntry`] to be stored.
#[derive(Debug, Clone, Copy, Encode)]
#[cbor(map)]
pub(crate) struct NewStoredEntry<'a> {
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) entry: &'a [u8],
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) content: Option<&'a [u8]>,
    #[n(3)]
    pub(crate) unopened: Option<u8>,
}

impl NewStoredEntry<'_> {
    fn len(&self) -> usize {
        self.entry.len() + self.content.map_or(0, <[u8]>::len)
    }
}

#[derive(Decode)]
#[cbor(map)]
struct Record {
    #[n(1)]
    entries: Vec<StoredEntry>,
}

#[derive(Encode)]
#[cbor(map)]
struct NewRecord<'a> {
    #[n(1)]
    entries: &'a [NewStoredEntry<'a>],
}

/// Entries in a row.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Index of the first.
    pub(crate) first: u64,
    pub(crate) entries: Vec<StoredEntry>,
}

impl Segment {
    /// Index after the last.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(u64::try_from(self.entries.len()).unwrap_or(u64::MAX))
    }
}

impl Vault {
    /// Writes the entries from index `first` on; the same transaction has moved the room over them.
    pub(crate) async fn append(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        first: u64,
        entries: &[NewStoredEntry<'_>],
    ) -> Result<(), VaultError> {
        let (mut at, mut rest) = (first, entries);
        while !rest.is_empty() {
            let (part, later) = rest.split_at(fitting(rest));
            at = self.insert_segment(transaction, key, at, part).await?;
            rest = later;
        }
        Ok(())
    }

    async fn insert_segment(
        &self,
        transaction: &mut WriteTransaction,
        key: RoomKey,
        first: u64,
        entries: &[NewStoredEntry<'_>],
    ) -> Result<u64, VaultError> {
        let count = u64::try_from(entries.len()).unwrap_or(u64::MAX);
        let sealed = self
            .keys
            .seal(Place::at(TABLE, [key.0, first, count]), &wire::cbor::to_vec(&NewRecord { entries }))?;
        sqlx::query("INSERT INTO segment (room, first, count, sealed) VALUES (?, ?, ?, ?)")
            .bind(int(key.0)?)
            .bind(int(first)?)
            .bind(int(count)?)
            .bind(sealed)
            .execute(&mut **transaction)
            .await?;
        Ok(first.saturating_add(count))
    }

    /// The segment that holds index `at`, or `None` past the end.
    pub(crate) async fn segment(&self, key: RoomKey, at: u64) -> Result<Option<Segment>, VaultError> {
        let mut connection = self.readers.acquire().await?;
        self.segment_on(&mut connection, key, at).await
    }

    /// [`Self::segment`] within a transaction.
    pub(super) async fn segment_on(
        &self,
        connection: &mut SqliteConnection,
        key: RoomKey,
        at: u64,
    ) -> Result<Option<Segment>, VaultError> {
        let row = sqlx::query(
            "SELECT first, count, sealed FROM segment WHERE room = ? AND first <= ? ORDER BY first DESC LIMIT 1",
        )
        .bind(int(key.0)?)
        .bind(int(at)?)
        .fetch_optional(connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (first, count) = (uint(row.try_get(0)?)?, uint(row.try_get(1)?)?);
        if at >= first.saturating_add(count) {
            return Ok(None);
        }
        let opened = self.keys.open(Place::at(TABLE, [key.0, first, count]), row.try_get(2)?)?;
        let Record { entries } = decode(TABLE, &opened)?;
        if u64::try_from(entries.len()).unwrap_or(u64::MAX) != count {
            return Err(VaultError::Damaged(TABLE));
        }
        Ok(Some(Segment { first, entries }))
    }

    /// Writes a segment in its own place, with the same entries.
    pub(super) async fn rewrite_segment(
        &self,
        connection: &mut SqliteConnection,
        key: RoomKey,
        segment: &Segment,
    ) -> Result<(), VaultError> {
        let count = segment.end().saturating_sub(segment.first);
        let entries: Vec<NewStoredEntry<'_>> = segment.entries.iter().map(StoredEntry::as_new).collect();
        let record = wire::cbor::to_vec(&NewRecord { entries: &entries });
        sqlx::query("UPDATE segment SET sealed = ? WHERE room = ? AND first = ?")
            .bind(self.keys.seal(Place::at(TABLE, [key.0, segment.first, count]), &record)?)
            .bind(int(key.0)?)
            .bind(int(segment.first)?)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Up to `limit` entries from index `from`, with what other devices of this user have opened of them.
    pub(crate) async fn entries(
        &self,
        key: RoomKey,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StoredEntry)>, VaultError> {
        let mut entries = self.opened_entries(key, from, limit).await?;
        self.fill_from_history(key, &mut entries).await?;
        Ok(entries)
    }

    /// Up to `limit` entries from index `from`, as this device opened them.
    pub(crate) async fn opened_entries(
        &self,
        key: RoomKey,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, StoredEntry)>, VaultError> {
        let mut out = Vec::new();
        let mut at = from;
        while out.len() < limit {
            let Some(segment) = self.segment(key, at).await? else { break };
            for (index, entry) in (segment.first..).zip(segment.entries) {
                if index >= at && out.len() < limit {
                    out.push((index, entry));
                    at = index + 1;
                }
            }
        }
        Ok(out)
    }
}

/// How many of the first entries make a segment.
fn fitting(entries: &[NewStoredEntry<'_>]) -> usize {
    let mut bytes = 0;
    let full = entries.iter().take(SEGMENT_ENTRIES).position(|entry| {
        bytes += entry.len();
        bytes >= SEGMENT_BYTES
    });
    full.map_or(entries.len().min(SEGMENT_ENTRIES), |last| last + 1)
}
