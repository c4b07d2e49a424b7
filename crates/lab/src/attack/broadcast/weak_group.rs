//! Exhibit 12: a server with a group of 768 bits.

use classic::broadcast::{ClientMessage, Offer, ServerMessage};
use classic::dh::{Group, Share};
use classic::frame::{FrameReader, write_frame};
use classic::{ClassicError, json};
use tokio::net::{TcpListener, TcpStream};

use super::{FRAMING, MARKS, of_client};
use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::{ALICE, Person, listen};
use crate::tap::Tap;

pub(super) async fn run(capture: &Capture) -> Result<Found, LabError> {
    let listener = listen().await?;
    let address = listener.local_addr().map_err(LabError::io("cannot listen on loopback"))?;
    let hostile = tokio::spawn(offer(listener));
    let tap = Tap::listen(address, MARKS, capture.clone()).await?;
    let alice = Person::broadcast(ALICE, tap.address(), true).await?.leave().await?;
    hostile.await.map_err(LabError::stage)??;
    capture.note_each(|frame| match json::read(&frame.bytes).ok()? {
        ServerMessage::LoginResponse { .. } => Some("this group has 768 bits".to_owned()),
        _ => None,
    });
    let recorded = capture.recorded();
    let answered = of_client(&recorded).any(|message| matches!(message, ClientMessage::DhKey { .. }));
    Ok(match alice.outcome {
        Err(error) if !answered => Found::refused(format!("Alice's client left: {error}.")),
        _ => Found::succeeds("Alice's client agreed on a key in a group of 768 bits."),
    })
}

/// Lets one client in whoever it is, offers it the group, and reads what it says to it.
async fn offer(listener: TcpListener) -> Result<(), LabError> {
    let (stream, _) = listener.accept().await.map_err(LabError::io("cannot accept on loopback"))?;
    Ok(attend(stream).await?)
}

async fn attend(mut stream: TcpStream) -> Result<(), ClassicError> {
    let (read, mut write) = stream.split();
    let mut reader = FrameReader::new(read, FRAMING);
    while let Some(message) = reader.next().await? {
        let answer = match json::read(&message)? {
            ClientMessage::Register(_) => {
                ServerMessage::RegisterResponse { success: true, message: String::new() }
            }
            ClientMessage::Login(_) => {
                let group = Group::weak_oakley_1()?;
                let Offer { dh_params, public_key } = Offer::new(&group, &Share::generate(&group)?)?;
                ServerMessage::LoginResponse {
                    success: true,
                    message: String::new(),
                    dh_params: Some(dh_params),
                    public_key: Some(public_key),
                }
            }
            _ => break,
        };
        write_frame(&mut write, FRAMING, &json::write(&answer)?).await?;
    }
    Ok(())
}
