//! Rooms and members.

use std::sync::Arc;

use super::fixtures::{append_one, assert_error, create_room, enrol, entry, first, id, room, room_append};
use crate::limits::MAX_ROOM_NAME;
use crate::{
    AppendError, Member, MemberChange, NewRoom, RoomAppend, RoomListing, Store, StoreError, TooLarge, Unique,
};

fn names(listings: &[RoomListing]) -> Vec<&str> {
    listings.iter().map(|listing| listing.room.made.name.as_deref().unwrap_or("-")).collect()
}

/// A room is there with its first entries, head and members.
pub async fn creation(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let made = NewRoom { mode: 1, suite: 0x004d, ..room("plans") };
    assert_eq!(store.room(&made.id).await.unwrap(), None);
    assert_eq!(store.room_head(&made.id).await.unwrap(), None);
    let appended = RoomAppend { epoch: 4, ..first(made.id, &[ada]) };
    store.create_room(made.clone(), appended.clone()).await.unwrap();
    assert_eq!(store.room(&made.id).await.unwrap().unwrap().made, made);
    let head = store.room_head(&made.id).await.unwrap().unwrap();
    assert_eq!((head.size, head.epoch), (1, 4));
    assert_eq!((head.frontier, head.checkpoint), (appended.frontier, appended.checkpoint));
    let entries = store.entries(&made.id, 0, 10, 1_000).await.unwrap();
    assert_eq!(entries.first().unwrap().statement, b"statement 1");
    let member =
        Member { user: "ada".into(), certificate: ada, from_index: 0, to_index: None, closing: None };
    assert_eq!(store.members(&made.id).await.unwrap(), [member]);
    assert_eq!(store.rooms_of_device(&ada).await.unwrap(), [made.id]);
}

/// Whatever refuses a room leaves none.
pub async fn creation_refused_leaves_nothing(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    create_room(&*store, "there", &[ada]).await;
    let new = id("new");
    let ghost = id("ghost");
    let cases = [
        (room("there"), first(id("there"), &[ada]), StoreError::Exists(Unique::Room)),
        (room("new"), first(id("there"), &[ada]), StoreError::Misuse("first entries of another room")),
        (
            room("new"),
            RoomAppend { entries: Vec::new(), members: Vec::new(), ..first(new, &[ada]) },
            AppendError::Misuse("an append without entries").into(),
        ),
        (
            room("new"),
            room_append(new, 1, vec![entry(ada, 1)]),
            AppendError::Conflict { expected: 1, actual: 0 }.into(),
        ),
        (
            room("new"),
            room_append(new, 0, vec![entry(ada, 2)]),
            AppendError::Sequence { sender: ada, next: 1, found: 2 }.into(),
        ),
        (room("new"), first(new, &[ghost]), AppendError::UnknownCertificate(ghost).into()),
        (room("new"), first(new, &[ada, ada]), AppendError::Membership(ada).into()),
        (
            NewRoom { name: Some("n".repeat(MAX_ROOM_NAME + 1)), ..room("new") },
            first(new, &[ada]),
            TooLarge { what: "name of a room", value: MAX_ROOM_NAME as u64 + 1, limit: MAX_ROOM_NAME as u64 }
                .into(),
        ),
    ];
    for (room, first, expected) in cases {
        assert_error(store.create_room(room, first).await, &expected);
        assert_eq!(store.room(&new).await.unwrap(), None, "{expected}");
    }
    assert_eq!(store.rooms_of("ada", 0, 10).await.unwrap().len(), 1);
    create_room(&*store, "new", &[ada]).await;
}

/// Two people who begin at once get one direct room.
pub async fn one_direct_room(store: Arc<dyn Store>) {
    let members = [enrol(&*store, "ada").await, enrol(&*store, "bob").await];
    let pair = id("ada and bob");
    let racers = ["one", "two", "three"].map(|label| {
        let store = Arc::clone(&store);
        let direct = NewRoom { name: None, direct: Some(pair), ..room(label) };
        tokio::spawn(async move { store.create_room(direct, first(id(label), &members)).await })
    });
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(()) => won += 1,
            other => assert_error(other, &StoreError::Exists(Unique::DirectRoom)),
        }
    }
    assert_eq!(won, 1);
    let direct = store.direct_room(&pair).await.unwrap().unwrap();
    assert_eq!((direct.made.direct, direct.made.name), (Some(pair), None));
    assert_eq!(store.direct_room(&id("ada and eve")).await.unwrap(), None);
    create_room(&*store, "beside", &members).await;
    create_room(&*store, "also beside", &members).await;
}

/// A user's list has the rooms of all its devices, left ones too, in order of making and in pages.
pub async fn lists(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let bob = enrol(&*store, "bob").await;
    create_room(&*store, "plans", &[ada, bob]).await;
    let left = create_room(&*store, "news", &[ada, bob]).await;
    create_room(&*store, "ada alone", &[ada]).await;
    let again = NewRoom { id: id("other plans"), ..room("plans") };
    store.create_room(again, first(id("other plans"), &[bob])).await.unwrap();
    let leaving = RoomAppend {
        members: vec![MemberChange::Removed { certificate: bob, index: 1 }],
        ..room_append(left, 1, vec![entry(bob, 1)])
    };
    append_one(&*store, leaving).await.unwrap();

    let of_bob = store.rooms_of("bob", 0, 10).await.unwrap();
    assert_eq!(names(&of_bob), ["plans", "news", "plans"]);
    assert_eq!(of_bob.iter().map(|room| room.member_now).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(of_bob.iter().map(|room| room.size).collect::<Vec<_>>(), [1, 2, 1]);
    let page = store.rooms_of("bob", 0, 1).await.unwrap();
    let next = store.rooms_of("bob", page.last().unwrap().room.position, 10).await.unwrap();
    assert_eq!((names(&page), names(&next)), (vec!["plans"], vec!["news", "plans"]));
    assert_eq!(store.rooms_of("zoe", 0, 10).await.unwrap(), []);

    assert_eq!(store.rooms_of_by_name("bob", "plans").await.unwrap().len(), 2);
    assert_eq!(store.rooms_of_by_name("ada", "plans").await.unwrap().len(), 1);
    assert_eq!(store.rooms_of_by_name("bob", "ada alone").await.unwrap(), []);
    assert_eq!(store.rooms_of_device(&bob).await.unwrap(), [id("plans"), id("other plans")]);
}

/// A device comes, goes and comes back; each time is a row, and one that ended keeps the checkpoint at its end.
pub async fn membership(store: Arc<dyn Store>) {
    let ada = enrol(&*store, "ada").await;
    let bob = enrol(&*store, "bob").await;
    let room = create_room(&*store, "plans", &[ada]).await;
    for (size, change) in [
        (1, MemberChange::Added { certificate: bob, index: 1 }),
        (2, MemberChange::Removed { certificate: bob, index: 2 }),
        (3, MemberChange::Added { certificate: bob, index: 3 }),
    ] {
        let append = RoomAppend {
            members: vec![change],
            checkpoint: format!("checkpoint {}", size + 1).into_bytes(),
            ..room_append(room, size, vec![entry(ada, size + 1)])
        };
        append_one(&*store, append).await.unwrap();
    }
    let rows: Vec<_> = store
        .members(&room)
        .await
        .unwrap()
        .into_iter()
        .map(|member| (member.user, member.from_index, member.to_index, member.closing))
        .collect();
    let expected = [
        ("ada".to_owned(), 0, None, None),
        ("bob".to_owned(), 1, Some(2), Some(b"checkpoint 3".to_vec())),
        ("bob".to_owned(), 3, None, None),
    ];
    assert_eq!(rows, expected);
    let two = vec![entry(ada, 5), entry(ada, 6)];
    let members = vec![MemberChange::Removed { certificate: bob, index: 4 }];
    append_one(&*store, RoomAppend { members, ..room_append(room, 4, two) }).await.unwrap();
    let members = store.members(&room).await.unwrap();
    for (certificate, theirs) in [(ada, members.get(..1).unwrap()), (bob, members.get(1..).unwrap())] {
        assert_eq!(store.memberships(&room, &certificate).await.unwrap(), theirs);
    }
    assert_eq!(store.memberships(&room, &id("nobody")).await.unwrap(), []);
    assert_eq!(store.memberships(&id("nowhere"), &ada).await.unwrap(), []);
    let last = members.last().unwrap().clone();
    assert_eq!((last.to_index, last.closing), (Some(4), None), "the checkpoint is not of its end");
    assert_eq!(store.members(&id("nowhere")).await.unwrap(), []);
}
