//! `broadcast`: one room over Diffie-Hellman, HKDF and AES-128-CBC (docs/classic.md, section 5).
