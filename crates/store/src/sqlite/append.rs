//! The hot path: many rooms' entries in one transaction.
//!
//! What a batch needs to know is read first, for all rooms together; then each append is checked in order
//! against that state, which it moves on; then everything accepted is written, for all rooms together. As the
//! transaction excludes other writers, what was checked cannot change before it is written.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::bulk::{Bulk, LazyBulk};
use super::erasures::{self, Erasing};
use super::value::{hash, int, uint};
use super::{blobs, members};
use crate::error::TooLarge;
use crate::limits::{
    MAX_CHECKPOINT, MAX_CIPHERTEXT, MAX_ENTRY_BLOBS, MAX_ERASES, MAX_FRONTIER, MAX_MEMBER_CHANGES,
    MAX_ROOM_APPEND, MAX_STATEMENT, check,
};
use crate::{AppendError, Hash, MemberChange, NewEntry, RoomAppend, StoreError};

static LOAD: LazyBulk = LazyBulk::new(|| {
    Bulk::new(
        "WITH wanted (room, sender) AS (VALUES",
        2,
        ") SELECT w.room, r.no, h.size, h.epoch, w.sender, s.last_seq, \
         (SELECT c.revoked_idx IS NULL FROM certificates c WHERE c.hash = w.sender), \
         (SELECT coalesce(max(id), 0) FROM bodies) \
         FROM wanted w CROSS JOIN rooms r ON r.id = w.room JOIN room_heads h ON h.room_no = r.no \
         LEFT JOIN room_senders s ON s.room_no = r.no AND s.sender = w.sender",
    )
});

static INSERT_BODIES: LazyBulk =
    LazyBulk::new(|| Bulk::new("INSERT INTO bodies (id, statement, ciphertext) VALUES", 3, ""));

static INSERT_ENTRIES: LazyBulk = LazyBulk::new(|| {
    Bulk::new(
        "INSERT INTO entries (room_no, idx, kind, sender, seq, leaf_hash, received_ms, body) VALUES",
        8,
        "",
    )
});

static PUT_LAST_SEQS: LazyBulk = LazyBulk::new(|| {
    Bulk::new(
        "INSERT INTO room_senders (room_no, sender, last_seq) VALUES",
        3,
        "ON CONFLICT (room_no, sender) DO UPDATE SET last_seq = excluded.last_seq",
    )
});

static PUT_HEADS: LazyBulk = LazyBulk::new(|| {
    Bulk::new(
        "INSERT INTO room_heads (room_no, size, epoch, frontier, checkpoint) VALUES",
        5,
        "ON CONFLICT (room_no) DO UPDATE SET size = excluded.size, epoch = excluded.epoch, \
         frontier = excluded.frontier, checkpoint = excluded.checkpoint",
    )
});

/// Appends inside a transaction; the answers stand in the order of the batch.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    batch: Vec<RoomAppend>,
) -> Result<Vec<Result<(), AppendError>>, StoreError> {
    let mut state = State::load(connection, &batch).await?;
    let mut accepted = Accepted::default();
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        let answer = accept(connection, &mut state, &mut accepted, append).await?;
        answers.push(answer);
    }
    accepted.write(connection, &mut state).await?;
    Ok(answers)
}

/// A room as it is after the appends accepted so far.
struct RoomState {
    no: i64,
    size: u64,
    epoch: u64,
    /// Frontier and checkpoint to be written; none while nothing was accepted.
    head: Option<(Vec<u8>, Vec<u8>)>,
}

/// What the batch needs to know.
struct State {
    rooms: HashMap<Hash, RoomState>,
    /// Last sequence number by room number and sender; 0 for a sender of known certificate that is new.
    last_seqs: HashMap<(i64, Hash), u64>,
    /// Senders whose certificate is revoked.
    revoked: HashSet<Hash>,
    /// Senders whose number is to be written.
    moved: HashSet<(i64, Hash)>,
    next_body: u64,
}

impl State {
    async fn load(connection: &mut SqliteConnection, batch: &[RoomAppend]) -> Result<Self, StoreError> {
        let wanted: HashSet<(Hash, Hash)> = batch
            .iter()
            .flat_map(|append| append.entries.iter().map(|entry| (append.room, entry.sender)))
            .collect();
        let rows = LOAD
            .run(connection, wanted.into_iter().collect(), |parameters, (room, sender)| {
                parameters.push(&room[..])?;
                parameters.push(&sender[..])
            })
            .await?;
        let mut state = Self {
            rooms: HashMap::new(),
            last_seqs: HashMap::new(),
            revoked: HashSet::new(),
            moved: HashSet::new(),
            next_body: 1,
        };
        for row in rows {
            let no = row.try_get(1)?;
            let (size, epoch) = (uint(row.try_get(2)?)?, uint(row.try_get(3)?)?);
            state.rooms.insert(hash(row.try_get(0)?)?, RoomState { no, size, epoch, head: None });
            if let Some(good) = row.try_get::<Option<bool>, _>(6)? {
                let (sender, last): (_, Option<i64>) = (hash(row.try_get(4)?)?, row.try_get(5)?);
                state.last_seqs.insert((no, sender), uint(last.unwrap_or(0))?);
                if !good {
                    state.revoked.insert(sender);
                }
            }
            state.next_body = uint(row.try_get(7)?)?.saturating_add(1);
        }
        Ok(state)
    }
}

/// Rows to be written.
#[derive(Default)]
struct Accepted {
    bodies: Vec<BodyRow>,
    entries: Vec<EntryRow>,
    erasing: Vec<(i64, Hash, Erasing)>,
}

struct BodyRow {
    id: i64,
    statement: Vec<u8>,
    ciphertext: Option<Vec<u8>>,
}

struct EntryRow {
    room_no: i64,
    index: i64,
    kind: u8,
    sender: Hash,
    seq: i64,
    leaf_hash: Hash,
    received_ms: i64,
    body: i64,
}

/// Accepts one append into the state and the rows to be written, or says why not and changes nothing.
async fn accept(
    connection: &mut SqliteConnection,
    state: &mut State,
    accepted: &mut Accepted,
    append: RoomAppend,
) -> Result<Result<(), AppendError>, StoreError> {
    let RoomAppend { room, expected_size, entries, frontier, checkpoint, members, epoch } = append;
    let named = blobs::named(&entries, expected_size);
    let Some(erasing) = Erasing::of(&entries, expected_size) else {
        return Ok(Err(AppendError::Misuse("an entry that erases what does not come before it")));
    };
    let plan = match check_shape(&entries, &frontier, &checkpoint, &members, expected_size)
        .and_then(|end| plan(state, &room, expected_size, end, entries, epoch))
    {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    let found = match blobs::find(connection, named).await? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = members::change(connection, plan.room_no, &members, (plan.size, &checkpoint)).await? {
        return Ok(Err(error));
    }
    blobs::give(connection, plan.room_no, found).await?;
    let Plan { room_no, size, last_seqs, bodies, entries } = plan;
    if let MapEntry::Occupied(mut slot) = state.rooms.entry(room) {
        *slot.get_mut() = RoomState { no: room_no, size, epoch, head: Some((frontier, checkpoint)) };
    }
    for (sender, seq) in last_seqs {
        state.last_seqs.insert((room_no, sender), seq);
        state.moved.insert((room_no, sender));
    }
    state.next_body = state.next_body.saturating_add(bodies.len() as u64);
    accepted.bodies.extend(bodies);
    accepted.entries.extend(entries);
    accepted.erasing.extend(erasing.into_iter().map(|erasing| (room_no, room, erasing)));
    Ok(Ok(()))
}

/// Checks what needs no state and returns the size after the append.
fn check_shape(
    entries: &[NewEntry],
    frontier: &[u8],
    checkpoint: &[u8],
    changes: &[MemberChange],
    expected_size: u64,
) -> Result<u64, AppendError> {
    if entries.is_empty() {
        return Err(AppendError::Misuse("an append without entries"));
    }
    if frontier.is_empty() || checkpoint.is_empty() {
        return Err(AppendError::Misuse("an append without frontier or checkpoint"));
    }
    check("entries of one append", entries.len(), MAX_ROOM_APPEND)?;
    check("frontier", frontier.len(), MAX_FRONTIER)?;
    check("checkpoint", checkpoint.len(), MAX_CHECKPOINT)?;
    check("member changes of one append", changes.len(), MAX_MEMBER_CHANGES)?;
    for entry in entries {
        check("statement", entry.statement.len(), MAX_STATEMENT)?;
        check("ciphertext", entry.ciphertext.as_ref().map_or(0, Vec::len), MAX_CIPHERTEXT)?;
        check("blobs of one entry", entry.blobs.len(), MAX_ENTRY_BLOBS)?;
        check("entries erased by one", entry.erases.len(), MAX_ERASES)?;
    }
    let end = expected_size.saturating_add(entries.len() as u64);
    for change in changes {
        if !(expected_size..end).contains(&change.index()) {
            return Err(AppendError::Misuse("a member change outside the append's entries"));
        }
    }
    Ok(end)
}

/// One append that fits the state, as rows.
struct Plan {
    room_no: i64,
    size: u64,
    last_seqs: HashMap<Hash, u64>,
    bodies: Vec<BodyRow>,
    entries: Vec<EntryRow>,
}

fn plan(
    state: &State,
    room: &Hash,
    expected_size: u64,
    end: u64,
    entries: Vec<NewEntry>,
    epoch: u64,
) -> Result<Plan, AppendError> {
    let room = state.rooms.get(room).ok_or(AppendError::NoRoom)?;
    if room.size != expected_size {
        return Err(AppendError::Conflict { expected: expected_size, actual: room.size });
    }
    if epoch < room.epoch {
        return Err(AppendError::Epoch { current: room.epoch, found: epoch });
    }
    int("epoch", epoch)?;
    int("size", end)?;
    let mut plan = Plan {
        room_no: room.no,
        size: end,
        last_seqs: HashMap::new(),
        bodies: Vec::with_capacity(entries.len()),
        entries: Vec::with_capacity(entries.len()),
    };
    for ((index, body), entry) in (expected_size..end).zip(state.next_body..).zip(entries) {
        let sender = entry.sender;
        if state.revoked.contains(&sender) {
            return Err(AppendError::RevokedCertificate(sender));
        }
        let last = match plan.last_seqs.get(&sender) {
            Some(last) => *last,
            None => {
                *state.last_seqs.get(&(room.no, sender)).ok_or(AppendError::UnknownCertificate(sender))?
            }
        };
        let next = last.saturating_add(1);
        if entry.seq != next {
            return Err(AppendError::Sequence { sender, next, found: entry.seq });
        }
        plan.last_seqs.insert(sender, next);
        plan.push(index, body, entry)?;
    }
    Ok(plan)
}

impl Plan {
    fn push(&mut self, index: u64, body: u64, entry: NewEntry) -> Result<(), TooLarge> {
        let body = int("body", body)?;
        self.entries.push(EntryRow {
            room_no: self.room_no,
            index: int("index", index)?,
            kind: entry.kind,
            sender: entry.sender,
            seq: int("sequence number", entry.seq)?,
            leaf_hash: entry.leaf_hash,
            received_ms: int("time", entry.received_ms)?,
            body,
        });
        self.bodies.push(BodyRow { id: body, statement: entry.statement, ciphertext: entry.ciphertext });
        Ok(())
    }
}

impl Accepted {
    async fn write(self, connection: &mut SqliteConnection, state: &mut State) -> Result<(), StoreError> {
        INSERT_BODIES
            .run(connection, self.bodies, |parameters, row| {
                parameters.push(row.id)?;
                parameters.push(row.statement)?;
                parameters.push(row.ciphertext)
            })
            .await?;
        INSERT_ENTRIES
            .run(connection, self.entries, |parameters, row| {
                parameters.push(row.room_no)?;
                parameters.push(row.index)?;
                parameters.push(row.kind)?;
                parameters.push(&row.sender[..])?;
                parameters.push(row.seq)?;
                parameters.push(&row.leaf_hash[..])?;
                parameters.push(row.received_ms)?;
                parameters.push(row.body)
            })
            .await?;
        for (room_no, room, erasing) in self.erasing {
            erasures::erase(connection, (room_no, &room), erasing).await?;
        }
        let mut last_seqs = Vec::with_capacity(state.moved.len());
        for (room_no, sender) in &state.moved {
            if let Some(seq) = state.last_seqs.get(&(*room_no, *sender)) {
                last_seqs.push((*room_no, *sender, int("sequence number", *seq)?));
            }
        }
        PUT_LAST_SEQS
            .run(connection, last_seqs, |parameters, (room_no, sender, seq)| {
                parameters.push(room_no)?;
                parameters.push(&sender[..])?;
                parameters.push(seq)
            })
            .await?;
        let mut heads = Vec::with_capacity(state.rooms.len());
        for room in state.rooms.values_mut() {
            if let Some((frontier, checkpoint)) = room.head.take() {
                heads.push((
                    room.no,
                    int("size", room.size)?,
                    int("epoch", room.epoch)?,
                    frontier,
                    checkpoint,
                ));
            }
        }
        PUT_HEADS
            .run(connection, heads, |parameters, (no, size, epoch, frontier, checkpoint)| {
                parameters.push(no)?;
                parameters.push(size)?;
                parameters.push(epoch)?;
                parameters.push(frontier)?;
                parameters.push(checkpoint)
            })
            .await?;
        Ok(())
    }
}
