//! Files that do not stand in a content, sealed apart from it under a key of their own (GR-23).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::error::{GroupError, Refusal};
use crate::limits::{FILE_CHUNK, FILE_TAG};

/// How a file of some size is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    size: u64,
}

/// One chunk of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    number: u64,
    last: bool,
    /// Bytes of it before it is sealed, at most [`FILE_CHUNK`].
    pub bytes: usize,
}

impl Chunks {
    /// Those of a file of `size` bytes.
    pub fn of(size: u64) -> Self {
        Self { size }
    }

    /// How many there are, one at least.
    pub fn count(self) -> u64 {
        self.size.div_ceil(FILE_CHUNK as u64).max(1)
    }

    /// Bytes of the ciphertext.
    pub fn sealed_size(self) -> u64 {
        self.size.saturating_add(self.count().saturating_mul(FILE_TAG as u64))
    }

    /// The chunk with this number, from 0.
    pub fn get(self, number: u64) -> Option<Chunk> {
        let last = self.count().checked_sub(1)?;
        let before = number.checked_mul(FILE_CHUNK as u64)?;
        let rest = self.size.checked_sub(before).filter(|_| number <= last)?;
        let bytes = usize::try_from(rest.min(FILE_CHUNK as u64)).ok()?;
        Some(Chunk { number, last: number == last, bytes })
    }
}

impl Chunk {
    /// Where it begins in the ciphertext, in bytes.
    pub fn sealed_offset(self) -> u64 {
        self.number.saturating_mul((FILE_CHUNK + FILE_TAG) as u64)
    }

    /// Bytes of it once it is sealed.
    pub fn sealed_bytes(self) -> usize {
        self.bytes.saturating_add(FILE_TAG)
    }

    fn nonce(self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        let [last, _, _, _, number @ ..] = &mut nonce;
        *last = u8::from(self.last);
        *number = self.number.to_be_bytes();
        Nonce::assume_unique_for_key(nonce)
    }
}

/// The key of one file: what it seals and lets go is each of its chunks, once.
pub struct FileKey(LessSafeKey);

impl FileKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// [`GroupError::Library`].
    pub fn new(bytes: &[u8; 32]) -> Result<Self, GroupError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| library())?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals a chunk in its place, [`FILE_TAG`] bytes longer then.
    ///
    /// # Errors
    /// [`GroupError::Library`], also if it has not the bytes that `chunk` says.
    pub fn seal(&self, chunk: Chunk, bytes: &mut Vec<u8>) -> Result<(), GroupError> {
        if bytes.len() != chunk.bytes {
            return Err(library());
        }
        self.0.seal_in_place_append_tag(chunk.nonce(), Aad::empty(), bytes).map_err(|_| library())
    }

    /// Opens a sealed chunk in its place.
    ///
    /// # Errors
    /// [`Refusal::Undecryptable`] if it is not this chunk, sealed under this key, of a file of this size.
    pub fn open(&self, chunk: Chunk, bytes: &mut Vec<u8>) -> Result<(), Refusal> {
        if bytes.len() != chunk.sealed_bytes() {
            return Err(Refusal::Undecryptable);
        }
        let opened = self
            .0
            .open_in_place(chunk.nonce(), Aad::empty(), bytes)
            .map(|opened| opened.len())
            .map_err(|_| Refusal::Undecryptable)?;
        bytes.truncate(opened);
        Ok(())
    }
}

impl std::fmt::Debug for FileKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileKey(..)")
    }
}

fn library() -> GroupError {
    GroupError::Library("a file cannot be sealed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: u64 = FILE_CHUNK as u64;

    fn key(byte: u8) -> FileKey {
        FileKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_file_is_cut_into_pieces_that_fill_messages() {
        for (size, count, last) in [
            (0, 1, 0),
            (1, 1, 1),
            (CHUNK - 1, 1, CHUNK - 1),
            (CHUNK, 1, CHUNK),
            (CHUNK + 1, 2, 1),
            (3 * CHUNK, 3, CHUNK),
            (1 << 31, 8_193, (1 << 31) - 8_192 * CHUNK),
        ] {
            let chunks = Chunks::of(size);
            let end = chunks.get(count - 1).unwrap();
            assert_eq!((chunks.count(), end.bytes as u64, end.last), (count, last, true), "{size}");
            assert_eq!(chunks.sealed_size(), size + count * 16);
            assert!(chunks.get(count).is_none() && chunks.get(u64::MAX).is_none());
            assert!(count == 1 || chunks.get(0).unwrap().sealed_bytes() == 256 * 1_024);
        }
        // A size that no file has: nothing overflows.
        assert!(Chunks::of(u64::MAX).get(u64::MAX).is_none());
        assert_eq!(Chunks::of(u64::MAX).sealed_size(), u64::MAX);
    }

    #[test]
    fn a_chunk_opens_in_its_place_alone() {
        let chunks = Chunks::of(2 * CHUNK + 5);
        let mut sealed: Vec<Vec<u8>> = (0..3)
            .map(|number| {
                let chunk = chunks.get(number).unwrap();
                let mut bytes = vec![7; chunk.bytes];
                key(1).seal(chunk, &mut bytes).unwrap();
                bytes
            })
            .collect();
        let opens = |chunk: Chunk, key: &FileKey, bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            key.open(chunk, &mut bytes).is_ok().then_some(bytes)
        };
        for (number, bytes) in (0_u64..).zip(&sealed) {
            let chunk = chunks.get(number).unwrap();
            assert_eq!(opens(chunk, &key(1), bytes), Some(vec![7; chunk.bytes]));
            assert_eq!(opens(chunk, &key(2), bytes), None);
        }
        // Chunks change places, the file ends earlier, a byte is another, the tag is cut.
        assert_eq!(opens(chunks.get(0).unwrap(), &key(1), &sealed[1]), None);
        let shorter = Chunks::of(2 * CHUNK).get(1).unwrap();
        assert_eq!(opens(shorter, &key(1), &sealed[1]), None);
        assert_eq!(opens(chunks.get(2).unwrap(), &key(1), &sealed[2][..20]), None);
        sealed[2][4] ^= 1;
        assert_eq!(opens(chunks.get(2).unwrap(), &key(1), &sealed[2]), None);
        assert!(key(1).seal(chunks.get(2).unwrap(), &mut vec![7; 4]).is_err());
    }

    #[test]
    fn the_nonce_says_place_and_end() {
        let nonce = |size: u64, number| {
            let chunk = Chunks::of(size).get(number).unwrap();
            *chunk.nonce().as_ref()
        };
        assert_eq!(nonce(3 * CHUNK, 1), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(nonce(2 * CHUNK, 1), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
