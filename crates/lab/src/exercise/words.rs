//! What happens, in the words of the server's log and of a person's screen.

use std::net::SocketAddr;

use classic::conversation::{Event, What};

/// A peer as the log names it.
fn place(peer: SocketAddr) -> String {
    format!("('{}', {})", peer.ip(), peer.port())
}

/// A line of a classic server's log.
pub(super) fn of_server(event: &Event) -> String {
    let peer = place(event.peer);
    match &event.what {
        What::Connected => format!("Connection from {peer}"),
        What::Message { text, .. } => format!("From {peer}: {text}"),
        What::Sent { text, .. } => format!("To {peer}: {text}"),
        other => format!("{peer}: {}", of_either(other)),
    }
}

/// A line on the screen of a person with a classic client.
pub(super) fn of_person(what: &What) -> String {
    match what {
        What::Message { from, text, .. } if from.is_empty() => text.clone(),
        What::Message { from, text, .. } => format!("{from}: {text}"),
        What::Sent { text, .. } => format!("you: {text}"),
        other => format!("* {}", of_either(other)),
    }
}

fn of_either(what: &What) -> String {
    match what {
        What::Connected => "connected".to_owned(),
        What::Certified { name, .. } => format!("showed the certificate of {name}"),
        What::Registered { user, .. } => format!("registered {user}"),
        What::LoggedIn { user } => format!("logged in as {user}"),
        What::Message { text, .. } | What::Sent { text, .. } => text.clone(),
        What::Rejected { error } => format!("a message was rejected: {error}"),
        What::Refused { error } => format!("the other side said: {error}"),
        What::Receipt { signature, same_transcript, .. } => format!(
            "receipt: {} signature over {} transcript",
            if *signature { "good" } else { "BAD" },
            if *same_transcript { "the same" } else { "ANOTHER" }
        ),
        What::Saved { file } => {
            format!("saved {}", file.file_name().unwrap_or_default().to_string_lossy())
        }
        What::Disconnected { error: Some(error) } => format!("disconnected: {error}"),
        What::Disconnected { error: None } => "disconnected".to_owned(),
    }
}

/// A line on the screen of a person with a Countersign client; `None` for what no one needs to see.
pub(super) fn of_client(event: &client::Event, user: &str) -> Option<String> {
    use client::Event;
    Some(match event {
        Event::Item { item, .. } => match (item.text(), item.notice()) {
            (Some(text), _) if item.from == user => format!("you: {text} (entry {})", item.index),
            (Some(text), _) => format!("{}: {text} (entry {})", item.from, item.index),
            (None, Some(notice)) => format!("* {notice} (entry {})", item.index),
            (None, None) => return None,
        },
        Event::Logged { index, .. } => format!("* entry {index} is on the server's disk, with its proof"),
        Event::Receipt { user, device, to, .. } => {
            format!("* receipt of {user}/{device}, signed, up to entry {to}")
        }
        Event::Disconnected { why, .. } => format!("* disconnected: {why}"),
        Event::NotSent { why, .. } => format!("* not sent: {why}"),
        Event::Alarm { what, .. } => format!("* ALARM: {what}"),
        Event::Ended(why) => format!("* ended: {why}"),
        _ => return None,
    })
}
