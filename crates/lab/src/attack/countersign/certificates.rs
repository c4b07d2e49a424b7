//! Exhibit 9: a client whose certificate has one thing wrong with it.

use channel::{Alert, Error};
use pki::ca::Validity;
use pki::ed25519::SigningKey;
use pki::trust::{NoRevocations, TrustStore};
use pki::{CertificateError, Chain, Holder, Name, Usage};
use session::login::{LoginError, Parties};
use session::message::Reply;

use crate::LabError;
use crate::attack::Found;
use crate::capture::Capture;
use crate::stage::countersign::{DAY_MS, DEVICE, Papers, Peer, PeerError, World};
use crate::stage::{ALICE, PASSWORD, Stage};
use crate::tap::{Marks, Tap};

/// The device that the bad certificates name.
const LAPTOP: &str = "laptop";

/// What is wrong with a client's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// It signed itself.
    SelfSigned,
    /// It ended yesterday.
    Expired,
    /// It is of an authority of the attacker's, under the name of the real one.
    OtherCa,
}

/// A client with a bad certificate for alice's name.
pub(super) async fn bad(stage: &Stage, capture: &Capture, bad: Bad) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let now = stage.now_ms();
    let papers = match bad {
        Bad::SelfSigned => forged::self_signed(now)?,
        Bad::Expired => ended(&world, now)?,
        Bad::OtherCa => forged::under_name_of(&world, now)?,
    };
    let fault = fault(&world, &papers.0, now)?;
    let expected = match (bad, fault) {
        (Bad::SelfSigned, CertificateError::SelfSigned) | (Bad::OtherCa, CertificateError::BadSignature) => {
            Alert::CertificateRefused
        }
        (Bad::Expired, CertificateError::Expired { .. }) => Alert::CertificateExpired,
        _ => return Err(LabError::stage(format!("the certificate has another fault: {fault}"))),
    };
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    match Peer::connect(tap.address(), world.config(Some(papers))?, stage.clock()).await {
        Ok(_) => Ok(Found::succeeds("The handshake was completed under the bad certificate.")),
        Err(PeerError::Channel(Error::Alert { alert, authenticated: true })) if alert == expected => {
            Ok(Found::refused(format!(
                "The server ended the handshake: “{}” ({}).",
                alert.meaning(),
                fault.code()
            )))
        }
        Err(why) => Err(super::otherwise(&why)),
    }
}

/// What the rules find first in a client's chain: it must be what the exhibit is about, or the exhibit shows nothing.
fn fault(world: &World, chain: &Chain, now_ms: u64) -> Result<CertificateError, LabError> {
    let trust = TrustStore::new(vec![world.authority.issuing().root().clone()]);
    match trust.verify(chain, Usage::Device, now_ms, &NoRevocations) {
        Err(fault) => Ok(fault),
        Ok(_) => Err(LabError::stage("nothing is wrong with the certificate")),
    }
}

/// Papers of the organisation's authority whose time ended yesterday.
fn ended(world: &World, now_ms: u64) -> Result<Papers, LabError> {
    let key = SigningKey::generate().map_err(LabError::stage)?;
    let request = pki::request::create(&key).map_err(LabError::stage)?;
    let request = pki::request::CertificateRequest::parse(&request).map_err(LabError::stage)?;
    let yesterday = now_ms.saturating_sub(DAY_MS);
    let validity = Validity::new(yesterday.saturating_sub(DAY_MS), yesterday).map_err(LabError::stage)?;
    let holder = Holder::Device { user: name(ALICE)?, device: name(LAPTOP)? };
    let chain = world.authority.issuing().issue(&request, &holder, &validity).map_err(LabError::stage)?;
    Ok((chain, key))
}

/// A member under its own certificate, who says that it is alice, and has chosen her password too.
pub(super) async fn other_name(stage: &Stage, capture: &Capture) -> Result<Found, LabError> {
    let world = stage.organisation().await?;
    let mallory = super::fresh_name("mallory", stage);
    let (chain, key) = world.enrol(&mallory, stage.clock()).await?;
    let tap = Tap::listen(world.address, Marks::Countersign, capture.clone()).await?;
    let root = *world.authority.root_fingerprint();
    let mut outcomes = Vec::new();
    for user in [mallory.as_str(), ALICE] {
        let key = key.to_pkcs8().and_then(|key| SigningKey::from_pkcs8(&key)).map_err(LabError::stage)?;
        let config = world.config(Some((chain.clone(), key)))?;
        let mut peer = Peer::connect(tap.address(), config, stage.clock()).await.map_err(LabError::stage)?;
        outcomes.push(peer.login(Parties { user, root: &root }, DEVICE, PASSWORD).await);
    }
    let [own, alices] = outcomes.try_into().map_err(|_| LabError::stage("there were two logins"))?;
    match own {
        Ok(Reply::Welcome { user, .. }) if user == mallory => {}
        Ok(Reply::Welcome { user, .. }) => {
            return Ok(Found::succeeds(format!("The server welcomed {mallory} as {user}.")));
        }
        Ok(other) => return Err(super::otherwise(&format!("{other:?}"))),
        Err(why) => return Err(super::otherwise(&why)),
    }
    match alices {
        Ok(Reply::Welcome { user, .. }) => {
            Ok(Found::succeeds(format!("The server let {mallory}'s certificate in, as {user}.")))
        }
        Err(PeerError::Login(why @ LoginError::Refused)) => Ok(Found::refused(format!(
            "The same certificate and password log {mallory} in as {mallory}, and as alice not: “{why}”."
        ))),
        Ok(other) => Err(super::otherwise(&format!("{other:?}"))),
        Err(why) => Err(super::otherwise(&why)),
    }
}

fn name(text: &str) -> Result<Name, LabError> {
    Name::canonical(text).map_err(LabError::stage)
}

mod forged {
    //! Device certificates that are all that identity.md wants of one, but for who signed them.

    use rcgen::{
        CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose,
        SanType, SerialNumber, date_time_ymd,
    };

    use super::*;
    use crate::stage::countersign::ORGANISATION;

    /// Octets of a serial number (identity.md, section 2).
    const SERIAL: usize = 16;
    /// Days that it is valid, from yesterday on.
    const DAYS: u64 = 30;
    /// The extension of extended key usages (RFC 5280, section 4.2.1.12).
    const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
    /// Tags of DER.
    const SEQUENCE: u8 = 0x30;
    const OBJECT_IDENTIFIER: u8 = 0x06;

    /// Signed by its own key.
    pub(super) fn self_signed(now_ms: u64) -> Result<Papers, LabError> {
        let key = SigningKey::generate().map_err(LabError::stage)?;
        let certificate = parameters(now_ms)?.self_signed(&key).map_err(LabError::stage)?;
        Ok((Chain(vec![certificate.der().to_vec()]), key))
    }

    /// Signed by a key of the attacker's, under the name of the real authority, whose certificate is shown with it.
    pub(super) fn under_name_of(world: &World, now_ms: u64) -> Result<Papers, LabError> {
        let (key, authority) = (SigningKey::generate(), SigningKey::generate());
        let (key, authority) = (key.map_err(LabError::stage)?, authority.map_err(LabError::stage)?);
        let real = world.authority.issuing().certificate();
        let issuer = Issuer::from_ca_cert_pem(&pki::certificate::certificate_to_pem(real), &authority);
        let issuer = issuer.map_err(LabError::stage)?;
        let certificate = parameters(now_ms)?.signed_by(key.public(), &issuer).map_err(LabError::stage)?;
        Ok((Chain(vec![certificate.der().to_vec(), real.to_vec()]), key))
    }

    /// ID-8, ID-10 and ID-12, for alice's laptop.
    fn parameters(now_ms: u64) -> Result<CertificateParams, LabError> {
        let mut serial = [0; SERIAL];
        aws_lc_rs::rand::fill(&mut serial).map_err(|_| LabError::stage("no randomness"))?;
        if let Some(first) = serial.first_mut() {
            *first = *first & 0x3f | 0x40;
        }
        let name = format!("{LAPTOP}.{ALICE}.devices.{ORGANISATION}");
        let start = std::time::Duration::from_millis(now_ms.saturating_sub(DAY_MS));
        let mut parameters = CertificateParams::default();
        parameters.not_before = date_time_ymd(1970, 1, 1) + start;
        parameters.not_after = parameters.not_before + std::time::Duration::from_millis(DAYS * DAY_MS);
        parameters.serial_number = Some(SerialNumber::from(serial.to_vec()));
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, format!("{ALICE}/{LAPTOP}"));
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.subject_alt_names = vec![SanType::DnsName(name.try_into().map_err(LabError::stage)?)];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        let usage = element(SEQUENCE, &element(OBJECT_IDENTIFIER, Usage::Device.oid()));
        parameters.custom_extensions = vec![CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, usage)];
        parameters.use_authority_key_identifier_extension = true;
        Ok(parameters)
    }

    /// An element of DER of fewer than 128 octets.
    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap_or_default();
        [&[tag, length], content].concat()
    }
}
