//! Exhibits 4, 5 and 10: a member signs what fits, and sends what does not.

use session::message::{FailureCode, Reply};

use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::Stage;
use crate::stage::countersign::Member;
use crate::tap::{Marks, Tap};

/// Size of an Ed25519 signature, in bytes: the end of a statement.
const SIGNATURE: usize = 64;
/// The number of a poisoned statement.
const FAR: u64 = 1_000_000_000;

/// What is sent amid the honest statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forgery {
    /// The signature of number 2, under number 22 and a time without its first digit.
    ShiftedFields,
    /// Number 1,000,000,000, with a signature that does not fit.
    FarNumber,
    /// One bit of the signature changed.
    Signature,
}

/// Sends the forgery, then the honest statement: is the one entered, and does it keep the other out?
pub(super) async fn run(stage: &Stage, capture: &Capture, forgery: Forgery) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let mallory = super::fresh_name("mallory", stage);
    let mut mallory = Member::join(&world, tap.address(), &mallory, stage.clock()).await?;
    let now = stage.now_ms();
    let (honest, content) = mallory.say(2, now, "as agreed")?;
    let (forged, other) = match forgery {
        Forgery::Signature => (honest.clone(), content.clone()),
        Forgery::FarNumber => mallory.say(FAR, now, "I was here first")?,
        Forgery::ShiftedFields => mallory.say(22, now % 1_000_000_000_000, "as agreed")?,
    };
    let signature = honest.get(honest.len().saturating_sub(SIGNATURE)..).unwrap_or_default();
    let mut forged = forged.get(..forged.len().saturating_sub(SIGNATURE)).unwrap_or_default().to_vec();
    forged.extend(signature);
    if forgery == Forgery::Signature
        && let Some(last) = forged.last_mut()
    {
        *last ^= 1;
    }
    let first = mallory.append(forged, other).await?;
    let second = mallory.append(honest, content).await?;
    match (first, second) {
        (Reply::Appended { index, .. }, _) => {
            Ok(Found::succeeds(format!("The forged statement is entry {index}.")))
        }
        (Reply::Failed { code: FailureCode::Malformed, message, .. }, second)
            if message.contains(&evidence::cose::Unsound::Signature.to_string()) =>
        {
            Ok(match second {
                Reply::Appended { index, .. } => Found::refused(format!(
                    "The server answered “{message}” and entered nothing; the honest statement after it is entry {index}."
                )),
                other => Found::succeeds(format!("The honest statement was kept out: {other:?}.")),
            })
        }
        (other, _) => Err(super::otherwise(&format!("{other:?}"))),
    }
}
