//! Exhibits 4, 5 and 10: a member signs what fits, and sends what does not.

use crate::LabError;
use crate::attack::Found;
use crate::stage::Stage;
use crate::stage::countersign::Member;

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
pub(super) async fn run(stage: &Stage, forgery: Forgery) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let now = stage.now_ms();
    let mut mallory =
        Member::join(&world, &format!("mallory-{}", now % 1_000_000_000), stage.clock()).await?;
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
    Ok(match (first, second) {
        (Err(why), Ok(index)) => Found::refused(format!(
            "The server answered “{why}” and entered nothing; the honest statement after it is entry {index}."
        )),
        (Ok(index), _) => Found::succeeds(format!("The forged statement is entry {index}.")),
        (Err(_), Err(why)) => Found::succeeds(format!("The honest statement was kept out: {why}.")),
    })
}
