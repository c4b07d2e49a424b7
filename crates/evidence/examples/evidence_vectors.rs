//! Writes `docs/vectors/evidence` anew: `cargo run -p countersign-evidence --example evidence_vectors`.
//! Keys and certificates are fresh each time, so all files change together.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "made of what the tests use")]

#[path = "../tests/it/archive.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod archive;
#[path = "../tests/it/world.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod world;

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use evidence::content::{
    Attachment, Binding, Content, FILE_KEY, Field, FileName, MediaType, Reaction, Reference, Salt, SealedFile,
};
use evidence::cose::Object;
use evidence::log::{CompactTree, Tree, cover, leaf_hash};
use evidence::membership::Change;
use evidence::refusal::{Reason, RefusalClaim};
use evidence::room::{ContentSuite, Creation, RoomId};
use pki::{Name, Organisation};
use serde_json::{Value, json};
use world::{Party, Show, World};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors/evidence");
    fs::create_dir_all(&folder)?;
    let write = |name: &str, value: &Value| -> Result<(), Box<dyn Error>> {
        Ok(fs::write(folder.join(name), serde_json::to_string_pretty(value)? + "\n")?)
    };
    let world = talk();
    write("hashes.json", &hashes())?;
    write("contents.json", &contents())?;
    write("log.json", &log())?;
    write("objects.json", &objects(&world))?;
    let root = world.root.fingerprint().to_string();
    let mut list = Vec::new();
    for (name, says, verdict, codes, bytes) in bundles(world) {
        let file = format!("{name}.bundle");
        fs::write(folder.join(&file), bytes)?;
        list.push(json!({ "file": file, "says": says, "verdict": verdict, "codes": codes }));
    }
    write("bundles.json", &json!({ "root": root, "bundles": list }))
}

/// A short talk with two devices of one user, somebody who leaves, receipts and a revocation.
fn talk() -> World {
    let mut world = World::with_room(&["cdr", "cmp", "lmp"]);
    world.say(0, "Okay, Houston, we've had a problem here.");
    world.say(1, "This is Houston. Say again, please.");
    world.receipt(2, 1, 2);
    let phone = world.add_device("cdr", "phone", Some(0));
    let added = world.devices[phone].reference();
    world.change(0, Change::Add(vec![added]));
    world.say(phone, "Houston, we've had a problem. We've had a MAIN B BUS UNDERVOLT.");
    let own = world.devices[2].reference();
    world.change(2, Change::Leave(vec![own]));
    world.receipt(1, 1, 4);
    world.revoke(phone);
    world.say(0, "Roger.");
    world
}

type Bundle = (&'static str, &'static str, &'static str, Vec<&'static str>, Vec<u8>);

/// A talk in which everything is sealed, with every kind of change.
fn sealed(world: World) -> World {
    let mut world = world.another_room(ContentSuite::EndToEnd);
    world.say(0, "Okay, Houston, we've had a problem here.");
    let own = world.devices[2].reference();
    world.change(2, Change::Leave(vec![own.clone()]));
    world.change(1, Change::Return);
    world.change(0, Change::Update);
    world.say(1, "This is Houston. Say again, please.");
    world.receipt(0, 1, 5);
    world.change(1, Change::Add(vec![own]));
    world.say(2, "We've had a MAIN B BUS UNDERVOLT.");
    let second = world.devices[1].reference();
    world.change(0, Change::Remove(vec![second]));
    world.say(0, "Roger.");
    world
}

/// Keys that are renewed, once without somebody.
fn renewed(world: World) -> World {
    let mut world = world.another_room(ContentSuite::EndToEnd);
    world.say(0, "Okay, Houston, we've had a problem here.");
    world.change(1, Change::Renew(vec![]));
    world.say(1, "This is Houston. Say again, please.");
    let third = world.devices[2].reference();
    world.change(0, Change::Renew(vec![third.clone()]));
    world.say(0, "We've had a MAIN B BUS UNDERVOLT.");
    world.change(1, Change::Add(vec![third]));
    world
}

fn bundles(mut world: World) -> Vec<Bundle> {
    let last = world.tree.size() - 1;
    let all = world.bundle();
    let bad = |name, says, code, bytes| (name, says, "invalid", vec![code], bytes);
    let edited = |change: fn(&mut World)| {
        let mut copy = talk();
        change(&mut copy);
        copy
    };
    let one = world.write(&world.export(4, 4), |_| Show::Fields(&[1]));
    let mixed = world.write(&world.export(0, last), |index| match index {
        1 => Show::PlaceOnly,
        2 => Show::Nothing,
        _ => Show::All,
    });
    let mut cut = all.clone();
    cut.truncate(all.len() - 2_000);
    let mut parts = archive::unpack(&all);
    archive::part(&mut parts, "README.txt")[0] ^= 1;
    let page = archive::pack(&parts);
    let mut forged = archive::unpack(&all);
    let entries = archive::part(&mut forged, "entries.cbor");
    let at = entries.windows(5).position(|at| at == b"Roger").unwrap_or_default();
    entries[at] = b'L';
    let mut export = world.export(last, last);
    export.changes_before.retain(|index| *index != 3);
    let hidden = world.write(&export, |_| Show::All);
    let foreign = edited(|_| {}).bundle();
    world.relate();
    let related = world.bundle();
    let mut world = sealed(world);
    let sealed = world.bundle();
    let own = world.devices[2].reference();
    world.change(2, Change::Leave(vec![own]));
    world.say(0, "Too early.");
    let lingering = world.bundle();
    let world = renewed(world);
    let renewed = world.bundle();
    let mut world = world.another_room(ContentSuite::EndToEnd);
    let mut update = world.membership(0, Change::Update);
    update.mls.commit = None;
    let update = Object::sign(&update, &world.devices[0].key);
    world.append(update, None, true);
    let bare = world.bundle();
    vec![
        ("all", "a whole talk, all of it shown", "valid", vec![], all),
        ("one-field", "the text of one message alone", "valid", vec![], one),
        ("withheld", "one message withheld to its place, one to who and when", "valid", vec![], mixed),
        (
            "relations",
            "replies, edits, reactions, deletions and mentions, good and not",
            "valid",
            vec![],
            related,
        ),
        ("sealed", "content suite 1: every kind of change, all shown", "valid", vec![], sealed),
        ("renewed", "content suite 1: two further generations of keys", "valid", vec![], renewed),
        bad("lingering", "a message while one who left still holds the keys", "membership", lingering),
        bad("no-commit", "fresh keys without a commit", "membership", bare),
        bad("cut", "the file ends early", "cut", cut),
        bad("page", "a byte of the page changed", "manifest", page),
        bad("text", "a text changed, the manifest made to fit", "opening", archive::repack(forged)),
        bad("hidden-change", "a change of membership left out", "epoch", hidden),
        bad("foreign", "the same talk under another root", "root-mismatch", foreign),
    ]
}

fn hashes() -> Value {
    let name = |text: &str| Name::parse(text).unwrap();
    let creation = |parties| Creation {
        organisation: Organisation::parse("apollo.example").unwrap(),
        creator: [1; 32],
        parties,
        suite: ContentSuite::ServerReads,
        nonce: [2; 32],
    };
    let room = creation(None).room_id();
    let direct = creation(Some([name("cdr"), name("cmp")])).room_id();
    let fields =
        [Field::Text("Lift-off.".into()), Field::Composed(1_780_000_000_000), Field::Script(-10_000)];
    let salted = |n: u8| Salt::from_bytes([n; 32]);
    let digests: Vec<String> =
        fields.iter().zip(3..).map(|(field, n)| hex::encode(field.digest(&salted(n)))).collect();
    let content = Content::with_salts((3..).map(salted).zip(fields).collect()).unwrap();
    let user = name("cdr");
    let binding = Binding { user: &user, certificate: [6; 32], room: RoomId([7; 32]), seq: 42 };
    json!({
        "room": { "organisation": "apollo.example", "creator": hex::encode([1; 32]), "nonce": hex::encode([2; 32]), "id": room.to_string() },
        "direct": { "parties": ["cdr", "cmp"], "id": direct.to_string() },
        "commitment": {
            "user": "cdr", "certificate": hex::encode([6; 32]), "room": hex::encode([7; 32]), "seq": 42,
            "content": hex::encode(content.to_bytes()), "digests": digests,
            "commitment": hex::encode(content.commitment(&binding)),
        },
    })
}

/// Contents, good and hostile: what is told of their files, and the numbers of their fields; or null if it is no content.
fn contents() -> Value {
    let told = |content: &[u8]| {
        let content = Content::from_bytes(content).ok()?;
        Some(content.attachments().iter().map(Attachment::info).collect::<Vec<_>>())
    };
    let numbers = |content: &[u8]| {
        let content = Content::from_bytes(content).ok()?;
        Some(content.fields().map(Field::number).collect::<Vec<_>>())
    };
    let cases = contents_with_files().into_iter().chain(contents_with_references());
    cases
        .map(|(says, content)| {
            json!({ "says": says, "content": hex::encode(&content), "attachments": told(&content), "numbers": numbers(&content) })
        })
        .collect()
}

type Case = (&'static str, Vec<u8>);

fn contents_with_references() -> Vec<Case> {
    let to = Reference { index: 12, leaf: [9; 32] };
    let name = |name: &str| Name::parse(name).unwrap();
    let text = || Field::Text("Say again, @cmp.".to_owned());
    let bytes = |fields: Vec<Field>| {
        let salted = (1..).map(|n| Salt::from_bytes([n; 32])).zip(fields).collect();
        Content::with_salts(salted).unwrap().to_bytes()
    };
    let edited = |good: &[u8], from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|at| at == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let reply = bytes(vec![text(), Field::Reply(to)]);
    let reaction = |given| bytes(vec![Field::Reaction(Reaction::new(to, "👍", given).unwrap())]);
    let mentions = bytes(vec![text(), Field::Mentions(vec![name("cdr"), name("cmp")])]);
    let deletion = bytes(vec![Field::Deletion(to)]);
    // The fields of two contents in one map: the text's is the first of the second.
    let both = |one: &[u8], other: &[u8]| [&[one[0] + (other[0] - 0xa0)], &one[1..], &other[1..]].concat();
    let without_text = |content: &[u8]| {
        let from = bytes(vec![text()]).len();
        [&[content[0] - 1], &content[from..]].concat()
    };
    vec![
        ("a reply", reply.clone()),
        ("an edit with a mention", bytes(vec![text(), Field::Edit(to), Field::Mentions(vec![name("cmp")])])),
        ("a reaction", reaction(true)),
        ("a reaction taken back", reaction(false)),
        ("mentions", mentions.clone()),
        ("a deletion", deletion.clone()),
        ("a reply to nothing", without_text(&reply)),
        ("mentions without a text", without_text(&mentions)),
        ("an edit without a text", without_text(&bytes(vec![text(), Field::Edit(to)]))),
        ("a text with a reaction", both(&bytes(vec![text()]), &reaction(true))),
        ("a text with a deletion", both(&bytes(vec![text()]), &deletion)),
        ("a reaction that deletes", both(&reaction(true), &deletion)),
        ("an edit that replies", both(&reply, &without_text(&bytes(vec![text(), Field::Edit(to)])))),
        ("a reference of one item", edited(&deletion, b"\x82\x0c\x58\x20\x09", b"\x81\x0c\x58\x20\x09")),
        ("an index in two bytes", edited(&deletion, b"\x0c\x58\x20", b"\x18\x0c\x58\x20")),
        ("a short hash", edited(&deletion, b"\x0c\x58\x20\x09", b"\x0c\x58\x1f")),
        ("an empty reaction", edited(&reaction(true), "\x64👍".as_bytes(), b"\x60")),
        ("a reaction with an escape", edited(&reaction(true), "👍".as_bytes(), b"\x1b[2J")),
        ("a reaction neither given nor taken back", edited(&reaction(true), b"\xf5", b"\xf6")),
        ("names out of order", edited(&mentions, b"\x63cdr\x63cmp", b"\x63cmp\x63cdr")),
        ("a name twice", edited(&mentions, b"\x63cdr\x63cmp", b"\x63cdr\x63cdr")),
        ("a name in capitals", edited(&mentions, b"\x63cdr", b"\x63Cdr")),
        ("a reserved name", edited(&mentions, b"\x63cdr", b"\x63all")),
        ("no name", edited(&mentions, b"\x82\x63cdr\x63cmp", b"\x80")),
    ]
}

fn contents_with_files() -> Vec<Case> {
    let file = |name: &str, media_type: Option<&str>, bytes: &[u8]| {
        let media_type = media_type.and_then(MediaType::parse);
        Attachment::inline(FileName::parse(name).unwrap(), media_type, bytes.to_vec())
    };
    let bytes = |text: Option<&str>, files: Vec<Attachment>| {
        let fields =
            text.map(|text| Field::Text(text.to_owned())).into_iter().chain([Field::Attachments(files)]);
        Content::with_salts((1..).map(|n| Salt::from_bytes([n; 32])).zip(fields).collect())
            .unwrap()
            .to_bytes()
    };
    let good = bytes(None, vec![file("plan.txt", Some("text/plain"), b"Go.")]);
    let sealed = |size| {
        let place = SealedFile { key: [8; FILE_KEY].into(), ciphertext: [9; 32] };
        let media_type = MediaType::parse("video/mp4");
        Attachment::sealed(FileName::parse("tape.mp4").unwrap(), media_type, size, [7; 32], place)
    };
    let one_sealed = bytes(None, vec![sealed(1 << 31)]);
    let changed = |good: &[u8], from: &[u8], to: &[u8]| {
        let at = good.windows(from.len()).position(|at| at == from).unwrap();
        [&good[..at], to, &good[at + from.len()..]].concat()
    };
    let edited = |from: &[u8], to: &[u8]| changed(&good, from, to);
    vec![
        ("one file", good.clone()),
        ("a text and a file of each form", bytes(Some("The tape."), vec![file("a", None, b"x"), sealed(5)])),
        ("a sealed file of 2 GiB", one_sealed.clone()),
        ("more than 2 GiB", changed(&one_sealed, b"\x1a\x80\x00\x00\x00", b"\x1a\x80\x00\x00\x01")),
        ("a short key", changed(&one_sealed, b"\x58\x20\x08", b"\x58\x1f")),
        (
            "a sealed file without a ciphertext",
            changed(&one_sealed, &[&[0x58, 0x20][..], &[9; 32]].concat(), b""),
        ),
        ("a sealed file with a ciphertext of text", changed(&one_sealed, b"\x58\x20\x09", b"\x78\x20\x09")),
        ("a sealed file as inline", changed(&one_sealed, b"\x87\x01", b"\x87\x00")),
        (
            "a text and two files, one of them empty",
            bytes(Some("The plan."), vec![file("a", None, b"x"), file("空.txt", None, b"")]),
        ),
        ("another byte in the file", edited(b"\x43Go.", b"\x43No.")),
        ("another size", edited(b"\x03\x58\x20", b"\x04\x58\x20")),
        ("a size in two bytes", edited(b"\x03\x58\x20", b"\x18\x03\x58\x20")),
        ("another hash", edited(&pki::sha256(b"Go."), &[0; 32])),
        ("an item more", [&edited(b"\x86\x00", b"\x87\x00")[..], b"\xf6"].concat()),
        ("another form", edited(b"\x86\x00", b"\x86\x01")),
        ("no attachment", edited(&good[37..], b"\x80")),
        ("a name with a path", edited(b"plan.txt", b"../n.txt")),
        ("a name with a backslash", edited(b"plan.txt", b"C:\\n.txt")),
        ("a name with U+202E", edited(b"plan.txt", "p\u{202e}.txt".as_bytes())),
        ("a name with NUL", edited(b"plan.txt", b"pla\0.txt")),
        ("no name", edited(b"\x68plan.txt", b"\x60")),
        ("a media type in capitals", edited(b"text/plain", b"Text/plain")),
    ]
}

fn log() -> Value {
    let entries: Vec<Vec<u8>> = (0_u8..11).map(|n| vec![n; usize::from(n)]).collect();
    let mut tree = Tree::default();
    let mut roots = vec![hex::encode(tree.root())];
    let mut compact = CompactTree::new();
    for entry in &entries {
        tree.push(leaf_hash(entry));
        compact.push(leaf_hash(entry));
        roots.push(hex::encode(tree.root()));
    }
    let path = |path: Vec<[u8; 32]>| path.into_iter().map(hex::encode).collect::<Vec<String>>();
    json!({
        "entries": entries.iter().map(hex::encode).collect::<Vec<String>>(),
        "roots": roots,
        "inclusion": { "index": 5, "size": 11, "path": path(tree.inclusion(5, 11).unwrap().path) },
        "consistency": { "old": 6, "new": 11, "path": path(tree.consistency(6, 11).unwrap().path) },
        "cover": { "indices": [2, 3, 7], "marks": [9], "size": 11, "hashes": path(cover::prove(&tree, [2, 3, 7], &BTreeSet::from([9])).unwrap()) },
        "compact": hex::encode(compact.to_bytes()),
    })
}

fn objects(world: &World) -> Value {
    let refusal = RefusalClaim {
        certificate: world.log.hash(),
        room: world.room,
        time_ms: world.now_ms,
        statement: leaf_hash(b"statement"),
        device: world.devices[0].hash(),
        seq: 3,
        reason: Reason::Epoch,
    };
    let object = |kind: &str, bytes: &[u8], signer: &Party| {
        json!({
            "kind": kind,
            "object": hex::encode(bytes),
            "certificate": hex::encode(signer.hash()),
            "key": hex::encode(signer.key.public().as_bytes()),
        })
    };
    json!({
        "room": world.room.to_string(),
        "objects": [
            object("membership", &world.entries[0], &world.devices[0]),
            object("statement", &world.entries[1], &world.devices[0]),
            object("revocation", &world.entries[6], &world.log),
            object("device", &world.vouching[0], &world.devices[0]),
            object("receipt", &world.receipts[0].0, &world.devices[2]),
            object("refusal", &Object::sign(&refusal, &world.log.key), &world.log),
        ],
        "checkpoint": {
            "note": world.checkpoints[3].as_text(),
            "log": hex::encode(world.log.key.public().as_bytes()),
            "cosigner": hex::encode(world.cosigner.key.public().as_bytes()),
        },
        "cosignature": {
            "by": "apollo.example/devices/lmp/laptop",
            "key": hex::encode(world.devices[2].key.public().as_bytes()),
            "body": evidence::checkpoint::Checkpoint {
                origin: evidence::checkpoint::Origin::room(&world.organisation, world.room),
                head: world.checkpoints[2].head(),
            }.body(),
            "bytes": hex::encode(world.receipts[0].1.as_bytes()),
        },
    })
}
