//! Equal blocks in the ciphertexts of one flow: what ECB, and CBC that always begins with the same vector, give away.

use std::collections::HashSet;

/// Size of a block of AES, in bytes.
const BLOCK: usize = 16;
/// Most blocks that are remembered of a flow.
const MAX_BLOCKS: usize = 65_536;
/// Most ciphertexts whose beginnings are remembered of a flow.
const MAX_BEGINNINGS: usize = 1_024;
/// Most blocks of a beginning.
const MAX_PREFIX: usize = 64;

/// What was seen on a flow so far.
#[derive(Default)]
pub(super) struct Repeats {
    blocks: HashSet<[u8; BLOCK]>,
    beginnings: Vec<Vec<u8>>,
}

impl Repeats {
    /// How many blocks of a ciphertext stood on this flow before, or earlier in itself.
    pub fn equal_blocks(&mut self, ciphertext: &[u8]) -> usize {
        let (blocks, _) = ciphertext.as_chunks::<BLOCK>();
        let mut equal = 0;
        for block in blocks {
            if self.blocks.contains(block) {
                equal += 1;
            } else if self.blocks.len() < MAX_BLOCKS {
                self.blocks.insert(*block);
            }
        }
        equal
    }

    /// How many bytes, in whole blocks, a ciphertext has in common with the beginning of an earlier one, at most.
    pub fn equal_prefix(&mut self, ciphertext: &[u8]) -> usize {
        let beginning = ciphertext.get(..BLOCK * MAX_PREFIX).unwrap_or(ciphertext);
        let common = |other: &Vec<u8>| {
            let (ours, theirs) = (beginning.chunks_exact(BLOCK), other.chunks_exact(BLOCK));
            ours.zip(theirs).take_while(|(a, b)| a == b).count() * BLOCK
        };
        let longest = self.beginnings.iter().map(common).max().unwrap_or_default();
        if self.beginnings.len() < MAX_BEGINNINGS {
            self.beginnings.push(beginning.to_vec());
        }
        longest
    }
}
