//! Stored trees, directory leaves, cosignatures; proofs that are not the tree's own.

#![no_main]

use evidence::Hash;
use evidence::checkpoint::Cosignature;
use evidence::directory::Leaf;
use evidence::log::{CompactTree, ConsistencyProof, InclusionProof, Tree};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], u8, u8, u8, Vec<Hash>)| {
    let (bytes, size, index, old, path) = input;
    // No bytes at all are the empty tree too.
    if let (Ok(tree), false) = (CompactTree::from_bytes(bytes), bytes.is_empty()) {
        assert_eq!(tree.to_bytes(), bytes);
    }
    if let Ok(leaf) = Leaf::from_bytes(bytes) {
        assert_eq!(leaf.to_bytes(), bytes);
    }
    let _ = Cosignature::from_bytes(bytes);

    let (size, index, old) = (u64::from(size), u64::from(index), u64::from(old));
    let mut tree = Tree::default();
    for leaf in 0..size {
        tree.push([u8::try_from(leaf).expect("below 256"); 32]);
    }
    let own = tree.inclusion(index, size);
    let proof = InclusionProof { index, size, path: path.clone() };
    let leaf = [u8::try_from(index).expect("below 256"); 32];
    if proof.verify(&leaf, &tree.root()).is_ok() {
        assert_eq!(own, Some(proof));
    }
    if let Some(old_root) = tree.root_at(old) {
        let own = tree.consistency(old, size);
        let proof = ConsistencyProof { old, new: size, path };
        if proof.verify(&old_root, &tree.root()).is_ok() {
            assert_eq!(own, Some(proof));
        }
    }
});
