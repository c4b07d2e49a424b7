//! Growing logs.

use std::sync::Arc;

use super::fixtures::{NOW, append_one, assert_error, create_room, enrol, entry, first, id, room_append};
use crate::limits::{MAX_BATCH, MAX_CIPHERTEXT, MAX_FRONTIER, MAX_INTEGER, MAX_ROOM_APPEND, MAX_STATEMENT};
use crate::{AppendError, Entry, Hash, MemberChange, NewEntry, RoomAppend, Store, TooLarge};

/// Entries of a sender, numbered from `seq`.
fn run(sender: Hash, seq: u64, count: u64) -> Vec<NewEntry> {
    (seq..seq + count).map(|seq| entry(sender, seq)).collect()
}

/// Entries get the next indices and come back byte for byte; the head follows.
pub async fn growth(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let whole = NewEntry {
        kind: 255,
        statement: vec![0, 255, 1],
        ciphertext: Some(Vec::new()),
        received_ms: NOW + 3,
        ..entry(ada, 2)
    };
    let bare = NewEntry { ciphertext: None, ..entry(ada, 3) };
    let append = RoomAppend { epoch: 1, ..room_append(room, 1, vec![whole.clone(), bare.clone()]) };
    append_one(&*store, append.clone()).await.unwrap();

    let head = store.room_head(&room).await.unwrap().unwrap();
    assert_eq!((head.size, head.epoch), (3, 1));
    assert_eq!((head.frontier, head.checkpoint), (append.frontier, append.checkpoint));
    let expected: Vec<_> = [(1, whole), (2, bare)]
        .into_iter()
        .map(|(index, new)| Entry {
            index,
            kind: new.kind,
            statement: new.statement,
            ciphertext: new.ciphertext,
            sender: new.sender,
            seq: new.seq,
            leaf_hash: new.leaf_hash,
            received_ms: new.received_ms,
        })
        .collect();
    assert_eq!(store.entries(&room, 1, 10, 1_000).await.unwrap(), expected);
    assert_eq!(store.append(Vec::new()).await.unwrap(), []);
}

/// Each kind of refusal concerns its room alone, and leaves it as it was.
pub async fn refused_alone(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let ghost = id("ghost");
    let mut rooms = Vec::new();
    for label in ["0", "1", "2", "3", "4", "5", "6", "7"] {
        rooms.push(create_room(&*store, label, &[ada]).await);
    }
    let [a, b, c, d, e, f, g, h]: [Hash; 8] = rooms.clone().try_into().unwrap();
    let advance = RoomAppend { epoch: 5, ..room_append(e, 1, run(ada, 2, 1)) };
    append_one(&*store, advance).await.unwrap();

    let batch = vec![
        room_append(a, 1, run(ada, 2, 3)),
        room_append(b, 0, run(ada, 1, 1)),
        room_append(b, 2, run(ada, 2, 1)),
        room_append(id("nowhere"), 0, run(ada, 1, 1)),
        room_append(c, 1, vec![entry(ada, 2), entry(ada, 4)]),
        room_append(c, 1, vec![entry(ada, 1)]),
        room_append(d, 1, vec![entry(ada, 2), entry(ghost, 1)]),
        RoomAppend { epoch: 4, ..room_append(e, 2, run(ada, 3, 1)) },
        RoomAppend {
            members: vec![MemberChange::Added { certificate: ada, index: 1 }],
            ..room_append(f, 1, run(ada, 2, 1))
        },
        RoomAppend {
            members: vec![MemberChange::Added { certificate: ghost, index: 1 }],
            ..room_append(g, 1, run(ada, 2, 1))
        },
        room_append(h, 1, run(ada, 2, 2)),
    ];
    let expected = [
        Ok(()),
        Err(AppendError::Conflict { expected: 0, actual: 1 }),
        Err(AppendError::Conflict { expected: 2, actual: 1 }),
        Err(AppendError::NoRoom),
        Err(AppendError::Sequence { sender: ada, next: 3, found: 4 }),
        Err(AppendError::Sequence { sender: ada, next: 2, found: 1 }),
        Err(AppendError::UnknownCertificate(ghost)),
        Err(AppendError::Epoch { current: 5, found: 4 }),
        Err(AppendError::Membership(ada)),
        Err(AppendError::UnknownCertificate(ghost)),
        Ok(()),
    ];
    assert_eq!(store.append(batch).await.unwrap(), expected);
    let mut sizes = Vec::new();
    for room in &rooms {
        sizes.push(store.room_head(room).await.unwrap().unwrap().size);
    }
    assert_eq!(sizes, [4, 1, 1, 1, 2, 1, 1, 3]);
    assert_eq!(store.last_seq(&c, &ada).await.unwrap(), 1);
    assert_eq!(store.last_seq(&a, &ada).await.unwrap(), 4);
}

/// A room may come several times in a batch; what a refused append would have added is not there for the next.
pub async fn chained_in_one_batch(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let bob = enrol(&*store, "bob").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let added = vec![MemberChange::Added { certificate: bob, index: 2 }];
    let batch = vec![
        room_append(room, 1, run(ada, 2, 1)),
        RoomAppend { members: added.clone(), ..room_append(room, 2, run(ada, 3, 1)) },
        room_append(room, 2, run(bob, 1, 1)),
        RoomAppend {
            members: vec![MemberChange::Added { certificate: bob, index: 3 }],
            ..room_append(room, 3, run(bob, 1, 1))
        },
        room_append(room, 3, run(bob, 2, 1)),
        room_append(room, 3, run(bob, 1, 2)),
        room_append(room, 5, run(ada, 4, 1)),
    ];
    let expected = [
        Ok(()),
        Ok(()),
        Err(AppendError::Conflict { expected: 2, actual: 3 }),
        Err(AppendError::Membership(bob)),
        Err(AppendError::Sequence { sender: bob, next: 1, found: 2 }),
        Ok(()),
        Ok(()),
    ];
    assert_eq!(store.append(batch).await.unwrap(), expected);
    let entries = store.entries(&room, 0, 10, 10_000).await.unwrap();
    let order: Vec<_> = entries.iter().map(|entry| (entry.index, entry.sender == ada, entry.seq)).collect();
    assert_eq!(order, [(0, true, 1), (1, true, 2), (2, true, 3), (3, false, 1), (4, false, 2), (5, true, 4)]);
    let head = store.room_head(&room).await.unwrap().unwrap();
    assert_eq!((head.size, &head.checkpoint[..]), (6, &b"checkpoint 6"[..]));
}

/// More entries, rooms and senders than one statement takes.
pub async fn larger_than_any_chunk(store: Arc<dyn Store>) {
    let mut senders = Vec::new();
    for n in 0..40 {
        senders.push(enrol(&*store, &format!("user-{n}")).await);
    }
    let mut rooms = Vec::new();
    for n in 0..150 {
        let room = id(&format!("room {n}"));
        let made = super::fixtures::room(&format!("room {n}"));
        store.create_room(made, first(room, &senders)).await.unwrap();
        rooms.push(room);
    }
    let batch: Vec<_> = rooms
        .iter()
        .map(|room| {
            let entries = senders.iter().skip(1).flat_map(|sender| run(*sender, 1, 2)).collect();
            room_append(*room, 1, entries)
        })
        .collect();
    let answers = store.append(batch).await.unwrap();
    assert_eq!(answers, vec![Ok(()); 150]);
    for room in rooms {
        assert_eq!(store.room_head(&room).await.unwrap().unwrap().size, 79);
        assert_eq!(store.last_seqs(&room).await.unwrap().len(), 40);
        assert_eq!(store.members(&room).await.unwrap().len(), 40);
        let entries = store.entries(&room, 0, 1_000, u64::MAX).await.unwrap();
        assert!(entries.iter().zip(0..79).all(|(entry, index)| entry.index == index));
        assert_eq!(entries.len(), 79);
    }
}

/// What is empty, too large, or does not fit together is the caller's misuse.
pub async fn shape(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let good = room_append(room, 1, run(ada, 2, 1));
    let too_large = |what, limit: usize| {
        AppendError::TooLarge(TooLarge { what, value: limit as u64 + 1, limit: limit as u64 })
    };
    let with = |change: &dyn Fn(&mut NewEntry)| {
        let mut new = entry(ada, 2);
        change(&mut new);
        room_append(room, 1, vec![new])
    };
    let outside = |index| RoomAppend {
        members: vec![MemberChange::Removed { certificate: ada, index }],
        ..good.clone()
    };
    let misplaced = AppendError::Misuse("a member change outside the append's entries");
    let unsigned = AppendError::Misuse("an append without frontier or checkpoint");
    let cases = [
        (room_append(room, 1, Vec::new()), AppendError::Misuse("an append without entries")),
        (RoomAppend { frontier: Vec::new(), ..good.clone() }, unsigned),
        (RoomAppend { checkpoint: Vec::new(), ..good.clone() }, unsigned),
        (outside(0), misplaced),
        (outside(2), misplaced),
        (
            room_append(room, 1, run(ada, 2, MAX_ROOM_APPEND as u64 + 1)),
            too_large("entries of one append", MAX_ROOM_APPEND),
        ),
        (
            RoomAppend { frontier: vec![0; MAX_FRONTIER + 1], ..good.clone() },
            too_large("frontier", MAX_FRONTIER),
        ),
        (with(&|entry| entry.statement = vec![0; MAX_STATEMENT + 1]), too_large("statement", MAX_STATEMENT)),
        (
            with(&|entry| entry.ciphertext = Some(vec![0; MAX_CIPHERTEXT + 1])),
            too_large("ciphertext", MAX_CIPHERTEXT),
        ),
    ];
    for (append, expected) in cases {
        assert_eq!(append_one(&*store, append).await, Err(expected));
    }
    let limit = MAX_BATCH as u64;
    assert_error(
        store.append(vec![good.clone(); MAX_BATCH + 1]).await,
        &TooLarge { what: "batch of appends", value: limit + 1, limit }.into(),
    );
    assert_eq!(store.room_head(&room).await.unwrap().unwrap().size, 1);
    let largest = with(&|entry| {
        entry.statement = vec![1; MAX_STATEMENT];
        entry.ciphertext = Some(vec![2; MAX_CIPHERTEXT]);
    });
    append_one(&*store, largest).await.unwrap();
}

/// Integers reach up to [`MAX_INTEGER`]; what is above is refused, never wrapped.
pub async fn integers(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let above = MAX_INTEGER + 1;
    let refused = |what| Err(AppendError::TooLarge(TooLarge { what, value: above, limit: MAX_INTEGER }));
    let late = NewEntry { received_ms: above, ..entry(ada, 2) };
    assert_eq!(append_one(&*store, room_append(room, 1, vec![late])).await, refused("time"));
    let epoch = RoomAppend { epoch: above, ..room_append(room, 1, run(ada, 2, 1)) };
    assert_eq!(append_one(&*store, epoch).await, refused("epoch"));
    for size in [above, u64::MAX] {
        let append = room_append(room, size, run(ada, 2, 1));
        assert_eq!(
            append_one(&*store, append).await,
            Err(AppendError::Conflict { expected: size, actual: 1 })
        );
    }
    let greatest = RoomAppend {
        epoch: MAX_INTEGER,
        ..room_append(room, 1, vec![NewEntry { received_ms: MAX_INTEGER, ..entry(ada, 2) }])
    };
    append_one(&*store, greatest).await.unwrap();
    assert_eq!(store.room_head(&room).await.unwrap().unwrap().epoch, MAX_INTEGER);
    assert_eq!(store.entries(&room, u64::MAX, 10, 10).await.unwrap(), []);
    assert_eq!(store.entry_by_seq(&room, &ada, u64::MAX).await.unwrap(), None);
}

/// Changes are applied in order, all or none.
pub async fn member_changes(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let bob = enrol(&*store, "bob").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    let added = |certificate, index| MemberChange::Added { certificate, index };
    let removed = |certificate, index| MemberChange::Removed { certificate, index };
    let append = |members| RoomAppend { members, ..room_append(room, 1, run(ada, 2, 4)) };
    for members in [
        vec![added(bob, 1), added(bob, 2)],
        vec![removed(bob, 1)],
        vec![added(bob, 1), removed(bob, 1)],
        vec![added(bob, 1), removed(bob, 2), removed(bob, 3)],
    ] {
        assert_eq!(append_one(&*store, append(members)).await, Err(AppendError::Membership(bob)));
        assert_eq!(store.members(&room).await.unwrap().len(), 1);
    }
    let back = vec![added(bob, 1), removed(ada, 2), removed(bob, 3), added(bob, 4), added(ada, 4)];
    append_one(&*store, append(back)).await.unwrap();
    let rows: Vec<_> = store
        .members(&room)
        .await
        .unwrap()
        .into_iter()
        .map(|member| (member.certificate == ada, member.from_index, member.to_index))
        .collect();
    assert_eq!(rows, [(true, 0, Some(2)), (false, 1, Some(3)), (true, 4, None), (false, 4, None)]);
}

/// Writers that race for one room lose no entry, place none twice, and each keeps its own order.
pub async fn many_writers(store: Arc<dyn Store>) {
    const WRITERS: u64 = 6;
    const EACH: u64 = 25;
    let mut senders = Vec::new();
    for n in 0..WRITERS {
        senders.push(enrol(&*store, &format!("user-{n}")).await);
    }
    let room = create_room(&*store, "plans", &senders).await;
    let writers: Vec<_> = senders
        .iter()
        .map(|sender| {
            let (store, sender) = (Arc::clone(&store), *sender);
            tokio::spawn(async move {
                let begin = store.last_seq(&room, &sender).await.unwrap() + 1;
                for seq in begin..begin + EACH {
                    loop {
                        let size = store.room_head(&room).await.unwrap().unwrap().size;
                        let append = room_append(room, size, run(sender, seq, 1));
                        match append_one(&*store, append).await {
                            Ok(()) => break,
                            Err(AppendError::Conflict { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let entries = store.entries(&room, 0, 1_000, u64::MAX).await.unwrap();
    assert_eq!(entries.len() as u64, 1 + WRITERS * EACH);
    assert!((0..).zip(&entries).all(|(index, entry)| entry.index == index));
    for sender in &senders {
        let seqs = entries.iter().filter(|entry| entry.sender == *sender).map(|entry| entry.seq);
        assert!(seqs.zip(1..).all(|(seq, expected)| seq == expected));
    }
}
