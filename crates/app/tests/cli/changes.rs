use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::people::two;
use crate::support::Place;

/// A line of `tail` without its time.
fn untimed(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    words.remove(1);
    words.join(" ")
}

fn tail(place: &Place, user: &str) -> Vec<String> {
    let tail = place.run(&format!("tail ops --home {user} --password-file pw"));
    tail.ok().lines().map(untimed).collect()
}

#[test]
fn messages_are_replied_to_edited_reacted_to_and_deleted() {
    let place = Place::new();
    let server = two(&place);
    let run = |user: &str, command: &str| place.run(&format!("{command} --home {user} --password-file pw"));
    run("ann", "room create ops").ok();
    run("ann", "room add ops bob").ok();
    assert_eq!(run("ann", "send ops one").ok(), "logged at 2");
    assert_eq!(run("bob", "send ops @ann,again? --reply-to 2").ok(), "logged at 3");
    assert_eq!(run("bob", "react ops 2 👍").ok(), "logged at 4");
    assert_eq!(run("ann", "edit ops 2 uno").ok(), "logged at 5");
    run("bob", "edit ops 2 due").refused("not yours; only ann");
    run("bob", "delete ops 2").refused("not yours; only ann");
    run("bob", "react ops 2 \u{1b}[2J").refused("control characters");
    run("bob", "send ops what --reply-to 99").refused("no entry at index 99");
    run("bob", "edit ops two three").ended(2, "invalid value");
    let shown = tail(&place, "bob");
    assert_eq!(
        shown[2..],
        [
            "[2] ann: uno  (edited)",
            "[3] bob: @ann,again?  (reply to 2)",
            "[4] bob reacted 👍 to 2",
            "[5] ann edited 2: uno",
        ]
    );
    assert_eq!(run("bob", "react ops 2 👍 --remove").ok(), "logged at 6");
    assert_eq!(run("ann", "delete ops 2").ok(), "logged at 7");
    run("ann", "edit ops 2 tre").refused("was deleted at 7");
    let shown = tail(&place, "bob");
    assert_eq!(shown[2], "[2] ann (deleted)");
    assert_eq!(
        shown[5..],
        ["[5] ann edited 2 (deleted)", "[6] bob took back 👍 from 2", "[7] ann deleted 2"]
    );

    let tail = run("bob", "tail ops --json");
    let objects: Vec<Value> = tail.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let good = json!({ "index": 2, "good": true });
    assert_eq!((&objects[3]["reply_to"], &objects[3]["mentions"]), (&good, &json!(["ann"])));
    assert_eq!(objects[4]["reaction"], json!({ "index": 2, "good": true, "text": "👍", "given": true }));
    assert_eq!((&objects[5]["edits"], &objects[7]["deletes"]), (&good, &good));
    assert_eq!(objects[2]["edited"], json!({ "index": 5, "text": "uno" }));
    assert_eq!((&objects[2]["deleted"], &objects[2]["text"]), (&json!(7), &json!("one")));
    assert_eq!((&objects[0]["reply_to"], &objects[0]["mentions"]), (&Value::Null, &json!([])));

    run("bob", "export ops --out ops.bundle").ok();
    assert_eq!(place.run("verify ops.bundle --home bob").code, 0);

    drop(server);
    run("bob", "react ops 3 👍").refused("waits in your home");
    assert_eq!(tail_last(&place), "[queued] bob reacted 👍 to 3");
}

fn tail_last(place: &Place) -> String {
    let tail = place.run("tail ops --home bob --password-file pw");
    tail.ok().lines().last().unwrap().to_owned()
}

#[test]
fn a_chat_takes_the_same_by_lines_and_says_how_they_are_typed() {
    let place = Place::new();
    let _server = two(&place);
    place.run("room create ops --home bob --password-file pw").ok();
    place.run("send ops one --home bob --password-file pw").ok();
    let mut chat = place
        .command("chat ops --plain --home bob --password-file pw")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = chat.stdin.take().unwrap();
    let mut lines = BufReader::new(chat.stdout.take().unwrap()).lines();
    let mut next = || untimed(&lines.next().unwrap().unwrap());
    for (typed, shown) in [
        ("", "[0] — bob created the room ops with bob"),
        ("", "[1] bob: one"),
        ("/reply 1 Say again.\n", "[2] bob: Say again.  (reply to 1)"),
        ("/react 1 👍\n", "[3] bob reacted 👍 to 1"),
        ("/edit 1 two words\n", "[4] bob edited 1: two words"),
        ("/delete 1\n", "[5] bob deleted 1"),
        ("//delete 1\n", "[6] bob: /delete 1"),
        ("/reply\n/delete one\n/undo 1\n//quit\n", "[7] bob: /quit"),
        ("/edit 1 three\nover\n", "[8] bob: over"),
    ] {
        write!(input, "{typed}").unwrap();
        assert_eq!(next(), shown);
    }
    drop(input);
    let ended = chat.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    for part in [
        "not sent: type /reply N TEXT; N is the number before the message",
        "not sent: type /delete N;",
        "not sent: there is no command /undo. /reply N TEXT, /edit N TEXT,",
        "\"/edit 1 three\": the message at index 1 was deleted at 5",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(ended.status.code(), Some(1), "one message was refused for good");
}
