//! Fixed-size and length-prefixed fields.
