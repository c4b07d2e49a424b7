//! Whether people are who their names say: the safety code, and what the directory says of a name (ID-52, ID-53, SE-40).

use evidence::Hash;
use minicbor::bytes::ByteArray;
use pki::ed25519::PublicKey;
use pki::{Fingerprint, Name, safety_code};

use super::Client;
use crate::ClientError;
use crate::directory::{DirectoryNews, Entered, Held};
use crate::vault::Comparison;

/// Another user, as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Canonical name.
    pub user: String,
    /// The safety code that both users see (ID-52); none if the directory has two first certificates of one of the two.
    pub code: Option<String>,
    /// Whether it was compared.
    pub compared: Compared,
    /// The user's devices, in the order in which they were entered.
    pub devices: Vec<PersonDevice>,
    key: Option<PublicKey>,
}

/// Whether the safety code with a user was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// It was not.
    No,
    /// It was, and the user's first certificate has the same key today.
    Yes {
        /// When, Unix milliseconds.
        at_ms: u64,
    },
    /// It was, and the directory has another first certificate now, or a second one.
    NoLonger {
        /// When it was compared, Unix milliseconds.
        at_ms: u64,
    },
}

/// A device of a user, as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonDevice {
    /// Its name.
    pub device: String,
    /// SHA-256 of its certificate.
    pub certificate: Hash,
    /// Who vouched for it.
    pub voucher: Voucher,
    /// When its certificate was issued, Unix milliseconds.
    pub issued_ms: u64,
    /// When it was revoked, Unix milliseconds.
    pub revoked_ms: Option<u64>,
}

/// Who vouched for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voucher {
    /// Nobody: it is its user's first.
    First,
    /// An earlier device of this name.
    Device(String),
    /// The directory names a voucher, and no good statement of one is known here: the device is not accepted.
    Unknown,
}

/// The first certificates of a user, as the directory has them.
enum First {
    /// There is none.
    None,
    /// One, with this key.
    One(PublicKey),
    /// One that is not known here.
    Unread,
    /// Two or more.
    Several,
}

impl Client {
    /// What the directory has of another user. It is read on first, with the user's certificates, if there is a connection.
    ///
    /// # Errors
    /// [`ClientError::Input`] for no name, or one's own; [`ClientError::NotFound`] if the directory has no device of that user;
    /// [`ClientError::Untrusted`] if the server does not show the user's first certificate; [`ClientError::Offline`] if it is not known here.
    pub async fn person(&self, user: &str) -> Result<Person, ClientError> {
        let core = self.core();
        let user = self.other(user)?;
        let session = match core.session() {
            Ok(session) => {
                core.refresh_directory(&session).await?;
                Some(session)
            }
            Err(_) => None,
        };
        let mut guard = core.directory.lock().await;
        let held = core.held_directory(&mut guard).await?;
        let entered = held.devices_of(&user);
        if entered.is_empty() {
            return Err(ClientError::NotFound(format!("there is no user {user}, or without a device")));
        }
        if let Some(session) = &session {
            // The first before the others: one of them that comes without its voucher does not take that place.
            for part in [held.first_of(&user).as_slice(), &entered] {
                let wanted: Vec<(Hash, u64)> = part.iter().map(Entered::in_use).collect();
                core.certificates.fetch(&wanted, &core.owner, &core.vault, &session.connection).await?;
            }
        }
        let (own_first, first) = (self.first(held, &core.owner.user), self.first(held, &user));
        let devices = entered.iter().map(|entered| self.device_of(held, entered)).collect();
        let compared = self.judge(&user, &first).await?;
        let (code, key) = match (own_first, first) {
            (First::One(own), First::One(key)) => {
                let root = Fingerprint::of(&core.owner.root);
                let code = safety_code(&root, [(&core.owner.user, &own), (&user, &key)]);
                (Some(code), Some(key))
            }
            (First::Several, _) | (_, First::Several) => (None, None),
            _ if session.is_none() => return Err(ClientError::Offline),
            _ => {
                return Err(ClientError::Untrusted(format!(
                    "the server does not show the first certificate of {user} that its directory has"
                )));
            }
        };
        Ok(Person { user: user.to_string(), code, compared, devices, key })
    }

    /// Records that the safety code of this person was compared, and was the same on both sides.
    ///
    /// # Errors
    /// [`ClientError::Untrusted`] if there is no code; [`ClientError::Vault`].
    pub async fn record_comparison(&self, person: &Person) -> Result<(), ClientError> {
        let key = person.key.ok_or_else(|| {
            ClientError::Untrusted("the directory has two first certificates: there is no code".to_owned())
        })?;
        self.put_comparison(&person.user, Some(ByteArray::from(*key.as_bytes()))).await
    }

    /// Takes back that a safety code was compared; that it was stays on record.
    ///
    /// # Errors
    /// [`ClientError::Input`]; [`ClientError::Vault`].
    pub async fn forget_comparison(&self, user: &str) -> Result<(), ClientError> {
        self.put_comparison(user, None).await
    }

    /// Whether the safety code with a user was compared; needs no server. Of oneself it is not.
    ///
    /// # Errors
    /// [`ClientError::Input`]; [`ClientError::Vault`].
    pub async fn compared(&self, user: &str) -> Result<Compared, ClientError> {
        let user = Name::parse(user).map_err(|error| ClientError::Input(error.to_string()))?;
        let mut guard = self.core().directory.lock().await;
        let held = self.core().held_directory(&mut guard).await?;
        self.judge(&user, &self.first(held, &user)).await
    }

    /// What the directory has that concerns this user and was not told yet, and with `again` also the alarms that were; and how many
    /// leaves it has, for [`Self::directory_news_told`].
    ///
    /// # Errors
    /// [`ClientError::Vault`].
    pub async fn directory_news(&self, again: bool) -> Result<(Vec<DirectoryNews>, u64), ClientError> {
        let core = self.core();
        let told = core.vault.news_told().await?;
        let mut guard = core.directory.lock().await;
        let held = core.held_directory(&mut guard).await?;
        let wanted = |(index, news): &(u64, DirectoryNews)| *index >= told || (again && news.is_alarm());
        let news = core.news(held).into_iter().filter(wanted);
        Ok((news.map(|(_, news)| news).collect(), held.size()))
    }

    /// Records that all news of the first `size` leaves were told.
    ///
    /// # Errors
    /// [`ClientError::Vault`].
    pub async fn directory_news_told(&self, size: u64) -> Result<(), ClientError> {
        let vault = &self.core().vault;
        if size > vault.news_told().await? { Ok(vault.put_news_told(size).await?) } else { Ok(()) }
    }

    fn other(&self, user: &str) -> Result<Name, ClientError> {
        let name = Name::parse(user).map_err(|error| ClientError::Input(error.to_string()))?;
        if name == self.core().owner.user {
            return Err(ClientError::Input(
                "that is you: a safety code is between you and somebody else".to_owned(),
            ));
        }
        Ok(name)
    }

    async fn put_comparison(&self, user: &str, key: Option<ByteArray<32>>) -> Result<(), ClientError> {
        let (core, user) = (self.core(), self.other(user)?);
        Ok(core.vault.put_comparison(&user, &Comparison { key, at_ms: (core.clock)() }).await?)
    }

    fn first(&self, held: &Held, user: &Name) -> First {
        match held.first_of(user).as_slice() {
            [] => First::None,
            [only] => {
                let accepted = self.core().certificates.accepted(&only.issue.certificate);
                let accepted = accepted.filter(|accepted| held.check(accepted).is_ok());
                accepted.map_or(First::Unread, |accepted| First::One(*accepted.certificate.key()))
            }
            _ => First::Several,
        }
    }

    async fn judge(&self, user: &Name, first: &First) -> Result<Compared, ClientError> {
        let newest = self.core().vault.comparison(user).await?;
        let Some((key, at_ms)) = newest.and_then(|newest| Some((newest.key?, newest.at_ms))) else {
            return Ok(Compared::No);
        };
        Ok(match first {
            First::One(now) if *now.as_bytes() == *key => Compared::Yes { at_ms },
            _ => Compared::NoLonger { at_ms },
        })
    }

    fn device_of(&self, held: &Held, entered: &Entered) -> PersonDevice {
        let voucher = match (entered.issue.vouched, self.core().voucher(held, entered)) {
            (None, _) => Voucher::First,
            (Some(_), Some((_, name))) => Voucher::Device(name.to_string()),
            (Some(_), None) => Voucher::Unknown,
        };
        let certificate = entered.issue.certificate;
        PersonDevice {
            device: entered.device.to_string(),
            certificate,
            voucher,
            issued_ms: entered.issue.time_ms,
            revoked_ms: held.revocation(&certificate).map(|(_, revoke)| revoke.time_ms),
        }
    }
}
