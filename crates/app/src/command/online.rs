//! A connected client for a command that needs the server.

use client::{Client, ClientOptions, Event, Events};

use evidence::room::RoomId;

use super::Context;
use crate::terminal::Failure;

/// Opens the home, connects, logs in and reads what is new.
pub async fn online(context: &Context) -> Result<Client, Failure> {
    match started(context).await? {
        (client, None) => Ok(client),
        (client, Some(why)) => {
            client.close().await;
            Err(Failure::new("connection", why))
        }
    }
}

/// As [`online`], but goes on without a server that is away, and says why it is: the client tries again by itself.
pub async fn started(context: &Context) -> Result<(Client, Option<String>), Failure> {
    let home = context.open_home().await?;
    let client = Client::start(home, ClientOptions::default()).await?;
    let events = client.events();
    tokio::select! {
        ready = client.ready() => match ready {
            Ok(()) => Ok((client, None)),
            Err(error) => {
                client.close().await;
                Err(error.into())
            }
        },
        why = refused(events) => Ok((client, Some(why))),
    }
}

/// Why the first try to connect failed. Who typed a command is told, instead of left waiting for another try.
async fn refused(mut events: Events) -> String {
    loop {
        match events.next().await {
            Some(Event::Disconnected { why, .. }) => return why,
            Some(_) => {}
            None => return std::future::pending().await,
        }
    }
}

/// The room that is meant; the direct room with a user is opened if there is none yet.
pub async fn room_to_talk_in(client: &Client, text: &str) -> Result<RoomId, Failure> {
    match text.strip_prefix('@') {
        Some(user) => Ok(client.direct(user).await?),
        None => Ok(client.find_room(text).await?),
    }
}

/// Entries of a room that are stored here.
pub async fn room_size(client: &Client, room: RoomId) -> Result<u64, Failure> {
    let rooms = client.rooms().await?;
    Ok(rooms.iter().find(|r| r.id == room).map_or(0, |r| r.size))
}
