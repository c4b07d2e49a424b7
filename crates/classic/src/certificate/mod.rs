//! Certificates of the `cianr` dialects: RSA, one CA, a folder per dialect.
