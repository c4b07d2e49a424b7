//! What a victim does. It tells what it tries and what it was promised, and waits for a word where others have to do something first.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};

use client::{
    Address, Client, ClientOptions, FileToSend, Home, Joiner, Outgoing, SendHandle, Transfer, join,
};
use evidence::content::FileName;
use evidence::refusal::{Reason, Refusal};
use evidence::room::RoomId;
use tokio::sync::watch;

use crate::common::{in_room, password, run, within};
use crate::moment::{Moments, end_at};
use crate::victim::TOLD;

pub const PART: &str = "KILLED_PART";
pub const HOME: &str = "KILLED_HOME";
/// A room's id, or a link.
pub const WITH: &str = "KILLED_WITH";
pub const AT: &str = "KILLED_AT";

/// Bytes of a file that is sealed apart from its message.
pub const TAPE: usize = 300_000;

fn tell(word: &str) {
    println!("{TOLD}{word}");
}

/// Tells that it has come somewhere, and waits for what is to be known to go on.
async fn hear(word: &str) -> String {
    tell(word);
    let heard = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    heard.await.unwrap().unwrap().trim().to_owned()
}

/// Waits until something is so that does not become so without an event.
pub async fn until(client: &Client, so: impl AsyncFn() -> bool) {
    let mut events = client.events();
    within("it is so", async {
        while !so().await {
            events.next().await.unwrap();
        }
    })
    .await;
}

/// Says something, and tells that it was promised.
async fn say(client: &Client, room: RoomId, text: &str) -> SendHandle {
    tell(&format!("tried {text}"));
    let handle = client.send(room, Outgoing::text(text)).await.unwrap();
    tell(&format!("said {text}"));
    handle
}

/// The client of a home that was killed goes on: what waited is in the log, nothing was refused that a kill alone could bring about, and
/// what is said next is heard.
pub async fn goes_on(client: &Client, room: RoomId, text: &str) -> u64 {
    let mut handle = client.send(room, Outgoing::text(text)).await.unwrap();
    let index = within("it goes on", handle.logged()).await.unwrap().index;
    within("read", client.synced(room, index + 1)).await.unwrap();
    until(client, async || client.outbox(room).await.unwrap().is_empty()).await;
    assert_eq!(client.contradictions(room).await.unwrap(), []);
    let refusals: Vec<(Vec<u8>, Vec<u8>)> = client.refusals(room).await.unwrap();
    for (refusal, _) in refusals {
        // Another's change came first. A number that stood for two things would be another reason.
        let reason = Refusal::parse(&refusal).unwrap().claim().reason;
        assert!(matches!(reason, Reason::Epoch | Reason::Keys), "{reason:?}");
    }
    index
}

async fn is_there(client: &Client, room: RoomId, user: &str) -> bool {
    client.members(room).await.unwrap().iter().any(|member| member.user == user)
}

async fn logged(handle: &mut SendHandle) {
    within("logged", handle.logged()).await.unwrap();
}

#[tokio::test]
async fn of_a_victim() {
    let Ok(part) = env::var(PART) else { return };
    tracing::subscriber::set_global_default(Moments).unwrap();
    let (folder, with) = (PathBuf::from(env::var(HOME).unwrap()), env::var(WITH).unwrap());
    let at: usize = env::var(AT).unwrap().parse().unwrap();
    if part == "join" {
        return joins(&folder, &with, at).await;
    }
    let room: RoomId = with.parse().unwrap();
    let home = Home::open(&folder, password()).await.unwrap();
    match part.as_str() {
        "offline" => return offline(home, room, at).await,
        "return" => end_at(at),
        "history" => {
            end_at(at);
            let client = run(home).await;
            within("the history", client.history_read()).await;
            return client.close().await;
        }
        _ => {}
    }
    let client = run(home).await;
    let text = format!("{part} {at}");
    tell(&format!("tried {text} goes on"));
    goes_on(&client, room, &format!("{text} goes on")).await;
    match part.as_str() {
        "say" => {
            end_at(at);
            let mut handles = Vec::new();
            for number in 0..3 {
                handles.push(say(&client, room, &format!("{text} {number}")).await);
            }
            for handle in &mut handles {
                logged(handle).await;
            }
        }
        "hear" => {
            end_at(at);
            let size = hear("ready").await.parse().unwrap();
            within("heard", client.synced(room, size)).await.unwrap();
            client.shown(room, size).unwrap();
        }
        "create" => {
            end_at(at);
            tell(&format!("tried {text}"));
            let made = client.create_room(&text).await.unwrap();
            tell(&format!("said {text}"));
            logged(&mut client.send(made, Outgoing::text("first")).await.unwrap()).await;
        }
        "members" => {
            if is_there(&client, room, "carol").await {
                client.remove(room, &["carol"]).await.unwrap();
            }
            end_at(at);
            client.add(room, &["carol"]).await.unwrap();
            client.remove(room, &["carol"]).await.unwrap();
        }
        "keys" => {
            if !is_there(&client, room, "carol").await {
                client.add(room, &["carol"]).await.unwrap();
            }
            hear("ready").await;
            until(&client, async || !is_there(&client, room, "carol").await).await;
            end_at(at);
            logged(&mut say(&client, room, &text).await).await;
        }
        "file" => {
            let path = folder.with_file_name("tape.bin");
            end_at(at);
            let name = FileName::parse("tape.bin").unwrap();
            let file = FileToSend { name, media_type: None, file: File::open(path).unwrap() };
            let told = watch::Sender::new(Transfer::default());
            tell(&format!("tried {text}"));
            let sent = client.send_files(room, Outgoing::text(&text), vec![file], told).await.unwrap();
            tell(&format!("said {text}"));
            logged(&mut within("handed in", sent.queued()).await.unwrap()).await;
        }
        "return" => {}
        other => panic!("no part {other}"),
    }
    client.close().await;
}

/// Makes a home, or goes on with what an earlier try has left; then it is in use and can be added to a room.
async fn joins(folder: &Path, link: &str, at: usize) {
    end_at(at);
    let user = folder.file_name().unwrap().to_str().unwrap();
    let home = if Home::exists(folder) {
        Home::open(folder, password()).await.unwrap()
    } else {
        let joiner = Joiner { user, email: None, device: "laptop", password: password(), earlier: None };
        join(folder, link, joiner).await.unwrap()
    };
    end_at(0);
    let client = run(home).await;
    let room: RoomId = hear("ready").await.parse().unwrap();
    within("added", in_room(&client, room, 1)).await;
    client.close().await;
}

/// What is said without a server is not answered, and a promise all the same.
async fn offline(home: Home, room: RoomId, at: usize) {
    let nobody = Address { host: "127.0.0.1".to_owned(), port: 1 };
    let options = ClientOptions { server: Some(nobody), ..ClientOptions::default() };
    let client = Client::start(home, options).await.unwrap();
    end_at(at);
    for number in 0..3 {
        say(&client, room, &format!("offline {at} {number}")).await;
    }
    client.close().await;
}
