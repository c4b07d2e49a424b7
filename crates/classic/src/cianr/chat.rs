//! A chat once its keys stand: messages both ways until both sides have left (CL-23 to CL-26, CL-34, CL-37).

use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::error::{ErrorMessage, ErrorReply, Phase};
use super::place::Transcripts;
use super::transcript::Papers;
use super::{Dialect, Receipt, Role, SignedMessage, Transcript, kind};
use crate::ClassicError;
use crate::certificate::Certificate;
use crate::cipher::CipherKey;
use crate::conversation::{Clock, Lines, Reporter, Stop, What};
use crate::frame::{FrameReader, write_frame};
use crate::json;
use crate::limits::{LEAVE_DEADLINE, LEAVE_LIMIT, MAX_TEXT};
use crate::rsa::SigningKey;

/// How long a client waits for the server's answer to a message before it goes on without.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// How long the server may be silent before a client whose lines are through leaves, where its messages are not answered.
const CLIENT_LINGER: Duration = Duration::from_millis(500);
/// How long the other side may be silent before a server whose script is through leaves.
const SCRIPT_LINGER: Duration = Duration::from_secs(3);

/// Who talks to whom, under which keys.
pub(super) struct Party<'a> {
    pub dialect: Dialect,
    pub side: Role,
    pub signer: &'a SigningKey,
    pub own: &'a Certificate,
    pub peer: Certificate,
    /// What the other side is called in events.
    pub peer_name: String,
    pub session: CipherKey,
    pub clock: Clock,
    pub transcripts: Option<&'a Transcripts>,
    /// Whether each line waits for the server's answer to the one before.
    pub in_turn: bool,
}

/// A chat under way.
struct Chat<'a, W> {
    party: Party<'a>,
    writer: W,
    reporter: &'a Reporter,
    transcript: Transcript,
    /// The transcript as the other side writes it, where that is another one (CL-36).
    mirrored: Option<Transcript>,
    sent: u64,
    received: u64,
    ours: Option<Receipt>,
    theirs: Option<Receipt>,
    left: bool,
    peer_left: bool,
    wake: Wake,
}

/// What the chat waits for besides messages and lines.
#[derive(Clone, Copy)]
enum Wake {
    Nothing,
    Answer(Instant),
    Linger(Instant),
    /// The other side's next message is due `next`, and its last one at the `end`.
    Farewell {
        next: Instant,
        end: Instant,
    },
}

impl Wake {
    async fn up(self) {
        match self {
            Self::Nothing => std::future::pending().await,
            Self::Answer(at) | Self::Linger(at) => sleep_until(at).await,
            Self::Farewell { next, end } => sleep_until(next.min(end)).await,
        }
    }
}

/// Talks until both sides have left, and writes the session's files, also if it ends badly.
pub(super) async fn chat<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    reader: &mut FrameReader<R>,
    writer: W,
    party: Party<'_>,
    lines: Lines,
    reporter: &Reporter,
    stop: Stop,
) -> Result<(), ClassicError> {
    let place = party.transcripts.map(|transcripts| {
        let (name, now) = (party.peer.common_name().unwrap_or_default(), (party.clock)());
        transcripts.place(party.dialect, party.side, name, now, reporter.session())
    });
    let transcript = Transcript::begin(party.dialect, place)?;
    let mirrored = match party.dialect {
        Dialect::Line => Some(Transcript::begin(party.dialect, None)?),
        Dialect::Pss | Dialect::Pkcs1 => None,
    };
    let mut chat = Chat {
        party,
        writer,
        reporter,
        transcript,
        mirrored,
        sent: 0,
        received: 0,
        ours: None,
        theirs: None,
        left: false,
        peer_left: false,
        wake: Wake::Nothing,
    };
    let outcome = chat.run(reader, lines, stop).await;
    let saved = chat.save();
    outcome.and(saved)
}

impl<W: AsyncWrite + Unpin> Chat<'_, W> {
    async fn run<R: AsyncRead + Unpin>(
        &mut self,
        reader: &mut FrameReader<R>,
        mut lines: Lines,
        mut stop: Stop,
    ) -> Result<(), ClassicError> {
        let mut through = false;
        while !(self.left && self.peer_left) {
            let quiet = self.left || through || matches!(self.wake, Wake::Answer(_));
            tokio::select! {
                // First what a peer that never stops sending must not hold up.
                biased;
                () = stop.told(), if !self.left => self.leave().await?,
                () = self.wake.up() => match self.wake {
                    Wake::Farewell { .. } => break,
                    Wake::Linger(_) => self.leave().await?,
                    Wake::Answer(_) | Wake::Nothing => {
                        self.party.in_turn = false;
                        self.wake = Wake::Nothing;
                    }
                },
                message = reader.next() => match message {
                    Ok(Some(message)) => {
                        self.hear(&message).await?;
                        if through && !self.left && self.is_answered() {
                            self.leave().await?;
                        } else if through {
                            self.wake = self.linger();
                        }
                    }
                    // Programs that exist close as soon as they have said all, whatever is on its way to them.
                    Ok(None) | Err(ClassicError::Io { .. }) if self.left => break,
                    Ok(None) => return Err(ClassicError::Ended("without a receipt")),
                    Err(error) => return Err(error),
                },
                line = lines.next(), if !quiet => match line {
                    Some(line) if line == self.party.dialect.quit_word() => self.leave().await?,
                    Some(line) if line.is_empty() => {}
                    Some(line) => self.say(&line).await?,
                    None => {
                        through = true;
                        if self.is_answered() {
                            self.leave().await?;
                        } else {
                            self.wake = self.linger();
                        }
                    }
                },
            }
        }
        Ok(())
    }

    fn linger(&self) -> Wake {
        match self.wake {
            farewell @ Wake::Farewell { .. } => farewell,
            _ => {
                let patience = match self.party.side {
                    Role::Client if self.party.dialect.acknowledges() => ANSWER_PATIENCE,
                    Role::Client => CLIENT_LINGER,
                    Role::Server => SCRIPT_LINGER,
                };
                Wake::Linger(Instant::now() + patience)
            }
        }
    }

    /// Whether a client has an answer to each of its messages, where the server answers each: then nothing more is to come.
    fn is_answered(&self) -> bool {
        let Party { side, dialect, .. } = &self.party;
        *side == Role::Client && dialect.acknowledges() && self.received >= self.sent
    }

    async fn hear(&mut self, bytes: &[u8]) -> Result<(), ClassicError> {
        if let Wake::Farewell { next, .. } = &mut self.wake {
            *next = Instant::now() + LEAVE_DEADLINE;
        }
        match self.take(bytes).await {
            Err(error @ ClassicError::Malformed(_)) => self.reject(error).await,
            Err(error) if error.is_ours() => {
                // What failed may be the connection itself.
                let _ = self.name(&error).await;
                Err(error)
            }
            outcome => outcome,
        }
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), ClassicError> {
        match kind(bytes)?.as_str() {
            "msg" => {
                let outcome = self.accept(json::read(bytes)?);
                match outcome {
                    Ok(text) => self.heard(text).await,
                    Err(
                        error
                        @ (ClassicError::Replay | ClassicError::BadSignature | ClassicError::Decryption),
                    ) => self.reject(error).await,
                    Err(error) => Err(error),
                }
            }
            "receipt" => self.receive_receipt(json::read(bytes)?).await,
            "bye" if self.party.dialect == Dialect::Line => self.farewell().await,
            "error" => {
                let error = json::read::<ErrorMessage>(bytes)?.text();
                self.reporter.tell(What::Refused { error: error.clone() });
                match self.party.side {
                    Role::Client => Err(ClassicError::Refused(error)),
                    Role::Server => Ok(()),
                }
            }
            other => Err(ClassicError::Malformed(format!("{other:?} in a chat"))),
        }
    }

    fn accept(&mut self, message: SignedMessage) -> Result<(u64, String), ClassicError> {
        message.check(self.party.dialect, self.party.peer.verifying_key(), &mut self.received)?;
        self.note(&message, self.party.side.peer())?;
        let text = message.open(self.party.dialect, &self.party.session)?;
        Ok((message.seqno, text.to_string()))
    }

    /// Adds what `by` sent to the transcript.
    fn note(&mut self, message: &SignedMessage, by: Role) -> Result<(), ClassicError> {
        let Party { dialect, side, own, peer, .. } = &self.party;
        let sender = if by == *side { *own } else { peer };
        self.transcript.add(message, &dialect.fingerprint(sender, peer))?;
        match &mut self.mirrored {
            Some(mirrored) => mirrored.add(message, &dialect.fingerprint(sender, own)),
            None => Ok(()),
        }
    }

    async fn heard(&mut self, (seqno, text): (u64, String)) -> Result<(), ClassicError> {
        if matches!(self.wake, Wake::Answer(_)) {
            self.wake = Wake::Nothing;
        }
        let from = self.party.peer_name.clone();
        let quits = text == self.party.dialect.quit_word();
        let answer = (self.party.side == Role::Server && self.party.dialect.acknowledges() && !quits)
            .then(|| format!("Server acknowledges: '{text}'"));
        self.reporter.tell(What::Message { from, seqno: Some(seqno), text });
        match answer {
            Some(answer) => self.send(&answer).await,
            // Its receipt is still to come.
            None if quits && !self.left => self.leave().await,
            None => Ok(()),
        }
    }

    /// Names the fault to the other side, and goes on if the existing program does.
    async fn reject(&mut self, error: ClassicError) -> Result<(), ClassicError> {
        self.reporter.tell(What::Rejected { error: error.to_string() });
        self.name(&error).await?;
        if self.party.dialect.goes_on_after(&error, self.party.side) { Ok(()) } else { Err(error) }
    }

    /// A server says what was wrong; a client just goes.
    async fn name(&mut self, error: &ClassicError) -> Result<(), ClassicError> {
        match self.party.side {
            Role::Server => self.write(&ErrorReply::new(self.party.dialect, Phase::Chat, error)).await,
            Role::Client => Ok(()),
        }
    }

    async fn receive_receipt(&mut self, receipt: Receipt) -> Result<(), ClassicError> {
        let signature = receipt.check(self.party.dialect, self.party.peer.verifying_key()).is_ok();
        self.reporter.tell(What::Receipt {
            transcript_sha256: receipt.transcript_sha256.clone(),
            signature,
            same_transcript: receipt.transcript_sha256
                == self.mirrored.as_ref().unwrap_or(&self.transcript).hash(),
        });
        self.theirs = Some(receipt);
        self.farewell().await?;
        if signature { Ok(()) } else { Err(ClassicError::BadSignature) }
    }

    /// The other side has left; so do we.
    async fn farewell(&mut self) -> Result<(), ClassicError> {
        self.peer_left = true;
        if self.left {
            return Ok(());
        }
        match self.leave().await {
            // It has said all, and may be gone.
            Err(ClassicError::Io { .. }) => Ok(()),
            outcome => outcome,
        }
    }

    async fn leave(&mut self) -> Result<(), ClassicError> {
        self.left = true;
        let now = Instant::now();
        self.wake = Wake::Farewell { next: now + LEAVE_DEADLINE, end: now + LEAVE_LIMIT };
        if self.party.dialect == Dialect::Line && self.party.side == Role::Client {
            return self.write(&Bye { kind: "bye" }).await;
        }
        let Party { dialect, signer, side, .. } = &self.party;
        let receipt = Receipt::make(*dialect, signer, *side, self.sent, self.transcript.seal())?;
        let receipt = json::write(self.ours.insert(receipt))?;
        write_frame(&mut self.writer, self.party.dialect.framing(), &receipt).await
    }

    async fn say(&mut self, text: &str) -> Result<(), ClassicError> {
        if text.len() > MAX_TEXT {
            let error = format!("a text of {} bytes is too long: at most {MAX_TEXT}", text.len());
            self.reporter.tell(What::Refused { error });
            return Ok(());
        }
        self.send(text).await
    }

    /// Sends a text that may be longer than what a person says: one of the other side's in an acknowledgement.
    async fn send(&mut self, text: &str) -> Result<(), ClassicError> {
        let Party { dialect, session, signer, clock, .. } = &self.party;
        self.sent += 1;
        let message = SignedMessage::make(*dialect, session, signer, (self.sent, clock()), text)?;
        self.write(&message).await?;
        self.note(&message, self.party.side)?;
        self.reporter.tell(What::Sent { seqno: Some(self.sent), text: text.to_owned() });
        if self.party.in_turn && self.party.side == Role::Client && self.party.dialect.acknowledges() {
            self.wake = Wake::Answer(Instant::now() + ANSWER_PATIENCE);
        }
        Ok(())
    }

    async fn write(&mut self, message: &impl Serialize) -> Result<(), ClassicError> {
        write_frame(&mut self.writer, self.party.dialect.framing(), &json::write(message)?).await
    }

    fn save(self) -> Result<(), ClassicError> {
        let papers = Papers {
            ours: self.ours.as_ref(),
            theirs: self.theirs.as_ref(),
            own: self.party.own,
            peer: &self.party.peer,
        };
        if let Some(file) = self.transcript.save(&papers)? {
            self.reporter.tell(What::Saved { file });
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Bye {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use tokio::io::{AsyncWriteExt as _, ReadBuf, sink};

    use super::*;
    use crate::certificate::{Folder, issue};
    use crate::frame::Framing;

    const NOW_MS: u64 = 1_800_000_000_000;

    /// Has always more to read, a number of times.
    struct Flood(usize);

    impl AsyncRead for Flood {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            if self.0 > 0 {
                self.0 -= 1;
                buffer.put_slice(b"{\"type\": \"error\"}\n");
            }
            Poll::Ready(Ok(()))
        }
    }

    /// Has a server leave at once, and listens to what the other side sends; how many errors came.
    async fn heard_after_leaving(sends: impl AsyncRead + Unpin) -> usize {
        let folder = tempfile::tempdir().unwrap();
        issue::make_folder(folder.path(), Dialect::Line, None, None, NOW_MS).unwrap();
        let identity = Folder::open(folder.path(), Role::Server, None).unwrap();
        let party = Party {
            dialect: Dialect::Line,
            side: Role::Server,
            signer: identity.key(),
            own: identity.certificate(),
            peer: identity.certificate().clone(),
            peer_name: "client".to_owned(),
            session: CipherKey::aes_128(&[7; 16]),
            clock: || NOW_MS,
            transcripts: None,
            in_turn: false,
        };
        let heard = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&heard);
        let count = Arc::new(move |_| *counter.lock().unwrap() += 1);
        let reporter = Reporter::new(1, ([127, 0, 0, 1], 1).into(), count);
        let (handle, stop) = Stop::new();
        handle.send(true).unwrap();
        let mut reader = FrameReader::new(sends, Framing::Line);
        // With the end of what is sent it would fail for want of a receipt, had it not left.
        chat(&mut reader, sink(), party, Lines::Nothing, &reporter, stop).await.unwrap();
        *heard.lock().unwrap()
    }

    /// Regression: who never stopped sending was never left (CL-2, `LEAVE_DEADLINE`).
    #[tokio::test]
    async fn a_side_that_is_told_to_stop_leaves_one_that_never_stops_sending() {
        assert_eq!(heard_after_leaving(Flood(100)).await, 100);
    }

    /// `LEAVE_DEADLINE` is from one message to the next, `LEAVE_LIMIT` for all of them.
    #[tokio::test(start_paused = true)]
    async fn who_goes_on_after_we_have_left_is_heard_for_a_limited_time() {
        let (mut far, near) = tokio::io::duplex(1024);
        let sending = tokio::spawn(async move {
            while far.write_all(b"{\"type\": \"error\"}\n").await.is_ok() {
                tokio::time::sleep(LEAVE_DEADLINE / 2).await;
            }
        });
        let heard = heard_after_leaving(near).await;
        assert_eq!(heard, usize::try_from(LEAVE_LIMIT.as_secs() / (LEAVE_DEADLINE / 2).as_secs()).unwrap());
        sending.await.unwrap();
    }
}
