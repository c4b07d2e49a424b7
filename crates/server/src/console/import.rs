//! Users of an earlier system become accounts that wait until they join (SE-27).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pki::name::{BadEmail, BadName, Email, Name};
use session::limits::MAX_CLASSIC_SALT;
use session::login::{ClassicHash, LoginError, PasswordRecord, ServerSetup, record_for};
use store::{Account, Import, NewImport, OpaqueRecord, Store};
use zeroize::Zeroizing;

use super::{Console, ConsoleError};
use crate::clock::now_ms;
use crate::listener::{opaque_setup, stored_opaque_setup};
use crate::organisation::{Authority, Directory};
use crate::shared::taken_name;

/// A user as the earlier system keeps it.
pub struct ClassicUser {
    /// User name there.
    pub name: String,
    /// E-mail address there.
    pub email: Option<String>,
    /// Salt, 1 to 64 bytes.
    pub salt: Vec<u8>,
    /// SHA-256(salt | password), 64 hexadecimal digits.
    pub password_hash: Zeroizing<String>,
}

/// What became of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// The account was made and waits.
    New(Name),
    /// It waited already, and what was kept of it was replaced: salt, hash or address there are others now.
    Replaced(Name),
    /// It waits already, with the same salt, hash and address.
    Unchanged(Name),
    /// It was imported before and has joined: nothing was touched.
    Joined(Name),
    /// Nothing was made or changed.
    Refused(ImportFault),
}

/// Why a user cannot be imported as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// The name cannot be a canonical one.
    #[error("the name cannot be used here ({why}); import it under another, such as {suggestion}")]
    Name {
        /// Why.
        why: BadName,
        /// A name that can be used.
        suggestion: Name,
    },
    /// Two users of the source come to the same name, or to names that look alike.
    #[error(
        "the name is that of {0}, another user of the same source, or reads like it; import one of them under another"
    )]
    Repeated(Name),
    /// A user of the organisation has the name.
    #[error("a user of that name is here who was not imported; import this one under another name")]
    Taken,
    /// A user of the organisation has a name that looks alike (ID-4).
    #[error("the name reads like that of a user who is here; import this one under another name")]
    LooksAlike,
    /// A certificate was issued for the name, though there is no such account.
    #[error("the name has a certificate from before; import this user under another name")]
    Certified,
    /// The e-mail address is none.
    #[error("the e-mail address cannot be used ({0}); correct or empty it there")]
    Email(#[from] BadEmail),
    /// Another user has the e-mail address.
    #[error("another user has that e-mail address; correct or empty one of them")]
    EmailTaken,
    /// A user of the name waits under another address: this may be somebody else.
    #[error(
        "a user of that name waits under the e-mail address {0}; import this one under another name, or, if both are one person, name it with --replace"
    )]
    OtherAddress(String),
    /// The salt is empty or too long.
    #[error("the salt has {0} bytes, not 1 to 64; nobody could log in by it: let the user join as a new one")]
    Salt(usize),
    /// The hash is not one.
    #[error(
        "the hash is not 64 hexadecimal digits; nobody could log in by it: let the user join as a new one"
    )]
    Hash,
}

impl ImportFault {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name { .. } => "bad-name",
            Self::Repeated(_) => "repeated",
            Self::Taken => "taken",
            Self::LooksAlike => "looks-alike",
            Self::Certified => "certified-before",
            Self::Email(_) => "bad-email",
            Self::EmailTaken => "email-taken",
            Self::OtherAddress(_) => "other-address",
            Self::Salt(_) => "bad-salt",
            Self::Hash => "bad-hash",
        }
    }
}

/// An import under way, a user at a time.
pub struct Importer<'a> {
    store: &'a dyn Store,
    directory: Directory,
    /// None in a dry run on a folder that has none yet.
    opaque: Option<Arc<ServerSetup>>,
    root: [u8; 32],
    dry_run: bool,
    /// Names whose users are known to be the ones who wait, whatever their addresses.
    replace: BTreeSet<Name>,
    /// Names that were imported, by their skeletons.
    names: BTreeMap<String, Name>,
    emails: BTreeSet<String>,
}

/// A user that can be imported.
struct Checked {
    name: Name,
    email: Option<Email>,
    salt: Vec<u8>,
    hash: ClassicHash,
}

impl Console {
    /// Begins an import; with `dry_run` nothing is written.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub async fn importer(&self, authority: &Authority, dry_run: bool) -> Result<Importer<'_>, ConsoleError> {
        let store = self.store.as_ref();
        let opaque = match dry_run {
            true => stored_opaque_setup(store, authority).await?,
            false => Some(opaque_setup(store, authority).await?),
        };
        Ok(Importer {
            store,
            directory: Directory::read(store).await?,
            opaque: opaque.map(Arc::new),
            root: *authority.root_fingerprint(),
            dry_run,
            replace: BTreeSet::new(),
            names: BTreeMap::new(),
            emails: BTreeSet::new(),
        })
    }
}

impl Importer<'_> {
    /// Takes users of these names for the ones who wait, also if their addresses are others.
    pub fn replace(&mut self, names: impl IntoIterator<Item = Name>) {
        self.replace.extend(names);
    }

    /// Imports a user. Takes the time of one Argon2id.
    ///
    /// # Errors
    /// [`ConsoleError`]: the import cannot go on. What is wrong with the user is [`Imported::Refused`].
    pub async fn import(&mut self, user: ClassicUser) -> Result<Imported, ConsoleError> {
        let checked = match self.check(user) {
            Ok(checked) => checked,
            Err(fault) => return Ok(Imported::Refused(fault)),
        };
        let (name, outcome) = (checked.name.clone(), self.outcome(&checked).await?);
        match &outcome {
            Imported::Refused(_) => return Ok(outcome),
            Imported::New(_) | Imported::Replaced(_) if !self.dry_run => self.put(&checked).await?,
            _ => {}
        }
        self.names.insert(name.skeleton(), name);
        self.emails.extend(checked.email.map(|email| email.to_string()));
        Ok(outcome)
    }

    /// What is wrong with the user by itself, or beside those before it.
    fn check(&self, user: ClassicUser) -> Result<Checked, ImportFault> {
        let name = Name::parse(&user.name)
            .map_err(|why| ImportFault::Name { why, suggestion: Name::suggest(&user.name) })?;
        let email = user.email.as_deref().map(Email::parse).transpose()?;
        if user.salt.is_empty() || user.salt.len() > MAX_CLASSIC_SALT {
            return Err(ImportFault::Salt(user.salt.len()));
        }
        let hash = ClassicHash::parse(&user.password_hash).ok_or(ImportFault::Hash)?;
        if let Some(other) = self.names.get(&name.skeleton()) {
            return Err(ImportFault::Repeated(other.clone()));
        }
        if email.as_ref().is_some_and(|email| self.emails.contains(email.as_str())) {
            return Err(ImportFault::EmailTaken);
        }
        Ok(Checked { name, email, salt: user.salt, hash })
    }

    /// What becomes of the user, before anything is written.
    async fn outcome(&self, user: &Checked) -> Result<Imported, ConsoleError> {
        let name = &user.name;
        let found = self.store.account(name.as_str()).await?;
        let kept = self.store.import(name.as_str()).await?;
        if found.is_none() {
            if taken_name(self.store, name).await?.is_some() {
                return Ok(Imported::Refused(ImportFault::LooksAlike));
            }
            if self.directory.knows(self.store, name).await? {
                return Ok(Imported::Refused(ImportFault::Certified));
            }
        }
        if let (Some(account), None) = (&found, &kept) {
            return Ok(match account.imported_ms {
                Some(_) => Imported::Joined(name.clone()),
                None => Imported::Refused(ImportFault::Taken),
            });
        }
        if let Some(email) = &user.email {
            let holder = self.store.account_by_email(email.as_str()).await?;
            if holder.is_some_and(|holder| holder.user != name.as_str()) {
                return Ok(Imported::Refused(ImportFault::EmailTaken));
            }
        }
        let (Some(account), Some(kept)) = (found, kept) else { return Ok(Imported::New(name.clone())) };
        if self.is_same(user, &account, kept).await? {
            return Ok(Imported::Unchanged(name.clone()));
        }
        let address = user.email.as_ref().map(Email::as_str);
        Ok(match account.email {
            Some(kept) if address != Some(&kept) && !self.replace.contains(name) => {
                Imported::Refused(ImportFault::OtherAddress(kept))
            }
            _ => Imported::Replaced(name.clone()),
        })
    }

    async fn is_same(&self, user: &Checked, account: &Account, kept: Import) -> Result<bool, ConsoleError> {
        if kept.salt != user.salt || account.email.as_deref() != user.email.as_ref().map(Email::as_str) {
            return Ok(false);
        }
        let (Some(opaque), Ok(record)) =
            (self.opaque.clone(), PasswordRecord::from_bytes(&kept.opaque_record.0))
        else {
            return Ok(false);
        };
        let (salt, hash, name, root) = (kept.salt, user.hash.clone(), user.name.clone(), self.root);
        blocking(move || record.is_for(&hash, &salt, name.as_str(), &opaque, &root)).await
    }

    async fn put(&self, user: &Checked) -> Result<(), ConsoleError> {
        let Some(opaque) = self.opaque.clone() else { return Ok(()) };
        let (salt, hash, name, root) = (user.salt.clone(), user.hash.clone(), user.name.clone(), self.root);
        let record = blocking(move || record_for(&hash, &salt, name.as_str(), &opaque, &root)).await?;
        let import = NewImport {
            user: user.name.to_string(),
            skeleton: user.name.skeleton(),
            email: user.email.as_ref().map(ToString::to_string),
            salt: user.salt.clone(),
            opaque_record: OpaqueRecord(record.as_bytes().to_vec()),
            now_ms: now_ms(),
        };
        Ok(self.store.put_import(import).await?)
    }
}

/// Runs what takes the time of an Argon2id off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoginError> + Send + 'static,
) -> Result<T, ConsoleError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or(Err(LoginError::Local));
    Ok(done.map_err(crate::StartError::from)?)
}
