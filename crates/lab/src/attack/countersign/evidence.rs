//! Exhibits 8 and 12: what a bundle and a room show.

use std::io::Cursor;

use client::{Disclose, ExportOptions, TimelineItem};
use evidence::bundle::{Root, verify};
use evidence::verdict::{Code, Verdict};
use pki::Fingerprint;

use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::countersign::{BOB, World};
use crate::stage::{ALICE, Stage};
use crate::tap::{Marks, Tap};

/// A bundle of an organisation that the attacker made, before somebody who knows the right root.
pub(super) async fn other_root(stage: &Stage) -> Result<Found, LabError> {
    let (world, impostor) = (stage.organisation().await?, stage.impostor().await?);
    let alice = impostor.client(ALICE, None).await?;
    impostor.say(&alice, "I never said this").await?;
    let mut bundle = Cursor::new(Vec::new());
    let options = ExportOptions { from: None, to: None, disclose: Disclose::All };
    alice.export(impostor.room, &options, &mut bundle).await.map_err(LabError::stage)?;
    alice.close().await;
    let check = |root: &World| {
        let root = Root::Pinned(Fingerprint(*root.authority.root_fingerprint()));
        verify(Cursor::new(bundle.get_ref()), root).map_err(LabError::io("cannot read a bundle"))
    };
    let (own, _) = check(&impostor)?;
    if own.exit_code() != 0 {
        return Err(LabError::stage("the forged bundle does not even verify under its own root"));
    }
    let (verdict, _) = check(&world)?;
    if verdict.exit_code() == 0 {
        return Ok(Found::succeeds("The forged bundle verifies under the right root."));
    }
    match root_mismatch(&verdict) {
        Some(why) => Ok(Found::refused(format!(
            "The forged bundle is flawless under its own root; under the pinned one the verdict is: “{why}”."
        ))),
        None => Err(super::otherwise(&format!("{:?}", verdict.problems))),
    }
}

/// What the verdict says of the root, if it finds fault with nothing else.
fn root_mismatch(verdict: &Verdict) -> Option<&str> {
    match verdict.problems.as_slice() {
        [only] if only.code == Code::RootMismatch => Some(&only.message),
        _ => None,
    }
}

/// Bob says a text with a newline and then a line that begins with alice's name.
pub(super) async fn newline(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let text = format!("yes {}\nalice: I resign", stage.now_ms());
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let bob = world.client(BOB, Some(tap.address())).await?;
    let index = world.say(&bob, &text).await;
    bob.close().await;
    let index = index?;
    let alice = world.client(ALICE, Some(tap.address())).await?;
    world.reaches(&alice, index).await?;
    let items = world.timeline(&alice).await;
    alice.close().await;
    let items = items?;
    let resigned: Vec<&TimelineItem> = items
        .iter()
        .filter(|item| item.index >= index)
        .filter(|item| item.text().is_some_and(|said| said.contains("I resign")))
        .collect();
    match resigned.as_slice() {
        [] => Err(LabError::stage("what bob said is not in the room")),
        [only] if only.from == BOB => Ok(Found::refused(format!(
            "Alice's client has one message, signed by bob/{}; on a terminal it is the line “{}”.",
            only.device,
            evidence::verdict::safe(&text)
        ))),
        _ => Ok(Found::succeeds("A line stands under alice's name.")),
    }
}
