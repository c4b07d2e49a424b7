//! Fixed-size and length-prefixed fields, big-endian.
//!
//! [`Reader`] never allocates and never looks past its input; a variable field names its largest size,
//! which is checked before anything else. [`Writer`] builds what a reader reads.

/// Why bytes were not accepted as the expected fields.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
pub enum ReadError {
    /// The input ends before the field does.
    #[error("{missing} bytes are missing")]
    Short {
        /// How many bytes more the field needs.
        missing: usize,
    },
    /// A length prefix above the limit of its field.
    #[error("a field of {length} bytes, the limit is {limit}")]
    TooLong {
        /// The length the prefix claims, in bytes.
        length: usize,
        /// The named limit in bytes.
        limit: usize,
    },
    /// Bytes follow the last field.
    #[error("{extra} bytes follow the last field")]
    Trailing {
        /// How many bytes are left over.
        extra: usize,
    },
}

/// Reads fields from the front of a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes the next `length` bytes.
    ///
    /// # Errors
    /// [`ReadError::Short`] if fewer are left.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (field, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(ReadError::Short { missing: length.saturating_sub(self.rest.len()) })?;
        self.rest = rest;
        Ok(field)
    }

    /// Takes a field of exactly `N` bytes.
    ///
    /// # Errors
    /// [`ReadError::Short`] if fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], ReadError> {
        let (field, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(ReadError::Short { missing: N.saturating_sub(self.rest.len()) })?;
        self.rest = rest;
        Ok(field)
    }

    /// Takes one byte.
    ///
    /// # Errors
    /// [`ReadError::Short`] at the end of input.
    pub fn u8(&mut self) -> Result<u8, ReadError> {
        self.array::<1>().map(|[byte]| *byte)
    }

    /// Takes a 16-bit number.
    ///
    /// # Errors
    /// [`ReadError::Short`] if fewer than 2 bytes are left.
    pub fn u16(&mut self) -> Result<u16, ReadError> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Takes a 32-bit number.
    ///
    /// # Errors
    /// [`ReadError::Short`] if fewer than 4 bytes are left.
    pub fn u32(&mut self) -> Result<u32, ReadError> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Takes a 64-bit number.
    ///
    /// # Errors
    /// [`ReadError::Short`] if fewer than 8 bytes are left.
    pub fn u64(&mut self) -> Result<u64, ReadError> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Takes a field behind an 8-bit length, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError::TooLong`] above the limit, [`ReadError::Short`] if the input ends before the field.
    pub fn prefixed_u8(&mut self, limit: usize) -> Result<&'a [u8], ReadError> {
        let length = usize::from(self.u8()?);
        self.limited(length, limit)
    }

    /// Takes a field behind a 16-bit length, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError::TooLong`] above the limit, [`ReadError::Short`] if the input ends before the field.
    pub fn prefixed_u16(&mut self, limit: usize) -> Result<&'a [u8], ReadError> {
        let length = usize::from(self.u16()?);
        self.limited(length, limit)
    }

    /// Takes a field behind a 32-bit length, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError::TooLong`] above the limit, [`ReadError::Short`] if the input ends before the field.
    pub fn prefixed_u32(&mut self, limit: usize) -> Result<&'a [u8], ReadError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        self.limited(length, limit)
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`ReadError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), ReadError> {
        if self.rest.is_empty() { Ok(()) } else { Err(ReadError::Trailing { extra: self.rest.len() }) }
    }

    fn limited(&mut self, length: usize, limit: usize) -> Result<&'a [u8], ReadError> {
        if length > limit {
            return Err(ReadError::TooLong { length, limit });
        }
        self.take(length)
    }
}

/// A field too long for its length prefix: a mistake of the caller.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[error("{length} bytes do not fit behind a length of {prefix} bytes")]
pub struct FieldTooLong {
    /// Length of the field in bytes.
    pub length: usize,
    /// Size of the prefix in bytes.
    pub prefix: usize,
}

/// Appends fields to a vector.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
}

impl Writer {
    /// Starts with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: Vec::with_capacity(capacity) }
    }

    /// Appends bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.out.extend_from_slice(bytes);
        self
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    /// Appends a 16-bit number.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a 64-bit number.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a field behind its 8-bit length.
    ///
    /// # Errors
    /// [`FieldTooLong`] above 255 bytes; nothing is written.
    pub fn prefixed_u8(&mut self, field: &[u8]) -> Result<&mut Self, FieldTooLong> {
        let length =
            u8::try_from(field.len()).map_err(|_| FieldTooLong { length: field.len(), prefix: 1 })?;
        Ok(self.u8(length).bytes(field))
    }

    /// Appends a field behind its 16-bit length.
    ///
    /// # Errors
    /// [`FieldTooLong`] above 65,535 bytes; nothing is written.
    pub fn prefixed_u16(&mut self, field: &[u8]) -> Result<&mut Self, FieldTooLong> {
        let length =
            u16::try_from(field.len()).map_err(|_| FieldTooLong { length: field.len(), prefix: 2 })?;
        Ok(self.u16(length).bytes(field))
    }

    /// Appends a field behind its 32-bit length.
    ///
    /// # Errors
    /// [`FieldTooLong`] above 4 GiB; nothing is written.
    pub fn prefixed_u32(&mut self, field: &[u8]) -> Result<&mut Self, FieldTooLong> {
        let length =
            u32::try_from(field.len()).map_err(|_| FieldTooLong { length: field.len(), prefix: 4 })?;
        Ok(self.u32(length).bytes(field))
    }

    /// How many bytes have been written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// What has been written.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_reads_what_a_writer_wrote() {
        let mut writer = Writer::with_capacity(32);
        writer.u8(1).u16(2).u32(3).u64(4).bytes(&[5; 3]);
        writer.prefixed_u8(b"six").unwrap().prefixed_u16(b"seven").unwrap().prefixed_u32(b"").unwrap();
        let bytes = writer.into_vec();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(2));
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u64(), Ok(4));
        assert_eq!(reader.array(), Ok(&[5; 3]));
        assert_eq!(reader.prefixed_u8(3), Ok(&b"six"[..]));
        assert_eq!(reader.prefixed_u16(5), Ok(&b"seven"[..]));
        assert_eq!(reader.prefixed_u32(0), Ok(&b""[..]));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn short_long_and_trailing_are_told_apart() {
        assert_eq!(Reader::new(&[0]).u32(), Err(ReadError::Short { missing: 3 }));
        assert_eq!(Reader::new(&[0, 9, 1]).prefixed_u16(9), Err(ReadError::Short { missing: 8 }));
        assert_eq!(
            Reader::new(&[0xff; 4]).prefixed_u32(100),
            Err(ReadError::TooLong { length: 0xffff_ffff, limit: 100 })
        );
        assert_eq!(Reader::new(&[1, 2]).finish(), Err(ReadError::Trailing { extra: 2 }));
        assert_eq!(
            Writer::default().prefixed_u8(&[0; 256]).map(|_| ()),
            Err(FieldTooLong { length: 256, prefix: 1 })
        );
    }
}
