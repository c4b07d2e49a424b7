//! Key packages: what others need to add this device (GR-5, GR-6).

use openmls::prelude::{
    Capabilities, CredentialType, ExtensionType, KeyPackage, KeyPackageIn, LeafNodeParameters, Lifetime,
    ProtocolVersion,
};
use openmls_traits::OpenMlsProvider;
use pki::{Name, VerifiedCertificate};
use tls_codec::{DeserializeBytes, Serialize};

use crate::credential::{Device, check_leaf};
use crate::error::{GroupError, Refusal};
use crate::limits::{MAX_KEY_PACKAGE, PACKAGE_AGE_DAYS};
use crate::provider::{Provider, SUITE};

const DAY_MS: u64 = 86_400_000;

/// How far a maker's clock may be behind, in seconds.
const CLOCK_SECONDS: u64 = 3_600;

/// What every leaf of a group says that it can do: this suite, X.509, key packages of last resort; nothing else (GR-4).
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::builder()
        .ciphersuites(vec![SUITE])
        .credentials(vec![CredentialType::X509])
        .extensions(vec![ExtensionType::LastResort])
        .build()
}

/// What a commit makes of its maker's leaf.
pub(crate) fn leaf() -> LeafNodeParameters {
    LeafNodeParameters::builder().with_capabilities(capabilities()).build()
}

/// Makes a key package; its private keys are in the store's changes. One of last resort may be used more than once. It says that it lasts as
/// long as the certificate, as members ask that of it at whatever time they read the commit; GR-6 has its age.
///
/// # Errors
/// [`GroupError::Library`], [`GroupError::Storage`].
pub fn create(
    provider: &Provider,
    device: &Device<'_>,
    last_resort: bool,
    now_ms: u64,
) -> Result<Vec<u8>, GroupError> {
    let mut builder = KeyPackage::builder()
        .key_package_lifetime(Lifetime::init(
            (now_ms / 1_000).saturating_sub(CLOCK_SECONDS),
            device.certificate.not_after_ms() / 1_000,
        ))
        .leaf_node_capabilities(capabilities());
    if last_resort {
        builder = builder.mark_as_last_resort();
    }
    let bundle = builder
        .build(SUITE, provider, device, device.credential()?)
        .map_err(|error| GroupError::Library(error.to_string()))?;
    bundle.key_package().tls_serialize_detached().map_err(|error| GroupError::Library(error.to_string()))
}

/// Reads a key package and checks that it is of this certificate, of the suite, signed, and neither of the future nor too old, but for a recovery
/// key's.
///
/// # Errors
/// [`GroupError::Malformed`], [`Refusal::Package`], [`Refusal::Leaf`].
pub fn check(
    provider: &Provider,
    bytes: &[u8],
    certificate: &VerifiedCertificate,
    now_ms: u64,
) -> Result<KeyPackage, GroupError> {
    const WHAT: &str = "key package";
    if bytes.len() > MAX_KEY_PACKAGE {
        return Err(GroupError::Malformed(WHAT));
    }
    let package =
        KeyPackageIn::tls_deserialize_exact_bytes(bytes).map_err(|_| GroupError::Malformed(WHAT))?;
    let package =
        package.validate(provider.crypto(), ProtocolVersion::Mls10).map_err(|_| Refusal::Package)?;
    let made_ms = package.life_time().not_before().saturating_mul(1_000);
    let whole_life = package.life_time().not_after() == certificate.not_after_ms() / 1_000;
    // GR-6
    let may_be_old = certificate.identity().device().is_some_and(Name::is_recovery_key);
    let old = now_ms.saturating_sub(made_ms) > PACKAGE_AGE_DAYS * DAY_MS;
    if !whole_life || made_ms > now_ms || (old && !may_be_old) {
        return Err(Refusal::Package.into());
    }
    if package.ciphersuite() != SUITE {
        return Err(Refusal::Package.into());
    }
    check_leaf(package.leaf_node(), certificate)?;
    Ok(package)
}
