//! The server's states: awaiting M1, M2 sent.

use aws_lc_rs::rand;
use pki::Usage;
use wire::frame::FrameType;

use super::message::{ClientHello, Proof, ServerHello};
use super::{CLIENT_CONTEXT, SERVER_CONTEXT};
use crate::exchange;
use crate::schedule::epoch::{EpochSecret, Exporter};
use crate::schedule::handshake::{HandshakeKey, HandshakeSecrets};
use crate::schedule::transcript::{Th1, Th4, Th7};
use crate::{Error, Incompatible, LocalFailure, Malformed, Misbehaviour, Peer, ServerConfig, Suite};

/// M1 is awaited.
#[derive(Debug)]
pub(crate) struct AwaitClientHello {
    config: ServerConfig,
}

impl AwaitClientHello {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self { config }
    }

    /// Takes M1; also gives M2's frame.
    pub(crate) fn answer(self, body: &[u8]) -> Result<(AwaitClientFinish, Vec<u8>), Error> {
        let hello = ClientHello::decode(body)?;
        // CH-8
        let suite = hello
            .offered
            .iter()
            .copied()
            .find(|suite| self.config.suites.contains(suite))
            .ok_or(Incompatible::NoCommonSuite)?;
        let (response, shared) = exchange::respond(hello.shares)?;
        let mut nonce = [0; 32];
        rand::fill(&mut nonce).map_err(|_| LocalFailure::Cryptography)?;
        let mut message = ServerHello::encode_clear(suite, &nonce, &response);
        let th1 = Th1::new(body, &message);
        let secrets = HandshakeSecrets::derive(suite, shared, &th1)?;

        let identity = &self.config.identity;
        let th2 = th1.server_chain(identity.chain());
        let signature = identity.key().sign(&[SERVER_CONTEXT, th2.as_bytes()].concat());
        let th3 = th2.server_signature(&signature);
        let finished = secrets.server.finished(th3.as_bytes())?;
        let th4 = th3.server_finished(&finished);
        let mut sealed = Proof::encode_server(identity.chain(), &signature, &finished);
        secrets.server.seal_message(th1.as_bytes(), &mut sealed)?;
        message.extend_from_slice(&sealed);
        let frame = super::frame(FrameType::ServerHello, &message)?;
        Ok((AwaitClientFinish { config: self.config, suite, th1, th4, secrets }, frame))
    }
}

/// M2 is sent; M3 is awaited. This is all that a half-open handshake holds.
#[derive(Debug)]
pub(crate) struct AwaitClientFinish {
    config: ServerConfig,
    suite: Suite,
    th1: Th1,
    th4: Th4,
    secrets: HandshakeSecrets,
}

/// The client as M3 proved it.
#[derive(Debug)]
pub(crate) struct AuthenticatedClient {
    peer: Peer,
    th7: Th7,
}

impl AwaitClientFinish {
    /// What an alert is sealed with from here on.
    pub(crate) fn alert_key(&self) -> (&HandshakeKey, &Th1) {
        (&self.secrets.server, &self.th1)
    }

    /// What the client's sealed alert is opened with.
    pub(crate) fn peer_alert_key(&self) -> (&HandshakeKey, &Th1) {
        (&self.secrets.client, &self.th1)
    }

    /// Checks M3 in the order of CH-22.
    pub(crate) fn authenticate(&self, body: &[u8], now_ms: u64) -> Result<AuthenticatedClient, Error> {
        let key = &self.secrets.client;
        let plaintext = key.open_message(self.th4.as_bytes(), body).map_err(|_| Misbehaviour::BadSeal)?;
        let proof = Proof::decode_client(&plaintext).ok_or(Malformed::ClientFinish)?;
        let th5 = self.th4.client_chain(proof.chain.encoded);
        let th6 = th5.client_signature(proof.signature.map_or(&[], |signature| &signature[..]));
        if !key.verify_finished(th6.as_bytes(), proof.finished)? {
            return Err(Misbehaviour::BadFinished.into());
        }
        let peer = match proof.signature {
            None => Peer::Anonymous,
            Some(signature) => {
                let certificate = self.config.trust.verify(
                    &proof.chain.chain,
                    Usage::Device,
                    now_ms,
                    self.config.revocations.as_ref(),
                )?;
                certificate
                    .key()
                    .verify(&[CLIENT_CONTEXT, th5.as_bytes()].concat(), signature)
                    .map_err(|_| Misbehaviour::BadSignature)?;
                Peer::Certified(certificate)
            }
        };
        Ok(AuthenticatedClient { peer, th7: th6.client_finished(proof.finished) })
    }

    /// What epoch 0 needs.
    pub(crate) fn finish(self, client: AuthenticatedClient) -> Result<Finished, Error> {
        let (epoch, exporter) = self.secrets.master.finish(&client.th7)?;
        Ok(Finished { suite: self.suite, epoch, exporter, th7: client.th7, peer: client.peer })
    }
}

/// M3 is verified.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) suite: Suite,
    pub(crate) epoch: EpochSecret,
    pub(crate) exporter: Exporter,
    pub(crate) th7: Th7,
    pub(crate) peer: Peer,
}
