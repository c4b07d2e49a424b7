//! Exhibit 12: who has an account, asked by somebody without a certificate.

use pki::ed25519::SigningKey;
use session::login::{ClientLogin, Parties};
use session::message::{Command, FailureCode, Reply};

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End};
use crate::stage::countersign::{Peer, World};
use crate::stage::{ALICE, Stage};
use crate::tap::{Marks, Tap};

/// A name under which nobody has joined.
const NOBODY: &str = "nobody-here";
/// A password that is not alice's.
const GUESS: &str = "a guess";
/// Size of OPAQUE's third message, in bytes: an authentication code (RFC 9807).
const KE3: usize = 64;
/// Size of a link's token, in bytes (session.md, SE-11).
const TOKEN: usize = 32;

/// All that somebody without a certificate learns of a name.
#[derive(Debug, PartialEq, Eq)]
struct Learnt {
    /// Size of the challenge, in bytes, and what OPAQUE makes of it; nothing if none came.
    challenge: Option<(usize, String)>,
    /// The last reply.
    answer: Reply,
    /// Sizes of everything that the server sent, in bytes.
    frames: Vec<usize>,
}

/// A wrong password for a user that there is and one that there is not, with a good link of alice's and with none. These are four of
/// the five tries that an address has (SE-9).
pub(super) async fn run(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let alice = world.client(ALICE, None).await?;
    let link = alice.create_device_link().await;
    alice.close().await;
    let (link, _) = link.map_err(LabError::stage)?;
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let mut learnt = Vec::new();
    for token in [link.token, [7; TOKEN]] {
        for user in [ALICE, NOBODY] {
            let flow = capture.recorded().flows.len();
            let peer = Peer::connect(tap.address(), world.config(None)?, stage.clock()).await;
            let told = ask(&world, peer.map_err(LabError::stage)?, &token, user).await?;
            let recorded = capture.recorded();
            let frames = recorded.sent(flow, End::Server).map(|frame| frame.bytes.len()).collect();
            learnt.push(Learnt { frames, ..told });
        }
    }
    let Some((first, others)) = learnt.split_first() else { return Err(LabError::stage("nobody was asked")) };
    if others.iter().any(|other| other != first) {
        return Ok(Found::succeeds(format!("The answers differ: {learnt:?}.")));
    }
    match (&first.challenge, &first.answer) {
        (Some((size, opened)), Reply::Failed { code: FailureCode::Credentials, message, .. }) => {
            Ok(Found::refused(format!(
                "For alice and for nobody, with a link and with none, the server answered alike: a challenge of {size} bytes, which \
                 gives “{opened}”, then “{message}”, in {} frames of the same sizes.",
                first.frames.len()
            )))
        }
        (_, answer) => Err(super::otherwise(&format!("{answer:?}"))),
    }
}

/// `DeviceStart` with a wrong password, and `DeviceRequest` all the same.
async fn ask(world: &World, mut peer: Peer, token: &[u8], user: &str) -> Result<Learnt, LabError> {
    let root = *world.authority.root_fingerprint();
    let (login, ke1) = ClientLogin::start(GUESS).map_err(LabError::stage)?;
    let start =
        Command::DeviceStart { token: token.to_vec(), user: user.to_owned(), device: "lab".to_owned(), ke1 };
    let ke2 = match peer.ask(start).await.map_err(LabError::stage)? {
        Reply::LoginChallenge { ke2 } => ke2,
        answer => return Ok(Learnt { challenge: None, answer, frames: Vec::new() }),
    };
    let exporter = peer.exporter().map_err(LabError::stage)?;
    let opened = match login.finish(GUESS, &ke2, Parties { user, root: &root }, &exporter) {
        Ok(_) => return Err(LabError::stage("the guess was right")),
        Err(why) => why.to_string(),
    };
    let key = SigningKey::generate().map_err(LabError::stage)?;
    let request = pki::request::create(&key).map_err(LabError::stage)?;
    let proof = pki::request::prove_possession(&key, &exporter, &request).to_vec();
    let finish = Command::DeviceRequest { ke3: vec![7; KE3], request, proof };
    let answer = peer.ask(finish).await.map_err(LabError::stage)?;
    Ok(Learnt { challenge: Some((ke2.len(), opened)), answer, frames: Vec::new() })
}
