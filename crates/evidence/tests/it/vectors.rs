//! The vectors beside `docs/evidence.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use evidence::bundle::{Root, verify};
use evidence::checkpoint::Cosignature;
use evidence::content::{Attachment, Binding, Content, Field};
use evidence::cose::{Malformed, Object};
use evidence::entry::Entry;
use evidence::log::{CompactTree, ConsistencyProof, InclusionProof, Tree, cover, leaf_hash};
use evidence::membership::DeviceStatement;
use evidence::receipt::Receipt;
use evidence::refusal::RefusalClaim;
use evidence::room::{ContentSuite, Creation, RoomId};
use pki::ed25519::PublicKey;
use pki::{Name, Organisation};
use serde_json::Value;

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/vectors/evidence");
    fs::read(folder.join(name)).unwrap()
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&read(name)).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn hash(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

fn path(value: &Value) -> Vec<[u8; 32]> {
    value.as_array().unwrap().iter().map(hash).collect()
}

#[test]
fn rooms_and_commitments() {
    let vectors = json("hashes.json");
    let (room, direct, said) = (&vectors["room"], &vectors["direct"], &vectors["commitment"]);
    let names = |n: usize| Name::parse(direct["parties"][n].as_str().unwrap()).unwrap();
    let id = |parties| {
        let organisation = Organisation::parse(room["organisation"].as_str().unwrap()).unwrap();
        let (creator, nonce) = (hash(&room["creator"]), hash(&room["nonce"]));
        Creation { organisation, creator, parties, suite: ContentSuite::ServerReads, nonce }.room_id()
    };
    assert_eq!(id(None).to_string(), room["id"]);
    assert_eq!(id(Some([names(0), names(1)])).to_string(), direct["id"]);
    let content = Content::from_bytes(&bytes(&said["content"])).unwrap();
    let user = Name::parse(said["user"].as_str().unwrap()).unwrap();
    let binding = Binding {
        user: &user,
        certificate: hash(&said["certificate"]),
        room: RoomId(hash(&said["room"])),
        seq: said["seq"].as_u64().unwrap(),
    };
    assert_eq!(content.commitment(&binding), hash(&said["commitment"]));
}

#[test]
fn contents_good_and_hostile() {
    let cases = json("contents.json");
    for case in cases.as_array().unwrap() {
        let content = Content::from_bytes(&bytes(&case["content"])).ok();
        let numbers = content.as_ref().map(|content| content.fields().map(Field::number).collect::<Vec<_>>());
        assert_eq!(serde_json::to_value(numbers).unwrap(), case["numbers"], "{}", case["says"]);
        let told =
            content.map(|content| content.attachments().iter().map(Attachment::info).collect::<Vec<_>>());
        assert_eq!(serde_json::to_value(told).unwrap(), case["attachments"], "{}", case["says"]);
    }
    let refused = cases.as_array().unwrap().iter().filter(|case| case["attachments"].is_null()).count();
    assert_eq!((cases.as_array().unwrap().len(), refused), (46, 36));
}

#[test]
fn logs_and_proofs() {
    let vectors = json("log.json");
    let mut tree = Tree::default();
    let entries: Vec<Vec<u8>> = vectors["entries"].as_array().unwrap().iter().map(bytes).collect();
    let roots = path(&vectors["roots"]);
    for (entry, root) in entries.iter().zip(&roots) {
        assert_eq!(tree.root(), *root);
        tree.push(leaf_hash(entry));
    }
    let last = tree.root();
    assert_eq!(Some(&last), roots.last());
    assert_eq!(CompactTree::from_bytes(&bytes(&vectors["compact"])), Ok(tree.compact().clone()));
    let inclusion = InclusionProof { index: 5, size: 11, path: path(&vectors["inclusion"]["path"]) };
    assert_eq!(inclusion.verify(&leaf_hash(&entries[5]), &last), Ok(()));
    let consistency = ConsistencyProof { old: 6, new: 11, path: path(&vectors["consistency"]["path"]) };
    assert_eq!(consistency.verify(&roots[6], &last), Ok(()));
    let proof = cover::prove(&tree, [2, 3, 7], &BTreeSet::from([9])).unwrap();
    assert_eq!(proof, path(&vectors["cover"]["hashes"]));
}

#[test]
fn objects_are_read_as_their_kind() {
    let vectors = json("objects.json");
    for object in vectors["objects"].as_array().unwrap() {
        let (bytes, certificate) = (bytes(&object["object"]), hash(&object["certificate"]));
        let signer = match object["kind"].as_str().unwrap() {
            "device" => DeviceStatement::parse(&bytes).unwrap().certificate(),
            "receipt" => Receipt::parse(&bytes).unwrap().certificate(),
            "refusal" => Object::<RefusalClaim>::parse(&bytes).unwrap().certificate(),
            _ => Entry::parse(&bytes).unwrap().certificate(),
        };
        assert_eq!(signer, certificate);
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(Entry::parse(&longer).unwrap_err(), Malformed::NotCose);
    }
    let cosignature = Cosignature::from_bytes(&bytes(&vectors["cosignature"]["bytes"])).unwrap();
    let body = vectors["cosignature"]["body"].as_str().unwrap();
    let key = PublicKey::from_bytes(&hash(&vectors["cosignature"]["key"])).unwrap();
    let time = u64::from_be_bytes(cosignature.as_bytes()[4..12].try_into().unwrap());
    let signed = format!("cosignature/v1\ntime {time}\n{body}");
    assert!(key.verify(signed.as_bytes(), cosignature.as_bytes()[12..].try_into().unwrap()).is_ok());
}

#[test]
fn bundles_have_their_verdicts() {
    for list in [json("bundles.json"), json("erasures.json")] {
        bundles_of(&list);
    }
}

fn bundles_of(list: &Value) {
    let root = Root::Pinned(list["root"].as_str().unwrap().parse().unwrap());
    for bundle in list["bundles"].as_array().unwrap() {
        let (verdict, said) = verify(read(bundle["file"].as_str().unwrap()).as_slice(), root).unwrap();
        let json = verdict.to_json(&said);
        assert_eq!(json["verdict"], bundle["verdict"], "{}: {:?}", bundle["file"], verdict.problems);
        let codes: Vec<&Value> =
            verdict.problems.iter().zip(0..).map(|(_, n)| &json["problems"][n]["code"]).collect();
        for code in bundle["codes"].as_array().unwrap() {
            assert!(codes.contains(&code), "{}: {codes:?}", bundle["file"]);
        }
        if let Some(states) = bundle["states"].as_array() {
            let told: Vec<&Value> = (0..said.len()).map(|n| &json["said"][n]["state"]).collect();
            assert_eq!(told, states.iter().collect::<Vec<_>>(), "{}", bundle["file"]);
        }
    }
}
