//! People who are in an exercise, each with a task that shows what its client tells.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use classic::conversation::What;
use client::{Client, Outgoing};
use evidence::room::RoomId;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::seen::{Presence, View};
use super::words;
use crate::LabError;
use crate::stage::{PATIENCE, Person};

/// Somebody who talks.
pub(super) struct Talker {
    mouth: Mouth,
    task: JoinHandle<()>,
}

enum Mouth {
    Classic(mpsc::Sender<String>),
    Countersign(Arc<Client>, RoomId),
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Talker {
    /// Shows what a classic client tells, and waits until it has told what `here` takes; one that tells nothing is here at once.
    ///
    /// # Errors
    /// [`LabError::Stage`] with why it is not here.
    pub async fn classic(
        view: &View,
        number: u32,
        person: Person,
        here: Option<fn(&What) -> bool>,
    ) -> Result<Self, LabError> {
        let Person { mut events, lines, session } = person;
        let (told, entered) = oneshot::channel();
        let watching = view.clone();
        let task = tokio::spawn(async move {
            let mut told = Some(told);
            while let Some(event) = events.recv().await {
                watching.show(number, &words::of_person(&event.what));
                if here.is_some_and(|here| here(&event.what))
                    && let Some(told) = told.take()
                {
                    watching.presence(number, Presence::Here);
                    let _ = told.send(());
                }
            }
            let why = match session.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(failed) => Some(failed.to_string()),
            };
            watching.presence(number, Presence::Gone(why));
        });
        let talker = Self { mouth: Mouth::Classic(lines), task };
        if here.is_none() {
            view.presence(number, Presence::Here);
            return Ok(talker);
        }
        match timeout(PATIENCE, entered).await {
            Ok(Ok(())) => Ok(talker),
            Ok(Err(_)) => Err(LabError::stage(match view.look().people.get(&number) {
                Some(super::Screen { presence: Presence::Gone(Some(why)), .. }) => why.clone(),
                _ => "the connection ended".to_owned(),
            })),
            Err(_) => Err(LabError::stage("the server did not let it in in time")),
        }
    }

    /// Shows what a Countersign client tells; entries from `logged` on go into the server's log once.
    pub fn countersign(
        view: &View,
        number: u32,
        client: Client,
        room: RoomId,
        logged: Arc<AtomicU64>,
    ) -> Self {
        let (client, watching) = (Arc::new(client), view.clone());
        let mut events = client.events();
        let user = client.user().to_owned();
        let task = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let client::Event::Item { item, .. } = &event
                    && logged.fetch_max(item.index + 1, Ordering::SeqCst) <= item.index
                {
                    let (index, from, device) = (item.index, &item.from, &item.device);
                    watching.log(&format!("Entry {index} of {from}/{device}: signed, logged, countersigned"));
                }
                if let Some(line) = words::of_client(&event, &user) {
                    watching.show(number, &line);
                }
                if let client::Event::Ended(why) = event {
                    watching.presence(number, Presence::Gone(Some(why.to_string())));
                }
            }
        });
        view.presence(number, Presence::Here);
        Self { mouth: Mouth::Countersign(client, room), task }
    }

    /// Says a line.
    ///
    /// # Errors
    /// [`LabError::Stage`] if it cannot be said any more.
    pub async fn say(&self, text: &str) -> Result<(), LabError> {
        match &self.mouth {
            Mouth::Classic(lines) => {
                lines.send(text.to_owned()).await.map_err(|_| LabError::stage("this person has left"))
            }
            Mouth::Countersign(client, room) => {
                client.send(*room, Outgoing::text(text)).await.map_err(LabError::stage)?;
                Ok(())
            }
        }
    }

    /// Adds somebody to the room, if this is a Countersign client.
    ///
    /// # Errors
    /// [`LabError::Stage`] with what refused it.
    pub async fn add(&self, user: &str) -> Result<(), LabError> {
        match &self.mouth {
            Mouth::Countersign(client, room) => client.add(*room, &[user]).await.map_err(LabError::stage),
            Mouth::Classic(_) => Ok(()),
        }
    }

    /// Leaves in order.
    pub async fn leave(mut self, view: &View, number: u32) {
        match &mut self.mouth {
            Mouth::Classic(lines) => {
                let (closed, _) = mpsc::channel(1);
                // Its client sees that there are no more lines.
                *lines = closed;
                let _ = timeout(PATIENCE, &mut self.task).await;
            }
            Mouth::Countersign(client, _) => {
                let _ = timeout(PATIENCE, client.close()).await;
                view.presence(number, Presence::Gone(None));
            }
        }
    }
}
