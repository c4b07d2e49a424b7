//! Exhibit 12: the server's key file is stolen after the session.

use classic::json;
use classic::key_transport::{KEY_FILE, KeyDelivery, SealedText, key_of_folder};

use super::{of_client, record, sealed, text};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::Stage;

const LINES: [&str; 2] = ["the code of the safe is 4711", "tell nobody"];

pub(super) async fn run(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let (_, recorded) = record(stage, capture, &LINES).await?;
    let stolen = key_of_folder(&stage.key_folder())?;
    let delivery = of_client(&recorded).find_map(|message| json::read::<KeyDelivery>(message).ok());
    let session = delivery.and_then(|delivery| delivery.open(&stolen).ok());
    let open = |message: &SealedText| session.as_ref()?.open(message).ok();
    let read: Vec<_> = sealed(&recorded).iter().filter_map(open).collect();
    capture.note_each(|frame| {
        let text = open(&text(frame.bytes.trim_ascii_end())?)?;
        Some(format!("opens with the stolen key to “{text}”"))
    });
    Ok(match read == LINES {
        true => Found::succeeds(format!("{KEY_FILE} opens what was recorded: “{}”.", read.join("”, “"))),
        false => Found::refused(format!("{KEY_FILE} does not open what was recorded.")),
    })
}
