//! What shows of the group messages of rooms of content suite 1 (EV-47): read before the sequencer, judged in it.

use evidence::entry::{Entry, UnverifiedEntry};
use evidence::limits::{MAX_CONTENT, MAX_GROUP_MESSAGE};
use evidence::mls::{Message, Named, is_content, is_tree};
use evidence::refusal::Reason;
use evidence::room::KeyEpoch;
use store::{Hash, Store, StoreError};
use tracing::error;

use super::append::Batch;
use super::verify::Checked;
use crate::failure;
use crate::shared::Shared;

/// What keeps an entry out that would fit its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A blob that it names is not there: it may come, and the entry again (SE-36).
    Missing,
    /// It is refused for good.
    Refused(Reason),
}

/// Puts what shows of a blob where it belongs.
type Put = fn(&mut Named, &[u8]);

/// What shows of the messages that a device's statement names, if it is one of membership; none if one of them is not there, or the
/// device never was in `room`, which is none of a create.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub(crate) async fn named(
    shared: &Shared,
    device: &Hash,
    room: Option<&Hash>,
    statement: &[u8],
) -> Result<Option<Named>, StoreError> {
    let store = shared.store.as_ref();
    let mut named = Named::default();
    // What cannot be read is refused where signatures are checked.
    let Ok(UnverifiedEntry::Membership(membership)) = Entry::parse(statement) else { return Ok(Some(named)) };
    let hashes = membership.claim().mls;
    if hashes.named().next().is_none() {
        return Ok(Some(named));
    }
    // It is answered where statements are placed, after the check of its signature.
    if let Some(room) = room
        && store.memberships(room, device).await?.is_empty()
    {
        return Ok(None);
    }
    // Nothing is signed or counted yet: whoever asks for much waits for others, and the memory is that of one blob.
    let _one = shared.blob_reads.acquire().await;
    let wanted: [(Option<Hash>, Put); 4] = [
        (hashes.commit, |named, blob| named.commit = Message::read(blob)),
        (hashes.welcome, |named, blob| named.welcome = Message::read(blob)),
        (hashes.group.map(|group| group.info), |named, blob| named.info = Message::read(blob)),
        (hashes.group.map(|group| group.tree), |named, blob| named.tree = is_tree(blob)),
    ];
    for (hash, put) in wanted {
        let Some(hash) = hash else { continue };
        let Some(blob) = store.pending_blob(device, &hash, MAX_GROUP_MESSAGE).await? else { return Ok(None) };
        put(&mut named, &blob);
    }
    Ok(Some(named))
}

/// Whether the blobs that an entry names are still there: another may have taken them since they were read, in this batch or before.
///
/// # Errors
/// [`StoreError`] if that cannot be read.
pub(super) async fn still_there(
    store: &dyn Store,
    item: &Checked,
    batch: &Batch,
    now_ms: u64,
) -> Result<bool, StoreError> {
    let device = &item.submission.session.certificate;
    let hashes = item.submission.blobs(&item.entry);
    if hashes.iter().any(|hash| batch.takes(device, hash)) {
        return Ok(false);
    }
    store.has_pending_blobs(device, &hashes, now_ms).await
}

/// Deletes the pending blobs that an entry names and will not take any more, as it is refused or in the log; those stay that one in
/// `batch` takes (SE-35).
pub(super) async fn discard(store: &dyn Store, item: &Checked, batch: &Batch) {
    let Entry::Membership(membership) = &item.entry else { return };
    let device = &item.submission.session.certificate;
    let hashes: Vec<Hash> = membership.mls.named().filter(|hash| !batch.takes(device, hash)).collect();
    if let Err(e) = store.discard_pending_blobs(device, &hashes).await {
        // They count for a day, and nothing else is wrong.
        error!("cannot delete what a statement named: {}", failure::chain(&e));
    }
}

/// What keeps an entry out of a room whose key epoch before it is `key_epoch`, any before a create; none in content suite 0.
pub(super) fn fault(item: &Checked, key_epoch: Option<KeyEpoch>) -> Option<Fault> {
    let submission = &item.submission;
    let room = &submission.room;
    let content = submission.content.as_deref();
    let refused = match (&item.entry, key_epoch) {
        (Entry::Statement(_), None) => {
            content.is_some_and(|bytes| bytes.len() > MAX_CONTENT).then_some(Reason::TooLarge)
        }
        (Entry::Statement(_), Some(_)) if submission.named.is_none() => return Some(Fault::Missing),
        (Entry::Statement(_), Some(at)) => {
            let sealed = content.is_some_and(|bytes| is_content(bytes, room, at));
            (!sealed).then_some(Reason::Ciphertext)
        }
        (Entry::Membership(membership), Some(at)) => {
            let Some(named) = &submission.named else { return Some(Fault::Missing) };
            let fits = named.fit(&membership.change, &membership.mls, room, at);
            (!fits).then_some(Reason::Membership)
        }
        (Entry::Membership(_), None) | (Entry::Revocation(_) | Entry::Erasure(_), _) => None,
    };
    refused.map(Fault::Refused)
}
