//! Erasing what was said: out of the server's folder and the members' homes, and told by evidence.

use std::path::Path;

use serde_json::{Value, json};
use store::{Log as _, SqliteStore, Upkeep as _};

use crate::people::two;
use crate::support::{Outcome, Place};

/// Looks at a folder before a test gives up; each takes some milliseconds.
const LOOKS: usize = 3000;

/// Whether a file of a folder has these bytes.
fn holds(folder: &Path, what: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().map(Result::unwrap).any(|entry| {
        if entry.file_type().unwrap().is_dir() {
            return holds(&entry.path(), what);
        }
        std::fs::read(entry.path()).unwrap().windows(what.len()).any(|window| window == what)
    })
}

/// What the server has of the messages at these indices, out of a copy of its database.
fn sealed(place: &Place, room: &str, indices: &[u64]) -> Vec<Vec<u8>> {
    for name in ["store.db", "store.db-wal"] {
        std::fs::copy(place.path("d").join(name), place.path(name)).unwrap();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let sealed = runtime.block_on(async {
        let store = SqliteStore::open(&place.path("store.db")).await.unwrap();
        let room = hex::decode(room).unwrap().try_into().unwrap();
        let mut sealed = Vec::new();
        for index in indices {
            let entry = store.entries(&room, *index, 1, 1).await.unwrap().pop().unwrap();
            sealed.push(entry.ciphertext.unwrap());
        }
        store.close().await;
        sealed
    });
    std::fs::remove_file(place.path("store.db")).unwrap();
    sealed
}

#[test]
fn what_is_erased_leaves_the_servers_folder_and_evidence_says_so() {
    let place = Place::new();
    let _server = two(&place);
    let run = |user: &str, command: &str| place.run(&format!("{command} --home {user} --password-file pw"));
    let created: Value = serde_json::from_str(run("ann", "room create ops --json").ok()).unwrap();
    run("ann", "room add ops bob").ok();
    std::fs::write(place.path("tape.bin"), vec![7; 300_000]).unwrap();
    assert_eq!(run("ann", "send ops a-slip --file tape.bin").ok(), "logged at 2");
    assert_eq!(run("ann", "edit ops 2 a-lesser-slip").ok(), "logged at 3");
    assert_eq!(run("bob", "send ops so-it-is").ok(), "logged at 4");
    run("bob", "export ops --out before.bundle").ok();
    let kept = sealed(&place, created["room"].as_str().unwrap(), &[2, 3, 4]);
    let folder = place.path("d");
    assert!(kept.iter().all(|sealed| holds(&folder, sealed)));

    let erase = "erase ops 2 --reason wrong-room";
    run("ann", erase).ended(2, "--yes erases it all the same");
    run("bob", &format!("{erase} --yes")).refused("not yours; only ann can erase it");
    run("ann", "erase ops 1 --reason x --yes").refused("a change of the room");
    run("ann", "erase ops 2 --reason a\u{1b}[2J --yes").refused("without control characters");
    let erased: Value = serde_json::from_str(run("ann", &format!("{erase} --yes --json")).ok()).unwrap();
    assert_eq!((&erased["erased"], &erased["index"]), (&json!([2, 3]), &json!(5)));
    run("ann", &format!("{erase} --yes")).refused("was erased at 5");

    let has = || kept.iter().take(2).any(|sealed| holds(&folder, sealed));
    assert!((0..LOOKS).any(|_| !has()), "the server's folder has it still");
    assert!(holds(&folder, &kept[2]), "what was not erased stays");
    for user in ["ann", "bob"] {
        let tail = run(user, "tail ops");
        for line in ["— erased by ann: wrong-room", "— ann erased 2 and 3: wrong-room", "bob: so-it-is"] {
            assert!(tail.ok().contains(line), "{line}: {}", tail.out);
        }
        assert!(!tail.out.contains("slip"), "{}", tail.out);
        run(user, "save ops 2 --to files").refused("has no files");
    }
    let tail = run("bob", "tail ops --json");
    let objects: Vec<Value> = tail.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects[2]["erased"], json!({ "index": 5, "reason": "wrong-room" }));
    assert_eq!(objects[5]["erases"], json!({ "indices": [2, 3], "reason": "wrong-room" }));
    assert_eq!((&objects[4]["erased"], &objects[2]["text"]), (&Value::Null, &Value::Null));

    run("bob", "export ops --out after.bundle").ok();
    let part = run("bob", "export ops --out part.bundle --to 4");
    part.ok();
    assert!(part.err.contains("2 messages were erased by an entry behind the range"), "{}", part.err);
    for (bundle, counts) in [("before", [3, 0, 0]), ("after", [1, 2, 0]), ("part", [1, 0, 2])] {
        let verified = place.run(&format!("verify {bundle}.bundle --home bob --json"));
        let verdict: Value = serde_json::from_str(verified.ok()).unwrap();
        assert_eq!(verdict["verdict"], "valid", "{bundle}");
        let [disclosed, erased, withheld] = counts;
        assert_eq!(
            (&verdict["disclosed"], &verdict["erased"], &verdict["withheld"]),
            (&json!(disclosed), &json!(erased), &json!(withheld)),
            "{bundle}"
        );
    }
    let verified = place.run("verify after.bundle --home bob --report after.html");
    assert!(verified.ok().contains("[erased at 5 by ann: wrong-room]"), "{}", verified.out);
    assert!(place.read("after.html").contains("<span class=quiet>erased</span>"));
    assert!(!holds(&place.path("bob"), b"slip") && !place.read("after.html").contains("slip"));
}

#[test]
fn a_chat_erases_by_a_line() {
    let place = Place::new();
    let _server = two(&place);
    place.run("room create ops --home bob --password-file pw").ok();
    let chat = |lines: &str| {
        std::fs::write(place.path("lines"), lines).unwrap();
        let input = std::fs::File::open(place.path("lines")).unwrap();
        let mut chat = place.command("chat ops --plain --home bob --password-file pw");
        chat.stdin(input);
        Outcome::of(chat)
    };
    chat("a slip\n").ok();
    let talk = chat("/erase 1 the wrong room\n/erase 1\n");
    assert!(talk.ok().contains("— bob erased 1: the wrong room"), "{}", talk.out);
    assert!(talk.err.contains("not sent: type /erase N REASON;"), "{}", talk.err);
    let tail = place.run("tail ops --home bob --password-file pw");
    assert!(
        tail.ok().contains("[1]") && tail.out.contains("— erased by bob: the wrong room"),
        "{}",
        tail.out
    );
}
