//! Joining by an invite link, and adding this machine as a new device (SE-11 to SE-14).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use channel::{ClientConfig, ServerTrust, Suite};
use pki::ed25519::SigningKey;
use pki::password::WeakPassword;
use pki::{Chain, Email, Fingerprint, Name, Password, TrustAnchor, TrustStore, Usage, short_code};
use session::limits::ENROL_DEADLINE_MS;
use session::link::{Link, Purpose};
use session::login::{ClientRegistration, Parties};
use session::message::{Command, FailureCode, Reply};
use tokio::time::{Instant, sleep, timeout_at};

use super::imported::{self, NotImported, Who};
use super::login::{LoggedIn, challenge, log_in};
use crate::ClientError;
use crate::clock::system_clock;
use crate::connection::{Address, Connection, Established};
use crate::home::{Home, Unfinished};
use crate::mls::refill;
use crate::reply::expect_reply;
use crate::vault::Profile;

/// How long a new device waits before it asks again whether it was approved.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// How a new device is getting on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It waits for an earlier device; the short code is shown on both, and compared by their user.
    Waiting {
        /// Short code of the new device's key.
        code: String,
    },
}

/// Who joins.
#[derive(Debug)]
pub struct Joiner<'a> {
    /// User name, canonical or made so; of a user of an earlier system also the e-mail address.
    pub user: &'a str,
    /// E-mail address that can be used to log in as well; an account of an earlier system keeps its own.
    pub email: Option<&'a str>,
    /// Device name.
    pub device: &'a str,
    /// The account's password.
    pub password: Password,
    /// The password in the earlier system, of its users, if it is to be another from now on.
    pub earlier: Option<Password>,
}

/// Joins an organisation by an invite link and makes a home in `folder`.
///
/// # Errors
/// [`ClientError`]; nothing half-made is left in `folder`. [`ClientError::NewPassword`] if the password is that of a user of an
/// earlier system, and cannot be kept.
pub async fn join(folder: &Path, link: &str, joiner: Joiner<'_>) -> Result<Home, ClientError> {
    let link = Link::parse(link).map_err(input)?;
    if link.purpose != Purpose::Join {
        return Err(ClientError::Input(
            "this link adds a device to an account; it does not make one".to_owned(),
        ));
    }
    let who = Who::parse(joiner.user)?;
    let device = name(joiner.device, "device name")?;
    let email = joiner.email.map(Email::parse).transpose().map_err(input)?;
    if email.is_some() && (joiner.earlier.is_some() || matches!(who, Who::Email(_))) {
        return Err(ClientError::Input(
            "an account of an earlier system keeps the e-mail address that it has; give none beside it"
                .to_owned(),
        ));
    }
    if let Err(weak) = pki::password::check(joiner.password.expose()) {
        return Err(match joiner.earlier {
            None => unacceptable(&link, &who, &device, &joiner.password, weak).await,
            Some(_) => input(weak),
        });
    }
    let password = Arc::new(joiner.password);

    let unfinished = Unfinished::start(folder, Arc::clone(&password)).await?;
    let session = match connect(&link).await {
        Ok(session) => session,
        Err(error) if unfinished.resumed && error.heals() => return Err(error),
        Err(error) => return give_up(unfinished, error).await,
    };
    let asked = JoinRequest {
        link: &link,
        who: &who,
        email: email.as_ref(),
        device: &device,
        earlier: joiner.earlier.as_ref(),
    };
    let resumed = unfinished.resumed;
    let outcome = enter(&session, &unfinished, asked, password).await;
    session.connection.close().await;
    match outcome {
        Ok(profile) => with_packages(unfinished.finish(&profile).await?).await,
        // Once the request was sent, the account may be there: its key is kept for another try.
        Err((error, sent)) if sent || (resumed && error.heals()) => Err(error),
        Err((error, _)) => give_up(unfinished, error).await,
    }
}

/// Adds this machine as a new device by a link that an earlier device made, and makes a home in `folder`. Waits until
/// the earlier device has approved it; `progress` tells what to show meanwhile.
///
/// # Errors
/// [`ClientError`]; nothing half-made is left in `folder`.
pub async fn join_device(
    folder: &Path,
    link: &str,
    device: &str,
    password: Password,
    mut progress: impl FnMut(Progress),
) -> Result<Home, ClientError> {
    let link = Link::parse(link).map_err(input)?;
    let Purpose::Device { user } = &link.purpose else {
        return Err(ClientError::Input("this link is for joining; it does not add a device".to_owned()));
    };
    let user = name(user, "user name")?;
    let device = name(device, "device name")?;
    let password = Arc::new(password);
    let unfinished = Unfinished::start(folder, Arc::clone(&password)).await?;
    let deadline = Instant::now() + Duration::from_millis(ENROL_DEADLINE_MS);
    let waiting = async {
        let mut shown = false;
        loop {
            let mut show = || {
                if !std::mem::replace(&mut shown, true) {
                    progress(Progress::Waiting { code: short_code(unfinished.key.public()) });
                }
            };
            match ask_once(&link, &user, &device, &unfinished, &password, &mut show).await {
                Err(error) if error.heals() => sleep(POLL_INTERVAL).await,
                other => return other,
            }
        }
    };
    match timeout_at(deadline, waiting).await {
        Ok(Ok(profile)) => with_packages(unfinished.finish(&profile).await?).await,
        Ok(Err(error)) => give_up(unfinished, error).await,
        Err(_) => {
            let error = ClientError::Input(
                "no earlier device approved this one in time; make a new link and try again".to_owned(),
            );
            give_up(unfinished, error).await
        }
    }
}

/// Logs in once, so that others can add the new device to their rooms at once. If that fails it is done at the next login.
async fn with_packages(home: Home) -> Result<Home, ClientError> {
    let Home { owner, vault, password, .. } = &home;
    match log_in(owner, &owner.address, Arc::clone(password), system_clock).await {
        Ok(LoggedIn { connection, .. }) => {
            let filled = refill(owner, vault, &connection, system_clock()).await;
            connection.close().await;
            if let Err(error) = filled {
                tracing::warn!("no key packages yet: {error}");
            }
        }
        Err(error) => tracing::warn!("no key packages yet: {error}"),
    }
    Ok(home)
}

async fn give_up(unfinished: Unfinished, error: ClientError) -> Result<Home, ClientError> {
    unfinished.abandon().await?;
    Err(error)
}

/// An anonymous session whose server's root has the link's fingerprint.
pub(crate) struct Anonymous {
    pub(crate) connection: Connection,
    pub(crate) exporter: channel::Exporter,
    /// The root that it showed, DER.
    pub(crate) root: Vec<u8>,
    pub(crate) server_organisation: pki::Organisation,
}

impl Anonymous {
    pub(super) fn check_organisation(&self, named: &str) -> Result<(), ClientError> {
        if named == self.server_organisation.as_str() {
            return Ok(());
        }
        Err(ClientError::Untrusted("the server names another organisation".to_owned()))
    }

    /// The proof of possession of the key of a home that is being made.
    pub(super) fn possession(&self, unfinished: &Unfinished) -> Vec<u8> {
        self.prove(&unfinished.key, &unfinished.request)
    }

    fn prove(&self, key: &SigningKey, request: &[u8]) -> Vec<u8> {
        pki::request::prove_possession(key, self.exporter.as_bytes(), request).to_vec()
    }
}

async fn connect(link: &Link) -> Result<Anonymous, ClientError> {
    connect_to(&address(link), link.root).await
}

/// Connects anonymously to a server whose root has this fingerprint.
pub(crate) async fn connect_to(address: &Address, root: [u8; 32]) -> Result<Anonymous, ClientError> {
    let config = ClientConfig {
        trust: ServerTrust::PinnedRoot(Fingerprint(root)),
        identity: None,
        suites: Suite::ALL.to_vec(),
    };
    let Established { connection, exporter, server, pinned_root, .. } =
        Connection::open(address, config, system_clock).await?;
    let root = pinned_root.ok_or_else(ClientError::unexpected)?;
    let server_organisation = server.identity().organisation.clone();
    Ok(Anonymous { connection, exporter, root, server_organisation })
}

#[derive(Clone, Copy)]
struct JoinRequest<'a> {
    link: &'a Link,
    who: &'a Who,
    email: Option<&'a Email>,
    device: &'a Name,
    earlier: Option<&'a Password>,
}

/// Joins as a new user, or as one of an earlier system, whichever the server lets in (SE-29); an error says whether the
/// account may have joined nevertheless.
async fn enter(
    session: &Anonymous,
    unfinished: &Unfinished,
    asked: JoinRequest<'_>,
    password: Arc<Password>,
) -> Result<Profile, (ClientError, bool)> {
    let opened = unfinished.vault.opened_user().await.map_err(|error| (error.into(), false))?;
    let new = match asked.who {
        Who::User(name) if asked.earlier.is_none() => Some(name),
        _ => None,
    };
    let taken = match opened.as_ref().or(new) {
        None => None,
        Some(user) => match register(session, unfinished, user, asked, Arc::clone(&password)).await {
            Err((error @ ClientError::Failed { code: FailureCode::Exists, .. }, false)) => Some(error),
            outcome => return outcome,
        },
    };
    let JoinRequest { link, who, device, earlier, .. } = asked;
    match imported::open(session, link, who, device, earlier.unwrap_or(&password), &password).await {
        Ok(opened) => opened.finish(session, link, device, password, unfinished).await,
        Err(refused) => Err((why_not(refused, taken.filter(|_| new.is_some())), false)),
    }
}

/// Why neither way leads in, for somebody whose name is taken, or who came as a user of an earlier system alone.
fn why_not(refused: NotImported, taken: Option<ClientError>) -> ClientError {
    match (refused, taken) {
        (NotImported::NobodyWaits, Some(taken)) => taken,
        (NotImported::WrongPassword, Some(taken)) => ClientError::Exists(format!(
            "{taken}. If it is you, from an earlier system, your password there was another"
        )),
        (refused, _) => refused.into_error(),
    }
}

/// What to say to somebody whose password cannot be set: another thing to a user of an earlier system who has it.
async fn unacceptable(
    link: &Link,
    who: &Who,
    device: &Name,
    password: &Password,
    weak: WeakPassword,
) -> ClientError {
    let session = match connect(link).await {
        Ok(session) => session,
        Err(error) => return error,
    };
    let opened = imported::open(&session, link, who, device, password, password).await;
    session.connection.close().await;
    match opened {
        Ok(_) => ClientError::NewPassword(weak),
        Err(NotImported::Error(error)) => error,
        Err(NotImported::NobodyWaits | NotImported::WrongPassword) => input(weak),
    }
}

/// Registers a new user; an error says whether the account may be there nevertheless.
async fn register(
    session: &Anonymous,
    unfinished: &Unfinished,
    user: &Name,
    asked: JoinRequest<'_>,
    password: Arc<Password>,
) -> Result<Profile, (ClientError, bool)> {
    let before = |error: ClientError| (error, false);
    let (registration, registration_request) =
        ClientRegistration::start(password.expose()).map_err(|error| before(error.into()))?;
    let start = Command::JoinStart {
        token: asked.link.token.to_vec(),
        user: user.to_string(),
        email: asked.email.map(ToString::to_string),
        device: asked.device.to_string(),
        registration_request,
    };
    let reply = session.connection.ask(start).await.map_err(|error| before(error.into()))?;
    let (response, organisation) = expect_reply!(reply,
        Reply::JoinChallenge { registration_response, organisation } => (registration_response, organisation))
    .map_err(bad_invite)
    .map_err(before)?;
    session.check_organisation(&organisation).map_err(before)?;
    let (name, root) = (user.to_string(), asked.link.root);
    let registration_upload = tokio::task::spawn_blocking(move || {
        registration.finish(password.expose(), &response, Parties { user: &name, root: &root })
    })
    .await
    .map_err(|_| before(ClientError::Cryptography))?
    .map_err(|error| before(error.into()))?;
    let finish = Command::JoinFinish {
        registration_upload,
        request: unfinished.request.clone(),
        proof: session.possession(unfinished),
    };
    let reply = session.connection.ask(finish).await.map_err(|error| (error.into(), true))?;
    if let Reply::Failed { .. } = reply {
        return Err(before(bad_invite(crate::reply::refused(reply))));
    }
    profile(reply, session, asked.link, user, asked.device, unfinished).map_err(|error| (error, true))
}

pub(super) fn bad_invite(error: ClientError) -> ClientError {
    match error {
        ClientError::Login => ClientError::Input(
            "this invite is not good: it was used, has expired or was revoked; ask for a new one".to_owned(),
        ),
        other => other,
    }
}

/// One try at being accepted as a new device, on one connection.
async fn ask_once(
    link: &Link,
    user: &Name,
    device: &Name,
    unfinished: &Unfinished,
    password: &Arc<Password>,
    show: &mut impl FnMut(),
) -> Result<Profile, ClientError> {
    let session =
        ask(link, user, device, (&unfinished.key, &unfinished.request), Arc::clone(password)).await?;
    let connection = &session.connection;
    show();
    loop {
        match connection.ask(Command::DevicePoll).await? {
            Reply::DevicePending { .. } => sleep(POLL_INTERVAL).await,
            reply => {
                let profile = profile(reply, &session, link, user, device, unfinished);
                connection.close().await;
                return profile;
            }
        }
    }
}

/// Asks by a link for a certificate for a key, as a new device; then the request is pending (SE-13).
pub(crate) async fn ask(
    link: &Link,
    user: &Name,
    device: &Name,
    (key, request): (&SigningKey, &[u8]),
    password: Arc<Password>,
) -> Result<Anonymous, ClientError> {
    let session = connect(link).await?;
    let connection = &session.connection;
    let start = |ke1| Command::DeviceStart {
        token: link.token.to_vec(),
        user: user.to_string(),
        device: device.to_string(),
        ke1,
    };
    let proof = challenge(connection, user.as_str(), link.root, &session.exporter, password, start).await?;
    let request = Command::DeviceRequest {
        ke3: proof.ke3,
        request: request.to_vec(),
        proof: session.prove(key, request),
    };
    expect_reply!(connection.ask(request).await?, Reply::DevicePending { .. } => ())?;
    Ok(session)
}

/// Checks what the server issued: our name, our key, under the root of the link.
pub(super) fn profile(
    reply: Reply,
    session: &Anonymous,
    link: &Link,
    user: &Name,
    device: &Name,
    unfinished: &Unfinished,
) -> Result<Profile, ClientError> {
    let (chain, root) = expect_reply!(reply, Reply::Joined { chain, root, .. } => (chain, root))?;
    if root != session.root {
        return Err(ClientError::Untrusted("the server gives another root than it showed".to_owned()));
    }
    let organisation = session.server_organisation.clone();
    let trust = TrustStore::new(vec![TrustAnchor::new(&root, organisation.clone())?]);
    let now = system_clock();
    let issued = Chain(chain.iter().map(|der| der.to_vec()).collect());
    // Certificates start at the server's time, from which ours may differ a little.
    let certificate = trust.verify_as_of(&issued, Usage::Device, now).or_else(|error| match error {
        pki::CertificateError::NotYetValid { not_before_ms } => {
            trust.verify_as_of(&issued, Usage::Device, not_before_ms)
        }
        other => Err(other),
    })?;
    let identity = certificate.identity();
    if identity.user() != Some(user)
        || identity.device() != Some(device)
        || certificate.key() != unfinished.key.public()
    {
        return Err(ClientError::Untrusted("the server issued a certificate for somebody else".to_owned()));
    }
    let Address { host, port } = address(link);
    Ok(Profile {
        organisation: organisation.to_string(),
        user: user.to_string(),
        device: device.to_string(),
        host,
        port,
        root,
        chain,
        joined_ms: now.max(certificate.not_before_ms()),
        first: link.purpose == Purpose::Join,
    })
}

fn address(link: &Link) -> Address {
    Address { host: link.host.clone(), port: link.port }
}

pub(crate) fn name(text: &str, what: &str) -> Result<Name, ClientError> {
    Name::parse(text).map_err(|error| ClientError::Input(format!("the {what} cannot be used: {error}")))
}

fn input(error: impl std::fmt::Display) -> ClientError {
    ClientError::Input(error.to_string())
}
