//! What an operator does on the data folder, with or without a server running on it.

mod import;

use evidence::directory::{Leaf, Subject};
use pki::Chain;
use pki::Fingerprint;
use pki::ca::CaError;
use pki::name::{Holder, Name};
use pki::request::{CertificateRequest, RequestError};
use pki::trust::{CertificateRef, Reason, Revocation};
use session::limits::TOKEN_LEN;
use session::message::{InviteInfo, Role};
use std::path::Path;
use std::sync::Arc;
use store::{Depth, Hash, Store, StoreError, Unique};

use crate::clock::now_ms;
use crate::connection::{new_invite, open_invites};
use crate::listener::{StartError, open_store};
use crate::organisation::{Authority, AuthorityError, DataFolder, Directory, FolderError, Issue};
use crate::shared::{PAGE, decode_chain, taken_name};

pub use import::{ClassicUser, ImportFault, Imported, Importer};

/// Days that a revocation list is good.
const CRL_MS: u64 = 7 * 86_400_000;

/// Why a console's command failed.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The folder, its keys or its database cannot be opened.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The organisation's keys.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A file.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A request that cannot be used.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The authority refused.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// The certificate is not in the directory.
    #[error("the directory knows no certificate {0}; `countersign ca show` lists them")]
    UnknownCertificate(Fingerprint),
    /// The certificate is revoked already.
    #[error("that certificate is revoked already")]
    AlreadyRevoked,
    /// One of the certificates that the server itself works with.
    #[error(
        "that certificate is the server's own and cannot be replaced in this version: with it revoked nobody could \
         connect any more"
    )]
    OwnCertificate,
    /// The user's devices are vouched for by the earlier ones.
    #[error("{0} has a device already; a new one joins by `countersign device add` on it")]
    NeedsVoucher(Name),
    /// The user was imported, and joins by an invite.
    #[error(
        "{0} was imported and has not joined yet: make an invite with `countersign invite create --user {0}`"
    )]
    Waits(Name),
    /// An invite for a user who is there.
    #[error("the user {0} is there already; a further device of theirs joins by `countersign device add`")]
    Taken(Name),
    /// An invite for a name that looks like a user's.
    #[error("the name {0} reads like that of a user who is there; choose another")]
    LooksAlike(Name),
    /// The system gave no randomness.
    #[error("the system's random number generator failed; nothing was made")]
    NoRandomness,
}

/// An opened data folder.
pub struct Console {
    store: Arc<dyn Store>,
}

/// A certificate that the directory knows.
#[derive(Debug)]
pub struct Known {
    /// SHA-256 of its DER.
    pub hash: Hash,
    /// Whose it is; none for the issuing CA.
    pub holder: Option<Holder>,
    /// Leaf first.
    pub chain: Chain,
    /// When it was revoked, Unix milliseconds.
    pub revoked_ms: Option<u64>,
}

impl Console {
    /// Opens the database that the folder's server uses.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn open(folder: &DataFolder) -> Result<Self, ConsoleError> {
        Ok(Self { store: open_store(folder, None).await? })
    }

    /// Makes an invite and returns its token.
    ///
    /// # Errors
    /// [`ConsoleError::Taken`] and [`ConsoleError::LooksAlike`], as nobody could join by it; [`ConsoleError`].
    pub async fn create_invite(
        &self,
        user: Option<&Name>,
        role: Role,
        uses: u32,
        expires_ms: u64,
    ) -> Result<[u8; TOKEN_LEN], ConsoleError> {
        if let Some(name) = user
            && self.store.import(name.as_str()).await?.is_none()
        {
            match taken_name(self.store.as_ref(), name).await? {
                None => {}
                Some(Unique::UserName) => return Err(ConsoleError::Taken(name.clone())),
                Some(_) => return Err(ConsoleError::LooksAlike(name.clone())),
            }
        }
        let (token, invite) =
            new_invite(user.map(ToString::to_string), role, uses, expires_ms, None, now_ms())
                .map_err(|()| ConsoleError::NoRandomness)?;
        self.store.create_invite(invite).await?;
        Ok(token)
    }

    /// Invites that can still be used.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn invites(&self) -> Result<Vec<InviteInfo>, ConsoleError> {
        Ok(open_invites(self.store.as_ref(), 0, usize::MAX).await?)
    }

    /// Revokes an invite by its id.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn revoke_invite(&self, id: &Hash) -> Result<(), ConsoleError> {
        Ok(self.store.revoke_invite(id).await?)
    }

    /// Every certificate of the directory.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn certificates(&self) -> Result<Vec<Known>, ConsoleError> {
        let mut known = Vec::new();
        let mut next = 0;
        loop {
            let page = self.store.directory_entries(next, PAGE).await?;
            let Some(last) = page.last() else { return Ok(known) };
            next = last.index + 1;
            for entry in page {
                let Ok(Leaf::Issue(issue)) = Leaf::from_bytes(&entry.leaf) else {
                    continue;
                };
                if let Some(found) = self.store.certificate(&issue.certificate).await? {
                    let chain = decode_chain(&found.chain).unwrap_or_default();
                    let holder = match issue.subject {
                        Subject::Holder(holder) => Some(holder),
                        Subject::Authority => None,
                    };
                    let revoked_ms = found.revoked.map(|r| r.at_ms);
                    known.push(Known { hash: found.hash, holder, chain, revoked_ms });
                }
            }
        }
    }

    /// Revokes a certificate; a running server enforces it within seconds.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn revoke(
        &self,
        authority: &Authority,
        certificate: Fingerprint,
        reason: Reason,
    ) -> Result<(), ConsoleError> {
        if authority.is_own(&certificate) {
            return Err(ConsoleError::OwnCertificate);
        }
        let found = self.store.certificate(certificate.as_bytes()).await?;
        let found = found.ok_or(ConsoleError::UnknownCertificate(certificate))?;
        if found.revoked.is_some() {
            return Err(ConsoleError::AlreadyRevoked);
        }
        let store = self.store.as_ref();
        let directory = Directory::open(store, authority).await?;
        let leaf = Issue::revoke(found.hash, reason, now_ms());
        directory.append_with(store, authority, &[leaf], |append| store.append_directory(append)).await?;
        Ok(())
    }

    /// Issues the certificate of a request to a user's first device and enters it in the directory.
    ///
    /// # Errors
    /// [`ConsoleError::Waits`]; [`ConsoleError::NeedsVoucher`] for a user that has a device, as nobody would accept a second one that no
    /// earlier one vouches for (EV-20).
    pub async fn issue(
        &self,
        authority: &Authority,
        request: &[u8],
        user: Name,
        device: Name,
    ) -> Result<Chain, ConsoleError> {
        let request = CertificateRequest::parse(request)?;
        let store = self.store.as_ref();
        if store.import(user.as_str()).await?.is_some() {
            return Err(ConsoleError::Waits(user));
        }
        let directory = Directory::open(store, authority).await?;
        if directory.knows(store, &user).await? {
            return Err(ConsoleError::NeedsVoucher(user));
        }
        let now = now_ms();
        let chain = authority.issue_device(&request, user.clone(), device.clone(), now)?;
        let leaf = [Issue::device(&chain, &user, &device, None, now)];
        directory.append_with(store, authority, &leaf, |append| store.append_directory(append)).await?;
        Ok(chain)
    }

    /// The revocation list, DER. Its number is the size of the directory.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn crl(&self, authority: &Authority) -> Result<Vec<u8>, ConsoleError> {
        let mut revocations = Vec::new();
        let mut next = 0;
        loop {
            let page = self.store.revoked_certificates(next, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for found in page {
                let Some(revoked) = found.revoked else { continue };
                next = revoked.directory_index + 1;
                let chain = decode_chain(&found.chain).unwrap_or_default();
                let Some(Ok(certificate)) = chain.leaf().map(CertificateRef::of) else { continue };
                let leaf = self.store.directory_entries(revoked.directory_index, 1).await?.into_iter().next();
                let reason = match leaf.and_then(|l| Leaf::from_bytes(&l.leaf).ok()) {
                    Some(Leaf::Revoke(revoke)) => revoke.reason,
                    _ => Reason::Unspecified,
                };
                revocations.push(Revocation { certificate, reason, at_ms: revoked.at_ms });
            }
        }
        let (size, now) = (self.store.directory_head().await?.size, now_ms());
        Ok(authority.issuing().crl(&revocations, size, now, now.saturating_add(CRL_MS))?)
    }

    /// What the database says of its own health.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn check(&self) -> Result<store::Report, ConsoleError> {
        Ok(self.store.check(Depth::Deep).await?)
    }

    /// Copies the folder to a new one, from which a server can be started; one may be running on this one. The copy appears
    /// whole or not at all.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn backup(&self, folder: &DataFolder, out: &Path) -> Result<(), ConsoleError> {
        let copy = folder.start_copy(out)?;
        let copied = match self.store.backup(&copy.database()).await {
            Ok(()) => copy.finish_copy(out).map_err(ConsoleError::from),
            Err(e) => Err(e.into()),
        };
        // A part of a copy is of no use.
        copied.inspect_err(|_| copy.discard())
    }

    /// Closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }
}
