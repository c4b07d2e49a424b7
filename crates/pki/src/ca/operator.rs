//! An issuing CA under an operator's own root: the request that goes there. What comes back is taken up by
//! [`super::IssuingCa::install`].

use super::{CaError, profile};
use crate::certificate::Usage;
use crate::ed25519::SigningKey;
use crate::name::Organisation;

/// The PKCS#10 request, DER, of an issuing CA for `organisation`, with all extensions that it needs (ID-19).
///
/// # Errors
/// [`CaError::NotWritten`].
pub fn issuing_ca_request(key: &SigningKey, organisation: &Organisation) -> Result<Vec<u8>, CaError> {
    // ID-19
    let request = profile::issuing_request(organisation, key.public())?.serialize_request(key)?;
    Ok(request.der().to_vec())
}

/// The same extensions as a file for `openssl x509 -req -extfile`, for an operator whose root does not copy
/// them from the request.
pub fn openssl_extensions(organisation: &Organisation) -> String {
    let usages: Vec<String> = Usage::ALL.iter().map(|usage| usage.oid_text()).collect();
    format!(
        "basicConstraints = critical, CA:TRUE, pathlen:0\n\
         keyUsage = critical, keyCertSign, cRLSign\n\
         extendedKeyUsage = {}\n\
         nameConstraints = critical, permitted;DNS:{organisation}\n\
         subjectKeyIdentifier = hash\n\
         authorityKeyIdentifier = keyid\n",
        usages.join(", ")
    )
}
