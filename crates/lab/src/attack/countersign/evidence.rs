//! Exhibits 1, 8 and 12: what shows on the wire, in a bundle, in a room.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use client::{Disclose, ExportOptions, Outgoing, What};
use evidence::bundle::{Root, verify};
use pki::Fingerprint;
use tokio::time::timeout;

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End, Recorded};
use crate::stage::countersign::{BOB, World};
use crate::stage::{ALICE, PASSWORD, PATIENCE, Stage};
use crate::tap::{Marks, Tap};

/// Where the server's X25519 share stands in the frame M2, and its size (channel.md, CH-1, CH-9).
const SHARE_IN_M2: std::ops::Range<usize> = 41..73;
/// Entries of the room that are looked at: all that the lab ever makes.
const MAX_ENTRIES: usize = 4_096;
/// Size of a block in which repetition is looked for, in bytes.
const BLOCK: usize = 16;
/// Said twice on the wire that is searched.
const SENTENCE: &str = "meet me at noon by the old lighthouse, as we agreed";

/// A session of alice's on a wire that is only listened to: she logs in and says the same sentence twice.
async fn listened(world: &World, capture: &Capture) -> Result<(), LabError> {
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let alice = world.client(ALICE, Some(tap.address())).await?;
    for _ in 0..2 {
        let sent = alice.send(world.room, Outgoing::text(SENTENCE)).await;
        sent.map_err(LabError::stage)?.logged().await.map_err(LabError::stage)?;
    }
    alice.close().await;
    Ok(())
}

/// What a capture shows.
pub(super) async fn eavesdropping(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    listened(&world, capture).await?;
    let recorded = capture.recorded();
    let words = [
        ("her password", PASSWORD),
        ("her name", ALICE),
        ("the sentence", SENTENCE),
        ("the room's name", "ops"),
    ];
    let found: Vec<&str> = words
        .iter()
        .filter(|(_, word)| word.len() > 3 && recorded.holds(None, word.as_bytes()))
        .map(|(what, _)| *what)
        .collect();
    let repeated = repeated_blocks(&recorded);
    let frames = recorded.frames.len();
    Ok(if found.is_empty() && repeated == 0 {
        Found::refused(format!(
            "In {frames} frames there is neither password, name nor text, and no block of 16 bytes twice; sizes and times show."
        ))
    } else {
        Found::succeeds(format!("In {frames} frames: {}; {repeated} blocks come twice.", found.join(", ")))
    })
}

/// Blocks of records that stand in the capture more than once.
fn repeated_blocks(recorded: &Recorded) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let records = recorded.frames.iter().filter(|frame| frame.bytes.first() == Some(&6));
    records
        .flat_map(|frame| frame.bytes.get(7..).unwrap_or_default().chunks_exact(BLOCK))
        .filter(|block| !seen.insert(block.to_vec()))
        .count()
}

/// Everything that the server keeps, tried on a capture.
pub(super) async fn stolen_keys(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    use aws_lc_rs::agreement::{PrivateKey, X25519};
    let world = stage.organisation().await?;
    listened(&world, capture).await?;
    let recorded = capture.recorded();
    let share = recorded
        .sent(0, End::Server)
        .find(|frame| frame.bytes.first() == Some(&2))
        .and_then(|frame| frame.bytes.get(SHARE_IN_M2))
        .ok_or_else(|| LabError::stage("no M2 was recorded"))?;
    let mut tried = 0_usize;
    for path in files_below(&world.data()).map_err(LabError::io("cannot read the server's folder"))? {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Ok(key) = pki::ed25519::SigningKey::from_pem(&text, None) else { continue };
        let der = key.to_pkcs8().map_err(LabError::stage)?;
        // The seed itself, and what RFC 8032 makes of it, as keys of a Diffie-Hellman.
        let seed = der.get(16..48).unwrap_or_default();
        let hashed = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, seed);
        for candidate in [seed, hashed.as_ref().get(..32).unwrap_or_default()] {
            tried += 1;
            let key = PrivateKey::from_private_key(&X25519, candidate).ok();
            let public = key.and_then(|key| key.compute_public_key().ok());
            if public.is_some_and(|public| public.as_ref() == share) {
                return Ok(Found::succeeds(format!("The key in {} opens the session.", path.display())));
            }
        }
    }
    if tried == 0 {
        return Err(LabError::stage("no key was found in the server's folder"));
    }
    Ok(Found::refused(format!(
        "None of {tried} values made of the keys in the server's folder is the private part of the share in the capture: they sign, and nothing else."
    )))
}

fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_below(&path)?),
            false => files.push(path),
        }
    }
    Ok(files)
}

/// A bundle of an organisation that the attacker made, before somebody who knows the right root.
pub(super) async fn other_root(stage: &Stage) -> Result<Found, LabError> {
    let (world, impostor) = (stage.organisation().await?, stage.impostor().await?);
    let alice = impostor.client(ALICE, None).await?;
    let sent = alice.send(impostor.room, Outgoing::text("I never said this")).await;
    let logged = sent.map_err(LabError::stage)?.logged().await.map_err(LabError::stage)?;
    alice.synced(impostor.room, logged.index.saturating_add(1)).await.map_err(LabError::stage)?;
    let mut bundle = Cursor::new(Vec::new());
    let options = ExportOptions { from: None, to: None, disclose: Disclose::All };
    alice.export(impostor.room, &options, &mut bundle).await.map_err(LabError::stage)?;
    alice.close().await;
    let check = |root: &World| {
        let root = Root::Pinned(Fingerprint(*root.authority.root_fingerprint()));
        verify(Cursor::new(bundle.get_ref()), root).map_err(LabError::io("cannot read a bundle"))
    };
    let (own, _) = check(&impostor)?;
    let (verdict, _) = check(&world)?;
    if own.exit_code() != 0 {
        return Err(LabError::stage("the forged bundle does not even verify under its own root"));
    }
    Ok(if verdict.exit_code() == 0 {
        Found::succeeds("The forged bundle verifies under the right root.")
    } else {
        let why = verdict.problems.first().map(|problem| problem.message.clone()).unwrap_or_default();
        Found::refused(format!(
            "The forged bundle is flawless under its own root; under the pinned one the verdict is: “{why}”."
        ))
    })
}

/// Bob says a text with a newline and then a line that begins with alice's name.
pub(super) async fn newline(stage: &Stage) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let text = format!("yes {}\nalice: I resign", stage.now_ms());
    let bob = world.client(BOB, None).await?;
    let sent = bob.send(world.room, Outgoing::text(text.clone())).await;
    let logged = sent.map_err(LabError::stage)?.logged().await.map_err(LabError::stage)?;
    bob.close().await;
    let alice = world.client(ALICE, None).await?;
    let synced = alice.synced(world.room, logged.index.saturating_add(1));
    timeout(PATIENCE, synced).await.map_err(LabError::stage)?.map_err(LabError::stage)?;
    let items = alice.timeline(world.room, 0, MAX_ENTRIES).await.map_err(LabError::stage)?;
    alice.close().await;
    let resigned: Vec<&client::TimelineItem> = items
        .iter()
        .filter(|item| matches!(&item.what, What::Said { text: Some(said), .. } if said.contains("I resign")))
        .filter(|item| item.index >= logged.index)
        .collect();
    Ok(match resigned.as_slice() {
        [only] if only.from == BOB => Found::refused(format!(
            "Alice's client has one message, signed by bob/{}; on a terminal it is the line “{}”.",
            only.device,
            evidence::verdict::safe(&text)
        )),
        _ => Found::succeeds("A line stands under alice's name."),
    })
}
