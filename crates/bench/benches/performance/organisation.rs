//! One organisation, one server, one device: the certificates that all contenders show and check.

use std::sync::Arc;

use anyhow::Result;
use channel::{ClientConfig, ClientIdentity, ServerConfig, ServerIdentity, ServerTrust, Suite};
use pki::ca::{RootCa, Validity};
use pki::ed25519::SigningKey;
use pki::{Chain, Holder, Name, NoRevocations, Organisation, TrustAnchor, TrustStore};

/// When everything happens: 2026-01-01T00:00:00Z.
pub(crate) const NOW_MS: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 86_400_000;

/// A leaf's chain without root, and its key in PKCS#8.
pub(crate) struct Holding {
    pub(crate) chain: Chain,
    pkcs8: Vec<u8>,
}

impl Holding {
    /// The key, once more.
    pub(crate) fn key(&self) -> Result<SigningKey> {
        Ok(SigningKey::from_pkcs8(&self.pkcs8)?)
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

pub(crate) struct Forge {
    root: RootCa,
    pub(crate) server: Holding,
    pub(crate) device: Holding,
}

impl Forge {
    pub(crate) fn new() -> Result<Self> {
        let organisation = Organisation::parse("apollo.example")?;
        let root = RootCa::generate(&organisation, &Validity::days(NOW_MS - DAY_MS, 3650)?)?;
        let issuing = root.new_issuing_ca(&Validity::days(NOW_MS - DAY_MS, 3000)?)?;
        let hold = |holder: Holder| -> Result<Holding> {
            let key = SigningKey::generate()?;
            let chain = issuing.issue_to_key(key.public(), &holder, &Validity::days(NOW_MS - DAY_MS, 90)?)?;
            Ok(Holding { chain, pkcs8: key.to_pkcs8()?.to_vec() })
        };
        let server = hold(Holder::Server(Name::parse("node1")?))?;
        let device = hold(Holder::Device { user: Name::parse("ann")?, device: Name::parse("laptop")? })?;
        Ok(Self { root, server, device })
    }

    pub(crate) fn anchor(&self) -> &TrustAnchor {
        self.root.anchor()
    }

    /// Trust in the root, with no chain verified before.
    pub(crate) fn trust(&self) -> Arc<TrustStore> {
        Arc::new(TrustStore::new(vec![self.anchor().clone()]))
    }

    pub(crate) fn channel_server(&self, suite: Suite) -> Result<ServerConfig> {
        let chain = self.server.chain.with_root(self.root.certificate());
        Ok(ServerConfig {
            identity: Arc::new(ServerIdentity::new(&chain, self.server.key()?)?),
            trust: self.trust(),
            revocations: Arc::new(NoRevocations),
            suites: vec![suite],
        })
    }

    pub(crate) fn channel_client(&self, suite: Suite) -> Result<ClientConfig> {
        Ok(ClientConfig {
            trust: ServerTrust::Anchors {
                store: self.trust(),
                organisation: self.root.organisation().clone(),
                revocations: Arc::new(NoRevocations),
            },
            identity: Some(Arc::new(ClientIdentity::new(&self.device.chain, self.device.key()?)?)),
            suites: vec![suite],
        })
    }
}
