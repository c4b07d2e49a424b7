//! What certificates of each kind contain: the tables of `docs/identity.md` as encoder parameters.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, GeneralSubtree, IsCa,
    KeyUsagePurpose, NameConstraints, SanType, SerialNumber, date_time_ymd,
};

use super::CaError;
use crate::certificate::Usage;
use crate::certificate::der::{DNS_NAME, PERMITTED_SUBTREES, SEQUENCE, tlv};
use crate::certificate::usage::extension_value;
use crate::ed25519::PublicKey;
use crate::fingerprint::{Hex, sha256};
use crate::name::{Holder, Organisation};

/// The last millisecond of the year 9999 (RFC 5280, section 4.1.2.5).
const LAST_MS: u64 = 253_402_300_799_999;
/// Octets of a serial number: positive, without a leading zero (RFC 5280, section 4.1.2.2).
const SERIAL_LEN: usize = 16;
/// Bytes of a key's hash in the name of its authority, so that two authorities never share a name.
const KEY_HINT_LEN: usize = 4;

const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const NAME_CONSTRAINTS: [u64; 4] = [2, 5, 29, 30];

/// From when until when a certificate is valid; whole seconds are written, cut towards zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    not_before_ms: u64,
    not_after_ms: u64,
}

impl Validity {
    /// Both ends in Unix milliseconds.
    ///
    /// # Errors
    /// [`CaError::BadValidity`].
    pub fn new(not_before_ms: u64, not_after_ms: u64) -> Result<Self, CaError> {
        if not_before_ms < not_after_ms && not_after_ms <= LAST_MS {
            Ok(Self { not_before_ms, not_after_ms })
        } else {
            Err(CaError::BadValidity)
        }
    }

    /// From `not_before_ms` for `days` days.
    ///
    /// # Errors
    /// [`CaError::BadValidity`].
    pub fn days(not_before_ms: u64, days: u32) -> Result<Self, CaError> {
        const DAY_MS: u64 = 86_400_000;
        Self::new(not_before_ms, not_before_ms.saturating_add(u64::from(days).saturating_mul(DAY_MS)))
    }

    /// Start, Unix milliseconds.
    pub fn not_before_ms(&self) -> u64 {
        self.not_before_ms
    }

    /// End, Unix milliseconds.
    pub fn not_after_ms(&self) -> u64 {
        self.not_after_ms
    }

    /// The part of it in which `other` holds too: a leaf's validity cut to its authority's.
    ///
    /// # Errors
    /// [`CaError::BadValidity`] if nothing is left.
    pub fn within(&self, other: &Self) -> Result<Self, CaError> {
        Self::new(self.not_before_ms.max(other.not_before_ms), self.not_after_ms.min(other.not_after_ms))
    }

    fn apply(&self, parameters: &mut CertificateParams) {
        let epoch = date_time_ymd(1970, 1, 1);
        parameters.not_before = epoch + whole_seconds(self.not_before_ms);
        parameters.not_after = epoch + whole_seconds(self.not_after_ms);
    }
}

/// Cut to whole seconds and to the year 9999, as all times in certificates and lists are.
pub(super) fn whole_seconds(unix_ms: u64) -> Duration {
    Duration::from_secs(unix_ms.min(LAST_MS) / 1000)
}

/// A root's certificate (ID-9).
pub(super) fn root(
    organisation: &Organisation,
    key: &PublicKey,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    // ID-9
    let mut parameters = authority(organisation, "root", key)?;
    validity.apply(&mut parameters);
    parameters.serial_number = Some(serial()?);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    parameters.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(organisation.as_str().to_owned())],
        excluded_subtrees: Vec::new(),
    });
    Ok(parameters)
}

/// An issuing CA's certificate (ID-14).
pub(super) fn issuing(
    organisation: &Organisation,
    key: &PublicKey,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    let mut parameters = issuing_request(organisation, key)?;
    validity.apply(&mut parameters);
    parameters.serial_number = Some(serial()?);
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

/// What an issuing CA asks an operator's root for (ID-14).
pub(super) fn issuing_request(
    organisation: &Organisation,
    key: &PublicKey,
) -> Result<CertificateParams, CaError> {
    // ID-14
    let mut parameters = authority(organisation, "issuing", key)?;
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let subtree = tlv(SEQUENCE, &tlv(DNS_NAME, organisation.as_str().as_bytes()));
    let constraints = tlv(SEQUENCE, &tlv(PERMITTED_SUBTREES, &subtree));
    let mut constraints = CustomExtension::from_oid_content(&NAME_CONSTRAINTS, constraints);
    constraints.set_criticality(true);
    parameters.custom_extensions = vec![constraints, extended_key_usage(&Usage::ALL)];
    Ok(parameters)
}

/// A holder's certificate (ID-10, ID-12).
pub(super) fn leaf(
    organisation: &Organisation,
    holder: &Holder,
    validity: &Validity,
) -> Result<CertificateParams, CaError> {
    // ID-10, ID-12
    let name = holder.dns_name(organisation).try_into().map_err(|_| CaError::NotWritten)?;
    let usage = holder.usage();
    let mut parameters = CertificateParams::default();
    validity.apply(&mut parameters);
    parameters.serial_number = Some(serial()?);
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, holder.hint());
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.subject_alt_names = vec![SanType::DnsName(name)];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if usage.commits_to_content() {
        parameters.key_usages.push(KeyUsagePurpose::ContentCommitment);
    }
    parameters.custom_extensions = vec![extended_key_usage(&[usage])];
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

fn authority(organisation: &Organisation, kind: &str, key: &PublicKey) -> Result<CertificateParams, CaError> {
    let hash = sha256(key.as_bytes());
    let (hint, _) = hash.split_at(KEY_HINT_LEN);
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, organisation.as_str());
    parameters.distinguished_name.push(DnType::CommonName, format!("Countersign {kind} {}", Hex(hint)));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

fn extended_key_usage(usages: &[Usage]) -> CustomExtension {
    CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, extension_value(usages))
}

/// A random serial number of exactly [`SERIAL_LEN`] octets.
fn serial() -> Result<SerialNumber, CaError> {
    let mut serial = [0; SERIAL_LEN];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| CaError::NoRandomness)?;
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x3f | 0x40;
    }
    Ok(SerialNumber::from(serial.to_vec()))
}
