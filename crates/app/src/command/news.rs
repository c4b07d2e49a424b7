//! What the directory says that concerns one's own name, on standard error (session.md, SE-40).

use client::{Client, ClientError, Compared, DirectoryNews};
use pki::Fingerprint;

use super::{Context, code};
use crate::clock::utc;
use crate::terminal::Failure;

/// Tells what was not told yet, and alarms in any case.
pub async fn tell_all(context: &Context, client: &Client) -> Result<(), Failure> {
    tell_those(context, client, true).await
}

/// Tells what was not told yet: for whoever hears of news as they come, which are hints.
pub async fn tell_new(context: &Context, client: &Client) -> Result<(), Failure> {
    tell_those(context, client, false).await
}

async fn tell_those(context: &Context, client: &Client, again: bool) -> Result<(), Failure> {
    let (all, size) = client.directory_news(again).await?;
    for news in &all {
        let (code, message) = message(context, client, news).await?;
        context.output.warn(code, &message);
    }
    Ok(client.directory_news_told(size).await?)
}

/// A code for scripts, and what to say to a person.
pub async fn message(
    context: &Context,
    client: &Client,
    news: &DirectoryNews,
) -> Result<(&'static str, String), ClientError> {
    Ok(match news {
        DirectoryNews::SecondFirst { user } => {
            let whose = if user == client.user() { "your own name" } else { user };
            let mut message = format!(
                "ALARM: the directory has two first certificates under {whose}, and one of the two is somebody else's: whoever runs the server made \
                 it, or let it be made. Tell the people concerned over another channel"
            );
            if let Compared::NoLonger { at_ms } = client.compared(user).await? {
                message = format!("{message}. {}", code::no_longer(user, at_ms));
            }
            ("two-first-certificates", message)
        }
        DirectoryNews::Unvouched { device, certificate } => (
            "unknown-device",
            format!(
                "ALARM: the directory has a device {device} under your own name, {}, and the server shows no word of an earlier device of yours for it: \
                 it is not yours, and nobody accepts it. Ask who runs the server how it came there",
                Fingerprint(*certificate)
            ),
        ),
        DirectoryNews::Added { device, certificate, vouched_by } => (
            "new-device",
            format!(
                "you have a new device, {device}, {}: your device {vouched_by} said yes to it. If that was not you, revoke both: `{}`",
                Fingerprint(*certificate),
                context.typed(&format!("device revoke {device}"))
            ),
        ),
        DirectoryNews::Revoked { device, certificate, at_ms } => (
            "revoked-device",
            format!("your device {device}, {}, was revoked {}", Fingerprint(*certificate), utc(*at_ms)),
        ),
    })
}
