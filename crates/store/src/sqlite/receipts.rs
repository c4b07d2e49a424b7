//! Receipts, final refusals and proofs of equivocation.

use async_trait::async_trait;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use super::value::{bound, hash, int, uint};
use crate::limits::{
    MAX_COSIGNATURE, MAX_FINAL_REFUSAL, MAX_PAGE, MAX_RECEIPT, MAX_RECEIPT_BATCH, MAX_STATEMENT, check,
};
use crate::{
    Equivocation, FinalRefusal, Hash, NewEquivocation, NewReceipt, Receipt, ReceiptOutcome, Receipts,
    StoreError, Thing,
};

type ReceiptRow = (i64, Vec<u8>, i64, u8, Vec<u8>, Vec<u8>, i64);

#[async_trait]
impl Receipts for SqliteStore {
    async fn put_receipts(&self, batch: Vec<NewReceipt>) -> Result<Vec<ReceiptOutcome>, StoreError> {
        check("batch of receipts", batch.len(), MAX_RECEIPT_BATCH)?;
        for receipt in &batch {
            check("receipt", receipt.receipt.len(), MAX_RECEIPT)?;
            check("cosignature", receipt.cosignature.len(), MAX_COSIGNATURE)?;
        }
        let mut transaction = self.begin().await?;
        let outcome = put_all(&mut transaction, batch).await;
        transaction.finish(outcome).await
    }

    async fn receipts(&self, room: &Hash, after: u64, limit: u32) -> Result<Vec<Receipt>, StoreError> {
        let rows: Vec<ReceiptRow> = sqlx::query_as(
            "SELECT id, device, size, level, receipt, cosignature, received_ms FROM receipts \
             WHERE room_no = (SELECT no FROM rooms WHERE id = ?) AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(&room[..])
        .bind(bound(after))
        .bind(limit.min(MAX_PAGE))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|row| receipt(room, row)).collect()
    }

    async fn newest_receipts(&self, room: &Hash) -> Result<Vec<Receipt>, StoreError> {
        let rows: Vec<ReceiptRow> = sqlx::query_as(
            "SELECT id, device, size, level, receipt, cosignature, received_ms FROM receipts \
             WHERE id IN (SELECT max(id) FROM receipts WHERE room_no = (SELECT no FROM rooms WHERE id = ?) \
             GROUP BY device, level) ORDER BY id",
        )
        .bind(&room[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(|row| receipt(room, row)).collect()
    }

    async fn put_final_refusal(&self, refusal: FinalRefusal) -> Result<FinalRefusal, StoreError> {
        check("final refusal", refusal.refusal.len(), MAX_FINAL_REFUSAL)?;
        let mut transaction = self.begin().await?;
        let outcome = put_final_refusal(&mut transaction, refusal).await;
        transaction.finish(outcome).await
    }

    async fn final_refusals(
        &self,
        room: &Hash,
        device: &Hash,
        seq: u64,
    ) -> Result<Vec<FinalRefusal>, StoreError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
            "SELECT statement_hash, refusal FROM final_refusals \
             WHERE room_no = (SELECT no FROM rooms WHERE id = ?) AND device = ? AND seq = ? ORDER BY rowid",
        )
        .bind(&room[..])
        .bind(&device[..])
        .bind(bound(seq))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(statement, refusal)| {
                Ok(FinalRefusal {
                    room: *room,
                    device: *device,
                    seq,
                    statement_hash: hash(statement)?,
                    refusal,
                })
            })
            .collect()
    }

    async fn refused_statements(&self, room: &Hash) -> Result<Vec<Hash>, StoreError> {
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT DISTINCT statement_hash FROM final_refusals \
             WHERE room_no = (SELECT no FROM rooms WHERE id = ?) ORDER BY statement_hash",
        )
        .bind(&room[..])
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(hash).collect()
    }

    async fn put_equivocation(&self, equivocation: NewEquivocation) -> Result<(), StoreError> {
        check("statement", equivocation.first.len(), MAX_STATEMENT)?;
        check("statement", equivocation.second.len(), MAX_STATEMENT)?;
        let mut transaction = self.begin().await?;
        let outcome = put_equivocation(&mut transaction, equivocation).await;
        transaction.finish(outcome).await
    }

    async fn equivocations(
        &self,
        room: &Hash,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Equivocation>, StoreError> {
        let rows: Vec<(i64, Vec<u8>, i64, Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(
            "SELECT id, device, seq, first, second, found_ms FROM equivocations \
             WHERE room_no = (SELECT no FROM rooms WHERE id = ?) AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(&room[..])
        .bind(bound(after))
        .bind(limit.min(MAX_PAGE))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter()
            .map(|(id, device, seq, first, second, found_ms)| {
                let made = NewEquivocation {
                    room: *room,
                    device: hash(device)?,
                    seq: uint(seq)?,
                    first,
                    second,
                    found_ms: uint(found_ms)?,
                };
                Ok(Equivocation { id: uint(id)?, made })
            })
            .collect()
    }
}

fn receipt(room: &Hash, row: ReceiptRow) -> Result<Receipt, StoreError> {
    let (id, device, size, level, receipt, cosignature, received_ms) = row;
    let made = NewReceipt {
        room: *room,
        device: hash(device)?,
        size: uint(size)?,
        level,
        receipt,
        cosignature,
        received_ms: uint(received_ms)?,
    };
    Ok(Receipt { id: uint(id)?, made })
}

/// The number of a room, if device and room are there.
async fn place(
    connection: &mut SqliteConnection,
    room: &Hash,
    device: &Hash,
) -> Result<Result<i64, Thing>, StoreError> {
    let (room_no, device): (Option<i64>, bool) = sqlx::query_as(
        "SELECT (SELECT no FROM rooms WHERE id = ?), EXISTS (SELECT 1 FROM devices WHERE certificate = ?)",
    )
    .bind(&room[..])
    .bind(&device[..])
    .fetch_one(connection)
    .await?;
    Ok(match room_no {
        None => Err(Thing::Room),
        Some(_) if !device => Err(Thing::Device),
        Some(room_no) => Ok(room_no),
    })
}

async fn put_all(
    connection: &mut SqliteConnection,
    batch: Vec<NewReceipt>,
) -> Result<Vec<ReceiptOutcome>, StoreError> {
    let mut outcomes = Vec::with_capacity(batch.len());
    for receipt in batch {
        outcomes.push(put(connection, receipt).await?);
    }
    Ok(outcomes)
}

async fn put(connection: &mut SqliteConnection, receipt: NewReceipt) -> Result<ReceiptOutcome, StoreError> {
    let Ok(room_no) = place(connection, &receipt.room, &receipt.device).await? else {
        return Ok(ReceiptOutcome::Unknown);
    };
    let size = int("size", receipt.size)?;
    let covered: Option<i64> =
        sqlx::query_scalar("SELECT max(size) FROM receipts WHERE room_no = ? AND device = ? AND level = ?")
            .bind(room_no)
            .bind(&receipt.device[..])
            .bind(receipt.level)
            .fetch_one(&mut *connection)
            .await?;
    if covered.is_some_and(|covered| covered >= size) {
        return Ok(ReceiptOutcome::Covered);
    }
    let done = sqlx::query(
        "INSERT INTO receipts (room_no, device, level, size, receipt, cosignature, received_ms) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(room_no)
    .bind(&receipt.device[..])
    .bind(receipt.level)
    .bind(size)
    .bind(receipt.receipt)
    .bind(receipt.cosignature)
    .bind(int("time", receipt.received_ms)?)
    .execute(connection)
    .await?;
    Ok(ReceiptOutcome::Kept { id: uint(done.last_insert_rowid())? })
}

async fn put_final_refusal(
    connection: &mut SqliteConnection,
    refusal: FinalRefusal,
) -> Result<FinalRefusal, StoreError> {
    let room_no = place(connection, &refusal.room, &refusal.device).await?.map_err(StoreError::NotFound)?;
    let seq = int("sequence number", refusal.seq)?;
    sqlx::query(
        "INSERT INTO final_refusals (room_no, device, seq, statement_hash, refusal) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (room_no, device, seq, statement_hash) DO NOTHING",
    )
    .bind(room_no)
    .bind(&refusal.device[..])
    .bind(seq)
    .bind(&refusal.statement_hash[..])
    .bind(&refusal.refusal)
    .execute(&mut *connection)
    .await?;
    let standing = sqlx::query_scalar(
        "SELECT refusal FROM final_refusals WHERE room_no = ? AND device = ? AND seq = ? AND statement_hash = ?",
    )
    .bind(room_no)
    .bind(&refusal.device[..])
    .bind(seq)
    .bind(&refusal.statement_hash[..])
    .fetch_one(connection)
    .await?;
    Ok(FinalRefusal { refusal: standing, ..refusal })
}

async fn put_equivocation(
    connection: &mut SqliteConnection,
    equivocation: NewEquivocation,
) -> Result<(), StoreError> {
    let room_no =
        place(connection, &equivocation.room, &equivocation.device).await?.map_err(StoreError::NotFound)?;
    sqlx::query(
        "INSERT INTO equivocations (room_no, device, seq, first, second, found_ms) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (room_no, device, seq) DO NOTHING",
    )
    .bind(room_no)
    .bind(&equivocation.device[..])
    .bind(int("sequence number", equivocation.seq)?)
    .bind(equivocation.first)
    .bind(equivocation.second)
    .bind(int("time", equivocation.found_ms)?)
    .execute(connection)
    .await?;
    Ok(())
}
