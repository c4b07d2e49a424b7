//! Names, keys, certificates, the CA, revocation, trust decisions
