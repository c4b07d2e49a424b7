//! Who joins and leaves a room by an append.

use std::collections::HashMap;

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::bulk::{Bulk, LazyBulk};
use super::value::{hash, int, uint};
use crate::{AppendError, Hash, MemberChange, StoreError};

static MEMBERSHIPS: LazyBulk = LazyBulk::new(|| {
    Bulk::new(
        "WITH wanted (room_no, certificate) AS (VALUES",
        2,
        ") SELECT d.certificate, m.from_idx FROM wanted w CROSS JOIN devices d ON d.certificate = w.certificate \
         LEFT JOIN members m ON m.room_no = w.room_no AND m.certificate = w.certificate AND m.to_idx IS NULL",
    )
});

static PUT_MEMBERS: LazyBulk = LazyBulk::new(|| {
    Bulk::new(
        "INSERT INTO members (room_no, certificate, from_idx, to_idx, closing) VALUES",
        5,
        "ON CONFLICT (room_no, certificate, from_idx) \
         DO UPDATE SET to_idx = excluded.to_idx, closing = excluded.closing",
    )
});

/// A device's membership, from an index up to another.
type Interval = (Hash, u64, Option<u64>);

/// Changes the members of a room as told, or says why not and changes nothing. `checkpoint` is that of the log of `size`
/// entries, the changes' own among them.
pub(super) async fn change(
    connection: &mut SqliteConnection,
    room_no: i64,
    changes: &[MemberChange],
    (size, checkpoint): (u64, &[u8]),
) -> Result<Result<(), AppendError>, StoreError> {
    if changes.is_empty() {
        return Ok(Ok(()));
    }
    let wanted = changes.iter().map(MemberChange::certificate).collect();
    let since = members_since(connection, room_no, wanted).await?;
    let intervals = match intervals(since, changes) {
        Ok(intervals) => intervals,
        Err(error) => return Ok(Err(error)),
    };
    let mut rows = Vec::with_capacity(intervals.len());
    for (certificate, from, to) in intervals {
        let closing = to.filter(|to| to.checked_add(1) == Some(size)).map(|_| checkpoint.to_vec());
        rows.push((certificate, int("index", from)?, to.map(|to| int("index", to)).transpose()?, closing));
    }
    PUT_MEMBERS
        .run(connection, rows, |parameters, (certificate, from, to, closing)| {
            parameters.push(room_no)?;
            parameters.push(&certificate[..])?;
            parameters.push(from)?;
            parameters.push(to)?;
            parameters.push(closing)
        })
        .await?;
    Ok(Ok(()))
}

/// Of the devices among `certificates`: since which index each is a member, if it is one.
async fn members_since(
    connection: &mut SqliteConnection,
    room_no: i64,
    certificates: Vec<Hash>,
) -> Result<HashMap<Hash, Option<u64>>, StoreError> {
    let rows = MEMBERSHIPS
        .run(connection, certificates, |parameters, certificate| {
            parameters.push(room_no)?;
            parameters.push(&certificate[..])
        })
        .await?;
    rows.iter()
        .map(|row| {
            let since: Option<i64> = row.try_get(1)?;
            Ok((hash(row.try_get(0)?)?, since.map(uint).transpose()?))
        })
        .collect()
}

/// The intervals that the changes close and open, the closed ones first: a device has one open interval.
fn intervals(
    mut since: HashMap<Hash, Option<u64>>,
    changes: &[MemberChange],
) -> Result<Vec<Interval>, AppendError> {
    let mut intervals = Vec::with_capacity(changes.len());
    let mut joined = Vec::new();
    for change in changes {
        let certificate = change.certificate();
        let slot = since.get_mut(&certificate).ok_or(AppendError::UnknownCertificate(certificate))?;
        match (change, *slot) {
            (MemberChange::Added { index, .. }, None) => {
                *slot = Some(*index);
                joined.push(certificate);
            }
            (MemberChange::Removed { index, .. }, Some(from)) if from < *index => {
                *slot = None;
                intervals.push((certificate, from, Some(*index)));
                joined.retain(|joined| *joined != certificate);
            }
            _ => return Err(AppendError::Membership(certificate)),
        }
    }
    for certificate in joined {
        if let Some(Some(from)) = since.get(&certificate) {
            intervals.push((certificate, *from, None));
        }
    }
    Ok(intervals)
}
