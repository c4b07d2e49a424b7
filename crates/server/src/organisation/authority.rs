//! Root, issuing CA and the server's own keys: made at the first start, loaded at each one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use channel::ServerIdentity;
use pki::ca::{CaError, IssuingCa, RootCa, Validity, issuing_ca_request};
use pki::certificate::{certificate_to_pem, certificates_from_pem};
use pki::ed25519::{KeyError, SigningKey};
use pki::name::{Holder, Name, Organisation};
use pki::password::Password;
use pki::{Chain, Fingerprint, TrustAnchor};

use super::folder::{DataFolder, FolderError, REQUESTED, io_error, read_text, sync_parent, write_file};
use super::pem::to_pem;

/// Days of validity (ID-33): root and issuing CA, the server's own leaves, devices.
const AUTHORITY_DAYS: u32 = 7300;
pub(super) const SERVER_DAYS: u32 = 1825;
const DEVICE_DAYS: u32 = 3650;
/// Milliseconds by which certificates start before they are made, for clocks that are behind.
const BACKDATED_MS: u64 = 3_600_000;
/// The one node of an organisation that this version serves from.
const NODE: &str = "node-1";

/// How keys are kept at rest.
#[derive(Debug)]
pub enum KeyProtection {
    /// Encrypted under a passphrase.
    Passphrase(Password),
    /// Not encrypted, as the operator chose.
    Plain,
}

/// Why the organisation's keys cannot be made or loaded.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A key.
    #[error("the key {0}: {1}")]
    Key(&'static str, #[source] KeyError),
    /// A certificate cannot be made or used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A certificate file cannot be read, or does not fit the rest.
    #[error("the certificate file {0} cannot be used: {1}")]
    Certificate(String, String),
    /// There is an organisation already.
    #[error("there is an organisation in this folder already; use another --data folder")]
    Exists,
    /// The keys are plain and a passphrase was given, or the other way round.
    #[error("the keys in this folder are not encrypted; start with --plain-keys, or encrypt them first")]
    PlainKeys,
    /// The issuing CA waits for its certificate.
    #[error(
        "the issuing CA waits for the certificate that your own root signs; run `countersign ca install`"
    )]
    Unfinished,
    /// A request of the issuing CA waits already.
    #[error(
        "the issuing CA's request was made before and its key waits here; install the certificate with \
         `countersign ca install`, or remove {} to start over", .0.display()
    )]
    Waiting(PathBuf),
    /// The root's key is not in the folder.
    #[error("the root's key is not in this folder: it was moved out before, or the root is your own")]
    NoRootKey,
    /// Sealed bytes do not open.
    #[error("a sealed record of the database does not open under this folder's storage key")]
    Sealed,
}

/// Everything that the organisation signs with.
pub struct Authority {
    issuing: IssuingCa,
    fingerprint: [u8; 32],
    pub(super) server_key: SigningKey,
    log_key: SigningKey,
    cosigner_key: SigningKey,
    /// Renewed while the server runs.
    pub(super) own: RwLock<Arc<OwnCertificates>>,
    storage: LessSafeKey,
}

/// The certificates of the server's own keys.
pub(super) struct OwnCertificates {
    /// Server, log, cosigner; leaf first, without the root.
    pub(super) chains: [(Holder, Chain); 3],
    server: Arc<ServerIdentity>,
}

impl OwnCertificates {
    pub(super) fn new(
        [server, log, cosigner]: [Chain; 3],
        server_key: &SigningKey,
        root: &[u8],
    ) -> Result<Self, AuthorityError> {
        let unusable = |why: String| AuthorityError::Certificate("server.pem".into(), why);
        let key = server_key.to_pkcs8().and_then(|der| SigningKey::from_pkcs8(&der));
        let identity =
            ServerIdentity::new(&server.with_root(root), key.map_err(|e| AuthorityError::Key("server", e))?)
                .map_err(|e| unusable(e.to_string()))?;
        let node = Name::suggest(NODE);
        Ok(Self {
            chains: [
                (Holder::Server(node.clone()), server),
                (Holder::Log(node.clone()), log),
                (Holder::Cosigner(node), cosigner),
            ],
            server: Arc::new(identity),
        })
    }
}

impl Authority {
    /// Makes a root, an issuing CA and the server's keys for `organisation` (issue a root of your own instead with
    /// [`Self::request`] and [`Self::install`]). The folder appears whole or not at all.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn create(
        folder: &DataFolder,
        organisation: &Organisation,
        protection: &KeyProtection,
        now_ms: u64,
    ) -> Result<(), AuthorityError> {
        let start = now_ms.saturating_sub(BACKDATED_MS);
        let root = RootCa::generate(organisation, &Validity::days(start, AUTHORITY_DAYS)?)?;
        let issuing = root.new_issuing_ca(&Validity::days(start, AUTHORITY_DAYS)?)?;
        let place = start_folder(folder)?;
        write_key(&place, "root", root.key(), protection)?;
        write_file(&place.join("root.pem"), certificate_to_pem(root.certificate()).as_bytes())?;
        finish(folder, &place, &issuing, protection, now_ms)
    }

    /// Makes an issuing CA's key and returns its request, PEM, for an operator's own root to sign.
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn request(
        folder: &DataFolder,
        organisation: &Organisation,
        protection: &KeyProtection,
    ) -> Result<String, AuthorityError> {
        let key = SigningKey::generate().map_err(|e| AuthorityError::Key("issuing", e))?;
        let request = issuing_ca_request(&key, organisation)?;
        let place = start_folder(folder)?;
        write_key(&place, "issuing", &key, protection)?;
        write_file(&place.join(REQUESTED), organisation.as_str().as_bytes())?;
        Ok(to_pem("CERTIFICATE REQUEST", &request))
    }

    /// Installs the certificate that an operator's root signed for [`Self::request`].
    ///
    /// # Errors
    /// [`AuthorityError`].
    pub fn install(
        folder: &DataFolder,
        certificate_pem: &str,
        root_pem: &str,
        protection: &KeyProtection,
        now_ms: u64,
    ) -> Result<(), AuthorityError> {
        if folder.organisation().exists() {
            return Err(AuthorityError::Exists);
        }
        let place = folder.unfinished();
        let name = read_text(&place.join(REQUESTED))?;
        let organisation = Organisation::canonical(&name)
            .map_err(|e| AuthorityError::Certificate("organisation".into(), e.to_string()))?;
        let key = read_key(&place, "issuing", protection)?;
        let certificate = first(certificate_pem, "the issuing CA's")?;
        let root = first(root_pem, "the root's")?;
        let issuing = IssuingCa::install(key, &certificate, &root, &organisation, now_ms)?;
        write_file(&place.join("root.pem"), certificate_to_pem(&root).as_bytes())?;
        finish(folder, &place, &issuing, protection, now_ms)
    }

    /// Checks that the root's key, if it is in the folder, opens.
    ///
    /// # Errors
    /// [`AuthorityError::NoRootKey`] if it is not there; [`AuthorityError`].
    pub fn check_root_key(folder: &DataFolder, protection: &KeyProtection) -> Result<(), AuthorityError> {
        let place = folder.organisation();
        if !place.join("root.key").exists() {
            return Err(AuthorityError::NoRootKey);
        }
        read_key(&place, "root", protection).map(|_| ())
    }

    /// Loads the organisation of a folder.
    ///
    /// # Errors
    /// [`AuthorityError`]; [`AuthorityError::Unfinished`] between [`Self::request`] and [`Self::install`].
    pub fn load(folder: &DataFolder, protection: &KeyProtection) -> Result<Self, AuthorityError> {
        let place = folder.organisation();
        if folder.awaits_certificate() {
            return Err(AuthorityError::Unfinished);
        }
        let root = first(&read_text(&place.join("root.pem"))?, "root.pem")?;
        let certificate = first(&read_text(&place.join("issuing.pem"))?, "issuing.pem")?;
        let (server_key, server_chain) = read_leaf(&place, "server", protection)?;
        let organisation = TrustAnchor::for_chain(&root, &server_chain)
            .map(|anchor| anchor.organisation().clone())
            .map_err(|e| AuthorityError::Certificate("server.pem".into(), e.to_string()))?;
        let issuing =
            IssuingCa::load(read_key(&place, "issuing", protection)?, &certificate, &root, &organisation)?;
        let (log_key, log_chain) = read_leaf(&place, "log", protection)?;
        let (cosigner_key, cosigner_chain) = read_leaf(&place, "cosigner", protection)?;
        let storage = storage_key(&read_key(&place, "storage", protection)?)?;
        let own = OwnCertificates::new([server_chain, log_chain, cosigner_chain], &server_key, &root)?;
        Ok(Self {
            fingerprint: *Fingerprint::of(&root).as_bytes(),
            issuing,
            server_key,
            log_key,
            cosigner_key,
            own: RwLock::new(Arc::new(own)),
            storage,
        })
    }

    /// The issuing CA.
    pub fn issuing(&self) -> &IssuingCa {
        &self.issuing
    }

    /// The organisation.
    pub fn organisation(&self) -> &Organisation {
        self.issuing.organisation()
    }

    /// SHA-256 of the root's DER.
    pub fn root_fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// The root, DER.
    pub fn root(&self) -> &[u8] {
        self.issuing.root().der()
    }

    /// The server's chain and handshake key.
    pub fn server_identity(&self) -> Arc<ServerIdentity> {
        Arc::clone(&self.own().server)
    }

    /// The certificates of the server's own keys, as they are now.
    pub(super) fn own(&self) -> Arc<OwnCertificates> {
        Arc::clone(&self.own.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The chain of the key of handshakes.
    pub fn server_chain(&self) -> Chain {
        let [(_, server), _, _] = &self.own().chains;
        server.clone()
    }

    /// Whether the server itself works with this certificate.
    pub fn is_own(&self, certificate: &Fingerprint) -> bool {
        let hash = Some(*certificate.as_bytes());
        let of = |der: &[u8]| Fingerprint::of(der) == *certificate;
        of(self.root())
            || of(self.issuing.certificate())
            || self.own().chains.iter().any(|(_, chain)| chain.leaf_hash() == hash)
    }

    /// The key of checkpoints, refusals and revocation entries.
    pub fn log_key(&self) -> &SigningKey {
        &self.log_key
    }

    /// Its chain.
    pub fn log_chain(&self) -> Chain {
        let [_, (_, log), _] = &self.own().chains;
        log.clone()
    }

    /// The key of timestamped cosignatures.
    pub fn cosigner_key(&self) -> &SigningKey {
        &self.cosigner_key
    }

    /// Its chain.
    pub fn cosigner_chain(&self) -> Chain {
        let [_, _, (_, cosigner)] = &self.own().chains;
        cosigner.clone()
    }

    /// Issues a device's certificate.
    ///
    /// # Errors
    /// [`CaError`].
    pub fn issue_device(
        &self,
        request: &pki::request::CertificateRequest,
        user: Name,
        device: Name,
        now_ms: u64,
    ) -> Result<Chain, CaError> {
        let validity = Validity::days(now_ms.saturating_sub(BACKDATED_MS), DEVICE_DAYS)?;
        let validity = validity.within(self.issuing.validity())?;
        self.issuing.issue(request, &Holder::Device { user, device }, &validity)
    }

    /// Seals a secret for the database: random nonce, then AES-256-GCM with the record's name as associated data.
    ///
    /// # Errors
    /// [`AuthorityError::Sealed`] without randomness.
    pub fn seal(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| AuthorityError::Sealed)?;
        let mut sealed = secret.to_vec();
        self.storage
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut sealed)
            .map_err(|_| AuthorityError::Sealed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Self::seal`] made under the same name.
    ///
    /// # Errors
    /// [`AuthorityError::Sealed`].
    pub fn open(&self, name: &str, sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, AuthorityError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(AuthorityError::Sealed)?;
        let mut buffer = zeroize::Zeroizing::new(sealed.to_vec());
        let opened = self
            .storage
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(name), &mut buffer)
            .map_err(|_| AuthorityError::Sealed)?
            .len();
        buffer.truncate(opened);
        Ok(buffer)
    }
}

fn start_folder(folder: &DataFolder) -> Result<PathBuf, AuthorityError> {
    if folder.organisation().exists() {
        return Err(AuthorityError::Exists);
    }
    let place = folder.unfinished();
    if folder.awaits_certificate() {
        return Err(AuthorityError::Waiting(place));
    }
    // What a killed start left behind was never used.
    if place.exists() {
        fs::remove_dir_all(&place).map_err(|e| io_error("remove", &place, e))?;
    }
    Ok(DataFolder::open(&place)?.path().to_owned())
}

/// Makes the server's own keys under the issuing CA and moves the folder into place.
fn finish(
    folder: &DataFolder,
    place: &Path,
    issuing: &IssuingCa,
    protection: &KeyProtection,
    now_ms: u64,
) -> Result<(), AuthorityError> {
    write_key(place, "issuing", issuing.key(), protection)?;
    write_file(&place.join("issuing.pem"), certificate_to_pem(issuing.certificate()).as_bytes())?;
    let validity =
        Validity::days(now_ms.saturating_sub(BACKDATED_MS), SERVER_DAYS)?.within(issuing.validity())?;
    let node = Name::suggest(NODE);
    for (name, holder) in [
        ("server", Holder::Server(node.clone())),
        ("log", Holder::Log(node.clone())),
        ("cosigner", Holder::Cosigner(node.clone())),
    ] {
        let key = SigningKey::generate().map_err(|e| AuthorityError::Key(name, e))?;
        let chain = issuing.issue_to_key(key.public(), &holder, &validity)?;
        write_key(place, name, &key, protection)?;
        write_chain(place, name, &chain)?;
    }
    let storage = SigningKey::generate().map_err(|e| AuthorityError::Key("storage", e))?;
    write_key(place, "storage", &storage, protection)?;
    let done = folder.organisation();
    let moved = fs::rename(place, &done).and_then(|()| sync_parent(&done));
    moved.map_err(|e| io_error("move into place", &done, e))?;
    Ok(())
}

pub(super) fn write_chain(place: &Path, name: &str, chain: &Chain) -> Result<(), FolderError> {
    let text: String = chain.0.iter().map(|der| certificate_to_pem(der)).collect();
    write_file(&place.join(name).with_extension("pem"), text.as_bytes())
}

/// The key that seals secrets in the database. Its file is a PKCS#8 envelope around 32 random bytes like those of the
/// signing keys, so that it is encrypted at rest like them; nothing is ever signed with it.
fn storage_key(file: &SigningKey) -> Result<LessSafeKey, AuthorityError> {
    let secret = file.to_pkcs8().map_err(|e| AuthorityError::Key("storage", e))?;
    let extracted = Salt::new(HKDF_SHA256, b"countersign v1 storage").extract(&secret);
    let key = extracted.expand(&[b"seal"], &AES_256_GCM).map_err(|_| AuthorityError::Sealed)?;
    Ok(LessSafeKey::new(UnboundKey::from(key)))
}

pub(super) fn write_key(
    place: &Path,
    name: &'static str,
    key: &SigningKey,
    protection: &KeyProtection,
) -> Result<(), AuthorityError> {
    let path = place.join(name).with_extension("key");
    match protection {
        KeyProtection::Passphrase(passphrase) => {
            let text = key.to_encrypted_pem(passphrase).map_err(|e| AuthorityError::Key(name, e))?;
            write_file(&path, text.as_bytes())?;
        }
        KeyProtection::Plain => {
            let text = key.to_plain_pem().map_err(|e| AuthorityError::Key(name, e))?;
            write_file(&path, text.as_bytes())?;
        }
    }
    Ok(())
}

pub(super) fn read_key(
    place: &Path,
    name: &'static str,
    protection: &KeyProtection,
) -> Result<SigningKey, AuthorityError> {
    let text = zeroize::Zeroizing::new(read_text(&place.join(name).with_extension("key"))?);
    let encrypted = pki::ed25519::at_rest::is_encrypted(&text);
    let passphrase = match protection {
        KeyProtection::Passphrase(_) if !encrypted => return Err(AuthorityError::PlainKeys),
        KeyProtection::Passphrase(passphrase) => Some(passphrase),
        KeyProtection::Plain => None,
    };
    SigningKey::from_pem(&text, passphrase).map_err(|e| AuthorityError::Key(name, e))
}

fn read_leaf(
    place: &Path,
    name: &'static str,
    protection: &KeyProtection,
) -> Result<(SigningKey, Chain), AuthorityError> {
    let file = format!("{name}.pem");
    let chain = certificates_from_pem(&read_text(&place.join(&file))?)
        .map_err(|e| AuthorityError::Certificate(file, e.to_string()))?;
    Ok((read_key(place, name, protection)?, Chain(chain)))
}

fn first(text: &str, whose: &str) -> Result<Vec<u8>, AuthorityError> {
    certificates_from_pem(text)
        .map_err(|e| AuthorityError::Certificate(whose.into(), e.to_string()))?
        .into_iter()
        .next()
        .ok_or_else(|| AuthorityError::Certificate(whose.into(), "it is empty".into()))
}
