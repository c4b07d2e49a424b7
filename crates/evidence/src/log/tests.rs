use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// RFC 9162, section 2.1.1, word by word: the slow definition that everything is compared with.
fn reference_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(1 << split_level(leaves.len() as u64));
            node_hash(&reference_root(left), &reference_root(right))
        }
    }
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn tree(leaves: &[Hash]) -> Tree {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(*leaf);
    }
    tree
}

fn hex32(text: &str) -> Hash {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The leaves and roots that Certificate Transparency implementations share
/// (transparency-dev/merkle, `testonly`).
const SHARED: [(&str, &str); 8] = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
];

#[test]
fn shared_vectors_of_certificate_transparency() {
    assert_eq!(empty_root(), hex32("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    let mut compact = CompactTree::new();
    let mut tree = Tree::default();
    for (leaf, root) in SHARED {
        let leaf = leaf_hash(&hex::decode(leaf).unwrap());
        compact.push(leaf);
        tree.push(leaf);
        assert_eq!(compact.root(), hex32(root));
        assert_eq!(tree.root(), hex32(root));
    }
    // Inclusion of leaf 5 of 8, and consistency of 6 with 8, from the same collection.
    let path = [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(tree.inclusion(5, 8).unwrap().path, path.map(hex32));
    let path = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(tree.consistency(6, 8).unwrap().path, path.map(hex32));
}

#[test]
fn every_proof_of_small_trees_verifies_and_no_other() {
    let leaves = leaves(40);
    let tree = tree(&leaves);
    for size in 0..=leaves.len() {
        let root = reference_root(&leaves[..size]);
        assert_eq!(tree.root_at(size as u64), Some(root));
        for (index, leaf) in leaves[..size].iter().enumerate() {
            let proof = tree.inclusion(index as u64, size as u64).unwrap();
            assert_eq!(proof.verify(leaf, &root), Ok(()));
            assert_eq!(proof.verify(&[7; 32], &root), Err(BadProof));
            let moved = InclusionProof { index: (index as u64) ^ 1, ..proof.clone() };
            assert!(size == 1 || moved.verify(leaf, &root).is_err());
            let mut longer = proof.clone();
            longer.path.push(root);
            assert_eq!(longer.verify(leaf, &root), Err(BadProof));
            if !proof.path.is_empty() {
                let mut shorter = proof;
                shorter.path.pop();
                assert_eq!(shorter.verify(leaf, &root), Err(BadProof));
            }
        }
        for old in 0..=size {
            let proof = tree.consistency(old as u64, size as u64).unwrap();
            let old_root = reference_root(&leaves[..old]);
            assert_eq!(proof.verify(&old_root, &root), Ok(()), "{old} {size}");
            assert_eq!(proof.verify(&[7; 32], &root), Err(BadProof));
            assert_eq!(proof.verify(&old_root, &[7; 32]).is_err(), old > 0 || size == 0);
        }
    }
    assert_eq!(tree.inclusion(40, 40), None);
    assert_eq!(tree.inclusion(0, 41), None);
    assert_eq!(tree.consistency(4, 3), None);
}

#[test]
fn a_tree_from_its_compact_state_proves_what_is_new() {
    let leaves = leaves(70);
    let whole = tree(&leaves);
    for base in 0..leaves.len() {
        let mut compact = CompactTree::new();
        leaves[..base].iter().for_each(|leaf| {
            compact.push(*leaf);
        });
        assert_eq!(CompactTree::from_bytes(&compact.to_bytes()), Ok(compact.clone()));
        let mut tail = Tree::new(compact);
        leaves[base..].iter().for_each(|leaf| {
            tail.push(*leaf);
        });
        assert_eq!(tail.root(), whole.root());
        assert_eq!(tail.compact(), whole.compact());
        for size in base as u64..=70 {
            assert_eq!(tail.root_at(size), whole.root_at(size));
            assert_eq!(tail.consistency(base as u64, size), whole.consistency(base as u64, size));
            for index in base as u64..size {
                assert_eq!(tail.inclusion(index, size), whole.inclusion(index, size));
            }
        }
    }
}

#[test]
fn stored_trees_are_checked() {
    let compact = tree(&leaves(5)).compact().clone();
    let bytes = compact.to_bytes();
    assert_eq!(CompactTree::from_bytes(&bytes[..bytes.len() - 1]), Err(BadTree::Malformed));
    assert_eq!(CompactTree::from_bytes(&[&bytes[..], &[0; 32]].concat()), Err(BadTree::Malformed));
    assert_eq!(CompactTree::from_bytes(&[0; 7]), Err(BadTree::Malformed));
    assert_eq!(CompactTree::from_peaks(u64::MAX, vec![[0; 32]; 64]), Err(BadTree::Malformed));
    assert_eq!(CompactTree::from_bytes(&[]), Ok(CompactTree::new()));
    let mut odd = compact;
    assert_eq!(odd.push_subtree(1, [0; 32]), Err(BadTree::Misplaced { level: 1, size: 5 }));
    assert!(odd.push_subtree(64, [0; 32]).is_err());
}

fn check_cover(size: u64, root: &Hash, set: &[u64], leaves: &[Hash], proof: &[Hash]) -> Result<(), BadProof> {
    let mut tree = CompactTree::new();
    let mut check = cover::Check::new(size, proof.iter().copied());
    for index in set {
        check.fill_to(&mut tree, *index)?;
        tree.push(leaves[usize::try_from(*index).unwrap()]);
    }
    check.finish(tree, root)
}

proptest! {
    #[test]
    fn covers_prove_their_leaves(size in 1_usize..200, picks in proptest::collection::btree_set(0_u64..200, 0..30)) {
        let mut leaves = leaves(size);
        let tree = tree(&leaves);
        let set: Vec<u64> = picks.into_iter().filter(|index| *index < size as u64).collect();
        let proof = cover::prove(&tree, set.iter().copied(), &BTreeSet::new()).unwrap();
        let check = |leaves: &[Hash], proof: &[Hash]| check_cover(size as u64, &tree.root(), &set, leaves, proof);
        prop_assert_eq!(check(&leaves, &proof), Ok(()));
        let mut longer = proof.clone();
        longer.push([1; 32]);
        prop_assert_eq!(check(&leaves, &longer), Err(BadProof));
        if !proof.is_empty() {
            prop_assert_eq!(check(&leaves, &proof[1..]), Err(BadProof));
        }
        if let Some(first) = set.first() {
            leaves[usize::try_from(*first).unwrap()] = [2; 32];
            prop_assert_eq!(check(&leaves, &proof), Err(BadProof));
        }
    }
    #[test]
    fn marks_give_the_roots_between(size in 2_u64..200, index in 0_u64..200, mark in 0_u64..200) {
        let (index, leaves) = (index % size, leaves(usize::try_from(size).unwrap()));
        let mark = index + 1 + mark % (size - index);
        let tree = tree(&leaves);
        let proof = cover::prove(&tree, [index], &BTreeSet::from([mark])).unwrap();
        let mut check = cover::Check::new(size, proof.into_iter());
        let mut compact = CompactTree::new();
        check.fill_to(&mut compact, index).unwrap();
        compact.push(leaves[usize::try_from(index).unwrap()]);
        check.fill_to(&mut compact, mark).unwrap();
        prop_assert_eq!(Some(compact.root()), tree.root_at(mark));
        prop_assert_eq!(check.finish(compact, &tree.root()), Ok(()));
    }
}
