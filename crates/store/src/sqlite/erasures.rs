//! Erasures: what entries said goes for good (docs/session.md, SE-50).

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnection;

use super::value::{int, uint};
use super::{SqliteStore, blobs, history};
use crate::{Hash, NewEntry, StoreError};

/// What an entry erases.
pub(super) struct Erasing {
    by: u64,
    erased: BTreeSet<u64>,
}

impl Erasing {
    /// What these entries erase, the first of which gets the index `first`; none if one erases what does not come before it.
    pub(super) fn of(entries: &[NewEntry], first: u64) -> Option<Vec<Self>> {
        let erasing = (0..).zip(entries).filter(|(_, entry)| !entry.erases.is_empty());
        let erasing = erasing.map(|(at, entry): (u64, _)| {
            let by = first.saturating_add(at);
            let erased: BTreeSet<u64> = entry.erases.iter().copied().collect();
            erased.last().is_some_and(|last| *last < by).then_some(Self { by, erased })
        });
        erasing.collect()
    }
}

/// Drops what entries said: ciphertexts and blobs; pieces of history are read without it from now on. The entries and those that
/// erase them are written.
pub(super) async fn erase(
    connection: &mut SqliteConnection,
    (room_no, room): (i64, &Hash),
    Erasing { by, erased }: Erasing,
) -> Result<(), StoreError> {
    let by = int("index", by)?;
    let erased: Vec<i64> = erased.into_iter().map(|index| int("index", index)).collect::<Result<_, _>>()?;
    for index in &erased {
        sqlx::query("INSERT OR IGNORE INTO erased (room_no, idx, by_idx) VALUES (?, ?, ?)")
            .bind(room_no)
            .bind(index)
            .bind(by)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "UPDATE bodies SET ciphertext = NULL WHERE id = (SELECT body FROM entries WHERE room_no = ? AND idx = ?)",
        )
        .bind(room_no)
        .bind(index)
        .execute(&mut *connection)
        .await?;
        blobs::drop_of_entry(connection, room_no, *index).await?;
    }
    let Some((first, last)) = erased.first().zip(erased.last()) else { return Ok(()) };
    history::mark_erased(connection, (room_no, room), by, (*first, *last)).await
}

/// The entries from `first` to before `end` whose content was erased.
pub(super) async fn erased_in(
    connection: &mut SqliteConnection,
    room: &Hash,
    first: u64,
    end: u64,
) -> Result<BTreeSet<u64>, StoreError> {
    let indices: Vec<i64> = sqlx::query_scalar(
        "SELECT idx FROM erased WHERE room_no = (SELECT no FROM rooms WHERE id = ?) AND idx >= ? AND idx < ?",
    )
    .bind(&room[..])
    .bind(int("index", first)?)
    .bind(int("index", end)?)
    .fetch_all(connection)
    .await?;
    indices.into_iter().map(uint).collect()
}

impl SqliteStore {
    /// Deletes a part of what was dropped, or, if nothing of it is left, empties the write-ahead log; whether that is done.
    pub(super) async fn sweep_step(&self) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let outcome = async {
            Ok(blobs::trim_dropped(&mut transaction).await?
                || history::rewrite_marked(&mut transaction).await?)
        };
        let outcome = outcome.await;
        if transaction.finish(outcome).await? {
            return Ok(false);
        }
        Ok(self.empty_log().await)
    }
}
