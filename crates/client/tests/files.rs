//! Files that are sealed apart from messages (docs/group.md, section 7).

#![expect(clippy::unwrap_used, reason = "a test's helper fails the test")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use client::{Client, ClientError, ClientOptions, Event, FileToSend, Home, Outgoing, Transfer, Upload};
use common::{World, export, in_room, password, verdict, within};
use evidence::bundle::Root;
use evidence::content::FileName;
use evidence::entry::Place;
use evidence::limits::{MAX_FILES, MAX_SKEW_MS};
use evidence::log::TreeHead;
use evidence::room::RoomId;
use evidence::verdict::Word;
use session::message::{Command, Reply};
use tokio::sync::watch;

const CHUNK: usize = 262_128;

/// Bytes of a file; the marker is found nowhere else.
const MARKER: &[u8] = b"the sealed tape of Odyssey";

fn bytes(size: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..size).map(|at| (at % 249) as u8 ^ (at / 249) as u8).collect();
    let at = size / 2;
    bytes.splice(at..at + MARKER.len(), MARKER.iter().copied());
    bytes
}

fn holds(bytes: &[u8], marker: &[u8]) -> bool {
    bytes.windows(marker.len()).any(|at| at == marker)
}

fn untold() -> watch::Sender<Transfer> {
    watch::Sender::new(Transfer::default())
}

impl World {
    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn outgoing(&self, user: &str) -> usize {
        fs::read_dir(self.home(user).join("outgoing")).map_or(0, Iterator::count)
    }
}

fn to_send(path: &Path) -> FileToSend {
    let name = FileName::parse(path.file_name().unwrap().to_str().unwrap()).unwrap();
    FileToSend { name, media_type: None, file: File::open(path).unwrap() }
}

/// Writes a file as an earlier try has left it.
fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

async fn upload(client: &Client, room: RoomId, text: &str, paths: &[&Path]) -> Upload {
    let files = paths.iter().map(|path| to_send(path)).collect();
    client.send_files(room, Outgoing::text(text), files, untold()).await.unwrap()
}

async fn sent(client: &Client, upload: Upload) -> u64 {
    let mut handle = within("handed in", upload.queued()).await.unwrap();
    let index = within("logged", handle.logged()).await.unwrap().index;
    within("read", client.synced(handle.room(), index + 1)).await.unwrap();
    index
}

async fn fetch(client: &Client, room: RoomId, index: u64, to: &Path) -> Result<(), ClientError> {
    within("fetched", client.fetch_file(room, index, 0, to, untold())).await.map(|_| ())
}

/// GR-23, GR-25: what arrives is what was sent; the server has it sealed, the sender's home nothing any more.
#[tokio::test]
async fn large_files_arrive_sealed_and_whole() {
    let mut world = World::new().await;
    let (alice, bob) = (world.member("alice").await, world.member("bob").await);
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    let tape = bytes(3 * CHUNK + 7);
    let (path, empty) = (world.file("tape.bin", &tape), world.file("empty", b""));
    let (told, transfer) = watch::channel(Transfer::default());
    let files = vec![to_send(&path), to_send(&empty)];
    let upload = alice.send_files(room, Outgoing::text("the tape"), files, told).await.unwrap();
    let index = sent(&alice, upload).await;
    let last = *transfer.borrow();
    assert!(last.done >= 2 * tape.len() as u64 && last.done == last.total, "{last:?}");
    assert_eq!(world.outgoing("alice"), 0);

    in_room(&bob, room, index + 1).await;
    let item = bob.timeline(room, index, 1).await.unwrap().remove(0);
    let told = &item.attachments()[0];
    assert_eq!(
        (item.text(), told.bytes, told.sha256),
        (Some("the tape"), tape.len() as u64, pki::sha256(&tape))
    );
    for (client, name) in [(&bob, "bobs"), (&alice, "alices")] {
        let to = world.folder.path().join(name);
        fetch(client, room, index, &to).await.unwrap();
        assert!(fs::read(&to).unwrap() == tape);
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let to = world.folder.path().join("nothing");
    within("fetched", bob.fetch_file(room, index, 1, &to, untold())).await.unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"");
    assert!(bob.fetch_file(room, index, 2, &to, untold()).await.is_err());

    let bundle = export(&bob, room, &client::ExportOptions::default()).await;
    let (found, said) = verdict(&bundle, Root::Pinned(world.root()));
    assert_eq!(found.word, Word::Valid);
    let told = &said.iter().find(|said| said.index == index).unwrap().attachments;
    assert_eq!((told[0].sha256, told[0].inline, told[1].bytes), (pki::sha256(&tape), false, 0));
    assert!(!holds(&bundle, MARKER));
    for client in [alice, bob] {
        client.close().await;
    }
    world.stop().await;
    for entry in fs::read_dir(world.folder.path().join("server")).unwrap() {
        let path = entry.unwrap().path();
        assert!(!path.is_file() || !holds(&fs::read(&path).unwrap(), MARKER), "{}", path.display());
    }
}

/// What one process did not hand in, the next one does, though the file is gone from its folder.
#[tokio::test]
async fn what_waits_is_handed_in_by_the_next_process() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.close().await;
    world.stop().await;
    let tape = bytes(2 * CHUNK);
    let path = world.file("tape.bin", &tape);
    let home = Home::open(&world.home("alice"), password()).await.unwrap();
    let alice = Client::start(home, ClientOptions::default()).await.unwrap();
    let waiting = upload(&alice, room, "the tape", &[&path]).await;
    fs::remove_file(&path).unwrap();
    let queued = alice.outbox(room).await.unwrap();
    assert_eq!((queued.len(), queued[0].seq, queued[0].text.as_str()), (1, None, "the tape"));
    assert_eq!(queued[0].attachments[0].sha256, pki::sha256(&tape));
    alice.close().await;
    assert!(matches!(waiting.queued().await, Err(ClientError::Closed)));
    assert_eq!(world.outgoing("alice"), 1);
    // What was begun and cut off is of no use.
    fs::write(world.home("alice").join("outgoing/.unfinished-00"), "x").unwrap();

    world.start().await;
    let alice = world.reopen("alice").await;
    within("logged", alice.synced(room, 2)).await.unwrap();
    assert_eq!(alice.timeline(room, 1, 1).await.unwrap()[0].text(), Some("the tape"));
    let to = world.folder.path().join("back");
    fetch(&alice, room, 1, &to).await.unwrap();
    assert!(fs::read(&to).unwrap() == tape);
    alice.close().await;
    let alice = world.reopen("alice").await;
    assert_eq!((world.outgoing("alice"), alice.outbox(room).await.unwrap().len()), (0, 0));
    alice.close().await;
}

/// A server that goes away in between costs time alone, and later messages do not wait for files.
#[tokio::test]
async fn a_transfer_outlives_the_connection() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    let tape = bytes(40 * CHUNK);
    let (told, mut transfer) = watch::channel(Transfer::default());
    let files = vec![to_send(&world.file("tape.bin", &tape))];
    let upload = alice.send_files(room, Outgoing::text("the tape"), files, told).await.unwrap();
    let mut text = alice.send(room, Outgoing::text("meanwhile")).await.unwrap();
    assert_eq!(within("logged", text.logged()).await.unwrap().index, 1);
    let half = |transfer: &Transfer| transfer.done > transfer.total / 2 + 4 * CHUNK as u64;
    within("begun", transfer.wait_for(half)).await.unwrap();
    world.stop().await;
    world.start().await;
    assert_eq!(sent(&alice, upload).await, 2);
    let to = world.folder.path().join("back");
    fetch(&alice, room, 2, &to).await.unwrap();
    assert!(fs::read(&to).unwrap() == tape);
    alice.close().await;
}

/// A file that was cut off is gone on with; what is there and is not its beginning is written anew.
#[tokio::test]
async fn what_was_fetched_before_a_cut_is_kept_if_it_is_good() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    let tape = bytes(3 * CHUNK + 100);
    let index = sent(&alice, upload(&alice, room, "", &[&world.file("tape.bin", &tape)]).await).await;
    let to = world.folder.path().join("back");
    let mut wrong = tape[..2 * CHUNK].to_vec();
    wrong[CHUNK + 1] ^= 1;
    for before in [&tape[..2 * CHUNK + 5], &tape[..10], &tape, &wrong, &[&tape[..], &[7; CHUNK]].concat()] {
        put(&to, before);
        fetch(&alice, room, index, &to).await.unwrap();
        assert!(fs::read(&to).unwrap() == tape);
    }
    let held = alice.fetch_file(room, index, 0, &to, untold()).await.unwrap();
    let error = fetch(&alice, room, index, &to).await.unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
    // What is there is not asked for again: the server has it no more.
    alice.close().await;
    world.stop().await;
    world.execute("DELETE FROM blob_pieces WHERE piece < 2").await;
    world.start().await;
    let alice = world.reopen("alice").await;
    put(&to, &tape[..2 * CHUNK + 5]);
    fetch(&alice, room, index, &to).await.unwrap();
    assert!(fs::read(&to).unwrap() == tape);
    put(&to, b"");
    assert_eq!(fetch(&alice, room, index, &to).await.unwrap_err().code(), "not-found");
    alice.close().await;
}

/// GR-24: a file that the server, or who sent it, made another is not taken, nor one that never came.
#[tokio::test]
async fn a_file_that_is_not_the_one_signed_is_refused() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let mut bob = world.party("bob").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.add(room, &["bob"]).await.unwrap();
    // Bob names a file that he hands in, with another hash than it has, and one that he does not.
    let key = group::FileKey::new(&[5; 32]).unwrap();
    let mut sealed = b"x".to_vec();
    key.seal(group::Chunks::of(1).get(0).unwrap(), &mut sealed).unwrap();
    let sealed_hash = bob.put(&sealed).await;
    let mut group = bob.join_group(room).await.unwrap();
    let value = |sha256: [u8; 32], ciphertext: [u8; 32]| {
        let mut e = minicbor::Encoder::new(Vec::new());
        e.array(1).and_then(|e| e.array(7)?.u8(1)?.str("a")?.null()?.u8(1)?.bytes(&sha256)).unwrap();
        e.bytes(&[5; 32]).and_then(|e| e.bytes(&ciphertext)).unwrap();
        e.into_writer()
    };
    let values = [
        (value(pki::sha256(b"y"), sealed_hash), vec![sealed_hash.into()]),
        (value(pki::sha256(b"x"), [9; 32]), Vec::new()),
    ];
    for (seq, (value, files)) in (1..).zip(values) {
        let place = Place { room, seq, time_ms: client::system_clock(), epoch: 1, seen: TreeHead::empty() };
        let (statement, content) = bob.say_raw(&mut group, place, 7, &value);
        let append = Command::Append { room: room.0.into(), statement, content: Some(content), files };
        let reply = bob.peer.ask(append).await.unwrap();
        assert!(matches!(reply, Reply::Appended { .. }), "{reply:?}");
    }
    bob.peer.close().await;
    within("read", alice.synced(room, 4)).await.unwrap();
    let to = world.folder.path().join("back");
    assert_eq!(fetch(&alice, room, 2, &to).await.unwrap_err().code(), "not-trusted");
    assert_eq!(fetch(&alice, room, 3, &to).await.unwrap_err().code(), "not-found");

    let tape = bytes(2 * CHUNK);
    let index = sent(&alice, upload(&alice, room, "", &[&world.file("tape.bin", &tape)]).await).await;
    alice.close().await;
    let changes = [
        "UPDATE blob_pieces SET bytes = zeroblob(length(bytes)) WHERE piece = 1",
        "DELETE FROM blob_pieces WHERE piece = 1",
    ];
    for (change, code) in changes.iter().zip(["not-trusted", "not-found"]) {
        world.stop().await;
        world.execute(change).await;
        world.start().await;
        let alice = world.reopen("alice").await;
        assert_eq!(fetch(&alice, room, index, &to).await.unwrap_err().code(), code, "{change}");
        alice.close().await;
    }
}

/// Bad files are refused before anything is stored, and a message that cannot be sent leaves nothing.
#[tokio::test]
async fn what_cannot_be_sent_leaves_nothing() {
    let world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    let path = world.file("tape.bin", &bytes(2 * CHUNK));
    let large = world.file("large", b"");
    File::options().write(true).open(&large).unwrap().set_len(MAX_FILES).unwrap();
    let refused = async |text: &str, paths: &[&Path]| {
        let files = paths.iter().map(|path| to_send(path)).collect();
        let Err(error) = alice.send_files(room, Outgoing::text(text), files, untold()).await else {
            panic!("it was sent")
        };
        error.to_string()
    };
    assert!(refused("", &[&large, &path]).await.contains("2 GiB together"));
    let folder = File::open(world.folder.path()).unwrap();
    let folder = FileToSend { name: FileName::parse("x").unwrap(), media_type: None, file: folder };
    assert!(alice.send_files(room, Outgoing::text(""), vec![folder], untold()).await.is_err());
    assert!(refused(&"x".repeat(200_000), &[&path]).await.contains("send it in parts"));
    assert!(refused("", &[path.as_path(); 17]).await.contains("send it in parts"));
    alice.leave(room).await.unwrap();
    within("left", alice.synced(room, 2)).await.unwrap();
    assert!(refused("", &[&path]).await.contains("not a member"));
    assert_eq!((alice.outbox(room).await.unwrap().len(), world.outgoing("alice")), (0, 0));
    alice.close().await;
}

/// A device that may not go on tells so, and one whose sealed file is gone gives the message up.
#[tokio::test]
async fn an_upload_that_cannot_go_on_ends() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.close().await;
    world.stop().await;
    let path = world.file("tape.bin", &bytes(2 * CHUNK));
    let start = async |world: &World| {
        let home = Home::open(&world.home("alice"), password()).await.unwrap();
        Client::start(home, ClientOptions::default()).await.unwrap()
    };
    let alice = start(&world).await;
    let waiting = upload(&alice, room, "the tape", &[&path]).await;
    world.execute("UPDATE accounts SET enabled = 0").await;
    world.start().await;
    assert!(matches!(within("ended", waiting.queued()).await, Err(ClientError::Ended(_))));
    assert_eq!(alice.outbox(room).await.unwrap().len(), 1);
    alice.close().await;
    world.stop().await;
    world.execute("UPDATE accounts SET enabled = 1").await;
    fs::remove_dir_all(world.home("alice").join("outgoing")).unwrap();
    let alice = start(&world).await;
    let mut events = alice.events();
    world.start().await;
    let told = async {
        loop {
            if let Event::FileLost { why, .. } = events.next().await.unwrap() {
                return why.to_string();
            }
        }
    };
    assert!(within("told", told).await.contains("not in this home any more"));
    assert_eq!(alice.outbox(room).await.unwrap().len(), 0);
    alice.close().await;
}

/// Ahead of the time by more than a server takes.
fn fast_clock() -> u64 {
    client::system_clock() + 2 * MAX_SKEW_MS
}

/// A message is in the outbox, and the server has lost its file meanwhile: it gets it again; if that is gone here too, the message
/// goes out all the same.
#[tokio::test]
async fn a_server_that_lost_a_file_gets_it_again() {
    let mut world = World::new().await;
    let alice = world.member("alice").await;
    let room = alice.create_room("ops").await.unwrap();
    alice.close().await;
    let tape = bytes(2 * CHUNK);
    let (path, to) = (world.file("tape.bin", &tape), world.folder.path().join("back"));
    // Before each there are fresh keys, as it was sealed before (GR-18).
    for (lost, index) in [(false, 2), (true, 4)] {
        // Its statement is not taken, so that it waits.
        let home = Home::open(&world.home("alice"), password()).await.unwrap();
        let alice = Client::start(home, ClientOptions { server: None, clock: fast_clock }).await.unwrap();
        within("login", alice.ready()).await.unwrap();
        let waiting = upload(&alice, room, "the tape", &[&path]).await;
        let mut handle = within("handed in", waiting.queued()).await.unwrap();
        assert_eq!(within("answered", handle.logged()).await.unwrap_err().code(), "clock");
        alice.close().await;
        assert_eq!(world.outgoing("alice"), 1);
        world.stop().await;
        world.execute("DELETE FROM blobs WHERE room_no IS NULL").await;
        if lost {
            fs::remove_dir_all(world.home("alice").join("outgoing")).unwrap();
        }
        world.start().await;
        let alice = world.reopen("alice").await;
        within("logged", alice.synced(room, index + 1)).await.unwrap();
        let fetched = fetch(&alice, room, index, &to).await.map_err(|error| error.code());
        assert_eq!(fetched, if lost { Err("not-found") } else { Ok(()) });
        assert_eq!(alice.outbox(room).await.unwrap().len(), 0);
        alice.close().await;
        assert_eq!(world.outgoing("alice"), 0);
    }
}
