//! Key packages: what others need to add this device (GR-5, GR-6).

use openmls::prelude::{Capabilities, CredentialType, KeyPackage, KeyPackageIn, Lifetime, ProtocolVersion};
use openmls_traits::OpenMlsProvider;
use pki::VerifiedCertificate;
use tls_codec::{DeserializeBytes, Serialize};

use crate::credential::{Device, check_leaf};
use crate::error::{GroupError, Refusal};
use crate::limits::{MAX_KEY_PACKAGE, PACKAGE_LIFETIME_DAYS};
use crate::provider::{Provider, SUITE};

const SECONDS_A_DAY: u64 = 86_400;

/// What every leaf of a group says that it can do: this suite and X.509, nothing else.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::builder().ciphersuites(vec![SUITE]).credentials(vec![CredentialType::X509]).build()
}

/// Makes a key package; its private keys are in the store's changes. One of last resort may be used more than once, until another takes its place.
///
/// # Errors
/// [`GroupError::Library`], [`GroupError::Storage`].
pub fn create(provider: &Provider, device: &Device<'_>, last_resort: bool) -> Result<Vec<u8>, GroupError> {
    let mut builder = KeyPackage::builder()
        .key_package_lifetime(Lifetime::new(PACKAGE_LIFETIME_DAYS * SECONDS_A_DAY))
        .leaf_node_capabilities(capabilities());
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    let bundle = builder
        .build(SUITE, provider, device, device.credential()?)
        .map_err(|error| GroupError::Library(error.to_string()))?;
    bundle.key_package().tls_serialize_detached().map_err(|error| GroupError::Library(error.to_string()))
}

/// Reads a key package and checks that it is of this certificate, of the suite, signed and in its time.
///
/// # Errors
/// [`GroupError::Malformed`], [`Refusal::Package`], [`Refusal::Leaf`].
pub fn check(
    provider: &Provider,
    bytes: &[u8],
    certificate: &VerifiedCertificate,
) -> Result<KeyPackage, GroupError> {
    const WHAT: &str = "key package";
    if bytes.len() > MAX_KEY_PACKAGE {
        return Err(GroupError::Malformed(WHAT));
    }
    let package =
        KeyPackageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| GroupError::Malformed(WHAT))?;
    let package =
        package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(|_| Refusal::Package)?;
    if package.ciphersuite() != SUITE {
        return Err(Refusal::Package.into());
    }
    check_leaf(package.leaf_node(), certificate)?;
    Ok(package)
}
