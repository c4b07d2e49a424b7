//! `device recovery` and `recover`: a recovery code, made in time and used when all devices are lost.

use client::{Client, ClientError, ClientOptions, Device, Home, RecoveryCode, RecoverySheet, recover};
use pki::{Name, Password};
use serde_json::{Value, json};
use session::link::RecoveryAddress;
use session::message::FailureCode;

use super::join::device_name;
use super::{Context, shown};
use crate::cli::RecoverArguments;
use crate::terminal::{Failure, PasswordSource};

/// Makes another recovery code.
pub async fn create(context: &Context, client: &Client) -> Result<(), Failure> {
    let sheet = client.create_recovery().await?;
    context.output.result(|| object(&sheet), || text(&sheet))?;
    let others = client.devices(None).await?.into_iter().filter(is_on_paper);
    let others: Vec<String> =
        others.map(|device| device.device).filter(|name| *name != sheet.device).collect();
    if !others.is_empty() {
        context.output.note(&format!(
            "Earlier codes stay good until they are revoked: {}. `{}`",
            others.join(", "),
            context.typed("device revoke NAME")
        ));
    }
    Ok(())
}

/// Makes the recovery code of somebody who has just joined; who has none can still talk.
pub async fn first(context: &Context, home: Home) -> Result<Option<RecoverySheet>, Failure> {
    let client = Client::start(home, ClientOptions::default()).await?;
    let made = async {
        client.ready().await?;
        client.create_recovery().await
    };
    let made = made.await;
    client.close().await;
    match made {
        Ok(sheet) => Ok(Some(sheet)),
        Err(error) => {
            context.output.warn(
                "no-recovery-code",
                &format!(
                    "no recovery code was made ({error}); make one: {}",
                    context.typed("device recovery")
                ),
            );
            Ok(None)
        }
    }
}

/// What a script is told of it.
pub fn object(sheet: &RecoverySheet) -> Value {
    json!({ "address": sheet.address.format(), "code": sheet.code.format().as_str(), "device": sheet.device })
}

/// What a person is told of it.
pub fn text(sheet: &RecoverySheet) -> String {
    format!(
        "Your recovery code is shown this once. Keep it on paper, apart from your devices; it and your password bring you back when all of \
         them are lost, and neither does alone.\n  code     {}\n  address  {}\n  name     {}",
        sheet.code.format().as_str(),
        sheet.address.format(),
        sheet.device
    )
}

/// Whether a device is a recovery key that can still be used.
pub fn is_on_paper(device: &Device) -> bool {
    device.revoked_ms.is_none() && Name::canonical(&device.device).is_ok_and(|name| name.is_recovery_key())
}

/// Comes back with a recovery code.
pub async fn run(context: &Context, arguments: RecoverArguments) -> Result<(), Failure> {
    let address =
        RecoveryAddress::parse(&arguments.address).map_err(|e| Failure::new("bad-link", e.to_string()))?;
    let folder = context.home_folder()?;
    if Home::exists(&folder) {
        return Err(ClientError::HomeExists(folder).into());
    }
    let device = arguments.device.unwrap_or_else(device_name);
    let source = arguments.code_file.map_or(PasswordSource::Prompt, PasswordSource::File);
    let code = source.read("Recovery code: ")?;
    let code = RecoveryCode::parse(&code).map_err(|e| Failure::new("bad-code", e.to_string()))?;
    let password = context.password().read(&format!("Password of {}: ", address.user))?;
    let password = Password::new(password.as_str().to_owned());
    let home = match recover(&folder, &address, &code, &device, password).await {
        Err(error @ ClientError::Login) => {
            return Err(Failure::new(
                error.code(),
                "this code and this password are not of this user, or the code was revoked; check both, and the user's name in the address",
            ));
        }
        Err(error @ ClientError::Failed { code: FailureCode::Exists, .. }) => {
            return Err(Failure::new(error.code(), format!("{error}: name this one with --device NAME")));
        }
        other => other?,
    };
    let (user, device, organisation) =
        (home.user().to_string(), home.device().to_string(), home.organisation().to_string());
    let client = Client::start(home, ClientOptions::default()).await?;
    let others = async {
        client.ready().await?;
        client.devices(None).await
    };
    let others = others.await;
    client.close().await;
    let others: Vec<Device> =
        others.unwrap_or_default().into_iter().filter(|o| o.revoked_ms.is_none()).collect();
    let (codes, others): (Vec<Device>, Vec<Device>) = others.into_iter().partition(is_on_paper);
    let codes: Vec<String> = codes.into_iter().map(|code| code.device).collect();
    let others: Vec<String> = others.into_iter().map(|o| o.device).filter(|name| *name != device).collect();
    context.output.result(
        || {
            json!({ "user": user, "device": device, "organisation": organisation, "others": others, "codes": codes,
                    "home": folder.display().to_string() })
        },
        || {
            format!(
                "You are {user} on {device}, in {organisation}. Your home is {}.\nYour rooms and their history come back once somebody in them is there, within ten minutes; their `countersign room add ROOM {user}` does it at once.",
                shown(&folder)
            )
        },
    )?;
    if !others.is_empty() {
        context.output.note(&format!(
            "Revoke the devices that are lost, of {}: `{}`",
            others.join(", "),
            context.typed("device revoke NAME")
        ));
    }
    context.output.note(&format!(
        "These codes are good, the one that you used among them: {}. If you do not know one, or somebody else may have seen it, revoke it by its name, \
         and make another: `{}`",
        codes.join(", "),
        context.typed("device recovery")
    ));
    Ok(())
}
