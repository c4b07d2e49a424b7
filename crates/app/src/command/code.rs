//! `user code`: the safety code of two users, whether it was compared, and the devices of the other.

use client::{Client, Compared, Person, PersonDevice, Voucher};
use pki::{Fingerprint, Name};
use serde_json::{Value, json};

use super::{Context, held};
use crate::cli::CodeArguments;
use crate::clock::utc;
use crate::terminal::Failure;

/// Runs it.
pub async fn run(context: &Context, arguments: CodeArguments) -> Result<(), Failure> {
    let typed = arguments.user.strip_prefix('@').unwrap_or(&arguments.user);
    let user = Name::parse(typed).map_err(|e| Failure::usage(format!("{typed:?} is no user: {e}")))?;
    let (client, _) = held(context).await?;
    let outcome = act(context, &client, &user, &arguments).await;
    client.close().await;
    outcome
}

async fn act(
    context: &Context,
    client: &Client,
    user: &Name,
    arguments: &CodeArguments,
) -> Result<(), Failure> {
    if arguments.forget {
        client.forget_comparison(user.as_str()).await?;
    }
    let mut person = client.person(user.as_str()).await?;
    if arguments.compared && person.code.is_some() {
        client.record_comparison(&person).await?;
        person = client.person(user.as_str()).await?;
    }
    context.output.result(|| object(&person), || text(client.user(), &person))?;
    let Some(_) = person.code else {
        return Err(Failure::new(
            "two-first-certificates",
            format!(
                "there is no code: the directory has two first certificates of {user} or of you, and one of the two is somebody else's. Nothing was \
                 recorded. Talk about it over another channel, and ask who runs the server"
            ),
        ));
    };
    match person.compared {
        Compared::Yes { .. } => {}
        Compared::No => context.output.note(&how(context, user)),
        Compared::NoLonger { at_ms } => {
            context.output.warn("no-longer-compared", &no_longer(user.as_str(), at_ms));
            context.output.note(&how(context, user));
        }
    }
    Ok(())
}

fn how(context: &Context, user: &Name) -> String {
    format!(
        "Read it to each other over another channel, such as a call: both must see the same, all of it.\nIf it is the same: `{}`",
        context.typed(&format!("user code {user} --compared"))
    )
}

/// What is said of somebody whose first certificate is another than the one that was compared, or not the only one.
pub fn no_longer(user: &str, at_ms: u64) -> String {
    format!(
        "ALARM: you compared codes with {user} on {}, and the directory has another first certificate under that name now: this is somebody else, \
         or one of two is. It no longer counts",
        utc(at_ms)
    )
}

/// A few words on whether somebody was compared.
pub fn word(compared: Compared) -> String {
    match compared {
        Compared::No => "not compared".to_owned(),
        Compared::Yes { at_ms } => format!("compared {}", utc(at_ms)),
        Compared::NoLonger { at_ms } => format!("NO LONGER WHO WAS COMPARED {}", utc(at_ms)),
    }
}

fn text(own: &str, person: &Person) -> String {
    let Person { user, code, compared, devices, .. } = person;
    let mut lines = vec![match code {
        Some(code) => {
            // Both halves have the same length.
            let (one, other) = code.split_at_checked(code.len() / 2).unwrap_or((code, ""));
            format!("Safety code of {own} and {user}:\n  {}\n  {}", one.trim(), other.trim())
        }
        None => format!("There is no safety code of {own} and {user}."),
    }];
    lines.push(format!("{user}: {}", word(*compared)));
    lines.extend(devices.iter().map(|device| {
        let PersonDevice { device, certificate, voucher, issued_ms, revoked_ms } = device;
        let by = match voucher {
            Voucher::First => "first device".to_owned(),
            Voucher::Device(name) => format!("vouched for by {name}"),
            Voucher::Unknown => "NOT ACCEPTED: no device is known to have vouched for it".to_owned(),
        };
        let state = match revoked_ms {
            Some(at) => format!("REVOKED {}", utc(*at)),
            None => format!("since {}", utc(*issued_ms)),
        };
        format!("{user}/{device}  {}  {by}  {state}", Fingerprint(*certificate))
    }));
    lines.join("\n")
}

fn object(person: &Person) -> Value {
    let (state, at_ms) = match person.compared {
        Compared::No => ("not-compared", None),
        Compared::Yes { at_ms } => ("compared", Some(at_ms)),
        Compared::NoLonger { at_ms } => ("no-longer", Some(at_ms)),
    };
    let devices: Vec<Value> = person
        .devices
        .iter()
        .map(|device| {
            let vouched_by = match &device.voucher {
                Voucher::Device(name) => Some(name),
                Voucher::First | Voucher::Unknown => None,
            };
            json!({
                "device": device.device, "certificate": Fingerprint(device.certificate).to_string(),
                "first": device.voucher == Voucher::First, "vouched_by": vouched_by,
                "issued": device.issued_ms, "revoked": device.revoked_ms,
            })
        })
        .collect();
    json!({ "user": person.user, "code": person.code, "state": state, "compared": at_ms, "devices": devices })
}
