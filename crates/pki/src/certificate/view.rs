//! Reading one certificate, and the checks that path building leaves out.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
    OID_X509_EXT_EXTENDED_KEY_USAGE,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::usage::extension_value;
use super::{CertificateError, Usage};
use crate::ed25519::PublicKey;
use crate::name::{Identity, Organisation};

/// Smallest RSA modulus of an authority, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Bits of KeyUsage as x509-parser orders them (RFC 5280, section 4.2.1.3).
const DIGITAL_SIGNATURE: u16 = 1;
const CONTENT_COMMITMENT: u16 = 1 << 1;

const MILLISECONDS: u64 = 1000;

/// One parsed certificate; nothing verified.
pub(crate) struct View<'a>(X509Certificate<'a>);

impl<'a> View<'a> {
    /// Parses all of `der`.
    pub(crate) fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Ok(Self(certificate)),
            _ => Err(CertificateError::Malformed),
        }
    }

    pub(crate) fn issuer(&self) -> &'a [u8] {
        self.0.tbs_certificate.issuer.as_raw()
    }

    pub(crate) fn subject(&self) -> &'a [u8] {
        self.0.tbs_certificate.subject.as_raw()
    }

    /// The SubjectKeyIdentifier, if there is one.
    pub(crate) fn key_identifier(&self) -> Option<&[u8]> {
        self.0.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0),
            _ => None,
        })
    }

    pub(crate) fn serial(&self) -> &'a [u8] {
        self.0.raw_serial()
    }

    /// Whether subject and issuer are the same name.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.0.subject().as_raw() == self.0.issuer().as_raw()
    }

    /// Start and end of validity, Unix milliseconds. The end is the last millisecond of its second.
    pub(crate) fn validity_ms(&self) -> Result<(u64, u64), CertificateError> {
        let seconds = |timestamp: i64| u64::try_from(timestamp).map_err(|_| CertificateError::Malformed);
        let validity = self.0.validity();
        let start = seconds(validity.not_before.timestamp())?.saturating_mul(MILLISECONDS);
        let end = seconds(validity.not_after.timestamp())?.saturating_mul(MILLISECONDS);
        Ok((start, end.saturating_add(MILLISECONDS - 1)))
    }

    /// The certificate's key, which must be a sound Ed25519 key (ID-13, ID-20).
    pub(crate) fn ed25519_key(&self) -> Result<PublicKey, CertificateError> {
        ed25519_key(self.0.public_key())
    }

    /// What a leaf must be beyond a valid path (ID-12, ID-13, ID-10): key usage, exactly one extended key
    /// usage, exactly one name of the form that belongs to it.
    pub(crate) fn leaf(
        &self,
        wanted: Usage,
        organisation: &Organisation,
    ) -> Result<(PublicKey, Identity), CertificateError> {
        if self.0.is_ca() {
            return Err(CertificateError::AuthorityAsLeaf);
        }
        self.check_usage(wanted)?;
        let key = self.ed25519_key()?;
        let identity = self.identity(organisation)?;
        // ID-12
        if identity.holder.usage() != wanted {
            return Err(CertificateError::WrongName);
        }
        Ok((key, identity))
    }

    /// What a certificate above a leaf must be beyond a valid path (ID-24).
    pub(crate) fn check_authority(&self) -> Result<(), CertificateError> {
        // ID-24
        if !self.0.is_ca() {
            return Err(CertificateError::NotAnAuthority);
        }
        let usage = self.0.key_usage().map_err(|_| CertificateError::Malformed)?;
        if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
            return Err(CertificateError::NotAnAuthority);
        }
        let key = self.0.public_key();
        let algorithm = &key.algorithm.algorithm;
        if *algorithm == OID_SIG_ED25519 {
            ed25519_key(key).map(|_| ())
        } else if *algorithm == OID_PKCS1_RSAENCRYPTION {
            match key.parsed() {
                Ok(ParsedKey::RSA(rsa)) if rsa.key_size() >= MIN_RSA_BITS => Ok(()),
                _ => Err(CertificateError::UnsupportedAlgorithm),
            }
        } else if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
            if curve == Some(OID_EC_P256) { Ok(()) } else { Err(CertificateError::UnsupportedAlgorithm) }
        } else {
            Err(CertificateError::UnsupportedAlgorithm)
        }
    }

    /// The organisation to which this authority is constrained, if it is to exactly one (ID-17).
    pub(crate) fn constrained_to(&self) -> Option<Organisation> {
        let constraints = self.0.name_constraints().ok()??.value;
        match constraints.permitted_subtrees.as_deref() {
            Some([only]) => match only.base {
                GeneralName::DNSName(name) => Organisation::canonical(name).ok(),
                _ => None,
            },
            _ => None,
        }
    }

    fn check_usage(&self, wanted: Usage) -> Result<(), CertificateError> {
        let wrong = CertificateError::WrongUsage { wanted };
        let usage = self.0.key_usage().map_err(|_| CertificateError::Malformed)?.ok_or(wrong)?;
        let bits = if wanted.commits_to_content() {
            DIGITAL_SIGNATURE | CONTENT_COMMITMENT
        } else {
            DIGITAL_SIGNATURE
        };
        if usage.value.flags != bits {
            return Err(wrong);
        }
        let extended = self.0.get_extension_unique(&OID_X509_EXT_EXTENDED_KEY_USAGE);
        let extended = extended.map_err(|_| CertificateError::Malformed)?.ok_or(wrong)?;
        if extended.value != extension_value(&[wanted]) {
            return Err(wrong);
        }
        Ok(())
    }

    fn identity(&self, organisation: &Organisation) -> Result<Identity, CertificateError> {
        let names = self.0.subject_alternative_name().map_err(|_| CertificateError::Malformed)?;
        let names = &names.ok_or(CertificateError::WrongName)?.value.general_names;
        let [GeneralName::DNSName(name)] = names.as_slice() else {
            return Err(CertificateError::WrongName);
        };
        let under = name
            .strip_suffix(organisation.as_str())
            .is_some_and(|labels| labels.is_empty() || labels.ends_with('.'));
        if !under {
            return Err(CertificateError::OutsideOrganisation);
        }
        Identity::from_dns_name(name, organisation).ok_or(CertificateError::WrongName)
    }
}

/// The sound Ed25519 key in a SubjectPublicKeyInfo of exactly the form of RFC 8410, section 4.
pub(crate) fn ed25519_key(info: &SubjectPublicKeyInfo<'_>) -> Result<PublicKey, CertificateError> {
    // ID-13
    if info.algorithm.algorithm != OID_SIG_ED25519
        || info.algorithm.parameters.is_some()
        || info.subject_public_key.unused_bits != 0
    {
        return Err(CertificateError::UnsupportedAlgorithm);
    }
    // ID-20
    PublicKey::try_from(&*info.subject_public_key.data).map_err(|_| CertificateError::UnsoundKey)
}
