//! Exhibits 1 and 12: what shows on the wire, now and to somebody who later takes everything that the server keeps.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use aws_lc_rs::agreement::{PrivateKey, X25519};
use store::{Settings, SqliteStore};

use crate::LabError;
use crate::attack::Found;
use crate::capture::{Capture, End, Recorded};
use crate::stage::countersign::{ROOM, World};
use crate::stage::{ALICE, PASSWORD, Stage};
use crate::tap::{Marks, Tap};

/// Where the server's X25519 share stands in the frame M2 (channel.md, CH-1, CH-9).
const SHARE_IN_M2: std::ops::Range<usize> = 41..73;
/// Size of an X25519 key, in bytes.
const KEY: usize = 32;
/// Zeros among the bytes of a random key: more are there once in a hundred thousand keys, and in nearly all of an empty page.
const MAX_ZEROS: usize = 4;
/// Where the seed stands in the PKCS#8 of an Ed25519 key (RFC 8410, section 7).
const SEED: std::ops::Range<usize> = 16..48;
/// The record of the server's database that holds its OPAQUE secrets, sealed under a key of its folder.
const OPAQUE_SECRETS: &str = "opaque-setup-v1";
/// The files of the server's database.
const DATABASE: [&str; 2] = ["store.db", "store.db-wal"];
/// Size of a block in which repetition is looked for, in bytes.
const BLOCK: usize = 16;
/// Type of a record in a frame's header, and the header's size in bytes (CH-1, CH-2).
const RECORD: u8 = 6;
const HEADER: usize = 7;
/// Said twice on the wire that is searched.
const SENTENCE: &str = "meet me at noon by the old lighthouse, as we agreed";

/// A session of alice's on a wire that is only listened to: she logs in and says the same sentence twice.
async fn listened(world: &World, capture: &Capture) -> Result<(), LabError> {
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let alice = world.client(ALICE, Some(tap.address())).await?;
    for _ in 0..2 {
        world.say(&alice, SENTENCE).await?;
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
        ("the room's name", ROOM),
    ];
    let holds = |(_, word): &&(&str, &str)| recorded.holds(None, word.as_bytes());
    let found: Vec<&str> = words.iter().filter(holds).map(|(what, _)| *what).collect();
    let repeated = repeated_blocks(&recorded);
    let frames = recorded.frames.len();
    Ok(if found.is_empty() && repeated == 0 {
        Found::refused(format!(
            "In {frames} frames there is neither password, name, room nor text, and no block of 16 bytes twice; sizes and times show."
        ))
    } else {
        Found::succeeds(format!(
            "In {frames} frames there stand {} of {} words that are looked for ({}), and {repeated} blocks of 16 bytes come twice.",
            found.len(),
            words.len(),
            found.join(", ")
        ))
    })
}

/// Blocks of records that stand in the capture more than once.
fn repeated_blocks(recorded: &Recorded) -> usize {
    let mut seen = HashSet::new();
    let records = recorded.frames.iter().filter(|frame| frame.bytes.first() == Some(&RECORD));
    records
        .flat_map(|frame| frame.bytes.get(HEADER..).unwrap_or_default().chunks_exact(BLOCK))
        .filter(|block| !seen.insert(block.to_vec()))
        .count()
}

/// Everything that the server keeps, tried on a capture: its keys, its OPAQUE secrets, and whatever stands in its database.
pub(super) async fn stolen_keys(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    listened(&world, capture).await?;
    let recorded = capture.recorded();
    let share = recorded
        .sent(0, End::Server)
        .find(|frame| frame.bytes.first() == Some(&2))
        .and_then(|frame| frame.bytes.get(SHARE_IN_M2))
        .ok_or_else(|| LabError::stage("no M2 was recorded"))?;
    let stolen = stage.folder().join(format!("stolen-{}", stage.now_ms()));
    std::fs::create_dir_all(&stolen).map_err(LabError::io("cannot make a folder"))?;
    let mut tried = 0_usize;
    let database = database(&world.data(), &stolen)?;
    if !database.contains(&world.room.0) {
        return Err(LabError::stage("the database was read wrongly: the room's id is not found in it"));
    }
    for (what, candidates) in [
        ("keys", keys(&world.data())?),
        ("database", database),
        ("OPAQUE secrets", opaque_secrets(&world, &stolen).await?),
    ] {
        if candidates.is_empty() {
            return Err(LabError::stage(format!("the server's folder has no {what}")));
        }
        tried += candidates.len();
        if candidates.iter().any(|candidate| is_private_part(candidate, share)) {
            return Ok(Found::succeeds(format!("The server's {what} open the session.")));
        }
    }
    Ok(Found::refused(format!(
        "None of {tried} values, of the server's keys, its OPAQUE secrets and all else in its database, is the private part of the \
         share in the capture: what is kept signs or checks passwords, and opens nothing."
    )))
}

type Candidates = HashSet<[u8; KEY]>;

fn is_private_part(candidate: &[u8; KEY], share: &[u8]) -> bool {
    let key = PrivateKey::from_private_key(&X25519, candidate).ok();
    key.and_then(|key| key.compute_public_key().ok()).is_some_and(|public| public.as_ref() == share)
}

/// The seed of each private key in a folder, and what RFC 8032 makes of it.
fn keys(folder: &Path) -> Result<Candidates, LabError> {
    let mut candidates = Candidates::new();
    for path in files_below(folder).map_err(LabError::io("cannot read the server's folder"))? {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let Ok(key) = pki::ed25519::SigningKey::from_pem(&text, None) else { continue };
        let der = key.to_pkcs8().map_err(LabError::stage)?;
        let seed = der.get(SEED).unwrap_or_default();
        let hashed = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA512, seed);
        candidates.extend(windows(seed));
        candidates.extend(hashed.as_ref().first_chunk::<KEY>());
    }
    Ok(candidates)
}

/// Every 32 bytes that stand anywhere in the database, of which a copy is made.
fn database(folder: &Path, copy: &Path) -> Result<Candidates, LabError> {
    let mut candidates = Candidates::new();
    for name in DATABASE {
        let bytes = match std::fs::read(folder.join(name)) {
            Ok(bytes) => bytes,
            // Without a write-ahead log everything is in the database.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(LabError::io("cannot read the server's database")(error)),
        };
        std::fs::write(copy.join(name), &bytes).map_err(LabError::io("cannot copy the server's database"))?;
        candidates.extend(windows(&bytes));
    }
    Ok(candidates)
}

/// Every 32 bytes of the secrets that stand sealed in the copy of the database.
async fn opaque_secrets(world: &World, copy: &Path) -> Result<Candidates, LabError> {
    let [database, _] = DATABASE;
    let store = SqliteStore::open(&copy.join(database)).await.map_err(LabError::stage)?;
    let Some(sealed) = store.setting(OPAQUE_SECRETS).await.map_err(LabError::stage)? else {
        return Ok(Candidates::new());
    };
    let secrets = world.authority.open(OPAQUE_SECRETS, &sealed).map_err(LabError::stage)?;
    Ok(windows(&secrets).collect())
}

/// What could be a key among these bytes.
fn windows(bytes: &[u8]) -> impl Iterator<Item = [u8; KEY]> {
    let keys = bytes.windows(KEY).filter_map(|window| window.first_chunk::<KEY>().copied());
    keys.filter(|key| key.iter().filter(|byte| **byte == 0).count() <= MAX_ZEROS)
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
