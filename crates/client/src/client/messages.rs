//! Saying something, and reading what was said.

use std::sync::Arc;

use std::path::Path;

use evidence::content::{Attachment, AttachmentInfo, Content, Field};
use evidence::relation::Relations;
use evidence::room::RoomId;
use tokio::sync::watch;

use super::Client;
use crate::ClientError;
use crate::file::{
    Delivery, Fetched, FileToSend, Prepared, Transfer, Upload, deliver, placeholders, prepare,
};
use crate::outbox::{Draft, SendHandle};
use crate::room::Room;
use crate::timeline::TimelineItem;
use crate::vault::Alarm;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// What is said, at most 65,536 bytes; nothing if files go alone.
    pub text: String,
    /// When it was composed, Unix milliseconds, if that is to be said.
    pub composed_ms: Option<u64>,
    /// Time of a script's line, in milliseconds of the script's own clock.
    pub script_ms: Option<i64>,
    /// Files, at most 98,304 bytes together; with the text, 131,072 bytes in all.
    pub attachments: Vec<Attachment>,
    /// Log index of the message that this one replies to; this device must hold it.
    pub reply_to: Option<u64>,
}

impl Outgoing {
    /// A message with nothing but a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    async fn into_content(self, client: &Client, room: &Room) -> Result<Content, ClientError> {
        if self.text.is_empty() && self.attachments.is_empty() {
            return Err(ClientError::Input("an empty message cannot be sent".to_owned()));
        }
        let mentions = client.mentions(room, &self.text).await?;
        let reply = match self.reply_to {
            Some(index) => Some(Field::Reply(client.reference(room, index).await?)),
            None => None,
        };
        let text = (!self.text.is_empty()).then_some(Field::Text(self.text));
        let attachments = (!self.attachments.is_empty()).then_some(Field::Attachments(self.attachments));
        let fields = text
            .into_iter()
            .chain(self.composed_ms.map(Field::Composed))
            .chain(self.script_ms.map(Field::Script))
            .chain(reply)
            .chain(attachments)
            .chain(mentions)
            .collect();
        Content::new(fields).map_err(|error| ClientError::Input(error.to_string()))
    }
}

/// Something that this device said and that is not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its number; it may get another if the server refuses this one. None while its files are handed in.
    pub seq: Option<u64>,
    /// The text, empty if it has none.
    pub text: String,
    /// Its files.
    pub attachments: Vec<AttachmentInfo>,
    /// What it says of earlier messages and of people; whether its reference is good is found once it is logged.
    pub relations: Relations,
}

/// Why a room is not followed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// When it was found, Unix milliseconds.
    pub at_ms: u64,
    /// What was found, for people.
    pub what: String,
    /// The signed checkpoint that this device held.
    pub held: Option<Vec<u8>>,
    /// The checkpoint that the server showed with what cannot be; its signature was not always reached.
    pub shown: Option<Vec<u8>>,
    /// The entry that cannot be, if it is one entry.
    pub entry: Option<Vec<u8>>,
}

impl Client {
    /// Says something in a room: signed, stored and synced on this device when this returns, then sent, and sent again
    /// until the server has answered. Messages of one caller keep their order.
    ///
    /// # Errors
    /// [`ClientError::NotAMember`], [`ClientError::Input`] for a message that is too long or replies to no message,
    /// [`ClientError::NotFound`] for a reply to what this device does not hold, [`ClientError::Stopped`],
    /// [`ClientError::Vault`].
    pub async fn send(&self, room: RoomId, message: Outgoing) -> Result<SendHandle, ClientError> {
        let room = self.room(&room)?;
        let content = message.into_content(self, &room).await?;
        self.queue(room, Draft::Said(content)).await
    }

    /// Says something with files: read into the message if all of them fit into it, else sealed into the home, handed in, and then
    /// named by the message, which goes out once they are with the server.
    ///
    /// # Errors
    /// As [`Self::send`]; [`ClientError::Input`] also for files that are too large, change while they are read, or cannot be;
    /// [`ClientError::Write`].
    pub async fn send_files(
        &self,
        room: RoomId,
        mut message: Outgoing,
        files: Vec<FileToSend>,
        told: watch::Sender<Transfer>,
    ) -> Result<Upload, ClientError> {
        let room = self.room(&room)?;
        let core = self.core();
        // Before gigabytes are sealed for nothing.
        let mut as_if = message.clone();
        as_if.attachments.extend(placeholders(&files));
        as_if.into_content(self, &room).await?;
        self.check_can_say(&room).await?;
        match prepare(&core.spool, files, &told).await? {
            Prepared::Inline(attachments) => {
                message.attachments.extend(attachments);
                let content = message.into_content(self, &room).await?;
                Ok(Upload::of(self.queue(room, Draft::Said(content)).await?))
            }
            Prepared::Sealed(sealed) => {
                let (attachments, files): (Vec<_>, Vec<_>) = sealed.into_iter().unzip();
                message.attachments.extend(attachments);
                let content = message.into_content(self, &room).await?;
                // From here on it is a message that waits.
                let id = core.vault.put_upload(room.key, &content.to_bytes()).await?;
                let delivery = Delivery { room, id, content, files, told };
                Ok(deliver(Arc::clone(core), self.0.jobs.clone(), delivery))
            }
        }
    }

    /// As the outbox does, but before anything is done.
    async fn check_can_say(&self, room: &Room) -> Result<(), ClientError> {
        room.check_not_stopped()?;
        let own = self.core().owner.certificate.hash();
        let facts = self.core().with_log(room, |log| log.facts(&own, false)).await?;
        match (facts.member, facts.keys.is_some()) {
            (false, _) => Err(ClientError::NotAMember),
            (true, false) => Err(ClientError::Unencrypted),
            (true, true) => Ok(()),
        }
    }

    /// Writes the file with this number, from 0, of the message at log index `index` to `to`, readable by its owner alone. What an
    /// earlier try has left there is gone on with; a file is whole and the one that was signed when this returns, and nobody else writes it until
    /// what is returned is dropped.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] for a message or a file that is not there, or that the server does not give; [`ClientError::Untrusted`] for
    /// another than the one that was signed; [`ClientError::Offline`]; [`ClientError::Write`].
    pub async fn fetch_file(
        &self,
        room: RoomId,
        index: u64,
        number: usize,
        to: &Path,
        told: watch::Sender<Transfer>,
    ) -> Result<Fetched, ClientError> {
        let files = self.attachments(room, index).await?;
        let file =
            files.get(number).ok_or_else(|| ClientError::NotFound("there is no such file".to_owned()))?;
        self.core().fetch_file(room, file, to, &told).await
    }

    /// Says several things one after the other, like [`Self::send`]; they share transactions on this device.
    ///
    /// # Errors
    /// As [`Self::send`]. A message that is empty or too long is found before anything is said; what was stored before
    /// another error is sent.
    pub async fn send_all(
        &self,
        room: RoomId,
        messages: Vec<Outgoing>,
    ) -> Result<Vec<SendHandle>, ClientError> {
        let room = self.room(&room)?;
        let mut contents = Vec::with_capacity(messages.len());
        for message in messages {
            contents.push(message.into_content(self, &room).await?);
        }
        let mut queued = Vec::with_capacity(contents.len());
        for content in contents {
            queued.push(self.enqueue(Arc::clone(&room), Draft::Said(content)).await?);
        }
        let mut handles = Vec::with_capacity(queued.len());
        for handle in queued {
            handles.push(handle.await.map_err(|_| ClientError::Closed)??);
        }
        Ok(handles)
    }

    /// What this device said and is not in the log yet, in order.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::Vault`].
    pub async fn outbox(&self, room: RoomId) -> Result<Vec<Queued>, ClientError> {
        let room = self.room(&room)?;
        let rows = self.core().vault.outbox(room.key, 0, usize::MAX).await?;
        let said = rows.into_iter().filter_map(|row| Some((Some(row.seq), row.parcel.content?)));
        let uploads = self.core().vault.uploads().await?;
        let waiting = uploads.into_iter().filter(|row| row.room == room.key).map(|row| (None, row.content));
        let queued = said.chain(waiting).filter_map(|(seq, content)| {
            let content = Content::from_bytes(&content).ok()?;
            Some(Queued {
                seq,
                text: content.text().unwrap_or_default().to_owned(),
                attachments: content.attachments().iter().map(Attachment::info).collect(),
                relations: Relations::new(content.fields(), None),
            })
        });
        Ok(queued.collect())
    }

    /// Up to `limit` entries of a room from log index `from`, ascending; only what is stored here under a verified
    /// checkpoint.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::Vault`].
    pub async fn timeline(
        &self,
        room: RoomId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<TimelineItem>, ClientError> {
        let room = self.room(&room)?;
        self.core().timeline(&room, from, limit).await
    }

    /// The files of the message at log index `index`, with their bytes; none if it has none or could not be opened.
    ///
    /// # Errors
    /// [`ClientError::NotFound`] for a room or an index that this device does not hold, [`ClientError::Vault`].
    pub async fn attachments(&self, room: RoomId, index: u64) -> Result<Vec<Attachment>, ClientError> {
        let room = self.room(&room)?;
        self.core().attachments(&room, index).await
    }

    /// Refusals that this device holds for a room, oldest first: the refusal and the entry refused, exact bytes.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::Vault`].
    pub async fn refusals(&self, room: RoomId) -> Result<Vec<(Vec<u8>, Vec<u8>)>, ClientError> {
        let room = self.room(&room)?;
        Ok(self.core().vault.refusals(room.key).await?)
    }

    /// What stopped a room, oldest first, with what shows it.
    ///
    /// # Errors
    /// [`ClientError::NotFound`], [`ClientError::Vault`].
    pub async fn contradictions(&self, room: RoomId) -> Result<Vec<Contradiction>, ClientError> {
        let room = self.room(&room)?;
        let alarms = self.core().vault.alarms(room.key).await?;
        let contradiction = |(at_ms, alarm): (u64, Alarm)| Contradiction {
            at_ms,
            what: alarm.what,
            held: alarm.held,
            shown: alarm.shown,
            entry: alarm.entry,
        };
        Ok(alarms.into_iter().map(contradiction).collect())
    }

    /// Notes that the user was shown all entries below index `end`; receipts say so.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub fn shown(&self, room: RoomId, end: u64) -> Result<(), ClientError> {
        let room = self.room(&room)?;
        let mut told = room.told();
        told.shown = told.shown.max(end);
        Ok(())
    }
}
