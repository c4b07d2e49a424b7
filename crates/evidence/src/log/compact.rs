//! The roots of a tree's perfect subtrees (EV-22).

use super::{Hash, MAX_SIZE, empty_root, node_hash};

/// A tree of which only the roots of its perfect subtrees are kept: at most 48 hashes, whatever its size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactTree {
    size: u64,
    /// Largest subtree first, one for each 1 bit of `size`.
    peaks: Vec<Hash>,
}

/// Bytes that are no stored tree, or a step that does not fit the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTree {
    /// Not as many hashes as the size asks for, or a size above [`MAX_SIZE`].
    #[error("the stored tree does not have the hashes that its size asks for")]
    Malformed,
    /// A subtree appended where none of its size can stand.
    #[error("a subtree of 2^{level} leaves cannot follow {size} leaves")]
    Misplaced {
        /// Exponent of the subtree's size.
        level: u32,
        /// Size of the tree.
        size: u64,
    },
}

impl CompactTree {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of `size` leaves with these subtree roots, largest first.
    ///
    /// # Errors
    /// [`BadTree::Malformed`] if their number is not the number of 1 bits of `size`.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, BadTree> {
        if size > MAX_SIZE || u32::try_from(peaks.len()) != Ok(size.count_ones()) {
            return Err(BadTree::Malformed);
        }
        Ok(Self { size, peaks })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf hash and returns the leaf's index.
    pub fn push(&mut self, leaf: Hash) -> u64 {
        let index = self.size;
        self.merge(0, leaf);
        index
    }

    /// Appends a perfect subtree of `2^level` leaves.
    ///
    /// # Errors
    /// [`BadTree::Misplaced`] if the size is not a multiple of `2^level`, or would pass [`MAX_SIZE`].
    pub fn push_subtree(&mut self, level: u32, root: Hash) -> Result<(), BadTree> {
        let width = 1_u64.checked_shl(level).filter(|width| *width <= MAX_SIZE);
        let fits = |width: &u64| self.size.is_multiple_of(*width) && self.size <= MAX_SIZE - width;
        width.filter(fits).ok_or(BadTree::Misplaced { level, size: self.size })?;
        self.merge(level, root);
        Ok(())
    }

    fn merge(&mut self, level: u32, root: Hash) {
        let mut node = root;
        for bit in level.. {
            if self.size & (1 << bit) == 0 {
                break;
            }
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1 << level;
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }

    /// The stored form: `size u64 big-endian | hashes`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        self.peaks.iter().for_each(|peak| bytes.extend_from_slice(peak));
        bytes
    }

    /// Reads the stored form; no bytes at all are the tree without leaves.
    ///
    /// # Errors
    /// [`BadTree::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadTree> {
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let (size, rest) = bytes.split_first_chunk::<8>().ok_or(BadTree::Malformed)?;
        let (peaks, []) = rest.as_chunks::<32>() else {
            return Err(BadTree::Malformed);
        };
        Self::from_peaks(u64::from_be_bytes(*size), peaks.to_vec())
    }
}
