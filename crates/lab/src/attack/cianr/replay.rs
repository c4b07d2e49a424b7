//! Exhibit 6: messages and sessions again.

use std::path::Path;

use classic::cianr::{Dialect, ReceiptFile, SignedMessage};
use classic::conversation::What;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::session::{Messages, note, on, refused_by_server, session, signed_message, visit};
use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::{PATIENCE, Stage, texts};
use crate::tap::{Marks, Tap};

/// What was said in the session that is recorded.
const WORDS: [&str; 2] = ["hello", "yes, I agree to that"];

/// A message of one session in the next.
pub(super) async fn cross_session(
    stage: &Stage,
    dialect: Dialect,
    capture: &Capture,
) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    let marks = Marks::Classic(dialect.framing());
    let tap = Tap::listen(server.address, marks, capture.clone()).await?;
    visit(stage, dialect, tap.address(), true, &WORDS).await?.outcome?;
    server.events.next_session().await;
    let mut frames = capture.recorded().frames.into_iter().filter(|frame| frame.from == End::Client);
    let recorded = frames
        .find_map(|frame| signed_message(dialect.framing(), &frame).filter(|message| message.seqno == 2))
        .ok_or_else(|| LabError::stage("no second message was recorded"))?;
    capture.note_each(|frame| {
        (signed_message(dialect.framing(), frame).as_ref() == Some(&recorded))
            .then(|| "kept for the next session".to_owned())
    });

    let old = recorded.clone();
    let hands = move || {
        let old = old.clone();
        Messages(move |message: SignedMessage| {
            Ok(vec![note("a message of the last session follows this one"), on(&message)?, on(&old)?])
        })
    };
    let tap = Tap::start(server.address, marks, capture.clone(), hands).await?;
    visit(stage, dialect, tap.address(), false, &["hello"]).await?;
    let told = server.events.next_session().await;
    let saved = told.iter().find_map(|what| match what {
        What::Saved { file } => Some(file),
        _ => None,
    });
    let Some(saved) = saved else { return Ok(refused_by_server(capture, dialect, &told)) };
    let (transcript, receipt) = files(saved)?;
    let begins = format!("{}|{}|{}|{}|", recorded.seqno, recorded.ts, recorded.ct, recorded.sig);
    Ok(if transcript.lines().any(|line| line.starts_with(&begins)) {
        let signed = if receipt { ", and the server signed a receipt over it" } else { "" };
        Found::succeeds(format!(
            "The transcript of the second session has the line {}|{}|…, signed in the first{signed}.",
            recorded.seqno, recorded.ts
        ))
    } else {
        refused_by_server(capture, dialect, &told)
    })
}

/// The transcript of a saved session, and whether there is a receipt over it.
fn files(saved: &Path) -> Result<(String, bool), LabError> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(LabError::io("cannot read a transcript"));
    let text = read(saved)?;
    match serde_json::from_str::<ReceiptFile>(&text) {
        Ok(receipt) => Ok((read(&receipt.transcript_file)?, true)),
        Err(_) => Ok((text, false)),
    }
}

/// All that the client sent, again.
pub(super) async fn whole_session(
    stage: &Stage,
    dialect: Dialect,
    capture: &Capture,
) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    let tap = Tap::listen(server.address, Marks::Classic(dialect.framing()), capture.clone()).await?;
    visit(stage, dialect, tap.address(), true, &WORDS).await?.outcome?;
    server.events.next_session().await;

    let failed = || LabError::io("cannot speak with the server");
    let mut stream = TcpStream::connect(server.address).await.map_err(failed())?;
    let local = stream.local_addr().map_err(failed())?;
    let flow = capture.flow("attacker and server", local, server.address);
    for frame in capture.recorded().frames.iter().filter(|frame| frame.from == End::Client) {
        capture.frame(flow, End::Client, &frame.bytes, Some("as it was recorded".to_owned()));
        // A server that has closed by now has given its answer.
        let _ = stream.write_all(&frame.bytes).await;
    }
    let _ = stream.shutdown().await;
    let mut answers = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answers)).await;
    let marks = Marks::Classic(dialect.framing());
    let mut rest = answers.as_slice();
    while let Some((message, taken)) = marks.split(rest) {
        capture.frame(flow, End::Server, &marks.frame(&message), None);
        rest = rest.get(taken..).unwrap_or_default();
    }
    let told = server.events.next_session().await;
    Ok(match texts(&told).first() {
        Some(text) => Found::succeeds(format!("The server heard “{text}” a second time.")),
        None => refused_by_server(capture, dialect, &told),
    })
}

/// A message again, in its own session.
pub(super) async fn message(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let heard = session(stage, dialect, capture, &WORDS, || {
        let mut first = None;
        Messages(move |message: SignedMessage| {
            let Some(old) = &first else {
                let acts = vec![note("kept, to be sent again"), on(&message)?];
                first = Some(message);
                return Ok(acts);
            };
            Ok(vec![note("the first message follows again"), on(&message)?, on(old)?])
        })
    })
    .await?;
    let [first, second] = WORDS;
    Ok(match heard.texts().as_slice() {
        [a, b, c] if [*a, *b, *c] == [first, second, first] => {
            Found::succeeds(format!("The server heard “{first}” twice."))
        }
        _ => heard.refused(),
    })
}
