//! A connected client for a command that needs the server.

use std::time::Duration;

use client::{Client, ClientOptions, Event, Events};

use evidence::room::RoomId;
use evidence::verdict::safe;

use super::{Context, news};
use crate::terminal::Failure;

/// How long a command waits for what other devices of its user have read.
const HISTORY_PATIENCE: Duration = Duration::from_secs(15);

/// How long a server has to tell all that is new before a command that can goes on without it.
pub const PATIENCE: Duration = Duration::from_secs(120);

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
    let (client, refused) = connecting(context, Duration::MAX).await?;
    match refused {
        Some(Refused { ended: Some(failure), .. }) => {
            client.close().await;
            Err(failure)
        }
        refused => Ok((client, refused.map(|refused| refused.why))),
    }
}

/// Why a command goes by the home alone.
pub struct Refused {
    /// Why, for people.
    pub why: String,
    /// What ended the client, if it does not try again by itself.
    pub ended: Option<Failure>,
}

/// As [`started`], but goes on without a server that refuses this device, is not to be trusted or does not answer, too:
/// what the home holds can be shown.
pub async fn held(context: &Context) -> Result<(Client, Option<Refused>), Failure> {
    let (client, refused) = connecting(context, PATIENCE).await?;
    if let Some(refused) = &refused {
        context.output.note(&format!("not connected ({}); this is what your home holds", safe(&refused.why)));
    }
    Ok((client, refused))
}

/// A client that has read what is new, or was refused, or has waited so long.
pub async fn connecting(context: &Context, patience: Duration) -> Result<(Client, Option<Refused>), Failure> {
    let home = context.open_home().await?;
    let client = Client::start(home, ClientOptions::default()).await?;
    let events = client.events();
    let away = |why| Some(Refused { why, ended: None });
    let refused = tokio::select! {
        ready = client.ready() => match ready {
            Ok(()) => {
                // On a further device, what its user has read before.
                let _ = tokio::time::timeout(HISTORY_PATIENCE, client.history_read()).await;
                None
            }
            Err(error) if error.is_local() => {
                client.close().await;
                return Err(error.into());
            }
            Err(error) => Some(Refused { why: error.to_string(), ended: Some(error.into()) }),
        },
        why = refused(events) => away(why),
        () = tokio::time::sleep(patience) => {
            away(format!("the server has not told everything within {} s", patience.as_secs()))
        }
    };
    if let Err(failure) = news::tell_all(context, &client).await {
        client.close().await;
        return Err(failure);
    }
    Ok((client, refused))
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
