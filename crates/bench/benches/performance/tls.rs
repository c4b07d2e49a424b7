//! TLS 1.3 peers with the same certificates, key agreement and cipher: rustls over aws-lc-rs, without resumption.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use pki::{Chain, NoRevocations, TrustStore, Usage};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme, SupportedCipherSuite,
};
use webpki::{EndEntityCert, KeyUsage};

use crate::organisation::{Forge, Holding, NOW_MS};

/// The name that a TLS client asks for; no certificate has it.
pub(crate) const SERVER_NAME: &str = "node1.apollo.example";

/// How the TLS server decides on a client's chain.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// By path building alone.
    Path(TrustAnchor<'static>),
    /// By the whole trust decision that our channel makes.
    Ours(Arc<TrustStore>),
}

impl Trust {
    pub(crate) fn path(forge: &Forge) -> Result<Self> {
        let root = CertificateDer::from(forge.anchor().der());
        Ok(Self::Path(webpki::anchor_from_trusted_cert(&root)?.to_owned()))
    }

    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        usage: Usage,
    ) -> Result<(), Error> {
        let refused = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        match self {
            Self::Path(anchor) => {
                let end_entity = EndEntityCert::try_from(leaf).map_err(|_| refused.clone())?;
                end_entity
                    .verify_for_usage(
                        &[webpki::aws_lc_rs::ED25519],
                        std::slice::from_ref(anchor),
                        above,
                        UnixTime::since_unix_epoch(Duration::from_millis(NOW_MS)),
                        KeyUsage::required(usage.oid()),
                        None,
                        None,
                    )
                    .map_err(|_| refused)?;
            }
            Self::Ours(store) => {
                let chain = std::iter::once(leaf).chain(above).map(|der| der.to_vec()).collect();
                store.verify(&Chain(chain), usage, NOW_MS, &NoRevocations).map_err(|_| refused)?;
            }
        }
        Ok(())
    }
}

/// Both sides' verifier; `usage` is the peer's.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    usage: Usage,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
}

fn only_tls13() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.3 only".to_owned()))
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust.check(leaf, above, self.usage).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.trust.check(leaf, above, self.usage).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        only_tls13()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// No clock is read in a measurement.
#[derive(Debug)]
struct FixedTime;

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(NOW_MS)))
    }
}

/// One cipher suite, one key agreement.
fn provider(suite: SupportedCipherSuite) -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![suite],
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    })
}

fn chain(holding: &Holding) -> Vec<CertificateDer<'static>> {
    holding.chain.0.iter().map(|der| CertificateDer::from(der.clone())).collect()
}

pub(crate) fn server(forge: &Forge, suite: SupportedCipherSuite, trust: Trust) -> Result<Arc<ServerConfig>> {
    let provider = provider(suite);
    let verifier = Verifier { trust, usage: Usage::Device, provider: Arc::clone(&provider) };
    let key = PrivatePkcs8KeyDer::from(forge.server.pkcs8().to_vec());
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(FixedTime))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain(&forge.server), key.into())?;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

pub(crate) fn client(forge: &Forge, suite: SupportedCipherSuite) -> Result<Arc<ClientConfig>> {
    let provider = provider(suite);
    let trust = Trust::Ours(forge.trust());
    let verifier = Verifier { trust, usage: Usage::ServerHandshake, provider: Arc::clone(&provider) };
    let key = PrivatePkcs8KeyDer::from(forge.device.pkcs8().to_vec());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(FixedTime))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(chain(&forge.device), key.into())?;
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
