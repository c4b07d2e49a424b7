//! The client's states: M1 sent, M2 agreed, M3 sent.

use pki::{Chain, NoRevocations, TrustAnchor, TrustStore, Usage, VerifiedCertificate};
use wire::frame::FrameType;

use super::message::{ClientHello, Proof, ServerHello};
use super::{CLIENT_CONTEXT, SERVER_CONTEXT, chain};
use crate::exchange::Initiator;
use crate::schedule::epoch::{EpochSecret, Exporter};
use crate::schedule::handshake::{HandshakeKey, HandshakeSecrets};
use crate::schedule::transcript::{Th1, Th4, Th7};
use crate::{ClientConfig, Error, LocalFailure, Malformed, Misbehaviour, Misuse, ServerTrust, Suite};

/// M1 is sent; M2 is awaited.
#[derive(Debug)]
pub(crate) struct AwaitServerHello {
    config: ClientConfig,
    client_hello: Vec<u8>,
    shares: Initiator,
}

impl AwaitServerHello {
    /// Starts a handshake; also gives M1's frame.
    pub(crate) fn start(config: ClientConfig) -> Result<(Self, Vec<u8>), Error> {
        let mut suites = Vec::with_capacity(config.suites.len());
        for suite in &config.suites {
            if !suites.contains(suite) {
                suites.push(*suite);
            }
        }
        if suites.is_empty() {
            return Err(Misuse::NoSuite.into());
        }
        let (shares, request) = Initiator::generate()?;
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| LocalFailure::Cryptography)?;
        let client_hello = ClientHello::encode(&suites, &nonce, &request);
        let frame = super::frame(FrameType::ClientHello, &client_hello)?;
        Ok((Self { config, client_hello, shares }, frame))
    }

    /// Goes on from a recorded M1.
    #[cfg(test)]
    pub(crate) fn resume(config: ClientConfig, client_hello: Vec<u8>, shares: Initiator) -> Self {
        Self { config, client_hello, shares }
    }

    /// Takes M2 up to the keys that seal the rest of it.
    pub(crate) fn agree(self, body: &[u8]) -> Result<Agreed, Error> {
        let hello = ServerHello::decode(body).ok_or(Malformed::ServerHello)?;
        // CH-19
        let suite = Suite::from_number(hello.suite)
            .filter(|suite| self.config.suites.contains(suite))
            .ok_or(Misbehaviour::SuiteNotOffered)?;
        let shared = self.shares.finish(hello.shares)?;
        let th1 = Th1::new(&self.client_hello, hello.clear);
        let secrets = HandshakeSecrets::derive(suite, shared, &th1)?;
        Ok(Agreed { config: self.config, suite, th1, secrets, sealed: hello.sealed.to_vec() })
    }
}

/// There are handshake keys; the server is not authenticated yet.
#[derive(Debug)]
pub(crate) struct Agreed {
    config: ClientConfig,
    suite: Suite,
    th1: Th1,
    secrets: HandshakeSecrets,
    sealed: Vec<u8>,
}

/// The server as M2 proved it.
#[derive(Debug)]
pub(crate) struct AuthenticatedServer {
    certificate: VerifiedCertificate,
    pinned_root: Option<Vec<u8>>,
    th4: Th4,
}

impl Agreed {
    /// What an alert is sealed with from here on.
    pub(crate) fn alert_key(&self) -> (&HandshakeKey, &Th1) {
        (&self.secrets.client, &self.th1)
    }

    /// Checks M2 in the order of CH-19.
    pub(crate) fn authenticate(&self, now_ms: u64) -> Result<AuthenticatedServer, Error> {
        let key = &self.secrets.server;
        let plaintext =
            key.open_message(self.th1.as_bytes(), &self.sealed).map_err(|_| Misbehaviour::BadSeal)?;
        let proof = Proof::decode_server(&plaintext).ok_or(Malformed::ServerHello)?;
        let signature = proof.signature.ok_or(Malformed::ServerHello)?;
        let th2 = self.th1.server_chain(proof.chain.encoded);
        let th3 = th2.server_signature(signature);
        if !key.verify_finished(th3.as_bytes(), proof.finished)? {
            return Err(Misbehaviour::BadFinished.into());
        }
        let (certificate, pinned_root) = self.verify_chain(proof.chain.chain, now_ms)?;
        certificate
            .key()
            .verify(&[SERVER_CONTEXT, th2.as_bytes()].concat(), signature)
            .map_err(|_| Misbehaviour::BadSignature)?;
        Ok(AuthenticatedServer { certificate, pinned_root, th4: th3.server_finished(proof.finished) })
    }

    /// CH-20, CH-21.
    fn verify_chain(
        &self,
        presented: Chain,
        now_ms: u64,
    ) -> Result<(VerifiedCertificate, Option<Vec<u8>>), Error> {
        match &self.config.trust {
            ServerTrust::Anchors { store, organisation, revocations } => {
                let mut below_root = presented;
                below_root.0.pop();
                let verified =
                    store.verify(&below_root, Usage::ServerHandshake, now_ms, revocations.as_ref())?;
                if verified.identity().organisation != *organisation {
                    return Err(Misbehaviour::OtherOrganisation.into());
                }
                Ok((verified, None))
            }
            ServerTrust::PinnedRoot(fingerprint) => {
                let anchor = TrustAnchor::pinned(fingerprint, &presented)?;
                let root = anchor.der().to_vec();
                let store = TrustStore::new(vec![anchor]);
                let verified = store.verify(&presented, Usage::ServerHandshake, now_ms, &NoRevocations)?;
                Ok((verified, Some(root)))
            }
        }
    }

    /// Makes M3; gives its frame and what the connection goes on with.
    pub(crate) fn finish(self, server: AuthenticatedServer) -> Result<(Finished, Vec<u8>), Error> {
        let (chain, signature) = match &self.config.identity {
            Some(identity) => {
                let th5 = server.th4.client_chain(identity.chain());
                let signature = identity.key().sign(&[CLIENT_CONTEXT, th5.as_bytes()].concat());
                (identity.chain(), signature.to_vec())
            }
            None => (&chain::EMPTY[..], Vec::new()),
        };
        let th6 = server.th4.client_chain(chain).client_signature(&signature);
        let key = &self.secrets.client;
        let finished = key.finished(th6.as_bytes())?;
        let th7 = th6.client_finished(&finished);
        let mut message = Proof::encode_client(chain, &signature, &finished);
        key.seal_message(server.th4.as_bytes(), &mut message)?;
        let frame = super::frame(FrameType::ClientFinish, &message)?;
        let (epoch, exporter) = self.secrets.master.finish(&th7)?;
        let finished = Finished {
            suite: self.suite,
            epoch,
            exporter,
            th7,
            th1: self.th1,
            server_key: self.secrets.server,
            certificate: server.certificate,
            pinned_root: server.pinned_root,
        };
        Ok((finished, frame))
    }
}

/// M3 is sent: what epoch 0 needs, and what a sealed alert in its place is opened with.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) suite: Suite,
    pub(crate) epoch: EpochSecret,
    pub(crate) exporter: Exporter,
    pub(crate) th7: Th7,
    pub(crate) th1: Th1,
    pub(crate) server_key: HandshakeKey,
    pub(crate) certificate: VerifiedCertificate,
    pub(crate) pinned_root: Option<Vec<u8>>,
}
