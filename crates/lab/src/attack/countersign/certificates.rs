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
use crate::stage::countersign::{DAY_MS, DEVICE, Papers, Peer, PeerError, World, forged};
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
        Bad::SelfSigned => forged::self_signed(ALICE, LAPTOP, now)?,
        Bad::Expired => ended(&world, now)?,
        Bad::OtherCa => world.papers_by_impostor(ALICE, LAPTOP, now)?,
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
