//! Exhibit 12: a key that is stolen after a session was recorded.

use std::path::Path;

use classic::certificate::PrivateKey;
use classic::cianr::Dialect;
use classic::json::from_base64;
use classic::rsa::open_oaep;
use serde_json::Value;

use super::session::visit;
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{Stage, enter};
use crate::tap::{Marks, Tap};

/// Size of what is sealed to an RSA key of 2,048 bits, and of a signature by it, in bytes.
const SEALED: usize = 256;

/// Tries the server's key on everything in a recording.
pub(super) async fn run(stage: &Stage, dialect: Dialect, capture: &Capture) -> Result<Found, LabError> {
    let mut server = stage.cianr_server(dialect, false).await?;
    let marks = Marks::Classic(dialect.framing());
    let tap = Tap::listen(server.address, marks, capture.clone()).await?;
    if let Some(accounts) = &server.accounts {
        let tap = Tap::listen(accounts.address, marks, capture.clone()).await?;
        enter(&stage.alice(dialect, None, true).await?, tap.address()).await??;
    }
    visit(stage, dialect, tap.address(), true, &["for later"]).await?.outcome?;
    server.events.next_session().await;

    let key = stolen_key(&stage.certificates(dialect).await?)?;
    let mut fields = Vec::new();
    for frame in capture.recorded().frames {
        let Some((message, _)) = marks.split(&frame.bytes) else { continue };
        if let Ok(value) = serde_json::from_slice(&message) {
            collect(&value, &mut fields);
        } else {
            fields.push(message);
        }
    }
    let sized: Vec<&Vec<u8>> = fields.iter().filter(|field| field.len() == SEALED).collect();
    let opened = sized.iter().filter(|field| open_oaep(&key, field).is_ok()).count();
    Ok(if opened > 0 {
        Found::succeeds(format!("The stolen key opens {opened} fields of the recording."))
    } else {
        Found::refused(format!(
            "Of {} fields in the recording {} have the size of what is sealed to the stolen key; none opens.",
            fields.len(),
            sized.len()
        ))
    })
}

/// All base64 in a message.
fn collect(value: &Value, fields: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => fields.extend(from_base64(text)),
        Value::Array(values) => values.iter().for_each(|value| collect(value, fields)),
        Value::Object(entries) => entries.values().for_each(|value| collect(value, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The server's key file, as PKCS#8 in DER.
fn stolen_key(certificates: &Path) -> Result<Vec<u8>, LabError> {
    let file = ["server.key", "server.key.pem"].map(|name| certificates.join(name));
    let file = file.iter().find(|file| file.exists()).ok_or_else(|| LabError::stage("no key to steal"))?;
    let pem = std::fs::read_to_string(file).map_err(LabError::io("cannot read the server's key"))?;
    let key = PrivateKey::from_pem(&pem, None).map_err(LabError::stage)?;
    let pem = key.to_pkcs8_pem(None).map_err(LabError::stage)?;
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    Ok(from_base64(&body)?)
}
