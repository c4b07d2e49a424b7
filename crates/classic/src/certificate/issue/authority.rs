//! A CA with its key, and what it issues (CL-90).

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyUsagePurpose,
    PublicKeyData, SanType, SigningKey, date_time_ymd,
};
use zeroize::Zeroizing;

use super::IssueError;
use crate::certificate::folder::{Folder, FolderError, read_certificate, read_key};
use crate::certificate::layout::CA;
use crate::certificate::{Certificate, CertificateError, Passphrase, PrivateKey};

/// Most characters of a common name (X.520, `ub-common-name`).
pub const MAX_NAME: usize = 64;

const HOUR_MS: u64 = 3_600_000;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;
const CA_DAYS: u64 = 3650;
const LEAF_DAYS: u64 = 365;
/// The last second of the year 9999 (RFC 5280, section 4.1.2.5).
const LAST_S: u64 = 253_402_300_799;

/// What a leaf is to say.
pub(super) struct Leaf {
    common_name: String,
    not_before_ms: u64,
    not_after_ms: u64,
}

impl Leaf {
    /// Valid from an hour ago for a year.
    pub fn good(common_name: &str, now_ms: u64) -> Result<Self, IssueError> {
        Self::between(common_name, now_ms.saturating_sub(HOUR_MS), now_ms.saturating_add(LEAF_DAYS * DAY_MS))
    }

    /// Valid for a year until a day ago.
    pub fn expired(common_name: &str, now_ms: u64) -> Result<Self, IssueError> {
        let end = now_ms.saturating_sub(DAY_MS);
        Self::between(common_name, end.saturating_sub(LEAF_DAYS * DAY_MS), end)
    }

    fn between(common_name: &str, not_before_ms: u64, not_after_ms: u64) -> Result<Self, IssueError> {
        // CL-90
        let good = (1..=MAX_NAME).contains(&common_name.len())
            && common_name.bytes().all(|byte| byte.is_ascii_graphic());
        if !good {
            return Err(IssueError::BadName);
        }
        Ok(Self { common_name: common_name.to_owned(), not_before_ms, not_after_ms })
    }

    fn parameters(&self, ends_s: u64) -> Result<CertificateParams, IssueError> {
        // CL-90
        let mut parameters = named(&self.common_name, self.not_before_ms, self.not_after_ms, ends_s);
        let name = self.common_name.as_str().try_into()?;
        parameters.subject_alt_names = vec![SanType::DnsName(name)];
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        Ok(parameters)
    }
}

/// A new leaf.
pub(super) struct Issued {
    /// DER.
    pub certificate: Vec<u8>,
    /// Traditional PEM.
    pub key_pem: Zeroizing<String>,
}

/// A CA that can issue.
pub(super) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, Signer>,
}

impl Authority {
    /// A new one with an RSA-4096 key.
    pub fn generate(name: &str, now_ms: u64) -> Result<Self, IssueError> {
        // CL-90
        let good = (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !good {
            return Err(IssueError::BadName);
        }
        let end = now_ms.saturating_add(CA_DAYS * DAY_MS);
        let mut parameters = named(name, now_ms.saturating_sub(HOUR_MS), end, LAST_S);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = Signer(PrivateKey::generate(KeySize::Rsa4096)?);
        let certificate = parameters.self_signed(&key)?;
        let certificate = Certificate::from_der(certificate.der()).map_err(own_fault)?;
        Ok(Self { certificate, issuer: Issuer::new(parameters, key) })
    }

    /// The one in a folder.
    pub fn open(folder: &Folder, passphrase: Option<&Passphrase>) -> Result<Self, IssueError> {
        let (certificate_file, key_file) = (folder.certificate(CA), folder.key(CA));
        if !key_file.exists() {
            return Err(IssueError::NoAuthorityKey(key_file));
        }
        let certificate = read_certificate(&certificate_file)?;
        let key = read_key(&key_file, passphrase)?;
        if key.public_pkcs1() != certificate.public_key_pkcs1() {
            return Err(FolderError::Mismatch { key: key_file, certificate: certificate_file }.into());
        }
        Self::named_as(certificate, key)
    }

    /// One of the same name with a key of its own, so that only signatures tell the two apart (CL-93).
    pub fn double(certificate: &Certificate) -> Result<Self, IssueError> {
        // CL-93
        Self::named_as(certificate.clone(), PrivateKey::generate(KeySize::Rsa4096)?)
    }

    fn named_as(certificate: Certificate, key: PrivateKey) -> Result<Self, IssueError> {
        let issuer = Issuer::from_ca_cert_der(&certificate.der().into(), Signer(key))
            .map_err(|error| IssueError::BadAuthority(error.to_string()))?;
        Ok(Self { certificate, issuer })
    }

    /// Its certificate, DER.
    pub fn certificate(&self) -> &[u8] {
        self.certificate.der()
    }

    /// Its key as PKCS#8 PEM, encrypted if there is a passphrase.
    pub fn key_pem(&self, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, IssueError> {
        Ok(self.issuer.key().0.to_pkcs8_pem(passphrase)?)
    }

    /// Issues a leaf with a new RSA-2048 key.
    pub fn issue(&self, leaf: &Leaf) -> Result<Issued, IssueError> {
        let ends_s = u64::try_from(self.certificate.not_after_s()).unwrap_or_default();
        if ends_s.saturating_mul(1000) <= leaf.not_before_ms {
            return Err(IssueError::AuthorityExpired);
        }
        let key = Signer(PrivateKey::generate(KeySize::Rsa2048)?);
        let issued = leaf.parameters(ends_s)?.signed_by(&key, &self.issuer)?;
        let certificate = Certificate::from_der(issued.der()).map_err(own_fault)?;
        // Other programs look at the issuer's name, and one of any making has to come out as it went in.
        if certificate.issuer() != self.certificate.subject() {
            return Err(IssueError::BadAuthority("its name cannot be written".to_owned()));
        }
        Ok(Issued { certificate: issued.der().to_vec(), key_pem: key.0.to_traditional_pem()? })
    }

    /// Makes a leaf that its own key signs.
    pub fn self_signed(leaf: &Leaf) -> Result<Issued, IssueError> {
        let key = Signer(PrivateKey::generate(KeySize::Rsa2048)?);
        let certificate = leaf.parameters(LAST_S)?.self_signed(&key)?;
        Ok(Issued { certificate: certificate.der().to_vec(), key_pem: key.0.to_traditional_pem()? })
    }
}

fn named(common_name: &str, not_before_ms: u64, not_after_ms: u64, last_s: u64) -> CertificateParams {
    let epoch = date_time_ymd(1970, 1, 1);
    let at = |ms: u64| epoch + Duration::from_secs((ms / 1000).min(last_s).min(LAST_S));
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, common_name);
    parameters.not_before = at(not_before_ms);
    parameters.not_after = at(not_after_ms);
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn own_fault(error: CertificateError) -> IssueError {
    IssueError::BadAuthority(error.to_string())
}

/// A key as the encoder of certificates uses it.
struct Signer(PrivateKey);

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_pkcs1()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let pair = self.0.pair();
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature)
    }
}
