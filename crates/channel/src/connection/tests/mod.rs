//! Both ends in memory, with virtual time.

mod arbitrary;
mod certificates;
mod closing;
mod debug;
mod handshake;
mod limits;
mod rekey;
mod tamper;
mod vectors;

use std::sync::Arc;

use pki::ca::{IssuingCa, RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::{Chain, Holder, Name, NoRevocations, Organisation, TrustStore};

use super::*;
use crate::record::Kind;
use crate::{Alert, ClientIdentity, OpaqueSessionKey, ServerIdentity, ServerTrust, Suite};

/// 2026-01-01T00:00:00Z.
const NOW: u64 = 1_767_225_600_000;
const DAY: u64 = 86_400_000;

/// An organisation with its authorities.
struct Forge {
    root: RootCa,
    issuing: IssuingCa,
}

impl Forge {
    fn new(organisation: &str) -> Self {
        let organisation = Organisation::parse(organisation).unwrap();
        let root = RootCa::generate(&organisation, &Validity::days(NOW - DAY, 3650).unwrap()).unwrap();
        let issuing = root.new_issuing_ca(&Validity::days(NOW - DAY, 3000).unwrap()).unwrap();
        Self { root, issuing }
    }

    fn issue(&self, holder: &Holder, validity: &Validity) -> (Chain, SigningKey) {
        let key = SigningKey::generate().unwrap();
        (self.issuing.issue_to_key(key.public(), holder, validity).unwrap(), key)
    }

    fn server(&self) -> Arc<ServerIdentity> {
        let (chain, key) = self.issue(&node(), &validity());
        Arc::new(ServerIdentity::new(&chain.with_root(self.root.certificate()), key).unwrap())
    }

    fn device(&self) -> Arc<ClientIdentity> {
        let (chain, key) = self.issue(&laptop(), &validity());
        Arc::new(ClientIdentity::new(&chain, key).unwrap())
    }

    fn store(&self) -> Arc<TrustStore> {
        Arc::new(TrustStore::new(vec![self.root.anchor().clone()]))
    }

    fn trust(&self) -> ServerTrust {
        ServerTrust::Anchors {
            store: self.store(),
            organisation: self.root.organisation().clone(),
            revocations: Arc::new(NoRevocations),
        }
    }

    fn client_config(&self) -> ClientConfig {
        ClientConfig { trust: self.trust(), identity: Some(self.device()), suites: Suite::ALL.to_vec() }
    }

    fn anonymous_config(&self) -> ClientConfig {
        ClientConfig {
            trust: ServerTrust::PinnedRoot(self.root.fingerprint()),
            identity: None,
            suites: Suite::ALL.to_vec(),
        }
    }

    fn server_config(&self) -> ServerConfig {
        ServerConfig {
            identity: self.server(),
            trust: self.store(),
            revocations: Arc::new(NoRevocations),
            suites: Suite::ALL.to_vec(),
        }
    }
}

fn validity() -> Validity {
    Validity::days(NOW - DAY, 90).unwrap()
}

fn laptop() -> Holder {
    Holder::Device { user: Name::parse("ann").unwrap(), device: Name::parse("laptop").unwrap() }
}

fn node() -> Holder {
    Holder::Server(Name::parse("node1").unwrap())
}

fn forge() -> Forge {
    Forge::new("apollo.example")
}

fn password_login() -> LoginBinding {
    LoginBinding {
        method: 1,
        user: b"ann".to_vec(),
        device: b"laptop".to_vec(),
        opaque_session_key: Some(OpaqueSessionKey::new([7; 64])),
    }
}

/// Both ends and what is between them.
struct Pair {
    client: Connection,
    server: Connection,
    now: u64,
}

impl Pair {
    fn new(client: ClientConfig, server: ServerConfig) -> Self {
        Self {
            client: Connection::client(client, NOW).unwrap(),
            server: Connection::server(server, NOW),
            now: NOW,
        }
    }

    fn established() -> Self {
        let forge = forge();
        let mut pair = Self::new(forge.client_config(), forge.server_config());
        pair.run().unwrap();
        pair.events_of_both();
        pair
    }

    fn logged_in() -> Self {
        let mut pair = Self::established();
        pair.client.bind_login(password_login()).unwrap();
        pair.server.bind_login(password_login()).unwrap();
        pair.client.start_rekey().unwrap();
        pair.run().unwrap();
        pair.events_of_both();
        pair
    }

    /// Carries bytes both ways until there are none, or a side fails.
    fn run(&mut self) -> Result<(), Error> {
        loop {
            let to_server = self.client.poll_transmit();
            let to_client = self.server.poll_transmit();
            if to_server.is_none() && to_client.is_none() {
                return Ok(());
            }
            if let Some(bytes) = to_server {
                self.server.handle_input(&bytes, self.now)?;
            }
            if let Some(bytes) = to_client {
                self.client.handle_input(&bytes, self.now)?;
            }
        }
    }

    fn events_of_both(&mut self) -> (Vec<Event>, Vec<Event>) {
        (events(&mut self.client), events(&mut self.server))
    }
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event()).collect()
}

/// The application data among the events.
fn data(connection: &mut Connection) -> Vec<u8> {
    events(connection)
        .into_iter()
        .filter_map(|event| if let Event::Data(data) = event { Some(data) } else { None })
        .flatten()
        .collect()
}

fn is_established(connection: &mut Connection) -> bool {
    events(connection).iter().any(|event| matches!(event, Event::Established { .. }))
}

/// Seals a record that the connection itself would not send.
fn forge_record(connection: &mut Connection, kind: Kind, content: &[u8]) -> Vec<u8> {
    let State::Open(open) = &mut connection.state else { panic!("{connection:?} is not open") };
    let mut out = Vec::new();
    open.sealer.seal(kind, content, &EpochLimits::DEFAULT, &mut out).unwrap();
    out
}

/// The alert in what a failed side leaves, opened by its peer.
fn peer_hears(failed: &mut Connection, peer: &mut Connection) -> (Alert, bool) {
    let bytes = failed.poll_transmit().expect("an alert");
    match peer.handle_input(&bytes, NOW) {
        Err(Error::Alert { alert, authenticated }) => (alert, authenticated),
        other => panic!("{other:?}"),
    }
}
