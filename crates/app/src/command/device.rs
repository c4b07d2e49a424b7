//! `device`: lists a user's devices, adds one that an earlier one vouches for, revokes one.

use std::io::{self, IsTerminal};
use std::time::Duration;

use client::{Client, Device, DeviceRequest};
use pki::trust::Reason;
use pki::{Fingerprint, Name, sha256};
use serde_json::json;

use super::{Context, online, recovery};
use crate::cli::DeviceCommand;
use crate::clock::{now_ms, utc};
use crate::terminal::{Failure, confirmed};

/// How often the server is asked whether the new device is there.
const LOOK: Duration = Duration::from_secs(1);

/// Runs it.
pub async fn run(context: &Context, command: DeviceCommand) -> Result<(), Failure> {
    let wanted = Wanted::parse(command)?;
    let client = online(context).await?;
    let outcome = match wanted {
        Wanted::List(user) => list(context, &client, user.as_ref()).await,
        Wanted::Recovery => recovery::create(context, &client).await,
        Wanted::Add { ask } => add(context, &client, ask).await,
        Wanted::Revoke { which, reason, yes } => revoke(context, &client, &which, reason, yes).await,
    };
    client.close().await;
    outcome
}

/// The command, as far as it can be checked without the server.
enum Wanted {
    List(Option<Name>),
    Add { ask: bool },
    Recovery,
    Revoke { which: Which, reason: Reason, yes: bool },
}

/// A device as it is named on the command line.
enum Which {
    Certificate(Fingerprint),
    Named { user: Option<Name>, device: Name },
}

impl Wanted {
    fn parse(command: DeviceCommand) -> Result<Self, Failure> {
        match command {
            DeviceCommand::List { user } => Ok(Self::List(user.as_deref().map(name).transpose()?)),
            DeviceCommand::Add { yes } => {
                if !yes && !io::stdin().is_terminal() {
                    return Err(Failure::usage(
                        "a code has to be compared, and there is no terminal to ask on; --yes accepts the first device \
                         that uses the link",
                    ));
                }
                Ok(Self::Add { ask: !yes })
            }
            DeviceCommand::Recovery => Ok(Self::Recovery),
            DeviceCommand::Revoke { device, reason, yes } => {
                let reason =
                    reason.parse().map_err(|e| Failure::usage(format!("--reason {reason:?}: {e}")))?;
                Ok(Self::Revoke { which: Which::parse(&device)?, reason, yes })
            }
        }
    }
}

impl Which {
    fn parse(text: &str) -> Result<Self, Failure> {
        if text.starts_with("sha256:") {
            let fingerprint = text.parse().map_err(|e| Failure::usage(format!("{text:?}: {e}")))?;
            return Ok(Self::Certificate(fingerprint));
        }
        match text.split_once('/') {
            Some((user, device)) => Ok(Self::Named { user: Some(name(user)?), device: name(device)? }),
            None => Ok(Self::Named { user: None, device: name(text)? }),
        }
    }
}

fn name(text: &str) -> Result<Name, Failure> {
    Name::parse(text).map_err(|e| Failure::usage(format!("{text:?}: {e}")))
}

async fn list(context: &Context, client: &Client, user: Option<&Name>) -> Result<(), Failure> {
    let devices = client.devices(user.map(Name::as_str)).await?;
    if devices.is_empty() {
        context.output.note("No such user, or no device.");
    }
    devices.iter().try_for_each(|known| {
        let Device { user, device, certificate, issued_ms, revoked_ms } = known;
        let certificate = Fingerprint(*certificate);
        context.output.result(
            || {
                json!({
                    "user": user, "device": device, "certificate": certificate.to_string(),
                    "issued": issued_ms, "revoked": revoked_ms,
                })
            },
            || {
                let state = match revoked_ms {
                    Some(at) => format!("REVOKED {}", utc(*at)),
                    None if recovery::is_on_paper(known) => {
                        format!("since {}, a recovery code", utc(*issued_ms))
                    }
                    None => format!("since {}", utc(*issued_ms)),
                };
                format!("{:32}  {certificate}  {state}", format!("{user}/{device}"))
            },
        )
    })
}

async fn add(context: &Context, client: &Client, ask: bool) -> Result<(), Failure> {
    let (link, expires_ms) = client.create_device_link().await?;
    let text = link.format();
    context.output.result(|| json!({ "link": text, "expires": expires_ms }), || text.clone())?;
    context.output.note(
        "On the new device: countersign join 'LINK' (this line above, in quotes). Waiting for it; it is good for an hour.",
    );
    let request = wait(context, client, sha256(&link.token), expires_ms).await?;
    if ask {
        eprintln!(
            "The device {} asks to be yours. It shows a code; it must be this one:\n  {}",
            request.device, request.code
        );
        if !confirmed("Is it the same?").await? {
            client.deny_device(&request).await?;
            return Err(Failure::new(
                "denied",
                format!("{} was turned away; nothing was added", request.device),
            ));
        }
    }
    client.approve_device(&request).await?;
    context.output.note(&format!(
        "{} is your device now, and a member of your rooms. Its code: {}",
        request.device, request.code
    ));
    context.object(|| json!({ "device": request.device, "code": request.code, "approved": true }))
}

/// The request that came by the link with this hash of its token.
async fn wait(
    context: &Context,
    client: &Client,
    id: [u8; 32],
    expires_ms: u64,
) -> Result<DeviceRequest, Failure> {
    while now_ms() < expires_ms {
        match client.device_requests().await {
            Ok(requests) => {
                if let Some(request) = requests.into_iter().find(|request| request.id == id) {
                    return Ok(request);
                }
            }
            Err(error) if error.heals() => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK).await;
    }
    let again = context.typed("device add");
    Err(Failure::new("expired", format!("no device used the link in time; make another with `{again}`")))
}

/// Asks before the device that one is on is revoked, which cannot be taken back.
async fn check_own(last: bool) -> Result<(), Failure> {
    let what = if last {
        "this is the device you are on, and your last: without it you need a recovery code to log in or add another"
    } else {
        "this is the device you are on: it cannot log in any more"
    };
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{what}; --yes revokes it all the same")));
    }
    eprintln!("Careful: {what}.");
    if confirmed("Revoke it?").await? { Ok(()) } else { Err(Failure::new("denied", "nothing was revoked")) }
}

async fn revoke(
    context: &Context,
    client: &Client,
    which: &Which,
    reason: Reason,
    yes: bool,
) -> Result<(), Failure> {
    let certificate = match which {
        Which::Certificate(fingerprint) => *fingerprint,
        Which::Named { user, device } => {
            let devices = client.devices(user.as_ref().map(Name::as_str)).await?;
            let named = devices.iter().filter(|known| known.device == device.as_str());
            let found =
                named.clone().find(|known| known.revoked_ms.is_none()).or_else(|| named.clone().next());
            let found = found.ok_or_else(|| {
                Failure::new(
                    "not-found",
                    format!("there is no device {device}; `{}` shows them", context.typed("device list")),
                )
            })?;
            if found.revoked_ms.is_some() {
                return Err(Failure::new("revoked", format!("the device {device} is revoked already")));
            }
            Fingerprint(found.certificate)
        }
    };
    if !yes && *certificate.as_bytes() == client.certificate() {
        let own = client.devices(None).await?;
        let others = |known: &&Device| known.revoked_ms.is_none() && !recovery::is_on_paper(known);
        check_own(own.iter().filter(others).count() <= 1).await?;
    }
    client.revoke_device(*certificate.as_bytes(), reason.word()).await?;
    context.output.note("Revoked: it cannot connect any more, and what it signs after this is refused.");
    context.object(|| json!({ "revoked": certificate.to_string(), "reason": reason.word() }))
}
