//! Pieces of history, as far as the store looks into them: lists of contents by log index, each sealed by itself
//! (docs/group.md, GR-28), so that one can go and the others stay.

use std::collections::BTreeSet;

use minicbor::bytes::ByteVec;

type Contents = Vec<(u64, ByteVec)>;

/// What is left of a piece without the contents at these indices. Of one that is no such list nothing is left: nobody here can tell
/// what is in it.
pub(crate) fn without(piece: &[u8], erased: &BTreeSet<u64>) -> Vec<u8> {
    let mut contents: Contents = minicbor::decode(piece).unwrap_or_default();
    contents.retain(|(index, _)| !erased.contains(index));
    // Writing to memory does not fail.
    minicbor::to_vec(&contents).unwrap_or_default()
}
