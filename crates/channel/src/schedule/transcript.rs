//! The transcript hashes TH1 to TH7 (CH-16). Each is a type, so that a message cannot be left out or hashed twice.

use aws_lc_rs::digest::{self, SHA256};

const DOMAIN: &[u8] = b"countersign v1 hs";

macro_rules! step {
    ($(#[$doc:meta])* $from:ident, $method:ident -> $to:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $to([u8; 32]);

        impl $from {
            pub(crate) fn $method(&self, message: &[u8]) -> $to {
                $to(hash(&[&self.0, message]))
            }
        }

        impl $to {
            pub(crate) fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }
    };
}

/// Over M1 and M2p.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Th1([u8; 32]);

impl Th1 {
    pub(crate) fn new(client_hello: &[u8], server_hello: &[u8]) -> Self {
        let length = |message: &[u8]| u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        Self(hash(&[DOMAIN, &length(client_hello), client_hello, &length(server_hello), server_hello]))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

step!(/** Up to the server's chain; what its signature covers. */ Th1, server_chain -> Th2);
step!(/** Up to the server's signature; what its finished value covers. */ Th2, server_signature -> Th3);
step!(/** Up to the server's finished value. */ Th3, server_finished -> Th4);
step!(/** Up to the client's chain; what its signature covers. */ Th4, client_chain -> Th5);
step!(/** Up to the client's signature; what its finished value covers. */ Th5, client_signature -> Th6);
step!(/** The whole handshake. */ Th6, client_finished -> Th7);

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    out
}
