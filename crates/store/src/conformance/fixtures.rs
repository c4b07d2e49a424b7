//! People, rooms and entries to test with.

use crate::{
    AppendError, DeviceEnrolment, DirectoryAppend, DirectoryLeaf, Enrolment, Hash, LeafKind, MemberChange,
    NewAccount, NewCertificate, NewDevice, NewDeviceLink, NewEntry, NewInvite, NewRoom, OpaqueRecord, Role,
    RoomAppend, Store, StoreError,
};

/// The time at which cases happen, unix milliseconds.
pub const NOW: u64 = 1_800_000_000_000;

/// A value in a hash's place, one for each label of up to 32 bytes.
pub fn id(label: &str) -> Hash {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(label.bytes()) {
        *to = from;
    }
    hash
}

/// An invite for one member, that expires a second after [`NOW`].
pub fn invite(token: &str) -> NewInvite {
    NewInvite {
        token_hash: id(token),
        role: Role::Member,
        user: None,
        email: None,
        uses: 1,
        expires_ms: NOW + 1_000,
        created_by: Some("root".into()),
        created_ms: NOW,
    }
}

/// Growth of the directory by `kinds`.
pub fn directory_append(expected_size: u64, kinds: Vec<LeafKind>) -> DirectoryAppend {
    let size = expected_size + kinds.len() as u64;
    let leaves = (expected_size..size)
        .zip(kinds)
        .map(|(index, kind)| DirectoryLeaf {
            leaf: format!("leaf {index}").into_bytes(),
            leaf_hash: id(&format!("leaf hash {index}")),
            kind,
        })
        .collect();
    DirectoryAppend {
        expected_size,
        leaves,
        frontier: format!("directory frontier {size}").into_bytes(),
        checkpoint: format!("directory checkpoint {size}").into_bytes(),
    }
}

/// Growth of the directory by one certificate.
pub fn issuing(expected_size: u64, certificate: Hash) -> DirectoryAppend {
    let kind = LeafKind::Issued(NewCertificate { hash: certificate, chain: b"chain".to_vec() });
    directory_append(expected_size, vec![kind])
}

/// A new user's enrolment, by the invite of that token, with its first device `USER laptop`.
pub fn enrolment(token: &str, user: &str, directory_size: u64) -> Enrolment {
    let certificate = id(&format!("{user} laptop"));
    Enrolment {
        invite: id(token),
        now_ms: NOW,
        account: NewAccount {
            user: user.into(),
            skeleton: user.replace('1', "l"),
            email: None,
            opaque_record: OpaqueRecord(b"record".to_vec()),
        },
        device: NewDevice {
            name: "laptop".into(),
            certificate,
            key: id(&format!("{user} key")),
            issued_ms: NOW,
        },
        directory: issuing(directory_size, certificate),
    }
}

/// Enrols a user and returns its device's certificate hash.
pub async fn enrol(store: &dyn Store, user: &str) -> Hash {
    let token = format!("{user} token");
    store.create_invite(invite(&token)).await.unwrap();
    let size = store.directory_head().await.unwrap().size;
    let enrolment = enrolment(&token, user, size);
    let certificate = enrolment.device.certificate;
    store.enrol(enrolment).await.unwrap();
    certificate
}

/// A further device of a user that [`enrol`] made, by a link.
pub async fn further(store: &dyn Store, user: &str, device: &str) -> Hash {
    let (certificate, laptop) = (id(&format!("{user} {device}")), id(&format!("{user} laptop")));
    let link = NewDeviceLink {
        token_hash: certificate,
        user: user.into(),
        created_by: laptop,
        created_ms: NOW,
        expires_ms: NOW + 1_000,
    };
    store.create_device_link(link).await.unwrap();
    store.put_device_request(&certificate, device, b"request", NOW).await.unwrap();
    store.approve_device(&certificate, &laptop, b"vouching", NOW).await.unwrap();
    let size = store.directory_head().await.unwrap().size;
    let directory = issuing(size, certificate);
    let enrolment = DeviceEnrolment {
        link: certificate,
        now_ms: NOW,
        certificate,
        key: id(&format!("{user} {device} key")),
        issued_ms: NOW,
        directory,
    };
    store.add_device(enrolment).await.unwrap();
    certificate
}

/// An entry of a sender.
pub fn entry(sender: Hash, seq: u64) -> NewEntry {
    NewEntry {
        kind: 1,
        statement: format!("statement {seq}").into_bytes(),
        ciphertext: Some(format!("ciphertext {seq}").into_bytes()),
        sender,
        seq,
        leaf_hash: id(&format!("leaf {seq}")),
        received_ms: NOW,
        blobs: Vec::new(),
        erases: Vec::new(),
    }
}

/// Growth of a room by entries that change no members and no epoch.
pub fn room_append(room: Hash, expected_size: u64, entries: Vec<NewEntry>) -> RoomAppend {
    let size = expected_size.saturating_add(entries.len() as u64);
    RoomAppend {
        room,
        expected_size,
        entries,
        frontier: format!("frontier {size}").into_bytes(),
        checkpoint: format!("checkpoint {size}").into_bytes(),
        members: Vec::new(),
        epoch: 0,
    }
}

/// A room to be made.
pub fn room(label: &str) -> NewRoom {
    NewRoom { id: id(label), name: Some(label.into()), mode: 0, suite: 0, direct: None, created_ms: NOW }
}

/// The first entry of a room: the first of `members` makes it and adds them all.
pub fn first(room: Hash, members: &[Hash]) -> RoomAppend {
    let creator = *members.first().unwrap();
    let added = members.iter().map(|certificate| MemberChange::Added { certificate: *certificate, index: 0 });
    RoomAppend { members: added.collect(), ..room_append(room, 0, vec![entry(creator, 1)]) }
}

/// Makes a room and returns its id; its size is 1, its creator's last sequence number too.
pub async fn create_room(store: &dyn Store, label: &str, members: &[Hash]) -> Hash {
    let room = room(label);
    let id = room.id;
    store.create_room(room, first(id, members)).await.unwrap();
    id
}

/// Appends to one room.
pub async fn append_one(store: &dyn Store, append: RoomAppend) -> Result<(), AppendError> {
    let answers = store.append(vec![append]).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.into_iter().next().unwrap()
}

/// Whether an error is of that shape, by its message.
pub fn assert_error<T: std::fmt::Debug>(result: Result<T, StoreError>, expected: &StoreError) {
    match result {
        Err(error) => assert_eq!(error.to_string(), expected.to_string()),
        Ok(value) => panic!("{value:?} instead of `{expected}`"),
    }
}
