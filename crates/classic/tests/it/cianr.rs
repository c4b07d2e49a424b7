//! `cianr`: sessions from certificate to receipt, and what is refused.

use std::path::PathBuf;

use classic::ClassicError;
use classic::certificate::Folder;
use classic::cianr::{Dialect, Role, Transcripts};
use classic::conversation::{Says, What};
use classic::limits::MAX_TEXT;
use classic::verify::{Files, Verdict, verify};
use tempfile::TempDir;

use crate::world::{certificates, client, enter, say, server, start, start_accounts};

fn texts(told: &[What]) -> Vec<&str> {
    told.iter()
        .filter_map(|what| match what {
            What::Message { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect()
}

/// CL-21 to CL-27.
#[tokio::test]
async fn a_session_of_cianr_pss_is_acknowledged_and_leaves_receipts_over_one_transcript() {
    let (there, here) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut running = start(server(Dialect::Pss, Some(there.path()))).await;
    let mut alice = client(Dialect::Pss, Some("alice"), "secret");
    alice.transcripts = Some(Transcripts::new(here.path().to_owned()));
    let (told, outcome) = say(&alice, running.address, &["hello", "", "größe 🚀"]).await;
    outcome.unwrap();
    assert_eq!(texts(&told), ["Server acknowledges: 'hello'", "Server acknowledges: 'größe 🚀'"]);
    assert!(
        told.iter().any(|what| matches!(what, What::Receipt { signature: true, same_transcript: true, .. }))
    );
    let user = running
        .next(|what| match what {
            What::Registered { user, email } => Some((user.clone(), email.clone())),
            _ => None,
        })
        .await;
    assert_eq!(user, ("alice".to_owned(), Some("alice@example.org".to_owned())));
    let same = running
        .next(|what| match what {
            What::Receipt { signature, same_transcript, .. } => Some(*signature && *same_transcript),
            _ => None,
        })
        .await;
    assert!(same);
    running.next(|what| matches!(what, What::Disconnected { error: None }).then_some(())).await;
    let ours = std::fs::read_to_string(here.path().join("server_transcript.log")).unwrap();
    assert_eq!(ours, std::fs::read_to_string(there.path().join("client_transcript.log")).unwrap());
    assert_eq!(ours.lines().count(), 4);
    assert!(!ours.ends_with('\n'));
    assert!(here.path().join("server_session_receipt.json").exists());

    let bob = client(Dialect::Pss, None, "secret");
    let (told, outcome) = say(&bob, running.address, &["again"]).await;
    outcome.unwrap();
    assert_eq!(texts(&told), ["Server acknowledges: 'again'"]);
    let saved = running.next(saved).await;
    assert_eq!(saved.parent().unwrap().file_name().unwrap(), "session-2");
    // Regression: a receipt named the files of the session after it.
    for receipt in ["session-1", "session-2", "."].map(|folder| there.path().join(folder)) {
        valid(Dialect::Pss, receipt.join("client_session_receipt.json"));
    }
    let first = std::fs::read_to_string(there.path().join("session-1/client_transcript.log")).unwrap();
    assert_eq!((first.lines().count(), first), (4, ours));
    let shown = std::fs::read_to_string(there.path().join("client_transcript.log")).unwrap();
    assert_eq!(shown.lines().count(), 2);
    valid(Dialect::Pss, here.path().join("server_received_receipt.json"));
}

/// Whether a receipt is good under the dialect's CA.
fn valid(dialect: Dialect, receipt: PathBuf) {
    let root = Folder::open(certificates(dialect), Role::Client, None).unwrap();
    let report = verify(&Files::of(receipt), Some(root.ca())).unwrap();
    assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
}

/// Regression: a saved receipt did not cover the transcript beside it once something came after it.
#[tokio::test]
async fn what_comes_after_a_receipt_is_kept_beside_the_transcript() {
    for dialect in [Dialect::Pkcs1, Dialect::Line] {
        let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut talkative = server(dialect, Some(there.path()));
        talkative.says = Says::Script(["welcome".to_owned(), "goodbye".to_owned()].into());
        let mut running = start(talkative).await;
        let mut alice = client(dialect, Some("alice"), "secret");
        alice.transcripts = Some(Transcripts::new(here.path().to_owned()));
        let (told, outcome) = say(&alice, running.address, &[dialect.quit_word()]).await;
        outcome.unwrap();
        let kept = told.iter().find_map(saved).unwrap();
        if dialect == Dialect::Pkcs1 {
            valid(dialect, kept.clone());
            let lines = |ending: &str| {
                let path = kept.to_str().unwrap().replace("_receipt.json", ending);
                std::fs::read_to_string(path).unwrap_or_default().lines().count()
            };
            assert_eq!(lines(".log") + lines("_after_receipt.log"), texts(&told).len());
        } else {
            // What a client has of cianr-line is the server's receipt over the server's lines.
            valid(dialect, kept.to_str().unwrap().replace(".log", "_received_receipt.json").into());
        }
        valid(dialect, running.next(saved).await);
    }
}

/// CL-30 to CL-33.
#[tokio::test]
async fn both_people_talk_in_cianr_pkcs1() {
    let there = TempDir::new().unwrap();
    let mut talkative = server(Dialect::Pkcs1, Some(there.path()));
    talkative.says = Says::Script(["welcome".to_owned(), "goodbye".to_owned()].into());
    let mut running = start(talkative).await;
    let (told, outcome) =
        say(&client(Dialect::Pkcs1, Some("alice"), "secret"), running.address, &["hello", "there"]).await;
    outcome.unwrap();
    assert_eq!(texts(&told), ["welcome", "goodbye"]);
    assert!(told.iter().any(|what| matches!(what, What::Receipt { signature: true, .. })));
    for wanted in ["hello", "there"] {
        let heard = running.next(text).await;
        assert_eq!(heard, ("alice".to_owned(), wanted.to_owned()));
    }
    let saved = running.next(saved).await;
    assert!(saved.file_name().unwrap().to_str().unwrap().starts_with("server_vs_client.local_"));
    let log = std::fs::read(saved.to_str().unwrap().replace("_receipt.json", ".log")).unwrap();
    assert!(log.ends_with(b"\n"));
    for (password, fits) in [("secret", true), ("wrong", false)] {
        let (_, outcome) = say(&client(Dialect::Pkcs1, None, password), running.address, &[]).await;
        assert_eq!(outcome.is_ok(), fits);
    }
}

/// CL-34 to CL-37.
#[tokio::test]
async fn accounts_and_chat_of_cianr_line_are_two_ports() {
    let there = TempDir::new().unwrap();
    let running = start(server(Dialect::Line, Some(there.path()))).await;
    let accounts = start_accounts(server(Dialect::Line, None)).await;
    for (register, password, answer) in [
        (None, "secret", Some("invalid credentials")),
        (Some("alice"), "secret", None),
        (Some("alice"), "secret", Some("email or username already exists")),
        (None, "wrong", Some("invalid credentials")),
        (None, "secret", None),
    ] {
        match (enter(&client(Dialect::Line, register, password), accounts.address).await, answer) {
            (Ok(()), None) => {}
            (Err(ClassicError::Refused(text)), Some(answer)) => assert_eq!(text, answer),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
    let mut running = running;
    let (told, outcome) = say(&client(Dialect::Line, None, "secret"), running.address, &["hello"]).await;
    outcome.unwrap();
    assert!(told.iter().any(|what| matches!(what, What::Receipt { signature: true, .. })));
    assert_eq!(running.next(text).await, ("client".to_owned(), "hello".to_owned()));
}

fn text(what: &What) -> Option<(String, String)> {
    match what {
        What::Message { from, text, .. } => Some((from.clone(), text.clone())),
        _ => None,
    }
}

fn saved(what: &What) -> Option<PathBuf> {
    match what {
        What::Saved { file } => Some(file.clone()),
        _ => None,
    }
}

/// CL-22.
#[tokio::test]
async fn what_the_server_answers_to_credentials() {
    let running = start(server(Dialect::Pss, None)).await;
    for (register, password, answer) in [
        (None, "secret", "User not found"),
        (Some("alice"), "secret", ""),
        (Some("alice"), "other", "Email or username already exists"),
        (None, "wrong", "Invalid password"),
        (None, "secret", ""),
    ] {
        let (_, outcome) = say(&client(Dialect::Pss, register, password), running.address, &[]).await;
        match outcome {
            Ok(()) => assert_eq!(answer, ""),
            Err(ClassicError::Refused(text)) => assert_eq!(text, answer),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Regression: a server whose disk was full told the client its path, and went on (CL-20).
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_cannot_write_its_transcript_leaves_and_names_no_path() {
    let there = TempDir::new().unwrap();
    let partial = there.path().join(format!("client_{}-1.partial", std::process::id()));
    std::os::unix::fs::symlink("/dev/full", partial).unwrap();
    let mut running = start(server(Dialect::Pss, Some(there.path()))).await;
    let long = "long".repeat(8 * 1024);
    let (_, outcome) = say(&client(Dialect::Pss, Some("alice"), "secret"), running.address, &[&long]).await;
    let Err(ClassicError::Refused(said)) = outcome else { panic!("{outcome:?}") };
    assert!(!said.contains(there.path().to_str().unwrap()), "{said}");
    let ended = running.next(|what| match what {
        What::Disconnected { error } => error.clone(),
        _ => None,
    });
    assert!(ended.await.contains(there.path().to_str().unwrap()));
}

/// Regression: a server that closed with bytes unread made TCP forget what it had said.
#[tokio::test]
async fn a_fault_is_heard_by_who_sends_on() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let running = start(server(Dialect::Line, None)).await;
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    let mut bytes = b"{\"type\": \"nonsense\"}\n".to_vec();
    bytes.resize(300_000, b'a');
    stream.write_all(&bytes).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    assert!(heard.contains("nonsense"), "{heard}");
}

/// Regression: a text that was about as long as a text may be had no answer.
#[tokio::test]
async fn the_longest_text_is_acknowledged() {
    let running = start(server(Dialect::Pss, None)).await;
    let long = "x".repeat(MAX_TEXT);
    let (told, outcome) =
        say(&client(Dialect::Pss, Some("alice"), "secret"), running.address, &[&long]).await;
    outcome.unwrap();
    assert_eq!(texts(&told), [format!("Server acknowledges: '{long}'")]);
}
