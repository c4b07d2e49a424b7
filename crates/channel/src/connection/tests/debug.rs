//! What `Debug` shows of types that hold secrets: nothing of them.

use super::*;
use crate::exchange::{Initiator, SharedSecrets};
use crate::handshake::client::AwaitServerHello;
use crate::record::{Opener, Record, Sealer};
use crate::schedule::epoch::EpochSecret;
use crate::schedule::handshake::HandshakeSecrets;
use crate::schedule::kdf::Secret;
use crate::schedule::transcript::Th1;

#[test]
fn no_secret_is_shown() {
    let secret = || Secret::from_bytes([0xab; 32]);
    let shared = || SharedSecrets::from_bytes([0xab; 64]);
    let epoch = EpochSecret::first(secret());
    let key = || epoch.traffic(Suite::Aes256Gcm, Side::Client).unwrap();
    let handshake = HandshakeSecrets::derive(Suite::Aes256Gcm, shared(), &Th1::new(b"", b"")).unwrap();
    assert_eq!(format!("{:?}", secret()), "Secret(..)");
    assert_eq!(format!("{:?}", shared()), "SharedSecrets(..)");
    assert_eq!(format!("{:?}", key()), "SealKey(..)");
    assert_eq!(format!("{:?}", Exporter::new(secret())), "Exporter(..)");
    assert_eq!(format!("{:?}", OpaqueSessionKey::new([0xab; 64])), "OpaqueSessionKey(..)");
    assert_eq!(format!("{epoch:?}"), "EpochSecret { number: 0, secret: Secret(..) }");
    assert_eq!(
        format!("{handshake:?}"),
        "HandshakeSecrets { client: HandshakeKey { seal: SealKey(..), finished: Secret(..) }, \
         server: HandshakeKey { seal: SealKey(..), finished: Secret(..) }, master: MasterSecret(Secret(..)) }"
    );
    assert_eq!(
        format!("{:?}", Sealer::new(key(), 1)),
        "Sealer { key: SealKey(..), epoch: 1, usage: Usage { records: 0, bytes: 0 } }"
    );
    assert_eq!(
        format!("{:?}", Opener::new(key(), 1)),
        "Opener { key: SealKey(..), epoch: 1, usage: Usage { records: 0, bytes: 0 } }"
    );
    assert_eq!(format!("{:?}", Event::Data(b"secret".to_vec())), "Data(6 bytes)");
    assert_eq!(
        format!("{:?}", Record { kind: Kind::Data, content: b"secret".to_vec() }),
        "Record(Data, 6 bytes)"
    );
    assert_eq!(format!("{:?}", Initiator::generate().unwrap().0), "Initiator(..)");
    assert_eq!(
        format!("{:?}", password_login()),
        "LoginBinding { method: 1, user: [97, 110, 110], device: [108, 97, 112, 116, 111, 112], \
         opaque_session_key: Some(OpaqueSessionKey(..)) }"
    );
}

#[test]
fn states_and_configurations_show_no_secret() {
    let forge = forge();
    let (state, _) = AwaitServerHello::start(forge.client_config()).unwrap();
    let shown = format!("{state:?}");
    assert!(shown.contains("shares: Initiator(..)"), "{shown}");
    assert!(shown.contains("identity: Some(ClientIdentity(PublicKey("), "{shown}");
    let shown = format!("{:?}", forge.server_config());
    assert!(shown.starts_with("ServerConfig { identity: ServerIdentity(PublicKey("), "{shown}");
    let pair = Pair::logged_in();
    assert_eq!(
        format!("{:?}", pair.client),
        "Connection { side: Client, state: \"open\", epoch: Some(1), .. }"
    );
    let State::Open(open) = &pair.server.state else { panic!("not open") };
    let shown = format!("{open:?}");
    assert!(
        shown.contains("exporter: Exporter(..), secret: EpochSecret { number: 1, secret: Secret(..) }"),
        "{shown}"
    );
    assert!(shown.contains("opaque_session_key: None"), "the key of the login is erased: {shown}");
}
