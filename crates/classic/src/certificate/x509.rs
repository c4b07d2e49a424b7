//! Reading one certificate; nothing is verified here.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use pkcs8::der::asn1::AnyRef;
use pkcs8::der::pem::{LineEnding, encode_string};
use pkcs8::der::{self, Decode as _, Tagged as _};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{OID_PKCS1_RSAENCRYPTION, OID_PKCS1_RSASSAPSS, OID_X509_COMMON_NAME};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Name};

use crate::pem;
use crate::rsa::VerifyingKey;

/// Largest certificate that is read, in bytes of PEM text or DER.
pub const MAX_CERTIFICATE: usize = 16 * 1024;
/// Sizes of RSA keys that are taken, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

pub(super) const PEM_LABEL: &str = "CERTIFICATE";
const OLD_PEM_LABEL: &str = "X509 CERTIFICATE";

/// A certificate as it was shown, read and not verified ([`check()`](super::check()) does that).
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    pem: String,
    subject: Name,
    issuer: Name,
    dns_names: Vec<String>,
    not_before_s: i64,
    not_after_s: i64,
    public_key: Vec<u8>,
    verifying_key: VerifyingKey,
}

impl Certificate {
    /// Reads PEM text or DER (CL-80).
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, CertificateError> {
        // CL-80
        if bytes.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN "));
        text.map_or_else(|| Self::from_der(bytes), Self::from_pem)
    }

    /// Reads the first certificate in PEM text, which is kept as it is (CL-80).
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        if text.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge);
        }
        let block = pem::first(text, &[PEM_LABEL, OLD_PEM_LABEL]).ok_or(CertificateError::NotPem)?;
        Self::read(&block.der, text.to_owned())
    }

    /// Reads DER (CL-80).
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLarge);
        }
        let pem = encode_string(PEM_LABEL, LineEnding::LF, der).map_err(|_| CertificateError::Malformed)?;
        Self::read(der, pem)
    }

    fn read(der: &[u8], pem: String) -> Result<Self, CertificateError> {
        let parsed = parse(der)?;
        let public_key = rsa_key(parsed.public_key())?;
        let verifying_key = VerifyingKey::from_pkcs1(&public_key).map_err(|_| CertificateError::NotRsa)?;
        let names = parsed.iter_extensions().filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        });
        let dns_names = names.flatten().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        });
        Ok(Self {
            der: der.to_vec(),
            pem,
            subject: Name::of(parsed.subject()),
            issuer: Name::of(parsed.issuer()),
            dns_names: dns_names.collect(),
            not_before_s: parsed.validity().not_before.timestamp(),
            not_after_s: parsed.validity().not_after.timestamp(),
            public_key,
            verifying_key,
        })
    }

    /// Exactly the DER that was received.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The PEM text as received, what stood around the certificate included; made here if DER was received.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Hex SHA-256 of the DER, 64 characters (CL-81).
    pub fn fingerprint(&self) -> String {
        // CL-81
        hex::encode(digest(&SHA256, &self.der))
    }

    /// The first common name of the subject, if there is one that is text (CL-81).
    pub fn common_name(&self) -> Option<&str> {
        // CL-81
        self.subject.common_name()
    }

    /// The DNS names in the SAN.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Whom it names.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// Who issued it, by its own word.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// First second of validity, Unix time; before 1970 it is negative.
    pub fn not_before_s(&self) -> i64 {
        self.not_before_s
    }

    /// Last second of validity, Unix time.
    pub fn not_after_s(&self) -> i64 {
        self.not_after_s
    }

    /// The key as RFC 8017's `RSAPublicKey`, DER.
    pub fn public_key_pkcs1(&self) -> &[u8] {
        &self.public_key
    }

    /// The key, to verify signatures with.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({:?}, sha256:{})", self.common_name(), self.fingerprint())
    }
}

/// All of `der` as a certificate.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, CertificateError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) if is_strict(der).is_some_and(|strict| strict) => Ok(certificate),
        _ => Err(CertificateError::Malformed),
    }
}

/// Whether what the signature does not cover can be written in no other way (CL-80): the parser passes over some bits of tags.
fn is_strict(der: &[u8]) -> Option<bool> {
    // CL-80
    let parts = Vec::<AnyRef<'_>>::from_der(der).ok()?;
    let [signed, algorithm, signature] = parts.as_slice() else { return None };
    let signed: Vec<AnyRef<'_>> = signed.decode_as().ok()?;
    let inner = signed.iter().find(|part| part.tag() == der::Tag::Sequence)?;
    let whole_bytes = signature.tag() == der::Tag::BitString && signature.value().first() == Some(&0);
    Some(inner == algorithm && whole_bytes)
}

fn rsa_key(info: &SubjectPublicKeyInfo<'_>) -> Result<Vec<u8>, CertificateError> {
    // CL-81
    let algorithm = &info.algorithm.algorithm;
    if *algorithm != OID_PKCS1_RSAENCRYPTION && *algorithm != OID_PKCS1_RSASSAPSS {
        return Err(CertificateError::NotRsa);
    }
    let bytes = &info.subject_public_key;
    let Ok(([], key)) = RSAPublicKey::from_der(&bytes.data) else {
        return Err(CertificateError::Malformed);
    };
    let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let leading = key.modulus.get(zeros).map_or(0, |first| first.leading_zeros() as usize);
    let bits = (key.modulus.len() - zeros) * 8 - leading;
    if !RSA_BITS.contains(&bits) {
        return Err(CertificateError::KeySize { bits });
    }
    if bytes.unused_bits != 0 {
        return Err(CertificateError::Malformed);
    }
    Ok(bytes.data.to_vec())
}

/// A distinguished name. Two are equal if their attributes say the same, whichever kind of string holds it (CL-83).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Vec<Vec<Attribute>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute {
    kind: String,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    Other(Vec<u8>),
}

impl Name {
    fn of(name: &X509Name<'_>) -> Self {
        let set = |set: &x509_parser::x509::RelativeDistinguishedName<'_>| {
            let attributes = set.iter().map(|attribute| Attribute {
                kind: attribute.attr_type().to_id_string(),
                value: Value::of(attribute.attr_value()),
            });
            let mut attributes: Vec<Attribute> = attributes.collect();
            attributes.sort();
            attributes
        };
        Self(name.iter_rdn().map(set).collect())
    }

    fn common_name(&self) -> Option<&str> {
        let kind = OID_X509_COMMON_NAME.to_id_string();
        match &self.0.iter().flatten().find(|attribute| attribute.kind == kind)?.value {
            Value::Text(text) => Some(text),
            Value::Other(_) => None,
        }
    }
}

impl Value {
    fn of(value: &Any<'_>) -> Self {
        let text = match value.tag() {
            Tag::Utf8String
            | Tag::PrintableString
            | Tag::Ia5String
            | Tag::NumericString
            | Tag::VisibleString => std::str::from_utf8(value.data).ok().map(str::to_owned),
            Tag::T61String => Some(value.data.iter().map(|byte| char::from(*byte)).collect()),
            Tag::BmpString => utf16(value.data),
            _ => None,
        };
        text.map_or_else(|| Self::Other(value.data.to_vec()), Self::Text)
    }
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum CertificateError {
    /// Above [`MAX_CERTIFICATE`].
    #[error("the certificate is too large: at most {MAX_CERTIFICATE} bytes are read (MAX_CERTIFICATE)")]
    TooLarge,
    /// There is no PEM block of a certificate.
    #[error("no certificate in PEM was found (`-----BEGIN CERTIFICATE-----` …)")]
    NotPem,
    /// Not X.509.
    #[error("the certificate is damaged: it is not X.509 in DER")]
    Malformed,
    /// Its key is not RSA.
    #[error("the certificate's key is not RSA; the classic protocols know no other")]
    NotRsa,
    /// Its key is too small or too large.
    #[error("the certificate's RSA key has {bits} bits; 2,048 to 8,192 are taken")]
    KeySize {
        /// Bits of the modulus.
        bits: usize,
    },
    /// Signed by an algorithm that is not taken.
    #[error(
        "the certificate is signed by an algorithm that is not taken: RSA with SHA-256, SHA-384 or SHA-512 is"
    )]
    UnsupportedSignature,
}
