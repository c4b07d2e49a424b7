//! Device certificates that are all that identity.md wants of one, but for who signed them.

use std::time::Duration;

use pki::ed25519::SigningKey;
use pki::{Chain, Usage};
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose, SanType,
    SerialNumber, date_time_ymd,
};

use super::{DAY_MS, ORGANISATION, Papers, World};
use crate::LabError;

/// Octets of a serial number (identity.md, section 2).
const SERIAL: usize = 16;
/// Milliseconds that it is valid, from yesterday on.
const VALID_MS: u64 = 30 * DAY_MS;
/// The extension of extended key usages (RFC 5280, section 4.2.1.12).
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
/// Tags of DER.
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// Signed by its own key.
///
/// # Errors
/// [`LabError::Stage`].
pub fn self_signed(user: &str, device: &str, now_ms: u64) -> Result<Papers, LabError> {
    let key = SigningKey::generate().map_err(LabError::stage)?;
    let certificate = parameters(user, device, now_ms)?.self_signed(&key).map_err(LabError::stage)?;
    Ok((Chain(vec![certificate.der().to_vec()]), key))
}

impl World {
    /// Papers that name this organisation's authority as their issuer and show its certificate, signed by a key of the attacker's.
    ///
    /// # Errors
    /// [`LabError::Stage`].
    pub fn papers_by_impostor(&self, user: &str, device: &str, now_ms: u64) -> Result<Papers, LabError> {
        let (key, authority) = (SigningKey::generate(), SigningKey::generate());
        let (key, authority) = (key.map_err(LabError::stage)?, authority.map_err(LabError::stage)?);
        let real = self.authority.issuing().certificate();
        let issuer = Issuer::from_ca_cert_pem(&pki::certificate::certificate_to_pem(real), &authority);
        let issuer = issuer.map_err(LabError::stage)?;
        let certificate = parameters(user, device, now_ms)?.signed_by(key.public(), &issuer);
        let certificate = certificate.map_err(LabError::stage)?;
        Ok((Chain(vec![certificate.der().to_vec(), real.to_vec()]), key))
    }
}

/// ID-8, ID-10 and ID-12.
fn parameters(user: &str, device: &str, now_ms: u64) -> Result<CertificateParams, LabError> {
    let mut serial = [0; SERIAL];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| LabError::stage("no randomness"))?;
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    let name = format!("{device}.{user}.devices.{ORGANISATION}");
    let mut parameters = CertificateParams::default();
    parameters.not_before =
        date_time_ymd(1970, 1, 1) + Duration::from_secs(now_ms.saturating_sub(DAY_MS) / 1_000);
    parameters.not_after = parameters.not_before + Duration::from_millis(VALID_MS);
    parameters.serial_number = Some(SerialNumber::from(serial.to_vec()));
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, format!("{user}/{device}"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use pki::ca::{RootCa, Validity};
    use pki::trust::{NoRevocations, TrustStore};
    use pki::{CertificateError, Organisation};

    /// The forged ones are refused for their signature, so nothing else may be wrong with them: signed by the right key they are good.
    #[test]
    fn nothing_is_wrong_with_them_but_the_signature() {
        let now_ms = 100 * DAY_MS;
        let validity = Validity::new(0, 1_000 * DAY_MS).unwrap();
        let root = RootCa::generate(&Organisation::parse(ORGANISATION).unwrap(), &validity).unwrap();
        let issuing = root.new_issuing_ca(&validity).unwrap();
        let trust = TrustStore::new(vec![root.anchor().clone()]);
        let pem = pki::certificate::certificate_to_pem(issuing.certificate());
        let other = SigningKey::generate().unwrap();
        for (authority, outcome) in [(issuing.key(), Ok(())), (&other, Err(CertificateError::BadSignature))] {
            let issuer = Issuer::from_ca_cert_pem(&pem, authority).unwrap();
            let key = SigningKey::generate().unwrap();
            let certificate =
                parameters("alice", "laptop", now_ms).unwrap().signed_by(key.public(), &issuer).unwrap();
            let chain = Chain(vec![certificate.der().to_vec(), issuing.certificate().to_vec()]);
            let found = trust.verify(&chain, Usage::Device, now_ms, &NoRevocations);
            assert_eq!(found.map(|_| ()), outcome);
        }
    }
}
