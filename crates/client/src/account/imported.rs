//! Joining as a user of an earlier system: by the password that was good there, for the password from now on (SE-29).

use std::sync::Arc;

use pki::{Email, Name, Password};
use session::limits::MAX_CLASSIC_SALT;
use session::link::Link;
use session::login::{ClassicHash, ClientRegistration, Parties, classic_identity};
use session::message::{Command, FailureCode, Reply};

use super::enrolment::{Anonymous, bad_invite, profile};
use super::login::challenge;
use crate::ClientError;
use crate::home::Unfinished;
use crate::reply::{expect_reply, refused};
use crate::vault::Profile;

/// Who wants to join, as typed.
pub(super) enum Who {
    User(Name),
    Email(Email),
}

impl Who {
    pub(super) fn parse(text: &str) -> Result<Self, ClientError> {
        if text.contains('@') {
            return Email::parse(text).map(Self::Email).map_err(|e| ClientError::Input(e.to_string()));
        }
        super::enrolment::name(text, "user name").map(Self::User)
    }

    fn as_str(&self) -> &str {
        match self {
            Self::User(name) => name.as_str(),
            Self::Email(email) => email.as_str(),
        }
    }
}

/// Why somebody is not let in as a user of an earlier system.
pub(super) enum NotImported {
    /// Nobody waits there.
    NobodyWaits,
    /// The password is not that of an account that waits for this user.
    WrongPassword,
    Error(ClientError),
}

impl<E: Into<ClientError>> From<E> for NotImported {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl NotImported {
    /// As it is told to somebody who came with an e-mail address or a password of an earlier system.
    pub(super) fn into_error(self) -> ClientError {
        match self {
            Self::NobodyWaits => ClientError::NotFound(
                "no user of an earlier system waits to join here; to join as a new user give a user name, and one password"
                    .to_owned(),
            ),
            Self::WrongPassword => ClientError::Login,
            Self::Error(error) => error,
        }
    }
}

/// An account that was opened by the password of the earlier system.
pub(super) struct Opened {
    user: Name,
    registration: ClientRegistration,
    response: Vec<u8>,
}

/// Logs in by `earlier`, and begins to register `password`.
pub(super) async fn open(
    session: &Anonymous,
    link: &Link,
    who: &Who,
    device: &Name,
    earlier: &Password,
    password: &Password,
) -> Result<Opened, NotImported> {
    let start = Command::ImportStart {
        token: link.token.to_vec(),
        user: who.as_str().to_owned(),
        device: device.to_string(),
    };
    let (salt, organisation) = match session.connection.ask(start).await? {
        Reply::ImportChallenge { salt, organisation } => (salt, organisation),
        Reply::Failed { code: FailureCode::NotFound, .. } => return Err(NotImported::NobodyWaits),
        other => return Err(bad_invite(refused(other)).into()),
    };
    session.check_organisation(&organisation)?;
    if salt.len() > MAX_CLASSIC_SALT {
        return Err(ClientError::unexpected().into());
    }
    let identity = classic_identity(&salt);
    let hash = ClassicHash::of(&salt, earlier.expose());
    let secret = Arc::new(Password::new(hash.as_str().to_owned()));
    let login = |ke1| Command::ImportLogin { ke1 };
    let proved = challenge(&session.connection, &identity, link.root, &session.exporter, secret, login).await;
    let ke3 = match proved {
        Err(ClientError::Login) => return Err(NotImported::WrongPassword),
        proved => proved?.ke3,
    };
    let (registration, registration_request) = ClientRegistration::start(password.expose())?;
    let reply = session.connection.ask(Command::ImportRegister { ke3, registration_request }).await?;
    let (user, response) = expect_reply!(reply,
        Reply::ImportAccepted { user, registration_response } => (user, registration_response))?;
    let user = Name::canonical(&user).map_err(|_| ClientError::unexpected())?;
    if matches!(who, Who::User(typed) if *typed != user) {
        return Err(ClientError::Untrusted("the server welcomes somebody else".to_owned()).into());
    }
    Ok(Opened { user, registration, response })
}

impl Opened {
    /// Registers the password and asks for the certificate; an error says whether the account may have joined nevertheless.
    pub(super) async fn finish(
        self,
        session: &Anonymous,
        link: &Link,
        device: &Name,
        password: Arc<Password>,
        unfinished: &Unfinished,
    ) -> Result<Profile, (ClientError, bool)> {
        let before = |error: ClientError| (error, false);
        let Self { user, registration, response } = self;
        let (name, root) = (user.to_string(), link.root);
        let registration_upload = tokio::task::spawn_blocking(move || {
            registration.finish(password.expose(), &response, Parties { user: &name, root: &root })
        })
        .await
        .map_err(|_| before(ClientError::Cryptography))?
        .map_err(|error| before(error.into()))?;
        // Whose answer is lost asks again by this name (SE-32).
        unfinished.vault.put_opened_user(&user).await.map_err(|error| before(error.into()))?;
        let finish = Command::ImportFinish {
            registration_upload,
            request: unfinished.request.clone(),
            proof: session.possession(unfinished),
        };
        let reply = session.connection.ask(finish).await.map_err(|error| (error.into(), true))?;
        if let Reply::Failed { .. } = reply {
            return Err(before(bad_invite(refused(reply))));
        }
        profile(reply, session, link, &user, device, unfinished).map_err(|error| (error, true))
    }
}
